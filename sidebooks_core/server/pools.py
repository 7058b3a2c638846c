"""Threads for work that blocks. Each kind of work has its own, so that no kind waits for another."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
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
    "marks": 16,
    "exports": 2,
    "feed": 2,
    "meetings": 4,
    "attendance": 1,
    "whispers": 1,
}
"""access: who asks, and where papers stand. logins: people, and what they do with their logins. strangers: passwords, which
cost a processor for a while, and links of those whom nobody knows yet. provider: what is asked of an identity provider
over the network. audit: what must be on the disk before an answer. shelf: read and change the catalogue. registering:
open new papers. uploads: write pieces of files. differences: compare revisions, and keep positions. marks: read and keep
them. exports: files with marks. feed: what changed, for each stream. images: look for records on disk, and queue the
missing ones. derived: turn or stretch images, or make them coarse. originals: read files. descriptions: write and
compress JSON. other: metrics. meetings: ask and change the hub. attendance: who comes and goes, one after the other.
whispers: pointers, to a hub over a network."""


MOST_WAITING = {"strangers": 256, "provider": 64, "downloads": 64}
"""Of work that strangers can ask for: calls that wait or run, at most. 256 passwords are checked within seven seconds.
downloads: files that were made for one client, which wait on the disk until it has taken them."""


class _Line:
    """The places of one kind of work. Thread-safe.

    A client takes a place only as long as it has fewer places than are free. So a client that is alone gets half of them: 128
    people of a town hall, who may all have one address, can log in at once, and so can those behind a proxy that does not tell
    its clients apart. Of what is left another client gets half, and so on: a few clients cannot shut everybody else out.
    """

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._lock = threading.Lock()
        self._taken: Counter[str] = Counter()

    def take(self, client: str) -> None:
        """Raises QueueFull."""
        with self._lock:
            free = MOST_WAITING[self._kind] - self._taken.total()
            if free <= 0:
                raise QueueFull(f"too many calls that wait: {self._kind}")
            if self._taken[client] >= free:
                raise QueueFull(f"too many calls that wait of one client: {self._kind}")
            self._taken[client] += 1

    def give_back(self, client: str) -> None:
        with self._lock:
            self._taken[client] -= 1
            if not self._taken[client]:
                del self._taken[client]


class Pools:
    """The threads of one application. They start when they are needed."""

    def __init__(self) -> None:
        self._pools = {kind: ThreadPoolExecutor(most, f"sidebooks-http-{kind}") for kind, most in THREADS.items()}
        self._lines = {kind: _Line(kind) for kind in MOST_WAITING}

    def place(self, kind: str, client: str) -> Callable[[], None]:
        """Take one of the places of MOST_WAITING. Returns what gives it back; it may be called again. Raises QueueFull."""
        line, is_given_back = self._lines[kind], threading.Lock()
        line.take(client)

        def give_back() -> None:
            if is_given_back.acquire(blocking=False):
                line.give_back(client)

        return give_back

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

        Raises QueueFull if too much waits (`MOST_WAITING`), or if the client has as many places already as are free: a client
        that is alone gets half of the places.
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
