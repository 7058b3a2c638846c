"""Tablets that read one document together, or several alone, without the protocol of meetings."""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.meeting.connection import Connection
from benchmarks.meeting.serving import VIEW

SEED = 20261124
OPEN_WITHIN_S = 10.0
TURN_EVERY_S = 2.0


@dataclass(slots=True)
class Tablet:
    """One client: a connection that is kept, and what it has fetched. What is immutable it never asks for again."""

    host: str
    port: int
    kept: dict[str, bytearray] = field(default_factory=dict)
    connection: Connection | None = None

    async def get(self, path: str) -> bytearray:
        """A body. Raises RuntimeError for any other status than 200."""
        if path in self.kept:
            return self.kept[path]
        if self.connection is None:
            self.connection = await Connection.to(self.host, self.port)
        request = f"GET {path} HTTP/1.1\r\nHost: {self.host}:{self.port}\r\nAccept-Encoding: identity\r\n\r\n"
        head, body = await self.connection.ask(request.encode())
        if not head.startswith("http/1.1 200"):
            raise RuntimeError(f"{path}: {head.splitlines()[0]}")
        if "immutable" in head:
            self.kept[path] = body
        return body

    def close(self) -> None:
        if self.connection is not None:
            self.connection.close()


@dataclass(slots=True)
class Tally:
    """Seconds by what was waited for, and failures."""

    waits: dict[str, list[float]] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    async def timed(self, what: str, tablet: Tablet, path: str, since_s: float) -> None:
        try:
            await tablet.get(path)
        except (OSError, RuntimeError) as error:
            self.failures.append(f"{path}: {error!r}")
            tablet.connection = None
            return
        self.waits.setdefault(what, []).append(time.perf_counter() - since_s)


async def together(address: str, document: dict[str, Any], count: int, turns: int) -> dict[str, Any]:
    """All open one document, then follow a presenter."""
    chance, tally = random.Random(SEED), Tally()
    tablets = _tablets(address, count)
    here = f"/documents/{document['id']}"
    started_s = time.perf_counter()

    async def open_it(tablet: Tablet) -> None:
        await asyncio.sleep(chance.uniform(0, OPEN_WITHIN_S / 5))
        since_s = time.perf_counter()
        await tally.timed("list", tablet, "/documents", since_s)
        await tally.timed("pages.json", tablet, f"{here}/pages.json", since_s)
        await tally.timed("first page", tablet, f"{here}/pages/1/{VIEW}", since_s)

    await asyncio.gather(*(open_it(tablet) for tablet in tablets))
    opened_s = time.perf_counter() - started_s
    page_count, page = int(document["page_count"]), 1
    seen = {1}
    cold: list[tuple[int, float]] = []
    for turn in range(turns):
        await asyncio.sleep(TURN_EVERY_S / 2)
        unseen = [one for one in range(1, page_count + 1) if one not in seen]
        is_jump = turn % 2 == 1 and bool(unseen)
        page = chance.choice(unseen) if is_jump else page % page_count + 1
        path = f"{here}/pages/{page}/{VIEW}"
        if is_jump and turn % 4 == 1:  # the presenter's tablet has it first, and then everybody turns
            await tally.timed("presenter's jump", tablets[0], path, time.perf_counter())
            what, followers = "jump, server has it", tablets[1:]
        else:
            what, followers = "jump, nobody has it" if is_jump else "next page", tablets
        since_s = time.perf_counter()
        before = len(tally.waits.get(what, []))
        await asyncio.gather(*(tally.timed(what, tablet, path, since_s) for tablet in followers))
        if what == "jump, nobody has it":
            cold += [(page, wait) for wait in tally.waits[what][before:]]
        seen |= {page, page % page_count + 1}
        # After the turn, as the viewer does: the next page, before anybody asks for it.
        ahead = f"{here}/pages/{page % page_count + 1}/{VIEW}"
        await asyncio.sleep(TURN_EVERY_S / 2)
        await asyncio.gather(*(tally.timed("ahead", tablet, ahead, time.perf_counter()) for tablet in tablets))
    return _result(tally, tablets) | {"opened_s": opened_s, "cold": cold}


async def alone(address: str, documents: Sequence[dict[str, Any]], count: int, turns: int) -> dict[str, Any]:
    """Each reads on its own way, three seconds a page or so."""
    tally = Tally()
    tablets = _tablets(address, count)

    async def read(number: int, tablet: Tablet) -> None:
        chance = random.Random(SEED + number)
        document = documents[number % len(documents)]
        page_count = int(document["page_count"])
        page = chance.randint(1, page_count)
        await asyncio.sleep(chance.uniform(0, 3))
        for _ in range(turns):
            path = f"/documents/{document['id']}/pages/{page}/{VIEW}"
            what = "held already" if path in tablet.kept else "turn"
            await tally.timed(what, tablet, path, time.perf_counter())
            page = page % page_count + 1
            await asyncio.sleep(0.2)
            ahead = f"/documents/{document['id']}/pages/{page}/{VIEW}"
            await tally.timed("ahead", tablet, ahead, time.perf_counter())
            await asyncio.sleep(chance.uniform(1.5, 4))

    await asyncio.gather(*(read(number, tablet) for number, tablet in enumerate(tablets)))
    return _result(tally, tablets)


def _tablets(address: str, count: int) -> list[Tablet]:
    matched = re.match(r"http://([^:/]+):(\d+)/", address)
    assert matched is not None
    return [Tablet(matched[1], int(matched[2])) for _ in range(count)]


def _result(tally: Tally, tablets: list[Tablet]) -> dict[str, Any]:
    for tablet in tablets:
        tablet.close()
    paths = sorted({path for tablet in tablets for path in tablet.kept})
    return {"waits": tally.waits, "failures": tally.failures, "paths": paths}
