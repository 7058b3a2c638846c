"""Work under way that nobody wants any more gives its worker to what somebody looks at."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future

import psutil
import pymupdf
import pytest
from by_hand import Hands, Worker, drawn, identified, opened
from msgspec.structs import replace
from quiet import wait_idle, wait_until

import sidebooks_core as sb
from benchmarks.killer import KILLER_PAGES, killer_document
from sidebooks_core.documents.reference import DocumentRef
from sidebooks_core.errors import RenderTimeout, RequestDropped
from sidebooks_core.images.dispatch import Dispatcher
from sidebooks_core.images.seeking import SUSPECT_AHEAD_S
from sidebooks_core.images.work import Work
from sidebooks_core.scheduling.flights import State
from sidebooks_core.scheduling.queue import Priority
from sidebooks_core.testing import FakeDocument, FakeEngine, Task
from sidebooks_core.workers.jobs import Draw, Identify, ReadWords
from sidebooks_core.workers.process import OLD_CPU_S, Watchdog, WorkerProcess

DROPPED = RequestDropped("dropped while it was being drawn")
PAPER = FakeDocument.of_pages(4)
TIMEOUT_S = 30.0


def ask(dispatcher: Dispatcher, name: str, priority: Priority = Priority.VISIBLE) -> Future[object]:
    ref = DocumentRef(token="document", name="a.pdf", path=b"/a.pdf", file_state=(1, 2, 3))
    return dispatcher.ask(name, Work(ReadWords(document=ref, page=0, timeout_s=1.0), None), priority)


class Aged:
    """Work that a worker has been at for long."""

    def __init__(self, dispatcher: Dispatcher, name: str) -> None:
        self.interrupts = 0
        self.told = ask(dispatcher, name)
        self.worker = Worker(dispatcher)
        self.flight = self.worker.takes()
        assert self.flight.names == [name]
        self._dispatcher = dispatcher
        self.worker.ages(self._interrupt)

    def _interrupt(self) -> None:
        self.interrupts += 1

    def is_passed_by(self) -> None:
        assert self.told.cancel()

    def ends(self) -> None:
        """Its worker was taken away."""
        self._dispatcher.leave(self.flight, has_lost_worker=False)
        assert not self._dispatcher.repeat(self.flight, DROPPED), "nobody waits for it"
        assert self._dispatcher.land(self.flight, DROPPED) == []


def test_what_nobody_wants_is_interrupted_for_what_somebody_looks_at() -> None:
    dispatcher = Dispatcher(10)
    heavy = Aged(dispatcher, "heavy")
    heavy.is_passed_by()
    assert heavy.interrupts == 0, "nobody waits for a worker"
    ask(dispatcher, "preview", Priority.PREVIEW)
    assert heavy.interrupts == 0, "nobody looks at that"
    ask(dispatcher, "seen")
    ask(dispatcher, "seen")
    assert heavy.interrupts == 1
    heavy.ends()
    assert (dispatcher.drops, dispatcher.failures) == (1, 0)
    assert dispatcher.counts() == (2, 0)


def test_what_somebody_waits_for_is_interrupted_only_when_nobody_does_any_more() -> None:
    dispatcher = Dispatcher(10)
    heavy = Aged(dispatcher, "heavy")
    neighbour = ask(dispatcher, "heavy", Priority.BULK)
    ask(dispatcher, "seen")
    heavy.is_passed_by()
    assert heavy.interrupts == 0, "a neighbour waits for it"
    assert neighbour.cancel()
    assert heavy.interrupts == 1


def test_what_is_young_is_interrupted_when_it_is_old() -> None:
    dispatcher = Dispatcher(10)
    told, worker = ask(dispatcher, "heavy"), Worker(dispatcher)
    worker.takes()
    assert told.cancel()
    ask(dispatcher, "seen")
    interrupted: list[bool] = []
    worker.ages(lambda: interrupted.append(True))
    assert interrupted == [True]


def test_as_many_are_interrupted_as_visible_jobs_wait() -> None:
    dispatcher = Dispatcher(10)
    heavy = [Aged(dispatcher, name) for name in "abc"]
    for one in heavy:
        one.is_passed_by()
    ask(dispatcher, "seen")
    assert [one.interrupts for one in heavy] == [1, 0, 0]
    ask(dispatcher, "also seen")
    assert [one.interrupts for one in heavy] == [1, 1, 0]


def test_what_another_worker_has_begun_anew_is_interrupted_there() -> None:
    """A worker that dies before it reads its job is replaced by another, which is handed the job without a word."""
    dispatcher = Dispatcher(10)
    heavy = Aged(dispatcher, "heavy")
    interrupted: list[bool] = []
    heavy.worker.ages(lambda: interrupted.append(True))
    heavy.is_passed_by()
    ask(dispatcher, "seen")
    assert interrupted == [True]
    assert heavy.interrupts == 0
    heavy.ends()
    ask(dispatcher, "also seen")
    assert interrupted == [True], "it is over"
    assert dispatcher.counts() == (2, 0)


class Room:
    """A service with one open document, whose worker is the test's hand."""

    def __init__(self) -> None:
        hands = Hands()
        settings = sb.Settings(cache_dir=None, workers=1, render_timeout_s=TIMEOUT_S)
        self.service = sb.TileService(settings, pool=hands.pool)
        self.worker = hands.worker()
        self.document = opened(self.service, hands, PAPER, self.worker)

    def ask(self, page: int, priority: Priority = Priority.VISIBLE) -> Future[sb.Tile]:
        return self.service.submit_page_image(self.document, page, width_px=100, priority=priority)

    def takes_drawing(self, page: int) -> Draw:
        job = self.worker.takes().work.job
        assert isinstance(job, Draw)
        assert job.page == page
        return job


