"""What a meeting refuses: forged, replayed, expired and foreign commands, and the audit that has them without being flooded."""

from __future__ import annotations

import asyncio

import pytest

pytest.importorskip("websockets", reason="needs the extra server")

from live_house import LiveHouse, house
from websockets.exceptions import InvalidStatus

from sidebooks_core.access import Access, Principal
from sidebooks_core.server.live.refusals import AGAIN_AFTER_S, MOST_PER_MINUTE, Refusals

__all__ = ["house"]


def audited(house: LiveHouse, meeting: str) -> list[tuple[str, str]]:
    """(who, what) of the refusals of a meeting, as the audit has them."""
    house.hall.access.flush()
    begin = f"refused, meeting {meeting}: "
    rows = [one for one in house.hall.access.audit_rows() if one.operation == "meet" and one.detail.startswith(begin)]
    return [(one.name, one.detail.removeprefix(begin)) for one in rows]


def test_a_command_that_is_forged_replayed_or_expired_is_refused_and_audited(house: LiveHouse) -> None:
    meeting = house.begin()

    async def scenario() -> None:
        async with house.tablet("tender") as chair, house.tablet("member") as member:
            await chair.hello(meeting)
            await member.hello(meeting)
            page = {"paper": chair.state["paper"], "revision": chair.state["revision"], "page": 2}
            assert (await member.command("show", **page))["why"] == "forbidden", "of one who does not present"
            assert (await chair.command("show", client="c7", **page))["why"] == "forbidden", "of another client"
            assert (await chair.command("show", epoch=0, **page))["why"] == "overtaken"
            assert (await chair.command("show", **page))["kind"] == "done"
            assert (await chair.command("show", count=chair.count, **page))["why"] == "replayed"
            assert (await member.command("end"))["why"] == "forbidden"
            other = {**page, "paper": "nothing"}
            assert (await chair.command("open_paper", **other))["why"] == "forbidden", "of a paper that is not there"
            assert chair.state["page"] == 2
            assert (await chair.command("end"))["kind"] == "done"
            assert (await chair.command("show", **page))["why"] == "ended"

    asyncio.run(scenario())
    assert audited(house, meeting) == [
        ("member", "show: forbidden"),
        ("tender", "show: in the name of another client"),
        ("tender", "show: overtaken"),
        ("tender", "show: replayed"),
        ("member", "end: forbidden"),
        ("tender", "open_paper: of a paper that they may not read"),
        ("tender", "show: ended"),
    ]


def test_whoever_is_not_in_a_meeting_can_say_nothing_in_it(house: LiveHouse) -> None:
    meeting = house.begin()
    ask = {"kind": "ask", "what": "state"}

    async def scenario() -> None:
        async with house.tablet("other folder") as stranger:
            await stranger.say("hello", protocol=1, meeting=meeting, client="c1")
            assert await stranger.until_closed() == 4404
        async with house.tablet("member") as silent:
            await silent.say("take", id="x", client="c1", count=1, epoch=1)
            assert await silent.until_closed() == 1008

    asyncio.run(scenario())
    for who, status in (("other folder", 404), ("none", 401), ("member", 200)):
        assert house.ask(who, f"/meetings/{meeting}/messages?client=c1", "POST", ask).status == status, who
    assert audited(house, meeting) == [("other folder", "may not join")]


@pytest.mark.parametrize("said", ["junk", "{}", '{"kind":"unknown"}', '{"kind":"show"}', "[" * 5000, b"\xff\xff"])
def test_what_is_no_message_ends_the_connection(house: LiveHouse, said: str | bytes) -> None:
    meeting = house.begin()

    async def scenario() -> None:
        async with house.tablet("member") as tablet:
            await tablet.hello(meeting)
            await tablet.connection.send(said)
            assert await tablet.until_closed() == 1008
            assert tablet.told[-1]["why"] == "protocol"

    asyncio.run(scenario())
    assert audited(house, meeting) == [("member", "what is no message of the protocol")]


def test_another_version_and_a_second_hello_are_refused(house: LiveHouse) -> None:
    meeting = house.begin()

    async def scenario() -> None:
        async with house.tablet("member") as later, house.tablet("member") as twice:
            await later.say("hello", protocol=2, meeting=meeting, client="c1")
            assert await later.until_closed() == 1008
            await twice.hello(meeting)
            await twice.say("hello", protocol=1, meeting=meeting, client="c2")
            assert await twice.until_closed() == 1008

    asyncio.run(scenario())


