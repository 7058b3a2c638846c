"""The screens that papers are read on: sizes that readers have told, or in which they asked for pages. New papers are drawn
ahead for them.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress

from msgspec import Struct

from sidebooks_core.databases.database import Database, Reading
from sidebooks_core.errors import RequestError
from sidebooks_core.images.finding import Images
from sidebooks_core.images.requests import Request
from sidebooks_core.service import Document

MOST_SCREENS = 2
"""Sizes for which papers are drawn ahead, at most. A council buys one model of tablet, and some read on their own."""
LEAST_SHARE = 0.2
"""Of what was asked for. Sizes that are rarer come of windows that were drawn larger, and of pages that were enlarged."""
LEAST_TIMES = 3
"""That a size was seen before whole papers are drawn ahead for it. The server counts a person and a size once an hour."""
MOST_TIMES = 4000
"""Beyond this sum all counts are halved, so that new tablets replace old ones."""
MOST_PIXELS = 1 << 24
MOST_SIZES = 64
"""That are remembered."""


class Asked(Struct, frozen=True, array_like=True):
    """A size in which pages were asked for."""

    width_px: int
    height_px: int
    times: int


def chosen(asked: Sequence[Asked]) -> list[tuple[int, int]]:
    """The sizes, (width, height) in pixels, for which papers are drawn ahead; the commonest comes first."""
    least = max(LEAST_TIMES, LEAST_SHARE * sum(one.times for one in asked))
    common = sorted((one for one in asked if one.times >= least), key=lambda one: (-one.times, one.width_px, one.height_px))
    return [(one.width_px, one.height_px) for one in common[:MOST_SCREENS]]


def requests_for(images: Images, document: Document, page: int, sizes: Sequence[tuple[int, int]]) -> list[Request]:
    """A page (from 0) in the sizes of screens, as tablets ask for it. Those over the limit of the settings are left out."""
    found: list[Request] = []
    for width_px, height_px in sizes:
        with suppress(RequestError):
            found.append(images.whole_page(document, page, width_px, height_px).request)
    return found


def faded(asked: Sequence[Asked]) -> list[Asked]:
    """The same, with counts that are halved until their sum is no more than `MOST_TIMES`, and without the rarest sizes."""
    left = list(asked)
    while sum(one.times for one in left) > MOST_TIMES:
        left = [Asked(one.width_px, one.height_px, one.times // 2) for one in left if one.times > 1]
    return sorted(left, key=lambda one: (-one.times, one.width_px, one.height_px))[:MOST_SIZES]


class Screens:
    """Counts sizes, in the database so that all processes know them. Thread-safe."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._new: Counter[tuple[int, int]] = Counter()
        with database.reading() as reading:
            self._known: Counter[tuple[int, int]] = _counted(reading)

    def commonest(self) -> list[tuple[int, int]]:
        """The sizes that were asked for most, however few readers there are: for the first page of a paper. It never waits."""
        with self._lock:
            counts = self._known + self._new
        least = LEAST_SHARE * counts.total()
        return [size_px for size_px, times in counts.most_common(MOST_SCREENS) if times >= least]

    def seen(self, width_px: int, height_px: int) -> None:
        """Somebody has a screen of this size, or has asked for a page in it. It never waits.

        Sizes of no more than `MOST_PIXELS` count.
        """
        if min(width_px, height_px) < 1 or width_px * height_px > MOST_PIXELS:
            return
        with self._lock:
            if len(self._new) >= MOST_SIZES and (width_px, height_px) not in self._new:
                del self._new[min(self._new, key=self._new.__getitem__)]
            self._new[width_px, height_px] += 1

    def chosen(self) -> list[tuple[int, int]]:
        """See the function of this name; with what was seen until now. Raises StorageError."""
        self.keep()
        with self._lock:
            return chosen([Asked(*size_px, times) for size_px, times in self._known.items()])

    def keep(self) -> None:
        """Write down what was seen, and read what other processes have. Raises StorageError."""
        with self._lock:
            new, self._new = self._new, Counter()
        if not new:
            with self._database.reading() as reading:
                known = _counted(reading)
            with self._lock:
                self._known = known
            return
        with self._database.writing() as writing:
            counts = _counted(writing) + new
            writing.run("DELETE FROM screen")
            kept = faded([Asked(*size, times) for size, times in counts.items()])
            writing.run_each("INSERT INTO screen VALUES (?, ?, ?)", [(one.width_px, one.height_px, one.times) for one in kept])
        with self._lock:
            self._known = Counter({(one.width_px, one.height_px): one.times for one in kept})


def _counted(reading: Reading) -> Counter[tuple[int, int]]:
    asked = reading.all(Asked, "SELECT width_px, height_px, times FROM screen")
    return Counter({(one.width_px, one.height_px): one.times for one in asked})
