"""Meetings over real WebSockets: who says hello is told where the meeting is, and everybody sees what the presenter shows."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("websockets", reason="needs the extra server")

from live_house import LiveHouse, Tablet, live_house
from town_hall import paper_of
from websockets.exceptions import InvalidStatus

from sidebooks_core.meeting.following import Follower, is_behind, received
from sidebooks_core.meeting.messages import from_server
from sidebooks_core.meeting.state import MOST_STATE_BYTES, State


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveHouse]:
    with live_house(tmp_path_factory.mktemp("hall")) as made:
        yield made


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pings come often, so that a test need not wait for them."""
    monkeypatch.setattr("sidebooks_core.server.live.meetings_here.PING_S", 0.5)


async def turn(presenter: Tablet, page: int) -> dict[str, Any]:
    """Show a page of the paper that is open."""
    state = presenter.state
    return await presenter.command("show", paper=state["paper"], revision=state["revision"], page=page)


def test_a_turn_of_the_presenter_reaches_everybody(house: LiveHouse) -> None:
    meeting = house.begin()

    async def scenario() -> None:
        async with house.tablet("tender") as presenter, house.tablet("member") as follower:
            await presenter.hello(meeting)
            await follower.hello(meeting)
            assert presenter.of("welcome")[0]["participant"] == presenter.state["presenter"]
            assert follower.of("welcome")[0]["participant"] != follower.state["presenter"]
            here = presenter.state
            assert (here["paper"], here["page"], here["mode"]) == (house.hall.paper.id, 1, "follow")
            done = await turn(presenter, 2)
            assert done["kind"] == "done"
            state = await follower.until_page(2)
            assert (state["epoch"], state["seq"]) == (done["epoch"], done["seq"])

    asyncio.run(scenario())


def test_whoever_comes_late_or_again_lands_on_the_present_page(house: LiveHouse) -> None:
    meeting = house.begin()

    async def scenario() -> None:
        async with house.tablet("tender") as presenter:
            await presenter.hello(meeting)
            async with house.tablet("member") as sleeper:
                await sleeper.hello(meeting)
            await turn(presenter, 2)
            await turn(presenter, 3)
            async with house.tablet("member") as again, house.tablet("clerk") as late:
                await again.hello(meeting, "c9")
                await late.hello(meeting)
                assert again.state["page"] == late.state["page"] == 3

    asyncio.run(scenario())


def test_a_connection_carries_the_shelf_beside_the_meeting(house: LiveHouse) -> None:
    meeting, closed = house.begin(), house.hall.shelf.make_folder("人事")
    house.hall.access.set_grants(closed.id, [])

    async def scenario() -> None:
        async with house.tablet("tender") as presenter, house.tablet("member") as follower:
            first = await follower.wait(lambda: follower.find(lambda one: one.get("event") == "shelf"))
            assert first["position"]
            await presenter.hello(meeting)
            await follower.hello(meeting)
            hall = house.hall
            new = await asyncio.to_thread(hall.shelf.register, paper_of(21), hall.finance, name="追加議案")
            secret = await asyncio.to_thread(hall.shelf.register, paper_of(22), closed, name="他")
            await turn(presenter, 2)

            def papers() -> set[str]:
                found = [one for one in follower.of("event") if one["event"] == "shelf"]
                return {change["paper"] for one in found for change in one["data"]["changes"]}

            await follower.wait(lambda: papers() if new.id in papers() else None)
            await follower.until_page(2)
            assert secret.id not in papers(), "the meeting opens nothing"

    asyncio.run(scenario())


def test_the_presenter_sees_how_many_are_there(house: LiveHouse) -> None:
    meeting = house.begin()

    async def scenario() -> None:
        async with (
            house.tablet("tender") as presenter,
            house.tablet("member") as follower,
            house.tablet("clerk") as reader,
            house.tablet("tender") as wall,
        ):
            await presenter.hello(meeting)
            await follower.hello(meeting)
            await reader.hello(meeting)
            await wall.hello(meeting, "wall", is_projector=True)
            done = await turn(presenter, 2)
            at = {"epoch": done["epoch"], "seq": done["seq"]}
            for tablet in (presenter, follower, wall):
                await tablet.until_page(2)
                await tablet.say("painted", **at)
            await reader.until_page(2)
            await reader.say("pong", **at, is_following=False)
            expected = {**at, "here": 3, "following": 2, "painted": 2, "behind": 0}

            def told() -> object:
                return presenter.find(lambda one: one["kind"] == "progress" and expected.items() <= one.items())

            await presenter.wait(told)
            assert not follower.of("progress"), "it is for the presenter and the chair"
        async with house.tablet("member") as chairless:
            await chairless.hello(meeting)

    asyncio.run(scenario())


