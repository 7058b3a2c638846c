"""A shelf with many papers, written by the functions with which the library writes one, without documents behind it."""

from __future__ import annotations

import hashlib
import os
import random
import sys
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from pathlib import Path

import msgspec
from msgspec import Struct

from benchmarks.shelf.texts import Source, page_text
from sidebooks_core.databases.database import Database, Writing
from sidebooks_core.shelf import catalogue, folders, prepared_rows
from sidebooks_core.shelf.catalogue import NewPaper, NewRevision, Opened
from sidebooks_core.shelf.model import Folder
from sidebooks_core.shelf.order import new_id
from sidebooks_core.shelf.originals import Original, Originals
from sidebooks_core.shelf.schema import SHELF
from sidebooks_core.shelf.search import index, page_texts
from sidebooks_core.shelf.search.page_texts import NewText
from sidebooks_core.shelf.upkeep import DATABASE_NAME, ORIGINALS_NAME

PAGES_OF_PAPER = 100
PAPERS_OF_FOLDER = 40
PAPERS_OF_LARGEST = 300
"""The first folder with papers has so many, if there are: it is the one that is listed."""
PAPERS_AT_ONCE = 40
"""Papers whose pages are written in one transaction: this makes larger blocks of the index than a clerk does, and faster."""
TWO_DAYS_S = 2 * 86400
BUILT_NAME = "built.json"


class Built(Struct, frozen=True):
    """A shelf that was made."""

    folders: list[str]
    """Those that hold papers."""
    papers: list[str]
    text_bytes: int
    """Of the texts of all pages, in UTF-8."""
    seconds: float


def build(data_dir: Path, source: Source, pages: int) -> Built:
    """Make a shelf with so many pages. Prints how far it is."""
    started_s = time.monotonic()
    database = Database(data_dir / DATABASE_NAME, SHELF)
    originals = Originals(data_dir / ORIGINALS_NAME, 1 << 30)
    held: list[str] = []
    papers: list[str] = []
    text_bytes = 0
    with database.writing() as writing:
        bodies = [folders.add_folder(writing, _folder(None, f"委員会 {number}"), "") for number in range(8)]
    for first, texts, size in _made(source, pages):
        text_bytes += size
        with database.writing() as writing:
            new = []
            for start in range(0, len(texts), PAGES_OF_PAPER):
                if len(papers) == 0 or (len(papers) >= PAPERS_OF_LARGEST and len(papers) % PAPERS_OF_FOLDER == 0):
                    body = bodies[len(held) % len(bodies)]
                    held.append(folders.add_folder(writing, _folder(body.id, f"会議 {len(held)}"), "").id)
                some = texts[start : start + PAGES_OF_PAPER]
                new.append(add_paper(writing, originals, held[-1], first + start, [one for one, _ in some]))
                papers.append(new[-1])
            page_texts.add(writing, dict(texts))
            for paper in new:
                prepared_rows.set_prepared(writing, paper, 1)
        index.merge(database)
        done = first + len(texts)
        print(f"\r{done}/{pages} pages, {time.monotonic() - started_s:.0f} s", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    database.cut_log()
    database.close()
    built = Built(held, papers, text_bytes, time.monotonic() - started_s)
    (data_dir / BUILT_NAME).write_bytes(msgspec.json.encode(built))
    return built


def built_before(data_dir: Path) -> Built:
    """What `build` made there."""
    return msgspec.json.decode((data_dir / BUILT_NAME).read_bytes(), type=Built)


def add_paper(writing: Writing, originals: Originals, folder: str, number: int, content_ids: list[str]) -> str:
    """Add a paper with the content ids of its pages. Its original is a small file, two days old."""
    data = f"paper {number}".encode()
    original = Original(hashlib.sha256(data).hexdigest(), len(data))
    path = originals.path(original.digest)
    if not path.exists():
        path.parent.mkdir(mode=0o700, exist_ok=True)
        path.write_bytes(data)
        os.utime(path, (time.time() - TWO_DAYS_S,) * 2)
    opened = Opened(state="ready", document_id=original.digest[:32], page_count=len(content_ids))
    revision = NewRevision(original=original, shown=original, file_name=f"{number}.pdf", opened=opened)
    paper = catalogue.add_paper(writing, new_id(), NewPaper(name=f"議案第{number}号", folder=folder), revision)
    catalogue.set_content_ids(writing, paper.id, 1, dict(enumerate(content_ids)))
    return paper.id


def _folder(parent: str | None, name: str) -> Folder:
    return Folder(new_id(), parent, name, "folder", "", 0)


_Made = tuple[list[tuple[str, NewText]], int]


def _made(source: Source, pages: int) -> Iterator[tuple[int, list[tuple[str, NewText]], int]]:
    """Runs of pages: the number of the first one, content ids and texts, bytes of text. Other processes make them ahead."""
    step = PAGES_OF_PAPER * PAPERS_AT_ONCE
    with ProcessPoolExecutor(2, initializer=_begin, initargs=(source,)) as pool:
        ahead: deque[tuple[int, Future[_Made]]] = deque()
        for first in range(0, pages, step):
            ahead.append((first, pool.submit(_make, first, min(first + step, pages))))
            if len(ahead) > 2:
                begun, future = ahead.popleft()
                yield begun, *future.result()
        for begun, future in ahead:
            yield begun, *future.result()


_sources: list[Source] = []


def _begin(source: Source) -> None:
    _sources.append(source)


def _make(first: int, stop: int) -> _Made:
    chance = random.Random(first)
    texts, size = [], 0
    for number in range(first, stop):
        text = page_text(_sources[0], chance, number)
        size += len(text.written.text.encode())
        texts.append((f"sha256:{hashlib.sha256(str(number).encode()).hexdigest()}", page_texts.made_ready(text)))
    return texts, size
