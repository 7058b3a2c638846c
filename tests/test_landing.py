"""What becomes of a worker's answer, step by step: the worker is the test's own hand, and another process holds the leases."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

import pytest
from by_hand import Hands, LeasingStore, Worker, drawn, identified, opened, record_of
from msgspec.structs import replace
from quiet import wait_until

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
COPY = replace(PAPER, note="copy")
"""Another document, of the same pages."""
TIMEOUT_S = 7.0


class Room:
    """A service whose workers are the test's hands, with one open document."""

    def __init__(self, cache_dir: Path | None, queue_jobs: int = 100) -> None:
        """cache_dir: of what is known of documents; None: it is forgotten, and the store outlasts it."""
        self.hands = Hands()
        self.store = LeasingStore()
        settings = sb.Settings(cache_dir=cache_dir, workers=2, render_timeout_s=TIMEOUT_S, queue_jobs=queue_jobs)
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

    def identify_all(self) -> None:
        """All pages are identified, so that drawings are answered in one part."""
        self.identify()
        assert self.document.content_ids.first_unknown() is None
        # The first image of a document leads to its identification, which would be in the way.
        assert self.service.parts.identification.begin(self.document) is None

    def draw(self, page: int = 0) -> sb.Tile:
        """Have a page drawn first, and identified then, which is stored."""
        future = self.ask(page)
        flight = self.worker.takes()
        self.worker.shows(drawn(flight))
        self.worker.ends(identified(flight, PAPER))
        self.service.parts.flush()
        return future.result(0)

    def is_made_elsewhere(self, key: str) -> None:
        """Another process has made a record of the first page, and let go of its lease."""
        at = self.service.parts.images.whole_page(self.document, 0, 100)
        self.store.put(key, Record(record_of(at.request.spec), PAPER.pages[0].content_id, 0.1))
        self.store.lent.marks[key] = self.store.lent.mark(key) + 1

    def stored(self) -> int:
        """Records in the store below the memory."""
        self.service.parts.images.keeper.store.flush()
        return self.store.statistics().records


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    made = Room(tmp_path)
    with made.service:
        yield made


def kind(flight: Flight) -> str:
    return type(flight.work.job).__name__


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
    assert (kind(follow_up), follow_up.priority) == ("Identify", Priority.IDLE)
    room.ask(2)
    seen = room.worker.takes()
    assert kind(seen) == "Draw", "what somebody looks at goes before it"
    room.worker.shows(drawn(seen))
    room.worker.ends(identified(seen, PAPER)[:1])
    assert kind(room.worker.takes()) == "Identify"


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
    room.document.content_ids.learn(0, [PAPER.pages[0].content_id])
    flight = room.worker.takes()
    assert isinstance(flight.work.job, Draw)
    assert flight.work.job.then is None
    second = room.ask()
    room.worker.ends(drawn(flight))
    assert first.result(0) == second.result(0)
    assert room.stored() == 1


def test_a_drawing_that_waits_while_its_page_is_identified_and_is_stored_is_not_begun(room: Room) -> None:
    """A copy of a document whose pages are stored."""
    shown = room.draw()
    document = opened(room.service, room.hands, COPY)
    future = room.service.submit_page_image(document, 0, width_px=100)
    document.content_ids.learn(0, [COPY.pages[0].content_id])
    flight = room.worker.takes()
    assert future.result(0).data == shown.data
    assert (kind(flight), flight.priority) == ("Identify", Priority.IDLE), "the rest of the document, now that it has an image"
    assert room.service.statistics().renders == 1


def test_a_drawing_that_waits_while_its_page_is_identified_joins_that_of_another_document(room: Room) -> None:
    document = opened(room.service, room.hands, COPY)
    for one in (room.document, document):
        one.content_ids.learn(0, [page.content_id for page in PAPER.pages[: one is room.document]])
    first, second = room.ask(), room.service.submit_page_image(document, 0, width_px=100)
    flight = room.worker.takes()
    document.content_ids.learn(0, [COPY.pages[0].content_id])
    other = room.hands.worker()
    assert other.takes_at_most(0.2) is None
    room.worker.ends(drawn(flight))
    assert first.result(0).data == second.result(0).data
    assert room.service.statistics().renders == 1


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


def test_where_a_store_outlasts_what_is_known_of_documents_pages_are_identified_first() -> None:
    room = Room(None)
    with room.service:
        future = room.ask()
        flight = room.worker.takes()
        assert kind(flight) == "Identify", "any page may be stored"
        room.worker.ends(identified(flight, PAPER))
        flight = room.worker.takes()
        assert kind(flight) == "Draw"
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


