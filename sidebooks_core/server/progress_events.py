"""Tells the streams of events how far papers are prepared, as long as there are streams and papers to prepare."""

from __future__ import annotations

import asyncio
import logging

from sidebooks_core.errors import StorageError
from sidebooks_core.server.events import Events
from sidebooks_core.server.gate import Gate
from sidebooks_core.server.places import Standings
from sidebooks_core.server.pools import Pools
from sidebooks_core.server.schemas_shelf import ProgressEntry
from sidebooks_core.server.shelf_feed import ShelfFeed

EVERY_S = 0.5
_log = logging.getLogger("sidebooks_core.server")


class ProgressEvents:
    """Belongs to the event loop."""

    def __init__(self, events: Events, feed: ShelfFeed, gate: Gate, pools: Pools) -> None:
        self._events = events
        self._feed = feed
        self._gate = gate
        self._pools = pools
        self._task: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """A stream begins."""
        self._feed.may_be_preparing = True
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())

    async def _tell(self, found: list[tuple[Standings, ProgressEntry]]) -> None:
        try:
            await self._pools.run("feed", self._events.progress, found, self._gate.sees, self._gate.as_decided)
        except Exception:  # noqa: BLE001 - an application's policy may fail; the next round asks it again
            _log.exception("the progress of papers cannot be told; it is tried again")

    async def _run(self) -> None:
        await asyncio.sleep(EVERY_S)
        while len(self._events):
            if self._feed.may_be_preparing:
                try:
                    found = await self._pools.run("feed", self._feed.preparing)
                except StorageError:
                    _log.exception("the progress of papers cannot be read; it is tried again")
                else:
                    await self._tell(found)
            await asyncio.sleep(EVERY_S)
