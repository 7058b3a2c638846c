"""The text of a page, as the engine finds it in a display list. Worker side. The room `text` turns it into lines and words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from sidebooks_core.documents.model import Word
from sidebooks_core.engine.mupdf import mupdf, pymupdf
from sidebooks_core.text.lines import lines_of
from sidebooks_core.text.pages import words
from sidebooks_core.text.ruby_style import ruby_sizes
from sidebooks_core.text.runs import Box, Line, Run, turned, turned_back

_BASELINE = 0.88
"""From the upper edge of a character's cell down to its baseline, in font sizes. Vertical metrics of fonts have this default
(ISO 32000-1, table 117, DW2), and Japanese fonts are designed with it."""
_JAPANESE = re.compile(r"[\u2e80-\ua4cf\uf900-\ufaff\ufe30-\ufe4f\uff01-\uffdc\U0001b000-\U0001b2ff\U00020000-\U0003ffff]")
_FoundWord = tuple[float, float, float, float, str, int, int, int]
"""A word's box, its text, and the numbers of its block, of its line and of itself."""
_DIRECTIONS = ((1, 0), (0, 1), (-1, 0), (0, -1))


class EngineText:
    """The text of a page, as the engine has it."""

    def __init__(self, display_list: pymupdf.DisplayList, *, own_characters: bool, has_styled_ruby: bool) -> None:
        """own_characters: read what the fonts say; ignore text that the document gives in its place.

        has_styled_ruby: the page was laid out with `ruby_style.CSS`.
        """
        flags = pymupdf.TEXTFLAGS_WORDS | (mupdf.FZ_STEXT_IGNORE_ACTUALTEXT if own_characters else 0)
        self._page = pymupdf.TextPage(display_list.get_textpage(flags))
        self._has_styled_ruby = has_styled_ruby

    def words(self) -> list[Word]:
        """The words of the page. Boxes are in points of the page as shown."""
        found = self._page.extractWORDS()
        if self._needs_characters(found):
            return words(self.lines())
        return [
            Word(float(x0), float(y0), float(x1), float(y1), text, block, line)
            for x0, y0, x1, y1, text, block, line, _ in found
        ]

    def lines(self) -> tuple[Line, ...]:
        """The lines of the page, character by character. A character takes a hundredth of a millisecond."""
        raw = self._page.extractRAWDICT()
        runs = [_run(line, number) for number, block in enumerate(raw["blocks"]) for line in block.get("lines", ())]
        if self._has_styled_ruby:
            small = ruby_sizes(size for run in runs for size in run.sizes)
            for run in runs:
                run.ruby = [size in small for size in run.sizes] if small.intersection(run.sizes) else []
        return lines_of(run for run in runs if run.chars)

    def glance(self) -> tuple[str, bool]:
        """All characters of the page, in a quarter of the time, and whether they are in the order of `lines`."""
        text = self._page.extractTEXT()
        return text, not (_JAPANESE.search(text) or self._needs_characters(self._page.extractWORDS()))

    def _needs_characters(self, found: list[_FoundWord]) -> bool:
        return _needs_characters(found) or (self._has_styled_ruby and bool(ruby_sizes(self._sizes())))

    def _sizes(self) -> Iterator[float]:
        for block in self._page.extractDICT()["blocks"]:
            for line in block.get("lines", ()):
                for span in line["spans"]:
                    yield span["size"]


def _needs_characters(found: list[_FoundWord]) -> bool:
    """Whether the page must be read by characters: Japanese may be vertical or have ruby, and text that is drawn twice shows
    only there.
    """
    by_text: dict[str, list[_FoundWord]] = {}
    for word in found:
        by_text.setdefault(word[4], []).append(word)
    for text, words_of_text in by_text.items():
        if _JAPANESE.search(text) or (len(text) > 3 and text[::2] == text[1::2] and len(set(text)) > 1):
            return True
        if len(words_of_text) > 1 and _may_be_doubled(words_of_text):
            return True
    return False


def _may_be_doubled(equal: list[_FoundWord]) -> bool:
    """Whether one of some equal words may stand on another one. Words at nearly the same height are looked at from left to
    right, each with the next.
    """
    reach = max(0.2 * max([y1 - y0 for _, y0, _, y1, *_ in equal]), _LEAST_REACH_PT)
    places = sorted([(y0, x0) for x0, y0, *_ in equal])
    row = [places[0][1]]
    before = places[0][0]
    for y0, x0 in places[1:]:
        if y0 - before >= reach:
            if len(row) > 1 and _are_close(row, reach):
                return True
            row = []
        row.append(x0)
        before = y0
    return len(row) > 1 and _are_close(row, reach)


def _are_close(row: list[float], reach: float) -> bool:
    row.sort()
    return any(right - left < reach for left, right in pairwise(row))


_LEAST_REACH_PT = 0.1


def _run(line: pymupdf.TextLine, block: int) -> Run:
    x, y = line["dir"]
    turns = next((turn for turn, (dx, dy) in enumerate(_DIRECTIONS) if x * dx + y * dy > 0.999), None)
    is_column = line["wmode"] == 1
    chars: list[str] = []
    boxes: list[Box] = []
    sizes: list[float] = []
    for span in line["spans"]:
        listed = span["chars"]
        chars += [char["c"][:1] or " " for char in listed]
        if is_column and turns is not None:
            boxes += [_cell(char["bbox"], char["origin"], span["size"], turns) for char in listed]
        else:
            boxes += [char["bbox"] for char in listed]
        sizes += [span["size"]] * len(listed)
    return Run(chars, boxes, sizes, turns, is_column, block)


def _cell(box: Box, origin: tuple[float, float], size: float, turns: int) -> Box:
    """The box of a character in a column.

    The engine gives a box between the glyph's baseline and a point one advance away, its "origin". The sign of the advance
    decides on which side that point lies. With PDF's vertical metrics the box is most of a character too low.
    """
    a0, c0, a1, c1 = turned(box, turns)
    origin_a = turned((*origin, *origin), turns)[0]
    baseline = a1 if origin_a - a0 < a1 - origin_a else a0
    advance = a1 - a0 if a1 > a0 else size
    top = baseline - _BASELINE * size
    return turned_back((top, c0, top + advance, c1), turns)
