"""Tells listeners in this process of changes, also of those that other processes make."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from sidebooks_core.databases.database import Database
from sidebooks_core.errors import StorageError
from sidebooks_core.shelf import changes
from sidebooks_core.shelf.model import Change

LOOK_EVERY_S = 0.05
"""How often another process's changes are looked for. A look reads one number that all processes share, and no page."""
AT_ONCE = 1000
"""Changes that are read in one step."""

Listener = Callable[[list[Change]], None]
_log = logging.getLogger("sidebooks_core.shelf")


class Feed:
    """The listeners of a shelf. Each change is told once, in order. `close()` it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        with database.reading() as reading:
            self._told = changes.last_change(reading)
        self._listeners: list[Listener] = []
        self._changed = threading.Condition()
        self._is_awake = self._closed = False
        self._thread = threading.Thread(target=self._run, name="sidebooks-feed", daemon=True)
        self._thread.start()

    @property
    def last(self) -> int:
        """The number of the last change that was told."""
        return self._told

    def tell(self, listener: Listener) -> None:
        """Call back with changes from now on, from a thread of the feed."""
        with self._changed:
            self._listeners.append(listener)

    def wake(self) -> None:
        """This process has changed something: tell it at once."""
        with self._changed:
            self._is_awake = True
            self._changed.notify_all()

    def wait(self, since: int, timeout_s: float) -> bool:
        """Wait until there is a change after a number. False if there was none within the time."""
        with self._changed:
            return self._changed.wait_for(lambda: self._closed or self._told > since, timeout_s) and self._told > since

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if threading.current_thread() is not self._thread:
            self._thread.join(5)

    def _run(self) -> None:
        seen: int | None = None
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or self._is_awake, LOOK_EVERY_S)
                if self._closed:
                    return
                was_awake, self._is_awake = self._is_awake, False
            try:
                version = self._database.version()
                if was_awake or version != seen:
                    self._tell_new()
                seen = version
            except StorageError:
                if not self._closed:
                    _log.exception("the feed of the shelf cannot be read; it is tried again")

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
