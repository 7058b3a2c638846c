"""Pages that are drawn before they are identified: what the dispatcher promises, and what a reader sees of it."""

from __future__ import annotations

import os
import pickle
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import sidebooks_core as sb
from sidebooks_core.documents import fingerprint
from sidebooks_core.errors import RenderFailed, ServiceClosed, SidebooksError
from sidebooks_core.images.dispatch import Dispatcher
from sidebooks_core.images.finding import Records
from sidebooks_core.scheduling.queue import Priority
from sidebooks_core.tiling.raster import RasterSpec
from sidebooks_core.workers.jobs import Job
from sidebooks_core.workers.pool import WorkerPool
from sidebooks_core.workers.process import WorkerProcess
from tests.test_dispatch import FakeLocks, Told, work


class Worker:
    """A worker's thread that takes one job, and finishes it when it is told to."""

    def __init__(self, dispatcher: Dispatcher, held: set[str] | None = None) -> None:
        self.key: str | None = None
        self._taken = threading.Event()
        self._dispatcher = dispatcher
        self.ticket: Any = None
        idle = len(dispatcher._idle)
        self._thread = threading.Thread(target=self._take, args=(held or set(),), daemon=True)
        self._thread.start()
        while len(dispatcher._idle) == idle:
            threading.Event().wait(0.001)

    def _take(self, held: set[str]) -> None:
        taken = self._dispatcher.take(held, is_spare=False)
        if taken is not None:
            self.ticket, self.key = taken[0], taken[1].arguments["key"]
        self._taken.set()

    def takes(self) -> str | None:
        assert self._taken.wait(10)
        return self.key

    def finish(self, answer: Any, error: SidebooksError | None = None) -> None:
        self.takes()
        self._dispatcher.finish(self.ticket, answer, error)


def kept(answer: Any, written: Callable[[], None], _: Priority) -> str:
    written()
    return f"kept {answer}"


def test_a_draft_under_way_becomes_the_request_that_it_is_for() -> None:
    locks = FakeLocks()
    dispatcher = Dispatcher(10, locks)
    holder, other = Worker(dispatcher, {"document"}), Worker(dispatcher)
    drawn, first, second = Told(), Told(), Told()
    assert dispatcher.draft(work("draft"), drawn)
    assert holder.takes() == "draft"
    dispatcher.adopt("draft", work("key", deliver=kept), first, Priority.VISIBLE)
    assert locks.held == {"key"}
    assert dispatcher.request(work("key"), second), "who asks for it now joins"
    holder.finish("drawn")
    assert drawn.answers == first.answers == second.answers == ["kept drawn"]
    assert locks.held == set()
    assert dispatcher.counts() == (0, 0)
    assert other.key is None
    dispatcher.close()


def test_a_draft_that_is_done_first_is_told_of_before_its_key_is_known() -> None:
    dispatcher = Dispatcher(10, None)
    workers = [Worker(dispatcher, {"document"}), Worker(dispatcher)]
    drawn, late, told = Told(), Told(), Told()
    dispatcher.draft(work("draft", read=lambda answer: f"read {answer}"), drawn)
    workers[0].finish("drawn")
    assert drawn.answers == ["read drawn"]
    assert dispatcher.draft(work("draft"), late)
    assert late.answers == ["read drawn"], "at once"
    dispatcher.adopt("draft", work("key", deliver=kept), told, Priority.VISIBLE)
    assert told.answers == ["kept read drawn"]
    assert (drawn.answers, late.answers) == (["read drawn"], ["read drawn"]), "once"
    assert dispatcher.counts() == (0, 0)
    dispatcher.close()


def test_a_draft_is_begun_only_where_a_worker_is_free() -> None:
    dispatcher = Dispatcher(10, None)
    drawn = Told()
    assert not dispatcher.draft(work("draft"), drawn)
    worker = Worker(dispatcher)
    dispatcher.request(work("key"), Told())
    assert worker.takes() == "key"
    assert not dispatcher.draft(work("draft"), drawn)
    assert dispatcher.counts() == (0, 1)
    assert not drawn.answers
    dispatcher.close()


def test_a_draft_that_nobody_needs_leaves_nothing() -> None:
    dispatcher = Dispatcher(10, None)
    workers = [Worker(dispatcher, {"document"}), Worker(dispatcher)]
    dispatcher.draft(work("draft"), Told())
    dispatcher.abandon("draft")
    workers[0].finish("drawn")
    assert dispatcher.counts() == (0, 0)
    dispatcher.close()


