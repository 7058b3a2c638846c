"""The difference between two revisions, page by page."""

from __future__ import annotations

import random
import tracemalloc
from collections.abc import Sequence
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidebooks_core.shelf.revisions import Likeness, PageChange, page_changes, same_page


def never(_old: int, _new: int) -> float:
    return 0.0


def told(old: Sequence[str], new: Sequence[str], likeness: Likeness = never) -> list[tuple[str, int | None, int | None]]:
    return [(one.kind, one.old_page, one.new_page) for one in page_changes(old, new, likeness)]


def alike(old: Sequence[str], new: Sequence[str]) -> Likeness:
    """Pages with the same first character are alike."""
    return lambda old_page, new_page: 0.9 if old[old_page][0] == new[new_page][0] else 0.0


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("", "", []),
        ("abc", "abc", [("same", 0, 0), ("same", 1, 1), ("same", 2, 2)]),
        ("", "a", [("inserted", None, 0)]),
        ("a", "", [("removed", 0, None)]),
        ("abc", "axbc", [("same", 0, 0), ("inserted", None, 1), ("same", 1, 2), ("same", 2, 3)]),
        ("abc", "ac", [("same", 0, 0), ("removed", 1, None), ("same", 2, 1)]),
        ("abcd", "bcda", [("same", 1, 0), ("same", 2, 1), ("same", 3, 2), ("moved", 0, 3)]),
        ("aab", "ab", [("same", 0, 0), ("removed", 1, None), ("same", 2, 1)]),
        ("ab", "xy", [("removed", 0, None), ("removed", 1, None), ("inserted", None, 0), ("inserted", None, 1)]),
    ],
)
def test_equal_pages(old: str, new: str, expected: list[tuple[str, int | None, int | None]]) -> None:
    assert told(old, new) == expected


def test_a_changed_page_is_told_from_one_that_was_removed_and_another_inserted() -> None:
    old, new = ["a1", "b1", "c1", "d1"], ["a1", "b2", "x1", "d1"]
    assert told(old, new, alike(old, new)) == [
        ("same", 0, 0),
        ("changed", 1, 1),
        ("removed", 2, None),
        ("inserted", None, 2),
        ("same", 3, 3),
    ]


def test_the_likeness_of_all_pairs_together_decides() -> None:
    """The first new page is a little like the first old one, and much like the second."""
    table = {(0, 0): 0.4, (1, 0): 0.9, (0, 1): 0.0, (1, 1): 0.35}
    found = told("ab", "xy", lambda old_page, new_page: table[old_page, new_page])
    assert found == [("removed", 0, None), ("changed", 1, 0), ("inserted", None, 1)]


def test_pages_of_another_gap_are_not_compared() -> None:
    old, new = ["a1", "m", "b1"], ["b2", "m", "a2"]
    asked: list[tuple[int, int]] = []

    def likeness(old_page: int, new_page: int) -> float:
        asked.append((old_page, new_page))
        return 1.0

    assert {change[0] for change in told(old, new, likeness)} == {"same", "changed"}
    assert asked == [(0, 0), (2, 2)]


def test_one_changed_page_of_three_hundred_is_one_comparison() -> None:
    old = [f"page {number}" for number in range(300)]
    new = [*old[:137], "another", *old[138:]]
    asked: list[tuple[int, int]] = []
    changes = page_changes(old, new, lambda *pages: asked.append(pages) or 0.8)  # type: ignore[func-returns-value]
    assert asked == [(137, 137)]
    assert [one for one in changes if one.kind != "same"] == [PageChange("changed", 137, 137)]


def test_thousands_of_blank_pages_and_of_new_ones_are_cheap() -> None:
    asked = 0

    def likeness(_old: int, _new: int) -> float:
        nonlocal asked
        asked += 1
        return 0.5

    blank = ["blank"] * 3000
    assert len(page_changes(blank, blank[:2000], likeness)) == 3000
    assert asked == 0
    old, new = [f"old {number}" for number in range(3000)], [f"new {number}" for number in range(3000)]
    changes = page_changes(old, new, likeness)
    assert {one.kind for one in changes} == {"changed"}
    assert asked <= 3 * 40_000


@pytest.mark.parametrize(("old_count", "inserted"), [(200, 30), (600, 40), (800, 190)])
def test_a_long_document_that_was_made_anew_keeps_its_pages(old_count: int, inserted: int) -> None:
    """No content id is as it was, and many new pages stand at the front: far more than the pages near the diagonal."""
    asked = 0

    def likeness(old_page: int, new_page: int) -> float:
        nonlocal asked
        asked += 1
        return 0.9 if new_page == old_page + inserted else 0.4

    old = [f"old {page}" for page in range(old_count)]
    changes = page_changes(old, [f"new {page}" for page in range(old_count + inserted)], likeness)
    assert [one.old_page for one in changes if one.kind == "inserted"] == [None] * inserted
    assert [same_page(changes, page) for page in range(old_count)] == [page + inserted for page in range(old_count)]
    assert asked <= 1.2 * 40_000


