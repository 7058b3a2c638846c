"""What a worker answers, one type for each kind of work. The host reads nothing else (`replies.py`).

To add a field to an answer, add it here or in `documents/model.py`, and have `worker/desk.py` fill it.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from sidebooks_core.documents.model import PageInspection, SearchHit

MESSAGE_CHARS = 4000
"""Of an error."""
MOST_S = 1e6
"""Time that anything takes, in seconds."""

Seconds = Annotated[float, Meta(ge=0, le=MOST_S)]
ContentId = Annotated[str, Meta(pattern="^[0-9a-f]{32}$", max_length=32)]


class Greeting(Struct, frozen=True, forbid_unknown_fields=True):
    """What a worker says first."""

    ready: Literal[True]
    unconfined: Annotated[tuple[str, ...], Meta(max_length=16)]
    """What it could not give up, in words."""


class ErrorTold(Struct, frozen=True, forbid_unknown_fields=True):
    """An error of ours, by the name of its class."""

    name: Annotated[str, Meta(max_length=64)]
    message: Annotated[str, Meta(max_length=MESSAGE_CHARS)]
    page: Annotated[int, Meta(ge=0)] | None


class Drawn(Struct, frozen=True, forbid_unknown_fields=True):
    """A raster: its record, and what drawing and encoding took, in seconds."""

    record: bytes
    draw_s: Seconds
    encode_s: Seconds


class Searched(Struct, frozen=True, forbid_unknown_fields=True):
    """Hits on the pages up to `reached` (excluded, from 0)."""

    hits: tuple[SearchHit, ...]
    reached: int


class Inspected(Struct, frozen=True, forbid_unknown_fields=True):
    """What is notable of a page, and what drawing it took, in seconds."""

    page: PageInspection
    draw_s: Seconds
