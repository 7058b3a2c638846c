"""How many papers a folder holds, without reading them."""

from __future__ import annotations

from msgspec import Struct

from sidebooks_core.databases.database import Reading

_COUNTS = """
    SELECT count(*), coalesce(sum(withdrawn_s IS NULL AND coalesce(from_s <= ?2, 1) AND coalesce(until_s > ?2, 1)), 0)
    FROM paper WHERE folder IS ?1
"""


class Counts(Struct, frozen=True, array_like=True):
    """Of the papers in a folder."""

    every: int
    published: int
    """Of these, those that readers may see at the time."""


def papers_in(reading: Reading, folder_id: str | None, now_s: float) -> Counts:
    """Count the papers in a folder itself. now_s: seconds since 1970 (UTC)."""
    found = reading.one(Counts, _COUNTS, folder_id, now_s)
    return found or Counts(0, 0)