def test_two_who_draft_the_same_share_one_drawing() -> None:
    dispatcher = Dispatcher(10, None)
    workers = [Worker(dispatcher, {"document"}), Worker(dispatcher), Worker(dispatcher)]
    drawn = [Told(), Told()]
    assert dispatcher.draft(work("draft"), drawn[0])
    assert dispatcher.draft(work("draft"), drawn[1])
    told = [Told() for _ in drawn]
    for one in told:
        dispatcher.adopt("draft", work("key", deliver=kept), one, Priority.VISIBLE)
    workers[0].finish("drawn")
    assert [one.answers for one in drawn + told] == [["kept drawn"]] * 4
    assert [worker.key for worker in workers[1:]] == [None, None]
    dispatcher.close()


def test_what_is_drawn_already_is_joined_and_the_draft_dropped() -> None:
    dispatcher = Dispatcher(10, None)
    workers = [Worker(dispatcher, {"document"}), Worker(dispatcher), Worker(dispatcher)]
    dispatcher.draft(work("draft"), Told())
    told = [Told(), Told()]
    dispatcher.request(work("key", deliver=kept), told[0])
    dispatcher.adopt("draft", work("key", deliver=kept), told[1], Priority.VISIBLE)
    workers[0].finish("the draft")
    next(worker for worker in workers[1:] if worker.takes()).finish("the other")
    assert [one.answers for one in told] == [["kept the other"]] * 2
    assert dispatcher.counts() == (0, 0)
    dispatcher.close()


@pytest.mark.parametrize("is_adopted_first", [True, False])
@pytest.mark.parametrize("is_nonsense", [True, False])
def test_a_draft_that_fails_fails_the_request(*, is_adopted_first: bool, is_nonsense: bool) -> None:
    def read(answer: Any) -> Any:
        return answer["record"]

    locks = FakeLocks()
    dispatcher = Dispatcher(10, locks)
    workers = [Worker(dispatcher, {"document"}), Worker(dispatcher)]
    drawn, told = Told(), Told()
    dispatcher.draft(work("draft", read=read), drawn)
    outcome = ({}, None) if is_nonsense else (None, RenderFailed("no", page=0))
    if not is_adopted_first:
        workers[0].finish(*outcome)
    dispatcher.adopt("draft", work("key", read=read, deliver=kept), told, Priority.VISIBLE)
    if is_adopted_first:
        workers[0].finish(*outcome)
    assert isinstance(drawn.errors[0], RenderFailed)
    assert isinstance(told.errors[0], RenderFailed)
    assert locks.held == set()
    dispatcher.close()


def test_after_closing_a_draft_cannot_be_adopted() -> None:
    dispatcher = Dispatcher(10, None)
    workers = [Worker(dispatcher, {"document"}), Worker(dispatcher)]
    dispatcher.draft(work("draft"), Told())
    dispatcher.close()
    with pytest.raises(ServiceClosed):
        dispatcher.adopt("draft", work("key", deliver=kept), Told(), Priority.VISIBLE)
    workers[0].finish("drawn")
    assert not dispatcher.draft(work("draft"), Told())


def test_finishing_and_adopting_at_once_tell_everybody_once() -> None:
    for _ in range(200):
        dispatcher = Dispatcher(10, None)
        workers = [Worker(dispatcher, {"document"}), Worker(dispatcher)]
        drawn, told = Told(), Told()
        dispatcher.draft(work("draft"), drawn)
        workers[0].takes()
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
        assert drawn.answers in (["drawn"], ["kept drawn"])
        assert dispatcher.counts() == (0, 0)
        dispatcher.close()


@pytest.fixture
def jobs(monkeypatch: pytest.MonkeyPatch) -> dict[int, list[str]]:
    """What each worker process was asked to do."""
    by_worker: dict[int, list[str]] = {}
    begin = WorkerPool._send

    def note(self: WorkerPool, worker: WorkerProcess, job: Job, data: bytes | None) -> SidebooksError | None:
        by_worker.setdefault(worker.process.pid, []).append(job.kind)
        return begin(self, worker, job, data)

    monkeypatch.setattr(WorkerPool, "_send", note)
    return by_worker


@pytest.fixture
def service(tmp_path: Path) -> Iterator[sb.TileService]:
    """With two idle workers."""
    with sb.TileService(sb.Settings(cache_dir=tmp_path / "cache", workers=2)) as made:
        wait_idle(made)
        yield made


