"""Records: what goes in comes out; what is damaged is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidebooks_core.rendering.packing import PackedTile, RecordUnreadable, pack, unpack_tile

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
