"""What the server processes of one meeting tell each other, by the way in which pointers go: it may get lost."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from sidebooks_core.meeting.messages import Painted, Pong, Stroke, Tally, Whisper
from sidebooks_core.server.live.clients import Count

Passing = Pong | Painted
"""What a client says of itself. If it says so by a request of its own, another process may have its connection."""


class Counted(Struct, frozen=True, kw_only=True, tag_field="kind", tag="counted"):
    """How many clients a process has."""

    process: str
    epoch: int
    seq: int
    count: Count


class Said(Struct, frozen=True, kw_only=True, tag_field="kind", tag="said"):
    """A client said something by a request, to a process that does not have its connection."""

    participant: str
    client: str
    what: Passing


class Drawn(Struct, frozen=True, kw_only=True, tag_field="kind", tag="drawn"):
    """A piece of a stroke, for all clients but the one that sent it, as far as they may read the paper."""

    client: str
    stroke: Stroke


class Pointed(Struct, frozen=True, kw_only=True, tag_field="kind", tag="pointed"):
    """A pointer, for all clients but the one that sent it."""

    client: str
    whisper: Whisper


Passed = Pointed | Drawn | Tally | Counted | Said
_encoder = msgspec.json.Encoder(order="deterministic")
_decoder: msgspec.json.Decoder[Passed] = msgspec.json.Decoder(Passed)


def encoded(message: Passed) -> bytes:
    """As JSON."""
    return _encoder.encode(message)


def decoded(data: bytes) -> Passed | None:
    """None: it is of another version."""
    try:
        return _decoder.decode(data)
    except msgspec.DecodeError:
        return None
