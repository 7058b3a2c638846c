"""A worker that encodes a bulk raster has its next job already; and bulk requests share the identification of their pages."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from by_hand import Hands, LeasingStore, Worker, drawn, identified, opened, record_of
from hostile_worker import hostile
from msgspec.structs import replace
from processes import Watched, processes
from quiet import wait_idle
from taken_over import starter_of

import sidebooks_core as sb
from sidebooks_core.images.work import Flight
from sidebooks_core.scheduling.flights import State
from sidebooks_core.scheduling.queue import Priority
from sidebooks_core.stores.record import Record
from sidebooks_core.testing import FakeDocument
from sidebooks_core.workers.jobs import Draw, Identify, ReadText, WorkerConfig
from sidebooks_core.workers.pool import WorkerPool

PAPER = FakeDocument.of_pages(6)
OTHER = replace(PAPER, note="another", pages=tuple(replace(page, words=("other",)) for page in PAPER.pages))
BULK = Priority.BULK


class Room:
    """A service whose workers are the test's hands, with one open document whose pages are identified."""

    def __init__(self) -> None:
        self.hands = Hands()
        self.store = LeasingStore()
        settings = sb.Settings(cache_dir=None, workers=2)
        self.service = sb.TileService(settings, store=self.store, pool=self.hands.pool)
        self.worker = self.hands.worker()
        self.document = self.opened(PAPER)

    def opened(self, paper: FakeDocument) -> sb.Document:
        """A document that the worker holds, identified."""
        document = opened(self.service, self.hands, paper, self.worker)
        document.content_ids.learn(0, [page.content_id for page in paper.pages])
        self.worker.held.add(document.ref.token)
        return document

    def ask(self, page: int, priority: Priority = BULK, document: sb.Document | None = None) -> Future[sb.Tile]:
        return self.service.submit_page_image(document or self.document, page, width_px=100, priority=priority)

    def ahead(self, flight: Flight) -> Flight | None:
        """What the worker gets when it tells that the raster of a flight is drawn."""
        taken: Flight | None = self.hands.source.take_ahead(self.worker.held, flight)
        return taken


@pytest.fixture
def room() -> Iterator[Room]:
    made = Room()
    with made.service:
        yield made


def page_of(flight: Flight | None) -> int | None:
    """The page that a flight draws."""
    return None if flight is None or flight.work.request is None else flight.work.request.page


def do(worker: Worker, flight: Flight) -> None:
    """Let a worker end a flight that it has taken ahead."""
    worker.flight = flight
    worker.ends(drawn(flight))


def test_the_next_bulk_flight_is_taken_ahead_in_its_turn(room: Room) -> None:
    told = [room.ask(page) for page in range(3)]
    first = room.worker.takes()
    second = room.ahead(first)
    assert (page_of(first), page_of(second)) == (0, 1)
    assert second is not None
    assert second.state is State.AT_WORK
    room.worker.ends(drawn(first))
    third = room.ahead(second)
    assert page_of(third) == 2
    do(room.worker, second)
    assert third is not None
    assert room.ahead(third) is None, "nothing waits"
    do(room.worker, third)
    assert [one.result(0).width_px for one in told] == [100] * 3
    assert room.service.statistics().renders == 3


def test_only_bulk_rasters_are_told_of_when_they_are_drawn(room: Room) -> None:
    for priority in (Priority.VISIBLE, Priority.NEXT, Priority.PREVIEW, BULK):
        room.ask(int(priority), priority)
        job = room.worker.takes().work.job
        assert isinstance(job, Draw)
        assert job.tells_drawn == (priority is BULK)


def test_a_visible_page_is_drawn_between_two_bulk_pages(room: Room) -> None:
    room.ask(0)
    room.ask(1)
    first = room.worker.takes()
    visible = room.ask(4, Priority.VISIBLE)
    following = room.ahead(first)
    assert (page_of(following), following and following.priority) == (4, Priority.VISIBLE)
    room.worker.ends(drawn(first))
    assert following is not None
    do(room.worker, following)
    assert visible.result(0).width_px == 100
    assert page_of(room.worker.takes()) == 1


