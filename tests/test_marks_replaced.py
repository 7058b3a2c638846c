"""What an export does with the annotations that a file has: those that are marks are there once, and those deleted are not."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pymupdf
import pytest
from marked_pages import by_mupdf, extent, marks, page, with_annotations
from msgspec.structs import replace

import sidebooks_core as sb
from sidebooks_core.documents.annotations import MOST_TEXT, Annotation, Kind, packed_quads
from sidebooks_core.marks import (
    Body,
    Bookmark,
    Mark,
    MarkLimits,
    MarkReader,
    Note,
    Stamp,
    StampText,
    ending,
)
from sidebooks_core.marks.annotations import FileMarks, origin_of, said_by, salt_of, to_annotation
from sidebooks_core.marks.files import annotations_in, export_marks
from sidebooks_core.marks.placing import PlacedMark
from sidebooks_core.marks.replacing import MarksToWrite, Replacing, replacing
from sidebooks_core.shelf import Paper, Shelf


@pytest.fixture(scope="module")
def service() -> Iterator[sb.TileService]:
    with sb.TileService(sb.Settings(workers=1)) as running:
        yield running


def found_in(service: sb.TileService, data: bytes) -> list[Mark]:
    document = service.open(data)
    found = [one for some, _ in annotations_in(service.parts.questions, document) for one in some]
    return FileMarks(1, "paper anna").of(found, {one.page: document.content_id(one.page) for one in found})


def bodies_in(service: sb.TileService, data: bytes) -> list[object]:
    return [one.body for one in found_in(service, data)]


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
        assert contents((tmp_path / "flat.pdf").read_bytes()) == [], "what is left is part of the page"
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


def test_a_flattened_export_has_no_mark_as_an_annotation(service: sb.TileService) -> None:
    text = "/Subtype/Text/Rect[40 340 60 360]/C[0 0 1]"
    with Shelf(None, service) as shelf:
        paper = shelf.register(with_annotations(f"{text}/Contents(mark)", "/Subtype/Square/Rect[5 5 9 9]"), name="議案")
        own = shelf.marks(paper, owner="anna")
        own.import_pdf()
        file = io.BytesIO()
        own.export_pdf(file, flattened=True)
        assert [subtype for subtype, _ in contents(file.getvalue())] == ["Square"]
        assert extent(by_mupdf(file.getvalue()), "#0000ff"), "it is part of the page"


def at_first(body: Body, owner: str = "anna", paper_id: str = "paper") -> tuple[Mark, Annotation]:
    """A mark, and the annotation that an export has made of it."""
    mark = marks(owner, (body,))[0]
    annotation = to_annotation(PlacedMark(mark, "exact", 0), {}, paper_id)
    assert annotation is not None
    return mark, annotation


@pytest.mark.parametrize("is_first", [False, True])
def test_a_mark_whose_annotation_was_copied_and_changed_is_there_once(is_first: bool) -> None:
    mark, first = at_first(Note(9, 9, "said", "#0000ff"))
    copy = replace(first, text="changed")
    listed = [replace(one, place=place) for place, one in enumerate([copy, first] if is_first else [first, copy])]
    found = replacing([listed], MarksToWrite([PlacedMark(mark, "exact", 0)], {}, "paper", owner="anna"))
    assert found.added == []
    assert (found.removed, found.replaced) == ((), ((0, 0 if is_first else 1),))


@pytest.mark.parametrize("flattened", [False, True])
def test_what_somebody_has_imported_and_changed_stays_in_an_export_of_others(flattened: bool) -> None:
    official = Annotation(page=0, place=0, kind="note", name="k-1", x_pt=10, y_pt=10, text="official", author="Mayor")
    (read,) = FileMarks(1, salt_of("paper", "anna")).of([official], {0: ""})
    changed = replace(read, owner="anna", body=Note(10, 10, ".", "#0000ff"), stamp=replace(read.stamp, device="pad"))

    def found(mark: Mark, owner: str) -> tuple[list[str], int]:
        told = MarksToWrite([PlacedMark(mark, "exact", 0)], {}, "paper", frozenset({mark.id}), owner)
        made = replacing([[official]], told, flattened=flattened)
        return [one.text for one in made.added], len(made.removed + made.replaced)

    assert found(changed, "ben") == (["."], 0), "both are there"
    assert found(changed, "anna") == (["."], 1)
    same = replace(read, owner="anna")
    assert found(same, "ben") == ((["official"], 1) if flattened else ([], 0))


def replies(data: bytes) -> list[tuple[str, str]]:
    """The text of each annotation of the first page that has one, and that of the one of the page to which it replies."""
    with pymupdf.open(stream=data, filetype="pdf") as document:
        listed = [number for number, *_ in document[0].annot_xrefs()]
        texts = {number: document.xref_get_key(number, "Contents")[1] for number in listed}
        above = {number: document.xref_get_key(number, "IRT") for number in listed if texts[number] != "null"}
        return [(texts[one], "" if kind == "null" else texts[int(irt.split()[0])]) for one, (kind, irt) in above.items()]


def with_reply(data: bytes, reply: str) -> bytes:
    """Another program adds a reply to the first annotation, and one to that."""
    with pymupdf.open(stream=data, filetype="pdf") as document:
        above = next(document[0].annots()).xref
        for said in (reply, f"{reply} indeed"):
            made = document[0].add_text_annot((60, 60), said)
            made.set_info(title="Bob")
            document.xref_set_key(made.xref, "IRT", f"{above} 0 R")
            above = made.xref
        changed: bytes = document.tobytes()
        return changed


@pytest.mark.parametrize("is_imported", [False, True])
def test_replies_of_others_stay_in_an_export(service: sb.TileService, tmp_path: Path, is_imported: bool) -> None:
    with pymupdf.open(stream=page(), filetype="pdf") as document:
        document[0].insert_text((20, 200), "words by which the page is known again")
        data = document.tobytes()
    with Shelf(None, service) as shelf:
        paper = shelf.register(data, name="議案")
        own = shelf.marks(paper, owner="anna")
        mark = own.add(0, Note(90, 90, "old", "#0000ff"))
        shelf.replace(paper.id, with_reply(exported(shelf, paper, "anna"), "no"))
        said = "old"
        if is_imported:
            (read,) = own.import_pdf().marks
            assert read.id == mark.id
            assert read.body == Note(90, 90, "old\nBob: no\nBob: no indeed", "#0000ff")
            said = read.body.text
        unchanged = [("old", ""), ("no", "old"), ("no indeed", "no")]
        assert replies(exported(shelf, paper, "anna")) == unchanged
        own.export_pdf(tmp_path / "flat.pdf", flattened=True)
        assert replies((tmp_path / "flat.pdf").read_bytes()) == ([] if is_imported else [("no", ""), ("no indeed", "no")])
        own.change(mark.id, Note(90, 90, said.replace("old", "new"), "#0000ff"))
        file = exported(shelf, paper, "anna")
        assert sorted(replies(file)) == [("new", ""), ("no", "new"), ("no indeed", "no")]
        shelf.replace(paper.id, file)
        assert sorted(replies(exported(shelf, paper, "anna"))) == sorted(replies(file)), "nothing is said twice"
        own.remove(mark.id)
        assert replies(exported(shelf, paper, "anna")) == [], "who has deleted a note has deleted what hangs below it"


def with_shared_list(*annotations: str) -> bytes:
    """A PDF of two pages that have the same list of annotations."""
    with pymupdf.open(stream=with_annotations(*annotations, pages=2), filetype="pdf") as document:
        first, second = (one.xref for one in document)
        shared = document.get_new_xref()
        document.update_object(shared, document.xref_get_key(first, "Annots")[1])
        for one in (first, second):
            document.xref_set_key(one, "Annots", f"{shared} 0 R")
        data: bytes = document.tobytes()
        return data


def threads(data: bytes) -> list[list[tuple[str, str]]]:
    """Of each page, the text of each annotation and that of the one on the page to which it replies, or whose window it is."""
    with pymupdf.open(stream=data, filetype="pdf") as document:
        found = []
        for one in document:
            kind, value = document.xref_get_key(one.xref, "Annots")
            shown = document.xref_object(int(value.split()[0])) if kind == "xref" else value
            texts = {xref: document.xref_get_key(xref, "Contents")[1] for xref in map(int, re.findall(r"(\d+) 0 R", shown))}
            found.append([(text, texts.get(_above(document, xref), "")) for xref, text in texts.items()])
        return found


def _above(document: pymupdf.Document, number: int) -> int:
    (above,) = [one for key in ("IRT", "Parent") if (one := document.xref_get_key(number, key))[0] == "xref"] or [("", "0")]
    return int(above[1].split()[0])


def test_pages_that_share_a_list_of_annotations_have_replies_of_their_own(service: sb.TileService) -> None:
    text = "/Subtype/Text/Rect[40 340 60 360]"
    data = with_shared_list(
        f"{text}/Contents(said)/NM(one)",
        f"{text}/Contents(no)/IRT {{0}} 0 R/Popup {{2}} 0 R",
        "/Subtype/Popup/Rect[0 0 9 9]/Contents(window)/Parent {1} 0 R",
        f"{text}/Contents(no indeed)/IRT {{1}} 0 R",
    )
    replied = [("no", "said"), ("window", "no"), ("no indeed", "no")]
    with Shelf(None, service) as shelf:
        paper = shelf.register(data, name="議案")
        own = shelf.marks(paper, owner="anna")
        first, second = own.import_pdf().marks
        assert (first.anchor.page, second.anchor.page) == (0, 1)
        assert threads(exported(shelf, paper, "anna")) == [[("said", ""), *replied]] * 2
        own.change(first.id, Note(90, 90, "new", "#0000ff"))
        changed = [("no", "new"), ("window", "no"), ("no indeed", "no"), ("new", "")]
        assert threads(exported(shelf, paper, "anna")) == [changed, [("said", ""), *replied]]
        own.change(second.id, Note(90, 90, "new", "#0000ff"))
        assert threads(exported(shelf, paper, "anna")) == [changed, changed]


def with_inline(annotation: str, data: bytes) -> bytes:
    """An annotation that is written into the list of the first page itself, before those that it has."""
    with pymupdf.open(stream=data, filetype="pdf") as document:
        listed = document.xref_get_key(document[0].xref, "Annots")[1]
        document.xref_set_key(document[0].xref, "Annots", f"[<</Type/Annot{annotation}>>{listed[1:]}")
        changed: bytes = document.tobytes()
        return changed


def test_a_reply_gets_no_link_to_what_replaces_an_annotation_without_a_number(service: sb.TileService) -> None:
    text = "/Subtype/Text/Rect[40 340 60 360]"
    data = with_annotations(f"{text}/Contents(said)/NM(one)", f"{text}/Contents(no)/IRT {{0}} 0 R")
    with Shelf(None, service) as shelf:
        paper = shelf.register(with_inline(f"{text}/Contents(inline)/NM(two)", data), name="議案")
        own = shelf.marks(paper, owner="anna")
        for mark in own.import_pdf().marks:
            assert isinstance(mark.body, Note)
            own.change(mark.id, replace(mark.body, text=f"new {mark.body.text}"))
        file = exported(shelf, paper, "anna")
        assert sorted(replies(file)) == [("new inline", ""), ("new said", ""), ("no", "new said")]
        with pymupdf.open(stream=file, filetype="pdf") as document:
            listed = [number for number, *_ in document[0].annot_xrefs()]
            (reply,) = [one for one in listed if document.xref_get_key(one, "Contents")[1] == "no"]
            assert {key: document.xref_get_key(reply, key)[0] for key in ("Parent", "Popup")} == {
                "Parent": "null",
                "Popup": "null",
            }


FIRST = Annotation(page=0, place=0, kind="note", x_pt=10, y_pt=10, text="said", replies=("Bob: no", "Bob: no\nindeed"))
FURTHER = [
    (("Bob: no", "Bob: no\nindeed", "Eve: yes"), "said"),
    (("Eve: yes", "Bob: no\nindeed", "Bob: no"), "said"),
    (("Bob: no\nindeed",), "said\nBob: no"),
    ((), "said\nBob: no\nBob: no\nindeed"),
]


@pytest.mark.parametrize("kind", ["note", "stamp", "bookmark", "highlight"])
@pytest.mark.parametrize(("after", "own"), FURTHER)
def test_a_reply_that_an_import_put_into_a_text_is_said_once(kind: Kind, after: tuple[str, ...], own: str) -> None:
    quads = packed_quads([(0, 0, 9, 0, 0, 9, 9, 9)]) if kind == "highlight" else b""
    first = replace(FIRST, kind=kind, name="by another program", height_pt=9, packed_quads=quads)
    (read,) = FileMarks(1, salt_of("paper", "anna")).of([first], {0: ""})
    (again,) = FileMarks(2, salt_of("paper", "anna")).of([replace(first, replies=after)], {0: ""})
    assert read.id == again.id, "a reply makes it no other mark"

    def exported(colour: str, *, flattened: bool = False) -> Replacing:
        body = read.body if isinstance(read.body, Bookmark) else replace(read.body, colour=colour)
        changed = replace(read, owner="anna", body=body, stamp=replace(read.stamp, device="pad"))
        told = MarksToWrite([PlacedMark(changed, "exact", 0)], {}, "paper", frozenset({read.id}), "anna")
        return replacing([[replace(first, replies=after)]], told, flattened=flattened)

    if kind == "stamp":  # its words stand in one line
        own = "said" if after else " ".join(own.split())
    found = exported("#123456")
    is_same = kind == "bookmark" and own == "said"
    assert [one.text for one in found.added] == ([] if is_same else [own])
    assert (found.removed, found.replaced) == ((), () if is_same else ((0, 0),))
    if own == "said":
        assert exported(first.colour).added == [], "it says what the annotation says"
    flat = exported("#123456", flattened=True)
    is_all = not set(after) - set(first.replies)
    assert (flat.removed, flat.replaced) == ((((0, 0),), ()) if is_all and after else ((), ((0, 0),)))


def text_in_its_place(text: str, replies: tuple[str, ...], *, is_imported: bool = True) -> str:
    """Of a note that was "said" with these replies, and has another text now."""
    first = replace(FIRST, name="by another program", replies=replies)
    (read,) = FileMarks(1, salt_of("paper", "anna")).of([first], {0: ""})
    mark = replace(read, owner="anna", body=Note(9, 9, text, "#123456"), stamp=replace(read.stamp, device="pad"))
    imported = frozenset({read.id} if is_imported else ())
    listed = first if is_imported else replace(first, name=read.id, origin=origin_of("paper", "anna", read.id))
    told = MarksToWrite([PlacedMark(mark, "exact", 0)], {}, "paper", imported, "anna")
    (made,) = replacing([[listed]], told).added
    return made.text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("said\nno\nand more", "said\nand more"),
        ("changed\nno\nyes", "changed"),
        ("said\nand\nno", "said\nand"),
        ("no", ""),
        ("said", "said"),
        ("said\n\nlast", "said\n\nlast"),
        ("nothing", "nothing"),
    ],
)
def test_what_is_written_beside_replies_stays(text: str, expected: str) -> None:
    assert text_in_its_place(text, ("no", "yes")) == expected


def test_a_text_that_is_what_somebody_replied_stays_in_a_mark_that_was_never_imported() -> None:
    assert text_in_its_place("no", ("no",), is_imported=False) == "no"
    assert text_in_its_place("said", ("said",)) == "said", "its own is that of the annotation"


@pytest.mark.parametrize(("kind", "most"), [("stamp", 40), ("bookmark", 200), ("note", MOST_TEXT), ("highlight", MOST_TEXT)])
@pytest.mark.parametrize("replies", [("x{}",), ("Bob: no", "x{}"), ("x{}", "Bob: no"), ("x{}", "x{}")])
@pytest.mark.parametrize("over", [0, 1])
def test_a_flattened_export_keeps_replies_for_which_a_mark_has_no_room(
    kind: Kind, most: int, replies: tuple[str, ...], over: int
) -> None:
    """Until they take one character more than it has room for, the mark says all of them."""
    shortest = sum(map(len, ("said", *(one.format("") for one in replies)))) + len(replies)
    longer = "x" * (most - shortest + over)
    is_used = [one for one in range(len(replies)) if replies[one] == "x{}"][:1]
    told = tuple(one.format(longer if place in is_used else "") for place, one in enumerate(replies))
    assert sum(map(len, ("said", *told))) + len(told) == most + over
    quads = packed_quads([(0, 0, 9, 0, 0, 9, 9, 9)]) if kind == "highlight" else b""
    first = replace(FIRST, kind=kind, name="by another program", height_pt=9, packed_quads=quads, replies=told)
    assert flattened_away(first) == (not over)
    assert not flattened_away(replace(first, may_lack_replies=True))


def flattened_away(first: Annotation) -> bool:
    """Whether a flattened export of the mark that an annotation is removes what was replied to that, too."""
    (read,) = FileMarks(1, salt_of("paper", "anna")).of([first], {0: ""})
    told = MarksToWrite([PlacedMark(replace(read, owner="anna"), "exact", 0)], {}, "paper", frozenset({read.id}), "anna")
    found = replacing([[first]], told, flattened=True)
    assert len(found.removed) + len(found.replaced) == 1
    assert [one.text for one in found.added] == [said_by(replace(first, replies=()) if found.replaced else first)]
    return bool(found.removed)


def test_a_stamp_has_a_reply_only_as_whole_words() -> None:
    first = replace(FIRST, kind="stamp", name="by another program", height_pt=9, replies=("no",))
    (read,) = FileMarks(1, salt_of("paper", "anna")).of([first], {0: ""})
    for text, is_said in (("said nothing", False), ("said now no", True)):
        assert isinstance(read.body, StampText)
        mark = replace(read, owner="anna", body=replace(read.body, text=text), stamp=replace(read.stamp, device="pad"))
        told = MarksToWrite([PlacedMark(mark, "exact", 0)], {}, "paper", frozenset({read.id}), "anna")
        assert bool(replacing([[first]], told, flattened=True).removed) == is_said


@pytest.mark.parametrize(
    ("replied", "expected"),
    [(("no",), False), (("x" * MOST_TEXT, "no"), True), (("x" * (MOST_TEXT + 1),), True), (("x" * 9, "no"), False)],
)
def test_an_annotation_tells_whether_all_its_replies_were_read(
    service: sb.TileService, replied: tuple[str, ...], expected: bool
) -> None:
    text = "/Subtype/Text/Rect[40 340 60 360]"
    data = with_annotations(text, *(f"{text}/IRT {{0}} 0 R/Contents({one})" for one in replied))
    (found,) = [one for some, _ in annotations_in(service.parts.questions, service.open(data)) for one in some]
    assert found.may_lack_replies == expected


def test_a_text_that_is_cut_has_no_reply_twice() -> None:
    first = replace(FIRST, text="x" * (MOST_TEXT - 5))
    (read,) = FileMarks(1, salt_of("paper", "anna")).of([first], {0: ""})
    assert isinstance(read.body, Note)
    changed = replace(read, owner="anna", body=replace(read.body, colour="#123456"))
    told = MarksToWrite([PlacedMark(changed, "exact", 0)], {}, "paper", frozenset({read.id}), "anna")
    assert [one.text for one in replacing([[first]], told).added] == [first.text]
