"""Pages that are not tried again for a while, since each try may cost a worker."""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable
from typing import ClassVar

from msgspec import Struct, field

from sidebooks_core.errors import PageError, RenderFailed, RenderTimeout
from sidebooks_core.workers.jobs import NoWorker

QUARANTINE_S = 60.0
QUARANTINE_PAGES = 1024
"""The most pages that are remembered. The oldest go first."""
FAILURES_TO_QUARANTINE = 2
"""A worker may die for a reason that is not its page, so one failure proves nothing. One overrun is enough."""
OVERRUNS_TO_QUARANTINE = 4
"""If a page overran at this number of scales within QUARANTINE_S, it is refused at every scale."""


class _Failures(Struct):
    """The failures of one page."""

    until_s: float
    error: PageError
    count: int = 0
    """The number of failures that were not overruns."""
    overran: dict[float, tuple[float, PageError]] = field(default_factory=dict)
    """By the scale of a raster that overran: the end of the refusal at this scale, and the error."""


class Quarantine:
    """Pages that are refused, by their names: at the scale at which they overran, or at all scales. Thread-safe.

    A small raster may be the slow one, so an overrun says nothing about another scale. But each overrun occupies a worker for
    the whole time limit. So the page is refused at all scales if it overran at several.
    """

    _refusals: ClassVar[weakref.WeakSet[PageError]] = weakref.WeakSet()
    """The errors with which all quarantines refused requests. They are not counted as failures of a page."""

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        """now_s: the clock, in seconds."""
        self._now_s = now_s
        self._lock = threading.Lock()
        self._failures: dict[str, _Failures] = {}

    def note(self, page: str, scale: float, error: PageError) -> None:
        """A raster of a page failed at a scale, in pixels per point."""
        if not isinstance(error, RenderFailed | RenderTimeout) or isinstance(error, NoWorker) or error in self._refusals:
            return
        now_s = self._now_s()
        with self._lock:
            failures = self._failures.pop(page, None) or _Failures(0.0, error)
            while len(self._failures) >= QUARANTINE_PAGES:
                self._failures.pop(next(iter(self._failures)))
            self._failures[page] = failures
            failures.until_s = now_s + QUARANTINE_S
            if isinstance(error, RenderTimeout):
                failures.overran = {one: told for one, told in failures.overran.items() if told[0] > now_s}
                failures.overran[scale] = failures.until_s, error
            else:
                failures.count += 1
                failures.error = error

    def refusal(self, page: str, scale: float) -> PageError | None:
        """Why a raster of a page is not tried now."""
        with self._lock:
            failures = self._failures.get(page)
            if failures is None:
                return None
            now_s = self._now_s()
            if failures.until_s <= now_s:
                del self._failures[page]
                return None
            until_s, error = failures.until_s, failures.error
            if failures.count < FAILURES_TO_QUARANTINE:
                lasting = {one: told for one, told in failures.overran.items() if told[0] > now_s}
                told = lasting.get(scale) or (
                    max(lasting.values(), key=lambda one: one[0]) if len(lasting) >= OVERRUNS_TO_QUARANTINE else None
                )
                if told is None:
                    return None
                until_s, error = told
        what = f"{error.message} (not tried again for {until_s - now_s:.0f} s)"
        refusal = type(error)(what, document_id=error.document_id, page=error.page)
        self._refusals.add(refusal)
        return refusal
