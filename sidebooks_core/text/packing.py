"""The text of a page as bytes, with a box for each character: for the way to the host, and for the shelf. Pure, with numpy."""

from __future__ import annotations

import numpy as np

from sidebooks_core.documents.model import PackedStream, PackedText
from sidebooks_core.text.pages import PageText, Stream

PARTS_PER_PT = 16
"""Boxes are kept to a sixteenth of a point, a tenth of a screen's pixel at least."""
MOST_PARTS = (1 << 31) - 1


def pack(text: PageText) -> PackedText:
    """The text as bytes. A box that lies nowhere (a damaged matrix) becomes an empty one."""
    return PackedText(_packed(text.written), None if text.read is None else _packed(text.read))


def unpack(packed: PackedText) -> PageText:
    """The text again. Raises ValueError if a stream has not one box and one line for each character."""
    return PageText(_unpacked(packed.written), None if packed.read is None else _unpacked(packed.read))


def _packed(stream: Stream) -> PackedStream:
    boxes = np.array(stream.boxes, dtype=np.float64).reshape(-1, 4) * PARTS_PER_PT
    is_somewhere = np.isfinite(boxes).all(axis=1, keepdims=True) & (np.abs(boxes) < MOST_PARTS).all(axis=1, keepdims=True)
    parts = np.where(is_somewhere, np.rint(np.where(is_somewhere, boxes, 0)), 0).astype("<i4")
    return PackedStream(stream.text, parts.tobytes(), np.array(stream.lines, dtype="<i4").tobytes())


def _unpacked(stream: PackedStream) -> Stream:
    if not stream.is_complete:
        raise ValueError("a text without one box and one line for each character")
    boxes = np.frombuffer(stream.boxes, dtype="<i4").reshape(-1, 4) / PARTS_PER_PT
    lines = np.frombuffer(stream.lines, dtype="<i4")
    return Stream(stream.text, tuple(map(_box, boxes.tolist())), tuple(lines.tolist()))


def _box(numbers: list[float]) -> tuple[float, float, float, float]:
    x0_pt, y0_pt, x1_pt, y1_pt = numbers
    return x0_pt, y0_pt, x1_pt, y1_pt
