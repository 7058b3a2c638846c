"""How long to the first page of a document, new, reopened and restarted, and does memory grow?

    python -m benchmarks reading [--documents PATH] [--passes N] [--json FILE] [--html FILE] [--quick]

First page: from `open()` in a running service with an empty cache to the sharp page on a reader's screen, against PyMuPDF that
opens the document and draws its first page at the same size in a running process; they take turns. Reopened: the same from
a full disk cache in a new process, against PyMuPDF that only opens the document. Started again: from the start of a process,
imports included, until it has the page sharp that was read last; until it has opened the document by a worker, without a cache;
until PyMuPDF has opened it. Memory: of all processes, after each reading of a whole long document, once its previews are there.

What the numbers do not say: how long a cold disk takes. The files lie in the memory of the operating system.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import sidebooks_core as sb
from benchmarks import corpus, results
from benchmarks.results import Series
from benchmarks.running import begin, with_outputs
from benchmarks.tables import HEADERS, Percentiles, table

VIEW_PX = (1620, 2160)
PAUSE_S = 0.5
"""Between two documents."""
LONG_PAGES = 1000
"""Most that are read of a long document."""
PREVIEWS_WITHIN_S = 300.0
SLACK_BYTES = 600 << 20
"""What the processes take beside the budgets: three workers with the engine, its store and a raster each, and the host."""

BARE = """
import json, sys, time, pymupdf
pymupdf.TOOLS.mupdf_display_errors(False)
width, height = map(int, sys.argv[1:3])
print("ready", flush=True)
for line in sys.stdin:
    path = json.loads(line)
    started_s = time.perf_counter()
    document = pymupdf.open(path)
    opened_s = time.perf_counter() - started_s
    page = document[0]
    scale = min(width / page.rect.width, height / page.rect.height)
    page.get_pixmap(matrix=pymupdf.Matrix(scale, scale), alpha=False)
    print(json.dumps([opened_s, time.perf_counter() - started_s]), flush=True)
    document.close()
"""
REOPEN = """
import json, sys, time
import sidebooks_core as sb
with sb.TileService(sb.Settings(cache_dir=sys.argv[1])) as service:
    for path in json.loads(sys.argv[2]):
        started_s = time.perf_counter()
        document = service.open(path)
        with service.reader(document, (int(sys.argv[3]), int(sys.argv[4])), resume=True) as reader:
            view = reader.wait_sharp(timeout_s=60)
            print(json.dumps([time.perf_counter() - started_s, view.is_sharp, service.statistics().renders]), flush=True)
"""
STARTED_OURS = """
import sys
import sidebooks_core as sb
with sb.TileService(sb.Settings(cache_dir=sys.argv[1])) as service:
    document = service.open(sys.argv[2])
    with service.reader(document, (int(sys.argv[3]), int(sys.argv[4])), resume=True) as reader:
        print(reader.wait_sharp(timeout_s=60).is_sharp, flush=True)
        input()
"""
STARTED_ANEW = """
import sys
import sidebooks_core as sb
with sb.TileService(sb.Settings(cache_dir=None)) as service:
    print(service.open(sys.argv[2]).page_count > 0, flush=True)
    input()
