"""Meetings of several server processes: one meeting through Redis, and a clear word where there is no hub."""

from __future__ import annotations

import asyncio
import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from asgi import ask_socket
from quiet import wait_until
from redis_house import SERVER, RedisHouse
from town_hall import TownHall, hall

pytest.importorskip("websockets", reason="needs the extra server")

from live_house import PATIENCE_S, LiveHouse

from sidebooks_core.errors import HubMissing
from sidebooks_core.marks.ids import new_mark_id
from sidebooks_core.meeting.meetings import NO_HUB, Meetings
from sidebooks_core.server import Application
from sidebooks_core.server import Shelf as Served
from sidebooks_core.server.listening import listening

__all__ = ["hall"]


def application_of(hall: TownHall, meetings: Meetings) -> Application:
    return Application(Served(hall.shelf.service), papers=hall.shelf, access=hall.access, meetings=meetings)


def test_without_a_hub_the_addresses_say_what_to_do(hall: TownHall, tmp_path: Path) -> None:
    with Meetings(tmp_path / "data", is_alone=False) as meetings:
        with pytest.raises(HubMissing, match="--hub"):
            _ = meetings.hub
        alone, hall.application = hall.application, application_of(hall, meetings)
        for method, path, body in (
            ("GET", "/meetings", None),
            ("GET", f"/meetings/{hall.meeting}", None),
            ("GET", f"/meetings/{hall.meeting}/votes", None),
            ("GET", f"/meetings/{hall.meeting}/pages", None),
            ("POST", "/meetings/join", {"code": "x"}),
            ("POST", f"/folders/{hall.finance.id}/meetings", {}),
            ("POST", f"/meetings/{hall.meeting}/messages?client=c1", {"kind": "ask", "what": "state"}),
        ):
            reply = hall.ask("admin", path, method, body)
            assert (reply.status, reply.json()["detail"]) == (503, NO_HUB), path
        cookie = {"Cookie": f"sidebooks_login={hall.cookies['admin']}"}
        assert ask_socket(hall.application, "/live", cookie).status == 101, "the shelf has its events all the same"
        hall.application.close()
        hall.application = alone


@pytest.fixture
def redis() -> Iterator[RedisHouse]:
    if SERVER is None:
        pytest.skip("needs redis-server or valkey-server")
    folder = Path(tempfile.mkdtemp(prefix="sb"))  # the path of a Unix socket is short
    made = RedisHouse(folder)
    yield made
    made.kill()
    shutil.rmtree(folder)


class Two:
    """Two servers of one town hall, as two processes would be."""

    def __init__(self, hall: TownHall, folder: Path, url: str, stack: ExitStack) -> None:
        self.houses: list[LiveHouse] = []
        for _ in range(2):
            meetings = stack.enter_context(Meetings(folder / "data", url))
            application = application_of(hall, meetings)
            stack.callback(application.close)
            house = LiveHouse(hall, stack.enter_context(listening("127.0.0.1", 0)), application)
            stack.callback(house.end)
            self.houses.append(house)


@pytest.fixture
def two(hall: TownHall, tmp_path: Path, redis: RedisHouse, monkeypatch: pytest.MonkeyPatch) -> Iterator[Two]:
    monkeypatch.setattr("sidebooks_core.server.live.meetings_here.PING_S", 0.5)
    with ExitStack() as stack:
        yield Two(hall, tmp_path, redis.url, stack)


def test_two_servers_have_one_meeting(two: Two) -> None:
    here, there = two.houses
    meeting = here.begin()

    async def scenario() -> None:
        async with here.tablet("tender") as presenter, there.tablet("member") as follower, there.tablet("clerk") as clerk:
            await presenter.hello(meeting)
            await follower.hello(meeting)
            await clerk.hello(meeting)
            state = presenter.state
            at = {"paper": state["paper"], "revision": state["revision"]}
            done = await presenter.command("show", page=2, **at)
            assert done["kind"] == "done", done
            await follower.until_page(2)
            await follower.say("painted", epoch=done["epoch"], seq=done["seq"])
            expected = {"seq": done["seq"], "here": 3, "painted": 1}

            def told() -> object:
                return presenter.find(lambda one: one["kind"] == "progress" and expected.items() <= one.items())

            await presenter.wait(told)
            await presenter.command("set_taking", role="viewer")
            assert (await follower.command("take"))["kind"] == "done"
            await presenter.wait(lambda: presenter.state["epoch"] > state["epoch"] or None)
            lost = await presenter.command("show", page=3, epoch=state["epoch"], **at)
            assert (lost["why"], lost["winner"]) == ("overtaken", "member")
            count = 0
            async with asyncio.timeout(PATIENCE_S):
                while not presenter.of("whisper"):  # it may get lost
                    count += 1
                    pointer = {"paper": state["paper"], "page": 2, "tool": "pointer", "points_pt": [[1, 2]]}
                    await follower.say("whisper", count=count, **pointer)
                    await asyncio.sleep(0.1)

    asyncio.run(scenario())


