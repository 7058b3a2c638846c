"""Access: who may come in, who may see what, and who has done what. It knows no HTTP."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from sidebooks_core.access import audit, people, sealing, sessions
from sidebooks_core.access.accounts import Accounts
from sidebooks_core.access.audit import Entry, TakenOver
from sidebooks_core.access.core import Core, Who
from sidebooks_core.access.guests import Guests
from sidebooks_core.access.known_rows import GUEST
from sidebooks_core.access.logins import Logins
from sidebooks_core.access.model import AccessLimits, AuditRow, Clock, PaperReader, What
from sidebooks_core.access.operations import Operation
from sidebooks_core.access.policy import FolderPolicy, Grant
from sidebooks_core.access.sharing import Sharing
from sidebooks_core.access.tokens import ID
from sidebooks_core.errors import RequestError

AUDIT_ROWS = 1000


class Access(Accounts, Logins, Guests, Sharing):
    """People, logins, links, codes of meetings, grants, signed addresses and the audit of one folder of data.

    Thread-safe; several processes may have the same folder open. `close()` it.
    A change is on the disk, and in the audit, when its method returns; all methods that change something raise StorageFailed.
    """

    def __init__(self, data_dir: Path | str | None, limits: AccessLimits | None = None, *, clock: Clock | None = None) -> None:
        """data_dir: made if it is not there; a local disk. None: everything is kept in memory.

        Raises RequestError, StorageFailed, StorageDamaged.
        """
        core = Core(None if data_dir is None else Path(data_dir), limits or AccessLimits(), clock or Clock())
        Accounts.__init__(self, core)
        Logins.__init__(self, core)
        Guests.__init__(self, core)
        Sharing.__init__(self, core)

    # Who may see what

    def grants(self, folder_id: str) -> tuple[Grant, ...] | None:
        """Who may see a folder. Empty: admins and clerks only. None: as the folder that holds it. Never waits."""
        return self._core.known.policy.grants.get(folder_id)

    def set_grants(self, folder_id: str, grants: Collection[Grant] | None, *, who: Who = "") -> None:
        """Say who may see a folder; see `grants`. Raises RequestError."""
        if not folder_id:
            raise RequestError("a grant needs a folder")
        text = None if grants is None else msgspec.json.encode(tuple(grants)).decode()
        with self._core.changing() as change:
            change.writing.run("DELETE FROM folder_grants WHERE folder = ?", folder_id)
            if text is not None:
                try:
                    msgspec.json.decode(text, type=tuple[Grant, ...])
                except msgspec.ValidationError as fault:
                    raise RequestError(f"these are no grants: {fault}") from fault
                change.writing.run("INSERT INTO folder_grants VALUES (?, ?)", folder_id, text)
            told = "as the folder that holds it" if grants is None else _told(grants)
            change.note(who, Operation.CHANGE_ACCESS, f"folder {folder_id}: {told}")

    def policy(self) -> FolderPolicy:
        """The policy by the grants of now. Never waits."""
        return self._core.known.policy

    def name_of(self, principal_id: str) -> str:
        """What a person is called, or a guest as long as their login lasts; empty for anybody else. Raises StorageError.

        It reads for a person who is disabled, and waits for nothing else.
        """
        name = self._core.known.name_of(principal_id)
        if name or principal_id.startswith(GUEST):
            return name
        with self._core.database.reading() as reading:
            return people.shown_name(reading, principal_id)

    def ended_guests(self, principal_ids: Iterable[str]) -> list[str]:
        """Those of some ids that are of guests whose login has ended. Raises StorageError.

        Ids that no login of this folder of data can have are left out: they are of somebody else, or of guests of another
        folder. It reads: another process may have let a guest in, of whom this one has not been told.
        """
        with self._core.database.reading() as reading:
            ours = f"{GUEST}{sessions.guest_beginning(reading)}"
            logins = [one.removeprefix(GUEST) for one in principal_ids if one.startswith(ours)]
            return [f"{GUEST}{one}" for one in logins if ID.fullmatch(one) and not sessions.is_there(reading, one)]

    def tell(self, listener: Callable[[], None]) -> None:
        """Call back, from a thread, after principals or grants changed, also by another process: within 200 ms."""
        self._core.tell(listener)

    def seal(self, content: bytes, lasts_s: float) -> str:
        """A text that a browser keeps for the server, and cannot change. It is not secret."""
        return sealing.seal(*self._core.known.signing_key(), content, self._core.clock.wall() + lasts_s)

    def unseal(self, sealed: str) -> bytes | None:
        """What was sealed here; None if it was not, or if its time is over."""
        return sealing.unseal(sealed, self._core.known.keys(), self._core.clock.wall())

    # The audit

    def audit(self, operation: str, *, who: Who, what: What | str = "", address: str = "", detail: str = "") -> None:
        """Have the audit say who did what. Never waits: it is written within a second, and when this is closed.

        For what reads. What changes something is told by `audit_now`; the methods of this class do so themselves.
        what: a text is a paper's id. "opened" and "read_original" are kept once per person, paper and revision within an hour.
        Raises StorageFailed if so many entries wait, since the disk is full for example, that no more can.
        """
        self._core.recorder.put(audit.entry(self._core.clock.wall(), who, operation, what, address, detail))

    def audit_now(self, operation: str, *, who: Who, what: What | str = "", address: str = "", detail: str = "") -> None:
        """The same, but it is on the disk when this returns. Raises StorageFailed."""
        entries = [audit.entry(self._core.clock.wall(), who, operation, what, address, detail)]
        with self._core.database.writing() as writing:
            head = audit.append(writing, entries, self._core.limits)
        self._core.recorder.tell_head(head)

    def take_over(self, read: Callable[[TakenOver], tuple[TakenOver, Sequence[Entry]]]) -> bool:
        """Append what another store notes, each entry once and in order, whatever process calls this. Whether anything came.

        read: called with the place up to which the audit has the entries; returns the new place, and the entries between the
        two. The entries and the new place are written in one transaction. Raises StorageFailed, and what `read` raises.
        """
        with self._core.database.writing() as writing:
            before = audit.taken_over(writing)
            now, entries = read(before)
            if now == before:
                return False
            head = audit.append(writing, entries, self._core.limits)
            audit.set_taken_over(writing, now)
        self._core.recorder.tell_head(head)
        return True

    def flush(self) -> None:
        """Write what waits for the audit. Raises StorageFailed."""
        self._core.recorder.flush()

    def audit_rows(
        self,
        *,
        since_s: float | None = None,
        until_s: float | None = None,
        paper: str = "",
        person: str = "",
        after: int = 0,
        limit: int = AUDIT_ROWS,
    ) -> list[AuditRow]:
        """Rows of the audit, in order: the newest `limit` of them, or if `after` is told, the first that have a higher number.

        since_s, until_s: times. paper: an id. person: an id or a name.
        """
        wanted = audit.Wanted(since_s, until_s, paper, person, after)
        with self._core.database.reading() as reading:
            return audit.rows(reading, wanted, limit)

    def audit_head(self) -> str:
        """The number and the hash of the last row, as "12:9f86…". Keep it elsewhere: see `verify_audit`."""
        with self._core.database.reading() as reading:
            return audit.head(reading)

    def verify_audit(self, head: str | None = None) -> list[str]:
        """What is wrong with the audit, in words; empty if nothing is.

        head: one that was kept elsewhere, or stands in the log. Without it, it is not seen if the newest rows were taken away,
        or if all were written anew. Raises RequestError if it is no head.
        """
        with self._core.database.reading() as reading:
            return audit.faults(reading, head)

    def readers(self, paper_id: str) -> list[PaperReader]:
        """Who opened a paper, as far as `audit` was told: whoever opened it first comes first."""
        with self._core.database.reading() as reading:
            return audit.readers(reading, paper_id)

    # The end

    def back_up(self, folder: Path | str) -> None:
        """Copy everything but logins, signed addresses and their keys into a folder, from which `Access` opens it.

        Others may use it meanwhile. Logins are left out, so that none that was ended comes back with the copy; keys, so that
        nobody who has the copy makes signed addresses. `Access` makes new keys if it opens the copy.
        Raises FileExistsError, StorageFailed.
        """
        self._core.back_up(Path(folder))

    def close(self) -> None:
        """Write what waits, and let go of the data. Safe to call again."""
        self._core.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.close()


def _told(grants: Iterable[Grant]) -> str:
    """Grants in words."""
    return ", ".join(f"{grant.kind} {grant.subject} may {grant.right}" for grant in grants) or "closed"
