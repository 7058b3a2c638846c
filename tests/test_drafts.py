"""Pages that are drawn before they are identified: what the dispatcher promises, and what a reader sees of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import sidebooks_core as sb
from sidebooks_core import opener
from sidebooks_core.dispatch import Dispatcher
from sidebooks_core.errors import RenderFailed, ServiceClosed, SidebooksError
from sidebooks_core.records import Records
from sidebooks_core.rendering.jobs import Job
from sidebooks_core.rendering.pool import WorkerPool
from sidebooks_core.rendering.worker_process import WorkerProcess
from sidebooks_core.scheduling.queue import Priority
from sidebooks_core.tiling.raster import RasterSpec
from tests.test_dispatch import FakeLocks, Told, work


class Worker:
    """A worker's thread that takes one job, and finishes it when it is told to."""

    def __init__(self, dispatcher: Dispatcher, held: set[str] | None = None) -> None:
        self.key: str | None = None
        self._taken = threading.Event()
        self._dispatcher = dispatcher
        self._ticket: Any = None
        idle = len(dispatcher._idle)
        self._thread = threading.Thread(target=self._take, args=(held or set(),), daemon=True)
        self._thread.start()
        while len(dispatcher._idle) == idle:
            threading.Event().wait(0.001)

    def _take(self, held: set[str]) -> None:
        taken = self._dispatcher.take(held, is_spare=False)
        if taken is not None:
            self._ticket, self.key = taken[0], taken[1].arguments["key"]
        self._taken.set()

    def takes(self) -> str | None:
        assert self._taken.wait(10)
        return self.key

    def finish(self, answer: Any, error: SidebooksError | None = None) -> None:
        self.takes()
        self._dispatcher.finish(self._ticket, answer, error)


def kept(answer: Any, written: Callable[[], None], _: Priority) -> str:
    written()
    return f"kept {answer}"


def test_a_draft_under_way_becomes_the_request_that_it_is_for() -> None:
    locks = FakeLocks()
    dispatcher = Dispatcher(10, locks)
    holder, other = Worker(dispatcher, {"document"}), Worker(dispatcher)
    assert dispatcher.draft(work("draft"))
    assert holder.takes() == "draft"
    first, second = Told(), Told()
    dispatcher.adopt("draft", work("key", deliver=kept), first, Priority.VISIBLE)
    assert locks.held == {"key"}
    assert dispatcher.request(work("key"), second), "who asks for it now joins"
    holder.finish("drawn")
    assert first.answers == second.answers == ["kept drawn"]
    assert locks.held == set()
    assert dispatcher.counts() == (0, 0)
    assert other.key is None
    dispatcher.close()


def test_a_draft_that_is_done_first_waits_for_its_key() -> None:
    dispatcher = Dispatcher(10, None)
    workers = [Worker(dispatcher, {"document"}), Worker(dispatcher)]
    dispatcher.draft(work("draft"))
    workers[0].finish("drawn")
    told = Told()
    dispatcher.adopt("draft", work("key", deliver=kept), told, Priority.VISIBLE)
    assert told.answers == ["kept drawn"]
    assert dispatcher.counts() == (0, 0)
    dispatcher.close()


def test_a_draft_is_begun_only_where_another_worker_is_free_to_find_its_key() -> None:
    dispatcher = Dispatcher(10, None)
    assert not dispatcher.draft(work("draft"))
    worker = Worker(dispatcher)
    assert not dispatcher.draft(work("draft"))
    dispatcher.request(work("key"), Told())
    assert worker.takes() == "key"
    assert dispatcher.counts() == (0, 1)
    dispatcher.close()


def test_a_draft_that_nobody_needs_tells_nobody() -> None:
    dispatcher = Dispatcher(10, None)
    workers = [Worker(dispatcher, {"document"}), Worker(dispatcher)]
    dispatcher.draft(work("draft"))
    dispatcher.abandon("draft")
    workers[0].finish("drawn")
    assert dispatcher.counts() == (0, 0)
    dispatcher.close()


