"""Who is told that marks have changed, and how often; also of what other processes change."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from pathlib import Path

from feed_streams import Stream, listening
from mark_hall import NOTE, attend, kept, mark
from quiet import wait_until
from town_hall import TownHall, hall

from sidebooks_core.access.policy import Grant, Limits
from sidebooks_core.access.principals import HOUSE
from sidebooks_core.marks.answers import MarkNews
from sidebooks_core.marks.model import Note
from sidebooks_core.marks.visibility import Audience
from sidebooks_core.server.listener import ANY_PAPER, MARKS, MOST_ABOUT, Listener, Listening
from sidebooks_core.server.mark_events import MarkEvents, Touched
from sidebooks_core.shelf import Shelf

__all__ = ["hall"]
SHARED: Audience = ("shared", "")


def papers(stream: Stream) -> list[str]:
    return [data["paper"] for _, kind, data in stream.events if kind == "marks"]


def cookie(hall: TownHall, who: str) -> str:
    return f"sidebooks_login={hall.cookies[who]}"


def test_a_private_mark_is_told_to_the_other_devices_of_its_owner_alone(hall: TownHall) -> None:
    async def scenario() -> None:
        async with (
            listening(hall, "", cookie=cookie(hall, "member")) as own,
            listening(hall, "", cookie=cookie(hall, "clerk")) as other,
        ):
            await asyncio.to_thread(kept, hall, "member", mark(NOTE))
            await own.until(lambda: papers(own))
            await asyncio.to_thread(kept, hall, "member", mark(visibility="shared"))
            await other.until(lambda: papers(other))
            await own.until(lambda: len(papers(own)) == 2)
            assert papers(other) == [hall.paper.id], "of two changes it was told of the one that it sees"
            assert set(papers(own)) == {hall.paper.id}

    asyncio.run(scenario())


def test_what_is_collected_is_told_to_whoever_collects_it(hall: TownHall) -> None:
    meeting = hall.begin("tender")["id"]
    attend(hall, "member", meeting)

    async def scenario() -> None:
        async with (
            listening(hall, "", cookie=cookie(hall, "tender")) as chair,
            listening(hall, "", cookie=cookie(hall, "clerk")) as other,
        ):
            await asyncio.to_thread(kept, hall, "member", mark(visibility="collected", meeting=meeting))
            await chair.until(lambda: papers(chair))
            await asyncio.to_thread(kept, hall, "member", mark(visibility="shared"))
            await other.until(lambda: papers(other))
            await chair.until(lambda: len(papers(chair)) == 2)
            assert papers(other) == [hall.paper.id], "of two changes it was told of the one that it sees"

    asyncio.run(scenario())


def test_whoever_may_not_read_the_paper_hears_nothing(hall: TownHall) -> None:
    async def scenario() -> None:
        async with (
            listening(hall, "", cookie=cookie(hall, "member")) as reader,
            listening(hall, "", cookie=cookie(hall, "other folder")) as outsider,
        ):
            await asyncio.to_thread(kept, hall, "clerk", mark(visibility="shared"))
            await reader.until(lambda: papers(reader))
            await asyncio.to_thread(kept, hall, "clerk", mark(visibility="shared"), paper=hall.other.id)
            await outsider.until(lambda: papers(outsider))
            assert papers(outsider) == [hall.other.id]

    asyncio.run(scenario())


def test_who_reads_some_of_the_pages_is_told_of_shared_marks_on_these_alone(hall: TownHall) -> None:
    narrow_grant = Grant("group", "finance", limits=Limits(pages=((0, 0),)))
    hall.access.set_grants(hall.finance.id, [narrow_grant, Grant("group", "secretaries", "tend")])

    async def scenario() -> None:
        async with (
            listening(hall, "", cookie=cookie(hall, "tender")) as all_pages,
            listening(hall, "", cookie=cookie(hall, "member")) as narrow,
        ):
            await asyncio.to_thread(kept, hall, "clerk", mark(page=2, visibility="shared"))
            await all_pages.until(lambda: papers(all_pages))
            await asyncio.to_thread(kept, hall, "clerk", mark(visibility="shared"))
            await narrow.until(lambda: papers(narrow))
            await all_pages.until(lambda: len(papers(all_pages)) == 2)
            assert papers(narrow) == [hall.paper.id], "of two changes it was told of the one that it sees"

    asyncio.run(scenario())


def test_an_event_says_which_paper_and_nothing_else(hall: TownHall) -> None:
    async def scenario() -> None:
        async with listening(hall, "", cookie=cookie(hall, "member")) as reader:
            await asyncio.to_thread(kept, hall, "clerk", mark(NOTE, visibility="shared"))
            await reader.until(lambda: papers(reader))
            assert [data for _, kind, data in reader.events if kind == "marks"] == [{"paper": hall.paper.id}]

    asyncio.run(scenario())


def test_what_another_process_keeps_is_told_here(hall: TownHall, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with listening(hall, "", cookie=cookie(hall, "member")) as reader:
            with Shelf(tmp_path / "data", hall.shelf.service) as other:
                await asyncio.to_thread(
                    other.marks(hall.paper.id, owner=hall.people["member"].id).add, 0, Note(1.0, 2.0, "外", "#000000")
                )
            await reader.until(lambda: papers(reader))

    asyncio.run(scenario())


class Told:
    """What is told, by a clock that is set by hand."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.told: list[dict[str, tuple[frozenset[str], frozenset[tuple[Audience, int]]]]] = []
        self.events = MarkEvents(self._tell, 1.0, lambda: self.now_s)

    def _tell(self, found: Mapping[str, Touched]) -> None:
        self.told.append({paper: (frozenset(one.owners), frozenset(one.audiences)) for paper, one in found.items()})

    def wait(self, count: int) -> None:
        wait_until(lambda: len(self.told) == count, f"{self.told}, not {count} events")


