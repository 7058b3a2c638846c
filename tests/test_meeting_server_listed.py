"""Who may be in a meeting is told that it begins and ends, and looks at the list of meetings then."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

pytest.importorskip("websockets", reason="needs the extra server")

from feed_streams import listening
from live_house import PATIENCE_S, LiveHouse, Message, Tablet, house
from quiet import wait_until
from town_hall import TownHall, hall, paper_of

from sidebooks_core.meeting.model import Participant
from sidebooks_core.meeting.records import Records
from sidebooks_core.meeting.session import opened

__all__ = ["hall", "house"]


def told(tablet: Tablet, event: str = "meetings") -> list[Message]:
    return [one for one in tablet.of("event") if one["event"] == event]


async def until_told(tablet: Tablet, count: int) -> None:
    await tablet.wait(lambda: len(told(tablet)) >= count or None)


def test_who_may_be_in_a_meeting_hears_that_it_begins_and_ends(house: LiveHouse) -> None:
    hall = house.hall
    noticed: list[str] = []
    hall.meetings.records.tell(noticed.extend)
    own = house.begin()
    wait_until(lambda: own in noticed, "nobody comes before it was told", PATIENCE_S)
    guest = house.guest_of(own)

    async def scenario() -> None:
        async with (
            house.tablet("member") as member,
            house.tablet("other folder") as other,
            house.tablet("none", Cookie=guest) as elsewhere,
        ):
            for one in (member, other, elsewhere):
                await one.wait(lambda one=one: one.find(lambda said: said.get("event") == "shelf"))
            meeting = await asyncio.to_thread(house.begin)
            await until_told(member, 1)
            assert told(member)[0] == {"kind": "event", "event": "meetings", "data": {}}
            listed = await asyncio.to_thread(house.ask, "member", "/meetings")
            assert meeting in {one["id"] for one in listed.json()["meetings"]}
            assert (await asyncio.to_thread(house.ask, "tender", f"/meetings/{meeting}/end", "POST")).status == 204
            await until_told(member, 2)
            await asyncio.to_thread(house.begin, "clerk", hall.planning)
            await until_told(other, 1)
            assert len(told(other)) == 1, "of the folder that is closed to them they hear nothing"
            await asyncio.to_thread(hall.shelf.register, paper_of(61), hall.finance, name="追加")
            await elsewhere.wait(lambda: len(told(elsewhere, "shelf")) > 1 or None)
            assert not told(elsewhere), "a guest is in one meeting, and no other one concerns them"

    asyncio.run(scenario())


def test_a_meeting_about_a_draft_does_not_tell_its_name(hall: TownHall) -> None:
    tomorrow_s = time.time() + 86_400
    draft = hall.shelf.register(paper_of(71), hall.finance, name="人事異動（案）", from_s=tomorrow_s)
    gone = hall.shelf.register(paper_of(72), hall.finance, name="撤回された案")
    hall.shelf.withdraw(gone.id)
    for paper in (draft, gone):
        begun = hall.ask("tender", f"/papers/{paper.id}/meetings", "POST", {}).json()
        assert begun["name"] == hall.finance.name
        code = hall.ask("tender", f"/meetings/{begun['id']}/code", "POST", {}).json()["code"]
        guest = hall.ask("none", "/meetings/join", "POST", {"code": code})
        cookie = guest.headers["set-cookie"].partition(";")[0]
        for path in ("/meetings", f"/meetings/{begun['id']}", f"/folders/{hall.finance.id}/meetings", "/me"):
            for told in (hall.ask("member", path), hall.ask("none", path, Cookie=cookie), guest):
                assert told.status == 200
                assert paper.name not in told.body.decode(), path
    published = hall.ask("tender", f"/papers/{hall.paper.id}/meetings", "POST", {}).json()
    assert published["name"] == hall.paper.name
    chosen = hall.ask("tender", f"/papers/{draft.id}/meetings", "POST", {"name": "臨時会"}).json()
    assert chosen["name"] == "臨時会"


def test_a_meeting_of_another_process_is_told_too_and_by_streams_of_events(hall: TownHall, tmp_path: Path) -> None:
    member = {"cookie": f"sidebooks_login={hall.cookies['member']}"}

    async def scenario() -> None:
        async with listening(hall, "", "", **member) as stream:
            await stream.until(lambda: any(kind == "shelf" for _, kind, _ in stream.events))
            records = Records(tmp_path / "data")
            try:
                new = opened("elsewhere", "財政委員会", Participant("p", "P"), hall.now_s)
                await asyncio.to_thread(records.add, new, folder=hall.finance.id, opened_by="1")
                await stream.until(lambda: any(kind == "meetings" for _, kind, _ in stream.events))
                assert [data for _, kind, data in stream.events if kind == "meetings"] == [{}]
            finally:
                records.close()

    asyncio.run(scenario())
