"""Annotations that other programs have written, well or badly, as marks."""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterator
from concurrent.futures import Future
from functools import partial
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pymupdf
import pytest
from marked_pages import SCALE, by_poppler, extent, marks, page, with_annotations
from msgspec.structs import replace

import sidebooks_core as sb
from sidebooks_core.documents.annotations import MOST_READ, Annotation, packed_stroke
from sidebooks_core.documents.document import Document
from sidebooks_core.documents.reference import DocumentRef
from sidebooks_core.documents.syntax.pdf_date import from_pdf_date, to_pdf_date
from sidebooks_core.engine.annotations import reading
from sidebooks_core.marks import (
    Bookmark,
    Highlight,
    Ink,
    Mark,
    MarkLimits,
    MarkReader,
    Note,
    Stamp,
    StampText,
    StrikeOut,
    Underline,
    ending,
)
from sidebooks_core.marks.annotations import FileMarks
from sidebooks_core.marks.files import annotations_in, export_marks
from sidebooks_core.marks.model import MOST_SAMPLES
from sidebooks_core.marks.replacing import MarksToWrite
from sidebooks_core.shelf import Paper, Shelf
from sidebooks_core.worker import annotating
from sidebooks_core.workers.answers import AnnotationsRead
from sidebooks_core.workers.jobs import ReadAnnotations

QUAD = "50 350 150 350 50 330 150 330"
"""In the space of the PDF: upper left, upper right, lower left, lower right."""
SHOWN = (50, 50, 150, 50, 50, 70, 150, 70)


@pytest.fixture(scope="module")
def service() -> Iterator[sb.TileService]:
    with sb.TileService(sb.Settings(workers=1)) as running:
        yield running


def read(service: sb.TileService, *annotations: str) -> list[Mark]:
    return found_in(service, with_annotations(*annotations))


def found_in(service: sb.TileService, data: bytes) -> list[Mark]:
    document = service.open(data)
    found = [one for some, _ in annotations_in(service.parts.questions, document) for one in some]
    return FileMarks(1, "paper anna").of(found, {one.page: document.content_id(one.page) for one in found})


def bodies(service: sb.TileService, *annotations: str) -> list[object]:
    return [one.body for one in read(service, *annotations)]


def bodies_in(service: sb.TileService, data: bytes) -> list[object]:
    return [one.body for one in found_in(service, data)]


def utf16(text: str) -> str:
    return f"<feff{text.encode('utf-16-be').hex()}>"


@pytest.mark.parametrize(
    ("annotation", "body"),
    [
        (
            "/Subtype/Ink/Rect[10 10 90 90]/InkList[[10 390 20 380][30 370]]/C[1 0 0]/BS<</W 3>>/CA .5",
            [Ink(((10, 10, 0.5), (20, 20, 0.5)), 3, "#ff0000", 0.5), Ink(((30, 30, 0.5),), 3, "#ff0000", 0.5)],
        ),
        (f"/Subtype/Highlight/Rect[50 330 150 350]/QuadPoints[{QUAD}]/C[1 1 0]", [Highlight((SHOWN,), "#ffff00")]),
        (f"/Subtype/Highlight/Rect[50 330 150 350]/QuadPoints[{QUAD}]", [Highlight((SHOWN,), "#ffff00")]),
        (
            f"/Subtype/Underline/Rect[50 330 150 350]/QuadPoints[{QUAD}]/C[.5]/Contents(word)",
            [Underline((SHOWN,), "#808080", "word")],
        ),
        (
            f"/Subtype/StrikeOut/Rect[50 330 150 350]/QuadPoints[{QUAD}]/C[0 1 1 0]",
            [StrikeOut((SHOWN,), "#ff0000")],
        ),
        (f"/Subtype/Squiggly/Rect[50 330 150 350]/QuadPoints[{QUAD}]/C[]", [Underline((SHOWN,), "#cc0000")]),
        (f"/Subtype/Text/Rect[40 340 60 360]/Contents{utf16('付箋')}/C[0 0 1]", [Note(50, 50, "付箋", "#0000ff")]),
        ("/Subtype/Text/Rect[60 360 40 340]/Contents(a\\rb\\r\\nc)/C[0 0 1]", [Note(50, 50, "a\nb\nc", "#0000ff")]),
        ("/Subtype/FreeText/Rect[40 340 60 360]/Contents(typed)/DA(/Helv 12 Tf)", [Note(50, 50, "typed", "#ffd400")]),
        ("/Subtype/Stamp/Rect[0 300 200 316]/Contents(OK)/C[1 0 0]", [StampText(100, 92, 9.467, "OK", "#ff0000")]),
        ("/Subtype/Stamp/Rect[0 300 200 316]/Name/Approved/C[1 0 0]", [StampText(100, 92, 9.467, "Approved", "#ff0000")]),
    ],
    ids=[
        "ink",
        "highlight",
        "no colour",
        "underline",
        "strike-out",
        "squiggly",
        "text",
        "line ends",
        "free text",
        "stamp",
        "named",
    ],
)
def test_annotations_without_an_appearance_become_marks(service: sb.TileService, annotation: str, body: list[object]) -> None:
    assert bodies(service, annotation) == body


