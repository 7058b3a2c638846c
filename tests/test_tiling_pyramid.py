"""The ladder of levels, its grids, exact-fit rungs, and the planes between page and pixels."""

from __future__ import annotations

import itertools
import math
import random
from typing import Any

import pymupdf as untyped_pymupdf
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from sidebooks_core.errors import RequestError
from sidebooks_core.tiling.geometry import RectPt, RectPx, SizePt, SizePx, drawn_px
from sidebooks_core.tiling.pyramid import (
    MAX_SIDE_PX,
    MIN_FINEST_SCALE,
    PREVIEW_LONG_PX,
    SCREEN_LONG_PX,
    Level,
    Pyramid,
    Raster,
    TileAddress,
    fit_rung,
    rung_at,
)

pymupdf: Any = untyped_pymupdf

COMMON_PT = [
    (1, 1), (595, 842), (595.276, 841.89), (595.2, 841.92), (842, 595), (612, 792), (1190.55, 841.89), (1683.78, 1190.55),
    (2383.94, 3370.39), (14400, 14400), (1, 14400), (14400, 1), (0.001, 0.001), (0.001, 800), (36000, 24000), (200, 200),
]  # fmt: skip
sides_pt = st.one_of(st.floats(1, 14400), st.integers(1, 14400).map(float), st.floats(0.001, 1))
pages = st.one_of(st.sampled_from(COMMON_PT), st.tuples(sides_pt, sides_pt))
natives = st.tuples(st.integers(1, 30000), st.integers(1, 30000))


@st.composite
def pyramids(draw: st.DrawFn) -> Pyramid:
    if draw(st.booleans()):
        return Pyramid.of_page(*draw(pages))
    native = draw(natives)
    dpi = draw(st.sampled_from([72, 96, 200, 300, 600]))
    return Pyramid.of_page(native[0] * 72 / dpi, native[1] * 72 / dpi, native)


# Small rasters of every shape, where each pixel can be counted.
rasters = st.builds(
    Raster,
    scale=st.floats(0.01, 20),
    width_px=st.integers(1, 60),
    height_px=st.integers(1, 60),
    tile_px=st.integers(1, 70),
)


@given(rasters)
def test_a_grid_covers_each_pixel_exactly_once(raster: Raster) -> None:
    painted = bytearray(raster.area_px)
    for row, column in itertools.product(range(raster.rows), range(raster.columns)):
        rect = raster.tile_rect(column, row)
        assert (rect.x0_px, rect.y0_px) == (column * raster.tile_px, row * raster.tile_px)
        for y in range(rect.y0_px, rect.y1_px):
            for x in range(rect.x0_px, rect.x1_px):
                painted[y * raster.width_px + x] += 1
    assert painted == b"\x01" * raster.area_px


@given(pyramids())
def test_every_level_is_covered_exactly_once(pyramid: Pyramid) -> None:
    """Columns and rows of tiles follow one another without gap or overlap from edge to edge: checked along both axes,
    which is the whole grid, since a tile is a column crossed with a row."""
    for level in pyramid.levels:
        across = [level.tile_rect(column, 0) for column in range(level.columns)]
        down = [level.tile_rect(0, row) for row in range(level.rows)]
        assert [rect.x0_px for rect in across] == [0, *(rect.x1_px for rect in across[:-1])]
        assert across[-1].x1_px == level.width_px
        assert [rect.y0_px for rect in down] == [0, *(rect.y1_px for rect in down[:-1])]
        assert down[-1].y1_px == level.height_px
        assert all(rect.width_px > 0 and rect.height_px > 0 for rect in (*across, *down))


@given(rasters, st.tuples(*[st.integers(-20, 90)] * 4))
def test_tiles_in_names_exactly_the_tiles_that_hold_a_pixel_of_the_rectangle(
    raster: Raster, edges: tuple[int, int, int, int]
) -> None:
    x0, x1 = sorted(edges[:2])
    y0, y1 = sorted(edges[2:])
    wanted = RectPx(x0, y0, x1, y1)
    touched = tuple(
        (column, row)
        for row in range(raster.rows)
        for column in range(raster.columns)
        if raster.tile_rect(column, row).intersection(wanted).area_px
    )
    assert raster.tiles_in(wanted) == touched


