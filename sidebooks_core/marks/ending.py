"""How marks are found by their text, told of, forgotten and destroyed: what looks over papers."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Collection, Sequence

import msgspec
from msgspec import Struct

from sidebooks_core.databases.database import Database, Reading, Writing
from sidebooks_core.marks import rows
from sidebooks_core.marks.answers import FoundMark, MarkLimits, MarkNews
from sidebooks_core.marks.model import text_of
from sidebooks_core.marks.schema import digest_of, next_seq

SEARCHED_AT_ONCE = 200
"""Marks that are read in one reading of the database."""
_WAS_IMPORTED = "EXISTS (SELECT 1 FROM mark_imported WHERE mark_imported.mark = mark.id)"


class _Changed(Struct, frozen=True, array_like=True):
    seq: int
    paper: str
    owner: str
    shown: str
    page: int

    def news(self, told: int) -> MarkNews:
        audiences = rows.audiences_of(self.shown, told)
        return MarkNews(self.paper, self.owner, audiences, self.page if audiences else 0)


class _Placed(Struct, frozen=True, array_like=True):
    id: str
    paper: str


class _Pair(Struct, frozen=True, array_like=True):
    paper: str
    owner: str


class _Owned(Struct, frozen=True, array_like=True):
    id: str
    owner: str
    was_imported: bool = False


class _Ended(Struct, frozen=True, array_like=True):
    name: bytes
    owner: bytes
    was_imported: bool


class _Deleted(Struct, frozen=True, array_like=True):
    id: str
    was_imported: bool


class _Old(Struct, frozen=True, array_like=True):
    id: str
    paper: str
    owner: str
    seq: int
    was_shown: bool
    """To others than its owner."""
    was_imported: bool


def search(
    database: Database, owner: str, query: str, limit: int, *, paper_id: str | None = None, reads: Callable[[str], bool]
) -> list[FoundMark]:
    """Marks of an owner whose text has all words of a query; the newest first.

    paper_id: on this paper only; None: on all. reads: whether the owner may read a paper, asked once for each. Marks on the
    others do not count. No reading lasts long: while one does, the log of the database grows.
    """
    words = _folded(query).split()
    found: list[FoundMark] = []
    if not words or not owner or limit <= 0:
        return found
    condition = "WHERE owner = ?1 AND has_text = 1 AND (?2 IS NULL OR paper = ?2) ORDER BY at_ms DESC, counter DESC, id"
    with database.reading() as reading:
        there = reading.all(_Placed, f"SELECT id, paper FROM mark {condition}", owner, paper_id)
    papers = {paper for paper in {one.paper for one in there} if reads(paper)}
    ids = [one.id for one in there if one.paper in papers]
    for start in range(0, len(ids), SEARCHED_AT_ONCE):
        with database.reading() as reading:
            some = [rows.find(reading, mark_id) for mark_id in ids[start : start + SEARCHED_AT_ONCE]]
        for row in some:
            if row is None:
                continue
            mark = row.mark()
            text = _folded(text_of(mark))
            if all(word in text for word in words):
                found.append(FoundMark(row.paper, mark))
                if len(found) == limit:
                    return found
    return found


def news(reading: Reading, told: int) -> tuple[list[MarkNews], int]:
    """What changed after a number, each paper, owner, audience and page once; and the number to go on from."""
    changed = reading.all(_Changed, "SELECT seq, paper, owner, shown, page FROM mark WHERE seq > ?", told)
    changed += reading.all(_Changed, "SELECT seq, paper, owner, '', 0 FROM mark_horizon WHERE seq > ?", told)
    changed.sort(key=lambda one: one.seq)
    found = dict.fromkeys(one.news(told) for one in changed)
    return list(found), max([told, *(one.seq for one in changed)])


def end_owner(writing: Writing, owner: str) -> int:
    """Remove all that is known of somebody's marks. If others saw some of them, all readers of the paper begin anew."""
    papers = writing.all(str, "SELECT DISTINCT paper FROM mark WHERE owner = ?", owner)
    count = writing.number("SELECT count(*) FROM mark WHERE owner = ? AND body IS NOT NULL", owner)
    for paper_id in papers:
        query = "SELECT EXISTS (SELECT 1 FROM mark WHERE owner = ? AND paper = ? AND shown != '')"
        were_shown = writing.number(query, owner, paper_id)
        _end(
            writing, paper_id, writing.all(_Owned, "SELECT id, owner FROM mark WHERE owner = ? AND paper = ?", owner, paper_id)
        )
        _set_horizon(writing, paper_id, next_seq(writing), "" if were_shown else owner)
    writing.run("DELETE FROM mark_use WHERE owner = ?", owner)
    writing.run("DELETE FROM mark_device WHERE reader = ?", owner)
    return count


