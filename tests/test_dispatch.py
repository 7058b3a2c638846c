"""The dispatcher's promises, with threads of the test in the place of workers."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from sidebooks_core.images.flights import Work

from sidebooks_core.documents.reference import DocumentRef
from sidebooks_core.errors import QueueFull, RenderFailed, RenderTimeout, RequestDropped, ServiceClosed, SidebooksError
from sidebooks_core.images.dispatch import Dispatcher
from sidebooks_core.scheduling.queue import Priority
from sidebooks_core.workers.jobs import Job

REF = DocumentRef(token="document", name="a.pdf", path="/a.pdf", file_state=(1, 2, 3))


def work(key: str, token: str = "document", **more: Any) -> Work:
    ref = DocumentRef(token=token, name="a.pdf", path="/a.pdf", file_state=(1, 2, 3))
    job = Job(kind="raster", document=ref, page=0, arguments={"key": key}, timeout_s=1)
    return Work(key=key, job=job, data=None, **more)


class Told:
    """Collects what a request was told."""

    def __init__(self) -> None:
        self.answers: list[Any] = []
        self.errors: list[SidebooksError | None] = []
        self.event = threading.Event()

    def __call__(self, answer: Any, error: SidebooksError | None) -> None:
        self.answers.append(answer)
        self.errors.append(error)
        self.event.set()


def serve(dispatcher: Dispatcher, held: set[str] | None = None, *, is_spare: bool = False) -> str | None:
    """Take one job and finish it with its own key."""
    taken = dispatcher.take(held if held is not None else set(), is_spare=is_spare)
    if taken is None:
        return None
    ticket, job, _ = taken
    dispatcher.finish(ticket, job.arguments["key"], None)
    return str(job.arguments["key"])


def test_identical_requests_join_and_all_are_told() -> None:
    dispatcher = Dispatcher(10, None)
    told = [Told() for _ in range(5)]
    joined = [dispatcher.request(work("a"), one) for one in told]
    assert joined == [False, True, True, True, True]
    assert serve(dispatcher) == "a"
    assert [one.answers for one in told] == [["a"]] * 5
    assert dispatcher.joins == 4
    assert dispatcher.counts() == (0, 0)


def test_a_request_joins_work_that_is_under_way() -> None:
    dispatcher = Dispatcher(10, None)
    first, second = Told(), Told()
    dispatcher.request(work("a"), first, Priority.BULK)
    taken = dispatcher.take(set(), is_spare=False)
    assert taken is not None
    assert dispatcher.request(work("a"), second)
    assert dispatcher.counts() == (0, 1)
    dispatcher.finish(taken[0], "answer", None)
    assert second.answers == first.answers == ["answer"]


def test_a_waiting_job_that_becomes_visible_goes_first() -> None:
    dispatcher = Dispatcher(10, None)
    for key in "abc":
        dispatcher.request(work(key), Told(), Priority.BULK)
    dispatcher.request(work("c"), Told(), Priority.VISIBLE)
    assert [serve(dispatcher) for _ in range(3)] == ["c", "a", "b"]


def test_the_spare_serves_what_is_visible_and_nothing_else() -> None:
    dispatcher = Dispatcher(10, None)
    served: list[str | None] = []
    spare = threading.Thread(target=lambda: served.append(serve(dispatcher, is_spare=True)))
    spare.start()
    dispatcher.request(work("bulk"), Told(), Priority.BULK)
    seen = Told()
    dispatcher.request(work("seen"), seen, Priority.VISIBLE)
    spare.join(10)
    assert served == ["seen"]
    assert seen.answers == ["seen"]
    assert dispatcher.counts() == (1, 0)


def test_the_worker_that_holds_the_document_is_woken() -> None:
    dispatcher = Dispatcher(10, None)
    served: dict[str, str | None] = {}
    threads = [
        threading.Thread(target=lambda name=name: served.update({name: serve(dispatcher, {name})})) for name in ("one", "two")
    ]
    for thread in threads:
        thread.start()
    while len(dispatcher._idle) < 2:
        threading.Event().wait(0.001)
    dispatcher.request(work("a", token="two"), Told())
    threads[1].join(10)
    assert served == {"two": "a"}
    dispatcher.request(work("b", token="one"), Told())
    threads[0].join(10)
    assert served == {"two": "a", "one": "b"}


class Sleeper:
    """A worker's thread that has taken nothing yet."""

    def __init__(self, dispatcher: Dispatcher, held: set[str]) -> None:
        self.served: str | None = None
        idle = len(dispatcher._idle)
        self._thread = threading.Thread(target=self._serve, args=(dispatcher, held))
        self._thread.start()
        while len(dispatcher._idle) == idle:
            threading.Event().wait(0.001)

    def _serve(self, dispatcher: Dispatcher, held: set[str]) -> None:
        self.served = serve(dispatcher, held)

    def join(self) -> str | None:
        self._thread.join(10)
        return self.served


