"""Slabs: every tile is in exactly one, each keeps within the bound, and one is found without making the others."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidebooks_core.errors import RequestError
from sidebooks_core.settings import Settings
from sidebooks_core.tiling.geometry import RectPx
from sidebooks_core.tiling.pyramid import Pyramid, Raster
from sidebooks_core.tiling.slabs import slab_of, slabs

rasters = st.builds(
    Raster,
    scale=st.just(1.0),
    width_px=st.integers(1, 900),
    height_px=st.integers(1, 900),
    tile_px=st.integers(20, 300),
)
bounds = st.integers(1, 900 * 900)


@given(rasters, bounds)
def test_every_tile_is_in_exactly_one_slab(raster: Raster, raster_pixels: int) -> None:
    tiles = [tile for slab in slabs(raster, raster_pixels) for tile in slab.tiles()]
    assert sorted(tiles) == sorted(itertools.product(range(raster.columns), range(raster.rows)))


@given(rasters, bounds)
def test_a_slab_is_a_block_of_whole_tiles_within_the_bound(raster: Raster, raster_pixels: int) -> None:
    for slab in slabs(raster, raster_pixels):
        first = raster.tile_rect(slab.column0, slab.row0)
        last = raster.tile_rect(slab.column0 + slab.columns - 1, slab.row0 + slab.rows - 1)
        assert slab.rect_px == RectPx(first.x0_px, first.y0_px, last.x1_px, last.y1_px)
        assert slab.rect_px.area_px <= raster_pixels or slab.columns == slab.rows == 1


@given(rasters, bounds)
def test_a_slab_is_found_from_any_of_its_tiles(raster: Raster, raster_pixels: int) -> None:
    cut = slabs(raster, raster_pixels)
    assert [slab.index for slab in cut] == list(range(len(cut)))
    for slab in cut:
        assert {slab_of(raster, raster_pixels, column, row) for column, row in slab.tiles()} == {slab}


@given(rasters, bounds)
def test_a_raster_that_fits_is_one_slab(raster: Raster, raster_pixels: int) -> None:
    assert (len(slabs(raster, raster_pixels)) == 1) == (raster.area_px <= raster_pixels or raster.columns == raster.rows == 1)


@pytest.mark.parametrize("page", [(595, 842), (2384, 3370), (3370, 2384), (14400, 14400), (14400, 200), (1, 14400)])
@pytest.mark.parametrize("raster_pixels", [1 << 22, 9_000_000, Settings().raster_pixels])
def test_slabs_are_as_few_as_the_grid_allows(page: tuple[float, float], raster_pixels: int) -> None:
    """Whole tiles cannot fill the bound to the last pixel: at most a quarter more slabs than the bound alone asks for."""
    for level in Pyramid.of_page(*page).levels:
        cut = slabs(level, raster_pixels)
        assert sum(slab.rect_px.area_px for slab in cut) == level.area_px
        block_tiles = raster_pixels // level.tile_px**2
        assert len(cut) <= 1 + 1.25 * level.columns * level.rows / max(1, block_tiles)


def test_bands_of_the_full_width_are_preferred() -> None:
    a0 = Pyramid.of_page(2384, 3370).finest
    assert {slab.columns for slab in slabs(a0, Settings().raster_pixels)} == {a0.columns}


def test_a_screen_touches_few_slabs_of_a_giant_sheet() -> None:
    """At worst four, wherever it looks: slabs are larger than a tablet's screen both ways."""
    giant = Pyramid.of_page(14400, 14400).finest
    inner = [slab.rect_px for slab in slabs(giant, Settings().raster_pixels) if slab.index % 7 == 0]
    assert all(rect.width_px >= 2160 and rect.height_px >= 2160 for rect in inner)


def test_what_is_not_in_the_grid_is_refused() -> None:
    raster = Raster(1.0, 100, 100, 50)
    for column, row in ((2, 0), (0, 2), (-1, 0)):
        with pytest.raises(RequestError):
            slab_of(raster, 10_000, column, row)
    with pytest.raises(RequestError, match="raster_pixels"):
        slabs(raster, 0)
