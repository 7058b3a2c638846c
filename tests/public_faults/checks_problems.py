"""A page that could not be drawn whole is not a success."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sidebooks_core import RenderFailed, TileService
from sidebooks_core.documents.problems import IMAGE_LOST


def _image_undecodable(service: TileService, path: Path) -> None:
    """Its only image is no JPEG: nothing of the page can be drawn."""
    document = service.open(path)
    for width_px in (300, 700):
        with pytest.raises(RenderFailed, match="page 1") as failure:
            service.page_image(document, 0, width_px=width_px)
        assert IMAGE_LOST in str(failure.value)
        assert failure.value.page == 0


def _jbig2_refinement(service: TileService, path: Path) -> None:
    """A face on white, by the second engine."""
    tile = service.page_image(service.open(path), 0, width_px=399)
    assert 234 < tile.pixels().mean() < 241
    assert tile.problems == ()


CHECKS: dict[str, Callable[[TileService, Path], None]] = {
    "image-undecodable.pdf": _image_undecodable,
    "jbig2-refinement.pdf": _jbig2_refinement,
}
