"""Whoever may not be in a meeting any more hears nothing more of it, and can say nothing more in it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

import pytest

pytest.importorskip("websockets", reason="needs the extra server")

from asgi import ask_async
from feed_streams import listening
from live_house import LiveHouse, house
from town_hall import TownHall, hall, paper_of

from sidebooks_core.access import Grant
from sidebooks_core.shelf import Folder

__all__ = ["hall", "house"]

REVOKED, NO_SUCH = 4401, 4404


def grant_removed(hall: TownHall) -> None:
    hall.access.set_grants(hall.finance.id, [Grant("group", "secretaries", "tend")])


def folder_closed(hall: TownHall) -> None:
    hall.access.set_grants(hall.finance.id, [])


def person_disabled(hall: TownHall) -> None:
    hall.access.change_person(hall.people["member"].id, is_disabled=True)


def group_taken(hall: TownHall) -> None:
    hall.access.change_person(hall.people["member"].id, groups=())


def login_ended(hall: TownHall) -> None:
    hall.access.end_sessions(hall.people["member"].id)


@pytest.mark.parametrize("lose", [grant_removed, folder_closed, person_disabled, group_taken, login_ended])
def test_who_loses_a_right_by_access_loses_the_meeting(house: LiveHouse, lose: Callable[[TownHall], None]) -> None:
    meeting = house.begin()

    async def scenario() -> None:
        async with house.tablet("member") as member:
            await member.hello(meeting)
            told = len(member.of("state"))
            await asyncio.to_thread(lose, house.hall)
            assert await member.until_closed() == REVOKED
            assert len(member.of("state")) == told
        if lose in (grant_removed, folder_closed, group_taken):
            async with house.tablet("member") as again:
                await again.say("hello", protocol=1, meeting=meeting, client="c2")
                assert await again.until_closed() == NO_SUCH

    asyncio.run(scenario())
    ask = {"kind": "ask", "what": "state"}
    assert house.ask("member", f"/meetings/{meeting}/messages?client=c1", "POST", ask).status in (401, 404)


def test_a_guest_whose_code_is_withdrawn_loses_the_meeting(house: LiveHouse) -> None:
    meeting = house.begin()
    guest = house.guest_of(meeting)

    async def scenario() -> None:
        async with house.tablet("none", Cookie=guest) as tablet:
            await tablet.hello(meeting)
            assert (await asyncio.to_thread(house.ask, "tender", f"/meetings/{meeting}/code", "DELETE")).status == 204
            assert await tablet.until_closed() == REVOKED

    asyncio.run(scenario())


def open_folder(hall: TownHall) -> Folder:
    """One that all members may read, with a paper."""
    folder = hall.shelf.make_folder("特別委員会")
    hall.shelf.register(paper_of(41, 42, 43), folder, name="資料")
    assert hall.shelf.wait_prepared(30)
    return folder


def closed_folder(hall: TownHall) -> Folder:
    folder = hall.shelf.make_folder("秘密会")
    hall.access.set_grants(folder.id, [])
    return folder


def test_who_loses_a_right_since_the_folder_is_elsewhere_loses_the_meeting(house: LiveHouse) -> None:
    hall = house.hall
    folder, closed = open_folder(hall), closed_folder(hall)
    meeting = house.begin("clerk", folder)

    async def scenario() -> None:
        async with house.tablet("clerk") as chair, house.tablet("member") as member, house.tablet("member") as other:
            await chair.hello(meeting)
            await member.hello(meeting)
            await other.until("event")
            await asyncio.to_thread(hall.shelf.change_folder, folder, parent=closed.id)
            assert await member.until_closed() == NO_SUCH
            assert member.told[-1] == {"kind": "farewell", "why": "no such meeting", "return_s": None}
            state = chair.state
            await chair.command("show", paper=state["paper"], revision=state["revision"], page=2)
            assert member.state["page"] == 1
            assert chair.closed is None, "who still may be in it stays"
            assert other.closed is None, "a connection that is in no meeting stays, too"

    asyncio.run(scenario())
    house.hall.access.flush()
    told = [one.detail for one in hall.access.audit_rows() if one.operation == "meet" and one.name == "member"]
    assert told == [f"refused, meeting {meeting}: may not be in it any more"]


def test_a_command_after_the_loss_is_not_done(house: LiveHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection has not been told yet: the command comes first."""
    hall = house.hall
    folder, closed = open_folder(hall), closed_folder(hall)
    meeting = house.begin("clerk", folder)

    async def scenario() -> None:
        async with house.tablet("clerk") as chair, house.tablet("member") as member:
            await chair.hello(meeting)
            await member.hello(meeting)
            assert (await chair.command("set_taking", role="viewer"))["kind"] == "done"
            epoch = chair.state["epoch"]
            monkeypatch.setattr(hall.application.events, "shelf_changed", lambda: None)
            await asyncio.to_thread(hall.shelf.change_folder, folder, parent=closed.id)
            await member.say("take", id="late", client="c1", count=9, epoch=epoch)
            assert await member.until_closed() == NO_SUCH
            assert not member.of("done")

    asyncio.run(scenario())
    found = hall.meetings.hub.read(meeting)
    assert found is not None
    assert found.details.names[found.state.presenter] == "clerk"


def test_a_state_after_the_loss_is_not_told(house: LiveHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection waits for nothing, so a state would be sent at once."""
    hall = house.hall
    folder, closed = open_folder(hall), closed_folder(hall)
    meeting = house.begin("clerk", folder)

    async def scenario() -> None:
        async with house.tablet("clerk") as chair, house.tablet("member") as member:
            await chair.hello(meeting)
            await member.hello(meeting)
            state = chair.state
            show = {"paper": state["paper"], "revision": state["revision"]}
            assert (await chair.command("show", page=2, **show))["kind"] == "done"
            await member.until_page(2)
            monkeypatch.setattr(hall.application.events, "shelf_changed", lambda: None)
            await asyncio.to_thread(hall.shelf.change_folder, folder, parent=closed.id)
            assert (await chair.command("show", page=3, **show))["kind"] == "done"
            assert await member.until_closed() == NO_SUCH
            assert member.state["page"] == 2

    asyncio.run(scenario())


def test_who_is_in_a_meeting_by_a_stream_of_events_loses_it_too(hall: TownHall) -> None:
    folder, closed = open_folder(hall), closed_folder(hall)
    meeting = hall.begin("clerk", folder)["id"]
    member = {"cookie": f"sidebooks_login={hall.cookies['member']}"}

    async def scenario() -> None:
        async with listening(hall, "", f"meeting={meeting}&client=f1", **member) as stream:

            def said(kind: str) -> list[object]:
                return [data for _, event, data in stream.events if event == "meeting" and data["kind"] == kind]

            await stream.until(lambda: said("details"))
            await asyncio.to_thread(hall.shelf.change_folder, folder, parent=closed.id)
            await stream.until(lambda: stream.has_ended)
            assert said("farewell") == [{"kind": "farewell", "why": "no such meeting", "return_s": None}]
        ask = json.dumps({"kind": "ask", "what": "state"}).encode()
        reply = await ask_async(hall.application, f"/meetings/{meeting}/messages?client=f1", "POST", member, ask)
        assert reply.status == 404

    asyncio.run(scenario())
