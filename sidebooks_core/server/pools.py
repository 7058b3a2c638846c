"""Threads for work that blocks. Each kind of work has its own, so that no kind waits for another."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from sidebooks_core.server.limits import Quota

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


MOST_WAITING = {"strangers": 128, "provider": 64}
"""Of work that strangers can ask for: calls that wait or run, at most."""
MOST_WAITING_PER_CLIENT = {"strangers": 32, "provider": 16}
"""Of one client: else a single one shuts everybody out. A town hall, which may have one address, logs in at nine o'clock."""


class _Line:
    """The places of one kind of work. Thread-safe."""

    def __init__(self, kind: str) -> None:
        self._lock = threading.Lock()
        self._places = Quota(MOST_WAITING[kind], MOST_WAITING_PER_CLIENT[kind], f"calls that wait: {kind}")

    def take(self, client: str) -> None:
        """Raises QueueFull."""
        with self._lock:
            self._places.take(client)

    def give_back(self, client: str) -> None:
        with self._lock:
            self._places.give_back(client)


class Pools:
    """The threads of one application. They start when they are needed."""

    def __init__(self) -> None:
        self._pools = {kind: ThreadPoolExecutor(most, f"sidebooks-http-{kind}") for kind, most in THREADS.items()}
        self._lines = {kind: _Line(kind) for kind in MOST_WAITING}

    async def run(
        self, kind: str, function: Callable[_Arguments, _Result], *arguments: _Arguments.args, **named: _Arguments.kwargs
    ) -> _Result:
        """Call a function in a thread for its kind of work (`THREADS`).

        Work that strangers can ask for counts as that of one client here, "": see `run_for`.
        """
        return await self.run_for("", kind, function, *arguments, **named)

    async def run_for(
        self,
        client: str,
        kind: str,
        function: Callable[_Arguments, _Result],
        *arguments: _Arguments.args,
        **named: _Arguments.kwargs,
    ) -> _Result:
        """The same for a client (`HttpRequest.address`), which has a share of the places where work of strangers waits.

        Raises QueueFull if too much waits (`MOST_WAITING`, `MOST_WAITING_PER_CLIENT`).
        """
        line = self._lines.get(kind)
        if line is not None:
            line.take(client)
        try:
            called = self._pools[kind].submit(lambda: function(*arguments, **named))
        except BaseException:
            if line is not None:
                line.give_back(client)
            raise
        if line is not None:
            called.add_done_callback(lambda _: line.give_back(client))
        return await asyncio.wrap_future(called)

    def close(self) -> None:
        """Drop the calls that wait. Those under way end by themselves: they may wait for a service that is closed later."""
        for pool in self._pools.values():
            pool.shutdown(wait=False, cancel_futures=True)
