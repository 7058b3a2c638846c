"""One contract for hubs, in one process and over Redis."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest
from hub_ears import (
    CHAIR,
    SPEAKER,
    Deaf,
    Ear,
    Watching,
    doing,
    done,
    meeting_of,
    needs_redis,
    over,
    server,
    short_folder,
)

from sidebooks_core.errors import NoSuchMeeting, RequestError, StorageFailed
from sidebooks_core.meeting.commands import (
    CallEverybody,
    Cast,
    End,
    GiveRole,
    OpenPaper,
    OpenVote,
    SetAgenda,
    Show,
    Take,
)
from sidebooks_core.meeting.hub import Hub, LocalHub, Pace
from sidebooks_core.meeting.messages import MOST_WHISPER_BYTES, Refused
from sidebooks_core.meeting.model import Meeting, Participant
from sidebooks_core.meeting.redis_hub import RedisHub
from sidebooks_core.meeting.session import decide
from sidebooks_core.meeting.state import AgendaItem
from sidebooks_core.meeting.votes import Voter

__all__ = ["over", "server", "short_folder"]


class HubContract:
    """What every hub does. `near` and `far` are two processes that share meetings; a hub of one process is both.

    The fixture `make`, of each class that takes the contract, makes a hub.
    """

    @pytest.fixture
    def near(self, make: Callable[..., Hub]) -> Hub:
        return make()

    @pytest.fixture
    def far(self, near: Hub, make: Callable[..., Hub]) -> Hub:
        return make()

    def test_a_meeting_is_read_by_all(self, near: Hub, far: Hub) -> None:
        assert near.read("m") is None
        meeting = meeting_of("m")
        near.open(meeting)
        assert near.read("m") == far.read("m") == meeting

    def test_a_meeting_is_opened_once(self, near: Hub, far: Hub) -> None:
        near.open(meeting_of("m"))
        with pytest.raises(RequestError, match="already"):
            far.open(meeting_of("m"))

    def test_there_is_nothing_to_change_of_a_meeting_that_is_not_there(self, near: Hub) -> None:
        with pytest.raises(NoSuchMeeting):
            near.change("m", doing(CallEverybody))

    def test_a_change_is_kept_and_told_to_all(self, near: Hub, far: Hub) -> None:
        here, there = Ear(), Ear()
        near.open(meeting_of("m"))
        near.subscribe("m", here)
        far.subscribe("m", there)
        made = done(near.change("m", doing(OpenPaper, paper="budget", revision=1, page=7)))
        assert made.state.page == 7
        assert far.read("m") == near.read("m") == made
        assert here.wait(lambda one: one.page == 7) == there.wait(lambda one: one.page == 7) == made.state

    def test_each_change_comes_to_who_listens_on_the_other_side(self, near: Hub, far: Hub) -> None:
        there = Ear()
        near.open(meeting_of("m"))
        far.subscribe("m", there)
        near.change("m", doing(OpenPaper, paper="budget", revision=1))
        for page in range(2, 40):
            near.change("m", doing(Show, count=page, paper="budget", revision=1, page=page))
        assert there.wait(lambda one: one.page == 39).seq == 39

    def test_a_refusal_changes_nothing(self, near: Hub, far: Hub) -> None:
        meeting = meeting_of("m")
        near.open(meeting)
        refused = near.change("m", doing(End, SPEAKER))
        assert isinstance(refused, Refused)
        assert (refused.why, refused.state) == ("forbidden", meeting.state)
        assert far.read("m") == meeting

    def test_of_two_who_take_at_once_one_does(self, near: Hub, far: Hub) -> None:
        near.open(meeting_of("m"))
        near.change("m", doing(GiveRole, to="a", name="A", role="speaker"))
        near.change("m", doing(GiveRole, count=2, to="b", name="B", role="speaker"))
        both, results = threading.Barrier(2), {}

        def take(hub: Hub, who: str) -> None:
            both.wait()
            results[who] = hub.change("m", doing(Take, Participant(who, who.upper()), epoch=1))

        threads = [threading.Thread(target=take, args=one) for one in ((near, "a"), (far, "b"))]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
        winners = [who for who, made in results.items() if isinstance(made, Meeting)]
        refused = [made for made in results.values() if isinstance(made, Refused)]
        assert (len(winners), len(refused)) == (1, 1)
        assert (refused[0].why, refused[0].winner) == ("overtaken", winners[0].upper())
        found = near.read("m")
        assert found is not None
        assert (found.state.presenter, found.state.epoch) == (winners[0], 2)

    def test_of_two_chairs_who_open_a_vote_at_once_one_does(self, near: Hub, far: Hub) -> None:
        near.open(meeting_of("m"))
        near.change("m", doing(GiveRole, to="b", name="B", role="chair"))
        both, results = threading.Barrier(2), {}

        def open_vote(hub: Hub, who: str) -> None:
            roll = {"voters": (Voter(who, who),), "present": frozenset({who}), "chair": who, "seats": 1}
            both.wait()
            by = Participant(who, who.upper())
            results[who] = hub.change("m", doing(OpenVote, by, count=9, title=who, rule="absolute", ballot="named", **roll))

        threads = [threading.Thread(target=open_vote, args=one) for one in ((near, "chair"), (far, "b"))]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
        winners = [who for who, made in results.items() if isinstance(made, Meeting)]
        assert [made.why for made in results.values() if isinstance(made, Refused)] == ["another vote"]
        for hub in (near, far):
            found = hub.read("m")
            assert found is not None
            assert found.vote is not None
            assert (found.vote.title, found.vote.stage, len(found.details.votes)) == (*winners, "open", 1)

    def test_no_change_is_lost_among_many_at_once(self, near: Hub, far: Hub) -> None:
        near.open(meeting_of("m"))
        failed: list[object] = []

        def call(hub: Hub, client: str) -> None:
            for count in range(15):
                made = hub.change("m", doing(CallEverybody, client=client, count=count))
                if not isinstance(made, Meeting):
                    failed.append(made)

        threads = [threading.Thread(target=call, args=(hub, f"c{number}")) for number, hub in enumerate([near, far] * 3)]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
        found = far.read("m")
        assert found is not None
        assert (failed, found.state.called, found.state.seq) == ([], 90, 90)

    def test_whoever_does_not_listen_any_more_hears_nothing(self, near: Hub) -> None:
        gone, here = Ear(), Ear()
        near.open(meeting_of("m"))
        stop = near.subscribe("m", gone)
        near.subscribe("m", here)
        near.change("m", doing(CallEverybody))
        gone.wait(lambda one: one.called == 1)
        stop()
        near.change("m", doing(CallEverybody, count=2))
        here.wait(lambda one: one.called == 2)
        assert [one for one in gone.states if one.called == 2] == []

    def test_one_listener_that_fails_keeps_nothing_from_the_others(self, near: Hub, far: Hub) -> None:
        there = Ear()
        near.open(meeting_of("m"))
        far.subscribe("m", Deaf())
        far.subscribe("m", there)
        near.change("m", doing(CallEverybody))
        there.wait(lambda one: one.called == 1)

    def test_another_meeting_is_another_meeting(self, near: Hub, far: Hub) -> None:
        there, other = Ear(), Ear()
        near.open(meeting_of("m"))
        near.open(meeting_of("n"))
        far.subscribe("m", there)
        far.subscribe("n", other)
        near.change("m", doing(CallEverybody))
        near.change("n", doing(CallEverybody))
        there.wait(lambda one: one.called == 1)
        other.wait(lambda one: one.called == 1)
        assert {one.meeting for one in there.states} == {"m"}
        assert {one.meeting for one in other.states} == {"n"}

    def test_a_vote_that_is_cast_is_kept_and_not_told(self, near: Hub, far: Hub) -> None:
        near.open(meeting_of("m"))
        roll = {"voters": (Voter("chair", "Chair"), Voter("a", "A")), "present": frozenset({"chair", "a"})}
        near.change("m", doing(OpenVote, title="議案", rule="simple", ballot="secret", seats=2, chair="chair", **roll))
        before = done(near.change("m", doing(CallEverybody, count=2)))
        after = done(far.change("m", doing(Cast, Participant("a", "A"), vote=1, choice="yes")))
        assert after.state == before.state
        found = near.read("m")
        assert found is not None
        assert found.vote is not None
        assert (found.vote.counts, found.vote.counted) == ({"yes": 1}, {"a"})

    def test_details_and_counts_are_kept(self, near: Hub, far: Hub) -> None:
        near.open(meeting_of("m"))
        near.change("m", doing(SetAgenda, items=(AgendaItem("予算", "budget"),)))
        found = far.read("m")
        assert found is not None
        assert (found.details.agenda, found.counts) == ((AgendaItem("予算", "budget"),), {"chair/c": 1})
        assert isinstance(far.change("m", doing(SetAgenda, items=())), Refused)

    def test_a_whisper_passes_and_is_not_kept(self, near: Hub, far: Hub) -> None:
        there = Ear()
        near.open(meeting_of("m"))
        far.subscribe("m", there)
        there.wait_whisper(lambda: near.whisper("m", "chair", b"here"))
        assert set(there.whispers) == {b"here"}
        assert near.whisper("m", "chair", b"x" * (MOST_WHISPER_BYTES + 1)) is False

    def test_a_meeting_that_has_ended_can_still_be_read(self, near: Hub, far: Hub) -> None:
        near.open(meeting_of("m"))
        near.change("m", doing(End))
        found = far.read("m")
        assert found is not None
        assert found.state.mode == "ended"

    def test_the_backing_is_asked_before_a_change_is_told(self, make: Callable[..., Hub]) -> None:
        backing = Watching()
        hub = make(backing)
        hub.open(meeting_of("m"))
        hub.change("m", doing(CallEverybody))
        assert backing.calls == [("before", 1), ("after", 1)] * 2

    def test_a_change_that_the_backing_cannot_keep_is_none(self, make: Callable[..., Hub]) -> None:
        backing, ear = Watching(), Ear()
        hub = make(backing)
        meeting = meeting_of("m")
        hub.open(meeting)
        hub.subscribe("m", ear)
        backing.is_full = True
        with pytest.raises(StorageFailed):
            hub.change("m", doing(CallEverybody))
        assert hub.read("m") == meeting
        backing.is_full = False
        assert done(hub.change("m", doing(CallEverybody))).state.called == 1

    def test_a_meeting_that_only_the_backing_knows_goes_on(self, make: Callable[..., Hub]) -> None:
        known = done(decide(meeting_of("m"), CallEverybody(id="i", client="c", count=1, epoch=1), CHAIR, time.time()))
        hub = make(Watching(known))
        found = hub.read("m")
        assert found is not None
        assert (found.state.position, found.state.called) == ((11, 0), 1)
        assert hub.read("m") == found
        for one in (hub, make(Watching(known))):
            old = one.change("m", doing(SetAgenda, count=2, epoch=1, items=(AgendaItem("予算"),)))
            assert isinstance(old, Refused)
            assert old.why == "restored", "it may have been done before the hub was lost"
        assert done(hub.change("m", doing(CallEverybody))).state.called == 2


class TestLocalHub(HubContract):
    @pytest.fixture
    def make(self) -> Callable[..., Hub]:
        return LocalHub

    @pytest.fixture
    def far(self, near: Hub) -> Hub:
        return near

    def test_it_is_always_sure(self, near: Hub) -> None:
        assert near.is_sure()
        near.close()

    def test_few_meetings_that_have_ended_stay_in_memory(self) -> None:
        hub = LocalHub()
        for number in range(100):
            hub.open(meeting_of(f"m{number}"))
            hub.change(f"m{number}", doing(End))
        assert hub.read("m0") is None
        assert hub.read("m99") is not None


@needs_redis
class TestRedisHub(HubContract):
    @pytest.fixture
    def make(self, over: Callable[..., RedisHub]) -> Callable[..., Hub]:
        return over


def test_whispers_have_a_pace() -> None:
    now_s = 0.0
    pace = Pace(lambda: now_s)
    assert [pace.allows("a", b"") for _ in range(5)] == [True, True, True, False, False]
    assert pace.allows("b", b"")
    now_s = 1 / 15 + 0.001
    assert [pace.allows("a", b"") for _ in range(2)] == [True, False]
    allowed = 0
    for tick in range(1000):
        now_s = 1 + tick / 1000
        allowed += pace.allows("a", b"")
    assert 14 <= allowed <= 18


def test_the_pace_of_few_senders_is_remembered() -> None:
    pace = Pace(lambda: 0.0)
    for number in range(10_000):
        pace.allows(f"s{number}", b"")
    assert [pace.allows("s9999", b"") for _ in range(3)] == [True, True, False]
