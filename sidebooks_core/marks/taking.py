"""What a device pushes becomes rows, within a transaction. Each mark is taken or refused by itself."""

from __future__ import annotations

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from sidebooks_core.databases.database import Reading, Writing
from sidebooks_core.marks import clock, rows
from sidebooks_core.marks.answers import MarkLimits, RefusalReason, Refused
from sidebooks_core.marks.audiences import PageAudience, note_last
from sidebooks_core.marks.merge import merged
from sidebooks_core.marks.model import Mark, Stamp, text_of
from sidebooks_core.marks.schema import digest_of, last_seq, set_last_seq

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Mark).decode
_LAST_COUNTER = (1 << 16) - 1
MOST_CLAMPED = 5
"""Stamps of a mark that are remembered although they could not be right; the newest ones."""


class Use(Struct, frozen=True, array_like=True):
    """What the marks of an owner on a paper take."""

    marks: int = 0
    bytes: int = 0
    shown_bytes: int = 0
    """Of those that were ever shown to others."""


def use_of(reading: Reading, paper_id: str, owner: str) -> Use:
    query = "SELECT marks, bytes, shown_bytes FROM mark_use WHERE paper = ? AND owner = ?"
    return reading.one(Use, query, paper_id, owner) or Use()


class Taking:
    """Of the marks of one owner on one paper, at one time. Call `finish` after the last one."""

    def __init__(self, writing: Writing, paper_id: str, owner: str, now_ms: int, limits: MarkLimits) -> None:
        self._writing = writing
        self._paper_id = paper_id
        self._owner = owner
        self._now_ms = now_ms
        self._limits = limits
        self._seq = last_seq(writing)
        self._content_ids: dict[tuple[int, int], str | None] = {}
        self._last: dict[PageAudience, int] = {}
        query = "SELECT coalesce(sum(shown_bytes), 0) FROM mark_use WHERE paper = ? AND owner != ?"
        self._shown_bytes_of_others = writing.number(query, paper_id, owner)
        self._marks, self._bytes, self._shown_bytes = msgspec.structs.astuple(use_of(writing, paper_id, owner))

    def take(self, mark: Mark, *, of_file: bool = False) -> Mark | Refused:
        """The version of a mark that holds now; or why this one was refused.

        mark: see `checked_mark`. of_file: it was read from a file of the paper; only what was counts as that later.
        """
        before = rows.find(self._writing, mark.id)
        ended_owner = self._ended_owner(mark.id) if before is None else None
        if ended_owner is not None:
            if ended_owner != digest_of(mark.id + self._owner):
                return _taken(mark)
            return replace(mark, owner=self._owner, anchor=replace(mark.anchor, quote=""), body=None)
        if of_file and before is not None:  # a file does not tell to whom it is shown
            anchor = replace(mark.anchor, quote=before.quote)
            mark = replace(mark, visibility=before.visibility, meeting=before.meeting, anchor=anchor)
        elif not of_file and (before is None or not before.is_of_file):
            mark = replace(mark, is_of_file=False)
        found = self._as_kept(mark, before)
        if isinstance(found, Refused):
            return found
        old = found if before is None else before.mark()
        winner = merged(old, found)
        kept = self._keep(winner, found if winner == old else old, before)
        if isinstance(kept, Mark) and found.stamp != mark.stamp:
            self._note_clamped(mark, found.stamp)
        if isinstance(kept, Mark) and of_file:
            self._writing.run("INSERT OR IGNORE INTO mark_imported (mark) VALUES (?)", kept.id)
        return kept

    def finish(self) -> None:
        """Write how much the owner has now, and the number of the last change, also for those who could see some."""
        set_last_seq(self._writing, self._seq)
        note_last(self._writing, self._paper_id, self._last)
        self._writing.run(
            "INSERT INTO mark_use (paper, owner, marks, bytes, shown_bytes) VALUES (?, ?, ?, ?, ?) ON CONFLICT (paper, owner) "
            "DO UPDATE SET marks = excluded.marks, bytes = excluded.bytes, shown_bytes = excluded.shown_bytes",
            self._paper_id, self._owner, self._marks, self._bytes, self._shown_bytes,
        )  # fmt: skip

    def _as_kept(self, mark: Mark, before: rows.MarkRow | None) -> Mark | Refused:
        """A version with what the server knows better: owner, content id and stamp."""
        if before is not None and before.owner != self._owner:
            return _taken(mark)
        if before is not None and before.paper != self._paper_id:
            return _refused(mark, "paper", "a mark stays on its paper")
        content_id = self._content_id(mark.anchor.revision, mark.anchor.page)
        if content_id is None:
            where = f"revision {mark.anchor.revision}, page {mark.anchor.page + 1}"
            return _refused(mark, "page", f"the paper has no {where}")
        anchor = replace(mark.anchor, content_id=content_id or mark.anchor.content_id)
        if mark.body is None:
            anchor = replace(anchor, quote="")
        return replace(mark, owner=self._owner, anchor=anchor, stamp=self._believed(mark, before))

    def _ended_owner(self, mark_id: str) -> bytes | None:
        """A digest of the owner of a mark that has ended. None: it has not."""
        query = "SELECT owner FROM mark_ended WHERE paper = ? AND name = ?"
        return self._writing.one(bytes, query, self._paper_id, digest_of(mark_id))

    def _content_id(self, revision: int, page: int) -> str | None:
        key = revision, page
        if key not in self._content_ids:
            self._content_ids[key] = rows.content_id_of(self._writing, self._paper_id, revision, page)
        return self._content_ids[key]

    def _believed(self, mark: Mark, before: rows.MarkRow | None) -> Stamp:
        """A stamp that was not believed once is the same at each delivery."""
        given = mark.stamp
        if before is None and clock.is_believed(given, self._now_ms):
            return given
        known = self._writing.one(
            _At,
            "SELECT at_ms, counter FROM mark_clamped WHERE mark = ? AND device = ? AND given_ms = ? AND given_counter = ?",
            mark.id, given.device, given.at_ms, given.counter,
        )  # fmt: skip
        if known is not None:
            return Stamp(known.at_ms, known.counter, given.device)
        if clock.is_believed(given, self._now_ms):
            return given
        later = self._writing.one(
            _At,
            "SELECT at_ms, counter FROM mark_clamped WHERE mark = ?1 AND device = ?2 AND (given_ms, given_counter) > (?3, ?4) "
            "ORDER BY given_ms, given_counter LIMIT 1",
            mark.id, given.device, given.at_ms, given.counter,
        )  # fmt: skip
        if later is not None:  # it was delivered after a later version, and stays before that
            return _just_before(Stamp(later.at_ms, later.counter, given.device))
        query = "SELECT at_ms, counter FROM mark_clamped WHERE device = ? ORDER BY at_ms DESC, counter DESC LIMIT 1"
        found = self._writing.one(_At, query, given.device) or _At(0, 0)
        last = Stamp(found.at_ms, found.counter, given.device)
        if before is not None and not clock.is_believed(held := before.stamp, self._now_ms) and held < given:
            last = max(last, held)  # the server's clock was ahead then, and who has seen that mark knows no earlier time
        return clock.believed(given, last, self._now_ms)

    def _keep(self, winner: Mark, loser: Mark, before: rows.MarkRow | None) -> Mark | Refused:
        """Write the version that holds, if it is another one than before, and the text of the other one."""
        row = rows.row_of(self._paper_id, self._seq + 1, winner, before)
        lost = text_of(loser) if loser != winner and text_of(loser) != text_of(winner) else ""
        grown = row.size_bytes - (0 if before is None else before.size_bytes) + len(lost.encode())
        shown = row.shown_bytes - (0 if before is None else before.shown_bytes)
        is_new = before is None
        if message := self._over(is_new, grown) or self._over_paper(shown):
            if is_new or winner.body is not None:
                return _refused(winner, "limit", message)
            lost = ""  # that a mark is deleted is told in any case
        if before is None or not row.is_version_of(before):
            rows.write(self._writing, row, winner)
            self._seq += 1
            self._last |= row.last_seen
            self._marks += is_new
            self._bytes += row.size_bytes - (0 if before is None else before.size_bytes)
            self._shown_bytes += shown
        if lost:
            self._keep_text(loser, lost)
        return winner

    def _keep_text(self, loser: Mark, text: str) -> None:
        stamp = loser.stamp
        added = self._writing.run(
            "INSERT OR IGNORE INTO mark_lost_text (mark, at_ms, counter, device, name, text, lost_s) "
            "VALUES (?, ?, ?, ?, ?, ?, ?)",
            loser.id, stamp.at_ms, stamp.counter, stamp.device, digest_of(text), text, self._now_ms / 1000,
        )  # fmt: skip
        if not added:
            return
        self._bytes += len(text.encode())
        beyond = self._writing.all(
            _Text,
            "SELECT rowid, text FROM mark_lost_text WHERE mark = ? "
            "ORDER BY at_ms DESC, counter DESC, device DESC LIMIT -1 OFFSET ?",
            loser.id, self._limits.lost_texts,
        )  # fmt: skip
        for one in beyond:
            self._writing.run("DELETE FROM mark_lost_text WHERE rowid = ?", one.row)
            self._bytes -= len(one.text.encode())

    def _note_clamped(self, mark: Mark, believed: Stamp) -> None:
        given = mark.stamp
        added = self._writing.run(
            "INSERT OR IGNORE INTO mark_clamped (mark, device, given_ms, given_counter, at_ms, counter) "
            "VALUES (?, ?, ?, ?, ?, ?)",
            mark.id, given.device, given.at_ms, given.counter, believed.at_ms, believed.counter,
        )  # fmt: skip
        removed = self._writing.run(
            "DELETE FROM mark_clamped WHERE mark = ?1 AND (device, given_ms, given_counter) IN (SELECT device, given_ms, "
            "given_counter FROM mark_clamped WHERE mark = ?1 ORDER BY at_ms DESC, counter DESC LIMIT -1 OFFSET ?2)",
            mark.id, MOST_CLAMPED,
        )  # fmt: skip
        self._bytes += (added - removed) * rows.CLAMPED_BYTES

    def _over(self, is_new: bool, grown_bytes: int) -> str:
        """Which limit a change would break; empty: none."""
        if is_new and self._marks >= self._limits.marks:
            return f"there are {self._marks} marks of this owner on the paper, and MarkLimits.marks is {self._limits.marks}"
        if grown_bytes > 0 and self._bytes + grown_bytes > self._limits.bytes:
            return f"the marks of this owner on the paper take {self._bytes} bytes; MarkLimits.bytes is {self._limits.bytes}"
        return ""

    def _over_paper(self, grown_bytes: int) -> str:
        """The same, of what is shown to the readers of the paper."""
        there, most = self._shown_bytes_of_others + self._shown_bytes, self._limits.paper_bytes
        if grown_bytes > 0 and there + grown_bytes > most:
            return f"the marks on the paper that others see would take more than MarkLimits.paper_bytes, which is {most}"
        return ""


def checked_mark(told: Mark) -> Mark | Refused:
    """A mark that is within the bounds of the model, which Python does not look at; or what is wrong with it."""
    try:
        return _decode(_encode(told))
    except (msgspec.MsgspecError, TypeError, ValueError, OverflowError) as fault:
        return _refused(told, "invalid", str(fault))


def _refused(mark: Mark, reason: RefusalReason, detail: str) -> Refused:
    return Refused(str(mark.id)[:100], reason, detail)


def _taken(mark: Mark) -> Refused:
    """The same whether the mark of the other owner is there, or has ended: nobody learns that."""
    return _refused(mark, "taken", "a mark is changed by its owner only: give a new mark an id of its own")


class _At(Struct, frozen=True, array_like=True):
    at_ms: int
    counter: int


class _Text(Struct, frozen=True, array_like=True):
    row: int
    text: str


def _just_before(stamp: Stamp) -> Stamp:
    if stamp.counter:
        return replace(stamp, counter=stamp.counter - 1)
    return replace(stamp, at_ms=stamp.at_ms - 1, counter=_LAST_COUNTER)
