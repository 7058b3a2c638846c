"""Threads for work that blocks. Each kind of work has its own, so that no kind waits for another."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

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
    "shelf": 4,
    "registering": 2,
    "uploads": 8,
    "shelf searches": 2,
    "differences": 2,
    "feed": 2,
}
"""access: who asks, and where papers stand. logins: passwords, which cost a processor for a while, and people. shelf: read and
change the catalogue. registering: open new papers. uploads: write pieces of files. differences: compare revisions, and keep
positions. feed: what changed, for each stream. images: look for records on disk, and queue the missing ones. derived: turn or
stretch images, or make them coarse. originals: read files. descriptions: write and compress JSON. other: metrics."""


class Pools:
    """The threads of one application. They start when they are needed."""

    def __init__(self) -> None:
        self._pools = {kind: ThreadPoolExecutor(most, f"sidebooks-http-{kind}") for kind, most in THREADS.items()}

    async def run(
        self, kind: str, function: Callable[_Arguments, _Result], *arguments: _Arguments.args, **named: _Arguments.kwargs
    ) -> _Result:
        """Call a function in a thread for its kind of work (`THREADS`)."""
        return await asyncio.get_running_loop().run_in_executor(self._pools[kind], lambda: function(*arguments, **named))

    def close(self) -> None:
        """Drop the calls that wait. Those under way end by themselves: they may wait for a service that is closed later."""
        for pool in self._pools.values():
            pool.shutdown(wait=False, cancel_futures=True)
