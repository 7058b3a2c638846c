"""The life of a meeting: what each command does, who may give it, and that all clients end in the one present state."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct
from msgspec.structs import replace

from sidebooks_core.meeting import following, session
from sidebooks_core.meeting.commands import (
    AnyCommand,
    BreakOffVote,
    CallEverybody,
    Cast,
    CloseVote,
    Command,
    ConfirmVote,
    DecideTie,
    End,
    GiveRole,
    HandOver,
    LeaveRoom,
    OpenPaper,
    OpenVote,
    SetAgenda,
    SetMode,
    SetTaking,
    Show,
    Take,
    TakeBack,
)
from sidebooks_core.meeting.following import Follower
from sidebooks_core.meeting.messages import Refused
from sidebooks_core.meeting.model import Meeting, Participant, newer, standings
from sidebooks_core.meeting.rights import RIGHTS, STANDINGS, Standing
from sidebooks_core.meeting.session import decide, kind_of, opened, restored
from sidebooks_core.meeting.state import AgendaItem, State
from sidebooks_core.meeting.votes import Voter

CHAIR, PRESENTER, SPEAKER, VIEWER = (Participant(one, one.title()) for one in ("chair", "presenter", "speaker", "viewer"))
BY_STANDING: dict[Standing, Participant] = {"chair": CHAIR, "presenter": PRESENTER, "speaker": SPEAKER, "viewer": VIEWER}
OPENED_S = 1_800_000_000.0


class Hand:
    """Gives commands, each with a greater count."""

    def __init__(self, meeting: Meeting) -> None:
        self.meeting = meeting
        self.count = 0

    def tries(self, kind: type[Command], by: Participant, *, epoch: int | None = None, **fields: Any) -> Meeting | Refused:
        self.count += 1
        known = self.meeting.state.epoch if epoch is None else epoch
        command: Any = kind(id=f"i{self.count}", client="c", count=self.count, epoch=known, **fields)
        return decide(self.meeting, command, by, OPENED_S + self.count)

    def does(self, kind: type[Command], by: Participant, **fields: Any) -> Meeting:
        made = self.tries(kind, by, **fields)
        assert isinstance(made, Meeting), made
        assert (made.details.epoch, made.details.seq) == (made.state.epoch, made.state.details)
        is_same = made.details == self.meeting.details
        assert is_same or made.details.seq == self.meeting.details.seq + 1
        self.meeting = made
        return made

    def refused(self, kind: type[Command], by: Participant, **fields: Any) -> str:
        made = self.tries(kind, by, **fields)
        assert isinstance(made, Refused), made
        assert made.state == self.meeting.state
        return made.why


@pytest.fixture
def hand() -> Hand:
    """A meeting with one of each standing, in a paper, with a vote of which the last one is on the roll."""
    hand = Hand(opened("m", "本会議", CHAIR, OPENED_S))
    hand.does(GiveRole, CHAIR, to="speaker", name="Speaker", role="speaker")
    hand.does(HandOver, CHAIR, to="presenter", name="Presenter")
    hand.does(OpenPaper, PRESENTER, paper="budget", revision=2, page=10)
    return hand


ROLL = {"voters": tuple(Voter(one.id, one.name) for one in BY_STANDING.values()), "seats": 4, "chair": "chair"}
OPEN_VOTE = {"title": "議案第1号", "rule": "simple", "ballot": "named", "present": frozenset(BY_STANDING), **ROLL}


def test_a_meeting_begins_with_its_chair_presenting() -> None:
    meeting = opened("m", "本会議", CHAIR, OPENED_S)
    assert standings(meeting, "chair") == {"chair", "presenter"}
    assert standings(meeting, "somebody") == {"viewer"}
    assert (meeting.state.position, meeting.state.paper, meeting.state.mode) == ((1, 0), "", "follow")
    assert (meeting.details.epoch, meeting.details.seq) == (1, meeting.state.details)


FIELDS: dict[type[Command], dict[str, Any]] = {
    Show: {"paper": "budget", "revision": 2, "page": 11},
    OpenPaper: {"paper": "minutes", "revision": 1},
    SetMode: {"mode": "free"},
    CallEverybody: {},
    Take: {},
    HandOver: {"to": "speaker", "name": "Speaker"},
    TakeBack: {},
    SetAgenda: {"items": (AgendaItem("開会"), AgendaItem("予算", "budget"))},
    GiveRole: {"to": "viewer", "name": "Viewer", "role": "speaker"},
    SetTaking: {"role": "chair"},
    End: {},
    OpenVote: OPEN_VOTE,
    Cast: {"vote": 1, "choice": "yes"},
    LeaveRoom: {"vote": 1, "who": "self"},
    CloseVote: {"vote": 1},
    DecideTie: {"vote": 1, "choice": "yes"},
    ConfirmVote: {"vote": 1},
    BreakOffVote: {"vote": 1},
}
"""For each command, such fields that it is done by who may."""


def prepared_for(hand: Hand, kind: type[Command]) -> None:
    if kind in (Cast, LeaveRoom, CloseVote, DecideTie, ConfirmVote, BreakOffVote):
        hand.does(OpenVote, CHAIR, **OPEN_VOTE)
    if kind in (DecideTie, ConfirmVote):
        hand.does(Cast, VIEWER, vote=1, choice="yes")
        if kind is DecideTie:
            hand.does(Cast, SPEAKER, vote=1, choice="no")
        hand.does(CloseVote, CHAIR, vote=1)


@pytest.mark.parametrize("standing", STANDINGS)
@pytest.mark.parametrize("kind", FIELDS, ids=lambda kind: kind.__struct_config__.tag)
def test_who_may_do_what_is_the_table_of_rights(hand: Hand, kind: type[Command], standing: Standing) -> None:
    by = BY_STANDING[standing]
    prepared_for(hand, kind)
    fields = {**FIELDS[kind], **({"who": by.id} if kind is LeaveRoom else {})}
    made = hand.tries(kind, by, **fields)
    right = RIGHTS[str(kind.__struct_config__.tag)]
    own_reasons = {
        (Take, "presenter"): "is presenter",
        (Take, "viewer"): "forbidden",
        (Cast, "chair"): "chair does not vote",
        (LeaveRoom, "chair"): "chair presides",
    }
    if (kind, standing) in own_reasons:
        assert isinstance(made, Refused)
        assert made.why == own_reasons[kind, standing]
    elif standing in right.who:
        assert isinstance(made, Meeting), made
        assert made != hand.meeting
    else:
        assert isinstance(made, Refused)
        assert made.why == "forbidden"


@pytest.mark.parametrize("kind", FIELDS, ids=lambda kind: kind.__struct_config__.tag)
def test_a_command_of_another_epoch_is_overtaken_where_that_matters(hand: Hand, kind: type[Command]) -> None:
    prepared_for(hand, kind)
    by = PRESENTER if kind in (Show, OpenPaper, Cast, LeaveRoom) else CHAIR
    fields = {**FIELDS[kind], **({"who": by.id} if kind is LeaveRoom else {})}
    for epoch in (hand.meeting.state.epoch - 1, hand.meeting.state.epoch + 1):
        made = hand.tries(kind, by, epoch=epoch, **fields)
        if RIGHTS[str(kind.__struct_config__.tag)].needs_epoch:
            assert isinstance(made, Refused)
            assert (made.why, made.winner, made.state) == ("overtaken", "Presenter", hand.meeting.state)
        else:
            assert isinstance(made, Meeting)


def test_of_two_who_take_at_once_one_presents_and_the_other_is_told_who(hand: Hand) -> None:
    epoch = hand.meeting.state.epoch
    hand.does(Take, SPEAKER, epoch=epoch)
    made = hand.tries(Take, CHAIR, epoch=epoch)
    assert isinstance(made, Refused)
    assert (made.why, made.winner, made.state.presenter) == ("overtaken", "Speaker", "speaker")


def test_the_overtaken_presenter_shows_nothing_any_more(hand: Hand) -> None:
    hand.does(Take, SPEAKER)
    assert hand.refused(Show, PRESENTER, **FIELDS[Show]) == "forbidden"
    hand.does(Show, SPEAKER, **FIELDS[Show])


def test_another_presenter_begins_an_epoch_on_the_same_page(hand: Hand) -> None:
    before = hand.meeting.state
    after = hand.does(Take, SPEAKER).state
    assert (after.epoch, after.seq, after.page, after.paper) == (before.epoch + 1, 0, before.page, before.paper)
    assert hand.meeting.details.names["speaker"] == "Speaker"
    assert "presenter" not in hand.meeting.details.names


def test_another_presenter_is_news_of_the_details_also_if_both_are_named_there(hand: Hand) -> None:
    hand.does(Take, SPEAKER)
    names = hand.meeting.details.names
    hand.does(TakeBack, CHAIR)
    assert hand.meeting.details.names == names


@pytest.mark.parametrize(
    ("taking", "allowed"), [("chair", "chair"), ("speaker", "chair speaker"), ("viewer", "chair speaker viewer")]
)
def test_who_may_take_is_said_by_the_chair(hand: Hand, taking: str, allowed: str) -> None:
    hand.does(SetTaking, CHAIR, role=taking)
    for by in (CHAIR, SPEAKER, VIEWER):
        assert isinstance(hand.tries(Take, by), Meeting) is (by.id in allowed.split())


def test_a_turn_carries_spread_and_rectangle(hand: Hand) -> None:
    state = hand.does(Show, PRESENTER, paper="budget", revision=2, page=4, spread=5, view_pt=(10.04, 20.06, 300, 400)).state
    assert (state.page, state.spread, state.view_pt) == (4, 5, (10.0, 20.1, 300, 400))
    state = hand.does(Show, PRESENTER, paper="budget", revision=2, page=6).state
    assert (state.page, state.spread, state.view_pt) == (6, None, None)


@pytest.mark.parametrize(
    "place",
    [
        {"spread": 4},
        {"spread": 3},
        {"spread": 6},
        {"view_pt": (0, 0, 0, 1)},
        {"view_pt": (5, 0, 4, 1)},
        {"view_pt": (1, 1, 1.01, 2)},
    ],
)
def test_a_place_that_is_none_is_refused(hand: Hand, place: dict[str, Any]) -> None:
    assert hand.refused(Show, PRESENTER, **{"paper": "budget", "revision": 2, "page": 4, **place}) == "wrong place"
    assert hand.refused(OpenPaper, PRESENTER, **{"paper": "budget", "revision": 2, "page": 4, **place}) == "wrong place"


@pytest.mark.parametrize("paper", [("minutes", 2), ("budget", 1), ("budget", 3)])
def test_a_turn_in_another_paper_or_revision_is_not_one_in_this(hand: Hand, paper: tuple[str, int]) -> None:
    assert hand.refused(Show, PRESENTER, paper=paper[0], revision=paper[1], page=1) == "another paper"


def test_a_lock_is_the_chairs(hand: Hand) -> None:
    assert hand.refused(SetMode, PRESENTER, mode="locked") == "forbidden"
    assert hand.does(SetMode, CHAIR, mode="locked").state.mode == "locked"
    assert hand.refused(SetMode, PRESENTER, mode="follow") == "forbidden"
    hand.does(SetMode, CHAIR, mode="follow")


def test_there_is_always_a_chair(hand: Hand) -> None:
    assert hand.refused(GiveRole, CHAIR, to="chair", name="Chair", role="viewer") == "last chair"
    hand.does(GiveRole, CHAIR, to="speaker", name="Speaker", role="chair")
    hand.does(GiveRole, CHAIR, to="chair", name="Chair", role="viewer")
    assert standings(hand.meeting, "chair") == {"viewer"}
    assert hand.refused(End, CHAIR) == "forbidden"


def test_roles_are_bounded(hand: Hand) -> None:
    for number in range(session.MOST_ROLES - len(hand.meeting.details.roles)):
        hand.does(GiveRole, CHAIR, to=f"p{number}", name="P", role="speaker")
    assert hand.refused(GiveRole, CHAIR, to="another", name="P", role="speaker") == "too many"


def test_after_the_end_nothing_is_done(hand: Hand) -> None:
    hand.does(End, CHAIR)
    for kind, fields in FIELDS.items():
        assert hand.refused(kind, CHAIR, **fields) == "ended"


def test_a_meeting_does_not_end_within_a_vote(hand: Hand) -> None:
    hand.does(OpenVote, CHAIR, **OPEN_VOTE)
    assert hand.refused(End, CHAIR) == "another vote"
    hand.does(BreakOffVote, CHAIR, vote=1)
    hand.does(End, CHAIR)


def test_a_command_is_done_once(hand: Hand) -> None:
    command = CallEverybody(id="i", client="c", count=100, epoch=hand.meeting.state.epoch)
    once = decide(hand.meeting, command, PRESENTER, OPENED_S)
    assert isinstance(once, Meeting)
    for count in (100, 99, 0):
        again = decide(once, replace(command, count=count), PRESENTER, OPENED_S)
        assert isinstance(again, Refused)
        assert again.why == "replayed"
    for other, by in ((replace(command, client="d"), PRESENTER), (command, CHAIR), (replace(command, count=101), PRESENTER)):
        assert isinstance(decide(once, other, by, OPENED_S), Meeting)


def test_a_take_that_comes_twice_is_told_that_it_was_done(hand: Hand) -> None:
    command = Take(id="i", client="c", count=100, epoch=hand.meeting.state.epoch)
    once = decide(hand.meeting, command, SPEAKER, OPENED_S)
    assert isinstance(once, Meeting)
    again = decide(once, command, SPEAKER, OPENED_S)
    assert isinstance(again, Refused)
    assert (again.why, again.winner) == ("replayed", "Speaker")


def test_few_clients_are_remembered_and_votes_are_not_among_them(hand: Hand) -> None:
    command = CallEverybody(id="i", client="c", count=1, epoch=hand.meeting.state.epoch)
    meeting = hand.meeting
    for number in range(200):
        made = decide(meeting, replace(command, client=f"c{number}"), PRESENTER, OPENED_S)
        assert isinstance(made, Meeting)
        meeting = made
    assert len(meeting.counts) == session.MOST_COUNTS
    assert "presenter/c199" in meeting.counts
    hand.does(OpenVote, CHAIR, **OPEN_VOTE)
    counts = hand.meeting.counts
    assert hand.does(Cast, VIEWER, vote=1, choice="yes").counts == counts


def test_the_time_of_a_state_never_runs_back(hand: Hand) -> None:
    late = decide(hand.meeting, SetMode(id="i", client="x", count=1, epoch=2, mode="free"), PRESENTER, OPENED_S + 100)
    assert isinstance(late, Meeting)
    early = decide(late, SetMode(id="i", client="x", count=2, epoch=2, mode="follow"), PRESENTER, OPENED_S - 100)
    assert isinstance(early, Meeting)
    assert (late.state.t, early.state.t) == (100_000, 100_000)


def test_a_vote_is_told_and_its_ballots_are_not(hand: Hand) -> None:
    meeting = hand.does(OpenVote, CHAIR, **OPEN_VOTE)
    position = meeting.state.position
    meeting = hand.does(Cast, VIEWER, vote=1, choice="yes")
    meeting = hand.does(LeaveRoom, SPEAKER, vote=1, who="speaker")
    assert meeting.state.position == position
    meeting = hand.does(CloseVote, CHAIR, vote=1)
    [told] = meeting.details.votes
    assert told.outcome is not None
    assert (told.stage, told.outcome.result, told.outcome.yes, told.in_room) == ("closed", "rejected", 1, 3)
    assert hand.refused(OpenVote, CHAIR, **OPEN_VOTE) == "another vote"
    [told] = hand.does(ConfirmVote, CHAIR, vote=1).details.votes
    assert told.stage == "confirmed"


def test_a_correction_is_a_new_vote_that_names_the_old_one(hand: Hand) -> None:
    hand.does(OpenVote, CHAIR, **OPEN_VOTE)
    hand.does(CloseVote, CHAIR, vote=1)
    hand.does(ConfirmVote, CHAIR, vote=1)
    assert hand.refused(OpenVote, CHAIR, **OPEN_VOTE, corrects=2) == "no such vote"
    meeting = hand.does(OpenVote, CHAIR, **OPEN_VOTE, corrects=1)
    assert [(one.number, one.stage, one.corrects) for one in meeting.details.votes] == [(1, "confirmed", None), (2, "open", 1)]
    hand.does(BreakOffVote, CHAIR, vote=2)
    assert hand.refused(OpenVote, CHAIR, **OPEN_VOTE, corrects=2) == "no such vote"


def test_a_vote_of_another_number_is_not_this_one(hand: Hand) -> None:
    assert hand.refused(Cast, VIEWER, vote=1, choice="yes") == "no such vote"
    hand.does(OpenVote, CHAIR, **OPEN_VOTE)
    assert hand.refused(Cast, VIEWER, vote=2, choice="yes") == "no such vote"


def test_a_wrong_roll_opens_no_vote(hand: Hand) -> None:
    assert hand.refused(OpenVote, CHAIR, **{**OPEN_VOTE, "present": frozenset(["viewer"])}) == "wrong roll"


def test_nobody_sends_others_out_of_the_room_but_the_chair(hand: Hand) -> None:
    hand.does(OpenVote, CHAIR, **OPEN_VOTE)
    assert hand.refused(LeaveRoom, VIEWER, vote=1, who="speaker") == "forbidden"
    hand.does(LeaveRoom, CHAIR, vote=1, who="viewer")
    assert hand.refused(LeaveRoom, VIEWER, vote=1, who="viewer", is_back=True) == "forbidden"
    hand.does(LeaveRoom, CHAIR, vote=1, who="viewer", is_back=True)
    hand.does(Cast, VIEWER, vote=1, choice="yes")


def test_a_restored_meeting_is_newer_than_all_that_was_told(hand: Hand) -> None:
    hand.does(OpenVote, CHAIR, **OPEN_VOTE)
    hand.does(Cast, VIEWER, vote=1, choice="yes")
    meeting = restored(hand.meeting, above=9)
    assert meeting.state.position == (10, 0)
    assert (meeting.details.epoch, meeting.details.seq) == (10, meeting.state.details)
    assert meeting.state.details > hand.meeting.state.details
    assert meeting.vote is not None
    assert (meeting.vote.stage, meeting.vote.voted, meeting.details.votes[0].stage) == ("broken off", frozenset(), "broken off")
    assert restored(meeting).state.epoch == 11


@pytest.mark.parametrize("kind", FIELDS, ids=lambda kind: kind.__struct_config__.tag)
def test_no_command_is_done_again_after_the_meeting_was_restored(hand: Hand, kind: type[Command]) -> None:
    """Nobody knows any more which were done. A client that gives one anew, with the epoch that it was told, has it done."""
    prepared_for(hand, kind)
    by = PRESENTER if kind in (Show, OpenPaper, Cast, LeaveRoom) else CHAIR
    fields = {**FIELDS[kind], **({"who": by.id} if kind is LeaveRoom else {})}
    old = kind(id="i", client="c", count=hand.count + 1, epoch=hand.meeting.state.epoch, **fields)  # type: ignore[call-arg]
    once = decide(hand.meeting, old, by, OPENED_S)
    assert isinstance(once, Meeting)
    for lost in (hand.meeting, once):  # the hub has lost what was done, or has it still
        hand.meeting = restored(lost)
        again = decide(hand.meeting, old, by, OPENED_S)
        assert isinstance(again, Refused)
        right = RIGHTS[kind_of(old)]
        if right.is_counted and again.why != "ended":
            assert again.why == ("overtaken" if right.needs_epoch else "restored")
    hand.meeting = restored(Meeting(state=once.state, details=replace(once.details, agenda=())))
    if hand.meeting.state.mode != "ended":
        hand.does(SetAgenda, CHAIR, items=(AgendaItem("閉会"),), epoch=hand.meeting.since)


def test_who_was_brought_back_does_not_leave_by_a_command_that_comes_twice(hand: Hand) -> None:
    hand.does(OpenVote, CHAIR, **OPEN_VOTE)
    leaves = LeaveRoom(id="i", client="own", count=1, epoch=hand.meeting.state.epoch, vote=1, who="viewer")
    gone = decide(hand.meeting, leaves, VIEWER, OPENED_S)
    assert isinstance(gone, Meeting)
    hand.meeting = gone
    hand.does(LeaveRoom, CHAIR, vote=1, who="viewer", is_back=True)
    again = decide(hand.meeting, leaves, VIEWER, OPENED_S)
    assert isinstance(again, Refused)
    assert again.why == "replayed"
    hand.does(Cast, VIEWER, vote=1, choice="yes")


# Any interleaving ----------------------------------------------------------------------------------------------------------


class Kept(Struct):
    """What a restart of the hub finds: as the records keep it."""

    meeting: Meeting
    epoch: int
    """The greatest that was ever told. It is on the disk before it is told."""


class World:
    """A hub, and clients with connections that lose, repeat and reorder. Nothing in it reads a clock or draws by itself."""

    def __init__(self, clients: int) -> None:
        self.meeting = opened("m", "本会議", Participant("p0", "P0"), OPENED_S)
        self.kept = Kept(self.meeting, 1)
        self.people = [Participant(f"p{number % 3}", f"P{number % 3}") for number in range(clients)]  # some have two devices
        self.followers = [Follower() for _ in range(clients)]
        self.told: list[Show | OpenPaper | None] = [None] * clients
        self.counts = [0] * clients
        self.up: list[tuple[int, AnyCommand]] = []
        self.down: list[tuple[int, State]] = []
        self.newest = self.meeting.state.position
        self.done: set[tuple[int, int]] = set()

    def command(self, client: int, kind: type[Command], **fields: Any) -> None:
        """A client gives a command with the epoch that it knows."""
        state = self.followers[client].state
        self.counts[client] += 1
        command: Any = kind(
            id=f"i{self.counts[client]}",
            client=f"c{client}",
            count=self.counts[client],
            epoch=0 if state is None else state.epoch,
            **fields,
        )
        if isinstance(command, Show | OpenPaper):
            self.told[client] = command
        self.up.append((client, command))

    def arrives_up(self, index: int, *, again: bool) -> None:
        client, command = self.up[index] if again else self.up.pop(index)
        made = decide(self.meeting, command, self.people[client], OPENED_S)
        if isinstance(made, Refused):
            self.down.append((client, made.state))
            return
        if RIGHTS[kind_of(command)].is_counted:
            assert (client, command.count) not in self.done, "done twice"
            self.done.add((client, command.count))
        self.tell(made)

    def tell(self, made: Meeting) -> None:
        assert made.state.position >= self.newest
        assert (made.details.epoch, made.details.seq) == (made.state.epoch, made.state.details)
        is_news = made.state.position > self.newest
        self.kept.epoch = max(self.kept.epoch, made.state.epoch)
        if made.state.epoch > self.kept.meeting.state.epoch:
            self.kept.meeting = made
        self.meeting, self.newest = made, made.state.position
        if is_news:
            self.down += [(client, made.state) for client in range(len(self.people))]

    def arrives_down(self, index: int, *, again: bool) -> None:
        client, state = self.down[index] if again else self.down.pop(index)
        had = self.followers[client].state
        self.followers[client] = following.received(self.followers[client], state)
        told = self.told[client]
        if told is not None and self.followers[client].state is state:
            if following.repeats(told, had, state, self.people[client].id):
                place = {"paper": told.paper, "revision": max(1, told.revision), "page": told.page, "spread": told.spread}
                self.command(client, OpenPaper, **place)
            elif state.presenter != self.people[client].id:
                self.told[client] = None

    def restart(self, *, with_tail: bool) -> None:
        """The hub is lost, and perhaps the states of the last second."""
        if with_tail:
            self.kept.meeting = newer(self.meeting, self.kept.meeting)
        self.tell(restored(self.kept.meeting, self.kept.epoch))

    def saves(self) -> None:
        self.kept.meeting = newer(self.meeting, self.kept.meeting)

    def settle(self) -> None:
        """Messages flow again: what is under way arrives, and a ping tells who is behind, who then asks for the state."""
        for _ in range(1000):
            if not self.up and not self.down:
                return
            while self.up:
                self.arrives_up(0, again=False)
            while self.down:
                self.arrives_down(0, again=False)
            position = self.meeting.state.position
            behind = [one for one, follower in enumerate(self.followers) if following.is_behind(follower, position)]
            self.down += [(client, self.meeting.state) for client in behind]
        raise AssertionError("the clients never agree")


PAGES = st.integers(1, 5)
CLIENT = st.integers(0, 4)
COMMANDS = st.one_of(
    st.tuples(
        st.just(OpenPaper), st.fixed_dictionaries({"paper": st.sampled_from("ab"), "revision": st.just(1), "page": PAGES})
    ),
    st.tuples(st.just(Show), st.fixed_dictionaries({"paper": st.sampled_from("ab"), "revision": st.just(1), "page": PAGES})),
    st.tuples(st.just(Take), st.just({})),
    st.tuples(st.just(TakeBack), st.just({})),
    st.tuples(st.just(HandOver), st.fixed_dictionaries({"to": st.sampled_from(["p0", "p1", "p2"]), "name": st.just("P")})),
    st.tuples(st.just(SetMode), st.fixed_dictionaries({"mode": st.sampled_from(["free", "follow", "locked"])})),
    st.tuples(st.just(CallEverybody), st.just({})),
    st.tuples(st.just(SetTaking), st.fixed_dictionaries({"role": st.sampled_from(["chair", "viewer"])})),
    st.tuples(st.just(GiveRole), st.just({"to": "p1", "name": "P1", "role": "speaker"})),
    st.tuples(st.just(SetAgenda), st.fixed_dictionaries({"items": st.just((AgendaItem("予算", "a"),))})),
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("command"), CLIENT, COMMANDS),
        st.tuples(st.sampled_from(["up", "up again", "lose up", "down", "down again", "lose down"]), st.integers(0, 99)),
        st.tuples(st.sampled_from(["moved", "returned"]), CLIENT),
        st.tuples(st.just("restart"), st.booleans()),
        st.tuples(st.just("save")),
        st.tuples(st.just("cut off"), CLIENT),
    ),
    max_size=60,
)


def step(world: World, taken: tuple[Any, ...]) -> None:
    match taken:
        case ["command", client, (kind, fields)]:
            world.command(client, kind, **fields)
        case ["up" | "up again" as what, number] if world.up:
            world.arrives_up(number % len(world.up), again=what == "up again")
        case ["down" | "down again" as what, number] if world.down:
            world.arrives_down(number % len(world.down), again=what == "down again")
        case ["lose up", number] if world.up:
            del world.up[number % len(world.up)]
        case ["lose down", number] if world.down:
            del world.down[number % len(world.down)]
        case ["moved", client]:
            world.followers[client] = following.moved(world.followers[client])
        case ["returned", client]:
            world.followers[client] = following.returned(world.followers[client])
        case ["restart", with_tail]:
            world.restart(with_tail=with_tail)
        case ["save"]:
            world.saves()
        case ["cut off", client]:
            world.down = [one for one in world.down if one[0] != client]


def is_settled(world: World) -> None:
    assert [follower.state for follower in world.followers] == [world.meeting.state] * len(world.followers)
    if world.meeting.state.mode == "locked":
        assert all(follower.is_following for follower in world.followers)


@settings(max_examples=300, deadline=None)
@given(STEPS)
def test_any_interleaving_ends_with_all_clients_in_the_one_present_state(steps: list[tuple[Any, ...]]) -> None:
    world = World(5)
    for one in steps:
        step(world, one)
    world.down += [(client, world.meeting.state) for client in range(5)]  # each connects anew, or was never cut off
    world.settle()
    is_settled(world)


@pytest.mark.parametrize("seed", range(20))
def test_a_long_meeting_over_bad_lines_ends_so_too(seed: int) -> None:
    chance = random.Random(seed)
    world = World(5)
    kinds: list[tuple[type[Command], dict[str, Any]]] = [
        (OpenPaper, {"paper": "a", "revision": 1}),
        (Show, {"paper": "a", "revision": 1}),
        (Take, {}),
        (TakeBack, {}),
        (CallEverybody, {}),
        (SetTaking, {"role": "viewer"}),
    ]
    for _ in range(600):
        kind, fields = chance.choice(kinds)
        if kind in (Show, OpenPaper):
            fields = {**fields, "page": chance.randrange(1, 50)}
        what = chance.choice(
            ["command", "up", "up", "up again", "lose up", "down", "down", "down", "lose down", "save", "restart"]
        )
        if what == "restart" and chance.random() < 0.8:
            continue
        taken = {
            "command": (what, chance.randrange(5), (kind, fields)),
            "save": (what,),
            "restart": (what, chance.random() < 0.5),
        }
        step(world, taken.get(what, (what, chance.randrange(1000))))
    world.down += [(client, world.meeting.state) for client in range(5)]
    world.settle()
    is_settled(world)


def test_a_presenter_who_turned_in_the_lost_second_is_on_that_page_again() -> None:
    world = World(3)
    world.down += [(client, world.meeting.state) for client in range(3)]
    world.settle()
    world.command(0, OpenPaper, paper="a", revision=1, page=7)
    world.settle()
    world.saves()
    world.command(0, Show, paper="a", revision=1, page=8)
    world.settle()
    world.restart(with_tail=False)
    assert world.meeting.state.page == 7
    world.settle()
    assert world.meeting.state.page == 8
    is_settled(world)


def test_the_newer_of_two_keeps_the_newer_details() -> None:
    hand = Hand(opened("m", "本会議", CHAIR, OPENED_S))
    first = hand.does(SetAgenda, CHAIR, items=(AgendaItem("開会"),))
    stale = replace(hand.does(CallEverybody, CHAIR), details=opened("m", "本会議", CHAIR, OPENED_S).details)
    assert newer(first, stale).details.agenda == (AgendaItem("開会"),)
    assert newer(first, stale).state.called == 1
    assert newer(stale, first) == newer(first, stale)


def test_each_command_has_a_right_and_a_kind() -> None:
    assert {str(kind.__struct_config__.tag) for kind in FIELDS} == set(RIGHTS)
    assert kind_of(Take(id="i", client="c", count=1, epoch=1)) == "take"
