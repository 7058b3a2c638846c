"""Says when somebody should ask for the marks of a paper: at once, and then not more than once in a while."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct, field

from sidebooks_core.marks.answers import MarkNews
from sidebooks_core.marks.visibility import Audience

TOLD_EVERY_S = 1.0
"""Of one paper. A pen that writes is many changes, and each event makes all who read the paper ask."""
_log = logging.getLogger("sidebooks_core.server")


class Touched(Struct):
    """Whose marks of a paper have changed."""

    owners: set[str] = field(default_factory=set)
    """These should ask."""
    audiences: set[tuple[Audience, int]] = field(default_factory=set)
    """These too, if they may read the page, from 0: some are shown to them there, or were."""


Tell = Callable[[Mapping[str, Touched]], None]
"""Tells listeners of papers, by id. It may wait."""


class MarkEvents:
    """Gathers what the store tells, and passes it on from a thread of its own. Thread-safe. `close()` it."""

    def __init__(self, tell: Tell, every_s: float = TOLD_EVERY_S, clock: Callable[[], float] = time.monotonic) -> None:
        """every_s: the shortest time between two events about one paper. clock: seconds, never set back."""
        self._tell = tell
        self._every_s = every_s
        self._clock = clock
        self._wake = threading.Condition()
        self._waiting: dict[str, Touched] = {}
        self._quiet_until_s: dict[str, float] = {}
        self._closed = False
        self._thread: threading.Thread | None = None

    def add(self, news: Sequence[MarkNews]) -> None:
        """Marks have changed, here or in another process. It never waits."""
        with self._wake:
            if self._closed:
                return
            for one in news:
                touched = self._waiting.setdefault(one.paper_id, Touched())
                touched.owners.update({one.owner} - {""})
                touched.audiences.update((audience, one.page) for audience in one.audiences)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="sidebooks-mark-events", daemon=True)
                self._thread.start()
            self._wake.notify_all()

    def close(self) -> None:
        """Tell nothing more. Safe to call again."""
        with self._wake:
            self._closed = True
            self._wake.notify_all()
        if self._thread is not None and threading.current_thread() is not self._thread:
            self._thread.join(5)

    def _run(self) -> None:
        while True:
            with self._wake:
                due = self._take_due()
                while not self._closed and not due:
                    self._wake.wait(self._wait_s())
                    due = self._take_due()
                if self._closed:
                    return
            try:
                self._tell(due)
            except Exception:  # noqa: BLE001 - an application's policy may fail; the next change is told all the same
                _log.exception("listeners cannot be told that marks have changed")

    def _take_due(self) -> dict[str, Touched]:
        now_s = self._clock()
        self._quiet_until_s = {paper: until_s for paper, until_s in self._quiet_until_s.items() if until_s > now_s}
        due = {paper: touched for paper, touched in self._waiting.items() if paper not in self._quiet_until_s}
        for paper in due:
            del self._waiting[paper]
            self._quiet_until_s[paper] = now_s + self._every_s
        return due

    def _wait_s(self) -> float | None:
        """Until the next one is due; None: nothing waits."""
        if not self._waiting:
            return None
        return max(0.0, min(self._quiet_until_s.get(paper, 0.0) for paper in self._waiting) - self._clock())