@pytest.mark.parametrize(
    "points",
    [
        QUAD,
        "50 350 150 350 150 330 50 330",
        "50 330 150 330 150 350 50 350",
        "150 350 50 350 50 330 150 330",
    ],
    ids=["as viewers write it", "around, from above", "around, from below", "from the right"],
)
def test_a_quad_is_the_same_piece_whatever_its_order(service: sb.TileService, points: str) -> None:
    (body,) = bodies(service, f"/Subtype/Highlight/Rect[50 330 150 350]/QuadPoints[{points}]")
    assert isinstance(body, Highlight)
    (quad,) = body.quads
    assert set(zip(quad[::2], quad[1::2], strict=True)) == {(50, 50), (150, 50), (50, 70), (150, 70)}
    assert (quad[2] - quad[0]) * (quad[6] - quad[4]) > 0, "both sides run in one direction"


def test_order_of_corners_that_go_around_is_put_right(service: sb.TileService) -> None:
    for points in ("50 350 150 350 150 330 50 330", "50 330 150 330 150 350 50 350"):
        (body,) = bodies(service, f"/Subtype/Highlight/Rect[50 330 150 350]/QuadPoints[{points}]")
        assert isinstance(body, Highlight)
        assert body.quads == (SHOWN,)


@pytest.mark.parametrize(
    "annotation",
    [
        "/Subtype/Highlight/Rect[50 330 150 350]/QuadPoints[]",
        "/Subtype/Highlight/Rect[50 330 150 350]",
        "/Subtype/Highlight/Rect[50 330 150 350]/QuadPoints[1 2 3 4 5 6 7]",
        f"/Subtype/Highlight/Rect[-32768 -32768 32767 32767]/QuadPoints[{QUAD}]",
        "/Subtype/Text/Rect[40 340 60 360]/Contents()",
        "/Subtype/Text/Rect[40 340 60 360]/Contents(x)/F 2",
        "/Subtype/Text/Rect[40 340 60 360]/Contents(x)/F 32",
        "/Subtype/Text/Contents(x)",
        "/Subtype/Text/Rect[1 2]/Contents(x)",
        "/Subtype/Text/Rect[9999999 9999999 99999999 99999999]/Contents(x)",
        "/Subtype/Ink/Rect[10 10 90 90]/InkList[]",
        "/Subtype/Ink/Rect[10 10 90 90]/InkList[[]]",
        "/Subtype/Ink/Rect[10 10 90 90]/InkList[[1 99999999999]]",
        "/Subtype/Ink/Rect[10 10 90 90]/InkList 7",
        "/Subtype/Popup/Rect[10 10 90 90]/Contents(x)",
        "/Subtype/Link/Rect[10 10 90 90]/Contents(x)",
        "/Subtype/Square/Rect[10 10 90 90]/Contents(x)",
        "/Rect[10 10 90 90]",
    ],
)
def test_what_has_no_place_or_says_nothing_becomes_no_mark(service: sb.TileService, annotation: str) -> None:
    good = "/Subtype/Text/Rect[40 340 60 360]/Contents(after it)/C[0 0 1]"
    assert bodies(service, annotation, good) == [Note(50, 50, "after it", "#0000ff")]


