"""Clients of a meeting that take nothing, say nothing, or come all at once: the others notice nothing."""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import json
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args, get_type_hints

import pytest
from quiet import wait_until
from town_hall import TownHall, hall

pytest.importorskip("websockets", reason="needs the extra server")

from live_house import PATIENCE_S, live_house

from sidebooks_core.access.principals import CITIZEN, HOUSE, Principal
from sidebooks_core.meeting.messages import Farewell, Whisper, encoded
from sidebooks_core.meeting.model import Participant
from sidebooks_core.server import Application
from sidebooks_core.server.listener import End, Listener, Listening
from sidebooks_core.server.live.clients import Client, Speaker, silent
from sidebooks_core.server.live.farewells import CODES, farewell_at, farewell_of
from sidebooks_core.server.live.joins import CLIENT_AT_ONCE, Joins
from sidebooks_core.server.live.outbox import MOST_ANSWERS, MOST_WHISPERS, Outbox
from sidebooks_core.server.live.pace import MOST_SHARES, Pace, Shares
from sidebooks_core.server.slow_sockets import PatientSocket

__all__ = ["hall"]


class Plug:
    """A WebSocket whose client takes messages only while it is allowed to."""

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []
        self.takes = asyncio.Event()
        self.takes.set()
        self.says: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.came = asyncio.Event()
        self.is_closed = False

    async def send(self, message: dict[str, Any]) -> None:
        await self.takes.wait()
        if message["type"] == "websocket.send":
            self.told.append(json.loads(message["text"]))
        self.is_closed = self.is_closed or message["type"] == "websocket.close"
        self.came.set()

    async def say(self, kind: str, **fields: Any) -> None:
        await self.says.put({"type": "websocket.receive", "text": json.dumps({"kind": kind, **fields})})

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [one for one in self.told if one["kind"] == kind]

    async def until(self, kind: str, count: int = 1) -> dict[str, Any]:
        async with asyncio.timeout(PATIENCE_S):
            while len(self.of(kind)) < count:
                self.came.clear()
                await self.came.wait()
        return self.of(kind)[-1]


@asynccontextmanager
async def plugged(hall: TownHall, who: str, meeting: str, client: str = "c1", answer: str = "details") -> AsyncIterator[Plug]:
    """Somebody in a meeting. answer: what they are told last before the block begins."""
    plug = Plug()
    headers = [(b"host", b"test"), (b"cookie", f"sidebooks_login={hall.cookies[who]}".encode())]
    scope = {
        "type": "websocket", "path": "/live", "raw_path": b"/live", "query_string": b"", "scheme": "ws",
        "client": ("192.0.2.1", 1), "headers": headers, "subprotocols": [],
    }  # fmt: skip
    await plug.says.put({"type": "websocket.connect"})
    task = asyncio.create_task(hall.application(scope, plug.says.get, plug.send))  # type: ignore[arg-type]
    try:
        await plug.say("hello", protocol=1, meeting=meeting, client=client)
        await plug.until(answer)
        yield plug
    finally:
        plug.takes.set()
        await plug.says.put({"type": "websocket.disconnect", "code": 1000})
        await asyncio.wait_for(task, PATIENCE_S)


async def show(plug: Plug, count: int) -> None:
    state = plug.of("state")[-1]
    at = {"paper": state["paper"], "revision": state["revision"], "page": count % 3 + 1}
    await plug.say("show", id=str(count), client="c1", count=count, epoch=state["epoch"], **at)
    await plug.until("done", count)


def test_who_takes_nothing_gets_the_newest_state_and_holds_nobody_up(hall: TownHall) -> None:
    meeting = hall.begin()["id"]

    async def scenario() -> None:
        async with (
            plugged(hall, "tender", meeting) as presenter,
            plugged(hall, "member", meeting) as slow,
            plugged(hall, "clerk", meeting) as quick,
        ):
            slow.takes.clear()
            before = len(slow.told)
            for count in range(1, 31):
                await show(presenter, count)
            last = presenter.of("done")[-1]
            async with asyncio.timeout(PATIENCE_S):
                while quick.of("state")[-1]["seq"] < last["seq"]:
                    quick.came.clear()
                    await quick.came.wait()
            slow.takes.set()
            async with asyncio.timeout(PATIENCE_S):
                while slow.of("state")[-1]["seq"] < last["seq"]:
                    slow.came.clear()
                    await slow.came.wait()
            states = [one for one in slow.told[before:] if one["kind"] == "state"]
            assert len(states) <= 2, "one that was under way, and the newest"
            assert [one["seq"] for one in states] == sorted(one["seq"] for one in states)

    asyncio.run(scenario())


