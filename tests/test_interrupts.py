"""Work under way that nobody wants any more gives its worker to what somebody looks at."""

from __future__ import annotations

import sys
import threading
import time
from typing import Any

import pymupdf
import pytest
from msgspec.structs import replace

import sidebooks_core as sb
from benchmarks.killer import KILLER_PAGES, killer_document
from sidebooks_core.errors import RenderTimeout, RequestDropped
from sidebooks_core.images import finding as records
from sidebooks_core.images.dispatch import Dispatcher
from sidebooks_core.images.finding import Records
from sidebooks_core.scheduling.queue import Priority
from sidebooks_core.tiling.raster import RasterSpec
from sidebooks_core.workers import process as worker_process
from sidebooks_core.workers.process import Watchdog, WorkerProcess
from tests.test_dispatch import FakeLocks, Told, work
from tests.test_drafts import Worker, kept

DROPPED = RequestDropped("dropped while it was being drawn")


class Aged:
    """Work that a worker has been at for long."""

    def __init__(self, dispatcher: Dispatcher, key: str) -> None:
        self.interrupts = 0
        self.told = Told()
        self.key = key
        self._dispatcher = dispatcher
        dispatcher.request(work(key), self.told, Priority.VISIBLE, ticket=self)
        self.ages()

    def ages(self) -> None:
        """A worker takes it, and takes long."""
        taken = self._dispatcher.take(set(), is_spare=False)
        assert taken is not None
        assert taken[1].arguments["key"] == self.key
        self.flight = taken[0]
        self._dispatcher.aged(self.flight, self._interrupt)

    def _interrupt(self) -> None:
        self.interrupts += 1

    def is_passed_by(self) -> None:
        self._dispatcher.forget(self.key, self)

    def ends(self, answer: Any = None) -> None:
        self._dispatcher.finish(self.flight, answer, None if answer else DROPPED)


def test_what_nobody_wants_is_interrupted_for_what_somebody_looks_at() -> None:
    dispatcher = Dispatcher(10, None)
    heavy, seen = Aged(dispatcher, "heavy"), Told()
    heavy.is_passed_by()
    assert heavy.interrupts == 0, "nobody waits for a worker"
    dispatcher.request(work("preview"), Told(), Priority.PREVIEW)
    assert heavy.interrupts == 0, "nobody looks at that"
    dispatcher.request(work("seen"), seen)
    dispatcher.request(work("seen"), Told())
    assert heavy.interrupts == 1
    heavy.ends()
    assert heavy.told.answers == []
    assert (dispatcher.drops, dispatcher.failures) == (1, 0)
    assert dispatcher.counts() == (2, 0)


def test_what_somebody_waits_for_is_interrupted_only_when_nobody_does_any_more() -> None:
    dispatcher = Dispatcher(10, None)
    heavy, neighbour = Aged(dispatcher, "heavy"), Told()
    dispatcher.request(work("heavy"), neighbour, Priority.BULK, ticket=neighbour)
    dispatcher.request(work("seen"), Told())
    heavy.is_passed_by()
    assert heavy.interrupts == 0, "a neighbour waits for it"
    dispatcher.forget("heavy", neighbour)
    assert heavy.interrupts == 1


def test_what_is_young_is_interrupted_when_it_is_old() -> None:
    dispatcher = Dispatcher(10, None)
    dispatcher.request(work("heavy"), Told(), ticket="reader")
    taken = dispatcher.take(set(), is_spare=False)
    assert taken is not None
    dispatcher.forget("heavy", "reader")
    dispatcher.request(work("seen"), Told())
    interrupted = threading.Event()
    dispatcher.aged(taken[0], interrupted.set)
    assert interrupted.is_set()


def test_as_many_are_interrupted_as_visible_jobs_wait() -> None:
    dispatcher = Dispatcher(10, None)
    heavy = [Aged(dispatcher, key) for key in "abc"]
    for one in heavy:
        one.is_passed_by()
    dispatcher.request(work("seen"), Told())
    assert [one.interrupts for one in heavy] == [1, 0, 0]
    dispatcher.request(work("also seen"), Told())
    assert [one.interrupts for one in heavy] == [1, 1, 0]


def test_what_another_worker_has_begun_anew_is_interrupted_there() -> None:
    """A worker that dies before it reads its job is replaced by another, which is handed the job without a word."""
    dispatcher = Dispatcher(10, None)
    heavy = Aged(dispatcher, "heavy")
    interrupted = threading.Event()
    dispatcher.aged(heavy.flight, interrupted.set)
    heavy.is_passed_by()
    dispatcher.request(work("seen"), Told())
    assert interrupted.is_set()
    assert heavy.interrupts == 0
    heavy.ends()
    dispatcher.request(work("also seen"), Told())
    assert dispatcher.counts() == (2, 0)