def test_what_waits_for_a_document_is_left_to_the_worker_that_identifies_a_page_of_it(room: Room) -> None:
    """It is free in a moment, sooner than another could open the document."""
    room.ask(0)
    flight = room.worker.takes()
    room.worker.shows(drawn(flight))
    room.ask(1)
    other = room.hands.worker()
    assert other.takes_at_most(0.1) is None
    room.worker.lingers()
    assert other.takes().work.job.page == 1, "unless that takes long"
    room.ask(2)
    room.worker.ends(identified(flight, PAPER))
    assert room.worker.takes().work.job.page == 2


def test_what_waits_for_a_document_goes_to_another_worker_when_that_one_is_lost(room: Room) -> None:
    room.ask(0)
    room.worker.shows(drawn(room.worker.takes()))
    room.ask(1)
    other = room.hands.worker()
    assert other.takes_at_most(0.1) is None
    room.worker.ends(error=RenderFailed("the worker process died"), has_lost_worker=True)
    assert other.takes().work.job.page == 1


def test_to_wait_until_all_is_written_is_to_wait_for_what_was_shown(room: Room) -> None:
    room.ask()
    flight = room.worker.takes()
    room.worker.shows(drawn(flight))
    flushing = threading.Thread(target=room.service.parts.flush)
    flushing.start()
    flushing.join(0.1)
    assert flushing.is_alive()
    room.worker.ends(identified(flight, PAPER))
    flushing.join(10)
    assert not flushing.is_alive()
    assert room.store.puts == 1


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
    shown = room.draw()
    document = opened(room.service, room.hands, COPY)
    again = room.service.submit_page_image(document, 0, width_px=100)
    flight = room.worker.takes()
    room.worker.shows(error=RenderFailed("torn", page=0))
    room.worker.ends(identified(flight, COPY))
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


def test_a_page_that_cannot_be_drawn_is_told_with_its_reason_though_the_queue_is_full(tmp_path: Path) -> None:
    """Whether it is stored cannot be found out then."""
    room = Room(tmp_path, queue_jobs=1)
    with room.service:
        future = room.ask(0)
        room.worker.takes()
        seen = room.ask(1)
        room.worker.shows(error=RenderFailed("torn", page=0))
        room.worker.ends(error=RenderFailed("unknown", page=0))
        flight = room.worker.takes()
        with pytest.raises(RenderFailed, match="torn"):
            future.result(0)
        room.worker.shows(drawn(flight))
        assert seen.result(0).width_px == 100


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
    content_id = room.document.known_content_id(0)
    assert content_id is not None
    assert content_id != PAPER.pages[0].content_id, "it is the page of this file, and equal to no other"
    assert room.stored() == 1
    assert room.ask().result(0) == shown, "no worker is asked again"
    assert room.service.parts.dispatcher.counts()[1] == 0


@pytest.mark.parametrize("answer", [None, "text", 5, ("0" * 32,)])
def test_an_answer_of_another_type_is_an_error(room: Room, answer: object) -> None:
    room.identify_all()
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
    room.identify_all()
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


def is_slow(room: Room, drawing: Worker, helper: Worker) -> Flight:
    """What a worker draws takes long; the job of another one, which waits for work."""
    helper.begins_to_take()
    wait_until(room.service.parts.dispatcher.has_idle_worker, "nobody is free")
    drawing.is_slow()
    return helper.takes()


def test_a_stored_page_that_is_drawn_slowly_is_shown_from_there(room: Room) -> None:
    shown = room.draw()
    document = opened(room.service, room.hands, COPY)
    future = room.service.submit_page_image(document, 0, width_px=100)
    drawing, helper = room.hands.worker(), room.hands.worker()
    flight = drawing.takes()
    assert kind(flight) == "Draw"
    probe = is_slow(room, drawing, helper)
    assert kind(probe) == "Identify"
    assert not future.done()
    helper.ends(identified(probe, COPY))
    assert future.result(0).data == shown.data
    assert flight.state is State.AT_WORK, "it goes on until it is in the way"
    drawing.shows(drawn(flight))
    drawing.ends(identified(flight, COPY))
    assert (future.result(0).data, room.stored()) == (shown.data, 1)
    seen = room.service.submit_page_image(document, 3, width_px=100)
    assert seen.cancel()
    assert document.is_likely_stored, "its other pages are identified first"


