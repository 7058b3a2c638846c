"""A page looks the same whatever its worker has read before it."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from pdf_parts import stream, write_pdf

import sidebooks_core as sb
from sidebooks_core.documents.limits import Limits
from sidebooks_core.documents.source import Source
from sidebooks_core.engine.drawing import draw
from sidebooks_core.engine.mupdf import mupdf, raw_pdf
from sidebooks_core.engine.opening import OpenDocument, open_document
from sidebooks_core.engine.pdf import faults as page_faults
from sidebooks_core.engine.pdf import glyph_boxes

_CONTAINER = '<container><rootfiles><rootfile full-path="p.opf"/></rootfiles></container>'
_PACKAGE = (
    '<package xmlns="http://www.idpf.org/2007/opf" version="3.0"><metadata/><manifest>'
    '<item id="a" href="a.xhtml" media-type="application/xhtml+xml"/></manifest><spine><itemref idref="a"/></spine></package>'
)


def book(path: Path, body: str) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mimetype", "application/epub+zip")
        archive.writestr("META-INF/container.xml", _CONTAINER)
        archive.writestr("p.opf", _PACKAGE)
        archive.writestr("a.xhtml", f'<html xmlns="http://www.w3.org/1999/xhtml"><body>{body}</body></html>')
    return path


def drawn(folder: Path, *paths: Path) -> bytes:
    """The first page of the last, by one worker that has drawn those before it."""
    with sb.TileService(sb.Settings(cache_dir=folder, workers=1)) as service:
        return [service.page_image(service.open(path), 0, width_px=400).data for path in paths][-1]


def test_a_book_looks_the_same_after_another_whose_first_characters_are_bold_or_slanted(tmp_path: Path) -> None:
    plain = book(tmp_path / "plain.epub", "<p>本文です。カナ、안녕。</p>")
    alone = drawn(tmp_path / "1", plain)
    for number, tags in enumerate(("<h1>{}</h1>", "<p><i>{}</i></p>", "<p><b><i>{}</i></b></p>"), 2):
        other = book(tmp_path / f"{number}.epub", tags.format("第一章 かな、カナ、안녕"))
        assert drawn(tmp_path / f"{number}", other, plain) == alone


HUGE = b"/Subtype/Type3/FontMatrix[0.001 0 0 0.001 0 0]/FontBBox[0 0 40000 40000]/FirstChar 97/LastChar 97/Widths[800]"
GLYPH = stream(b"800 0 0 0 750 750 d1 0 0 700 700 re f")
FORM = b"/Type/XObject/Subtype/Form/BBox[0 0 200 100]/Resources"


def opened(path: Path) -> OpenDocument:
    return open_document(Source(path.read_bytes()), password=None, name=path.name, limits=Limits())


def faults_of(document: OpenDocument, page: int) -> page_faults.Faults:
    return page_faults.faults_of(document.handle, mupdf.ll_pdf_lookup_page_obj(raw_pdf(document.handle), page))


def test_a_font_that_leads_back_to_itself_has_its_box_taken_on_every_page(tmp_path: Path) -> None:
    path = write_pdf(
        tmp_path / "round.pdf",
        [
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 100]/Resources<</Font<</T 5 0 R>>>>/Contents 8 0 R>>",
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 100]/Resources<</XObject<</X 7 0 R>>>>/Contents 9 0 R>>",
            b"<<" + HUGE + b"/Encoding<</Differences[97/a]>>/CharProcs<</a 6 0 R>>/Resources<</XObject<</X 7 0 R>>>> >>",
            GLYPH,
            stream(b"BT /T 20 Tf 20 40 Td (aaa) Tj ET", FORM + b"<</Font<</T 5 0 R>>>>"),
            b"<</Length 0>>stream\n\nendstream",
            stream(b"/X Do"),
        ],
    )
    path.write_bytes(path.read_bytes().replace(b"Kids[3 0 R]/Count 1", b"Kids[3 0 R 4 0 R]/Count 2"))
    document = opened(path)
    boxes = []
    for page in (0, 1):
        with glyph_boxes.opened(document.handle, faults_of(document, page).large_fonts):
            boxes.append(document.handle.xref_get_key(5, "FontBBox")[1])
    document.close()
    assert boxes == ["[0 0 0 0]"] * 2


def test_resources_that_pages_share_are_looked_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 100]/Resources 5 0 R/Contents 8 0 R%s>>"
    note = b"/Annots[<</Subtype/Stamp/Rect[0 0 9 9]/AP<</N 9 0 R>>>>]"
    path = write_pdf(
        tmp_path / "shared.pdf",
        [
            page % b"",
            page % note,
            b"<</Font<</T 6 0 R>>>>",
            b"<<" + HUGE + b"/Encoding<</Differences[97/a]>>/CharProcs<</a 7 0 R>>>>",
            GLYPH,
            stream(b"BT /T 20 Tf 20 40 Td (aaa) Tj ET"),
            stream(b"BT /U 5 Tf (a) Tj ET", FORM + b"<</Font<</U 10 0 R>>>>"),
            b"<<" + HUGE + b"/Encoding<</Differences[97/a]>>/CharProcs<</a 7 0 R>>>>",
        ],
    )
    path.write_bytes(path.read_bytes().replace(b"Kids[3 0 R]/Count 1", b"Kids[3 0 R 4 0 R]/Count 2"))
    document = opened(path)

    def large_fonts(index: int) -> tuple[int, ...]:
        return tuple(mupdf.pdf_to_num(font) for font in faults_of(document, index).large_fonts)

    read, to_matrix = [], mupdf.ll_pdf_to_matrix  # which a font is asked for
    monkeypatch.setattr(mupdf, "ll_pdf_to_matrix", lambda value: read.append(value) or to_matrix(value))
    for index, fonts, most in ((0, (6,), 1), (0, (6,), 1), (1, (6, 10), 2)):
        assert large_fonts(index) == fonts
        assert len(read) == most
    page_faults.forget(document.handle)  # as after the mending of an object
    assert large_fonts(0) == (6,)
    assert len(read) == 3
    document.close()


def test_forms_that_name_each_other_in_a_long_row_cost_nobody_the_page(tmp_path: Path) -> None:
    levels = 1500
    forms = [stream(b"0 0 20 20 re f", FORM + b"<</XObject<</X %d 0 R>>>>" % (number + 1)) for number in range(5, 5 + levels)]
    path = write_pdf(
        tmp_path / "deep.pdf",
        [
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 100]/Resources<</XObject<</X 5 0 R>>>>/Contents 4 0 R>>",
            stream(b"0 50 200 20 re f /X Do"),
            *forms,
        ],
    )
    document = opened(path)
    assert draw(document.display_list(0), 1.0, (0, 0, 200, 100), grey=True).min() < 64
    document.close()


def test_a_large_document_without_annotations_is_not_searched_for_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    searched = []
    monkeypatch.setattr(Source, "holds", lambda *_: searched.append(True))
    page = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 100]%s>>"
    filling = b"<</Length 5000000>>stream\n" + b"0" * 5_000_000 + b"\nendstream"
    pin = b"/Annots[<</Subtype/FileAttachment/FS<</UF(a.txt)/EF<</F 5 0 R>>>> >>]"
    for entries, names in ((b"", []), (pin, ["a.txt"])):
        document = opened(write_pdf(tmp_path / "large.pdf", [page % entries, filling, stream(b"text")]))
        assert [one.name for one in document.info.attachments] == names
        document.close()
    assert not searched
    document = opened(write_pdf(tmp_path / "small.pdf", [page % b"/Annots[<</Subtype/Text>>]"]))
    assert document.info.attachments == ()
    document.close()
    assert searched
