"""How fast a cache is filled, against bare PyMuPDF drawing the same rasters on one core and doing nothing with them.

python -m benchmarks.prerender [--documents FILE] [--workers N] [--rounds N] [--json FILE] [--quick]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import sidebooks_core as sb
from benchmarks import corpus
from benchmarks.reporting import machine, print_machine, table, write_json

BARE = """
import sys, time, pymupdf
pymupdf.TOOLS.mupdf_display_errors(False)
document = pymupdf.open(sys.argv[1])
started_s = time.perf_counter()
for pair in sys.argv[2:]:
    page, scale = pair.split(":")
    document[int(page)].get_pixmap(matrix=pymupdf.Matrix(float(scale), float(scale)), alpha=False)
print(time.perf_counter() - started_s)
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
        [str(one["document"]), str(one["pages"]), f"{one['bare_rate']:.1f}", f"{one['our_rate']:.1f}", f"{one['share']:.2f}"]
        for one in measured
    ]
    print(table(["document", "pages", "bare, pages/s", f"ours, {chosen.workers} workers", "share of N x bare"], rows))
    shares = sorted(float(str(one["share"])) for one in measured)
    print(f"median share {shares[len(shares) // 2]:.2f}; the bound is {SHARE}")
    if chosen.json:
        write_json(chosen.json, described, measured)


def measure(path: Path, workers: int, most_pages: int) -> dict[str, object]:
    """Pages a second, both ways, one after the other."""
    with (
        tempfile.TemporaryDirectory() as folder,
        sb.TileService(sb.Settings(cache_dir=folder, workers=workers)) as service,
    ):
        document = service.open(path)
        pages = range(min(most_pages, document.page_count))
        level = document.pyramid(0).screen_level.index
        pairs = [f"{page}:{document.pyramid(page).levels[level].scale!r}" for page in pages]
        bare = subprocess.run([sys.executable, "-c", BARE, str(path), *pairs], check=True, capture_output=True, text=True)
        bare_s = float(bare.stdout.splitlines()[-1])
        service.page_image(document, 0, width_px=64)  # the workers are there
        started_s = time.perf_counter()
        service.prerender(document, pages=pages, levels=[level])
        our_s = time.perf_counter() - started_s
    bare_rate, our_rate = len(pages) / bare_s, len(pages) / our_s
    return {
        "document": path.name,
        "pages": len(pages),
        "bare_rate": bare_rate,
        "our_rate": our_rate,
        "share": our_rate / workers / bare_rate,
    }


if __name__ == "__main__":
    main()
