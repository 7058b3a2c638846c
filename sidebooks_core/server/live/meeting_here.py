"""One meeting, as far as clients of this process are in it: who is there, and what they are told."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from itertools import islice

from sidebooks_core.access.principals import Principal
from sidebooks_core.meeting.messages import Painted, Ping, Pong, Tally
from sidebooks_core.meeting.messages import encoded as message_json
from sidebooks_core.meeting.model import Meeting, Participant
from sidebooks_core.meeting.rights import Standing
from sidebooks_core.meeting.state import Position, State
from sidebooks_core.server.listener import wake
from sidebooks_core.server.live import between
from sidebooks_core.server.live.between import Counted, Drawn, Passing, Pointed, Said
from sidebooks_core.server.live.clients import Client, Count, Speaker, counted, progress_of
from sidebooks_core.server.live.outbox import Slot

PROGRESS_EVERY_S = 0.25
"""The presenter and the chairs are told no more often how many are there."""
TOLD_AT_ONCE = 512
"""Clients that are told a new state in one go, in about 30 ms. Between two groups others have their turn, and so has what those
answer who were told first: with smaller groups the last is told later."""
LONGEST_REST_S = 0.1
"""Between two states that are told, if telling takes long."""
OTHERS_LAST_S = 15.0
"""What another process said of its clients counts so long."""
Reads = Callable[[str, int], Callable[[Principal], bool] | None]
"""Tells who may read a page of a paper, by its id and from 1. None: that is not known without waiting. In the event loop."""
_log = logging.getLogger("sidebooks_core.server")


class MeetingHere:
    """A listener of the hub: `told` and `whispered` are called from its threads. All else belongs to the event loop."""

    def __init__(self, meeting: Meeting, process: str, share: Callable[[Counted], None] | None, reads: Reads) -> None:
        """process: the name of this server process among those of the hub. share: tells the others how many clients are here.
        None: there are no others. reads: who may read a page.
        """
        self.id = meeting.state.meeting
        self.state = meeting.state
        """The newest that is known here."""
        self.details = meeting.details
        """Perhaps older ones: see `has_details`."""
        self._process = process
        self._share = share
        self._reads = reads
        self._shared: Counted | None = None
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Lock()
        self._clients: dict[tuple[str, str], Client] = {}
        self._others: dict[str, tuple[float, Counted]] = {}
        self._told = meeting.state.position
        """Of the state that was told last."""
        self._is_telling = False
        self._progress_s = 0.0
        self._progress_timer: asyncio.TimerHandle | None = None

    # Who is there

    def clients(self) -> tuple[Client, ...]:
        with self._lock:
            return tuple(self._clients.values())

    def find(self, speaker: Speaker) -> Client | None:
        return self._clients.get(speaker.key)

    def add(self, client: Client) -> Client | None:
        """Somebody comes. Returns the connection that the same client had before; it is not in the meeting any more."""
        with self._lock:
            before = self._clients.get(client.speaker.key)
            self._clients[client.speaker.key] = client
        self.progress_soon()
        return before

    def remove(self, client: Client) -> bool:
        """Somebody goes. False: they were not here, or have come back by another connection."""
        with self._lock:
            if self._clients.get(client.speaker.key) is not client:
                return False
            del self._clients[client.speaker.key]
        self.progress_soon()
        return True

    def people(self) -> dict[str, Participant]:
        """Who is in the meeting by a client of this process, projectors not counted."""
        return {one.speaker.participant.id: one.speaker.participant for one in self.clients() if not one.is_projector}

    # What the hub says, from any thread

    def told(self, state: State) -> None:
        with self._lock:
            if state.position <= self.state.position:
                return
            self.state = state
        self._in_loop(self._tell_soon)

    def whispered(self, data: bytes) -> None:
        match between.decoded(data):
            case Pointed() as pointed:
                said, shown = pointed.whisper, message_json(pointed.whisper)
                woken = [one for one in self.clients() if one.speaker.key != (said.by, pointed.client)]
                for client in woken:
                    client.outbox.whisper(said, shown)
                wake([one.listener for one in woken])
            case Drawn() as drawn:
                self._in_loop(self._draw, drawn)
            case Tally():
                self._put_for_chairs("tally", data)
            case Counted() as count if count.process != self._process:
                self._in_loop(self._count_others, count)
            case Said() as said_elsewhere:
                self._in_loop(self._hear_elsewhere, said_elsewhere)

    # What clients say of themselves

    def hear(self, client: Client, what: Passing) -> None:
        """Where a client is."""
        position: Position = min((what.epoch, what.seq), self.state.position)
        client.have = max(client.have, position)
        match what:
            case Painted():
                client.painted = max(client.painted, position)
            case Pong():
                client.is_following = what.is_following
                client.pongs = max(client.pongs, what.count)
        self.progress_soon()

    def progress_soon(self) -> None:
        """Tell how many are there, unless it was told a moment ago: then a little later."""
        if self._progress_timer is None:
            wait_s = max(0.0, self._progress_s + PROGRESS_EVERY_S - self._loop.time())
            self._progress_timer = self._loop.call_later(wait_s, self._tell_progress)

    def count(self) -> Count:
        """Of the clients of this process."""
        return counted(self.clients(), self.state.position)

    # What they are told

    def ping(self, clients: Iterable[Client], *, is_sure: bool) -> None:
        """Say where the meeting is."""
        epoch, seq = self.state.position
        for client in clients:
            ping = Ping(epoch=epoch, seq=seq, is_sure=is_sure, heard=client.pongs)
            client.outbox.put("ping", message_json(ping))
            client.wake()

    def tell_tally(self, meeting: Meeting) -> Tally | None:
        """Tell the chairs of this process how many have voted. None: no vote is open."""
        vote = meeting.vote
        if vote is None or vote.stage != "open":
            return None
        tally = Tally(vote=vote.number, voted=len(vote.voted), in_room=len(vote.roll.present - vote.left))
        self._put_for_chairs("tally", message_json(tally))
        return tally

    # Who may do what, as far as it is known here

    def has_details(self) -> bool:
        """Whether the details are those of the present state."""
        return (self.details.epoch, self.details.seq) == (self.state.epoch, self.state.details)

    def learn(self, meeting: Meeting) -> None:
        """What was read of the hub."""
        if (meeting.details.epoch, meeting.details.seq) > (self.details.epoch, self.details.seq):
            self.details = meeting.details
        self.told(meeting.state)

    def standings(self, participant: str) -> frozenset[Standing]:
        """What somebody is: their role, and the presenter."""
        role: Standing = self.details.roles.get(participant, "viewer")
        return frozenset({role, "presenter"}) if participant == self.state.presenter else frozenset({role})

    def _tell_soon(self) -> None:
        """Tell the newest state. Telling rests as long as it took: with many clients, fewer states are told while a page is
        dragged, and others have half of the time."""
        if not self._is_telling and self.state.position > self._told:
            state = self.state
            self._is_telling, self._told = True, state.position
            self._tell_state(state.position, message_json(state), iter(self.clients()), 0.0)

    def _tell_state(self, position: Position, data: bytes, left: Iterator[Client], took_s: float) -> None:
        """Tell those who are left, group by group. took_s: for the groups before."""
        began_s = self._loop.time()
        some = list(islice(left, TOLD_AT_ONCE))
        for client in some:
            try:
                client.tell_state(position, data)
            except Exception:  # noqa: BLE001 - an application's own policy is asked; the others are told all the same
                _log.exception("a client of the meeting %s cannot be told at once", self.id)
                client.wake()
        took_s += self._loop.time() - began_s
        if len(some) == TOLD_AT_ONCE:
            self._loop.call_soon(self._tell_state, position, data, left, took_s)
        else:
            self._loop.call_later(min(took_s, LONGEST_REST_S), self._rested)
            self.progress_soon()

    def _rested(self) -> None:
        self._is_telling = False
        self._tell_soon()

    def _tell_progress(self) -> None:
        self._progress_timer = None
        self._progress_s = now_s = self._loop.time()
        self._others = {name: kept for name, kept in self._others.items() if now_s - kept[0] < OTHERS_LAST_S}
        position = self.state.position
        elsewhere, own = [kept for _, kept in self._others.values()], self.count()
        self._tell_others(own)
        # A process that counts for an older state cannot know who has painted this one: all of its clients are behind.
        counts = [
            one.count if (one.epoch, one.seq) == position
            else Count(here=one.count.here, following=one.count.following, painted=0, behind=one.count.here)
            for one in elsewhere
        ]  # fmt: skip
        data = message_json(progress_of(position, [own, *counts]))
        for client in self.clients():
            if client.progress != data and self.standings(client.speaker.participant.id) & {"chair", "presenter"}:
                client.progress = data
                client.outbox.put("progress", data)
                client.wake()

    def repeat_count(self) -> None:
        """Tell the other processes again how many are here: what they are told may get lost."""
        self._shared = None
        self._tell_others(self.count())

    def _tell_others(self, own: Count) -> None:
        epoch, seq = self.state.position
        counted = Counted(process=self._process, epoch=epoch, seq=seq, count=own)
        if self._share is not None and counted != self._shared:
            self._shared = counted
            self._share(counted)

    def _put_for_chairs(self, slot: Slot, data: bytes) -> None:
        woken = [one for one in self.clients() if "chair" in self.standings(one.speaker.participant.id)]
        for client in woken:
            client.outbox.put(slot, data)
        wake([one.listener for one in woken])

    def _draw(self, drawn: Drawn) -> None:
        """Tell a piece of a stroke to those who may read the page: what is written on it is as secret as what stands there."""
        may_read = self._reads(drawn.stroke.paper, drawn.stroke.page)
        if may_read is None:
            return
        data, sender = message_json(drawn.stroke), (drawn.stroke.by, drawn.client)
        for client in self.clients():
            if client.speaker.key != sender and may_read(client.speaker.principal):
                client.outbox.stroke(data)
                client.wake()

    def _count_others(self, count: Counted) -> None:
        self._others[count.process] = self._loop.time(), count
        self.progress_soon()

    def _hear_elsewhere(self, said: Said) -> None:
        client = self._clients.get((said.participant, said.client))
        if client is not None:
            client.heard_s = self._loop.time()
            self.hear(client, said.what)

    def _in_loop(self, call: object, *arguments: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile: nobody listens
            self._loop.call_soon_threadsafe(call, *arguments)  # type: ignore[arg-type]
