"""The soak of meetings finds what it is for: what its judge, its book of votes, its relay and its clock say of known cases."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

if sys.platform == "win32":
    pytest.skip("the soak needs POSIX", allow_module_level=True)

from benchmarks.meeting.judging import Judge, VoteBook
from benchmarks.meeting.relay import BOTH, Relay
from benchmarks.meeting.wrong_clock import set_wrong, wrong

PATIENCE_S = 30.0


def test_who_is_sure_of_an_old_state_for_long_is_left_behind() -> None:
    judge = Judge(unaware_s=10)
    judge.has_state(0, "a", (1, 1), "one")
    judge.has_state(0, "b", (1, 1), "one")
    judge.has_state(5, "a", (1, 2), "two")
    judge.claim(14, "b", (1, 1), is_sure=True)
    judge.claim(20, "b", (1, 1), is_sure=False)
    judge.claim(21, "a", (1, 2), is_sure=True)
    assert judge.failures == []
    assert judge.worst_unaware_s == 9
    judge.claim(16, "b", (1, 1), is_sure=True)
    assert judge.left_behind == {("b", (1, 1))}
    assert len(judge.failures) == 1
    assert "b is left behind" in judge.failures[0]


def test_the_first_who_saw_a_newer_state_counts_whenever_they_say_it() -> None:
    judge = Judge(unaware_s=10)
    judge.has_state(0, "a", (1, 1), "one")
    judge.done(30, (2, 0))
    judge.has_state(20, "b", (1, 5), "five")
    assert judge.newer_since_s((1, 1)) == 20
    assert judge.newer_since_s((1, 5)) == 30
    assert judge.newer_since_s((2, 0)) is None


@pytest.mark.parametrize("what", ["back", "two states", "lost", "seen"])
def test_what_must_not_be_is_a_failure(what: str) -> None:
    judge = Judge(unaware_s=10)
    judge.has_state(0, "a", (3, 4), "one")
    match what:
        case "back":
            judge.claim(1, "a", (3, 3), is_sure=False)
        case "two states":
            judge.has_state(1, "b", (3, 4), "another")
        case "lost":
            judge.done(1, (3, 5))
            judge.final(2, (3, 4))
        case "seen":
            judge.final(2, (3, 3))
    assert len(judge.failures) == 1 + (what == "lost")


def details_of(*rows: tuple[str, str | None], stage: str = "confirmed", **outcome: int) -> dict[str, Any]:
    voters = [{"participant": who, "has_voted": choice is not None, "choice": choice} for who, choice in rows]
    return {"number": 1, "stage": stage, "voters": voters, "outcome": outcome}


def test_a_vote_is_counted_once_as_it_was_acknowledged() -> None:
    book = VoteBook()
    book.tried[1]["a"].add("yes")
    book.tried[1]["b"].add("no")
    book.acknowledged[1]["a"] = "yes"
    assert list(book.faults(details_of(("a", "yes"), ("b", None), yes=1, no=0))) == []
    assert list(book.faults(details_of(("a", "yes"), ("b", "no"), yes=1, no=1))) == []
    assert list(book.faults(details_of(stage="broken off"))) == []
    for wrong_one in (
        details_of(("a", None), ("b", None), yes=0, no=0),
        details_of(("a", "yes"), ("b", "yes"), yes=2, no=0),
        details_of(("a", "yes"), ("b", None), yes=2, no=0),
        details_of(("a", "yes"), ("c", "no"), yes=1, no=1),
    ):
        assert len(list(book.faults(wrong_one))) == 1, wrong_one


@asynccontextmanager
async def echo() -> AsyncIterator[tuple[Relay, asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection through a relay to a server that says what it is told."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(100):
            writer.write(data)
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with Relay(lambda: port) as relay:
            reader, writer = await asyncio.open_connection("127.0.0.1", relay.port)
            try:
                yield relay, reader, writer
            finally:
                writer.close()


def test_a_relay_holds_and_crumbles_what_passes_and_loses_nothing() -> None:
    async def scenario() -> None:
        async with asyncio.timeout(PATIENCE_S), echo() as (relay, reader, writer):
            writer.write(b"before")
            assert await reader.readexactly(6) == b"before"
            relay.hold(BOTH)
            writer.write(b"meanwhile")
            held = asyncio.create_task(reader.readexactly(9))
            for _ in range(20):
                await asyncio.sleep(0)
            assert not held.done()
            relay.heal()
            assert await held == b"meanwhile"
            relay.is_in_crumbs, relay.delay_s = True, 0.01
            writer.write(b"in many crumbs")
            assert await reader.readexactly(14) == b"in many crumbs"

    asyncio.run(scenario())


def test_a_half_open_line_says_nothing_for_ever_and_a_reset_says_it_at_once() -> None:
    async def scenario() -> None:
        async with asyncio.timeout(PATIENCE_S), echo() as (relay, reader, writer):
            writer.write(b"before")
            await reader.readexactly(6)
            assert relay.half_open(["down"]) == 1
            writer.write(b"lost")
            other, saying = await asyncio.open_connection("127.0.0.1", relay.port)
            saying.write(b"a new line is good")
            await other.readexactly(18)
            relay.heal()
            lost = asyncio.create_task(reader.read(4))
            for _ in range(20):
                await asyncio.sleep(0)
            assert not lost.done()
            assert relay.reset() == 2
            for told in (lost, asyncio.create_task(other.read(4))):
                with pytest.raises(ConnectionResetError):
                    await told
            saying.close()

    asyncio.run(scenario())


def test_a_clock_jumps_when_its_file_says_so(tmp_path: Path) -> None:
    file = tmp_path / "clock"
    set_wrong(file, 3600)
    now_s = wrong(file, lambda: 1000.0, again_after_s=0)
    assert now_s() == 4600
    set_wrong(file, -7200)
    assert now_s() == -6200