def test_nothing_is_taken_ahead_of_a_visible_page_of_another_document(room: Room) -> None:
    other = room.opened(OTHER)
    room.ask(0)
    room.ask(1)
    first = room.worker.takes()
    room.ask(0, Priority.VISIBLE, other)
    assert room.ahead(first) is None
    room.worker.ends(drawn(first))
    assert room.worker.takes().document == other.ref.token
    assert page_of(room.hands.worker().takes()) == 1


def test_two_documents_in_bulk_take_turns_as_before(room: Room) -> None:
    other = room.opened(OTHER)
    for document in (room.document, other):
        room.ask(0, document=document)
    room.ask(1)
    first = room.worker.takes()
    assert room.ahead(first) is None, "it is the turn of the other document"
    room.worker.ends(drawn(first))
    assert room.worker.takes().document == other.ref.token


def test_nothing_is_taken_ahead_for_what_became_visible(room: Room) -> None:
    """The spare may be at it, which is kept for visible pages."""
    room.ask(0)
    room.ask(1)
    first = room.worker.takes()
    room.ask(0, Priority.VISIBLE)
    assert room.ahead(first) is None


def test_a_suspect_document_occupies_one_worker_with_one_page(room: Room) -> None:
    room.ask(0)
    lost = room.hands.worker()
    lost.takes()
    lost.ends(error=sb.RenderFailed("the worker died"), has_lost_worker=True)
    room.ask(1)
    room.ask(2)
    first = room.worker.takes()
    assert room.ahead(first) is None


def test_what_was_stored_meanwhile_is_not_begun(room: Room) -> None:
    told = [room.ask(page) for page in range(3)]
    first = room.worker.takes()
    stored = room.service.parts.images.whole_page(room.document, 1, 100).request
    key = room.service.parts.images.keeper.key(stored)
    assert key is not None
    room.service.parts.images.keeper.store.put(key, Record(record_of(stored.spec), PAPER.pages[1].content_id, 0.1))
    following = room.ahead(first)
    assert page_of(following) == 2
    assert told[1].result(0).width_px == 100
    assert room.service.statistics().renders == 0


def test_a_flight_that_was_not_begun_waits_first_and_without_a_lease(room: Room) -> None:
    told = [room.ask(page) for page in range(3)]
    first = room.worker.takes()
    following = room.ahead(first)
    assert following is not None
    assert len(room.store.lent.held) == 2
    room.hands.source.put_back(following)
    assert (following.state, len(room.store.lent.held)) == (State.QUEUED, 1)
    other = room.hands.worker()
    again = other.takes()
    assert again is following
    other.ends(drawn(again))
    assert told[1].result(0).width_px == 100
    assert page_of(other.takes()) == 2
    assert room.service.statistics().failures == 0


def test_a_flight_that_was_not_begun_and_is_wanted_no_more_is_not_drawn(room: Room) -> None:
    told = [room.ask(page) for page in range(2)]
    first = room.worker.takes()
    following = room.ahead(first)
    assert following is not None
    assert told[1].cancel()
    room.hands.source.put_back(following)
    assert (following.state, room.store.lent.held) == (State.LANDED, [room.store.lent.held[0]])
    assert room.hands.worker().takes_at_most(0.05) is None


def test_who_waits_for_a_flight_that_was_not_begun_is_told_of_the_end(room: Room) -> None:
    told = [room.ask(page) for page in range(2)]
    first = room.worker.takes()
    following = room.ahead(first)
    assert following is not None
    room.service.close()
    assert room.ahead(first) is None
    room.hands.source.put_back(following)
    assert isinstance(told[1].exception(0), sb.ServiceClosed)


def test_a_page_that_was_purged_after_it_was_sent_is_not_kept(room: Room) -> None:
    told = [room.ask(page) for page in range(2)]
    first = room.worker.takes()
    following = room.ahead(first)
    assert following is not None
    room.worker.ends(drawn(first))
    room.service.purge(room.document)
    do(room.worker, following)
    assert told[1].result(0).width_px == 100
    room.service.parts.flush()
    assert room.store.statistics().records == 0


# Identification.


@pytest.fixture
def unknown() -> Iterator[Room]:
    """A room whose document is not identified."""
    made = Room()
    with made.service:
        made.document = opened(made.service, made.hands, replace(PAPER, note="unknown"), made.worker)
        yield made