def test_a_stroke_reaches_those_who_are_at_another_server(two: Two) -> None:
    here, there = two.houses
    meeting = here.begin()

    async def scenario() -> None:
        async with here.tablet("tender") as presenter, there.tablet("member") as follower:
            await presenter.hello(meeting)
            await follower.hello(meeting)
            state = presenter.state
            at = {"paper": state["paper"], "revision": state["revision"], "page": 1, "colour": "#d3202a", "width_pt": 1.5}
            mark, first = new_mark_id(), 0
            async with asyncio.timeout(PATIENCE_S):
                while not follower.of("stroke"):  # it may get lost
                    await presenter.say("stroke", mark=mark, first=first, samples_pt=[[first, 1, 0.5]], **at)
                    first += 1
                    await asyncio.sleep(0.1)
            assert {one["mark"] for one in follower.of("stroke")} == {mark}

    asyncio.run(scenario())


def test_a_request_to_another_server_than_that_of_the_stream_counts(two: Two) -> None:
    here, there = two.houses
    meeting = here.begin()

    async def scenario() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", here.port)
        writer.write(
            f"GET /events?meeting={meeting}&client=f1 HTTP/1.1\r\nHost: 127.0.0.1:{here.port}\r\n"
            f"Cookie: {here.cookie('member')}\r\n\r\n".encode()
        )
        lines: list[dict[str, Any]] = []

        async def read() -> None:
            while line := await reader.readline():
                if line.startswith(b'data: {"kind"'):
                    lines.append(json.loads(line[6:]))

        reading = asyncio.create_task(read())
        async with here.tablet("tender") as presenter:
            await presenter.hello(meeting)
            await presenter.wait(lambda: presenter.find(lambda one: one["kind"] == "progress" and one["here"] == 2))
            state = presenter.state
            path = f"/meetings/{meeting}/messages?client=f1"
            painted = {"kind": "painted", "epoch": state["epoch"], "seq": state["seq"]}
            async with asyncio.timeout(PATIENCE_S):
                while not presenter.find(lambda one: one["kind"] == "progress" and one["painted"] >= 1):  # it may get lost
                    reply = await asyncio.to_thread(there.ask, "member", path, "POST", painted)
                    assert reply.status == 200
                    await asyncio.sleep(0.1)
        assert [one["kind"] for one in lines][:3] == ["welcome", "state", "details"]
        reading.cancel()
        writer.close()

    asyncio.run(scenario())


def test_a_server_starts_without_redis_and_takes_up_meetings_when_it_comes(
    hall: TownHall, tmp_path: Path, redis: RedisHouse
) -> None:
    redis.kill()
    with Meetings(tmp_path / "data", redis.url) as meetings, listening("127.0.0.1", 0) as listener:
        application = application_of(hall, meetings)
        house = LiveHouse(hall, listener, application)
        begin = f"/folders/{hall.finance.id}/meetings"
        try:
            assert house.ask("member", f"/papers/{hall.paper.id}").status == 200, "papers are there"
            health = house.ask("none", "/healthz")
            assert (health.status, health.body) == (200, b"ready\nmeetings wait for the hub\n")
            before = [one["id"] for one in house.ask("tender", "/meetings").json()["meetings"]]
            refused = house.ask("tender", begin, "POST", {})
            assert (refused.status, int(refused.headers["retry-after"]) > 0) == (503, True)
            assert [one["id"] for one in house.ask("tender", "/meetings").json()["meetings"]] == before, "none was begun"

            async def scenario() -> None:
                async with house.tablet("member") as early:
                    await early.say("hello", protocol=1, meeting=hall.meeting, client="c1")
                    assert await early.until_closed() == 1012
                    assert early.told[-1]["return_s"] is not None, "it comes again"
                await asyncio.to_thread(redis.start)
                await asyncio.to_thread(
                    wait_until, lambda: house.ask("none", "/healthz").body == b"ready\n", "the hub answers", PATIENCE_S
                )
                async with house.tablet("member") as follower, house.tablet("tender") as presenter:
                    await follower.hello(hall.meeting)
                    await presenter.hello(await asyncio.to_thread(house.begin))

            asyncio.run(scenario())
        finally:
            house.end()
            application.close()


def test_a_hub_that_was_lost_sends_its_clients_away_for_a_moment(two: Two, redis: RedisHouse) -> None:
    here, there = two.houses
    meeting = here.begin()

    async def scenario() -> None:
        async with here.tablet("tender") as presenter:
            await presenter.hello(meeting)
            state = presenter.state
            redis.kill()
            show = {"paper": state["paper"], "revision": state["revision"], "page": 2}
            await presenter.say("show", id="1", client="c1", count=1, epoch=state["epoch"], **show)
            assert await presenter.until_closed() == 1012
            assert (presenter.told[-1]["why"], presenter.told[-1]["return_s"] > 0) == ("restart", True)
        await asyncio.to_thread(redis.start)
        async with there.tablet("tender") as again:
            await again.hello(meeting)
            assert again.state["epoch"] > state["epoch"], "it goes on in a new epoch"
            assert (await again.command("show", **show))["kind"] == "done"

    asyncio.run(scenario())
