"""Vertical writing: joins characters that stand below one another to columns. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from sidebooks_core.text.runs import CJK, Extent, Run, chosen, extent_of, turned

MOST_COLUMN_GAP = 1.2
"""Largest gap between characters of a column, in font sizes: a full-width space that was not drawn is one."""
_LEAST_STACK = 3


def columns(runs: list[Run]) -> list[Run]:
    """The runs, with those joined that stand in one column.

    Engines give vertical writing character by character. Some writers set it so: each character is a horizontal text of its
    own.
    """
    stacked = list(_stacked(runs))
    if not any(run.is_column for run in stacked):
        return stacked
    joined: list[Run] = []
    open_extent: Extent | None = None
    for run in stacked:
        last = joined[-1] if joined else None
        if last is not None and last.is_column and last.turns is not None and open_extent is not None and run.chars:
            extent = extent_of(run.boxes, run.sizes, last.turns)
            if _continues_column(open_extent, extent, run, last):
                last.chars += run.chars
                last.boxes += run.boxes
                last.sizes += run.sizes
                if extent.size >= 0.9 * open_extent.size:
                    open_extent.c0, open_extent.c1 = min(open_extent.c0, extent.c0), max(open_extent.c1, extent.c1)
                open_extent.a1 = extent.a1
                continue
        joined.append(chosen(run, range(len(run.chars))))
        is_open = run.is_column and run.turns is not None and bool(run.chars)
        open_extent = extent_of(run.boxes, run.sizes, run.turns or 0) if is_open else None
    return joined


def _continues_column(column: Extent, piece: Extent, run: Run, last: Run) -> bool:
    gap = (piece.a0 - column.a1) / column.size
    if not -0.5 < gap < MOST_COLUMN_GAP or abs(piece.c - column.c) > 0.3 * column.size:
        return False
    if run.is_column and run.turns == last.turns:
        return 0.8 < piece.size / column.size < 1.25
    # Set across, as numbers of two digits are; or lying on the side, as Latin words are.
    is_narrow = piece.c1 - piece.c0 < 1.8 * column.size
    return (
        is_narrow and gap < 0.8 and 0.4 < piece.size / column.size < 1.25 and (run.turns == last.turns or len(run.chars) <= 4)
    )


def _stacked(runs: list[Run]) -> Iterator[Run]:
    """The runs. Single characters that stand evenly below one another become columns, whose direction is a quarter turn on.

    If most characters stand so, other single characters count as columns, too: a column is uneven beside ruby or Latin words.
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
    """The runs in groups: runs that stand evenly below one another are in one group."""
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
    return any(CJK.match(char) for char in run.chars)


def _stands_alone(run: Run) -> bool:
    return not run.is_column and len(run.chars) == 1 and CJK.match(run.chars[0]) is not None


def _step_down(upper: Run, lower: Run) -> float | None:
    """The distance from a single character to one directly below it, in points; None if it does not lie so."""
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
