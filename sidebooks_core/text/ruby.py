"""Ruby (readings in small kana): taken out of the lines that it interrupts, and put beside its base. Pure."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from sidebooks_core.text.runs import Box, Extent, Line, Ruby, Run, as_lines, chosen, extent_of, turned

MOST_RUBY_SIZE = 0.7
"""Largest size of ruby, of its base's size. Half is the rule."""
MOST_OVERHANG = 1.3
"""Largest distance from the middle of a character of ruby to that of the nearest kanji, along the line, in sizes of the kanji.
Five kana of half its size reach to 1.0, and six to 1.25."""
RUBY_DISTANCE = (0.35, 0.85)
"""Least and largest distance between the middles of ruby and base, across the line, in the sum of both sizes. 0.5 if they
touch."""
_MOST_INTERRUPTIONS = 16
"""Most pieces of ruby between two parts of a line."""
_MOST_PIECES = 5000
"""Most pieces of kana that are looked at. A page of a newspaper with ruby throughout has some hundreds."""
_KANA = re.compile(r"[\u3041-\u309f\u30a0-\u30ff\u31f0-\u31ff\uff65-\uff9f\s]+")
_HAS_KANA = re.compile(r"[\u3041-\u309f\u30a0-\u30ff\u31f0-\u31ff\uff65-\uff9f]")
_KANJI = re.compile(r"[\u3005-\u3007\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_LATIN = re.compile(r"[^\s\u2e80-\U0010ffff]")


class _Piece(Struct):
    """Kana of one size in a run, which may be ruby."""

    run: int
    places: range
    extent: Extent
    is_ruby: bool = False


def with_ruby(runs: list[Run]) -> tuple[Line, ...]:
    """Lines with the ruby taken out and put beside its base."""
    runs = [run for run in runs if run.chars]
    marked = [any(run.ruby) for run in runs]
    pieces = _kana_pieces(runs)
    if len(pieces) > _MOST_PIECES:
        pieces = []
    if pieces:
        kanji = _Kanji(runs, pieces)
        for piece in pieces:
            piece.is_ruby = kanji.lies_beside(piece, runs)
        _interrupting(runs, pieces)
        pieces = [piece for piece in pieces if piece.is_ruby]
    if not pieces and not any(marked):
        return as_lines(runs)
    ruby = [list(run.ruby) if run.ruby else [False] * len(run.chars) for run in runs]
    for piece in pieces:
        for place in piece.places:
            ruby[piece.run][place] = True
    return _assembled(runs, ruby, marked)


def _kana_pieces(runs: list[Run]) -> list[_Piece]:
    pieces = []
    for number, run in enumerate(runs):
        if run.turns is None or any(run.ruby) or not _HAS_KANA.search("".join(run.chars)):
            continue
        if max(run.sizes) < 1.05 * min(run.sizes):
            if _KANA.fullmatch("".join(run.chars)):
                pieces.append(_Piece(number, range(len(run.chars)), extent_of(run.boxes, run.sizes, run.turns)))
            continue
        start = 0
        for stop in range(1, len(run.chars) + 1):
            if stop < len(run.chars) and abs(run.sizes[stop] - run.sizes[start]) < 0.05 * run.sizes[start]:
                continue
            text = "".join(run.chars[start:stop])
            if _KANA.fullmatch(text) and not text.isspace():
                extent = extent_of(run.boxes[start:stop], run.sizes[start:stop], run.turns)
                pieces.append(_Piece(number, range(start, stop), extent))
            start = stop
    return pieces


class _Kanji:
    """The places of the kanji of a page, by direction."""

    def __init__(self, runs: list[Run], pieces: list[_Piece]) -> None:
        least = min(piece.extent.size for piece in pieces) / MOST_RUBY_SIZE
        found: dict[int, list[tuple[float, float, float]]] = defaultdict(list)
        for run in runs:
            if run.turns is None or max(run.sizes) < least:
                continue
            for char, box, size in zip(run.chars, run.boxes, run.sizes, strict=True):
                if size >= least and _KANJI.match(char):
                    a0, c0, a1, c1 = turned(box, run.turns)
                    found[run.turns].append(((a0 + a1) / 2, (c0 + c1) / 2, size))
        self._found = {turns: np.array(kanji) for turns, kanji in found.items()}

    def lies_beside(self, piece: _Piece, runs: list[Run]) -> bool:
        """Whether a piece is small, on ruby's side of kanji, and mostly over them."""
        run = runs[piece.run]
        kanji = self._found.get(run.turns if run.turns is not None else -1)
        if kanji is None:
            return False
        a, c, size = kanji.T
        extent = piece.extent
        near, far = RUBY_DISTANCE
        distance = (c - extent.c) / (size + extent.size)
        is_beside = (size * MOST_RUBY_SIZE >= extent.size) & (distance > near) & (distance < far)
        a, size = a[is_beside], size[is_beside]
        if not len(a):
            return False
        boxes = [turned(run.boxes[place], run.turns or 0) for place in piece.places if not run.chars[place].isspace()]
        middles = np.array([(a0 + a1) / 2 for a0, _, a1, _ in boxes])
        order = a.argsort()
        a, size = a[order], size[order]
        behind = a.searchsorted(middles).clip(1, len(a) - 1) if len(a) > 1 else np.zeros(len(middles), np.intp)
        nearest = np.where(np.abs(a[behind] - middles) < np.abs(a[behind - 1] - middles), behind, behind - 1)
        return bool((np.abs(a[nearest] - middles) < MOST_OVERHANG * size[nearest]).mean() >= 0.8)


def _groups(run: Run, places: Sequence[int]) -> list[tuple[float, float, list[int]]]:
    """Characters that stand together along a line. Each group is (least a, most a, places)."""
    groups: list[tuple[float, float, list[int]]] = []
    for place in places:
        if run.chars[place].isspace():
            continue
        a0, _, a1, _ = turned(run.boxes[place], run.turns or 0)
        if groups and -run.sizes[place] < a0 - groups[-1][1] <= run.sizes[place]:
            groups[-1][2].append(place)
            groups[-1] = (groups[-1][0], max(groups[-1][1], a1), groups[-1][2])
        else:
            groups.append((a0, a1, [place]))
    return groups


def _interrupting(runs: list[Run], pieces: list[_Piece]) -> None:
    """Mark as ruby, whatever their size, pieces that are drawn between two parts of a line, over the end of the first part."""
    whole = {piece.run: piece for piece in pieces if len(piece.places) == len(runs[piece.run].chars)}
    for number, piece in whole.items():
        run = runs[number]
        before, after = number - 1, number + 1
        if before < 0:
            continue
        while after in whole and after - number < _MOST_INTERRUPTIONS and not _adjoins(runs[before], runs[after]):
            after += 1
        if after >= len(runs) or not _adjoins(runs[before], runs[after]) or run.turns is None:
            continue
        base = extent_of(runs[before].boxes, runs[before].sizes, run.turns)
        rise = (base.c - piece.extent.c) / base.size
        is_over = base.a0 - 0.5 * base.size < piece.extent.a0 < base.a1 + 0.1 * base.size
        piece.is_ruby |= is_over and 0.5 < rise < 1.7 and bool(_KANJI.match(runs[before].chars[-1]))


def _adjoins(before: Run, after: Run, most_gap: float = 0.5) -> bool:
    """Whether a run continues another on its line. most_gap: between them, in font sizes."""
    if before.turns is None or before.turns != after.turns:
        return False
    one, other = (extent_of(run.boxes, run.sizes, before.turns) for run in (before, after))
    size = max(one.size, other.size)
    return abs(one.c - other.c) < 0.2 * size and -0.3 * size < other.a0 - one.a1 < most_gap * size


class _Open(Struct):
    """A line in the making: its base, and the ruby that was seen for it."""

    run: Run
    rubies: list[tuple[int, list[str], list[Box]]]
    """The place of each in reading order, as the number of base characters before it."""


def _assembled(runs: list[Run], ruby: list[list[bool]], marked: list[bool]) -> tuple[Line, ...]:
    lines: list[_Open] = []
    loose: list[tuple[Run, list[int]]] = []
    after_ruby = False
    for run, flags, is_marked in zip(runs, ruby, marked, strict=True):
        base = [place for place, is_ruby in enumerate(flags) if not is_ruby]
        if is_marked:
            lines.append(_Open(chosen(run, base), _marked_rubies(run, flags)))
            continue
        if len(base) < len(flags):
            loose.append((run, [place for place, is_ruby in enumerate(flags) if is_ruby]))
            after_ruby = True
        if not base:
            continue
        part = chosen(run, base)
        # Under long ruby the base is spaced.
        if after_ruby and lines and lines[-1].run.chars and not lines[-1].rubies and _adjoins(lines[-1].run, part, 1.2):
            _append(lines[-1].run, part)
        else:
            lines.append(_Open(part, []))
        after_ruby = flags[-1]
    beside = _beside(lines, loose)
    return tuple(_line(line, found) for line, found in zip(lines, beside, strict=True))


def _append(run: Run, more: Run) -> None:
    run.chars += more.chars
    run.boxes += more.boxes
    run.sizes += more.sizes


def _marked_rubies(run: Run, flags: list[bool]) -> list[tuple[int, list[str], list[Box]]]:
    rubies: list[tuple[int, list[str], list[Box]]] = []
    base = 0
    was_ruby = False
    for place, is_ruby in enumerate(flags):
        if not is_ruby:
            base += 1
        elif was_ruby:
            rubies[-1][1].append(run.chars[place])
            rubies[-1][2].append(run.boxes[place])
        else:
            rubies.append((base, [run.chars[place]], [run.boxes[place]]))
        was_ruby = is_ruby
    return rubies


def _beside(lines: list[_Open], loose: list[tuple[Run, list[int]]]) -> list[list[Ruby]]:
    """For each line the ruby that lies beside it."""
    found: list[list[Ruby]] = [[] for _ in lines]
    if not loose:
        return found
    chars: dict[int, list[tuple[float, float, float, int, int]]] = defaultdict(list)
    for number, line in enumerate(lines):
        if line.run.turns is None:
            continue
        for place, (char, box, size) in enumerate(zip(line.run.chars, line.run.boxes, line.run.sizes, strict=True)):
            if _KANJI.match(char):
                a0, c0, a1, c1 = turned(box, line.run.turns)
                chars[line.run.turns].append(((a0 + a1) / 2, (c0 + c1) / 2, size, number, place))
    tables = {turns: np.array(rows) for turns, rows in chars.items()}
    for run, places in loose:
        table = tables.get(run.turns if run.turns is not None else -1)
        for a0, a1, group in _groups(run, places):
            text = "".join(run.chars[place] for place in group)
            boxes = tuple(run.boxes[place] for place in group)
            where = (
                _base_of(table, a0, a1, extent_of(boxes, [run.sizes[group[0]]], run.turns or 0)) if table is not None else None
            )
            if where is None:
                # No base is near: as a line of its own, nothing is lost.
                lines.append(_Open(chosen(run, group), []))
                found.append([])
            else:
                number, start, stop = where
                found[number].append(Ruby(start, stop, text, boxes))
    return found


def _base_of(table: NDArray[np.float64], a0: float, a1: float, ruby: Extent) -> tuple[int, int, int] | None:
    """The line that ruby stands beside, and the range of its characters."""
    a, c, size, number, place = table.T
    distance = (c - ruby.c) / (size + ruby.size)
    is_beside = (distance > RUBY_DISTANCE[0] - 0.1) & (distance < RUBY_DISTANCE[1] + 0.1)
    apart = np.abs(a - (a0 + a1) / 2) - (a1 - a0) / 2
    candidates = np.flatnonzero(is_beside & (apart < 1.5 * size))
    if not len(candidates):
        return None
    nearest = candidates[np.lexsort((apart[candidates].clip(min=0), np.abs(distance[candidates] - 0.5)))[0]]
    same_line = candidates[number[candidates] == number[nearest]]
    nearest = same_line[apart[same_line].argmin()]
    over = same_line[apart[same_line] < 0.1 * size[same_line]]
    covered = place[over] if len(over) else place[[nearest]]
    return int(number[nearest]), int(covered.min()), int(covered.max()) + 1


def _line(line: _Open, found: list[Ruby]) -> Line:
    text = "".join(line.run.chars)
    rubies = list(found)
    stop_before = 0
    for place, chars, boxes in line.rubies:
        start = place
        base = _LATIN if place and _LATIN.match(text[place - 1]) else _KANJI
        while start > stop_before and base.match(text[start - 1]):
            start -= 1
        if start == place and place > stop_before:
            start -= 1
        rubies.append(Ruby(start, place, "".join(chars), tuple(boxes)))
        stop_before = place
    ordered = sorted(rubies, key=lambda ruby: ruby.start)
    return Line(text, tuple(line.run.boxes), line.run.block, tuple(ordered))