def test_who_joins_interrupted_work_gets_it_later() -> None:
    locks = FakeLocks()
    dispatcher = Dispatcher(10, locks)
    joined = Told()
    dispatcher.request(work("heavy", made_already=lambda: None, deliver=kept), Told(), ticket="reader")
    taken = dispatcher.take(set(), is_spare=False)
    assert taken is not None
    assert locks.held == {"heavy"}
    dispatcher.forget("heavy", "reader")
    dispatcher.request(work("seen"), Told())
    dispatcher.aged(taken[0], lambda: None)
    assert dispatcher.request(work("heavy"), joined), "its worker is being killed just now"
    dispatcher.finish(taken[0], None, DROPPED)
    assert locks.held == set()
    assert joined.errors == []
    again = dispatcher.take(set(), is_spare=False)
    assert again is not None
    assert again[0] is taken[0], "it keeps its turn"
    dispatcher.finish(again[0], "drawn", None)
    assert joined.answers == ["kept drawn"]
    assert (dispatcher.drops, dispatcher.failures) == (0, 0)


def test_a_forgotten_draft_is_interrupted_and_not_begun_again() -> None:
    dispatcher = Dispatcher(10, None)
    worker = Worker(dispatcher)
    drawn, told, interrupted = Told(), Told(), threading.Event()
    assert dispatcher.draft(work("draft"), drawn, "reader")
    worker.takes()
    dispatcher.aged(worker.ticket, interrupted.set)
    dispatcher.request(work("seen"), Told())
    assert not interrupted.is_set()
    dispatcher.forget("draft", "reader")
    assert interrupted.is_set()
    worker.finish(None, DROPPED)
    assert drawn.errors == [DROPPED], "told all the same: it has to settle what it began"
    dispatcher.adopt("draft", work("key", deliver=kept), told, Priority.VISIBLE, is_wanted=False)
    assert told.errors == []
    assert dispatcher.counts() == (1, 0), "only what is seen"


def test_an_interrupted_draft_that_somebody_wants_is_drawn_anew() -> None:
    dispatcher = Dispatcher(10, None)
    worker = Worker(dispatcher)
    told = Told()
    assert dispatcher.draft(work("draft"), Told(), "reader")
    worker.finish(None, DROPPED)
    dispatcher.adopt("draft", work("key", deliver=kept), told, Priority.VISIBLE)
    again = dispatcher.take(set(), is_spare=False)
    assert again is not None
    dispatcher.finish(again[0], "drawn", None)
    assert told.answers == ["kept drawn"]


def test_who_gives_work_more_time_than_it_was_begun_with_gets_it() -> None:
    dispatcher = Dispatcher(10, None)
    short, long = work("heavy"), work("heavy")
    long.job = replace(short.job, timeout_s=30)
    ahead, seen = Told(), Told()
    dispatcher.request(short, ahead, Priority.NEXT)
    taken = dispatcher.take(set(), is_spare=False)
    assert taken is not None
    dispatcher.request(long, seen, Priority.VISIBLE)
    dispatcher.finish(taken[0], None, RenderTimeout("not finished within 1 s"), lost_worker=True)
    assert seen.errors == ahead.errors == []
    again = dispatcher.take(set(), is_spare=True)
    assert again is not None
    assert again[1].timeout_s == 30
    dispatcher.finish(again[0], None, RenderTimeout("not finished within 30 s"), lost_worker=True)
    assert [str(error) for error in seen.errors + ahead.errors] == ["not finished within 30 s"] * 2


def test_work_that_waits_gets_the_longest_time_that_anybody_gives_it() -> None:
    dispatcher = Dispatcher(10, None)
    short, long = work("heavy"), work("heavy")
    long.job = replace(short.job, timeout_s=30)
    for one in (short, long, short):
        dispatcher.request(one, Told())
    taken = dispatcher.take(set(), is_spare=False)
    assert taken is not None
    assert taken[1].timeout_s == 30
    dispatcher.finish(taken[0], None, RenderTimeout("not finished within 30 s"), lost_worker=True)
    assert dispatcher.counts() == (0, 0)


