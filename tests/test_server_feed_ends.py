"""Streams of events end if their reader may see no more, and go on otherwise."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest
from asgi import ask_async
from feed_streams import Stream, listening
from paper_house import PEOPLE, ByHeader, House
from starlette.types import Scope
from town_hall import TownHall, town_hall

from sidebooks_core.access import UNKNOWN, Decision, FolderPolicy, Operation, Principal, Resource, Unknown
from sidebooks_core.access.model import DAY_S
from sidebooks_core.server import ServerLimits
from sidebooks_core.server.events import Events


def test_streams_of_somebody_who_may_no_more_are_ended(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        async with listening(house, "member") as member, listening(house, "clerk") as clerk:
            monkeypatch.delitem(PEOPLE, "member")
            house.application.events.end_outdated()
            await member.until(lambda: member.has_ended)
            assert not clerk.has_ended

    asyncio.run(scenario())


class WithALook:
    """A way in that can never tell without a look that may wait."""

    def __init__(self) -> None:
        self.looks = 0

    def known(self, _scope: Scope, /) -> Unknown:
        return UNKNOWN

    def find(self, scope: Scope, /) -> Principal | None:
        self.looks += 1
        return ByHeader().known(scope)


def test_a_stream_goes_on_for_somebody_who_is_known_by_a_look_that_waits(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sidebooks_core.server.events.ALIVE_EVERY_S", 0.05)
    way = WithALook()
    monkeypatch.setattr("paper_house.ByHeader", lambda: way)
    house.renew(ServerLimits())

    async def scenario() -> None:
        async with listening(house, "member") as member, listening(house, "clerk") as clerk:
            paper = await asyncio.to_thread(house.register, "公開")
            await member.until(lambda: paper.id in member.papers())
            await asyncio.sleep(0.3)
            assert not member.has_ended
            before = way.looks
            house.application.events.end_outdated()
            while way.looks < before + 2:
                await asyncio.sleep(0.01)
            monkeypatch.delitem(PEOPLE, "member")
            house.application.events.end_outdated()
            await member.until(lambda: member.has_ended)
            assert not clerk.has_ended

    asyncio.run(scenario())


class BySession:
    """An application's policy, that looks at logins. It fails for one that it does not expect."""

    def decide(self, principal: Principal, operation: Operation, resource: Resource | None, /) -> Decision:
        if principal.session not in ("", "at home", "in the hall"):
            raise ValueError(principal.session)
        if principal.session == "at home" and operation is Operation.READ_DOCUMENT:
            return Decision(is_allowed=False)
        return FolderPolicy().decide(principal, operation, resource)


def test_a_policy_of_an_application_gets_the_whole_principal_and_ends_no_progress_if_it_fails(
    house: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("sidebooks_core.server.progress_events.EVERY_S", 0.02)
    for name, session in (("hall", "in the hall"), ("home", "at home")):
        monkeypatch.setitem(PEOPLE, name, Principal("m", "M", "member", session=session, groups={"x"}))  # type: ignore[arg-type]
    house.use(BySession())

    async def scenario() -> None:
        async with listening(house, "hall") as hall, listening(house, "home") as home:
            real, fails = Events.progress, [True]

            def failing(self: Events, found: Any, sees: Any, as_decided: Any) -> None:
                if found and fails:
                    fails.clear()
                    sees(Principal("m", "M", "member", session="elsewhere"), Operation.READ_DOCUMENT, found[0][0])
                real(self, found, sees, as_decided)

            monkeypatch.setattr(Events, "progress", failing)
            paper = await asyncio.to_thread(house.register, "長い", None, *range(1, 250))

            def told(stream: Stream) -> set[str]:
                return {one["paper"] for _, kind, data in stream.events if kind == "progress" for one in data["papers"]}

            await hall.until(lambda: told(hall))
            assert told(hall) == {paper.id}
            assert told(home) == set()
            assert not fails
            assert paper.id not in home.papers()

    asyncio.run(scenario())
    assert "the progress of papers cannot be told" in caplog.text


@pytest.mark.parametrize("is_resumed", [False, True])
def test_a_login_that_nobody_uses_ends_also_if_a_stream_is_open(
    is_resumed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """is_resumed: a stream that comes again each half day, as clients do by themselves."""
    monkeypatch.setattr("sidebooks_core.server.events.ALIVE_EVERY_S", 0.02)

    async def half_day(hall: TownHall) -> None:
        hall.now_s += DAY_S / 2
        if is_resumed:
            for how in ({"headers": {"Last-Event-ID": "x.1"}}, {"path": "/events?since=x.1"}):
                given = {"path": "/events", "headers": {}} | how
                cookie = {"Cookie": f"sidebooks_login={hall.cookies['member']}"} | given["headers"]  # type: ignore[operator]
                await ask_async(hall.application, given["path"], headers=cookie, leave_after=2)  # type: ignore[arg-type]
        await asyncio.sleep(0.06)

    async def scenario(hall: TownHall) -> None:
        async with listening(hall, "", cookie=f"sidebooks_login={hall.cookies['member']}") as stream:
            for _ in range(12):
                await half_day(hall)
            assert not stream.has_ended
            for _ in range(4):
                await half_day(hall)
            await stream.until(lambda: stream.has_ended)

    with town_hall(tmp_path) as hall:
        asyncio.run(scenario(hall))
        assert hall.ask("member", "/me").json()["role"] == "citizen"


def test_a_stream_of_somebody_who_is_shut_out_ends_before_it_says_more(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also if nobody tells of it: a login ends by time, or while the stream begins."""

    async def scenario() -> None:
        async with listening(house, "member") as stream, listening(house, "clerk") as clerk:
            monkeypatch.delitem(PEOPLE, "member")
            paper = await asyncio.to_thread(house.register, "公開")
            await clerk.until(lambda: paper.id in clerk.papers())
            await stream.until(lambda: stream.has_ended)
            assert paper.id not in stream.papers()

    asyncio.run(scenario())


def test_streams_end_after_a_time_of_their_own_and_their_clients_come_again_soon(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sidebooks_core.server.events.LONGEST_S", 2.0)
    monkeypatch.setattr("sidebooks_core.server.events.ALIVE_EVERY_S", 0.01)
    ended_s: list[float] = []

    async def one() -> None:
        async with listening(house, "member") as stream:
            await stream.until(lambda: stream.has_ended)
            ended_s.append(time.monotonic())
            assert stream.retries_ms == [2000, 100]

    async def scenario() -> None:
        await asyncio.gather(*(one() for _ in range(20)))

    asyncio.run(scenario())
    assert max(ended_s) - min(ended_s) > 0.1, "all at once"


def test_a_stream_that_is_ended_otherwise_does_not_ask_to_come_again_at_once(house: House) -> None:
    async def scenario() -> None:
        async with listening(house, "member") as stream:
            house.application.events.close()
            await stream.until(lambda: stream.has_ended)
            assert stream.retries_ms == [2000]

    asyncio.run(scenario())
