"""Writes the audit in batches, from a thread, so that no reader waits for the disk.

- What waits is written within a fraction of a second, and when the recorder is closed. A process that is killed loses no more.
  What changes something must not be lost: it is written in its own transaction, before it is answered.
- If it cannot be written, since the disk is full for example, that is logged as an error and tried again. Meanwhile what
  waits is kept, up to a bound; beyond it, `put` raises. If the process ends before that, it is written to the log.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict, deque
from collections.abc import Callable

from msgspec import to_builtins

from sidebooks_core.access import audit
from sidebooks_core.access.audit import ONCE, Entry
from sidebooks_core.access.model import AccessLimits, Clock
from sidebooks_core.databases.database import Database
from sidebooks_core.errors import StorageError, StorageFailed

TICK_S = 30.0
"""How often upkeep is done if there is nothing to write."""
GATHER_S = 0.1
"""How long what comes is gathered before it is written."""
RETRY_S = 2.0
AT_ONCE = 500
REMEMBERED = 20_000
"""Openings that are remembered, so that each page that is read asks no database."""
_log = logging.getLogger("sidebooks_core.audit")


class Recorder:
    """Keeps entries until they are written. `close()` it."""

    def __init__(self, database: Database, limits: AccessLimits, clock: Clock, upkeep: Callable[[], None]) -> None:
        """upkeep: called from the thread from time to time; may raise StorageError."""
        self._database = database
        self._limits = limits
        self._clock = clock
        self._upkeep = upkeep
        self._waiting: deque[Entry] = deque()
        self._opened: OrderedDict[tuple[str, str, str, int | None], float] = OrderedDict()
        self._draining = threading.Lock()
        self._wake = threading.Condition()
        self._closed = False
        self._logged_s: float | None = None
        self._thread = threading.Thread(target=self._run, name="sidebooks-audit", daemon=True)
        self._thread.start()

    def put(self, entry: Entry) -> None:
        """Have an entry written soon. Never waits for the disk. Raises StorageFailed if too many wait already."""
        with self._wake:
            if self._closed:
                raise StorageFailed("the audit was closed")
            if entry.operation in ONCE and self._is_known(entry):
                return
            if len(self._waiting) >= self._limits.audit_queue:
                raise StorageFailed("the audit cannot be written, and no more entries can wait: see the log for the reason")
            self._waiting.append(entry)
            if entry.operation in ONCE:
                self._remember(entry)
            if len(self._waiting) == 1:
                self._wake.notify_all()

    def flush(self) -> None:
        """Write all that waits now. Raises StorageError."""
        while True:
            with self._draining:
                batch = [self._waiting[number] for number in range(min(AT_ONCE, len(self._waiting)))]
                if not batch:
                    return
                with self._database.writing() as writing:
                    head = audit.append(writing, batch, self._limits)
                with self._wake:
                    for _ in batch:
                        self._waiting.popleft()
            self.tell_head(head)

    def tell_head(self, head: str, *, is_last: bool = False) -> None:
        """Write the head to the log, unless that was done a short time ago."""
        now_s = self._clock.steady()
        with self._wake:
            if not is_last and self._logged_s is not None and now_s - self._logged_s < self._limits.audit_head_every_s:
                return
            self._logged_s = now_s
        _log.info("audit head %s", head)

    def close(self) -> None:
        """Write what waits. What cannot be written goes to the log, as errors."""
        with self._wake:
            if self._closed:
                return
            self._closed = True
            self._wake.notify_all()
        self._thread.join()
        try:
            self.flush()
            self._upkeep()
            with self._database.reading() as reading:
                self.tell_head(audit.head(reading), is_last=True)
        except StorageError:
            _log.exception("the audit cannot be written at the end; what was not written follows")
            for entry in self._waiting:
                _log.error("not in the audit: %s", to_builtins(entry))

    def _run(self) -> None:
        delay_s = GATHER_S
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._closed or self._waiting, TICK_S)
                self._wake.wait_for(lambda: self._closed, delay_s)
                if self._closed:
                    return
            try:
                self.flush()
                self._upkeep()
                delay_s = GATHER_S
            except StorageError:
                delay_s = RETRY_S
                _log.exception("the audit cannot be written; %d entries wait, and it is tried again", len(self._waiting))

    def _is_known(self, entry: Entry) -> bool:
        at_s = self._opened.get(entry.opening())
        return at_s is not None and 0 <= entry.at_s - at_s < self._limits.opened_every_s

    def _remember(self, entry: Entry) -> None:
        self._opened[entry.opening()] = entry.at_s
        self._opened.move_to_end(entry.opening())
        while len(self._opened) > REMEMBERED:
            self._opened.popitem(last=False)
