"""Spreads: the rules that pair pages, painted from left to right, turned in reading order."""

from __future__ import annotations

from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidebooks_core.errors import PageNotFound, RequestError
from sidebooks_core.tiling.spreads import SINGLE_PAGES, SpreadRule, Spreads, first_read

A4, A4_LANDSCAPE, A3, A3_LANDSCAPE, LETTER = (595, 842), (842, 595), (842, 1191), (1191, 842), (612, 792)

sizes = st.lists(st.sampled_from([A4, A4_LANDSCAPE, A3, A3_LANDSCAPE, LETTER, (500, 500)]), max_size=40)
directions = st.sampled_from(["ltr", "rtl"])
rules = st.builds(
    SpreadRule,
    pairs=st.booleans(),
    cover_alone=st.booleans(),
    landscape_alone=st.booleans(),
    unequal_alone=st.booleans(),
)


@given(sizes, directions, rules)
def test_every_page_is_in_exactly_one_spread_in_reading_order(
    pages: list[tuple[float, float]], direction: Literal["ltr", "rtl"], rule: SpreadRule
) -> None:
    spreads = Spreads.of_pages(pages, direction, rule)
    assert [page for spread in spreads.spreads for page in sorted(spread)] == list(range(len(pages)))
    for spread in spreads.spreads:
        assert len(spread) == 1 or spread == (min(spread), min(spread) + 1)[:: 1 if direction == "ltr" else -1]
        assert all(spreads.spread_of(page) == spread for page in spread)


@given(sizes, directions, rules)
def test_no_pair_breaks_a_rule(pages: list[tuple[float, float]], direction: Literal["ltr", "rtl"], rule: SpreadRule) -> None:
    for spread in Spreads.of_pages(pages, direction, rule).spreads:
        if len(spread) == 2:
            assert rule.pairs
            assert not (rule.cover_alone and 0 in spread)
            assert not (rule.landscape_alone and any(pages[page][0] > pages[page][1] for page in spread))
            heights = [pages[page][1] for page in spread]
            assert not (rule.unequal_alone and max(heights) > 1.2 * min(heights))


@given(sizes, directions)
def test_the_direction_changes_the_sides_and_nothing_else(
    pages: list[tuple[float, float]], direction: Literal["ltr", "rtl"]
) -> None:
    ltr, rtl = Spreads.of_pages(pages, "ltr"), Spreads.of_pages(pages, "rtl")
    assert [spread[::-1] for spread in ltr.spreads] == list(rtl.spreads)


@given(sizes.filter(bool), directions, rules, st.data())
def test_turning_walks_through_the_spreads(
    pages: list[tuple[float, float]], direction: Literal["ltr", "rtl"], rule: SpreadRule, data: st.DataObject
) -> None:
    spreads = Spreads.of_pages(pages, direction, rule)
    walked = [spreads.spread_of(0)]
    while (following := spreads.turned(first_read(walked[-1]))) is not None:
        walked.append(following)
    assert walked == list(spreads.spreads)
    page = data.draw(st.integers(0, len(pages) - 1))
    following = spreads.turned(page)
    assert following is None or spreads.turned(first_read(following), -1) == spreads.spread_of(page)


def test_minutes_with_a_cover_and_drawings() -> None:
    """An A3 drawing among A4 pages is a spread by itself, and pairs start again after it."""
    pages = [A4, A4, A4, A4, A3_LANDSCAPE, A4, A4, A4]
    assert Spreads.of_pages(pages).spreads == ((0,), (1, 2), (3,), (4,), (5, 6), (7,))
    assert Spreads.of_pages(pages, "rtl").spreads == ((0,), (2, 1), (3,), (4,), (6, 5), (7,))
    rule = SpreadRule(cover_alone=False, landscape_alone=False)
    assert Spreads.of_pages(pages, rule=rule).spreads == ((0, 1), (2, 3), (4, 5), (6, 7))


def test_paper_of_like_size_is_paired_and_of_unlike_size_is_not() -> None:
    rule = SpreadRule(cover_alone=False)
    assert Spreads.of_pages([A4, LETTER], rule=rule).spreads == ((0, 1),)
    assert Spreads.of_pages([A4, A3], rule=rule).spreads == ((0,), (1,))


def test_without_pairs_every_page_is_alone() -> None:
    assert Spreads.of_pages([A4] * 3, "rtl", SINGLE_PAGES).spreads == ((0,), (1,), (2,))
    assert Spreads.of_pages([]).spreads == ()


def test_turning_past_an_end_gives_none() -> None:
    spreads = Spreads.of_pages([A4] * 5)
    assert spreads.turned(2, 1) == (3, 4)
    assert spreads.turned(4, 1) is None
    assert spreads.turned(4, -2) == (0,)
    assert spreads.turned(0, -1) is None


@pytest.mark.parametrize("page", [-1, 3, 1.0, True, None])
def test_pages_that_are_not_there_are_refused(page: int) -> None:
    spreads = Spreads.of_pages([A4] * 3)
    with pytest.raises(PageNotFound):
        spreads.spread_of(page)
    with pytest.raises(PageNotFound):
        spreads.turned(page)


def test_nonsense_is_refused() -> None:
    with pytest.raises(RequestError, match="direction"):
        Spreads.of_pages([A4], "up")  # type: ignore[arg-type]  # what an untyped caller may pass
    with pytest.raises(RequestError, match="width_pt"):
        Spreads.of_pages([(0, 842)])
