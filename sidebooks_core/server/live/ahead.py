"""Has pages drawn for the screens of those who follow, before they ask for them."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

from msgspec import Struct

from sidebooks_core.access.principals import Principal
from sidebooks_core.errors import SidebooksError
from sidebooks_core.images.finding import Images
from sidebooks_core.meeting.state import AgendaItem
from sidebooks_core.scheduling.queue import Priority
from sidebooks_core.server.live.meeting_access import MeetingAccess
from sidebooks_core.server.live.meeting_here import MeetingHere
from sidebooks_core.server.places import Places
from sidebooks_core.server.pools import Pools
from sidebooks_core.service import Document
from sidebooks_core.shelf.screens import MOST_PIXELS, requests_for

MOST_SCREENS = 4
"""Sizes for which pages are drawn, the commonest of a meeting first."""
NEXT_PAGES = 2
"""Of the paper that is shown, and of the next one of the agenda."""
CLIENT = "meeting"
"""Under this name the pages take turns in the queue."""
_log = logging.getLogger("sidebooks_core.server")


class Spot(Struct, frozen=True, kw_only=True):
    """Pages of a paper, from 1."""

    paper: str
    revision: int
    first: int
    last: int
    is_shown: bool = False
    """False: the presenter is about to go there, perhaps."""


class _Task(Struct, frozen=True):
    spot: Spot
    who: Principal
    sizes: tuple[tuple[int, int], ...]
    agenda: tuple[AgendaItem, ...]


class Ahead:
    """Belongs to the event loop. Of each meeting only the newest spot waits."""

    def __init__(self, images: Images, places: Places, access: MeetingAccess, pools: Pools) -> None:
        self._images = images
        self._places = places
        self._access = access
        self._pools = pools
        self._waiting: dict[str, _Task] = {}
        self._drawing: dict[str, asyncio.Task[None]] = {}

    def draw(self, here: MeetingHere, spot: Spot, who: Principal) -> None:
        """Have a spot drawn, if `who` may see it, and what comes behind it. It never waits."""
        sizes = _screens(here)
        if not sizes:
            return
        self._waiting[here.id] = _Task(spot, who, sizes, here.details.agenda)
        if here.id not in self._drawing:
            drawing = self._drawing[here.id] = asyncio.create_task(self._run(here.id))
            drawing.add_done_callback(lambda _: self._drawing.pop(here.id, None))

    async def _run(self, meeting_id: str) -> None:
        while (task := self._waiting.pop(meeting_id, None)) is not None:
            try:
                await self._pools.run("images", self._draw, task)
            except (SidebooksError, OSError) as error:
                _log.warning("a page of the meeting %s cannot be drawn ahead: %s", meeting_id, error)

    def _draw(self, task: _Task) -> None:
        spot = task.spot
        document = self._document(task.who, spot.paper, spot.revision)
        if document is None:
            return
        sizes = task.sizes if spot.first == spot.last else tuple((max(1, width // 2), height) for width, height in task.sizes)
        self._begin(document, range(spot.first - 1, spot.last), sizes, Priority.VISIBLE if spot.is_shown else Priority.PAGE)
        if not spot.is_shown:
            return
        self._begin(document, range(spot.last, spot.last + NEXT_PAGES), sizes, Priority.NEXT)
        following = _next_of(task.agenda, spot.paper)
        next_document = None if following is None else self._document(task.who, following.paper, following.revision)
        if next_document is not None:
            self._begin(next_document, range(NEXT_PAGES), sizes, Priority.PREVIEW)

    def _begin(self, document: Document, pages: range, sizes: Sequence[tuple[int, int]], priority: Priority) -> None:
        for page in pages:
            if 0 <= page < document.page_count:
                for request in requests_for(self._images, document, page, sizes):
                    self._images.find(request, priority, CLIENT)

    def _document(self, who: Principal, paper: str, revision: int) -> Document | None:
        """None: there is no such paper, or whoever shows it may not see it."""
        standings = self._places.papers.find(paper)
        if standings is None or not self._access.may_read(who, standings):
            return None
        registered = self._places.registered.find((paper, revision or standings[0].revision))
        return None if registered is None else registered.document


def _screens(here: MeetingHere) -> tuple[tuple[int, int], ...]:
    counts = Counter(one.view_px for one in here.clients() if one.view_px is not None)
    return tuple(size for size, _ in counts.most_common(MOST_SCREENS) if size[0] * size[1] <= MOST_PIXELS)


def _next_of(agenda: Sequence[AgendaItem], paper: str) -> AgendaItem | None:
    """The paper behind another one. None: there is none."""
    papers = [one for one in agenda if one.paper]
    return next((after for one, after in pairwise(papers) if one.paper == paper), None)
