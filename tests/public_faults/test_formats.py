"""Other files of the kinds that `checks_formats` looks at, built here."""

from __future__ import annotations

import gzip
import io
import struct
import tarfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import pymupdf
import pytest
from checks_formats import differ, pixels
from PIL import Image, ImageOps

import sidebooks_core as sb
from sidebooks_core.documents.natural_order import natural_key
from sidebooks_core.documents.sniffing import is_page_name

ORIENTATION = 274
KINDS = {"JPEG": "jpg", "PNG": "png", "WEBP": "webp", "AVIF": "avif", "GIF": "gif", "BMP": "bmp", "TIFF": "tif", "PPM": "ppm"}

SVG = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" {}>{}</svg>'
SIZE = 'width="300" height="200"'
WHOLE = '<rect {} width="300" height="200"/>'
RED = (255, 0, 0)


@pytest.fixture(scope="module")
def service() -> Iterator[sb.TileService]:
    with sb.TileService(sb.Settings(cache_dir=None, image_pixels=4_000_000)) as running:
        yield running


def quarters(size: tuple[int, int] = (80, 48)) -> Image.Image:
    """Four colours, so that each turn and each mirror image looks different."""
    image = Image.new("RGB", size, "white")
    width, height = size[0] // 2, size[1] // 2
    for place, colour in (((0, 0), "red"), ((width, 0), "lime"), ((0, height), "blue")):
        image.paste(Image.new("RGB", (width, height), colour), place)
    return image


def saved(image: Image.Image, kind: str, orientation: int = 1, **options: object) -> bytes:
    made = io.BytesIO()
    if orientation != 1:
        exif = Image.Exif()
        exif[ORIENTATION] = orientation
        options["exif"] = exif
    image.save(made, kind, **options)
    return made.getvalue()


def shown(image: Image.Image, orientation: int) -> Image.Image:
    """As who wrote the orientation wants it seen, by Pillow."""
    return ImageOps.exif_transpose(Image.open(io.BytesIO(saved(image, "PNG", orientation))))


def archive(members: dict[str, bytes] | Sequence[tuple[str, bytes]]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as file:
        for name, data in members.items() if isinstance(members, dict) else members:
            file.writestr(name, data)
    return made.getvalue()


def colours(service: sb.TileService, document: sb.Document) -> list[str]:
    """The name of each page's colour."""
    names = {(255, 0, 0): "red", (0, 255, 0): "lime", (0, 0, 255): "blue", (255, 255, 255): "white"}
    seen = [pixels(service, document, page, 40)[10, 10] for page in range(document.page_count)]
    return [
        next((name for rgb, name in names.items() if np.abs(np.subtract(rgb, one, dtype=int)).max() < 12), "?") for one in seen
    ]


def plain(colour: str, kind: str = "PNG") -> bytes:
    return saved(Image.new("RGB", (40, 60), colour), kind)


# ---- zip archives


def pdf(pages: int = 1) -> bytes:
    with pymupdf.open() as made:
        for number in range(pages):
            made.new_page(width=300, height=200).insert_text((30, 60), f"page {number + 1}")
        return bytes(made.tobytes())


@pytest.mark.parametrize(
    ("members", "what"),
    [
        ({"a.pdf": pdf(), "b.pdf": pdf(2), "c.pdf": pdf()}, r"3 PDF\).*unpack it"),
        ({"議案/a.pdf": pdf(), "b.docx": b"PK", "cover.png": plain("red")}, r"1 PDF, 1 DOCX|1 DOCX, 1 PDF"),
        ({"[Content_Types].xml": b"<Types/>", "word/document.xml": b"<w/>"}, r"Word.*Office.*convert it to PDF first"),
        ({"[Content_Types].xml": b"<Types/>", "xl/workbook.xml": b"<w/>"}, r"Excel.*convert it to PDF first"),
        ({"[Content_Types].xml": b"<T/>", "ppt/presentation.xml": b"<w/>", "ppt/media/1.png": plain("red")}, r"PowerPoint"),
        ({"mimetype": b"application/vnd.oasis.opendocument.text", "Pictures/1.png": plain("red")}, r"OpenDocument"),
        ({"readme.txt": b"hello"}, r"ZIP archive without images"),
        ({"1.jxl": b"\xff\x0a" + bytes(50)}, r"JPEG XL"),
    ],
    ids=["pdfs", "mixed", "docx", "xlsx", "pptx", "odt", "text", "jxl"],
)
def test_an_archive_that_is_no_document_is_named(service: sb.TileService, members: dict[str, bytes], what: str) -> None:
    with pytest.raises(sb.UnsupportedDocument, match=what):
        service.open(archive(members))


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "Office file of the old kind"),
        (b"Rar!\x1a\x07\x01\0" + bytes(90), "RAR"),
        (gzip.compress(b"no drawing"), "gzip"),
        (b"\0\0\0\x18ftypheic" + bytes(90), "HEIC"),
    ],
    ids=["doc", "rar", "gzip", "heic"],
)
def test_a_file_of_another_kind_is_named(service: sb.TileService, data: bytes, what: str) -> None:
    with pytest.raises(sb.UnsupportedDocument, match=what):
        service.open(data)


