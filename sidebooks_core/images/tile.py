"""The tile that callers get: an encoded image of a part of a page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from sidebooks_core.encoding.tileset import PackedTile
from sidebooks_core.images.requests import Request

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Tile(Struct, frozen=True):
    """One encoded tile, or a whole page at an exact size."""

    data: bytes
    media_type: str
    """Of `data`, such as "image/png"."""
    width_px: int
    height_px: int
    etag: str
    """Equal for the same place of the same document, drawn and encoded the same way, on any machine; without quotes."""
    problems: tuple[str, ...] = ()
    """What of the page could not be drawn, in words; the same for every image of the page. Empty: it was drawn whole."""

    def __repr__(self) -> str:
        told = f", {len(self.problems)} problems" if self.problems else ""
        return f"Tile({self.media_type}, {self.width_px} x {self.height_px} px, {len(self.data)} bytes, {self.etag}{told})"

    def pixels(self) -> NDArray[np.uint8]:
        """The decoded pixels: shape (height_px, width_px, 3), uint8, sRGB."""
        from sidebooks_core.encoding.encode import decode  # numpy and Pillow: only for those who decode

        return decode(self.data, self.media_type)


def tile_of(request: Request, packed: PackedTile, etag: str) -> Tile:
    """A tile of a record. Its document remembers the problems of the page."""
    request.document.problems.learn(request.page, packed.problems)
    return Tile(packed.data, packed.media_type, packed.width_px, packed.height_px, etag, packed.problems)
