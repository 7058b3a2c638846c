"""Pages that are rotated and cropped in all ways, marks of all kinds on them, and programs that show them."""

from __future__ import annotations

import io
import subprocess
from collections.abc import Callable
from typing import Any

import numpy as np
import pymupdf
import pypdfium2
from PIL import Image

from sidebooks_core.marks import Anchor, Body, Bookmark, Highlight, Ink, Mark, Note, Stamp, StampText, StrikeOut, Underline

ROTATIONS = (0, 90, 180, 270)
BOXES = ("plain", "cropped", "moved")
SCALE = 2
"""Pixels per point."""
LIKE = 60
"""A pixel has a colour if no part of it differs by more, of 255."""
AT_MS = 1_764_000_000_000

Pixels = np.ndarray[Any, np.dtype[np.int16]]
Extent = tuple[float, float, float, float]
"""x0, y0, x1, y1 in points."""

BODIES: tuple[Body, ...] = (
    Ink(((20, 20, 0.5), (60, 20, 0.5), (100, 20, 0.5)), 4, "#ff8000"),
    Highlight(((20, 40, 140, 40, 20, 60, 140, 60),), "#ffff00", "予算"),
    Underline(((20, 70, 140, 70, 20, 90, 140, 90),), "#0000ff"),
    Underline(((180, 40, 180, 140, 160, 40, 160, 140),), "#ff00ff", "縦書き"),
    StampText(60, 120, 20, "済", "#00ffff"),
    Note(110, 120, "付箋の文\n二行目 “引用”", "#00ff00"),
    Bookmark("ここ"),
)
"""Each has a colour that nothing else has. The fourth is beside words that run downwards."""
STRUCK = (
    StrikeOut(((20, 70, 140, 70, 20, 90, 140, 90),), "#0000ff"),
    StrikeOut(((180, 40, 180, 140, 160, 40, 160, 140),), "#ff00ff", "縦書き"),
)
"""The second one is of words that run downwards."""


def places(width_pt: float) -> dict[str, Extent]:
    """What each colour covers on a page of a width."""
    return {
        "#ff8000": (18, 18, 102, 22),
        "#ffff00": (20, 40, 140, 60),
        "#0000ff": (20, 89.3, 140, 90.7),
        "#ff00ff": (179.3, 40, 180.7, 140),
        "#00ffff": (43.1, 103.1, 76.9, 136.9),
        "#00ff00": (99.66, 109.66, 120.34, 130.34),
        "#cc0000": (width_pt - 21, 0, width_pt - 7, 24),
    }


def marks(owner: str = "", bodies: tuple[Body, ...] = BODIES) -> list[Mark]:
    return [
        Mark(f"019aaaaa-0000-7000-8000-{number:012}", Stamp(AT_MS + number, 0, "pad"), Anchor(1, 0, ""), body, owner=owner)
        for number, body in enumerate(bodies, 1)
    ]


def page(rotation: int = 0, box: str = "plain", *, content: bytes = b"") -> bytes:
    """A PDF of one page with a word on it."""
    with pymupdf.open() as document:
        made = document.new_page(width=300, height=400)
        made.insert_text((50, 350), "word", fontsize=6)
        if content:
            document.update_stream(made.get_contents()[0], content)
        if box == "cropped":
            made.set_cropbox(pymupdf.Rect(30, 40, 280, 350))
        elif box == "moved":
            document.xref_set_key(made.xref, "MediaBox", "[-50 -20 250 380]")
        made.set_rotation(rotation)
        data: bytes = document.tobytes()
        return data


def with_annotations(*annotations: str, pages: int = 1) -> bytes:
    """A PDF whose first page has annotations, each as a PDF writes it. `{0}` and so on are the numbers of these."""
    with pymupdf.open() as document:
        for _ in range(pages):
            document.new_page(width=300, height=400)
        numbers = [document.get_new_xref() for _ in annotations]
        for number, annotation in zip(numbers, annotations, strict=True):
            document.update_object(number, f"<</Type/Annot{annotation.format(*numbers)}>>")
        listed = " ".join(f"{number} 0 R" for number in numbers)
        document.xref_set_key(document[0].xref, "Annots", f"[{listed}]")
        data: bytes = document.tobytes()
        return data


def pixels(image: Image.Image) -> Pixels:
    return np.asarray(image.convert("RGB"), np.int16)


def by_mupdf(data: bytes) -> Pixels:
    with pymupdf.open(stream=data, filetype="pdf") as document:
        drawn = document[0].get_pixmap(matrix=pymupdf.Matrix(SCALE, SCALE))
        return pixels(Image.frombytes("RGB", (drawn.width, drawn.height), drawn.samples))


def by_pdfium(data: bytes) -> Pixels:
    return pixels(pypdfium2.PdfDocument(data)[0].render(scale=SCALE).to_pil())


def by_poppler(data: bytes) -> Pixels:
    """Okular and Evince draw with poppler, too."""
    command = ["pdftoppm", "-r", str(72 * SCALE), "-cropbox", "-png", "-singlefile", "-"]
    ran = subprocess.run(command, input=data, capture_output=True, check=True, timeout=120)
    return pixels(Image.open(io.BytesIO(ran.stdout)))


PROGRAMS: dict[str, Callable[[bytes], Pixels]] = {"mupdf": by_mupdf, "pdfium": by_pdfium, "poppler": by_poppler}


def extent(shown: Pixels, colour: str) -> Extent | None:
    """What a colour covers, in pixels; None if it is not there."""
    wanted = np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)], np.int16)
    rows, columns = np.nonzero((np.abs(shown - wanted) <= LIKE).all(axis=2))
    if not rows.size:
        return None
    return float(columns.min()), float(rows.min()), float(columns.max() + 1), float(rows.max() + 1)


def misplaced(shown: Pixels, wanted: dict[str, Extent], scale: float = SCALE) -> dict[str, object]:
    """Colours that are not where they should be, within a pixel."""
    found = {colour: extent(shown, colour) for colour in wanted}
    return {
        colour: (found[colour], at)
        for colour, extent_pt in wanted.items()
        if (at := tuple(scale * one for one in extent_pt))
        and (found[colour] is None or max(abs(a - b) for a, b in zip(found[colour] or at, at, strict=True)) > 1)
    }