def _tar(*members: bytes) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive_file:
        for number, member in enumerate(members):
            about = tarfile.TarInfo(f"{number}.pdf")
            about.size = len(member)
            archive_file.addfile(about, io.BytesIO(member))
    return packed.getvalue()


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (_tar(pdf(), pdf(2)), "tar archive"),
        (b"Rar!\x1a\x07\x00" + bytes(60) + pdf(), "RAR"),
        (b"7z\xbc\xaf\x27\x1c" + bytes(26) + pdf(), "7-Zip"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504) + pdf(), "Office file of the old kind"),
    ],
    ids=["tar", "rar", "7z", "ole"],
)
def test_what_holds_a_stored_pdf_is_no_pdf(service: sb.TileService, data: bytes, what: str) -> None:
    with pytest.raises(sb.UnsupportedDocument, match=what):
        service.open(data)


def test_a_comic_that_begins_with_a_pdf_is_a_comic_and_tells_what_it_leaves_out(service: sb.TileService) -> None:
    document = service.open(archive([("0.pdf", pdf(3)), ("1.png", plain("red")), ("2.png", plain("blue"))]))
    assert document.kind == "cbz"
    assert colours(service, document) == ["red", "blue"]
    assert any("0.pdf" in note for note in service.inspect(document).repaired)


@pytest.mark.parametrize("junk", [b"\n" * 7, b"HTTP/1.1 200 OK\r\n\r\n", b"\0" * 1000], ids=["lines", "header", "zeros"])
def test_a_pdf_behind_other_bytes_is_a_pdf(service: sb.TileService, junk: bytes) -> None:
    assert service.open(junk + pdf(2)).page_count == 2


def test_a_pdf_that_carries_an_archive_is_a_pdf(service: sb.TileService) -> None:
    with pymupdf.open(stream=pdf(2)) as made:
        made.embfile_add("pack", archive({"a.pdf": pdf()}))
        data = made.tobytes(deflate=False)
    assert service.open(data).page_count == 2
    assert service.open(data + archive({"1.png": plain("red")})).kind == "pdf"


def test_an_archive_behind_a_program_is_an_archive(service: sb.TileService) -> None:
    unpacker = b"MZ" + bytes(900)
    assert colours(service, service.open(unpacker + archive({"1.png": plain("red")}))) == ["red"]
    with pytest.raises(sb.UnsupportedDocument, match="2 PDF"):
        service.open(b"MZ" + bytes(90) + archive({"1.pdf": pdf(), "2.pdf": pdf()}))


# ---- comics


@pytest.mark.parametrize("kind", sorted({*KINDS} - {"GIF"}))
def test_a_comic_of_each_kind_of_image(service: sb.TileService, kind: str) -> None:
    names = ("red", "lime", "blue")
    document = service.open(archive({f"{place}.{KINDS[kind]}": plain(name, kind) for place, name in enumerate(names)}))
    assert colours(service, document) == list(names)
    assert [page.content_id for page in document.pages] == list(dict.fromkeys(page.content_id for page in document.pages))


def test_what_a_member_is_says_its_content(service: sb.TileService) -> None:
    document = service.open(archive({"1.jpg": plain("red", "WEBP"), "2.webp": plain("lime"), "3.PNG": plain("blue", "AVIF")}))
    assert colours(service, document) == ["red", "lime", "blue"]


def test_a_page_that_cannot_be_drawn_keeps_its_place_and_is_told(service: sb.TileService) -> None:
    document = service.open(archive({"1.png": plain("red"), "2.jxl": b"\xff\x0a" + bytes(60), "3.png": plain("blue")}))
    assert document.page_count == 3
    with pytest.raises(sb.RenderFailed, match="JPEG XL"):
        service.page_image(document, 1, width_px=40)
    assert pixels(service, document, 2, 40).mean(axis=(0, 1)) == pytest.approx((0, 0, 255), abs=2)
    assert any("2.jxl" in note for note in service.inspect(document).repaired)


def test_the_same_image_in_two_comics_is_one_page(service: sb.TileService) -> None:
    first = service.open(archive({"1.webp": plain("red", "WEBP"), "2.webp": plain("blue", "WEBP")}))
    second = service.open(archive({"a/9.webp": plain("blue", "WEBP")}))
    assert second.pages[0].content_id == first.pages[1].content_id != first.pages[0].content_id


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "PNG", "TIFF"])
def test_a_comics_pages_are_upright(service: sb.TileService, kind: str, orientation: int) -> None:
    right = shown(quarters(), orientation)
    document = service.open(archive({f"1.{KINDS[kind]}": saved(quarters(), kind, orientation), "2.png": plain("red")}))
    page = document.pages[0]
    assert (page.width_pt / page.height_pt) == pytest.approx(right.width / right.height)
    assert differ(pixels(service, document, 0, right.width), right) < 6


