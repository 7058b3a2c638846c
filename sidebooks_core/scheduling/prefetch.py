"""What a reader will want next, from how it moved: a pure policy over recent visits, costs and budgets.

The depth follows from two figures: what a sharp spread of this document costs, and how long the reader stays on one. A reader
who stays longer than a spread costs needs the next one or two; who turns faster needs as many as are drawn while it turns.
Who turns faster than spreads can be drawn gets none, as they would come too late: previews are shown, and all workers are
free for the spread on which it stops.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

from msgspec import Struct

SHORT_STEP = 2
"""A move over more spreads than this is a jump: what was before says nothing of what comes."""
VISITS_REMEMBERED = 6
"""Five intervals: the median follows a change of pace after three turns, and one hesitation does not change it."""
FLING_PACE_S = 0.5
"""Slower turns are never a fling, however slow the document: the reader looks at each page."""
FLING_LEAVE = 0.6
"""A fling ends when spreads cost less than this share of the pace: it begins at 1, and does not flicker between."""
STOPPED_AFTER = 2.0
"""No turn for so many times the pace: the reader has stopped."""
LEAST_AHEAD = 2
MOST_AHEAD = 12
"""Bounds the bytes that are wasted when the reader turns round or jumps."""
JUMPS_TO_JUMPING = 2
"""So many jumps in a row, and the reader is looking for something: where it lands, one spread is made ahead, not three."""
PREVIEWS_AHEAD = 3
"""Previews in the direction of reading for one behind."""
FIRST_COST_S = 0.05
"""The assumed cost of a sharp page until the document has shown it."""
FIRST_BYTES = 300_000
"""The assumed size of a sharp page until the document has shown it."""
SMOOTHING = 0.25
"""The weight of the newest page in the costs, from 0 to 1."""
RETRY_S = 0.1
"""After so long a queue that was full is asked again."""
POSITION_AFTER_S = 2.0
"""A page that is looked at for so long is where the next reading begins."""


class Visit(Struct, frozen=True):
    """A spread was shown from some moment on."""

    at_s: float
    """Of a clock that only goes forward."""
    spread: int
    """Its number, from 0."""


class Movement(Struct, frozen=True):
    """How a reader moves now."""

    direction: int = 1
    """1 forward in reading order, -1 back."""
    pace_s: float = math.inf
    """Seconds from one turn to the next; infinite where there is no telling."""
    is_fling: bool = False
    """Turning faster than sharp pages can be drawn."""
    is_jumping: bool = False
    """Going from one place to another far away, again and again."""


class Costs(Struct, frozen=True):
    """The cost of a sharp page of one document, smoothed over the pages that were drawn."""

    draw_s: float = FIRST_COST_S
    """Seconds of one worker."""
    data_bytes: float = FIRST_BYTES

    def with_page(self, draw_s: float, data_bytes: float) -> Costs:
        """The costs after one more page was drawn."""
        return Costs(
            self.draw_s + SMOOTHING * (draw_s - self.draw_s), self.data_bytes + SMOOTHING * (data_bytes - self.data_bytes)
        )


def look_again_s(movement: Movement, *, is_refused: bool, is_position_saved: bool) -> float | None:
    """Seconds after which a reader looks again what it wants, although nothing happened. None: never.

    A fling may have ended by then, the queue may have room again, or the page was looked at for POSITION_AFTER_S.
    """
    if movement.is_fling:
        return movement.pace_s
    if is_refused:
        return RETRY_S
    return None if is_position_saved else POSITION_AFTER_S


def movement_of(visits: Sequence[Visit], now_s: float, sharp_s: float, before: Movement | None = None) -> Movement:
    """The movement that recent visits, the last one still going on, amount to.

    sharp_s: seconds from one sharp spread to the next while all workers draw them. before: the last judgement.
    """
    before = before or Movement()
    steps: list[tuple[float, int]] = []
    for earlier, later in zip(reversed(visits[:-1]), reversed(visits[1:]), strict=True):
        step = later.spread - earlier.spread
        if not 0 < abs(step) <= SHORT_STEP or len(steps) == VISITS_REMEMBERED - 1:
            break
        steps.append((later.at_s - earlier.at_s, step))
    if not steps:
        last = visits[-JUMPS_TO_JUMPING - 1 :]
        far = [abs(later.spread - earlier.spread) > SHORT_STEP for earlier, later in pairwise(last)]
        return Movement(direction=before.direction, is_jumping=len(far) == JUMPS_TO_JUMPING and all(far))
    direction = 1 if steps[0][1] > 0 else -1
    pace_s = sorted(interval_s for interval_s, _ in steps)[len(steps) // 2]
    dwell_s = now_s - visits[-1].at_s
    if dwell_s > STOPPED_AFTER * pace_s:
        return Movement(direction, dwell_s, False)
    limit_s = pace_s * (FLING_LEAVE if before.is_fling else 1.0)
    return Movement(direction, pace_s, pace_s < FLING_PACE_S and sharp_s > limit_s)


def sharp_wishes(
    position: int, count: int, movement: Movement, *, sharp_s: float, sharp_bytes: float, budget_bytes: float
) -> tuple[int, ...]:
    """Numbers of the spreads to make sharp ahead of time, the most wanted first; never the one that is shown.

    sharp_bytes: of one sharp spread; no more are wished for than fit in budget_bytes.
    """
    if movement.is_fling:
        return ()
    drawn_meanwhile = math.ceil(2 * sharp_s / movement.pace_s) if movement.pace_s > 0 else MOST_AHEAD
    ahead = min(LEAST_AHEAD + drawn_meanwhile, MOST_AHEAD)
    steps = [1] if movement.is_jumping else [1, -1, *range(2, ahead + 1)]
    wished = [position + step * movement.direction for step in steps]
    fitting = max(0, int(budget_bytes // max(1.0, sharp_bytes)))
    return tuple(spread for spread in wished if 0 <= spread < count)[:fitting]


def preview_order(position: int, count: int, direction: int) -> Iterator[int]:
    """All pages from `position` outwards, in the order in which they are likely to be wanted."""
    ahead = iter(range(position, count) if direction > 0 else range(position, -1, -1))
    behind = iter(range(position - 1, -1, -1) if direction > 0 else range(position + 1, count))
    done_ahead = done_behind = False
    while not (done_ahead and done_behind):
        for _ in range(PREVIEWS_AHEAD):
            page = next(ahead, None)
            if page is None:
                done_ahead = True
                break
            yield page
        page = next(behind, None)
        if page is None:
            done_behind = True
        else:
            yield page
