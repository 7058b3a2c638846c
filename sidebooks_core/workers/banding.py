"""One raster that several workers draw in bands, as the threads that serve these workers share it.

The worker that has the flight is the lead; the others help. Each draws bands until none is left, and tells what they show. Then
all encode their bands by one plan, and the lead's thread puts the image together. If a helper fails, or a page has a problem,
the lead draws the page as a whole. A lead never waits for a helper that has not begun.
"""

from __future__ import annotations

import os
import threading

from sidebooks_core.encoding.bands import (
    FLAT_KIND,
    MOST_BANDS,
    Encoded,
    Plan,
    Seen,
    is_missed_picture,
    joined,
    jpeg_plan,
    plan_of,
)
from sidebooks_core.encoding.tileset import PackedTile, RecordUnreadable, pack, stacked
from sidebooks_core.tiling.raster import RasterSpec
from sidebooks_core.workers import wire
from sidebooks_core.workers.answers import BandsDrawn, BandsEncoded, Drawn


class Banding:
    """The bands of one raster. Thread-safe."""

    def __init__(self, spec: RasterSpec, image_format: str, quality: int) -> None:
        """image_format: "auto", "png" or "jpeg" for a raster that is one image; any for one that is cut into tiles."""
        self.spec = spec
        self.quality = quality
        self.image_format = image_format
        self._pipe: int | None = None
        self._condition = threading.Condition()
        self._tops_px: tuple[int, ...] = ()
        self._owners: dict[int, int] = {}
        """Who has drawn which band."""
        self._seen: dict[int, Seen] = {}
        self._records: dict[int, bytes] = {}
        self._encoded: dict[int, Encoded] = {}
        self._plan: Plan | None = None
        self._seconds = [0.0, 0.0]
        self._has_failed = False
        self._is_done = False
        self._is_closed = False

    def pipe(self) -> int | None:
        """A descriptor of the pipe that holds the numbers of the bands, for one more worker. None: it is too late.

        The caller closes it.
        """
        with self._condition:
            if self._has_failed or self._is_closed:
                return None
            if self._pipe is None:
                self._pipe, end = os.pipe()
                os.write(end, bytes(range(MOST_BANDS)))
                os.close(end)
            return os.dup(self._pipe)

    def drew(self, worker: int, answer: BandsDrawn) -> Plan | None:
        """A worker has drawn its bands. Waits for all other bands. None: give up; else the plan by which it encodes its own.

        worker: a number for it. A worker that drew nothing need not wait, and has nothing to encode.
        """
        with self._condition:
            if not answer.is_sound or (self._tops_px and answer.tops_px != self._tops_px):
                self._fail()
            self._tops_px = answer.tops_px
            for top_px in answer.drawn_px:
                if self._owners.setdefault(top_px, worker) != worker:
                    self._fail()
            self._seconds[0] += answer.draw_s
            if self._has_failed or not answer.drawn_px:
                return None
            self._records.update(answer.records)
            if answer.seen is None:
                self._condition.notify_all()
                return None
            self._seen[worker] = answer.seen
            if len(self._owners) == len(self._tops_px) and self._plan is None:
                self._plan = self._planned()
                self._condition.notify_all()
            self._condition.wait_for(lambda: self._plan is not None or self._has_failed)
            return None if self._has_failed or self._is_flat else self._plan

    def encoded(self, worker: int, answer: BandsEncoded) -> Plan | None:
        """A worker has encoded its bands. Waits for the others. Returns another plan if the image came out too large."""
        with self._condition:
            if set(answer.bands) != {top_px for top_px, owner in self._owners.items() if owner == worker}:
                self._fail()
            plan = self._plan
            self._encoded.update(answer.bands)
            self._seconds[1] += answer.encode_s
            if len(self._encoded) == len(self._tops_px) and not self._has_failed and plan is not None:
                if self._may_lose and is_missed_picture(plan, list(self._encoded.values())):
                    self._plan, self._encoded = jpeg_plan(list(self._seen.values())), {}
                else:
                    self._is_done = True
                self._condition.notify_all()
            self._condition.wait_for(lambda: self._is_done or self._has_failed or self._plan is not plan)
            return None if self._is_done or self._has_failed else self._plan

    def drawn(self) -> Drawn | None:
        """The raster, for the lead. Waits for bands that others have. None: it could not be drawn in bands."""
        with self._condition:
            if not self.spec.is_one_image:
                return self._stacked()
            self._condition.wait_for(lambda: self._has_failed or self._is_done or self._is_flat)
            plan = self._plan
            if self._has_failed or plan is None:
                return None
            encoded = [self._encoded[top_px] for top_px in self._tops_px] if plan.kind != FLAT_KIND else []
            draw_s, encode_s = self._seconds
        width_px, height_px = self._size_px
        data, media_type = joined(plan, encoded, width_px, height_px)
        return Drawn(pack([PackedTile(data, media_type, width_px, height_px)], columns=1), draw_s, encode_s)

    def _stacked(self) -> Drawn | None:
        """The raster from the records of its bands. Waits for those that are not there yet."""
        self._condition.wait_for(lambda: self._has_failed or len(self._records) == len(self._tops_px))
        if self._has_failed or not self._records:
            return None
        try:
            record = stacked([self._records[top_px] for top_px in self._tops_px])
        except RecordUnreadable as error:
            raise wire.WireBroken(str(error)) from error
        return Drawn(record, *self._seconds)

    def fail(self) -> None:
        """A worker was lost, or had an error: nobody waits any more."""
        with self._condition:
            self._fail()

    def close(self) -> None:
        """The lead has its answer. No other worker begins."""
        with self._condition:
            self._is_closed = True
            if self._pipe is not None:
                os.close(self._pipe)
                self._pipe = None

    @property
    def _size_px(self) -> tuple[int, int]:
        return self.spec.x1_px - self.spec.x0_px, self.spec.y1_px - self.spec.y0_px

    @property
    def _is_flat(self) -> bool:
        """The image has one colour, and is made without the workers."""
        return self._plan is not None and self._plan.kind == FLAT_KIND

    @property
    def _may_lose(self) -> bool:
        return self.image_format != "png"

    def _planned(self) -> Plan:
        seen = list(self._seen.values())
        return jpeg_plan(seen) if self.image_format == "jpeg" else plan_of(seen, *self._size_px, may_lose=self._may_lose)

    def _fail(self) -> None:
        self._has_failed = True
        self._condition.notify_all()