def test_replies_stand_below_what_they_reply_to(service: sb.TileService) -> None:
    found = bodies(
        service,
        "/Subtype/Text/Rect[40 340 60 360]/Contents(question)/T(Anna)/C[0 0 1]",
        "/Subtype/Text/Rect[40 340 60 360]/Contents(answer)/T(Ben)/IRT {0} 0 R",
        "/Subtype/Text/Rect[40 340 60 360]/Contents(more)/IRT {1} 0 R/RT/R",
        "/Subtype/Text/Rect[40 340 60 360]/Contents(Accepted by Ben)/IRT {0} 0 R/State(Accepted)/StateModel(Review)",
        "/Subtype/Text/Rect[140 340 160 360]/Contents(beside)/IRT {0} 0 R/RT/Group/C[0 0 1]",
        "/Subtype/Popup/Rect[40 340 60 360]/Parent {0} 0 R",
    )
    assert found == [Note(50, 50, "question\nBen: answer\nmore", "#0000ff"), Note(150, 50, "beside", "#0000ff")]


@pytest.mark.parametrize(
    "irt", ["{1} 0 R", "{2} 0 R", "99999 0 R", "(x)"], ids=["itself", "in a circle", "nothing", "no object"]
)
def test_replies_that_lead_nowhere_end(service: sb.TileService, irt: str) -> None:
    text = "/Subtype/Text/Rect[40 340 60 360]/C[0 0 1]"
    found = bodies(service, f"{text}/Contents(a)", f"{text}/Contents(b)/IRT {irt}", f"{text}/Contents(c)/IRT {{1}} 0 R")
    assert found[0] == Note(50, 50, "a", "#0000ff")


def test_marks_have_ids_of_their_own_that_stay(service: sb.TileService) -> None:
    """PyMuPDF names annotations page by page, so two pages have the same names."""
    with pymupdf.open() as document:
        for number in range(3):
            made = document.new_page()
            made.add_text_annot((50, 50), f"note {number}")
            made.add_text_annot((50, 50), "the same")
            made.add_text_annot((50, 50), "the same")
        data = document.tobytes()
    first, second = found_in(service, data), found_in(service, data)
    assert first == second
    assert len({one.id for one in first}) == 9
    assert {one.id[14] for one in first} == {"8"}
    assert [one.anchor.page for one in first] == [0, 0, 0, 1, 1, 1, 2, 2, 2]


def test_a_page_that_moves_keeps_the_ids_of_its_marks(service: sb.TileService) -> None:
    with pymupdf.open() as document:
        document.new_page().add_text_annot((50, 50), "one")
        before = document.tobytes()
        document.new_page(pno=0)
        after = document.tobytes()
    (old,), (new,) = found_in(service, before), found_in(service, after)
    assert (old.id, old.anchor.page, new.anchor.page) == (new.id, 0, 1)


def test_an_own_id_that_stands_twice_counts_once(service: sb.TileService) -> None:
    mark_id = marks()[0].id
    text = f"/Subtype/Text/Rect[40 340 60 360]/NM({mark_id.upper()})"
    found = read(service, f"{text}/Contents(a)", f"{text}/Contents(b)")
    assert [one.id == mark_id for one in found] == [True, False]


def test_a_stroke_that_is_too_long_for_a_mark_comes_in_parts(service: sb.TileService) -> None:
    points = " ".join(f"{number % 300} {400 - number % 400}" for number in range(2 * MOST_SAMPLES))
    found = bodies(service, f"/Subtype/Ink/Rect[0 0 300 400]/InkList[[{points}]]")
    strokes = [one.samples for one in found if isinstance(one, Ink)]
    assert [len(one) for one in strokes] == [MOST_SAMPLES, MOST_SAMPLES, 2]
    assert all(before[-1] == after[0] for before, after in pairwise(strokes))