def test_bulk_requests_share_one_identification(unknown: Room) -> None:
    told = [unknown.ask(page) for page in range(3)]
    flight = unknown.worker.takes()
    job = flight.work.job
    assert isinstance(job, Identify)
    assert (job.page, job.stop) == (0, 6)
    assert unknown.service.parts.dispatcher.counts() == (0, 1), "the others wait for the same"
    unknown.worker.ends(identified(flight, PAPER))
    for page in range(3):
        drawing = unknown.worker.takes()
        assert page_of(drawing) == page
        unknown.worker.ends(drawn(drawing))
    assert all(one.result(0).width_px == 100 for one in told)
    assert unknown.service.statistics().renders == 3


def test_pages_that_an_identification_did_not_reach_are_identified_next(unknown: Room) -> None:
    for page in range(3):
        unknown.ask(page)
    flight = unknown.worker.takes()
    follow_ups = unknown.worker.ends(identified(flight, PAPER)[:1])
    assert [type(one.work.job).__name__ for one in follow_ups] == ["Draw", "Identify", "Identify"]
    other = unknown.hands.worker()
    jobs = [unknown.worker.takes().work.job, other.takes().work.job]
    assert sorted((type(one).__name__, one.page) for one in jobs if isinstance(one, (Draw, Identify))) == [
        ("Draw", 0),
        ("Identify", 1),
    ]
    assert unknown.hands.worker().takes_at_most(0.05) is None, "the third page waits for the second identification"


def test_an_identification_that_is_not_needed_any_more_takes_no_worker(unknown: Room) -> None:
    images = unknown.service.parts.images
    waiting = [images.identify(unknown.document, page, BULK) for page in range(4)]
    flight = unknown.worker.takes()
    unknown.worker.ends(identified(flight, PAPER))
    assert unknown.worker.takes_at_most(0.05) is None
    assert all(one.result(10) is None for one in waiting)


def test_the_identification_of_a_whole_document_waits_for_bulk_work_and_goes_on_after_it(unknown: Room) -> None:
    course = unknown.service.parts.identification.begin(unknown.document)
    assert course is not None
    assert course.priority is Priority.IDLE
    busy = unknown.hands.worker()
    unknown.ask(0, Priority.VISIBLE)
    seen = busy.takes()
    unknown.service.parts.dispatcher.enter([course])
    unknown.service.parts.questions.text(unknown.document, 3, BULK)
    assert isinstance(unknown.hands.worker().takes().work.job, ReadText)
    unknown.service.parts.dispatcher.leave(seen, has_lost_worker=False)
    assert isinstance(unknown.hands.worker().takes().work.job, Identify)


def test_bulk_requests_join_the_identification_of_the_whole_document_which_goes_on(unknown: Room) -> None:
    course = unknown.service.parts.identification.begin(unknown.document)
    assert course is not None
    unknown.service.parts.dispatcher.enter([course])
    unknown.ask(0)
    flight = unknown.worker.takes()
    assert (flight.priority, len(flight.waiting)) == (BULK, 2)
    follow_ups = unknown.worker.ends(identified(flight, PAPER)[:2])
    assert [(type(one.work.job).__name__, one.priority) for one in follow_ups] == [("Draw", BULK), ("Identify", Priority.IDLE)]


# Worker processes.

_PROGRAM = """
import importlib, json, os, select, sys, time
sys.path[:] = json.loads(sys.argv[1])
from sidebooks_core.worker import desk
from sidebooks_core.workers import wire

def receive(stream, *most, whole=wire.receive):
    global requests
    requests = stream
    return whole(stream, *most)

def record_of(*given, whole=desk.record_of):
    if page < {until}:
        assert select.select([requests], [], [], 30)[0], "the next job does not come"
{body}
    return whole(*given)

class Desk(desk.Desk):
    def do(self, job, given):
        global page
        page = job.page if getattr(job, "tells_drawn", False) else {until}
        return super().do(job, given)

wire.receive, desk.record_of = receive, record_of
importlib.import_module("sidebooks_core.worker." + sys.argv[2]).main(Desk)
"""
"""Workers that encode a bulk raster of the pages before `until` when the next job has come."""
WIDTHS = sb.Sizes(levels=[], widths_px=[200])
LAST = 5


def watched(body: str = "    pass", until: int = LAST) -> Watched:
    """Starts such workers, and notes what they are asked. body: lines that run before a raster of `page` is encoded."""
    return Watched(starter_of(_PROGRAM.format(until=until, body=body)))


