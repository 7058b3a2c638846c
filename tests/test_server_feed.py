"""The stream of events with a shelf: changes are numbered and resumed, slow listeners hold nothing up, rights count."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from asgi import ask_async
from feed_streams import listening
from msgspec.structs import replace
from paper_house import PEOPLE, House
from quiet import wait_until

from sidebooks_core.access import Decision, FolderPolicy, Limits, Operation, Principal, Resource
from sidebooks_core.errors import StorageFailed
from sidebooks_core.server.events import Events, Listening
from sidebooks_core.server.limits import Quota
from sidebooks_core.server.noted import AGAIN_AFTER_S, MOST_NOTED, Noted
from sidebooks_core.server.places import Places, Standings
from sidebooks_core.server.schemas_shelf import ProgressEntry, ShelfChanges
from sidebooks_core.server.shelf_feed import ShelfFeed
from sidebooks_core.shelf import Change
from sidebooks_core.shelf import Shelf as PaperShelf
from sidebooks_core.shelf.standing import Standing


def test_a_stream_tells_what_one_may_see_and_what_is_gone(house: House) -> None:
    async def scenario() -> None:
        async with listening(house, "member") as member, listening(house, "clerk") as clerk:
            assert member.events[0][0], "a position to begin with"
            seen = await asyncio.to_thread(house.register, "公開")
            secret = await asyncio.to_thread(house.register, "秘密", house.closed)
            await clerk.until(lambda: {seen.id, secret.id} <= set(clerk.papers()))
            await member.until(lambda: seen.id in member.papers())
            await asyncio.to_thread(house.papers.withdraw, seen.id)
            await member.until(lambda: member.changes()[-1]["kind"] == "gone")
            assert member.changes()[-1]["paper"] == seen.id
            assert secret.id not in member.papers()

    asyncio.run(scenario())
    assert house.ask("", "/events").status == 401, "nothing is open to strangers"


def test_a_client_that_comes_back_misses_nothing_and_hears_nothing_twice(house: House) -> None:
    async def scenario() -> None:
        async with listening(house, "member") as first:
            one = await asyncio.to_thread(house.register, "一")
            await first.until(lambda: one.id in first.papers())
            assert await asyncio.to_thread(house.papers.wait_prepared, 20)
            await first.until(lambda: first.changes()[-1]["kind"] == "paper prepared")
            position = first.last_id
        two = await asyncio.to_thread(house.register, "二")
        for how in ({"last_event_id": position}, {"query": f"since={position}"}):
            async with listening(house, "member", **how) as again:
                await again.until(lambda: two.id in again.papers())
                assert one.id not in again.papers()
        async with listening(house, "member", last_event_id="otherepoch.5") as other:
            assert other.events[0][2]["is_reset"] or other.events[1][2]["is_reset"]

    asyncio.run(scenario())


def test_a_slow_listener_holds_nobody_up_and_gets_the_newest(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sidebooks_core.server.shelf_feed.FARTHEST", 50)
    paper = house.register("一")

    async def scenario() -> None:
        async with listening(house, "member") as slow, listening(house, "member") as quick:
            await asyncio.to_thread(house.papers.wait_prepared, 20)
            slow.takes.clear()
            for number in range(120):
                await asyncio.to_thread(house.papers.change, paper.id, name=f"第{number}版")
            await quick.until(lambda: len([one for one in quick.changes() if one["kind"] == "paper"]) >= 120)
            await asyncio.sleep(0.3)
            slow.takes.set()
            await slow.until(lambda: slow.last_id == quick.last_id)
            told = [data for _, kind, data in slow.events if kind == "shelf"]
            assert told[-1]["is_reset"], "too far behind: read everything anew"
            assert len(slow.changes()) < 120

    asyncio.run(scenario())


def test_the_progress_of_papers_is_told(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sidebooks_core.server.progress_events.EVERY_S", 0.02)

    async def scenario() -> None:
        async with listening(house, "member") as member, listening(house, "outsider") as outsider:
            paper = await asyncio.to_thread(house.register, "長い", None, *range(1, 250))
            await asyncio.to_thread(house.papers.wait_prepared, 60)

            def told() -> list[Any]:
                return [one for _, kind, data in member.events if kind == "progress" for one in data["papers"]]

            await member.until(lambda: told() and member.changes()[-1]["kind"] == "paper prepared")
            assert {one["paper"] for one in told()} == {paper.id}
            assert all(0 <= one["previews"] <= one["pages"] == 249 for one in told())
            assert [kind for _, kind, _ in outsider.events if kind == "progress"] == []

    asyncio.run(scenario())


def test_the_progress_is_decided_and_written_once_for_all_who_see_the_same() -> None:
    asked: list[tuple[str, tuple[str, ...]]] = []

    def sees(principal: Principal, _operation: Operation, standings: Standings) -> bool:
        asked.append((principal.id, standings[0].folders))
        return principal.id == "p0" or standings[0].folders == ("open",)

    async def scenario() -> list[bytes]:
        async def stays() -> dict[str, Any]:
            await asyncio.sleep(60)
            raise AssertionError

        events = Events(Quota(1000, 1000, "streams"), left=lambda _: None)
        streams = []
        for number in range(300):
            who = Principal(f"p{number % 3}", "", "member", session=f"login {number}")
            asks = Listening(
                session="", share=("", "known"), principal=who, may_see_documents=lambda: False, changes_after=None
            )
            stream = events.stream(stays, asks, list).stream
            assert stream is not None
            await anext(stream)  # it listens from now on
            streams.append(stream)
        found = [
            ((Standing((folder,)),), ProgressEntry(f"{folder} {number}", 1, 9, 9, 9, 9))
            for number in range(10)
            for folder in ("open", "closed")
        ]
        await asyncio.to_thread(events.progress, found, sees, lambda who: replace(who, session=""))
        told = []
        for stream in streams:
            piece = b""
            while b"event: progress" not in piece:
                piece = await anext(stream)
            told.append(piece)
            await stream.aclose()
        return told

    told = asyncio.run(scenario())
    assert sorted(asked) == [(f"p{number}", (folder,)) for number in range(3) for folder in ("closed", "open")]
    papers = [[one["paper"] for one in json.loads(piece.decode().partition("data: ")[2])["papers"]] for piece in told]
    assert papers[0] == [f"{folder} {number}" for number in range(10) for folder in ("open", "closed")]
    assert papers[1] == papers[2] == papers[299] == [f"open {number}" for number in range(10)]


def test_the_progress_is_decided_off_the_event_loop(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sidebooks_core.server.progress_events.EVERY_S", 0.02)
    decide, threads = Events.progress, set()

    def noted(*arguments: Any) -> None:
        threads.add(threading.get_ident())
        decide(*arguments)

    monkeypatch.setattr(Events, "progress", noted)

    async def scenario() -> None:
        async with listening(house, "member") as member:
            await asyncio.to_thread(house.register, "短い", None, 1, 2)
            await member.until(lambda: threads)
            assert threading.get_ident() not in threads

    asyncio.run(scenario())


def test_what_many_streams_are_told_is_decided_once_and_anew_after_a_move(house: House) -> None:
    asked: list[tuple[str, tuple[str, ...]]] = []

    def sees(who: Principal, _operation: Operation, standings: Standings) -> bool:
        asked.append((who.id, standings[0].folders))
        return house.closed.id not in standings[0].folders

    places = Places(house.papers)
    key = [0]
    feed = ShelfFeed(house.papers, places, sees, lambda *_: True, lambda who: (key[0], who.id))
    wait_until(lambda: house.papers.feed.last >= house.papers.changes()[-1].seq, "the feed does not tell the house")
    house.papers.tell(feed.add)
    start = feed.position(house.papers.feed.last)
    paper = house.register("一")
    assert house.papers.wait_prepared(20)
    wait_until(lambda: feed.since(PEOPLE["clerk"], start).position == feed.position(house.papers.changes()[-1].seq), "not told")
    known = house.papers.changes()
    wait_until(lambda: house.papers.feed.last >= known[-1].seq, "the feed does not tell it")
    places.forget()
    feed.prepare(known)
    asked.clear()
    for number in range(200):
        for who in ("member", "clerk"):
            told = feed.told_since(replace(PEOPLE[who], session=f"login {number}"), start)
            assert told is not None
            assert {one.paper for one in told.changes if one.kind != "gone"} == {paper.id}
    assert len(asked) == 2 * len(told.changes)
    key[0] += 1  # rights changed
    feed.told_since(PEOPLE["member"], start)
    assert len(asked) == 3 * len(told.changes)
    house.papers.change(paper.id, folder=house.closed)
    places.forget()
    feed.prepare(known)
    moved = feed.told_since(PEOPLE["member"], start)
    assert moved is None or all(one.kind == "gone" for one in moved.changes)


def test_streams_look_at_news_in_groups_and_others_have_their_turn_between_them() -> None:
    async def scenario() -> tuple[int, int]:
        async def stays() -> dict[str, Any]:
            await asyncio.sleep(60)
            raise AssertionError

        looks = 0
        turns: list[int] = []

        async def changes_after(_position: str) -> ShelfChanges:
            nonlocal looks
            looks += 1
            return ShelfChanges("e.1", is_reset=False, changes=[], more=False)

        events = Events(Quota(1000, 1000, "streams"), left=lambda _: None)

        async def follow() -> None:
            asks = Listening(
                session="", share=("", "known"), principal=PEOPLE["member"], may_see_documents=lambda: False,
                changes_after=changes_after,
            )  # fmt: skip
            stream = events.stream(stays, asks, list).stream  # type: ignore[arg-type]
            assert stream is not None
            async for _ in stream:
                pass

        following = [asyncio.ensure_future(follow()) for _ in range(500)]
        while looks < 500:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.2)
        looks = 0
        events.shelf_changed()
        while looks < 500:
            turns.append(looks)
            await asyncio.sleep(0)
        events.close()
        await asyncio.gather(*following)
        return len(set(turns)), max(after - before for before, after in zip(turns, [*turns[1:], 500], strict=True))

    groups, largest = asyncio.run(scenario())
    assert groups >= 10
    assert largest <= 64


def test_a_change_of_another_process_is_told_in_time(house: House, tmp_path: Path) -> None:
    """Another process is another connection to the same folder. p95 of the time to the client is under 200 ms."""
    other = PaperShelf(tmp_path / "data", house.papers.service, prepares=False)
    house.papers.wait_prepared(20)
    took: list[float] = []

    async def scenario() -> None:
        async with listening(house, "member") as member:
            for number in range(20):
                since = time.monotonic()
                folder = await asyncio.to_thread(other.make_folder, f"{number}")
                await member.until(lambda: any(one["folder"] == folder.id for one in member.changes()))  # noqa: B023
                took.append(time.monotonic() - since)

    try:
        asyncio.run(scenario())
    finally:
        other.close()
    assert sorted(took)[18] < 0.2, took


def test_what_another_process_withdrew_is_answered_to_nobody_soon(house: House, tmp_path: Path) -> None:
    paper = house.register("公開", None, *(1, 2))
    image = f"/documents/{paper.document_id}/pages/1/preview"
    assert house.ask("member", image).status == 200
    told: list[Change] = []
    house.papers.tell(told.extend)
    with PaperShelf(tmp_path / "data", house.papers.service, prepares=False) as other:
        other.withdraw(paper.id)
        deadline = time.monotonic() + 5
        while not any(one.kind == "paper withdrawn" for one in told):
            assert time.monotonic() < deadline
            time.sleep(0.01)
    assert house.ask("member", image).status == 404


def test_what_changes_while_the_feed_begins_is_told(house: House) -> None:
    places = Places(house.papers)
    feed = ShelfFeed(house.papers, places, lambda *_: True, lambda *_: True)
    wait_until(lambda: house.papers.feed.last >= house.papers.changes()[-1].seq, "the feed does not tell the house")
    start = feed.position(house.papers.feed.last)
    first = house.papers.make_folder("made before anything is told of")
    wait_until(lambda: house.papers.feed.last >= house.papers.changes()[-1].seq, "the feed does not tell it")
    house.papers.tell(feed.add)
    second = house.papers.make_folder("made after that")
    told: list[Change] = []
    house.papers.tell(told.extend)
    third = house.papers.make_folder("made last")
    wait_until(lambda: told, "it is not told")
    places.forget()
    found = feed.since(PEOPLE["clerk"], start)
    assert [one.folder for one in found.changes if one.folder] == [first.id, second.id, third.id]


def test_who_listens_is_told_without_a_look_into_the_database(house: House) -> None:
    async def scenario() -> None:
        async with listening(house, "member") as one, listening(house, "clerk") as other:
            before = await asyncio.to_thread(house.papers.make_folder, "臨時会", house.open)
            for each in (one, other):  # all that came before is told by then
                await each.until(lambda each=each: before.id in [change.get("folder") for change in each.changes()])
            asked: list[object] = []
            since = ShelfFeed.since
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(ShelfFeed, "since", lambda *given: asked.append(given) or since(*given))
                folder = await asyncio.to_thread(house.papers.make_folder, "定例会", house.open)
                await one.until(lambda: folder.id in [change.get("folder") for change in one.changes()])
                await other.until(lambda: folder.id in [change.get("folder") for change in other.changes()])
            assert not asked

    asyncio.run(scenario())


def test_a_withdrawal_is_told_although_the_look_at_it_fails(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    paper = house.register("公開")

    def fails(_: ShelfFeed, found: list[Change]) -> None:
        raise StorageFailed(f"{len(found)} changes cannot be looked up")

    async def scenario() -> None:
        async with listening(house, "member") as member:
            monkeypatch.setattr(ShelfFeed, "prepare", fails)
            await asyncio.to_thread(house.papers.withdraw, paper.id)
            await member.until(lambda: member.changes() and member.changes()[-1]["kind"] == "gone")

    asyncio.run(scenario())


def test_a_change_names_the_document_to_whoever_may_see_it_and_a_stream_tells_its_screen(house: House) -> None:
    async def scenario() -> None:
        async with (
            listening(house, "member", query="view=60x96") as member,
            listening(house, "outsider", query="view=7x7") as other,
        ):
            paper = await asyncio.to_thread(house.register, "公開")
            await member.until(lambda: paper.id in member.papers())
            [change] = [one for one in member.changes() if one["kind"] == "paper"]
            assert change["document"] == paper.document_id
            assert not other.papers()
            await asyncio.to_thread(house.papers.withdraw, paper.id)
            await member.until(lambda: member.changes()[-1]["kind"] == "gone")
            assert member.changes()[-1]["document"] is None

    asyncio.run(scenario())
    assert house.papers.screens.commonest() == [(60, 96)]
    assert [house.ask("member", f"/events?view={view}").status for view in ("wide", "60x96.jpg", "60x96.")] == [400] * 3


def test_only_known_readers_without_limits_tell_screens_and_each_once_an_hour(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[int, int]] = []
    monkeypatch.setattr(house.papers.screens, "seen", lambda *size: seen.append(size))
    monkeypatch.setitem(PEOPLE, "visitor", Principal("", "", "member"))
    monkeypatch.setitem(PEOPLE, "second", Principal("second", "Second", "member"))

    def tell(who: str, view: str) -> None:
        asyncio.run(ask_async(house.application, f"/events?view={view}", headers={"Who": who}, leave_after=2))

    for _ in range(5):
        for who in ("member", "second", "visitor", "outsider", ""):
            tell(who, "60x96")
    assert seen == [(60, 96)] * 2
    tell("member", "96x60")
    assert seen[2:] == [(96, 60)]
    seen.clear()
    house.use(Marked())
    tell("member", "60x96")
    assert seen == []


class Marked:
    """Everybody reads pages of limited size."""

    def decide(self, principal: Principal, operation: Operation, resource: Resource | None, /) -> Decision:
        decision = FolderPolicy().decide(principal, operation, resource)
        return replace(decision, limits=Limits(long_side_px=1000)) if resource is not None else decision


def test_a_screen_counts_again_after_an_hour() -> None:
    now_s = 0.0
    noted = Noted(lambda: now_s)
    assert [noted.is_new("a", (1, 2)), noted.is_new("a", (1, 2)), noted.is_new("b", (1, 2))] == [True, False, True]
    now_s = AGAIN_AFTER_S
    assert noted.is_new("a", (1, 2))
    for number in range(MOST_NOTED + 1):
        noted.is_new("a", (number + 9, 9))
    assert noted.is_new("a", (1, 2)), "the memory is bounded"
