"""What must be answered without waiting: who has which login, the grants, the keys. A copy in memory of what the database says.

It is read again after each change, also one of another process.
"""

from __future__ import annotations

import threading
from collections import deque

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from sidebooks_core.access import sessions, signing
from sidebooks_core.access.model import UNKNOWN, AccessLimits, Clock, Unknown
from sidebooks_core.access.policy import FolderPolicy, Grant
from sidebooks_core.access.principals import HOUSE, Principal, Role
from sidebooks_core.access.signing import Ticket
from sidebooks_core.databases.database import Database, Reading

REFUSED = 10_000
"""Tokens that are remembered as not valid."""


class _SessionRow(Struct, frozen=True, array_like=True):
    id: str
    token: str
    person: str | None
    guest_name: str
    begun_s: float
    seen_s: float
    end_s: float
    name: str
    """Of the person or the link."""
    folders: str


class _PersonRow(Struct, frozen=True, array_like=True):
    id: str
    shown_name: str
    role: Role
    groups: str


class _GrantsRow(Struct, frozen=True, array_like=True):
    folder: str
    grants: str


class _KeyRow(Struct, frozen=True, array_like=True):
    id: str
    key: bytes


class _Known:
    """A login. Its clock never goes back, so that setting the computer's clock back prolongs no login."""

    __slots__ = ("_base_s", "_base_steady_s", "_end_s", "principal", "seen_s")

    def __init__(self, principal: Principal, row: _SessionRow, clock: Clock) -> None:
        self.principal = principal
        self.seen_s = row.seen_s
        self._end_s = row.end_s
        self._base_s = max(row.seen_s, row.begun_s)
        self._base_steady_s = clock.steady()

    def now_s(self, clock: Clock) -> float:
        return max(clock.wall(), self._base_s + clock.steady() - self._base_steady_s)

    def is_over(self, now_s: float) -> bool:
        return now_s >= self._end_s

    def is_idle(self, now_s: float, limits: AccessLimits) -> bool:
        return now_s >= self.seen_s + limits.idle_s


class _Snapshot(Struct, frozen=True):
    version: int = 0
    policy: FolderPolicy = FolderPolicy()
    by_token: dict[str, _Known] = {}
    by_session: dict[str, _Known] = {}
    people: dict[str, Principal] = {}
    """Those who are not disabled."""
    keys: dict[str, bytes] = {}
    signs_with: str = ""
    has_people: bool = False