def prerendered(service: sb.TileService, sample: Path) -> sb.PrerenderReport:
    """Of the first pages, all of which are identified."""
    document = service.open(sample)
    for page in range(LAST + 1):
        document.content_id(page)
    return service.prerender(document, pages=range(LAST + 1), sizes=WIDTHS)


def drawings(starter: Watched) -> list[int]:
    """The pages whose drawing was asked for, sorted."""
    asked = [one.job for jobs in starter.asked.values() for one in jobs]
    return sorted(job.page for job in asked if isinstance(job, Draw))


@pytest.mark.parametrize("is_isolated", [True, False])
def test_a_worker_has_its_next_job_before_it_has_encoded_a_page(sample: Path, is_isolated: bool) -> None:
    starter = watched()
    settings = sb.Settings(cache_dir=None, workers=1, isolation=is_isolated)
    with sb.TileService(settings, pool=processes(starter, settings)) as service:
        report = prerendered(service, sample)
        assert (report.rendered, report.failed) == (LAST + 1, {})
        assert drawings(starter) == list(range(LAST + 1)), "each page once"
        assert service.statistics().renders == LAST + 1
        wait_idle(service)


def test_a_worker_that_dies_takes_one_page_with_it_and_not_the_next_one(sample: Path) -> None:
    starter = watched("    if page == 2: os._exit(3)", until=3)  # then nothing is sent ahead, since the document is suspect
    with sb.TileService(sb.Settings(cache_dir=None, workers=1), pool=processes(starter)) as service:
        report = prerendered(service, sample)
        assert list(report.failed) == [2]
        assert isinstance(report.failed[2], sb.RenderFailed)
        assert (report.rendered, service.statistics().worker_deaths) == (LAST, 1)
        assert drawings(starter) == [0, 1, 2, 3, 3, 4, 5], "the page that was sent ahead was sent again"
        wait_idle(service)


def test_a_page_that_cannot_be_encoded_costs_neither_the_worker_nor_the_next_page(sample: Path) -> None:
    starter = watched("    if page == 2: raise ValueError('no such pixels')")
    with sb.TileService(sb.Settings(cache_dir=None, workers=1), pool=processes(starter)) as service:
        report = prerendered(service, sample)
        assert list(report.failed) == [2]
        assert (report.rendered, service.statistics().worker_deaths) == (LAST, 0)
        assert drawings(starter) == list(range(LAST + 1))


def test_each_page_that_was_sent_ahead_has_its_own_time(sample: Path) -> None:
    settings = sb.Settings(cache_dir=None, workers=1, render_timeout_s=5.0)
    starter = watched("    if page == 3: time.sleep(600)", until=3)
    with sb.TileService(settings, pool=processes(starter)) as service:
        report = prerendered(service, sample)
        assert {page: type(error) for page, error in report.failed.items()} == {3: sb.RenderTimeout}
        assert (report.rendered, service.statistics().worker_deaths) == (LAST, 1)


def test_a_worker_that_grew_too_large_is_replaced_after_the_job_that_it_has(sample: Path) -> None:
    starter = Watched()

    def pool(source: Any, workers: int) -> WorkerPool[Any]:
        config = WorkerConfig(worker_bytes=1 << 30, display_list_bytes=1 << 20, fonts=())
        return WorkerPool(source, config, workers, recycle_bytes=1, starter=starter)

    with sb.TileService(sb.Settings(cache_dir=None, workers=1), pool=pool) as service:
        report = prerendered(service, sample)
        assert (report.rendered, report.failed) == (LAST + 1, {})
        assert service.statistics().worker_deaths == 0
        assert drawings(starter) == list(range(LAST + 1))
        assert max(sum(kind == "Draw" for kind in kinds) for kinds in starter.kinds().values()) <= 2


def test_a_worker_that_tells_twice_of_one_raster_costs_its_page_and_no_other(sample: Path, tmp_path: Path) -> None:
    body = """
if getattr(job, "tells_drawn", False) and job.page == 1:
    yield packb({"is_drawn": True})
    yield packb({"is_drawn": True})
yield honest()
"""
    with sb.TileService(sb.Settings(cache_dir=None, workers=1), pool=processes(hostile(body, tmp_path / "flag"))) as service:
        report = prerendered(service, sample)
        assert list(report.failed) == [1]
        assert (report.rendered, service.statistics().worker_deaths) == (LAST, 1)
