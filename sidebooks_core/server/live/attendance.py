"""Writes down who comes to meetings and who goes, off the way of everything else. Belongs to the event loop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from msgspec import Struct

from sidebooks_core.errors import NoSuchMeeting, StorageError
from sidebooks_core.meeting.model import Participant
from sidebooks_core.meeting.records import Records
from sidebooks_core.server.pools import Pools

AWAY_S = 20.0
"""Whoever is back within this time, in seconds, was not away: their tablet has connected anew."""
SEEN_EVERY_S = 60.0
_log = logging.getLogger("sidebooks_core.server")


class _Stay(Struct, eq=False):
    """One time that somebody is there."""

    meeting: str
    participant: Participant
    number: int | None = None
    """Of its row; None: it is not written yet."""
    away_since_s: float | None = None
    """By the clock of the event loop. None: they are there."""


class Attendance:
    """Of all meetings that clients of this process are in."""

    def __init__(self, records: Records, pools: Pools) -> None:
        self._records = records
        self._pools = pools
        self._stays: dict[tuple[str, str], _Stay] = {}
        self._work: list[Callable[[], None]] = []
        self._writing: asyncio.Task[None] | None = None
        self._seen_s = 0.0

    def __len__(self) -> int:
        """Stays that have not ended."""
        return len(self._stays)

    def came(self, meeting: str, participant: Participant) -> None:
        """Somebody is there, by this client or another one."""
        stay = self._stays.get((meeting, participant.id))
        if stay is not None:
            stay.away_since_s = None
            return
        stay = self._stays[meeting, participant.id] = _Stay(meeting, participant)
        self._do(lambda: self._begin(stay))

    def went(self, meeting: str, participant: Participant) -> None:
        """Their last client here is gone."""
        stay = self._stays.get((meeting, participant.id))
        if stay is not None:
            stay.away_since_s = asyncio.get_running_loop().time()

    def look(self) -> None:
        """End the stays of those who are away for long, and note now and then who is there. Call it every few seconds."""
        now_s = asyncio.get_running_loop().time()
        gone = [one for one in self._stays.values() if one.away_since_s is not None and now_s - one.away_since_s >= AWAY_S]
        for stay in gone:
            del self._stays[stay.meeting, stay.participant.id]
        if gone:
            self._do(lambda: self._records.left([one.number for one in gone if one.number is not None]))
        if now_s - self._seen_s >= SEEN_EVERY_S:
            self._seen_s = now_s
            here = list(self._stays.values())
            self._do(lambda: self._records.seen([one.number for one in here if one.number is not None]))

    def close(self) -> None:
        """Nobody is there any more. It may wait for the disk."""
        stays, self._stays = list(self._stays.values()), {}
        numbers = [one.number for one in stays if one.number is not None]
        if numbers:
            try:
                self._records.left(numbers)
            except StorageError:
                _log.exception("it cannot be written down who has left; it counts as if they had left some minutes later")

    def _begin(self, stay: _Stay) -> None:
        try:
            stay.number = self._records.joined(stay.meeting, stay.participant)
        except NoSuchMeeting:
            _log.warning("the meeting %s is gone from the records", stay.meeting)

    def _do(self, work: Callable[[], None]) -> None:
        """Do something in a thread, after all that was asked for before."""
        self._work.append(work)
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write())

    async def _write(self) -> None:
        while self._work:
            work, self._work = self._work, []
            await self._pools.run("attendance", _all_of, work)


def _all_of(work: list[Callable[[], None]]) -> None:
    for one in work:
        try:
            one()
        except StorageError:
            _log.exception("who was at a meeting cannot be written down")