@pytest.fixture
def room() -> Iterator[Room]:
    made = Room()
    with made.service:
        yield made


def test_a_forgotten_drawing_of_an_unidentified_page_is_interrupted_and_not_begun_again(room: Room) -> None:
    passed_by = room.ask(0)
    assert room.takes_drawing(0).then is not None, "it is drawn before it is identified"
    flight = room.worker.flight
    assert flight is not None
    interrupted: list[bool] = []
    room.worker.ages(lambda: interrupted.append(True))
    room.ask(1)
    assert interrupted == []
    assert passed_by.cancel()
    assert interrupted == [True]
    assert room.worker.ends(error=DROPPED) == []
    assert flight.state is State.LANDED
    assert room.service.parts.dispatcher.counts() == (1, 0), "only what is seen"
    room.takes_drawing(1)
    found = room.service.statistics()
    assert (found.drops, found.failures) == (1, 0)


def test_an_interrupted_drawing_of_an_unidentified_page_that_somebody_wants_is_drawn_anew(room: Room) -> None:
    passed_by = room.ask(0)
    room.takes_drawing(0)
    interrupted: list[bool] = []
    room.worker.ages(lambda: interrupted.append(True))
    seen = room.ask(1)
    assert passed_by.cancel()
    assert interrupted == [True]
    joined = room.ask(0)  # its worker is being killed just now
    assert room.worker.ends(error=DROPPED) == []
    assert not joined.done()
    room.takes_drawing(0)
    assert room.worker.flight is not None
    room.worker.shows(drawn(room.worker.flight))
    assert joined.result(0).width_px == 100
    room.worker.ends(identified(room.worker.flight, PAPER))
    assert room.document.known_content_id(0) is not None
    found = room.service.statistics()
    assert (found.drops, found.failures) == (0, 0)
    assert not seen.done()


