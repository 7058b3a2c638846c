"""How an application ends: told by its owner, or because the ASGI server that runs it has been told to end.

An ASGI server announces its end only after all connections have ended (lifespan), and never to a mounted application. A stream
of events has no end of its own, so server and stream would wait for each other. uvicorn, also under gunicorn, can be found by
its signal handler.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable

LOOK_EVERY_S = 0.25
"""The time between two checks whether the server ends, while there are streams that would keep it from ending."""


class Ending:
    """The end of an application, and the actions at that moment. `begin` may be called from any thread, and again."""

    def __init__(self) -> None:
        self.has_begun = False
        self._actions: list[Callable[[], None]] = []
        self._watch: asyncio.Task[None] | None = None

    def on_begin(self, action: Callable[[], None]) -> None:
        """Call this when the end begins; each time if it begins again."""
        self._actions.append(action)

    def begin(self) -> None:
        """End now."""
        self.has_begun = True
        for action in self._actions:
            action()

    def watch_server(self, as_long_as: Callable[[], object]) -> None:
        """Begin the end when the ASGI server is told to end. Checks while `as_long_as` is true. Call it in the event loop."""
        if self._watch is None or self._watch.done():
            self._watch = asyncio.create_task(self._watching(as_long_as))

    async def _watching(self, as_long_as: Callable[[], object]) -> None:
        await asyncio.sleep(LOOK_EVERY_S)
        while as_long_as() and not self.has_begun:
            if is_server_exiting():
                self.begin()
            await asyncio.sleep(LOOK_EVERY_S)


def is_server_exiting() -> bool:
    """False if there is no server that can be asked."""
    for number in (signal.SIGTERM, signal.SIGINT):
        server = getattr(signal.getsignal(number), "__self__", None)
        if getattr(server, "should_exit", False) is True:
            return True
    return False
