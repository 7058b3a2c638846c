"""A zoomed page: what is seen of it is drawn first, as a window, and is the same as what is drawn of the whole level."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sidebooks_core as sb
from sidebooks_core.images.requests import Request
from sidebooks_core.images.work import Found
from sidebooks_core.reading.view import WINDOW_GAIN, wanted_images, window_request, within
from sidebooks_core.scheduling.queue import Priority
from sidebooks_core.tiling.pyramid import Pyramid
from sidebooks_core.tiling.raster import RasterSpec
from sidebooks_core.tiling.viewport import PageBox, Viewport

VIEW_PX = (800, 1000)
PAGE = 2
RASTER_PIXELS = 48 << 20

Want = Callable[[Request, Priority, str], Future[Found]]
Asked = list[tuple[RasterSpec, Priority]]


@pytest.fixture
def document(service: sb.TileService, sample: Path) -> sb.Document:
    return service.open(sample)


@pytest.fixture
def reader(service: sb.TileService, document: sb.Document) -> Iterator[sb.Reader]:
    with service.reader(document, VIEW_PX) as running:
        running.wait_previews(timeout_s=30)
        running.turn_to(PAGE)
        running.wait_sharp(timeout_s=30)
        yield running


def is_zoomed(document: sb.Document, spec: RasterSpec) -> bool:
    return spec.scale == document.pyramid(PAGE).finest.scale


def is_whole(document: sb.Document, spec: RasterSpec) -> bool:
    finest = document.pyramid(PAGE).finest
    return (spec.x0_px, spec.y0_px, spec.x1_px, spec.y1_px) == (0, 0, finest.width_px, finest.height_px)


def listen(
    service: sb.TileService, document: sb.Document, monkeypatch: pytest.MonkeyPatch, instead: Want | None = None
) -> Asked:
    """What is asked for of the finest level; `instead` answers for the level as a whole."""
    asked: Asked = []
    plain = service.parts.images.find

    def find(request: Request, priority: Priority, client: str) -> Future[Found]:
        if is_zoomed(document, request.spec):
            asked.append((request.spec, priority))
            if instead is not None and is_whole(document, request.spec):
                return instead(request, priority, client)
        return plain(request, priority, client)

    monkeypatch.setattr(service.parts.images, "find", find)
    return asked


def never(*_: object) -> Future[Found]:
    """The level does not come."""
    return Future()


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
    service: sb.TileService, reader: sb.Reader, document: sb.Document, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = listen(service, document, monkeypatch, never)
    reader.zoom(3.0)
    view = reader.wait_sharp(timeout_s=30)
    assert view.is_sharp
    window, priority = asked[0]
    assert (priority, is_whole(document, window)) == (Priority.VISIBLE, False)
    deadline_s = time.monotonic() + 10
    while len(asked) < 2:
        assert time.monotonic() < deadline_s, "the rest of the level is never asked for"
        time.sleep(0.01)
    assert [(is_whole(document, spec), priority) for spec, priority in asked[1:]] == [(True, Priority.PAGE)]
    monkeypatch.undo()
    level = document.pyramid(PAGE).finest
    [placement] = Viewport.fitted(*VIEW_PX, [box(document)]).zoomed(3.0, PAGE, *middle(document)).placements
    for image in view.images:
        column = round((image.x0_view - placement.x0_view) / placement.scale * level.scale / level.tile_px)
        row = round((image.y0_view - placement.y0_view) / placement.scale * level.scale / level.tile_px)
        whole = service.tile(document, PAGE, level.index, column, row)
        assert np.array_equal(image.tile.pixels(), whole.pixels())


def test_a_level_that_is_stored_needs_no_window(sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for is_first in (True, False):
        with sb.TileService(sb.Settings(cache_dir=tmp_path, workers=1)) as service:
            document = service.open(sample)
            with service.reader(document, VIEW_PX) as reader:
                reader.wait_previews(timeout_s=30)
                reader.turn_to(PAGE)
                reader.wait_sharp(timeout_s=30)
                if is_first:
                    service.tile(document, PAGE, document.pyramid(PAGE).finest.index, 0, 0)
                    service.parts.flush()
                    continue
                asked = listen(service, document, monkeypatch)
                before = service.statistics()
                reader.zoom(3.0)
                assert reader.wait_sharp(timeout_s=30).is_sharp
                assert not asked
                assert service.statistics().disk_hits == before.disk_hits + 1
                assert service.statistics().renders == before.renders


def test_a_finger_that_pans_sees_what_it_saw(
    service: sb.TileService, reader: sb.Reader, document: sb.Document, monkeypatch: pytest.MonkeyPatch
) -> None:
    listen(service, document, monkeypatch, never)
    reader.zoom(3.0)
    before = reader.wait_sharp(timeout_s=30)
    monkeypatch.setattr(service.parts.images, "find", never)  # nothing more comes
    view = reader.pan(0, 400)
    seen = {one.tile.etag for one in before.images} & {one.tile.etag for one in view.images if not one.is_coarse}
    assert seen
    assert view.images[0].is_coarse, "under them lies what stands in for the rest"
    assert not view.is_sharp


def test_a_level_that_cannot_be_drawn_leaves_the_window(
    service: sb.TileService, reader: sb.Reader, document: sb.Document, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(request: Request, *_: object) -> Future[Found]:
        failed: Future[Found] = Future()
        failed.set_exception(sb.RenderTimeout("too large", document_id=request.document.id, page=request.page))
        return failed

    asked = listen(service, document, monkeypatch, fail)
    reader.zoom(3.0)
    assert reader.wait_sharp(timeout_s=30).is_sharp
    time.sleep(0.3)
    view = reader.view()
    assert (view.is_sharp, view.errors) == (True, ())
    assert len(asked) < 5, "asked for again and again"


def box(document: sb.Document) -> PageBox:
    return PageBox(PAGE, document.pages[PAGE].width_pt, document.pages[PAGE].height_pt)


def middle(document: sb.Document) -> tuple[float, float]:
    return document.pages[PAGE].width_pt / 2, document.pages[PAGE].height_pt / 2
