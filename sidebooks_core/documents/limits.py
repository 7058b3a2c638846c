"""Limits above which a document is refused. Each limit is a setting of the same name, and the refusal names it."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import astuple


class Limits(Struct, frozen=True):
    """The limits. They cross the process border as a list of numbers."""

    document_pages: int = 100_000
    page_words: int = 500_000
    outline_items: int = 100_000
    outline_depth: int = 32
    image_pixels: int = 512 << 20
    member_bytes: int = 1 << 30

    def to_wire(self) -> list[int]:
        return list(astuple(self))

    @classmethod
    def from_wire(cls, wire: Sequence[int]) -> Limits:
        return cls(*wire)
