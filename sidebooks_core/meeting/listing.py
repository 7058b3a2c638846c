"""Notices that meetings begin and end, also those of other processes with the same folder of data."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from sidebooks_core.databases.database import Database
from sidebooks_core.databases.watcher import Watcher

Listener = Callable[[list[str]], None]
"""Takes the ids of meetings that began or ended."""
_log = logging.getLogger("sidebooks_core.meeting")


class Listing:
    """Tells of the meetings under way, from a thread of its own. `close()` it, before the database."""

    def __init__(self, database: Database) -> None:
        """Raises StorageError."""
        self._database = database
        self._lock = threading.Lock()
        self._listeners: list[Listener] = []
        self._known = self._under_way()
        self._watcher = Watcher(database, self._look, "sidebooks-listing")

    def tell(self, listener: Listener) -> None:
        """Call back from now on."""
        with self._lock:
            self._listeners.append(listener)

    def wake(self) -> None:
        """This process has changed something: look at once."""
        self._watcher.wake()

    def close(self) -> None:
        self._watcher.close()

    def _under_way(self) -> frozenset[str]:
        with self._database.reading() as reading:
            return frozenset(reading.all(str, "SELECT id FROM meeting WHERE ended_s IS NULL"))

    def _look(self) -> None:
        before, now = self._known, self._under_way()
        if before == now:  # a state was kept, or somebody came
            return
        self._known = now
        with self._lock:
            listeners = list(self._listeners)
        for listener in listeners:
            try:
                listener(sorted(before ^ now))
            except Exception:  # noqa: BLE001 - one listener's fault must not keep it from the others
                _log.exception("a listener of the list of meetings failed")