def destroy(writing: Writing, paper_ids: Sequence[str], who: str, now_s: float) -> tuple[int, int]:
    """Remove all marks of papers. Returns how many marks and texts that had lost there were."""
    marks = texts = 0
    for paper_id in paper_ids:
        if writing.one(int, "SELECT 1 FROM paper WHERE id = ?", paper_id) is None:
            continue
        live = writing.number("SELECT count(*) FROM mark WHERE paper = ? AND body IS NOT NULL", paper_id)
        query = "SELECT count(*) FROM mark_lost_text JOIN mark ON mark.id = mark_lost_text.mark WHERE mark.paper = ?"
        lost = writing.number(query, paper_id)
        _end(writing, paper_id, writing.all(_Owned, "SELECT id, owner FROM mark WHERE paper = ?", paper_id))
        writing.run("DELETE FROM mark_use WHERE paper = ?", paper_id)
        _set_horizon(writing, paper_id, next_seq(writing))
        writing.run(
            "INSERT INTO mark_destruction (paper, at_s, who, marks, texts) VALUES (?, ?, ?, ?, ?)",
            paper_id, now_s, who, live, lost,
        )  # fmt: skip
        marks, texts = marks + live, texts + lost
    return marks, texts


def sweep(writing: Writing, now_s: float, limits: MarkLimits) -> int:
    """Forget what has had its time. Returns how many deleted marks were forgotten."""
    oldest_s = now_s - limits.lost_texts_s
    lost = "SELECT DISTINCT paper, owner FROM mark_lost_text JOIN mark ON mark.id = mark_lost_text.mark WHERE lost_s < ?"
    smaller = set(writing.all(_Pair, lost, oldest_s))
    writing.run("DELETE FROM mark_lost_text WHERE lost_s < ?", oldest_s)
    writing.run("DELETE FROM mark_device WHERE seen_s < ?", now_s - limits.deleted_s)
    old = writing.all(
        _Old,
        f"SELECT id, paper, owner, seq, shown != '', {_WAS_IMPORTED} FROM mark WHERE body IS NULL AND (at_ms < ? OR seq <= "
        "(SELECT min(since) FROM mark_device WHERE mark_device.paper = mark.paper "
        "AND (mark.shown != '' OR mark_device.reader = mark.owner))) "
        "AND NOT EXISTS (SELECT 1 FROM mark_lost_text WHERE mark_lost_text.mark = mark.id)",
        int((now_s - limits.deleted_s) * 1000),
    )  # fmt: skip
    concerned: dict[tuple[str, str], list[_Old]] = {}
    for one in old:
        concerned.setdefault((one.paper, "" if one.was_shown else one.owner), []).append(one)
    for (paper_id, owner), marks in concerned.items():
        _end(writing, paper_id, [_Owned(one.id, one.owner, one.was_imported) for one in marks])
        _set_horizon(writing, paper_id, max(one.seq for one in marks), owner)
    ended = Counter(_Pair(one.paper, one.owner) for one in old)
    for pair, count in ended.items():
        writing.run("UPDATE mark_use SET ended = ended + ? WHERE paper = ? AND owner = ?", count, pair.paper, pair.owner)
    for pair in smaller | ended.keys():
        count_anew(writing, pair.paper, pair.owner)
    return len(old)