def test_two_who_draft_the_same_share_one_drawing() -> None:
    dispatcher = Dispatcher(10, None)
    workers = [Worker(dispatcher, {"document"}), Worker(dispatcher), Worker(dispatcher)]
    assert dispatcher.draft(work("draft"))
    assert dispatcher.draft(work("draft"))
    told = [Told(), Told()]
    for one in told:
        dispatcher.adopt("draft", work("key", deliver=kept), one, Priority.VISIBLE)
    workers[0].finish("drawn")
    assert [one.answers for one in told] == [["kept drawn"]] * 2
    assert [worker.key for worker in workers[1:]] == [None, None]
    dispatcher.close()


def test_what_is_drawn_already_is_joined_and_the_draft_dropped() -> None:
    dispatcher = Dispatcher(10, None)
    workers = [Worker(dispatcher, {"document"}), Worker(dispatcher), Worker(dispatcher)]
    dispatcher.draft(work("draft"))
    told = [Told(), Told()]
    dispatcher.request(work("key", deliver=kept), told[0])
    dispatcher.adopt("draft", work("key", deliver=kept), told[1], Priority.VISIBLE)
    workers[0].finish("the draft")
    next(worker for worker in workers[1:] if worker.takes()).finish("the other")
    assert [one.answers for one in told] == [["kept the other"]] * 2
    assert dispatcher.counts() == (0, 0)
    dispatcher.close()


@pytest.mark.parametrize("is_adopted_first", [True, False])
def test_a_draft_that_fails_fails_the_request(*, is_adopted_first: bool) -> None:
    locks = FakeLocks()
    dispatcher = Dispatcher(10, locks)
    workers = [Worker(dispatcher, {"document"}), Worker(dispatcher)]
    dispatcher.draft(work("draft"))
    told = Told()
    if not is_adopted_first:
        workers[0].finish(None, RenderFailed("no", page=0))
    dispatcher.adopt("draft", work("key", deliver=kept), told, Priority.VISIBLE)
    if is_adopted_first:
        workers[0].finish(None, RenderFailed("no", page=0))
    assert isinstance(told.errors[0], RenderFailed)
    assert locks.held == set()
    dispatcher.close()


def test_after_closing_a_draft_cannot_be_adopted() -> None:
    dispatcher = Dispatcher(10, None)
    workers = [Worker(dispatcher, {"document"}), Worker(dispatcher)]
    dispatcher.draft(work("draft"))
    dispatcher.close()
    with pytest.raises(ServiceClosed):
        dispatcher.adopt("draft", work("key", deliver=kept), Told(), Priority.VISIBLE)
    workers[0].finish("drawn")
    assert not dispatcher.draft(work("draft"))


def test_finishing_and_adopting_at_once_tell_everybody_once() -> None:
    for _ in range(200):
        dispatcher = Dispatcher(10, None)
        workers = [Worker(dispatcher, {"document"}), Worker(dispatcher)]
        dispatcher.draft(work("draft"))
        workers[0].takes()
        told = Told()
        together = threading.Barrier(2)

        def adopt(told: Told = told, dispatcher: Dispatcher = dispatcher, together: threading.Barrier = together) -> None:
            together.wait()
            dispatcher.adopt("draft", work("key", deliver=kept), told, Priority.VISIBLE)

        thread = threading.Thread(target=adopt)
        thread.start()
        together.wait()
        workers[0].finish("drawn")
        thread.join(10)
        assert told.answers == ["kept drawn"]
        assert dispatcher.counts() == (0, 0)
        dispatcher.close()


@pytest.fixture
def jobs(monkeypatch: pytest.MonkeyPatch) -> dict[int, list[str]]:
    """What each worker process was asked to do."""
    by_worker: dict[int, list[str]] = {}
    begin = WorkerPool._begin

    def note(self: WorkerPool, worker: WorkerProcess, job: Job, data: bytes | None) -> SidebooksError | None:
        by_worker.setdefault(worker.process.pid, []).append(job.kind)
        return begin(self, worker, job, data)

    monkeypatch.setattr(WorkerPool, "_begin", note)
    return by_worker


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[sb.TileService]:
    """With two idle workers, to which every document is worth drafting."""
    monkeypatch.setattr(opener, "DRAFT_BYTES", 0)
    monkeypatch.setattr(opener, "DRAFT_OPENING_S", 60.0)
    with sb.TileService(sb.Settings(cache_dir=tmp_path / "cache", workers=2)) as made:
        wait_idle(made)
        yield made