def test_who_takes_nothing_for_too_long_is_ended(hall: TownHall, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sidebooks_core.server.live.sockets.SEND_WITHIN_S", 0.2)
    meeting = hall.begin()["id"]

    async def scenario() -> None:
        async with plugged(hall, "tender", meeting) as presenter:
            headers = [(b"host", b"test"), (b"cookie", f"sidebooks_login={hall.cookies['member']}".encode())]
            scope = {
                "type": "websocket", "path": "/live", "raw_path": b"/live", "query_string": b"", "scheme": "ws",
                "client": ("192.0.2.1", 1), "headers": headers, "subprotocols": [],
            }  # fmt: skip
            stuck = Plug()
            await stuck.says.put({"type": "websocket.connect"})
            task = asyncio.create_task(hall.application(scope, stuck.says.get, stuck.send))  # type: ignore[arg-type]
            await stuck.say("hello", protocol=1, meeting=meeting, client="stuck")
            await stuck.until("details")
            await presenter.until("progress")
            stuck.takes.clear()
            await show(presenter, 1)
            await asyncio.wait_for(task, PATIENCE_S)
            async with asyncio.timeout(PATIENCE_S):
                while presenter.of("progress")[-1]["here"] != 1:
                    presenter.came.clear()
                    await presenter.came.wait()

    asyncio.run(scenario())


def test_who_says_nothing_is_gone(hall: TownHall, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sidebooks_core.server.live.meetings_here.PING_S", 0.1)
    monkeypatch.setattr("sidebooks_core.server.live.meetings_here.SILENCE_S", 0.5)
    meeting = hall.begin()["id"]

    async def scenario() -> None:
        async with plugged(hall, "member", meeting) as asleep:
            await asleep.until("ping")
            assert await asleep.until("farewell") == {"kind": "farewell", "why": "slow", "return_s": 0.0}

    asyncio.run(scenario())


def test_silent_is_who_says_nothing_for_long() -> None:
    async def scenario() -> None:
        asks = Listening(
            session="", share=("", "known"), principal=CITIZEN, may_see_documents=lambda: False, changes_after=None
        )
        speaker = Speaker(meeting="m", participant=Participant("p", "P"), client="c", principal=CITIZEN, address="")
        awake, asleep = (
            Client(speaker=speaker, listener=Listener(asks), outbox=Outbox(), heard_s=heard_s) for heard_s in (90.0, 70.0)
        )
        assert silent([awake, asleep], 100.0, 20.0) == [asleep]

    asyncio.run(scenario())


def test_three_score_join_at_once_and_all_are_on_the_page(tmp_path: Path) -> None:
    with live_house(tmp_path) as house:
        meeting = house.begin()
        count = 60

        async def scenario() -> list[int]:
            is_in, leave = asyncio.Semaphore(0), asyncio.Event()

            async def one(number: int) -> int:
                async with house.tablet("member") as tablet:
                    await tablet.hello(meeting, f"c{number}")
                    is_in.release()
                    await leave.wait()
                    page: int = tablet.state["page"]
                    return page

            tasks = [asyncio.create_task(one(number)) for number in range(count)]
            for _ in range(count):
                await asyncio.wait_for(is_in.acquire(), PATIENCE_S)
            leave.set()
            return await asyncio.gather(*tasks)

        assert asyncio.run(scenario()) == [1] * count


def test_a_pace_lets_some_in_at_once_and_spreads_the_others() -> None:
    pace = Pace(100.0, 20, most_wait_s=1.005)
    waits = [pace.wait_s(0.0) for _ in range(140)]
    assert waits[:20] == pytest.approx([0.0] * 20)
    later = [one for one in waits[20:] if one is not None]
    assert len(later) == 100
    assert later == pytest.approx([number / 100 for number in range(1, 101)])
    assert waits[120:] == [None] * 20, "they come again later"
    assert pace.wait_s(10.0) == 0.0


def speaker(person: str, client: str = "c", *, address: str = "192.0.2.1", principal: Principal | None = None) -> Speaker:
    who = principal or Principal(person, person, "member")
    return Speaker(meeting="m", participant=Participant(person, person), client=client, principal=who, address=address)


def waits_of(comes: list[tuple[float, Speaker]]) -> list[float | None]:
    """How long each of those who come at some times waits in all, in seconds. None: they are sent away."""
    joins, now_s = Joins(), 0.0
    under_way = [(at_s, number, joins.waits_s(who, lambda: now_s)) for number, (at_s, who) in enumerate(comes)]
    heapq.heapify(under_way)
    waits: list[float | None] = [None] * len(comes)
    while under_way:
        now_s, number, left = heapq.heappop(under_way)
        try:
            wait_s = next(left)
        except StopIteration:
            waits[number] = now_s - comes[number][0]
            continue
        if wait_s is not None:
            heapq.heappush(under_way, (now_s + wait_s, number, left))
    return waits


def test_one_who_connects_again_and_again_takes_no_place_of_the_others() -> None:
    mad = [(0.0, speaker("mad", f"c{number}")) for number in range(3000)]
    council = [(0.3, speaker(f"p{number}")) for number in range(300)]
    told = waits_of(mad + council)
    tries, loud, calm = told[:3000], told[3000:], waits_of(council)
    assert None in tries, "so many do not come in"
    late = [one - other for one, other in zip(loud, calm, strict=True) if one is not None and other is not None]
    assert len(late) == len(council)
    assert max(late) <= 0.5, "what one person may take at once and by the second, and no more"


def test_ten_clients_that_connect_each_second_wait_for_themselves() -> None:
    ten = [(float(second), speaker("same", f"c{number}")) for second in range(60) for number in range(10)]
    told = waits_of([*ten, (59.5, speaker("other"))])
    assert None in told[:-1], "each of them comes in every two seconds, and not more often"
    assert told[-1] == 0.0


def test_those_whom_nobody_knows_share_by_address() -> None:
    for nobody in (CITIZEN, HOUSE):
        flood = [(0.0, speaker(f"x{number}", principal=nobody)) for number in range(1500)]
        away = (5.0, speaker("x", principal=nobody, address="192.0.2.2"))
        told = waits_of([*flood, away])
        came = [one for one in told[:-1] if one is not None]
        assert 300 < len(came) < len(flood), "a town hall comes in, and a flood does not"
        assert told[-1] == 0.0, "at another address nobody waits"


def test_the_shares_of_few_are_remembered() -> None:
    shares = Shares(1.0, 1, 1.5)
    assert [shares.wait_s("a", 0.0) for _ in range(3)] == [0.0, 1.0, None]
    for number in range(MOST_SHARES):
        shares.wait_s(number, 0.0)
    assert len(shares) == MOST_SHARES
    assert shares.wait_s("a", 0.0) == 0.0, "it was forgotten"


def test_a_client_that_comes_too_often_is_sent_away_and_another_comes_in(
    hall: TownHall, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sidebooks_core.server.live.joins.CLIENT_PER_S", 0.001)
    hall.application.close()
    hall.application = Application(hall.served, papers=hall.shelf, access=hall.access, meetings=hall.meetings, cache="private")
    meeting = hall.begin()["id"]

    async def scenario() -> None:
        for _ in range(CLIENT_AT_ONCE):
            async with plugged(hall, "member", meeting):
                pass
        async with plugged(hall, "member", meeting, answer="farewell") as turned, plugged(hall, "clerk", meeting):
            assert (turned.of("farewell")[0]["why"], turned.of("state")) == ("full", [])

    asyncio.run(scenario())


def test_an_outbox_keeps_the_newest_of_each_kind() -> None:
    outbox = Outbox()
    assert outbox.tell_state((1, 2), b"two")
    assert not outbox.tell_state((1, 2), b"again")
    assert not outbox.tell_state((1, 1), b"older")
    outbox.put("ping", b"p1")
    outbox.put("ping", b"p2")
    said = Whisper(by="x", count=1, paper="p", page=1, tool="pointer")
    outbox.whisper(said, b"w1")
    outbox.whisper(said, b"w2")
    assert outbox.take() == [b"two", b"p2", b"w2"]
    assert outbox.take() == []
    for number in range(MOST_WHISPERS * 2):
        outbox.whisper(Whisper(by=f"x{number}", count=1, paper="p", page=1, tool="pointer"), b"w")
    assert len(outbox.take()) == MOST_WHISPERS
    for _ in range(MOST_ANSWERS + 1):
        outbox.answer(said)
    assert outbox.farewell == Farewell(why="slow", return_s=0.0)
    assert outbox.take()[-1] == encoded(Farewell(why="slow", return_s=0.0))


def test_each_end_has_its_farewell_and_its_code() -> None:
    told = {end: farewell_at(end, 300) for end in End}
    assert told[End.LEFT] is None
    assert {end.name: one.why for end, one in told.items() if one is not None} == {
        "CLOSED": "restart",
        "REVOKED": "revoked",
        "OVER": "restart",
        "FAILED": "restart",
    }
    many, few = farewell_at(End.CLOSED, 10_000), farewell_at(End.CLOSED, 1)
    assert many is not None
    assert few is not None
    assert (many.return_s, few.return_s) == (30.0, 1.0)
    seat = SimpleNamespace(has_ended=lambda: True)
    listener = SimpleNamespace(seat=seat, end=End.REVOKED)
    assert farewell_of(listener, 1) == Farewell(why="ended", return_s=None), "a guest's login ends with the meeting"  # type: ignore[arg-type]
    seat.has_ended = lambda: False
    assert farewell_of(listener, 1) == told[End.REVOKED]  # type: ignore[arg-type]
    assert set(CODES) == set(get_args(get_type_hints(Farewell)["why"]))
    assert len(set(CODES.values())) == len(CODES)


def test_a_client_that_never_reads_is_ended_by_the_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A real socket whose buffers are full: what waits in the process stays small, and the connection goes."""
    monkeypatch.setattr(PatientSocket, "taken_within_s", 0.3)
    with live_house(tmp_path) as house:
        meeting = house.begin()
        with socket.socket() as deaf:
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            deaf.connect(("127.0.0.1", house.port))
            deaf.sendall(
                f"GET /live HTTP/1.1\r\nHost: 127.0.0.1:{house.port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                f"Cookie: {house.cookie('member')}\r\nSec-WebSocket-Version: 13\r\n"
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
            )
            assert deaf.recv(1024).startswith(b"HTTP/1.1 101")
            deaf.sendall(_frame({"kind": "hello", "protocol": 1, "meeting": meeting, "client": "deaf"}))
            agenda = [{"name": "議" * 190} for _ in range(300)]

            async def scenario() -> None:
                async with house.tablet("tender") as chair:
                    await chair.hello(meeting)
                    await chair.wait(lambda: chair.find(lambda one: one["kind"] == "progress" and one["here"] == 2))
                    await chair.command("set_agenda", items=agenda)
                    until_s = time.monotonic() + PATIENCE_S
                    while chair.of("progress")[-1]["here"] != 1:
                        assert time.monotonic() < until_s
                        with contextlib.suppress(OSError):
                            deaf.sendall(_frame({"kind": "ask", "what": "details"}))  # 170 kB, which it never reads
                        await asyncio.sleep(0.02)

            asyncio.run(scenario())


def _frame(message: dict[str, Any]) -> bytes:
    """A masked text frame, with a mask of zeros."""
    data = json.dumps(message).encode()
    length = bytes([0x80 | len(data)]) if len(data) < 126 else bytes([0xFE]) + len(data).to_bytes(2, "big")
    return b"\x81" + length + bytes(4) + data


def test_a_connection_that_became_a_socket_counts_until_it_is_gone(tmp_path: Path) -> None:
    with live_house(tmp_path) as house:
        doors = house.server.config.http.doors  # type: ignore[union-attr]

        async def scenario() -> None:
            async with house.tablet("member") as tablet:
                await tablet.until("event")
                assert (len(doors.connected), doors.per_client["127.0.0.1"]) == (1, 1)

        asyncio.run(scenario())
        wait_until(lambda: not doors.connected, "it counts still")
