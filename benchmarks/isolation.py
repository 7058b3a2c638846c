"""What does the isolation of workers cost: to start, to draw a page, and to turn to one that is there?

python -m benchmarks isolation [--documents FILE] [--rounds N] [--json FILE] [--html FILE] [--quick]

On against off, in turns.

What the numbers do not say: what isolation costs where the kernel lacks a part of it; `sidebooks_core` uses what there is.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import sidebooks_core as sb
from benchmarks import corpus, results
from benchmarks.results import Series
from benchmarks.running import begin, with_outputs
from benchmarks.tables import HEADERS, Percentiles, table

VIEW_PX = (1200, 1920)
MOST_START = 1.05
"""Bound of on/off for the start."""
MOST_TURN_MS = 0.2
"""Bound of on - off for a turn."""


def main(arguments: list[str] | None = None) -> None:
    """Measure and print."""
    assert __doc__ is not None
    parser = argparse.ArgumentParser(prog="python -m benchmarks isolation", description=__doc__.split("\n\n")[0])
    parser.add_argument("--documents", type=Path, help="folder or file (default: the first text document of the corpus)")
    parser.add_argument("--rounds", type=int, default=20)
    with_outputs(parser)
    parser.add_argument("--quick", action="store_true", help="two rounds")
    chosen = parser.parse_args(arguments)
    begun = begin(chosen, "pymupdf")
    with corpus.needed_by(parser):
        every = corpus.documents(chosen.documents, is_quick=chosen.quick)
    found = [one for one in every if one.path.suffix.lower() == ".pdf"]
    path = next((one.path for one in found if one.kind == "text"), found[0].path)
    measured = []
    for number in range(2 if chosen.quick else chosen.rounds):
        order = (True, False) if number % 2 else (False, True)
        measured += [measure(path, isolation=isolation) for isolation in order]
    rows = []
    medians: dict[tuple[str, bool], float] = {}
    for what in ("start", "page drawn", "turn"):
        for isolation in (True, False):
            waits = [wait for one in measured if one["isolation"] is isolation for wait in one[what]]
            row = Percentiles.of(wait * 1000 for wait in waits)
            medians[what, isolation] = row.median
            rows.append([what, "on" if isolation else "off", str(len(waits)), *row.cells(".2f")])
    print(table(["ms", "isolation", "times", *HEADERS], rows))
    ratio = medians["start", True] / medians["start", False]
    turn_ms = medians["turn", True] - medians["turn", False]
    print(f"start: on/off {ratio:.3f} (the bound is {MOST_START}); a turn: {turn_ms:+.3f} ms (the bound is {MOST_TURN_MS})")
    begun.finish(series_of(measured))


def series_of(measured: list[dict[str, Any]]) -> list[Series]:
    """A group for each of the three."""
    found: list[Series] = []
    for group, what in (("From nothing to the first page", "start"), ("A page drawn", "page drawn"), ("A turn", "turn")):
        for is_on in (True, False):
            waits = [wait * 1000 for one in measured if one["isolation"] is is_on for wait in one[what]]
            found += results.measured(group, f"isolation {'on' if is_on else 'off'}", "ms", waits)
    return found


def measure(path: Path, *, isolation: bool) -> dict[str, Any]:
    """Seconds: from nothing to the first page, of pages drawn one by one, and of turns to them."""
    settings = sb.Settings(cache_dir=None, isolation=isolation)
    started_s = time.perf_counter()
    with sb.TileService(settings) as service:
        document = service.open(path)
        service.page_image(document, 0, width_px=VIEW_PX[0])
        first_s = time.perf_counter() - started_s
        pages = range(1, min(document.page_count, 12))
        drawn = []
        for page in pages:
            since_s = time.perf_counter()
            service.page_image(document, page, width_px=600)
            drawn.append(time.perf_counter() - since_s)
        turns = []
        with service.reader(document, VIEW_PX) as reader:
            for page in pages:
                reader.turn_to(page)
                reader.wait_sharp(30)
            for page in pages:
                since_s = time.perf_counter()
                reader.turn_to(page)
                turns.append(time.perf_counter() - since_s)
    return {"isolation": isolation, "start": [first_s], "page drawn": drawn, "turn": turns}


if __name__ == "__main__":
    main()
