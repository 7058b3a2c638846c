"""Papers with marks, for tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import sidebooks_core as sb
from sidebooks_core.marks import Anchor, Body, Mark, MarkStore, Note, Stamp, Visibility, new_mark_id
from sidebooks_core.shelf import Paper, Shelf
from sidebooks_core.testing import FakeDocument, FakeEngine, FakePage

RED = "#c00000"


class Clock:
    """Of a server: it stands still until it is set."""

    def __init__(self, now_s: float = 1_800_000_000.0) -> None:
        self.now_s = now_s

    def __call__(self) -> float:
        return self.now_s

    @property
    def now_ms(self) -> int:
        return int(self.now_s * 1000)


def pages(*colours: int) -> bytes:
    """A document of pages that differ in colour. At most 65,536 of them do."""
    made = [FakePage(colour=(colour // 256, colour % 256, 9), width_pt=60, height_pt=80) for colour in colours]
    return FakeDocument(pages=tuple(made)).to_bytes()


@contextmanager
def marked_shelf(data_dir: Path | None = None) -> Iterator[Shelf]:
    """A shelf whose documents are drawn by a fake."""
    settings = sb.Settings(cache_dir=None, workers=1)
    with sb.TileService(settings, pool=FakeEngine().pool) as service, Shelf(data_dir, service) as shelf:
        yield shelf


def prepared(shelf: Shelf, *colours: int) -> Paper:
    """A paper whose content ids are known."""
    paper = shelf.register(pages(*colours), name="a")
    assert shelf.wait_prepared(60)
    return paper


def note(
    text: str | None,
    at_ms: int,
    *,
    device: str = "d",
    mark_id: str = "",
    page: int = 0,
    visibility: Visibility = "private",
    meeting: str = "",
) -> Mark:
    """A version of a note; deleted for None."""
    body: Body | None = None if text is None else Note(1.0, 2.0, text, RED)
    return Mark(mark_id or new_mark_id(), Stamp(at_ms, 0, device), Anchor(1, page, ""), body, visibility, meeting)


def texts(marks: list[Mark]) -> list[str]:
    """What is written in the marks, in order."""
    return sorted(mark.body.text for mark in marks if isinstance(mark.body, Note))


@pytest.fixture
def shelf() -> Iterator[Shelf]:
    with marked_shelf() as made:
        yield made


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(shelf: Shelf, clock: Clock) -> Iterator[MarkStore]:
    made = MarkStore(shelf.database, clock=clock)
    yield made
    made.close()


@pytest.fixture
def paper(shelf: Shelf) -> str:
    """Of three pages."""
    return prepared(shelf, 1, 2, 3).id