def test_a_message_that_is_too_long_ends_the_connection(house: LiveHouse) -> None:
    async def scenario() -> None:
        async with house.tablet("member") as tablet:
            await tablet.connection.send("x" * (300 << 10))
            assert await tablet.until_closed() == 1009

    asyncio.run(scenario())


def test_a_page_of_another_origin_gets_no_connection(house: LiveHouse) -> None:
    async def scenario() -> None:
        with pytest.raises(InvalidStatus) as refused:
            async with house.tablet("member", Origin="https://evil.example"):
                raise AssertionError
        assert refused.value.response.status_code == 403
        async with house.tablet("member", Origin=f"http://127.0.0.1:{house.port}") as ours:
            await ours.until("event")

    asyncio.run(scenario())
    house.hall.access.flush()
    assert "refused, /live: a page of another origin" in {one.detail for one in house.hall.access.audit_rows()}


def test_a_login_that_ended_by_time_can_say_nothing_more(house: LiveHouse) -> None:
    meeting = house.begin()

    async def scenario() -> None:
        async with house.tablet("tender") as chair:
            await chair.hello(meeting)
            house.hall.now_s += 400 * 86_400
            where = {"paper": chair.state["paper"], "revision": chair.state["revision"], "page": 2}
            told = {"id": "late", "client": "c1", "count": 1, "epoch": chair.state["epoch"]}
            await chair.say("show", **told, **where)
            assert await chair.until_closed() == 4401

    asyncio.run(scenario())
    found = house.hall.meetings.hub.read(meeting)
    assert found is not None
    assert found.state.page == 1


def test_the_audit_has_what_was_done_and_neither_turns_nor_votes(house: LiveHouse) -> None:
    meeting = house.begin()

    async def scenario() -> None:
        async with house.tablet("tender") as chair, house.tablet("member") as member:
            await chair.hello(meeting)
            await member.hello(meeting)
            me, them = (one.of("welcome")[0]["participant"] for one in (chair, member))
            state = chair.state
            await chair.command("show", paper=state["paper"], revision=state["revision"], page=2)
            voters = [{"id": one, "name": "x"} for one in (me, them)]
            roll = {"seats": 2, "voters": voters, "present": [me, them], "chair": me}
            opened = await chair.command("open_vote", title="議案第1号", rule="absolute", ballot="secret", **roll)
            assert opened["kind"] == "done", opened
            assert (await member.command("cast", vote=1, choice="yes"))["kind"] == "done"
            tally = await chair.wait(lambda: chair.find(lambda one: one["kind"] == "tally" and one["voted"] == 1))
            assert tally == {"kind": "tally", "vote": 1, "voted": 1, "in_room": 2}
            assert not member.of("tally"), "it is for the chair"
            await chair.command("cast", vote=1, choice="yes")
            await chair.command("close_vote", vote=1)
            await chair.command("confirm_vote", vote=1)

    asyncio.run(scenario())
    house.hall.access.flush()
    done = [one.detail for one in house.hall.access.audit_rows() if one.operation == "meet"]
    begin = f"meeting {meeting}: "
    assert done == [f"{begin}open_vote", f"{begin}close_vote", f"{begin}confirm_vote"]


def test_a_flood_of_refusals_does_not_fill_the_audit() -> None:
    now_s = 0.0
    with Access(None) as access:
        refusals, who = Refusals(access, lambda: now_s), Principal("1", "member", "member")
        for _ in range(500):
            refusals.note(who, "", "meeting m", "show: forbidden")
        now_s += AGAIN_AFTER_S + 1
        refusals.note(who, "", "meeting m", "show: forbidden")
        for number in range(1000):
            refusals.note(Principal("", "", "citizen"), f"10.0.0.{number}", "meeting m", "may not join")
        access.flush()
        rows = [one.detail for one in access.audit_rows()]
    assert rows[:2] == [
        "refused, meeting m: show: forbidden",
        "refused, meeting m: show: forbidden, and 499 more since the last entry",
    ]
    assert len(rows) == 1 + MOST_PER_MINUTE
