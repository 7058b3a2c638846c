"""The prefetch policy: what follows from movement, cost and budget, without a clock or a page."""

from __future__ import annotations

import math
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from sidebooks_core.reading.preview_room import PreviewRoom
from sidebooks_core.scheduling.prefetch import (
    FIRST_COST_S,
    MOST_AHEAD,
    POSITION_AFTER_S,
    RETRY_S,
    Costs,
    Movement,
    Visit,
    look_again_s,
    movement_of,
    preview_order,
    sharp_wishes,
)
from sidebooks_core.scheduling.previews import PREVIEWS_AT_ONCE, Previews
from sidebooks_core.stores.memory import RECORD_OVERHEAD_BYTES

PLENTY = {"sharp_bytes": 1.0, "budget_bytes": 1e9}
CHEAP_S, DEAR_S = 0.01, 0.4


def visits(spreads: list[int], pace_s: float) -> list[Visit]:
    return [Visit(number * pace_s, spread) for number, spread in enumerate(spreads)]


def moved(spreads: list[int], pace_s: float, sharp_s: float, dwell_s: float = 0.0, before: Movement | None = None) -> Movement:
    return movement_of(visits(spreads, pace_s), (len(spreads) - 1) * pace_s + dwell_s, sharp_s, before)


def test_nothing_is_known_of_a_reader_who_has_not_moved() -> None:
    assert moved([3], 1, CHEAP_S) == Movement()
    assert sharp_wishes(3, 10, Movement(), sharp_s=CHEAP_S, **PLENTY) == (4, 2, 5)


def test_reading_on_looks_ahead_and_keeps_one_behind() -> None:
    movement = moved([0, 1, 2, 3], 5.0, CHEAP_S)
    assert movement == Movement(1, 5.0, False)
    assert sharp_wishes(3, 10, movement, sharp_s=CHEAP_S, **PLENTY) == (4, 2, 5, 6)


def test_turning_back_turns_the_wishes_round_at_once() -> None:
    movement = moved([0, 1, 2, 3, 2], 1.0, CHEAP_S)
    assert movement.direction == -1
    assert sharp_wishes(2, 10, movement, sharp_s=CHEAP_S, **PLENTY)[:3] == (1, 3, 0)


def test_the_depth_follows_from_cost_and_pace() -> None:
    def depth(pace_s: float, sharp_s: float) -> int:
        return len(sharp_wishes(50, 100, Movement(1, pace_s), sharp_s=sharp_s, **PLENTY))

    assert depth(10.0, CHEAP_S) < depth(0.2, 0.19) < depth(0.1, 0.3)
    assert depth(0.001, 10.0) == MOST_AHEAD + 1


def test_turning_faster_than_pages_can_be_drawn_is_a_fling() -> None:
    fling = moved([0, 1, 2, 3, 4], 0.1, DEAR_S)
    assert fling.is_fling
    assert sharp_wishes(4, 100, fling, sharp_s=DEAR_S, **PLENTY) == ()
    assert not moved([0, 1, 2, 3, 4], 0.1, CHEAP_S).is_fling
    assert not moved([0, 1, 2, 3, 4], 0.6, 2.0).is_fling, "who turns that slowly looks at every page"


def test_a_fling_ends_later_than_it_begins() -> None:
    fling = Movement(1, 0.1, True)
    assert moved([0, 1, 2], 0.1, 0.08, before=fling).is_fling
    assert not moved([0, 1, 2], 0.1, 0.08).is_fling
    assert not moved([0, 1, 2], 0.1, 0.05, before=fling).is_fling


def test_a_fling_ends_when_the_turning_stops() -> None:
    fling = moved([0, 1, 2, 3], 0.1, DEAR_S)
    assert moved([0, 1, 2, 3], 0.1, DEAR_S, dwell_s=0.15, before=fling).is_fling
    stopped = moved([0, 1, 2, 3], 0.1, DEAR_S, dwell_s=0.25, before=fling)
    assert (stopped.is_fling, stopped.direction) == (False, 1)


def test_a_jump_says_nothing_of_the_pace_and_keeps_the_direction() -> None:
    assert moved([5, 4, 3, 80], 0.1, DEAR_S, before=Movement(-1, 0.1)) == Movement(-1, math.inf, False)


def test_who_jumps_about_gets_one_spread_ahead_until_it_reads_on() -> None:
    once, twice = moved([3, 40], 2.0, CHEAP_S), moved([3, 40, 9], 2.0, CHEAP_S)
    assert (once.is_jumping, twice.is_jumping) == (False, True)
    assert len(sharp_wishes(40, 100, once, sharp_s=CHEAP_S, **PLENTY)) == 3
    assert sharp_wishes(9, 100, twice, sharp_s=CHEAP_S, **PLENTY) == (10,)
    reads_on = moved([3, 40, 9, 10], 2.0, CHEAP_S)
    assert not reads_on.is_jumping
    assert len(sharp_wishes(10, 100, reads_on, sharp_s=CHEAP_S, **PLENTY)) > 2


