"""Which worker a visible job waits for: the busy one that holds its document, or another, which must open it first."""

from __future__ import annotations

import subprocess
import sys
import threading
from concurrent.futures import Future
from typing import Any

import pytest
from by_hand import WAIT_S, Worker
from hypothesis import given
from hypothesis import strategies as st
from quiet import wait_until

from sidebooks_core.documents.reference import DocumentRef
from sidebooks_core.images.dispatch import Dispatcher
from sidebooks_core.images.work import Flight, Work, resolve
from sidebooks_core.scheduling.queue import Priority
from sidebooks_core.scheduling.routing import (
    DOCUMENTS_KNOWN,
    FRESH_S,
    LAST_KNOWN,
    LONGEST_WAIT_S,
    AtJob,
    Costs,
    JobKind,
    patience_s,
    remaining_s,
)
from sidebooks_core.workers.jobs import Identify, ReadWords
from sidebooks_core.workers.process import WorkerProcess

UNKNOWN = None
SECONDS = st.floats(0.0, 1.0)


@pytest.mark.parametrize(
    ("holders", "another_s", "before_s", "patience"),
    [
        pytest.param([], 0.1, 0.0, 0.0, id="nobody holds it"),
        pytest.param([(0.0, 0.005)], 0.0, 0.0, 0.0, id="opening costs nothing, or it is not known what it costs"),
        pytest.param([(0.0, 0.005)], 0.1, 0.0, 0.1, id="a slice of the background ends sooner"),
        pytest.param([(0.024, 0.025)], 0.023, 0.0, 0.001, id="it ends in a moment, and opening is quick"),
        pytest.param([(0.0, 0.1)], 0.05, 0.0, 0.0, id="the page that is drawn takes longer than opening"),
        pytest.param([(0.07, 0.1)], 0.05, 0.0, 0.03, id="but not its rest"),
        pytest.param([(0.0, UNKNOWN)], 0.1, 0.0, 0.0, id="nobody knows how long it takes"),
        pytest.param([(0.0, UNKNOWN), (0.0, 0.02)], 0.1, 0.0, 0.1, id="of two, one is known to end soon"),
        pytest.param([(0.0, 0.09), (0.0, 0.02)], 0.05, 0.0, 0.05, id="the first to be free counts"),
        pytest.param([(0.0, 0.02)], 0.05, 0.03, 0.0, id="but it has other jobs to do before"),
        pytest.param([(0.03, 0.02)], 0.05, 0.0, 0.02, id="it takes longer than expected"),
        pytest.param([(0.05, 0.02)], 0.05, 0.0, 0.0, id="and then longer than opening"),
        pytest.param([(0.0, 0.02)], 60.0, 0.0, LONGEST_WAIT_S, id="a worker says that opening takes a minute"),
    ],
)
def test_a_job_waits_for_a_holder_if_that_is_sooner(
    holders: list[tuple[float, float | None]], another_s: float, before_s: float, patience: float
) -> None:
    """another_s: how long another worker needs before it draws as quickly as a holder."""
    opening_s = another_s - FRESH_S if another_s else 0.0
    assert patience_s([AtJob(*one) for one in holders], opening_s, before_s) == pytest.approx(patience)


@given(elapsed_s=SECONDS, expected_s=SECONDS | st.none(), opening_s=SECONDS, before_s=SECONDS)
def test_patience_ends(elapsed_s: float, expected_s: float | None, opening_s: float, before_s: float) -> None:
    holder = AtJob(elapsed_s, expected_s)
    patience = patience_s([holder], opening_s, before_s)
    assert patience >= 0
    if patience:
        assert remaining_s(holder) + before_s < opening_s + FRESH_S, "only if it is sooner"
        later = AtJob(elapsed_s + patience + 1e-9, expected_s)
        assert patience_s([later], opening_s, before_s) == 0, "if it was not sooner, the wait is over"


def test_the_longest_of_the_last_jobs_of_a_kind_is_expected() -> None:
    costs = Costs()
    kind = JobKind("Draw", 20)
    assert costs.expected_s("a", kind) is None
    for took_s in (9.0, 1.0, 3.0, 2.0, 1.0):
        costs.note("a", kind, took_s)
    assert costs.expected_s("a", kind) == 3.0, f"of the last {LAST_KNOWN}"
    assert costs.expected_s("a", JobKind("Draw", 16)) == 3.0, "a smaller raster takes no longer"
    assert costs.expected_s("a", JobKind("Draw", 22)) is None
    assert costs.expected_s("a", JobKind("Identify")) is None
    assert costs.expected_s("b", kind) is None
    costs.note("a", JobKind("Draw", 18), 0.5)
    assert costs.expected_s("a", JobKind("Draw", 16)) == 0.5, "the next larger size tells more"


