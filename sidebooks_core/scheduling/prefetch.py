"""The spreads that a reader will want next: a pure policy over recent visits, costs and budgets.

The depth follows from two figures: the cost of a sharp spread of this document, and the time for which the reader stays on a
spread. A reader that stays longer than a spread costs needs the next few. A reader that turns faster needs as many as
are drawn meanwhile. A reader that turns faster than spreads can be drawn gets none, because they would come too late: it sees
previews, and all workers are free for the spread on which it stops.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

from msgspec import Struct

SHORT_STEP = 2
"""A move over more spreads than this is a jump: the visits before it tell nothing about those that follow."""
VISITS_REMEMBERED = 6
"""Five intervals: their median follows a change of pace after three turns, and one hesitation does not change it."""
FLING_PACE_S = 0.5
"""Slower turns are never a fling, however slow the document: the reader looks at each page."""
FLING_LEAVE = 0.6
"""A fling begins if a spread costs more than the pace, and ends if it costs less than this share of the pace. The gap keeps the
judgement from flickering."""
STOPPED_AFTER = 2.0
"""The reader has stopped if there was no turn for so many times the pace."""
LEAST_AHEAD = 2
MOST_AHEAD = 12
"""Bounds the bytes that are wasted if the reader turns round or jumps."""
JUMPS_TO_JUMPING = 2
"""After so many jumps in a row the reader is looking for something: one spread is made ahead, not three."""
PREVIEWS_AHEAD = 3
"""Previews in the direction of reading for each one against it."""
FIRST_COST_S = 0.05
"""The assumed cost of a sharp page until the document has shown it."""
FIRST_BYTES = 300_000
"""The assumed size of a sharp page until the document has shown it."""
SMOOTHING = 0.25
"""The weight of the newest page in the costs, from 0 to 1."""
RETRY_S = 0.1
"""After so long a queue that was full is asked again."""
POSITION_AFTER_S = 2.0
"""The next reading begins at a page that was looked at for so long."""


class Visit(Struct, frozen=True):
    """A spread that was shown, and the time from which on."""

    at_s: float
    """Seconds of a clock that only goes forward."""
    spread: int
    """Its number, from 0."""


class Movement(Struct, frozen=True):
    """The movement of a reader: direction, pace, fling or jumps."""

    direction: int = 1
    """1 forward in reading order, -1 back."""
    pace_s: float = math.inf
    """Seconds from one turn to the next; infinite if not known."""
    is_fling: bool = False
    """The reader turns faster than sharp pages can be drawn."""
    is_jumping: bool = False
    """The reader jumped JUMPS_TO_JUMPING times in a row."""


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
    """Seconds after which a reader looks again for wishes, although nothing happened. None: never.

    A fling may have ended by then, the queue may have room again, or the page was looked at for POSITION_AFTER_S.
    """
    if movement.is_fling:
        return movement.pace_s
    if is_refused:
        return RETRY_S
    return None if is_position_saved else POSITION_AFTER_S


def movement_of(visits: Sequence[Visit], now_s: float, sharp_s: float, before: Movement | None = None) -> Movement:
    """The movement in recent visits, of which the last one still goes on.

    sharp_s: seconds from one sharp spread to the next while all workers draw them. before: the movement as it was judged last.
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
    """Numbers, from 0, of the spreads to make sharp ahead of time, the most wanted first; never the one that is shown.

    sharp_bytes: the size of one sharp spread. No more spreads are wished for than fit into budget_bytes.
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