def test_a_client_that_is_behind_knows_it_and_asks(house: LiveHouse) -> None:
    meeting = house.begin()

    async def scenario() -> None:
        async with house.tablet("tender") as presenter, house.tablet("member") as follower:
            await presenter.hello(meeting)
            await follower.hello(meeting)
            missed = await turn(presenter, 2)
            at = (missed["epoch"], missed["seq"])
            first = from_server(json.dumps(follower.of("state")[0]))
            assert isinstance(first, State)
            mine = received(Follower(), first)  # as if the next one had got lost
            await follower.wait(lambda: follower.find(lambda one: one["kind"] == "ping" and (one["epoch"], one["seq"]) >= at))
            assert is_behind(mine, at)
            count = len(follower.of("state"))
            await follower.say("ask", what="state")
            await follower.until("state", count + 1)
            assert follower.told[-1]["page"] == 2 or follower.of("state")[-1]["page"] == 2
            await follower.say("ask", what="details")
            await follower.until("details", 2)

    asyncio.run(scenario())


def test_one_person_with_two_devices_is_one_participant(house: LiveHouse) -> None:
    meeting = house.begin()

    async def scenario() -> None:
        async with house.tablet("tender") as one, house.tablet("tender") as other, house.tablet("member") as follower:
            await one.hello(meeting, "one")
            await other.hello(meeting, "other")
            await follower.hello(meeting)
            assert one.of("welcome")[0]["participant"] == other.of("welcome")[0]["participant"]
            assert (await turn(one, 2))["kind"] == "done"
            await other.until_page(2)
            assert (await turn(other, 3))["kind"] == "done", "each client counts its own commands"
            await follower.until_page(3)

    asyncio.run(scenario())


def test_a_page_that_connects_anew_takes_the_place_of_its_old_connection(house: LiveHouse) -> None:
    meeting = house.begin()

    async def scenario() -> None:
        async with house.tablet("member") as old, house.tablet("member") as new:
            await old.hello(meeting, "same")
            await new.hello(meeting, "same")
            assert await old.until_closed() == 4408
            await new.say("ask", what="state")
            await new.until("state", 2)

    asyncio.run(scenario())


def test_of_two_who_take_the_presentation_the_loser_is_told_who_won(house: LiveHouse) -> None:
    meeting = house.begin()

    async def scenario() -> None:
        async with house.tablet("tender") as chair, house.tablet("member") as one, house.tablet("clerk") as other:
            for tablet in (chair, one, other):
                await tablet.hello(meeting)
            await chair.command("set_taking", role="viewer")
            epoch = chair.state["epoch"]
            first = await one.command("take", epoch=epoch)
            second = await other.command("take", epoch=epoch)
            assert (first["kind"], second["kind"], second.get("why")) == ("done", "refused", "overtaken")
            assert second["winner"] == "member"
            assert second["state"]["presenter"] == one.of("welcome")[0]["participant"]
            await chair.wait(lambda: chair.state["presenter"] == second["state"]["presenter"] or None)
            assert (await turn(chair, 2))["why"] == "forbidden"
            assert (await chair.command("take_back"))["kind"] == "done"

    asyncio.run(scenario())


def test_the_server_puts_the_names_in_that_it_knows(house: LiveHouse) -> None:
    meeting = house.begin()

    async def scenario() -> None:
        async with house.tablet("tender") as chair, house.tablet("member") as member:
            await chair.hello(meeting)
            await member.hello(meeting)
            who = member.of("welcome")[0]["participant"]
            assert (await chair.command("hand_over", to=who, name="somebody else"))["kind"] == "done"
            unknown = await chair.command("give_role", to="nobody", name="x", role="speaker")
            assert (unknown["kind"], unknown["why"]) == ("refused", "no such person")
            await chair.say("ask", what="details")
            details = await chair.wait(lambda: chair.find(lambda one: one["kind"] == "details" and who in one["names"]))
            assert details["names"][who] == "member"

    asyncio.run(scenario())


