"""Links for guests, and the one for the first administrator, as rows of the database."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from sidebooks_core.access.model import AccessLimits, Link
from sidebooks_core.databases.database import Reading, Writing
from sidebooks_core.errors import AccessDenied, RequestError

COLUMNS = "id, name, folders, made_s, until_s, uses_left, used, made_by"
KEPT_S = 7 * 86_400.0
"""A link that is over stays in the list so long."""


class LinkRow(Struct, frozen=True, array_like=True):
    """As it is stored, but for the token."""

    id: str
    name: str
    folders: str
    made_s: float
    until_s: float
    uses_left: int | None
    used: int
    made_by: str

    def link(self) -> Link:
        return Link(
            id=self.id,
            name=self.name,
            folders=msgspec.json.decode(self.folders, type=frozenset[str]),
            made_s=self.made_s,
            until_s=self.until_s,
            uses_left=self.uses_left,
            used=self.used,
            made_by=self.made_by,
        )


def add(writing: Writing, link: Link, token_digest: str, maker: str, meeting: str = "") -> None:
    """maker: the id of the person who made it; empty if no person did. The link ends when this person is disabled.

    meeting: whose code it is; empty for an address.
    """
    writing.run(
        "INSERT INTO link (id, token, name, folders, made_s, until_s, uses_left, made_by, maker, meeting)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        link.id,
        token_digest,
        link.name,
        msgspec.json.encode(sorted(link.folders)).decode(),
        link.made_s,
        link.until_s,
        link.uses_left,
        link.made_by,
        maker,
        meeting,
    )


def all_links(reading: Reading) -> list[Link]:
    """The newest first."""
    return [row.link() for row in reading.all(LinkRow, f"SELECT {COLUMNS} FROM link ORDER BY made_s DESC, id")]


def of_maker(reading: Reading, person_id: str) -> list[Link]:
    """Those that a person made, the oldest first."""
    return [
        row.link() for row in reading.all(LinkRow, f"SELECT {COLUMNS} FROM link WHERE maker = ? ORDER BY made_s", person_id)
    ]


def of_meeting(reading: Reading, meeting: str) -> list[Link]:
    """The codes of a meeting, the oldest first."""
    query = f"SELECT {COLUMNS} FROM link WHERE meeting = ? AND meeting <> '' ORDER BY made_s"
    return [row.link() for row in reading.all(LinkRow, query, meeting)]


def required(reading: Reading, link_id: str) -> Link:
    """Raises RequestError if there is none."""
    row = reading.one(LinkRow, f"SELECT {COLUMNS} FROM link WHERE id = ?", link_id)
    if row is None:
        raise RequestError("there is no such link, or it ended")
    return row.link()


def use(writing: Writing, token_digest: str | None, now_s: float) -> Link:
    """Count a use. Raises AccessDenied if the link is unknown, over, or used up; which of these is not told."""
    row = writing.one(LinkRow, f"SELECT {COLUMNS} FROM link WHERE token = ?", token_digest)
    if row is None or now_s >= row.until_s or row.uses_left == 0:
        raise AccessDenied("this link is not valid, or not any more: ask whoever gave it to you for another")
    writing.run("UPDATE link SET used = used + 1, uses_left = uses_left - 1 WHERE id = ?", row.id)
    return required(writing, row.id)


def end(writing: Writing, link_id: str) -> None:
    """Remove a link. Its guests' logins must have been ended."""
    writing.run("DELETE FROM link WHERE id = ?", link_id)


def end_expired(writing: Writing, now_s: float) -> int:
    """Remove those that have been over for long. Returns how many."""
    old = "SELECT id FROM link WHERE until_s < ?"
    writing.run(f"DELETE FROM session WHERE link IN ({old})", now_s - KEPT_S)
    return writing.run("DELETE FROM link WHERE until_s < ?", now_s - KEPT_S)


class _Setup(Struct, frozen=True, array_like=True):
    token: str
    made_s: float


def set_setup(writing: Writing, token_digest: str, now_s: float) -> None:
    """The link for the first administrator; one from before ends."""
    writing.run("INSERT OR REPLACE INTO setup VALUES (1, ?, ?)", token_digest, now_s)


def require_setup(reading: Reading, token_digest: str | None, limits: AccessLimits, now_s: float) -> None:
    """Raises AccessDenied if it is not valid."""
    setup = reading.one(_Setup, "SELECT token, made_s FROM setup")
    if setup is None or setup.token != token_digest or not setup.made_s <= now_s < setup.made_s + limits.setup_s:
        raise AccessDenied("this link is not valid any more: start the server again, and use the link that it prints")


def end_setup(writing: Writing) -> None:
    writing.run("DELETE FROM setup")