def test_a_slow_page_that_is_not_stored_is_waited_for(room: Room) -> None:
    future = room.ask()
    flight = room.worker.takes()
    helper = room.hands.worker()
    helper.ends(identified(is_slow(room, room.worker, helper), PAPER))
    assert not future.done()
    room.worker.shows(drawn(flight))
    assert future.result(0).width_px == 100
    room.worker.ends(identified(flight, PAPER))
    assert room.stored() == room.service.statistics().renders == 1


def test_of_one_document_one_slow_page_is_looked_for(room: Room) -> None:
    room.ask(0)
    room.worker.takes()
    helper = room.hands.worker()
    is_slow(room, room.worker, helper)
    helper.ends(error=RenderFailed("unknown", page=0))
    room.ask(1)
    other = room.hands.worker()
    other.takes()
    helper.begins_to_take()
    wait_until(room.service.parts.dispatcher.has_idle_worker, "nobody is free")
    other.is_slow()
    assert helper.takes_at_most(0.05) is None


def test_nobody_is_called_from_other_work_to_look_for_a_slow_page(room: Room) -> None:
    room.ask()
    room.worker.takes()
    room.worker.is_slow()
    assert room.service.parts.dispatcher.counts() == (0, 1)


def test_what_is_drawn_though_it_is_stored_is_kept_once(room: Room) -> None:
    shown = room.draw()
    puts = room.store.puts
    document = opened(room.service, room.hands, COPY)
    future = room.service.submit_page_image(document, 0, width_px=100)
    flight = room.worker.takes()
    room.worker.shows(drawn(flight))
    room.worker.ends(identified(flight, COPY))
    assert future.result(0).data == shown.data
    room.service.parts.flush()
    assert room.store.puts == puts


# Leases: a record that another process makes is not made here.


def test_what_nobody_else_made_is_drawn_without_a_second_look(room: Room) -> None:
    room.identify_all()
    looks = len(room.store.looked_for)
    future = room.ask()
    flight = room.worker.takes()
    assert len(room.store.looked_for) == looks + 1
    assert room.store.lent.held == room.store.looked_for[-1:]
    room.worker.ends(drawn(flight))
    future.result(0)
    room.service.parts.flush()
    assert len(room.store.looked_for) == looks + 1
    assert room.store.lent.held == []


def test_what_was_made_here_since_the_look_is_not_made_again(room: Room) -> None:
    """By a flight that landed between the look of a request and its own flight."""
    room.identify_all()
    future = room.ask()
    keeper = room.service.parts.images.keeper
    at = room.service.parts.images.whole_page(room.document, 0, 100)
    key = keeper.key(at.request)
    assert key is not None
    keeper.store.put(key, Record(record_of(at.request.spec), PAPER.pages[0].content_id, 0.1))
    assert room.worker.takes_at_most(0.1) is None
    assert future.result(0).width_px == 100
    assert room.service.statistics().renders == 0


def test_a_lease_is_let_go_when_the_record_can_be_found_and_not_before(room: Room) -> None:
    room.identify_all()
    future = room.ask()
    flight = room.worker.takes()
    [key] = room.store.lent.held
    with room.store.slowly:
        room.worker.ends(drawn(flight))
        assert future.result(0).width_px == 100, "nobody waits for the store"
        assert room.store.lent.held == [key]
        assert room.store.statistics().records == 0
    wait_until(lambda: room.store.lent.held == [], "it is not let go")
    assert room.store.contains(key)


def test_a_record_that_another_process_made_since_the_look_is_found(room: Room) -> None:
    room.identify_all()
    future = room.ask()
    room.is_made_elsewhere(room.store.looked_for[-1])
    room.worker.begins_to_take()
    wait_until(lambda: bool(room.store.lent.waiting), "it does not look again")
    room.store.lent.let_go()
    assert future.result(10).width_px == 100
    assert room.worker.waits, "no worker has drawn it"
    assert room.service.statistics().renders == 0
    assert room.service.statistics().latency["disk"].count == 1
    assert room.store.lent.held == []


