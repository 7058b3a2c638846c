"""A cache filled for a screen: neither a reader of that screen nor a tablet that asks over HTTP has anything drawn."""

from __future__ import annotations

from pathlib import Path

import pytest
from asgi import ask
from hypothesis import given
from hypothesis import strategies as st

import sidebooks_core as sb
from sidebooks_core.server import Application, Shelf
from sidebooks_core.tiling.pyramid import fit_rung
from sidebooks_core.tiling.viewport import PageBox, Viewport

SCREEN_PX = (1620, 2160)


@pytest.mark.parametrize("view_px", [SCREEN_PX, (1280, 800), (333, 777)])
def test_a_reader_and_a_tablet_of_the_screen_draw_nothing(sample: Path, tmp_path: Path, view_px: tuple[int, int]) -> None:
    settings = sb.Settings(cache_dir=tmp_path / "cache")
    with sb.TileService(settings) as service:
        document = service.open(sample)
        report = service.prerender(document, pages=range(5), fit_px=[view_px], sizes=sb.Sizes(levels=[0]))
        assert report.rendered == 10
    with sb.TileService(settings) as service:
        shelf = Shelf(service)
        document = shelf.register(sample)
        application = Application(shelf)
        for page in range(1, 6):
            width, height = view_px
            assert ask(application, f"/documents/{document.id}/pages/{page}/{width}x{height}").status == 200
            assert ask(application, f"/documents/{document.id}/pages/{page}/preview").status == 200
        assert service.statistics().renders == 0
        application.close()
        shelf.close()


def test_a_reader_of_the_screen_draws_nothing(sample: Path, tmp_path: Path) -> None:
    settings = sb.Settings(cache_dir=tmp_path / "cache")
    with sb.TileService(settings) as service:
        service.prerender(service.open(sample), fit_px=[SCREEN_PX])
    with sb.TileService(settings) as service:
        document = service.open(sample)
        with service.reader(document, SCREEN_PX) as reader:
            for page in (0, 3, 4, 21, 0):
                reader.turn_to(page)
                assert reader.wait_sharp(timeout_s=20).is_sharp
            assert reader.wait_previews(timeout_s=60)
        assert service.statistics().renders == 0


def test_spreads_draw_nothing_either(sample: Path, tmp_path: Path) -> None:
    view_px = (2160, 1620)
    settings = sb.Settings(cache_dir=tmp_path / "cache")
    with sb.TileService(settings) as service:
        service.prerender(service.open(sample), fit_px=[view_px], sizes=sb.Sizes(spread=True))
    with sb.TileService(settings) as service:
        document = service.open(sample)
        with service.reader(document, view_px, spread=True) as reader:
            for page in range(0, document.page_count, 2):
                reader.turn_to(page)
                assert reader.wait_sharp(timeout_s=20).is_sharp
            assert reader.wait_previews(timeout_s=60)
        assert service.statistics().renders == 0


def test_an_image_that_fits_is_the_same_by_both_names(service: sb.TileService, sample: Path) -> None:
    document = service.open(sample)
    image = service.page_image(document, 2, fit_px=(400, 300))
    assert image == service.page_image(document, 2, width_px=400, height_px=300)
    assert image.height_px == 300
    with pytest.raises(sb.RequestError):
        service.page_image(document, 2, width_px=400, fit_px=(400, 300))


def test_a_level_that_no_page_has_is_refused(service: sb.TileService, sample: Path) -> None:
    document = service.open(sample)
    for level in (99, -1):
        with pytest.raises(sb.RequestError, match="its levels are 0 to"):
            service.prerender(document, pages=[0], sizes=sb.Sizes(levels=[level]))
    assert service.statistics().renders == 0


@given(st.floats(3, 3000), st.floats(3, 3000), st.integers(16, 4000), st.integers(16, 4000))
def test_what_a_tablet_asks_for_is_what_a_reader_shows(
    width_pt: float, height_pt: float, width_px: int, height_px: int
) -> None:
    rung = fit_rung(width_pt, height_pt, width_px=width_px, height_px=height_px)
    [placement] = Viewport.fitted(width_px, height_px, [PageBox(0, width_pt, height_pt)]).placements
    assert (placement.rung.scale, placement.rung.width_px, placement.rung.height_px) == (
        rung.scale,
        rung.width_px,
        rung.height_px,
    )
