"""Strokes of a meeting while they are drawn: who sees them, whose they may be, and what of them is kept: nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("websockets", reason="needs the extra server")

from live_house import LiveHouse, live_house
from mark_hall import DEVICE, mark

from sidebooks_core.access.policy import Grant, Limits
from sidebooks_core.marks.ids import new_mark_id
from sidebooks_core.meeting.messages import MOST_WHISPER_BYTES, Stroke, encoded, rounded
from sidebooks_core.server.live.between import Drawn
from sidebooks_core.server.live.between import encoded as between_json
from sidebooks_core.server.live.outbox import MOST_STROKES, Outbox

SAMPLES = [[10.123456, 20.0, 0.5], [11.0, 21.5, 0.625]]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveHouse]:
    with live_house(tmp_path_factory.mktemp("hall")) as made:
        yield made


def piece(house: LiveHouse, **fields: Any) -> dict[str, Any]:
    at = {"paper": house.hall.paper.id, "revision": 1, "page": 1, "colour": "#d3202a", "width_pt": 1.5, "first": 0}
    return {"mark": new_mark_id(), **at, "samples_pt": SAMPLES, **fields}


def test_a_stroke_reaches_those_who_follow_while_it_is_drawn(house: LiveHouse) -> None:
    meeting = house.begin()

    async def scenario() -> None:
        async with house.tablet("tender") as presenter, house.tablet("tender") as wall, house.tablet("member") as follower:
            await presenter.hello(meeting, "desk")
            await wall.hello(meeting, "wall", is_projector=True)
            await follower.hello(meeting)
            first = piece(house)
            await presenter.say("stroke", **first)
            for tablet in (wall, follower):
                said = await tablet.until("stroke")
                assert said["by"] == presenter.of("welcome")[0]["participant"]
                assert said["samples_pt"] == [[10.12, 20.0, 0.5], [11.0, 21.5, 0.625]]
                assert (said["mark"], said["end"]) == (first["mark"], "")
            await presenter.say("stroke", **{**first, "first": 2, "samples_pt": [], "end": "kept"})
            for tablet in (wall, follower):
                said = await tablet.until("stroke", 2)
                assert (said["first"], said["end"]) == (2, "kept")
            assert not presenter.of("stroke"), "it has them itself"
            async with house.tablet("clerk") as late:
                await late.hello(meeting)
                await late.say("ask", what="state")
                await late.until("state", 2)
                assert not late.of("stroke"), "nothing of them is kept"

    asyncio.run(scenario())


def test_only_those_draw_who_may_show_something(house: LiveHouse) -> None:
    meeting = house.begin()

    async def scenario() -> None:
        async with house.tablet("tender") as presenter, house.tablet("member") as follower, house.tablet("clerk") as other:
            for tablet in (presenter, follower, other):
                await tablet.hello(meeting)
            refused = piece(house)
            await follower.say("stroke", **refused)
            await follower.say("ask", what="state")
            await follower.until("state", 2)  # what it said before was heard
            shown = piece(house)
            await presenter.say("stroke", **shown)
            await other.until("stroke")
            assert [one["mark"] for one in other.of("stroke")] == [shown["mark"]]

    asyncio.run(scenario())


def test_nobody_draws_in_the_name_of_another(house: LiveHouse) -> None:
    meeting = house.begin()

    async def scenario() -> None:
        async with house.tablet("tender") as presenter, house.tablet("member") as follower:
            await presenter.hello(meeting)
            await follower.hello(meeting)
            other = follower.of("welcome")[0]["participant"]
            await presenter.say("stroke", **piece(house, by=other))
            shown = piece(house)
            await presenter.say("stroke", **shown)
            await follower.until("stroke")
            assert [one["mark"] for one in follower.of("stroke")] == [shown["mark"]]

    asyncio.run(scenario())


def test_whoever_may_not_read_the_paper_sees_no_stroke_on_it(tmp_path: Path) -> None:
    with live_house(tmp_path) as house:
        hall = house.hall
        closed = hall.shelf.make_folder("人事", hall.finance)
        hall.access.set_grants(closed.id, [Grant("group", "secretaries", "tend")])
        secret = hall.shelf.register(hall.shelf.originals.path(hall.shelf.revision(hall.other.id).original), closed, name="案")
        meeting = house.begin()

        async def scenario() -> None:
            async with house.tablet("tender") as presenter, house.tablet("member") as follower, house.tablet("clerk") as clerk:
                for tablet in (presenter, follower, clerk):
                    await tablet.hello(meeting)
                hidden, shown = piece(house, paper=secret.id), piece(house)
                await presenter.say("stroke", **hidden)
                await presenter.say("stroke", **shown)
                await clerk.until("stroke", 2)
                await follower.until("stroke")
                assert [one["mark"] for one in follower.of("stroke")] == [shown["mark"]]
                assert [one["mark"] for one in clerk.of("stroke")] == [hidden["mark"], shown["mark"]]

        asyncio.run(scenario())


def test_whoever_may_read_some_pages_sees_no_stroke_on_another_and_draws_none(tmp_path: Path) -> None:
    with live_house(tmp_path) as house:
        hall = house.hall
        first_page = Grant("group", "finance", limits=Limits(pages=((0, 0),)))
        hall.access.set_grants(hall.finance.id, [first_page, Grant("group", "secretaries", "tend")])
        meeting = house.begin()

        async def scenario() -> None:
            async with house.tablet("tender") as presenter, house.tablet("member") as follower, house.tablet("clerk") as clerk:
                for tablet in (presenter, follower, clerk):
                    await tablet.hello(meeting)
                hidden, shown = piece(house, page=3), piece(house, page=1)
                await presenter.say("stroke", **hidden)
                await presenter.say("stroke", **shown)
                await clerk.until("stroke", 2)
                await follower.until("stroke")
                assert [one["mark"] for one in follower.of("stroke")] == [shown["mark"]]
                participant = follower.of("welcome")[0]["participant"]
                assert (await presenter.command("give_role", to=participant, name="x", role="speaker"))["kind"] == "done"
                own = piece(house, page=1)
                await follower.say("stroke", **piece(house, page=3))
                await follower.say("stroke", **own)
                await presenter.until("stroke")
                assert [one["mark"] for one in presenter.of("stroke")] == [own["mark"]]

        asyncio.run(scenario())


def test_whoever_draws_on_a_paper_may_read_it(house: LiveHouse) -> None:
    house.hall.access.set_grants(house.hall.planning.id, [])
    meeting = house.begin()

    async def scenario() -> None:
        async with house.tablet("tender") as presenter, house.tablet("clerk") as clerk:
            await presenter.hello(meeting)
            await clerk.hello(meeting)
            hidden, shown = piece(house, paper=house.hall.other.id), piece(house)
            await presenter.say("stroke", **hidden)
            await presenter.say("stroke", **shown)
            await clerk.until("stroke")
            assert [one["mark"] for one in clerk.of("stroke")] == [shown["mark"]]

    asyncio.run(scenario())


def test_whoever_is_in_the_meeting_now_sees_what_is_shared_with_it(house: LiveHouse) -> None:
    meeting, hall = house.begin(), house.hall
    own = mark(visibility="shared", meeting=meeting)

    async def scenario() -> None:
        async with house.tablet("tender") as presenter, house.tablet("member") as follower:
            await presenter.hello(meeting)
            path, body = f"/papers/{hall.paper.id}/marks", {"device": DEVICE, "marks": [own]}
            reply = await asyncio.to_thread(house.ask, "tender", path, "POST", body)
            assert (reply.status, reply.json()["refused"]) == (200, [])
            await follower.hello(meeting)
            any_paper = {"event": "marks", "data": {"paper": ""}}
            await follower.wait(lambda: follower.find(lambda one: any_paper.items() <= one.items()))  # it is time to ask
            for who, sees in (("member", {own["id"]}), ("clerk", set())):
                reply = await asyncio.to_thread(house.ask, who, path)
                assert {one["id"] for one in reply.json()["marks"] if one["meeting"] == meeting} == sees

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "fields",
    [{"samples_pt": [[0, 0, 0.5]] * 65}, {"samples_pt": [[0, 0, 2]]}, {"width_pt": 0}, {"colour": "red"}, {"mark": "x"}],
)
def test_a_stroke_out_of_bounds_is_no_message(house: LiveHouse, fields: dict[str, Any]) -> None:
    meeting = house.begin()

    async def scenario() -> None:
        async with house.tablet("tender") as presenter:
            await presenter.hello(meeting)
            await presenter.say("stroke", **piece(house, **fields))
            farewell = await presenter.until("farewell")
            assert farewell["why"] == "protocol"

    asyncio.run(scenario())


def test_the_longest_piece_passes() -> None:
    far = tuple((-99_999.123456789, 99_999.123456789, 0.123456789) for _ in range(64))
    long = {"colour": "#ffffff", "width_pt": 199.123456789, "opacity": 0.123456789, "first": 20_000, "samples_pt": far}
    stroke = Stroke(by="b" * 24, mark=new_mark_id(), paper="p" * 24, revision=1 << 53, page=1_000_000, end="kept", **long)  # type: ignore[arg-type]
    assert len(encoded(stroke)) > len(encoded(rounded(stroke)))
    assert len(between_json(Drawn(client="c" * 24, stroke=rounded(stroke)))) <= MOST_WHISPER_BYTES


def test_of_a_client_that_takes_nothing_the_newest_pieces_wait() -> None:
    outbox = Outbox()
    for number in range(MOST_STROKES + 5):
        outbox.stroke(b"%d" % number)
    assert outbox.take() == [b"%d" % number for number in range(5, MOST_STROKES + 5)]
    assert outbox.take() == []
