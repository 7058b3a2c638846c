"""What meetings ask of access: who may be in them, which papers somebody may show, and guests who leave at the end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection

from msgspec.structs import replace

from sidebooks_core.access import Access
from sidebooks_core.access.operations import Operation
from sidebooks_core.access.principals import Principal
from sidebooks_core.errors import StorageFailed
from sidebooks_core.meeting.state import Details
from sidebooks_core.server.gate import Gate
from sidebooks_core.server.places import Memory, Places, Standings
from sidebooks_core.server.pools import Pools

CLOSED = "—"
"""In place of the name of a paper that somebody may not read."""
_log = logging.getLogger("sidebooks_core.server")


class MeetingAccess:
    """Belongs to the event loop."""

    def __init__(self, gate: Gate, places: Places, pools: Pools, access: Access | None) -> None:
        """access: None: there are no guests, and no audit."""
        self._gate = gate
        self._places = places
        self._pools = pools
        self._access = access

    async def may_join(self, principal: Principal, meeting_id: str) -> bool:
        """Whether somebody may be in a meeting. False also if there is none."""
        if principal.meeting not in ("", meeting_id):
            return False
        return await self._sees(principal, Operation.MEET, self._places.meetings, meeting_id)

    def place_of(self, meeting_id: str) -> Standings | None:
        """Where the folder of a meeting stands: another object after each change. None: that is not known without waiting."""
        return self._places.meetings.known(meeting_id)

    def may_join_in(self, principal: Principal, meeting_id: str, place: Standings) -> bool:
        """Whether somebody may be in a meeting whose folder stands there. It never waits."""
        return principal.meeting in ("", meeting_id) and self._gate.sees(principal, Operation.MEET, place)

    async def may_read_all(self, principal: Principal, papers: Collection[str]) -> bool:
        """Whether somebody may read all of some papers."""
        for paper_id in papers:
            if not await self._sees(principal, Operation.READ_IMAGE, self._places.papers, paper_id):
                return False
        return True

    def may_read(self, principal: Principal, standings: Standings) -> bool:
        """Whether somebody may read a paper that stands there. From any thread."""
        return self._gate.sees(principal, Operation.READ_IMAGE, standings)

    async def may_read_page(self, principal: Principal, paper_id: str, page: int) -> bool:
        """Whether somebody may read a page of a paper, from 1."""
        places = self._places.papers
        known = places.known(paper_id)
        if known is not None and self._has_page(principal, known, page):
            return True
        found = await self._anew(places, paper_id, known)
        return found is not None and self._has_page(principal, found, page)

    def readers_of(self, paper_id: str, page: int) -> Callable[[Principal], bool] | None:
        """Tells who may read a page of a paper now, from 1. None: where the paper stands is not known; it is read for the next
        one who asks."""
        standings = self._places.papers.known(paper_id)
        if standings is None:
            looking = asyncio.ensure_future(self._pools.run("access", self._places.papers.find, paper_id))
            looking.add_done_callback(_log_failure)
            return None
        return lambda principal: self._has_page(principal, standings, page)

    async def seen_by(self, principal: Principal, details: Details) -> Details:
        """The details of a meeting with the names of those papers that somebody may read; of others there is `CLOSED`."""
        papers, places = {one.paper for one in details.agenda if one.paper}, self._places.papers
        found = {one: places.known(one) for one in papers}
        unknown = [one for one, standings in found.items() if standings is None]
        if unknown:
            found |= await self._pools.run("access", lambda: {one: places.find(one) for one in unknown})
        closed = {one for one, standings in found.items() if standings is None or not self.may_read(principal, standings)}
        if not closed:
            return details
        return replace(
            details, agenda=tuple(replace(one, name=CLOSED) if one.paper in closed else one for one in details.agenda)
        )

    def audit(self, operation: Operation, who: Principal, address: str, detail: str) -> None:
        """Have the audit say it. It never waits."""
        if self._access is not None:
            try:
                self._access.audit(operation, who=who, address=address, detail=detail)
            except StorageFailed:
                _log.exception("the audit does not have what was done: %s", detail)

    async def close(self, meeting_id: str) -> None:
        """A meeting has ended: so have the logins of its guests. Raises StorageFailed."""
        if self._access is not None:
            await self._pools.run("logins", self._access.end_links_of_meeting, meeting_id)

    async def _sees(self, principal: Principal, operation: Operation, memory: Memory[str, Standings], name: str) -> bool:
        known = memory.known(name)
        if known is not None and self._gate.sees(principal, operation, known):
            return True
        found = await self._anew(memory, name, known)
        return found is not None and self._gate.sees(principal, operation, found)

    async def _anew(self, memory: Memory[str, Standings], name: str, known: Standings | None) -> Standings | None:
        """Before a refusal it is read anew: another process may have put it there."""
        return await self._pools.run("access", memory.find_anew if known is not None else memory.find, name)

    def _has_page(self, principal: Principal, standings: Standings, page: int) -> bool:
        limits = self._gate.limits_of(principal, Operation.READ_IMAGE, standings)
        return limits is not None and limits.has_page(page - 1)


def _log_failure(looking: asyncio.Future[Standings | None]) -> None:
    if not looking.cancelled() and looking.exception() is not None:
        _log.error("where a paper stands cannot be read, and a stroke on it is not shown: %s", looking.exception())
