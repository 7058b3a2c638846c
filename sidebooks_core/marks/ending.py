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
from sidebooks_core.marks.audiences import PageAudience, set_horizons, shown_of
from sidebooks_core.marks.devices import ToldDevices
from sidebooks_core.marks.model import Visibility, text_of
from sidebooks_core.marks.schema import digest_of, next_seq
from sidebooks_core.marks.visibility import Audience

SEARCHED_AT_ONCE = 200
"""Marks that are read in one reading of the database."""
_WAS_IMPORTED = "EXISTS (SELECT 1 FROM mark_imported WHERE mark_imported.mark = mark.id)"
_ENDING = f"SELECT id, owner, at_ms, seq, shown, body IS NULL, {_WAS_IMPORTED} FROM mark"
"""Of `_Ending`. A condition follows."""


class _Changed(Struct, frozen=True, array_like=True):
    seq: int
    paper: str
    owner: str
    shown: str

    def news(self, told: int) -> list[MarkNews]:
        """One for each page on which others see it, or saw it until then."""
        pages: dict[int, list[Audience]] = {}
        for one in shown_of(self.shown):
            if one.until == 0 or one.until > told:
                pages.setdefault(one.page, []).append(one.audience)
        if not pages:
            return [MarkNews(self.paper, self.owner)]
        return [MarkNews(self.paper, self.owner, tuple(some), page) for page, some in pages.items()]


class _Begun(Struct, frozen=True, array_like=True):
    """An audience that begins anew."""

    seq: int
    paper: str
    visibility: Visibility
    meeting: str
    page: int

    def news(self) -> MarkNews:
        return MarkNews(self.paper, "", ((self.visibility, self.meeting),), self.page)


class _Placed(Struct, frozen=True, array_like=True):
    id: str
    paper: str


class _Pair(Struct, frozen=True, array_like=True):
    paper: str
    owner: str


class _Ending(Struct, frozen=True, array_like=True):
    """A mark that ends."""

    id: str
    owner: str
    at_ms: int
    seq: int
    shown: str
    is_deleted: bool
    was_imported: bool


class _Ended(Struct, frozen=True, array_like=True):
    name: bytes
    owner: bytes
    was_imported: bool


class _Deleted(Struct, frozen=True, array_like=True):
    id: str
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
    changed = reading.all(_Changed, "SELECT seq, paper, owner, shown FROM mark WHERE seq > ?", told)
    changed += reading.all(_Changed, "SELECT seq, paper, owner, '' FROM mark_horizon WHERE seq > ?", told)
    query = "SELECT horizon, paper, visibility, meeting, page FROM mark_audience WHERE horizon > ? AND horizon > 0"
    begun = reading.all(_Begun, query, told)
    found = [(one.seq, new) for one in changed for new in one.news(told)] + [(one.seq, one.news()) for one in begun]
    found.sort(key=lambda one: one[0])
    return list(dict.fromkeys(new for _, new in found)), max([told, *(seq for seq, _ in found)])


def has_marks(reading: Reading, owner: str) -> bool:
    """Whether anything is left of marks of somebody, also of deleted ones."""
    return reading.one(int, "SELECT 1 FROM mark WHERE owner = ?", owner) is not None


def end_owner(writing: Writing, owner: str) -> int:
    """Remove all that is known of somebody's marks, also on which papers they were. Others who saw some of them begin anew."""
    papers = writing.all(str, "SELECT DISTINCT paper FROM mark WHERE owner = ?", owner)
    count = writing.number("SELECT count(*) FROM mark WHERE owner = ? AND body IS NOT NULL", owner)
    for paper_id in papers:
        _end(writing, paper_id, writing.all(_Ending, f"{_ENDING} WHERE owner = ? AND paper = ?", owner, paper_id), ended=owner)
    writing.run("DELETE FROM mark_horizon WHERE owner = ?", owner)
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
        _end(writing, paper_id, writing.all(_Ending, f"{_ENDING} WHERE paper = ?", paper_id))
        writing.run("DELETE FROM mark_use WHERE paper = ?", paper_id)
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
    ended: Counter[_Pair] = Counter()
    for paper_id in writing.all(str, "SELECT DISTINCT paper FROM mark WHERE body IS NULL"):
        some = _forgettable(writing, paper_id, int((now_s - limits.deleted_s) * 1000))
        _end(writing, paper_id, some)
        ended.update(_Pair(paper_id, one.owner) for one in some)
    for pair, count in ended.items():
        writing.run("UPDATE mark_use SET ended = ended + ? WHERE paper = ? AND owner = ?", count, pair.paper, pair.owner)
    for pair in smaller | ended.keys():
        count_anew(writing, pair.paper, pair.owner)
    return ended.total()


def _forgettable(reading: Reading, paper_id: str, oldest_ms: int) -> list[_Ending]:
    """The deleted marks of a paper that no device need hear of: those that could see them know it, or it is too long ago."""
    without_text = "NOT EXISTS (SELECT 1 FROM mark_lost_text WHERE mark_lost_text.mark = mark.id)"
    old = reading.all(_Ending, f"{_ENDING} WHERE paper = ? AND body IS NULL AND {without_text}", paper_id)
    told = ToldDevices(reading, paper_id)
    return [one for one in old if one.at_ms < oldest_ms or told.know(one.owner, one.seq, shown_of(one.shown))]


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


def _end(writing: Writing, paper_id: str, marks: Sequence[_Ending], *, ended: str | None = None) -> None:
    """Nothing is left of marks but digests, by which a device that brings one is told so, and another owner is refused.

    Whoever could see one that was not deleted begins anew; of the others, who does not know yet that it is gone. ended: an
    owner of whom nothing is kept, so that their own devices do not begin anew.
    """
    seq = 0 if all(one.is_deleted for one in marks) else next_seq(writing)
    owners: dict[str, int] = {}
    audiences: dict[PageAudience, int] = {}
    for one in marks:
        if one.owner != ended:
            owners[one.owner] = max(owners.get(one.owner, 0), one.seq if one.is_deleted else seq)
        for shown in shown_of(one.shown):
            audiences[shown.key] = max(audiences.get(shown.key, 0), shown.until or seq)
    set_horizons(writing, paper_id, owners, audiences)
    names = [(paper_id, digest_of(one.id), digest_of(one.id + one.owner), one.is_deleted and one.was_imported) for one in marks]
    writing.run_each("INSERT OR IGNORE INTO mark_ended (paper, name, owner, was_imported) VALUES (?, ?, ?, ?)", names)
    writing.run_each("DELETE FROM mark WHERE id = ?", [(one.id,) for one in marks])


def _folded(text: str) -> str:
    """Full and half width, and upper and lower case, are the same."""
    return unicodedata.normalize("NFKC", text).casefold()