def test_a_page_has_so_many_annotations_and_no_more(service: sb.TileService) -> None:
    one = "/Subtype/Text/Rect[40 340 60 360]/Contents(x)"
    assert len(read(service, *[one] * (MOST_READ + 5))) == MOST_READ


def test_a_short_file_that_names_long_strokes_often_is_not_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MOST_POINTS", 1000)
    monkeypatch.setattr(reading, "MOST_READ_BYTES", 20_000)
    looked_at = list[int]()
    points = reading.packed_stroke
    monkeypatch.setattr(reading, "packed_stroke", lambda given: looked_at.append(1) or points(given))
    with pymupdf.open(stream=with_annotations("/Subtype/Text/Rect[40 340 60 360]/Contents(x)")) as document:
        stroke, ink = document.get_new_xref(), document.get_new_xref()
        document.update_object(stroke, f"[{'10 10 90 90 ' * 100}]")
        document.update_object(ink, f"<</Type/Annot/Subtype/Ink/Rect[10 10 90 90]/InkList[{f'{stroke} 0 R ' * 200}]>>")
        (known,) = (number for number, *_ in document[0].annot_xrefs())
        document.xref_set_key(document[0].xref, "Annots", f"[{known} 0 R {f'{ink} 0 R ' * 400}]")
        found, left_out = reading.annotations_of(document, 0)
    assert (len(found), left_out) == (2, 399), "the note, and the ink for which there is room"
    assert [len(one.packed_strokes) for one in found] == [0, 5]
    assert len(looked_at) == 5 * 4


def test_a_hostile_page_does_not_hide_those_of_others(service: sb.TileService) -> None:
    """Numbers that are none, names for strings, a list that holds itself, a page without an area."""
    with pymupdf.open(stream=with_annotations("/Subtype/Ink/Rect[10 10 90 90]/InkList[[1 2]]"), filetype="pdf") as document:
        document.new_page().add_text_annot((50, 50), "good")
        number = document.get_new_xref()
        document.update_object(number, "[]")
        document.update_object(
            number, f"[{number} 0 R <</Subtype/Ink/Rect[/A (b) null 1]/InkList[{number} 0 R]/C[/a]>> null 7]"
        )
        document.xref_set_key(document[0].xref, "Annots", f"{number} 0 R")
        data = document.tobytes()
    assert [one.anchor.page for one in found_in(service, data)] == [1]


def test_a_second_import_adds_nothing_and_brings_nothing_back(service: sb.TileService) -> None:
    text = "/Subtype/Text/Rect[40 340 60 360]/M(D:20240102030405Z)"
    with Shelf(None, service) as shelf:
        paper = shelf.register(with_annotations(f"{text}/Contents(a)", f"{text}/Contents(b)"), name="議案")
        own = shelf.marks(paper, owner="anna")
        assert own.import_pdf().found == 2
        first, second = own.all()
        assert (first.stamp.at_ms, first.is_of_file, first.visibility) == (1_704_164_645_999, True, "private")
        own.remove(second.id)
        assert own.import_pdf().found == 2
        assert own.all() == [first]


def contents(data: bytes) -> list[tuple[str, str]]:
    """The subtype and the text of each annotation of the first page, fields of forms among them."""
    with pymupdf.open(stream=data, filetype="pdf") as document:
        listed = [number for number, *_ in document[0].annot_xrefs()]
        return [(document.xref_get_key(one, "Subtype")[1][1:], document.xref_get_key(one, "Contents")[1]) for one in listed]


def exported(shelf: Shelf, paper: Paper, owner: str) -> bytes:
    file = io.BytesIO()
    shelf.marks(paper, owner=owner).export_pdf(file)
    return file.getvalue()


