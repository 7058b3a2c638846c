"""Marks become annotations of a PDF, or part of its pages: programs of others show them where they are, and they come back."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pymupdf
import pypdfium2
import pytest
from marked_pages import AT_MS, BODIES, BOXES, PROGRAMS, ROTATIONS, STRUCK, marks, misplaced, page, places
from PIL import Image
from test_documents import epub

import sidebooks_core as sb
from sidebooks_core.documents.document import Document
from sidebooks_core.errors import PageNotFound, RequestError
from sidebooks_core.marks import Ink, Mark, Note, PlacedMark, StampText
from sidebooks_core.marks import files as mark_files
from sidebooks_core.marks.annotations import FileMarks
from sidebooks_core.marks.files import annotations_in, export_marks
from sidebooks_core.marks.replacing import MarksToWrite
from sidebooks_core.shelf import Shelf

NAMES = {"anna": "山田 花子"}


@pytest.fixture(scope="module")
def service() -> Iterator[sb.TileService]:
    with sb.TileService(sb.Settings(workers=1)) as running:
        yield running


def exported(
    service: sb.TileService, document: Document, given: list[Mark], *, flattened: bool = False, imported: bool = False
) -> bytes:
    placed = [PlacedMark(one, "exact", one.anchor.page) for one in given]
    ids = frozenset(one.id for one in given if imported)
    told = MarksToWrite(placed, NAMES, imported=ids)
    made = export_marks(service.parts.questions, document, told, flattened=flattened)
    data = b"".join(made.pieces())
    assert len(data) == made.size_bytes
    return data


def read_back(service: sb.TileService, data: bytes) -> list[Mark]:
    document = service.open(data)
    found = [one for some, _ in annotations_in(service.parts.questions, document) for one in some]
    return FileMarks(1, "paper anna").of(found, {one.page: document.content_id(one.page) for one in found})


@pytest.mark.skipif(shutil.which("pdftoppm") is None, reason="needs poppler")
@pytest.mark.parametrize("flattened", [False, True], ids=["annotations", "flattened"])
@pytest.mark.parametrize("box", BOXES)
@pytest.mark.parametrize("rotation", ROTATIONS)
def test_three_programs_show_marks_where_they_are(service: sb.TileService, rotation: int, box: str, flattened: bool) -> None:
    document = service.open(page(rotation, box))
    data = exported(service, document, marks("anna"), flattened=flattened)
    wanted = places(document.pages[0].width_pt)
    assert {name: misplaced(show(data), wanted) for name, show in PROGRAMS.items()} == {name: {} for name in PROGRAMS}


@pytest.mark.parametrize("flattened", [False, True], ids=["annotations", "flattened"])
@pytest.mark.parametrize("rotation", [0, 270])
def test_a_page_with_a_unit_of_its_own_shows_marks_in_place(service: sb.TileService, rotation: int, flattened: bool) -> None:
    with pymupdf.open(stream=page(rotation, "cropped"), filetype="pdf") as document:
        document.xref_set_key(document[0].xref, "UserUnit", "2")
        opened = service.open(document.tobytes())
    data = exported(service, opened, marks(), flattened=flattened)
    assert misplaced(PROGRAMS["mupdf"](data), places(opened.pages[0].width_pt)) == {}


def test_the_width_of_a_line_is_in_units_of_the_page(service: sb.TileService) -> None:
    with pymupdf.open(stream=page(), filetype="pdf") as document:
        document.xref_set_key(document[0].xref, "UserUnit", "2")
        opened = service.open(document.tobytes())
    data = exported(service, opened, marks(bodies=(Ink(((10, 10, 0.5), (90, 90, 0.5)), 6, "#ff0000"),)))
    with pymupdf.open(stream=data, filetype="pdf") as written:
        (number,) = (one.xref for one in written[0].annots())
        assert written.xref_get_key(number, "BS/W") == ("int", "3")
    (found,) = read_back(service, data)
    assert isinstance(found.body, Ink)
    assert found.body.width_pt == 6


def test_a_mark_in_another_place_would_be_seen(service: sb.TileService) -> None:
    document = service.open(page(90, "cropped"))
    data = exported(service, document, marks("anna"))
    wanted = places(document.pages[0].width_pt)
    wanted["#ff8000"] = tuple(one + 2 for one in wanted["#ff8000"])  # type: ignore[assignment]
    assert list(misplaced(PROGRAMS["pdfium"](data), wanted)) == ["#ff8000"]


@pytest.mark.parametrize("box", BOXES)
@pytest.mark.parametrize("rotation", ROTATIONS)
def test_marks_come_back_with_their_ids_and_places(service: sb.TileService, rotation: int, box: str) -> None:
    given = marks("anna")
    found = read_back(service, exported(service, service.open(page(rotation, box)), given))
    assert [one.id for one in found] == [one.id for one in given]
    assert all(one.is_of_file for one in found)
    for one, before in zip(found, given, strict=True):
        assert type(one.body) is type(before.body)
        assert flat(one.body)[0] == flat(before.body)[0]
        assert flat(one.body)[1] == pytest.approx(flat(before.body)[1], abs=0.01)


def flat(value: object) -> tuple[list[object], list[float]]:
    """The words and the numbers of a body, in order."""
    words: list[object] = []
    numbers: list[float] = []
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, int | float):
            numbers.append(one)
        elif isinstance(one, tuple):
            waiting += one
        elif isinstance(one, str):
            words.append(one)
        else:
            waiting += [getattr(one, name) for name in one.__struct_fields__]  # type: ignore[attr-defined]
    return words, numbers


def test_pressure_comes_back_and_shows(service: sb.TileService) -> None:
    body = Ink(tuple((20 + 2 * number, 50, number / 100) for number in range(100)), 10, "#ff8000")
    data = exported(service, service.open(page()), marks(bodies=(body,)))
    (found,) = read_back(service, data)
    assert isinstance(found.body, Ink)
    assert [pressure for *_, pressure in found.body.samples] == pytest.approx(
        [pressure for *_, pressure in body.samples], abs=0.01
    )
    shown = PROGRAMS["pdfium"](data)
    thin, thick = (int((abs(shown[:, x] - [255, 128, 0]) <= 60).all(axis=1).sum()) for x in (60, 400))
    assert thin < thick / 2, "a stroke is thicker where the pen was pressed"


def test_what_the_file_was_stays_and_what_is_new_comes_behind(service: sb.TileService) -> None:
    before = page(90, "cropped")
    after = exported(service, service.open(before), marks("anna"))
    assert after.startswith(before)
    added = after[len(before) :]
    assert b"/Helv" not in added
    assert b"/Song" not in added
    with pymupdf.open(stream=after, filetype="pdf") as document:
        info = [one.info for one in document[0].annots()]
        types = [one.type[1] for one in document[0].annots()]
    assert [one["id"] for one in info] == [one.id for one in marks()]
    assert {one["title"] for one in info} == {NAMES["anna"]}
    assert info[5]["content"] == "付箋の文\n二行目 “引用”"
    assert info[0]["modDate"] == "D:20251124160000Z"
    assert types == ["Ink", "Highlight", "Underline", "Underline", "Stamp", "Stamp", "Stamp"]


def test_notes_are_sticky_notes_on_a_page_that_is_not_rotated(service: sb.TileService) -> None:
    data = exported(service, service.open(page()), marks(bodies=BODIES[5:]))
    with pymupdf.open(stream=data, filetype="pdf") as document:
        assert [one.type[1] for one in document[0].annots()] == ["Text", "Text"]


@pytest.mark.skipif(shutil.which("pdffonts") is None, reason="needs poppler")
def test_the_letters_of_stamps_are_in_the_file_and_can_be_copied(service: sb.TileService, tmp_path: Path) -> None:
    words = ["".join(chr(0x4E00 + 20 * row + column) for column in range(20)) for row in range(20)]
    bodies = tuple(StampText(150, 20 * row, 10, word, "#cc0000") for row, word in enumerate(words, 1))
    path = tmp_path / "stamps.pdf"
    path.write_bytes(exported(service, service.open(page()), marks(bodies=bodies), flattened=True))
    fonts = subprocess.run(["pdffonts", str(path)], capture_output=True, text=True, check=True, timeout=120).stdout
    rows = [row.split() for row in fonts.splitlines() if "Type 3" in row]
    assert len(rows) == 2, "400 letters take two fonts of 255"
    assert all(row[4] == row[6] == "yes" for row in rows), "embedded, and known by their characters"
    text = pypdfium2.PdfDocument(path)[0].get_textpage().get_text_range()
    assert all(word in text for word in words)


def test_two_pages_that_share_a_list_of_annotations_do_not_share_marks(service: sb.TileService) -> None:
    with pymupdf.open() as document:
        for _ in range(2):
            document.new_page()
        square, shared = document.get_new_xref(), document.get_new_xref()
        document.update_object(square, "<</Type/Annot/Subtype/Square/Rect[10 10 20 20]>>")
        document.update_object(shared, f"[{square} 0 R]")
        for one in document:
            document.xref_set_key(one.xref, "Annots", f"{shared} 0 R")
        data = document.tobytes()
    with pymupdf.open(stream=exported(service, service.open(data), marks()), filetype="pdf") as document:
        assert [len(list(one.annots())) for one in document] == [1 + len(BODIES), 1]


def test_an_annotation_from_which_a_mark_was_imported_is_replaced(service: sb.TileService) -> None:
    once = exported(service, service.open(page()), marks())
    changed = marks(bodies=(*BODIES[:5], Note(50, 50, "新しい文", "#00ff00")))
    twice = exported(service, service.open(once), changed, imported=True)
    with pymupdf.open(stream=twice, filetype="pdf") as document:
        assert [one.info["content"] for one in document[0].annots()][-1] == "新しい文"
        assert len(list(document[0].annots())) == len(BODIES)


@pytest.mark.parametrize("content", [b"0.1 0 0 0.1 70 0 cm", b"q q 3 0 0 3 0 0 cm", b"Q Q 1 0 0 1 9 9 cm", b"/No Do BT"])
def test_a_page_that_leaves_its_state_behind_moves_no_flattened_mark(service: sb.TileService, content: bytes) -> None:
    data = exported(service, service.open(page(content=content)), marks(), flattened=True)
    assert misplaced(PROGRAMS["pdfium"](data), places(300)) == {}
    assert misplaced(PROGRAMS["mupdf"](data), places(300)) == {}


def test_flattened_marks_are_no_annotations(service: sb.TileService) -> None:
    data = exported(service, service.open(page()), marks(), flattened=True)
    assert read_back(service, data) == []


def test_what_flattened_notes_say_stands_behind_the_pages(service: sb.TileService) -> None:
    long = "令和8年度予算について、 council resolution 47 は可決された。" * 200
    bodies = (*BODIES, Note(200, 200, long, "#00ff00"))
    data = exported(service, service.open(page(90)), marks("anna", bodies), flattened=True)
    document = pypdfium2.PdfDocument(data)
    texts = [document[number].get_textpage().get_text_range() for number in range(len(document))]
    assert len(texts) > 2
    assert all(number in texts[0] for number in "1234"), "the page has the numbers"
    listed = "".join("".join(texts[1:]).split())
    for number, text in enumerate(("予算", "縦書き", "付箋の文二行目“引用”", "".join(long.split())), 1):
        assert f"[{number}]p.1山田花子{text}" in listed
    assert "済" not in listed, "a stamp shows what it says"
    assert document[1].get_size() == (595, 842)


def test_flattened_ink_needs_no_page_more(service: sb.TileService) -> None:
    data = exported(service, service.open(page()), marks(bodies=BODIES[:1]), flattened=True)
    assert len(pypdfium2.PdfDocument(data)) == 1


def test_an_encrypted_file_stays_so(service: sb.TileService) -> None:
    with pymupdf.open(stream=page(), filetype="pdf") as document:
        locked = document.tobytes(encryption=pymupdf.PDF_ENCRYPT_AES_256, user_pw="open", owner_pw="own")
    data = exported(service, service.open(locked, password="open"), marks("anna"))
    with pymupdf.open(stream=data, filetype="pdf") as document:
        assert document.needs_pass
        assert document.authenticate("open")
        assert [one.info["title"] for one in document[0].annots()] == [NAMES["anna"]] * len(BODIES)


def test_a_damaged_file_is_written_anew(service: sb.TileService) -> None:
    damaged = re.sub(rb"startxref\s+\d+", b"startxref 7", page(90, "moved"))
    document = service.open(damaged)
    data = exported(service, document, marks("anna"))
    assert not data.startswith(damaged)
    assert misplaced(PROGRAMS["pdfium"](data), places(document.pages[0].width_pt)) == {}


def test_an_image_becomes_a_page(service: sb.TileService) -> None:
    file = io.BytesIO()
    Image.new("RGB", (600, 800), "#eeeeee").save(file, "JPEG", dpi=(144, 144))
    document = service.open(file.getvalue())
    width_pt, height_pt = document.pages[0].width_pt, document.pages[0].height_pt
    data = exported(service, document, marks())
    shown = pypdfium2.PdfDocument(data)[0]
    assert shown.get_size() == pytest.approx((width_pt, height_pt), abs=0.01)
    assert misplaced(PROGRAMS["pdfium"](data), places(width_pt)) == {}
    assert read_back(service, data)[0].id == marks()[0].id


def test_a_drawing_becomes_a_page_whose_text_is_text(service: sb.TileService) -> None:
    drawing = b"<svg xmlns='http://www.w3.org/2000/svg' width='300' height='400'><text x='20' y='200'>word of it</text></svg>"
    data = exported(service, service.open(drawing), marks())
    assert "word of it" in pypdfium2.PdfDocument(data)[0].get_textpage().get_text_range()


def test_a_book_becomes_pages_whose_text_is_text(service: sb.TileService) -> None:
    document = service.open(epub())
    data = exported(service, document, marks())
    book = pypdfium2.PdfDocument(data)
    assert len(book) == document.page_count
    assert book[0].get_size() == pytest.approx((document.pages[0].width_pt, document.pages[0].height_pt), abs=0.01)
    assert [one.id for one in read_back(service, data)] == [one.id for one in marks()]


def test_a_mark_on_no_page_and_too_much_ink_are_refused(service: sb.TileService, monkeypatch: pytest.MonkeyPatch) -> None:
    document = service.open(page())
    (mark, *_) = marks()
    with pytest.raises(PageNotFound):
        export_marks(service.parts.questions, document, MarksToWrite([PlacedMark(mark, "exact", 1)], {}))
    monkeypatch.setattr(mark_files, "MOST_BYTES", 2)
    with pytest.raises(RequestError, match="36 bytes"):
        export_marks(service.parts.questions, document, MarksToWrite([PlacedMark(mark, "exact", 0)], {}))


def test_marks_that_were_removed_or_are_in_the_file_are_left_out(service: sb.TileService) -> None:
    document = service.open(exported(service, service.open(page()), marks()))
    of_file = read_back(service, b"".join((document.data or b"",)))
    placed = [PlacedMark(one, "exact", 0) for one in of_file] + [PlacedMark(marks()[0], "removed", None)]
    made = export_marks(service.parts.questions, document, MarksToWrite(placed, {}))
    with pymupdf.open(stream=b"".join(made.pieces()), filetype="pdf") as shown:
        assert len(list(shown[0].annots())) == len(BODIES)


def test_the_marks_of_a_paper_come_back_from_a_file(service: sb.TileService, tmp_path: Path) -> None:
    """The file that was exported becomes the next revision: its marks are the same ones, and its pages show them already."""
    path = tmp_path / "marked.pdf"
    with Shelf(None, service) as shelf:
        paper = shelf.register(page(90, "cropped"), name="議案")
        own = shelf.marks(paper, owner="anna")
        for body in BODIES:
            own.add(0, body, visibility="shared")
        before = {one.id: one for one in own.all()}
        own.export_pdf(path, author="山田")
        shelf.replace(paper.id, path)
        imported = own.import_pdf()
        assert (imported.found, imported.refused) == (len(BODIES), [])
        after = {one.id: one for one in own.all()}
        assert after.keys() == before.keys()
        assert {(one.is_of_file, one.anchor.revision, one.visibility) for one in after.values()} == {(True, 2, "shared")}
        assert {one.kind for one in own.at()} == {"exact"}
        own.import_pdf()
        assert own.all() == list(after.values())
        beside = shelf.marks(paper, owner="ben")
        assert len(beside.import_pdf().marks) == len(BODIES)
        beside.import_pdf()
        assert len(beside.all()) == len(BODIES)
        assert own.all() == list(after.values())


def test_what_somebody_wrote_later_holds_over_the_file(service: sb.TileService, tmp_path: Path) -> None:
    path = tmp_path / "marked.pdf"
    with Shelf(None, service) as shelf:
        paper = shelf.register(page(), name="議案")
        own = shelf.marks(paper, owner="anna")
        old = marks(bodies=(Note(50, 50, "前の文", "#00ff00"), Note(90, 50, "消す", "#00ff00")))
        assert own.push(old).refused == []
        own.export_pdf(path)
        own.change(old[0].id, Note(50, 50, "後の文", "#00ff00"))
        own.remove(old[1].id)
        shelf.replace(paper.id, path)
        own.import_pdf()
        assert [one.body for one in own.all()] == [Note(50, 50, "後の文", "#00ff00")]
        assert old[0].stamp.at_ms == AT_MS + 1


@pytest.mark.skipif(shutil.which("pdftoppm") is None, reason="needs poppler")
@pytest.mark.parametrize("flattened", [False, True], ids=["annotations", "flattened"])
@pytest.mark.parametrize("rotation", [0, 90])
def test_struck_words_have_a_line_through_their_middle(service: sb.TileService, rotation: int, flattened: bool) -> None:
    data = exported(service, service.open(page(rotation)), marks(bodies=STRUCK), flattened=flattened)
    wanted = {"#0000ff": (20.0, 79.3, 140.0, 80.7), "#ff00ff": (169.3, 40.0, 170.7, 140.0)}
    assert {name: misplaced(show(data), wanted) for name, show in PROGRAMS.items()} == {name: {} for name in PROGRAMS}
    assert [one.body for one in read_back(service, data)] == ([] if flattened else list(STRUCK))