def test_a_pen_that_writes_is_one_event_at_once_and_one_a_while_later() -> None:
    told = Told()
    told.events.add([MarkNews("p", "anna")])
    told.wait(1)
    for _ in range(100):
        told.events.add([MarkNews("p", "anna")])
        told.events.add([MarkNews("p", "ben")])
    told.events.add([MarkNews("q", "anna", (SHARED,), 3)])
    told.wait(2)
    anna = frozenset({"anna"})
    shared = frozenset({(SHARED, 3)})
    assert told.told == [{"p": (anna, frozenset())}, {"q": (anna, shared)}], "another paper does not wait"
    told.now_s = 2.0
    told.events.add([MarkNews("p", "", (SHARED,), 3)])
    told.wait(3)
    assert told.told[2] == {"p": (frozenset({"anna", "ben"}), shared)}
    told.events.close()
    told.events.add([MarkNews("p", "anna")])
    assert len(told.told) == 3


def test_what_came_too_soon_is_told_by_itself_when_its_time_has_come() -> None:
    came = threading.Semaphore(0)
    events = MarkEvents(lambda _: came.release(), 0.05)
    events.add([MarkNews("p", "anna")])
    assert came.acquire(timeout=30)
    events.add([MarkNews("p", "anna")])
    assert came.acquire(timeout=30)
    events.close()


def test_a_listener_whose_telling_fails_keeps_no_later_event_back() -> None:
    came = threading.Semaphore(0)

    def tell(_: object) -> None:
        came.release()
        raise RuntimeError("the policy of an application")

    events = MarkEvents(tell, 0.0)
    for _ in range(2):
        events.add([MarkNews("p", "anna")])
        assert came.acquire(timeout=30)
    events.close()


def test_of_many_papers_a_slow_client_is_told_that_any_may_have_changed() -> None:
    async def scenario() -> None:
        listener = Listener(
            Listening(session="", share=("x", "known"), principal=HOUSE, may_see_documents=lambda: True, changes_after=None)
        )
        for number in range(MOST_ABOUT):
            listener.put(MARKS, b"%d" % number, f"paper {number}", ANY_PAPER)
        told = listener.told()
        listener.wake()
        assert [(await anext(told)).data for _ in range(MOST_ABOUT)] == [b"%d" % number for number in range(MOST_ABOUT)]  # type: ignore[union-attr]
        for number in range(MOST_ABOUT + 9):
            listener.put(MARKS, b"%d" % number, f"paper {number}", ANY_PAPER)
        listener.put("meetings", b"{}")
        listener.wake()
        assert {(await anext(told)).data for _ in range(2)} == {ANY_PAPER, b"{}"}  # type: ignore[union-attr]

    asyncio.run(scenario())
