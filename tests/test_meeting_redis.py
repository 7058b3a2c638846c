"""What a hub over Redis does when that is lost, emptied, silent, or not its own."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hub_ears import (
    CHAIR,
    SPEAKER,
    Ear,
    doing,
    done,
    meeting_of,
    needs_redis,
    over,
    server,
    short_folder,
    wait_until,
)
from redis_house import LossyLine, RedisHouse

from sidebooks_core.errors import HubFailed, RequestError
from sidebooks_core.meeting.commands import (
    BreakOffVote,
    CallEverybody,
    CloseVote,
    Command,
    ConfirmVote,
    End,
    GiveRole,
    OpenPaper,
    OpenVote,
    Show,
    Take,
)
from sidebooks_core.meeting.following import Follower, is_behind, received
from sidebooks_core.meeting.hub import Hub
from sidebooks_core.meeting.keeping import Keeping
from sidebooks_core.meeting.messages import Refused
from sidebooks_core.meeting.model import Meeting, Participant
from sidebooks_core.meeting.records import Records
from sidebooks_core.meeting.redis_hub import RedisHub
from sidebooks_core.meeting.state import State
from sidebooks_core.meeting.votes import Voter

__all__ = ["over", "server", "short_folder"]


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

    def test_a_hub_waits_for_a_redis_that_comes_later(
        self, server: RedisHouse, over: Callable[..., RedisHub], tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        records = Records(tmp_path)
        records.add(meeting_of("m"), folder=None, opened_by="1")
        server.kill()
        keeping, ear = Keeping(records), Ear()
        hub = over(keeping)
        hub.subscribe("m", ear)
        assert not hub.is_sure()
        for ask in (lambda: hub.read("m"), lambda: hub.open(meeting_of("n")), lambda: hub.change("m", doing(CallEverybody))):
            with pytest.raises(HubFailed, match="see whether it runs"):
                ask()
        assert not hub.whisper("m", "chair", b"here")
        server.start()
        assert ear.wait(lambda one: one.epoch == 2).page == 1, "it is taken up without being asked for"
        wait_until(hub.is_sure)
        assert done(hub.change("m", doing(CallEverybody))).state.called == 1
        said = [one.message for one in caplog.records if one.levelname == "WARNING"]
        assert [one.partition(":")[0] for one in said] == ["meetings wait for the hub", "the hub answers"]
        keeping.close()
        records.close()

    def test_an_address_that_is_none_and_a_redis_that_refuses_us_end_the_start(self, server: RedisHouse) -> None:
        with pytest.raises(RequestError, match="redis://HOST:PORT"):
            RedisHub("localhost")
        with server.client() as client:
            client.config_set("requirepass", "secret")
        with pytest.raises(HubFailed):
            RedisHub(server.url)

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

    @pytest.mark.parametrize("first", ["chair", "b"])
    @pytest.mark.parametrize("other", [OpenVote, End])
    def test_a_change_that_came_second_leaves_nothing_in_the_records(
        self, over: Callable[..., RedisHub], tmp_path: Path, first: str, other: type[Command]
    ) -> None:
        """Two chairs on two processes: one opens a vote, the other one as well, or ends the meeting."""
        records = Records(tmp_path)
        records.add(meeting_of("m"), folder=None, opened_by="1")
        records.set_code("m", "ABCD-EFGH")
        keepings = [Keeping(records), Keeping(records)]
        hubs = dict(zip(("chair", "b"), (over(one) for one in keepings), strict=True))
        hubs["chair"].read("m")
        hubs["chair"].change("m", doing(GiveRole, to="b", name="B", role="chair"))
        wanted, results = {"chair": OpenVote, "b": other}, {}

        def give(who: str) -> None:
            roll = {"voters": (Voter(who, who),), "present": frozenset({who}), "chair": who, "seats": 1}
            fields = {"title": who, "rule": "absolute", "ballot": "named", **roll} if wanted[who] is OpenVote else {}
            command, is_first_look = doing(wanted[who], Participant(who, who), count=9, **fields), True

            def decide(meeting: Meeting) -> Meeting | Refused:
                nonlocal is_first_look
                if who != first and is_first_look:  # the other one does the same between this look and what comes of it
                    is_first_look = False
                    made = command(meeting)
                    give(first)
                    return made
                return command(meeting)

            results[who] = hubs[who].change("m", decide)

        second = "b" if first == "chair" else "chair"
        give(second)
        won, lost = results[first], results[second]
        assert isinstance(won, Meeting)
        assert isinstance(lost, Refused)
        assert lost.why == ("another vote" if wanted[first] is OpenVote else "ended")
        titles = [one.title for one in records.votes("m")]
        kept = records.meeting("m")
        assert kept is not None
        if wanted[first] is OpenVote:
            assert (titles, kept.ended_s, records.find_by_code("ABCD-EFGH")) == ([first], None, "m")
        else:
            assert (titles, kept.ended_s is None, records.find_by_code("ABCD-EFGH")) == ([], False, None)
        for one in keepings:
            one.close()
        found = records.recover("m", None)  # of a hub that was lost
        assert found is not None
        assert (found.state.mode == "ended") is (wanted[first] is End)
        records.close()

    @pytest.mark.parametrize("last", [ConfirmVote, BreakOffVote])
    def test_a_vote_is_settled_also_if_the_presenter_turns_meanwhile(
        self, over: Callable[..., RedisHub], tmp_path: Path, last: type[ConfirmVote | BreakOffVote]
    ) -> None:
        records = Records(tmp_path)
        records.add(meeting_of("m"), folder=None, opened_by="1")
        keepings = [Keeping(records), Keeping(records)]
        chair, presenter = [over(one) for one in keepings]
        chair.read("m")
        chair.change("m", doing(OpenPaper, paper="budget", revision=1, page=1))
        roll = {"voters": (Voter("chair", "C"),), "present": frozenset({"chair"}), "chair": "chair", "seats": 1}
        made = chair.change("m", doing(OpenVote, count=2, title="Budget", rule="absolute", ballot="named", **roll))
        assert isinstance(made, Meeting)
        assert made.vote is not None
        number = made.vote.number
        made = chair.change("m", doing(CloseVote, count=3, vote=number))
        assert isinstance(made, Meeting), made
        settle, turns = doing(last, count=5, vote=number), iter([4])

        def decide(meeting: Meeting) -> Meeting | Refused:
            made = settle(meeting)
            for count in turns:  # once, between this look and what comes of it
                presenter.change("m", doing(Show, count=count, paper="budget", revision=1, page=2))
            return made

        settled = chair.change("m", decide)
        assert isinstance(settled, Meeting), settled
        assert settled.vote is not None
        assert (settled.state.page, settled.vote.stage) == (2, "confirmed" if last is ConfirmVote else "broken off")
        assert [one.stage for one in records.votes("m")] == [settled.vote.stage]
        for one in keepings:
            one.close()
        records.close()

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
