"""Merging is the greater one of two in a total order: versions come in any order, and more than once."""

from __future__ import annotations

import itertools
import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from sidebooks_core.marks import Anchor, Bookmark, DeviceClock, Ink, Mark, Note, Stamp, new_device_id, new_mark_id
from sidebooks_core.marks.clock import MOST_AHEAD_MS, believed, ticked
from sidebooks_core.marks.merge import merged, rank

ID = "01900000-0000-7000-8000-000000000001"
STAMPS = st.builds(Stamp, st.integers(0, 3), st.integers(0, 2), st.sampled_from(["a", "b"]))
BODIES = st.one_of(
    st.none(),
    st.builds(Note, st.just(1.0), st.just(2.0), st.sampled_from(["x", "y", ""]), st.just("#c00000")),
    st.builds(Bookmark, st.sampled_from(["x", "y"])),
    st.builds(Ink, st.just(((0.0, 1.0, 0.5),)), st.sampled_from([1.0, 2.0]), st.just("#000000")),
)
VERSIONS = st.builds(
    Mark, st.just(ID), STAMPS, st.just(Anchor(1, 0, "c")), BODIES, st.sampled_from(["private", "shared", "collected"])
)


@given(VERSIONS, VERSIONS, VERSIONS)
def test_it_is_commutative_associative_and_idempotent(a: Mark, b: Mark, c: Mark) -> None:
    assert merged(a, b) == merged(b, a)
    assert merged(a, merged(b, c)) == merged(merged(a, b), c)
    assert merged(a, a) == a
    assert merged(merged(a, b), b) == merged(a, b)


@given(VERSIONS, VERSIONS)
def test_equal_ranks_are_equal_versions_and_a_deleted_one_wins(a: Mark, b: Mark) -> None:
    assert (rank(a) == rank(b)) == (a == b)
    if (a.body is None) != (b.body is None):
        assert merged(a, b).body is None
    elif a.stamp != b.stamp:
        assert merged(a, b).stamp == max(a.stamp, b.stamp)


@given(st.lists(VERSIONS, min_size=1, max_size=6), st.randoms(use_true_random=False))
def test_versions_in_any_order_and_more_than_once_give_the_same(versions: list[Mark], chance: random.Random) -> None:
    expected = max(versions, key=rank)
    for _ in range(10):
        delivered = versions + chance.choices(versions, k=3)
        chance.shuffle(delivered)
        held = delivered[0]
        for version in delivered[1:]:
            held = merged(held, version)
        assert held == expected


def test_all_orders_of_six_versions_give_the_same() -> None:
    versions = [
        Mark(ID, Stamp(at, counter, device), Anchor(1, 0, "c"), Note(1.0, 2.0, f"{at}{counter}{device}", "#c00000"))
        for at, counter, device in ((1, 0, "a"), (1, 0, "b"), (1, 1, "a"), (2, 0, "a"), (2, 0, "b"), (0, 5, "c"))
    ]
    results = set()
    for order in itertools.permutations(versions):
        held = order[0]
        for version in order[1:]:
            held = merged(held, version)
        results.add(msgspec.json.encode(held))
    assert results == {msgspec.json.encode(versions[4])}


@given(STAMPS, st.integers(0, 5))
def test_a_tick_is_greater_than_all_before(last: Stamp, now_ms: int) -> None:
    made = ticked(last, now_ms, "a")
    assert (made.at_ms, made.counter) > (last.at_ms, last.counter)
    full = ticked(replace(last, counter=(1 << 16) - 1), now_ms, "a")
    assert (full.at_ms, full.counter) > (last.at_ms, (1 << 16) - 1)
    assert full.counter == 0


def test_a_stamp_that_cannot_be_right_is_the_time_of_its_coming() -> None:
    server_ms = 1_000_000_000
    right, wrong = Stamp(server_ms + MOST_AHEAD_MS, 3, "a"), Stamp(server_ms + MOST_AHEAD_MS + 1, 3, "a")
    assert believed(right, Stamp(0, 0, "a"), server_ms) == right
    first = believed(wrong, Stamp(0, 0, "a"), server_ms)
    assert first == Stamp(server_ms, 0, "a")
    assert believed(wrong, first, server_ms) == Stamp(server_ms, 1, "a"), "several stay in their order"


@pytest.mark.parametrize("off_ms", [0, -2 * 3_600_000, 5 * 60_000, 10 * 365 * 86_400_000])
def test_a_device_tells_the_time_of_the_server(off_ms: int) -> None:
    server_ms = 1_800_000_000_000
    clock = DeviceClock("d").met(server_ms, server_ms + off_ms)
    clock, stamp = clock.tick(server_ms + off_ms + 60_000)
    assert stamp == Stamp(server_ms + 60_000, 0, "d")
    other = Stamp(server_ms + 90_000, 4, "e")
    clock, stamp = clock.saw(other).tick(server_ms + off_ms + 61_000)
    assert stamp == Stamp(server_ms + 90_000, 5, "d"), "later than what it has seen"
    assert clock.saw(other) == clock


def test_stamps_from_before_a_device_met_the_server_are_corrected() -> None:
    server_ms, off_ms = 1_800_000_000_000, 10 * 365 * 86_400_000
    before, first = DeviceClock("d").tick(server_ms + off_ms - 5000)
    before, second = before.tick(server_ms + off_ms - 4000)
    now = before.met(server_ms, server_ms + off_ms)
    assert now.corrected(first, before) == Stamp(server_ms - 5000, 0, "d")
    assert now.corrected(second, before) == Stamp(server_ms - 4000, 0, "d")
    _, later = now.tick(server_ms + off_ms + 1)
    assert later > now.corrected(second, before)
    assert later.at_ms <= server_ms + 1, "what it had before does not drag it into the future"


def test_ids_are_ids_of_the_model() -> None:
    ids = [new_mark_id() for _ in range(100)]
    assert len(set(ids)) == 100
    for one in ids:
        text = msgspec.json.encode(Mark(one, Stamp(1, 0, new_device_id()), Anchor(1, 0, ""), Bookmark()))
        assert msgspec.json.decode(text, type=Mark).id == one


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (ID, ID + "\\n"),
        ('"d"', '"d\\n"'),
        ("#c00000", "#c00000\\n"),
        ('"page":0', '"page":2147483648'),
        ('"page":0', '"page":100000000000000000000000'),
        ('"revision":1', '"revision":0'),
        ('"x_pt":1.0', '"x_pt":1e300'),
        ('"x_pt":1.0', '"x_pt":NaN'),
        ("[1,0,", "[281474976710656,0,"),
        ("[1,0,", "[1,65536,"),
        ("private", "public"),
        ('"kind":"note"', '"kind":"script"'),
    ],
)
def test_what_is_no_mark_is_no_mark(old: str, new: str) -> None:
    good = msgspec.json.encode(Mark(ID, Stamp(1, 0, "d"), Anchor(1, 0, ""), Note(1.0, 2.0, "", "#c00000"))).decode()
    assert old in good
    assert msgspec.json.decode(good, type=Mark).id == ID
    with pytest.raises(msgspec.DecodeError):
        msgspec.json.decode(good.replace(old, new), type=Mark)