@pytest.fixture
def stopped(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """The worker that was suspended when it was to draw the first page; while it is empty, the next one is."""
    begin = WorkerPool._send
    processes: list[int] = []

    def stop(self: WorkerPool, worker: WorkerProcess, job: Job, data: bytes | None) -> SidebooksError | None:
        if job.kind == "raster" and not processes:
            os.kill(worker.process.pid, signal.SIGSTOP)
            processes.append(worker.process.pid)
        return begin(self, worker, job, data)

    monkeypatch.setattr(WorkerPool, "_send", stop)
    yield processes
    os.kill(processes[0], signal.SIGCONT)


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


def test_the_worker_that_opened_a_document_draws_a_readers_first_page_before_it_is_identified(
    service: sb.TileService, sample: Path, jobs: dict[int, list[str]], kept_keys: list[str]
) -> None:
    document = service.open(sample)
    wait_idle(service)
    readers = [service.reader(document, (800, 1000)) for _ in range(2)]
    views = [reader.wait_sharp(timeout_s=30) for reader in readers]
    assert all(view.is_sharp for view in views)
    assert next(kinds for kinds in jobs.values() if "open" in kinds)[:2] == ["open", "raster"]
    copied = pickle.loads(pickle.dumps(views[0].images[-1].tile))  # noqa: S301 - made here
    image = service.page_image(document, 0, height_px=1000)
    assert [view.images[-1].tile for view in views] == [image, image] == [copied, copied], "known by its own key"
    assert len({hash(tile) for tile in (image, copied, views[0].images[-1].tile)}) == 1
    assert len({view.images[-1].tile.etag for view in (*views, *(reader.view() for reader in readers))}) == 1
    for reader in readers:
        reader.close()
    assert len(kept_keys) == len(set(kept_keys)), "nothing is drawn twice"
    assert service.statistics().failures == 0


def test_a_page_that_is_stored_already_is_kept_once(
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
        assert document.content_id(0)
    service.records.settle(30)
    assert again.images[-1].data == sharp.images[-1].data
    assert len(kept_keys) == len(set(kept_keys)), "what was begun before that was known is not kept again"


def test_a_stored_page_that_takes_long_to_draw_is_shown_from_there(
    service: sb.TileService, sample: Path, tmp_path: Path, stopped: list[int]
) -> None:
    stopped.append(0)  # not this time
    with service.reader(service.open(sample), (800, 1000)) as reader:
        sharp = reader.wait_sharp(timeout_s=30)
    copy = tmp_path / "copy.pdf"
    copy.write_bytes(sample.read_bytes() + b"\n%")
    document = service.open(copy)
    wait_idle(service)
    stopped.clear()
    with service.reader(document, (800, 1000)) as reader:
        again = reader.wait_sharp(timeout_s=30)
    assert again.is_sharp
    assert again.images == sharp.images


def test_who_asks_for_a_page_that_a_reader_has_drawn_just_now_joins(
    service: sb.TileService, sample: Path, kept_keys: list[str], stopped: list[int]
) -> None:
    document = service.open(sample)
    wait_idle(service)
    with service.reader(document, (800, 1000)) as reader:
        while not stopped:
            time.sleep(0.001)
        image = service.submit_page_image(document, 0, height_px=1000)
        while document.known_content_id(0) is None:
            time.sleep(0.001)
        os.kill(stopped[0], signal.SIGCONT)
        assert reader.wait_sharp(timeout_s=30).images[-1].tile == image.result(30)
    wait_idle(service)  # with the previews, too
    assert len(kept_keys) == len(set(kept_keys)) == service.statistics().renders


def test_pages_of_a_file_that_changed_are_identified_first(
    sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "minutes.pdf"
    monkeypatch.setattr(fingerprint, "RACY_NS", 0)  # what was written just now is remembered
    for end in (b"", b"\n%"):
        path.write_bytes(sample.read_bytes() + end)
        with sb.TileService(sb.Settings(cache_dir=tmp_path / "cache", workers=2)) as service:
            document = service.open(path)
            wait_idle(service)
            with service.reader(document, (800, 1000)) as reader:
                assert reader.wait_sharp(timeout_s=30).is_sharp
                from_disk = service.statistics().disk_hits
            while service.records._drafts or service._pool.busy_count():
                time.sleep(0.001)
    assert document.is_revision
    assert from_disk == 1, "shown from there, not drawn: most of its pages are stored"


def test_what_was_shown_is_kept_though_the_service_closes_at_once(sample: Path, tmp_path: Path) -> None:
    settings = sb.Settings(cache_dir=tmp_path / "cache", workers=2)
    with sb.TileService(settings) as service:
        document = service.open(sample)
        wait_idle(service)
        with service.reader(document, (800, 1000)) as reader:
            sharp = reader.wait_sharp(timeout_s=30)
    with sb.TileService(settings) as service, service.reader(service.open(sample), (800, 1000)) as reader:
        again = reader.wait_sharp(timeout_s=30)
        assert service.statistics().disk_hits == 1
    assert again.images[-1].data == sharp.images[-1].data


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
    monkeypatch.setattr(Dispatcher, "draft", lambda self, *rest: drafts.append(draft(self, *rest)) or drafts[-1])
    want()
    wait_idle(service)
    assert told[0][0] is not None, "shown though it cannot be kept"
    assert len(told) == 1
    assert drafts == [True]
    assert service.statistics().in_flight == 0
    assert not service.records._drafts
