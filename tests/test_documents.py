"""Every kind of document that can be made here keeps the contract of documents."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from conftest import SAMPLE
from PIL import Image

import sidebooks_core as sb
from sidebooks_core.testing import DocumentContract

SVG = b"""<svg xmlns="http://www.w3.org/2000/svg" width="300" height="200">
<rect x="20" y="30" width="100" height="50" fill="#a33"/>
<text x="40" y="150" font-size="24">minutes</text></svg>"""
FB2 = b"""<?xml version="1.0" encoding="utf-8"?><FictionBook xmlns="http://www.gribuser.ru/xml/fictionbook/2.0"><description>
<title-info><book-title>Minutes</book-title></title-info></description><body><section><title><p>One</p></title>
<p>The council met.</p>
</section></body></FictionBook>"""


def image(image_format: str, seed: int = 0, size: tuple[int, int] = (120, 90)) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 255, (size[1], size[0], 3), np.uint8)
    return Image.fromarray(pixels)


def packed(image_format: str, frames: int = 1) -> bytes:
    out = io.BytesIO()
    first, *more = [image(image_format, seed) for seed in range(frames)]
    first.save(out, image_format, **({"save_all": True, "append_images": more} if more else {}))
    return out.getvalue()


def comic(seeds: tuple[int, ...] = (0, 1, 2), image_format: str = "PNG") -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as book:
        for number, seed in enumerate(seeds):
            member = io.BytesIO()
            image(image_format, seed).save(member, image_format)
            book.writestr(f"page{number}.{image_format.lower()}", member.getvalue())
    return out.getvalue()


def epub(progression: str = "") -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as book:
        book.writestr("mimetype", "application/epub+zip")
        book.writestr(
            "META-INF/container.xml",
            '<container version="1.0" xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
            '<rootfile full-path="book.opf" media-type="application/oebps-package+xml"/></rootfiles></container>',
        )
        book.writestr(
            "book.opf",
            '<package xmlns="http://www.idpf.org/2007/opf" version="3.0" unique-identifier="id"><metadata '
            'xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>Minutes</dc:title><dc:identifier id="id">x</dc:identifier>'
            '</metadata><manifest><item id="a" href="a.xhtml" media-type="application/xhtml+xml"/></manifest>'
            f'<spine{progression}><itemref idref="a"/></spine></package>',
        )
        text = "<p>The council met and resolved.</p>" * 60
        book.writestr("a.xhtml", f'<html xmlns="http://www.w3.org/1999/xhtml"><body><h1>One</h1>{text}</body></html>')
    return out.getvalue()


class TestPdf(DocumentContract):
    def make_source(self) -> Path:
        return SAMPLE


class TestPdfBytes(DocumentContract):
    def make_source(self) -> bytes:
        return SAMPLE.read_bytes()


class TestPng(DocumentContract):
    def make_source(self) -> bytes:
        return packed("PNG")


class TestJpeg(DocumentContract):
    def make_source(self) -> bytes:
        return packed("JPEG")


class TestWebp(DocumentContract):
    def make_source(self) -> bytes:
        return packed("WEBP")


class TestTiffOfSeveralPages(DocumentContract):
    def make_source(self) -> bytes:
        return packed("TIFF", frames=3)


class TestComic(DocumentContract):
    def make_source(self) -> bytes:
        return comic()


class TestSvg(DocumentContract):
    def make_source(self) -> bytes:
        return SVG


class TestFictionBook(DocumentContract):
    def make_source(self) -> bytes:
        return FB2


class TestEpub(DocumentContract):
    def make_source(self) -> bytes:
        return epub()


@pytest.mark.parametrize(
    ("source", "kind", "pages"),
    [
        (packed("PNG"), "png", 1),
        (packed("TIFF", frames=3), "tiff", 3),
        (comic(), "cbz", 3),
        (SVG, "svg", 1),
        (FB2, "fb2", 1),
        (epub(), "epub", None),
    ],
    ids=["png", "tiff", "cbz", "svg", "fb2", "epub"],
)
def test_the_kind_is_told_by_the_content(
    service: sb.TileService, source: bytes, kind: str, pages: int | None, tmp_path: Path
) -> None:
    misnamed = tmp_path / "document.pdf"
    misnamed.write_bytes(source)
    document = service.open(misnamed)
    assert document.kind == kind
    assert pages is None or document.page_count == pages


def test_an_epub_says_in_which_direction_it_is_read(service: sb.TileService) -> None:
    assert service.open(epub()).direction == "ltr"
    assert service.open(epub(' page-progression-direction="rtl"')).direction == "rtl"
    assert service.open(epub(), direction="rtl").direction == "rtl"


@pytest.mark.parametrize("image_format", ["PNG", "JPEG"])
def test_replacing_a_page_of_a_comic_changes_one_content_id(service: sb.TileService, image_format: str) -> None:
    before, after = (service.open(comic(seeds, image_format)) for seeds in ((0, 1, 2, 3), (0, 1, 9, 3)))
    ids = [[document.content_id(page) for page in range(4)] for document in (before, after)]
    assert [one == other for one, other in zip(*ids, strict=True)] == [True, True, False, True]
    assert len(set(ids[0])) == 4
    service.page_image(before, 0, width_px=100)
    service.page_image(after, 0, width_px=100)
    assert service.statistics().renders == 1, "the same page in a revised document"