def test_who_joins_and_promotes_a_job_wakes_no_second_worker() -> None:
    dispatcher = Dispatcher(10, None)
    stranger, holder = Sleeper(dispatcher, set()), Sleeper(dispatcher, {"document"})
    told = Told()
    dispatcher.request(work("a"), told, Priority.PREVIEW)
    dispatcher.request(work("a"), told, Priority.VISIBLE)
    assert len(dispatcher._idle) == 1, "the holder has it, also while it is not awake yet"
    assert holder.join() == "a"
    assert len(dispatcher._idle) == 1
    dispatcher.close()
    assert stranger.join() is None


@pytest.mark.parametrize("takes_next", [True, False])
def test_what_follows_up_is_left_to_the_worker_that_was_just_done(*, takes_next: bool) -> None:
    dispatcher = Dispatcher(10, None)
    dispatcher.request(work("a"), lambda *_: dispatcher.request(work("b"), Told(), follows_up=True) and None)
    taken = dispatcher.take({"document"}, is_spare=False)
    assert taken is not None
    other = Sleeper(dispatcher, set())
    dispatcher.finish(taken[0], None, None, takes_next=takes_next)
    assert len(dispatcher._idle) == (1 if takes_next else 0)
    if takes_next:
        assert serve(dispatcher, {"document"}) == "b"
        dispatcher.close()
    assert other.join() == (None if takes_next else "b")


def test_what_follows_up_does_not_wait_for_others_who_are_told() -> None:
    dispatcher = Dispatcher(10, None)
    other: list[Sleeper] = []
    dispatcher.request(work("a"), lambda *_: dispatcher.request(work("b"), Told(), follows_up=True) and None)
    dispatcher.request(work("a"), lambda *_: other[0].join() and None)  # it comes back when "b" is done
    taken = dispatcher.take({"document"}, is_spare=False)
    assert taken is not None
    other.append(Sleeper(dispatcher, set()))
    dispatcher.finish(taken[0], None, None, takes_next=True)
    assert other[0].served == "b"


def test_more_than_one_worker_can_take_is_handed_to_others() -> None:
    dispatcher = Dispatcher(10, None)

    def two_more(_answer: Any, _error: SidebooksError | None) -> None:
        for key in "bc":
            dispatcher.request(work(key), Told(), follows_up=True)

    dispatcher.request(work("a"), two_more)
    taken = dispatcher.take({"document"}, is_spare=False)
    assert taken is not None
    other = Sleeper(dispatcher, set())
    dispatcher.finish(taken[0], None, None, takes_next=True)
    assert {serve(dispatcher, {"document"}), other.join()} == {"b", "c"}


def test_a_forgotten_request_is_dropped_only_when_nobody_else_waits() -> None:
    dispatcher = Dispatcher(10, None)
    one, two = object(), object()
    dispatcher.request(work("a"), Told(), ticket=one)
    dispatcher.request(work("a"), Told(), ticket=two)
    dispatcher.forget("a", one)
    assert dispatcher.counts() == (1, 0)
    dispatcher.forget("a", two)
    assert dispatcher.counts() == (0, 0)
    assert dispatcher.drops == 1


def test_a_full_queue_refuses_and_gives_way_to_what_is_more_urgent() -> None:
    dispatcher = Dispatcher(1, None)
    bulk, visible = Told(), Told()
    dispatcher.request(work("bulk"), bulk, Priority.BULK)
    with pytest.raises(QueueFull):
        dispatcher.request(work("more"), Told(), Priority.BULK)
    dispatcher.request(work("seen"), visible, Priority.VISIBLE)
    assert isinstance(bulk.errors[0], RequestDropped)
    assert serve(dispatcher) == "seen"


def test_what_was_made_meanwhile_is_not_made_again() -> None:
    dispatcher = Dispatcher(10, None)
    told, other = Told(), Told()
    dispatcher.request(work("a", made_already=lambda: "found"), told)
    dispatcher.request(work("b"), other)
    assert serve(dispatcher) == "b"
    assert told.answers == ["found"]


class FakeLocks:
    """Locks that another process holds until the test says otherwise."""

    def __init__(self) -> None:
        self.held_elsewhere = {"a"}
        self.held: set[str] = set()
        self.waiting: list[Callable[[bool], None]] = []

    def try_acquire(self, key: str) -> Any:
        if key in self.held_elsewhere or key in self.held:
            return None
        self.held.add(key)
        locks = self

        class Held:
            def release(self) -> None:
                locks.held.remove(key)

        return Held()

    def wait(self, key: str, callback: Callable[[bool], None], most_s: float) -> None:
        self.waiting.append(callback)


