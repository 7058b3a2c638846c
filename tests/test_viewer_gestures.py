"""What fingers and wheels mean: each row of the table in gestures.js, without a browser."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from viewer_node import NODE, run

pytestmark = pytest.mark.skipif(NODE is None, reason="needs node")

FITS = {"left": 0, "right": 0, "up": 0, "down": 0}
TALL = {"left": 0, "right": 0, "up": 500, "down": 0}
AT_ITS_END = {"left": 0, "right": 0, "up": 0, "down": 500}
LARGE = {"left": 300, "right": 300, "up": 500, "down": 500}
AT_THE_RIGHT = {"left": 0, "right": 600, "up": 500, "down": 500}

PLAY = """
const [events, scene] = given;
const { IDLE, next } = await import("./gestures.js");
let state = IDLE;
const told = [];
for (const event of events) {
  const seen = { width: 800, height: 1000, selects: false, edges: true, ...scene };
  const [after, effects] = next(state, { on: "page", pointer: "touch", ...event }, seen);
  state = after;
  told.push(...effects);
}
return told;
"""

Step = tuple[float, float]


def drag(
    start: Step, *steps: Step, ms: float = 16, finger: int = 1, begins_ms: float = 0, up: bool = True, **how: Any
) -> list[dict[str, Any]]:
    """A finger that goes down, moves by steps, and goes up where it is."""
    events = [{"kind": "down", "id": finger, "x": start[0], "y": start[1], "t_ms": begins_ms, **how}]
    x, y, t_ms = *start, begins_ms
    for dx, dy in steps:
        x, y, t_ms = x + dx, y + dy, t_ms + ms
        events.append({"kind": "move", "id": finger, "x": x, "y": y, "t_ms": t_ms, **how})
    return [*events, {"kind": "up", "id": finger, "x": x, "y": y, "t_ms": t_ms + ms, **how}] if up else events


def played(events: Sequence[dict[str, Any]], room: dict[str, int] = FITS, **scene: Any) -> list[list[Any]]:
    told: list[list[Any]] = run(PLAY, events, {"room": room, **scene})
    return told


def names(told: list[list[Any]]) -> list[str]:
    """The effects, each once in a row."""
    return [one[0] for index, one in enumerate(told) if index == 0 or told[index - 1][0] != one[0]]


@pytest.mark.parametrize(("x", "told"), [(20, ["edge", "left"]), (780, ["edge", "right"])])
def test_a_tap_near_an_edge_turns(x: int, told: list[str]) -> None:
    assert played(drag((x, 500))) == [told]


@pytest.mark.parametrize("x", [240, 400, 560])
def test_a_tap_elsewhere_is_a_tap(x: int) -> None:
    assert played(drag((x, 500))) == [["tap", x, 500]]


def test_an_edge_that_was_switched_off_does_not_turn() -> None:
    assert played(drag((20, 500)), edges=False) == [["tap", 20, 500]]


def test_a_finger_that_trembles_taps() -> None:
    assert played(drag((400, 500), (7, 3), (3, 4), (-2, 1))) == [["tap", 400, 500]]


@pytest.mark.parametrize("x", [20, 400])
def test_a_finger_that_rests_does_nothing_when_it_is_lifted(x: int) -> None:
    assert played(drag((x, 500), ms=2000)) == []


def test_two_taps_at_one_place_are_a_double_tap_and_never_two_turns() -> None:
    assert played(drag((240, 500)) + drag((245, 510), begins_ms=200)) == [["tap", 240, 500], ["doubleTap", 245, 510]]


def test_two_taps_at_two_places_or_late_are_two_taps() -> None:
    assert names(played(drag((300, 500)) + drag((500, 500), begins_ms=200))) == ["tap"]
    assert names(played(drag((300, 500)) + drag((300, 500), begins_ms=600))) == ["tap"]


def test_a_swipe_turns() -> None:
    told = played(drag((600, 500), *[(-40, 4)] * 5))
    assert names(told) == ["follow", "letGo"]
    assert told[-1] == ["letGo", -200, True]


def test_a_short_and_slow_swipe_goes_back() -> None:
    assert played(drag((600, 500), *[(-10, 0)] * 4, ms=200))[-1] == ["letGo", -40, False]


def test_a_short_and_fast_swipe_turns() -> None:
    assert played(drag((600, 500), (-15, 0), (-15, 0), ms=10))[-1] == ["letGo", -30, True]


def test_a_swipe_that_is_taken_back_does_not_turn() -> None:
    assert played(drag((600, 500), *[(-40, 0)] * 5, *[(40, 0)] * 5))[-1] == ["letGo", 0, False]


def test_a_swipe_that_the_system_takes_over_does_not_turn() -> None:
    events = drag((600, 500), *[(-40, 4)] * 5, up=False)
    assert played([*events, {"kind": "cancel", "id": 1, "x": 0, "y": 0, "t_ms": 200}])[-1] == ["letGo", -600, False]


@pytest.mark.parametrize("step", [(4.5, 50), (-4.5, -50), (30, 30), (-30, 30), (0, -50)])
def test_an_upright_or_slanting_drag_never_turns(step: Step) -> None:
    assert played(drag((400, 500), *[step] * 10)) == []


def test_a_page_that_is_larger_than_the_screen_moves_and_runs_on() -> None:
    told = played(drag((400, 500), *[(-5, -20)] * 8), LARGE)
    assert names(told) == ["move", "fling"]
    assert sum(one[1] for one in told if one[0] == "move") == -40
    assert sum(one[2] for one in told if one[0] == "move") == -160
    assert told[-1][1] == pytest.approx(-0.3, rel=0.2)


def test_a_page_that_is_held_still_before_it_is_let_go_stays() -> None:
    events = drag((400, 500), *[(0, -20)] * 5, up=False)
    still = {"kind": "up", "id": 1, "x": 400, "y": 400, "t_ms": 400}
    assert names(played([*events, still], LARGE)) == ["move"]


def test_an_enlarged_page_turns_sideways_at_its_very_edge_only() -> None:
    swipe = drag((600, 500), *[(-40, 4)] * 5)
    assert names(played(swipe, LARGE)) == ["move", "fling"]
    assert names(played(swipe, AT_THE_RIGHT)) == ["follow", "letGo"]
    assert names(played(swipe, TALL)) == ["follow", "letGo"], "it fits in its width"


def test_a_tall_page_that_is_pulled_far_beyond_its_end_turns() -> None:
    assert played(drag((400, 800), *[(0, -20)] * 4), AT_ITS_END)[-1] == ["unpull"]
    assert played(drag((400, 800), *[(0, -20)] * 8), AT_ITS_END)[-1] == ["turn", 1]
    assert played(drag((400, 100), *[(0, 20)] * 8), TALL)[-1] == ["turn", -1]


def test_taps_turn_an_enlarged_page() -> None:
    assert played(drag((780, 500)), LARGE) == [["edge", "right"]]


def two(first: Sequence[Step], second: Sequence[Step], later_ms: float = 0) -> list[dict[str, Any]]:
    """Two fingers that move in turn."""
    one = drag((300, 500), *first, up=False)
    other = drag((500, 500), *second, finger=2, begins_ms=later_ms, up=False)
    moves = [event for pair in zip(one[1:], other[1:], strict=True) for event in pair]
    for index, event in enumerate(moves):
        event["t_ms"] = later_ms + 8 * index
    ups = [{**last, "kind": "up", "t_ms": later_ms + 900} for last in moves[-2:]]
    return [one[0], other[0], *moves, *ups]


def test_two_fingers_zoom() -> None:
    told = played(two([(-10, 0)] * 10, [(10, 0)] * 10))
    assert names(told) == ["pinch"]
    factor = 1.0
    for one in told:
        factor *= one[1]
    assert factor == pytest.approx(2, rel=0.02)


def test_two_fingers_that_move_together_move_the_page() -> None:
    told = played(two([(10, 5)] * 10, [(10, 5)] * 10), LARGE)
    assert names(told) == ["pinch"]
    assert sum(one[4] for one in told) == pytest.approx(100, abs=12)
    assert sum(one[5] for one in told) == pytest.approx(50, abs=8)


def test_a_thumb_that_rests_does_not_spoil_the_swipe_of_the_other_hand() -> None:
    told = played(two([(0, 0)] * 8, [(-30, 0)] * 8, later_ms=800))
    assert names(told) == ["follow", "letGo"]
    assert told[-1] == ["letGo", -240, True]


def test_a_second_finger_ends_a_swipe() -> None:
    events = drag((600, 500), *[(-40, 0)] * 3, up=False)
    events += drag((300, 500), finger=2, begins_ms=100, up=False)
    assert played(events)[-1] == ["letGo", 0, False]


def test_a_third_finger_ends_everything() -> None:
    events = [event for finger in (1, 2, 3) for event in drag((200 * finger, 500), finger=finger, up=False)]
    events += [{"kind": "move", "id": 3, "x": 100, "y": 500, "t_ms": 100}]
    assert played(events) == []


def test_a_link_is_followed_by_a_tap_and_swiped_over() -> None:
    assert played(drag((400, 500), on="link")) == []
    assert names(played(drag((600, 500), *[(-40, 4)] * 5, on="link"))) == ["follow", "letGo"]


def test_a_mouse_selects_words_unless_there_is_a_page_to_move() -> None:
    across = drag((600, 500), *[(-40, 4)] * 5, on="text", pointer="mouse")
    assert played(across) == []
    assert names(played(across, LARGE)) == ["move", "fling"]
    assert names(played(drag((600, 500), *[(-40, 4)] * 5, on="text"))) == ["follow", "letGo"], "a finger swipes"


def test_while_words_are_selected_nothing_turns() -> None:
    assert played(drag((400, 500)), selects=True) == []
    assert played(drag((20, 500)), selects=True) == []


WHEEL = """
const [events, scene] = given;
const { STILL, wheeled } = await import("./gestures.js");
let state = STILL;
const told = [];
for (const event of events) {
  const told_of = { dx: 0, dy: 0, x: 400, y: 400, ctrl: false, isNotch: false, ...event };
  const [after, effects] = wheeled(state, told_of, { width: 800, height: 1000, ...scene });
  state = after;
  told.push(...effects);
}
return told;
"""


def wheeled(events: Sequence[dict[str, Any]], room: dict[str, int] = FITS) -> list[list[Any]]:
    told: list[list[Any]] = run(WHEEL, events, {"room": room})
    return told


def flick(axis: str, begins_ms: float = 0, first: float = 60) -> list[dict[str, Any]]:
    """A stroke on a trackpad with its inertia, which lasts a second."""
    return [{axis: first * 0.94**index, "t_ms": begins_ms + 16 * index} for index in range(60)]


def test_a_flick_of_a_trackpad_turns_once_whatever_its_inertia() -> None:
    assert wheeled(flick("dy")) == [["turn", 1]]
    assert wheeled(flick("dy") + flick("dy", 1200)) == [["turn", 1], ["turn", 1]]
    assert wheeled(flick("dy")[:40] + flick("dy", 700)) == [["turn", 1], ["turn", 1]], "into the inertia of the first"
    assert wheeled(flick("dx")) == [["towards", "right"]]


def test_each_click_of_a_wheel_turns() -> None:
    assert wheeled([{"dy": -120, "t_ms": 150 * index, "isNotch": True} for index in range(3)]) == [["turn", -1]] * 3


def test_a_wheel_moves_a_tall_page_and_turns_with_the_next_stroke() -> None:
    assert {one[0] for one in wheeled(flick("dy"), TALL)} == {"move"}
    assert wheeled(flick("dy"), AT_ITS_END) == [["turn", 1]]


def test_a_wheel_with_ctrl_zooms() -> None:
    [[name, factor, x, y]] = wheeled([{"dy": -100, "t_ms": 0, "ctrl": True}])
    assert (name, x, y) == ("zoom", 400, 400)
    assert factor > 1.2
