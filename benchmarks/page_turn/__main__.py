"""How long until a page is painted and sharp, turned as people turn, beside PyMuPDF and others?

python -m benchmarks page_turn [--documents PATH] [--profile NAME] [--trace NAME…] [--turns N] [--json F] [--html F] [--quick]

The clock of a turn starts when the trace wants it, so a peer that is late with one page is late with the next. All peers have
their document open and, ours, its previews made before the first turn. All have the same bytes of cache: what ours keeps as
display lists and previews is taken from its images. All hand out bytes. The peak in MiB counts pages shared by processes once
for each; PSS counts them once.

What the numbers do not say: the time a client takes to decode and paint an image, and the network; how a person judges a coarse
page that sharpens; other machines, and other loads on this one.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks import corpus
from benchmarks.page_turn import measure, report
from benchmarks.page_turn.peers import PEERS
from benchmarks.page_turn.profiles import PROFILES, Profile
from benchmarks.page_turn.traces import TRACES, Course, Trace
from benchmarks.running import begin, with_outputs

LONG_ENOUGH_PAGES = 8


def main(arguments: list[str] | None = None) -> None:
    """Measure and print."""
    assert __doc__ is not None
    names = {"profile": [one.name for one in PROFILES], "trace": [one.name for one in TRACES]}
    parser = argparse.ArgumentParser(prog="python -m benchmarks page_turn", description=__doc__.split("\n\n")[0])
    parser.add_argument("--documents", type=Path, help="folder or file (default: one long document of each kind of the corpus)")
    parser.add_argument("--profile", choices=names["profile"], default="ipad", help="the device (default ipad)")
    parser.add_argument("--trace", choices=names["trace"], nargs="+", default=names["trace"], help="default: all")
    parser.add_argument("--peer", choices=list(PEERS), nargs="+", default=list(PEERS), help="default: all")
    parser.add_argument("--turns", type=int, default=30, help="turns of a run, about (default 30)")
    parser.add_argument("--memory", type=int, metavar="MIB", help="of each peer's caches (default: the profile's)")
    with_outputs(parser)
    parser.add_argument("--quick", action="store_true", help="the sample, two traces, a few turns")
    chosen = parser.parse_args(arguments)
    profile = next(one for one in PROFILES if one.name == chosen.profile)
    if chosen.memory is not None:
        profile = replace(profile, memory_bytes=chosen.memory << 20)
    with corpus.needed_by(parser):
        documents = _documents(corpus.SAMPLE if chosen.quick and chosen.documents is None else chosen.documents)
    traces, turns = chosen.trace, chosen.turns
    if chosen.quick:
        documents, traces, turns = documents[:1], ["riffle-5", "fling"], 4
    cache = f"{profile.memory_bytes >> 20} MiB for each peer"
    begun = begin(chosen, "pymupdf", "pillow", "pypdfium2", "pdf2image", profile=profile.name, cache=cache)
    runs: list[dict[str, Any]] = []
    for place, document in enumerate(documents):
        for trace in [one for one in TRACES if one.name in traces]:
            together = [documents[(place + step) % len(documents)] for step in range(min(trace.documents, len(documents)))]
            if len(together) < trace.documents:
                print(f"{trace.name} needs {trace.documents} documents: left out", file=sys.stderr)
                continue
            courses = measure.courses_of(together, is_spread=trace.is_spread)
            bare_s = _bare_stop_s(document, courses[0], trace, profile, turns)
            for peer in chosen.peer:
                print(f"\r{document.path.name:40.40} {trace.name:15} {peer:26}", end="", file=sys.stderr)
                run = measure.run(together, courses, peer, trace, profile, turns)
                if run is None:
                    print(f"\n{peer} failed on {document.path.name}, {trace.name}: left out", file=sys.stderr)
                else:
                    runs.append(run | {"bare_stop_s": bare_s})
    print(file=sys.stderr)
    print(report.text(runs))
    print("\n" + report.sharp_text(runs))
    if report.stop_rows(runs):
        print("\n" + report.stops_text(runs))
    for why in {str(run["quota"]) for run in runs if profile.quota < 1.0 and not isinstance(run["quota"], float)}:
        print(f"The quota of the profile was not held ({why}): its cores are, their speed is this machine's.")
    begun.finish(report.series_of(runs))


def _bare_stop_s(document: corpus.Document, course: Course, trace: Trace, profile: Profile, turns: int) -> float | None:
    """How long the page takes to draw that a trace stops at; None: it does not stop, or PyMuPDF cannot draw the page."""
    if not trace.stops:
        return None
    [page] = course.screens[trace.steps([course], turns)[-1].screen]
    return measure.bare_draw_s(document, page, profile)


def _documents(root: Path | None) -> list[corpus.Document]:
    found = [one for one in corpus.documents(root) if one.path.suffix.lower() == ".pdf"]
    if root is not None:
        return found
    import sidebooks_core as sb

    with sb.TileService(sb.Settings(cache_dir=None)) as service:
        long = [one for one in found if service.open(one.path, one.password).page_count >= LONG_ENOUGH_PAGES]
    return list({one.kind: one for one in long}.values())


if __name__ == "__main__":
    main()
