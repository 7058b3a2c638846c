"""A thread that does something when it is due, and again if it fails."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

RETRY_S = 2.0
_log = logging.getLogger("sidebooks_core.databases")


class DueWork:
    """Does its work whenever it is due, from a thread of its own. `close()` it."""

    def __init__(self, work: Callable[[], object], name: str, failing: str) -> None:
        """work: does all that is due; if it fails, it is called again after RETRY_S. name: of the thread. failing: what is
        amiss then, for the log.
        """
        self._work = work
        self._failing = failing
        self._wake = threading.Condition()
        self._is_due = self._closed = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def soon(self) -> None:
        """There is something to do. It never waits."""
        with self._wake:
            self._is_due = True
            self._wake.notify_all()

    def close(self) -> bool:
        """Begin nothing more, and wait for what is being done. Whether it was open; safe to call again."""
        with self._wake:
            was_open, self._closed = not self._closed, True
            self._wake.notify_all()
        self._thread.join()
        return was_open

    def _run(self) -> None:
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._closed or self._is_due)
                if self._closed:
                    return
                self._is_due = False
            try:
                self._work()
            except Exception:  # noqa: BLE001 - whatever it was, what is due is still due
                _log.exception("%s; it is tried again in %s s", self._failing, RETRY_S)
                with self._wake:
                    self._wake.wait_for(lambda: self._closed, RETRY_S)
                    self._is_due = True