"""
STARTED_BARE = """
import sys
import pymupdf
document = pymupdf.open(sys.argv[2])
print(True, flush=True)
input()
"""


def main(arguments: list[str] | None = None) -> None:
    """Measure and print."""
    assert __doc__ is not None
    parser = argparse.ArgumentParser(prog="python -m benchmarks reading", description=__doc__.split("\n\n")[0])
    parser.add_argument("--documents", type=Path, help="folder or file (default: the corpus)")
    parser.add_argument("--passes", type=int, default=10, help="whole readings of the longest document (default 10)")
    with_outputs(parser)
    parser.add_argument("--quick", action="store_true", help="few documents, few turns")
    chosen = parser.parse_args(arguments)
    begun = begin(chosen, "pymupdf")
    with corpus.needed_by(parser):
        found = corpus.documents(chosen.documents, is_quick=chosen.quick)
    pdfs = [one.path for one in found if one.path.suffix.lower() == ".pdf"]
    if chosen.quick:
        pdfs = pdfs[::16]
    with tempfile.TemporaryDirectory(prefix="sidebooks-reading-") as folder:
        measured = first_pages(pdfs, folder)
        reopened = reopen([Path(one["path"]) for one in measured], folder)
        started = started_again([Path(one["path"]) for one in measured][:: 3 if chosen.quick else 2], folder)
    for one, (reopen_s, renders) in zip(measured, reopened, strict=True):
        one |= {"reopen_s": reopen_s, "reopen_renders": renders}
    report(measured)
    report_started(started)
    memory = long_reading([corpus.SAMPLE], 2, 30) if chosen.quick else long_reading(pdfs, chosen.passes, LONG_PAGES)
    begun.finish(series_of(measured, started, memory), {"started": started, "memory": memory})


def first_pages(paths: list[Path], cache_dir: str) -> list[dict[str, Any]]:
    """Seconds to the first sharp page, ours and bare."""
    command = [sys.executable, "-c", BARE, *map(str, VIEW_PX)]
    found: list[dict[str, Any]] = []
    with (
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as bare,
        sb.TileService(sb.Settings(cache_dir=cache_dir)) as service,
    ):
        assert bare.stdin is not None
        assert bare.stdout is not None
        bare.stdout.readline()
        for path in paths:
            settle(service)
            bare.stdin.write(json.dumps(str(path)) + "\n")
            bare.stdin.flush()
            open_s, bare_s = json.loads(bare.stdout.readline())
            started_s = time.perf_counter()
            document = service.open(path)
            with service.reader(document, VIEW_PX) as reader:
                view = reader.wait_sharp(timeout_s=60)
                ours_s = time.perf_counter() - started_s
                reader.wait_previews(timeout_s=2)
            if view.is_sharp:
                found.append({"path": str(path), "ours_s": ours_s, "bare_s": bare_s, "bare_open_s": open_s})
        bare.stdin.close()
    return found[1:] or found  # the first one warmed both up


def settle(service: sb.TileService) -> None:
    """Wait until nothing of the last document is still being drawn or written, and as long as it takes to choose another."""
    while (found := service.statistics()).in_flight or found.queued:
        time.sleep(0.01)
    service.parts.flush()
    time.sleep(PAUSE_S)


def reopen(paths: list[Path], cache_dir: str) -> list[tuple[float, int]]:
    """Seconds to the first sharp page, and renders so far, in a new process on the cache that is there."""
    command = [sys.executable, "-c", REOPEN, cache_dir, json.dumps([str(path) for path in paths]), *map(str, VIEW_PX)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    return [(took_s, renders) for took_s, _, renders in answers]


def started_again(paths: list[Path], cache_dir: str) -> list[dict[str, float]]:
    """Seconds from the start of a process, Python's own included, until it has the last page sharp, or the document open."""
    found = []
    for path in paths:
        times = {}
        for name, code in (("bare_s", STARTED_BARE), ("ours_s", STARTED_OURS), ("anew_s", STARTED_ANEW)):
            command = [sys.executable, "-c", code, cache_dir, str(path), *map(str, VIEW_PX)]
            started_s = time.perf_counter()
            with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
                assert process.stdout is not None
                is_there = process.stdout.readline().strip() == "True"
                times[name] = time.perf_counter() - started_s
                process.communicate("\n")
            if not is_there:
                raise RuntimeError(f"{path.name}: no page")
        found.append(times)
    return found


def report_started(started: list[dict[str, float]]) -> None:
    """Table."""
    rows = [
        ["new process, ours, sharp", "ms", *Percentiles.of(one["ours_s"] * 1000 for one in started).cells()],
        ["new process, ours, open, no cache", "ms", *Percentiles.of(one["anew_s"] * 1000 for one in started).cells()],
        ["sharp / that", "", *Percentiles.of(one["ours_s"] / one["anew_s"] for one in started).cells(".2f")],
        ["new process, PyMuPDF, open", "ms", *Percentiles.of(one["bare_s"] * 1000 for one in started).cells()],
        ["sharp / that", "", *Percentiles.of(one["ours_s"] / one["bare_s"] for one in started).cells(".2f")],
    ]
    print(table([f"{len(started)} documents", "", *HEADERS], rows))


