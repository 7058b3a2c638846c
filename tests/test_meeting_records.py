"""What is kept of meetings: over restarts and kills, votes that stay, who was there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from sidebooks_core.databases.database import Database
from sidebooks_core.errors import Conflict, NoSuchMeeting, StorageDamaged, StorageFailed
from sidebooks_core.meeting import ids
from sidebooks_core.meeting.commands import (
    BreakOffVote,
    CallEverybody,
    Cast,
    CloseVote,
    Command,
    ConfirmVote,
    End,
    GiveRole,
    LeaveRoom,
    OpenPaper,
    OpenVote,
    SetAgenda,
    Show,
    Take,
)
from sidebooks_core.meeting.keeping import Keeping
from sidebooks_core.meeting.model import Meeting, Participant
from sidebooks_core.meeting.records import DATABASE_NAME, LOST_S, KeptMeeting, Records
from sidebooks_core.meeting.schema import MEETINGS
from sidebooks_core.meeting.session import decide, opened
from sidebooks_core.meeting.state import AgendaItem
from sidebooks_core.meeting.votes import Vote, Voter

CHAIR, SPEAKER = Participant("chair", "Chair"), Participant("speaker", "Speaker")
WAIT_S = 30.0


class Clock:
    """A time that tests set, in seconds."""

    def __init__(self) -> None:
        self.now_s = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def records(tmp_path: Path, clock: Clock) -> Iterator[Records]:
    made = Records(tmp_path, clock)
    yield made
    made.close()


def added(records: Records, name: str = "m", **more: Any) -> Meeting:
    meeting = opened(name, "本会議", CHAIR, 1_800_000_000.0)
    records.add(meeting, **{"folder": "f", "opened_by": "person", **more})
    return meeting


def after(meeting: Meeting, kind: type[Command], by: Participant = CHAIR, **fields: Any) -> Meeting:
    count = meeting.counts.get(f"{by.id}/c", 0) + 1
    command: Any = kind(id="i", client="c", count=count, epoch=meeting.state.epoch, **fields)
    made = decide(meeting, command, by, 1_800_000_000.0)
    assert isinstance(made, Meeting), made
    return made


def kept_after(records: Records, meeting: Meeting, kind: type[Command], by: Participant = CHAIR, **fields: Any) -> Meeting:
    made = after(meeting, kind, by, **fields)
    records.before(meeting, made)
    return made


def wait_until(is_so: Callable[[], bool]) -> None:
    until_s = time.monotonic() + WAIT_S
    while not is_so():
        assert time.monotonic() < until_s
        time.sleep(0.02)


def recovered(records: Records, newest: Meeting | None = None) -> Meeting:
    found = records.recover("m", newest)
    assert found is not None
    return found


ROLL = {"voters": (Voter("chair", "Chair"), Voter("a", "A"), Voter("b", "B")), "seats": 3, "chair": "chair"}
OPEN_VOTE = {"title": "議案第1号", "rule": "simple", "present": frozenset({"chair", "a", "b"}), **ROLL}
A, B = Participant("a", "A"), Participant("b", "B")


def test_a_meeting_is_listed_as_it_is(records: Records, clock: Clock) -> None:
    meeting = added(records, code=ids.new_code())
    kept = KeptMeeting("m", "f", "本会議", "person", 1_800_000_000.0, None, True)
    assert records.meeting("m") == kept
    assert records.under_way() == records.of_folder("f") == [kept]
    assert (records.of_folder(None), records.meeting("n")) == ([], None)
    clock.now_s += 60
    kept_after(records, meeting, End)
    ended = records.meeting("m")
    assert ended == replace(kept, ended_s=clock.now_s, has_code=False)
    assert (records.under_way(), records.of_folder("f")) == ([], [ended])


def test_a_code_opens_its_meeting_until_that_ends_or_has_another(records: Records) -> None:
    first, second = ids.new_code(), ids.new_code()
    meeting = added(records, code=first)
    assert records.find_by_code(f" {first.lower()} ") == "m"
    records.set_code("m", second)
    assert (records.find_by_code(first), records.find_by_code(second)) == (None, "m")
    with pytest.raises(Conflict, match="code"):
        added(records, "n", code=second)
    kept_after(records, meeting, End)
    assert records.find_by_code(second) is None
    with pytest.raises(NoSuchMeeting):
        records.set_code("m", first)


def test_no_code_is_in_the_file(records: Records, tmp_path: Path) -> None:
    code = ids.new_code()
    added(records, code=code)
    written = b"".join(one.read_bytes() for one in tmp_path.iterdir())
    assert code.encode() not in written
    assert code.replace("-", "").encode() not in written


def test_an_epoch_that_was_told_is_never_used_again(records: Records, tmp_path: Path) -> None:
    meeting = kept_after(records, added(records), GiveRole, to="speaker", name="Speaker", role="speaker")
    for _ in range(3):
        meeting = kept_after(records, meeting, Take, SPEAKER)
        meeting = kept_after(records, meeting, Take, CHAIR)
    assert meeting.state.epoch == 7
    again = Records(tmp_path)
    assert recovered(again).state.position == (8, 0)
    again.close()


def test_a_meeting_that_is_not_in_the_records_is_not_kept(records: Records) -> None:
    meeting = opened("m", "本会議", CHAIR, 0.0)
    assert records.recover("m", None) is None
    with pytest.raises(NoSuchMeeting, match="add it first"):
        records.before(None, meeting)
    with pytest.raises(NoSuchMeeting):
        records.joined("m", CHAIR)
    assert recovered(records, meeting).state.epoch == 2


def test_a_turn_asks_no_database(records: Records, tmp_path: Path) -> None:
    meeting = kept_after(records, added(records), OpenPaper, paper="p", revision=1)
    other = Database(tmp_path / DATABASE_NAME, MEETINGS)
    version = other.version()
    kept_after(records, meeting, Show, paper="p", revision=1, page=2)
    assert other.version() == version
    other.close()


def test_the_newest_that_the_hub_has_goes_on_if_it_is_newer(records: Records) -> None:
    first = added(records)
    newest = after(after(first, OpenPaper, paper="p", revision=1, page=9), SetAgenda, items=(AgendaItem("予算", "p"),))
    assert recovered(records).state.paper == ""
    found = recovered(records, newest)
    assert (found.state.page, found.details.agenda, found.state.epoch) == (9, newest.details.agenda, 2)
    records.save([newest])
    assert recovered(records, first).state.page == 9


def test_an_older_state_does_not_replace_a_newer_one(records: Records) -> None:
    first = added(records)
    newest = after(after(first, OpenPaper, paper="p", revision=1), Show, paper="p", revision=1, page=5)
    records.save([newest])
    records.save([first])
    assert recovered(records).state.page == 5


def test_a_meeting_that_ended_stays_as_it_was(records: Records) -> None:
    meeting = kept_after(records, after(added(records), OpenPaper, paper="p", revision=1, page=3), End)
    found = recovered(records)
    assert (found.state, found.details) == (meeting.state, meeting.details)
    assert recovered(records, meeting).state == meeting.state


def test_a_hub_that_lost_the_end_ends_again(records: Records) -> None:
    before_end = after(added(records), OpenPaper, paper="p", revision=1, page=3)
    meeting = kept_after(records, before_end, End)
    stale = replace(before_end, state=replace(before_end.state, seq=meeting.state.seq + 5))
    found = recovered(records, stale)
    assert (found.state.mode, found.state.epoch) == ("ended", 2)


def voting(records: Records, ballot: str) -> Meeting:
    return kept_after(records, added(records), OpenVote, ballot=ballot, **OPEN_VOTE)


@pytest.mark.parametrize("ballot", ["named", "secret"])
def test_a_vote_is_on_the_disk_when_it_is_closed_and_nothing_of_it_before(records: Records, ballot: str) -> None:
    meeting = voting(records, ballot)
    meeting = kept_after(records, meeting, Cast, A, vote=1, choice="yes")
    [kept] = records.votes("m")
    assert (kept.stage, kept.voted) == ("open", frozenset())
    meeting = kept_after(records, meeting, CloseVote, vote=1)
    assert records.votes("m") == [meeting.vote]
    meeting = kept_after(records, meeting, ConfirmVote, vote=1)
    assert records.votes("m") == [meeting.vote]


def test_a_vote_that_was_open_is_broken_off_by_a_restart(records: Records) -> None:
    meeting = kept_after(records, voting(records, "secret"), Cast, A, vote=1, choice="yes")
    records.save([meeting])
    for newest in (None, meeting):
        found = recovered(records, newest)
        assert found.vote is not None
        assert (found.vote.stage, found.details.votes[0].stage) == ("broken off", "broken off")
    records.before(None, found)
    assert [one.stage for one in records.votes("m")] == ["broken off"]
    assert after(found, OpenVote, ballot="secret", **OPEN_VOTE).details.votes[1].stage == "open"


def test_a_vote_that_was_closed_is_confirmed_after_a_restart(records: Records) -> None:
    meeting = kept_after(records, voting(records, "named"), Cast, A, vote=1, choice="yes")
    kept_after(records, meeting, CloseVote, vote=1)
    found = kept_after(records, recovered(records), ConfirmVote, vote=1)
    [kept] = records.votes("m")
    assert (kept.stage, kept.named) == ("confirmed", {"a": "yes"})
    assert found.details.votes[0].stage == "confirmed"


def test_a_hub_that_lost_the_confirmation_cannot_break_the_vote_off(records: Records) -> None:
    closed = kept_after(
        records, kept_after(records, voting(records, "named"), Cast, A, vote=1, choice="yes"), CloseVote, vote=1
    )
    kept_after(records, closed, ConfirmVote, vote=1)
    with pytest.raises(Conflict, match="confirmed already"):
        kept_after(records, closed, BreakOffVote, vote=1)
    kept_after(records, closed, ConfirmVote, vote=1)
    assert recovered(records, closed).details.votes[0].stage == "confirmed"


def test_a_vote_that_was_broken_off_stays_so_whatever_another_process_has_decided(records: Records) -> None:
    opened_vote = voting(records, "named")
    closed = kept_after(records, kept_after(records, opened_vote, Cast, A, vote=1, choice="yes"), CloseVote, vote=1)
    kept_after(records, closed, BreakOffVote, vote=1)
    for late, command in ((closed, ConfirmVote), (opened_vote, CloseVote)):
        with pytest.raises(Conflict, match="broken off already"):
            kept_after(records, late, command, vote=1)
    gone = after(opened_vote, LeaveRoom, B, vote=1, who="b")
    kept_after(records, gone, BreakOffVote, vote=1)  # decided again, since somebody left meanwhile
    assert [one.stage for one in records.votes("m")] == ["broken off"]


def test_nobody_changes_a_confirmed_vote_in_the_database(records: Records, tmp_path: Path) -> None:
    meeting = kept_after(records, kept_after(records, voting(records, "named"), CloseVote, vote=1), ConfirmVote, vote=1)
    other = Database(tmp_path / DATABASE_NAME, MEETINGS)
    for statement in ("UPDATE vote SET stage = 'open'", "UPDATE vote SET vote = '{}'", "DELETE FROM vote"):
        with pytest.raises(StorageFailed, match="a confirmed vote is not"), other.writing() as writing:
            writing.run(statement)
    other.close()
    assert records.votes("m") == [meeting.vote]


def test_of_a_secret_vote_the_file_tells_no_order(tmp_path: Path) -> None:
    """Whoever reads the database finds the same, whoever voted what, and when."""
    written = []
    for name, order in (("1", [(A, "yes"), (B, "no")]), ("2", [(B, "yes"), (A, "no")])):
        records = Records(tmp_path / name, Clock())
        meeting = voting(records, "secret")
        for who, choice in order:
            meeting = kept_after(records, meeting, Cast, who, vote=1, choice=choice)
            records.save([meeting])
        kept_after(records, meeting, CloseVote, vote=1)
        with Database(tmp_path / name / DATABASE_NAME, MEETINGS).reading() as reading:
            written.append(reading.all(str, "SELECT vote FROM vote UNION ALL SELECT details FROM meeting"))
        records.close()
    assert written[0] == written[1]


@pytest.mark.parametrize("ballot", ["named", "secret"])
def test_nothing_is_written_while_votes_are_cast(records: Records, tmp_path: Path, ballot: str) -> None:
    """So the database's log does not tell how a secret vote grew, either."""
    meeting = voting(records, ballot)
    records.save([meeting])
    other = Database(tmp_path / DATABASE_NAME, MEETINGS)
    version = other.version()
    for who in (A, B):
        meeting = kept_after(records, meeting, Cast, who, vote=1, choice="yes")
        records.save([meeting])
    assert other.version() == version
    kept_after(records, meeting, CloseVote, vote=1)
    assert other.version() != version
    other.close()


