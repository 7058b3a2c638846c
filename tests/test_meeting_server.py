"""Meetings over real WebSockets: who says hello is told where the meeting is, and everybody sees what the presenter shows."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

pytest.importorskip("websockets", reason="needs the extra server")

from live_house import LiveHouse, live_house


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveHouse]:
    with live_house(tmp_path_factory.mktemp("hall")) as made:
        yield made


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
            done = await presenter.command("show", paper=here["paper"], revision=here["revision"], page=2)
            assert done["kind"] == "done"
            state = await follower.until_page(2)
            assert (state["epoch"], state["seq"]) == (done["epoch"], done["seq"])

    asyncio.run(scenario())