@given(pyramids())
def test_levels_halve_with_ceil_down_to_the_preview(pyramid: Pyramid) -> None:
    assert [level.index for level in pyramid.levels] == list(range(len(pyramid.levels)))
    for coarse, fine in itertools.pairwise(pyramid.levels):
        assert (coarse.width_px, coarse.height_px) == (math.ceil(fine.width_px / 2), math.ceil(fine.height_px / 2))
        assert coarse.scale == fine.scale / 2
    coarsest_px = pyramid.levels[0].size_px.long_px
    assert coarsest_px < 2 * PREVIEW_LONG_PX
    assert coarsest_px >= PREVIEW_LONG_PX or len(pyramid.levels) == 1


@given(pages)
def test_the_finest_level_is_a_power_of_two_fine_enough_to_read(page: tuple[float, float]) -> None:
    finest, long_pt = Pyramid.of_page(*page).finest, max(page)
    long_px = finest.size_px.long_px
    assert long_px in (4096, 8192, 16384, 32768, MAX_SIDE_PX)
    assert math.isclose(finest.scale, long_px / long_pt)
    assert finest.scale >= MIN_FINEST_SCALE or long_px == MAX_SIDE_PX
    assert long_px == 4096 or finest.scale / 2 < MIN_FINEST_SCALE
    assert Pyramid.of_page(*page).levels[0].size_px.long_px == PREVIEW_LONG_PX


@pytest.mark.parametrize(
    ("page", "long_px"),
    [((595, 842), 4096), ((842, 1191), 4096), ((1684, 2384), 8192), ((2384, 3370), 16384), ((9000, 14400), 65536),
     ((24000, 36000), 65536)],
)  # fmt: skip
def test_large_sheets_get_a_taller_ladder(page: tuple[float, float], long_px: int) -> None:
    assert Pyramid.of_page(*page).finest.size_px.long_px == long_px


@given(natives, st.sampled_from([72.0, 96.0, 150.0, 203.2, 299.72, 600.0]))
def test_an_image_is_its_own_finest_level(native: tuple[int, int], dpi: float) -> None:
    pyramid = Pyramid.of_page(native[0] * 72 / dpi, native[1] * 72 / dpi, native)
    assert (pyramid.finest.width_px, pyramid.finest.height_px) == native
    assert math.isclose(pyramid.finest.scale, dpi / 72)


def test_an_image_smaller_than_a_preview_has_one_level() -> None:
    assert len(Pyramid.of_page(300, 200, (300, 200)).levels) == 1
    assert len(Pyramid.of_page(511, 200, (511, 200)).levels) == 2
    assert len(Pyramid.of_page(1, 1, (1, 1)).levels) == 1


def test_pixels_that_are_not_square_are_shown_in_the_shape_of_the_page() -> None:
    fax = Pyramid.of_page(1728 / 204 * 72, 1078 / 98 * 72, (1728, 1078)).finest
    assert fax.width_px == 1728
    assert fax.height_px == drawn_px(1078 / 98 * 72, fax.scale) == 2244


@given(st.tuples(sides_pt, sides_pt), natives)
def test_a_claimed_image_size_cannot_make_a_ladder_without_end(page: tuple[float, float], native: tuple[int, int]) -> None:
    assert Pyramid.of_page(*page, native).finest.size_px.long_px <= MAX_SIDE_PX


@given(pyramids())
def test_a_level_is_one_tile_up_to_the_screen_and_a_grid_above(pyramid: Pyramid) -> None:
    for level in pyramid.levels:
        single = level.columns == level.rows == 1
        assert single == (level.size_px.long_px <= SCREEN_LONG_PX) or level.size_px.long_px <= level.tile_px
    assert pyramid.screen_level == max(
        (level for level in pyramid.levels if level.size_px.long_px <= SCREEN_LONG_PX), key=lambda level: level.index
    )


@given(pyramids(), st.floats(1e-3, 1e3))
def test_level_for_scale_is_the_smallest_that_is_fine_enough(pyramid: Pyramid, scale: float) -> None:
    level = pyramid.level_for_scale(scale)
    assert level is pyramid.finest or level.scale * 1.000001 >= scale
    assert level.index == 0 or pyramid.levels[level.index - 1].scale < scale
    assert pyramid.level_for_scale(level.scale) is level


