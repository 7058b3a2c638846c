"""The text of a page, made of its lines, in the orders in which it is read and searched. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from msgspec import Struct

from sidebooks_core.documents.model import SearchHit, Word
from sidebooks_core.text.folding import fold
from sidebooks_core.text.matching import Finder
from sidebooks_core.text.runs import Box, Line

CONTEXT_CHARS = 24


class Stream(Struct, frozen=True):
    """Characters in one order, each with its box in points. Lines end in "\n"."""

    text: str
    boxes: Sequence[Box]
    lines: Sequence[int]
    """For each character the number of its line. For ruby: -1 - the number of the line that it stands beside."""
    folded: str | None = None
    """The text as it is searched, if that is known."""


class PageText(Struct, frozen=True):
    """A page as it is written. If it has ruby, also as it is read aloud: with the ruby in place of its base."""

    written: Stream
    read: Stream | None


class Folded(Struct, frozen=True):
    """Both texts of a page as they are searched."""

    written: str
    read: str | None

    def may_match(self, finder: Finder) -> bool:
        """Whether the page may match. There is a match, but it may be one that does not count."""
        return any(finder.may_match(text) for text in (self.written, self.read) if text is not None)


def page_text(lines: Sequence[Line]) -> PageText:
    """The text of lines in their order."""
    written = _stream((line.text + "\n", line.boxes, number) for number, line in enumerate(lines))
    if not any(line.rubies for line in lines):
        return PageText(written, None)
    return PageText(written, _stream(part for number, line in enumerate(lines) for part in _read_parts(line, number)))


def words(lines: Sequence[Line]) -> list[Word]:
    """Words, divided by white space, in the order of the lines. The ruby of a line is a line of its own after it."""
    found: list[Word] = []
    block, line_number = -1, 0
    engine_block: int | None = None
    for line in lines:
        if line.block != engine_block:
            engine_block = line.block
            block, line_number = block + 1, 0
        if line.text:
            found += _words(line.text, line.boxes, block, line_number)
            line_number += 1
        for ruby in line.rubies:
            found += _words(ruby.text, ruby.boxes, block, line_number)
        line_number += bool(line.rubies)
    return found


def folded(text: PageText) -> Folded:
    """Both texts of a page, folded."""
    return Folded(fold(text.written.text), fold(text.read.text) if text.read else None)


def search(text: PageText, finder: Finder, page: int) -> list[SearchHit]:
    """The matches of a query, in the order of the lines. In the text read aloud, only matches on ruby."""
    found: list[tuple[int, SearchHit]] = []
    found += _matches(text.written, finder, page, is_read=False)
    if text.read is not None:
        found += _matches(text.read, finder, page, is_read=True)
    return [hit for _, hit in sorted(found, key=lambda one: one[0])]


_Part = tuple[str, tuple[Box, ...], int]
"""Text, boxes and line number of a line or a part of one, as in a stream."""


def _read_parts(line: Line, number: int) -> list[_Part]:
    """A line as it is read aloud: its ruby in place of the characters beside it."""
    parts: list[_Part] = []
    done = 0
    for ruby in line.rubies:
        if ruby.start > done:
            parts.append((line.text[done : ruby.start], line.boxes[done : ruby.start], number))
        parts.append((ruby.text, ruby.boxes, -1 - number))
        done = max(done, ruby.stop)
    parts.append((line.text[done:] + "\n", line.boxes[done:], number))
    return parts


def _stream(parts: Iterable[_Part]) -> Stream:
    texts: list[str] = []
    boxes: list[Box] = []
    numbers: list[int] = []
    for text, part_boxes, number in parts:
        texts.append(text)
        boxes += part_boxes
        if len(text) > len(part_boxes):  # the end of the line, at which no match begins or ends
            boxes.append((0.0, 0.0, 0.0, 0.0))
        numbers += [number] * len(text)
    return Stream("".join(texts), tuple(boxes), tuple(numbers))


def _matches(stream: Stream, finder: Finder, page: int, *, is_read: bool) -> list[tuple[int, SearchHit]]:
    whole = fold(stream.text) if stream.folded is None else stream.folded
    found = []
    for first, last in finder.places(stream.text, whole):
        lines = stream.lines[first : last + 1]
        if is_read and min(lines) >= 0:
            continue  # without ruby it is found in the written text
        boxes = _line_boxes(stream, first, last)
        around = stream.text[max(0, first - CONTEXT_CHARS) : last + 1 + CONTEXT_CHARS]
        found.append((lines[0] if lines[0] >= 0 else -1 - lines[0], SearchHit(page, boxes, _on_one_line(around))))
    return found


_INNER_END = re.compile(r"(?<=[\u2e80-\uffef])\s*\n\s*(?=[\u2e80-\uffef])")


def _on_one_line(text: str) -> str:
    """Lines of Japanese are joined without a space, others with one."""
    return " ".join(_INNER_END.sub("", text).split())


def _line_boxes(stream: Stream, first: int, last: int) -> tuple[Box, ...]:
    by_line: dict[int, Box] = {}
    for place in range(first, last + 1):
        if not stream.text[place].isspace():
            line = stream.lines[place]
            by_line[line] = _union(by_line[line], stream.boxes[place]) if line in by_line else stream.boxes[place]
    return tuple(by_line.values())


def _union(one: Box, other: Box) -> Box:
    return min(one[0], other[0]), min(one[1], other[1]), max(one[2], other[2]), max(one[3], other[3])


def _words(text: str, boxes: Sequence[Box], block: int, line: int) -> list[Word]:
    """Words, divided at ASCII white space and U+00A0, but not at U+3000, and where the direction of the script changes."""
    found = []
    for match in _WORD.finditer(text):
        box = boxes[match.start()]
        for other in boxes[match.start() + 1 : match.end()]:
            box = _union(box, other)
        if box[0] < box[2] and box[1] < box[3]:
            found.append(Word(*box, match[0], block, line))
    return found


_RTL = "\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff"
_WORD = re.compile(f"[^\\x00-\\x20\\xa0{_RTL}]+|[{_RTL}]+")
