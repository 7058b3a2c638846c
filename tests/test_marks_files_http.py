"""Marks in and out of files over HTTP: whose are in a PDF, who may have one, and annotations that become marks once."""

from __future__ import annotations

import hashlib
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

import pymupdf
import pytest
import town_hall
from house import pdf
from mark_hall import INK, NOTE, kept, mark, person, read, seen
from town_hall import TownHall

import sidebooks_core as sb
from sidebooks_core.access.policy import Grant, Limits
from sidebooks_core.marks import MarkLimits, MarkReader, files
from sidebooks_core.marks.files import MarkedFile
from sidebooks_core.server.handlers.mark_files import Pieces
from sidebooks_core.server.http import FileRange, HttpRequest
from sidebooks_core.server.parts import ServerParts
from sidebooks_core.server.pools import MOST_WAITING, Pools
from sidebooks_core.server.shelf import Registered
from sidebooks_core.testing import FakeEngine

SECRET = "極秘の下書き"


@pytest.fixture
def hall(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TownHall]:
    """One whose papers are PDFs."""
    monkeypatch.setattr(town_hall, "paper_of", lambda *pages: pdf(*(f"第{number}款" for number in pages)))
    with sb.TileService(sb.Settings(cache_dir=tmp_path / "cache", workers=1)) as service:
        made = TownHall(tmp_path, service, FakeEngine())
        try:
            yield made
        finally:
            made.close()


def exported(hall: TownHall, who: str, query: str = "") -> pymupdf.Document:
    reply = hall.ask(who, f"/papers/{hall.paper.id}/marks.pdf{query}")
    assert (reply.status, reply.headers["content-type"]) == (200, "application/pdf"), reply.body
    assert len(reply.body) == int(reply.headers["content-length"])
    assert reply.headers["cache-control"] == "no-store"
    return pymupdf.open(stream=reply.body)


def annotations(document: pymupdf.Document) -> dict[str, Any]:
    """Contents and author, by the id of the mark."""
    found = {}
    for page in document:
        for one in page.annots():
            found[one.info["id"]] = (one.info["content"], one.info["title"])
    return found


def test_a_pdf_has_ones_own_marks_and_all_that_one_sees_if_one_asks(hall: TownHall) -> None:
    own, shared, private = mark(NOTE), mark(NOTE | {"text": "共有"}, page=1, visibility="shared"), mark(NOTE | {"text": SECRET})
    kept(hall, "member", own)
    kept(hall, "clerk", shared, private)
    assert annotations(exported(hall, "member")) == {own["id"]: ("要確認", "member")}
    every = {own["id"]: ("要確認", "member"), shared["id"]: ("共有", "clerk")}
    assert annotations(exported(hall, "member", "?whose=all")) == every
    assert set(annotations(exported(hall, "clerk", "?whose=all"))) == {shared["id"], private["id"]}
    assert annotations(exported(hall, "tender")) == {}


def test_nothing_of_a_private_mark_of_another_is_in_the_bytes(hall: TownHall) -> None:
    private = mark(NOTE | {"text": SECRET})
    kept(hall, "member", private)
    for who in ("guest", "tender", "clerk", "admin"):
        for flattened in ("0", "1"):
            document = exported(hall, who, f"?whose=all&flattened={flattened}")
            assert private["id"] not in annotations(document)
            told = "".join(str(document.xref_object(number)) for number in range(1, document.xref_length()))
            assert private["id"] not in told
            assert SECRET not in "".join(page.get_text() for page in document)


def test_flattened_marks_are_part_of_the_page(hall: TownHall) -> None:
    kept(hall, "member", mark(INK | {"samples": [[100.0, 300.0, 0.5], [200.0, 300.0, 0.5]], "width_pt": 6.0}))
    document = exported(hall, "member", "?flattened=1")
    assert annotations(document) == {}
    assert document[0].get_pixmap().pixel(150, 300) == (0, 0, 0)


@pytest.mark.parametrize("limits", [Limits(may_download=False), Limits(pages=((0, 0),)), Limits(is_marked=True)])
def test_whoever_may_not_have_the_file_has_none_with_marks_either(hall: TownHall, limits: Limits) -> None:
    hall.access.set_grants(hall.finance.id, [Grant("group", "finance", limits=limits)])
    assert hall.ask("member", f"/papers/{hall.paper.id}/marks.pdf").status == 404
    assert hall.ask("clerk", f"/papers/{hall.paper.id}/marks.pdf").status == 200


def test_a_download_is_in_the_audit_without_what_is_in_it(hall: TownHall) -> None:
    kept(hall, "member", mark(NOTE | {"text": SECRET}))
    exported(hall, "member")
    hall.access.flush()
    rows = [one for one in hall.access.audit_rows() if one.operation == "export_marks"]
    assert [(one.name, one.paper, one.detail) for one in rows] == [("member", hall.paper.id, "")]


