"""Documents that are made to be too much: refused with the limit's name, or drawn within the worker's bounds."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pymupdf
import pytest
from PIL import Image

import sidebooks_core as sb
from sidebooks_core.encoding.encode import decode

MIB = 1 << 20


@pytest.fixture
def strict() -> Iterator[sb.TileService]:
    settings = sb.Settings(
        cache_dir=None,
        workers=1,
        worker_bytes=512 * MIB,
        member_bytes=64 * MIB,
        page_words=50,
        outline_items=10,
        image_pixels=1_000_000,
        document_pages=100,
        render_timeout_s=20,
        open_timeout_s=20,
    )
    with sb.TileService(settings) as service:
        yield service


def assert_alive(service: sb.TileService, sample: Path) -> None:
    assert service.page_image(service.open(sample), 1, width_px=200).data


def archive(members: dict[str, bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in members.items():
            file.writestr(name, data)
    return made.getvalue()


def picture(colour: str, size: tuple[int, int] = (60, 60)) -> bytes:
    made = io.BytesIO()
    Image.new("RGB", size, colour).save(made, "PNG")
    return made.getvalue()


def test_an_archive_bomb_is_refused_by_name(strict: sb.TileService, sample: Path) -> None:
    bomb = archive({"1.png": picture("red"), "2.png": bytes(200 * MIB)})
    assert len(bomb) < MIB
    with pytest.raises(sb.DocumentTooLarge, match="member_bytes"):
        strict.open(bomb)
    assert_alive(strict, sample)


def test_an_archive_that_lies_about_its_sizes_hurts_nobody(strict: sb.TileService, sample: Path) -> None:
    bomb = bytearray(archive({"1.png": picture("red"), "2.png": bytes(900 * MIB)}))
    true_size = (900 * MIB).to_bytes(4, "little")
    while true_size in bomb:
        place = bomb.index(true_size)
        bomb[place : place + 4] = (1000).to_bytes(4, "little")
    with suppress(sb.SidebooksError):  # either is right: an error of ours, or as much of the picture as fits
        document = strict.open(bytes(bomb))
        strict.page_image(document, document.page_count - 1, width_px=100)
    assert_alive(strict, sample)


def test_an_image_bomb_is_refused_by_name(strict: sb.TileService, sample: Path) -> None:
    made = io.BytesIO()
    Image.new("L", (4000, 4000)).save(made, "WEBP")
    with pytest.raises(sb.DocumentTooLarge, match="image_pixels"):
        strict.open(made.getvalue())
    assert_alive(strict, sample)


def packed_over_and_over(piece: bytes, times: int) -> bytes:
    """A zlib stream of a piece that comes so many times. The piece is packed once: gigabytes would take half a minute."""
    packer = zlib.compressobj(9)
    head = packer.compress(piece) + packer.flush(zlib.Z_FULL_FLUSH)
    again = packer.compress(piece) + packer.flush(zlib.Z_FULL_FLUSH)  # it looks back at nothing before itself
    checksum = 1
    for _ in range(times):
        checksum = zlib.adler32(piece, checksum)
    return head + again * (times - 1) + b"\x03\x00" + checksum.to_bytes(4, "big")


def test_pieces_that_are_packed_once_are_a_stream() -> None:
    assert zlib.decompress(packed_over_and_over(b"q Q " * 1000, 7)) == b"q Q " * 7000


def test_a_png_that_unpacks_to_gigabytes_fails_alone(strict: sb.TileService, sample: Path) -> None:
    side = 40_000
    header = side.to_bytes(4, "big") * 2 + bytes([8, 2, 0, 0, 0])
    stream = packed_over_and_over(bytes(1 + 3 * side) * 100, side // 100)
    chunks = [(b"IHDR", header), (b"IDAT", stream), (b"IEND", b"")]
    bomb = b"\x89PNG\r\n\x1a\n" + b"".join(
        len(data).to_bytes(4, "big") + name + data + zlib.crc32(name + data).to_bytes(4, "big") for name, data in chunks
    )
    with pytest.raises(sb.SidebooksError):
        strict.page_image(strict.open(bomb), 0, width_px=100)
    assert_alive(strict, sample)


def test_a_content_stream_that_unpacks_to_gigabytes_fails_alone(strict: sb.TileService, sample: Path) -> None:
    with pymupdf.open() as made:
        page = made.new_page()
        page.insert_text((50, 50), "x")
        other = made.new_page()
        other.insert_text((50, 50), "a good neighbour")
        [xref] = made[0].get_contents()
        stream = packed_over_and_over(b"q Q " * 250_000, 900)
        made.update_stream(xref, b"q Q", compress=False)
        data = made.tobytes(deflate=False)
    with pymupdf.open(stream=data) as again:
        again.update_stream(xref, stream, compress=False)
        again.xref_set_key(xref, "Filter", "/FlateDecode")
        data = again.tobytes(deflate=False)
    document = strict.open(data)
    with suppress(sb.PageError):  # nothing is drawn by it; what counts is the time and the memory that it may take
        strict.page_image(document, 0, width_px=100)
    assert strict.page_image(document, 1, width_px=100).data, "one bad page fails alone"
    assert_alive(strict, sample)


def test_entities_of_xml_do_not_multiply(strict: sb.TileService, sample: Path) -> None:
    entities = "".join(f'<!ENTITY e{n} "{"".join([f"&e{n - 1};"] * 10)}">' for n in range(1, 12))
    bomb = (
        f'<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY e0 "spam">{entities}]>'
        '<svg xmlns="http://www.w3.org/2000/svg" width="100" height="100"><text x="5" y="50">&e11;</text></svg>'
    )
    with suppress(sb.SidebooksError):
        strict.page_image(strict.open(bomb.encode()), 0, width_px=100)
    assert_alive(strict, sample)
    assert strict.statistics().worker_deaths == 0


def test_what_lies_outside_of_a_document_is_never_fetched(strict: sb.TileService, tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(picture("red"))
    references = (
        f'<image href="{tmp_path}/secret.png" width="60" height="60"/>'
        f'<image href="file://{tmp_path}/secret.png" width="60" height="60"/>'
        '<image href="secret.png" width="60" height="60"/>'
        '<image xmlns:xlink="http://www.w3.org/1999/xlink" xlink:href="secret.png" width="60" height="60"/>'
    )
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" width="60" height="60">{references}</svg>'
    path = tmp_path / "outside.svg"
    path.write_text(svg, encoding="utf-8")
    for source in (path, svg.encode()):
        tile = strict.page_image(strict.open(source), 0, width_px=60)
        pixels = decode(tile.data, tile.media_type).astype(int)
        assert not np.any((pixels[..., 0] > 200) & (pixels[..., 1] < 60)), "no red of the file beside it"


def test_words_pages_and_outline(strict: sb.TileService, sample: Path) -> None:
    with pymupdf.open() as made:
        page = made.new_page()
        for row in range(10):
            page.insert_text((20, 20 + 12 * row), "one two three four five six")
        made.new_page().insert_text((20, 20), "few words")
        made.set_toc([[1, f"entry {number}", 1] for number in range(30)])
        wordy = made.tobytes()
        for _ in range(120):
            made.new_page()
        long = made.tobytes()
    document = strict.open(wordy)
    with pytest.raises(sb.PageError, match="page_words") as refused:
        strict.text(document, 0)
    assert refused.value.page == 0
    assert [word.text for word in strict.text(document, 1)] == ["few", "words"]
    assert len(document.outline) == 10
    assert any("outline_items" in what for what in document.info.repaired)
    with pytest.raises(sb.DocumentTooLarge, match="document_pages"):
        strict.open(long)
    assert_alive(strict, sample)


def test_a_file_that_is_cut_while_it_is_open_costs_at_most_a_worker(
    strict: sb.TileService, sample: Path, tmp_path: Path
) -> None:
    path = tmp_path / "cut.pdf"
    path.write_bytes(sample.read_bytes())
    document = strict.open(path)
    assert strict.page_image(document, 0, width_px=100).data
    with path.open("r+b") as file:
        file.truncate(2000)
    with pytest.raises(sb.SidebooksError, match=r"cut\.pdf"):
        strict.page_image(document, 5, width_px=120)
    path.unlink()
    with pytest.raises(sb.SidebooksError, match=r"cut\.pdf"):
        strict.page_image(document, 6, width_px=120)
    assert_alive(strict, sample)
