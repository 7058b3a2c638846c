"""Kinds beside PDF: archives, images, books, drawings."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageOps

import sidebooks_core as sb


def pixels(service: sb.TileService, document: sb.Document, page: int, width_px: int) -> NDArray[np.uint8]:
    return service.page_image(document, page=page, width_px=width_px).pixels()


def differ(ours: NDArray[np.uint8], right: Image.Image) -> float:
    """The mean difference to the right picture, seen at a distance: who scales how is not asked."""
    small = [
        np.asarray(one.convert("RGB").resize((24, 24), Image.Resampling.BOX), float) for one in (Image.fromarray(ours), right)
    ]
    return float(np.abs(small[0] - small[1]).mean())


def toc_keeps_its_text(service: sb.TileService, path: Path) -> None:
    assert [(item.title, item.page) for item in service.open(path).outline] == [("第一章", 0), ("第二章", 1)]


def fixed_pages(service: sb.TileService, path: Path) -> None:
    document = service.open(path)
    assert [(page.width_pt, page.height_pt) for page in document.pages] == [(600, 800), (600, 800), (1200, 800)]
    assert document.direction == "rtl"
    for page in range(3):
        seen = pixels(service, document, page, 300)
        assert (seen[2:-2, 2:-2] == 255).all(axis=2).mean() < 0.01, "the picture fills the page"


def images_in_spine(service: sb.TileService, path: Path) -> None:
    document = service.open(path)
    assert document.page_count == 2
    assert pixels(service, document, 0, 100).reshape(-1, 3).mean(axis=0) == pytest.approx((0, 128, 0), abs=2)
    assert (pixels(service, document, 1, 100) == 255).all(axis=2).mean() < 0.01


def comic(count: int, direction: str = "ltr", title: str | None = None) -> Callable[[sb.TileService, Path], None]:
    def check(service: sb.TileService, path: Path) -> None:
        document = service.open(path)
        assert (document.page_count, document.direction) == (count, direction)
        if title is not None:
            assert document.title == title
        for page in range(count):
            assert pixels(service, document, page, 100).std() > 5, "not blank"

    return check


def order_of_digits(service: sb.TileService, path: Path) -> None:
    document = service.open(path)
    seen = [pixels(service, document, page, 300).astype(int) for page in range(3)]
    names = ("第１回.jpg", "第２回.jpg", "第１０回.jpg")
    with zipfile.ZipFile(path) as archive:
        right = [np.asarray(Image.open(io.BytesIO(archive.read(name))).convert("RGB"), int) for name in names]
    for page in range(3):
        differences = [np.abs(seen[page] - one).mean() for one in right]
        assert int(np.argmin(differences)) == page


def upright(service: sb.TileService, path: Path) -> None:

    right = ImageOps.exif_transpose(Image.open(path))
    document = service.open(path)
    page = document.pages[0]
    assert (page.width_pt, page.height_pt) == (45, 72)
    assert differ(pixels(service, document, 0, right.width), right) < 4


def as_pillow_has_it(service: sb.TileService, path: Path) -> None:
    """The first frame, on white."""
    with Image.open(path) as image:
        right = Image.new("RGB", image.size, "white")
        shown = image.convert("RGBA")
        right.paste(shown, (0, 0), shown)
    document = service.open(path)
    assert document.page_count == 1
    assert differ(pixels(service, document, 0, right.width), right) < 4


def is_refused(service: sb.TileService, path: Path) -> None:
    with pytest.raises(sb.UnsupportedDocument, match=r"2 PDF.*unpack it"):
        service.open(path)


def red_drawing(service: sb.TileService, path: Path) -> None:
    document = service.open(path)
    assert (document.pages[0].width_pt, document.pages[0].height_pt) == (300, 200)
    assert (pixels(service, document, 0, 300) == (255, 0, 0)).all()


def yellow_to_green(service: sb.TileService, path: Path) -> None:
    seen = pixels(service, service.open(path), 0, 300).astype(int)
    assert seen[100, 3] == pytest.approx((252, 255, 0), abs=4)
    assert seen[100, 296] == pytest.approx((3, 255, 0), abs=4)


CHECKS: dict[str, Callable[[sb.TileService, Path], None]] = {
    "epub-toc-with-markup.epub": toc_keeps_its_text,
    "epub-fixed-layout.epub": fixed_pages,
    "epub-image-in-spine.epub": images_in_spine,
    "cbz-webp-among-jpeg.cbz": comic(5),
    "cbz-all-webp.cbz": comic(3),
    "cbz-macosx.cbz": comic(2),
    "cbz-comicinfo-in-folder.cbz": comic(2, "rtl", "議会だより"),
    "cbz-fullwidth-digits.cbz": order_of_digits,
    "tiff-orientation-6.tif": upright,
    "png-orientation-8.png": upright,
    "bigtiff.tif": as_pillow_has_it,
    "gif-animated-disposal.gif": as_pillow_has_it,
    "gif-dispose-previous.gif": as_pillow_has_it,
    "zip-of-two-pdfs.zip": is_refused,
    "svg-style-and-percent.svg": red_drawing,
    "svg-gradient.svg": yellow_to_green,
}
