"""Pages are drawn for the screens of those who follow before anybody asks for them."""

from __future__ import annotations

import asyncio

import pytest
from quiet import wait_until
from town_hall import TownHall, paper_of

pytest.importorskip("websockets", reason="needs the extra server")

from live_house import LiveHouse, house

from sidebooks_core.server.live.ahead import NEXT_PAGES
from sidebooks_core.shelf.screens import requests_for

__all__ = ["house"]

SCREEN = (300, 420)
QUERY = "?view=300x420"


def is_drawn(hall: TownHall, paper: str, page: int, screen: tuple[int, int] = SCREEN) -> bool:
    """Whether a page, from 1, is in memory for a screen."""
    images, document = hall.shelf.service.parts.images, hall.shelf.document(paper)
    [request] = requests_for(images, document, page - 1, [screen])
    return images.at_hand(request) is not None


async def until_drawn(hall: TownHall, paper: str, page: int, screen: tuple[int, int] = SCREEN) -> None:
    await asyncio.to_thread(wait_until, lambda: is_drawn(hall, paper, page, screen), f"page {page} is not drawn")


def test_what_the_presenter_shows_and_what_may_come_next_is_drawn(house: LiveHouse) -> None:
    hall = house.hall
    long = hall.shelf.register(paper_of(*range(40, 50)), hall.finance, name="長い議案")
    following = hall.shelf.register(paper_of(60, 61, 62), hall.finance, name="次の議案")
    meeting = house.begin(papers=[long.id, following.id])

    async def scenario() -> None:
        async with house.tablet("tender") as presenter, house.tablet("member", QUERY) as follower:
            await presenter.hello(meeting)
            await follower.hello(meeting)
            assert not is_drawn(hall, long.id, 5)
            await presenter.command("show", paper=long.id, revision=1, page=5)
            for page in (5, 6, 7):
                await until_drawn(hall, long.id, page)
            assert NEXT_PAGES == 2
            for page in (1, 2):
                await until_drawn(hall, following.id, page)
            assert not is_drawn(hall, long.id, 9)
            await presenter.command("show", paper=long.id, revision=1, page=9, spread=10)
            half = (SCREEN[0] // 2, SCREEN[1])
            await until_drawn(hall, long.id, 9, half)
            await until_drawn(hall, long.id, 10, half)

    asyncio.run(scenario())


def test_an_intent_of_the_presenter_begins_the_drawing(house: LiveHouse) -> None:
    hall = house.hall
    meeting = house.begin()

    async def scenario() -> None:
        async with house.tablet("tender") as presenter, house.tablet("member", QUERY) as follower:
            await presenter.hello(meeting)
            await follower.hello(meeting)
            await follower.say("intent", paper=hall.paper.id, revision=1, page=2)
            await presenter.say("intent", paper=hall.paper.id, revision=1, page=3)
            await until_drawn(hall, hall.paper.id, 3)
            assert not is_drawn(hall, hall.paper.id, 2), "nobody else says where the meeting goes"
            assert follower.state["page"] == 1, "nothing is shown yet"
            await presenter.say("intent", paper="nothing", revision=1, page=3)
            await presenter.say("intent", paper=hall.paper.id, revision=1, page=99)
            await presenter.command("show", paper=hall.paper.id, revision=1, page=3)

    asyncio.run(scenario())
