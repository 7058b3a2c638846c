"""Draws some bands of a raster, beside other workers that draw the rest, and encodes them.

Each worker takes its next band from a pipe that all of them read: the kernel gives every band to one of them. So a worker that
begins late, or is slow, draws fewer bands, and nobody waits for more than the band that it is at.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from sidebooks_core.documents.problems import IMAGE_PROBLEMS, of_warnings
from sidebooks_core.encoding.band_pixels import BandPixels
from sidebooks_core.encoding.bands import MOST_BANDS
from sidebooks_core.encoding.cutting import record_of
from sidebooks_core.engine.drawing import draw, draw_rows, fit_lines
from sidebooks_core.engine.messages import take_messages
from sidebooks_core.engine.seams import ROW_STEP_PX, Bands, bands_of
from sidebooks_core.engine.store import forget_unpacked
from sidebooks_core.errors import RenderFailed
from sidebooks_core.worker.sheets import Sheet
from sidebooks_core.workers.answers import BandsDrawn, BandsEncoded
from sidebooks_core.workers.jobs import DrawBands, EncodeBands


class BandDrawer:
    """The bands that this process draws. It holds their pixels until they are encoded, or until it draws others."""

    def __init__(self) -> None:
        self._pipe: int | None = None
        self._held: BandPixels | None = None

    def take_from(self, pipe: int) -> None:
        """Take the bands of the next job from a pipe. It holds the numbers of bands, one byte each. This closes it."""
        self._close()
        self._pipe = pipe

    def draw(self, job: DrawBands, sheet: Sheet, *, grey: bool) -> BandsDrawn:
        """Draw bands until none is left. Raises the engine's errors, and RenderFailed if no pipe was given."""
        self._held = None
        started_s = time.perf_counter()
        spec = job.spec
        fit_lines(sheet.display_list, spec.scale)
        bands = bands_of(
            sheet.display_list,
            spec.scale,
            (spec.y0_px, spec.y1_px),
            MOST_BANDS,
            ROW_STEP_PX if spec.is_one_image else spec.tile_px,
        )
        drawn: dict[int, NDArray[np.uint8]] = {}
        take_messages()
        if not sheet.problems:
            box_px = (spec.x0_px, spec.y0_px, spec.x1_px, spec.y1_px)
            for top_px, bottom_px in self._taken(bands, spec.y1_px - spec.y0_px, is_helper=job.is_helper):
                rows_px = (spec.y0_px + top_px, spec.y0_px + bottom_px)
                if bands.are_clipped:
                    drawn[top_px] = draw(
                        sheet.display_list, spec.scale, (spec.x0_px, rows_px[0], spec.x1_px, rows_px[1]), grey=grey
                    )
                else:
                    drawn[top_px] = draw_rows(sheet.display_list, spec.scale, box_px, rows_px, grey=grey)
        self._close()
        found = of_warnings(take_messages(), is_drawing=True)
        if not IMAGE_PROBLEMS.isdisjoint(found):
            forget_unpacked()  # so the next drawing reports the problem, too
        is_sound = not found and not sheet.problems
        if not is_sound:
            drawn.clear()
        if drawn and spec.is_one_image:
            self._held = BandPixels(drawn, spec.y1_px - spec.y0_px)
        tiled = {} if spec.is_one_image else drawn
        return BandsDrawn(
            tops_px=bands.tops_px,
            drawn_px=tuple(sorted(drawn)),
            seen=None if self._held is None else self._held.see(),
            records={top: record_of(pixels, spec.tile_px, job.image_format, job.quality) for top, pixels in tiled.items()},
            is_sound=is_sound,
            draw_s=time.perf_counter() - started_s,
        )

    def encode(self, job: EncodeBands) -> BandsEncoded:
        """Encode the bands that were drawn last. They can be encoded again by another plan.

        Raises RenderFailed if none are held, and RequestError if the plan is not for them.
        """
        if self._held is None:
            raise RenderFailed("no bands are held")
        started_s = time.perf_counter()
        return BandsEncoded(self._held.encoded(job.plan, job.quality), time.perf_counter() - started_s)

    @property
    def is_holding(self) -> bool:
        """Whether pixels are held that nobody may want any more."""
        return self._held is not None

    def forget(self) -> None:
        """Let go of the pixels."""
        self._held = None

    def _taken(self, bands: Bands, height_px: int, *, is_helper: bool) -> Iterator[tuple[int, int]]:
        """The rows of the bands that this worker takes: the first, and the one after the last."""
        if self._pipe is None:
            raise RenderFailed("no pipe of bands was given")
        if len(bands.tops_px) == 1:
            if not is_helper:
                yield 0, height_px
            return
        ends_px = (*bands.tops_px[1:], height_px)
        while taken := os.read(self._pipe, 1):
            if taken[0] < len(ends_px):
                yield bands.tops_px[taken[0]], ends_px[taken[0]]

    def _close(self) -> None:
        if self._pipe is not None:
            os.close(self._pipe)
            self._pipe = None