@pytest.mark.parametrize(("query", "status"), [("?whose=theirs", 400), ("?revision=0", 404), ("?revision=9", 404)])
def test_what_cannot_be_asked_for_is_refused(hall: TownHall, query: str, status: int) -> None:
    assert hall.ask("member", f"/papers/{hall.paper.id}/marks.pdf{query}").status == status


def test_the_annotations_of_a_file_become_marks_and_a_second_time_adds_nothing(hall: TownHall) -> None:
    one = mark(NOTE)
    kept(hall, "member", one)
    file = hall.ask("member", f"/papers/{hall.paper.id}/marks.pdf").body
    copy = hall.shelf.register(file, hall.finance, name="写し")
    for _ in range(2):
        reply = hall.ask("clerk", f"/papers/{copy.id}/marks/import", "POST")
        assert reply.status == 200, reply.body
        told = reply.json()
        assert (told["found"], told["refused"], told["left_out"]) == (1, [], 0)
        (found,) = told["marks"]
        assert (found["body"]["text"], found["is_of_file"], found["mine"]) == ("要確認", True, True)
        assert len(read(hall, "clerk", paper=copy.id)["marks"]) == 1
    assert seen(hall, "member", copy.id) == set(), "they are private"


def test_annotations_that_were_not_read_are_told(hall: TownHall, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "annotations_in", lambda *_: [([], 3), ([], 4)])
    told = hall.ask("clerk", f"/papers/{hall.paper.id}/marks/import", "POST").json()
    assert told == {"found": 0, "marks": [], "refused": [], "left_out": 7, "is_complete": True}


def test_who_may_read_some_pages_does_not_take_in_what_stands_on_the_others(hall: TownHall) -> None:
    hall.access.set_grants(hall.finance.id, [Grant("group", "finance", limits=Limits(pages=((0, 0),)))])
    assert hall.ask("member", f"/papers/{hall.paper.id}/marks/import", "POST").status == 403


def annotation_texts(page: Any) -> dict[str, str]:
    """The text of each annotation, by the id of its mark."""
    return {one["id"].rpartition("/")[2]: one["body"][0]["value"] for one in page["items"]}


def test_marks_are_web_annotations_on_the_canvases_of_the_manifest(hall: TownHall) -> None:
    own, shared, private = mark(NOTE), mark(NOTE | {"text": "共有"}, page=1, visibility="shared"), mark(NOTE | {"text": SECRET})
    kept(hall, "member", own)
    kept(hall, "clerk", shared, private)
    reply = hall.ask("member", f"/papers/{hall.paper.id}/marks.json")
    assert reply.headers["content-type"] == 'application/ld+json;profile="http://www.w3.org/ns/anno.jsonld"'
    page = reply.json()
    assert (page["type"], annotation_texts(page)) == ("AnnotationPage", {own["id"]: "要確認"})
    every = hall.ask("member", f"/papers/{hall.paper.id}/marks.json?whose=all").json()
    assert annotation_texts(every) == {own["id"]: "要確認", shared["id"]: "共有"}
    document = hall.shelf.document(hall.paper.id).id
    manifest = hall.ask("member", f"/presentation/3/{document}/manifest.json").json()
    canvases = [canvas["id"] for canvas in manifest["items"]]
    sources = {one["target"][0]["source"] for one in every["items"]}
    assert sources == set(canvases[:2])
    assert SECRET not in reply.body.decode()


def test_a_manifest_names_the_marks_of_each_canvas_for_those_who_may_have_some(hall: TownHall) -> None:
    own, shared, private = mark(NOTE), mark(NOTE | {"text": "共有"}, visibility="shared"), mark(NOTE | {"text": SECRET})
    later = mark(NOTE | {"text": "3頁"}, page=2)
    kept(hall, "member", own, later)
    kept(hall, "clerk", shared, private)
    document = hall.shelf.document(hall.paper.id).id
    path = f"/presentation/3/{document}/manifest.json"
    manifest = hall.ask("member", path).json()
    (reference,) = manifest["items"][0]["annotations"]
    page = hall.ask("member", reference["id"].partition("http://test")[2]).json()
    assert (page["id"], page["type"]) == (reference["id"], "AnnotationPage")
    assert annotation_texts(page) == {own["id"]: "要確認", shared["id"]: "共有"}
    (third,) = manifest["items"][2]["annotations"]
    assert annotation_texts(hall.ask("member", third["id"].partition("http://test")[2]).json()) == {later["id"]: "3頁"}
    assert "annotations" not in hall.ask("signed", path).json()["items"][0], "whoever has a signed address has no marks"


def test_a_manifest_names_marks_also_if_the_shelf_changes_meanwhile(hall: TownHall, monkeypatch: pytest.MonkeyPatch) -> None:
    path = f"/presentation/3/{hall.shelf.document(hall.paper.id).id}/manifest.json"
    registered = ServerParts.registered

    def changes(parts: ServerParts, request: HttpRequest) -> Registered:
        parts.of_papers().places.forget()
        return registered(parts, request)

    monkeypatch.setattr(ServerParts, "registered", changes)
    manifest = hall.ask("member", path).json()
    assert [len(canvas["annotations"]) for canvas in manifest["items"]] == [1, 1, 1]
    assert manifest["rendering"], "nor is the file forgotten"


