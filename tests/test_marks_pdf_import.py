"""Annotations that other programs have written, well or badly, as marks."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from concurrent.futures import Future
from itertools import pairwise
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
    Highlight,
    Ink,
    Mark,
    MarkLimits,
    Note,
    StampText,
    StrikeOut,
    Underline,
)
from sidebooks_core.marks.annotations import FileMarks
from sidebooks_core.marks.files import annotations_in
from sidebooks_core.marks.model import MOST_SAMPLES
from sidebooks_core.shelf import Shelf
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


@pytest.mark.parametrize(
    "annotation",
    [
        "/Subtype/Text/Contents {0} 0 R",
        "/Subtype/Text/Contents(x)/T {0} 0 R",
        "/Subtype/Text/Contents(x)/NM {0} 0 R",
        "/Subtype/Ink/InkList[{1} 0 R {1} 0 R]",
        "/Subtype/Highlight/QuadPoints {1} 0 R",
    ],
    ids=["text", "author", "name", "points that are nowhere", "corners that are nowhere"],
)
def test_a_short_file_that_names_one_long_thing_often_is_not_read_to_its_end(
    monkeypatch: pytest.MonkeyPatch, annotation: str
) -> None:
    monkeypatch.setattr(reading, "MOST_READ_BYTES", 1_000_000)
    with pymupdf.open(stream=page()) as document:
        string, numbers = document.get_new_xref(), document.get_new_xref()
        document.update_object(string, f"({'a' * 2_000_000})")
        document.update_object(numbers, f"[{'9 ' * 199_999} 999999]")
        one = document.get_new_xref()
        document.update_object(one, f"<</Type/Annot/Rect[10 10 90 90]{annotation.format(string, numbers)}>>")
        document.xref_set_key(document[0].xref, "Annots", f"[{f'{one} 0 R ' * 400}]")
        _, left_out = reading.annotations_of(document, 0)
    assert left_out > 394, "the others are not looked at"


def test_replies_that_are_long_or_many_are_not_read_to_their_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of the notes has all the replies, and their authors count though they say nothing."""
    monkeypatch.setattr(reading, "MOST_READ_BYTES", 1_000_000)
    looked_at = list[int]()
    told = reading.text
    monkeypatch.setattr(reading, "text", lambda value: looked_at.append(1) or told(value))
    with pymupdf.open(stream=page()) as document:
        author, note, reply = (document.get_new_xref() for _ in range(3))
        document.update_object(author, f"({'a' * 50_000})")
        document.update_object(note, "<</Type/Annot/Subtype/Text/Rect[10 10 90 90]/Contents(x)>>")
        document.update_object(reply, f"<</Type/Annot/Subtype/Text/Rect[10 10 90 90]/T {author} 0 R/IRT {note} 0 R>>")
        document.xref_set_key(document[0].xref, "Annots", f"[{f'{note} 0 R {reply} 0 R ' * 200}]")
        found, _ = reading.annotations_of(document, 0)
    assert [one.text for one in found] == ["x"], "the first is read, and then it is enough"
    assert len(looked_at) < 20


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

    error: sb.PageError = sb.RenderFailed("page 2 cannot be read")

    def annotations(self, _document: Document, page: int, client: str = "") -> Future[AnnotationsRead]:
        if page == 1:
            raise self.error
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
    workers.error = sb.RenderTimeout("page 2 takes too long")
    assert [one.page for some, _ in annotations_in(workers, opened, skips=True) for one in some] == [0]
    with pytest.raises(sb.RenderTimeout):
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