@example((595.276, 841.89))
@given(pages)
def test_a_level_is_what_an_engine_draws_or_one_blank_pixel_more(page: tuple[float, float]) -> None:
    """The finest level is the engine's own size; a lower one, halved with ceil, may have one more column or row, which the
    page reaches by less than EDGE_SLACK_PX of a finest pixel and which is drawn white. It never has one less."""
    pyramid = Pyramid.of_page(*page)
    for level in pyramid.levels:
        for side_px, side_pt in ((level.width_px, page[0]), (level.height_px, page[1])):
            assert side_px - drawn_px(side_pt, level.scale) in (0, 1)
    assert pyramid.finest.size_px == SizePx(drawn_px(page[0], pyramid.finest.scale), drawn_px(page[1], pyramid.finest.scale))


def test_a_halved_level_can_be_a_pixel_wider_than_a_drawing() -> None:
    width_pt = (2896 + 0.0015) / 4096 * 842
    finest, *_, coarsest = reversed(Pyramid.of_page(width_pt, 842).levels)
    assert (finest.width_px, drawn_px(width_pt, finest.scale)) == (2897, 2897)
    assert (coarsest.width_px, drawn_px(width_pt, coarsest.scale)) == (182, 181)


def test_sizes_agree_with_the_engines_own_drawing() -> None:
    """An independent drawing of a page at a level's scale has the level's size: pages of many shapes, all rotations."""
    rng = random.Random(20261124)
    with pymupdf.open() as document:
        for _ in range(60):
            width_pt, height_pt = rng.uniform(2, 60), rng.choice([rng.uniform(60, 1700), float(rng.randint(60, 14400))])
            page = document.new_page(width=width_pt, height=height_pt)
            page.set_rotation(rng.choice([0, 90, 180, 270]))
            for level in Pyramid.of_page(page.rect.width, page.rect.height).levels:
                if level.size_px.long_px <= 16384 and level.area_px <= 3_000_000:
                    drawn = page.get_pixmap(matrix=pymupdf.Matrix(level.scale, level.scale))
                    assert (level.width_px, level.height_px) == (drawn.width, drawn.height)
            rung = fit_rung(page.rect.width, page.rect.height, width_px=rng.randint(1, 700), height_px=2000)
            drawn = page.get_pixmap(matrix=pymupdf.Matrix(rung.scale, rung.scale))
            assert (rung.width_px, rung.height_px) == (drawn.width, drawn.height)


@given(pages, st.integers(1, MAX_SIDE_PX), st.booleans())
def test_an_exact_fit_has_the_exact_side(page: tuple[float, float], side_px: int, by_width: bool) -> None:
    wanted = {"width_px": side_px} if by_width else {"height_px": side_px}
    scale = side_px / page[0 if by_width else 1]
    other_px = drawn_px(page[1 if by_width else 0], scale)
    if other_px > MAX_SIDE_PX:
        with pytest.raises(RequestError, match="no side may pass 65536"):
            fit_rung(*page, **wanted)
        return
    rung = fit_rung(*page, **wanted)
    assert (rung.width_px, rung.height_px) == ((side_px, other_px) if by_width else (other_px, side_px))
    assert rung.scale == scale
    assert rung.columns == rung.rows == 1


@given(pages, st.integers(1, 4000), st.integers(1, 4000))
def test_a_fit_into_both_sides_fills_one_of_them(page: tuple[float, float], width_px: int, height_px: int) -> None:
    rung = fit_rung(*page, width_px=width_px, height_px=height_px)
    assert rung.width_px <= width_px
    assert rung.height_px <= height_px
    assert rung.width_px == width_px or rung.height_px == height_px


def test_a_rung_and_a_level_of_equal_pixels_are_the_same_raster() -> None:
    level = Pyramid.of_page(512, 512, (512, 512)).finest
    assert level.raster == Raster(1.0, 512, 512, SCREEN_LONG_PX)
    assert rung_at(512, 512, 1.0) == Raster(1.0, 512, 512, 512)


@given(rasters, st.data())
def test_pixels_survive_the_way_to_the_page_and_back(raster: Raster, data: st.DataObject) -> None:
    column = data.draw(st.integers(0, raster.columns - 1))
    row = data.draw(st.integers(0, raster.rows - 1))
    rect = raster.tile_rect(column, row)
    assert rect.to_pt(raster.scale).to_px(raster.scale) == rect


