"""What `known` reads of the database: rows, and which of them changed."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from sidebooks_core.access.policy import FolderPolicy, Grant
from sidebooks_core.access.principals import Principal, Role
from sidebooks_core.databases.database import Reading, Writing

KEPT_VERSIONS = 5000
"""A process that is further behind reads all again."""
PERSON, SESSION, ADDRESS, GRANTS, KEY = "person", "session", "signed_address", "folder_grants", "signing_key"
"""Kinds of what changes: the names of their tables."""
GUEST = "guest-"
"""The id of a guest begins with it, and goes on with that of the login."""


class SessionRow(Struct, frozen=True, array_like=True):
    """A login, with the name of its link, the folders that it opens, and the meeting whose code it is."""

    id: str
    token: str
    person: str | None
    guest_name: str
    begun_s: float
    seen_s: float
    end_s: float
    link_name: str
    folders: str
    meeting: str

    def principal(self, people: dict[str, Principal]) -> Principal | None:
        """people: those who are not disabled. None: the login is of nobody who may come in."""
        if self.person is not None:
            person = people.get(self.person)
            return None if person is None else replace(person, session=self.id)
        name = self.guest_name or self.link_name
        folders = _decoded(self.folders)
        return Principal(
            f"{GUEST}{self.id}",
            name,
            "guest",
            folders=folders,
            session=self.id,
            link=self.link_name,
            meeting=self.meeting,
        )


class AddressRow(Struct, frozen=True, array_like=True):
    """A signed address."""

    id: str
    signer: str
    signer_name: str
    session: str | None
    principal: str
    documents: str
    with_original: bool

    def stranger(self) -> Principal | None:
        """The signer, if that is somebody who has no account here."""
        return msgspec.json.decode(self.principal, type=Principal) if self.principal else None

    def seen_as(self, signer: Principal) -> Principal:
        """Whoever has the address: with the role and the groups of the signer, and with a name and an id of its own."""
        return replace(
            signer,
            id=f"address-{self.id}",
            name=f"address of {self.signer_name}",
            documents=_decoded(self.documents),
            signer=self.signer,
            with_original=self.with_original,
            session="",
        )


class _PersonRow(Struct, frozen=True, array_like=True):
    id: str
    shown_name: str
    role: Role
    groups: str
    is_disabled: bool


class _GrantsRow(Struct, frozen=True, array_like=True):
    folder: str
    grants: str


class _KeyRow(Struct, frozen=True, array_like=True):
    id: str
    key: bytes


class _ChangedRow(Struct, frozen=True, array_like=True):
    kind: str
    id: str


def changed_since(reading: Reading, before: int, now: int) -> dict[str, set[str]] | None:
    """The ids of what changed between two versions, by kind. None: that is not known any more."""
    if not 0 < before <= now or now - before > KEPT_VERSIONS:
        return None
    found: dict[str, set[str]] = {}
    for row in reading.all(_ChangedRow, "SELECT kind, id FROM changed WHERE version > ?", before):
        found.setdefault(row.kind, set()).add(row.id)
    return found


def forget_changes(writing: Writing) -> None:
    """Remove what no process needs."""
    writing.run("DELETE FROM changed WHERE version <= (SELECT version FROM about) - ?", KEPT_VERSIONS)


def people(reading: Reading, since: int | None = None) -> Iterator[tuple[str, Principal | None]]:
    """(id, principal) of people, None for who is disabled. since: those who changed after a version."""
    query = f"SELECT id, shown_name, role, groups, is_disabled FROM person{_since(PERSON, since)}"
    for row in reading.all(_PersonRow, query, *_values(since)):
        yield row.id, None if row.is_disabled else Principal(row.id, row.shown_name, row.role, groups=_decoded(row.groups))


def sessions(reading: Reading, since: int | None = None) -> list[SessionRow]:
    """Logins. since: those that began, or whose person changed, after a version."""
    where = "" if since is None else f"{_since(SESSION, since)} OR session.person IN ({_ids(PERSON)})"
    query = (
        "SELECT session.id, session.token, session.person, guest_name, begun_s, seen_s, end_s, coalesce(link.name, ''),"
        " coalesce(link.folders, '[]'), coalesce(link.meeting, '')"
        f" FROM session LEFT JOIN link ON link.id = session.link{where}"
    )
    return reading.all(SessionRow, query, *_values(since))


def addresses(reading: Reading, since: int | None = None) -> list[AddressRow]:
    """Signed addresses. since: those that were made after a version."""
    columns = "id, signer, signer_name, session, principal, documents, with_original"
    return reading.all(AddressRow, f"SELECT {columns} FROM signed_address{_since(ADDRESS, since)}", *_values(since))


def policy(reading: Reading) -> FolderPolicy:
    """The policy by the grants."""
    rows = reading.all(_GrantsRow, "SELECT folder, grants FROM folder_grants")
    return FolderPolicy({row.folder: msgspec.json.decode(row.grants, type=tuple[Grant, ...]) for row in rows})


def keys(reading: Reading) -> dict[str, bytes]:
    """The keys for signed addresses by id, the newest first."""
    rows = reading.all(_KeyRow, "SELECT id, key FROM signing_key ORDER BY made_s DESC, id")
    return {row.id: row.key for row in rows}


def _ids(kind: str) -> str:
    return f"SELECT changed.id FROM changed WHERE version > ?1 AND kind = '{kind}'"


def _since(kind: str, since: int | None) -> str:
    return "" if since is None else f" WHERE {kind}.id IN ({_ids(kind)})"


def _values(since: int | None) -> tuple[int, ...]:
    return () if since is None else (since,)


def _decoded(text: str) -> frozenset[str]:
    return msgspec.json.decode(text, type=frozenset[str])
