"""What the caches keep: bytes, and what is needed to weigh and to find them."""

from __future__ import annotations

from msgspec import Struct


class Record(Struct, frozen=True, weakref=True):
    """Bytes under a key."""

    data: bytes
    tag: str
    """Whom it belongs to: `purge` removes all records of a tag."""
    cost_s: float
    """What it takes to make again, in seconds."""
    is_preview: bool = False
    """Kept in a part of the memory that other records cannot take."""