@pytest.mark.parametrize("subtype", ["Text", "Widget/FT/Tx"])
def test_a_mark_that_has_the_name_of_an_annotation_does_not_remove_it(service: sb.TileService, subtype: str) -> None:
    (mark,) = marks(bodies=(Bookmark("mine"),))
    official = f"/Subtype/{subtype}/Rect[40 340 60 360]/Contents(official)/NM({mark.id})"
    with Shelf(None, service) as shelf:
        paper = shelf.register(with_annotations(official), name="議案")
        own = shelf.marks(paper, owner="ben")
        (held,) = own.push([replace(mark, is_of_file=True, visibility="shared")]).marks
        assert not held.is_of_file, "only an import knows that"
        file = exported(shelf, paper, "ben")
        assert contents(file) == [(subtype.partition("/")[0], "official"), ("Text", "mine")]
        own.push([replace(held, stamp=Stamp(held.stamp.at_ms + 1, 0, "file"), is_of_file=True)])
        assert len(contents(exported(shelf, paper, "ben"))) == 2


@pytest.mark.parametrize("subtype", ["Text", "FreeText"])
@pytest.mark.parametrize("name", ["", "/NM(chosen-by-others)", "/NM(019AAAAA-0000-7000-8000-00000000000A)"])
def test_a_mark_that_was_imported_and_changed_replaces_its_annotation(service: sb.TileService, subtype: str, name: str) -> None:
    one, other = (f"/Subtype/{subtype}/Rect[40 340 60 360]/Contents({text})" for text in ("old", "other"))
    with Shelf(None, service) as shelf:
        paper = shelf.register(with_annotations(other, one + name), name="議案")
        own = shelf.marks(paper, owner="anna")
        other_mark, mark = own.import_pdf().marks
        own.change(mark.id, Note(50, 50, "new", "#0000ff"))
        for _ in range(2):
            file = exported(shelf, paper, "anna")
            assert contents(file) == [(subtype, "other"), ("Text", "new")]
            shelf.replace(paper.id, file)
            found = own.import_pdf()
            assert {one.id for one in found.marks} == {one.id for one in own.all()} == {other_mark.id, mark.id}


def test_an_annotation_that_is_several_marks_stays_when_one_of_them_is_shared(service: sb.TileService) -> None:
    with Shelf(None, service) as shelf:
        paper = shelf.register(with_annotations("/Subtype/Ink/Rect[10 10 90 90]/InkList[[10 390 20 380][30 370]]"), name="議案")
        own = shelf.marks(paper, owner="anna")
        first, _ = own.import_pdf().marks
        own.share(first.id)
        file = exported(shelf, paper, "anna")
    assert len(bodies_in(service, file)) == 2


def test_an_export_that_became_a_revision_without_an_import_has_each_mark_once(service: sb.TileService) -> None:
    with pymupdf.open(stream=page(), filetype="pdf") as document:
        document[0].insert_text((20, 200), "words by which the page is known again")
        document[0].add_freetext_annot((40, 300, 140, 320), "official")
        data = document.tobytes()
    with Shelf(None, service) as shelf:
        paper = shelf.register(data, name="議案")
        own = shelf.marks(paper, owner="anna")
        bodies = (Note(90, 90, "old", "#0000ff"), Note(20, 20, "", "#0000ff"), Bookmark("gone"))
        note, wordless, ribbon = (own.add(0, body) for body in bodies)
        shelf.replace(paper.id, exported(shelf, paper, "anna"))
        file = exported(shelf, paper, "anna")
        assert sorted(text for _, text in contents(file)) == ["gone", "null", "official", "old"]
        own.change(note.id, Note(90, 90, "new", "#0000ff"))
        own.remove(ribbon.id)
        file = exported(shelf, paper, "anna")
        assert sorted(text for _, text in contents(file)) == ["new", "null", "official"]
        file = exported(shelf, paper, "ben")
        assert sorted(text for _, text in contents(file)) == ["gone", "null", "official", "old"], "it is in the file"
        own.remove(wordless.id)
        shelf.mark_store.end_owner("anna")
        file = exported(shelf, paper, "anna")
        assert sorted(text for _, text in contents(file)) == ["official"], "what has ended is in no file"


