"""Writes small PDFs, object by object, for the tests of this folder; and reads their pages back."""

from __future__ import annotations

import io
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

from sidebooks_core import TileService


def write_pdf(path: Path, objects: list[bytes], catalog: bytes = b"") -> Path:
    """objects: bodies, numbered from 3; the first is the page, whose parent is object 2. catalog: entries besides its own."""
    bodies = [b"<</Type/Catalog/Pages 2 0 R " + catalog + b">>", b"<</Type/Pages/Kids[3 0 R]/Count 1>>", *objects]
    out, offsets = b"%PDF-1.7\n", []
    for number, body in enumerate(bodies, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n" % number + body + b"\nendobj\n"
    size = len(bodies) + 1
    entries = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    end = b"trailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (size, len(out))
    path.write_bytes(out + b"xref\n0 %d\n0000000000 65535 f \n" % size + entries + end)
    return path


def stream(content: bytes, entries: bytes = b"") -> bytes:
    data = zlib.compress(content)
    return b"<<%s/Filter/FlateDecode/Length %d>>stream\n%s\nendstream" % (entries, len(data), data)


def text_of(service: TileService, path: Path, page: int = 0) -> str:
    """All words of a page without the spaces between them."""
    return "".join(word.text for word in service.text(service.open(path), page=page))


def ink_of(service: TileService, path: Path, width_px: int = 1040, page: int = 0) -> np.ndarray:
    """A page as drawn: darkness, 0 to 255, shape (height, width)."""
    tile = service.page_image(service.open(path), page, width_px=width_px)
    return 255 - np.asarray(Image.open(io.BytesIO(tile.data)).convert("L"), np.int16)


def difference(a: np.ndarray, b: np.ndarray) -> float:
    """Share of the ink of both that is not common to them, 0 to 1."""
    return float(np.abs(a - b).sum() / max(1, int((a + b).sum())))


def cropped(ink: np.ndarray) -> np.ndarray:
    """The smallest box that holds all ink."""
    rows, columns = np.nonzero(ink > 64)
    assert rows.size, "nothing is drawn"
    return ink[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
