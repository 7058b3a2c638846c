"""Lists the benchmarks, runs them, and compares their results.

python -m benchmarks                                what there is, and the question that each answers
python -m benchmarks NAME [options]                 run one; --help lists its options
python -m benchmarks all [--quick] [--only NAME…] [--json FOLDER] [--html FILE]
python -m benchmarks compare A B [--fail-above RATIO] [--anyway]
python -m benchmarks page FILE.html RESULT…         a page with tables and plots of results
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Sequence
from pathlib import Path

from benchmarks import catalogue, comparing, results
from benchmarks.pages import write_page
from benchmarks.tables import table


def main(arguments: Sequence[str]) -> int:
    """Do what is asked. The exit status."""
    first, *rest = arguments or ["list"]
    if first in ("list", "-h", "--help"):
        print(__doc__ if first != "list" else listed())
        return 0
    if first in COMMANDS:
        return COMMANDS[first](rest)
    try:
        return run(catalogue.benchmark(first).name, rest)
    except catalogue.NoBenchmark as error:
        print(error, file=sys.stderr)
        return 2


def listed() -> str:
    """The list."""
    found = catalogue.benchmarks()
    width = max(len(one.name) for one in found) + 2
    lines = [f"{one.name:{width}}{one.question}" for one in found]
    return "\n".join([*lines, "", "python -m benchmarks NAME [options] runs one; python -m benchmarks --help says what else."])


def run(name: str, options: Sequence[str]) -> int:
    """In a fresh process. Its exit status."""
    return subprocess.run([sys.executable, "-m", f"benchmarks.{name}", *options], check=False).returncode


def run_all(arguments: Sequence[str]) -> int:
    """One after the other, so that none disturbs another. Who fails does not stop the rest."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks all", description="Runs all benchmarks, and goes on after a failure."
    )
    parser.add_argument("--quick", action="store_true", help="each with few measurements: to see that it works")
    parser.add_argument("--json", type=Path, metavar="FOLDER", help="keep the results there, NAME.json each")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write one page with all results there")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="these, in this order (default: all)")
    chosen = parser.parse_args(arguments)
    try:
        names = [catalogue.benchmark(name).name for name in chosen.only or [one.name for one in catalogue.benchmarks()]]
    except catalogue.NoBenchmark as error:
        parser.error(str(error))
    outcomes: dict[str, tuple[int, float]] = {}
    with tempfile.TemporaryDirectory() as temporary:
        folder: Path = chosen.json or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        try:
            for name in names:
                print(f"\n== {name}", flush=True)
                started_s = time.monotonic()
                status = run(name, [*(["--quick"] if chosen.quick else []), "--json", str(folder / f"{name}.json")])
                outcomes[name] = status, time.monotonic() - started_s
        finally:  # whoever interrupts it sees what there is
            print(f"\n{summary(names, outcomes)}")
            found = [results.read(path) for name in outcomes if (path := folder / f"{name}.json").exists()]
            if chosen.html and found:
                write_page(chosen.html, found)
    return int(any(status for status, _ in outcomes.values()))


def summary(names: Sequence[str], outcomes: dict[str, tuple[int, float]]) -> str:
    """A line for each benchmark: how it ended, by its exit status, and after how long."""
    rows = []
    for name in names:
        if name in outcomes:
            status, spent_s = outcomes[name]
            rows.append([name, f"FAILED, exit status {status}" if status else "done", f"{spent_s:.0f}"])
        else:
            rows.append([name, "not run", "—"])
    failed = sum(bool(status) for status, _ in outcomes.values())
    return f"{table(['benchmark', 'outcome', 's'], rows)}\n{len(outcomes) - failed} done, {failed} failed"


def compare(arguments: Sequence[str]) -> int:
    """Print what differs. Exit status 1: something is worse than --fail-above allows; 2: the runs cannot be compared."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks compare",
        description="Compares results that --json wrote: ratios B / A with an interval, and which differences are real.",
    )
    parser.add_argument(
        "before", metavar="A", type=Path, help="a result, or a folder: of several benchmarks, or of repeated runs"
    )
    parser.add_argument("after", metavar="B", type=Path, help="likewise")
    parser.add_argument(
        "--fail-above", type=float, metavar="RATIO", help="exit status 1 if a figure is worse by more, and really so"
    )
    parser.add_argument("--anyway", action="store_true", help="compare although machine or parameters differ")
    chosen = parser.parse_args(arguments)
    if chosen.fail_above is not None and chosen.fail_above < 1:
        parser.error("--fail-above is a ratio of at least 1: 1.1 allows a tenth more")
    try:
        before, after = results.read_all(chosen.before), results.read_all(chosen.after)
        for line in _only_on_one_side(before, after):
            print(line)
        return max(
            _compared(before[name], after[name], chosen.fail_above, is_anyway=chosen.anyway) for name in _shared(before, after)
        )
    except (OSError, results.BadResult, comparing.NotComparable) as error:
        print(error, file=sys.stderr)
        return 2


def _only_on_one_side(before: Collection[str], after: Collection[str]) -> list[str]:
    return [
        *(f"only in A: {name}" for name in before if name not in after),
        *(f"only in B: {name}" for name in after if name not in before),
    ]


def _shared(before: Collection[str], after: Collection[str]) -> list[str]:
    """The benchmarks that both have, in the order of A. Raises NotComparable for none."""
    shared = [name for name in before if name in after]
    if not shared:
        raise comparing.NotComparable("A and B have no benchmark in common")
    return shared


def _compared(before: Sequence[results.Result], after: Sequence[results.Result], most: float | None, *, is_anyway: bool) -> int:
    obstacles = comparing.obstacles(before, after)
    if obstacles and not is_anyway:
        raise comparing.NotComparable(f"{before[0].benchmark}: " + "; ".join(obstacles) + " (--anyway compares nevertheless)")
    print(f"\n{before[0].benchmark}: {before[0].question}")
    for remark in (*obstacles, *comparing.remarks(before, after), *comparing.missing(before, after)):
        print(f"  {remark}")
    found = comparing.differences(before, after)
    print(f"\n{comparing.text(found)}")
    if most is None:
        return 0
    over = [one for one in found if one.verdict == "worse" and one.worse_by > most]
    for one in over:
        print(f"WORSE by more than {most:g}: {one.group}, {one.name}, {one.figure}: {one.worse_by:.2f}")
    return int(bool(over))


def page(arguments: Sequence[str]) -> int:
    """Write a page of results."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks page", description="Writes a page with tables and plots of results."
    )
    parser.add_argument("page", type=Path, metavar="FILE.html")
    parser.add_argument("results", type=Path, nargs="+", metavar="RESULT", help="a file that --json wrote, or a folder of such")
    chosen = parser.parse_args(arguments)
    try:
        found = [one for path in chosen.results for some in results.read_all(path).values() for one in some]
    except (OSError, results.BadResult) as error:
        print(error, file=sys.stderr)
        return 2
    write_page(chosen.page, found)
    return 0


COMMANDS = {"all": run_all, "compare": compare, "page": page}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
