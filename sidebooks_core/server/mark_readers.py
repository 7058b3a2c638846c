"""Who somebody is among those who see the marks of a paper: in which meetings they are, and which folders they tend."""

from __future__ import annotations

from collections.abc import Collection

from sidebooks_core.access import Access
from sidebooks_core.access.operations import Operation
from sidebooks_core.access.policy import Limits
from sidebooks_core.access.principals import Principal
from sidebooks_core.errors import RequestError
from sidebooks_core.marks.store import anybody
from sidebooks_core.marks.visibility import MarkReader, is_for
from sidebooks_core.meeting.ids import participant_id
from sidebooks_core.server.gate import Gate
from sidebooks_core.server.live.connection import Live
from sidebooks_core.server.mark_events import Touched
from sidebooks_core.server.places import Places, Standings


class AccountReaders:
    """Tells the store of marks who may not read a paper any more, so that it waits for none of their devices. Thread-safe.

    `close()` it before what it asks.
    """

    def __init__(self, access: Access, gate: Gate, places: Places) -> None:
        self._access = access
        self._gate = gate
        self._places = places
        places.shelf.mark_store.may_read = self.may_read

    def close(self) -> None:
        """Tell nothing more. Safe to call again."""
        self._places.shelf.mark_store.may_read = anybody

    def may_read(self, paper_id: str, reader: str) -> bool:
        """Whether somebody may read a paper and keep marks on it, for all that is known: True for who has no account here.

        It may wait for databases. Raises StorageError.
        """
        try:
            person = self._access.person(reader)
        except RequestError:
            return True
        standings = self._places.papers.find(paper_id)
        if person.is_disabled or standings is None:
            return not person.is_disabled
        who = Principal(person.id, person.shown_name, person.role, person.groups)
        return self._gate.sees(who, Operation.KEEP_MARKS, standings)


class MarkReaders:
    """Thread-safe. `of` may wait for the database of meetings."""

    def __init__(self, gate: Gate, live: Live | None) -> None:
        """live: None: there are no meetings."""
        self._gate = gate
        self._live = live

    def of(self, principal: Principal, standings: Standings, meetings: Collection[str], limits: Limits) -> MarkReader:
        """Somebody who may read a paper that stands there, with limits. meetings: those that are asked about. Raises
        StorageError.

        Whoever was in a meeting sees what was shared with it also after its end, and its chair what was collected.
        """
        tends = self._gate.sees(principal, Operation.CHANGE_PAPER, standings)
        wanted = [one for one in meetings if one and principal.meeting in ("", one)]
        if self._live is None or not principal.id or not wanted:
            return MarkReader(principal.id, tends, pages=limits.pages)
        part = self._live.meetings.records.part_in(principal.id, wanted)
        here = {one for one in wanted if self._is_here(principal, one)}
        return MarkReader(principal.id, tends, part.meetings | here, part.chairs, limits.pages)

    def concerns(self, principal: Principal, standings: Standings, touched: Touched) -> bool:
        """Whether somebody may see something of the marks of a paper that have changed. The paper stands there. Raises
        StorageError."""
        limits = self._gate.limits_of(principal, Operation.KEEP_MARKS, standings)
        if not principal.id or limits is None:
            return False
        if principal.id in touched.owners:
            return True
        reader = self.of(principal, standings, {meeting for (_, meeting), _ in touched.audiences}, limits)
        return any(reader.has_page(page) and is_for(audience, reader) for audience, page in touched.audiences)

    def _is_here(self, principal: Principal, meeting: str) -> bool:
        """Whether they are in a meeting by a client of this process: that may not be written down yet."""
        here = None if self._live is None else self._live.here.find(meeting)
        return here is not None and participant_id(meeting, principal.id) in here.people()
