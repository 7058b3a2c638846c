"""What a meeting leaves: who was there, what was voted, and its papers as one document."""

from __future__ import annotations

import asyncio

import pytest
from town_hall import TownHall, hall, paper_of

pytest.importorskip("websockets", reason="needs the extra server")

from live_house import PATIENCE_S, LiveHouse, house
from quiet import wait_until

from sidebooks_core.server.live.attendance import AWAY_S

__all__ = ["hall", "house"]


def test_who_was_there_stands_in_a_list(house: LiveHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sidebooks_core.server.live.meetings_here.PING_S", 0.2)
    monkeypatch.setattr("sidebooks_core.server.live.attendance.AWAY_S", 0.1)
    assert AWAY_S >= 10, "a tablet that connects anew does not come again"
    meeting = house.begin()
    path = f"/meetings/{meeting}/attendance"

    def people() -> dict[str, dict[str, object]]:
        return {one["name"]: one for one in house.ask("tender", path).json()["people"]}

    async def scenario() -> None:
        async with house.tablet("tender") as chair:
            await chair.hello(meeting)
            async with house.tablet("member") as member, house.tablet("guest") as guest, house.tablet("clerk") as wall:
                await member.hello(meeting)
                await guest.hello(meeting)
                await wall.hello(meeting, is_projector=True)
                await asyncio.to_thread(
                    wait_until, lambda: set(people()) == {"tender", "member", "guest"}, "three came", PATIENCE_S
                )
            await asyncio.to_thread(wait_until, lambda: people()["member"]["left_s"] is not None, "one left", PATIENCE_S)
            now = await asyncio.to_thread(people)
            assert now["tender"]["left_s"] is None
            assert (now["guest"]["is_guest"], now["member"]["is_guest"]) == (True, False)

    asyncio.run(scenario())
    sheet = house.ask("tender", f"{path}?as=csv")
    assert sheet.headers["content-type"].startswith("text/csv")
    assert sheet.body.startswith(b"\xef\xbb\xbfname,as,joined")
    assert sheet.body.count(b"\n") == 4
    assert house.ask("member", path).status == 403


def test_the_chair_sees_who_is_there_whoever_tends_the_folder(house: LiveHouse) -> None:
    meeting = house.begin()

    async def scenario() -> None:
        async with house.tablet("tender") as chair, house.tablet("member") as member:
            await chair.hello(meeting)
            await member.hello(meeting)
            path = f"/meetings/{meeting}/attendance"
            assert (await asyncio.to_thread(house.ask, "member", path)).status == 403
            who = member.of("welcome")[0]["participant"]
            await chair.command("give_role", to=who, name="x", role="chair")
            assert (await asyncio.to_thread(house.ask, "member", path)).status == 200
            details = (await asyncio.to_thread(house.ask, "member", f"/meetings/{meeting}")).json()
            assert (details["participant"], details["role"], details["presenter"]) == (who, "chair", "tender")
            assert details["here"] == 2
            assert details["socket"] == f"ws://127.0.0.1:{house.port}/live"

    asyncio.run(scenario())


def test_the_roll_of_an_open_vote_says_who_has_left_and_not_who_has_voted(house: LiveHouse) -> None:
    meeting = house.begin()

    async def scenario() -> None:
        async with house.tablet("tender") as chair, house.tablet("member") as member:
            await chair.hello(meeting)
            await member.hello(meeting)
            people = [one.of("welcome")[0]["participant"] for one in (chair, member)]
            voters = [{"id": one, "name": "x"} for one in people]
            roll = {"voters": voters, "present": people, "chair": people[0], "seats": 2}
            await chair.command("open_vote", title="議案", rule="two thirds", ballot="named", **roll)

            async def told() -> tuple[str, list[tuple[bool, bool, str | None]]]:
                details = (await asyncio.to_thread(house.ask, "member", f"/meetings/{meeting}/votes/1")).json()
                return details["chair"], [(one["has_left"], one["has_voted"], one["choice"]) for one in details["voters"]]

            await chair.command("cast", vote=1, choice="yes")
            await member.command("leave_room", vote=1, who=people[1])
            assert await told() == (people[0], [(False, False, None), (True, False, None)])
            await chair.command("leave_room", vote=1, who=people[1], is_back=True)
            assert await told() == (people[0], [(False, False, None), (False, False, None)])

    asyncio.run(scenario())


def test_votes_stand_in_lists(hall: TownHall) -> None:
    [vote] = hall.ask("member", f"/meetings/{hall.meeting}/votes").json()["votes"]
    assert (vote["title"], vote["stage"], vote["outcome"]["result"]) == ("議案第1号", "confirmed", "carried")
    assert (vote["chair"], vote["chair_name"]) == ("chair", "admin"), "who presides"
    details = hall.ask("member", f"/meetings/{hall.meeting}/votes/1").json()
    assert details["chair"] == "chair"
    assert details["voters"] == [
        {
            "participant": "chair",
            "name": "admin",
            "is_present": True,
            "has_left": False,
            "has_voted": True,
            "choice": "yes",
        }
    ]
    for path in ("votes?as=csv", "votes/1?as=csv"):
        sheet = hall.ask("member", f"/meetings/{hall.meeting}/{path}")
        assert sheet.body.startswith(b"\xef\xbb\xbf")
        assert "attachment" in sheet.headers["content-disposition"]


def test_the_agenda_is_one_document_and_nothing_is_drawn_for_it(hall: TownHall) -> None:
    second = hall.shelf.register(paper_of(9, 2), hall.finance, name="補正予算")
    assert hall.shelf.wait_prepared(30)
    made = hall.begin()
    assert [one["paper"] for one in made["agenda"]] == [hall.paper.id, second.id]
    before = hall.shelf.service.statistics().renders
    told = hall.ask("member", f"/meetings/{made['id']}/pages").json()
    assert (told["page_count"], [(one["paper"], one["first"]) for one in told["parts"]]) == (
        5,
        [(hall.paper.id, 1), (second.id, 4)],
    )
    document = hall.shelf.document(hall.paper.id)
    assert told["content_ids"][:3] == [document.content_id(page) for page in range(3)]
    assert told["content_ids"][4] == told["content_ids"][1], "the same page in another paper is the same"
    manifest = hall.ask("member", f"/meetings/{made['id']}/manifest.json").json()
    assert len(manifest["items"]) == 5
    assert [one["label"] for one in manifest["items"]] == [{"none": [str(number)]} for number in range(1, 6)]
    assert len({one["id"] for one in manifest["items"]}) == 5
    image = manifest["items"][3]["items"][0]["items"][0]["body"]["id"]
    shown = hall.shelf.document(second.id).id
    assert f"/iiif/3/{shown}_p1/" in image
    assert [len(one["items"]) for one in manifest["structures"]] == [3, 2]
    assert hall.shelf.service.statistics().renders == before, "the pages are there already"


def test_running_numbers_are_the_same_for_those_who_may_read_less(hall: TownHall) -> None:
    secret = hall.shelf.make_folder("秘密会")
    hall.access.set_grants(secret.id, [])
    hidden = hall.shelf.register(paper_of(31, 32), secret, name="人事案")
    made = hall.begin("clerk", papers=[hidden.id, hall.paper.id])
    whole = hall.ask("clerk", f"/meetings/{made['id']}/pages").json()
    less = hall.ask("member", f"/meetings/{made['id']}/pages").json()
    assert [one["first"] for one in whole["parts"]] == [1, 3]
    assert [(one["paper"], one["first"]) for one in less["parts"]] == [(hall.paper.id, 3)]
    assert (less["page_count"], len(less["content_ids"])) == (5, 3)
    assert hidden.id not in hall.ask("member", f"/meetings/{made['id']}/manifest.json").body.decode()


def test_the_agenda_does_not_name_what_somebody_may_not_read(house: LiveHouse) -> None:
    hall = house.hall
    draft = hall.shelf.register(paper_of(41), hall.finance, name="未公表の人事案", from_s=hall.now_s + 86_400)
    meeting = house.begin()

    async def scenario() -> None:
        async with house.tablet("tender") as chair, house.tablet("member") as member:
            await chair.hello(meeting)
            await member.hello(meeting)
            await member.say("ask", what="details")
            await member.until("details", 2)
            names = [[item["name"] for item in one["agenda"]] for one in (*chair.of("details"), *member.of("details"))]
            assert names == [[hall.paper.name, draft.name], [hall.paper.name, "—"], [hall.paper.name, "—"]]

    asyncio.run(scenario())
    for who, name in (("tender", draft.name), ("member", "—")):
        told = house.ask(who, f"/meetings/{meeting}").json()["agenda"]
        assert [one["name"] for one in told] == [hall.paper.name, name]


def test_a_meeting_begins_with_what_its_chair_may_read(hall: TownHall) -> None:
    secret = hall.shelf.make_folder("秘密会")
    hall.access.set_grants(secret.id, [])
    hidden = hall.shelf.register(paper_of(31), secret, name="人事案")
    made = hall.begin(papers=[hidden.id, hall.paper.id])
    assert [one["paper"] for one in made["agenda"]] == [hall.paper.id]
    alone = hall.ask("tender", f"/papers/{hall.paper.id}/meetings", "POST", {}).json()
    assert (alone["name"], alone["folder"]) == (hall.paper.name, hall.finance.id)
    assert hall.ask("member", f"/papers/{hall.paper.id}/meetings", "POST", {}).status == 404, "members begin none"


def test_a_meeting_that_was_ended_stays_in_the_list_of_its_folder(hall: TownHall) -> None:
    made = hall.ask("tender", f"/papers/{hall.paper.id}/meetings", "POST", {"name": "終わり"}).json()
    assert hall.ask("tender", f"/meetings/{made['id']}/end", "POST").status == 204
    assert hall.ask("tender", f"/meetings/{made['id']}/end", "POST").status == 204, "again changes nothing"
    under_way = {one["id"] for one in hall.ask("member", "/meetings").json()["meetings"]}
    assert made["id"] not in under_way
    kept = {one["id"]: one for one in hall.ask("member", f"/folders/{hall.finance.id}/meetings").json()["meetings"]}
    assert kept[made["id"]]["ended_s"] is not None
