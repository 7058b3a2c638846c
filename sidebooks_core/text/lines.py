"""What is written on a page, from the characters that an engine found: lines and columns, each text once, ruby beside its base.

Pure. Engines give pieces of lines in the order of drawing. Here text that is drawn again in its place is dropped, characters
that stand below one another are joined to columns, and ruby is taken out of the lines it interrupts.

A line has a direction. Along it runs `a`, across it `c`, which grows towards the next line: to the right and down for
horizontal text, down and to the left for vertical text, whose columns follow one another leftwards. Ruby is on the side of
lesser `c`: above a line, on the right of a column.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

import numpy as np
from msgspec import Struct, field
from numpy.typing import NDArray

Box = tuple[float, float, float, float]
"""x0, y0, x1, y1 in points of the page as shown."""

MOST_SHIFT = 0.15
"""How far apart, in font sizes, two drawings of one character may be to count once; and less than half of its advance, so that
the next of two equal letters is never taken for the last. Bold is imitated by shifts of 0.02 to 0.05, shadows by up to 0.1."""
MOST_COLUMN_GAP = 1.2
"""Between characters of a column, in font sizes: a full-width space that was not drawn is one."""
MOST_RUBY_SIZE = 0.7
"""Of its base's size; half is the rule."""
MOST_OVERHANG = 1.3
"""From the middle of a character of ruby to that of the nearest kanji, along the line, in sizes of the kanji: five kana of half
its size reach to 1.0, and six to 1.25."""
RUBY_DISTANCE = (0.35, 0.85)
"""Between the middles of ruby and base, across the line, in the sum of both sizes: 0.5 where they touch."""

