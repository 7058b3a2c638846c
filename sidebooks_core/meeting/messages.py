"""The protocol of a meeting, version 1: what a client and the server say to each other. Pure values, JSON on the wire.

Each message is one JSON object whose `kind` says which. Unknown fields are ignored. The server refuses unknown kinds; a client
ignores them.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import replace

from sidebooks_core.errors import RequestError
from sidebooks_core.meeting.commands import AnyCommand
from sidebooks_core.meeting.state import Count, Details, Id, NoId, PageNumber, Points, Share, State, Text
from sidebooks_core.meeting.votes import VoteFault

PROTOCOL = 1
"""The version. A client of another one is refused."""
MOST_MESSAGE_BYTES = 256 * 1024
"""Of what a client sends."""
MOST_WHISPER_BYTES = 4096
STROKE_S = 30.0
"""What is drawn of a stroke of which nothing more comes vanishes after this time, in seconds."""

Why = Literal[
    VoteFault,
    "overtaken",
    "replayed",
    "restored",
    "forbidden",
    "ended",
    "another paper",
    "no such person",
    "last chair",
    "is presenter",
    "too many",
    "no such vote",
    "another vote",
    "wrong place",
]
"""Why a command was refused. overtaken: the epoch is another one by now, and the state says who presents. replayed: the
command, or a later one of the same client, was done already. restored: the meeting was restored after the epoch that the client
knew, so nobody knows whether the command was done; give it anew. The others say what they are about."""


# From a client ---------------------------------------------------------------------------------------------------------------


class Hello(Struct, frozen=True, kw_only=True, tag_field="kind", tag="hello"):
    """The first message. The answer is a welcome, the state, and the details."""

    protocol: int
    meeting: Id
    client: Id
    """Made anew by each page that is loaded. It names a client among those of one participant."""
    is_projector: bool = False
    """A screen that shows the presenter's page and nothing else. It is not counted among those present."""


class Ask(Struct, frozen=True, kw_only=True, tag_field="kind", tag="ask"):
    """Asks for the present state or details. Exactly one comes."""

    what: Literal["state", "details"]


class Pong(Struct, frozen=True, kw_only=True, tag_field="kind", tag="pong"):
    """Answers a ping: the position that the client has."""

    epoch: Count
    seq: Count
    is_following: bool
    count: Count = 0
    """Grows with each pong of the client, for `Ping.heard`."""


class Painted(Struct, frozen=True, kw_only=True, tag_field="kind", tag="painted"):
    """The page of this state is on the screen."""

    epoch: Count
    seq: Count
    is_sharp: bool = True


class Intent(Struct, frozen=True, kw_only=True, tag_field="kind", tag="intent"):
    """The presenter is about to go there: it can be drawn. It may get lost."""

    paper: Id
    revision: Count
    page: PageNumber


class Whisper(Struct, frozen=True, kw_only=True, tag_field="kind", tag="whisper"):
    """A pointer. It may get lost, and is not stored; the newest counts."""

    by: NoId = ""
    """The participant. The server puts it in."""
    count: Count
    """Grows with each whisper of the client."""
    paper: Id
    page: PageNumber
    tool: Literal["pointer", "away"]
    """away: the pointer is gone."""
    points_pt: Annotated[tuple[tuple[Points, Points], ...], Meta(max_length=128)] = ()


class Stroke(Struct, frozen=True, kw_only=True, tag_field="kind", tag="stroke"):
    """A piece of a stroke of the pen while it is drawn, for those who may read the page. It may get lost, and is not stored.

    A client sends it of marks only that it shares with the meeting. What is drawn of it vanishes when the mark is there, when
    the stroke is gone, or when nothing has come of it for `STROKE_S`.
    """

    by: NoId = ""
    """The participant. The server puts it in."""
    mark: Annotated[str, Meta(pattern=r"^[0-9a-f-]{36}\Z")]
    """The id of the mark that the stroke becomes."""
    paper: Id
    revision: Count
    page: PageNumber
    colour: Annotated[str, Meta(pattern=r"^#[0-9a-f]{6}\Z")]
    width_pt: Annotated[float, Meta(gt=0, le=200)]
    """At a pressure of 0.5."""
    opacity: Share = 1.0
    first: Annotated[int, Meta(ge=0, le=20_000)]
    """How many samples of the stroke came before these. Pieces may overlap, so that one that is lost leaves no gap."""
    samples_pt: Annotated[tuple[tuple[Points, Points, Share], ...], Meta(max_length=64)] = ()
    """(x, y, pressure)."""
    end: Literal["", "kept", "gone"] = ""
    """kept: the pen was lifted, and the mark will come. gone: it will not."""


