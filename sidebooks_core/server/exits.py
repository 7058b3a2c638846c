"""How an application ends: told by its owner, or because the ASGI server that runs it has been told to end.

An ASGI server tells an application only after all connections have ended (lifespan), and one that is mounted in another not at
all. A stream of events has no end of its own: each would wait for the other. uvicorn, also under gunicorn, can be found by its
signal handler.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable

LOOK_EVERY_S = 0.25
"""How often the server is asked whether it ends, as long as there are streams that would keep it from doing so."""


class Ending:
    """Whether an application ends, and what is done then. `begin` may be called from any thread, and again."""

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
        """Begin when the ASGI server is told to end, as long as something holds. In the event loop."""
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
