"""How fast is a cache filled, beside PyMuPDF that draws, and processes that also write JPEG?

Bare PyMuPDF draws the same rasters on one core and does nothing with them. The other side has as many processes as we have
workers. They draw with PyMuPDF, and write a JPEG by Pillow for each page. Both sides begin with the document open and one page
of it drawn, small, and end when all is written. Each process of the other side has opened the document, and has drawn and
encoded the first page; pages are dealt out in turn. Ours has opened the document in the worker that was asked for that page,
and in the others as far as a server does that by itself. Nothing is identified but what the one page led to. The other side
looks for no stored pages, identifies none, and survives no damaged one; ours does, and its images are lossless where the page
is text. Bytes are those of the image files: ours with their records' headers, without the database. The processor time of a
page is that of all processes of a side, while the clock runs: it is the better measure on a machine that others use as well.

What the numbers do not say: what the images look like, and what a second run costs. Ours finds what is stored and draws the
rest.

python -m benchmarks prerender [--documents FILE] [--workers N] [--rounds N] [--json FILE] [--html FILE] [--quick]
"""

from __future__ import annotations

import argparse
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import psutil

import sidebooks_core as sb
from benchmarks import corpus, results
from benchmarks.results import Series
from benchmarks.running import begin, with_outputs
from benchmarks.tables import Percentiles, table
from sidebooks_core.stores.disk import LAYOUT

PEER = """
import io, sys, time, pymupdf
from PIL import Image
pymupdf.TOOLS.mupdf_display_errors(False)
path, folder, *pairs = sys.argv[1:]
document = pymupdf.open(path)

def draw(page, scale, file):
    pixmap = document[page].get_pixmap(matrix=pymupdf.Matrix(scale, scale), alpha=False)
    if folder:
        image = Image.frombuffer("RGB", (pixmap.width, pixmap.height), pixmap.samples_mv, "raw", "RGB", 0, 1)
        image.save(file, "JPEG", quality=85)

draw(0, 0.1, io.BytesIO())
print("ready", flush=True)
sys.stdin.readline()
begun_s = time.process_time()
for pair in pairs:
    page, scale = pair.split(":")
    draw(int(page), float(scale), f"{folder}/{page}.jpg")
print("done", time.process_time() - begun_s, flush=True)
"""
OF_JPEG = 1.2
"""The bound of our rate, as a share of that of the processes that write JPEG, in the median of the documents."""
FEWEST_PAGES = 16
"""Shorter documents measure the start and the end more than the pages between."""