def test_marks_of_two_people_on_one_annotation_are_each_there_once(service: sb.TileService) -> None:
    with pymupdf.open(stream=page(), filetype="pdf") as document:
        document[0].insert_text((20, 200), "words by which the page is known again")
        data = document.tobytes()
    with Shelf(None, service) as shelf:
        paper = shelf.register(data, name="議案")
        own = shelf.marks(paper, owner="anna")
        mark = own.add(0, Note(90, 90, "of anna", "#0000ff"), visibility="shared")
        shelf.replace(paper.id, exported(shelf, paper, "anna"))
        other = shelf.marks(paper, owner="ben")
        (copy,) = other.import_pdf().marks
        assert copy.id != mark.id
        store = shelf.mark_store
        document = shelf.document(paper.id)

        def texts() -> list[str]:
            """Of what ben gets who exports all that he sees."""
            seen = shelf.placed_marks(paper.id, store.read(paper.id, MarkReader("ben")).marks, 2)
            told = MarksToWrite(seen, {}, paper.id, store.imported(paper.id), "ben", partial(store.deleted, paper.id, "ben"))
            made = export_marks(service.parts.questions, document, told)
            return sorted(text for _, text in contents(b"".join(made.pieces())))

        assert texts() == ["of anna"], "both say what the file says"
        other.change(copy.id, Note(90, 90, "of ben", "#0000ff"))
        assert texts() == ["of anna", "of ben"]
        other.remove(copy.id)
        assert texts() == ["of anna"]
        own.remove(mark.id)
        assert texts() == [], "ben has deleted what he had of it"


def test_a_mark_that_was_imported_and_deleted_is_not_in_an_export(service: sb.TileService, tmp_path: Path) -> None:
    text = "/Subtype/Text/Rect[40 340 60 360]"
    listed = [
        f"{text}/Contents(stays)",
        f"{text}/Contents(goes)/Popup {{3}} 0 R",
        f"{text}/Contents(reply)/IRT {{1}} 0 R",
        "/Subtype/Popup/Rect[0 0 9 9]/Parent {1} 0 R",
        f"{text}/Contents(of the group)/IRT {{1}} 0 R/RT/Group",
    ]
    with Shelf(None, service) as shelf:
        paper = shelf.register(with_annotations(*listed), name="議案")
        own = shelf.marks(paper, owner="anna")
        own.import_pdf()
        (goes,) = own.search("goes")
        own.remove(goes.id)
        left = [("Text", "stays"), ("Text", "of the group")]
        assert contents(exported(shelf, paper, "anna")) == left
        own.export_pdf(tmp_path / "flat.pdf", flattened=True)
        assert contents((tmp_path / "flat.pdf").read_bytes()) == left
        assert len(contents(exported(shelf, paper, "ben"))) == len(listed), "nobody else has deleted it"
        with shelf.database.writing() as writing:
            writing.run("DELETE FROM mark_lost_text")
            assert ending.sweep(writing, 1e11, MarkLimits()) == 1
        assert contents(exported(shelf, paper, "anna")) == left, "also when the mark is forgotten"


def test_a_mark_with_the_name_of_an_annotation_does_not_remove_it_when_it_is_deleted(service: sb.TileService) -> None:
    (mark,) = marks(bodies=(Bookmark("mine"),))
    with Shelf(None, service) as shelf:
        official = f"/Subtype/Text/Rect[40 340 60 360]/Contents(official)/NM({mark.id})"
        paper = shelf.register(with_annotations(official), name="議案")
        own = shelf.marks(paper, owner="ben")
        own.push([mark])
        own.remove(mark.id)
        assert contents(exported(shelf, paper, "ben")) == [("Text", "official")]


def test_a_stroke_that_was_imported_and_deleted_leaves_the_others_of_its_annotation(service: sb.TileService) -> None:
    with Shelf(None, service) as shelf:
        paper = shelf.register(with_annotations("/Subtype/Ink/Rect[10 10 90 90]/InkList[[10 390 20 380][30 370]]"), name="議案")
        own = shelf.marks(paper, owner="anna")
        first, second = own.import_pdf().marks
        own.remove(first.id)
        file = exported(shelf, paper, "anna")
    assert bodies_in(service, file) == [second.body]


