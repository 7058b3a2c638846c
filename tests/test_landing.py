"""What becomes of a worker's answer, step by step: the worker is the test's own hand, and another process holds the leases."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from concurrent.futures import Future

import pytest
from by_hand import FakeLeases, Hands, LeasingStore, Worker, drawn, identified, opened, wait_until
from msgspec.structs import replace

import sidebooks_core as sb
from sidebooks_core.errors import RenderFailed, RenderTimeout, RequestDropped
from sidebooks_core.images.work import Flight
from sidebooks_core.scheduling.flights import State
from sidebooks_core.scheduling.queue import Priority
from sidebooks_core.stores.record import Record
from sidebooks_core.testing import FakeDocument
from sidebooks_core.workers.answers import Drawn
from sidebooks_core.workers.jobs import Draw, Identify

PAPER = FakeDocument.of_pages(4)
TIMEOUT_S = 7.0


class Room:
    """A service whose workers are the test's hands, with one open document."""

    def __init__(self, leases: FakeLeases | None = None) -> None:
        self.hands = Hands()
        self.store = LeasingStore(leases)
        settings = sb.Settings(cache_dir=None, workers=2, render_timeout_s=TIMEOUT_S)
        self.service = sb.TileService(settings, store=self.store, pool=self.hands.pool)
        self.worker = self.hands.worker()
        self.document = opened(self.service, self.hands, PAPER, self.worker)

    def ask(self, page: int = 0, width_px: int = 100, priority: Priority = Priority.VISIBLE) -> Future[sb.Tile]:
        return self.service.submit_page_image(self.document, page, width_px=width_px, priority=priority)

    def identify(self, page: int = 0) -> None:
        """Another worker finds out the content ids of pages from this one on."""
        waiting = self.service.parts.images.identify(self.document, page)
        other = self.hands.worker()
        flight = other.takes()
        assert isinstance(flight.work.job, Identify)
        other.ends(identified(flight, PAPER))
        waiting.result(10)

    def stored(self) -> int:
        """Records in the store below the memory."""
        self.service.parts.flush()
        return self.store.statistics().records


@pytest.fixture
def room() -> Iterator[Room]:
    made = Room()
    with made.service:
        yield made


def kind(flight: Flight) -> str:
    return type(flight.work.job).__name__


def with_identified(room: Room) -> None:
    """All pages are identified, and the first image of the document was had."""
    room.identify()
    future = room.ask(3, 50)
    flight = room.worker.takes()
    room.worker.ends(drawn(flight))
    future.result(10)


# Two answers.


def test_an_image_is_told_before_its_page_is_identified_and_kept_after(room: Room) -> None:
    future = room.ask()
    flight = room.worker.takes()
    assert isinstance(flight.work.job, Draw)
    assert isinstance(flight.work.job.then, Identify)
    assert not future.done()
    room.worker.shows(drawn(flight))
    assert future.result(0).width_px == 100
    assert room.document.known_content_id(0) is None
    assert (flight.state, room.stored()) == (State.SHOWN, 0)
    room.worker.ends(identified(flight, PAPER))
    assert flight.state is State.LANDED
    assert room.document.known_content_id(0) == PAPER.pages[0].content_id
    assert room.stored() == 1
    again = room.ask()
    assert again.result(0) == future.result(0)
    assert room.service.statistics().memory_hits == 1
    assert room.service.statistics().renders == 1


def test_who_asks_while_the_page_is_identified_has_the_image_at_once(room: Room) -> None:
    first = room.ask()
    flight = room.worker.takes()
    room.worker.shows(drawn(flight))
    late = room.ask()
    assert late.result(0) == first.result(0)
    room.worker.ends(identified(flight, PAPER))
    assert room.service.statistics().renders == 1


def test_what_follows_a_first_image_identifies_the_document_in_the_background(room: Room) -> None:
    room.ask()
    flight = room.worker.takes()
    room.worker.shows(drawn(flight))
    [follow_up] = room.worker.ends(identified(flight, PAPER)[:1])
    assert (kind(follow_up), follow_up.priority) == ("Identify", Priority.BULK)
    room.ask(2)
    assert kind(room.worker.takes()) == "Draw", "what somebody looks at goes before it"
    assert kind(room.hands.worker().takes()) == "Identify"


