"""What a screen shows of a spread: places, zoom, pan, and the tiles that are seen."""

from __future__ import annotations

import itertools
import math
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import astuple

from sidebooks_core.errors import RequestError
from sidebooks_core.tiling.geometry import EDGE_SLACK_PX, RectPt
from sidebooks_core.tiling.pyramid import Pyramid, Raster, fit_rung
from sidebooks_core.tiling.viewport import PageBox, Viewport, visible_tiles

A4 = PageBox(0, 595.276, 841.89)

sides_pt = st.one_of(st.sampled_from([595.276, 841.89, 612, 792, 1190.55]), st.floats(1, 14400))
boxes = st.lists(st.tuples(sides_pt, sides_pt), min_size=1, max_size=2).map(
    lambda sizes: [PageBox(7 + number, *size) for number, size in enumerate(sizes)]
)
screens = st.tuples(st.integers(2, 4000), st.integers(2, 4000))
fits: st.SearchStrategy[Literal["page", "width"]] = st.sampled_from(["page", "width"])


@st.composite
def viewports(draw: st.DrawFn) -> Viewport:
    """Fitted, or zoomed and panned from there."""
    viewport = Viewport.fitted(*draw(screens), draw(boxes), draw(fits))
    if draw(st.booleans()):
        box = draw(st.sampled_from(viewport.boxes))
        x_pt, y_pt = draw(st.floats(0, box.width_pt)), draw(st.floats(0, box.height_pt))
        viewport = viewport.zoomed(draw(st.floats(0.1, 64)), box.page, x_pt, y_pt)
        viewport = viewport.panned(draw(st.integers(-9000, 9000)), draw(st.integers(-9000, 9000)))
    return viewport


@given(screens, boxes)
def test_a_fitted_page_is_on_the_screen_and_fills_it(screen: tuple[int, int], pages: list[PageBox]) -> None:
    viewport = Viewport.fitted(*screen, pages)
    rungs = [placement.rung for placement in viewport.placements]
    width, height = sum(rung.width_px for rung in rungs), max(rung.height_px for rung in rungs)
    assert width <= screen[0]
    assert height <= screen[1]
    assert width > screen[0] - len(pages) or height == screen[1]
    for placement in viewport.placements:
        assert 0 <= placement.x0_view <= screen[0] - placement.rung.width_px
        assert 0 <= placement.y0_view <= screen[1] - placement.rung.height_px
        visible = viewport.visible_pt(placement.page)
        box = placement.box
        # A page may reach EDGE_SLACK_PX into a pixel that it does not get.
        near = pytest.approx((0, 0, box.width_pt, box.height_pt), abs=1.01 * EDGE_SLACK_PX / placement.scale)
        assert astuple(visible) == near


