"""How long do starting, searching, adding, replacing and purging take on a shelf of very many pages?

python -m benchmarks shelf.scale [--pages N…] [--each N] [--documents PATH] [--data FOLDER] [--built FOLDER] [--quick]

Shelves of 10,000 and 100,000 pages are made, one after another, unless told (`--pages 10000 100000 1000000` is the long form:
12 GB, and an hour on two processors). `texts.py` says what the pages are made of, `queries.py` how queries are chosen. Rows are
written by the functions of the library; only the documents themselves are missing. Each query is asked under four rights: all
papers may be seen; one in five, by chance; one in a hundred, by chance; only the oldest hundredth, which a search from the
newest on reaches last. What is measured is the first step, which a person sees. How many steps it takes until there are 50
pages or everything was searched is counted.

What the numbers do not say: how it is when the database is not in the memory of the operating system.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from msgspec import Struct
from msgspec.structs import asdict

import sidebooks_core as sb
from benchmarks import corpus, results, running, tables
from benchmarks.results import Series
from benchmarks.running import with_outputs
from benchmarks.shelf import building, texts
from benchmarks.shelf.queries import KINDS, Query, queries
from benchmarks.tables import Percentiles
from sidebooks_core.databases.database import Database
from sidebooks_core.shelf import Paper, Shelf, Where, catalogue
from sidebooks_core.shelf.catalogue import NewRevision, Opened
from sidebooks_core.shelf.originals import Original
from sidebooks_core.shelf.search import index, page_texts, stretches
from sidebooks_core.shelf.search.storing import folded_texts
from sidebooks_core.shelf.upkeep import DATABASE_NAME
from sidebooks_core.testing import FakeEngine
from sidebooks_core.text.folding import query_pattern

QUICK_PAGES = 600
SAMPLED_PAGES = 600
TIMES = 15
"""How often all but a search is measured."""
ENOUGH = 50
MOST_STEPS = 40


class Step(Struct, frozen=True):
    """One search."""

    pages: int
    query: Query
    rights: str
    ms: float
    cpu_ms: float
    """Of these, those in which this process had a processor."""
    found: int
    """Pages that the first step has found."""
    steps: int
    """Until there were `ENOUGH` pages, or everything was searched."""


class Size(Struct, frozen=True):
    """A shelf of one size. Times in milliseconds."""

    pages: int
    papers: int
    text_bytes: int
    database_bytes: int
    build_s: float
    start: list[float]
    first_search: float
    listing: list[float]
    page_added: list[float]
    replaced: list[float]
    purged: list[float]
    steps: list[Step]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks shelf.scale", description=__doc__.split("\n")[0])
    parser.add_argument("--pages", type=int, nargs="+", default=[10_000, 100_000], help="of each shelf (default 10000 100000)")
    parser.add_argument("--each", type=int, default=5, help="queries of each script, length and kind (default 5)")
    parser.add_argument("--documents", type=Path, help="folder; otherwise the corpus beside the project")
    parser.add_argument("--data", type=Path, help="folder in which the shelves are made, and removed afterwards")
    parser.add_argument(
        "--built", type=Path, metavar="FOLDER", help="measure a shelf that is there, and was made by this before"
    )
    parser.add_argument("--keep", action="store_true", help="leave the shelves that are made")
    with_outputs(parser)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_PAGES} pages, one query of each; results are compared")
    arguments = parser.parse_args()
    sizes, each = ([QUICK_PAGES], 1) if arguments.quick else (arguments.pages, arguments.each)
    with corpus.needed_by(parser, quick_needs_none=False):
        source = texts.read_source(arguments.documents, most_documents=5 if arguments.quick else None)
    begun = running.begin(arguments, "apsw", "numpy", "isal")
    measured = []
    if arguments.built:
        measured.append(measure(arguments.built, building.built_before(arguments.built), source, each, is_compared=False))
    for pages in sizes if not arguments.built else []:
        folder = Path(tempfile.mkdtemp(prefix="sidebooks-scale-", dir=arguments.data))
        try:
            built = building.build(folder, source, pages)
            measured.append(measure(folder, built, source, each, is_compared=arguments.quick))
        finally:
            if arguments.keep:
                print(f"left: {folder}", file=sys.stderr)
            else:
                shutil.rmtree(folder)
    report(measured)
    details = [asdict(one) | {"steps": [_plain(step) for step in one.steps]} for one in measured]
    begun.finish(series_of(measured), details)


def measure(folder: Path, built: building.Built, source: texts.Source, each: int, *, is_compared: bool) -> Size:
    """Measure a shelf that was built."""
    pages = building.PAGES_OF_PAPER * len(built.papers)
    print(f"measuring {pages} pages", file=sys.stderr)
    with sb.TileService(sb.Settings(cache_dir=None, workers=1), pool=FakeEngine().pool) as service:
        start = [_started_ms(folder, service) for _ in range(TIMES)]
        with Shelf(folder, service, prepares=False) as shelf:
            chance = random.Random(pages)
            first_search = _timed(lambda: shelf.search("予算"))
            asked = queries(_sampled(shelf.database, chance), each, chance)
            rights = _rights(built.papers, chance)
            steps = []
            for number, (name, where) in enumerate(rights.items(), 1):
                steps += [_searched(shelf, query, name, where, pages) for query in asked]
                print(f"\rsearched {number * len(asked)}/{len(rights) * len(asked)}", end="", file=sys.stderr, flush=True)
            print(file=sys.stderr)
            if is_compared:
                _compare(shelf, asked)
            listing = [_timed(lambda: (shelf.folders(), shelf.papers(built.folders[0]))) for _ in range(TIMES)]
            added = [_timed(_adding(shelf, built, source, chance.getrandbits(60))) for _ in range(TIMES)]
            chosen = chance.sample(built.papers, 6)
            replaced = [_timed(_replacing(shelf, paper, chance.getrandbits(60), source)) for paper in chosen[:3]]
            purged = [_timed(_purging(shelf, paper)) for paper in chosen[3:]]
        size = (folder / DATABASE_NAME).stat().st_size
    return Size(
        pages=pages, papers=len(built.papers), text_bytes=built.text_bytes, database_bytes=size, build_s=built.seconds,
        start=start, first_search=first_search, listing=listing, page_added=added, replaced=replaced, purged=purged,
        steps=steps,
    )  # fmt: skip


def report(measured: Sequence[Size]) -> None:
    """Print the tables."""
    rows = []
    for one in measured:
        searches = Percentiles.of(step.ms for step in one.steps)
        cpu = Percentiles.of(step.cpu_ms for step in one.steps)
        growth = [
            f"{one.pages:,}", f"{one.papers:,}", f"{one.text_bytes / 1e6:.0f}", f"{one.database_bytes / 1e6:.0f}",
            f"{one.database_bytes / one.text_bytes:.1f}", f"{max(one.start):.0f}", f"{one.first_search:.0f}",
            f"{max(one.listing):.1f}", *searches.cells(), f"{cpu.p95:.1f}", f"{max(one.page_added):.0f}",
            f"{max(one.replaced):.0f}", f"{max(one.purged):.0f}",
        ]  # fmt: skip
        rows.append(growth)
    headers = [
        "pages", "papers", "text MB", "database MB", "ratio", "start", "first search", "listing", *tables.HEADERS,
        "p95 of CPU", "page added", "replaced", "purged",
    ]  # fmt: skip
    print("\n## Growth; times in ms, all but searches the slowest of some\n\n" + tables.table(headers, rows))
    for one in measured:
        rows = []
        for rights in dict.fromkeys(step.rights for step in one.steps):
            for kind in KINDS:
                chosen = [step for step in one.steps if step.rights == rights and step.query.kind == kind]
                done = sum(step.steps == 1 for step in chosen) / len(chosen)
                worked = Percentiles.of(step.cpu_ms for step in chosen)
                cells = [*Percentiles.of(step.ms for step in chosen).cells(), f"{worked.p95:.1f}", f"{done:.0%}"]
                rows.append([rights, kind, str(len(chosen)), *cells, str(max(step.steps for step in chosen))])
        headers = ["seen", "query", "searches", *tables.HEADERS, "p95 of CPU", "one step", "most steps"]
        print(f"\n## First step of a search in {one.pages:,} pages, ms\n\n" + tables.table(headers, rows))
    largest = measured[-1]
    rows = []
    for script in dict.fromkeys(step.query.script for step in largest.steps):
        for length in range(1, 7):
            times = [step.ms for step in largest.steps if step.query.script == script and len(step.query.text) == length]
            if times:
                rows.append([script, f"{length}", str(len(times)), *Percentiles.of(times).cells()])
    headers = ["script", "characters", "searches", *tables.HEADERS]
    print(f"\n## The same by script and length, in {largest.pages:,} pages\n\n" + tables.table(headers, rows))


def series_of(measured: Sequence[Size]) -> list[Series]:
    """Searches by rights, and all else, for each size."""
    found: list[Series] = []
    for one in measured:
        size = f"{one.pages:,} pages"
        for rights in dict.fromkeys(step.rights for step in one.steps):
            waits = [step.ms for step in one.steps if step.rights == rights]
            found += results.measured(f"First step of a search, {size}", f"seen: {rights}", "ms", waits)
        for name, waits in (
            ("start", one.start), ("listing", one.listing), ("a page added", one.page_added), ("a page replaced", one.replaced),
            ("a paper purged", one.purged),
        ):  # fmt: skip
            found += results.measured(f"Other work, {size}", name, "ms", waits)
        found += results.measured("The database", size, "MB", [one.database_bytes / 1e6])
    return found


def _timed(do: Callable[[], object]) -> float:
    """Milliseconds."""
    started_s = time.perf_counter()
    do()
    return (time.perf_counter() - started_s) * 1e3


def _started_ms(folder: Path, service: sb.TileService) -> float:
    started_s = time.perf_counter()
    shelf = Shelf(folder, service)
    started_ms = (time.perf_counter() - started_s) * 1e3
    shelf.close()
    return started_ms


def _rights(papers: Sequence[str], chance: random.Random) -> dict[str, Where]:
    def among(seen: frozenset[str]) -> Where:
        return Where(is_visible=lambda paper: paper.id in seen)

    hundredth = max(1, len(papers) // 100)
    return {
        "all": Where(is_visible=_everybody),
        "20 %": among(frozenset(chance.sample(papers, max(1, len(papers) // 5)))),
        "1 %": among(frozenset(chance.sample(papers, hundredth))),
        "the oldest 1 %": among(frozenset(papers[:hundredth])),
    }


def _everybody(_paper: Paper) -> bool:
    return True


def _searched(shelf: Shelf, query: Query, rights: str, where: Where, pages: int) -> Step:
    started_s, cpu_s = time.perf_counter(), time.thread_time()
    step = shelf.search(query.text, where)
    ms, cpu_ms = (time.perf_counter() - started_s) * 1e3, (time.thread_time() - cpu_s) * 1e3
    found, first, steps = len(step.pages), len(step.pages), 1
    while step.next is not None and found < ENOUGH and steps < MOST_STEPS:
        step = shelf.search(query.text, where, before=step.next)
        found, steps = found + len(step.pages), steps + 1
    return Step(pages, query, rights, ms, cpu_ms, first, steps)


def _sampled(database: Database, chance: random.Random) -> list[str]:
    """The texts of some pages, as they are searched."""
    with database.reading() as reading:
        last = reading.number("SELECT max(id) FROM page_text")
        numbers = chance.sample(range(1, last + 1), min(last, SAMPLED_PAGES))
        rows = [page_texts.text_row(reading, number) for number in numbers]
    return ["".join(folded_texts(row.text)) for row in rows if row is not None]


def _compare(shelf: Shelf, asked: Sequence[Query]) -> None:
    """Raises AssertionError if a search finds other pages than a look at each text."""
    with shelf.database.reading() as reading:
        known = reading.all(page_texts.StoredText, "SELECT id, content_id, text FROM page_text")
    folded = {row.content_id: folded_texts(row.text) for row in known}
    for query in asked:
        pattern = query_pattern(query.text)
        assert pattern is not None
        expected = {content_id for content_id, some in folded.items() if any(pattern.search(one) for one in some)}
        step = shelf.search(query.text)
        found = {hit.content_id for hit in step.pages}
        while step.next is not None:
            step = shelf.search(query.text, before=step.next)
            found |= {hit.content_id for hit in step.pages}
        assert found == expected, query


def _adding(shelf: Shelf, built: building.Built, source: texts.Source, number: int) -> Callable[[], None]:
    """Register a paper of one page, as far as the database has to do with it."""

    def add() -> None:
        text = page_texts.made_ready(texts.page_text(source, random.Random(number), number))
        with shelf.database.writing() as writing:
            building.add_paper(writing, shelf.originals, built.folders[-1], number, [f"added {number}"])
            page_texts.add(writing, {f"added {number}": text})
        index.merge(shelf.database)

    return add


def _replacing(shelf: Shelf, paper: str, number: int, source: texts.Source) -> Callable[[], None]:
    """Replace one page of a paper of 100, as far as the database has to do with it."""

    def replace() -> None:
        text = page_texts.made_ready(texts.page_text(source, random.Random(number), number))
        original = Original(hashlib.sha256(f"replaced {number}".encode()).hexdigest(), 1)
        opened = Opened(state="ready", document_id=original.digest, page_count=building.PAGES_OF_PAPER)
        new = NewRevision(original=original, shown=original, file_name="new.pdf", opened=opened)
        with shelf.database.writing() as writing:
            ids = catalogue.content_ids(writing, paper, 1) | {7: f"replaced {number}"}
            catalogue.replace_paper(writing, paper, 1, new)
            catalogue.set_content_ids(writing, paper, 2, ids)
            page_texts.add(writing, {f"replaced {number}": text})
            stretches.refresh(writing, paper, 2)
        index.merge(shelf.database)

    return replace


def _purging(shelf: Shelf, paper: str) -> Callable[[], None]:
    def purge() -> None:
        shelf.purge(paper)

    return purge


def _plain(step: Step) -> dict[str, object]:
    return asdict(step) | {"query": asdict(step.query)}


if __name__ == "__main__":
    main()
