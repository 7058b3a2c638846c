"""What a follower does with what arrives: the cases of meeting_following.json, which the viewer's script is held to as well."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidebooks_core.errors import RequestError
from sidebooks_core.meeting import following
from sidebooks_core.meeting.commands import Show
from sidebooks_core.meeting.following import Fit, Follower
from sidebooks_core.meeting.state import Details, State

CASES = json.loads(Path(__file__).with_name("meeting_following.json").read_text(encoding="utf-8"))


def cases(kind: str) -> Any:
    return pytest.mark.parametrize("case", [pytest.param(one, id=one["name"]) for one in CASES[kind]])


def state_of(**told: Any) -> State:
    known = {"meeting": "m", "paper": "p", "revision": 1, "page": 1, "spread": None, "view_pt": None, "mode": "follow"}
    return State(**{**known, "called": 0, "details": 1, "presenter": "p", "t": 0, **told})


def after(follower: Follower, step: list[Any]) -> Follower:
    match step:
        case ["state", told]:
            return following.received(follower, state_of(**told))
        case ["moved"]:
            return following.moved(follower)
        case ["returned"]:
            return following.returned(follower)
        case ["details", [epoch, seq]]:
            details = Details(meeting="m", epoch=epoch, seq=seq, name="n", opened_s=0.0)
            return following.has_details(follower, details)
    raise AssertionError(step)


@cases("following")
def test_a_follower(case: dict[str, Any]) -> None:
    follower = Follower()
    for step in case["steps"]:
        follower = after(follower, step)
    shown = following.shows(follower)
    found = {
        "position": None if follower.state is None else list(follower.state.position),
        "is_following": follower.is_following,
        "shows": None if shown is None else shown.page,
        "needs_details": following.needs_details(follower),
    }
    assert {name: found[name] for name in case["then"]} == case["then"]


@cases("is_behind")
def test_who_is_behind_knows_it(case: dict[str, Any]) -> None:
    has = case["has"]
    follower = Follower(state=None if has is None else state_of(epoch=has[0], seq=has[1]))
    assert following.is_behind(follower, tuple(case["ping"])) is case["is_behind"]


@cases("fitted")
def test_a_rectangle_on_a_screen(case: dict[str, Any]) -> None:
    fit = following.fitted(tuple(case["rect"]), *case["view"])
    assert [fit.scale, fit.x_view, fit.y_view] == pytest.approx(case["fit"])


@cases("seen")
def test_what_a_screen_sees(case: dict[str, Any]) -> None:
    assert following.seen(Fit(*case["fit"]), *case["view"]) == pytest.approx(case["rect"])


@cases("repeats")
def test_whether_a_presenter_says_again_where_they_are(case: dict[str, Any]) -> None:
    told = None if case["told"] is None else Show(id="i", client="c", count=1, epoch=1, **case["told"])
    had = None if case["had"] is None else state_of(**case["had"])
    assert following.repeats(told, had, state_of(**case["state"]), "me") is case["repeats"]


SIDES = st.floats(1, 5000)


@given(st.floats(-500, 2000), st.floats(-500, 2000), SIDES, SIDES, st.integers(1, 4000), st.integers(1, 4000))
def test_all_of_the_rectangle_is_on_any_screen(
    x0: float, y0: float, width: float, height: float, width_view: int, height_view: int
) -> None:
    seen = following.seen(following.fitted((x0, y0, x0 + width, y0 + height), width_view, height_view), width_view, height_view)
    slack = 1e-6 * (5000 + abs(x0) + abs(y0))
    assert seen[0] <= x0 + slack
    assert seen[1] <= y0 + slack
    assert seen[2] >= x0 + width - slack
    assert seen[3] >= y0 + height - slack


@pytest.mark.parametrize("rect", [(0, 0, 0, 10), (0, 0, 10, 0), (10, 0, 0, 10), (float("nan"), 0, 1, 1)])
def test_an_empty_rectangle_is_refused(rect: tuple[float, float, float, float]) -> None:
    with pytest.raises(RequestError, match="cannot be shown"):
        following.fitted(rect, 100, 100)
