"""An edit changes the ids of the pages that it shows on, of all of those, and of no other."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import pymupdf
import pytest
from identity_documents import book, drawn, image, number, one_page, pdf, stream

import sidebooks_core as sb
from sidebooks_core.engine.identity.pages import PageIdentifier

PAGES = 5
EDITED = 3


@cache
def book_bytes() -> bytes:
    return book(PAGES)


def opened(data: bytes) -> pymupdf.Document:
    return pymupdf.open("pdf", data)


def content_ids(document: pymupdf.Document, document_digest: str = "digest") -> list[str]:
    identifier = PageIdentifier(document, document_digest, "pdf")
    return [identifier.content_id(index) for index in range(document.page_count)]


def changed(before: list[str], after: list[str]) -> list[int]:
    return [index for index, (old, new) in enumerate(zip(before, after, strict=True)) if old != new]


Edit = Callable[[pymupdf.Document], object]


def set_key(slot: str, key: str, value: str) -> Edit:
    return lambda document: document.xref_set_key(number(EDITED, slot), key, value)


def set_stream(slot: str, data: bytes) -> Edit:
    return lambda document: document.update_stream(number(EDITED, slot), data)


def set_object(slot: str, text: str) -> Edit:
    return lambda document: document.update_object(number(EDITED, slot), text)


VISIBLE: dict[str, Edit] = {
    "content": set_stream("content", b"0 1 1 rg 0 0 50 50 re f"),
    "image": set_stream("image", bytes(range(0, 240, 20))),
    "image's soft mask": set_stream("image_mask", bytes([0, 255, 0, 255])),
    "image's size": set_key("image", "Width", "1"),
    "image's interpretation": set_key("image", "Decode", "[1 0 1 0 1 0]"),
    "font file": set_stream("font_file", bytes(pymupdf.Font("tiro").buffer)),
    "font's widths": set_key("font", "Widths", "[300 300]"),
    "font's encoding": set_key("font", "Encoding", "<</Differences[65/B/A]>>"),
    "line width of a graphics state": set_key("state", "LW", "8"),
    "opacity of a graphics state": set_key("state", "ca", "0.2"),
    "blend mode of a graphics state": set_key("state", "BM", "/Difference"),
    "colour table": set_stream("lookup", bytes([0, 0, 0, 255, 0, 255])),
    "pattern": set_stream("pattern", b"2 0 0 4 0 0 cm /A Do"),
    "pattern's step": set_key("pattern", "XStep", "9"),
    "pattern's image": set_stream("pattern_image", bytes(range(12))),
    "shading": set_key("shading", "Coords", "[20 0 30 0]"),
    "shading's function": set_key("function", "C0", "[0 1 0]"),
    "form": set_stream("form", b"1 0 0 1 9 2 cm /Inner Do"),
    "form's matrix": set_key("form", "Matrix", "[2 0 0 1 0 0]"),
    "image in a form in a form": set_stream("inner_image", bytes(range(12))),
    "Type 3 glyph": set_stream("glyph", b"1000 0 0 0 1000 1000 d1 0 0 300 700 re f"),
    "Type 3 font's matrix": set_key("type3", "FontMatrix", "[0.0005 0 0 0.001 0 0]"),
    "soft mask's kind": set_key("mask_state", "SMask/S", "/Alpha"),
    "image in a soft mask": set_stream("mask_image", bytes([0, 255, 0, 255])),
    "layer switched off": lambda d: d.xref_set_key(1, "OCProperties/D/OFF", f"[{number(EDITED, 'group')} 0 R]"),
    "layer's usage": set_key("group", "Usage", "<</View<</ViewState/OFF>>>>"),
    "annotation's appearance": set_stream("appearance", b"0 0 1 rg 2 2 10 10 re f"),
    "annotation's place": set_key("annotation", "Rect", "[70 50 90 65]"),
    "annotation hidden": set_key("annotation", "F", "2"),
    "colour of an annotation without an appearance": set_key("drawn_annotation", "C", "[0 1 0]"),
    "field's inherited value": set_key("field_parent", "V", "(two)"),
    "annotations": set_key("page", "Annots", "[]"),
    "rotation": set_key("page", "Rotate", "90"),
    "crop box": set_key("page", "CropBox", "[0 0 90 100]"),
    "media box": set_key("page", "MediaBox", "[0 0 90 100]"),
    "user unit": set_key("page", "UserUnit", "2"),
}


@pytest.mark.parametrize("edit", VISIBLE.values(), ids=VISIBLE)
def test_an_edit_of_what_one_page_uses_changes_that_page_alone(edit: Edit) -> None:
    document, edited = opened(book_bytes()), opened(book_bytes())
    edit(edited)
    edited = opened(edited.tobytes())
    assert drawn(edited, EDITED, 2) != drawn(document, EDITED, 2), "the edit does not show: the test is void"
    assert changed(content_ids(document), content_ids(edited)) == [EDITED]


ALL_PAGES: dict[str, Edit] = {
    "default colour space": lambda d: d.update_object(5, "[/CalRGB<</WhitePoint[0.9505 1 1.089]/Gamma[1 1 1]>>]"),
    "default appearance of fields": lambda d: d.xref_set_key(4, "DA", "(/Helv 4 Tf 1 0 0 rg)"),
    "inherited rotation": lambda d: d.xref_set_key(2, "Rotate", "180"),
    "base state of layers": lambda d: d.xref_set_key(1, "OCProperties/D/BaseState", "/OFF"),
}


@pytest.mark.parametrize("edit", ALL_PAGES.values(), ids=ALL_PAGES)
def test_an_edit_of_what_all_pages_use_changes_all(edit: Edit) -> None:
    document, edited = opened(book_bytes()), opened(book_bytes())
    edit(edited)
    edited = opened(edited.tobytes())
    shows = [drawn(edited, index, 2) != drawn(document, index, 2) for index in range(PAGES)]
    assert any(shows), "the edit does not show: the test is void"
    assert changed(content_ids(document), content_ids(edited)) == list(range(PAGES))


UNSEEN: dict[str, Edit] = {
    "an image that no content names": lambda d: d.update_stream(6, bytes(12)),
    "one more image in the shared resources": lambda d: d.xref_set_key(3, "XObject/More", "6 0 R"),
    "producer and dates": lambda d: d.set_metadata({"producer": "other", "creationDate": "D:2031", "title": "t"}),
    "page's own date and private data": lambda d: (
        set_key("page", "LastModified", "(D:2031)")(d),
        set_key("page", "PieceInfo", "<</Other<</LastModified(D:2031)>>>>")(d),
        set_key("page", "StructParents", "7")(d),
        set_key("page", "Tabs", "/S")(d),
    ),
    "image's metadata": set_key("image", "Metadata", "6 0 R"),
    "annotation's date and name": lambda d: (
        set_key("annotation", "M", "(D:2031)")(d),
        set_key("annotation", "NM", "(name)")(d),
        set_key("annotation", "P", "2 0 R")(d),
    ),
    "link": lambda d: d[EDITED].insert_link({"kind": pymupdf.LINK_URI, "from": pymupdf.Rect(0, 0, 50, 50), "uri": "x:y"}),
    "outline": lambda d: d.set_toc([[1, "one", 1], [2, "two", 2]]),
    "page labels": lambda d: d.set_page_labels([{"startpage": 0, "style": "r"}]),
    "layer's name": set_key("group", "Name", "(renamed)"),
    "attachment": lambda d: d.embfile_add("note", b"text"),
}


@pytest.mark.parametrize("edit", UNSEEN.values(), ids=UNSEEN)
def test_an_edit_that_does_not_show_changes_none(edit: Edit) -> None:
    document, edited = opened(book_bytes()), opened(book_bytes())
    edit(edited)
    edited = opened(edited.tobytes())
    assert [drawn(edited, index) for index in range(PAGES)] == [drawn(document, index) for index in range(PAGES)]
    assert changed(content_ids(document), content_ids(edited)) == []


REWRITTEN: dict[str, dict[str, object]] = {
    "compressed and cleaned": {"garbage": 4, "deflate": True, "deflate_images": True, "deflate_fonts": True},
    "renumbered": {"garbage": 3},
    "object streams": {"use_objstms": 1, "garbage": 1},
    "expanded": {"expand": 255, "pretty": True, "ascii": True},
    "encrypted": {"encryption": pymupdf.PDF_ENCRYPT_AES_256, "owner_pw": "o", "user_pw": ""},
}


@pytest.mark.parametrize("options", REWRITTEN.values(), ids=REWRITTEN)
def test_writing_the_file_anew_changes_none(options: dict[str, object]) -> None:
    document = opened(book_bytes())
    assert content_ids(opened(opened(book_bytes()).tobytes(**options)), "other") == content_ids(document)


def test_another_arrangement_of_the_same_objects_changes_none() -> None:
    """Other numbers and order of keys, inherited or not, in line or apart, compressed or not."""
    more = {9: image(50), 8: b"[0 0 100 100]"}
    one = one_page(b"q 50 0 0 50 0 0 cm /Im Do Q", "/XObject<</Im 9 0 R>>/ProcSet[/PDF]", "/MediaBox 8 0 R", more)
    pixels = bytes((50 * k) % 256 for k in range(1, 13))
    other = pdf(
        {
            7: b"<</Pages 5 0 R/Type/Catalog>>",
            5: b"<</MediaBox[0 0 100 100]/Count 1/Type/Pages/Kids[2 0 R]/Resources 6 0 R>>",
            2: b"<</Contents 3 0 R/Parent 5 0 R/Type/Page>>",
            3: stream("", b"q 50 0 0 50 0 0 cm /Im Do Q", deflate=True),
            6: b"<</XObject 4 0 R>>",
            4: b"<</#49m 12 0 R>>",
            12: stream(
                "/BitsPerComponent 8/Height 10 0 R/Width 2/ColorSpace 1 0 R/Subtype/Image/Type/XObject", pixels, deflate=True
            ),
            1: b"/DeviceRGB",
            10: b"2",
        },
        root=7,
    )
    assert drawn(opened(one), 0) == drawn(opened(other), 0)
    assert content_ids(opened(one)) == content_ids(opened(other))


def test_replacing_one_page_of_300_changes_one_id() -> None:
    contents = [f"BT /F 20 Tf 10 50 Td (page {index}) Tj ET" for index in range(300)]

    kids = " ".join(f"{10 + 2 * index} 0 R" for index in range(300))

    def document(texts: list[str]) -> bytes:
        objects = {
            1: b"<</Type/Catalog/Pages 2 0 R>>",
            2: f"<</Type/Pages/Count 300/MediaBox[0 0 100 100]/Resources 3 0 R/Kids[{kids}]>>".encode(),
            3: b"<</Font<</F<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>>>>>",
        }
        for index, text in enumerate(texts):
            objects[10 + 2 * index] = f"<</Type/Page/Parent 2 0 R/Contents {11 + 2 * index} 0 R>>".encode()
            objects[11 + 2 * index] = stream("", text.encode())
        return pdf(objects)

    before = content_ids(opened(document(contents)))
    assert len(set(before)) == 300
    contents[123] = "BT /F 20 Tf 10 50 Td (replaced) Tj ET"
    assert changed(before, content_ids(opened(document(contents)))) == [123]

    other = opened(document(contents))
    other.delete_page(5)
    other.insert_pdf(opened(book_bytes()), from_page=0, to_page=0, start_at=5)
    assert changed(before, content_ids(opened(other.tobytes(garbage=4)))) == [5, 123]


def test_pages_keep_their_ids_when_others_come_and_go() -> None:
    before = content_ids(opened(book_bytes()))
    document = opened(book_bytes())
    document.new_page(0)
    document.new_page(-1)
    assert content_ids(opened(document.tobytes(garbage=3)))[1:-1] == before
    document = opened(book_bytes())
    document.delete_page(1)
    document.move_page(3, 0)
    assert content_ids(opened(document.tobytes(garbage=3))) == [before[4], before[0], before[2], before[3]]


def test_ids_do_not_depend_on_the_order_of_asking_nor_on_drawing_first() -> None:
    before = content_ids(opened(book_bytes()))
    document = opened(book_bytes())
    identifier = PageIdentifier(document, "digest", "pdf")
    assert [identifier.content_id(index) for index in reversed(range(PAGES))][::-1] == before
    document = opened(book_bytes())
    for index in range(PAGES):
        drawn(document, index)
    assert content_ids(document) == before


def test_the_id_of_a_page_with_empty_streams_does_not_depend_on_what_was_drawn() -> None:
    empty = b"<</Type/XObject/Subtype/Form/BBox[0 0 9 9]/Filter%s/Length 0>>stream\n\nendstream"
    page = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 90 90]/Contents[4 0 R 7 0 R]/Resources<</XObject<</A 5 0 R/B 6 0 R>>>>>>"
    bodies = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        page,
        b"<</Filter/FlateDecode/Length 0>>stream\n\nendstream",
        empty % b"/FlateDecode",
        empty % b"/DCTDecode",
        b"<</Length 36>>stream\n/A Do /B Do 0 0 50 50 re f          \nendstream",
    ]
    out, offsets = b"%PDF-1.7\n", []
    for place, body in enumerate(bodies, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (place, body)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    out += b"xref\n0 8\n0000000000 65535 f \n%strailer<</Size 8/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (table, len(out))
    with sb.TileService(sb.Settings(cache_dir=None, workers=1)) as service:
        before = service.open(out).content_id(0)
    with sb.TileService(sb.Settings(cache_dir=None, workers=1)) as service:
        document = service.open(out)
        assert document[0].image(width_px=90).problems == ()
        assert document.content_id(0) == before


def test_the_form_of_an_id() -> None:
    for content_id in content_ids(opened(book_bytes())):
        assert len(content_id) == 32
        assert set(content_id) <= set("0123456789abcdef")


@pytest.mark.parametrize("kind", ["png", "svg"])
def test_a_page_of_another_kind_is_its_documents(kind: str) -> None:
    if kind == "png":
        data = pymupdf.Pixmap(pymupdf.csRGB, pymupdf.IRect(0, 0, 9, 9), False).tobytes("png")
    else:
        data = b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="5" height="5"/></svg>'
    ids = {
        PageIdentifier(pymupdf.open(kind, data), digest, kind).content_id(index) for digest in ("a", "b") for index in (0, 1)
    }
    assert len(ids) == 4


def test_an_encrypted_document_has_its_pages_ids_once_unlocked() -> None:
    data = opened(book_bytes()).tobytes(encryption=pymupdf.PDF_ENCRYPT_AES_128, owner_pw="o", user_pw="u")
    locked = opened(data)
    assert PageIdentifier(locked, "digest", "pdf").content_id(0) != content_ids(opened(book_bytes()))[0]
    assert locked.authenticate("u")
    assert content_ids(locked) == content_ids(opened(book_bytes()))


def test_two_numbers_that_the_engine_tells_apart() -> None:
    """The engine prints 1 and 1.0 alike, but takes only one of them for a line cap."""
    content = b"20 w /G gs 30 50 m 70 50 l S"
    as_integer = opened(one_page(content, "/ExtGState<</G<</LC 1>>>>"))
    as_real = opened(one_page(content, "/ExtGState<</G<</LC 1.0>>>>"))
    assert drawn(as_integer, 0) != drawn(as_real, 0)
    assert content_ids(as_integer) != content_ids(as_real)


def test_an_output_intent_is_drawn_with() -> None:
    plain = opened(one_page(b"1 0 0 0 k 0 0 50 50 re f", more={9: stream("/N 4", b"a profile")}))
    ids = content_ids(plain)
    plain.xref_set_key(1, "OutputIntents", "[<</S/GTS_PDFX/DestOutputProfile 9 0 R>>]")
    assert content_ids(plain) != ids