def test_what_is_damaged_is_said_to_be(records: Records, tmp_path: Path) -> None:
    added(records)
    other = Database(tmp_path / DATABASE_NAME, MEETINGS)
    with other.writing() as writing:
        writing.run("UPDATE meeting SET state = '{}'")
    other.close()
    with pytest.raises(StorageDamaged):
        records.recover("m", None)


def test_who_was_there_is_kept(records: Records, clock: Clock) -> None:
    added(records)
    first = records.joined("m", CHAIR)
    second = records.joined("m", replace(SPEAKER, is_guest=True))
    clock.now_s += 60
    records.left([second])
    clock.now_s += 60
    records.left([first, second])
    assert [(one.participant, one.is_guest, one.left_s) for one in records.stays("m")] == [
        ("chair", False, 1_800_000_120.0),
        ("speaker", True, 1_800_000_060.0),
    ]


def test_whose_server_was_killed_was_there_until_it_was_seen_last(records: Records, clock: Clock) -> None:
    added(records)
    lost, there = records.joined("m", CHAIR), records.joined("m", SPEAKER)
    clock.now_s += 100
    records.seen([lost, there])
    clock.now_s += LOST_S
    assert [one.left_s for one in records.stays("m")] == [None, None]
    records.seen([there])
    clock.now_s += 1
    assert [one.left_s for one in records.stays("m")] == [1_800_000_100.0, None]


