"""The marks of a shelf: merged as they come, and read by who may see them."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection, Sequence
from functools import cached_property

from msgspec import Struct
from msgspec.structs import replace

from sidebooks_core.databases.database import Database, Reading, Writing
from sidebooks_core.databases.watcher import Watcher
from sidebooks_core.errors import NotOnShelf, RequestError, SidebooksError, StorageError, StorageFailed
from sidebooks_core.marks import audiences, ending, rows
from sidebooks_core.marks.answers import (
    Destroyed,
    Destruction,
    FoundMark,
    LostText,
    MarkChanges,
    MarkLimits,
    MarkNews,
    Pushed,
    Refused,
)
from sidebooks_core.marks.devices import Beginning, Devices
from sidebooks_core.marks.grouped import GroupedWrites
from sidebooks_core.marks.model import Mark, Stamp
from sidebooks_core.marks.reading import Place, SeenRows, by_ids, changes, outlines
from sidebooks_core.marks.schema import last_seq, number_key
from sidebooks_core.marks.taking import Taking, checked_mark
from sidebooks_core.marks.visibility import MarkReader

PUSHES_AT_ONCE = 64
"""Written in one transaction."""
LIMITS = MarkLimits()
_log = logging.getLogger("sidebooks_core.marks")


def anybody(_paper_id: str, _reader: str) -> bool:
    """Nothing is known of who may read."""
    return True


class MarkStore:
    """Thread-safe, safe among processes. It asks nobody whether a reader may read the paper. `close()` it before the database.

    A push is on the disk when it returns. Pushes that wait at the same time are written in one transaction, so 100 devices wait
    for the disk once and not 100 times. Reading waits for nobody.
    """

    def __init__(
        self,
        database: Database,
        *,
        clock: Callable[[], float] = time.time,
        limits: MarkLimits = LIMITS,
        cut_log: Callable[[], bool] | None = None,
    ) -> None:
        """database: has the tables of schema.py. clock: seconds since 1970 (UTC).

        cut_log: cuts the log of the database; False if it could not yet, and tries again by itself.
        """
        self._database = database
        self._clock = clock
        self.limits = limits
        self._cut_log = cut_log or database.cut_log
        self.may_read: Callable[[str, str], bool] = anybody
        """Whether somebody, by their id, may read a paper still, for all that is known. Who knows sets it; it may wait."""
        self._devices = Devices(limits)
        self._pushes = GroupedWrites(self._write, PUSHES_AT_ONCE)
        self._beginnings = GroupedWrites(self._write_beginnings, PUSHES_AT_ONCE)
        self._telling = threading.Lock()
        self._listeners: list[Callable[[Sequence[MarkNews]], None]] = []
        self._told = 0
        self._watcher: Watcher | None = None

    def push(self, paper_id: str, marks: Sequence[Mark], owner: str, *, of_file: bool = False) -> Pushed:
        """Merge versions of the marks of an owner. The same versions in another order, or once more, change nothing.

        owner: the id of a principal; whatever the marks say of it is not looked at. of_file: they were read from a file of the
        paper, which does not tell to whom they are shown: that stays as it is. Else a mark counts as read from it only if
        it was before. Raises RequestError for no owner or too many marks at once, NotOnShelf if there is no such paper,
        StorageFailed. Then nothing was taken.
        """
        if not owner:
            raise RequestError("a mark has an owner: tell whose it is")
        if len(marks) > self.limits.marks_in_push:
            raise RequestError(f"{len(marks)} marks at once; MarkLimits.marks_in_push is {self.limits.marks_in_push}")
        checked = [checked_mark(mark) for mark in marks]
        good = sorted((one for one in checked if isinstance(one, Mark)), key=lambda mark: mark.stamp)
        answer = self._pushes.write(_Push(paper_id, tuple(good), owner, of_file))
        return replace(answer, refused=[*(one for one in checked if isinstance(one, Refused)), *answer.refused])

    def read(self, paper_id: str, reader: MarkReader, since: int = 0, *, device: str = "") -> MarkChanges:
        """What a reader sees of the marks of a paper, and what changed after a number.

        since: `MarkChanges.seq` of the device's last reading; 0: everything. device: its id. How far it has read is remembered,
        and it begins anew when its reader's rights have changed; without it the client asks with 0 then. If that cannot be
        written, the answer has everything, and 0 for a number. Raises NotOnShelf.
        """
        seen = self.read_rows(paper_id, reader, Place(since), device=device)
        return MarkChanges(seen.seq, seen.server_ms, seen.is_whole, [row.mark() for row in seen.rows], seen.gone)

    def read_rows(
        self, paper_id: str, reader: MarkReader, place: Place, *, device: str = "", most_bytes: int | None = None
    ) -> SeenRows:
        """As `read`, for whoever passes on the bodies as they are: decoded ink takes 14 times the memory.

        most_bytes: of the marks of one answer, see `changes`. `SeenRows.rest` is the place to ask with then.
        """
        now_s = self._clock()
        with self._database.reading() as reading:
            _require_paper(reading, paper_id)
            whole = self._devices.whole_of(reading, paper_id, reader, device)
            if whole is not None:
                found = changes(reading, paper_id, reader, place, whole, most_bytes)
                if found.rest is None:
                    self._devices.note(paper_id, reader, device, found.seq, now_s)
                return replace(found, server_ms=int(now_s * 1000))
        seq = self._begin(Beginning(paper_id, reader, device, now_s))
        with self._database.reading() as reading:
            _require_paper(reading, paper_id)
            found = changes(reading, paper_id, reader, place if place.after and not seq else Place(), seq, most_bytes)
        return replace(found, seq=found.seq if seq else 0, server_ms=int(now_s * 1000))

    @cached_property
    def number_key(self) -> bytes:
        """By which numbers are told to readers: of this shelf and of its copies."""
        with self._database.reading() as reading:
            return number_key(reading)

    def outlines(self, paper_id: str, reader: MarkReader) -> list[Mark]:
        """All that a reader sees of the marks of a paper, in the order of their changes, but without bodies and quotes: what
        decides which of them are wanted. See `marks`. Raises NotOnShelf.
        """
        with self._database.reading() as reading:
            _require_paper(reading, paper_id)
            return [one.outline() for one in outlines(reading, paper_id, reader, 0) if one.is_for_reader(reader)]

    def marks(self, paper_id: str, reader: MarkReader, mark_ids: Collection[str]) -> dict[str, Mark]:
        """Those of some marks of a paper that a reader sees, by their ids."""
        with self._database.reading() as reading:
            found = [one for one in by_ids(reading, mark_ids) if one.paper == paper_id and one.is_for_reader(reader)]
            return {one.id: rows.completed(reading, one).mark() for one in found}

    def last(self, paper_id: str, reader: MarkReader) -> int:
        """The number of the last change of the marks of a paper that a reader could see; 0 if there was none."""
        with self._database.reading() as reading:
            return audiences.known_to(reading, paper_id, reader).last

    def meetings(self, paper_id: str) -> set[str]:
        """Those that marks of a paper were ever shared with or collected in. Whoever reads says which of them they are in."""
        with self._database.reading() as reading:
            return audiences.meetings_of(reading, paper_id)

    def people(self, beginning: str) -> list[str]:
        """Those who have marks or had some that are gone, or whose devices have read some, and whose id begins so."""
        with self._database.reading() as reading:
            query = (
                "SELECT owner FROM mark_use WHERE owner BETWEEN ?1 AND ?2 "
                "UNION SELECT owner FROM mark_horizon WHERE owner BETWEEN ?1 AND ?2 "
                "UNION SELECT reader FROM mark_device WHERE reader BETWEEN ?1 AND ?2 ORDER BY 1"
            )
            return reading.all(str, query, beginning, f"{beginning}\U0010ffff")

    def find(self, paper_id: str, mark_id: str, owner: str) -> Mark | None:
        """A mark of an owner on a paper; None if there is none, or if it was deleted."""
        with self._database.reading() as reading:
            row = rows.find(reading, mark_id)
        if row is None or row.body is None or (row.owner, row.paper) != (owner, paper_id):
            return None
        return row.mark()

    def imported(self, paper_id: str) -> frozenset[str]:
        """The ids of the marks of a paper that were read from a file of it, whatever became of them since."""
        query = "SELECT mark FROM mark_imported JOIN mark ON mark.id = mark_imported.mark WHERE mark.paper = ?"
        with self._database.reading() as reading:
            return frozenset(reading.all(str, query, paper_id))

    def deleted(self, paper_id: str, owner: str, mark_ids: Collection[str]) -> dict[str, bool]:
        """Those of some marks that an owner had on a paper and has deleted, and whether they were read from a file of it."""
        with self._database.reading() as reading:
            return ending.deleted(reading, paper_id, owner, mark_ids)

    def lost_texts(self, paper_id: str, mark_id: str, owner: str) -> list[LostText]:
        """The texts of versions that did not hold, the newest first; for 30 days. Empty for a mark of somebody else."""
        oldest_s = self._clock() - self.limits.lost_texts_s
        with self._database.reading() as reading:
            row = rows.find(reading, mark_id)
            if row is None or row.owner != owner or row.paper != paper_id:
                return []
            found = reading.all(
                _Lost,
                "SELECT text, at_ms, counter, device, lost_s FROM mark_lost_text WHERE mark = ? AND lost_s >= ? "
                "ORDER BY at_ms DESC, counter DESC, device DESC",
                mark_id, oldest_s,
            )  # fmt: skip
        return [LostText(one.text, Stamp(one.at_ms, one.counter, one.device), one.lost_s) for one in found]

    def search(
        self,
        owner: str,
        query: str,
        limit: int = 100,
        *,
        paper_id: str | None = None,
        reads: Callable[[str], bool] = lambda paper_id: True,
    ) -> list[FoundMark]:
        """The marks of an owner whose text has all words of a query; the newest first, at most `limit`.

        Width and case of letters make no difference. paper_id: on this paper only; None: on all. reads: whether the owner may
        read a paper, by its id; marks on others are not found.
        """
        return ending.search(self._database, owner, query, limit, paper_id=paper_id, reads=reads)

    def end_owner(self, *owners: str) -> int:
        """Remove all marks of somebody, a guest say, with all that is known of them. Returns how many there were.

        Their own devices are not told that the marks are gone: where somebody wrote is forgotten, too. So end their logins
        first. Several are ended in one step, so do not call it for each guest of a meeting.
        """
        with self._database.writing() as writing:
            had_marks = any(ending.has_marks(writing, owner) for owner in owners)
            count = sum(ending.end_owner(writing, owner) for owner in owners)
        if had_marks:  # of who has only read, there is nothing to be cut
            self._is_log_cut()
            self._wake()
        return count

    def destroy(self, papers: Sequence[str] | Callable[[Reading], Sequence[str]], who: str) -> Destroyed:
        """Remove all marks of some papers, of all owners: nothing that they said stays in the files. See `destructions`.

        No device can bring them back. Copies of the database that were made before have them still. papers: ids; or what finds
        them in the step that removes their marks, so that no paper is missed. who: is kept as a proof. Raises StorageFailed;
        then nothing was removed.
        """
        with self._database.writing() as writing:
            paper_ids = papers(writing) if callable(papers) else papers
            marks, texts = ending.destroy(writing, paper_ids, who, self._clock())
        is_cut = self._is_log_cut()
        self._wake()
        return Destroyed(marks, texts, not is_cut, len(paper_ids))

    def destructions(self, paper_id: str) -> list[Destruction]:
        """When marks of a paper were destroyed, the oldest first."""
        query = "SELECT at_s, who, marks, texts FROM mark_destruction WHERE paper = ? ORDER BY at_s"
        with self._database.reading() as reading:
            return reading.all(Destruction, query, paper_id)

    def sweep(self) -> int:
        """Forget what has had its time: texts that lost, marks that were deleted and that no device need hear of. Once a day.

        Returns how many marks were forgotten. Raises what `may_read` raises.
        """
        with self._database.reading() as reading:
            readers = self._devices.readers(reading)
        ended = [one for one in readers if not self.may_read(one.paper_id, one.reader)]
        with self._database.writing() as writing:
            self._devices.write(writing)
            self._devices.forget(writing, ended)
            return ending.sweep(writing, self._clock(), self.limits)

    def tell(self, listener: Callable[[Sequence[MarkNews]], None]) -> None:
        """Call back, from a thread, with the papers whose marks have changed, also if another process has changed them."""
        with self._telling:
            self._listeners.append(listener)
            if self._watcher is None:
                with self._database.reading() as reading:
                    self._told = last_seq(reading)
                self._watcher = Watcher(self._database, self._tell_new, "sidebooks-marks")

    def close(self) -> None:
        """End, and write how far devices have read."""
        if self._watcher is not None:
            self._watcher.close()
        if not self._devices.has_news:
            return
        try:
            with self._database.writing() as writing:
                self._devices.write(writing)
        except StorageError:
            _log.exception("how far devices have read could not be written; they begin anew")

    def _write(self, pushes: Sequence[_Push]) -> list[Pushed | Exception]:
        with self._database.writing() as writing:
            answers = [self._pushed(writing, one) for one in pushes]
            self._devices.write_if_due(writing, self._clock())
        self._wake()
        return answers

    def _begin(self, one: Beginning) -> int:
        """The number of an answer with everything; 0 if it cannot be written that the device has it."""
        try:
            return self._beginnings.write(one)
        except StorageFailed:
            _log.exception("how far a device has read cannot be written; it begins anew each time")
            return 0

    def _write_beginnings(self, some: Sequence[Beginning]) -> list[int | Exception]:
        with self._database.writing() as writing:
            numbers: list[int | Exception] = [self._devices.begin(writing, one) for one in some]
            self._devices.write_if_due(writing, self._clock())
        return numbers

    def _pushed(self, writing: Writing, one: _Push) -> Pushed | Exception:
        try:
            _require_paper(writing, one.paper_id)
        except NotOnShelf as fault:
            return fault
        now_ms = int(self._clock() * 1000)
        taking = Taking(writing, one.paper_id, one.owner, now_ms, self.limits)
        found = [taking.take(mark, of_file=one.of_file) for mark in one.marks]
        taking.finish()
        held = {answer.id: answer for answer in found if isinstance(answer, Mark)}
        return Pushed(
            last_seq(writing), now_ms, list(held.values()), [answer for answer in found if isinstance(answer, Refused)]
        )

    def _is_log_cut(self) -> bool:
        """Have the log cut. What was removed is removed also if that fails."""
        try:
            return self._cut_log()
        except (SidebooksError, OSError):
            _log.exception("the log of the database cannot be cut: it has something of the marks that were removed")
            return False

    def _wake(self) -> None:
        if self._watcher is not None:
            self._watcher.wake()

    def _tell_new(self) -> None:
        with self._database.reading() as reading:
            news, self._told = ending.news(reading, self._told)
        if news:
            with self._telling:
                listeners = list(self._listeners)
            for listener in listeners:
                try:
                    listener(news)
                except Exception:  # noqa: BLE001 - one listener's fault must not end the others
                    _log.exception("a listener of marks failed")


class _Push(Struct, frozen=True):
    paper_id: str
    marks: tuple[Mark, ...]
    """In the order of their stamps."""
    owner: str
    of_file: bool


class _Lost(Struct, frozen=True, array_like=True):
    text: str
    at_ms: int
    counter: int
    device: str
    lost_s: float


def _require_paper(reading: Reading, paper_id: str) -> None:
    if reading.one(int, "SELECT 1 FROM paper WHERE id = ?", paper_id) is None:
        raise NotOnShelf(f"there is no paper {paper_id!r}")