def main(arguments: list[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks prerender", description=__doc__.split("\n\n")[0])
    parser.add_argument("--documents", type=Path, help="folder or file (default: the corpus)")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--pages", type=int, default=60, help="most pages of each document (default 60)")
    parser.add_argument("--rounds", type=int, default=3)
    with_outputs(parser)
    parser.add_argument("--quick", action="store_true", help="one short document, once")
    chosen = parser.parse_args(arguments)
    begun = begin(chosen, "pymupdf")
    with corpus.needed_by(parser):
        found = corpus.documents(chosen.documents, is_quick=chosen.quick)
    with sb.TileService(sb.Settings(cache_dir=None)) as service:
        long = [
            one
            for one in found
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
            f"{one['jpeg_cpu_ms']:.1f}",
            f"{one['our_cpu_ms']:.1f}",
            f"{one['bytes_of_jpeg']:.2f}",
        ]
        for one in measured
    ]
    workers = chosen.workers
    rates = ["bare, pages/s", f"JPEG, {workers} processes", f"ours, {workers} workers"]
    shares = ["ours of N x bare", "ours of JPEG", "JPEG, CPU ms a page", "ours, CPU ms a page", "bytes of JPEG's"]
    print(table(["document", "pages", *rates, *shares], rows))
    print(f"ours of N x bare: {_summary(one['share'] for one in measured)}")
    print(f"ours of JPEG: {_summary(one['of_jpeg'] for one in measured)}; the bound of the median is {OF_JPEG}")
    print(f"ours of JPEG by processor time: {_summary(one['jpeg_cpu_ms'] / one['our_cpu_ms'] for one in measured)}")
    in_all = sum(one["our_bytes"] for one in measured) / sum(one["jpeg_bytes"] for one in measured)
    print(f"bytes of JPEG's: {in_all:.2f} in all; {_summary(one['bytes_of_jpeg'] for one in measured)}")
    begun.finish(series_of(measured), measured)


def series_of(measured: list[dict[str, Any]]) -> list[Series]:
    """Rates, processor time and bytes of each document and round."""
    rounds: dict[str, int] = {}
    labels = []
    for one in measured:
        rounds[one["document"]] = rounds.get(one["document"], 0) + 1
        labels.append(f"{one['document']} {rounds[one['document']]}")
    found: list[Series] = []
    for name, key in (("sidebooks_core", "our"), ("PyMuPDF + Pillow JPEG", "jpeg"), ("PyMuPDF draws only, 1 process", "bare")):
        rates = [one[f"{key}_rate"] for one in measured]
        found += results.measured("Pages a second", name, "1/s", rates, better="higher", labels=labels)
    for group, unit, suffix, factor in (
        ("Processor time of a page", "ms", "cpu_ms", 1),
        ("Bytes of all pages", "kB", "bytes", 1e-3),
    ):
        for name, key in (("sidebooks_core", "our"), ("PyMuPDF + Pillow JPEG", "jpeg")):
            found += results.measured(group, name, unit, (one[f"{key}_{suffix}"] * factor for one in measured), labels=labels)
    return found


def _summary(shares: Iterable[Any]) -> str:
    values = list(shares)
    found = Percentiles.of(values)
    return f"median {found.median:.2f}, p95 {found.p95:.2f}, max {found.max:.2f}, min {min(values):.2f}"


def measure(path: Path, workers: int, most_pages: int) -> dict[str, Any]:
    """Pages a second, processor time and bytes, all ways, one after the other."""
    with (
        tempfile.TemporaryDirectory() as folder,
        sb.TileService(sb.Settings(cache_dir=folder, workers=workers)) as service,
    ):
        document = service.open(path)
        pages = range(min(most_pages, document.page_count))
        level = document.pyramid(0).screen_level.index
        pairs = [f"{page}:{document.pyramid(page).levels[level].scale!r}" for page in pages]
        bare_s, _ = _peer_s(path, "", [pairs])
        with tempfile.TemporaryDirectory() as jpegs:
            jpeg_s, jpeg_cpu_s = _peer_s(path, jpegs, [pairs[first::workers] for first in range(workers)])
            jpeg_bytes = sum(file.stat().st_size for file in Path(jpegs).iterdir())
        service.page_image(document, 0, width_px=64)  # the workers are there
        before_bytes, before_s = _record_bytes(folder), _our_cpu_s(service)
        started_s = time.perf_counter()
        service.prerender(document, pages=pages, sizes=sb.Sizes(levels=[level]))
        our_s = time.perf_counter() - started_s
        our_cpu_s = _our_cpu_s(service) - before_s
        our_bytes = _record_bytes(folder) - before_bytes
    bare_rate, jpeg_rate, our_rate = (len(pages) / spent_s for spent_s in (bare_s, jpeg_s, our_s))
    return {
        "document": path.name,
        "pages": len(pages),
        "bare_rate": bare_rate,
        "jpeg_rate": jpeg_rate,
        "our_rate": our_rate,
        "share": our_rate / workers / bare_rate,
        "of_jpeg": our_rate / jpeg_rate,
        "jpeg_cpu_ms": jpeg_cpu_s / len(pages) * 1000,
        "our_cpu_ms": our_cpu_s / len(pages) * 1000,
        "jpeg_bytes": jpeg_bytes,
        "our_bytes": our_bytes,
        "bytes_of_jpeg": our_bytes / jpeg_bytes,
    }


def _record_bytes(folder: str) -> int:
    """The bytes of all records in a cache: those in files, and those in the database."""
    with sqlite3.connect(Path(folder) / LAYOUT / "cache.db") as database:
        return int(database.execute("SELECT COALESCE(SUM(COALESCE(LENGTH(value), size)), 0) FROM Cache").fetchone()[0])


def _our_cpu_s(service: sb.TileService) -> float:
    """The processor time of this process and of the workers that live."""
    spent = [psutil.Process(one).cpu_times() for one in service.worker_process_ids()]
    return time.process_time() + float(sum(one.user + one.system for one in spent))


def _peer_s(path: Path, folder: str, parts: list[list[str]]) -> tuple[float, float]:
    """For all parts, each in a process of its own that has opened the document before: seconds, and of processors."""
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
    cpu_s = sum(float(_expect(process, "done")) for process in processes)
    spent_s = time.perf_counter() - started_s
    for process in processes:
        process.communicate()
    return spent_s, cpu_s


def _expect(process: subprocess.Popen[str], what: str) -> str:
    """Wait for a line, and return what follows on it. What else is printed, by the engine, is passed over. Raises
    RuntimeError.
    """
    assert process.stdout is not None
    for line in iter(process.stdout.readline, ""):
        word, _, rest = line.strip().partition(" ")
        if word == what:
            return rest
    raise RuntimeError(f"the process that draws with PyMuPDF ended with {process.wait()}")


if __name__ == "__main__":
    main()