def test_a_record_that_another_process_is_making_is_waited_for_aside(room: Room) -> None:
    room.identify_all()
    aside = room.ask(0)
    key = room.store.looked_for[-1]
    room.store.lent.held_elsewhere.add(key)
    other = room.ask(1)
    flight = room.worker.takes()
    assert flight.work.job.page == 1, "no worker waits for it"
    [(waited_for, _, most_s)] = room.store.lent.waiting
    assert (waited_for, most_s) == (key, pytest.approx(TIMEOUT_S, abs=1))
    assert room.service.parts.dispatcher.counts() == (0, 2)
    room.is_made_elsewhere(key)
    room.store.lent.let_go()
    assert aside.result(10).width_px == 100
    room.worker.ends(drawn(flight))
    assert other.result(0).width_px == 100
    assert room.service.statistics().renders == 1


def test_what_another_process_did_not_make_after_all_is_drawn(room: Room) -> None:
    room.identify_all()
    future = room.ask()
    room.store.lent.held_elsewhere.add(room.store.looked_for[-1])
    room.worker.begins_to_take()
    wait_until(lambda: bool(room.store.lent.waiting), "it does not wait")
    room.store.lent.let_go()
    room.worker.ends(drawn(room.worker.takes()))
    assert future.result(0).width_px == 100


def test_a_key_that_another_process_keeps_for_ever_is_drawn_without_it(room: Room) -> None:
    room.identify_all()
    future = room.ask()
    room.store.lent.all_held = True
    room.worker.begins_to_take()
    wait_until(lambda: bool(room.store.lent.waiting), "it does not wait")
    room.store.lent.let_go(is_free=False)
    room.worker.ends(drawn(room.worker.takes()))
    assert future.result(0).width_px == 100
    assert room.store.lent.acquired == 0


def test_who_joins_what_waits_aside_is_told_too(room: Room) -> None:
    room.identify_all()
    first = room.ask()
    room.store.lent.held_elsewhere.add(room.store.looked_for[-1])
    room.worker.begins_to_take()
    wait_until(lambda: bool(room.store.lent.waiting), "it does not wait")
    second = room.ask()
    room.is_made_elsewhere(room.store.looked_for[-1])
    room.store.lent.let_go()
    assert first.result(10) == second.result(10)


def test_a_failure_reaches_everybody_and_lets_go_of_the_lease(room: Room) -> None:
    room.identify_all()
    futures = [room.ask() for _ in range(2)]
    room.worker.takes()
    assert len(room.store.lent.held) == 1
    room.worker.ends(error=RenderFailed("no", page=0))
    assert [str(future.exception(0)) for future in futures] == ["no", "no"]
    assert room.store.lent.held == []
    assert room.service.statistics().failures == 1


def test_what_was_interrupted_and_is_wanted_lets_go_of_the_lease_and_is_drawn_later(room: Room) -> None:
    room.identify_all()
    passed_by = room.ask()
    flight = room.worker.takes()
    assert passed_by.cancel()
    interrupted: list[bool] = []
    room.worker.ages(lambda: interrupted.append(True))
    room.ask(1)
    assert interrupted == [True]
    joined = room.ask()  # its worker is being killed just now
    assert room.worker.ends(error=RequestDropped("dropped while it was being drawn")) == []
    assert room.store.lent.held == []
    again = room.worker.takes()
    assert again is flight, "it keeps its turn"
    room.worker.ends(drawn(again))
    assert joined.result(0).width_px == 100
    assert (room.service.statistics().drops, room.service.statistics().failures) == (0, 0)


# A request that is cancelled, in each state of its flight.


def test_cancelled_in_the_queue_it_is_not_drawn(room: Room) -> None:
    assert room.ask().cancel()
    assert room.service.parts.dispatcher.counts() == (0, 0)
    assert room.worker.takes_at_most(0.05) is None
    assert room.service.statistics().drops == 1


def test_cancelled_while_its_page_is_identified_it_is_not_drawn(room: Room) -> None:
    ahead = room.ask(priority=Priority.NEXT)
    flight = room.worker.takes()
    assert kind(flight) == "Identify"
    assert ahead.cancel()
    assert room.worker.ends(identified(flight, PAPER)) == []
    assert room.document.known_content_id(0) is not None, "what was found out is not lost"
    assert room.service.parts.dispatcher.counts() == (0, 0)


def test_cancelled_at_work_it_is_drawn_to_the_end_and_kept(room: Room) -> None:
    future = room.ask()
    flight = room.worker.takes()
    assert future.cancel()
    room.worker.shows(drawn(flight))
    room.worker.ends(identified(flight, PAPER))
    assert room.stored() == 1
    assert room.ask().result(0).width_px == 100


