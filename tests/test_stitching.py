"""Tiles put together are the page drawn whole, pixel for pixel, at every level.

Levels above `raster_pixels` are drawn in slabs. The engine rounds an image that it enlarges a little differently where a part
of it is asked for, so finest levels of the corpus are compared by measure; `test_image_decoding` compares images scaled down.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import sidebooks_core as sb
from benchmarks.corpus import documents, some_pages
from sidebooks_core.images.requests import Request, TilePlace
from sidebooks_core.tiling.pyramid import Level
from sidebooks_core.tiling.raster import RasterSpec

SLABBED_PIXELS = 1 << 22
DOCUMENTS_OF_A_KIND = 3
SLAB_DIFFERENCE = 0.5
"""Mean absolute difference, of 255. A slab one pixel off gives 1 to 20 on a page of text."""


def stitched(service: sb.TileService, document: sb.Document, page: int, level: Level) -> np.ndarray:
    whole = np.zeros((level.height_px, level.width_px, 3), np.uint8)
    for row in range(level.rows):
        for column in range(level.columns):
            pixels = service.tile(document, page, level.index, column, row).pixels()
            y, x = row * level.tile_px, column * level.tile_px
            whole[y : y + pixels.shape[0], x : x + pixels.shape[1]] = pixels
    return whole


def test_tiles_of_varied_pages_equal_the_whole(corpus: Path) -> None:
    compared = 0
    worst_slab = ("", 0.0)
    common = {"cache_dir": None, "image_format": "png", "memory_bytes": 64 << 20, "preview_bytes": 1 << 20}
    with (
        sb.TileService(sb.Settings(**common)) as service,
        sb.TileService(sb.Settings(**common, raster_pixels=SLABBED_PIXELS)) as cut,
    ):
        for path, password in varied(corpus):
            document = service.open(path, password)
            [page] = some_pages(document.page_count, 1)
            for level in document.pyramid(page).levels:
                if len(service.parts.images.level(document, page, level.index)) > 1:
                    continue
                from_tiles = stitched(service, document, page, level)
                assert np.array_equal(from_tiles, drawn_whole(service, document, page, level)), (path.name, page, level)
                compared += 1
                if level.index == len(document.pyramid(page).levels) - 1:
                    from_slabs = stitched(cut, cut.open(path, password), page, level)
                    difference = float(np.abs(from_slabs.astype(np.int16) - from_tiles).mean())
                    worst_slab = max(worst_slab, (path.name, difference), key=lambda one: one[1])
    assert compared > 60
    assert worst_slab[1] < SLAB_DIFFERENCE, worst_slab


def drawn_whole(service: sb.TileService, document: sb.Document, page: int, level: Level) -> np.ndarray:
    """A level as one tile: `page_image` takes a width, which may mean another scale."""
    width_px, height_px = level.width_px, level.height_px
    spec = RasterSpec(scale=level.scale, x0_px=0, y0_px=0, x1_px=width_px, y1_px=height_px, tile_px=max(width_px, height_px))
    return service.parts.images.submit(TilePlace(Request(document, page, spec))).result().pixels()


def varied(corpus: Path) -> list[tuple[Path, str | None]]:
    """A few documents of each kind."""
    by_kind: dict[str, list[tuple[Path, str | None]]] = {}
    for one in documents(corpus):
        by_kind.setdefault(one.kind, []).append((one.path, one.password))
    return [
        chosen
        for paths in by_kind.values()
        for chosen in paths[:: max(1, len(paths) // DOCUMENTS_OF_A_KIND)][:DOCUMENTS_OF_A_KIND]
    ]


@pytest.mark.parametrize("page", [0, 7])
def test_slabs_of_text_equal_the_page_drawn_whole(sample: Path, page: int) -> None:
    settings = sb.Settings(cache_dir=None, image_format="png", raster_pixels=SLABBED_PIXELS)
    with sb.TileService(settings) as cut, sb.TileService(sb.Settings(cache_dir=None, image_format="png")) as uncut:
        document = cut.open(sample)
        finest = document.pyramid(page).levels[-1]
        assert len(cut.parts.images.level(document, page, finest.index)) > 1
        whole = drawn_whole(uncut, uncut.open(sample), page, finest)
        assert np.array_equal(stitched(cut, document, page, finest), whole)
