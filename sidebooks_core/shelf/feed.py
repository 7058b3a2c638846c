"""Tells listeners in this process of changes, also of those that other processes make."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from sidebooks_core.databases.checkpointer import Checkpointer
from sidebooks_core.databases.database import Database
from sidebooks_core.databases.watcher import Watcher
from sidebooks_core.shelf import changes
from sidebooks_core.shelf.model import Change

AT_ONCE = 1000
"""Changes that are read in one step."""

Listener = Callable[[list[Change]], None]
Forgets = Callable[[], None]
"""Forgets what was known of the shelf. It never waits."""
_log = logging.getLogger("sidebooks_core.shelf")


class Feed:
    """The listeners of a shelf. Each change is told once, in order. `close()` it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        with database.reading() as reading:
            self._told = changes.last_change(reading)
        self._listeners: list[Listener] = []
        self._forgetting: list[Forgets] = []
        self._changed = threading.Condition()
        self._closed = False
        self._watcher = Watcher(database, self._tell_new, "sidebooks-feed")
        self._checkpointer = Checkpointer(database)

    @property
    def last(self) -> int:
        """The number of the last change that was told."""
        return self._told

    def tell(self, listener: Listener) -> None:
        """Call back with changes from now on, from a thread of the feed."""
        with self._changed:
            self._listeners.append(listener)

    def forget_with(self, forgets: Forgets) -> None:
        """Call it whenever this process has changed something, in the thread that did, before the change is told to anybody.

        So whoever changed something is never answered from what was known before.
        """
        with self._changed:
            self._forgetting.append(forgets)

    def wake(self) -> None:
        """This process has changed something: tell it at once."""
        with self._changed:
            forgetting = list(self._forgetting)
        for forgets in forgetting:
            forgets()
        self._watcher.wake()

    def wait(self, since: int, timeout_s: float) -> bool:
        """Wait until there is a change after a number. False if there was none within the time."""
        with self._changed:
            return self._changed.wait_for(lambda: self._closed or self._told > since, timeout_s) and self._told > since

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._checkpointer.close()
        self._watcher.close()

    def _tell_new(self) -> None:
        while True:
            with self._database.reading() as reading:
                found = changes.changes(reading, self._told, AT_ONCE)
            if not found:
                return
            with self._changed:
                self._told = found[-1].seq
                listeners = list(self._listeners)
                self._changed.notify_all()
            for listener in listeners:
                try:
                    listener(found)
                except Exception:  # noqa: BLE001 - one listener's fault must not end the feed
                    _log.exception("a listener of the shelf failed")
