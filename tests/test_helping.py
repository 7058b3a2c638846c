"""When an idle worker helps with a page: by what pages of the document cost, and never while another reader waits."""

from __future__ import annotations

import pytest
from by_hand import Worker
from quiet import wait_until

from sidebooks_core.documents.reference import DocumentRef
from sidebooks_core.images.dispatch import Dispatcher
from sidebooks_core.images.helping import FEWEST_PIXELS, MOST_OF_LIMIT, MOST_PIXELS, PAGES_KNOWN, PAYS_FROM_S, Helping
from sidebooks_core.images.work import Flight, Work
from sidebooks_core.scheduling.queue import Priority
from sidebooks_core.tiling.raster import RasterSpec
from sidebooks_core.workers.jobs import Draw, DrawBands, Identify, ReadWords

LIMIT_S = 4.0


def ref(token: str) -> DocumentRef:
    return DocumentRef(token=token, name="a.pdf", path=b"/a.pdf", file_state=(1, 2, 3))


def drawing(width_px: int = 1500, height_px: int = 2000, image_format: str = "auto") -> Draw:
    spec = RasterSpec.whole_page(1.0, width_px, height_px)
    return Draw(document=ref("a"), timeout_s=LIMIT_S, page=0, spec=spec, image_format=image_format, quality=85)


class Room:
    """A lead that takes a page of document "a", and a worker that holds "a" and waits."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.dispatcher = Dispatcher(100, lambda: self.now_s)
        self.helping = Helping(self.dispatcher)
        self.lead = Worker(self.dispatcher, "a")
        self.helper = Worker(self.dispatcher, "a", can_help=True)

    def taken(self, job: Draw, priority: Priority = Priority.VISIBLE) -> Flight:
        """The lead's flight."""
        self.dispatcher.ask("page", Work(job, None), priority)
        return self.lead.takes()

    def waits(self, worker: Worker) -> None:
        before = self.dispatcher.idle_count()
        worker.begins_to_take()
        wait_until(lambda: self.dispatcher.idle_count() > before, "it does not wait")

    def is_helped(self, job: Draw | None = None, priority: Priority = Priority.VISIBLE) -> bool:
        """Whether the idle worker is called."""
        flight = self.taken(job or drawing(), priority)
        self.waits(self.helper)
        self.helping.call(flight)
        is_called = flight.work.banding is not None
        if is_called:
            part = self.helper.takes().work.job
            assert isinstance(part, DrawBands)
            assert part.is_helper
        assert is_called or self.helper.waits
        self.dispatcher.close()
        return is_called


@pytest.fixture
def room() -> Room:
    return Room()


def test_a_page_that_is_likely_to_cost_much_is_shared(room: Room) -> None:
    room.helping.note(drawing(), 0.05)
    assert room.is_helped()


def test_nobody_helps_with_a_document_of_which_no_cost_is_known(room: Room) -> None:
    assert not room.is_helped()


@pytest.mark.parametrize("cost_s", [PAYS_FROM_S * 0.9, LIMIT_S / MOST_OF_LIMIT * 1.1])
def test_nobody_helps_where_it_does_not_pay_or_leaves_no_time(room: Room, cost_s: float) -> None:
    room.helping.note(drawing(), cost_s)
    assert not room.is_helped()


def test_the_cost_is_that_of_the_dearest_of_the_last_pages_by_their_pixels(room: Room) -> None:
    room.helping.note(drawing(), PAYS_FROM_S)
    for _ in range(PAGES_KNOWN - 1):
        room.helping.note(drawing(), 0.0)
    assert room.is_helped(drawing(1600, 2000)), "it has more pixels"


def test_dear_pages_are_forgotten(room: Room) -> None:
    room.helping.note(drawing(), 0.05)
    for _ in range(PAGES_KNOWN):
        room.helping.note(drawing(), 0.0)
    assert not room.is_helped()


@pytest.mark.parametrize(
    "job",
    [
        drawing(1000, FEWEST_PIXELS // 1000 - 1),
        drawing(10_000, MOST_PIXELS // 10_000 + 1),
        drawing(image_format="webp"),
        drawing(image_format="compact"),
    ],
)
def test_nobody_helps_with_what_cannot_be_put_together(room: Room, job: Draw) -> None:
    room.helping.note(drawing(), 0.05)
    assert not room.is_helped(job)


@pytest.mark.parametrize("priority", [one for one in Priority if one is not Priority.VISIBLE])
def test_nobody_helps_with_a_page_that_nobody_looks_at(room: Room, priority: Priority) -> None:
    room.helping.note(drawing(), 0.05)
    assert not room.is_helped(priority=priority)


def test_a_worker_that_must_open_the_document_does_not_help(room: Room) -> None:
    room.helping.note(drawing(), 0.05)
    room.helper.held.clear()
    assert not room.is_helped()


def test_nobody_helps_with_a_document_that_cost_a_worker(room: Room) -> None:
    room.helping.note(drawing(), 0.05)
    flight = room.taken(drawing())
    room.dispatcher.leave(flight, has_lost_worker=True)
    room.dispatcher.land(flight)
    assert not room.is_helped()


def test_nobody_helps_while_another_readers_page_waits(room: Room) -> None:
    """It waits for the worker that holds its document. If that takes long, the idle worker is free for it."""
    other = Worker(room.dispatcher, "b")
    room.dispatcher.ask(
        "slice", Work(Identify(document=ref("b"), page=0, stop=9, timeout_s=1.0, budget_s=0.005), None), Priority.BULK
    )
    slice_of_b = other.takes()
    room.now_s += 0.05
    room.dispatcher.opened(slice_of_b, 0.05)
    room.helping.note(drawing(), 0.05)
    flight = room.taken(drawing())
    room.waits(room.helper)
    room.dispatcher.ask("seen", Work(ReadWords(document=ref("b"), page=0, timeout_s=1.0), None), Priority.VISIBLE)
    assert room.dispatcher.counts()[0] == 1, "it waits"
    room.helping.call(flight)
    assert flight.work.banding is None
    room.now_s += 1.0
    assert room.helper.takes().names == ["seen"]


def test_another_readers_page_goes_to_the_spare_while_two_workers_share_one(room: Room) -> None:
    room.helping.note(drawing(), 0.05)
    flight = room.taken(drawing())
    room.waits(room.helper)
    spare = Worker(room.dispatcher, is_spare=True)
    room.waits(spare)
    room.helping.call(flight)
    assert isinstance(room.helper.takes().work.job, DrawBands)
    room.dispatcher.ask("seen", Work(ReadWords(document=ref("b"), page=0, timeout_s=1.0), None), Priority.VISIBLE)
    assert spare.takes().names == ["seen"]
