"""What a reader gets: an encoded image of a part of a page."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Tile(Struct, frozen=True, eq=False):
    """One encoded tile, or a whole page at an exact size."""

    data: bytes
    media_type: str
    """Of `data`, such as "image/png"."""
    width_px: int
    height_px: int
    _etag: str | Callable[[], str]
    """A page that is shown before it is identified finds out when it is asked."""
    problems: tuple[str, ...] = ()
    """What of the page could not be drawn, in words; the same for every image of the page. Empty: it was drawn whole."""

    @property
    def etag(self) -> str:
        """Equal for equal pixels and encoding, on any machine; without quotes.

        A page that a reader shows the moment it is drawn may not be identified yet: then this waits for it, some milliseconds,
        and raises RenderFailed or ServiceClosed where that cannot be done.
        """
        return self._etag if isinstance(self._etag, str) else self._etag()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Tile):
            return NotImplemented
        return self._shape == other._shape and self.data == other.data and self.etag == other.etag

    def __hash__(self) -> int:
        return hash((self._shape, self.data))

    def __reduce__(self) -> tuple[type[Tile], tuple[bytes, str, int, int, str, tuple[str, ...]]]:
        return Tile, (self.data, self.media_type, self.width_px, self.height_px, self.etag, self.problems)

    @property
    def _shape(self) -> tuple[str, int, int]:
        return self.media_type, self.width_px, self.height_px

    def __repr__(self) -> str:
        etag = self._etag if isinstance(self._etag, str) else "not identified yet"
        told = f", {len(self.problems)} problems" if self.problems else ""
        return f"Tile({self.media_type}, {self.width_px} x {self.height_px} px, {len(self.data)} bytes, {etag}{told})"

    def pixels(self) -> NDArray[np.uint8]:
        """The decoded pixels: shape (height_px, width_px, 3), uint8, sRGB."""
        from sidebooks_core.encoding.encode import decode  # numpy and Pillow: only for those who decode

        return decode(self.data, self.media_type)
