"""The size of a page that is an image is told by its head. It is that of the loaded page, and no page is unpacked for it."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Iterator
from itertools import product

import numpy as np
import pytest
from PIL import Image

from benchmarks.long_documents import comic, tiff
from sidebooks_core.documents.limits import Limits
from sidebooks_core.documents.model import PageGeometry
from sidebooks_core.documents.source import Source
from sidebooks_core.engine.comics import JPEG_HEAD_BYTES
from sidebooks_core.engine.images import reading
from sidebooks_core.engine.mupdf import ENGINE_ERRORS
from sidebooks_core.engine.open_document import OpenDocument
from sidebooks_core.engine.opening import open_document
from sidebooks_core.engine.sequence import PageSequence

SIZES_PX = ((61, 40), (200, 300))
RESOLUTIONS = (None, (72, 72), (96, 96), (204, 196), (300, 300), (203.5, 196.3), (0.5, 0.5), (5000, 5000), (1200, 150))


def opened(content: bytes) -> OpenDocument:
    return open_document(Source(content), password=None, name="x", limits=Limits())


def loaded(document: OpenDocument) -> list[PageGeometry]:
    """The geometries as the loaded pages have them."""
    found = []
    for index in range(document.page_count):
        page = document.handle.load_page(index)
        width_pt, height_pt = page.rect.width, page.rect.height
        found.append(PageGeometry(width_pt, height_pt, str(index + 1), reading.native_px(page, width_pt, height_pt)))
    return found


def tiffs() -> Iterator[bytes]:
    """TIFFs of two pages: with each packing, resolution, unit and orientation."""
    for packed, resolution, unit, orientation in product(
        ("raw", "group4", "tiff_lzw"), RESOLUTIONS, (1, 2, 3), (None, 1, 3, 6, 8)
    ):
        pages = [Image.new("1" if packed == "group4" else "RGB", size) for size in SIZES_PX]
        tags: dict[int, object] = {} if resolution is None else {282: resolution[0], 283: resolution[1], 296: unit}
        if orientation is not None:
            tags[274] = orientation
        file = io.BytesIO()
        pages[0].save(file, "TIFF", save_all=True, append_images=pages[1:], compression=packed, tiffinfo=tags)
        yield file.getvalue()


def test_the_pages_of_a_tiff_are_as_large_as_their_directories_say() -> None:
    compared = 0
    for content in tiffs():
        document = opened(content)
        assert list(document.info.pages) == loaded(document)
        assert len(document.info.pages) == len(SIZES_PX)
        compared += 1
        document.close()
    assert compared > 400


def images() -> Iterator[tuple[str, bytes]]:
    """JPEGs and PNGs, with each resolution and orientation."""
    for kind, resolution, orientation, size in product(("jpeg", "png"), RESOLUTIONS, (None, 1, 3, 6, 8), SIZES_PX):
        exif = Image.Exif()
        if orientation is not None:
            exif[274] = orientation
        file = io.BytesIO()
        density = {} if resolution is None else {"dpi": resolution}
        Image.new("RGB", size, (200, 30, 30)).save(file, kind, exif=exif, **density)
        yield kind, file.getvalue()


def test_the_pages_of_a_comic_are_as_large_as_their_heads_say() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for number, (kind, image) in enumerate(images()):
            archive.writestr(f"{number:04}.{kind}", image)
    document = opened(file.getvalue())
    assert document.page_count == 180
    assert list(document.info.pages) == loaded(document)
    document.close()


def test_a_jpeg_with_a_long_head_is_read_further() -> None:
    noise = np.random.default_rng(1).integers(0, 256, (500, 400, 3), dtype=np.uint8)
    image = io.BytesIO()
    Image.fromarray(noise).save(image, "JPEG", comment=b"x" * 60_000, icc_profile=bytes(JPEG_HEAD_BYTES))
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("1.jpg", image.getvalue())
    document = opened(file.getvalue())
    assert document.info.pages[0].native_px == (400, 500)
    document.close()


@pytest.mark.parametrize("content", [comic(300), tiff(300)], ids=["cbz", "tiff"])
def test_a_description_loads_no_page(content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    load_page = PageSequence.load_page

    def noted(self: PageSequence, page_id: int | tuple[int, int]) -> object:
        asked.append(page_id)
        return load_page(self, page_id)

    monkeypatch.setattr(PageSequence, "load_page", noted)
    document = opened(content)
    assert {(page.width_pt, page.height_pt, page.native_px) for page in document.info.pages} == {(36.0, 48.0, (48, 64))}
    assert asked == []
    assert document.page(299).rect.width == 36.0
    assert asked == [299]
    document.close()


def test_a_tiff_whose_data_is_cut_off_keeps_the_sizes_of_its_pages() -> None:
    content = tiff(3)
    whole = opened(content)
    cut = opened(content[:-3000])
    assert cut.info.pages == whole.info.pages
    whole.close()
    cut.close()


def by_hand(*entries: tuple[int, int, int]) -> bytes:
    """A TIFF of two equal pages of 48 x 64 pixels. entries: further ones, or others, each a tag, a kind and a value of 4 bytes.
    An entry of kind 16 is one more, whose value lies elsewhere.
    """
    pixels = 48 * 64
    rows = [(256, 4, 48), (257, 4, 64), (258, 4, 8), (259, 4, 1), (262, 4, 1), (277, 4, 1), (278, 4, 64), (279, 4, pixels)]
    others = {tag for tag, kind, _ in entries if kind == 4}
    rows = sorted([*(row for row in (*rows, (273, 4, 8)) if row[0] not in others), *entries])
    content = struct.pack("<2sHI", b"II", 42, 8 + pixels) + bytes(pixels)
    for following in (len(content) + 2 + 12 * len(rows) + 4, 0):
        directory = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in rows)
        content += struct.pack("<H", len(rows)) + directory + struct.pack("<I", following)
    return content


@pytest.mark.parametrize(
    "entries",
    [
        [(282, 4, 300), (283, 4, 200), (296, 3, 2)],
        [(282, 3, 300), (283, 3, 300), (296, 3, 3)],
        [(282, 4, 0xFFFFFFFF), (283, 4, 1), (296, 3, 2)],
        [(282, 5, 2_000_000_000), (283, 5, 2_000_000_000)],
        [(282, 5, 8), (283, 5, 8), (296, 3, 2), (274, 3, 6)],
        [(282, 5, 2_000_000_000), (283, 5, 2_000_000_000), (274, 3, 6)],
    ],
)
def test_odd_entries_of_a_tiff_change_no_size(entries: list[tuple[int, int, int]]) -> None:
    document = opened(by_hand(*entries))
    pages = [document.handle.load_page(index) for index in range(2)]
    assert [(page.width_pt, page.height_pt) for page in document.info.pages] == [
        (page.rect.width, page.rect.height) for page in pages
    ]
    document.close()


@pytest.mark.parametrize("entries", [[(256, 16, 8), (274, 3, 6)], [(256, 16, 8)]])
def test_pages_that_cannot_be_drawn_are_described(entries: list[tuple[int, int, int]]) -> None:
    document = opened(by_hand(*entries))
    assert document.page_count == len(document.info.pages) == 2
    for index in range(2):
        with pytest.raises(ENGINE_ERRORS):
            document.handle.load_page(index)
    document.close()


def test_a_page_that_the_engine_takes_with_one_bit_only_has_its_size() -> None:
    """24,000 x 30,000 pixels: with 8 bits the engine refuses them. The data of the page is cut off, and it is not asked for."""
    document = opened(by_hand((256, 4, 24_000), (257, 4, 30_000), (258, 4, 1)))
    assert [(page.width_pt, page.height_pt, page.native_px) for page in document.info.pages] == [
        (18_000, 22_500, (24_000, 30_000))
    ] * 2
    document.close()
