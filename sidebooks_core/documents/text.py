"""Text of a page: words with their boxes, and search that reads as people do. Worker side; search itself is pure."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

from msgspec import Struct

from sidebooks_core.documents.engine import pymupdf
from sidebooks_core.documents.model import SearchHit, Word

CONTEXT_CHARS = 24
_FIRST_CJK = 0x2E80
_IGNORED = re.compile("[\u00ad\u200b-\u200f\u2060\ufe00-\ufe0f\ufeff]")

Box = tuple[float, float, float, float]


class PageText(Struct, frozen=True):
    """The characters of a page in reading order, each with its box in points and the number of its line; lines end in "\\n"."""

    text: str
    boxes: tuple[Box, ...]
    lines: tuple[int, ...]


def words(display_list: Any) -> list[Word]:
    """In the space of the page as shown, as the engine orders them."""
    found = pymupdf.TextPage(display_list.get_textpage(pymupdf.TEXTFLAGS_WORDS)).extractWORDS()
    return [
        Word(float(x0), float(y0), float(x1), float(y1), text, block, line) for x0, y0, x1, y1, text, block, line, _ in found
    ]


def page_text(display_list: Any) -> PageText:
    """All characters of a page."""
    chars: list[str] = []
    boxes: list[Box] = []
    lines: list[int] = []
    raw = pymupdf.TextPage(display_list.get_textpage(pymupdf.TEXTFLAGS_WORDS)).extractRAWDICT()
    number = 0
    for block in raw["blocks"]:
        for line in block.get("lines", ()):
            for span in line["spans"]:
                for char in span["chars"]:
                    chars.append(char["c"][:1] or " ")
                    boxes.append(tuple(char["bbox"]))
                    lines.append(number)
            if chars:
                chars.append("\n")
                boxes.append(boxes[-1])
                lines.append(number)
                number += 1
    return PageText("".join(chars), tuple(boxes), tuple(lines))


def search(text: PageText, query: str, page: int) -> list[SearchHit]:
    """Where `query` occurs, whatever the case, the width of Japanese characters and the line breaks."""
    pattern = _pattern(query)
    if pattern is None:
        return []
    folded, origin = _folded_with_origin(text.text)
    hits: list[SearchHit] = []
    for match in pattern.finditer(folded):
        first, last = origin[match.start()], origin[match.end() - 1]
        around = text.text[max(0, first - CONTEXT_CHARS) : last + 1 + CONTEXT_CHARS]
        hits.append(SearchHit(page, _line_boxes(text, first, last), " ".join(around.split())))
    return hits


def _fold(char: str) -> str:
    # Decomposed, not composed: half-width katakana put the voicing mark in a character of its own.
    return _IGNORED.sub("", unicodedata.normalize("NFKD", char).casefold())


def _folded_with_origin(text: str) -> tuple[str, list[int]]:
    folded: list[str] = []
    origin: list[int] = []
    for index, char in enumerate(text):
        for part in _fold(char):
            folded.append(part)
            origin.append(index)
    return "".join(folded), origin


def _pattern(query: str) -> re.Pattern[str] | None:
    parts: list[str] = []
    before = ""
    for word in query.split():
        for position, char in enumerate("".join(_fold(char) for char in word)):
            is_cjk = ord(char) >= _FIRST_CJK or (before and ord(before) >= _FIRST_CJK)
            if parts:
                # Japanese runs on over a line's end; in other scripts a word may be hyphenated there.
                parts.append((r"\s*" if is_cjk else r"(?:-?\n)?") if position else (r"\s*" if is_cjk else r"\s+"))
            parts.append(re.escape(char))
            before = char
    return re.compile("".join(parts)) if parts else None


def _line_boxes(text: PageText, first: int, last: int) -> tuple[Box, ...]:
    by_line: dict[int, Box] = {}
    for index in range(first, last + 1):
        if text.text[index].isspace():
            continue
        x0, y0, x1, y1 = text.boxes[index]
        line = text.lines[index]
        if line in by_line:
            a0, b0, a1, b1 = by_line[line]
            x0, y0, x1, y1 = min(a0, x0), min(b0, y0), max(a1, x1), max(b1, y1)
        by_line[line] = (x0, y0, x1, y1)
    return tuple(by_line.values())
