"""Records: what goes in comes out; what is damaged is refused."""

from __future__ import annotations

import struct
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidebooks_core.documents.limits import MOST_PROBLEMS
from sidebooks_core.encoding.tileset import (
    LONGEST_PROBLEM,
    PACKING_VERSION,
    PackedTile,
    RecordUnreadable,
    pack,
    problems_of,
    stacked,
    unpack_tile,
)

tiles = st.builds(
    PackedTile, st.binary(max_size=40), st.sampled_from(["image/png", "image/jpeg"]), st.integers(1, 512), st.integers(1, 512)
)


@given(st.integers(1, 5), st.integers(1, 5), st.data())
def test_every_tile_comes_back(columns: int, rows: int, data: st.DataObject) -> None:
    packed = data.draw(st.lists(tiles, min_size=columns * rows, max_size=columns * rows))
    record = pack(packed, columns)
    for number, tile in enumerate(packed):
        assert unpack_tile(record, number % columns, number // columns) == tile


def test_equal_tiles_are_stored_once() -> None:
    blank = PackedTile(b"x" * 1000, "image/png", 512, 512)
    assert len(pack([blank] * 100, 10)) < 2000


@pytest.mark.parametrize("place", [(2, 0), (-1, 0), (0, 2), (0, -1)])
def test_a_tile_outside_the_record_is_refused(place: tuple[int, int]) -> None:
    record = pack([PackedTile(b"x", "image/png", 1, 1)] * 4, 2)
    with pytest.raises(RecordUnreadable):
        unpack_tile(record, *place)


@given(st.binary(max_size=200))
def test_any_other_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(RecordUnreadable):
        unpack_tile(data, 0, 0)


def test_a_record_cut_short_is_refused() -> None:
    record = pack([PackedTile(b"x" * 100, "image/png", 1, 1)], 1)
    for length in range(len(record)):
        with pytest.raises(RecordUnreadable):
            unpack_tile(record[:length], 0, 0)


def test_every_tile_tells_the_problems_of_its_page() -> None:
    record = pack([PackedTile(b"x", "image/png", 1, 1), PackedTile(b"y", "image/png", 1, 1)], 2, ["one", "two"])
    assert problems_of(record) == ("one", "two")
    assert [unpack_tile(record, column, 0).problems for column in (0, 1)] == [("one", "two")] * 2


@given(st.lists(st.text(min_size=1, max_size=300), max_size=30))
def test_problems_are_few_short_and_printable(problems: list[str]) -> None:
    told = problems_of(pack([PackedTile(b"x", "image/png", 1, 1)], 1, problems))
    assert len(told) <= MOST_PROBLEMS
    assert all(one.isprintable() and 0 < len(one) <= LONGEST_PROBLEM for one in told)
    assert bool(told) == bool(problems)


@pytest.mark.parametrize(
    "problems",
    [7, "text", {"a": 1}, [7], [b"bytes"], [""], ["\x1b[2J"], ["x" * (LONGEST_PROBLEM + 1)], ["x"] * (MOST_PROBLEMS + 1)],
)
def test_problems_that_a_hostile_worker_made_up_are_refused(problems: Any) -> None:
    header = msgpack.packb([PACKING_VERSION, 1, [["image/png", 1]], [[0, 1, 1]], problems])
    with pytest.raises(RecordUnreadable):
        unpack_tile(struct.pack("<I", len(header)) + header + b"x", 0, 0)


def stackable(*tiles: PackedTile, columns: int = 2) -> bytes:
    return pack(tiles, columns)


RED, BLUE = PackedTile(b"red", "image/png", 64, 64), PackedTile(b"blue", "image/png", 30, 64)


def test_records_are_stacked_row_by_row() -> None:
    sizes = [[(64, 64), (30, 64)], [(64, 64), (30, 64)]]
    record = stacked([stackable(RED, BLUE), pack([BLUE_LEFT, RED_RIGHT], 2, ["cut"])], sizes, 2)
    found = [unpack_tile(record, column, row).data for row in (0, 1) for column in (0, 1)]
    assert found == [b"red", b"blue", b"left", b"right"]
    assert problems_of(record) == ("cut",)


BLUE_LEFT, RED_RIGHT = PackedTile(b"left", "image/jpeg", 64, 64), PackedTile(b"right", "image/png", 30, 64)


@pytest.mark.parametrize(
    ("record", "sizes"),
    [
        (stackable(RED, BLUE), [(64, 64)]),
        (stackable(RED, BLUE), [(64, 64), (31, 64)]),
        (stackable(RED, BLUE, columns=1), [(64, 64), (30, 64)]),
        (stackable(RED, BLUE)[:-1], [(64, 64), (30, 64)]),
        (b"", [(64, 64), (30, 64)]),
    ],
)
def test_records_with_other_tiles_are_not_stacked(record: bytes, sizes: list[tuple[int, int]]) -> None:
    with pytest.raises(RecordUnreadable):
        stacked([stackable(RED, BLUE), record], [[(64, 64), (30, 64)], sizes], 2)
