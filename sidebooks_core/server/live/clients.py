"""Clients of a meeting, and how many of them are where."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from sidebooks_core.access.principals import Principal
from sidebooks_core.meeting.messages import Farewell, Progress
from sidebooks_core.meeting.model import Participant
from sidebooks_core.meeting.state import Position
from sidebooks_core.server.listener import Listener
from sidebooks_core.server.live.outbox import Outbox


class Speaker(Struct, frozen=True, kw_only=True):
    """Who says something in a meeting, and by which client."""

    meeting: str
    participant: Participant
    client: str
    """Its id, as the client says it."""
    principal: Principal
    address: str
    """For the audit."""

    @property
    def key(self) -> tuple[str, str]:
        """Names the client among those of a meeting."""
        return self.participant.id, self.client


class Client(Struct, eq=False, kw_only=True):
    """One connection that is in a meeting. Belongs to the event loop, but for its outbox."""

    speaker: Speaker
    listener: Listener
    outbox: Outbox
    is_projector: bool = False
    view_px: tuple[int, int] | None = None
    """Width and height of its screen; None: it did not say."""
    have: Position = (-1, -1)
    """Of the newest state that it is known to have."""
    painted: Position = (-1, -1)
    """Of the newest state that is on its screen."""
    is_following: bool = False
    pongs: int = 0
    """The count of its newest pong."""
    progress: bytes = b""
    """What it was told last of how many are there."""
    heard_s: float = 0.0
    """When it said something last, by the clock of the event loop."""

    def tell_state(self, position: Position, data: bytes) -> None:
        """Tell the present state, at once if nothing else waits. data: the state as JSON. In the event loop."""
        if not self.outbox.tell_state(position, data):
            return
        if self.listener.tell_now(data):
            self.outbox.state_was_sent(position)
        else:
            self.wake()

    def wake(self) -> None:
        """Let what was put into the outbox be sent. In the event loop."""
        self.listener.wake()

    def leave(self, farewell: Farewell) -> None:
        """Say farewell, and end the connection."""
        self.outbox.end(farewell)
        self.wake()


class Count(Struct, frozen=True, kw_only=True):
    """How many clients of one process are where. Projectors are not counted."""

    here: int
    following: int
    painted: int
    behind: int


def silent(clients: Iterable[Client], now_s: float, longest_s: float) -> list[Client]:
    """Those that have said nothing for longer. now_s: by the clock of the event loop."""
    return [one for one in clients if now_s - one.heard_s > longest_s]


def counted(clients: Iterable[Client], position: Position) -> Count:
    """position: of the present state."""
    present = [one for one in clients if not one.is_projector]
    return Count(
        here=len(present),
        following=sum(one.is_following for one in present),
        painted=sum(one.painted >= position for one in present),
        behind=sum(one.have < position for one in present),
    )


def progress_of(position: Position, counts: Iterable[Count]) -> Progress:
    """Of all processes together."""
    counts = tuple(counts)
    return Progress(
        epoch=position[0],
        seq=position[1],
        here=sum(one.here for one in counts),
        following=sum(one.following for one in counts),
        painted=sum(one.painted for one in counts),
        behind=sum(one.behind for one in counts),
    )
