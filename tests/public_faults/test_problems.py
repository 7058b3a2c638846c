"""Pages that cannot be drawn whole: told in each image, white where something is missing, refused where all is."""

from __future__ import annotations

import io
import json
import sys
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pikepdf
import pytest
from image_files import BITS, FLATE, PLACED, RAW, RGB, SIDE, TEXT, encoded, fax_of, page, pdf, picture, stream, with_image
from jbig2_files import generic_refinement, page_refinement, refinement_in_steps, text_refinement
from PIL import Image

from sidebooks_core import RenderFailed, Settings, TileService
from sidebooks_core.cli import commands as cli
from sidebooks_core.documents import problems
from sidebooks_core.documents.document import KnownProblems
from sidebooks_core.encoding.tileset import MOST_PROBLEMS, problems_of, unpack_tile
from sidebooks_core.engine import second_engine
from sidebooks_core.engine.mupdf import mupdf
from sidebooks_core.worker import desk

JPEG = encoded("JPEG", quality=95)
JP2 = encoded("JPEG2000")
FAX = fax_of(picture().convert("L").point(lambda value: 255 * (value > 100)).convert("1"))
FAX_ENTRIES = BITS + b"/Filter /CCITTFaxDecode /DecodeParms << /K -1 /Columns 100 /Rows 100 >>"
JBIG2 = b"/Width 80 /Height 64 /BitsPerComponent 1 /ColorSpace /DeviceGray /Filter /JBIG2Decode"

