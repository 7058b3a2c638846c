"""How long do the programs of docs/examples take, beside programs that do the same with PyMuPDF or pypdfium2?

    python -m benchmarks programs [--document FILE] [--only NAME…] [--rounds N] [--json FILE] [--html FILE] [--quick]

Each candidate has a process of its own, which has loaded the program and done a round that does not count. Then all candidates
of a program take turns, round by round. After each round what came of it is compared: the same files, pages and answers, images
of the same size that look the same. `rounds.py` and `desktop.py` say what a round is, `peers/` has the other programs.

What the numbers do not say: that ours draws in other processes, so that a page can neither crash nor stop the program, and
keeps what it has drawn. Of the peers only that of `library.py` keeps files; that of `flipper.py` neither zooms nor follows
links. Starting workers costs a short program more than it gains. The document is one of 22 pages of text.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path

import numpy as np
import pymupdf

from benchmarks import results
from benchmarks.corpus import SAMPLE
from benchmarks.programs.candidates import OURS, PROGRAMS, Candidate
from benchmarks.programs.rounds import Round, Setting
from benchmarks.results import Series
from benchmarks.running import begin, with_outputs
from benchmarks.tables import HEADERS, Percentiles, table

QUICK_PAGES = 5
SIZE_SLACK_PX = 2
MOST_DIFFERENCE = 6.0
"""Mean difference of shades (0 to 255) between two images of the same page, seen from afar. Another page differs by more."""


class Different(Exception):
    """Two programs that should do the same do not."""


def main(arguments: list[str] | None = None) -> None:
    """Measure and print. Exit status 1 if a program failed, or a peer does something else."""
    assert __doc__ is not None
    parser = argparse.ArgumentParser(prog="python -m benchmarks programs", description=__doc__.split("\n\n")[0])
    parser.add_argument("--document", type=Path, default=SAMPLE, help="a PDF (default: the sample; the notebook has its own)")
    parser.add_argument("--only", choices=list(PROGRAMS), nargs="+", default=list(PROGRAMS), help="programs (default: all)")
    parser.add_argument("--rounds", type=int, default=10)
    with_outputs(parser)
    parser.add_argument("--quick", action="store_true", help=f"one round, and none before it; {QUICK_PAGES} pages")
    chosen = parser.parse_args(arguments)
    begun = begin(chosen, "pymupdf", "pypdfium2", "pillow", "flask", "fastapi", "uvicorn")
    measured: dict[str, dict[str, list[Round]]] = {}
    failed: list[str] = []
    with tempfile.TemporaryDirectory(prefix="sidebooks-programs-") as folder:
        document = Path(folder, "paper.pdf")
        _copy(chosen.document, document, QUICK_PAGES if chosen.quick else None)
        for name in chosen.only:
            why_not = _missing(name)
            if why_not:
                print(f"{name}: left out, {why_not}", file=sys.stderr)
                continue
            rounds = 1 if chosen.quick else chosen.rounds
            try:
                with screen() if name == "flipper" else nullcontext():
                    measured[name] = measure(name, document, Path(folder, name), rounds, is_warm=not chosen.quick)
            except (Different, RuntimeError) as error:
                failed.append(f"{name}: {error}")
                print(f"\nFAILURE {failed[-1]}", file=sys.stderr)
    print(report(measured))
    begun.finish(series_of(measured), {"failed": failed})
    if failed:
        sys.exit("; ".join(failed))


def measure(name: str, document: Path, folder: Path, rounds: int, *, is_warm: bool) -> dict[str, list[Round]]:
    """The rounds of each candidate. Raises Different, and RuntimeError if a candidate fails."""
    candidates = {
        label: Candidate(name, Setting(file, document, folder / str(number)))
        for number, (label, file) in enumerate(PROGRAMS[name].files.items())
    }
    found: dict[str, list[Round]] = {label: [] for label in candidates}
    try:
        for number in range(0 if is_warm else 1, rounds + 1):
            order = list(candidates)[number % len(candidates) :] + list(candidates)[: number % len(candidates)]
            came = {label: candidates[label].round(number) for label in order}
            print(f"\r{name}: round {number} of {rounds}   ", end="", file=sys.stderr, flush=True)
            for label, one in came.items():
                check_same(f"{name}, {label}", came[OURS], one)
                if number:
                    found[label].append(one)
    finally:
        for candidate in candidates.values():
            candidate.close()
    print(file=sys.stderr)
    return found


def check_same(what: str, ours: Round, theirs: Round) -> None:
    """Raises Different."""
    if ours.facts != theirs.facts:
        raise Different(f"{what}: {theirs.facts}, ours: {ours.facts}")
    if ours.images.keys() != theirs.images.keys():
        raise Different(f"{what}: images {sorted(theirs.images)}, ours: {sorted(ours.images)}")
    for name, (size_px, shades) in ours.images.items():
        other_px, other_shades = theirs.images[name]
        if any(abs(a - b) > SIZE_SLACK_PX for a, b in zip(size_px, other_px, strict=True)):
            raise Different(f"{what}, {name}: {other_px} pixels, ours: {size_px}")
        a, b = (np.frombuffer(one, np.uint8).astype(float) for one in (shades, other_shades))
        difference = float(np.abs(a - b).mean())
        if difference > MOST_DIFFERENCE:
            raise Different(f"{what}, {name}: shades differ by {difference:.1f} (at most {MOST_DIFFERENCE})")


def _missing(name: str) -> str:
    """What the program needs and is not there; empty: nothing."""
    if name == "flipper":
        if shutil.which("Xvfb") is None and not os.environ.get("DISPLAY"):
            return "needs a display, or Xvfb"
        try:
            import tkinter  # noqa: F401
        except ImportError:
            return "needs Tk"
    return ""


@contextmanager
def screen() -> Iterator[None]:
    """A display for the desktop program: a virtual one if there is Xvfb, which nobody looks at."""
    if shutil.which("Xvfb") is None:
        yield
        return
    read, write = os.pipe()
    command = ["Xvfb", "-displayfd", str(write), "-screen", "0", "1200x1200x24", "-nolisten", "tcp"]
    before = os.environ.get("DISPLAY")
    with subprocess.Popen(command, pass_fds=[write], stderr=subprocess.DEVNULL) as process, os.fdopen(read) as told:
        os.close(write)
        os.environ["DISPLAY"] = f":{told.readline().strip()}"
        try:
            yield
        finally:
            os.environ.pop("DISPLAY")
            if before is not None:
                os.environ["DISPLAY"] = before
            process.kill()


def _copy(source: Path, target: Path, most_pages: int | None) -> None:
    if most_pages is None:
        shutil.copy(source, target)
        return
    with pymupdf.open(source) as document, pymupdf.open() as made:
        made.insert_pdf(document, to_page=min(most_pages, len(document)) - 1)
        made.save(target)


def _steps(rounds: dict[str, list[Round]]) -> list[str]:
    return list(rounds[OURS][0].ms)


def _all_ms(rounds: Sequence[Round], step: str) -> list[float]:
    return [one for each in rounds for one in each.ms[step]]


def report(measured: dict[str, dict[str, list[Round]]]) -> str:
    """A row for each program, step and candidate, with our median as a share of its."""
    rows = []
    for name, rounds in measured.items():
        for step in _steps(rounds):
            ours = Percentiles.of(_all_ms(rounds[OURS], step))
            for label, some in rounds.items():
                found = Percentiles.of(_all_ms(some, step))
                share = "" if label == OURS else f"{ours.median / found.median:.2f}"
                rows.append([f"{name}: {step}", label, str(found.count), *found.cells(), share])
    return table(["program, ms", "written with", "times", *HEADERS, "ours / it"], rows)


def series_of(measured: dict[str, dict[str, list[Round]]]) -> list[Series]:
    """A group for each program and step."""
    found: list[Series] = []
    for name, rounds in measured.items():
        for step in _steps(rounds):
            for label, some in rounds.items():
                waits = _all_ms(some, step)
                found += results.measured(f"{name}: {step}", label, "ms", waits, labels=map(str, range(len(waits))))
    return found


if __name__ == "__main__":
    main()
