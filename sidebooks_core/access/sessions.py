"""Logins, as rows of the database."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from sidebooks_core.access.model import AccessLimits, Session
from sidebooks_core.access.people import clean
from sidebooks_core.databases.database import Reading, Writing
from sidebooks_core.errors import RequestError, StorageDamaged

LONGEST_DEVICE = 200
UNWRITTEN_S = 3600.0
"""A process that knows of a later use writes it within this time."""
COLUMNS = "id, person, link, device, address, begun_s, seen_s, end_s"


class SessionRow(Struct, frozen=True, array_like=True):
    """As it is stored, but for the token."""

    id: str
    person: str | None
    link: str | None
    device: str
    address: str
    begun_s: float
    seen_s: float
    end_s: float

    def session(self) -> Session:
        return Session(*(getattr(self, name) for name in self.__struct_fields__))


def add(writing: Writing, session: Session, token_digest: str, guest_name: str = "") -> Session:
    """Returns it as it is stored."""
    kept = Session(
        session.id,
        session.person,
        session.link,
        clean(session.device, LONGEST_DEVICE),
        clean(session.address),
        session.begun_s,
        session.seen_s,
        session.end_s,
    )
    writing.run(
        "INSERT INTO session (id, token, person, link, guest_name, device, address, begun_s, seen_s, end_s)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        kept.id,
        token_digest,
        kept.person,
        kept.link,
        guest_name,
        kept.device,
        kept.address,
        kept.begun_s,
        kept.seen_s,
        kept.end_s,
    )
    return kept


def end_oldest(writing: Writing, person_id: str, most: int) -> None:
    """End those that were used longest ago, if there are too many."""
    writing.run(
        "DELETE FROM session WHERE id IN (SELECT id FROM session WHERE person = ? ORDER BY seen_s DESC, begun_s DESC"
        " LIMIT -1 OFFSET ?)",
        person_id,
        most,
    )


def of_person(reading: Reading, person_id: str) -> list[Session]:
    """The one used last first."""
    rows = reading.all(SessionRow, f"SELECT {COLUMNS} FROM session WHERE person = ? ORDER BY seen_s DESC", person_id)
    return [row.session() for row in rows]


def required(reading: Reading, session_id: str) -> Session:
    """Raises RequestError if it ended."""
    row = reading.one(SessionRow, f"SELECT {COLUMNS} FROM session WHERE id = ?", session_id)
    if row is None:
        raise RequestError("there is no such login, or it ended")
    return row.session()


def end(writing: Writing, session_id: str) -> None:
    writing.run("DELETE FROM session WHERE id = ?", session_id)


def end_of_person(writing: Writing, person_id: str, keep: str = "") -> int:
    """End all of a person's but one. Returns how many ended."""
    return len(writing.all(str, "DELETE FROM session WHERE person = ? AND id <> ? RETURNING id", person_id, keep))


def count_of_link(reading: Reading, link_id: str, limits: AccessLimits, now_s: float) -> int:
    """How many guests are logged in by a link."""
    present = "SELECT count(*) FROM session WHERE link = ? AND end_s > ? AND seen_s > ?"
    return reading.number(present, link_id, now_s, now_s - limits.idle_s)


def end_of_link(writing: Writing, link_id: str) -> int:
    return len(writing.all(str, "DELETE FROM session WHERE link = ? RETURNING id", link_id))


def end_expired(writing: Writing, limits: AccessLimits, now_s: float) -> int:
    """Remove those that are over, so that a clock that is set back does not bring them to life. Returns how many."""
    idle_since_s = now_s - limits.idle_s - UNWRITTEN_S
    return len(writing.all(str, "DELETE FROM session WHERE end_s <= ? OR seen_s <= ? RETURNING id", now_s, idle_since_s))


def set_seen(writing: Writing, seen: Iterable[tuple[str, float]]) -> None:
    """(session id, when it was used) for some."""
    writing.run_each("UPDATE session SET seen_s = max(seen_s, ?2) WHERE id = ?1", list(seen))


def guest_beginning(reading: Reading) -> str:
    """How the ids of the logins of guests begin here. Raises StorageDamaged if that is lost."""
    found = reading.one(str, "SELECT beginning FROM guest_ids")
    if found is None:
        raise StorageDamaged("the database lacks the beginning of the ids of guests")
    return found


def is_there(reading: Reading, session_id: str) -> bool:
    """Whether a login has not ended."""
    return bool(reading.number("SELECT EXISTS (SELECT 1 FROM session WHERE id = ?)", session_id))


def seen_s(reading: Reading, session_id: str) -> float | None:
    """When it was used last, by any process. None if it ended."""
    return reading.one(float, "SELECT seen_s FROM session WHERE id = ?", session_id)
