"""The tile that callers get: an encoded image of a part of a page."""

from __future__ import annotations

import os
from base64 import b64encode
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from msgspec import Struct

from sidebooks_core.encoding.formats import BY_ENDING, BY_MEDIA_TYPE, OTHER_ENDINGS, PNG
from sidebooks_core.encoding.tileset import PackedTile
from sidebooks_core.errors import RequestError
from sidebooks_core.images.requests import Request

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import DTypeLike, NDArray

    from sidebooks_core.encoding.encode import PillowImage

SHOWN_BY_NOTEBOOKS = ("image/png", "image/jpeg")
"""All notebooks show these."""


class Tile(Struct, frozen=True):
    """One encoded tile, or a whole page at an exact size.

    `bytes(tile)` is its data, and `numpy.asarray(tile)` its pixels. A notebook shows it.
    """

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

    def image(self) -> PillowImage:
        """The decoded image for Pillow: mode RGB."""
        from sidebooks_core.encoding.encode import pillow_image

        return pillow_image(self.data, self.media_type)

    @property
    def extension(self) -> str:
        """The ending of a file's name for `media_type`, such as ".png"."""
        return f".{BY_MEDIA_TYPE[self.media_type].ending}"

    def save(self, target: str | os.PathLike[str] | BinaryIO) -> None:
        """Write the data as it is into a file, which is replaced if it is there, or a binary file object.

        Raises RequestError if the name ends as that of another kind of image, and OSError.
        """
        if not isinstance(target, str | os.PathLike):
            target.write(self.data)
            return
        path = Path(target)
        told = {**BY_ENDING, **OTHER_ENDINGS}.get(path.suffix[1:].lower())
        if told is not None and told.media_type != self.media_type:
            raise RequestError(
                f"{path.name}: the image is {self.media_type}. Call it {path.stem}{self.extension}, or ask for it with "
                "image_format"
            )
        path.write_bytes(self.data)

    def __bytes__(self) -> bytes:
        return self.data

    # No buffer (PEP 688) beside it: numpy would take the encoded bytes for the array, from Python 3.12 on.
    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[np.uint8]:
        """See `pixels`. Raises ValueError for copy=False: pixels are decoded each time."""
        if copy is False:
            raise ValueError("the pixels of a tile are decoded each time, so they are always a copy")
        pixels = self.pixels()
        return pixels if dtype is None else pixels.astype(dtype, copy=False)

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        """What IPython asks for."""
        data, media_type = self.data, self.media_type
        if media_type not in SHOWN_BY_NOTEBOOKS:
            from sidebooks_core.encoding.png import rgb_png

            data, media_type = rgb_png(self.pixels()), PNG.media_type
        return {media_type: b64encode(data).decode("ascii"), "text/plain": repr(self)}


def tile_of(request: Request, packed: PackedTile, etag: str) -> Tile:
    """A tile of a record. Its document remembers the problems of the page."""
    request.document.problems.learn(request.page, packed.problems)
    return Tile(packed.data, packed.media_type, packed.width_px, packed.height_px, etag, packed.problems)
