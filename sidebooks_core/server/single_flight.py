"""One piece of work for all requests that wait for the same.

A hundred tablets that turn to one page ask for one image at once. The service joins them into one render, but each would take
its own way there and back, through threads and locks: a millisecond of the processor a tablet, the last waits for them all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, TypeVar

from msgspec import Struct

from sidebooks_core.server.exchange import Asked

_Made = TypeVar("_Made")


class _UnderWay(Struct):
    task: asyncio.Future[Any]
    waiting: int = 0


class SharedWork:
    """Belongs to the event loop."""

    def __init__(self) -> None:
        self._under_way: dict[Hashable, _UnderWay] = {}

    async def get(self, asked: Asked, what: Hashable, make: Callable[[], Awaitable[_Made]]) -> _Made:
        """What `make` returns: begun by the first who asks, cancelled when the last one's client went away.

        Raises Gone for a client that went away, and what `make` raises.
        """
        shared = self._under_way.get(what)
        if shared is None:
            shared = self._under_way[what] = _UnderWay(asyncio.ensure_future(make()))
        shared.waiting += 1
        try:
            made: _Made = await asked.unless_gone(shared.task)
            return made
        finally:
            shared.waiting -= 1
            if self._under_way.get(what) is shared and (not shared.waiting or shared.task.done()):
                del self._under_way[what]
            if not shared.waiting and not shared.task.cancel() and not shared.task.cancelled():
                shared.task.exception()  # seen, even where nobody stayed to be told