GRIDS = ((0.0, 0.0), (0.0, 0.5), (0.5, 0.0), (0.5, 0.5))
"""Grids half a cell apart, in cells: two places nearer than half a cell share a cell of one of them."""
_MOST_IN_CELL = 8
"""Of one character, remembered: a hostile page has all of its characters in one place."""
_MOST_INTERRUPTIONS = 16
"""Pieces of ruby between two parts of a line."""
_MOST_PIECES = 5000
"""Of kana, looked at as ruby; a page of a newspaper with ruby throughout has some hundreds."""
_KANA = re.compile(r"[\u3041-\u309f\u30a0-\u30ff\u31f0-\u31ff\uff65-\uff9f\s]+")
_HAS_KANA = re.compile(r"[\u3041-\u309f\u30a0-\u30ff\u31f0-\u31ff\uff65-\uff9f]")
_KANJI = re.compile(r"[\u3005-\u3007\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_LATIN = re.compile(r"[^\s\u2e80-\U0010ffff]")
_CJK = re.compile(r"[\u2e80-\u9fff\uf900-\ufaff\uff01-\uffee\U00020000-\U0003ffff]")


class Run(Struct):
    """Characters in a line of one direction, as an engine gives them.

    turns: quarter turns clockwise of the direction from left to right; None for any other direction.
    """

    chars: list[str]
    boxes: list[Box]
    sizes: list[float]
    turns: int | None
    is_column: bool
    """Written in vertical mode."""
    block: int
    ruby: list[bool] = field(default_factory=list)
    """By character, where the document says so; else empty."""


class Ruby(Struct, frozen=True):
    """The reading of the characters from `start` to `stop` (excluded) of a line."""

    start: int
    stop: int
    text: str
    boxes: tuple[Box, ...]


class Line(Struct, frozen=True):
    """A line or a column: its characters in reading order, a box for each, its block's number, and its ruby, by place."""

    text: str
    boxes: tuple[Box, ...]
    block: int
    rubies: tuple[Ruby, ...] = ()


def lines_of(runs: Iterable[Run]) -> tuple[Line, ...]:
    """The lines of a page, in the order of the runs."""
    kept = undoubled(list(runs))
    if not any(run.ruby or _CJK.search("".join(run.chars)) for run in kept):
        return _as_lines(kept)
    return _with_ruby(_columns(kept))


def _as_lines(runs: Iterable[Run]) -> tuple[Line, ...]:
    return tuple(Line("".join(run.chars), tuple(run.boxes), run.block) for run in runs)


def undoubled(runs: list[Run]) -> list[Run]:
    """Without the characters that are drawn again in their place, and the lines that consist of such."""
    if not _may_be_doubled(runs):
        return runs
    seen: dict[tuple[str, int, int, int], list[tuple[float, float]]] = {}
    kept = []
    for run in runs:
        keep = []
        was_again = False
        for char, box, size in zip(run.chars, run.boxes, run.sizes, strict=True):
            reach = _reach(box, size)
            if reach <= 0:
                keep.append(not was_again)  # without an advance: it goes with what it stands on
                continue
            x, y = box[0], box[1]
            column, row = x / (2 * MOST_SHIFT * size), y / (2 * MOST_SHIFT * size)
            cells = [
                seen.setdefault((char, grid, math.floor(column + right), math.floor(row + down)), [])
                for grid, (right, down) in enumerate(GRIDS)
            ]
            was_again = any(
                abs(x - other_x) < reach and abs(y - other_y) < reach for cell in cells for other_x, other_y in cell
            )
            keep.append(not was_again)
            for cell in cells:
                if not was_again and len(cell) < _MOST_IN_CELL:
                    cell.append((x, y))
        if all(keep):
            kept.append(run)
            continue
        chars = [char for char, is_kept in zip(run.chars, keep, strict=True) if is_kept]
        if any(not char.isspace() for char in chars):
            kept.append(_chosen(run, [place for place, is_kept in enumerate(keep) if is_kept]))
    return kept


def _reach(box: Box, size: float) -> float:
    return min(MOST_SHIFT * size, 0.5 * max(box[2] - box[0], 0.0), 0.5 * max(box[3] - box[1], 0.0))


def _may_be_doubled(runs: list[Run]) -> bool:
    """Whether any character has an equal one near; told in half a millisecond, and wrong only towards yes."""
    codes = np.frombuffer("".join(char for run in runs for char in run.chars).encode("utf-32-le", "surrogatepass"), np.uint32)
    sizes = np.fromiter(chain.from_iterable(run.sizes for run in runs), np.float64, len(codes))
    sides = chain.from_iterable(chain.from_iterable(run.boxes for run in runs))  # flat: three times as fast as tuples
    boxes = np.fromiter(sides, np.float64, 4 * len(codes)).reshape(-1, 4)
    reach = np.minimum(MOST_SHIFT * sizes, 0.5 * (boxes[:, 2:] - boxes[:, :2]).min(axis=1, initial=math.inf))
    solid = (reach > 0) & np.isfinite(boxes).all(axis=1)
    names, places, sizes, reach = codes[solid].astype(np.int64), boxes[solid, :2], sizes[solid], reach[solid]
    cells = np.clip(places / (2 * MOST_SHIFT * sizes)[:, None], -(1 << 19), 1 << 19)
    for shift in GRIDS:
        columns, rows = (np.floor(cells + shift).astype(np.int64) + (1 << 19)).T
        keys = names << 42 | columns << 21 | rows
        order = keys.argsort()
        is_shared = np.diff(keys[order]) == 0
        one, other = order[1:][is_shared], order[:-1][is_shared]
        is_near = (np.abs(places[one] - places[other]) < np.minimum(reach[one], reach[other])[:, None]).all(axis=1)
        if is_near.any() or (is_shared[1:] & is_shared[:-1]).any():
            return True
    return False


def _chosen(run: Run, places: Sequence[int]) -> Run:
    """A run of some of the characters of another."""
    return Run(
        [run.chars[place] for place in places],
        [run.boxes[place] for place in places],
        [run.sizes[place] for place in places],
        run.turns,
        run.is_column,
        run.block,
        [run.ruby[place] for place in places] if run.ruby else [],
    )


def turned(box: Box, turns: int) -> Box:
    """A box as (least a, least c, most a, most c) of a direction."""
    if turns == 0:
        return box
    x0, y0, x1, y1 = box
    if turns == 1:
        return y0, -x1, y1, -x0
    return (-x1, -y1, -x0, -y0) if turns == 2 else (-y1, x0, -y0, x1)


def turned_back(box: Box, turns: int) -> Box:
    """The inverse of `turned`."""
    a0, c0, a1, c1 = box
    return ((a0, c0, a1, c1), (-c1, a0, -c0, a1), (-a1, -c1, -a0, -c0), (c0, -a1, c1, -a0))[turns]


class _Extent(Struct):
    """Where a run lies in a direction, and the size of its characters."""

    a0: float
    c0: float
    a1: float
    c1: float
    size: float

    @property
    def c(self) -> float:
        return (self.c0 + self.c1) / 2


def _extent(boxes: Sequence[Box], sizes: Sequence[float], turns: int) -> _Extent:
    if len(boxes) == 1:
        return _Extent(*turned(boxes[0], turns), sizes[0])
    x0, y0, x1, y1 = zip(*boxes, strict=True)
    return _Extent(*turned((min(x0), min(y0), max(x1), max(y1)), turns), max(sizes))


def _columns(runs: list[Run]) -> list[Run]:
    """Runs with those joined that stand in one column.

    Engines give vertical writing character by character; some writers set it so, each character a horizontal text of its own.
    """
    stacked = list(_stacked(runs))
    if not any(run.is_column for run in stacked):
        return stacked
    joined: list[Run] = []
    open_extent: _Extent | None = None
    for run in stacked:
        last = joined[-1] if joined else None
        if last is not None and last.is_column and last.turns is not None and open_extent is not None and run.chars:
            extent = _extent(run.boxes, run.sizes, last.turns)
            if _continues_column(open_extent, extent, run, last):
                last.chars += run.chars
                last.boxes += run.boxes
                last.sizes += run.sizes
                if extent.size >= 0.9 * open_extent.size:
                    open_extent.c0, open_extent.c1 = min(open_extent.c0, extent.c0), max(open_extent.c1, extent.c1)
                open_extent.a1 = extent.a1
                continue
        joined.append(_chosen(run, range(len(run.chars))))
        is_open = run.is_column and run.turns is not None and bool(run.chars)
        open_extent = _extent(run.boxes, run.sizes, run.turns or 0) if is_open else None
    return joined


def _continues_column(column: _Extent, piece: _Extent, run: Run, last: Run) -> bool:
    gap = (piece.a0 - column.a1) / column.size
    if not -0.5 < gap < MOST_COLUMN_GAP or abs(piece.c - column.c) > 0.3 * column.size:
        return False
    if run.is_column and run.turns == last.turns:
        return 0.8 < piece.size / column.size < 1.25
    # Set across, as numbers of two digits are, or lying, as Latin words are.
    is_narrow = piece.c1 - piece.c0 < 1.8 * column.size
    return (
        is_narrow and gap < 0.8 and 0.4 < piece.size / column.size < 1.25 and (run.turns == last.turns or len(run.chars) <= 4)
    )


def _stacked(runs: list[Run]) -> Iterator[Run]:
    """The runs; those of one character each, evenly below one another, as columns, whose direction is a quarter turn on.

    Where most characters stand so, the others that stand alone do, too: beside ruby or Latin words a column is uneven.
    """
    stacks = list(_stacks(runs))
    most_stand = sum(len(stack) for stack in stacks if len(stack) > 1) > sum(
        len(stack[0].chars) for stack in stacks if len(stack) == 1 and not stack[0].is_column and _has_cjk(stack[0])
    )
    for stack in stacks:
        is_column = len(stack) >= _LEAST_STACK or (most_stand and _stands_alone(stack[0]))
        for run in stack:
            if is_column and run.turns is not None:
                yield Run(run.chars, run.boxes, run.sizes, (run.turns + 1) % 4, True, stack[0].block, run.ruby)
            else:
                yield run


def _stacks(runs: list[Run]) -> Iterator[list[Run]]:
    """The runs, together where they are evenly below one another."""
    start = 0
    while start < len(runs):
        stop = start + 1
        step = None
        while stop < len(runs):
            found = _step_down(runs[stop - 1], runs[stop])
            if found is None or (step is not None and abs(found - step) > 0.1 * runs[start].sizes[0]):
                break
            step = found
            stop += 1
        yield runs[start:stop]
        start = stop


def _has_cjk(run: Run) -> bool:
    return any(_CJK.match(char) for char in run.chars)


def _stands_alone(run: Run) -> bool:
    return not run.is_column and len(run.chars) == 1 and _CJK.match(run.chars[0]) is not None


_LEAST_STACK = 3


def _step_down(upper: Run, lower: Run) -> float | None:
    """From a single character across to one right below it, in points; None where it is not so."""
    if upper.turns is None or upper.turns != lower.turns:
        return None
    if not (_stands_alone(upper) and _stands_alone(lower)):
        return None
    a0, c0, a1, _ = turned(upper.boxes[0], upper.turns)
    other_a0, other_c0, other_a1, _ = turned(lower.boxes[0], upper.turns)
    size = upper.sizes[0]
    step = other_c0 - c0
    is_below = 0.85 * size < step < 1.35 * size and abs(a0 + a1 - other_a0 - other_a1) < 0.4 * size
    return step if is_below and 0.95 < lower.sizes[0] / size < 1.05 else None


class _Piece(Struct):
    """Kana of one size in a run: what may be ruby."""

    run: int
    places: range
    extent: _Extent
    is_ruby: bool = False


def _with_ruby(runs: list[Run]) -> tuple[Line, ...]:
    """Lines with the ruby taken out and set beside its base."""
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
        return _as_lines(runs)
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
                pieces.append(_Piece(number, range(len(run.chars)), _extent(run.boxes, run.sizes, run.turns)))
            continue
        start = 0
        for stop in range(1, len(run.chars) + 1):
            if stop < len(run.chars) and abs(run.sizes[stop] - run.sizes[start]) < 0.05 * run.sizes[start]:
                continue
            text = "".join(run.chars[start:stop])
            if _KANA.fullmatch(text) and not text.isspace():
                extent = _extent(run.boxes[start:stop], run.sizes[start:stop], run.turns)
                pieces.append(_Piece(number, range(start, stop), extent))
            start = stop
    return pieces


class _Kanji:
    """Where the kanji of a page lie, by direction."""

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
        """Whether a piece is small, on ruby's side of kanji, and most of it is over them."""
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
    """Characters that stand together along a line, each group as (least a, most a, places)."""
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
    """Marks as ruby, whatever their size, the pieces that are drawn between two parts of a line, over the end of the first."""
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
        base = _extent(runs[before].boxes, runs[before].sizes, run.turns)
        rise = (base.c - piece.extent.c) / base.size
        is_over = base.a0 - 0.5 * base.size < piece.extent.a0 < base.a1 + 0.1 * base.size
        piece.is_ruby |= is_over and 0.5 < rise < 1.7 and bool(_KANJI.match(runs[before].chars[-1]))


def _adjoins(before: Run, after: Run, most_gap: float = 0.5) -> bool:
    """Whether a run goes on where another ends, on its line. most_gap: between them, in font sizes."""
    if before.turns is None or before.turns != after.turns:
        return False
    one, other = (_extent(run.boxes, run.sizes, before.turns) for run in (before, after))
    size = max(one.size, other.size)
    return abs(one.c - other.c) < 0.2 * size and -0.3 * size < other.a0 - one.a1 < most_gap * size


class _Open(Struct):
    """A line that is being put together: its base, and the ruby seen for it."""

    run: Run
    rubies: list[tuple[int, list[str], list[Box]]]
    """Where each stands in reading order: after so many characters of the base."""


def _assembled(runs: list[Run], ruby: list[list[bool]], marked: list[bool]) -> tuple[Line, ...]:
    lines: list[_Open] = []
    loose: list[tuple[Run, list[int]]] = []
    after_ruby = False
    for run, flags, is_marked in zip(runs, ruby, marked, strict=True):
        base = [place for place, is_ruby in enumerate(flags) if not is_ruby]
        if is_marked:
            lines.append(_Open(_chosen(run, base), _marked_rubies(run, flags)))
            continue
        if len(base) < len(flags):
            loose.append((run, [place for place, is_ruby in enumerate(flags) if is_ruby]))
            after_ruby = True
        if not base:
            continue
        part = _chosen(run, base)
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
                _base_of(table, a0, a1, _extent(boxes, [run.sizes[group[0]]], run.turns or 0)) if table is not None else None
            )
            if where is None:
                # Nowhere near: a line of its own loses nothing.
                lines.append(_Open(_chosen(run, group), []))
                found.append([])
            else:
                number, start, stop = where
                found[number].append(Ruby(start, stop, text, boxes))
    return found


def _base_of(table: NDArray[np.float64], a0: float, a1: float, ruby: _Extent) -> tuple[int, int, int] | None:
    """The line and the range of its characters that ruby is beside."""
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
