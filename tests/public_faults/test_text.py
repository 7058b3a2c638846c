"""Text that is drawn or said more than once, and searching page by page."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence

import pikepdf
import pymupdf
import pytest
from text_pages import Placed, page_of

from sidebooks_core import Settings, TileService


@pytest.fixture(scope="module")
def service() -> Iterator[TileService]:
    with TileService(Settings(cache_dir=None, workers=1)) as running:
        yield running


# Drawn more than once


@pytest.mark.parametrize("shifts", [[(0.4, 0)], [(0, 0)], [(0.3, 0.3), (0.6, 0)], [(0.5, 0), (0, 0.5), (0.5, 0.5)], [(1, 1)]])
@pytest.mark.parametrize("by", ["line", "character"])
@pytest.mark.parametrize("vertical", [False, True])
def test_text_that_is_drawn_again_in_its_place_counts_once(
    service: TileService, shifts: Sequence[tuple[float, float]], by: str, vertical: bool
) -> None:
    text, size = "会議録署名議員会議", 16
    units = [(text, 0)] if by == "line" else [(character, size * place) for place, character in enumerate(text)]
    placed: list[Placed] = []
    for unit, along in units:
        for dx, dy in [(0.0, 0.0), *shifts]:
            placed.append((unit, 60 + dx + (0 if vertical else along), 60 + dy + (along if vertical else 0), size))
    document = service.open(page_of(placed, vertical=vertical))
    assert [word.text for word in service.text(document, 0)] == [text]
    assert len(service.search(document, "会議")) == 2
    assert len(service.search(document, "署名")) == 1


@pytest.mark.parametrize("by", ["line", "character"])
def test_latin_text_that_is_drawn_again_counts_once(service: TileService, by: str) -> None:
    with pymupdf.Document() as made:
        page = made.new_page()
        at = 50.0
        for unit in ("annual budget",) if by == "line" else "annual budget":
            for shift in (0, 0.3):
                page.insert_text((at + shift, 100), unit, fontsize=12, fontname="helv")
            at += pymupdf.get_text_length(unit, "helv", 12)
        document = service.open(made.tobytes())
    assert [word.text for word in service.text(document, 0)] == ["annual", "budget"]
    assert len(service.search(document, "annual budget")) == 1


def test_what_is_written_twice_stays(service: TileService) -> None:
    with pymupdf.Document() as made:
        page = made.new_page()
        page.insert_text((50, 100), "2025 2025 illllll iiii 1111 ..... bookkeeper", fontsize=11)
        for row in range(4):
            page.insert_text((50, 130 + 6 * row), "00", fontsize=5)
            page.insert_text((62, 130 + 6 * row), "00", fontsize=5)
        document = service.open(made.tobytes())
    text = [word.text for word in service.text(document, 0)]
    assert text == ["2025", "2025", "illllll", "iiii", "1111", ".....", "bookkeeper", *["00"] * 8]
    assert len(service.search(document, "2025")) == 2
    assert len(service.search(document, "00")) == 8
    document = service.open(page_of([("人人人々ささ", 30, 100, 12), ("人人", 30, 113, 12)]))
    assert [word.text for word in service.text(document, 0)] == ["人人人々ささ", "人人"]


# ActualText


def tagged(pieces: Sequence[str], actual: str, *, level: int = 0, in_form: bool = False) -> bytes:
    """A page whose pieces are the marked contents of one element that says what their text is."""
    pdf = pikepdf.new()
    page = pdf.add_blank_page(page_size=(300, 400))
    font = pikepdf.Dictionary(Type=pikepdf.Name.Font, Subtype=pikepdf.Name.Type1, BaseFont=pikepdf.Name.Helvetica)
    content = "BT /F 18 Tf 40 340 Td "
    for number, piece in enumerate(pieces):
        content += f"/Span <</MCID {number}>> BDC ({piece}) Tj EMC 0 -30 Td "
    resources = pikepdf.Dictionary(Font=pikepdf.Dictionary(F=font))
    stream = pdf.make_stream((content + "ET").encode())
    root = pdf.make_indirect(pikepdf.Dictionary(Type=pikepdf.Name.StructTreeRoot))
    speaks = pdf.make_indirect(pikepdf.Dictionary(Type=pikepdf.Name.StructElem, S=pikepdf.Name.P, P=root, Pg=page.obj))
    speaks.ActualText = pikepdf.String(actual)
    element = speaks
    for _ in range(level):
        child = pdf.make_indirect(pikepdf.Dictionary(Type=pikepdf.Name.StructElem, S=pikepdf.Name.Span, P=element, Pg=page.obj))
        element.K = pikepdf.Array([child])
        element = child
    element.K = pikepdf.Array(range(len(pieces)))
    root.K = pikepdf.Array([speaks])
    root.ParentTree = pdf.make_indirect(pikepdf.Dictionary(Nums=[0, pikepdf.Array([element] * len(pieces))]))
    pdf.Root.StructTreeRoot = root
    pdf.Root.MarkInfo = pikepdf.Dictionary(Marked=True)
    if in_form:
        stream.Type, stream.Subtype = pikepdf.Name.XObject, pikepdf.Name.Form
        stream.BBox, stream.Resources, stream.StructParents = [0, 0, 300, 400], resources, 0
        page.Resources = pikepdf.Dictionary(XObject=pikepdf.Dictionary(X=stream))
        page.Contents = pdf.make_stream(b"/X Do")
    else:
        page.Resources, page.Contents, page.obj.StructParents = resources, stream, 0
    out = io.BytesIO()
    pdf.save(out)
    return out.getvalue()


@pytest.mark.parametrize("level", [0, 1])
@pytest.mark.parametrize("in_form", [False, True])
def test_the_text_of_an_element_with_several_contents_is_read_once(service: TileService, level: int, in_form: bool) -> None:
    pieces = ["The annual", "budget of the", "town"]
    document = service.open(tagged(pieces, "The annual budget of the town", level=level, in_form=in_form))
    assert " ".join(word.text for word in service.text(document, 0)) == "The annual budget of the town"
    assert len(service.search(document, "budget")) == 1
    assert len(service.search(document, "annual budget of the town")) == 1


def test_the_text_of_an_element_with_one_content_is_heeded(service: TileService) -> None:
    document = service.open(tagged(["xx"], "budget"))
    assert len(service.search(document, "budget")) == 1


# By way of the whole


def test_the_second_query_reads_only_the_pages_that_have_it(service: TileService) -> None:
    with pymupdf.Document() as made:
        for number in range(30):
            made.new_page().insert_text((50, 100), f"page {number} of the budget" + (" closing" if number == 17 else ""))
        document = service.open(made.tobytes())
    assert len(service.search(document, "budget")) == 30
    assert [hit.page for hit in service.search(document, "closing")] == [17]
    assert [hit.page for hit in service.search(document, "ＣＬＯＳＩＮＧ")] == [17]
    assert service.search(document, "nowhere") == []


def test_old_forms_are_asked_for(service: TileService) -> None:
    document = service.open(page_of([("國會議員の髙橋", 30, 100, 14)]))
    assert service.search(document, "国会") == []
    assert len(service.search(document, "国会", old_forms=True)) == 1
    assert len(service.search(document, "国会", old_forms=True)) == 1, "from what is kept, too"
