"""Marks stay with their page, whatever happens to the paper."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pymupdf
import pytest
from marks_house import RED, marked_shelf, pages, prepared, texts

import sidebooks_core as sb
from sidebooks_core.errors import NotOnShelf
from sidebooks_core.marks import Anchor, Bookmark, Mark, Note, Stamp, new_mark_id
from sidebooks_core.shelf import Shelf
from sidebooks_core.testing import FakeDocument, FakePage

PAGES, MARKS = 300, 5000


@pytest.fixture
def shelf() -> Iterator[Shelf]:
    with marked_shelf() as made:
        yield made


def test_of_5000_marks_on_300_pages_none_is_lost(shelf: Shelf) -> None:
    """One page is replaced, two are inserted, ten are moved, and then the older revision is put back."""
    old = list(range(PAGES))
    paper = prepared(shelf, *old)
    marks = shelf.marks(paper, owner="anna")
    made = [
        Mark(new_mark_id(), Stamp(1000 + number, 0, "pad"), Anchor(1, number % PAGES, ""), Note(1.0, 2.0, str(number), RED))
        for number in range(MARKS)
    ]
    for start in range(0, MARKS, 1000):
        assert marks.push(made[start : start + 1000]).refused == []
    replaced, moved = 150, list(range(20, 30))
    new = [page for page in old if page not in moved]
    new[new.index(replaced)] = 60_000  # its colour; the fake's likeness compares what is drawn
    new[200:200] = moved
    new[5:5] = [60_001]
    new.append(60_002)
    shelf.replace(paper.id, pages(*new))
    found = marks.at()
    assert len(found) == MARKS
    assert {one.mark.id for one in found} == {mark.id for mark in made}
    on_replaced = sum(number % PAGES == replaced for number in range(MARKS))
    kinds = Counter(one.kind for one in found)
    assert kinds == {"exact": MARKS - on_replaced, "changed": on_replaced}
    for one in found:
        assert (one.kind == "exact") == (one.mark.anchor.page != replaced)
        if one.kind == "exact":
            assert one.page == new.index(one.mark.anchor.page)
        else:
            assert one.page == new.index(60_000)
    assert marks.pages() == sorted(new.index(60_000 if page == replaced else page) for page in old)
    assert {(one.kind, one.page == one.mark.anchor.page) for one in marks.at(1)} == {("exact", True)}
    shelf.replace(paper.id, pages(*old))
    assert {(one.kind, one.page == one.mark.anchor.page) for one in marks.at(3)} == {("exact", True)}


def pdf(*titles: str) -> bytes:
    """A page of text for each title. A title that ends in * is the same page with one line more."""
    with pymupdf.open() as document:
        for title in titles:
            page = document.new_page()
            for line in range(30):
                page.insert_text((72, 80 + line * 20), f"{title.rstrip('*')}: line {line} of the budget of {title[0] * 9}")
            if title.endswith("*"):
                page.insert_text((72, 720), "corrected on Monday")
        return bytes(document.tobytes())


def test_marks_on_a_pdf_follow_its_pages(tmp_path: Path) -> None:
    settings = sb.Settings(cache_dir=None, workers=1)
    with sb.TileService(settings) as service, Shelf(tmp_path, service, prepares=False) as shelf:
        paper = shelf.register(pdf("alpha", "beta", "gamma", "delta", "epsilon", "zeta"), name="budget")
        marks = shelf.marks(paper, owner="anna")
        for page in range(6):
            marks.add(page, Note(100.0, 100.0 + page, str(page), RED))
        shelf.replace(paper.id, pdf("inserted", "alpha", "zeta", "beta*", "gamma", "epsilon"))
        assert [(one.kind, one.page) for one in marks.at()] == [
            ("exact", 1),
            ("changed", 3),
            ("exact", 4),
            ("removed", None),
            ("exact", 5),
            ("exact", 2),
        ]
        assert [(one.kind, one.page) for one in marks.at(1)] == [("exact", page) for page in range(6)]


def test_a_changed_page_keeps_its_marks_in_place_and_says_so(shelf: Shelf) -> None:
    paper = prepared(shelf, 1, 200, 3)
    marks = shelf.marks(paper, owner="anna")
    kept = [marks.add(page, Note(1.0, 2.0, str(page), RED)) for page in range(3)]
    shelf.replace(paper.id, pages(1, 201, 3))
    assert [(one.mark, one.kind, one.page) for one in marks.at()] == [
        (kept[0], "exact", 0),
        (kept[1], "changed", 1),
        (kept[2], "exact", 2),
    ]
    of_new = marks.add(1, Bookmark("new"))
    assert [(one.mark.id, one.kind, one.page) for one in marks.at(1)][3] == (of_new.id, "changed", 1)
    on_old = marks.add(1, Bookmark("old"), revision=1)
    assert on_old.anchor.content_id == kept[1].anchor.content_id != of_new.anchor.content_id


def test_a_mark_of_a_page_that_was_removed_is_listed(shelf: Shelf) -> None:
    paper = prepared(shelf, 1, 2, 3)
    marks = shelf.marks(paper, owner="anna")
    marks.add(1, Note(1.0, 2.0, "x", RED), quote="words")
    shelf.replace(paper.id, pages(1, 3))
    [placed] = marks.at()
    assert (placed.kind, placed.page, placed.mark.anchor.quote) == ("removed", None, "words")
    assert marks.pages() == []
    assert marks.pages(1) == [1]
    assert texts(list(marks)) == ["x"]


def test_marks_of_a_revision_that_cannot_be_read_are_not_lost(shelf: Shelf) -> None:
    paper = prepared(shelf, 1, 2, 3)
    marks = shelf.marks(paper, owner="anna")
    kept = [marks.add(page, Bookmark(str(page))) for page in range(3)]
    locked = FakeDocument(pages=(FakePage(), FakePage()), password="secret").to_bytes()
    shelf.replace(paper.id, locked, password="secret")
    shelf.replace(paper.id, pages(1, 2, 3))
    shelf.originals.remove(shelf.revision(paper.id, 2).original)
    assert [(one.kind, one.page) for one in marks.at(3)] == [("exact", 0), ("exact", 1), ("exact", 2)]
    assert [(one.mark, one.kind, one.page) for one in marks.at(2)] == [
        (kept[0], "changed", 0),
        (kept[1], "changed", 1),
        (kept[2], "removed", None),
    ]
    with pytest.raises(NotOnShelf):
        marks.at(4)


def test_the_everyday_face_changes_shares_removes_and_finds(shelf: Shelf) -> None:
    paper = prepared(shelf, 1, 2)
    marks, of_ben = shelf.marks(paper, owner="anna"), shelf.marks(paper.id, owner="ben")
    mark = marks.add(1, Note(1.0, 2.0, "before", RED))
    changed = marks.change(mark.id, Note(5.0, 2.0, "after", RED))
    assert changed.stamp > mark.stamp
    assert (changed.anchor, marks.get(mark.id)) == (mark.anchor, changed)
    assert [one.text for one in marks.lost_texts(mark.id)] == ["before"]
    assert of_ben.since(0).marks == []
    shared = marks.share(mark.id)
    assert of_ben.since(0).marks == [shared]
    assert list(of_ben) == [], "the marks of an owner are theirs"
    assert marks.search("AFTER") == [shared]
    assert marks.search("before") == []
    with pytest.raises(sb.RequestError, match="no mark"):
        of_ben.change(mark.id, Bookmark())
    marks.remove(mark.id)
    assert of_ben.since(1).gone == [mark.id]
    for wrong in (
        lambda: marks.remove(mark.id),
        lambda: marks.add(2, Bookmark()),
        lambda: marks.add(0, Bookmark(), revision=2),
        lambda: marks.add(0, Note(float("inf"), 0.0, "", RED)),
        lambda: marks.add(0, Note(0.0, 0.0, "", "red")),
        lambda: shelf.marks(paper, owner=""),
    ):
        with pytest.raises(sb.RequestError):
            wrong()
    with pytest.raises(NotOnShelf):
        shelf.marks("nowhere", owner="anna")
    shelf.purge(paper.id)
    with pytest.raises(NotOnShelf):
        marks.all()
