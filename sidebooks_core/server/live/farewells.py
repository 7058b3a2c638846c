"""What a client is told when its connection ends, and the code with which its WebSocket is closed. Pure."""

from __future__ import annotations

from sidebooks_core.meeting.messages import Farewell
from sidebooks_core.server.listener import End, Listener

CODES = {
    "ended": 1000, "revoked": 4401, "protocol": 1008, "no such meeting": 4404, "restart": 1012, "full": 1013, "slow": 4408,
}  # fmt: skip
"""By the reason of the farewell. Those from 4000 on are our own; the others are of RFC 6455 and its registry."""
SPREAD_S = (1.0, 30.0)
"""All clients of a server that ends come back within a time between these."""
RETURNS_PER_S = 60.0
AFTER_FAILURE_S = 5.0


def farewell_of(listener: Listener, clients: int) -> Farewell | None:
    """None: nothing is to be said. clients: how many are sent away together."""
    has_ended = listener.seat is not None and listener.seat.has_ended()
    if listener.end is End.REVOKED and has_ended:  # a guest, whose login ends with the meeting
        return Farewell(why="ended", return_s=None)
    return farewell_at(listener.end, clients)


def farewell_at(end: End | None, clients: int) -> Farewell | None:
    """See `farewell_of`."""
    match end:
        case End.CLOSED:
            return Farewell(why="restart", return_s=round(min(max(clients / RETURNS_PER_S, SPREAD_S[0]), SPREAD_S[1]), 1))
        case End.REVOKED:
            return Farewell(why="revoked", return_s=None)
        case End.OVER:
            return Farewell(why="restart", return_s=0.0)
        case End.FAILED:
            return Farewell(why="restart", return_s=AFTER_FAILURE_S)
    return None
