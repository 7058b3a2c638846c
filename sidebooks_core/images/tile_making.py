"""From what a record holds to the tile that a reader gets; its document remembers what could not be drawn."""

from __future__ import annotations

from collections.abc import Callable

from sidebooks_core.documents.document import Document
from sidebooks_core.encoding.tileset import PackedTile
from sidebooks_core.images.tile import Tile


def tile_of(document: Document, page: int, packed: PackedTile, etag: str | Callable[[], str]) -> Tile:
    """A tile of a page. etag: of it, or what finds it out."""
    document.problems.learn(page, packed.problems)
    return Tile(packed.data, packed.media_type, packed.width_px, packed.height_px, etag, packed.problems)