def test_a_page_ahead_that_somebody_looks_at_meanwhile_gets_the_time_of_what_is_looked_at(room: Room) -> None:
    """A document that cost a worker gets less time for what nobody looks at."""
    overran = RenderTimeout("not finished in time", page=0)
    costly = room.ask(0)
    room.takes_drawing(0)
    room.worker.ends(error=overran, has_lost_worker=True)
    room.worker.ends(identified(room.worker.takes(), PAPER))
    assert isinstance(costly.exception(10), RenderTimeout)
    ahead = room.ask(1, Priority.NEXT)
    assert room.takes_drawing(1).timeout_s == SUSPECT_AHEAD_S
    seen = room.ask(1)
    assert room.worker.ends(error=overran, has_lost_worker=True) == []
    assert not ahead.done()
    assert not seen.done()
    assert room.takes_drawing(1).timeout_s == TIMEOUT_S
    room.worker.ends(error=overran, has_lost_worker=True)
    assert [str(one.exception(0)) for one in (ahead, seen)] == ["not finished in time"] * 2


def test_pages_that_never_end_do_not_keep_the_others_from_their_previews() -> None:
    heavy = FakeDocument.of_pages(6)
    heavy = replace(heavy, pages=tuple(replace(page, draw_s=600.0) for page in heavy.pages[:5]) + heavy.pages[5:])
    engine = FakeEngine()
    with sb.TileService(sb.Settings(cache_dir=None, workers=2, render_timeout_s=0.3), pool=engine.pool) as service:
        document = service.open(heavy.to_bytes())
        with service.reader(document, (800, 1000)) as reader:
            assert reader.wait_sharp(timeout_s=60).errors, "the first page never ends"
            assert reader.wait_previews(timeout_s=30), "nor do others, which nobody looks at; they are given up"
            reader.turn_to(5)
            assert reader.wait_sharp(timeout_s=60).is_sharp
        assert service.statistics().failures >= 5


def test_of_a_document_that_cost_a_worker_what_nobody_looks_at_has_less_time() -> None:
    engine = FakeEngine()
    with sb.TileService(sb.Settings(cache_dir=None, workers=2, render_timeout_s=60.0), pool=engine.pool) as service:
        document = service.open(FakeDocument.of_pages(4).to_bytes())
        document.content_id(3)
        engine.lose_worker(Draw, times=1)
        with pytest.raises(sb.RenderFailed):
            service.page_image(document, 0, width_px=100)
        for page, priority in enumerate((Priority.VISIBLE, Priority.NEXT, Priority.BULK), 1):
            service.submit_page_image(document, page, width_px=100, priority=priority).result(30)
    allowed = {one.job.page: one.job.timeout_s for one in engine.begun if isinstance(one.job, Draw)}
    assert allowed == {0: 60.0, 1: 60.0, 2: SUSPECT_AHEAD_S, 3: 60.0}


def test_a_drawing_that_is_passed_by_is_given_up_for_what_somebody_looks_at() -> None:
    engine = FakeEngine()
    with sb.TileService(sb.Settings(cache_dir=None, workers=1), pool=engine.pool) as service:
        document = service.open(FakeDocument.of_pages(4).to_bytes())
        with engine.on(Draw, wait_for_ever, times=2):
            passed_by = [service.submit_page_image(document, page, width_px=100) for page in range(2)]
            engine.wait_begun(Draw, 2)
            for future in passed_by:
                assert future.cancel()
            assert service.page_image(document, 2, width_px=100).width_px == 100
        assert engine.count(Draw, 0) + engine.count(Draw, 1) == 2, "nobody wants them: they are not begun again"
        assert service.statistics().worker_deaths == 0