def test_cancelled_while_another_process_makes_it_it_is_not_drawn(room: Room) -> None:
    room.identify_all()
    future = room.ask()
    room.store.lent.held_elsewhere.add(room.store.looked_for[-1])
    room.worker.begins_to_take()
    wait_until(lambda: bool(room.store.lent.waiting), "it does not wait")
    assert future.cancel()
    assert room.service.parts.dispatcher.counts() == (0, 0)
    room.store.lent.let_go()
    assert room.worker.takes_at_most(0.05) is None


def test_what_was_shown_cannot_be_cancelled(room: Room) -> None:
    future = room.ask()
    flight = room.worker.takes()
    room.worker.shows(drawn(flight))
    assert not future.cancel()
    room.worker.ends(identified(flight, PAPER))
    assert room.stored() == 1


def test_a_cancelled_request_takes_no_other_with_it(room: Room) -> None:
    first, second = room.ask(), room.ask()
    assert first.cancel()
    flight = room.worker.takes()
    room.worker.shows(drawn(flight))
    assert second.result(0).width_px == 100
    room.worker.ends(identified(flight, PAPER))


# A service that is closed, with a flight in each state.


def test_closed_it_fails_what_waits_in_the_queue(room: Room) -> None:
    future = room.ask()
    room.service.close()
    assert isinstance(future.exception(0), sb.ServiceClosed)
    assert room.worker.takes_at_most(5) is None


def test_closed_it_fails_what_another_process_makes(room: Room) -> None:
    room.identify_all()
    future = room.ask()
    room.store.lent.held_elsewhere.add(room.store.looked_for[-1])
    room.worker.begins_to_take()
    wait_until(lambda: bool(room.store.lent.waiting), "it does not wait")
    room.service.close()
    assert isinstance(future.exception(0), sb.ServiceClosed)
    room.store.lent.let_go()
    assert not room.worker.waits or room.worker.takes_at_most(5) is None
    assert room.service.parts.dispatcher.counts() == (0, 0)


@pytest.mark.parametrize("is_drawn_first", [True, False])
def test_closed_it_fails_what_is_at_work_when_its_worker_has_ended(room: Room, *, is_drawn_first: bool) -> None:
    if not is_drawn_first:
        room.identify_all()
    future = room.ask()
    flight = room.worker.takes()
    room.service.close()
    assert room.worker.ends(error=RenderFailed("the service was closed while it was being drawn")) == []
    assert isinstance(future.exception(0), sb.ServiceClosed)
    assert flight.state is State.LANDED
    assert room.store.lent.held == []


def test_closing_waits_a_while_for_what_was_shown_and_keeps_it(room: Room) -> None:
    future = room.ask()
    flight = room.worker.takes()
    room.worker.shows(drawn(flight))
    closing = threading.Thread(target=room.service.close)
    closing.start()
    closing.join(0.1)
    assert closing.is_alive()
    room.worker.ends(identified(flight, PAPER))
    closing.join(10)
    assert not closing.is_alive()
    assert future.result(0).width_px == 100
    assert room.store.puts == 1


def test_closed_it_refuses_everything(room: Room) -> None:
    room.service.close()
    with pytest.raises(sb.ServiceClosed):
        room.ask()
    at = room.service.parts.images.whole_page(room.document, 0, 100)
    assert isinstance(room.service.parts.images.submit(at).exception(0), sb.ServiceClosed)
    assert isinstance(room.service.parts.images.identify(room.document, 0).exception(0), sb.ServiceClosed)


# A store that raises, as it must not.


def test_who_waits_is_told_when_a_record_cannot_be_kept(room: Room, caplog: pytest.LogCaptureFixture) -> None:
    """By a fault of the library: a record too large for its own type, say."""
    room.identify_all()
    future = room.ask()
    room.worker.takes()
    with caplog.at_level(logging.ERROR, "sidebooks_core.images"):
        room.worker.ends(Drawn(None, 0.1, 0.1))  # type: ignore[arg-type]  # no bytes
    assert "could not be kept" in str(future.exception(0))
    assert any("could not be kept" in one.getMessage() for one in caplog.records)
    assert room.store.lent.held == []


def test_the_etag_is_known_before_anything_of_a_page_is(room: Room) -> None:
    images = room.service.parts.images
    at = images.whole_page(room.document, 0, 100)
    tag = images.etag(at)
    assert room.service.parts.dispatcher.counts() == (0, 0)
    assert room.draw().etag == tag
    assert images.etag(at) == tag
    assert room.ask().result(0).etag == tag
    assert tag != images.etag(images.whole_page(room.document, 1, 100))
