"""What is kept of meetings for good: their names and codes, the last state, votes, and who was there.

- No epoch is told before it is on the disk. So a meeting that is restored has a greater epoch than any that was told, though
  its last state may be an older one.
- A vote is on the disk before its stage is told. A vote that was open when the hub was lost is broken off.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from sidebooks_core.databases.checkpointer import Checkpointer
from sidebooks_core.databases.database import Database, Reading, Writing
from sidebooks_core.errors import Conflict, NoSuchMeeting, StorageDamaged
from sidebooks_core.meeting.attendance import Stay
from sidebooks_core.meeting.ids import code_digest
from sidebooks_core.meeting.listing import Listing
from sidebooks_core.meeting.model import Meeting, Participant, newer
from sidebooks_core.meeting.parts import Part, part_in
from sidebooks_core.meeting.schema import MEETINGS
from sidebooks_core.meeting.session import restored
from sidebooks_core.meeting.state import Details, State
from sidebooks_core.meeting.votes import Vote, shown

DATABASE_NAME = "meetings.sqlite3"
LOST_S = 300.0
"""Whoever no server has seen for so long, in seconds, has left: their server was killed."""

_encoder = msgspec.json.Encoder(order="deterministic")


class KeptMeeting(Struct, frozen=True, array_like=True):
    """A meeting, as a list of meetings has it. Times are seconds since 1970 (UTC)."""

    id: str
    folder: str | None
    """Of the shelf. None: of none."""
    name: str
    opened_by: str
    """The id of a principal."""
    opened_s: float
    ended_s: float | None
    """None: it goes on."""
    has_code: bool


class _Row(Struct, frozen=True, array_like=True):
    epoch: int
    ended_s: float | None
    state: str
    details: str


class _StayRow(Struct, frozen=True, array_like=True):
    participant: str
    name: str
    is_guest: bool
    joined_s: float
    seen_s: float
    left_s: float | None


class Records:
    """The database of meetings. Thread-safe, safe among processes. Methods raise StorageError. `close()` it."""

    def __init__(self, data_dir: Path | None, clock: Callable[[], float] = time.time) -> None:
        """data_dir: that of the shelf. None: in memory, for tests. clock: seconds since 1970 (UTC)."""
        self._clock = clock
        self._database = Database(None if data_dir is None else data_dir / DATABASE_NAME, MEETINGS)
        self._checkpointer = Checkpointer(self._database)
        self._listing = Listing(self._database)

    def tell(self, listener: Callable[[list[str]], None]) -> None:
        """Call back, from a thread, with the ids of meetings that began or ended, also if another process has them."""
        self._listing.tell(listener)

    def look(self) -> None:
        """A meeting has ended, and those who are in it are told so: the others may look now."""
        self._listing.wake()

    def add(self, meeting: Meeting, *, folder: str | None, opened_by: str, code: str | None = None) -> None:
        """Keep a new meeting. Do this before a hub opens it. code: see `new_code`. Raises Conflict if the code is in use."""
        state, details = meeting.state, meeting.details
        digest = None if code is None else code_digest(code)
        with self._database.writing() as writing:
            _require_free(writing, digest)
            writing.run(
                "INSERT INTO meeting VALUES (?, ?, ?, ?, ?, ?, NULL, ?, ?, ?, ?, ?)",
                *(state.meeting, folder, details.name, digest, opened_by, details.opened_s, state.epoch),
                *(state.epoch, state.seq, _text(state), _text(details)),
            )
        self._listing.wake()

    def set_code(self, meeting_id: str, code: str | None) -> None:
        """Another code to join by, or none: the old one is not valid any more. Raises NoSuchMeeting, Conflict."""
        digest = None if code is None else code_digest(code)
        with self._database.writing() as writing:
            _require_free(writing, digest)
            if not writing.run("UPDATE meeting SET code = ? WHERE id = ? AND ended_s IS NULL", digest, meeting_id):
                raise NoSuchMeeting(f"there is no meeting {meeting_id} that goes on")

    def find_by_code(self, code: str) -> str | None:
        """The id of the meeting that a code opens. None: it opens none, or that has ended."""
        with self._database.reading() as reading:
            return reading.one(str, "SELECT id FROM meeting WHERE code = ? AND ended_s IS NULL", code_digest(code))

    def meeting(self, meeting_id: str) -> KeptMeeting | None:
        """None: there is no such meeting."""
        with self._database.reading() as reading:
            return reading.one(KeptMeeting, f"{_LIST} WHERE id = ?", meeting_id)

    def goes_on(self, meeting_id: str) -> bool:
        """Whether there is such a meeting that has not ended."""
        with self._database.reading() as reading:
            return bool(reading.number("SELECT EXISTS (SELECT 1 FROM meeting WHERE id = ? AND ended_s IS NULL)", meeting_id))

    def under_way(self) -> list[KeptMeeting]:
        """The meetings that have not ended, the newest first."""
        with self._database.reading() as reading:
            return reading.all(KeptMeeting, f"{_LIST} WHERE ended_s IS NULL ORDER BY opened_s DESC")

    def of_folder(self, folder: str | None) -> list[KeptMeeting]:
        """The meetings of a folder, the newest first."""
        with self._database.reading() as reading:
            return reading.all(KeptMeeting, f"{_LIST} WHERE folder IS ? ORDER BY opened_s DESC", folder)

    # What a hub needs ------------------------------------------------------------------------------------------------------

    def recover(self, meeting_id: str, newest: Meeting | None) -> Meeting | None:
        """See `Backing`."""
        with self._database.reading() as reading:
            row = reading.one(_Row, "SELECT epoch, ended_s, state, details FROM meeting WHERE id = ?", meeting_id)
            if row is None:
                return None if newest is None else restored(newest)
            votes = _votes(reading, meeting_id)
        kept = Meeting(state=_parsed(row.state, State), details=_parsed(row.details, Details))
        found = kept if newest is None else newer(kept, newest)
        details = replace(found.details, votes=tuple(shown(one) for one in votes))
        found = replace(found, details=details, counts={}, vote=votes[-1] if votes else None)
        if row.ended_s is None:
            return restored(found, row.epoch)
        if found.state.mode == "ended":
            return replace(found, details=replace(details, epoch=found.state.epoch, seq=found.state.details))
        return restored(replace(found, state=replace(found.state, mode="ended")), row.epoch)

    def before(self, old: Meeting | None, new: Meeting) -> None:
        """See `Backing`. Raises NoSuchMeeting, and Conflict if a vote was confirmed or broken off otherwise."""
        state = new.state
        vote = new.vote if old is None or _is_told(old.vote, new.vote) else None
        has_ended = state.mode == "ended" and (old is None or old.state.mode != "ended")
        if old is not None and old.state.epoch == state.epoch and vote is None and not has_ended:
            return
        with self._database.writing() as writing:
            found = writing.one(int, "SELECT epoch FROM meeting WHERE id = ?", state.meeting)
            if found is None:
                raise NoSuchMeeting(f"there is no meeting {state.meeting} in the records: add it first")
            writing.run("UPDATE meeting SET epoch = ? WHERE id = ? AND epoch < ?", state.epoch, state.meeting, state.epoch)
            if vote is not None:
                _keep_vote(writing, state.meeting, vote)
            if has_ended:
                _save(writing, new)
                _end(writing, state.meeting, self._clock())

    def give_up(self, old: Meeting, made: Meeting, now: Meeting) -> bool:
        """See `Backing`."""
        meeting_id, vote, has_ended = now.state.meeting, now.vote, now.state.mode == "ended"
        is_of_vote = made.vote is not None and _is_told(old.vote, made.vote)
        if not is_of_vote and made.state.mode != "ended":
            return False
        with self._database.writing() as writing:
            if has_ended:
                _end(writing, meeting_id, self._clock())
            elif made.state.mode == "ended":
                writing.run("UPDATE meeting SET ended_s = NULL WHERE id = ?", meeting_id)
                query = "UPDATE meeting SET state_epoch = 0, state_seq = 0 WHERE id = ? AND state = ?"
                writing.run(query, meeting_id, _text(made.state))
                _save(writing, now)
            if vote is not None and not _is_settled(writing, meeting_id, vote.number):
                _keep_vote(writing, meeting_id, vote)
            query = "DELETE FROM vote WHERE meeting = ? AND number > ? AND stage = 'open'"
            writing.run(query, meeting_id, 0 if vote is None else vote.number)
        self._listing.wake()
        return True

    def save(self, meetings: Iterable[Meeting]) -> None:
        """Keep the states of meetings, where they are newer than those that are kept."""
        with self._database.writing() as writing:
            for one in meetings:
                _save(writing, one)
                if one.state.mode == "ended":
                    writing.run("UPDATE meeting SET code = NULL WHERE id = ? AND ended_s IS NOT NULL", one.state.meeting)

    # Votes and attendance ----------------------------------------------------------------------------------------------------

    def votes(self, meeting_id: str) -> list[Vote]:
        """The votes of a meeting, in order. Nothing was cast in one that is open: a hub knows that."""
        with self._database.reading() as reading:
            return _votes(reading, meeting_id)

    def joined(self, meeting_id: str, participant: Participant) -> int:
        """Somebody is there. Returns the number of this stay."""
        now_s = self._clock()
        with self._database.writing() as writing:
            known = writing.one(str, "SELECT id FROM meeting WHERE id = ?", meeting_id)
            if known is None:
                raise NoSuchMeeting(f"there is no meeting {meeting_id}")
            columns = "meeting, participant, name, is_guest, joined_s, seen_s"
            return writing.number(
                f"INSERT INTO stay ({columns}) VALUES (?, ?, ?, ?, ?, ?) RETURNING id",
                *(meeting_id, participant.id, participant.name, participant.is_guest, now_s, now_s),
            )

    def seen(self, stays: Iterable[int]) -> None:
        """These are still there. Say so several times within `LOST_S`."""
        now_s = self._clock()
        with self._database.writing() as writing:
            writing.run_each("UPDATE stay SET seen_s = ? WHERE id = ? AND left_s IS NULL", [(now_s, one) for one in stays])

    def left(self, stays: Iterable[int]) -> None:
        """These have left."""
        now_s = self._clock()
        with self._database.writing() as writing:
            writing.run_each("UPDATE stay SET left_s = ? WHERE id = ? AND left_s IS NULL", [(now_s, one) for one in stays])

    def stays(self, meeting_id: str) -> list[Stay]:
        """All stays of a meeting. Nobody stays after its end, nor long after a server was killed."""
        with self._database.reading() as reading:
            meeting = reading.one(KeptMeeting, f"{_LIST} WHERE id = ?", meeting_id)
            query = "SELECT participant, name, is_guest, joined_s, seen_s, left_s FROM stay WHERE meeting = ? ORDER BY id"
            rows = reading.all(_StayRow, query, meeting_id)
        ended_s = None if meeting is None else meeting.ended_s
        return [_stay(one, ended_s, self._clock()) for one in rows]

    def part_in(self, person: str, meetings: Iterable[str]) -> Part:
        """In which of some meetings a person is or was, and which of them they chair. person: the id of a principal."""
        with self._database.reading() as reading:
            return part_in(reading, person, meetings)

    def back_up(self, folder: Path) -> None:
        """Write a copy of the database into a folder. Raises FileExistsError."""
        self._database.back_up(folder / DATABASE_NAME)

    def close(self) -> None:
        self._listing.close()
        self._checkpointer.close()
        self._database.close()


T = TypeVar("T", State, Details, Vote)
_LIST = "SELECT id, folder, name, opened_by, opened_s, ended_s, code IS NOT NULL AND ended_s IS NULL FROM meeting"


def _text(value: State | Details | Vote) -> str:
    return _encoder.encode(value).decode()


def _parsed(text: str, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(text, type=kind)
    except msgspec.DecodeError as fault:
        raise StorageDamaged(f"the database of meetings does not have what was written: {fault}") from fault


def _require_free(writing: Writing, digest: str | None) -> None:
    if writing.one(str, "SELECT id FROM meeting WHERE code = ?", digest) is not None:
        raise Conflict("another meeting has this code: make a new one")


def _save(writing: Writing, meeting: Meeting) -> None:
    epoch, seq = meeting.state.position
    writing.run(
        "UPDATE meeting SET state_epoch = ?1, state_seq = ?2, state = ?3, details = ?4, name = ?5 "
        "WHERE id = ?6 AND (state_epoch, state_seq) < (?1, ?2)",
        *(epoch, seq, _text(meeting.state), _text(meeting.details), meeting.details.name, meeting.state.meeting),
    )


def _end(writing: Writing, meeting_id: str, now_s: float) -> None:
    writing.run("UPDATE meeting SET ended_s = ? WHERE id = ? AND ended_s IS NULL", now_s, meeting_id)


def _is_told(old: Vote | None, new: Vote | None) -> bool:
    """Whether all are told of something new of a vote: any change but that somebody voted or left."""
    return new is not None and new != old and (new.stage != "open" or old is None or old.number != new.number)


def _is_settled(writing: Writing, meeting_id: str, number: int) -> bool:
    """Whether a vote is kept as confirmed or broken off, and so for good. The same command of its chair goes on from there."""
    query = "SELECT EXISTS (SELECT 1 FROM vote WHERE meeting = ? AND number = ? AND stage IN ('confirmed', 'broken off'))"
    return bool(writing.number(query, meeting_id, number))


def _keep_vote(writing: Writing, meeting_id: str, vote: Vote) -> None:
    if vote.stage == "open":
        vote = replace(vote, named={}, counts={}, counted=frozenset())
    writing.run(
        "INSERT INTO vote VALUES (?, ?, ?, ?) ON CONFLICT (meeting, number) "
        "DO UPDATE SET stage = excluded.stage, vote = excluded.vote "
        "WHERE stage <> 'confirmed' AND (stage <> 'broken off' OR excluded.stage = 'broken off')",
        *(meeting_id, vote.number, vote.stage, _text(vote)),
    )
    kept = writing.one(str, "SELECT vote FROM vote WHERE meeting = ? AND number = ?", meeting_id, vote.number) or ""
    if kept != _text(vote):
        raise Conflict(f"vote {vote.number} was {_parsed(kept, Vote).stage} already, and stays as it is")


def _votes(reading: Reading, meeting_id: str) -> list[Vote]:
    return [
        _parsed(one, Vote) for one in reading.all(str, "SELECT vote FROM vote WHERE meeting = ? ORDER BY number", meeting_id)
    ]


def _stay(row: _StayRow, ended_s: float | None, now_s: float) -> Stay:
    left_s = row.left_s
    if left_s is None and now_s - row.seen_s > LOST_S:
        left_s = row.seen_s
    if ended_s is not None:
        left_s = ended_s if left_s is None else min(left_s, ended_s)
    return Stay(participant=row.participant, name=row.name, is_guest=row.is_guest, joined_s=row.joined_s, left_s=left_s)
