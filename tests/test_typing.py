"""What a type checker makes of an application that uses the public names."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("mypy", reason="needs mypy", exc_type=ImportError)
pytest.importorskip("basedpyright", reason="needs basedpyright", exc_type=ImportError)

GOOD = """
from concurrent.futures import Future
import sidebooks_core as sb

def read(path: str) -> int:
    with sb.TileService(sb.Settings(cache_dir=None, workers=1)) as service:
        document: sb.Document = service.open(path, password=None)
        width_pt: float = document.pages[0].width_pt
        level: sb.Level = document.pyramid(0).levels[-1]
        future: Future[sb.Tile] = service.submit(document, page=0, level=level.index, column=0, row=0)
        tile = future.result()
        shape: tuple[int, ...] = tile.pixels().shape
        with service.reader(document, view_px=(800, 600)) as reader:
            def refined(view: sb.PageView) -> None: ...
            reader.on_refined = refined
            view: sb.PageView = reader.turn(+1)
            data: bytes = view.images[0].tile.data
        hits: list[sb.SearchHit] = service.search(document, "x")
        return service.statistics().renders + len(hits) + len(data) + int(width_pt) + shape[0]
"""
BAD = """
import sidebooks_core as sb
sb.Settings(workers="2")
service = sb.TileService()
service.tile(service.open("x"), page="0", level=0, column=0, row=0)
service.open("x").page_count.upper()
"""


MOUNTED = """
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import sidebooks_core as sb
from fastapi import FastAPI
from sidebooks_core.server import Allowed, Application, Operation, ServerLimits, Shelf
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.types import ASGIApp, Scope

def may(scope: Scope, operation: Operation, document_id: str | None, /) -> bool:
    return operation is not Operation.READ_ORIGINAL or document_id is None

class Members:
    def __call__(self, scope: Scope, operation: Operation, document_id: str | None, /) -> bool:
        return bool(scope.get("user"))

@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[None, None]:
    with sb.TileService(sb.Settings(cache_dir=None)) as service:
        shelf = Shelf(service)
        document: sb.Document = shelf.register("budget.pdf", name=None)
        documents = Application(shelf, allowed=may, cache="private", allow_origins=["https://books.example"], hosts=None)
        app.mount(f"/books/{document.id}", documents)
        yield
        documents.close()
        shelf.close()

def starlette(shelf: Shelf) -> Starlette:
    allowed: Allowed = Members()
    mounted = Application(shelf, allowed=allowed, base_url="https://books.example/", limits=ServerLimits(streams=5))
    asgi: ASGIApp = mounted
    return Starlette(routes=[Mount("/books", app=mounted), Mount("/again", app=asgi)])

outer = FastAPI(lifespan=lifespan)
"""
BADLY_MOUNTED = """
from sidebooks_core.server import Application, Shelf
from starlette.applications import Starlette

def may(scope: str, operation: int) -> bool:
    return True

def bad(shelf: Shelf) -> None:
    Application(shelf, allowed=may)
    Application(shelf, cache="none")
    Application(shelf, hostnames=["x"])
    Application("budget.pdf")
    Starlette().mount("/books", shelf)
"""


def checked(source: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """What mypy says of it."""
    (folder / "application.py").write_text(source)
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(folder / "cache"), "application.py"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=240)


def pyright(source: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """What pyright says of it."""
    (folder / "application.py").write_text(source)
    (folder / "pyrightconfig.json").write_text('{"typeCheckingMode": "strict", "pythonVersion": "3.11"}')
    command = [sys.executable, "-m", "basedpyright", "--pythonpath", sys.executable, "application.py"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=240)


@pytest.mark.parametrize("check", [checked, pyright], ids=["mypy", "pyright"])
@pytest.mark.parametrize("source", [GOOD, MOUNTED], ids=["library", "mounted"])
def test_good_use_passes_strictly(
    check: Callable[[str, Path], subprocess.CompletedProcess[str]], source: str, tmp_path: Path
) -> None:
    done = check(source, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(("source", "errors"), [(BAD, 3), (BADLY_MOUNTED, 5)], ids=["library", "mounted"])
@pytest.mark.parametrize(("check", "marks"), [(checked, "error:"), (pyright, "- error:")], ids=["mypy", "pyright"])
def test_bad_use_is_found(
    check: Callable[[str, Path], subprocess.CompletedProcess[str]], marks: str, source: str, errors: int, tmp_path: Path
) -> None:
    done = check(source, tmp_path)
    assert done.stdout.count(marks) >= errors, done.stdout