def test_two_who_want_the_same_share_one_drawing(room: Room) -> None:
    futures = [room.ask() for _ in range(3)]
    flight = room.worker.takes()
    other = room.hands.worker()
    assert other.takes_at_most(0.05) is None
    room.worker.shows(drawn(flight))
    assert len({future.result(0).data for future in futures}) == 1
    room.worker.ends(identified(flight, PAPER))
    assert room.service.statistics().joins == 2


def test_a_request_joins_a_drawing_though_its_page_was_identified_meanwhile(room: Room) -> None:
    first = room.ask()
    flight = room.worker.takes()
    room.identify()
    second = room.ask()
    assert not second.done()
    assert room.service.statistics().joins == 1
    room.worker.shows(drawn(flight))
    assert first.result(0) == second.result(0)
    room.worker.ends(identified(flight, PAPER))
    assert room.stored() == 1


def test_a_drawing_that_waits_while_its_page_is_identified_is_answered_in_one_part(room: Room) -> None:
    first = room.ask()
    room.identify()
    flight = room.worker.takes()
    assert isinstance(flight.work.job, Draw)
    assert flight.work.job.then is None
    second = room.ask()
    room.worker.ends(drawn(flight))
    assert first.result(0) == second.result(0)
    assert room.stored() == 1


def test_a_drawing_that_waits_while_its_page_is_identified_and_is_stored_is_not_begun(room: Room) -> None:
    """A copy of a document whose pages are stored."""
    with_identified(room)
    future = room.ask()
    flight = room.worker.takes()
    room.worker.ends(drawn(flight))
    shown = future.result(0)
    copy = replace(PAPER, note="copy")
    document = opened(room.service, room.hands, copy)
    waiting = room.service.submit_page_image(document, 0, width_px=100)
    known = room.service.parts.images.identify(document, 0, Priority.PAGE)
    room.worker.held.clear()
    document.content_ids.learn(0, [PAPER.pages[0].content_id])
    flight = room.worker.takes()
    assert kind(flight) == "Identify", "of what waited, only this"
    assert waiting.result(0).data == shown.data
    room.worker.ends(identified(flight, copy))
    assert known.result(0) is None
    assert room.service.statistics().renders == 2


def test_what_is_made_ahead_is_identified_first(room: Room) -> None:
    future = room.ask(priority=Priority.NEXT)
    flight = room.worker.takes()
    assert kind(flight) == "Identify"
    [follow_up] = room.worker.ends(identified(flight, PAPER))
    assert (kind(follow_up), follow_up.priority) == ("Draw", Priority.NEXT)
    flight = room.worker.takes()
    assert flight is not None
    room.worker.ends(drawn(flight))
    assert future.result(0).width_px == 100


def test_what_follows_goes_to_the_worker_that_was_just_done(room: Room) -> None:
    other = room.hands.worker(room.document.ref.token).begins_to_take()
    room.worker.held.clear()
    wait_until(lambda: room.service.parts.dispatcher.idle_count() == 1, "it does not wait")
    room.ask(priority=Priority.NEXT)
    flight = other.takes()
    third = room.hands.worker(room.document.ref.token).begins_to_take()
    wait_until(lambda: room.service.parts.dispatcher.idle_count() == 1, "it does not wait")
    other.ends(identified(flight, PAPER))
    assert kind(other.takes()) == "Draw"
    assert third.waits


# What goes wrong with one of them.


def test_a_page_that_cannot_be_drawn_is_told_once_it_is_known_not_to_be_stored(room: Room) -> None:
    future = room.ask()
    flight = room.worker.takes()
    room.worker.shows(error=RenderFailed("torn", page=0))
    assert not future.done(), "it may be stored"
    assert room.worker.ends(identified(flight, PAPER)) == []
    with pytest.raises(RenderFailed, match="torn"):
        future.result(0)
    assert room.service.statistics().failures == 1


