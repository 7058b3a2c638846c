"""The requests of a reader that are under way, and their end: an answer, or a cancellation.

All methods are safe to call from any thread. The table is guarded by the reader's lock (see `stage`). A future is made and
cancelled without the lock, because its callbacks may run at once and take other locks.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from concurrent.futures import Future
from functools import partial

from msgspec import Struct

from sidebooks_core.errors import SidebooksError
from sidebooks_core.images.finding import Images
from sidebooks_core.images.requests import Request
from sidebooks_core.images.work import Found
from sidebooks_core.reading.stage import Stage
from sidebooks_core.scheduling.queue import Priority


class Ask(Struct, eq=False):
    """A request under way."""

    request: Request
    priority: Priority
    since_s: float
    """When it was asked for, by `time.perf_counter`."""
    found: Future[Found] | None = None
    """None until the images were asked."""


Answered = Callable[[Ask, Found | None, SidebooksError | None], None]
"""Takes the record that was found, or the error."""


class Asks:
    """The requests under way, at most one for each raster."""

    def __init__(self, images: Images, client: str, stage: Stage, answered: Answered) -> None:
        """client: takes turns in the queue under this name. answered: called once for each request that was not cancelled."""
        self._images = images
        self._client = client
        self._stage = stage
        self._answered = answered
        self._under_way: dict[Request, Ask] = {}

    def __contains__(self, request: Request) -> bool:
        return request in self._under_way

    def ask(self, request: Request, priority: Priority) -> None:
        """Ask for a raster, unless that is under way with the same or a more urgent priority. May wait for a disk."""
        ask = Ask(request, priority, time.perf_counter())
        stage = self._stage
        with stage.changed:
            earlier = self._under_way.get(request)
            if stage.closed or (earlier is not None and earlier.priority <= priority):
                return
            self._under_way[request] = ask
        found = ask.found = self._images.find(request, priority, self._client)
        if earlier is not None and earlier.priority is not Priority.PREVIEW:  # a preview goes on: its page needs it anyway
            cancel_all([earlier])
        found.add_done_callback(partial(self._landed, ask))
        with stage.changed:
            is_wanted = self._under_way.get(request) is ask
        if not is_wanted:
            found.cancel()  # a turn, or the end, came in between

    def finish(self, ask: Ask) -> None:
        """A request has its answer. Called under the lock."""
        if self._under_way.get(ask.request) is ask:
            del self._under_way[ask.request]

    def cancel_others(self, visible: Collection[Request], wished: Collection[Request]) -> None:
        """Cancel all requests that are neither visible nor wished for. Previews go on: each page needs one at some time."""
        with self._stage.changed:
            stale = [
                ask
                for request, ask in self._under_way.items()
                if request not in visible and request not in wished and ask.priority is not Priority.PREVIEW
            ]
            for ask in stale:
                del self._under_way[ask.request]
        cancel_all(stale)

    def take_all(self) -> list[Ask]:
        """Empty the table; `cancel_all` is called with the result later, without the lock. Called under the lock."""
        asks = list(self._under_way.values())
        self._under_way.clear()
        return asks

    def _landed(self, ask: Ask, found: Future[Found]) -> None:
        if found.cancelled():
            return
        error = found.exception()
        if error is None:
            self._answered(ask, found.result(), None)
        elif isinstance(error, SidebooksError):
            self._answered(ask, None, error)


def cancel_all(asks: Collection[Ask]) -> None:
    """Cancel requests that were taken from a table. `Asks.ask` itself cancels one that it is just asking for."""
    for ask in asks:
        if ask.found is not None:
            ask.found.cancel()