class Known:
    """The copy. All but `refresh` and `reread` never wait. Thread-safe."""

    def __init__(self, database: Database, limits: AccessLimits, clock: Clock) -> None:
        self._database = database
        self._limits = limits
        self._clock = clock
        self._loading = threading.Lock()
        self._refused: dict[str, None] = {}
        self._seen: deque[tuple[str, float]] = deque()
        self._now = _Snapshot()
        self.refresh()

    @property
    def version(self) -> int:
        """Grows with each change."""
        return self._now.version

    @property
    def policy(self) -> FolderPolicy:
        return self._now.policy

    @property
    def has_people(self) -> bool:
        return self._now.has_people

    def signing_key(self) -> tuple[str, bytes]:
        """(id, key) to sign with."""
        snapshot = self._now
        return snapshot.signs_with, snapshot.keys[snapshot.signs_with]

    def keys(self) -> dict[str, bytes]:
        """All keys that count, by id."""
        return self._now.keys

    def has_person(self, person_id: str) -> bool:
        """Whether there is such a person, who is not disabled."""
        return person_id in self._now.people

    def refresh(self) -> bool:
        """Read again if something changed. False if nothing did. Raises StorageError."""
        with self._loading, self._database.reading() as reading:
            version = reading.number("SELECT version FROM about")
            if version == self._now.version:
                return False
            before, self._now = self._now, self._read(reading, version)
            for digest in before.by_token.keys() - self._now.by_token.keys():
                self._refuse(digest)
            return True

    def find(self, digest: str | None) -> Principal | Unknown | None:
        """Whose login has a token of this digest. UNKNOWN: perhaps another process began it, or used it last."""
        if digest is None or digest in self._refused:
            return None
        known = self._now.by_token.get(digest)
        if known is None:
            return UNKNOWN
        now_s = known.now_s(self._clock)
        if known.is_over(now_s):
            return None
        if known.is_idle(now_s, self._limits):
            return UNKNOWN
        if now_s - known.seen_s >= self._limits.seen_every_s:
            known.seen_s = now_s
            self._seen.append((known.principal.session, now_s))
        return known.principal

    def reread(self, digest: str | None) -> Principal | None:
        """The same, but reads if it is not known. Raises StorageError."""
        found = self.find(digest)
        if found is UNKNOWN:
            self.refresh()
            self._read_seen(digest)
            found = self.find(digest)
        if found is UNKNOWN or found is None:
            if digest is not None:
                self._refuse(digest)
            return None
        return found

    def signed(self, ticket: Ticket) -> Principal | None:
        """The principal of a signature that is valid, with the rights that they have now. None if they have none."""
        snapshot = self._now
        found = ticket.principal
        if ticket.session:
            known = snapshot.by_session.get(ticket.session)
            is_there = known is not None and not known.is_over(known.now_s(self._clock))
            found = known.principal if known is not None and is_there else None
        elif ticket.person == HOUSE.id:
            found = None if snapshot.has_people else HOUSE
        elif ticket.person:
            found = snapshot.people.get(ticket.person)
        return None if found is None else replace(found, documents=frozenset(ticket.documents), session="")

    def verified(self, signature: str) -> Principal | None:
        """The principal of a signature. None if it is not valid."""
        ticket = signing.verify(signature, self._now.keys, self._clock.wall())
        return None if ticket is None else self.signed(ticket)

    def take_seen(self) -> list[tuple[str, float]]:
        """(login, when it was used) of those that were used since the last call."""
        return [self._seen.popleft() for _ in range(len(self._seen))]

    def _read_seen(self, digest: str | None) -> None:
        known = self._now.by_token.get(digest or "")
        if known is None:
            return
        with self._database.reading() as reading:
            seen_s = sessions.seen_s(reading, known.principal.session)
        if seen_s is not None:
            known.seen_s = max(known.seen_s, seen_s)

    def _refuse(self, digest: str) -> None:
        """Remember that a token is not valid. It never becomes valid again: tokens are told after they are on the disk."""
        if len(self._refused) >= REFUSED:
            self._refused = {}
        self._refused[digest] = None

    def _read(self, reading: Reading, version: int) -> _Snapshot:
        people = {
            row.id: Principal(row.id, row.shown_name, row.role, groups=_decoded(row.groups))
            for row in reading.all(_PersonRow, "SELECT id, shown_name, role, groups FROM person WHERE is_disabled = 0")
        }
        by_token: dict[str, _Known] = {}
        by_session: dict[str, _Known] = {}
        for row in reading.all(_SessionRow, _SESSIONS):
            principal = _principal_of(row, people)
            if principal is not None:
                known = self._now.by_token.get(row.token) or _Known(principal, row, self._clock)
                known.principal = principal
                known.seen_s = max(known.seen_s, row.seen_s)
                by_token[row.token] = by_session[row.id] = known
        grants = reading.all(_GrantsRow, "SELECT folder, grants FROM folder_grants")
        keys = reading.all(_KeyRow, "SELECT id, key FROM signing_key ORDER BY made_s DESC, id")
        return _Snapshot(
            version=version,
            policy=FolderPolicy({row.folder: msgspec.json.decode(row.grants, type=tuple[Grant, ...]) for row in grants}),
            by_token=by_token,
            by_session=by_session,
            people=people,
            keys={row.id: row.key for row in keys},
            signs_with=keys[0].id if keys else "",
            has_people=bool(reading.number("SELECT EXISTS (SELECT 1 FROM person)")),
        )


_SESSIONS = (
    "SELECT session.id, session.token, session.person, guest_name, begun_s, seen_s, end_s, coalesce(link.name, ''),"
    " coalesce(link.folders, '[]') FROM session LEFT JOIN link ON link.id = session.link"
)


def _principal_of(row: _SessionRow, people: dict[str, Principal]) -> Principal | None:
    if row.person is not None:
        person = people.get(row.person)
        return None if person is None else replace(person, session=row.id)
    name = row.guest_name or row.name
    return Principal(f"guest-{row.id}", name, "guest", folders=_decoded(row.folders), session=row.id)


def _decoded(text: str) -> frozenset[str]:
    return msgspec.json.decode(text, type=frozenset[str])
