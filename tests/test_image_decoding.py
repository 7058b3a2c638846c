"""A part of a page with an image equals that part of the page drawn whole: its image is unpacked as a whole for both."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

import sidebooks_core as sb
from sidebooks_core.engine.drawing import draw
from sidebooks_core.engine.images import decoding as image_decoding
from sidebooks_core.engine.mupdf import pymupdf
from sidebooks_core.engine.store import shrink_store
from sidebooks_core.images.requests import Request, TilePlace
from sidebooks_core.tiling.raster import RasterSpec

SCALE = 1.37
"""Of pixels a point: the image is scaled down by no whole number."""


@pytest.fixture(scope="module")
def scan() -> bytes:
    """A page of one image with lines of text, 200 dpi, as scanners write it."""
    image = Image.new("L", (1654, 2339), 255)
    pen = ImageDraw.Draw(image)
    for line in range(60):
        pen.text((90 + line, 80 + 37 * line), f"{line} the quick brown fox jumps over the lazy dog " * 3, fill=0, font_size=23)
    packed = io.BytesIO()
    image.save(packed, "PDF", resolution=200, quality=90)
    return packed.getvalue()


@pytest.fixture
def drawn(scan: bytes) -> tuple[np.ndarray, np.ndarray]:
    """A part of the page cut out of the whole, and the same part drawn by itself."""
    assert image_decoding.install()
    with pymupdf.open(stream=scan) as document:
        display_list = document[0].get_displaylist()
        shrink_store()
        whole = draw(display_list, SCALE, (0, 0, 815, 1152), grey=True)
        shrink_store()
        part = draw(display_list, SCALE, (333, 250, 733, 650), grey=True)
        return whole[250:650, 333:733], part


def test_a_part_equals_the_whole(drawn: tuple[np.ndarray, np.ndarray]) -> None:
    cut, part = drawn
    assert cut.min() < 50, "there is text in it"
    assert np.array_equal(cut, part)


class TestOfLargerImages:
    @pytest.fixture(autouse=True)
    def limit(self) -> Iterator[None]:
        halved = (1654 // 2) * (2339 // 2)
        image_decoding.limit_whole_images(halved - 1)
        yield
        image_decoding.limit_whole_images(image_decoding.WHOLE_IMAGE_PIXELS)

    def test_a_part_is_unpacked(self, drawn: tuple[np.ndarray, np.ndarray]) -> None:
        cut, part = drawn
        assert np.abs(cut.astype(np.int16) - part).mean() > 0.5, "what the engine makes of a part by itself is not the same"


@pytest.mark.parametrize(("worker_bytes", "most_pixels"), [(256 << 20, 4 << 20), (3 << 30, 48 << 20), (64 << 30, 48 << 20)])
def test_what_is_unpacked_as_a_whole_is_a_share_of_the_workers_memory(worker_bytes: int, most_pixels: int) -> None:
    assert image_decoding.most_pixels_of(worker_bytes) == most_pixels


@pytest.mark.parametrize(
    ("name", "page"), [("scan/cardinal.pdf", 1), ("scan/ccitt.pdf", 0), ("scan/2400dpi.pdf", 0), ("geometry/poster.pdf", 0)]
)
def test_windows_of_scans_equal_the_page_drawn_whole(corpus: Path, name: str, page: int) -> None:
    with sb.TileService(sb.Settings(cache_dir=None, image_format="png")) as service:
        document = service.open(corpus / name)
        info = document.pages[page]
        scale = 2300 / max(info.width_pt, info.height_pt)
        width_px, height_px = round(info.width_pt * scale), round(info.height_pt * scale)

        def pixels(x0_px: int, y0_px: int, x1_px: int, y1_px: int) -> np.ndarray:
            spec = RasterSpec(scale=scale, x0_px=x0_px, y0_px=y0_px, x1_px=x1_px, y1_px=y1_px, tile_px=4096)
            return service.parts.images.submit(TilePlace(Request(document, page, spec))).result().pixels()

        whole = pixels(0, 0, width_px, height_px)
        for x_px, y_px in ((0, 0), (width_px // 3, height_px // 3), (width_px - 701, height_px - 503)):
            window = pixels(x_px, y_px, x_px + 701, y_px + 503)
            assert np.array_equal(window, whole[y_px : y_px + 503, x_px : x_px + 701]), (x_px, y_px)