@given(pyramids())
def test_the_last_tile_of_every_level_survives_the_way_to_the_page_and_back(pyramid: Pyramid) -> None:
    for level in pyramid.levels:
        rect = level.tile_rect(level.columns - 1, level.rows - 1)
        assert rect.to_pt(level.scale).to_px(level.scale) == rect


@given(st.tuples(*[st.floats(0, 2000)] * 4), st.floats(0.05, 20))
def test_pixels_of_a_place_cover_it(edges: tuple[float, ...], scale: float) -> None:
    x0, x1 = sorted(edges[:2])
    y0, y1 = sorted(edges[2:])
    assume(x1 - x0 > 0.01 / scale and y1 - y0 > 0.01 / scale)
    covered = RectPt(x0, y0, x1, y1).to_px(scale)
    slack_px = 0.0011
    assert covered.x0_px <= x0 * scale + slack_px < covered.x0_px + 1 + slack_px
    assert covered.y1_px >= y1 * scale - slack_px > covered.y1_px - 1 - slack_px


BAD_SIDES = [0, -1, 0.0, math.nan, math.inf, -math.inf, "595", None, True]


@pytest.mark.parametrize("bad", BAD_SIDES)
def test_sizes_that_are_none_are_refused(bad: float) -> None:
    for page in ((bad, 842), (595, bad)):
        with pytest.raises(RequestError):
            Pyramid.of_page(*page)
        with pytest.raises(RequestError):
            fit_rung(page[0], page[1], width_px=100)
        with pytest.raises(RequestError):
            SizePt(*page)


def test_a_page_too_small_for_arithmetic_is_refused() -> None:
    with pytest.raises(RequestError):
        Pyramid.of_page(5e-324, 5e-324)
    with pytest.raises(RequestError):
        fit_rung(5e-324, 1, width_px=100)


@pytest.mark.parametrize("bad", [0, -1, 65537, 1.5, 100.0, True, "100"])
def test_an_exact_fit_refuses_sides_out_of_bounds(bad: int) -> None:
    for width_px, height_px in ((bad, None), (None, bad), (10, bad)):
        with pytest.raises(RequestError):
            fit_rung(595, 842, width_px, height_px)


def test_an_exact_fit_needs_a_side() -> None:
    with pytest.raises(RequestError, match="needs a width or a height"):
        fit_rung(595, 842)


@pytest.mark.parametrize("bad", [(0, 10), (10, -1), (10.0, 10)])
def test_image_sizes_that_are_none_are_refused(bad: tuple[int, int]) -> None:
    with pytest.raises(RequestError):
        Pyramid.of_page(10, 10, bad)


@pytest.mark.parametrize("bad", [-1, 99, 0.0, None, True])
def test_places_that_are_not_in_the_grid_are_refused(bad: int) -> None:
    pyramid = Pyramid.of_page(595, 842)
    with pytest.raises(RequestError, match="column must be 0 to 5"):
        pyramid.finest.tile_rect(bad, 0)
    with pytest.raises(RequestError, match="row must be 0 to 7"):
        pyramid.finest.tile_rect(0, bad)
    with pytest.raises(RequestError, match="level must be 0 to 4"):
        pyramid.level(bad)
    if bad != 99:
        with pytest.raises(RequestError):
            TileAddress(0, bad, 0, 0)
    assert [pyramid.level(index) for index in range(5)] == list(pyramid.levels)


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [
        (RectPx, (0, 0, -1, 5)),
        (RectPx, (0, 5, 1, 4)),
        (RectPx, (0.0, 0, 1, 1)),
        (RectPt, (0, 0, math.nan, 1)),
        (RectPt, (2, 0, 1, 1)),
        (SizePx, (0, 5)),
        (SizePx, (5, 1.0)),
        (Raster, (0, 1, 1, 1)),
        (Raster, (math.inf, 1, 1, 1)),
        (Raster, (1, 1, 1, 0)),
        (Level, (1, 0, 1, 1, 0)),
        (TileAddress, (-1, 0, 0, 0)),
    ],
)
def test_values_refuse_nonsense_at_birth(kind: type, arguments: tuple[float, ...]) -> None:
    with pytest.raises(RequestError):
        kind(*arguments)
