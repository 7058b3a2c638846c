"""Images as transfer functions make them. Worker side."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sidebooks_core.documents.engine import mupdf, pymupdf
from sidebooks_core.documents.resources import copied
from sidebooks_core.documents.transfer_curves import Curves, is_line

_MOST_PIXELS = 64 << 20
"""Of one image. A larger one is left as it is, and told."""


def transferred(pdf: Any, image: Any, curves: Curves) -> Any | None:
    """A new image; None for one that is too large or in inks."""
    loaded = mupdf.pdf_load_image(pdf, image)
    space = loaded.colorspace()
    count = mupdf.fz_colorspace_n(space) if space.m_internal else 0
    if count not in (1, 3) or loaded.w() * loaded.h() > _MOST_PIXELS:
        return None
    used = curves.values[3:] if count == 1 else curves.values[:3]
    written = copied(pdf, image)
    if not mupdf.fz_colorspace_is_indexed(space) and all(is_line(curve) for curve in used):
        decode = mupdf.pdf_dict_gets(image, "Decode")
        ends = (
            [mupdf.pdf_array_get_real(decode, place) for place in range(2 * count)] if decode.m_internal else [0.0, 1.0] * count
        )
        mapped = mupdf.pdf_new_array(pdf, 2 * count)
        for place, end in enumerate(ends):
            curve = used[place // 2]
            mupdf.pdf_array_push_real(mapped, float(curve[0] + (curve[-1] - curve[0]) * end))
        mupdf.pdf_dict_puts(written, "Decode", mapped)
        return mupdf.pdf_add_stream(pdf, mupdf.pdf_load_raw_stream(image), written, 1)
    pixels = _pixels(loaded)
    tables = [np.round(curve * 255).astype(np.uint8) for curve in (used if pixels.shape[2] == count else curves.values[:3])]
    data = np.stack([table[pixels[..., place]] for place, table in enumerate(tables)], axis=-1).tobytes()
    for gone in ("Filter", "DecodeParms", "Decode"):
        mupdf.pdf_dict_dels(written, gone)
    mupdf.pdf_dict_puts(written, "BitsPerComponent", mupdf.pdf_new_int(8))
    mupdf.pdf_dict_puts(written, "ColorSpace", mupdf.pdf_new_name("DeviceGray" if len(tables) == 1 else "DeviceRGB"))
    return mupdf.pdf_add_stream(pdf, mupdf.fz_new_buffer_from_copied_data(data), written, 0)


def _pixels(image: Any) -> NDArray[np.uint8]:
    """Of an image, (height, width, 1 or 3): grey, or RGB."""
    pixmap = pymupdf.Pixmap(mupdf.fz_get_unscaled_pixmap_from_image(image))
    if pixmap.alpha:
        pixmap = pymupdf.Pixmap(pixmap, 0)
    if pixmap.n not in (1, 3):
        pixmap = pymupdf.Pixmap(pymupdf.csRGB, pixmap)
    rows: NDArray[np.uint8] = np.frombuffer(pixmap.samples, np.uint8).reshape(pixmap.height, pixmap.stride)
    return rows[:, : pixmap.width * pixmap.n].reshape(pixmap.height, pixmap.width, pixmap.n)