def test_what_systems_keep_is_no_page(service: sb.TileService) -> None:
    names = ("__MACOSX/._1.png", "._1.png", ".hidden/2.png", "a/.DS_Store", "Thumbs.db", "desktop.ini", "a/._3.JPG", "x.txt")
    names += ("@eaDir/1.jpg/THUMB_M.jpg", "a/@Recycle/1.png", "#recycle/2.png", "__macosx/3.png", "$RECYCLE.BIN/4.png")
    assert not any(map(is_page_name, names))
    assert all(map(is_page_name, ("1.png", "a/1.JPEG", "第１回/p.webp", "./1.tif", "a\\b.png")))
    members = {name: b"\0\5\x16\7" + bytes(90) for name in names} | {"b/1.png": plain("red")}
    assert colours(service, service.open(archive(members))) == ["red"]


RTL = "<Title>会議</Title><Manga>YesAndRightToLeft</Manga>"


@pytest.mark.parametrize(
    ("name", "text", "encoding"),
    [
        ("comicinfo.xml", "<ComicInfo><Manga> YesAndRightToLeft </Manga><Title>会議</Title></ComicInfo>", "utf-8"),
        ("a/b/COMICINFO.XML", f"<?xml version='1.0' encoding='utf-16'?><ComicInfo>{RTL}</ComicInfo>", "utf-16"),
        (
            "ComicInfo.xml",
            '<c:ComicInfo xmlns:c="u"><c:Title>会議</c:Title>\n<c:Manga\n>YesAndRightToLeft</c:Manga ></c:ComicInfo>',
            "utf-8-sig",
        ),
        ("ComicInfo.xml", f"<?xml version='1.0' encoding='Shift_JIS'?><ComicInfo>{RTL}</ComicInfo>", "cp932"),
    ],
    ids=["lower", "utf-16", "prefix", "shift-jis"],
)
def test_a_comics_description(service: sb.TileService, name: str, text: str, encoding: str) -> None:
    document = service.open(archive({name: text.encode(encoding), "1.png": plain("red")}))
    assert (document.direction, document.title) == ("rtl", "会議")


def test_a_bomb_in_a_description_does_nothing(service: sb.TileService) -> None:
    entities = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10 if n else "x" * 100}">' for n in range(12))
    bomb = f"<!DOCTYPE c [{entities}]><ComicInfo><Title>&e11;</Title><Manga>YesAndRightToLeft</Manga></ComicInfo>"
    deep = "<a>" * 100_000
    for description in (bomb, deep):
        document = service.open(archive({"ComicInfo.xml": description.encode(), "1.png": plain("red")}))
        assert (document.page_count, document.direction) == (1, "ltr")


def test_the_order_of_names() -> None:
    mixed = ["a/1.jpg", "a/２.jpg", "a/03.jpg", "a/10.jpg", "B/1.jpg", "第一回/1.jpg", "第１回/2.jpg"]
    numbered = ["第２回.jpg", "第三回.jpg", "第十回.jpg", "第１１回.jpg", "第二十一回.jpg", "第百回.jpg"]
    for right in (mixed, numbered):
        assert sorted(sorted(right, reverse=True), key=natural_key) == right
    assert sorted(["9" * 9000, "1" + "0" * 9000, "x"], key=natural_key)[0] == "9" * 9000
    assert len({natural_key(name) for name in ("1.jpg", "01.jpg", "１.jpg")}) == 3, "no two names tie"


def test_names_of_japanese_windows_are_in_order(service: sb.TileService) -> None:
    """Written in Shift-JIS and without the flag of UTF-8, by name of the same length, which is put into the archive."""
    made = archive([("xx10zz", plain("blue")), ("xx02zz", plain("lime")), ("xx01zz", plain("red"))])
    for old, new in (("xx10zz", "１０.png"), ("xx02zz", "２.png"), ("xx01zz", "１.png")):
        raw = new.encode("cp932")
        made = archive_renamed(made, old.encode(), raw)
    assert colours(service, service.open(made)) == ["red", "lime", "blue"]


