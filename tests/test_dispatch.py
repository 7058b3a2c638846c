"""The dispatcher's promises, with threads of the test in the place of workers."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

import pytest
from by_hand import Worker
from quiet import wait_until

from sidebooks_core.documents.reference import DocumentRef
from sidebooks_core.errors import QueueFull, RenderTimeout, RequestDropped, ServiceClosed
from sidebooks_core.images.dispatch import Dispatcher
from sidebooks_core.images.suspects import SUSPECTS
from sidebooks_core.images.work import Flight, Wanted, Work, flight_of, resolve
from sidebooks_core.scheduling.flights import State
from sidebooks_core.scheduling.queue import Priority
from sidebooks_core.workers.jobs import ReadWords

ORDER = ("first", "second")


def work(token: str = "document", timeout_s: float = 1.0) -> Work:
    ref = DocumentRef(token=token, name="a.pdf", path=b"/a.pdf", file_state=(1, 2, 3))
    return Work(ReadWords(document=ref, page=0, timeout_s=timeout_s), None)


def ask(
    dispatcher: Dispatcher, name: str, priority: Priority = Priority.VISIBLE, token: str = "document", timeout_s: float = 1.0
) -> Future[Any]:
    return dispatcher.ask(name, work(token, timeout_s), priority)


def following(name: str, priority: Priority = Priority.VISIBLE) -> Flight:
    """What comes of another flight."""
    return flight_of([name], work(), Wanted(Future(), priority, ""))


def finish(dispatcher: Dispatcher, flight: Flight) -> str:
    """Everybody who waits for it gets its name."""
    dispatcher.leave(flight, has_lost_worker=False)
    for wanted in dispatcher.land(flight):
        resolve(wanted.future, flight.names[0])
    return flight.names[0]


def take(dispatcher: Dispatcher, *held: str, is_spare: bool = False) -> Flight:
    """What is there for a worker at once."""
    return Worker(dispatcher, *held, is_spare=is_spare).takes()


def serve(dispatcher: Dispatcher, *held: str) -> str:
    return finish(dispatcher, take(dispatcher, *held))


def sleeping(dispatcher: Dispatcher, *held: str, is_spare: bool = False) -> Worker:
    """A worker that waits for a job."""
    idle = dispatcher.idle_count()
    worker = Worker(dispatcher, *held, is_spare=is_spare).begins_to_take()
    wait_until(lambda: dispatcher.idle_count() > idle, "it does not wait")
    return worker


def test_equal_requests_join_and_all_are_told() -> None:
    dispatcher = Dispatcher(10)
    told = [ask(dispatcher, "a") for _ in range(5)]
    assert serve(dispatcher) == "a"
    assert [one.result(0) for one in told] == ["a"] * 5
    assert dispatcher.joins == 4
    assert dispatcher.counts() == (0, 0)


def test_a_request_joins_work_that_is_under_way() -> None:
    dispatcher = Dispatcher(10)
    first = ask(dispatcher, "a", Priority.BULK)
    taken = take(dispatcher)
    second = ask(dispatcher, "a")
    assert dispatcher.counts() == (0, 1)
    finish(dispatcher, taken)
    assert (first.result(0), second.result(0)) == ("a", "a")


def test_a_request_that_comes_after_the_end_begins_anew() -> None:
    dispatcher = Dispatcher(10)
    ask(dispatcher, "a")
    serve(dispatcher)
    again = ask(dispatcher, "a")
    assert not again.done()
    serve(dispatcher)
    assert again.result(0) == "a"
    assert dispatcher.joins == 0


def test_a_waiting_flight_that_becomes_visible_goes_first() -> None:
    dispatcher = Dispatcher(10)
    for name in "abc":
        ask(dispatcher, name, Priority.BULK)
    ask(dispatcher, "c")
    assert [serve(dispatcher) for _ in range(3)] == ["c", "a", "b"]


def test_the_spare_serves_what_is_visible_and_nothing_else() -> None:
    dispatcher = Dispatcher(10)
    spare = sleeping(dispatcher, is_spare=True)
    ask(dispatcher, "bulk", Priority.BULK)
    assert spare.takes_at_most(0.05) is None
    seen = ask(dispatcher, "seen")
    assert finish(dispatcher, spare.takes()) == "seen"
    assert seen.result(0) == "seen"
    assert dispatcher.counts() == (1, 0)


def test_the_spare_leaves_what_is_visible_to_an_idle_worker() -> None:
    dispatcher = Dispatcher(10)
    spare, worker = sleeping(dispatcher, "document", is_spare=True), sleeping(dispatcher)
    ask(dispatcher, "seen")
    assert worker.takes().names == ["seen"]
    assert spare.waits
    dispatcher.close()


def test_the_worker_that_holds_the_document_gets_it() -> None:
    dispatcher = Dispatcher(10)
    workers = {name: sleeping(dispatcher, name) for name in ORDER}
    ask(dispatcher, "a", token="second")
    assert workers["second"].takes().names == ["a"]
    assert workers["first"].waits
    ask(dispatcher, "b", token="first")
    assert workers["first"].takes().names == ["b"]


def test_who_joins_and_promotes_wakes_no_second_worker() -> None:
    dispatcher = Dispatcher(10)
    stranger, holder = sleeping(dispatcher), sleeping(dispatcher, "document")
    ask(dispatcher, "a", Priority.PREVIEW)
    ask(dispatcher, "a")
    assert dispatcher.idle_count() == 1, "the holder has it, also while it is not awake yet"
    assert holder.takes().names == ["a"]
    dispatcher.close()
    assert stranger.takes_at_most(10) is None


def test_an_idle_worker_is_counted_the_spare_apart() -> None:
    dispatcher = Dispatcher(10)
    spare = sleeping(dispatcher, is_spare=True)
    assert (dispatcher.idle_count(), dispatcher.has_idle_worker()) == (1, False)
    worker = sleeping(dispatcher)
    assert (dispatcher.idle_count(), dispatcher.has_idle_worker()) == (2, True)
    dispatcher.close()
    for one in (spare, worker):
        assert one.takes_at_most(10) is None


def test_what_follows_is_done_by_the_worker_that_was_just_done() -> None:
    dispatcher = Dispatcher(10)
    other = sleeping(dispatcher, "document")
    taken = dispatcher.take({"document"}, [following("next")], is_spare=False)
    assert taken is not None
    assert taken.names == ["next"]
    assert other.waits
    dispatcher.close()


def test_what_follows_goes_behind_what_is_more_urgent() -> None:
    dispatcher = Dispatcher(10)
    ask(dispatcher, "seen", token="another document")
    taken = dispatcher.take({"document"}, [following("bulk", Priority.BULK)], is_spare=False)
    assert taken is not None
    assert taken.names == ["seen"]
    assert serve(dispatcher) == "bulk"


def test_of_what_follows_others_get_what_one_worker_leaves() -> None:
    dispatcher = Dispatcher(10)
    other = sleeping(dispatcher)
    taken = dispatcher.take({"document"}, [following("a"), following("b")], is_spare=False)
    assert taken is not None
    assert {*taken.names, *other.takes().names} == {"a", "b"}


def test_what_follows_and_is_under_way_already_joins() -> None:
    dispatcher = Dispatcher(10)
    ask(dispatcher, "a", Priority.BULK)
    under_way = take(dispatcher)
    follow_up = following("a")
    [wanted] = [one.request for one in follow_up.waiting]
    dispatcher.enter([follow_up])
    assert dispatcher.counts() == (0, 1)
    finish(dispatcher, under_way)
    assert wanted.future.result(0) == "a"


def test_what_follows_and_was_cancelled_meanwhile_is_not_begun() -> None:
    dispatcher = Dispatcher(10)
    follow_up = following("a")
    follow_up.waiting[0].request.future.cancel()
    dispatcher.enter([follow_up])
    assert dispatcher.counts() == (0, 0)


def test_a_cancelled_request_drops_its_flight_only_when_nobody_else_waits() -> None:
    dispatcher = Dispatcher(10)
    one, two = ask(dispatcher, "a"), ask(dispatcher, "a")
    assert one.cancel()
    assert dispatcher.counts() == (1, 0)
    assert dispatcher.drops == 0
    assert two.cancel()
    assert dispatcher.counts() == (0, 0)
    assert dispatcher.drops == 1


def test_a_cancelled_request_leaves_what_a_worker_has_begun() -> None:
    dispatcher = Dispatcher(10)
    told = ask(dispatcher, "a")
    taken = take(dispatcher)
    assert told.cancel()
    assert taken.state is State.AT_WORK
    late = ask(dispatcher, "a")
    finish(dispatcher, taken)
    assert late.result(0) == "a", "who asks for it now joins"
    assert dispatcher.drops == 0


def test_a_cancelled_request_leaves_nothing_parked() -> None:
    dispatcher = Dispatcher(10)
    told = ask(dispatcher, "a")
    taken = take(dispatcher)
    dispatcher.park(taken)
    assert dispatcher.counts() == (0, 1)
    assert told.cancel()
    assert dispatcher.counts() == (0, 0)
    dispatcher.resume(taken)
    assert dispatcher.counts() == (0, 0), "and it does not come back"


def test_a_full_queue_refuses_and_gives_way_to_what_is_more_urgent() -> None:
    dispatcher = Dispatcher(1)
    bulk = ask(dispatcher, "bulk", Priority.BULK)
    assert isinstance(ask(dispatcher, "more", Priority.BULK).exception(0), QueueFull)
    assert not bulk.done()
    seen = ask(dispatcher, "seen")
    assert isinstance(bulk.exception(0), RequestDropped)
    assert serve(dispatcher) == "seen"
    assert seen.result(0) == "seen"
    assert dispatcher.drops == 1
    assert dispatcher.counts() == (0, 0)


def test_what_waits_aside_takes_up_no_worker_and_keeps_its_turn() -> None:
    dispatcher = Dispatcher(10)
    aside = ask(dispatcher, "aside")
    parked = take(dispatcher)
    dispatcher.park(parked)
    ask(dispatcher, "other")
    late = ask(dispatcher, "late")
    assert serve(dispatcher) == "other"
    dispatcher.resume(parked)
    dispatcher.resume(parked)  # both its timer and its holder may say so
    assert [serve(dispatcher), serve(dispatcher)] == ["aside", "late"]
    assert (aside.result(0), late.result(0)) == ("aside", "late")


def test_what_is_shown_is_had_at_once() -> None:
    dispatcher = Dispatcher(10)
    ask(dispatcher, "a")
    taken = take(dispatcher)
    taken.work.request = place = object()
    assert dispatcher.shown(place) is None
    taken.work.shown = image = object()
    [first] = dispatcher.show(taken)
    resolve(first.future, "image")
    assert dispatcher.shown(place) is image
    late = ask(dispatcher, "a")
    assert late.result(0).record is image
    assert dispatcher.counts() == (0, 1)
    assert dispatcher.land(taken) == []
    assert dispatcher.shown(place) is None
    assert dispatcher.counts() == (0, 0)


def test_closing_waits_for_what_was_shown() -> None:
    dispatcher = Dispatcher(10)
    ask(dispatcher, "a")
    taken = take(dispatcher)
    dispatcher.show(taken)
    dispatcher.wait_shown(0.01)
    assert taken.state is State.SHOWN, "not for ever"
    dispatcher.land(taken)
    dispatcher.wait_shown(60)


def test_who_comes_when_a_flight_was_interrupted_begins_another() -> None:
    """Between the look whether anybody waits and the end of the flight, nobody may join what nobody wanted."""
    dispatcher = Dispatcher(10)
    first = ask(dispatcher, "first")
    flight = take(dispatcher)
    first.cancel()
    dropped = RequestDropped("nobody wanted it")
    assert not dispatcher.repeat(flight, dropped)
    late = ask(dispatcher, "first")
    assert dispatcher.land(flight, dropped) == []
    assert serve(dispatcher) == "first"
    assert late.result(0) == "first"


def test_closing_fails_what_waits_and_wakes_the_workers() -> None:
    dispatcher = Dispatcher(10)
    futures = [ask(dispatcher, name) for name in ("queued", "parked", "at work")]
    flights = {flight.names[0]: flight for flight in (take(dispatcher) for _ in futures)}
    dispatcher.park(flights["parked"])
    dispatcher.park(flights["queued"])
    worker = sleeping(dispatcher)
    spare = sleeping(dispatcher, is_spare=True)
    dispatcher.close()
    for one in (worker, spare):
        assert one.takes_at_most(10) is None
        assert not one.waits
    assert [isinstance(future.exception(0), ServiceClosed) for future in futures[:2]] == [True, True]
    assert not futures[2].done(), "its worker's end is told when it comes"
    assert [wanted.future for wanted in dispatcher.land(flights["at work"])] == [futures[2]]
    assert isinstance(ask(dispatcher, "late").exception(0), ServiceClosed)
    assert dispatcher.take(set(), (), is_spare=False) is None
    assert dispatcher.counts() == (0, 0)


def test_closing_fails_what_was_to_follow() -> None:
    dispatcher = Dispatcher(10)
    dispatcher.close()
    flight = following("a")
    wanted = flight.waiting[0].request
    assert dispatcher.take(set(), [flight], is_spare=False) is None
    assert isinstance(wanted.future.exception(0), ServiceClosed)


def test_a_document_that_cost_a_worker_gets_one_at_a_time() -> None:
    dispatcher = Dispatcher(10)
    ask(dispatcher, "killer", token="bad")
    taken = take(dispatcher)
    assert not dispatcher.is_suspect("bad")
    dispatcher.leave(taken, has_lost_worker=True)
    dispatcher.land(taken, RenderTimeout("it took too long", page=0))
    assert dispatcher.is_suspect("bad")
    for name in ("bad 1", "bad 2", "good"):
        ask(dispatcher, name, Priority.NEXT, token=name.split()[0])
    first, second = take(dispatcher), take(dispatcher)
    assert (first.names, second.names) == (["bad 1"], ["good"])
    other = Worker(dispatcher)
    assert other.takes_at_most(0.2) is None, "its second page waits although a worker is free"
    ask(dispatcher, "bad, looked at", token="bad")
    assert finish(dispatcher, other.takes()) == "bad, looked at", "what somebody looks at does not wait"
    other.begins_to_take()
    finish(dispatcher, first)
    assert other.takes().names == ["bad 2"], "a worker that sleeps is woken for it"


def test_only_so_many_suspects_are_remembered() -> None:
    dispatcher = Dispatcher(10)
    for number in range(SUSPECTS + 1):
        ask(dispatcher, "page", token=str(number))
        taken = take(dispatcher)
        dispatcher.leave(taken, has_lost_worker=True)
        dispatcher.land(taken)
    assert [dispatcher.is_suspect(str(number)) for number in (0, 1, SUSPECTS)] == [False, True, True]


@pytest.mark.parametrize("is_at_work", [True, False])
def test_who_gives_work_more_time_than_others_gives_it_to_all(*, is_at_work: bool) -> None:
    dispatcher = Dispatcher(10)
    told = [ask(dispatcher, "heavy", Priority.NEXT)]
    taken = take(dispatcher) if is_at_work else None
    told += [ask(dispatcher, "heavy", timeout_s=timeout_s) for timeout_s in (30, 2)]
    taken = taken or take(dispatcher)
    assert taken.work.job.timeout_s == (1 if is_at_work else 30)
    overran = RenderTimeout("not finished in time")
    assert dispatcher.repeat(taken, overran) is is_at_work, "once more, with more time"
    if is_at_work:
        again = take(dispatcher)
        assert again is taken
        assert again.work.job.timeout_s == 30
        assert not dispatcher.repeat(again, overran)
    assert not any(one.done() for one in told)
    assert {wanted.future for wanted in dispatcher.land(taken, overran)} == set(told)
    assert dispatcher.failures == 1
    assert dispatcher.counts() == (0, 0)