def test_a_page_that_cannot_be_drawn_any_more_is_shown_from_the_store(room: Room) -> None:
    with_identified(room)
    future = room.ask()
    room.worker.ends(drawn(room.worker.takes()))
    shown = future.result(0)
    copy = replace(PAPER, note="copy")
    document = opened(room.service, room.hands, copy)
    again = room.service.submit_page_image(document, 0, width_px=100)
    flight = room.worker.takes()
    room.worker.shows(error=RenderFailed("torn", page=0))
    room.worker.ends(identified(flight, copy))
    assert again.result(0).data == shown.data


def test_a_page_whose_worker_died_before_the_image_is_looked_for_in_the_store(room: Room) -> None:
    future = room.ask()
    room.worker.takes()
    [follow_up] = room.worker.ends(error=RenderFailed("the worker process died", page=0), has_lost_worker=True)
    assert kind(follow_up) == "Identify"
    assert not future.done()
    flight = room.worker.takes()
    room.worker.ends(identified(flight, PAPER))
    with pytest.raises(RenderFailed, match="died"):
        future.result(0)


def test_a_page_that_can_neither_be_drawn_nor_identified_is_told_with_the_first_reason(room: Room) -> None:
    future = room.ask()
    room.worker.takes()
    room.worker.shows(error=RenderFailed("torn", page=0))
    [follow_up] = room.worker.ends(error=RenderFailed("unknown", page=0))
    assert kind(follow_up) == "Identify"
    room.worker.takes()
    room.worker.ends(error=RenderFailed("unknown", page=0))
    with pytest.raises(RenderFailed, match="torn"):
        future.result(0)
    assert room.service.parts.dispatcher.counts() == (0, 0)


@pytest.mark.parametrize(
    "error", [RenderFailed("the worker process died", page=0), RenderTimeout("not finished", page=0), None]
)
def test_an_image_that_was_shown_stays_shown_though_its_page_cannot_be_identified(
    room: Room, error: sb.SidebooksError | None
) -> None:
    """The worker dies between its two answers, says nothing, or what it says is none."""
    future = room.ask()
    flight = room.worker.takes()
    room.worker.shows(drawn(flight))
    shown = future.result(0)
    room.worker.ends(error=error, has_lost_worker=error is not None)
    assert flight.state is State.LANDED
    assert room.document.known_content_id(0) is None
    assert room.stored() == 0
    again = room.ask()
    flight = room.worker.takes()
    assert kind(flight) == "Draw", "it is drawn anew, for it could not be kept"
    room.worker.shows(drawn(flight))
    assert again.result(0) == shown
    room.worker.ends(identified(flight, PAPER))
    assert room.stored() == 1
    assert room.service.parts.dispatcher.counts()[1] == 0


@pytest.mark.parametrize("answer", [None, "text", 5, ("0" * 32,)])
def test_an_answer_of_another_type_is_an_error(room: Room, answer: object) -> None:
    with_identified(room)
    future = room.ask()
    room.worker.takes()
    room.worker.ends(answer)
    assert isinstance(future.exception(0), RenderFailed)
    assert room.store.lent.held == []


def test_a_first_answer_of_another_type_is_an_error(room: Room) -> None:
    future = room.ask()
    flight = room.worker.takes()
    room.worker.shows("text")
    assert not future.done()
    room.worker.ends(identified(flight, PAPER))
    assert isinstance(future.exception(0), RenderFailed)
    assert room.stored() == 0


def test_a_worker_cannot_say_that_a_page_cost_more_than_its_time(room: Room) -> None:
    with_identified(room)
    future = room.ask()
    flight = room.worker.takes()
    honest = drawn(flight)
    room.worker.ends(Drawn(honest.record, 1e6, 1e6))
    future.result(0)
    key = room.store.looked_for[-1]
    room.service.parts.flush()
    found = room.store.get(key)
    assert found is not None
    assert found.cost_s == TIMEOUT_S