def test_nobody_stays_after_the_end(records: Records, clock: Clock) -> None:
    meeting = added(records)
    records.joined("m", CHAIR)
    clock.now_s += 60
    kept_after(records, meeting, End)
    clock.now_s += 60
    assert [one.left_s for one in records.stays("m")] == [1_800_000_060.0]


def test_a_backup_is_a_database_of_meetings(records: Records, tmp_path: Path) -> None:
    added(records)
    target = tmp_path / "backup"
    target.mkdir()
    records.back_up(target)
    copy = Records(target)
    assert copy.meeting("m") == records.meeting("m")
    copy.close()


# Keeping ---------------------------------------------------------------------------------------------------------------------


def kept_page(records: Records) -> int:
    return recovered(records).state.page


def test_a_state_is_written_without_being_waited_for(records: Records) -> None:
    keeping = Keeping(records)
    meeting = added(records)
    for page in range(1, 30):
        meeting = after(meeting, OpenPaper, paper="p", revision=1, page=page)
        keeping.after(meeting)
    wait_until(lambda: kept_page(records) == 29)
    keeping.close()


def test_what_waits_is_written_at_the_end(records: Records) -> None:
    keeping = Keeping(records)
    meeting = added(records)
    for page in (3, 4):
        meeting = after(meeting, OpenPaper, paper="p", revision=1, page=page)
        keeping.after(meeting)
    keeping.close()
    assert kept_page(records) == 4


