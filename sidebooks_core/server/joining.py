"""Joins requests that wait for the same work.

A hundred tablets that turn to one page ask for one image at once. The service joins them into one render. But without this
module each request would pass through threads and locks, which takes a millisecond of a processor, and the last request would
wait for all others.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, TypeVar, cast

from msgspec import Struct
from starlette.types import Receive

from sidebooks_core.server.http import HttpRequest, unless_gone

UNWATCHED_S = 0.05
"""To hear whether a client leaves takes a task for each. Most images are drawn before, so nobody listens so long."""
_Made = TypeVar("_Made")


class _UnderWay(Struct):
    task: asyncio.Future[object]
    waiting: int = 0


class JoinedWork:
    """Belongs to the event loop."""

    def __init__(self) -> None:
        self._under_way: dict[Hashable, _UnderWay] = {}

    async def get(self, request: HttpRequest, what: Hashable, make: Callable[[], Awaitable[_Made]]) -> _Made:
        """The result of `make`, which the first request for `what` calls. It is cancelled when the clients of all requests have
        left.

        Raises Gone if the request's own client leaves, and the errors of `make`.
        """
        shared = self._under_way.get(what)
        if shared is None:
            begun = cast("asyncio.Future[object]", asyncio.ensure_future(make()))
            shared = self._under_way[what] = _UnderWay(begun)
        shared.waiting += 1
        try:
            return cast(_Made, await request.unless_gone(shared.task))  # one `what` always names the same kind of result
        finally:
            self._let_go(what, shared)

    async def join(self, receive: Receive, what: Hashable) -> Any:
        """The result of what is under way, for one request more. None: nothing of that name is under way.

        Raises Gone if the request's client leaves, and the errors of what was called. A client that leaves is noticed after
        UNWATCHED_S.
        """
        shared = self._under_way.get(what)
        if shared is None:
            return None
        shared.waiting += 1
        try:
            await asyncio.wait((shared.task,), timeout=UNWATCHED_S)
            return await unless_gone(receive, shared.task)
        finally:
            self._let_go(what, shared)

    def _let_go(self, what: Hashable, shared: _UnderWay) -> None:
        shared.waiting -= 1
        if self._under_way.get(what) is shared and (not shared.waiting or shared.task.done()):
            del self._under_way[what]
        if not shared.waiting and not shared.task.cancel() and not shared.task.cancelled():
            shared.task.exception()  # so that asyncio does not report it as unseen