def archive_renamed(data: bytes, old: bytes, new: bytes) -> bytes:
    """Another archive, one name of which is these bytes."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(made, "w") as target:
        for member in source.infolist():
            name = new.decode("cp437") if member.filename.encode("cp437") == old else member.filename
            target.writestr(_OldName(name), source.read(member))
    return made.getvalue()


class _OldName(zipfile.ZipInfo):
    """Written as an old program does: in no encoding that is said."""

    def _encodeFilenameFlags(self) -> tuple[bytes, int]:  # noqa: N802 - zipfile's name
        return self.filename.encode("cp437"), self.flag_bits & ~0x800


def test_opening_a_comic_unpacks_no_image(service: sb.TileService, monkeypatch: pytest.MonkeyPatch) -> None:
    from sidebooks_core.documents.limits import Limits
    from sidebooks_core.documents.source import Source
    from sidebooks_core.engine.images import reading as images
    from sidebooks_core.engine.opening import open_document

    unpacked = []
    genuine = images.converted
    monkeypatch.setattr(images, "converted", lambda *arguments: unpacked.append(arguments) or genuine(*arguments))
    data = archive({f"{place}.webp": plain("red", "WEBP") for place in range(50)})
    document = open_document(Source(data), password=None, name="x", limits=Limits())
    assert [page.native_px for page in document.info.pages] == [(40, 60)] * 50
    assert unpacked == []
    document.display_list(7)
    assert len(unpacked) == 1


def test_a_page_of_too_many_pixels_fails_alone(service: sb.TileService) -> None:
    large = saved(Image.new("L", (3000, 3000)), "WEBP")
    document = service.open(archive({"1.webp": large, "2.png": plain("red")}))
    with pytest.raises(sb.RenderFailed, match="image_pixels"):
        service.page_image(document, 0, width_px=100)
    assert pixels(service, document, 1, 40).mean(axis=(0, 1)) == pytest.approx((255, 0, 0), abs=1)


# ---- images


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["TIFF", "PNG", "JPEG", "WEBP", "AVIF"])
def test_an_image_is_upright(service: sb.TileService, kind: str, orientation: int) -> None:
    right = shown(quarters(), orientation)
    document = service.open(saved(quarters(), kind, orientation))
    page = document.pages[0]
    assert (page.width_pt / page.height_pt) == pytest.approx(right.width / right.height)
    assert document.pyramid(0).levels[-1].width_px == right.width, "the finest level is the image itself"
    assert differ(pixels(service, document, 0, right.width), right) < 6


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "group4", "jpeg", "tiff_adobe_deflate"])
def test_each_page_of_a_tiff_has_its_own_orientation(service: sb.TileService, compression: str) -> None:
    mode = "1" if compression == "group4" else "RGB"
    pages = []
    for orientation in (1, 6, 3, 8):
        image = quarters().convert(mode)
        image.info["orientation"] = orientation
        pages.append((image, orientation))
    made = io.BytesIO()
    from PIL.TiffImagePlugin import AppendingTiffWriter

    with AppendingTiffWriter(made, new=True) as writer:
        for image, orientation in pages:
            image.save(writer, "TIFF", compression=compression, tiffinfo={ORIENTATION: orientation})
            writer.newFrame()
    document = service.open(made.getvalue())
    assert document.page_count == 4
    for number, (image, orientation) in enumerate(pages):
        right = shown(image, orientation)
        page = document.pages[number]
        assert (page.width_pt > page.height_pt) == (right.width > right.height)
        assert differ(pixels(service, document, number, right.width), right) < 6


@pytest.mark.parametrize("big", [False, True], ids=["TIFF", "BigTIFF"])
@pytest.mark.parametrize("compression", ["raw", "zstd", "lzma", "webp", "tiff_lzw"])
def test_a_tiff_is_drawn_or_refused_when_it_is_opened(service: sb.TileService, compression: str, big: bool) -> None:
    try:
        data = saved(quarters(), "TIFF", compression=compression, big_tiff=big, dpi=(144, 144))
    except OSError:
        pytest.skip(f"this Pillow writes no {compression}")
    try:
        document = service.open(data)
    except sb.UnsupportedDocument:
        return
    assert document.pages[0].width_pt == 40, "144 dots an inch"
    assert differ(pixels(service, document, 0, 80), quarters()) < 6


@pytest.mark.parametrize(
    "data",
    [
        b"MM\0+\0\x08\0\0" + bytes(8),
        b"II+\0\x08\0\0\0" + struct.pack("<Q", 16),
        b"II+\0\x08\0\0\0" + struct.pack("<QQ", 16, 1 << 60) + bytes(40),
        b"II+\0",
    ],
    ids=["no directory", "cut off", "too long", "head"],
)
def test_a_bigtiff_that_cannot_be_read_is_refused_when_it_is_opened(service: sb.TileService, data: bytes) -> None:
    with pytest.raises(sb.DamagedDocument):
        service.open(data)


def test_a_tiff_of_an_unknown_compression_is_refused(service: sb.TileService) -> None:
    data = bytearray(saved(quarters(), "TIFF"))
    entry = struct.pack("<HHI", 259, 3, 1)
    place = data.index(entry)
    data[place + 8 : place + 10] = struct.pack("<H", 34887)
    with pytest.raises(sb.UnsupportedDocument, match="LERC"):
        service.open(bytes(data))


@pytest.mark.parametrize("mode", ["F", "I"])
def test_numbers_are_spread_over_the_greys_and_told(service: sb.TileService, mode: str) -> None:
    slope = np.tile(np.linspace(-5, 20, 100), (50, 1)).astype(np.float32 if mode == "F" else np.int32)
    if mode == "F":
        slope[0, 0] = np.nan
    document = service.open(saved(Image.fromarray(slope), "TIFF"))
    seen = pixels(service, document, 0, 100)[25, :, 0].astype(int)
    assert seen[1] < 15
    assert seen[-2] > 240
    assert (np.diff(seen) >= 0).all()
    assert any("numbers" in note for note in service.inspect(document).repaired)


def test_a_tiff_whose_directories_go_in_a_circle_ends(service: sb.TileService) -> None:
    data = bytearray(saved(quarters(), "TIFF", 6))
    [offset] = struct.unpack_from("<I", data, 4)
    [count] = struct.unpack_from("<H", data, offset)
    struct.pack_into("<I", data, offset + 2 + 12 * count, offset)
    assert service.open(bytes(data)).page_count == 1


@pytest.mark.parametrize("orientation", range(2, 9))
def test_a_bigtiff_is_upright(service: sb.TileService, orientation: int) -> None:
    data = saved(quarters(), "TIFF", big_tiff=True, tiffinfo={ORIENTATION: orientation})
    right = shown(quarters(), orientation)
    document = service.open(data)
    assert document.pyramid(0).levels[-1].width_px == right.width
    assert differ(pixels(service, document, 0, right.width), right) < 4


@pytest.mark.parametrize("disposal", [1, 2, 3])
def test_an_animation_is_its_first_frame(service: sb.TileService, disposal: int) -> None:
    frames = [Image.new("P", (60, 40), 0) for _ in range(4)]
    for place, frame in enumerate(frames):
        frame.putpalette([255, 255, 255, 255, 0, 0, 0, 0, 255])
        frame.paste(1 + place % 2, (place * 15, 0, place * 15 + 10, 40))
    made = io.BytesIO()
    frames[0].save(made, "GIF", save_all=True, append_images=frames[1:], disposal=disposal, transparency=0, duration=50)
    document = service.open(made.getvalue())
    assert document.page_count == 1
    right = Image.new("RGB", (60, 40), "white")
    right.paste("red", (0, 0, 10, 40))
    assert differ(pixels(service, document, 0, 60), right) < 4


# ---- books


def book(
    spine: Sequence[tuple[str, str, str]], files: dict[str, bytes], *, head: str = "", nav: str = "", ncx: str = "",
    spine_attributes: str = "",
) -> bytes:  # fmt: skip
    """spine: (path, media type, attributes of its reference) of each file."""
    items = "".join(f'<item id="i{n}" href="{path}" media-type="{kind}"/>' for n, (path, kind, _) in enumerate(spine))
    references = "".join(f'<itemref idref="i{n}" {attributes}/>' for n, (_, _, attributes) in enumerate(spine))
    if nav:
        items += '<item id="nav" href="t/nav.xhtml" media-type="application/xhtml+xml" properties="nav"/>'
        files = files | {"O/t/nav.xhtml": nav.encode()}
    if ncx:
        items += '<item id="ncx" href="toc.ncx" media-type="application/x-dtbncx+xml"/>'
        files = files | {"O/toc.ncx": ncx.encode()}
    package = (
        '<package xmlns="http://www.idpf.org/2007/opf" version="3.0"><metadata xmlns:dc="http://purl.org/dc/elements/1.1/">'
        f"<dc:title>本</dc:title>{head}</metadata><manifest>{items}</manifest>"
        f'<spine toc="ncx" {spine_attributes}>{references}</spine></package>'
    )
    container = '<container><rootfiles><rootfile full-path="O/c.opf"/></rootfiles></container>'
    members = {"mimetype": b"application/epub+zip", "META-INF/container.xml": container.encode(), "O/c.opf": package.encode()}
    return archive(members | files)


XHTML = "application/xhtml+xml"
PRE_PAGINATED = '<meta property="rendition:layout">pre-paginated</meta>'


def xhtml(body: str, head: str = "") -> bytes:
    return (
        '<?xml version="1.0" encoding="utf-8"?><html xmlns="http://www.w3.org/1999/xhtml" '
        f'xmlns:epub="http://www.idpf.org/2007/ops"><head><title>t</title>{head}</head><body>{body}</body></html>'
    ).encode()


def viewport(width: int, height: int) -> str:
    return f'<meta name="viewport" content="width={width}, height={height}"/>'


NAV = (
    '<html xmlns="http://www.w3.org/1999/xhtml" xmlns:epub="http://www.idpf.org/2007/ops"><body>'
    '<nav epub:type="landmarks"><ol><li><a href="../b.xhtml">x</a></li></ol></nav><nav epub:type="toc"><h1>目次</h1><ol>'
    '<li><a href="../a.xhtml"><span>第一章　<em>総則</em></span></a>'
    '<ol><li><a href="../a.xhtml#s"><ruby>議<rp>(</rp><rt>ぎ</rt><rp>)</rp>案<rt>あん</rt></ruby><b>一</b></a></li></ol></li>'
    '<li><span>部</span><ol><li><a href="../b.xhtml"><img src="x.png" alt="挿絵"/></a></li></ol></li></ol></nav></body></html>'
)
NCX = (
    '<ncx xmlns="http://www.daisy.org/z3986/2005/ncx/"><navMap><navPoint><navLabel><text>第<b>一</b>章</text></navLabel>'
    '<content src="a.xhtml"/><navPoint><navLabel><text>節</text></navLabel><content src="b.xhtml"/></navPoint></navPoint>'
    "</navMap></ncx>"
)


def test_a_contents_page_keeps_all_its_text(service: sb.TileService) -> None:
    files = {"O/a.xhtml": xhtml("<h1>a</h1>" + "<p>text</p>" * 80 + '<p id="s">s</p>'), "O/b.xhtml": xhtml("<h1>b</h1>")}
    spine = [("a.xhtml", XHTML, ""), ("b.xhtml", XHTML, "")]
    outline = service.open(book(spine, files, nav=NAV)).outline
    assert [(item.level, item.title.replace("\u3000", "")) for item in outline] == [
        (1, "第一章総則"), (2, "議案一"), (1, "部"), (2, "挿絵"),
    ]  # fmt: skip
    assert outline[2].page is None
    assert outline[0].page == 0
    assert outline[1].page is not None
    assert outline[1].page > 1
    assert outline[3].page is not None
    assert outline[3].page > outline[1].page
    by_ncx = service.open(book(spine, files, ncx=NCX)).outline
    assert [(item.level, item.title) for item in by_ncx] == [(1, "第一章"), (2, "節")]


@pytest.mark.parametrize(
    ("body", "head"),
    [
        ('<div><img src="i/1.webp" alt=""/></div>', ""),
        ('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 200 300"><image width="200" height="300" '
         'xmlns:xlink="http://www.w3.org/1999/xlink" xlink:href="i/1.webp"/></svg>', ""),
        ("<div></div>", "<style>body{background-image:url('i/1.webp')}</style>"),
        ('<svg xmlns="http://www.w3.org/2000/svg" width="100%" height="100%" viewBox="0 0 200 300"><style>.r{fill:red}</style>'
         '<rect class="r" width="200" height="300"/></svg>', ""),
    ],
    ids=["img", "svg image", "background", "drawing"],
)  # fmt: skip
def test_a_fixed_page_that_is_a_picture(service: sb.TileService, body: str, head: str) -> None:
    files = {
        "O/a.xhtml": xhtml(body, viewport(200, 300) + head),
        "O/b.xhtml": xhtml('<img src="i/2.png"/>', viewport(400, 300)),
        "O/i/1.webp": saved(Image.new("RGB", (200, 300), "red"), "WEBP"),
        "O/i/2.png": saved(Image.new("RGB", (800, 600), "blue"), "PNG"),
    }
    spine = [("a.xhtml", XHTML, ""), ("b.xhtml", XHTML, "")]
    document = service.open(book(spine, files, head=PRE_PAGINATED, spine_attributes='page-progression-direction="rtl"'))
    assert [(page.width_pt, page.height_pt) for page in document.pages] == [(200, 300), (400, 300)]
    assert (document.direction, document.title) == ("rtl", "本")
    for page, colour in enumerate(((255, 0, 0), (0, 0, 255))):
        assert pixels(service, document, page, 100).reshape(-1, 3).mean(axis=0) == pytest.approx(colour, abs=6)


def test_a_fixed_page_of_text_is_one_page(service: sb.TileService) -> None:
    long = "".join(f"<p>Line number {number} of a page that is too short for it.</p>" for number in range(60))
    files = {"O/a.xhtml": xhtml(long, viewport(300, 200)), "O/b.xhtml": xhtml("<p>short</p>", viewport(500, 200))}
    document = service.open(book([("a.xhtml", XHTML, ""), ("b.xhtml", XHTML, "")], files, head=PRE_PAGINATED))
    assert [(page.width_pt, page.height_pt) for page in document.pages] == [(300, 200), (500, 200)]
    words = service.text(document, page=0)
    assert {"0", "59"} <= {word.text for word in words}, "nothing is cut off"
    assert all(0 <= word.x0_pt <= word.x1_pt <= 301 and 0 <= word.y0_pt <= word.y1_pt <= 201 for word in words)
    assert [word.text for word in service.text(document, page=1)] == ["short"]
    assert [bool(page.warnings) for page in service.inspect(document).pages] == [True, False]


def test_fixed_and_flowing_files_in_one_book(service: sb.TileService) -> None:
    files = {
        "O/a.xhtml": xhtml('<img src="1.png"/>', viewport(200, 300)),
        "O/b.xhtml": xhtml("<p>flowing text</p>" * 200),
        "O/c.svg": SVG.format('width="90" height="60"', '<rect width="90" height="60" fill="lime"/>').encode(),
        "O/1.png": saved(Image.new("RGB", (200, 300), "red"), "PNG"),
    }
    spine = [
        ("a.xhtml", XHTML, 'properties="rendition:layout-pre-paginated"'),
        ("b.xhtml", XHTML, ""),
        ("c.svg", "image/svg+xml", ""),
        ("1.png", "image/png", ""),
    ]
    document = service.open(book(spine, files, ncx=NCX))
    sizes = [(page.width_pt, page.height_pt) for page in document.pages]
    assert sizes[0] == (200, 300)
    assert sizes[-2:] == [(90, 60), (200, 300)]
    assert len(sizes) > 4
    assert pixels(service, document, len(sizes) - 2, 90).reshape(-1, 3).mean(axis=0) == pytest.approx((0, 255, 0), abs=2)
    assert "flowing" in {word.text for word in service.text(document, page=1)}
    assert [(item.title, item.page) for item in document.outline] == [("第一章", 0), ("節", 1)]


def test_a_fixed_page_that_is_missing_fails_alone(service: sb.TileService) -> None:
    files = {
        "O/b.xhtml": xhtml('<img src="1.png"/>', viewport(200, 300)),
        "O/1.png": saved(Image.new("RGB", (200, 300), "red"), "PNG"),
    }
    document = service.open(book([("a.xhtml", XHTML, ""), ("b.xhtml", XHTML, "")], files, head=PRE_PAGINATED))
    with pytest.raises(sb.RenderFailed, match="missing"):
        service.page_image(document, 0, width_px=100)
    assert pixels(service, document, 1, 100).reshape(-1, 3).mean(axis=0) == pytest.approx((255, 0, 0), abs=2)


def test_a_fixed_page_that_is_no_xml_is_read_as_the_engine_can(service: sb.TileService) -> None:
    head = '<meta name="viewport" content="width=200, height=300">'
    page = f'<html><head>{head}</head><body>Hello<br><img src="1.png"></body></html>'
    files = {"O/a.xhtml": page.encode(), "O/1.png": saved(Image.new("RGB", (100, 100), "red"), "PNG")}
    document = service.open(book([("a.xhtml", XHTML, "")], files, head=PRE_PAGINATED))
    assert [(page.width_pt, page.height_pt) for page in document.pages] == [(200, 300)]
    assert [word.text for word in service.text(document, page=0)] == ["Hello"]
    assert ((pixels(service, document, 0, 200) == (255, 0, 0)).all(axis=2)).mean() > 0.05


# ---- drawings


@pytest.mark.parametrize(
    ("attributes", "body"),
    [
        (SIZE, "<style>rect { fill : red }</style>" + WHOLE.format("")),
        (SIZE, "<style><![CDATA[ #a > .b.c, q{fill:#f00} .b{fill:blue} ]]></style>"
         "<g id='a'>" + WHOLE.format('class="b c"') + "</g>"),
        (SIZE, "<style>.a{fill:red!important}</style>" + WHOLE.format('class="a" style="fill:blue"')),
        (SIZE, "<style>@media print{.a{fill:blue}} @font-face{font-family:x} .a{fill:red}</style>" + WHOLE.format('class="a"')),
        ('viewBox="0 0 300 200" width="100%"', WHOLE.format('fill="red"')),
        ('viewBox="0 0 300 200"', WHOLE.format('fill="hsl(0,100%,50%)"')),
        (SIZE, '<g color="red">' + WHOLE.format('fill="currentColor"') + "</g>"),
        (SIZE, '<clipPath id="c"><rect width="300" height="200"/></clipPath>' + WHOLE.format('fill="red" clip-path="url(#c)"')),
        (SIZE, '<pattern id="p" width="9" height="9" patternUnits="userSpaceOnUse"><rect width="9" height="9" fill="red"/>'
         "</pattern>"
         + WHOLE.format('fill="url(#p)"')),
        (SIZE, '<mask id="m"><rect width="300" height="200" fill="white"/></mask>' + WHOLE.format('fill="red" mask="url(#m)"')),
        (SIZE, WHOLE.format('fill="red"') + WHOLE.format('fill="blue" display="none"')),
        (SIZE, WHOLE.format('fill="red"') + WHOLE.format('fill="blue" style="visibility:hidden"')),
        (SIZE, WHOLE.format('fill="blue"') + '<g visibility="hidden">' + WHOLE.format('fill="lime"')
         + WHOLE.format('fill="red" visibility="visible"') + "</g>"),
        (SIZE, '<symbol id="s" viewBox="0 0 3 2"><rect width="3" height="2" fill="red"/></symbol>'
         '<use href="#s" width="300" height="200"/>'),
        (SIZE, WHOLE.format('fill="blue"') + '<rect width="100%" height="60%" fill="red"/>'
         '<rect y="40%" width="100%" height="60%" fill="red"/>'),
    ],
    ids=["name", "selectors", "important", "media", "percent", "hsl", "currentColor", "clip", "pattern", "mask", "hidden",
         "invisible", "visible in invisible", "symbol", "shares"],
)  # fmt: skip
def test_a_drawing_is_drawn_as_it_says(service: sb.TileService, attributes: str, body: str) -> None:
    document = service.open(SVG.format(attributes, body).encode())
    assert (document.pages[0].width_pt, document.pages[0].height_pt) == (300, 200)
    seen = pixels(service, document, 0, 300)[4:-4, 4:-4].reshape(-1, 3).astype(int)
    assert np.abs(seen - RED).max() <= 2


def test_a_radial_gradient(service: sb.TileService) -> None:
    stops = '<stop offset="0" style="stop-color:#f00"/><stop offset="1" stop-color="#00f"/>'
    drawing = SVG.format(SIZE, f'<radialGradient id="g">{stops}</radialGradient>' + WHOLE.format('fill="url(#g)"'))
    seen = pixels(service, service.open(drawing.encode()), 0, 300).astype(int)
    assert seen[100, 150] == pytest.approx((255, 0, 0), abs=8)
    assert seen[2, 2] == pytest.approx((0, 0, 255), abs=8)


def test_hidden_text_of_a_drawing_is_not_found(service: sb.TileService) -> None:
    text = '<g visibility="hidden"><text y="40">secret</text><text y="80" visibility="visible">public</text></g>'
    document = service.open(SVG.format(SIZE, text).encode())
    assert [word.text for word in service.text(document, 0)] == ["public"]
    assert pixels(service, document, 0, 300).min() < 128


def test_text_of_a_drawing_stays_text(service: sb.TileService) -> None:
    style = "<style>text{font:bold 40px sans-serif;fill:#00f} .no{display:none}</style>"
    gradient = '<linearGradient id="g"><stop stop-color="#ff0"/><stop offset="1" stop-color="#fff"/></linearGradient>'
    text = '<text x="20" y="100">予算 Budget</text><text class="no" y="40">hidden</text>'
    document = service.open(SVG.format(SIZE, style + gradient + WHOLE.format('fill="url(#g)"') + text).encode())
    assert [word.text for word in service.text(document, page=0)] == ["予算", "Budget"]
    assert len(service.search(document, "予算")) == 1
    blue = (np.abs(pixels(service, document, 0, 600).astype(int) - (0, 0, 255)).max(axis=2) < 40).sum()
    assert blue > 600


def test_text_on_a_path_is_kept_and_what_nobody_draws_is_told(service: sb.TileService) -> None:
    path = '<path id="p" d="M10 100 H290" fill="none"/><text x="10" y="100"><textPath href="#p">Curved</textPath></text>'
    html = '<foreignObject width="9" height="9"><p xmlns="http://www.w3.org/1999/xhtml">HTML</p></foreignObject>'
    document = service.open(SVG.format(SIZE, path + html).encode())
    assert [word.text for word in service.text(document, page=0)] == ["Curved"]
    assert (pixels(service, document, 0, 300) < 100).any()
    assert any("foreignObject" in note for note in service.inspect(document).repaired)


@pytest.mark.parametrize(
    "pack",
    [
        gzip.compress,
        lambda data: b"<?xml version='1.0'?>\n<!-- " + b"x" * 9000 + b" -->\n" + data,
        lambda data: b'<!DOCTYPE svg PUBLIC "a" "b" [ <!ENTITY n "urn:x"> ]>\n<!-- ' + b"y" * 5000 + b"-->" + data,
        lambda data: data.decode().encode("utf-16"),
    ],
    ids=["svgz", "comment", "doctype", "utf-16"],
)
def test_a_drawing_is_known_by_its_root(service: sb.TileService, pack: object) -> None:
    assert callable(pack)
    document = service.open(pack(SVG.format(SIZE, WHOLE.format('fill="red"')).encode()))
    assert document.kind == "svg"
    assert (pixels(service, document, 0, 300)[5:-5, 5:-5] == RED).all()


def test_a_drawing_fetches_nothing(service: sb.TileService, tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(saved(Image.new("RGB", (30, 20), "blue"), "PNG"))
    gradient = '<linearGradient id="g"><stop stop-color="red"/></linearGradient>' + WHOLE.format('fill="url(#g)"')
    for reference in (f"file://{tmp_path}/secret.png", f"{tmp_path}/secret.png", "http://127.0.0.1:9/x.png", "secret.png"):
        image = f'<image width="300" height="200" xlink:href="{reference}"/>'
        path = tmp_path / "drawing.svg"
        path.write_text(SVG.format(SIZE, gradient + image))
        document = service.open(path)
        assert (pixels(service, document, 0, 300)[5:-5, 5:-5] == RED).all()
        assert any(reference in note for note in service.inspect(document).repaired), "what is left out is told"


def test_hostile_drawings_fail_alone(service: sb.TileService) -> None:
    gradient = '<linearGradient id="g"><stop stop-color="red"/></linearGradient>'
    uses = "".join(f'<g id="a{n}">' + f'<use href="#a{n - 1}"/>' * 12 + "</g>" for n in range(1, 9))
    hostile = [
        SVG.format('width="1e9" height="1e9"', gradient + WHOLE.format('fill="url(#g)"')),
        SVG.format(SIZE, gradient + '<g id="a0"><rect fill="url(#g)" width="1" height="1"/></g>' + uses),
        SVG.format(SIZE, gradient + '<g id="a"><use href="#a"/><rect fill="url(#g)" width="9" height="9"/></g>'),
        SVG.format(SIZE, "<style>" + "a " * 20_000 + "{fill:red}</style>" + "<a>" * 200 + "</a>" * 200),
        SVG.format(SIZE, "<g>" * 5000 + "</g>" * 5000),
    ]
    for drawing in hostile:
        with suppress(sb.SidebooksError):  # either is right, an error of ours or a drawing: what counts is that it ends
            service.page_image(service.open(drawing.encode()), 0, width_px=100)
    assert (pixels(service, service.open(plain("red")), 0, 40) == RED).all()
    bomb = gzip.compress(b"<svg xmlns='http://www.w3.org/2000/svg'>" + bytes(50 << 20))
    with sb.TileService(sb.Settings(cache_dir=None, member_bytes=1 << 20)) as strict, pytest.raises(sb.DocumentTooLarge):
        strict.open(bomb)
