"""The IIIF Image API's requests: every form, every refusal, and tiles that are ours."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidebooks_core.server.iiif import image_api as iiif
from sidebooks_core.server.iiif.plan import RasterPlan, TilePlan, plan
from sidebooks_core.tiling.pyramid import Pyramid

FULL = (3000, 2000)


@pytest.mark.parametrize(
    ("region", "expected"),
    [
        ("full", (0, 0, 3000, 2000)),
        ("square", (500, 0, 2000, 2000)),
        ("10,20,30,40", (10, 20, 30, 40)),
        ("2990,1990,100,100", (2990, 1990, 10, 10)),
        ("pct:10,10,50,50", (300, 200, 1500, 1000)),
        ("pct:0.5,.5,1,1", (15, 10, 30, 20)),
    ],
)
def test_regions(region: str, expected: tuple[int, int, int, int]) -> None:
    found = iiif.parse(region, "max", "0", "default.jpg", FULL)
    assert (found.x_px, found.y_px, found.width_px, found.height_px) == expected


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ("max", (3000, 2000)),
        ("300,", (300, 200)),
        (",300", (450, 300)),
        ("pct:50", (1500, 1000)),
        ("100,100", (100, 100)),
        ("^100,100", (100, 100)),
        ("!300,300", (300, 200)),
        ("!9999,9999", (3000, 2000)),
    ],
)
def test_sizes(size: str, expected: tuple[int, int]) -> None:
    found = iiif.parse("full", size, "0", "default.jpg", FULL)
    assert (found.out_width_px, found.out_height_px) == expected


@pytest.mark.parametrize(
    ("request_parts", "status"),
    [
        (("0,0,0,10", "max", "0", "default.jpg"), 400),
        (("3000,0,10,10", "max", "0", "default.jpg"), 400),
        (("-1,0,10,10", "max", "0", "default.jpg"), 400),
        (("1,2,3", "max", "0", "default.jpg"), 400),
        (("٣,0,10,10", "max", "0", "default.jpg"), 400),
        (("99999999,0,1,1", "max", "0", "default.jpg"), 400),
        (("pct:1e1,0,1,1", "max", "0", "default.jpg"), 400),
        (("pct:0,0,0,0", "max", "0", "default.jpg"), 400),
        (("full", "full", "0", "default.jpg"), 400),
        (("full", ",", "0", "default.jpg"), 400),
        (("full", "0,", "0", "default.jpg"), 400),
        (("full", "!0,10", "0", "default.jpg"), 400),
        (("full", "3001,", "0", "default.jpg"), 400),
        (("full", "pct:101", "0", "default.jpg"), 400),
        (("full", "pct:nan", "0", "default.jpg"), 400),
        (("full", "^3001,", "0", "default.jpg"), 501),
        (("full", "^max", "0", "default.jpg"), 501),
        (("full", "^pct:200", "0", "default.jpg"), 501),
        (("full", "max", "45", "default.jpg"), 400),
        (("full", "max", "-90", "default.jpg"), 400),
        (("full", "max", "361", "default.jpg"), 400),
        (("full", "max", "!!0", "default.jpg"), 400),
        (("full", "max", "0", "native.jpg"), 400),
        (("full", "max", "0", "default.gif"), 400),
        (("full", "max", "0", "default"), 400),
    ],
)
def test_refusals(request_parts: tuple[str, str, str, str], status: int) -> None:
    with pytest.raises(iiif.Refused) as refused:
        iiif.parse(*request_parts, FULL)
    assert refused.value.status == status


def test_max_of_a_huge_image_is_scaled_down_to_the_limits() -> None:
    found = iiif.parse("full", "max", "0", "default.jpg", (20_000, 20_000))
    assert found.out_width_px * found.out_height_px <= iiif.MAX_AREA_PX
    with pytest.raises(iiif.Refused):
        iiif.parse("full", "20000,20000", "0", "default.jpg", (20_000, 20_000))


@given(st.text(max_size=20), st.text(max_size=20), st.text(max_size=8), st.text(max_size=16))
def test_any_text_is_parsed_or_refused(region: str, size: str, rotation: str, last: str) -> None:
    for parts in ((region, "max", "0", "default.jpg"), ("full", size, "0", "default.jpg"), ("full", "max", rotation, last)):
        try:
            found = iiif.parse(*parts, FULL)
        except iiif.Refused:
            continue
        assert 0 < found.out_width_px <= iiif.MAX_SIDE_PX
        assert found.x_px + found.width_px <= FULL[0]


FORMS = (
    ("full", "pct:25", "!90", "gray.png"),
    ("1,2,5,5", "max", "0", "default.jpg"),
    ("square", "!3,3", "180", "color.webp"),
)


@given(st.floats(20, 3000), st.floats(20, 3000), st.sampled_from(FORMS))
def test_the_canonical_form_means_the_same(width_pt: float, height_pt: float, parts: tuple[str, str, str, str]) -> None:
    finest = Pyramid.of_page(width_pt, height_pt).finest
    full = (finest.width_px, finest.height_px)
    try:
        found = iiif.parse(*parts, full)
    except iiif.Refused:
        return  # a strip of a few pixels, or a sheet past the limits
    region, size, rotation, last = found.canonical.split("/")
    assert iiif.parse(region, size, rotation, last, full) == found


@given(st.floats(10, 5000), st.floats(10, 5000))
def test_every_tile_that_info_json_promises_is_a_tile_of_ours(width_pt: float, height_pt: float) -> None:
    pyramid = Pyramid.of_page(width_pt, height_pt)
    described = iiif.info("http://test/x", pyramid)
    full_width, full_height = described["width"], described["height"]
    factors = [factor for entry in described["tiles"] for factor in entry["scaleFactors"]]
    assert sorted(factors) == sorted(set(factors))
    for entry in described["tiles"]:
        for factor in entry["scaleFactors"]:
            side = entry["width"] * factor
            for x, y in {(0, 0), ((full_width - 1) // side * side, (full_height - 1) // side * side)}:
                width, height = min(side, full_width - x), min(side, full_height - y)
                out = f"{-(-width // factor)},{-(-height // factor)}"
                request = iiif.parse(f"{x},{y},{width},{height}", out, "0", "default.jpg", (full_width, full_height))
                found = plan(request, pyramid)
                assert isinstance(found, TilePlan)
                level = pyramid.levels[found.level]
                assert (found.column, found.row) == (x // side, y // side)
                assert level.tile_rect(found.column, found.row).width_px == request.out_width_px


def test_another_size_is_drawn_for_the_request_and_a_stretched_one_resampled() -> None:
    pyramid = Pyramid.of_page(600, 800)
    full = (pyramid.finest.width_px, pyramid.finest.height_px)
    found = plan(iiif.parse("full", "300,", "0", "default.jpg", full), pyramid)
    assert isinstance(found, RasterPlan)
    assert found.recipe is None
    assert (found.spec.x1_px, found.spec.y1_px) == (300, 400)
    stretched = plan(iiif.parse("full", "300,100", "0", "default.jpg", full), pyramid)
    assert isinstance(stretched, RasterPlan)
    assert stretched.recipe is not None
    assert (stretched.recipe.width_px, stretched.recipe.height_px) == (300, 100)