def test_no_more_is_wished_for_than_the_budget_holds() -> None:
    movement = Movement(1, 1.0)
    assert len(sharp_wishes(5, 100, movement, sharp_s=1.0, sharp_bytes=10, budget_bytes=25)) == 2
    assert sharp_wishes(5, 100, movement, sharp_s=1.0, sharp_bytes=10, budget_bytes=0) == ()


@given(
    st.lists(st.tuples(st.floats(0.001, 60), st.integers(0, 40)), min_size=1, max_size=8),
    st.floats(0, 10),
    st.floats(0, 30),
    st.floats(0, 100),
)
def test_wishes_are_other_spreads_of_the_document(
    moves: list[tuple[float, int]], sharp_s: float, dwell_s: float, budget: float
) -> None:
    at_s, seen = 0.0, []
    for interval_s, spread in moves:
        at_s += interval_s
        seen.append(Visit(at_s, spread))
    movement = movement_of(seen, at_s + dwell_s, sharp_s)
    position = seen[-1].spread
    wished = sharp_wishes(position, 41, movement, sharp_s=sharp_s, sharp_bytes=3, budget_bytes=budget)
    assert len(set(wished)) == len(wished) <= min(MOST_AHEAD + 1, budget // 3)
    assert position not in wished
    assert all(0 <= spread < 41 for spread in wished)


@given(st.integers(1, 300), st.data(), st.sampled_from([1, -1]))
def test_previews_reach_every_page_once_nearest_first(count: int, data: st.DataObject, direction: int) -> None:
    position = data.draw(st.integers(0, count - 1))
    order = list(preview_order(position, count, direction))
    assert sorted(order) == list(range(count))
    assert order[0] == position
    ahead = [page for page in order if (page - position) * direction >= 0]
    assert all((later - earlier) == direction for earlier, later in pairwise(ahead))


def test_the_costs_follow_the_pages_that_are_drawn_and_one_odd_page_does_not_decide() -> None:
    costs = Costs()
    odd = costs.with_page(10.0, 1e7)
    assert FIRST_COST_S < odd.draw_s < 5.0
    for _ in range(30):
        costs = costs.with_page(0.2, 1000)
    assert math.isclose(costs.draw_s, 0.2, rel_tol=0.01)
    assert math.isclose(costs.data_bytes, 1000, rel_tol=0.1)


def test_a_reader_looks_again_when_a_fling_may_have_ended_or_the_queue_may_have_room() -> None:
    still, fling = Movement(), Movement(1, 0.2, True)
    assert look_again_s(fling, is_refused=True, is_position_saved=False) == 0.2
    assert look_again_s(still, is_refused=True, is_position_saved=True) == RETRY_S
    assert look_again_s(still, is_refused=False, is_position_saved=False) == POSITION_AFTER_S
    assert look_again_s(still, is_refused=False, is_position_saved=True) is None


def test_only_a_few_previews_are_under_way_and_each_page_gets_one() -> None:
    previews = Previews(10)
    previews.begin_at(3, 1)
    under_way: list[int] = []
    made: list[int] = []
    while not previews.is_complete:
        while (page := previews.next_page()) is not None:
            previews.asked()
            under_way.append(page)
        assert 0 < len(under_way) <= PREVIEWS_AT_ONCE
        made.append(under_way.pop(0))
        previews.made(made[-1])
    assert made[:2] == [3, 4]
    assert sorted(made) == list(range(10))
    assert previews.next_page() is None


def test_a_preview_that_was_refused_comes_up_again_and_one_at_hand_does_not() -> None:
    previews = Previews(2)
    previews.begin_at(0, 1)
    assert previews.next_page() == 0
    previews.asked()
    previews.failed(0, is_final=False)
    previews.skip(1)
    assert not previews.is_complete
    assert previews.next_page() is None, "the order is at its end"
    previews.begin_at(0, 1)
    assert previews.next_page() == 0


def test_forgotten_previews_come_up_again_and_those_that_failed_do_not() -> None:
    previews = Previews(5)
    previews.begin_at(0, 1)
    for page in range(3):
        assert previews.next_page() == page
        previews.asked()
        assert previews.is_waiting
        if page == 1:
            previews.failed(page, is_final=True)
        else:
            previews.made(page)
    assert not previews.is_waiting
    previews.forget()
    previews.begin_at(0, 1)
    assert [previews.next_page() for _ in range(5)] == [0, 2, 3, 4, None]


def test_previews_reach_as_far_as_they_fit_into_memory() -> None:
    room = PreviewRoom(1_000_000)
    assert room.most is None
    assert room.reaches(99_999, 0, 100_000), "no size is known"
    room.see(10_000 - RECORD_OVERHEAD_BYTES)
    room.see(8_000 - RECORD_OVERHEAD_BYTES)
    assert room.most == 100
    assert room.reaches(99, 0, 100), "all of them fit"
    assert [room.reaches(page, 500, 1000) for page in (424, 425, 500, 575, 576)] == [False, True, True, True, False]
