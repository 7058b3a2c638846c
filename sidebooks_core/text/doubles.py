"""Drops text that is drawn again in its place, as programs do to imitate bold letters and shadows. Pure."""

from __future__ import annotations

import math
from itertools import chain

import numpy as np

from sidebooks_core.text.runs import Box, Run, chosen

MOST_SHIFT = 0.15
"""Largest distance, in font sizes, between two drawings of a character that count once. It is also less than half of the
advance, so that the second of two equal letters is never taken for the first. Bold is imitated by shifts of 0.02 to 0.05,
shadows by up to 0.1."""

GRIDS = ((0.0, 0.0), (0.0, 0.5), (0.5, 0.0), (0.5, 0.5))
"""Grids that lie half a cell apart, in cells. Two places closer than half a cell share a cell of one of these grids."""
_MOST_IN_CELL = 8
"""Most places of one character in a cell that are kept: a hostile page has all its characters in one place."""


def undoubled(runs: list[Run]) -> list[Run]:
    """The runs without characters that are drawn again in their place, and without lines that consist of these."""
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
                keep.append(not was_again)  # a character without an advance goes with the character that it stands on
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
            kept.append(chosen(run, [place for place, is_kept in enumerate(keep) if is_kept]))
    return kept


def _reach(box: Box, size: float) -> float:
    return min(MOST_SHIFT * size, 0.5 * max(box[2] - box[0], 0.0), 0.5 * max(box[3] - box[1], 0.0))


def _may_be_doubled(runs: list[Run]) -> bool:
    """Whether any character has an equal one near it. Takes half a millisecond. It may be wrong only if it says yes."""
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
