"""Preparing in the background, by one of several processes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

import pytest
from quiet import wait_until

import sidebooks_core as sb
from sidebooks_core.databases.database import Database
from sidebooks_core.documents.document import Document
from sidebooks_core.documents.model import PackedText
from sidebooks_core.errors import DamagedDocument, QueueFull, RenderFailed, RenderTimeout, RequestError
from sidebooks_core.shelf import Paper, Shelf, Where, prepared_rows
from sidebooks_core.shelf.preparing import TRIES
from sidebooks_core.shelf.schema import SHELF
from sidebooks_core.testing import FakeDocument, FakeEngine, FakePage, words_of
from sidebooks_core.workers.jobs import Draw, NoWorker, NoWorkerToOpen, ReadText, WorkerDied


def pages(*numbers: int) -> bytes:
    """A document with one page for each number. Equal numbers make equal pages."""
    made = (FakePage(colour=(one % 250, one // 250, 9), words=words_of(f"budget page {one}")) for one in numbers)
    return FakeDocument(pages=tuple(made)).to_bytes()


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture
def service(engine: FakeEngine, tmp_path: Path) -> Iterator[sb.TileService]:
    with sb.TileService(sb.Settings(cache_dir=tmp_path / "cache", workers=1), pool=engine.pool) as made:
        yield made


@pytest.fixture
def holder(service: sb.TileService, tmp_path: Path) -> Iterator[Shelf]:
    """The shelf whose process prepares. It has nothing to do."""
    with Shelf(tmp_path / "data", service) as made:
        wait_until((tmp_path / "data" / "preparing.lock").exists, "it does not begin")
        assert made.wait_prepared(10)
        yield made


@pytest.fixture
def other(holder: Shelf, tmp_path: Path) -> Iterator[Shelf]:
    """The same shelf in another process, which does not prepare: the lock is taken."""
    engine = FakeEngine()
    with (
        sb.TileService(sb.Settings(cache_dir=tmp_path / "cache", workers=1), pool=engine.pool) as service,
        Shelf(tmp_path / "data", service) as made,
    ):
        yield made
        assert engine.count(Draw) == 0, "only one process prepares"


def is_prepared(shelf: Shelf, paper: Paper) -> bool:
    return shelf.revision(paper.id).is_prepared


def test_what_another_process_registers_is_prepared_at_once(holder: Shelf, other: Shelf) -> None:
    time.sleep(0.3)  # the holder sleeps
    began_s = time.monotonic()
    paper = other.register(pages(1, 2, 3), name="budget")
    assert other.wait_prepared(4), "the feed wakes it, not the look from time to time"
    assert time.monotonic() - began_s < 4
    assert is_prepared(holder, paper)
    paper = other.replace(paper.id, pages(1, 2, 4))
    assert other.wait_prepared(4)
    assert is_prepared(other, paper)


def test_the_one_that_prepares_looks_by_itself_if_nothing_is_told(
    service: sb.TileService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sidebooks_core.shelf.preparing.LOOK_EVERY_S", 0.2)
    monkeypatch.setattr("sidebooks_core.shelf.preparing.WAKING", frozenset())
    with Shelf(tmp_path / "data", service) as shelf, Shelf(tmp_path / "data", service, prepares=False) as other:
        assert shelf.wait_prepared(10)
        time.sleep(0.3)
        paper = other.register(pages(1, 2), name="budget")
        assert other.wait_prepared(10)
        assert is_prepared(shelf, paper)


def test_every_process_sees_the_progress(
    holder: Shelf, other: Shelf, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sidebooks_core.shelf.preparing.NOTED_EVERY_S", 0.0)
    with engine.hold(Draw, page=3) as held:
        paper = other.register(pages(1, 2, 3, 4), name="budget")
        wait_until(lambda: other.progress(paper.id).previews == 3, "the other process does not see it")
        assert not other.wait_prepared(0.3)
        held.release()
    assert other.wait_prepared(10)
    assert other.progress(paper.id).previews == 4


def test_one_revision_that_fails_does_not_hold_up_older_ones(
    holder: Shelf, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sidebooks_core.shelf.preparing.AGAIN_S", 0.2)
    with engine.hold(Draw) as held:
        first = holder.register(pages(5, 6, 7), name="first")
        held.wait_begun()
        older = holder.register(pages(1), name="older")
        rule = engine.fail(ReadText, DamagedDocument("gone"), page=1)
        failing = holder.register(pages(1000, 1001), name="failing")
        held.release()
    wait_until(lambda: is_prepared(holder, older), "it is held up")
    assert holder.wait_prepared(10), "what has failed is not waited for"
    assert not is_prepared(holder, failing)
    assert holder.progress(failing.id).has_failed
    rule.end()
    wait_until(lambda: is_prepared(holder, failing), "a passing error is not tried again")
    wait_until(lambda: is_prepared(holder, first), "the first one was not finished")
    assert not holder.progress(failing.id).has_failed


def test_a_revision_whose_file_was_away_is_prepared_when_it_is_back(
    service: sb.TileService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sidebooks_core.shelf.preparing.AGAIN_S", 0.2)
    with Shelf(tmp_path / "data", service, prepares=False) as shelf:
        paper = shelf.register(pages(1, 2), name="budget")
        path = shelf.originals.path(shelf.revision(paper.id).original)
    path.rename(tmp_path / "away")
    with Shelf(tmp_path / "data", service) as shelf:
        wait_until(lambda: shelf.progress(paper.id).has_failed, "it does not fail")
        (tmp_path / "away").rename(path)
        wait_until(lambda: is_prepared(shelf, paper), "it is not tried again before a restart")


def test_a_page_without_text_is_read_once(holder: Shelf, engine: FakeEngine) -> None:
    engine.fail(ReadText, RenderFailed("no text", page=0), page=0)
    paper = holder.register(pages(*range(100)), name="long")
    assert holder.wait_prepared(30)
    assert is_prepared(holder, paper)
    assert engine.count(ReadText, 0) == 1


def test_a_look_at_what_is_to_be_prepared_does_not_read_all_of_it(tmp_path: Path) -> None:
    with Database(tmp_path / "a.sqlite3", SHELF).writing() as writing:
        writing.run("INSERT INTO original (digest, bytes) VALUES ('0', 1)")
        for number in range(300):
            writing.run(
                "INSERT INTO paper (id, name, note, level, place, revision) VALUES (?, 'a', '', 'open', ?, 2)",
                f"p{number}", number,
            )  # fmt: skip
            writing.run_each(
                "INSERT INTO revision (paper, number, original, shown, file_name, registered_s, registered_by, note, state, "
                "reason, page_count, is_prepared) VALUES (?, ?, '0', '0', '', ?, '', '', 'ready', '', 1, 0)",
                [(f"p{number}", 1, number + 1000.0), (f"p{number}", 2, float(number))],
            )
        found = prepared_rows.unprepared(writing, 3)
        assert [(one.paper, one.number) for one in found] == [("p299", 2), ("p298", 2), ("p297", 2)], "the present, the newest"
        writing.run("UPDATE revision SET is_prepared = 1 WHERE number = 2")
        assert [(one.paper, one.number) for one in prepared_rows.unprepared(writing, 1)] == [("p299", 1)]
        writing.run("UPDATE revision SET failures = 1")
        assert prepared_rows.unprepared(writing, 1) == []
        assert prepared_rows.is_all_prepared(writing)


def test_many_are_prepared_although_few_are_looked_up_at_once(
    service: sb.TileService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sidebooks_core.shelf.preparing.REVISIONS_AT_ONCE", 2)
    with Shelf(tmp_path / "data", service, prepares=False) as shelf:
        papers = [shelf.register(pages(one), name=str(one)) for one in range(7)]
    with Shelf(tmp_path / "data", service) as shelf:
        assert shelf.wait_prepared(20)
        assert all(is_prepared(shelf, paper) for paper in papers)


def test_who_searches_a_shelf_in_memory_may_ask_it_meanwhile(service: sb.TileService) -> None:
    with Shelf(None, service) as shelf:
        folder = shelf.make_folder("council")
        paper = shelf.register(pages(1, 2), folder, name="budget")
        assert shelf.wait_prepared(20)
        where = Where(is_visible=lambda one: one.folder is not None and shelf.folder(one.folder) == folder)
        assert {hit.paper.id for hit in shelf.search("budget", where).pages} == {paper.id}
        data = shelf.data_dir
    assert not data.exists(), "nothing of it is left"
    with Shelf(None, service) as again, pytest.raises(RequestError):
        again.paper(paper.id)


class Failing:
    """Has the text of a page fail with an error of the host, as long as it is told to."""

    def __init__(self, service: sb.TileService, patch: pytest.MonkeyPatch, error: Exception, page: int) -> None:
        questions = service.parts.questions
        text = questions.text
        self.is_failing = True
        self.times = 0

        def failing(document: Document, asked: int) -> Future[PackedText]:
            if asked != page or not self.is_failing:
                return text(document, asked)
            self.times += 1
            future: Future[PackedText] = Future()
            future.set_exception(error)
            return future

        patch.setattr(questions, "text", failing)


def found_pages(shelf: Shelf, query: str) -> list[int]:
    step = shelf.search(query)
    pages = [hit.page for hit in step.pages]
    while step.next is not None:
        step = shelf.search(query, before=step.next)
        pages += [hit.page for hit in step.pages]
    return sorted(pages)


@pytest.mark.parametrize("error", [RenderTimeout("too long", page=1), WorkerDied("it died", page=1), NoWorker("none", page=1)])
def test_a_page_that_failed_for_a_passing_reason_is_read_again_and_found(
    holder: Shelf, service: sb.TileService, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    for pause in ("PAGES_AGAIN_S", "AGAIN_S"):
        monkeypatch.setattr(f"sidebooks_core.shelf.preparing.{pause}", 0.2)
    failing = Failing(service, monkeypatch, error, page=1)
    paper = holder.register(pages(1, 2), name="budget")
    wait_until(lambda: holder.progress(paper.id).has_failed, "it counts as prepared")
    assert 1 not in found_pages(holder, "budget")
    failing.is_failing = False
    wait_until(lambda: is_prepared(holder, paper), "it is not tried again")
    assert found_pages(holder, "budget") == [0, 1]


def test_a_page_that_always_takes_too_long_ends_the_tries(
    holder: Shelf, service: sb.TileService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sidebooks_core.shelf.preparing.PAGES_AGAIN_S", 0.05)
    failing = Failing(service, monkeypatch, RenderTimeout("too long", page=1), page=1)
    paper = holder.register(pages(1, 2), name="budget")
    wait_until(lambda: is_prepared(holder, paper), "it is tried for ever")
    assert failing.times == TRIES
    assert found_pages(holder, "budget") == [0]


def test_a_sound_file_that_no_worker_can_open_is_not_registered_as_damaged(
    holder: Shelf, service: sb.TileService, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_worker(*_: object, **__: object) -> None:
        raise NoWorkerToOpen("no worker process is at hand")

    with monkeypatch.context() as patch:
        patch.setattr(service, "open", no_worker)
        with pytest.raises(QueueFull, match="try again"):
            holder.register(pages(1), name="budget")
    assert holder.papers() == []
    assert holder.register(pages(1), name="budget").state == "ready"


def test_whatever_happens_to_the_one_who_prepares_later_papers_are_prepared(
    holder: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sidebooks_core.shelf.preparing.AGAIN_S", 0.05)
    with monkeypatch.context() as patch:
        failed: list[object] = []

        def fails(*given: object) -> list[object]:
            failed.append(given)
            raise MemoryError

        patch.setattr(prepared_rows, "unprepared", fails)
        paper = holder.register(pages(1), name="budget")
        wait_until(lambda: failed, "it does not look")
    wait_until(lambda: is_prepared(holder, paper), "its thread has ended")
