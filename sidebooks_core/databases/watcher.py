"""A thread that notices changes of a database, also those that other processes make."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from sidebooks_core.databases.database import Database
from sidebooks_core.errors import StorageError

LOOK_EVERY_S = 0.05
"""How often another process's changes are looked for. A look reads one number that all processes share, and no page."""
_log = logging.getLogger("sidebooks_core.databases")


class Watcher:
    """Calls a function, from a thread of its own, after each change of a database. `close()` it."""

    def __init__(self, database: Database, changed: Callable[[], None], name: str) -> None:
        """changed: may raise StorageError; then it is called again. name: of the thread."""
        self._database = database
        self._changed = changed
        self._wake = threading.Condition()
        self._is_awake = self._closed = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """This process has changed something: call at once."""
        with self._wake:
            self._is_awake = True
            self._wake.notify_all()

    def close(self) -> None:
        with self._wake:
            self._closed = True
            self._wake.notify_all()
        if threading.current_thread() is not self._thread:
            self._thread.join(5)

    def _run(self) -> None:
        seen: int | None = None
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._closed or self._is_awake, LOOK_EVERY_S)
                if self._closed:
                    return
                was_awake, self._is_awake = self._is_awake, False
            try:
                version = self._database.version()
                if was_awake or version != seen:
                    self._changed()
                seen = version
            except StorageError:
                seen = None
                if not self._closed:
                    _log.exception("%s cannot be read; it is tried again", self._database.path or "a database in memory")