def test_an_annotation_that_has_the_id_of_another_one_is_a_mark_of_its_own(service: sb.TileService) -> None:
    unnamed = "/Subtype/Text/Rect[40 340 60 360]/Contents(a)/C[0 0 1]"
    (known,) = read(service, unnamed)
    changed = f"/Subtype/Text/Rect[40 340 60 360]/Contents(b)/C[0 0 1]/NM({known.id})"
    for listed in ((changed, unnamed), (unnamed, changed)):
        found = read(service, *listed)
        assert len({one.id for one in found}) == 2
        assert found[0].id == known.id


class Repeating:
    """Answers of a worker that reads pages of one annotation each."""

    def __init__(self, annotation: Annotation) -> None:
        self.annotation = annotation
        self.asked = 0

    def annotations(self, _document: Document, page: int, client: str = "") -> Future[AnnotationsRead]:
        assert not client
        self.asked += 1
        made: Future[AnnotationsRead] = Future()
        made.set_result(AnnotationsRead((replace(self.annotation, page=page),), page + 1, 0))
        return made

    def annotate(self, *_: object, **__: object) -> Any:
        raise AssertionError


class Failing(Repeating):
    """One page of which cannot be read."""

    def annotations(self, _document: Document, page: int, client: str = "") -> Future[AnnotationsRead]:
        if page == 1:
            raise sb.RenderFailed("page 2 cannot be read")
        return super().annotations(_document, page, client)


def test_a_page_that_cannot_be_read_is_passed_over_by_an_export_alone(service: sb.TileService) -> None:
    with pymupdf.open() as document:
        for _ in range(3):
            document.new_page()
        opened = service.open(document.tobytes())
    workers = Failing(Annotation(page=0, kind="bookmark"))
    assert [one.page for some, _ in annotations_in(workers, opened, skips=True) for one in some] == [0, 2]
    with pytest.raises(sb.RenderFailed):
        list(annotations_in(workers, opened))


def test_a_worker_answers_with_the_pages_before_one_that_cannot_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    def annotations_of(_handle: object, page: int) -> tuple[list[Annotation], int]:
        if page == 1:
            raise ValueError("the page has no area")
        return [Annotation(page=page, kind="bookmark")], 0

    monkeypatch.setattr(annotating, "annotations_of", annotations_of)
    monkeypatch.setattr(annotating, "is_pdf", lambda _: True)
    opened: Any = SimpleNamespace(handle=None, name="a.pdf")
    ref = DocumentRef(token="t", name="a.pdf", path=None, file_state=None)

    def read(page: int) -> AnnotationsRead:
        job = ReadAnnotations(document=ref, timeout_s=1.0, page=page, stop=3, budget_s=60.0)
        return annotating.annotations_read(opened, job)

    assert read(0).reached == 1
    with pytest.raises(sb.RenderFailed):
        read(1)
    assert [one.page for one in read(2).annotations] == [2]


@pytest.mark.parametrize(
    ("annotation", "limits", "taken"),
    [
        (Annotation(page=0, kind="note", text="x" * 100), MarkLimits(bytes=1000), 2),
        (Annotation(page=0, kind="ink", packed_strokes=(packed_stroke([(1, 1, 1)]),) * 4), MarkLimits(marks=9), 2),
        (Annotation(page=0, kind="bookmark"), MarkLimits(marks=3), 3),
    ],
    ids=["bytes", "strokes", "annotations"],
)
def test_a_file_that_shows_its_annotations_on_every_page_is_read_up_to_what_an_owner_may_have(
    service: sb.TileService, annotation: Annotation, limits: MarkLimits, taken: int
) -> None:
    with pymupdf.open() as document:
        for _ in range(20):
            document.new_page()
        opened = service.open(document.tobytes())
    workers = Repeating(annotation)
    found = list(annotations_in(workers, opened, limits))
    assert sum(len(some) for some, _ in found) == taken
    assert sum(left_out for _, left_out in found) == 1
    assert workers.asked == taken + 1, "the pages behind are not read"


