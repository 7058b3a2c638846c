"""Our parser of image requests beside the reference parser, PyPI's `iiif`, on generated requests."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidebooks_core.encoding.formats import BY_ENDING
from sidebooks_core.server.iiif import image_api as ours

reference = pytest.importorskip("iiif.request", reason="needs the package iiif")
manipulator = pytest.importorskip("iiif.manipulator", reason="needs the package iiif")
error = pytest.importorskip("iiif.error", reason="needs the package iiif")

FULL = (3000, 2000)
numbers = st.integers(0, 3500)
decimals = st.integers(0, 100).map(str) | st.floats(0, 100).map(lambda value: f"{value:.2f}")
regions = st.one_of(
    st.sampled_from(["full", "square"]),
    st.tuples(numbers, numbers, numbers, numbers).map(lambda four: ",".join(map(str, four))),
    st.tuples(decimals, decimals, decimals, decimals).map(lambda four: "pct:" + ",".join(four)),
)
sizes = st.one_of(
    st.just("max"),
    numbers.map(lambda width: f"{width},"),
    numbers.map(lambda height: f",{height}"),
    st.tuples(numbers, numbers).map(lambda two: f"{two[0]},{two[1]}"),
    st.tuples(numbers, numbers).map(lambda two: f"!{two[0]},{two[1]}"),
    decimals.map(lambda share: f"pct:{share}"),
)
rotations = st.sampled_from(["0", "90", "180", "270", "360", "!0", "!90", "45", "361", "-1", "x", "!!0"])
lasts = st.sampled_from(["default.jpg", "color.png", "gray.webp", "bitonal.png", "grey.jpg", "default", "default.", ".jpg"])
garbled = st.text("0123456789,.!^pct:fulmaxsqre ", max_size=10)


REFUSED = (error.IIIFError, ValueError, ZeroDivisionError, IndexError)
"""How the reference refuses; the last two where it trips, over an empty size for one."""

Understood = tuple[int, int, int, int, int, int]
"""Region and size."""


def by_reference(region: str, size: str, rotation: str, last: str) -> Understood | None:
    """None where it refuses."""
    try:
        made = _understood(region, size, rotation, last)
        x, y, width, height = made.region_to_apply()
    except REFUSED:
        return None
    if x is None:
        x, y, width, height = 0, 0, *FULL
    sized = size_by_reference(size, width, height)
    return None if sized is None else (x, y, width, height, *sized)


def size_by_reference(size: str, width: int, height: int) -> tuple[int, int] | None:
    """What a region of this size becomes; None where it refuses."""
    try:
        made = _understood("full", size, "0", "default.jpg")
        made.width, made.height = width, height
        out_width, out_height = made.size_to_apply()
    except REFUSED:
        return None
    return width if out_width is None else out_width, height if out_height is None else out_height


def _understood(region: str, size: str, rotation: str, last: str) -> Any:
    asked = reference.IIIFRequest(api_version="3.0")
    made = manipulator.IIIFManipulator(api_version="3.0")
    made.request = asked
    made.width, made.height = FULL
    asked.parse_url(f"x/{region}/{size}/{rotation}/{last}")
    return made


def by_us(region: str, size: str, rotation: str, last: str) -> ours.ImageRequest | int:
    """The status where we refuse."""
    try:
        return ours.parse(region, size, rotation, last, FULL)
    except ours.Refused as refused:
        return refused.status


@settings(max_examples=2000, deadline=None)
@given(regions | garbled, sizes | garbled, rotations, lasts)
def test_both_understand_the_same(region: str, size: str, rotation: str, last: str) -> None:
    theirs, found = by_reference(region, size, rotation, last), by_us(region, size, rotation, last)
    if isinstance(found, int):
        assert found in (400, 501)
        assert theirs is None or _is_beyond_us(theirs, rotation, last)
        return
    if theirs is None:
        # It refuses a side that comes to less than half a pixel, which we make one; and "!w,h" of a small image, which never
        # scales up and never fails (section 4.2).
        is_whole = (found.out_width_px, found.out_height_px) == (found.width_px, found.height_px)
        assert 1 in (found.out_width_px, found.out_height_px) or (size.startswith("!") and is_whole)
        return
    assert (found.is_mirrored, found.rotation) == (rotation.startswith("!"), int(rotation.removeprefix("!")) % 360)
    mine = (found.x_px, found.y_px, found.width_px, found.height_px)
    assert all(abs(here - there) <= 1 for here, there in zip(mine, theirs, strict=False))
    # Of the region as we round it: a pixel more or less of a narrow region is many of a size that keeps its shape.
    sized = size_by_reference(size, found.width_px, found.height_px)
    assert sized is not None
    assert abs(found.out_width_px - sized[0]) <= 1
    assert abs(found.out_height_px - sized[1]) <= 1


def _is_beyond_us(theirs: Understood, rotation: str, last: str) -> bool:
    """It turns by any angle, writes any format, scales up where it is told to, and takes a region outside the image."""
    _, _, width, height, out_width, out_height = theirs
    is_upscaled = out_width > width or out_height > height
    is_nothing = min(width, height, out_width, out_height) < 1
    return is_upscaled or is_nothing or rotation == "45" or last.rpartition(".")[2] not in BY_ENDING
