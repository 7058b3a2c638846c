"""What the parts of `Access` share: the database, the copy in memory, the audit, and the thread that notices changes."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sidebooks_core.access import addresses, attempts, audit, keys, known_rows, links, sessions
from sidebooks_core.access.audit import Entry
from sidebooks_core.access.known import Known
from sidebooks_core.access.model import AccessLimits, Clock, What
from sidebooks_core.access.principals import Principal
from sidebooks_core.access.recorder import Recorder
from sidebooks_core.access.schema import ACCESS
from sidebooks_core.databases.checkpointer import Checkpointer
from sidebooks_core.databases.database import Database, Writing
from sidebooks_core.databases.watcher import Watcher

DATABASE_NAME = "access.sqlite3"
UPKEEP_EVERY_S = 600.0
LEFT_OUT = ("signed_address", "session", "setup", "signing_key", "changed")
"""Tables that a backup does not have. Whoever has an old one must not log in with it, nor make signed addresses."""
Who = Principal | str
"""Who does something: a principal, or a name for what no principal does, such as a command."""
_log = logging.getLogger("sidebooks_core.access")


class Changing:
    """A transaction that changes something, together with its rows of the audit."""

    def __init__(self, writing: Writing, now_s: float) -> None:
        self.writing = writing
        self.now_s = now_s
        self.entries: list[Entry] = []

    def note(self, who: Who, operation: str, detail: str = "", *, address: str = "", what: What | str = "") -> None:
        """Have the audit say it, if the transaction is kept."""
        self.entries.append(audit.entry(self.now_s, who, operation, what, address, detail))


class Core:
    """`close()` it."""

    def __init__(self, data_dir: Path | None, limits: AccessLimits, clock: Clock) -> None:
        self.limits = limits
        self.clock = clock
        self._listeners: list[Callable[[], None]] = []
        self.database = Database(None if data_dir is None else data_dir / DATABASE_NAME, ACCESS)
        try:
            self._keep_up()
            self.known = Known(self.database, limits, clock)
        except BaseException:
            self.database.close()
            raise
        self._next_upkeep_s = clock.steady() + UPKEEP_EVERY_S
        self._told_version = self.known.version
        self.recorder = Recorder(self.database, limits, clock, self._upkeep)
        self._watcher = Watcher(self.database, self._look, "sidebooks-access")
        self._checkpointer = Checkpointer(self.database)

    @contextmanager
    def changing(self) -> Iterator[Changing]:
        """A transaction. When this ends without an error, the change is on the disk, in the audit, and known here."""
        with self.database.writing() as writing:
            change = Changing(writing, self.clock.wall())
            yield change
            _bump(writing)
            head = audit.append(writing, change.entries, self.limits) if change.entries else None
        self.known.refresh()
        self._watcher.wake()
        if head is not None:
            self.recorder.tell_head(head)

    def tell(self, listener: Callable[[], None]) -> None:
        self._listeners.append(listener)

    def back_up(self, folder: Path) -> None:
        self.recorder.flush()
        target = folder / DATABASE_NAME
        self.database.back_up(target)
        copy = Database(target, ACCESS)
        try:
            with copy.writing() as writing:
                for table in LEFT_OUT:
                    writing.run(f"DELETE FROM {table}")
            copy.cut_log()
        finally:
            copy.close()

    def close(self) -> None:
        self._checkpointer.close()
        self._watcher.close()
        self.recorder.close()
        self.database.close()

    def _look(self) -> None:
        """Something was written, perhaps by another process."""
        self.known.refresh()
        version = self.known.version
        if version == self._told_version:  # the audit grew, or logins were used
            return
        self._told_version = version
        for listener in list(self._listeners):
            try:
                listener()
            except Exception:  # noqa: BLE001 - one listener's fault must not end the others
                _log.exception("a listener of the access failed")

    def _upkeep(self) -> None:
        seen = self.known.take_seen()
        if seen:
            with self.database.writing() as writing:
                sessions.set_seen(writing, seen)
        if self.clock.steady() >= self._next_upkeep_s:
            self._next_upkeep_s = self.clock.steady() + UPKEEP_EVERY_S
            self._keep_up()
            self.known.refresh()

    def _keep_up(self) -> None:
        """Remove what is over, and make a new key in time."""
        now_s = self.clock.wall()
        with self.database.writing() as writing:
            known_rows.forget_changes(writing)
            ended = sessions.end_expired(writing, self.limits, now_s) + links.end_expired(writing, now_s)
            ended += addresses.end_expired(writing, now_s)
            attempts.forget_old(writing, now_s)
            if keys.rotate(writing, now_s) or ended:
                _bump(writing)


def _bump(writing: Writing) -> None:
    writing.run("UPDATE about SET version = version + 1")