def test_pages_that_never_end_do_not_keep_the_others_from_their_previews(heavy: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "SUSPECT_AHEAD_S", 0.3)
    with sb.TileService(sb.Settings(cache_dir=None, workers=2, render_timeout_s=4.0)) as service:
        document = service.open(heavy)
        with service.reader(document, (800, 1000)) as reader:
            assert reader.wait_sharp(timeout_s=60).errors, "the first page never ends, and is given all its time"
            assert reader.wait_previews(timeout_s=30), "the others, which nobody looks at, are not: it would be 44 s"
            reader.turn_to(KILLER_PAGES)
            assert reader.wait_sharp(timeout_s=60).is_sharp
            assert service.statistics().failures >= KILLER_PAGES


class Process:
    """Of a worker, as far as it is killed."""

    pid, stdin, stdout, returncode, killed = 0, None, None, None, False

    def poll(self) -> int | None:
        return None

    def wait(self) -> int:
        return 0

    def kill(self) -> None:
        self.killed = True


@pytest.mark.skipif(sys.platform != "linux", reason="the processor's time is told by Linux; elsewhere the clock's counts")
def test_a_job_is_as_old_as_the_time_that_it_had_a_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where others keep the processors busy, ordinary pages take long by the clock."""
    worker = WorkerProcess(Process(), None)
    monkeypatch.setattr(worker_process, "_cpu_s", lambda _: 7.0)
    worker.note_cpu()
    assert worker.is_old_in_s() == worker_process.OLD_CPU_S
    monkeypatch.setattr(worker_process, "_cpu_s", lambda _: 7.2)
    assert worker.is_old_in_s() == pytest.approx(worker_process.OLD_CPU_S - 0.2)
    monkeypatch.setattr(worker_process, "_cpu_s", lambda _: 7.3)
    assert worker.is_old_in_s() == 0.0


def test_a_worker_that_is_at_its_next_job_is_not_interrupted() -> None:
    process = Process()
    watchdog = Watchdog()
    worker = WorkerProcess(process, None)
    done, under_way = watchdog.watch(worker, 60.0), watchdog.watch(worker, 60.0)
    watchdog.release(done)
    watchdog.interrupt(done)
    assert not process.killed
    watchdog.interrupt(under_way)
    assert process.killed
    assert worker.was_interrupted
    watchdog.close()


@pytest.fixture(scope="module")
def heavy() -> bytes:
    """Pages that never end, and a sound one after them."""
    with pymupdf.open(stream=killer_document()) as document:
        document.new_page().insert_text((50, 50), "The sound page")
        data: bytes = document.tobytes()
    return data


def test_a_page_is_sharp_though_all_workers_draw_what_was_passed_by(heavy: bytes) -> None:
    with sb.TileService(sb.Settings(cache_dir=None, workers=2, render_timeout_s=300.0)) as service:
        while len(service._dispatcher._idle) < 3:  # the spare, too
            time.sleep(0.001)
        document = service.open(heavy)
        with service.reader(document, (800, 1000)) as reader:
            for page in range(3):
                reader.turn_to(page)
                while service.statistics().in_flight < page + 1:
                    time.sleep(0.005)
            reader.turn_to(KILLER_PAGES)
            assert reader.wait_sharp(timeout_s=60).is_sharp
        found = service.statistics()
        assert (found.failures, found.worker_deaths) == (0, 0), "nobody's fault"
        assert not service._dispatcher.is_suspect(document.ref.token)


def test_a_cancelled_request_gives_its_worker_back(heavy: bytes) -> None:
    with sb.TileService(sb.Settings(cache_dir=None, workers=1, render_timeout_s=300.0)) as service:
        document = service.open(heavy)
        futures = [service.submit_page_image(document, page, width_px=200) for page in range(2)]
        while service.statistics().in_flight < 2:
            time.sleep(0.005)
        seen = service.submit_page_image(document, KILLER_PAGES, width_px=200)
        assert futures[0].cancel()
        assert seen.result(60).width_px == 200
        assert not futures[1].done()


def test_a_page_that_is_passed_by_before_it_is_identified_is_not_drawn(sample: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with sb.TileService(sb.Settings(cache_dir=None, workers=2)) as service:
        document = service.open(sample)
        told, identified = Told(), []
        identify = Records.identify
        monkeypatch.setattr(Records, "identify", lambda self, subject, page, done, **_: identified.append(done))
        spec, ticket = RasterSpec.whole_page(1.0, 600, 800), object()
        service.records.want(document, 1, spec, lambda *_: told(None, None), priority=Priority.VISIBLE, ticket=ticket)
        service.records.forget(document, 1, spec, ticket)
        ready = threading.Event()
        identify(service.records, document, 1, lambda *_: ready.set(), priority=Priority.VISIBLE)
        assert ready.wait(30)
        [done] = identified
        done(["learned"], None)
        assert service.statistics().misses == 0
        assert told.answers == []
        assert not service.records._unidentified
