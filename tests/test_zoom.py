"""A zoomed page: what is seen of it is drawn first, as a window, and is the same as what is drawn of the whole level."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from quiet import wait_until

import sidebooks_core as sb
from sidebooks_core.reading.view import WINDOW_GAIN, wanted_images, window_request, within
from sidebooks_core.testing import FakeDocument, FakeEngine, Rule, Task
from sidebooks_core.tiling.pyramid import Pyramid
from sidebooks_core.tiling.raster import RasterSpec
from sidebooks_core.tiling.viewport import PageBox, Viewport
from sidebooks_core.workers.jobs import Draw

VIEW_PX = (800, 1000)
PAGE = 2
RASTER_PIXELS = 48 << 20

PAPER = FakeDocument.of_pages(5, is_gradient=True)


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture
def service(engine: FakeEngine, tmp_path: Path) -> Iterator[sb.TileService]:
    settings = sb.Settings(cache_dir=tmp_path / "cache", workers=2, image_format="png")
    with sb.TileService(settings, pool=engine.pool) as made:
        yield made


@pytest.fixture
def document(service: sb.TileService) -> sb.Document:
    return service.open(PAPER.to_bytes())


@pytest.fixture
def reader(service: sb.TileService, document: sb.Document) -> Iterator[sb.Reader]:
    with service.reader(document, VIEW_PX) as running:
        shows_the_page(running)
        yield running


def shows_the_page(reader: sb.Reader) -> None:
    reader.wait_previews(timeout_s=30)
    reader.turn_to(PAGE)
    reader.wait_sharp(timeout_s=30)


def is_whole(document: sb.Document, spec: RasterSpec) -> bool:
    finest = document.pyramid(PAGE).finest
    return (spec.x0_px, spec.y0_px, spec.x1_px, spec.y1_px) == (0, 0, finest.width_px, finest.height_px)


def drawn(engine: FakeEngine, document: sb.Document) -> list[RasterSpec]:
    """Rasters of the finest level that workers began to draw, in their order."""
    specs = [one.job.spec for one in engine.begun if isinstance(one.job, Draw)]
    return [spec for spec in specs if spec.scale == document.pyramid(PAGE).finest.scale]


def instead_of_the_level(engine: FakeEngine, document: sb.Document, do: Callable[[Task], object]) -> Rule:
    """Something else happens where the level is drawn as a whole."""

    def drawing(task: Task) -> object:
        assert isinstance(task.job, Draw)
        return do(task) if is_whole(document, task.job.spec) else None

    return engine.on(Draw, drawing, page=PAGE)


def never(task: Task) -> None:
    task.wait_for(lambda: False)


def torn(task: Task) -> None:
    raise sb.RenderFailed("torn")


def page_of(pyramid: Pyramid) -> sb.Document:
    """A document of one page, of which nothing but the pyramid is asked."""

    class OnePage:
        def pyramid(self, page: int) -> Pyramid:
            assert page == 0
            return pyramid

    return cast(sb.Document, OnePage())


sides = st.integers(200, 3000)


@given(st.tuples(st.floats(50, 3000), st.floats(50, 3000)), sides, sides, st.floats(1.01, 64), st.floats(0, 1), st.floats(0, 1))
def test_a_window_holds_what_is_seen_and_no_more_than_it_gains(
    size_pt: tuple[float, float], width_view: int, height_view: int, zoom: float, across: float, down: float
) -> None:
    pyramid = Pyramid.of_page(*size_pt)
    fitted = Viewport.fitted(width_view, height_view, [PageBox(0, *size_pt)])
    viewport = fitted.zoomed(zoom, 0, size_pt[0] * across, size_pt[1] * down)
    [placement] = viewport.placements
    of_one_page = page_of(pyramid)
    wanted = wanted_images(of_one_page, viewport, placement, RASTER_PIXELS)
    window_of = window_request(of_one_page, viewport, placement, RASTER_PIXELS)
    slabs = {one.request.spec for one in wanted}
    if window_of is None:
        return
    window = window_of.spec
    pixels = (window.x1_px - window.x0_px) * (window.y1_px - window.y0_px)
    assert pixels * WINDOW_GAIN <= sum((one.x1_px - one.x0_px) * (one.y1_px - one.y0_px) for one in slabs)
    for one in wanted:
        place = within(one, window_of)
        assert place is not None
        assert place.request == window_of
        spec = one.request.spec
        for origin, at, there_origin, there in (
            (spec.x0_px, one.column, window.x0_px, place.column),
            (spec.y0_px, one.row, window.y0_px, place.row),
        ):
            assert origin + at * spec.tile_px == there_origin + there * window.tile_px, "the same pixels of the level"


def test_a_page_at_its_fit_has_no_window() -> None:
    fitted = Viewport.fitted(*VIEW_PX, [PageBox(0, 595, 842)])
    document = page_of(Pyramid.of_page(595, 842))
    assert window_request(document, fitted, fitted.placements[0], RASTER_PIXELS) is None


def test_what_is_seen_is_drawn_first_and_equals_the_level(
    service: sb.TileService, engine: FakeEngine, reader: sb.Reader, document: sb.Document
) -> None:
    with instead_of_the_level(engine, document, never):
        reader.zoom(3.0)
        view = reader.wait_sharp(timeout_s=30)
        assert view.is_sharp
        wait_until(lambda: len(drawn(engine, document)) >= 2, "the rest of the level is never asked for")
        assert [is_whole(document, spec) for spec in drawn(engine, document)] == [False, True]
    level = document.pyramid(PAGE).finest
    whole = PAPER.pages[PAGE].pixels(RasterSpec.whole_page(level.scale, level.width_px, level.height_px))
    [placement] = Viewport.fitted(*VIEW_PX, [box(document)]).zoomed(3.0, PAGE, *middle(document)).placements
    for image in view.images:
        x0 = round((image.x0_view - placement.x0_view) / placement.scale * level.scale)
        y0 = round((image.y0_view - placement.y0_view) / placement.scale * level.scale)
        shown = image.tile.pixels()
        assert np.array_equal(shown, whole[y0 : y0 + shown.shape[0], x0 : x0 + shown.shape[1]])


def test_a_level_that_is_stored_needs_no_window(tmp_path: Path, engine: FakeEngine) -> None:
    for is_first in (True, False):
        with sb.TileService(sb.Settings(cache_dir=tmp_path, workers=1), pool=engine.pool) as service:
            document = service.open(PAPER.to_bytes())
            with service.reader(document, VIEW_PX) as reader:
                shows_the_page(reader)
                if is_first:
                    service.tile(document, PAGE, document.pyramid(PAGE).finest.index, 0, 0)
                    service.parts.flush()
                    continue
                before, disk_hits = len(drawn(engine, document)), service.statistics().disk_hits
                reader.zoom(3.0)
                assert reader.wait_sharp(timeout_s=30).is_sharp
                assert len(drawn(engine, document)) == before
                assert service.statistics().disk_hits == disk_hits + 1


def test_a_finger_that_pans_sees_what_it_saw(engine: FakeEngine, reader: sb.Reader, document: sb.Document) -> None:
    with instead_of_the_level(engine, document, never):
        reader.zoom(3.0)
        before = reader.wait_sharp(timeout_s=30)
        with engine.hold(Draw):  # nothing more comes
            view = reader.pan(0, 400)
    seen = {one.tile.etag for one in before.images} & {one.tile.etag for one in view.images if not one.is_coarse}
    assert seen
    assert view.images[0].is_coarse, "under them lies what stands in for the rest"
    assert not view.is_sharp


def test_a_level_that_cannot_be_drawn_leaves_the_window(engine: FakeEngine, reader: sb.Reader, document: sb.Document) -> None:
    with instead_of_the_level(engine, document, torn):
        reader.zoom(3.0)
        assert reader.wait_sharp(timeout_s=30).is_sharp
        time.sleep(0.3)
        view = reader.view()
        assert (view.is_sharp, view.errors) == (True, ())
        assert len(drawn(engine, document)) < 5, "asked for again and again"


def box(document: sb.Document) -> PageBox:
    return PageBox(PAGE, document.pages[PAGE].width_pt, document.pages[PAGE].height_pt)


def middle(document: sb.Document) -> tuple[float, float]:
    return document.pages[PAGE].width_pt / 2, document.pages[PAGE].height_pt / 2
