"""Writes docs/reference/benchmarks.md from the results of benchmarks that are kept in docs/reference/benchmarks/.

python docs/render_benchmarks.py [--check]
python -m benchmarks NAME --json FILE && python docs/render_benchmarks.py --take FILE…

The second form keeps new results: of each series some quantiles, and what the result says of machine, versions and parameters.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from wrapping import wrapped

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks import catalogue, results  # noqa: E402 - found by the line above
from benchmarks.pages import cells, grouped  # noqa: E402
from benchmarks.results import Result, Series  # noqa: E402
from benchmarks.tables import HEADERS  # noqa: E402

TARGET = ROOT / "docs" / "reference" / "benchmarks.md"
FOLDER = TARGET.with_suffix("")
KEPT = 200
"""Quantiles of a series that are kept: as many as the table needs, and a plot shows."""
INTRODUCTION = """\
This page has the benchmarks and the question that each answers. [The figures behind the
decisions](../explanation/measurements.md) are on another page."""
SOME_KEPT = """\
Below are the results that are kept, each with its machine, the versions of what it is compared with, and what its numbers do
not say."""
NONE_KEPT = "No results are kept yet."
HOW = """\
Install with `pip install --group bench '.[all]'`, in a clone. `python -m benchmarks` lists the benchmarks. `python -m
benchmarks NAME` runs one; `--help` lists its options. `--json FILE` keeps the result, `--html FILE` makes a page with plots.
`python -m benchmarks all --quick` runs all with few measurements, to see that they work; `--only NAME…` runs some of them."""
DOCUMENTS = """\
Most benchmarks measure the documents of a folder: `--documents FOLDER`, with a folder in it for each kind (`text`, `scan`,
`vector` and so on). With `--quick` all but `attack` and `shelf.scale` need none: they measure the sample of the tutorial."""
COMPARE = """\
`python -m benchmarks compare A.json B.json` prints the ratios of two runs with an interval, and says which differences are
real. A and B may be folders with repeated runs. It refuses runs of other machines or parameters, unless `--anyway` is given;
`--fail-above 1.1` ends with exit status 1 if a figure is really worse by more than a tenth."""
READING = """\
Milliseconds are those of one machine: compare the rows of a table. All rows of a table were measured in turns, in one run.
`load` is the number of processes that ran or waited for a processor in the minute before the run. Where it is above the number
of processors, others were at work: then a wait says little, and a ratio something."""


def rendered() -> str:
    """The page."""
    kept = [results.read(path) for path in sorted(FOLDER.glob("*.json"))]
    lines = [
        "# Benchmarks",
        *wrapped(f"{INTRODUCTION} {SOME_KEPT if kept else NONE_KEPT}"),
        "",
        *wrapped(HOW),
        "",
        *wrapped(DOCUMENTS),
        "",
        *wrapped(COMPARE),
        "",
    ]
    known = {one.benchmark for one in kept}
    for one in catalogue.benchmarks():
        name = f"[`{one.name}`](#{_anchor(one.name)})" if one.name in known else f"`{one.name}`"
        lines += wrapped(f"{name}: {one.question}", "- ", "  ")
    if kept:
        lines += ["", *wrapped(READING)]
    for result in kept:
        lines += _section(result)
    return "\n".join(lines) + "\n"


def _section(result: Result) -> Iterator[str]:
    machine, memory_gib = result.machine, round(result.machine.memory_bytes / 2**30)
    options = "; ".join(f"{name}: {value}" for name, value in result.parameters.items())
    versions = ", ".join(f"{name} {number}" for name, number in result.peers.items())
    load = "unknown" if machine.load is None else f"{machine.load:.2f}"
    yield from ("", f"## {result.benchmark}", *wrapped(f"**{result.question}**"), "")
    yield from wrapped(f"`python -m benchmarks {result.benchmark}` with {options or 'its defaults'}.", "- ", "  ")
    yield from wrapped(f"{result.date[:10]}, sidebooks_core {result.version}, {versions or 'no peers'}.", "- ", "  ")
    house = f"{machine.processor}, {machine.processors} processors, {memory_gib} GiB, {machine.system}"
    yield from wrapped(f"{house}, kernel {machine.kernel}, Python {machine.python}, load {load}.", "- ", "  ")
    yield from wrapped(f"What the numbers do not say: {result.limits}", "- ", "  ")
    for title, found in grouped(result).items():
        yield from ("", f"### {title[:1].upper()}{title[1:]}", *_table(found))


def _table(found: list[Series]) -> Iterator[str]:
    yield from wrapped(f"In {found[0].unit}; {found[0].better} is better.")
    yield ""
    yield f"| | samples | {' | '.join(HEADERS)} |"
    yield f"|---|{'--:|' * (1 + len(HEADERS))}"
    for one in found:
        yield f"| {' | '.join(cells(one))} |"


def _anchor(heading: str) -> str:
    return "".join(letter for letter in heading.lower() if letter.isalnum() or letter in "_- ").replace(" ", "-")


def take(path: Path) -> None:
    """Keep a result. Raises results.BadResult."""
    result = results.read(path)
    FOLDER.mkdir(exist_ok=True)
    results.write(FOLDER / f"{result.benchmark}.json", results.thinned(result, KEPT))


def main() -> None:
    """Write the page, see whether it is what it should be, or keep results and write it."""
    parser = argparse.ArgumentParser(description="Writes docs/reference/benchmarks.md from kept results of benchmarks.")
    parser.add_argument("--check", action="store_true", help="only see whether the page is what the results say")
    parser.add_argument("--take", nargs="+", type=Path, metavar="FILE", default=[], help="keep these results first")
    chosen = parser.parse_args()
    try:
        for path in chosen.take:
            take(path)
        text = rendered()
    except (OSError, results.BadResult) as error:
        sys.exit(str(error))
    if not chosen.check:
        TARGET.write_text(text, encoding="utf-8")
    elif TARGET.read_text(encoding="utf-8") != text:
        sys.exit(f"{TARGET} is not what the results say: run {sys.argv[0]}")


if __name__ == "__main__":
    main()