def wait_idle(service: sb.TileService) -> None:
    """Until both workers wait for their next job."""
    while sum(not seat.is_spare for seat in service._dispatcher._idle) < 2:
        time.sleep(0.001)


@pytest.fixture
def kept_keys(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Of the records that were drawn, in their order."""
    keys: list[str] = []
    keep = Records.keep

    def note(self: Records, key: str, *rest: Any) -> None:
        keys.append(key)
        keep(self, key, *rest)

    monkeypatch.setattr(Records, "keep", note)
    return keys


def test_one_worker_draws_a_readers_first_page_while_another_identifies_it(
    service: sb.TileService, sample: Path, jobs: dict[int, list[str]], kept_keys: list[str]
) -> None:
    document = service.open(sample)
    wait_idle(service)
    readers = [service.reader(document, (800, 1000)) for _ in range(2)]
    views = [reader.wait_sharp(timeout_s=30) for reader in readers]
    for reader in readers:
        reader.close()
    assert all(view.is_sharp for view in views)
    assert next(kinds for kinds in jobs.values() if "open" in kinds)[:2] == ["open", "raster"]
    assert next(kinds for kinds in jobs.values() if "open" not in kinds)[0] == "identify"
    assert views[0].images == views[1].images
    assert len(kept_keys) == len(set(kept_keys)), "nothing is drawn twice"
    assert service.page_image(document, 0, height_px=1000) == views[0].images[-1].tile, "known by its own key"
    assert service.statistics().failures == 0


def test_a_page_that_is_stored_already_is_shown_from_there(
    service: sb.TileService, sample: Path, tmp_path: Path, kept_keys: list[str]
) -> None:
    with service.reader(service.open(sample), (800, 1000)) as reader:
        sharp = reader.wait_sharp(timeout_s=30)
    copy = tmp_path / "copy.pdf"
    copy.write_bytes(sample.read_bytes() + b"\n%")  # another document, of the same pages
    document = service.open(copy)
    wait_idle(service)
    with service.reader(document, (800, 1000)) as reader:
        again = reader.wait_sharp(timeout_s=30)
    assert again.images == sharp.images
    assert len(kept_keys) == len(set(kept_keys)), "what was begun before that was known is not kept again"


def test_a_first_page_that_cannot_be_drawn_is_told_with_its_reason(
    service: sb.TileService, sample: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_of = Records._job

    def broken(self: Records, wanted: Any) -> Job:
        job = job_of(self, wanted)
        return Job(
            kind="raster",
            document=job.document,
            page=job.page,
            timeout_s=30,
            arguments=job.arguments | {"image_format": "none"},
        )

    monkeypatch.setattr(Records, "_job", broken)
    document = service.open(sample)
    wait_idle(service)
    with service.reader(document, (800, 1000)) as reader:
        view = reader.wait_sharp(timeout_s=30)
    assert not view.is_sharp
    assert "no such image format" in str(view.errors[0])


@pytest.mark.parametrize("is_refused", [True, False])
def test_a_draft_of_a_page_that_cannot_be_identified_leaves_nothing_under_way(
    service: sb.TileService, sample: Path, monkeypatch: pytest.MonkeyPatch, *, is_refused: bool
) -> None:
    def fail(_self: Records, _subject: Any, _page: int, done: Any, **_: Any) -> None:
        if is_refused:
            raise sb.QueueFull("no room")
        done(None, RenderFailed("it cannot be told", page=0))

    document = service.open(sample)
    wait_idle(service)
    monkeypatch.setattr(Records, "identify", fail)
    told: list[Any] = []

    def want() -> None:
        spec = RasterSpec.whole_page(1.0, 600, 800)
        service.records.want(document, 1, spec, lambda *one: told.append(one), priority=Priority.VISIBLE, may_draft=True)

    drafts: list[bool] = []
    draft = Dispatcher.draft
    monkeypatch.setattr(Dispatcher, "draft", lambda self, job: drafts.append(draft(self, job)) or drafts[-1])
    if is_refused:
        with pytest.raises(sb.QueueFull):
            want()
    else:
        want()
        assert isinstance(told[0][2], RenderFailed)
    assert drafts == [True]
    assert service.statistics().in_flight == 0
