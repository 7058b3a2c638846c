"""Where a reader left off is the shelf's own: it outlives caches, is in backups, follows revisions, and is purged."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import sidebooks_core as sb
from sidebooks_core.errors import RequestError
from sidebooks_core.shelf import Shelf
from sidebooks_core.shelf.positions import Position
from sidebooks_core.testing import FakeDocument, FakeEngine, FakePage


def pages(*colours: int) -> bytes:
    return FakeDocument(pages=tuple(FakePage(colour=(colour, 9, 9)) for colour in colours)).to_bytes()


@pytest.fixture
def service(tmp_path: Path) -> Iterator[sb.TileService]:
    with sb.TileService(sb.Settings(cache_dir=tmp_path / "cache", workers=1), pool=FakeEngine().pool) as made:
        yield made


@pytest.fixture
def shelf(service: sb.TileService, tmp_path: Path) -> Iterator[Shelf]:
    with Shelf(tmp_path / "data", service, prepares=False) as made:
        yield made


def test_each_reader_has_a_page_of_each_paper(service: sb.TileService, shelf: Shelf, tmp_path: Path) -> None:
    paper, other = shelf.register(pages(1, 2, 3), name="a"), shelf.register(pages(1, 2, 3), name="b")
    assert shelf.position(paper.id, "anna") is None
    assert shelf.keep_position(paper.id, 2, "anna") == 2
    assert shelf.keep_position(paper.id, 1, "ben") == 1
    assert (shelf.position(paper.id, "anna"), shelf.position(paper.id, "ben"), shelf.position(paper.id)) == (2, 1, None)
    assert shelf.position(other.id, "anna") is None
    for page, revision in ((3, None), (-1, None), (0, 9)):
        with pytest.raises(RequestError):
            shelf.keep_position(paper.id, page, "anna", revision=revision)
    shelf.back_up(tmp_path / "backup")
    service.parts.facts.clear(lasting=True)
    for folder in ("data", "backup"):
        with Shelf(tmp_path / folder, service, prepares=False) as again:
            again.positions.flush()
            shelf.positions.flush()
            assert again.position(paper.id, "anna") == 2, folder


def test_a_page_is_led_from_the_revision_that_was_read_last(shelf: Shelf) -> None:
    first, second = pages(*range(10, 20)), pages(1, *range(10, 20))
    paper = shelf.register(first, name="a")
    shelf.keep_position(paper.id, 4, "anna")
    shelf.replace(paper.id, second)
    assert shelf.position(paper.id, "anna") == 5
    assert shelf.keep_position(paper.id, 9, "anna") == 9
    assert shelf.keep_position(paper.id, 6, "ben", revision=1) == 7
    shelf.replace(paper.id, first)
    assert (shelf.position(paper.id, "anna"), shelf.position(paper.id, "ben")) == (8, 6)


def test_the_later_of_two_places_holds_whichever_is_told_last(shelf: Shelf) -> None:
    paper = shelf.register(pages(1, 2, 3), name="a")
    assert shelf.keep_position(paper.id, 1, "anna", age_s=3600) == 1
    assert shelf.keep_position(paper.id, 2, "anna", age_s=60) == 2, "later than the one before"
    assert shelf.keep_position(paper.id, 0, "anna", age_s=600) == 2
    assert shelf.position(paper.id, "anna") == 2
    assert shelf.keep_position(paper.id, 0, "anna") == 0
    assert shelf.keep_position(paper.id, 1, "anna", age_s=1e12) == 0, "a clock that is wrong by ages"
    assert shelf.keep_position(paper.id, 1, "ben", age_s=1e12) == 1
    shelf.positions.flush()
    assert (shelf.position(paper.id, "anna"), shelf.position(paper.id, "ben")) == (0, 1)
    with pytest.raises(RequestError, match="age_s"):
        shelf.keep_position(paper.id, 1, "anna", age_s=-1.0)


def test_a_turn_of_a_page_waits_for_no_writer_and_for_no_disk(shelf: Shelf) -> None:
    paper = shelf.register(pages(1, 2, 3), name="a")
    done = threading.Event()

    def turn() -> None:
        for page in (0, 1, 2):
            shelf.keep_position(paper.id, page, "anna")
        assert shelf.position(paper.id, "anna") == 2
        done.set()

    with shelf.database.writing():
        threading.Thread(target=turn, daemon=True).start()
        assert done.wait(5)
    shelf.positions.flush()
    with shelf.database.reading() as reading:
        assert reading.all(Position, "SELECT revision, page FROM position") == [Position(1, 2)]


def test_nothing_is_kept_of_a_paper_that_was_purged(shelf: Shelf) -> None:
    paper = shelf.register(pages(1, 2, 3), name="a")
    shelf.keep_position(paper.id, 1, "anna")
    shelf.positions.flush()
    shelf.positions.keep(paper.id, "ben", Position(1, 1))
    shelf.purge(paper.id)
    shelf.positions.keep(paper.id, "ben", Position(1, 1))
    shelf.positions.flush()
    with shelf.database.reading() as reading:
        assert reading.number("SELECT count(*) FROM position") == 0


def test_readers_who_come_together_cause_one_comparison(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    paper = shelf.register(pages(1, 2, 3), name="a")
    shelf.replace(paper.id, pages(2, 3, 4))
    asked, may_end = list[tuple[str, int]](), threading.Event()
    opened = shelf.document

    def slow(paper_id: str, revision: int) -> sb.Document:
        asked.append((paper_id, revision))
        assert may_end.wait(20)
        return opened(paper_id, revision)

    monkeypatch.setattr(shelf.differences, "open_revision", slow)
    found: list[object] = []
    threads = [threading.Thread(target=lambda: found.append(shelf.diff(paper.id, 1, 2))) for _ in range(8)]
    for thread in threads:
        thread.start()
    may_end.set()
    for thread in threads:
        thread.join(20)
    assert shelf.diff(paper.id, 1, 2) == found[0]
    assert (len(found), len(asked)) == (8, 2)
