"""Ids, and places among siblings: of the folders of a folder, and of its papers."""

from __future__ import annotations

import secrets

from sidebooks_core.databases.database import Writing

ID_BYTES = 12
"""Random bytes of an id: nobody guesses one."""


def new_id() -> str:
    """Of a folder or a paper."""
    return secrets.token_urlsafe(ID_BYTES)


def next_place(writing: Writing, table: str, column: str, holder: str | None) -> int:
    return writing.number(f"SELECT coalesce(max(place), -1) + 1 FROM {table} WHERE {column} IS ?", holder)


def move(writing: Writing, kind: tuple[str, str], moved: str, holder: str | None, place: int | None) -> None:
    """Put a row at a place among those of a holder, and number them anew. kind: the table, and its column for the holder."""
    table, column = kind
    others = writing.all(str, f"SELECT id FROM {table} WHERE {column} IS ? AND id != ? ORDER BY place, rowid", holder, moved)
    at = len(others) if place is None else max(0, min(place, len(others)))
    order = [*others[:at], moved, *others[at:]]
    writing.run(f"UPDATE {table} SET {column} = ? WHERE id = ?", holder, moved)
    writing.run_each(f"UPDATE {table} SET place = ? WHERE id = ?", list(enumerate(order)))
