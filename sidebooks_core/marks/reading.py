"""What a reader is told of the marks of a paper."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

import msgspec
from msgspec import Struct

from sidebooks_core.databases.database import Reading
from sidebooks_core.marks import rows
from sidebooks_core.marks.audiences import known_to
from sidebooks_core.marks.schema import is_in_gap, last_seq
from sidebooks_core.marks.visibility import MarkReader

GONE_BYTES = 40
"""What an id of a mark that is gone takes in an answer."""


class Place(Struct, frozen=True):
    """How far a device has read."""

    since: int = 0
    """Up to which number it knows what is gone: `seq` of its last reading that was complete, or the number at which the one
    that is not was begun. 0: it needs everything."""
    after: int = 0
    """The number of the last mark that it has of a reading that is not complete; 0: it begins one."""


class SeenRows(Struct, frozen=True):
    """The same as `MarkChanges`, of marks whose bodies nobody has looked at, and perhaps only some of them."""

    seq: int
    """0 if `rest` is not None: a reading that is not complete is not to be read on from."""
    server_ms: int
    is_whole: bool
    rows: list[rows.MarkRow]
    gone: list[str]
    """All, also if `rows` are only some: what follows at `rest` tells only of those that went since."""
    rest: Place | None = None
    """Where to read on for the other ones; None: these are all."""


def changes(reading: Reading, paper_id: str, reader: MarkReader, place: Place, whole: int, most_bytes: int | None) -> SeenRows:
    """What a reader is told, up to now.

    whole: who has read up to an older number is told everything. most_bytes: of the marks, with the ids of those that are gone:
    the marks end where they would be more; one there is in any case. None: all of them. The number to read from next is that of
    the last change that the reader could see, so it says nothing of others.
    """
    since = place.since
    known = known_to(reading, paper_id, reader)
    numbers = (since, place.after)
    is_unknown = max(numbers) > last_seq(reading) or any(is_in_gap(reading, one) for one in numbers if one > 0)
    is_whole = since <= 0 or since < max(known.horizon, whole) or is_unknown
    start = 0 if is_whole else place.after or since
    found = outlines(reading, paper_id, reader, min(since, start))
    seen = [one.id for one in found if one.seq > start and one.is_for_reader(reader)]
    gone = [one.id for one in found if not is_whole and not one.is_for_reader(reader) and one.was_seen_by(reader, since)]
    taken = _taken(reading, seen, None if most_bytes is None else most_bytes - GONE_BYTES * len(gone))
    seq = max(known.last, whole if is_whole else since)
    if len(taken) == len(seen):
        return SeenRows(seq, 0, is_whole, taken, gone)
    return SeenRows(0, 0, is_whole, taken, gone, Place(seq, taken[-1].seq))


def outlines(reading: Reading, paper_id: str, reader: MarkReader, since: int) -> list[rows.MarkRow]:
    """Marks that are a reader's, or that others than their owner could see after a number, in the order of their changes.

    Their bodies are empty: ink is long. Private ones of others are not even looked at: there are many more of these.
    """
    shown = f"{rows.OUTLINE} INDEXED BY mark_shown WHERE paper = ?1 AND shown != '' AND owner != ?3"
    return reading.all(
        rows.MarkRow,
        f"{shown} AND hidden_seq = 0 AND seq > ?2 UNION ALL {shown} AND hidden_seq > ?2 UNION ALL "
        f"{rows.OUTLINE} WHERE paper = ?1 AND seq > ?2 AND owner = ?3 AND ?3 != '' ORDER BY 4",
        paper_id, since, reader.id,
    )  # fmt: skip


def _taken(reading: Reading, mark_ids: Sequence[str], most_bytes: int | None) -> list[rows.MarkRow]:
    """The first of some marks, in their order."""
    taken: list[rows.MarkRow] = []
    size_bytes = 0
    for row in by_ids(reading, mark_ids):
        size_bytes += row.size_bytes
        if taken and most_bytes is not None and size_bytes > most_bytes:
            break
        taken.append(row)
    return [rows.completed(reading, row) for row in taken]


def by_ids(reading: Reading, mark_ids: Collection[str]) -> Iterator[rows.MarkRow]:
    """The rows of some marks, in the order in which they are wanted. Those that are not there are left out."""
    told = msgspec.json.encode(list(mark_ids)).decode()
    wanted = "(SELECT value AS wanted FROM json_each(?))"
    return reading.each(rows.MarkRow, f"{rows.SELECT_OF} {wanted} CROSS JOIN mark ON mark.id = wanted", told)