@given(screens, boxes)
def test_a_fitted_width_fills_the_width_from_the_top(screen: tuple[int, int], pages: list[PageBox]) -> None:
    viewport = Viewport.fitted(*screen, pages, "width")
    rungs = [placement.rung for placement in viewport.placements]
    assert screen[0] - len(pages) < sum(rung.width_px for rung in rungs) <= screen[0]
    highest = max(rung.height_px for rung in rungs)
    assert viewport.top_view == max(0, (screen[1] - highest) // 2)


@given(viewports())
def test_pages_touch_and_are_centred_beside_the_highest(viewport: Viewport) -> None:
    placements = viewport.placements
    assert [placement.box for placement in placements] == list(viewport.boxes)
    assert placements[0].x0_view == viewport.left_view
    highest = max(placement.rung.height_px for placement in placements)
    for left, right in itertools.pairwise(placements):
        assert left.x0_view + left.rung.width_px == right.x0_view
    for placement in placements:
        below = highest - placement.rung.height_px - (placement.y0_view - viewport.top_view)
        assert below - (placement.y0_view - viewport.top_view) in (0, 1)


@given(viewports())
def test_a_spread_leaves_no_gap_at_one_side_while_it_overflows_the_other(viewport: Viewport) -> None:
    rungs = [placement.rung for placement in viewport.placements]
    for start, extent, screen in (
        (viewport.left_view, sum(rung.width_px for rung in rungs), viewport.width_view),
        (viewport.top_view, max(rung.height_px for rung in rungs), viewport.height_view),
    ):
        if extent <= screen:
            assert start == (screen - extent) // 2
        else:
            assert start <= 0
            assert start + extent >= screen


@given(viewports(), st.data())
def test_places_survive_the_way_to_the_screen_and_back(viewport: Viewport, data: st.DataObject) -> None:
    placement = data.draw(st.sampled_from(viewport.placements))
    x_pt = data.draw(st.floats(0, placement.box.width_pt))
    y_pt = data.draw(st.floats(0, placement.box.height_pt))
    back = placement.to_pt(*placement.to_view(x_pt, y_pt))
    assert back == pytest.approx((x_pt, y_pt), abs=1e-6 + 1e-9 / placement.scale)


@given(viewports())
def test_what_is_visible_is_on_the_screen_and_what_is_on_the_screen_is_visible(viewport: Viewport) -> None:
    for placement in viewport.placements:
        visible = viewport.visible_pt(placement.page)
        box = placement.box
        assert 0 <= visible.x0_pt <= visible.x1_pt <= box.width_pt
        assert 0 <= visible.y0_pt <= visible.y1_pt <= box.height_pt
        x0, y0 = placement.to_view(visible.x0_pt, visible.y0_pt)
        x1, y1 = placement.to_view(visible.x1_pt, visible.y1_pt)
        if visible.width_pt and visible.height_pt:
            assert -0.01 <= x0 <= x1 <= viewport.width_view + 0.01
            assert -0.01 <= y0 <= y1 <= viewport.height_view + 0.01
        # Just outside the visible part is either off the page or off the screen.
        assert visible.x0_pt == 0 or visible.x0_pt == box.width_pt or abs(x0) < 0.01
        assert visible.x1_pt == box.width_pt or visible.x1_pt == 0 or abs(x1 - viewport.width_view) < 0.01


@given(screens, boxes, st.floats(1, 64), st.data())
def test_a_zoom_brings_its_centre_to_the_middle_unless_an_edge_is_near(
    screen: tuple[int, int], pages: list[PageBox], zoom: float, data: st.DataObject
) -> None:
    box = data.draw(st.sampled_from(pages))
    x_pt, y_pt = data.draw(st.floats(0, box.width_pt)), data.draw(st.floats(0, box.height_pt))
    viewport = Viewport.fitted(*screen, pages).zoomed(zoom, box.page, x_pt, y_pt)
    placement = next(placement for placement in viewport.placements if placement.page == box.page)
    x_view, y_view = placement.to_view(x_pt, y_pt)
    width = sum(placement.rung.width_px for placement in viewport.placements)
    height = max(placement.rung.height_px for placement in viewport.placements)
    if viewport.left_view not in (0, screen[0] - width) and width > screen[0]:
        assert abs(x_view - screen[0] / 2) <= 0.51
    if viewport.top_view not in (0, screen[1] - height) and height > screen[1]:
        assert abs(y_view - screen[1] / 2) <= 0.51


def test_a_page_that_fits_is_shown_with_the_screens_own_rung() -> None:
    """The keys repeat: the raster of a fitted page is the exact-fit rung that any tablet with this screen asks for."""
    upright = Viewport.fitted(1620, 2160, [A4]).placements[0]
    assert upright.rung == fit_rung(A4.width_pt, A4.height_pt, height_px=2160)
    assert (upright.x0_view, upright.y0_view) == (46, 0)
    across = Viewport.fitted(1620, 2160, [A4], "width").placements[0]
    assert across.rung == fit_rung(A4.width_pt, A4.height_pt, width_px=1620)


def test_zooming_out_returns_to_the_fit() -> None:
    fitted = Viewport.fitted(1620, 2160, [A4])
    assert fitted.zoomed(3.0, 0, 200, 300).zoomed(1.0, 0, 0, 0) == fitted
    assert fitted.zoomed(3.0, 0, 200, 300).scale == 3 * fitted.scale


@given(viewports(), st.data())
def test_visible_tiles_are_those_seen_nearest_the_centre_first(viewport: Viewport, data: st.DataObject) -> None:
    placement = data.draw(st.sampled_from(viewport.placements))
    visible = viewport.visible_pt(placement.page)
    pyramid = Pyramid.of_page(placement.box.width_pt, placement.box.height_pt)
    level = pyramid.level_for_scale(placement.scale)
    tiles = visible_tiles(level, visible)
    if not visible.width_pt or not visible.height_pt:
        assert tiles == ()
        return
    assert sorted(tiles) == sorted(level.tiles_in(visible.to_px(level.scale)))
    middle = (
        (visible.x0_pt + visible.x1_pt) / 2 * level.scale,
        (visible.y0_pt + visible.y1_pt) / 2 * level.scale,
    )
    centres = [level.tile_rect(*tile) for tile in tiles]
    distances = [math.dist(middle, ((rect.x0_px + rect.x1_px) / 2, (rect.y0_px + rect.y1_px) / 2)) for rect in centres]
    assert distances == sorted(distances)


def test_the_tile_under_the_centre_comes_first() -> None:
    raster = Raster(4.0, 4096, 4096, 512)
    tiles = visible_tiles(raster, RectPt(300, 300, 500, 400))
    assert tiles == ((3, 2), (2, 2), (3, 3), (2, 3))


@pytest.mark.parametrize(
    ("screen", "pages", "fit"),
    [
        ((0, 100), [A4], "page"),
        ((100, -1), [A4], "page"),
        ((100.0, 100), [A4], "page"),
        ((100, 70000), [A4], "page"),
        ((100, 100), [], "page"),
        ((1, 100), [A4, A4], "page"),
        ((100, 100), [A4], "height"),
    ],
)
def test_screens_that_are_none_are_refused(
    screen: tuple[int, int], pages: list[PageBox], fit: Literal["page", "width"]
) -> None:
    with pytest.raises(RequestError):
        Viewport.fitted(*screen, pages, fit)


@pytest.mark.parametrize("bad", [0, -1, 65, math.nan, math.inf, "2"])
def test_zooms_that_are_none_are_refused(bad: float) -> None:
    viewport = Viewport.fitted(100, 100, [A4])
    with pytest.raises(RequestError):
        viewport.zoomed(bad, 0, 1, 1)
    with pytest.raises(RequestError):
        viewport.zoomed(2, 0, math.nan, 1)
    with pytest.raises(RequestError, match="page 2 is not on the screen"):
        viewport.zoomed(2, 1, 1, 1)
    with pytest.raises(RequestError):
        PageBox(0, 0, 5)
