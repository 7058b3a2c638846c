"""How fast a cache is filled, beside bare PyMuPDF drawing the same rasters on one core and doing nothing with them, and
with as many processes as we have workers that draw with PyMuPDF and write a JPEG by Pillow for each page.

python -m benchmarks.prerender [--documents FILE] [--workers N] [--rounds N] [--json FILE] [--quick]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import sidebooks_core as sb
from benchmarks import corpus
from benchmarks.reporting import Percentiles, machine, print_machine, table, write_json

PEER = """
import sys, pymupdf
from PIL import Image
pymupdf.TOOLS.mupdf_display_errors(False)
path, folder, *pairs = sys.argv[1:]
document = pymupdf.open(path)
if folder:
    Image.preinit()
print("ready", flush=True)
sys.stdin.readline()
for pair in pairs:
    page, scale = pair.split(":")
    pixmap = document[int(page)].get_pixmap(matrix=pymupdf.Matrix(float(scale), float(scale)), alpha=False)
    if folder:
        image = Image.frombuffer("RGB", (pixmap.width, pixmap.height), pixmap.samples_mv, "raw", "RGB", 0, 1)
        image.save(f"{folder}/{page}.jpg", quality=85)
print("done", flush=True)
"""
SHARE = 0.8
FEWEST_PAGES = 16
"""Shorter documents measure the start and the end more than the pages between."""


def main(arguments: list[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.prerender", description=__doc__.split("\n\n")[0])
    parser.add_argument("--documents", type=Path, help="folder or file (default: the corpus)")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--pages", type=int, default=60, help="most pages of each document (default 60)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write every measurement there")
    parser.add_argument("--quick", action="store_true", help="one short document, once")
    chosen = parser.parse_args(arguments)
    described = machine("pymupdf")
    print_machine(described)
    with sb.TileService(sb.Settings(cache_dir=None)) as service:
        long = [
            one
            for one in corpus.documents(chosen.documents)
            if one.path.suffix == ".pdf" and (chosen.documents or service.open(one.path).page_count >= FEWEST_PAGES)
        ]
    if chosen.quick:
        long = long[:1]
    rounds, pages = (1, 4) if chosen.quick else (chosen.rounds, chosen.pages)
    measured = [measure(document.path, chosen.workers, pages) for document in long for _ in range(rounds)]
    rows = [
        [
            one["document"],
            str(one["pages"]),
            *(f"{one[name]:.1f}" for name in ("bare_rate", "jpeg_rate", "our_rate")),
            f"{one['share']:.2f}",
            f"{one['of_jpeg']:.2f}",
        ]
        for one in measured
    ]
    workers = chosen.workers
    rates = ["bare, pages/s", f"JPEG, {workers} processes", f"ours, {workers} workers"]
    print(table(["document", "pages", *rates, "ours of N x bare", "ours of JPEG"], rows))
    print(f"ours of N x bare: {_summary(one['share'] for one in measured)}; the bound is {SHARE}")
    print(f"ours of JPEG: {_summary(one['of_jpeg'] for one in measured)}")
    if chosen.json:
        write_json(chosen.json, described, measured)


def _summary(shares: Iterable[Any]) -> str:
    found = Percentiles.of(shares)
    return f"median {found.median:.2f}, p95 {found.p95:.2f}, max {found.max:.2f}"


def measure(path: Path, workers: int, most_pages: int) -> dict[str, Any]:
    """Pages a second, all ways, one after the other."""
    with (
        tempfile.TemporaryDirectory() as folder,
        sb.TileService(sb.Settings(cache_dir=folder, workers=workers)) as service,
    ):
        document = service.open(path)
        pages = range(min(most_pages, document.page_count))
        level = document.pyramid(0).screen_level.index
        pairs = [f"{page}:{document.pyramid(page).levels[level].scale!r}" for page in pages]
        bare_s = _peer_s(path, "", [pairs])
        with tempfile.TemporaryDirectory() as jpegs:
            jpeg_s = _peer_s(path, jpegs, [pairs[first::workers] for first in range(workers)])
        service.page_image(document, 0, width_px=64)  # the workers are there
        started_s = time.perf_counter()
        service.prerender(document, pages=pages, sizes=sb.Sizes(levels=[level]))
        our_s = time.perf_counter() - started_s
    bare_rate, jpeg_rate, our_rate = (len(pages) / spent_s for spent_s in (bare_s, jpeg_s, our_s))
    return {
        "document": path.name,
        "pages": len(pages),
        "bare_rate": bare_rate,
        "jpeg_rate": jpeg_rate,
        "our_rate": our_rate,
        "share": our_rate / workers / bare_rate,
        "of_jpeg": our_rate / jpeg_rate,
    }


def _peer_s(path: Path, folder: str, parts: list[list[str]]) -> float:
    """For all parts, each in a process of its own that has opened the document before."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", PEER, str(path), folder, *pairs],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        for pairs in parts
    ]
    for process in processes:
        _expect(process, "ready")
    started_s = time.perf_counter()
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    for process in processes:
        _expect(process, "done")
    spent_s = time.perf_counter() - started_s
    for process in processes:
        process.communicate()
    return spent_s


def _expect(process: subprocess.Popen[str], what: str) -> None:
    """Wait for a line. What else is printed, by the engine, is passed over. Raises RuntimeError."""
    assert process.stdout is not None
    if not any(line.strip() == what for line in iter(process.stdout.readline, "")):
        raise RuntimeError(f"the process that draws with PyMuPDF ended with {process.wait()}")


if __name__ == "__main__":
    main()