@pytest.mark.parametrize(("old_count", "new_count"), [(10, 20), (20, 10), (300, 420), (1500, 1800)])
def test_a_reader_of_a_document_without_one_page_as_it_was_is_not_led_to_its_begin(old_count: int, new_count: int) -> None:
    changes = page_changes([f"old {page}" for page in range(old_count)], [f"new {page}" for page in range(new_count)], never)
    led = [same_page(changes, page) for page in range(old_count)]
    assert led == sorted(led)
    assert all(abs(at - page * new_count / old_count) <= max(1, new_count / old_count) for page, at in enumerate(led))


def test_many_gaps_together_are_compared_as_little_as_one() -> None:
    asked = 0

    def likeness(_old: int, _new: int) -> float:
        nonlocal asked
        asked += 1
        return 0.0

    sides = [[f"kept {page}" if page % 100 == 0 else f"{side} {page}" for page in range(2000)] for side in ("old", "new")]
    page_changes(sides[0], sides[1], likeness)
    assert 0 < asked <= 1.5 * 40_000


@pytest.mark.parametrize(("count", "is_compared"), [(900, True), (4000, False)])
def test_a_wide_gap_takes_little_memory(count: int, is_compared: bool) -> None:
    """Only pairs near the diagonal are remembered; a document that was scanned again is matched by number."""
    old, new = [f"old {number}" for number in range(count)], [f"new {number}" for number in range(count)]
    asked = 0

    def likeness(old_page: int, new_page: int) -> float:
        nonlocal asked
        asked += 1
        return float(old_page == new_page)

    tracemalloc.start()
    try:
        changes = page_changes(old, new, likeness)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert changes == [PageChange("changed", page, page) for page in range(count)]
    assert bool(asked) == is_compared
    assert peak < 12e6


def test_a_gap_of_unequal_sides_is_aligned_near_its_diagonal() -> None:
    old, new = [f"old {number}" for number in range(300)], [f"new {number}" for number in range(600)]
    changes = page_changes(old, new, lambda old_page, new_page: float(new_page == 2 * old_page))
    found = [(one.old_page, one.new_page) for one in changes if one.kind == "changed"]
    assert found == [(page, 2 * page) for page in range(300)]


@given(st.integers(1, 7), st.integers(1, 7), st.integers(0, 9999))
def test_the_likeness_of_all_pairs_together_is_greatest(old_count: int, new_count: int, seed: int) -> None:
    chance = random.Random(seed)
    table = [[chance.choice((0.0, chance.uniform(0.3, 1))) for _ in range(new_count)] for _ in range(old_count)]
    best = [[0.0] * (new_count + 1) for _ in range(old_count + 1)]
    for row, column in product(range(old_count), range(new_count)):
        paired = best[row][column] + table[row][column]
        best[row + 1][column + 1] = max(paired, best[row][column + 1], best[row + 1][column])
    old, new = [f"old {page}" for page in range(old_count)], [f"new {page}" for page in range(new_count)]
    changes = page_changes(old, new, lambda old_page, new_page: table[old_page][new_page])
    pairs = [(one.old_page or 0, one.new_page or 0) for one in changes if one.kind == "changed"]
    assert sum(table[old_page][new_page] for old_page, new_page in pairs) == pytest.approx(best[-1][-1])


pages = st.lists(st.sampled_from("abcdefgh"), max_size=12)


@given(pages, pages, st.integers(0, 99))
def test_each_page_has_one_fate(old: list[str], new: list[str], seed: int) -> None:
    chance = random.Random(seed)
    table = {(old_page, new_page): chance.random() for old_page in range(len(old)) for new_page in range(len(new))}
    changes = page_changes(old, new, lambda old_page, new_page: table[old_page, new_page])
    assert sorted(one.old_page for one in changes if one.old_page is not None) == list(range(len(old)))
    assert [one.new_page for one in changes if one.new_page is not None] == list(range(len(new)))
    for one in changes:
        assert (one.old_page is None) == (one.kind == "inserted")
        assert (one.new_page is None) == (one.kind == "removed")
        if one.kind in ("same", "moved"):
            assert one.old_page is not None
            assert one.new_page is not None
            assert old[one.old_page] == new[one.new_page]
    same = [one.old_page for one in changes if one.kind == "same"]
    assert same == sorted(same)
    if new:
        assert all(0 <= same_page(changes, old_page) < len(new) for old_page in range(len(old)))


@given(pages)
def test_nothing_changed(old: list[str]) -> None:
    assert {one.kind for one in page_changes(old, old, never)} <= {"same"}


def test_a_reader_is_led_to_the_same_page_or_to_the_one_in_its_place() -> None:
    changes = page_changes("abcde", "xabe", never)
    assert [same_page(changes, old_page) for old_page in range(5)] == [1, 2, 3, 3, 3]
    assert same_page(page_changes("ab", "", never), 1) == 0
