"""What HTTP clients get of files that public bug reports show."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from asgi import ask

from sidebooks_core import TileService
from sidebooks_core.server import Application, Shelf


def manifest_of(service: TileService, path: Path) -> dict[str, Any]:
    shelf = Shelf(service)
    application = Application(shelf)
    document = shelf.register(path)
    found: dict[str, Any] = ask(application, f"/presentation/3/{document.id}/manifest.json").json()
    application.close()
    return found


def wide_page_stands_alone(service: TileService, path: Path) -> None:
    manifest = manifest_of(service, path)
    assert manifest["behavior"] == ["paged"]
    wide = [canvas["width"] > canvas["height"] for canvas in manifest["items"]]
    assert any(wide)
    for is_wide, canvas in zip(wide, manifest["items"], strict=True):
        assert canvas.get("behavior") == (["facing-pages"] if is_wide else None), canvas["label"]


CHECKS = {"book-with-wide-page.pdf": wide_page_stands_alone}