def test_the_longest_of_the_last_openings_counts() -> None:
    costs = Costs()
    assert costs.opening_s("a") == 0.0
    for took_s in (9.0, 0.1, 0.3, 0.2, 0.1):
        costs.note_opening("a", took_s)
    assert costs.opening_s("a") == 0.3


def test_costs_of_many_documents_are_forgotten() -> None:
    costs = Costs()
    for number in range(DOCUMENTS_KNOWN + 1):
        costs.note_opening(str(number), 1.0)
    assert [costs.opening_s(str(number)) for number in (0, 1, DOCUMENTS_KNOWN)] == [0.0, 1.0, 1.0]


class Scene:
    """A dispatcher whose time the test sets. Opening the document takes 100 ms, reading words of it 10."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.dispatcher = Dispatcher(100, lambda: self.now_s)
        self.holder = Worker(self.dispatcher)
        self.ask("opening", priority=Priority.BULK)
        flight = self.holder.takes()
        self.now_s += 0.1
        self.dispatcher.opened(flight, 0.1)
        self.ends(self.holder)
        self.ask("known", priority=Priority.BULK)
        self.holder.takes()
        self.now_s += 0.01
        self.ends(self.holder)

    def ask(self, name: str, token: str = "document", priority: Priority = Priority.VISIBLE) -> Future[Any]:
        ref = DocumentRef(token=token, name="a.pdf", path=b"/a.pdf", file_state=(1, 2, 3))
        return self.dispatcher.ask(name, Work(ReadWords(document=ref, page=0, timeout_s=1.0), None), priority)

    def ends(self, worker: Worker) -> None:
        """The job of a worker is over."""
        assert worker.flight is not None
        flight, worker.flight = worker.flight, None
        worker.held.add(flight.document)
        self.dispatcher.leave(flight, has_lost_worker=False, is_answered=True)
        for wanted in self.dispatcher.land(flight):
            resolve(wanted.future, flight.names[0])

    def ahead(self, flight: Flight) -> Flight:
        """The worker that holds the document has its next job before it has ended this one."""
        following = self.dispatcher.take_ahead(self.holder.held, flight)
        assert following is not None
        return following

    def idle(self, *held: str, is_spare: bool = False) -> Worker:
        """A worker that waits for a job."""
        before = self.dispatcher.idle_count()
        worker = Worker(self.dispatcher, *held, is_spare=is_spare).begins_to_take()
        wait_until(lambda: self.dispatcher.idle_count() > before, "it does not wait")
        return worker

    def busy(self, name: str = "background", priority: Priority = Priority.IDLE) -> Flight:
        """The worker that holds the document begins a job of it."""
        self.ask(name, priority=priority)
        return self.holder.takes()


@pytest.fixture
def scene() -> Scene:
    return Scene()


def is_waiting(scene: Scene, worker: Worker) -> bool:
    """Whether a visible job waits in the queue, and a worker for a job."""
    return scene.dispatcher.counts()[0] == 1 and worker.waits


def test_a_visible_job_waits_for_the_holder_that_is_free_in_a_moment(scene: Scene) -> None:
    scene.busy()
    other = scene.idle()
    seen = scene.ask("seen")
    assert is_waiting(scene, other)
    scene.ends(scene.holder)
    assert scene.holder.takes().names == ["seen"]
    scene.ends(scene.holder)
    assert seen.result(0) == "seen"
    assert other.waits
    scene.dispatcher.close()


def test_it_goes_to_another_worker_if_the_holder_takes_longer_than_opening(scene: Scene) -> None:
    scene.busy()
    other = scene.idle()
    scene.ask("seen")
    assert is_waiting(scene, other)
    scene.now_s += 0.15
    assert other.takes().names == ["seen"], "without a word from anybody"


def test_it_goes_to_another_worker_at_once_if_the_holder_is_likely_to_take_longer(scene: Scene) -> None:
    flight = scene.busy()
    scene.now_s += 0.3
    scene.ends(scene.holder)
    assert flight.names == ["background"]
    scene.busy()  # now such a job is known to take 300 ms
    other = scene.idle()
    scene.ask("seen")
    assert other.takes().names == ["seen"]


def test_it_goes_to_another_worker_at_once_if_nothing_is_known_of_the_holders_job(scene: Scene) -> None:
    ref = DocumentRef(token="document", name="a.pdf", path=b"/a.pdf", file_state=(1, 2, 3))
    job = Identify(document=ref, page=0, stop=9, timeout_s=1.0, budget_s=3.0)
    scene.dispatcher.ask("three seconds", Work(job, None), Priority.IDLE)
    scene.holder.takes()
    other = scene.idle()
    scene.ask("seen")
    assert other.takes().names == ["seen"]


def test_it_waits_for_a_job_with_a_short_budget_of_which_nothing_else_is_known(scene: Scene) -> None:
    ref = DocumentRef(token="document", name="a.pdf", path=b"/a.pdf", file_state=(1, 2, 3))
    job = Identify(document=ref, page=0, stop=9, timeout_s=1.0, budget_s=0.005)
    scene.dispatcher.ask("a slice", Work(job, None), Priority.IDLE)
    scene.holder.takes()
    other = scene.idle()
    scene.ask("seen")
    assert is_waiting(scene, other)
    scene.dispatcher.close()


def test_it_waits_for_a_holder_that_has_just_ended_a_job(scene: Scene) -> None:
    """Its thread keeps the record and tells those who wait, before it comes for the next job."""
    scene.busy()
    other = scene.idle()
    scene.ends(scene.holder)
    scene.ask("seen")
    assert is_waiting(scene, other)
    assert scene.holder.takes().names == ["seen"]
    scene.dispatcher.close()


def test_it_does_not_wait_for_a_worker_that_does_not_come_back(scene: Scene) -> None:
    scene.busy()
    other = scene.idle()
    scene.ends(scene.holder)
    scene.ask("seen")
    assert is_waiting(scene, other)
    scene.now_s += LONGEST_WAIT_S
    assert other.takes().names == ["seen"]


def identification(budget_s: float) -> Work:
    ref = DocumentRef(token="document", name="a.pdf", path=b"/a.pdf", file_state=(1, 2, 3))
    return Work(Identify(document=ref, page=0, stop=9, timeout_s=1.0, budget_s=budget_s), None)


def test_it_does_not_wait_for_a_worker_that_is_at_a_long_job_which_it_took_ahead(scene: Scene) -> None:
    flight = scene.busy(priority=Priority.BULK)
    scene.dispatcher.ask("three seconds", identification(3.0), Priority.BULK)
    scene.ahead(flight)
    scene.ends(scene.holder)
    other = scene.idle()
    scene.ask("seen")
    assert other.takes().names == ["seen"]


def test_the_time_of_a_job_that_was_taken_ahead_begins_when_the_one_before_ends(scene: Scene) -> None:
    scene.dispatcher.ask("long", identification(3.0), Priority.BULK)
    flight = scene.holder.takes()
    scene.ask("short", priority=Priority.BULK)
    following = scene.ahead(flight)
    scene.now_s += 0.3
    scene.ends(scene.holder)
    scene.now_s += 0.01
    scene.holder.flight = following
    scene.ends(scene.holder)
    scene.busy()
    other = scene.idle()
    scene.ask("seen")
    assert is_waiting(scene, other), "such a job takes 10 ms, not 310"
    scene.dispatcher.close()


def test_a_job_that_was_put_back_leaves_its_worker_at_the_one_before(scene: Scene) -> None:
    flight = scene.busy(priority=Priority.BULK)
    scene.ask("next", priority=Priority.BULK)
    following = scene.ahead(flight)
    scene.now_s += 0.3
    scene.dispatcher.put_back(following)
    scene.ends(scene.holder)
    assert scene.holder.takes().names == ["next"]
    other = scene.idle()
    scene.ask("seen")
    assert other.takes().names == ["seen"], "such a job is known to take 300 ms"


def test_it_does_not_wait_for_a_worker_that_was_replaced_after_its_answer(scene: Scene) -> None:
    flight = scene.busy()
    other = scene.idle()
    scene.holder.held.clear()  # as `WorkerProcess.bury` does
    scene.dispatcher.leave(flight, has_lost_worker=False, is_answered=True)
    scene.dispatcher.land(flight)
    scene.ask("seen")
    assert other.takes().names == ["seen"]


def test_a_worker_that_was_ended_holds_no_documents() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    worker = WorkerProcess(process, None, held_documents={"document"})
    worker.bury()
    assert worker.held_documents == set()


def test_the_spare_does_not_take_it_either(scene: Scene) -> None:
    scene.busy()
    spare = scene.idle(is_spare=True)
    scene.ask("seen")
    assert is_waiting(scene, spare)
    scene.now_s += 0.15
    assert spare.takes().names == ["seen"]


def test_the_spare_takes_a_page_when_the_patience_of_the_other_worker_ends(scene: Scene) -> None:
    """The spare had no time to look again, since another worker was idle when the pages came."""
    scene.busy()
    other, spare = scene.idle(), scene.idle(is_spare=True)
    for name in ("seen 1", "seen 2"):
        scene.ask(name)
    assert (scene.dispatcher.counts()[0], other.waits, spare.waits) == (2, True, True)
    scene.now_s += 0.15
    assert other.takes().names == ["seen 1"]
    scene.now_s += 0.15
    assert spare.takes().names == ["seen 2"]


def test_a_page_that_is_left_to_a_busy_worker_ends_no_other_job_before_it_wants_a_worker(scene: Scene) -> None:
    forgotten = scene.ask("long", token="another")
    dragging = Worker(scene.dispatcher)
    flight = dragging.takes()
    interrupted = threading.Event()
    dragging.ages(interrupted.set)
    forgotten.cancel()
    assert not flight.waiting
    scene.busy(priority=Priority.BULK)
    other = scene.idle()
    for name in ("seen 1", "seen 2"):
        scene.ask(name)
    assert (scene.dispatcher.counts()[0], other.waits) == (2, True)
    assert not interrupted.is_set(), "an idle worker would take the pages, if they did not wait on purpose"
    scene.now_s += 0.15
    assert other.takes().names == ["seen 1"]
    assert interrupted.wait(WAIT_S), "now the other page wants a worker"


def test_of_many_pages_another_worker_takes_what_the_holder_would_come_to_too_late(scene: Scene) -> None:
    scene.busy()
    other = scene.idle()
    for number in range(8):
        scene.ask(f"seen {number}")
    assert (scene.dispatcher.counts()[0], other.waits) == (8, True), "the holder needs 10 ms for each"
    for number in range(8, 15):
        scene.ask(f"seen {number}")
    assert other.takes().names == ["seen 0"]


def test_jobs_of_other_documents_go_to_the_idle_worker_meanwhile(scene: Scene) -> None:
    scene.busy()
    other = scene.idle()
    scene.ask("seen")
    scene.ask("another", token="another")
    assert other.takes().names == ["another"]
    assert scene.dispatcher.counts()[0] == 1


def test_background_work_waits_for_nobody(scene: Scene) -> None:
    """Two workers make previews of one document, although one must open it."""
    scene.busy()
    other = scene.idle()
    scene.ask("bulk", priority=Priority.BULK)
    assert other.takes().names == ["bulk"]


def test_it_goes_to_another_worker_when_the_holder_is_lost(scene: Scene) -> None:
    flight = scene.busy()
    other = scene.idle()
    scene.ask("seen")
    assert is_waiting(scene, other)
    scene.dispatcher.leave(flight, has_lost_worker=True)
    assert other.takes().names == ["seen"]


def test_it_waits_for_no_holder_of_a_document_that_cost_a_worker(scene: Scene) -> None:
    flight = scene.busy()
    scene.dispatcher.leave(flight, has_lost_worker=True)
    scene.dispatcher.land(flight)
    scene.holder = Worker(scene.dispatcher, "document")
    scene.busy("again", Priority.VISIBLE)
    other = scene.idle()
    scene.ask("seen")
    assert other.takes().names == ["seen"]


def test_what_nobody_waits_for_is_not_begun_beside_a_visible_job(scene: Scene) -> None:
    """It would take processor time from the page. Work that somebody waits for, or will, goes on."""
    scene.busy("seen", Priority.VISIBLE)
    other = scene.idle("document")
    scene.ask("slice", priority=Priority.IDLE)
    assert is_waiting(scene, other)
    scene.ask("bulk", priority=Priority.BULK)
    assert other.takes().names == ["bulk"]
    scene.ends(other)
    other.begins_to_take()
    scene.ends(scene.holder)
    scene.holder.begins_to_take()
    wait_until(lambda: not (other.waits and scene.holder.waits), "nobody takes it when the page is there")
    scene.dispatcher.close()


def test_a_slice_of_the_background_ends_before_a_visible_job_is_given(scene: Scene) -> None:
    """The worker that does the background work takes the page at its next slice, before the rest of the background."""
    for name in ("slice 1", "slice 2"):
        scene.ask(name, priority=Priority.IDLE)
    assert scene.holder.takes().names == ["slice 1"]
    scene.ask("seen")
    scene.ends(scene.holder)
    assert scene.holder.takes().names == ["seen"]
    scene.ends(scene.holder)
    assert scene.holder.takes().names == ["slice 2"]
