"""Limits above which a document is refused. Each limit is a setting of the same name, and the refusal names it."""

from __future__ import annotations

from msgspec import Struct

MOST_PROBLEMS = 16
"""Most problems of one page: more than there are kinds."""
LETTERING_SIDE_PX = 4096
"""The longest side of text that a worker draws for the host."""


class Limits(Struct, frozen=True):
    """Counts, except for `member_bytes`."""

    document_pages: int = 100_000
    page_words: int = 500_000
    outline_items: int = 100_000
    outline_depth: int = 32
    image_pixels: int = 512 << 20
    member_bytes: int = 1 << 30


METADATA_CHARS = 10_000
"""Most characters of a title, an author and the like."""
