"""Ids, and places among siblings: of the folders of a folder, and of its papers."""

from __future__ import annotations

import secrets

from msgspec import Struct

from sidebooks_core.databases.database import Writing

LAST_PLACE = 1 << 62
ID_BYTES = 12
"""Random bytes of an id: nobody guesses one."""


def new_id() -> str:
    """Of a folder or a paper. It does not begin with a hyphen: a command line would take it for an option."""
    while (made := secrets.token_urlsafe(ID_BYTES)).startswith("-"):
        pass
    return made


def next_place(writing: Writing, table: str, column: str, holder: str | None) -> int:
    return writing.number(f"SELECT coalesce(max(place), -1) + 1 FROM {table} WHERE {column} IS ?", holder)


class _Stands(Struct, frozen=True, array_like=True):
    holder: str | None
    place: int


def move(writing: Writing, kind: tuple[str, str], moved: str, holder: str | None, place: int | None) -> None:
    """Put a row at a place among those of a holder. kind: the table, and its column for the holder.

    Only those make room that stand between where it was and where it is.
    """
    table, column = kind
    others = f"FROM {table} WHERE {column} IS ? AND id != ?"
    was = writing.one(_Stands, f"SELECT {column}, place FROM {table} WHERE id = ?", moved)
    count = writing.number(f"SELECT count(*) {others}", holder, moved)
    at = count if place is None else max(0, min(place, count))
    if at == count:
        to = writing.number(f"SELECT coalesce(max(place), -1) + 1 {others}", holder, moved)
    else:
        to = writing.number(f"SELECT place {others} ORDER BY place, rowid LIMIT 1 OFFSET ?", holder, moved, at)
    shift = f"UPDATE {table} SET place = place + ? WHERE {column} IS ? AND id != ? AND place >= ? AND place < ?"
    if was is None or was.holder != holder:
        writing.run(shift, 1, holder, moved, to, LAST_PLACE)
    elif was.place < to:
        writing.run(shift, -1, holder, moved, was.place + 1, to)
        to -= 1
    else:
        writing.run(shift, 1, holder, moved, to, was.place)
    writing.run(f"UPDATE {table} SET {column} = ?, place = ? WHERE id = ?", holder, to, moved)