def test_what_waits_to_be_written_is_recovered_too(records: Records) -> None:
    first = after(added(records), OpenPaper, paper="p", revision=1, page=3)
    second = after(first, CallEverybody)
    with_two = Keeping(FailingRecords(records, times=1_000_000))
    with_two.after(second)
    with_two.after(first)
    found = with_two.recover("m", first)
    assert found is not None
    assert (found.state.page, found.state.called) == (3, 1)
    with_two.close()


class FailingRecords(Records):
    """The first times that it is to save, the disk is full."""

    def __init__(self, records: Records, times: int) -> None:
        self.kept = records
        self.times = times
        self.failed = 0

    def save(self, meetings: Any) -> None:
        if self.failed < self.times:
            self.failed += 1
            raise StorageFailed("the disk is full")
        self.kept.save(meetings)

    def recover(self, meeting_id: str, newest: Meeting | None) -> Meeting | None:
        return self.kept.recover(meeting_id, newest)


def test_a_full_disk_delays_and_loses_nothing(records: Records, caplog: pytest.LogCaptureFixture) -> None:
    failing = FailingRecords(records, times=1)
    keeping = Keeping(failing)
    keeping.after(after(added(records), OpenPaper, paper="p", revision=1, page=3))
    wait_until(lambda: kept_page(records) == 3)
    assert failing.failed == 1
    assert "cannot be written" in caplog.text
    keeping.close()