def test_work_of_another_process_is_waited_for_aside_and_its_result_used() -> None:
    locks = FakeLocks()
    dispatcher = Dispatcher(10, locks)
    theirs, ours = Told(), Told()
    made: list[str] = []
    dispatcher.request(work("a", made_already=lambda: made[0] if made else None), theirs)
    dispatcher.request(work("b", made_already=lambda: None), ours)
    assert serve(dispatcher) == "b"
    assert not theirs.answers
    made.append("by the other process")
    locks.held_elsewhere.clear()
    [resume] = locks.waiting
    resume(True)
    last = Told()
    dispatcher.request(work("c"), last)
    assert serve(dispatcher) == "c"
    assert theirs.answers == ["by the other process"]
    assert locks.held == set()


def test_the_lock_is_let_go_when_the_result_can_be_found_and_not_before() -> None:
    locks = FakeLocks()
    dispatcher = Dispatcher(10, locks)
    told = Told()
    written: list[Callable[[], None]] = []

    def deliver(answer: Any, done: Callable[[], None], priority: Priority) -> str:
        written.append(done)
        assert priority is Priority.VISIBLE
        return f"kept {answer}"

    dispatcher.request(work("b", made_already=lambda: None, deliver=deliver), told)
    assert serve(dispatcher) == "b"
    assert told.answers == ["kept b"]
    assert locks.held == {"b"}
    written[0]()
    assert locks.held == set()


def test_a_failure_reaches_everybody_and_lets_go_of_the_lock() -> None:
    locks = FakeLocks()
    dispatcher = Dispatcher(10, locks)
    told = Told()
    dispatcher.request(work("b", made_already=lambda: None), told)
    taken = dispatcher.take(set(), is_spare=False)
    assert taken is not None
    dispatcher.finish(taken[0], None, RenderFailed("no", page=0))
    assert isinstance(told.errors[0], RenderFailed)
    assert locks.held == set()
    assert dispatcher.failures == 1


def test_an_answer_that_makes_no_sense_is_an_error_not_a_dead_thread() -> None:
    dispatcher = Dispatcher(10, None)
    told = Told()

    def read(answer: Any) -> Any:
        return {}["record"]

    dispatcher.request(work("b", made_already=lambda: None, read=read), told)
    assert serve(dispatcher) == "b"
    assert isinstance(told.errors[0], RenderFailed)


def test_closing_fails_what_waits_and_wakes_the_workers() -> None:
    dispatcher = Dispatcher(10, FakeLocks())
    waiting, parked = Told(), Told()
    dispatcher.request(work("a", made_already=lambda: None), parked)
    taken: list[Any] = []
    worker = threading.Thread(target=lambda: taken.append(dispatcher.take(set(), is_spare=False)))
    worker.start()
    while not dispatcher._locks.waiting:  # type: ignore[union-attr]  # it is the fake
        threading.Event().wait(0.001)
    dispatcher.close()
    worker.join(10)
    assert taken == [None]
    assert isinstance(parked.errors[0], ServiceClosed)
    with pytest.raises(ServiceClosed):
        dispatcher.request(work("c"), waiting)


def test_a_document_that_cost_a_worker_gets_one_at_a_time() -> None:
    dispatcher = Dispatcher(10, None)
    dispatcher.request(work("killer", "bad"), Told())
    taken = dispatcher.take(set(), is_spare=False)
    assert taken is not None
    dispatcher.finish(taken[0], None, RenderTimeout("it took too long", page=0), lost_worker=True)
    told = {key: Told() for key in ("bad 1", "bad 2", "good")}
    for key, one in told.items():
        dispatcher.request(work(key, key.split()[0]), one, Priority.NEXT)
    first, second = dispatcher.take(set(), is_spare=False), dispatcher.take(set(), is_spare=False)
    assert first is not None
    assert second is not None
    assert [first[1].arguments["key"], second[1].arguments["key"]] == ["bad 1", "good"]
    served: list[str | None] = []
    other = threading.Thread(target=lambda: served.append(serve(dispatcher)))
    other.start()
    other.join(0.2)
    assert other.is_alive(), "its second page waits although a worker is free"
    dispatcher.request(work("bad, looked at", "bad"), Told())
    other.join(5)
    assert served == ["bad, looked at"], "what somebody looks at does not wait"
    other = threading.Thread(target=lambda: served.append(serve(dispatcher)))
    other.start()
    dispatcher.finish(first[0], "drawn", None)
    other.join(5)
    assert served == ["bad, looked at", "bad 2"], "a worker that sleeps is woken for it"


def test_a_key_that_another_process_keeps_for_ever_is_taken_without_it() -> None:
    class Hung:
        def try_acquire(self, key: str) -> None:
            return None

        def wait(self, key: str, callback: Callable[[bool], None], most_s: float) -> None:
            waited_s.append(most_s)
            callback(False)

    waited_s: list[float] = []
    dispatcher = Dispatcher(10, Hung())
    told = Told()
    dispatcher.request(work("a", made_already=lambda: None), told)
    assert serve(dispatcher) == "a"
    assert told.answers == ["a"]
    assert waited_s == [1]
