"""Searches share the workers. A search goes step by step; clients take turns; a search ends when nobody waits for it."""

from __future__ import annotations

import asyncio
import math
import time
from collections import OrderedDict
from collections.abc import Callable
from itertools import count
from types import TracebackType
from typing import NamedTuple

from sidebooks_core.documents.model import Matching, SearchHit
from sidebooks_core.documents.page_ranges import runs
from sidebooks_core.server.http import HttpRequest
from sidebooks_core.server.joining import JoinedWork
from sidebooks_core.server.limits import Quota
from sidebooks_core.service import Document, TileService

SEARCH_LIMIT = 500
"""Hits in one answer."""
PAGES_FIRST_S = 2.0
"""The longest wait of a step while visible pages are drawn, or sent without a pause: a search would slow them down. The
requests of a hundred tablets leave pauses."""
LOOK_EVERY_S = 0.01
STEP_S = 0.5
"""A search in steps answers after this time, with what it found by then."""


class Step(NamedTuple):
    """A step of a search."""

    hits: list[SearchHit]
    next: int | None
    """The page, from 0, that the next one begins at; None: all pages were searched."""


class Searches:
    """Belongs to the event loop. At most half of the workers (one of two) do steps of searches: pages come in between."""

    def __init__(self, service: TileService, joined: JoinedWork, quota: Quota, are_pages_awaited: Callable[[], bool]) -> None:
        self._service = service
        self._are_pages_awaited = are_pages_awaited
        self._joined = joined
        self.quota = quota
        self._turns = Turns(max(1, service.settings.workers // 2))
        self._numbers = count()

    async def hits(self, request: HttpRequest, document: Document, query: str, matching: Matching) -> list[SearchHit]:
        """Where a text occurs, at most SEARCH_LIMIT hits, on the pages that the reader may have. Raises QueueFull, Gone, and
        what `TileService.search` raises.
        """
        with self.quota.taken(*request.share):
            found = await self._joined.get(
                request,
                ("search", document, query, matching, request.limits.pages),
                lambda: self._search(document, query, request, matching, 0, math.inf),
            )
        return found.hits[:SEARCH_LIMIT]

    async def step(self, request: HttpRequest, document: Document, query: str, matching: Matching, start: int) -> Step:
        """Where a text occurs on the pages from `start`, from 0: all hits of the pages that it gets to within STEP_S, of one at
        least. It ends after SEARCH_LIMIT hits, with the page. Raises as `hits`.
        """
        with self.quota.taken(*request.share):
            return await self._joined.get(
                request,
                ("search", document, query, matching, request.limits.pages, start),
                lambda: self._search(document, query, request, matching, start, STEP_S),
            )

    async def _search(
        self, document: Document, query: str, request: HttpRequest, matching: Matching, start: int, budget_s: float
    ) -> Step:
        number, until_s = next(self._numbers), time.monotonic() + budget_s
        hits: list[SearchHit] = []
        for run in runs(range(start, document.page_count), request.limits.pages):
            page = run.start
            while page < run.stop:
                async with self._turns.turn(request.address, number):
                    await self._let_pages_go_first()
                    found = await asyncio.wrap_future(
                        self._service.parts.questions.search(document, query, page, run.stop, matching=matching)
                    )
                hits.extend(found.hits)
                page = found.reached
                if page < document.page_count and (len(hits) >= SEARCH_LIMIT or time.monotonic() >= until_s):
                    return Step(hits, page)
        return Step(hits, None)

    async def _let_pages_go_first(self) -> None:
        for _ in range(int(PAGES_FIRST_S / LOOK_EVERY_S)):
            if not self._are_pages_awaited():
                return
            await asyncio.sleep(LOOK_EVERY_S)


class Turns:
    """Lets so many steps run at once. Clients take turns; of one client, the search that began first goes on first."""

    def __init__(self, most: int) -> None:
        self.free = most
        self._waiting: OrderedDict[str, dict[int, asyncio.Future[None]]] = OrderedDict()

    def turn(self, client: str, number: int) -> _Turn:
        """One turn, for `async with`. number: of the search; the lower one goes first."""
        return _Turn(self, client, number)

    async def take(self, client: str, number: int) -> None:
        """Wait for a turn."""
        if self.free:
            self.free -= 1
            return
        given = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(client, {})[number] = given
        try:
            await given
        except asyncio.CancelledError:
            if given.done() and not given.cancelled():
                self.pass_on()  # the turn was given, but its search has ended meanwhile
            else:
                self._forget(client, number)
            raise

    def pass_on(self) -> None:
        """Give a turn to the client that waits longest."""
        while self._waiting:
            client, numbers = next(iter(self._waiting.items()))
            number = min(numbers)
            given = numbers[number]
            self._forget(client, number)
            if client in self._waiting:
                self._waiting.move_to_end(client)
            if not given.done():
                given.set_result(None)
                return
        self.free += 1

    def __len__(self) -> int:
        """Clients that wait for their turn."""
        return len(self._waiting)

    def _forget(self, client: str, number: int) -> None:
        numbers = self._waiting.get(client, {})
        numbers.pop(number, None)
        if not numbers:
            self._waiting.pop(client, None)


class _Turn:
    def __init__(self, turns: Turns, client: str, number: int) -> None:
        self._turns, self._client, self._number = turns, client, number

    async def __aenter__(self) -> None:
        await self._turns.take(self._client, self._number)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._turns.pass_on()
