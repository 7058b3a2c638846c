"""A server for one run, and what it tells of itself."""

from __future__ import annotations

import asyncio
import multiprocessing
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pymupdf

from benchmarks import corpus

VIEW = "1200x1920"
"""The screen of a tablet, in pixels."""
BUNDLE_PAGES = 600


def bundle_like(root: Path | None, *, is_quick: bool = False) -> Path:
    """The PDF of a folder, or of the corpus, that is most like a council's bundle by its number of pages.

    is_quick: the short sample, unless there is a folder.
    """
    if is_quick and root is None:
        return corpus.SAMPLE

    def difference(path: Path) -> int:
        with pymupdf.open(path) as document:
            return abs(int(document.page_count) - BUNDLE_PAGES)

    found = [one.path for one in corpus.documents(root) if one.path.suffix.lower() == ".pdf" and not one.password]
    return min(found, key=difference)


@contextmanager
def served(paths: list[Path], cache_dir: str, *options: str) -> Iterator[str]:
    """The address of a server of documents, in a process of its own. options: further ones of `sidebooks serve`."""
    with server_process(paths, cache_dir, *options) as (address, _):
        yield address


@contextmanager
def server_process(paths: list[Path], cache_dir: str, *options: str) -> Iterator[tuple[str, int]]:
    """The address and the process id of a server of documents. It is ended at the end of the block."""
    command = [sys.executable, "-m", "sidebooks_core", "serve", *map(str, paths), "--port", "0", "--no-browser", *options]
    with subprocess.Popen([*command, "--cache-dir", cache_dir], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        found = re.search(r"http://\S+/", process.stdout.readline())
        if found is None:
            raise RuntimeError("the server did not start")
        try:
            yield found[0], process.pid
        finally:
            process.terminate()


def counters(address: str, headers: Mapping[str, str] | None = None) -> dict[str, float]:
    """The server's metrics. headers: by which it knows an administrator."""
    text = (
        urllib.request.urlopen(urllib.request.Request(f"{address}metrics", headers=dict(headers or {})), timeout=30)
        .read()
        .decode()
    )
    return {name: float(value) for name, value in re.findall(r"^(\w+) ([0-9.e+-]+)$", text, re.M)}


def tree_mib(pid: int) -> float:
    """Memory of a process and of those that it started, in MiB; what they share counts once. Linux only."""
    return sum(_pss_kib(one) for one in _tree(pid)) / 1024


def _tree(pid: int) -> Iterator[int]:
    yield pid
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            yield from _tree(int(child))


def _pss_kib(pid: int) -> int:
    found = re.search(r"^Pss: +(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.M)
    return int(found[1]) if found else 0


def in_process(scenario: Any, *arguments: Any) -> dict[str, Any]:
    """A scenario in another process than the one that looks after the server."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        result: dict[str, Any] = pool.apply(_run, (scenario, *arguments))
        return result


def _run(scenario: Any, *arguments: Any) -> dict[str, Any]:
    result: dict[str, Any] = asyncio.run(scenario(*arguments))
    return result


def bare_draw_s(path: Path, page: int) -> float:
    """Seconds that PyMuPDF takes to draw a page at the tablets' size and nothing else: the best of three, the file open."""
    width_px, height_px = map(int, VIEW.split("x"))
    with pymupdf.open(path) as document:
        times = []
        for _ in range(3):
            started_s = time.perf_counter()
            drawn = document[page - 1]
            scale = min(width_px / drawn.rect.width, height_px / drawn.rect.height)
            drawn.get_pixmap(matrix=pymupdf.Matrix(scale, scale), alpha=False)
            times.append(time.perf_counter() - started_s)
        return min(times)