def test_a_drawing_that_was_given_up_is_begun_again_for_who_joined_it() -> None:
    engine = FakeEngine()
    with sb.TileService(sb.Settings(cache_dir=None, workers=1), pool=engine.pool) as service:
        document = service.open(FakeDocument.of_pages(4).to_bytes())
        wait_idle(service)
        joined: list[Future[sb.Tile]] = []

        def be_joined(task: Task) -> None:
            """By who comes when it is being given up."""
            try:
                task.wait_for(lambda: False)
            finally:
                joined.append(service.submit_page_image(document, 0, width_px=100))

        engine.on(Draw, be_joined, page=0, times=1)
        engine.on(Draw, wait_for_ever, page=1, times=1)
        passed_by = [service.submit_page_image(document, page, width_px=100) for page in range(2)]
        engine.wait_begun(Draw, 2)
        assert passed_by[0].cancel()
        assert service.page_image(document, 2, width_px=100).width_px == 100
        assert joined[0].result(30).width_px == 100
        assert engine.count(Draw, 0) == 2
        assert service.statistics().failures == 0


def wait_for_ever(task: Task) -> None:
    task.wait_for(lambda: False)


def test_a_page_that_is_passed_by_before_it_is_identified_is_not_drawn() -> None:
    engine = FakeEngine()
    with sb.TileService(sb.Settings(cache_dir=None, workers=2), pool=engine.pool) as service:
        document = service.open(FakeDocument.of_pages(4).to_bytes())
        with engine.hold(Identify) as held:
            ahead = service.submit_page_image(document, 1, width_px=100, priority=Priority.NEXT)
            held.wait_begun()
            assert ahead.cancel()
        wait_idle(service)
        assert document.known_content_id(1) is not None
        assert engine.count(Draw) == 0
        assert service.statistics().misses == 0


BURNS = """
import sys
print("ready", flush=True)
sys.stdin.readline()
while True:
    pass
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the processor's time is told by Linux; elsewhere the clock's counts")
def test_a_job_is_as_old_as_the_time_that_it_had_a_processor() -> None:
    """Where others keep the processors busy, ordinary pages take long by the clock."""
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", BURNS], stdin=pipe, stdout=pipe) as process:
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            worker = WorkerProcess(process, None)
            worker.note_cpu()
            times = psutil.Process(process.pid).cpu_times()
            time.sleep(2 * OLD_CPU_S)
            assert worker.is_old_in_s() == pytest.approx(OLD_CPU_S, abs=0.03), "it slept"
            process.stdin.write(b"go\n")
            process.stdin.flush()
            told = [OLD_CPU_S]
            give_up_s = time.monotonic() + 60
            while told[-1]:
                assert time.monotonic() < give_up_s, f"it is still {told[-1]} s from old"
                told.append(worker.is_old_in_s())
                time.sleep(0.005)
            now = psutil.Process(process.pid).cpu_times()
            assert now.user + now.system - times.user - times.system >= OLD_CPU_S - 0.02  # it counts in ticks of 10 ms
            assert told == sorted(told, reverse=True)
            assert any(0 < one < OLD_CPU_S for one in told), "it told how long to wait"
        finally:
            process.kill()


class Process:
    """Of a worker, as far as it is killed."""

    pid, stdin, stdout, returncode, killed = 0, None, None, None, False

    def poll(self) -> int | None:
        return None

    def wait(self) -> int:
        return 0

    def kill(self) -> None:
        self.killed = True


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
        wait_idle(service)
        document = service.open(heavy)
        # The worker that opened it looks ahead at the first page, and ends by that. It is replaced at its next job.
        [opener] = [worker for worker in service.parts.pool.workers() if worker.held_documents]
        wait_until(lambda: opener.process.poll() is not None, "it looks ahead still")
        wait_idle(service)
        service.text(document, KILLER_PAGES)
        wait_idle(service)
        assert service.statistics().worker_deaths == 1
        with service.reader(document, (800, 1000)) as reader:
            for page in range(3):
                reader.turn_to(page)
                while service.statistics().in_flight < page + 1:
                    time.sleep(0.005)
            reader.turn_to(KILLER_PAGES)
            assert reader.wait_sharp(timeout_s=60).is_sharp
        found = service.statistics()
        assert (found.failures, found.worker_deaths) == (0, 1), "nobody's fault"
        assert not service.parts.dispatcher.is_suspect(document.ref.token)


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
