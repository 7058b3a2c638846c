"""Copies the logs of databases into them: of all processes that have a database open, one does.

A writer that copies the log itself keeps its caller waiting, and with several processes each of them does so. Here a thread
copies it, so the log stays short: see `COPY_BYTES` and `CUT_BYTES`. If that process ends, another one goes on.
"""

from __future__ import annotations

import logging
import threading

from sidebooks_core.databases.database import Database
from sidebooks_core.databases.files import log_bytes
from sidebooks_core.databases.lock import ProcessLock, try_lock
from sidebooks_core.errors import StorageError

LOOK_EVERY_S = 0.5
COPY_BYTES = 2 << 20
"""A log that is longer is copied. Then who writes next begins it anew, unless somebody reads in it."""
CUT_BYTES = 32 << 20
"""A log that is longer is cut: others wait a quarter of a second for it at most. It may grow while somebody reads for long."""
_log = logging.getLogger("sidebooks_core.databases")


class Checkpointer:
    """The thread for one database. `close()` it before the database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock: ProcessLock | None = None
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None
        if database.path is not None:
            self._thread = threading.Thread(target=self._run, name=f"sidebooks-log-{database.path.stem}", daemon=True)
            self._thread.start()

    @property
    def is_mine(self) -> bool:
        """Whether it is this one that copies the log."""
        return self._lock is not None

    def close(self) -> None:
        self._ending.set()
        if self._thread is not None:
            self._thread.join(5)
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def _run(self) -> None:
        while not self._ending.wait(LOOK_EVERY_S):
            try:
                self._look()
            except (StorageError, OSError):
                if not self._ending.is_set():
                    _log.exception("the log of %s could not be copied; it is tried again", self._database.path)

    def _look(self) -> None:
        path = self._database.path
        if path is None:
            return
        if self._lock is None:
            self._lock = try_lock(path.with_name(f"{path.name}-checkpoint.lock"))
        if self._lock is None:
            return
        size = log_bytes(path)
        if size > CUT_BYTES:
            self._database.cut_log()
        elif size > COPY_BYTES:
            self._database.copy_log()
