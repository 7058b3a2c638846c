"""When a visible page is drawn in bands by two workers."""

from __future__ import annotations

from sidebooks_core.images.dispatch import Dispatcher
from sidebooks_core.images.requests import Request
from sidebooks_core.images.work import Flight, Work
from sidebooks_core.scheduling.flights import at_work
from sidebooks_core.scheduling.queue import Priority
from sidebooks_core.tiling.raster import RasterSpec
from sidebooks_core.workers.banding import Banding
from sidebooks_core.workers.jobs import Draw, DrawBands

FEWEST_PIXELS = 1 << 19
"""Smallest raster that is drawn in bands. Two workers need about a millisecond more than one to agree."""
MOST_PIXELS = 1 << 25
LONGEST_SIDE_PX = 16_384
FORMATS = ("auto", "png", "jpeg")
"""Formats whose images can be put together from bands."""


def call_helper(dispatcher: Dispatcher, flight: Flight, request: Request) -> None:
    """Have an idle worker help with a flight that a worker is about to begin, if that pays."""
    work, job = flight.work, flight.work.job
    if flight.priority is not Priority.VISIBLE or not isinstance(job, Draw) or not _can_be_cut(job.spec, job.image_format):
        return
    banding = Banding(job.spec, job.image_format, job.quality)

    def part_of(begins_at_once: bool) -> Flight:
        banding.has_helper = begins_at_once
        part = DrawBands(
            document=job.document,
            timeout_s=job.timeout_s,
            page=job.page,
            spec=job.spec,
            is_helper=True,
            may_draw_twice=begins_at_once,
        )
        return at_work(flight.document, Work(part, work.data, banding=banding), flight.priority)

    if dispatcher.call_helper(flight, part_of):
        work.banding = banding


def _can_be_cut(spec: RasterSpec, image_format: str) -> bool:
    width_px, height_px = spec.x1_px - spec.x0_px, spec.y1_px - spec.y0_px
    is_one_image = (
        spec.tile_px >= max(width_px, height_px) and spec.x0_px % spec.tile_px == 0 and spec.y0_px % spec.tile_px == 0
    )
    is_large = FEWEST_PIXELS <= width_px * height_px <= MOST_PIXELS
    return is_one_image and is_large and max(width_px, height_px) <= LONGEST_SIDE_PX and image_format in FORMATS