def test_a_canvas_that_one_may_not_see_has_no_marks(hall: TownHall) -> None:
    kept(hall, "clerk", mark(page=0, visibility="shared"), mark(page=2, visibility="shared"))
    hall.access.set_grants(hall.finance.id, [Grant("group", "finance", limits=Limits(pages=((0, 0),)))])
    document = hall.shelf.document(hall.paper.id).id
    manifest = hall.ask("member", f"/presentation/3/{document}/manifest.json").json()
    assert [len(canvas["annotations"]) for canvas in manifest["items"]] == [1, 0, 0]
    assert len(hall.ask("member", f"/presentation/3/{document}/annotations/1.json").json()["items"]) == 1
    assert hall.ask("member", f"/presentation/3/{document}/annotations/3.json").status == 404
    assert hall.ask("member", f"/papers/{hall.paper.id}/marks.json").status == 404, "the file itself is not theirs"


def test_a_quote_is_told_with_the_words_around_it(hall: TownHall) -> None:
    own = mark(NOTE, page=1)
    own["anchor"]["quote"] = "2"
    kept(hall, "member", own)
    (annotation,) = hall.ask("member", f"/papers/{hall.paper.id}/marks.json").json()["items"]
    quote = annotation["target"][0]["selector"][1]
    assert quote == {"type": "TextQuoteSelector", "exact": "2", "prefix": "第", "suffix": "款\n3 characters\n"}


def test_so_many_downloads_wait_for_their_clients_and_no_more(hall: TownHall, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MOST_WAITING, "downloads", 4)
    path = f"/papers/{hall.paper.id}/marks.pdf"
    found, place = list[Pools](), Pools.place
    monkeypatch.setattr(Pools, "place", lambda pools, *given: found.append(pools) or place(pools, *given))
    assert hall.ask("member", path).status == 200
    (pools,) = found
    waiting = [pools.place("downloads", person(hall, "member")) for _ in range(2)]
    assert hall.ask("member", path).status == 503, "others have what is left"
    assert hall.ask("clerk", path).status == 200, "this one was taken at once, and its place is free again"
    assert hall.ask("clerk", path).status == 200
    for give_back in [*waiting, *waiting]:
        give_back()
    assert hall.ask("member", path).status == 200
    assert hall.ask("member", f"{path}?revision=9").status == 404
    for _ in range(4):
        assert hall.ask("member", path).status == 200, "what failed gave back its place"


def test_a_canvas_reads_the_marks_of_its_page_alone(hall: TownHall, monkeypatch: pytest.MonkeyPatch) -> None:
    here, there = mark(NOTE, page=0), mark(NOTE, page=1)
    kept(hall, "member", here, there)
    asked = list[Any]()
    marks = hall.shelf.mark_store.marks
    monkeypatch.setattr(hall.shelf.mark_store, "marks", lambda *given: asked.append(given[2]) or marks(*given))
    document = hall.shelf.document(hall.paper.id).id
    page = hall.ask("member", f"/presentation/3/{document}/annotations/1.json").json()
    assert (list(annotation_texts(page)), asked) == ([here["id"]], [[here["id"]]])


def test_a_large_import_tells_the_first_of_its_marks(hall: TownHall) -> None:
    kept(hall, "member", *(mark(NOTE | {"x_pt": float(number)}) for number in range(5)))
    file = hall.ask("member", f"/papers/{hall.paper.id}/marks.pdf").body
    copy = hall.shelf.register(file, hall.finance, name="写し")
    hall.shelf.mark_store.limits = MarkLimits(answer_bytes=100)
    told = hall.ask("clerk", f"/papers/{copy.id}/marks/import", "POST").json()
    assert (told["found"], told["marks"], told["is_complete"]) == (5, [], False)
    assert hall.shelf.mark_store.last(copy.id, MarkReader(person(hall, "clerk")))
    assert len(list(hall.shelf.marks(copy, owner=person(hall, "clerk")))) == 5


def test_a_download_is_neither_held_nor_copied_as_a_whole() -> None:
    before = pdf("one")
    with sb.TileService(sb.Settings(workers=1)) as service:
        document = service.open(before)
    added = b"%" * (8 << 20)
    pieces = FileRange(cast("BinaryIO", Pieces(MarkedFile(document, added, is_whole=False))), len(before) + len(added))
    digest = hashlib.sha256(before + added).digest()
    del added
    sent = hashlib.sha256()
    tracemalloc.start()
    try:
        while piece := pieces.read():
            sent.update(piece)
        _, most_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert sent.digest() == digest
    assert not pieces.is_cut_short
    assert most_bytes < 1 << 20
    pieces.file.close()
    with pytest.raises(ValueError, match="closed"):
        pieces.file.read(1)
