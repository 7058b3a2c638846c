"""Does a reader of a good document notice another one who sits on pages that hang their worker?

python -m benchmarks killer [--documents FILE] [--rounds N] [--turns N] [--json FILE] [--html FILE] [--quick]

The reader is measured alone and beside the other one. A third row has one who passes such pages by.

What the numbers do not say: how it is with more readers who sit on such pages than there are workers.
"""

from __future__ import annotations

import argparse
import threading
import time
from pathlib import Path
from typing import Any

import pymupdf

import sidebooks_core as sb
from benchmarks import corpus, results
from benchmarks.corpus import SAMPLE
from benchmarks.results import Series
from benchmarks.running import begin, with_outputs
from benchmarks.tables import HEADERS, Percentiles, table

VIEW_PX = (1200, 1920)
PACE_S = 0.25
PASSING_PACE_S = 1 / 15
MOST_RATIO = 1.2
KILLER_PAGES = 12


def main(arguments: list[str] | None = None) -> None:
    """Measure and print."""
    assert __doc__ is not None
    parser = argparse.ArgumentParser(prog="python -m benchmarks killer", description=__doc__.split("\n\n")[0])
    parser.add_argument("--documents", type=Path, help="the good document (default: the sample)")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--turns", type=int, default=20)
    with_outputs(parser)
    parser.add_argument("--quick", action="store_true", help="one round of few turns")
    chosen = parser.parse_args(arguments)
    rounds, turns = (1, 5) if chosen.quick else (chosen.rounds, chosen.turns)
    with corpus.needed_by(parser, quick_needs_none=False):
        good = corpus.documents(chosen.documents)[0].path if chosen.documents else SAMPLE
    begun = begin(chosen, "pymupdf")
    killers = killer_document()
    measured = []
    for number in range(rounds):
        order = (True, False) if number % 2 else (False, True)
        measured += [measure(good, killers, turns, beside=beside) for beside in order]
    passed_by = [measure_passing(killers) for _ in range(rounds)]
    rows, p99, on_arrival = [], {}, {}
    for beside in (False, True):
        arrived = [is_sharp for one in measured if one["beside"] is beside for is_sharp in one["sharp_on_arrival"]]
        on_arrival[beside] = sum(arrived) / len(arrived)
        for what in ("painted", "sharp"):
            found = Percentiles.of(wait * 1000 for one in measured if one["beside"] is beside for wait in one[what])
            p99[what, beside] = found.p99
            rows.append([what, "beside killers" if beside else "alone", str(found.count), *found.cells(".2f")])
    found = Percentiles.of(wait * 1000 for wait in passed_by)
    rows.append(["sharp", "after passing them by", str(found.count), *found.cells(".2f")])
    print(table(["ms", "", "turns", *HEADERS], rows))
    deaths = sum(one["deaths"] for one in measured)
    print(
        f"painted, p99: beside/alone {p99['painted', True] / p99['painted', False]:.2f} (the bound is {MOST_RATIO});"
        f" sharp {p99['sharp', True] / p99['sharp', False]:.2f}; workers that died: {deaths}"
    )
    print(f"sharp on arrival: {on_arrival[False]:.0%} alone, {on_arrival[True]:.0%} beside killers")
    begun.finish(series_of(measured, passed_by), measured)


def series_of(measured: list[dict[str, Any]], passed_by: list[float]) -> list[Series]:
    """Turns, alone and beside."""
    found: list[Series] = []
    for group, what in (("Until something is painted", "painted"), ("Until the page is sharp", "sharp")):
        for beside in (False, True):
            waits = [wait * 1000 for one in measured if one["beside"] is beside for wait in one[what]]
            found += results.measured(group, "beside killers" if beside else "alone", "ms", waits)
    return found + results.measured(
        "Until the page is sharp", "after passing killers by", "ms", (wait * 1000 for wait in passed_by)
    )


def killer_document() -> bytes:
    """Pages that never end: each draws a form that draws ten of the next kind, thirty deep."""
    with pymupdf.open() as made:
        forms = []
        for _ in range(30):
            xref = made.get_new_xref()
            made.update_object(xref, "<< /Type /XObject /Subtype /Form /BBox [0 0 600 800] >>")
            forms.append(xref)
        for depth, xref in enumerate(forms):
            inner = forms[depth + 1] if depth + 1 < len(forms) else None
            made.update_stream(xref, (b"/X Do " * 10) if inner else b"0 0 5 5 re f", new=True)
            if inner:
                made.xref_set_key(xref, "Resources", f"<< /XObject << /X {inner} 0 R >> >>")
        for number in range(KILLER_PAGES):
            page = made.new_page(width=600 + number)
            page.insert_text((20, 20), f"page {number}")
            made.xref_set_key(page.xref, "Resources", f"<< /XObject << /X {forms[0]} 0 R >> >>")
            made.update_stream(page.get_contents()[0], b"/X Do")
        data: bytes = made.tobytes()
        return data


def measure(good: Path, killers: bytes, turns: int, *, beside: bool) -> dict[str, Any]:
    """Seconds to something painted, and to the sharp page, of each turn."""
    settings = sb.Settings(cache_dir=None, render_timeout_s=2.0)
    painted, sharp, on_arrival = [], [], []
    with sb.TileService(settings) as service:
        document = service.open(good)
        ended = threading.Event()
        sitter = threading.Thread(target=_sit, args=(service, killers, ended), daemon=True)
        with service.reader(document, VIEW_PX) as reader:
            reader.wait_sharp(30)
            reader.wait_previews(60)
            if beside:
                sitter.start()
                time.sleep(1.0)
            for turn in range(turns):
                started_s = time.perf_counter()
                view = reader.turn_to((turn * 7 + 3) % document.page_count)
                painted.append(time.perf_counter() - started_s)
                on_arrival.append(view.is_sharp)
                if not view.is_sharp:
                    reader.wait_sharp(20)
                sharp.append(time.perf_counter() - started_s)
                time.sleep(PACE_S)
        ended.set()
        if beside:
            sitter.join(30)
        deaths = service.statistics().worker_deaths
    return {"beside": beside, "painted": painted, "sharp": sharp, "sharp_on_arrival": on_arrival, "deaths": deaths}


def measure_passing(killers: bytes) -> float:
    """Seconds to a sharp page for one who passes by pages that never end, more than there are workers, and stops after them."""
    with pymupdf.open(stream=killers) as document:
        document.new_page(width=595, height=842).insert_text((50, 50), "sound")
        data = document.tobytes()
    with sb.TileService(sb.Settings(cache_dir=None)) as service, service.reader(service.open(data), VIEW_PX) as reader:
        time.sleep(PACE_S)
        for page in range(1, KILLER_PAGES):
            reader.turn_to(page)
            time.sleep(PASSING_PACE_S)
        started_s = time.perf_counter()
        reader.turn_to(KILLER_PAGES)
        if not reader.wait_sharp(60).is_sharp:
            raise RuntimeError("the sound page is not sharp after a minute")
        return time.perf_counter() - started_s


def _sit(service: sb.TileService, killers: bytes, ended: threading.Event) -> None:
    document = service.open(killers)
    with service.reader(document, VIEW_PX) as reader:
        while not ended.is_set():
            for page in range(document.page_count):
                if ended.is_set():
                    return
                reader.turn_to(page)
                reader.wait_sharp(3.0)
                ended.wait(0.5)


if __name__ == "__main__":
    main()
