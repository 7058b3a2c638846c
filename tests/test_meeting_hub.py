"""One contract for hubs, in one process and over Redis; and what a hub over Redis does when that is lost, emptied or silent."""

from __future__ import annotations

import random
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from redis_house import SERVER, WAIT_S, LossyLine, RedisHouse

from sidebooks_core.errors import HubFailed, NoSuchMeeting, RequestError, StorageFailed
from sidebooks_core.meeting.commands import (
    CallEverybody,
    Cast,
    Command,
    End,
    GiveRole,
    OpenPaper,
    OpenVote,
    SetAgenda,
    Show,
    Take,
)
from sidebooks_core.meeting.following import Follower, is_behind, received
from sidebooks_core.meeting.hub import Backing, Decide, Hub, LocalHub, Pace
from sidebooks_core.meeting.keeping import Keeping
from sidebooks_core.meeting.messages import MOST_WHISPER_BYTES, Refused
from sidebooks_core.meeting.model import Meeting, Participant
from sidebooks_core.meeting.records import Records
from sidebooks_core.meeting.redis_hub import RedisHub
from sidebooks_core.meeting.session import decide, opened, restored
from sidebooks_core.meeting.state import AgendaItem, State
from sidebooks_core.meeting.votes import Voter

CHAIR, SPEAKER = Participant("chair", "Chair"), Participant("speaker", "Speaker")
BEAT_S = 0.5


class Ear:
    """A listener that waits for what it wants to hear."""

    def __init__(self) -> None:
        self.states: list[State] = []
        self.whispers: list[bytes] = []
        self._heard = threading.Condition()

    def told(self, state: State) -> None:
        with self._heard:
            self.states.append(state)
            self._heard.notify_all()

    def whispered(self, data: bytes) -> None:
        with self._heard:
            self.whispers.append(data)
            self._heard.notify_all()

    def wait(self, wanted: Callable[[State], bool]) -> State:
        """The first state like this."""
        with self._heard:
            assert self._heard.wait_for(lambda: any(wanted(one) for one in self.states), WAIT_S), self.states[-3:]
            return next(one for one in self.states if wanted(one))

    def wait_whisper(self, again: Callable[[], object]) -> None:
        """Whispers may get lost, so it is whispered until one arrives."""
        until_s = time.monotonic() + WAIT_S
        with self._heard:
            while not self._heard.wait_for(lambda: bool(self.whispers), 0.2):
                assert time.monotonic() < until_s
                again()


class Deaf(Ear):
    def told(self, state: State) -> None:
        raise RuntimeError("deaf")


def wait_until(is_so: Callable[[], bool]) -> None:
    until_s = time.monotonic() + WAIT_S
    while not is_so():
        assert time.monotonic() < until_s
        time.sleep(0.02)


class Watching:
    """A backing that says what was asked of it."""

    def __init__(self, known: Meeting | None = None) -> None:
        self.known = known
        self.calls: list[tuple[str, int]] = []
        self.is_full = False

    def recover(self, meeting_id: str, newest: Meeting | None) -> Meeting | None:
        found = newest if newest is not None else self.known
        return None if found is None else restored(found, above=10)

    def before(self, old: Meeting | None, new: Meeting) -> None:
        if self.is_full:
            raise StorageFailed("the disk is full")
        self.calls.append(("before", new.state.epoch))

    def after(self, meeting: Meeting) -> None:
        self.calls.append(("after", meeting.state.epoch))


def meeting_of(name: str) -> Meeting:
    return opened(name, "本会議", CHAIR, time.time())


def doing(kind: type[Command], by: Participant = CHAIR, *, client: str = "c", count: int = 1, **fields: Any) -> Decide:
    """A command that knows the epoch as it is."""

    def made(meeting: Meeting) -> Meeting | Refused:
        command: Any = kind(id="i", client=client, count=count, **{"epoch": meeting.state.epoch, **fields})
        return decide(meeting, command, by, time.time())

    return made


def done(made: Meeting | Refused) -> Meeting:
    assert isinstance(made, Meeting), made
    return made


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


