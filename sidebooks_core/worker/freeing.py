"""When a worker lets go of what it could make again: images and fonts that no display list holds, and objects of documents."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from sidebooks_core.engine.store import forget_old
from sidebooks_core.worker.memory import Growth
from sidebooks_core.worker.sheets import Place

GROWTH_BYTES = 32 << 20
"""After so much growth a worker lets go of images and fonts that no display list holds. The engine would keep 256 MiB of
images, and any number of fonts: half a MB for each, of which it counts 330 bytes."""
BEYOND_PREVIEWS_PX = 512
"""The long side of a page's preview is shorter. From a shorter raster nobody zooms."""


class Freeing:
    """Lets go when the process has grown, at a moment when nobody needs it soon. It takes 1 to 2 ms for each 32 MiB.

    The last pages that somebody may look at keep their images while other pages are read or drawn for nobody, up to a growth
    of their own. It is counted anew for each of the last pages, so all growth is bound.

    Objects that were read from documents go only while nobody waits: between two jobs for nobody, or without a job.
    """

    def __init__(self, forget_read_objects: Callable[[], None]) -> None:
        """forget_read_objects: has the open documents let go of their objects, if these are many. It takes up to 20 ms for a
        document.
        """
        self.last_pages: deque[Place] = deque(maxlen=2)
        """Two, for a spread. Who zooms into them needs their lists and images again."""
        self._forget_read_objects = forget_read_objects
        self._growth = Growth(GROWTH_BYTES)
        self._beside: Growth | None = self._growth
        """The growth by other pages. None: it is counted from the next one on."""
        self._idle = Growth(GROWTH_BYTES)
        self._has_rested = True

    def before_raster(self, place: Place, reach_px: int) -> None:
        """A raster of a page was asked for. A page that is not among the last pages takes its place there.

        reach_px: the last row or column of the raster, counted from the page's origin.
        """
        self._has_rested = False
        if reach_px < BEYOND_PREVIEWS_PX:
            return
        is_new = place not in self.last_pages
        if is_new:
            self.last_pages.append(place)
            if self._growth.look():
                self._free()
        if is_new or self._beside is self._growth:
            self._beside = None

    def at_page(self, place: Place) -> None:
        """A page is read or drawn, perhaps for nobody."""
        self._has_rested = False
        if place not in self.last_pages:
            if self._beside is None:
                self._beside = Growth(GROWTH_BYTES)
            if self._beside.look():
                self._forget_read_objects()
                self._free()

    @property
    def is_due(self) -> bool:
        """Whether to call `free_idle` if there is no job."""
        return self._idle.has_grown()

    def free_idle(self) -> None:
        """There is no job: let go of objects, and give free memory back. What the last pages need stays."""
        self._forget_read_objects()
        self._settle_idle()

    @property
    def can_rest(self) -> bool:
        """Whether anything was read or drawn since the last `rest`."""
        return not self._has_rested

    def rest(self) -> None:
        """There was no job for a long time: let go of all that no display list holds."""
        self._has_rested = True
        self._forget_read_objects()
        self._free()

    def settle(self) -> None:
        """All images and fonts were let go: count from what is left."""
        self._growth.settle()
        self._beside = self._growth
        self._idle.settle()

    def _settle_idle(self) -> None:
        self._idle.settle()
        for growth in (self._growth, self._beside):
            if growth is not None:
                growth.lower()

    def _free(self) -> None:
        forget_old()
        self.settle()
