"""When a visible page is drawn in bands by two workers."""

from __future__ import annotations

import threading
from collections import OrderedDict, deque

from sidebooks_core.images.dispatch import Dispatcher
from sidebooks_core.images.work import Flight, Work
from sidebooks_core.scheduling.flights import at_work
from sidebooks_core.scheduling.queue import Priority
from sidebooks_core.tiling.raster import RasterSpec
from sidebooks_core.workers.banding import Banding
from sidebooks_core.workers.jobs import Draw, DrawBands, Job

FEWEST_PIXELS = 1 << 21
"""Smallest raster that is drawn in bands: a page for a large screen. Smaller ones seldom cost so much that it pays."""
MOST_PIXELS = 1 << 25
"""Largest one. Each of the two workers may need a canvas of all of it, of three bytes a pixel."""
PAYS_FROM_S = 0.04
"""A page that is expected to cost less is drawn by one worker. Two need 2 to 3 ms to find seams and to agree, and both draw
each glyph once. If their processors share one core, or others are at work, each is half as fast."""
MOST_OF_LIMIT = 4
"""A page may cost this part of its limit. If it cannot be drawn in bands, it is drawn whole in the time that is left."""
PAGES_KNOWN = 4
"""The dearest of so many last pages of a document tells what its next page may cost."""
DOCUMENTS_KNOWN = 256
"""Documents of which the cost is remembered."""
LONGEST_SIDE_PX = 16_384
"""Longest side of a raster that is drawn in bands. The markers of a JPEG count at most 65,535 blocks in a row of blocks."""
FORMATS = ("auto", "png", "jpeg")
"""Formats of one image that can be put together from bands."""


class Helping:
    """Decides for which pages a helper is called, by what pages of their documents cost so far. Thread-safe."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher
        self._costs: OrderedDict[str, deque[float]] = OrderedDict()
        """Seconds a pixel, of the last pages of some documents, by token."""
        self._lock = threading.Lock()

    def note(self, job: Job[object], cost_s: float) -> None:
        """A raster was drawn and encoded, in so many seconds of all workers together."""
        if not isinstance(job, Draw) or (pixels := _pixels(job.spec)) < FEWEST_PIXELS:
            return
        self._dispatcher.tell_seats(lambda seats: seats.note_cost(job, cost_s))
        token = job.document.token
        with self._lock:
            costs = self._costs.setdefault(token, deque(maxlen=PAGES_KNOWN))
            costs.append(cost_s / pixels)
            self._costs.move_to_end(token)
            if len(self._costs) > DOCUMENTS_KNOWN:
                self._costs.popitem(last=False)

    def call(self, flight: Flight) -> None:
        """Have an idle worker help with a flight that a worker is about to begin, if that pays."""
        work, job = flight.work, flight.work.job
        if flight.priority is not Priority.VISIBLE or not isinstance(job, Draw) or not _can_be_cut(job.spec, job.image_format):
            return
        expected_s = self._expected_s(flight.document, _pixels(job.spec))
        if not PAYS_FROM_S <= expected_s <= job.timeout_s / MOST_OF_LIMIT or self._dispatcher.is_suspect(flight.document):
            return
        banding = Banding(job.spec, job.image_format, job.quality, job.timeout_s)
        part = Work(DrawBands.of(job, is_helper=True), work.data, banding=banding)
        if self._dispatcher.call_helper(flight, at_work(flight.document, part, flight.priority)):
            work.banding = banding

    def _expected_s(self, document: str, pixels: int) -> float:
        """The cost of the dearest of the last pages at this size. 0 if none is known."""
        with self._lock:
            return max(self._costs.get(document, ()), default=0.0) * pixels


def _pixels(spec: RasterSpec) -> int:
    return (spec.x1_px - spec.x0_px) * (spec.y1_px - spec.y0_px)


def _can_be_cut(spec: RasterSpec, image_format: str) -> bool:
    width_px, height_px = spec.x1_px - spec.x0_px, spec.y1_px - spec.y0_px
    if not FEWEST_PIXELS <= width_px * height_px <= MOST_PIXELS or max(width_px, height_px) > LONGEST_SIDE_PX:
        return False
    if not spec.is_one_image:
        return spec.y0_px % spec.tile_px == 0 and height_px >= 2 * spec.tile_px
    return image_format in FORMATS
