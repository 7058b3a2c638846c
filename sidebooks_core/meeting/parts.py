"""In which meetings somebody took part, and which of them they chair, by what is kept."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from msgspec import Struct

from sidebooks_core.databases.database import Reading
from sidebooks_core.errors import StorageDamaged
from sidebooks_core.meeting.ids import participant_id
from sidebooks_core.meeting.state import Role


class Part(Struct, frozen=True):
    """Of one person in some meetings."""

    meetings: frozenset[str] = frozenset()
    """In which they are or were."""
    chairs: frozenset[str] = frozenset()
    """Of which they are the chair, or were at the end."""


class _Roles(Struct):
    """Of the details of a meeting, what is needed here."""

    roles: dict[str, Role] = {}


_roles = msgspec.json.Decoder(_Roles)


def part_in(reading: Reading, person: str, meetings: Iterable[str]) -> Part:
    """person: the id of a principal. Raises StorageDamaged."""
    been: set[str] = set()
    chairs: set[str] = set()
    for meeting in meetings:
        participant = participant_id(meeting, person)
        query = "SELECT EXISTS (SELECT 1 FROM stay WHERE meeting = ? AND participant = ?)"
        if reading.number(query, meeting, participant):
            been.add(meeting)
        details = reading.one(str, "SELECT details FROM meeting WHERE id = ?", meeting)
        if details is not None and _roles_in(details).get(participant) == "chair":
            chairs.add(meeting)
    return Part(frozenset(been), frozenset(chairs))


def _roles_in(details: str) -> dict[str, Role]:
    try:
        return _roles.decode(details).roles
    except msgspec.DecodeError as fault:
        raise StorageDamaged(f"the database of meetings does not have what was written: {fault}") from fault