def test_an_import_takes_what_its_owner_may_have_and_tells_that_there_is_more(service: sb.TileService) -> None:
    text = "/Subtype/Text/Rect[40 340 60 360]/Contents(x)"
    with Shelf(None, service) as shelf:
        paper = shelf.register(with_annotations(*[text] * 5), name="議案")
        shelf.mark_store.limits = MarkLimits(marks=3)
        found = shelf.marks(paper, owner="anna").import_pdf()
    assert (found.found, len(found.marks), found.refused, found.left_out) == (3, 3, [], 2)


def test_what_somebody_has_imported_and_lost_others_import_still(service: sb.TileService) -> None:
    text = f"/Subtype/Text/Rect[40 340 60 360]/Contents(a)/NM({marks()[0].id})"
    with Shelf(None, service) as shelf:
        paper = shelf.register(with_annotations(text), name="議案")
        assert [one.id for one in shelf.marks(paper, owner="guest").import_pdf().marks] == [marks()[0].id]
        shelf.mark_store.end_owner("guest")
        found = shelf.marks(paper, owner="ben").import_pdf()
        assert ([one.owner for one in found.marks], found.refused) == (["ben"], [])
        assert [one.body for one in shelf.marks(paper, owner="ben").all()] == [found.marks[0].body]


@pytest.mark.skipif(shutil.which("pdftoppm") is None, reason="needs poppler")
@pytest.mark.parametrize(
    ("annotation", "at"),
    [("/Subtype/Text", (230, 110)), ("/Subtype/FreeText/F 16", (230, 110)), ("/Subtype/FreeText", (210, 110))],
    ids=["sticky note", "kept upright", "typed"],
)
def test_a_note_that_stays_upright_is_read_where_a_rotated_page_shows_it(
    service: sb.TileService, annotation: str, at: tuple[int, int]
) -> None:
    with pymupdf.open(stream=with_annotations(f"{annotation}/Contents(x)/C[1 0 0]/Rect[100 200 120 220]")) as document:
        form = document.get_new_xref()
        document.update_object(form, "<</Type/XObject/Subtype/Form/BBox[0 0 20 20]>>")
        document.update_stream(form, b"1 0 0 rg 0 0 20 20 re f")
        document.xref_set_key(document[0].annot_xrefs()[0][0], "AP", f"<</N {form} 0 R>>")
        document[0].set_rotation(90)
        data = document.tobytes()
    assert bodies_in(service, data) == [Note(*at, "x", "#ff0000")]
    assert extent(by_poppler(data), "#ff0000") == tuple(SCALE * one for one in (at[0] - 10, at[1] - 10, at[0] + 10, at[1] + 10))


def test_an_image_has_no_annotations(service: sb.TileService, sample: Any) -> None:
    png = pymupdf.open(stream=page(), filetype="pdf")[0].get_pixmap().tobytes("png")
    assert found_in(service, png) == []
    assert found_in(service, sample.read_bytes()) == []


@pytest.mark.parametrize(
    ("written", "at_ms"),
    [
        ("D:20251125010203+09'00'", 1_764_000_123_000),
        ("D:20251125010203+09'00", 1_764_000_123_000),
        ("D:20251124160203Z", 1_764_000_123_000),
        ("20251124160203", 1_764_000_123_000),
        ("D:2025", 1_735_689_600_000),
        ("D:19600101", 0),
        ("yesterday", 0),
        ("D:20251399", 0),
        ("D:20251125010203+99'99'", 0),
        ("", 0),
    ],
)
def test_dates_are_read(written: str, at_ms: int) -> None:
    assert from_pdf_date(written) == at_ms


def test_dates_are_written() -> None:
    assert to_pdf_date(1_764_000_123_456) == "D:20251124160203Z"
    assert from_pdf_date(to_pdf_date((1 << 48) - 1)) == 253_402_300_799_000
