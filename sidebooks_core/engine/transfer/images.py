"""Images with transfer functions applied. Worker side."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sidebooks_core.engine.mupdf import mupdf, pymupdf
from sidebooks_core.engine.pdf.resources import OF_STREAM, copied, new_stream
from sidebooks_core.engine.transfer.curves import Curves, is_line


def transferred(
    pdf: mupdf.PdfDocument, image: mupdf.PdfObj, curves: Curves, most_pixels: int
) -> tuple[mupdf.PdfObj | None, int]:
    """A new image, and how many pixels were computed for it. None for an image that must stay as it is.

    That is so if more than `most_pixels` had to be computed, or if its transparency depends on its samples as they are stored.
    Raises the engine's errors.
    """
    loaded = mupdf.pdf_load_image(pdf, image)
    space = loaded.colorspace()
    if not space.m_internal or _has_bound_transparency(image):
        return None, 0
    count = mupdf.fz_colorspace_n(space)
    used = curves.values[3:] if count == 1 else curves.values[:3]
    if _is_of_screen(space) and not mupdf.fz_colorspace_is_indexed(space) and all(is_line(curve) for curve in used):
        return _decoded_otherwise(pdf, image, used), 0
    pixels = loaded.w() * loaded.h()
    if pixels > most_pixels or mupdf.pdf_is_array(mupdf.pdf_dict_gets(image, "Mask")):
        return None, 0
    pixmap = pymupdf.Pixmap("raw", mupdf.fz_get_unscaled_pixmap_from_image(loaded))
    if pixmap.alpha:
        return None, pixels
    return _repainted(pdf, image, pixmap, curves), pixels


def _has_bound_transparency(image: mupdf.PdfObj) -> bool:
    """Whether samples are mixed with a matte colour, or hold their own transparency (JPEG 2000)."""
    matte = mupdf.pdf_dict_gets(mupdf.pdf_dict_gets(image, "SMask"), "Matte")
    return bool(matte.m_internal or mupdf.pdf_to_int(mupdf.pdf_dict_gets(image, "SMaskInData")))


def _is_of_screen(space: mupdf.FzColorspace) -> bool:
    """Whether samples are grey or RGB: no inks, no lightness and hue."""
    return bool(mupdf.fz_colorspace_is_gray(space) or mupdf.fz_colorspace_is_rgb(space))


def _decoded_otherwise(pdf: mupdf.PdfDocument, image: mupdf.PdfObj, curves: NDArray[np.float64]) -> mupdf.PdfObj:
    """The same samples with another `Decode`. curves: of each component; all straight."""
    written = copied(pdf, image)
    given = mupdf.pdf_dict_gets(image, "Decode")
    mapped = mupdf.pdf_new_array(pdf, 2 * len(curves))
    for place in range(2 * len(curves)):
        end = mupdf.pdf_array_get_real(given, place) if given.m_internal else place % 2
        curve = curves[place // 2]
        mupdf.pdf_array_push_real(mapped, float(curve[0] + (curve[-1] - curve[0]) * end))
    mupdf.pdf_dict_puts(written, "Decode", mapped)
    return mupdf.pdf_add_stream(pdf, mupdf.pdf_load_raw_stream(image), written, 1)


def _repainted(pdf: mupdf.PdfDocument, image: mupdf.PdfObj, pixmap: pymupdf.Pixmap, curves: Curves) -> mupdf.PdfObj:
    """Samples of 8 bits, changed by the curves."""
    pixels = _pixels(pixmap)
    used = curves.values[3:] if pixels.shape[2] == 1 else curves.values[:3]
    tables = np.round(used * 255).astype(np.uint8)
    data = np.stack([table[pixels[..., place]] for place, table in enumerate(tables)], axis=-1).tobytes()
    written = copied(pdf, image, without=(*OF_STREAM, "Decode"))
    mupdf.pdf_dict_puts(written, "BitsPerComponent", mupdf.pdf_new_int(8))
    mupdf.pdf_dict_puts(written, "ColorSpace", mupdf.pdf_new_name("DeviceGray" if len(tables) == 1 else "DeviceRGB"))
    return new_stream(pdf, data, written)


def _pixels(pixmap: pymupdf.Pixmap) -> NDArray[np.uint8]:
    """The pixels in grey or RGB, of shape (height, width, 1 or 3)."""
    if not _is_of_screen(mupdf.fz_pixmap_colorspace(pixmap.this)):
        pixmap = pymupdf.Pixmap(pymupdf.csRGB, pixmap)
    rows: NDArray[np.uint8] = np.frombuffer(pixmap.samples, np.uint8).reshape(pixmap.height, pixmap.stride)
    return rows[:, : pixmap.width * pixmap.n].reshape(pixmap.height, pixmap.width, pixmap.n)
