"""What a type checker makes of an application that uses the public names."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("mypy", reason="needs mypy", exc_type=ImportError)

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


def checked(source: str, folder: Path) -> subprocess.CompletedProcess[str]:
    (folder / "application.py").write_text(source)
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(folder / "cache"), "application.py"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=240)


def test_good_use_passes_strictly(tmp_path: Path) -> None:
    done = checked(GOOD, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_bad_use_is_found(tmp_path: Path) -> None:
    done = checked(BAD, tmp_path)
    assert done.stdout.count("error:") >= 3, done.stdout