# From the server -------------------------------------------------------------------------------------------------------------


class Welcome(Struct, frozen=True, kw_only=True, tag_field="kind", tag="welcome"):
    """Answers a hello."""

    protocol: int
    meeting: Id
    participant: Id
    """Whose client this is. Two devices of one person are one participant."""
    name: Text
    ping_s: float
    """A ping comes so often at least. A client that hears neither a ping nor a state for twice as long connects anew, whatever
    else arrives."""


class Ping(Struct, frozen=True, kw_only=True, tag_field="kind", tag="ping"):
    """The position of the present state, so that a client that is behind knows it."""

    epoch: Count
    seq: Count
    is_sure: bool
    """False: the server cannot tell at present whether it has the newest state."""
    heard: Count | None = None
    """The count of the newest pong that had come from this client by this connection; 0: none. So the client knows that the
    ping is no older than that pong, however long a network held it back. null: the server does not say it."""


class Done(Struct, frozen=True, kw_only=True, tag_field="kind", tag="done"):
    """A command was done."""

    id: Id
    epoch: Count
    seq: Count
    """The position that it led to."""


class Refused(Struct, frozen=True, kw_only=True, tag_field="kind", tag="refused"):
    """A command was not done."""

    id: Id
    why: Why
    state: State
    """The present one."""
    winner: Text
    """The presenter's name."""


class Progress(Struct, frozen=True, kw_only=True, tag_field="kind", tag="progress"):
    """How many are there. For the presenter and the chair."""

    epoch: Count
    seq: Count
    here: Count
    """Clients that are connected, projectors not counted."""
    following: Count
    painted: Count
    """Have the page of this position on the screen."""
    behind: Count
    """Have an older state."""


class Tally(Struct, frozen=True, kw_only=True, tag_field="kind", tag="tally"):
    """How many have voted. For the chair."""

    vote: Count
    voted: Count
    in_room: Count


class Farewell(Struct, frozen=True, kw_only=True, tag_field="kind", tag="farewell"):
    """The server ends the connection."""

    why: Literal["ended", "revoked", "protocol", "no such meeting", "restart", "full", "slow"]
    """ended: the meeting is over. revoked: a login ended, or rights have changed. protocol: a message makes no sense, or is of
    another version. no such meeting: none, or none for this client. restart: the server ends, something failed, or the
    connection has lasted for long. full: too many come at once, or the hub is missing. slow: the client takes nothing, says
    nothing, or has come again by another connection."""
    return_s: float | None
    """Come back after a random part of this time, in seconds. None: do not."""


ClientMessage = Hello | Ask | Pong | Painted | Intent | Whisper | Stroke | AnyCommand
ServerMessage = Welcome | State | Details | Done | Refused | Ping | Progress | Tally | Whisper | Stroke | Farewell

_encoder = msgspec.json.Encoder(order="deterministic")
_from_client = msgspec.json.Decoder(ClientMessage)
_from_server = msgspec.json.Decoder(ServerMessage)


def encoded(message: ClientMessage | ServerMessage) -> bytes:
    """As JSON. Sets are sorted."""
    return _encoder.encode(message)


def rounded(stroke: Stroke) -> Stroke:
    """With as many digits as a screen can show: so the longest piece has less than `MOST_WHISPER_BYTES`."""
    samples = tuple((round(x, 2), round(y, 2), round(pressure, 3)) for x, y, pressure in stroke.samples_pt)
    return replace(stroke, samples_pt=samples, width_pt=round(stroke.width_pt, 2), opacity=round(stroke.opacity, 3))


def from_client(data: bytes | str) -> ClientMessage:
    """What a client says. Raises RequestError for anything else."""
    if len(data) > MOST_MESSAGE_BYTES:
        raise RequestError(f"a message has at most {MOST_MESSAGE_BYTES} bytes, not {len(data)}")
    try:
        return _from_client.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as fault:
        raise RequestError(f"this is no message of the meeting's protocol: {fault}") from fault


def from_server(data: bytes | str) -> ServerMessage:
    """What the server says. Raises RequestError for anything else."""
    try:
        return _from_server.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as fault:
        raise RequestError(f"this is no message of the meeting's protocol: {fault}") from fault