def test_a_pointer_reaches_all_but_the_client_that_sent_it(house: LiveHouse) -> None:
    meeting = house.begin()

    async def scenario() -> None:
        async with house.tablet("tender") as presenter, house.tablet("tender") as wall, house.tablet("member") as follower:
            await presenter.hello(meeting, "desk")
            await wall.hello(meeting, "wall", is_projector=True)
            await follower.hello(meeting)
            at = {"paper": house.hall.paper.id, "page": 1, "tool": "pointer", "points_pt": [[10, 20]]}
            await follower.say("whisper", count=1, **at)
            await presenter.say("whisper", count=1, **at)
            for tablet in (wall, follower):
                said = await tablet.until("whisper")
                assert said["by"] == presenter.of("welcome")[0]["participant"]
                assert said["points_pt"] == [[10, 20]]
            assert not presenter.of("whisper"), "neither its own, nor that of somebody who may show nothing"

    asyncio.run(scenario())


def test_a_login_that_ends_loses_its_connection_at_once(house: LiveHouse) -> None:
    meeting = house.begin()

    async def scenario() -> None:
        token, login = house.hall.log_in_anew("member")
        cookie = f"sidebooks_login_{house.port}={token}"
        async with house.tablet("member", Cookie=cookie) as tablet, house.tablet("member") as other:
            await tablet.hello(meeting)
            await other.hello(meeting, "c2")
            await asyncio.to_thread(house.hall.access.end_session, login)
            assert await tablet.until_closed() == 4401
            assert tablet.told[-1] == {"kind": "farewell", "why": "revoked", "return_s": None}
            await other.say("ask", what="state")
            await other.until("state", 2)

    asyncio.run(scenario())


def test_who_may_not_be_in_a_meeting_is_not_told_whether_there_is_one(house: LiveHouse) -> None:
    meeting = house.begin()

    async def scenario() -> None:
        for who, told in (("other folder", meeting), ("other guest", meeting), ("member", "nothing")):
            async with house.tablet(who) as tablet:
                await tablet.say("hello", protocol=1, meeting=told, client="c1")
                assert await tablet.until_closed() == 4404
                assert tablet.told[-1] == {"kind": "farewell", "why": "no such meeting", "return_s": None}
        async with house.tablet("guest") as guest:
            await guest.hello(meeting)
        with pytest.raises(InvalidStatus) as refused:
            async with house.tablet("none"):
                raise AssertionError
        assert refused.value.response.status_code == 401

    asyncio.run(scenario())


def test_several_meetings_go_on_at_once(house: LiveHouse) -> None:
    one, other = house.begin(name="一"), house.begin("clerk", name="二")

    async def scenario() -> None:
        async with house.tablet("tender") as first, house.tablet("clerk") as second, house.tablet("member") as member:
            await first.hello(one)
            await second.hello(other)
            await member.hello(other)
            await turn(first, 3)
            await turn(second, 2)
            await member.until_page(2)
            assert {state["meeting"] for state in member.of("state")} == {other}
            listed = await asyncio.to_thread(house.ask, "member", "/meetings")
            names = {row["name"] for row in listed.json()["meetings"]}
            assert {"一", "二"} <= names

    asyncio.run(scenario())


def test_a_state_is_small(house: LiveHouse) -> None:
    meeting = house.begin()

    async def scenario() -> None:
        async with house.tablet("tender") as presenter:
            await presenter.hello(meeting)
            state = presenter.state
            await presenter.command(
                "show", paper=state["paper"], revision=state["revision"], page=3, view_pt=[-1234.5, -2345.6, 12345.6, 23456.7]
            )
            state = await presenter.until_page(3)
            text = json.dumps(state, separators=(",", ":"))
            assert len(text.encode()) <= MOST_STATE_BYTES

    asyncio.run(scenario())


def test_a_server_that_ends_says_farewell_with_a_spread(tmp_path: Path) -> None:
    with live_house(tmp_path) as house:
        meeting = house.begin()

        async def scenario() -> None:
            async with house.tablet("tender") as presenter, house.tablet("member") as follower:
                await presenter.hello(meeting)
                await follower.hello(meeting)
                house.server.should_exit = True
                for tablet in (presenter, follower):
                    assert await tablet.until_closed() == 1012
                    farewell = tablet.told[-1]
                    assert (farewell["kind"], farewell["why"]) == ("farewell", "restart")
                    assert farewell["return_s"] >= 1

        asyncio.run(scenario())