# A page that is drawn slowly may be stored.


def stored_copy(room: Room) -> tuple[sb.Document, sb.Tile]:
    """Another document of the same pages, of which the first is stored at one width."""
    future = room.ask()
    flight = room.worker.takes()
    room.worker.shows(drawn(flight))
    room.worker.ends(identified(flight, PAPER))
    room.worker.takes_at_most(0)
    return opened(room.service, room.hands, replace(PAPER, note="copy"), room.hands.worker()), future.result(0)


def test_a_stored_page_that_is_drawn_slowly_is_shown_from_there(room: Room) -> None:
    document, shown = stored_copy(room)
    future = room.service.submit_page_image(document, 0, width_px=100)
    drawing, helper = room.hands.worker(), room.hands.worker()
    assert kind(drawing.takes()) == "Draw"
    helper.begins_to_take()
    wait_until(room.service.parts.dispatcher.has_idle_worker, "nobody is free")
    drawing.is_slow()
    flight = helper.takes()
    assert kind(flight) == "Identify"
    helper.ends(identified(flight, PAPER))
    assert future.result(0).data == shown.data
    assert document.is_likely_stored
    assert drawing.flight is not None
    drawing.shows(drawn(drawing.flight))
    drawing.ends(identified(drawing.flight or flight, PAPER)) if drawing.flight else None
    other = room.service.submit_page_image(document, 1, width_px=100)
    assert not other.done()


def test_a_slow_page_that_is_not_stored_is_waited_for(room: Room) -> None:
    future = room.ask()
    drawing, helper = room.worker, room.hands.worker()
    flight = drawing.takes()
    helper.begins_to_take()
    wait_until(room.service.parts.dispatcher.has_idle_worker, "nobody is free")
    drawing.is_slow()
    probe = helper.takes()
    helper.ends(identified(probe, PAPER))
    assert not future.done()
    assert room.service.statistics().misses == 1
    drawing.shows(drawn(flight))
    assert future.result(0).width_px == 100
    drawing.ends(identified(flight, PAPER))
    assert room.stored() == 1
    assert room.service.statistics().renders == 1


def test_nobody_is_called_from_other_work_to_look_whether_a_slow_page_is_stored(room: Room) -> None:
    room.ask()
    room.worker.takes()
    room.worker.is_slow()
    assert room.service.parts.dispatcher.counts() == (0, 1)


# Leases: a record that another process makes is not made here.


def test_what_nobody_else_made_is_drawn_without_a_second_look(room: Room) -> None:
    with_identified(room)
    room.store.looked_for.clear()
    future = room.ask()
    flight = room.worker.takes()
    assert len(room.store.looked_for) == 1
    assert room.store.lent.held == room.store.looked_for
    room.worker.ends(drawn(flight))
    future.result(0)
    room.service.parts.flush()
    assert len(room.store.looked_for) == 1
    assert room.store.lent.held == [], "let go once it can be found"


def test_a_record_that_another_process_made_since_the_look_is_found(room: Room) -> None:
    with_identified(room)
    future = room.ask()
    [key] = room.store.looked_for[-1:]
    made = Record(drawn_record(room), PAPER.pages[0].content_id, 0.1)
    room.store.put(key, made)
    room.store.lent.marks[key] = 1  # its lease was released
    room.worker.begins_to_take()
    wait_until(lambda: bool(room.store.lent.waiting), "nobody waits for the lease")
    room.store.lent.let_go()
    assert future.result(10).width_px == 100
    assert room.worker.waits, "no worker has drawn it"
    assert room.service.statistics().renders == 1
    assert room.store.lent.held == []


def drawn_record(room: Room) -> bytes:
    """Of the first page, as another process would draw it."""
    with sb.TileService(sb.Settings(cache_dir=None), pool=Hands().pool):
        pass
    at = room.service.parts.images.whole_page(room.document, 0, 100)
    job = Draw(
        document=room.document.ref, timeout_s=1.0, page=0, spec=at.request.spec, image_format="png", quality=85
    )
    return PAPER_ENGINE.record(job)
