"""PDFs of one page and one image, for what becomes of an image that cannot be decoded."""

from __future__ import annotations

import io
import zlib
from collections.abc import Mapping

import numpy as np
from PIL import Image

SIDE = 100
RGB = b"/Width 100 /Height 100 /BitsPerComponent 8 /ColorSpace /DeviceRGB "
BITS = b"/Width 100 /Height 100 /BitsPerComponent 1 /ColorSpace /DeviceGray "
PLACED = b"q 200 0 0 200 50 50 cm /I Do Q "
"""Of a page of 300 x 300 points."""
TEXT = b"BT /F 20 Tf 20 270 Td (Minutes of the council) Tj ET "


def picture() -> Image.Image:
    """Nowhere black, nowhere white."""
    ramp = 40 + np.add.outer(np.arange(SIDE), np.arange(SIDE)).astype(np.uint8) // 2
    return Image.fromarray(np.stack([ramp, 220 - ramp, ramp], axis=2))


def encoded(image_format: str, image: Image.Image | None = None, **options: object) -> bytes:
    out = io.BytesIO()
    (image or picture()).save(out, image_format, **options)
    return out.getvalue()


def pdf(objects: Mapping[int, bytes], *, pages: bytes = b"[3 0 R]", count: int = 1) -> bytes:
    """A document of these objects, the catalog at 1 and the tree of pages at 2."""
    every = {
        1: b"<< /Type /Catalog /Pages 2 0 R >>",
        2: b"<< /Type /Pages /Kids %s /Count %d >>" % (pages, count),
        6: b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        **objects,
    }
    out = b"%PDF-1.7\n"
    places = {}
    for number, body in sorted(every.items()):
        places[number] = len(out)
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(out)
    size = max(every) + 1
    out += b"xref\n0 %d\n0000000000 65535 f \n" % size
    out += b"".join(
        b"%010d 00000 n \n" % places[number] if number in places else b"0000000000 00000 f \n" for number in range(1, size)
    )
    return out + b"trailer << /Root 1 0 R /Size %d >>\nstartxref\n%d\n%%%%EOF\n" % (size, start)


def stream(data: bytes, entries: bytes = b"") -> bytes:
    return b"<< %s /Length %d >>\nstream\n%s\nendstream" % (entries, len(data), data)


def page(contents: int = 4, entries: bytes = b"") -> bytes:
    resources = b"/Resources << /XObject << /I 5 0 R >> /Font << /F 6 0 R >> >>"
    return b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 300 300] /Contents %d 0 R %s %s >>" % (contents, resources, entries)


def with_image(entries: bytes, data: bytes, content: bytes = PLACED, extra: Mapping[int, bytes] | None = None) -> bytes:
    """One page that draws one image."""
    image = stream(data, b"/Type /XObject /Subtype /Image " + entries)
    return pdf({3: page(), 4: stream(content), 5: image, **(extra or {})})


def fax_of(image: Image.Image) -> bytes:
    """CCITT group 4, taken out of a TIFF."""
    tiff = encoded("TIFF", image, compression="group4")
    tags = Image.open(io.BytesIO(tiff)).tag_v2
    return tiff[tags[273][0] :][: tags[279][0]]


RAW = np.asarray(picture()).tobytes()
FLATE = zlib.compress(RAW)
