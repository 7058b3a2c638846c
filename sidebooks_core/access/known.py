"""What must be answered without waiting: who has which login, the grants, the keys. A copy in memory of what the database says.

After each change, also one of another process, what changed is read again, and nothing else: a login costs the same whether
ten or ten thousand are logged in.
"""

from __future__ import annotations

import threading
from collections import deque

from msgspec import Struct

from sidebooks_core.access import known_rows, sessions, signing
from sidebooks_core.access.known_rows import ADDRESS, GRANTS, GUEST, KEY, PERSON, SESSION, AddressRow, SessionRow
from sidebooks_core.access.model import UNKNOWN, AccessLimits, Clock, Unknown
from sidebooks_core.access.policy import FolderPolicy
from sidebooks_core.access.principals import HOUSE, Principal
from sidebooks_core.databases.database import Database, Reading

REFUSED = 10_000
"""Tokens that are remembered as not valid."""


class _Known:
    """A login. Its clock never goes back, so that setting the computer's clock back prolongs no login."""

    __slots__ = ("_base_s", "_base_steady_s", "_end_s", "digest", "principal", "seen_s")

    def __init__(self, principal: Principal, row: SessionRow, clock: Clock) -> None:
        self.principal = principal
        self.digest = row.token
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


class _Few(Struct, frozen=True):
    """What is replaced as a whole."""

    version: int = 0
    policy: FolderPolicy = FolderPolicy()
    keys: dict[str, bytes] = {}
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
        self._few = _Few()
        self._by_token: dict[str, _Known] = {}
        self._by_session: dict[str, _Known] = {}
        self._people: dict[str, Principal] = {}
        """Those who are not disabled."""
        self._addresses: dict[str, AddressRow] = {}
        self.refresh()

    @property
    def version(self) -> int:
        """Grows with each change."""
        return self._few.version

    @property
    def policy(self) -> FolderPolicy:
        return self._few.policy

    @property
    def has_people(self) -> bool:
        return self._few.has_people

    def signing_key(self) -> tuple[str, bytes]:
        """(id, key) to sign with."""
        return next(iter(self._few.keys.items()))

    def keys(self) -> dict[str, bytes]:
        """All keys that count, by id."""
        return self._few.keys

    def has_person(self, person_id: str) -> bool:
        """Whether there is such a person, who is not disabled."""
        return person_id in self._people

    def name_of(self, principal_id: str) -> str:
        """What a person who is not disabled is called, or a guest who is logged in; empty for anybody else."""
        found = self._people.get(principal_id)
        if found is None and principal_id.startswith(GUEST):
            known = self._by_session.get(principal_id.removeprefix(GUEST))
            found = None if known is None else known.principal
        return "" if found is None else found.name

    def refresh(self) -> bool:
        """Read what changed. False if nothing did. Raises StorageError."""
        with self._loading, self._database.reading() as reading:
            version, before = reading.number("SELECT version FROM about"), self._few
            if version == before.version:
                return False
            changed = known_rows.changed_since(reading, before.version, version)
            if changed is None:
                self._read_all(reading)
            else:
                self._read_changed(reading, changed)
            self._few = _Few(
                version=version,
                policy=known_rows.policy(reading) if changed is None or GRANTS in changed else before.policy,
                keys=known_rows.keys(reading) if changed is None or KEY in changed else before.keys,
                has_people=bool(reading.number("SELECT EXISTS (SELECT 1 FROM person)")),
            )
            return True

    def find(self, digest: str | None, *, is_use: bool = True) -> Principal | Unknown | None:
        """Whose login has a token of this digest. UNKNOWN: perhaps another process began it, or used it last.

        is_use: whether the login counts as used now.
        """
        if digest is None or digest in self._refused:
            return None
        known = self._by_token.get(digest)
        if known is None:
            return UNKNOWN
        now_s = known.now_s(self._clock)
        if known.is_over(now_s):
            return None
        if known.is_idle(now_s, self._limits):
            return UNKNOWN
        if is_use and now_s - known.seen_s >= self._limits.seen_every_s:
            known.seen_s = now_s
            self._seen.append((known.principal.session, now_s))
        return known.principal

    def reread(self, digest: str | None, *, is_use: bool = True) -> Principal | None:
        """The same, but reads if it is not known. Raises StorageError."""
        found = self.find(digest, is_use=is_use)
        if found is UNKNOWN:
            self.refresh()
            self._read_seen(digest)
            found = self.find(digest, is_use=is_use)
        if found is UNKNOWN or found is None:
            if digest is not None:
                self._refuse(digest)
            return None
        return found

    def find_signed(self, signature: str) -> Principal | Unknown | None:
        """The principal of a signature, with the rights that its signer has now. UNKNOWN: perhaps another process made it."""
        ticket = signing.verify(signature, self._few.keys, self._clock.wall())
        if ticket is None or ticket.address in self._refused:
            return None
        row = self._addresses.get(ticket.address)
        if row is None:
            return UNKNOWN
        signer = self._signer(row)
        return None if signer is None else row.seen_as(signer)

    def reread_signed(self, signature: str) -> Principal | None:
        """The same, but reads if it is not known. Raises StorageError."""
        found = self.find_signed(signature)
        if found is UNKNOWN:
            self.refresh()
            found = self.find_signed(signature)
        return None if isinstance(found, Unknown) else found

    def _signer(self, row: AddressRow) -> Principal | None:
        """Who signed, with present rights. None: they have none any more."""
        if row.session is not None:
            known = self._by_session.get(row.session)
            return None if known is None or known.is_over(known.now_s(self._clock)) else known.principal
        if row.signer == HOUSE.id:
            return None if self._few.has_people else HOUSE
        return row.stranger() or self._people.get(row.signer)

    def take_seen(self) -> list[tuple[str, float]]:
        """(login, when it was used) of those that were used since the last call."""
        return [self._seen.popleft() for _ in range(len(self._seen))]

    def _read_seen(self, digest: str | None) -> None:
        known = self._by_token.get(digest or "")
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

    def _read_all(self, reading: Reading) -> None:
        self._people = {person_id: person for person_id, person in known_rows.people(reading) if person is not None}
        before, self._by_token, self._by_session = self._by_token, {}, {}
        for row in known_rows.sessions(reading):
            self._take(row, before.get(row.token))
        for digest in before.keys() - self._by_token.keys():
            self._refuse(digest)
        self._addresses = {row.id: row for row in known_rows.addresses(reading)}

    def _read_changed(self, reading: Reading, changed: dict[str, set[str]]) -> None:
        """Changes what is there: whoever looks meanwhile sees a login as it was or as it is."""
        since = self._few.version
        if PERSON in changed:
            for person_id, person in known_rows.people(reading, since):
                if person is None:
                    self._people.pop(person_id, None)
                else:
                    self._people[person_id] = person
        if SESSION in changed or PERSON in changed:
            present = known_rows.sessions(reading, since)
            for ended in changed.get(SESSION, set()) - {row.id for row in present}:
                self._drop(ended)
            for row in present:
                self._take(row, self._by_token.get(row.token))
        if ADDRESS in changed:
            made = {row.id: row for row in known_rows.addresses(reading, since)}
            for ended in changed[ADDRESS] - made.keys():
                self._addresses.pop(ended, None)
                self._refuse(ended)
            self._addresses.update(made)

    def _take(self, row: SessionRow, before: _Known | None) -> None:
        principal = row.principal(self._people)
        if principal is None:
            self._drop(row.id)
            return
        known = before or _Known(principal, row, self._clock)
        known.principal = principal
        known.seen_s = max(known.seen_s, row.seen_s)
        self._by_token[row.token] = self._by_session[row.id] = known

    def _drop(self, session_id: str) -> None:
        known = self._by_session.pop(session_id, None)
        if known is not None:
            self._by_token.pop(known.digest, None)
            self._refuse(known.digest)
