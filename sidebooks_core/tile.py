"""What a reader gets: an encoded image of a part of a page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

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
    """Equal for equal pixels and encoding, on any machine; without quotes."""

    def __repr__(self) -> str:
        return f"Tile({self.media_type}, {self.width_px} x {self.height_px} px, {len(self.data)} bytes, {self.etag})"

    def pixels(self) -> NDArray[np.uint8]:
        """The decoded pixels: shape (height_px, width_px, 3), uint8, sRGB."""
        from sidebooks_core.rendering.encoding import decode  # numpy and Pillow: only for those who decode

        return decode(self.data, self.media_type)