def deleted(reading: Reading, paper_id: str, owner: str, mark_ids: Collection[str]) -> dict[str, bool]:
    """Those of some marks that were deleted, also if they are forgotten, and whether they were read from a file."""
    told = msgspec.json.encode(list(mark_ids)).decode()
    query = (
        f"SELECT id, {_WAS_IMPORTED} FROM mark WHERE id IN (SELECT value FROM json_each(?)) AND paper = ? AND owner = ? "
        "AND body IS NULL"
    )
    found = {one.id: one.was_imported for one in reading.all(_Deleted, query, told, paper_id, owner)}
    by_name = {digest_of(mark_id): mark_id for mark_id in mark_ids}
    names = msgspec.json.encode([name.hex() for name in by_name]).decode()
    query = (
        "SELECT name, owner, was_imported FROM mark_ended WHERE paper = ? AND name IN (SELECT unhex(value) FROM json_each(?))"
    )
    for one in reading.all(_Ended, query, paper_id, names):
        mark_id = by_name[one.name]
        if one.owner == digest_of(mark_id + owner):
            found[mark_id] = one.was_imported
    return found


def count_anew(writing: Writing, paper_id: str, owner: str) -> None:
    """What the marks of an owner on a paper take."""
    writing.run(
        """UPDATE mark_use SET
            marks = (SELECT count(*) FROM mark WHERE paper = ?1 AND owner = ?2),
            bytes = (SELECT coalesce(sum(?3 + coalesce(length(body), 0) + length(CAST(quote AS BLOB))), 0)
                    FROM mark WHERE paper = ?1 AND owner = ?2)
                + (SELECT coalesce(sum(length(CAST(text AS BLOB))), 0)
                    FROM mark JOIN mark_lost_text ON mark_lost_text.mark = mark.id WHERE paper = ?1 AND owner = ?2)
                + (SELECT ?4 * count(*) FROM mark JOIN mark_clamped ON mark_clamped.mark = mark.id
                    WHERE paper = ?1 AND owner = ?2)
                + ?5 * ended,
            shown_bytes = (SELECT coalesce(sum(?3 + coalesce(length(body), 0) + length(CAST(quote AS BLOB))), 0)
                    FROM mark WHERE paper = ?1 AND owner = ?2 AND shown != '')
            WHERE paper = ?1 AND owner = ?2""",
        paper_id, owner, rows.ROW_BYTES, rows.CLAMPED_BYTES, rows.ENDED_BYTES,
    )  # fmt: skip


def _end(writing: Writing, paper_id: str, marks: Sequence[_Owned]) -> None:
    """Nothing is left of marks but digests, by which a device that brings one is told so, and another owner is refused."""
    names = [(paper_id, digest_of(one.id), digest_of(one.id + one.owner), one.was_imported) for one in marks]
    writing.run_each("INSERT OR IGNORE INTO mark_ended (paper, name, owner, was_imported) VALUES (?, ?, ?, ?)", names)
    writing.run_each("DELETE FROM mark WHERE id = ?", [(one.id,) for one in marks])


def _set_horizon(writing: Writing, paper_id: str, seq: int, owner: str = "") -> None:
    """owner: whom alone it concerns; empty: all readers."""
    writing.run(
        "INSERT INTO mark_horizon (paper, owner, seq) VALUES (?1, ?2, ?3) "
        "ON CONFLICT (paper, owner) DO UPDATE SET seq = max(seq, excluded.seq)",
        paper_id, owner, seq,
    )  # fmt: skip


def _folded(text: str) -> str:
    """Full and half width, and upper and lower case, are the same."""
    return unicodedata.normalize("NFKC", text).casefold()
