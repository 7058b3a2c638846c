"""When a worker lets go of images and fonts that no display list holds, and whose images stay."""

from __future__ import annotations

from collections import deque

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
    """

    def __init__(self) -> None:
        self.last_pages: deque[Place] = deque(maxlen=2)
        """Two, for a spread. Who zooms into them needs their lists and images again."""
        self._growth = Growth(GROWTH_BYTES)
        self._beside: Growth | None = self._growth
        """The growth by other pages. None: it is counted from the next one on."""

    def before_raster(self, place: Place, reach_px: int) -> None:
        """A raster of a page was asked for. A page that is not among the last pages takes its place there.

        reach_px: the last row or column of the raster, counted from the page's origin.
        """
        if reach_px < BEYOND_PREVIEWS_PX:
            return
        is_new = place not in self.last_pages
        if is_new:
            self.last_pages.append(place)
            self._free_grown(self._growth)
        if is_new or self._beside is self._growth:
            self._beside = None

    def at_page(self, place: Place) -> None:
        """A page is read or drawn, perhaps for nobody."""
        if place not in self.last_pages:
            if self._beside is None:
                self._beside = Growth(GROWTH_BYTES)
            self._free_grown(self._beside)

    def settle(self) -> None:
        """All images and fonts were let go: count from what is left."""
        self._growth.settle()
        self._beside = self._growth

    def _free_grown(self, growth: Growth) -> None:
        if growth.look():
            forget_old()
            self.settle()