def report(measured: list[dict[str, Any]]) -> None:
    """Tables."""
    rows = [
        ["first sharp page, ours", "ms", *Percentiles.of(one["ours_s"] * 1000 for one in measured).cells()],
        ["PyMuPDF, open + draw", "ms", *Percentiles.of(one["bare_s"] * 1000 for one in measured).cells()],
        ["ours / it", "", *Percentiles.of(one["ours_s"] / one["bare_s"] for one in measured).cells(".2f")],
        ["reopened, ours", "ms", *Percentiles.of(one["reopen_s"] * 1000 for one in measured).cells()],
        ["PyMuPDF, open only", "ms", *Percentiles.of(one["bare_open_s"] * 1000 for one in measured).cells()],
        ["ours / it", "", *Percentiles.of(one["reopen_s"] / one["bare_open_s"] for one in measured).cells(".2f")],
    ]
    print(table([f"{len(measured)} documents", "", *HEADERS], rows))
    faster = sum(one["reopen_s"] < one["bare_open_s"] for one in measured)
    renders = sum(one["reopen_renders"] > 0 for one in measured)
    print(f"reopened faster than PyMuPDF opens the file: {faster} of {len(measured)}; with a render: {renders}")


def series_of(measured: list[dict[str, Any]], started: list[dict[str, float]], memory: list[dict[str, Any]]) -> list[Series]:
    """Documents come in the same order in every run."""
    labels = [one["path"].rpartition("corpus/")[2] for one in measured]
    rounds = [str(number) for number in range(len(started))]
    found: list[Series] = []
    for group, name, rows, key, of in (
        ("The first sharp page of a document", "sidebooks_core", measured, "ours_s", labels),
        ("The first sharp page of a document", "PyMuPDF, open and draw", measured, "bare_s", labels),
        ("The first sharp page, reopened", "sidebooks_core, from the cache", measured, "reopen_s", labels),
        ("The first sharp page, reopened", "PyMuPDF, open only", measured, "bare_open_s", labels),
        ("From the start of a process", "sidebooks_core, the last page sharp", started, "ours_s", rounds),
        ("From the start of a process", "sidebooks_core, open, no cache", started, "anew_s", rounds),
        ("From the start of a process", "PyMuPDF, open", started, "bare_s", rounds),
    ):
        found += results.measured(group, name, "ms", (one[key] * 1000 for one in rows), labels=of)
    sizes = [one["bytes"] / 2**20 for one in memory]
    return found + results.measured("Memory of all processes after each reading", "sidebooks_core", "MiB", sizes)


def long_reading(paths: list[Path], passes: int, most_pages: int) -> list[dict[str, Any]]:
    """Memory after each pass, on and back in turns, through the longest document: in all, and of each process."""
    import psutil

    settings = sb.Settings(cache_dir=None, memory_bytes=128 << 20, preview_bytes=32 << 20)
    samples: list[dict[str, Any]] = []
    with sb.TileService(settings) as service:
        documents = [service.open(path) for path in paths]
        document = max(documents, key=lambda one: min(one.page_count, most_pages))
        pages = min(document.page_count, most_pages)
        with service.reader(document, (800, 1280)) as reader:
            # They fill a budget of their own, which would look like growth for as long as they are made beside the reading.
            has_previews = reader.wait_previews(timeout_s=PREVIEWS_WITHIN_S)
            for number in range(passes):
                for _ in range(pages - 1):
                    reader.turn(-1 if number % 2 else 1)
                    reader.wait_sharp(timeout_s=20)
                family = [psutil.Process(), *psutil.Process().children(recursive=True)]
                each = [one.memory_info().rss for one in family]
                samples.append({"bytes": sum(each), "each": each, "held": service.statistics().memory_bytes})
    report_memory(f"{document.name}, {pages} pages", samples, settings, has_previews)
    return samples


def report_memory(what: str, samples: list[dict[str, Any]], settings: sb.Settings, has_previews: bool) -> None:
    """Lines."""
    budget = settings.memory_bytes + (settings.workers + 1) * settings.display_list_bytes + SLACK_BYTES
    before = "with its previews there" if has_previews else "its previews not all there"
    print(f"\nlong reading: {what}, {before}; memory of all processes after each pass, MiB:")
    print("  " + _mib(one["bytes"] for one in samples))
    print("  of the host: " + _mib(one["each"][0] for one in samples))
    print("  of the others: " + _mib(sum(one["each"][1:]) for one in samples))
    print(f"  from the second pass to the last: {samples[-1]['bytes'] / samples[min(1, len(samples) - 1)]['bytes'] - 1:+.1%}")
    print(f"  records held at most {max(one['held'] for one in samples) / 2**20:.0f} MiB of {settings.memory_bytes >> 20}")
    print(f"  budgets and {SLACK_BYTES >> 20} MiB for the processes: {budget >> 20} MiB")


def _mib(sizes: Iterable[int]) -> str:
    return ", ".join(f"{size / 2**20:.0f}" for size in sizes)


if __name__ == "__main__":
    main()
