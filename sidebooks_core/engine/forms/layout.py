"""Sets the text of a form field or note: sizes, lines, places. Pure.

Lengths are in points. The origin is the lower left corner of the box, and y grows upwards. Widths of characters are in ems.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence

from msgspec import Struct

ASCENT, DESCENT = 0.88, 0.21
"""Of a line of text, in ems, for all faces that may meet in it: East Asian faces rise higher, Latin ones hang lower."""
LINE_HEIGHT = 1.2
AUTO_SIZE_PT = 12.0
LEAST_AUTO_SIZE_PT = 4.0
_FIRST_CJK = 0x2E80
_NOT_FIRST = frozenset(
    "、。，．,.・：；？！゛゜ヽヾゝゞ々ー」』）］｝】〉》〕’”ぁぃぅぇぉっゃゅょゎァィゥェォッャュョヮ)]}!?:;%"
)
_NOT_LAST = frozenset("「『（［｛【〈《〔‘“([{")
LEFT, CENTRE, RIGHT = range(3)

Widths = Callable[[str], float]


class Box(Struct, frozen=True):
    """The place for text, and how text is set in it."""

    width: float
    height: float
    padding: float
    size: float
    """Of the font; 0 for the size that fits. In a single line the font is made smaller if the box would cut it."""
    quadding: int = LEFT
    is_multiline: bool = False
    cells: int = 0
    """Cells of a comb field; 0 for other fields."""


class Glyph(Struct, frozen=True):
    """A character and its place on the baseline."""

    character: str
    x: float
    y: float


class Setting(Struct, frozen=True):
    """Text that is set."""

    size: float
    glyphs: tuple[Glyph, ...]


def set_text(text: str, box: Box, width_of: Widths) -> Setting:
    """Set text in a box. width_of: the width of a character in ems. Characters without width and place must be left out of
    `text`.
    """
    width, height = box.width - 2 * box.padding, box.height - 2 * box.padding
    if width <= 0 or height <= 0:
        return Setting(box.size, ())
    if box.is_multiline:
        return _set_lines(text, box, width, height, width_of)
    line = text.replace("\n", " ")
    if box.cells:
        return _set_cells(line, box, width, height, width_of)
    natural = sum(map(width_of, line))
    size = _line_size(box, height) or min(height / (ASCENT + DESCENT), width / natural if natural else height)
    x = box.padding + _indent(width - natural * size, box.quadding)
    return Setting(size, tuple(_placed(line, x, _middle(box, height, size), size, width_of)))


def _line_size(box: Box, height: float) -> float:
    """The size up to which the box does not clip: half of the padding lies inside."""
    return min(box.size, (height + box.padding) / (ASCENT + DESCENT))


def _set_cells(line: str, box: Box, width: float, height: float, width_of: Widths) -> Setting:
    cell = width / box.cells
    widest = max(map(width_of, line), default=0) or 1.0
    size = _line_size(box, height) or min(height / (ASCENT + DESCENT), cell / widest)
    y = _middle(box, height, size)
    places = (box.padding + (index + 0.5) * cell - width_of(one) * size / 2 for index, one in enumerate(line))
    return Setting(size, tuple(Glyph(one, x, y) for one, x in zip(line, places, strict=True)))


def _set_lines(text: str, box: Box, width: float, height: float, width_of: Widths) -> Setting:
    size = box.size or AUTO_SIZE_PT
    lines = broken(text, width / size, width_of)
    while not box.size and size > LEAST_AUTO_SIZE_PT and len(lines) * size * LINE_HEIGHT > height:
        size -= 0.5
        lines = broken(text, width / size, width_of)
    glyphs: list[Glyph] = []
    # A box that is lower than one line shows that line in its middle, like a box for a single line.
    top = box.padding + height - ASCENT * size
    y = min(top, _middle(box, height, size)) if len(lines) == 1 and height < (ASCENT + DESCENT) * size else top
    for line in lines:
        natural = sum(map(width_of, line.rstrip(" "))) * size
        glyphs += _placed(line, box.padding + _indent(width - natural, box.quadding), y, size, width_of)
        y -= size * LINE_HEIGHT
    return Setting(size, tuple(glyphs))


def broken(text: str, most: float, width_of: Widths) -> list[str]:
    """Lines of at most `most` ems, broken after spaces and between East Asian characters. A longer word is broken anywhere."""
    lines: list[str] = []
    for paragraph in text.split("\n"):
        start, width, may_break = 0, 0.0, 0
        for index, one in enumerate(paragraph):
            if index > start and _may_break(paragraph[index - 1], one):
                may_break = index
            width += width_of(one)
            if width > most and one != " " and index > start:
                end = may_break if may_break > start else index
                lines.append(paragraph[start:end])
                start = end
                width = sum(map(width_of, paragraph[start : index + 1]))
        lines.append(paragraph[start:])
    return lines


def _may_break(before: str, after: str) -> bool:
    if after == " " or after in _NOT_FIRST or before in _NOT_LAST:
        return False
    return before == " " or ord(before) >= _FIRST_CJK or ord(after) >= _FIRST_CJK


def shown(text: str) -> str:
    """Text without characters that have no shape: variation selectors, controls. Line ends become "\n", tabs become spaces."""
    plain = text.replace("\r\n", "\n").replace("\r", "\n").replace("\t", " ").replace("\u2028", "\n").replace("\u2029", "\n")
    return "".join(one for one in plain if one == "\n" or not _is_shapeless(one))


def _is_shapeless(one: str) -> bool:
    return unicodedata.category(one) in ("Cc", "Cf", "Cs") or "\ufe00" <= one <= "\ufe0f" or "\U000e0100" <= one <= "\U000e01ef"


def _indent(spare: float, quadding: int) -> float:
    return max(0.0, spare / 2 if quadding == CENTRE else spare if quadding == RIGHT else 0.0)


def _middle(box: Box, height: float, size: float) -> float:
    return box.padding + (height - (ASCENT + DESCENT) * size) / 2 + DESCENT * size


def _placed(line: Sequence[str], x: float, y: float, size: float, width_of: Widths) -> list[Glyph]:
    glyphs = []
    for one in line:
        glyphs.append(Glyph(one, x, y))
        x += width_of(one) * size
    return glyphs
