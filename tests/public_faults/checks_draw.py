"""What is drawn: layers, thin lines, glyphs, content that breaks the rules, transfer functions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sidebooks_core import TileService


def text(service: TileService, path: Path, page: int = 0) -> str:
    document = service.open(path)
    return " ".join(word.text for word in service.text(document, page=page))


def layers_membership(service: TileService, path: Path) -> None:
    assert text(service, path) == "anyoff must be seen"
    assert not service.search(service.open(path), "HIDDEN")


CHECKS: dict[str, Callable[[TileService, Path], None]] = {
    "layers-membership.pdf": layers_membership,
}
