"""Threads for work that blocks. Each kind of work has its own, so that no kind waits for another."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from sidebooks_core.errors import QueueFull

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")

THREADS = {
    "images": 8,
    "derived": 2,
    "originals": 4,
    "descriptions": 2,
    "other": 4,
    "access": 4,
    "logins": 2,
    "strangers": 2,
    "provider": 2,
    "audit": 2,
    "shelf": 4,
    "registering": 2,
    "uploads": 8,
    "shelf searches": 2,
    "differences": 2,
    "feed": 2,
}
"""access: who asks, and where papers stand. logins: people, and what they do
with their logins. strangers: passwords, which cost a processor for a while, and links of those whom nobody knows yet. provider:
what is asked of an identity provider over the network. audit: what must be on the disk before an answer. shelf: read and
change the catalogue. registering: open new papers. uploads: write pieces of files. differences: compare revisions, and keep
positions. feed: what changed, for each stream. images: look for records on disk, and queue the missing ones. derived: turn or
stretch images, or make them coarse. originals: read files. descriptions: write and compress JSON. other: metrics."""


MOST_WAITING = {"strangers": 64, "provider": 32}
"""Of work that strangers can ask for: calls that wait or run, at most."""


class Pools:
    """The threads of one application. They start when they are needed."""

    def __init__(self) -> None:
        self._pools = {kind: ThreadPoolExecutor(most, f"sidebooks-http-{kind}") for kind, most in THREADS.items()}
        self._waiting = {kind: threading.BoundedSemaphore(most) for kind, most in MOST_WAITING.items()}

    async def run(
        self, kind: str, function: Callable[_Arguments, _Result], *arguments: _Arguments.args, **named: _Arguments.kwargs
    ) -> _Result:
        """Call a function in a thread for its kind of work (`THREADS`). Raises QueueFull if too much waits (`MOST_WAITING`)."""
        waiting = self._waiting.get(kind)
        if waiting is not None and not waiting.acquire(blocking=False):
            raise QueueFull(f"too much waits: {kind}")
        try:
            called = self._pools[kind].submit(lambda: function(*arguments, **named))
        except BaseException:
            if waiting is not None:
                waiting.release()
            raise
        if waiting is not None:
            called.add_done_callback(lambda _: waiting.release())
        return await asyncio.wrap_future(called)

    def close(self) -> None:
        """Drop the calls that wait. Those under way end by themselves: they may wait for a service that is closed later."""
        for pool in self._pools.values():
            pool.shutdown(wait=False, cancel_futures=True)