needs_redis = pytest.mark.skipif(SERVER is None, reason="needs redis-server or valkey-server")


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """The path of a Unix socket has 107 characters at most."""
    folder = Path(tempfile.mkdtemp(prefix="sb"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def server(short_folder: Path) -> Iterator[RedisHouse]:
    house = RedisHouse(short_folder)
    yield house
    house.kill()


@pytest.fixture
def over(server: RedisHouse) -> Iterator[Callable[..., RedisHub]]:
    """Makes hubs over the server, or over a line to it."""
    hubs: list[RedisHub] = []

    def make(backing: Backing | None = None, url: str | None = None) -> RedisHub:
        hubs.append(RedisHub(url or server.url, backing, beat_s=BEAT_S))
        return hubs[-1]

    yield make
    for one in hubs:
        one.close()


@needs_redis
class TestRedisHub(HubContract):
    @pytest.fixture
    def make(self, over: Callable[..., RedisHub]) -> Callable[..., Hub]:
        return over


@needs_redis
class TestRedisThatFails:
    def opened(self, hub: RedisHub, page: int = 7) -> Ear:
        """A meeting m on a page, and who listens to it."""
        ear = Ear()
        hub.open(meeting_of("m"))
        hub.subscribe("m", ear)
        hub.change("m", doing(OpenPaper, paper="budget", revision=1, page=page))
        ear.wait(lambda one: one.page == page)
        wait_until(hub.is_sure)
        return ear

    def test_a_hub_without_redis_says_so_at_once(self, short_folder: Path) -> None:
        with pytest.raises(HubFailed, match="see whether it runs"):
            RedisHub(f"unix://{short_folder}/nothing")

    def test_an_emptied_redis_begins_a_greater_epoch(self, server: RedisHouse, over: Callable[..., RedisHub]) -> None:
        near, far = over(), over()
        here, there = self.opened(near), Ear()
        far.subscribe("m", there)
        far.read("m")
        server.kill()
        server.start()
        for ear in (here, there):
            assert ear.wait(lambda one: one.epoch > 1).page == 7
        wait_until(lambda: near.is_sure() and far.is_sure())
        made = done(far.change("m", doing(Show, count=2, paper="budget", revision=1, page=8)))
        assert near.read("m") == made
        here.wait(lambda one: one.page == 8)

    def test_a_redis_that_comes_back_with_an_old_state_does_not_fool_anybody(
        self, server: RedisHouse, over: Callable[..., RedisHub]
    ) -> None:
        near = over()
        ear = self.opened(near)
        server.save()
        for page in range(8, 20):
            near.change("m", doing(Show, count=page, paper="budget", revision=1, page=page))
        server.kill()
        server.start()
        assert ear.wait(lambda one: one.epoch > 1).page == 19
        assert done(near.change("m", doing(Show, count=20, paper="budget", revision=1, page=20))).state.epoch == 2

    def test_a_new_process_that_finds_an_old_state_begins_a_greater_epoch_too(
        self, server: RedisHouse, over: Callable[..., RedisHub]
    ) -> None:
        """The process that knew the newest state was killed together with Redis. Clients know it still."""
        first = over()
        self.opened(first)
        server.save()
        newest = done(first.change("m", doing(Show, count=2, paper="budget", revision=1, page=8))).state
        first.close()
        server.kill()
        server.start()
        found = over().read("m")
        assert found is not None
        assert found.state.page == 7
        assert found.state.position > newest.position

    def test_with_records_an_emptied_redis_loses_no_epoch(
        self, server: RedisHouse, over: Callable[..., RedisHub], tmp_path: Path
    ) -> None:
        records = Records(tmp_path)
        keeping = Keeping(records)
        meeting = meeting_of("m")
        records.add(meeting, folder=None, opened_by="p")
        first = over(keeping)
        first.open(meeting)
        first.change("m", doing(GiveRole, to="speaker", name="Speaker", role="speaker"))
        for count in range(3):
            first.change("m", doing(Take, SPEAKER, count=2 * count + 1))
            first.change("m", doing(Take, CHAIR, count=2 * count + 2))
        told = first.read("m")
        first.close()
        server.kill()
        server.start()
        found = over(keeping).read("m")
        assert told is not None
        assert found is not None
        assert found.state.epoch > told.state.epoch == 7
        keeping.close()
        records.close()

    def test_subscriptions_that_are_cut_are_made_anew_and_nothing_stays_unheard(
        self, server: RedisHouse, over: Callable[..., RedisHub]
    ) -> None:
        near, far = over(), over()
        self.opened(near)
        there = Ear()
        far.subscribe("m", there)
        wait_until(far.is_sure)
        with server.client() as client:
            for page in range(8, 30):
                client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")  # type: ignore[no-untyped-call]
                near.change("m", doing(Show, count=page, paper="budget", revision=1, page=page))
        there.wait(lambda one: one.page == 29)

    def test_a_meeting_that_cannot_be_read_keeps_no_news_from_the_others(
        self, server: RedisHouse, over: Callable[..., RedisHub]
    ) -> None:
        near, far = over(), over()
        near.open(meeting_of("n"))
        far.subscribe("n", Ear())
        self.opened(near)
        there = Ear()
        far.subscribe("m", there)
        wait_until(far.is_sure)
        with server.client() as client:
            [key] = client.keys("*{n}")
            client.hset(key, "head", "{}")
            client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")  # type: ignore[no-untyped-call]
            near.change("m", doing(Show, count=8, paper="budget", revision=1, page=8))
            there.wait(lambda one: one.page == 8)
            near.change("m", doing(Show, count=9, paper="budget", revision=1, page=9))
            there.wait(lambda one: one.page == 9)
            assert not far.is_sure()
            client.delete(key)
        wait_until(far.is_sure)

    def test_a_redis_that_is_silent_is_noticed_and_then_the_state_is_read(
        self, server: RedisHouse, over: Callable[..., RedisHub]
    ) -> None:
        near = over()
        ear = self.opened(near)
        server.hold()
        wait_until(lambda: not near.is_sure())
        with pytest.raises(HubFailed):
            near.change("m", doing(Show, count=2, paper="budget", revision=1, page=8))
        server.let_go()
        wait_until(near.is_sure)
        made = done(near.change("m", doing(Show, count=3, paper="budget", revision=1, page=9)))
        assert made.state.page == 9
        ear.wait(lambda one: one.page == 9)

    def test_a_change_whose_answer_was_lost_is_done_once(
        self, server: RedisHouse, over: Callable[..., RedisHub], short_folder: Path
    ) -> None:
        line = LossyLine(short_folder / "l", server.path)
        hub = over(url=line.url)
        self.opened(hub)
        line.lose_answer_to = b"EVALSHA"
        made = done(hub.change("m", doing(CallEverybody, count=2)))
        assert line.lose_answer_to == b""
        assert (made.state.called, over().read("m")) == (1, made)
        line.close()

    @pytest.mark.parametrize("is_emptied", [True, False])
    def test_keys_that_somebody_removed_or_put_back_begin_a_greater_epoch(
        self, server: RedisHouse, over: Callable[..., RedisHub], is_emptied: bool
    ) -> None:
        hub = over()
        self.opened(hub)
        with server.client() as client:
            [key] = client.keys("*")
            old = client.dump(key)
            hub.change("m", doing(Show, count=2, paper="budget", revision=1, page=8))
            if is_emptied:
                client.flushall()
            else:
                client.restore(key, 0, old, replace=True)  # type: ignore[arg-type]
        found = hub.read("m")
        assert found is not None
        assert (found.state.page, found.state.epoch) == (8, 2)

    def test_a_meeting_does_not_stay_in_redis_for_ever(self, server: RedisHouse, over: Callable[..., RedisHub]) -> None:
        hub = over()
        self.opened(hub)
        with server.client() as client:
            [key] = client.keys("*")
            assert 0 < client.ttl(key) <= 7 * 86_400  # type: ignore[operator]
            hub.change("m", doing(End, count=2))
            assert 0 < client.ttl(key) <= 3600  # type: ignore[operator]

    def test_what_another_program_wrote_is_refused(self, server: RedisHouse, over: Callable[..., RedisHub]) -> None:
        hub = over()
        self.opened(hub)
        with server.client() as client:
            [key] = client.keys("*")
            client.hset(key, "head", "{}")
        with pytest.raises(HubFailed, match="remove its key"):
            hub.read("m")


@needs_redis
@pytest.mark.parametrize("seed", [1, 2])
def test_whatever_befalls_redis_all_who_listen_end_on_the_one_state(
    seed: int, server: RedisHouse, over: Callable[..., RedisHub]
) -> None:
    chance = random.Random(seed)
    hubs = [over(), over()]
    ears = [Following(hub) for hub in hubs]
    hubs[0].open(meeting_of("m"))
    hubs[0].change("m", doing(GiveRole, to="speaker", name="Speaker", role="speaker"))
    for hub, ear in zip(hubs, ears, strict=True):
        hub.subscribe("m", ear)
    for count in range(2, 60):
        by = chance.choice([CHAIR, SPEAKER])
        hub = chance.choice(hubs)
        what = chance.choices(["show", "take", "cut", "save", "restart", "old"], [10, 4, 2, 2, 1, 1])[0]
        with suppress(HubFailed):  # Redis is away; the client would try again
            if what == "show":
                hub.change("m", doing(OpenPaper, by, count=count, paper="budget", revision=1, page=count))
            elif what == "take":
                hub.change("m", doing(Take, by, count=count))
        with server.client() as client:
            if what == "cut":
                client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")  # type: ignore[no-untyped-call]
            elif what == "save":
                client.save()
        if what in ("restart", "old"):
            server.kill()
            if what == "restart":
                (server.path.parent / "dump.rdb").unlink(missing_ok=True)
            server.start()
    wait_until(lambda: all(hub.is_sure() for hub in hubs))
    wait_until(lambda: all(ear.is_on(hub) for hub in hubs for ear in ears))


class Following:
    """A follower of one process. Its pings come when it is asked whether it is there."""

    def __init__(self, hub: Hub) -> None:
        self.follower = Follower()
        self._hub = hub
        self._lock = threading.Lock()

    def told(self, state: State) -> None:
        with self._lock:
            self.follower = received(self.follower, state)

    def whispered(self, data: bytes) -> None:
        pass

    def is_on(self, hub: Hub) -> bool:
        """Whether it has the state that a hub has. If it is behind its own, it asks."""
        own, other = self._hub.read("m"), hub.read("m")
        assert own is not None
        assert other is not None
        if is_behind(self.follower, own.state.position):
            self.told(own.state)
        return self.follower.state == own.state == other.state


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
