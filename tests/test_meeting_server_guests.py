"""Guests who come by a code: they are in one meeting, for a time, and their logins end with it."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest
from quiet import wait_until
from town_hall import CODE, TownHall, hall, paper_of

pytest.importorskip("websockets", reason="needs the extra server")

from live_house import PATIENCE_S, LiveHouse, house

from sidebooks_core.access import Access
from sidebooks_core.errors import AccessDenied, RequestError, StorageFailed
from sidebooks_core.meeting.commands import End
from sidebooks_core.meeting.messages import Refused
from sidebooks_core.meeting.model import Meeting, Participant
from sidebooks_core.meeting.session import decide
from sidebooks_core.server.ended import GOES_ON_S, EndedMeetings

__all__ = ["hall", "house"]


def test_a_guest_joins_by_a_code_and_leaves_with_the_end(house: LiveHouse) -> None:
    meeting, other = house.begin(), house.begin(name="other")
    made = house.ask("tender", f"/meetings/{meeting}/code", "POST", {"hours": 2}).json()
    assert re.fullmatch(r"[2-9A-Z]{4}-[2-9A-Z]{4}", made["code"])
    assert made["address"].endswith(f"/#meeting={meeting}&code={made['code']}")
    assert made["qr_svg"].startswith("<svg")
    guest = house.guest_by(made["code"].lower().replace("-", " "))

    async def scenario() -> None:
        async with house.tablet("tender") as chair, house.tablet("none", Cookie=guest) as tablet:
            await chair.hello(meeting)
            await tablet.hello(meeting)
            assert tablet.of("welcome")[0]["name"] == "傍聴者"
            paper = await asyncio.to_thread(house.ask, "none", f"/papers/{tablet.state['paper']}", Cookie=guest)
            assert paper.status == 200, "a guest reads the folder of the meeting"
            secret = await asyncio.to_thread(house.hall.shelf.register, paper_of(77), house.hall.planning, name="他の委員会")
            await chair.command("open_paper", paper=secret.id, revision=1)
            await tablet.wait(lambda: tablet.state["paper"] == secret.id or None)
            hidden = await asyncio.to_thread(house.ask, "none", f"/papers/{secret.id}", Cookie=guest)
            assert hidden.status == 404, "what is shown is not open to all for that"
            async with house.tablet("none", Cookie=guest) as elsewhere:
                await elsewhere.say("hello", protocol=1, meeting=other, client="c1")
                assert await elsewhere.until_closed() == 4404
            listed = await asyncio.to_thread(house.ask, "none", "/meetings", Cookie=guest)
            assert [one["id"] for one in listed.json()["meetings"]] == [meeting]
            assert (await asyncio.to_thread(house.ask, "none", f"/meetings/{other}", Cookie=guest)).status == 404
            assert (await chair.command("end"))["kind"] == "done"
            await tablet.wait(lambda: tablet.closed)
            assert tablet.closed == 1000, "the meeting has ended"
            again = await asyncio.to_thread(house.ask, "none", f"/meetings/{meeting}", Cookie=guest)
            assert again.status == 401

    asyncio.run(scenario())
    assert house.ask("none", "/meetings/join", "POST", {"code": made["code"]}).status == 403, "the code has ended, too"


def test_an_end_that_failed_to_log_guests_out_does_so_when_it_is_said_again(
    house: LiveHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    meeting = house.begin()
    guest = house.guest_of(meeting)

    def fails(_: str) -> int:
        raise StorageFailed("the disk is full")

    async def scenario() -> None:
        with monkeypatch.context() as patched:
            patched.setattr(house.hall.access, "end_links_of_meeting", fails)
            async with house.tablet("tender") as chair:
                await chair.hello(meeting)
                told = {"id": "end", "client": "c1", "count": 1, "epoch": chair.state["epoch"]}
                await chair.say("end", **told)
                assert await chair.until_closed() == 1012
        path = f"/meetings/{meeting}/messages?client=c1"
        again = await asyncio.to_thread(house.ask, "tender", path, "POST", {"kind": "end", **told})
        assert again.json()["answers"][0]["why"] == "ended"

    asyncio.run(scenario())
    assert house.ask("none", f"/meetings/{meeting}", Cookie=guest).status == 401


def ended_by_the_hub(hall: TownHall, meeting: str) -> None:
    """A server has ended a meeting, and was killed before it logged the guests out."""

    def end(found: Meeting) -> Meeting | Refused:
        chair = next(iter(found.details.roles))
        return decide(found, End(id="e", client="c", count=1, epoch=found.state.epoch), Participant(chair, ""), hall.now_s)

    assert isinstance(hall.meetings.hub.change(meeting, end), Meeting)


def test_guests_of_a_meeting_that_has_ended_are_nobody_known_though_nobody_logged_them_out(hall: TownHall) -> None:
    cookie = hall.ask("none", "/meetings/join", "POST", {"code": CODE}).headers["set-cookie"].partition(";")[0]
    paths = (f"/papers/{hall.paper.id}", f"/meetings/{hall.meeting}", f"/folders/{hall.finance.id}")
    assert {hall.ask("none", path, Cookie=cookie).status for path in paths} == {200}
    principal = hall.access.principal(cookie.partition("=")[2])
    assert principal is not None
    shown = hall.shelf.document(hall.paper.id).id
    signed = f"/s/{hall.access.sign([shown], principal, valid_s=600)}/documents/{shown}"
    assert hall.ask("none", signed).status == 200
    ended_by_the_hub(hall, hall.meeting)
    assert hall.access.principal(cookie.partition("=")[2]) is not None, "the login is still there"

    def statuses() -> set[int]:
        return {hall.ask("none", path, Cookie=cookie).status for path in paths}

    wait_until(lambda: statuses() == {401}, "guests are refused", PATIENCE_S)
    assert hall.ask("none", signed).status == 401
    assert hall.ask("none", "/me", Cookie=cookie).json()["role"] == "citizen"
    assert hall.ask("guest", paths[0]).status == 200, "a guest by a link is in no meeting"
    assert hall.ask("member", paths[1]).status == 200


def test_a_guest_of_a_meeting_that_has_ended_loses_the_connection(house: LiveHouse) -> None:
    meeting = house.begin()
    guest = house.guest_of(meeting)

    async def scenario() -> None:
        async with house.tablet("none", Cookie=guest) as tablet:
            await tablet.hello(meeting)
            await asyncio.to_thread(ended_by_the_hub, house.hall, meeting)
            assert await tablet.until_closed() == 1000, "the meeting has ended; that the login did with it is not told"

    asyncio.run(scenario())


def test_that_a_meeting_goes_on_is_asked_again_after_a_moment() -> None:
    class Records:
        asked = 0
        is_going = True

        def goes_on(self, _: str) -> bool:
            self.asked += 1
            return self.is_going

    now_s, records = 0.0, Records()
    ended = EndedMeetings(records, lambda: now_s)
    assert ended.known("m") is None
    assert [ended.find("m") for _ in range(3)] == [False] * 3
    assert (ended.known("m"), records.asked) == (False, 1)
    now_s, records.is_going = GOES_ON_S, False
    assert ended.known("m") is None
    assert ended.find("m")
    now_s = 1e9
    assert (ended.known("m"), ended.find("m"), records.asked) == (True, True, 2)


def test_that_a_meeting_goes_on_is_forgotten_when_it_is_told_that_it_ended() -> None:
    class Records:
        def goes_on(self, meeting: str) -> bool:
            if meeting == "slow":
                ended.forget(["slow"])  # it ends while it is looked at
            return True

    ended = EndedMeetings(Records(), lambda: 0.0)
    assert not ended.find("m")
    ended.forget(["m"])
    assert ended.known("m") is None
    assert not ended.find("slow")
    assert ended.known("slow") is None


def test_an_end_that_was_taken_back_is_forgotten() -> None:
    """Another process came first with something that kept the meeting from ending."""

    class Records:
        is_going = False

        def goes_on(self, _: str) -> bool:
            return self.is_going

    records = Records()
    ended = EndedMeetings(records, lambda: 0.0)
    assert ended.find("m")
    records.is_going = True
    ended.forget(["m"])
    assert not ended.find("m")


def test_whoever_may_be_in_the_meeting_anyway_keeps_their_login(hall: TownHall) -> None:
    reply = hall.ask("member", "/meetings/join", "POST", {"code": CODE})
    assert reply.status == 200
    assert (reply.json()["meeting"], reply.json()["me"]["role"]) == (hall.meeting, "member")
    assert "set-cookie" not in reply.headers
    stranger = hall.ask("other folder", "/meetings/join", "POST", {"code": CODE})
    assert stranger.json()["me"]["role"] == "guest", "a member who may not be in it comes as a guest"


def test_a_code_that_is_wrong_or_was_replaced_opens_nothing(hall: TownHall) -> None:
    assert hall.ask("none", "/meetings/join", "POST", {"code": "ABCD-EFGH"}).status == 403
    new = hall.ask("tender", f"/meetings/{hall.meeting}/code", "POST", {"hours": 1}).json()["code"]
    assert hall.ask("none", "/meetings/join", "POST", {"code": CODE}).status == 403
    assert hall.ask("none", "/meetings/join", "POST", {"code": new}).status == 200
    assert hall.ask("tender", f"/meetings/{hall.meeting}/code", "DELETE").status == 204
    assert hall.ask("none", "/meetings/join", "POST", {"code": new}).status == 403


def test_a_code_ends_in_its_time(hall: TownHall) -> None:
    reply = hall.ask("none", "/meetings/join", "POST", {"code": CODE})
    cookie = reply.headers["set-cookie"].partition(";")[0]
    assert hall.ask("none", f"/meetings/{hall.meeting}", Cookie=cookie).status == 200
    hall.now_s += 3601
    assert hall.ask("none", f"/meetings/{hall.meeting}", Cookie=cookie).status == 401
    assert hall.ask("none", "/meetings/join", "POST", {"code": CODE}).status == 403


def test_a_code_that_is_made_while_the_meeting_ends_opens_nothing(hall: TownHall, monkeypatch: pytest.MonkeyPatch) -> None:
    make, codes = hall.access.open_to_guests, []

    def late(meeting: str, code: str, *more: Any, **named: Any) -> Any:
        end = End(id="e", client="c", count=1, epoch=1)
        hall.meetings.hub.change(meeting, lambda found: decide(found, end, Participant("chair", "admin"), hall.now_s))
        codes.append(code)
        return make(meeting, code, *more, **named)

    monkeypatch.setattr(hall.access, "open_to_guests", late)
    assert hall.ask("admin", f"/meetings/{hall.meeting}/code", "POST", {}).status == 400
    with pytest.raises(AccessDenied):
        hall.access.use_code(codes[0])


def test_codes_cannot_be_tried_without_end(hall: TownHall, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sidebooks_core.server.rates.AT_ONCE", 3)
    tried = [hall.ask("none", "/meetings/join", "POST", {"code": f"AAAA-AAA{number}"}) for number in range(2, 7)]
    assert [one.status for one in tried] == [403, 403, 403, 429, 429]


def test_guests_need_a_folder(hall: TownHall) -> None:
    made = hall.ask("admin", "/folders/top/meetings", "POST", {"name": "全体"})
    assert made.status == 201
    assert hall.ask("admin", f"/meetings/{made.json()['id']}/code", "POST", {"hours": 1}).status == 400


def test_access_knows_the_codes_of_meetings() -> None:
    with Access(None) as access:
        access.open_to_guests("m1", "abcd-efgh", ["f"], name="委員会", until_s=4e9)
        token, _ = access.use_code("ABCD EFGH", guest_name="客")
        principal = access.principal(token)
        assert principal is not None
        assert (principal.meeting, principal.folders, principal.name) == ("m1", frozenset({"f"}), "客")
        assert access.end_links_of_meeting("m2") == 0
        assert access.end_links_of_meeting("m1") == 1
        assert access.principal(token) is None
        with pytest.raises(AccessDenied):
            access.use_code("ABCD-EFGH")
        with pytest.raises(RequestError):
            access.open_to_guests("m1", " - ", ["f"], name="x", until_s=4e9)