CHILD = """
import sys, time
from pathlib import Path
from test_meeting_records import A, CHAIR, OPEN_VOTE, SPEAKER, Keeping, Records
from sidebooks_core.meeting.hub import LocalHub
from sidebooks_core.meeting.commands import *
from sidebooks_core.meeting.session import decide

records = Records(Path(sys.argv[1]))
hub = LocalHub(Keeping(records))
count = time.time_ns() // 1000
def do(kind, by=CHAIR, **fields):
    global count
    count += 1
    command = kind(id="i", client="c", count=count, epoch=hub.read("m").state.epoch, **fields)
    hub.change("m", lambda meeting: decide(meeting, command, by, time.time()))
    meeting = hub.read("m")
    print(*meeting.state.position, *(one.stage.replace(" ", "_") for one in meeting.details.votes), flush=True)
if hub.read("m").state.presenter != "chair":
    do(TakeBack)
do(GiveRole, to="speaker", name="Speaker", role="speaker")
while True:
    for page in range(1, 4):
        do(OpenPaper, paper="p", revision=1, page=page)
    do(OpenVote, ballot="secret", **OPEN_VOTE)
    do(Cast, A, vote=len(hub.read("m").details.votes), choice="yes")
    do(CloseVote, vote=len(hub.read("m").details.votes))
    do(ConfirmVote, vote=len(hub.read("m").details.votes))
    do(Take, SPEAKER)
    do(Take, CHAIR)
"""


def test_a_killed_server_has_told_no_epoch_and_no_vote_that_is_lost(tmp_path: Path) -> None:
    first = Records(tmp_path)
    added(first)
    first.close()
    told: tuple[int, int] = (0, 0)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    for lines in (8, 23, 41):
        command = [sys.executable, "-c", CHILD, str(tmp_path)]
        child = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, cwd=tmp_path)
        assert child.stdout is not None
        read = [child.stdout.readline().decode() for _ in range(lines)]
        child.send_signal(signal.SIGKILL)
        read += child.stdout.read().decode().splitlines()
        child.wait(WAIT_S)
        child.stdout.close()
        whole = [one.split() for one in read if len(one.split()) >= 2]
        positions = [(int(one[0]), int(one[1])) for one in whole]
        assert positions[0] > told, "the meeting went on in an epoch that was told before"
        told = max(positions)
        records = Records(tmp_path)
        confirmed = whole[-2].count("confirmed")
        kept: list[Vote] = records.votes("m")
        assert [one.stage for one in kept].count("confirmed") >= confirmed
        assert all(one.counts == {"yes": 1} for one in kept if one.stage in ("closed", "confirmed"))
        assert recovered(records).state.position > told
        records.close()
