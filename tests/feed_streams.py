"""Clients of the stream of events, for tests."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from paper_house import House
from town_hall import TownHall


class Stream:
    """One client's stream. It may stop taking what is sent."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str, Any]] = []
        """Id, kind, data."""
        self.retries_ms: list[int] = []
        self.came = asyncio.Event()
        self.takes = asyncio.Event()
        self.takes.set()
        self.leaves = asyncio.Event()
        self.status = 0
        self.has_ended = False
        self._text = ""

    async def receive(self) -> dict[str, Any]:
        await self.leaves.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: dict[str, Any]) -> None:
        await self.takes.wait()
        if message["type"] == "http.response.start":
            self.status = message["status"]
            return
        self._text += message.get("body", b"").decode()
        self.has_ended = not message.get("more_body")
        while "\n\n" in self._text:
            one, self._text = self._text.split("\n\n", 1)
            fields = dict(line.split(": ", 1) for line in one.splitlines() if not line.startswith(":"))
            if "retry" in fields:
                self.retries_ms.append(int(fields["retry"]))
            if "event" in fields:
                self.events.append((fields.get("id", ""), fields["event"], json.loads(fields["data"])))
        self.came.set()

    def changes(self) -> list[dict[str, Any]]:
        return [change for _, kind, data in self.events if kind == "shelf" for change in data["changes"]]

    def papers(self) -> list[str]:
        return [change["paper"] for change in self.changes()]

    async def until(self, holds: Callable[[], object]) -> None:
        async with asyncio.timeout(20):
            while not holds():
                self.came.clear()
                await self.came.wait()

    @property
    def last_id(self) -> str:
        return [one for one, kind, _ in self.events if kind == "shelf"][-1]


@asynccontextmanager
async def listening(house: House | TownHall, who: str, query: str = "", **headers: str) -> AsyncIterator[Stream]:
    stream = Stream()
    given = {"host": "test", "who": who, **{name.replace("_", "-"): value for name, value in headers.items()}}
    scope = {
        "type": "http", "method": "GET", "path": "/events", "raw_path": b"/events", "query_string": query.encode(),
        "scheme": "http", "client": ("192.0.2.1", 1),
        "headers": [(name.encode(), value.encode()) for name, value in given.items()],
    }  # fmt: skip
    task = asyncio.create_task(house.application(scope, stream.receive, stream.send))  # type: ignore[arg-type]
    try:
        await stream.until(lambda: any(kind == "shelf" for _, kind, _ in stream.events))
        yield stream
    finally:
        stream.takes.set()
        stream.leaves.set()
        await asyncio.wait_for(task, 10)
