"""One raster that two workers draw in bands, as the threads that serve these workers share it.

The worker that has the flight is the lead; the other one helps. Each draws bands until none is left, and tells what they show.
Then both encode their bands by one plan, and the thread of the lead puts the image together. If a helper fails, or a page has
a problem, the lead draws the page as a whole. A lead never waits for a helper that has not begun, and nobody waits for one that
has left.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable

from sidebooks_core.encoding.bands import (
    FLAT_KIND,
    MOST_BANDS,
    Encoded,
    Plan,
    Seen,
    flatness_of,
    is_missed_picture,
    joined,
    jpeg_plan,
    plan_of,
)
from sidebooks_core.encoding.tileset import PackedTile, RecordUnreadable, pack, stacked
from sidebooks_core.encoding.worth import lossless_pays
from sidebooks_core.tiling.raster import RasterSpec
from sidebooks_core.workers import wire
from sidebooks_core.workers.answers import BandsDrawn, BandsEncoded, Drawn

LOOK_S = 0.25
"""How often a thread that waits for another one looks whether its own worker was taken away. Others wake it at once."""

IsLost = Callable[[], bool]


class Banding:
    """The bands of one raster. Thread-safe."""

    def __init__(self, spec: RasterSpec, image_format: str, quality: int, timeout_s: float) -> None:
        """image_format: "auto", "png" or "jpeg" for a raster that is one image; any for one that is cut into tiles.

        timeout_s: the longest wait of one worker for the others.
        """
        self.spec = spec
        self._timeout_s = timeout_s
        self._present = 0
        """Workers that take part now."""
        self._lossless: tuple[Plan, dict[int, Encoded]] | None = None
        """The image as it came out larger than expected, while it is encoded as a picture."""
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

        The caller closes it, and calls `leave` in the end.
        """
        with self._condition:
            if self._has_failed or self._is_closed:
                return None
            try:
                if self._pipe is None:
                    self._pipe, end = os.pipe()
                    os.write(end, bytes(range(MOST_BANDS)))
                    os.close(end)
                pipe = os.dup(self._pipe)
            except OSError:  # no descriptors are left: one worker needs none
                self._fail()
                return None
            self._present += 1
            return pipe

    def leave(self) -> None:
        """A worker takes part no more."""
        with self._condition:
            self._present -= 1
            self._condition.notify_all()

    def drew(self, worker: int, answer: BandsDrawn, is_lost: IsLost) -> Plan | None:
        """A worker has drawn its bands. Waits for all other bands. None: give up; else the plan by which it encodes its own.

        worker: a number for it. A worker that drew nothing need not wait, and has nothing to encode. is_lost: whether its
        process was taken away, which is looked at now and then.
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
            if answer.seen is not None:
                self._seen[worker] = answer.seen
            self._condition.notify_all()
            if not self.spec.is_one_image:
                return None
            if len(self._owners) == len(self._tops_px) and self._plan is None:
                self._plan = self._planned()
            self._wait(lambda: self._plan is not None, is_lost)
            return None if self._has_failed or self._is_flat else self._plan

    def encoded(self, worker: int, answer: BandsEncoded, is_lost: IsLost) -> Plan | None:
        """A worker has encoded its bands. Waits for the others. Returns another plan if the image came out too large."""
        with self._condition:
            if set(answer.bands) != {top_px for top_px, owner in self._owners.items() if owner == worker}:
                self._fail()
            plan = self._plan
            self._encoded.update(answer.bands)
            self._seconds[1] += answer.encode_s
            if len(self._encoded) == len(self._tops_px) and not self._has_failed and plan is not None:
                self._judge(plan)
                self._condition.notify_all()
            self._wait(lambda: self._is_done or self._plan is not plan, is_lost)
            return None if self._is_done or self._has_failed else self._plan

    def _judge(self, plan: Plan) -> None:
        """All bands are encoded: the image is done, or is encoded as a picture as well, and the better one is taken."""
        self._is_done = True
        if self._lossless is not None:
            lossless, encoded = self._lossless
            if lossless_pays(_bytes_of(encoded), _bytes_of(self._encoded), *self._pixels_and_flatness):
                self._plan, self._encoded = lossless, encoded
        elif self._may_lose and is_missed_picture(plan, list(self._encoded.values())):
            self._lossless, self._is_done = (plan, self._encoded), False
            self._plan, self._encoded = jpeg_plan(list(self._seen.values())), {}

    def drawn(self, is_lost: IsLost) -> Drawn | None:
        """The raster, for the lead. Waits for bands that others have. None: it could not be drawn in bands.

        Raises WireBroken if the records of tiles do not fit the raster.
        """
        with self._condition:
            if self.spec.is_one_image:
                self._wait(lambda: self._is_done or self._is_flat, is_lost)
            else:
                self._wait(lambda: bool(self._tops_px) and len(self._records) == len(self._tops_px), is_lost)
            if self._has_failed:
                return None
            plan, seconds = self._plan, tuple(self._seconds)
            encoded = [self._encoded[top_px] for top_px in self._tops_px if top_px in self._encoded]
        if not self.spec.is_one_image:
            return Drawn(self._stacked(), *seconds)
        if plan is None:
            return None
        width_px, height_px = self._size_px
        data, media_type = joined(plan, encoded, width_px, height_px)
        return Drawn(pack([PackedTile(data, media_type, width_px, height_px)], columns=1), *seconds)

    def _stacked(self) -> bytes:
        """The record of the raster from those of its bands."""
        width_px, height_px = self._size_px
        side_px = self.spec.tile_px
        widths_px = [min(side_px, width_px - left) for left in range(0, width_px, side_px)]
        ends_px = (*self._tops_px[1:], height_px)
        sizes_px = [
            [(width, min(side_px, end - top)) for top in range(first, end, side_px) for width in widths_px]
            for first, end in zip(self._tops_px, ends_px, strict=True)
        ]
        try:
            return stacked([self._records[top_px] for top_px in self._tops_px], sizes_px, len(widths_px))
        except RecordUnreadable as error:
            raise wire.WireBroken(str(error)) from error

    def fail(self) -> None:
        """A worker was lost, or had an error: nobody waits any more."""
        with self._condition:
            self._fail()

    def close(self) -> None:
        """The lead has its answer, or will have none. No other worker begins. May be called again."""
        with self._condition:
            self._is_closed = True
            if not self._is_done:
                self._fail()
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

    @property
    def _pixels_and_flatness(self) -> tuple[int, float]:
        width_px, height_px = self._size_px
        return width_px * height_px, flatness_of(list(self._seen.values()))

    def _wait(self, is_so: Callable[[], bool], is_lost: IsLost) -> None:
        """Wait for the others. Fails if they have left, if this worker is lost, or if it takes too long."""
        deadline_s = time.monotonic() + self._timeout_s
        while not (is_so() or self._has_failed):
            if self._present < 2 or is_lost() or time.monotonic() >= deadline_s:
                self._fail()
                return
            self._condition.wait(LOOK_S)

    def _fail(self) -> None:
        self._has_failed = True
        self._condition.notify_all()


def _bytes_of(bands: dict[int, Encoded]) -> int:
    return sum(len(band.data) for band in bands.values())