LOST = {
    "dct-other": (RGB + b"/Filter /DCTDecode", b"not a picture" * 20),
    "dct-header-only": (RGB + b"/Filter /DCTDecode", JPEG[:300]),
    "dct-empty": (RGB + b"/Filter /DCTDecode", b""),
    "jpx-other": (RGB + b"/Filter /JPXDecode", b"not a picture" * 20),
    "jpx-header-only": (RGB + b"/Filter /JPXDecode", JP2[:120]),
    "fax-empty": (FAX_ENTRIES, b""),
    "flate-other": (RGB + b"/Filter /FlateDecode", b"not a picture" * 20),
    "flate-empty": (RGB + b"/Filter /FlateDecode", b""),
    "flate-under-text": (RGB + b"/Filter [/ASCII85Decode /FlateDecode]", b"~~~~zzz"),
    "lzw-other": (RGB + b"/Filter /LZWDecode", b"\xff\xff\x00garbage" * 9),
    "raw-empty": (RGB, b""),
    "unknown-filter": (RGB + b"/Filter /NoSuchDecode", b"not a picture" * 200),
    "elsewhere": (RGB + b"/F (other.jpg) /FFilter /DCTDecode", b""),
    "jbig2-other": (JBIG2, b"not a picture" * 9),
    "mask": (b"/Width 100 /Height 100 /BitsPerComponent 1 /ImageMask true /Filter /FlateDecode", b"not a picture" * 9),
}
CUT = {
    "flate-half": (RGB + b"/Filter /FlateDecode", FLATE[: len(FLATE) // 2]),
    "flate-short": (RGB + b"/Filter /FlateDecode", zlib.compress(RAW[: len(RAW) // 3])),
    "raw-short": (RGB, RAW[: len(RAW) // 3]),
    "fax-half": (FAX_ENTRIES, FAX[: len(FAX) // 2]),
}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TileService]:
    with TileService(Settings(cache_dir=tmp_path_factory.mktemp("cache"))) as running:
        yield running


@pytest.mark.parametrize("kind", LOST)
def test_a_page_that_is_an_image_which_cannot_be_decoded_is_refused(kind: str, service: TileService) -> None:
    document = service.open(with_image(*LOST[kind]))
    for width_px in (150, 300):
        with pytest.raises(RenderFailed, match="page 1") as failure:
            service.page_image(document, 0, width_px=width_px)
        assert failure.value.page == 0


@pytest.mark.parametrize("kind", LOST)
def test_an_image_that_cannot_be_decoded_leaves_paper_beside_text_and_is_told(kind: str, service: TileService) -> None:
    document = service.open(with_image(*LOST[kind], PLACED + TEXT))
    for width_px in (150, 300):  # the engine itself tells of it only once
        tile = service.page_image(document, 0, width_px=width_px)
        shown = tile.pixels()
        assert problems.IMAGE_LOST in tile.problems
        assert shown[width_px // 5 : width_px * 4 // 5].min() == 255, "paper where the image was"
        assert shown[: width_px // 5].min() < 128, "and text"


@pytest.mark.parametrize("coded", [b"/F /DCT ID not a picture", b"/F /Fl ID not a picture"])
def test_an_image_in_the_content_that_cannot_be_decoded_leaves_paper(coded: bytes, service: TileService) -> None:
    inline = b"q 200 0 0 200 50 50 cm BI /W 100 /H 100 /BPC 8 /CS /RGB " + coded + b"\nEI Q "
    tile = service.page_image(service.open(pdf({3: page(), 4: stream(inline + TEXT)})), 0, width_px=300)
    assert not problems.IMAGE_PROBLEMS.isdisjoint(tile.problems)
    assert tile.pixels()[60:240].min() == 255
    assert tile.pixels()[:60].min() < 128
    with pytest.raises(RenderFailed, match="page 1"):
        service.page_image(service.open(pdf({3: page(), 4: stream(inline)})), 0, width_px=300)


@pytest.mark.parametrize("kind", CUT)
def test_what_there_is_of_an_image_is_drawn_and_paper_below_it(kind: str, service: TileService) -> None:
    document = service.open(with_image(*CUT[kind]))
    tile = service.page_image(document, 0, width_px=300)
    shown = tile.pixels()[50:250, 50:250]
    assert problems.IMAGE_CUT in tile.problems
    assert shown[5:40].mean() < 250
    assert shown[-5:].min() == 255


def test_a_jpeg_that_is_cut_short_is_told(service: TileService) -> None:
    tile = service.page_image(
        service.open(with_image(RGB + b"/Filter /DCTDecode", JPEG[: len(JPEG) * 2 // 3])), 0, width_px=300
    )
    assert tile.problems
    whole = service.page_image(service.open(with_image(RGB + b"/Filter /DCTDecode", JPEG)), 0, width_px=300)
    assert np.array_equal(tile.pixels()[60:100, 60:240], whole.pixels()[60:100, 60:240])


@pytest.mark.parametrize(
    ("entries", "data"),
    [
        (RGB + b"/Filter /DCTDecode", JPEG),
        (RGB + b"/Filter /JPXDecode", JP2),
        (RGB + b"/Filter /FlateDecode", FLATE),
        (RGB, RAW),
        (FAX_ENTRIES, FAX),
    ],
)
def test_sound_images_have_no_problems(entries: bytes, data: bytes, service: TileService) -> None:
    tile = service.page_image(service.open(with_image(entries, data)), 0, width_px=300)
    assert tile.problems == ()
    assert tile.pixels()[100:200, 100:200].mean() < 250


def test_a_mask_that_cannot_be_decoded_hides_nothing(service: TileService) -> None:
    mask = stream(b"garbage", b"/Type /XObject /Subtype /Image " + BITS + b"/Filter /FlateDecode")
    document = service.open(with_image(RGB + b"/Filter /FlateDecode /SMask 7 0 R", FLATE, extra={7: mask}))
    tile = service.page_image(document, 0, width_px=300)
    assert tile.problems == (problems.IMAGE_CUT,)
    assert tile.pixels()[100:200, 100:200].mean() < 200


def test_all_pages_that_draw_a_broken_image_tell_of_it(service: TileService) -> None:
    image = stream(b"not a picture" * 9, b"/Type /XObject /Subtype /Image " + RGB + b"/Filter /DCTDecode")
    pages = {number: page(4, b"/Rotate %d" % (90 * (number - 10))) for number in range(10, 14)}
    kids = b"[" + b" ".join(b"%d 0 R" % number for number in pages) + b"]"
    document = service.open(pdf({**pages, 4: stream(PLACED + TEXT), 5: image}, pages=kids, count=4))
    told = [service.page_image(document, number, width_px=200).problems for number in range(4)]
    assert told == [(problems.IMAGE_LOST,)] * 4


def test_a_missing_drawing_is_told(service: TileService) -> None:
    for resources in ({}, {5: b"<< /Length 0 >>\nstream\n\nendstream"}):
        document = service.open(pdf({3: page(), 4: stream(PLACED + TEXT), **resources}))
        assert problems.DRAWING_MISSING in service.page_image(document, 0, width_px=150).problems


def test_content_that_is_cut_short_is_told(service: TileService) -> None:
    squares = b"".join(b"%d %d 10 10 re f " % (number * 7 % 300, number * 13 % 300) for number in range(500))
    content = stream(zlib.compress(squares)[:600], b"/Filter /FlateDecode")
    tile = service.page_image(service.open(pdf({3: page(), 4: content})), 0, width_px=150)
    assert tile.problems == (problems.CONTENT_CUT,)
    assert tile.pixels().mean() < 250


@pytest.mark.parametrize("program", ["FontFile", "FontFile2", "FontFile3 /Subtype"])
def test_a_font_program_that_cannot_be_read_is_told(program: str, service: TileService) -> None:
    key = program.split()[0].encode()
    entries = b"/Subtype /Type1C" if key == b"FontFile3" else b"/Length1 63"
    kind = b"TrueType" if key == b"FontFile2" else b"Type1"
    font = (
        b"<< /Type /Font /Subtype /%s /BaseFont /Own /FontDescriptor 7 0 R /FirstChar 32 /LastChar 32 /Widths [500] >>" % kind
    )
    descriptor = b"<< /Type /FontDescriptor /FontName /Own /Flags 32 /ItalicAngle 0 /Ascent 800 /Descent -200 /CapHeight 700 "
    descriptor += b"/StemV 80 /FontBBox [0 0 1000 1000] /%s 8 0 R >>" % key
    objects = {4: stream(TEXT), 6: font, 7: descriptor, 8: stream(b"this is no font program " * 9, entries)}
    two_pages = pdf({3: page(), 9: page(), **objects}, pages=b"[3 0 R 9 0 R]", count=2)
    document = service.open(two_pages)
    service.text(document, 1)  # reads the font before a page is drawn
    for number in range(2):
        tile = service.page_image(document, number, width_px=300)
        assert problems.FONT_LOST in tile.problems
        assert tile.pixels().min() < 128, "another font stands in"


def circle(radius2: int) -> np.ndarray:
    y, x = np.mgrid[0:64, 0:80]
    return ((y - 30) ** 2 + (x - 40) ** 2 < radius2).astype(np.uint8)


WANTED, GIVEN = circle(500), circle(400)


def refined_text() -> bytes:
    return text_refinement(WANTED[10:50, 20:60], GIVEN[10:50, 20:60], 20, 10, WANTED)


@pytest.mark.parametrize("made", [generic_refinement, refinement_in_steps, page_refinement])
@pytest.mark.parametrize("entries", [b"", b" /Decode [1 0]", b" /ImageMask true"])
def test_refined_regions_are_drawn(made, entries: bytes, service: TileService) -> None:  # type: ignore[no-untyped-def]
    is_mask = b"ImageMask" in entries
    dictionary = JBIG2.replace(b"/ColorSpace /DeviceGray", b"") if is_mask else JBIG2
    placed = b"q 80 0 0 64 0 0 cm /I Do Q"
    document = service.open(with_image(dictionary + entries, made(WANTED, GIVEN), placed))
    tile = service.page_image(document, 0, width_px=300)
    shown = tile.pixels()[300 - 64 :, :80].mean(axis=2) < 128
    assert np.array_equal(shown, (WANTED == 0) if b"Decode [1 0]" in entries else (WANTED == 1))
    assert tile.problems == ()


def test_refined_text_is_drawn(service: TileService) -> None:
    placed = b"q 80 0 0 64 0 0 cm /I Do Q"
    tile = service.page_image(service.open(with_image(JBIG2, refined_text(), placed)), 0, width_px=300)
    shown = tile.pixels()[300 - 64 :, :80].mean(axis=2) < 128
    wanted = np.zeros_like(WANTED)
    wanted[10:50, 20:60] = WANTED[10:50, 20:60]
    assert np.array_equal(shown, wanted == 1)


def test_refined_regions_of_an_encrypted_document_are_drawn(service: TileService) -> None:
    out = io.BytesIO()
    with pikepdf.open(io.BytesIO(with_image(JBIG2, generic_refinement(WANTED, GIVEN), b"q 80 0 0 64 0 0 cm /I Do Q"))) as made:
        made.save(out, encryption=pikepdf.Encryption(owner="o", user="u", R=6))
    tile = service.page_image(service.open(out.getvalue(), "u"), 0, width_px=300)
    assert np.array_equal(tile.pixels()[300 - 64 :, :80].mean(axis=2) < 128, WANTED == 1)


def in_pattern() -> dict[int, bytes]:
    box = b"/BBox [0 0 200 200] /Resources << /XObject << /I 5 0 R >> >>"
    tiling = b"/Type /Pattern /PatternType 1 /PaintType 1 /TilingType 1 /XStep 200 /YStep 200 /Matrix [1 0 0 1 50 50] " + box
    page_of = page().replace(b"/XObject << /I 5 0 R >>", b"/Pattern << /P 7 0 R >>")
    filled = stream(b"q /Pattern cs /P scn 50 50 200 200 re f Q " + TEXT)
    return {3: page_of, 4: filled, 7: stream(b"200 0 0 200 0 0 cm /I Do", tiling)}


def in_stamp() -> dict[int, bytes]:
    stamp = b"<< /Type /Annot /Subtype /Stamp /F 4 /Rect [50 50 250 250] /AP << /N 7 0 R >> >>"
    box = b"/Type /XObject /Subtype /Form /BBox [0 0 200 200] /Resources << /XObject << /I 5 0 R >> >>"
    page_of = page(entries=b"/Annots [8 0 R]").replace(b"/XObject << /I 5 0 R >>", b"")
    return {3: page_of, 4: stream(TEXT), 7: stream(b"200 0 0 200 0 0 cm /I Do", box), 8: stamp}


@pytest.mark.parametrize("placed", [in_pattern, in_stamp])
@pytest.mark.parametrize("kind", ["dct-other", "flate-other", "jpx-other", "jbig2-cut"])
def test_a_lost_image_in_a_pattern_or_stamp_leaves_paper(placed, kind: str, service: TileService) -> None:  # type: ignore[no-untyped-def]
    entries, data = (JBIG2, generic_refinement(WANTED, GIVEN)[:60]) if kind == "jbig2-cut" else LOST[kind]
    image = stream(data, b"/Type /XObject /Subtype /Image " + entries)
    tile = service.page_image(service.open(pdf({**placed(), 5: image})), 0, width_px=300)
    assert problems.IMAGE_LOST in tile.problems
    assert tile.pixels()[60:240].min() == 255, "paper"
    assert tile.pixels()[:50].min() < 128, "text"


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_adobe_deflate", "jpeg"])
def test_a_tiff_of_which_nothing_can_be_decoded_is_refused(compression: str, service: TileService) -> None:
    whole = encoded("TIFF", compression=compression)
    tags = Image.open(io.BytesIO(whole)).tag_v2
    damaged = bytearray(whole)
    for start, length in zip(tags[273], tags[279], strict=True):
        damaged[start : start + length] = b"\xff" * length
    future = service.submit_page_image(service.open(bytes(damaged)), 0, width_px=SIDE)
    assert isinstance(future.exception(), RenderFailed)


JBIG2_CUT = {
    f"{made.__name__}-{left}": data[:left]
    for made, data in (
        *((made, made(WANTED, GIVEN)) for made in (generic_refinement, refinement_in_steps, page_refinement)),
        (text_refinement, refined_text()),
    )
    for left in (len(data) - 1, len(data) * 3 // 4, len(data) // 2, 60, 33, 30)
}


@pytest.mark.parametrize("kind", JBIG2_CUT)
def test_a_jbig2_image_that_is_cut_short_is_told(kind: str, service: TileService) -> None:
    data = JBIG2_CUT[kind]
    future = service.submit_page_image(service.open(with_image(JBIG2, data)), 0, width_px=300)
    error = future.exception()
    if error is not None:
        assert isinstance(error, RenderFailed)
        assert error.page == 0
    else:
        alone = future.result()
        assert alone.problems == (problems.IMAGE_CUT,)
        assert alone.pixels().min() < 128
    tile = service.page_image(service.open(with_image(JBIG2, data, PLACED + TEXT)), 0, width_px=300)
    assert len(tile.problems) == 1
    assert not problems.IMAGE_PROBLEMS.isdisjoint(tile.problems)
    assert tile.pixels()[:50].min() < 128, "text"


def test_shared_segments_that_are_cut_short_are_told(service: TileService) -> None:
    data = refined_text()
    page_bytes, symbols_bytes = 30, 11 + int.from_bytes(data[37:41], "big")
    shared, own = data[page_bytes : page_bytes + symbols_bytes], data[:page_bytes] + data[page_bytes + symbols_bytes :]
    entries = JBIG2 + b" /DecodeParms << /JBIG2Globals 7 0 R >>"
    for left, is_told in ((len(shared), False), (len(shared) - 5, True), (20, True)):
        document = service.open(with_image(entries, own, PLACED + TEXT, extra={7: stream(shared[:left])}))
        tile = service.page_image(document, 0, width_px=300)
        assert (not problems.IMAGE_PROBLEMS.isdisjoint(tile.problems)) == is_told


@pytest.mark.parametrize("tail", [b"", b"\n", b"\0\0\0", b"\0\0\0\x09\x31\0\x01\0\0\0\0", b"\0\0\0\x09\x31\0\x01\0\0\0\0rest"])
def test_what_follows_a_jbig2_image_is_no_loss(tail: bytes, service: TileService) -> None:
    tile = service.page_image(service.open(with_image(JBIG2, refined_text() + tail)), 0, width_px=300)
    assert tile.problems == ()


def drawn_here(data: bytes, tmp_path: Path) -> bytes:
    """The record of a raster, from a worker's desk in this process."""
    from sidebooks_core.documents.limits import Limits
    from sidebooks_core.documents.reference import DocumentRef
    from sidebooks_core.fonts.discovery import discover
    from sidebooks_core.tiling.raster import RasterSpec
    from sidebooks_core.workers.jobs import Draw

    held = desk.Desk(discover([]), 1 << 20, opens_paths=False)
    ref = DocumentRef(token="t", name="paper.pdf", path=None, file_state=None, limits=Limits())
    spec = RasterSpec.whole_page(1.0, 300, 300)
    try:
        return held.do(Draw(document=ref, timeout_s=60.0, page=0, spec=spec, image_format="png", quality=85), data).record
    finally:
        held.forget_everything()


@pytest.fixture
def without_second_engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As where it is not installed."""
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "pypdfium2", None)
        second_engine.find_pdfium.cache_clear()
        yield
    second_engine.find_pdfium.cache_clear()


@pytest.mark.usefixtures("without_second_engine")
def test_without_the_second_engine_the_page_is_told(tmp_path: Path) -> None:
    data = generic_refinement(WANTED, GIVEN)
    with pytest.raises(RenderFailed, match="page 1: nothing of it can be drawn"):
        drawn_here(with_image(JBIG2, data), tmp_path)
    record = drawn_here(with_image(JBIG2, data, PLACED + TEXT), tmp_path)
    assert problems_of(record) == (problems.IMAGE_LOST,)
    assert pixels_white(record)


def test_a_page_with_a_problem_that_cannot_be_mended_is_drawn_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawings, new_device = [], mupdf.fz_new_draw_device
    monkeypatch.setattr(mupdf, "fz_new_draw_device", lambda *given: drawings.append(given) or new_device(*given))
    record = drawn_here(pdf({3: page(), 4: stream(b"0 0 9 9 re f nothing")}), tmp_path)
    assert problems_of(record) == (problems.CONTENT_SKIPPED,)
    assert len(drawings) == 1


def pixels_white(record: bytes) -> bool:
    shown = Image.open(io.BytesIO(unpack_tile(record, 0, 0).data)).convert("L")
    return bool(np.asarray(shown)[60:240].min() == 255)


def test_a_bad_page_of_a_book_of_pictures_fails_alone(service: TileService) -> None:
    out = io.BytesIO()
    png, jpeg = encoded("PNG"), JPEG
    with zipfile.ZipFile(out, "w") as book:
        for name, data in (("1.png", png), ("2.png", png[:200]), ("3.jpg", b"no picture" * 20), ("4.jpg", jpeg[:-700])):
            book.writestr(name, data)
        book.writestr("5.png", png)
    document = service.open(out.getvalue())
    assert service.page_image(document, 0, width_px=100).problems == ()
    for number in (1, 2):
        with pytest.raises(RenderFailed, match=f"page {number + 1}"):
            service.page_image(document, number, width_px=100)
    assert service.page_image(document, 3, width_px=100).problems
    assert service.page_image(document, 4, width_px=100).problems == ()


@pytest.mark.parametrize("image_format", ["PNG", "GIF", "TIFF", "JPEG", "BMP"])
def test_a_picture_that_is_cut_short_is_no_success(image_format: str, service: TileService) -> None:
    whole = encoded(image_format, picture().convert("L").convert("P") if image_format == "GIF" else None)
    document = service.open(whole[: len(whole) * 3 // 5])
    future = service.submit_page_image(document, 0, width_px=SIDE)
    error = future.exception()
    if error is None:
        assert future.result().problems
    else:
        assert isinstance(error, RenderFailed)
        assert error.page == 0


@pytest.fixture
def half_broken(tmp_path: Path) -> Path:
    """A page that is whole and one that is not."""
    image = stream(b"not a picture" * 9, b"/Type /XObject /Subtype /Image " + RGB + b"/Filter /DCTDecode")
    objects = {3: page(), 7: page(8), 4: stream(TEXT), 8: stream(PLACED + TEXT), 5: image}
    path = tmp_path / "half.pdf"
    path.write_bytes(pdf(objects, pages=b"[3 0 R 7 0 R]", count=2))
    return path


def test_problems_are_kept_with_the_record(half_broken: Path, tmp_path: Path) -> None:
    for made_by in ("render", "disk"):
        with TileService(Settings(cache_dir=tmp_path / "cache")) as running:
            document = running.open(half_broken)
            level = document.pyramid(1).screen_level.index
            assert running.tile(document, 1, level, 0, 0).problems == (problems.IMAGE_LOST,), made_by
            assert running.tile(document, 1, level, 0, 0).problems == (problems.IMAGE_LOST,), "memory"
            assert running.region_image(document, 1, (0, 0, 100, 100), 200).problems == (problems.IMAGE_LOST,)
            assert running.tile(document, 0, level, 0, 0).problems == ()
            assert document.problems.all() == {1: (problems.IMAGE_LOST,)}
            assert running.statistics().renders == (3 if made_by == "render" else 0)
            running.parts.flush()


def test_what_images_of_a_page_tell_adds_up() -> None:
    known = KnownProblems()
    for told, all_known, version in (
        ((), (), 0),
        ((problems.IMAGE_LOST,), (problems.IMAGE_LOST,), 1),
        ((problems.FONT_LOST,), (problems.IMAGE_LOST, problems.FONT_LOST), 2),
        ((), (problems.IMAGE_LOST, problems.FONT_LOST), 2),
        ((problems.FONT_LOST, problems.IMAGE_LOST), (problems.IMAGE_LOST, problems.FONT_LOST), 2),
    ):
        known.learn(3, told)
        assert (known.of(3), known.version) == (all_known, version), told
    assert known.all() == {3: (problems.IMAGE_LOST, problems.FONT_LOST)}
    for number in range(100):
        known.learn(3, (f"as a worker that was taken over may tell, {number}",))
    assert len(known.of(3)) == MOST_PROBLEMS


def test_a_reader_sees_the_problems_of_the_pages_on_its_screen(half_broken: Path, service: TileService) -> None:
    with service.reader(service.open(half_broken), (300, 300), deadline_s=30) as reader:
        assert reader.turn_to(0).problems == {}
        assert reader.turn_to(1).problems == {1: (problems.IMAGE_LOST,)}
        assert reader.zoom(3.0).problems == {1: (problems.IMAGE_LOST,)}


def test_prerendering_lists_pages_with_problems(half_broken: Path, tmp_path: Path) -> None:
    with TileService(Settings(cache_dir=tmp_path / "cache")) as running:
        document = running.open(half_broken)
        for _ in range(2):  # drawn, and there already
            report = running.prerender(document)
            assert report.problems == {1: (problems.IMAGE_LOST,)}
            assert report.failed == {}


def test_inspection_tells_problems(half_broken: Path, service: TileService) -> None:
    found = service.open(half_broken).inspect()
    assert [one.problems for one in found.pages] == [(), (problems.IMAGE_LOST,)]
    assert f"page 2: {problems.IMAGE_LOST}" in found.report()


def test_the_commands_exit_with_1(half_broken: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (
        ["render", str(half_broken), "--json", "-o", str(tmp_path)],
        ["prerender", str(half_broken), "--json", "--cache-dir", str(tmp_path / "cache")],
    ):
        with pytest.raises(SystemExit) as ended:
            cli.main(arguments)
        assert ended.value.code == 1
        out, err = capsys.readouterr()
        assert problems.IMAGE_LOST in json.dumps(json.loads(out))
        assert f"page 2: {problems.IMAGE_LOST}" in err
    with pytest.raises(SystemExit) as ended:
        cli.main(["render", str(half_broken), "--pages", "1", "-o", str(tmp_path)])
    assert ended.value.code == 0


EMPTY = b"<</Filter/FlateDecode/Length 0>>stream\n\nendstream"
EMPTY_FORM = b"<</Type/XObject/Subtype/Form/BBox[0 0 50 50]/Filter/FlateDecode/Length 0>>stream\n\nendstream"


def test_a_stream_without_a_byte_lacks_nothing(service: TileService) -> None:
    """qpdf writes blank pages so: a filter, and no data."""
    blank = service.page_image(service.open(pdf({3: page(), 4: EMPTY})), 0, width_px=150)
    assert (blank.problems, int(blank.pixels().min())) == ((), 255)
    several = page().replace(b"/Contents 4 0 R", b"/Contents [4 0 R 5 0 R 4 0 R]")
    drawn = service.page_image(service.open(pdf({3: several, 4: EMPTY, 5: stream(b"0 0 50 50 re f")})), 0, width_px=150)
    assert (drawn.problems, int(drawn.pixels().min())) == ((), 0)
    note = b"<</Type/Annot/Subtype/Stamp/Rect[0 0 50 50]/F 4/AP<</N 6 0 R>>>>"
    marked = page().replace(b"/Contents", b"/Annots[5 0 R]/Contents")
    objects = {3: marked, 4: stream(b"60 60 20 20 re f"), 5: note, 6: EMPTY_FORM}
    stamped = service.page_image(service.open(pdf(objects)), 0, width_px=150)
    assert (stamped.problems, int(stamped.pixels().min())) == ((), 0)


def test_a_stream_that_should_have_bytes_lacks_them(service: TileService) -> None:
    """Nor has it the images of a sound page that draws as much, whichever was drawn first."""
    whole = zlib.compress(b"0 0 50 50 re f " + b"60 60 20 20 re f " * 99)
    cut = b"<</Filter/FlateDecode/Length 20>>stream\n%s\nendstream" % whole[:20]
    damaged = service.open(pdf({3: page(), 4: cut}))
    told = service.page_image(damaged, 0, width_px=150)
    assert told.problems == (problems.CONTENT_CUT,)
    decoded = zlib.decompressobj().decompress(whole[:20])
    sound = service.open(pdf({3: page(), 4: stream(decoded)}))
    assert service.page_image(sound, 0, width_px=150).problems == ()
    assert damaged.content_id(0) != sound.content_id(0)
    short = b"<</Filter/FlateDecode/Length 2>>stream\nx\x9c\nendstream"
    with pytest.raises(RenderFailed, match="cut short"):
        service.page_image(service.open(pdf({3: page(), 4: short})), 0, width_px=150)
    whole = pdf({3: page(), 4: b"<</Filter/FlateDecode/Length 300>>stream\n"})
    with pytest.raises(RenderFailed):
        service.page_image(service.open(whole[: whole.index(b"stream\n") + 7]), 0, width_px=150)
