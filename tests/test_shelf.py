"""The shelf: papers are registered, replaced, withdrawn and purged, and every reader is told of it."""

from __future__ import annotations

import io
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace
from quiet import wait_until

import sidebooks_core as sb
from sidebooks_core.documents.model import Word
from sidebooks_core.errors import Conflict, DamagedDocument, PasswordRequired, RequestError, StorageDamaged, StorageFailed
from sidebooks_core.shelf import Change, Shelf
from sidebooks_core.testing import FakeDocument, FakeEngine, FakePage
from sidebooks_core.workers.jobs import Draw


def pages(*colours: int) -> FakeDocument:
    """A document with one page for each number. Equal numbers make equal pages."""
    return FakeDocument(pages=tuple(FakePage(colour=(number, 9, 9)) for number in colours))


PAPER = pages(1, 2, 3, 4)


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture
def service(engine: FakeEngine, tmp_path: Path) -> Iterator[sb.TileService]:
    with sb.TileService(sb.Settings(cache_dir=tmp_path / "cache", workers=2), pool=engine.pool) as made:
        yield made


@pytest.fixture
def shelf(service: sb.TileService, tmp_path: Path) -> Iterator[Shelf]:
    with Shelf(tmp_path / "data", service) as made:
        yield made


def kinds(changes: list[Change]) -> list[str]:
    return [change.kind for change in changes if change.kind != "paper prepared"]


# Registering.


@pytest.mark.parametrize("how", ["path", "bytes", "file"])
def test_a_paper_is_registered_from_a_path_bytes_or_a_file(shelf: Shelf, tmp_path: Path, how: str) -> None:
    path = tmp_path / "令和8年度予算書.pdf"
    path.write_bytes(PAPER.to_bytes())
    with path.open("rb") as file:
        source: Path | bytes | io.BufferedReader = {"path": path, "bytes": PAPER.to_bytes(), "file": file}[how]
        file.read(3)
        paper = shelf.register(source, **({"name": "令和8年度予算書"} if how == "bytes" else {}))
    path.unlink()
    assert (paper.name, paper.state, paper.page_count, paper.revision) == ("令和8年度予算書", "ready", 4, 1)
    document = shelf.document(paper.id)
    assert document.id == paper.document_id
    assert shelf.service.page_image(document, 3, width_px=50).width_px == 50
    [revision] = shelf.revisions(paper.id)
    assert revision.size_bytes == len(PAPER.to_bytes())
    assert shelf.originals.path(revision.original).read_bytes() == PAPER.to_bytes()


def test_a_paper_is_there_after_a_restart(service: sb.TileService, tmp_path: Path) -> None:
    with Shelf(tmp_path / "data", service) as shelf:
        folder = shelf.make_folder("令和8年3月定例会", kind="meeting", note="第1委員会室")
        paper = shelf.register(PAPER.to_bytes(), folder, name="budget", note="draft", level="online", until_s=4e9)
        shelf.wait_prepared(30)
    with Shelf(tmp_path / "data", service) as again:
        assert again.folders() == [folder]
        assert again.papers(folder) == [again.paper(paper.id)] == [paper]
        assert again.document(paper.id).page_count == 4
        assert kinds(again.changes()) == ["folder", "paper"]


def test_all_pages_are_prepared_in_the_background(shelf: Shelf, engine: FakeEngine) -> None:
    paper = shelf.register(PAPER.to_bytes(), name="budget")
    assert shelf.wait_prepared(30)
    assert shelf.revisions(paper.id)[0].is_prepared
    progress = shelf.progress(paper.id)
    assert (progress.pages, progress.identified, progress.previews) == (4, 4, 4)
    drawn = engine.count(Draw)
    for page in range(4):
        level = shelf.document(paper.id).pyramid(page).levels[0]
        assert shelf.service.tile(shelf.document(paper.id), page, level.index, 0, 0).width_px == level.width_px
    assert engine.count(Draw) == drawn, "the previews are there"
    wait_until(lambda: [one.kind for one in shelf.changes()] == ["paper", "paper prepared"], "it is not told")


def test_preparing_goes_on_after_a_restart(service: sb.TileService, engine: FakeEngine, tmp_path: Path) -> None:
    with engine.hold(Draw) as held, Shelf(tmp_path / "data", service) as shelf:
        paper = shelf.register(pages(*range(40)).to_bytes(), name="long")
        held.wait_begun()
        closing = threading.Thread(target=shelf.close)
        closing.start()
        held.release()
        closing.join(30)
    with Shelf(tmp_path / "data", service) as again:
        assert again.wait_prepared(30)
        assert again.revisions(paper.id)[0].is_prepared
        assert again.progress(paper.id).identified == 40


def test_what_cannot_be_opened_stands_on_the_shelf_with_its_reason(shelf: Shelf) -> None:
    paper = shelf.register(b"PK\x03\x04 this is no document", name="plan")
    assert paper.state in ("unsupported", "damaged")
    assert paper.reason
    assert (paper.document_id, paper.page_count) == (None, 0)
    with pytest.raises(sb.DocumentError):
        shelf.document(paper.id)
    assert shelf.wait_prepared(30)
    replaced = shelf.replace(paper.id, PAPER.to_bytes())
    assert (replaced.state, replaced.revision, replaced.page_count) == ("ready", 2, 4)


def test_a_file_is_converted_if_the_application_can(service: sb.TileService, tmp_path: Path) -> None:
    given: list[tuple[bytes, str]] = []

    def convert(path: Path, name: str) -> bytes | None:
        given.append((path.read_bytes(), name))
        return PAPER.to_bytes() if name.endswith(".docx") else None

    with Shelf(tmp_path / "data", service, convert=convert) as shelf:
        path = tmp_path / "議案.docx"
        path.write_bytes(b"an office file")
        paper = shelf.register(path)
        assert (paper.state, paper.name, paper.page_count) == ("ready", "議案", 4)
        [revision] = shelf.revisions(paper.id)
        assert revision.original != revision.shown
        assert shelf.originals.path(revision.original).read_bytes() == b"an office file"
        assert shelf.register(b"another office file", name="note").state == "unsupported"
    assert given == [(b"an office file", "議案.docx"), (b"another office file", "note")]


def test_a_file_that_changes_while_it_is_copied_is_refused(
    shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "growing.pdf"
    path.write_bytes(PAPER.to_bytes())
    take_in = shelf.originals.take_in

    def while_it_grows(source: io.BufferedReader, *, flushes: bool) -> object:
        taken = take_in(source, flushes=flushes)
        with path.open("ab") as more:
            more.write(b"more")
        return taken

    monkeypatch.setattr(shelf.originals, "take_in", while_it_grows)
    with pytest.raises(DamagedDocument, match=r"growing\.pdf changed while it was copied"):
        shelf.register(path)
    assert shelf.papers() == []


@pytest.mark.parametrize(
    "shown",
    [{"name": ""}, {"name": "\u200b"}, {"name": "a", "level": "secret"}, {"name": "a", "from_s": 5.0, "until_s": 5.0}],
)
def test_what_makes_no_sense_is_refused(shelf: Shelf, shown: dict[str, object]) -> None:
    with pytest.raises(RequestError):
        shelf.register(PAPER.to_bytes(), **shown)  # type: ignore[arg-type]
    with pytest.raises(RequestError, match="no folder"):
        shelf.register(PAPER.to_bytes(), "nowhere", name="a")
    assert shelf.papers() == []


def test_a_file_that_is_not_there_is_told_as_such(shelf: Shelf, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"missing\.pdf"):
        shelf.register(tmp_path / "missing.pdf")
    with pytest.raises(IsADirectoryError):
        shelf.register(tmp_path)


def test_a_file_that_is_registered_again_is_kept_once_and_stays_open(shelf: Shelf) -> None:
    first = shelf.register(PAPER.to_bytes(), name="first")
    document = shelf.document(first.id)
    [revision] = shelf.revisions(first.id)
    before = shelf.originals.path(revision.original).stat()
    second = shelf.register(PAPER.to_bytes(), name="second")
    assert shelf.revisions(second.id)[0].original == revision.original
    assert shelf.originals.path(revision.original).stat() == before
    assert shelf.service.page_image(document, 0, width_px=30).width_px == 30
    assert second.document_id == first.document_id


# Folders.


def test_folders_nest_and_have_an_order(shelf: Shelf) -> None:
    council, other = shelf.make_folder("本会議"), shelf.make_folder("委員会")
    year = shelf.make_folder("令和8年", council, kind="meeting")
    item = shelf.make_folder("議案第1号", year, kind="item")
    assert [folder.id for folder in shelf.folders()] == [council.id, other.id]
    assert shelf.folders(council) == [year]
    shelf.change_folder(other, parent=None, place=0)
    assert [folder.id for folder in shelf.folders()] == [other.id, council.id]
    moved = shelf.change_folder(item.id, parent=other, name="議案")
    assert (moved.parent, moved.name, moved.kind) == (other.id, "議案", "item")
    with pytest.raises(RequestError, match="into itself"):
        shelf.change_folder(council, parent=year)
    with pytest.raises(Conflict, match="not empty"):
        shelf.remove_folder(council)
    shelf.remove_folder(year)
    shelf.remove_folder(council)
    assert [folder.name for folder in shelf.folders()] == ["委員会"]


def test_papers_have_an_order_and_move(shelf: Shelf) -> None:
    folder = shelf.make_folder("A")
    first, second, third = [shelf.register(pages(number).to_bytes(), folder, name=str(number)) for number in range(3)]
    shelf.change(third.id, place=0)
    assert [paper.name for paper in shelf.papers(folder)] == ["2", "0", "1"]
    moved = shelf.change(first.id, folder=None, name="first", note="moved")
    assert (moved.folder, moved.name, moved.note) == (None, "first", "moved")
    assert [paper.id for paper in shelf.papers(folder)] == [third.id, second.id]
    assert [paper.id for paper in shelf.papers()] == [first.id]


# Revisions.


def test_a_new_revision_keeps_the_paper_and_draws_the_changed_page_only(shelf: Shelf, engine: FakeEngine) -> None:
    paper = shelf.register(pages(*range(30)).to_bytes(), name="budget")
    assert shelf.wait_prepared(30)
    old = shelf.document(paper.id)
    for page in range(30):
        shelf.service.page_image(old, page, width_px=100)
    drawn = engine.count(Draw)
    colours = list(range(30))
    colours[17] = 200
    replaced = shelf.replace(paper.id, pages(*colours).to_bytes(), after=1, note="page 18 corrected", who="clerk")
    assert (replaced.id, replaced.name, replaced.place, replaced.revision) == (paper.id, paper.name, paper.place, 2)
    assert shelf.wait_prepared(30)
    new = shelf.document(paper.id)
    for page in range(30):
        shelf.service.page_image(new, page, width_px=100)
    assert engine.count(Draw) == drawn + 2, "one preview, one page"
    assert [one.kind for one in shelf.diff(paper.id, 1, 2) if one.kind != "same"] in (["changed"], ["removed", "inserted"])
    assert shelf.document(paper.id, revision=1).id == old.id
    assert [one.number for one in shelf.revisions(paper.id)] == [1, 2]
    assert shelf.revisions(paper.id)[1].note == "page 18 corrected"


def test_of_two_clerks_who_replace_one_paper_the_second_is_told(shelf: Shelf) -> None:
    paper = shelf.register(PAPER.to_bytes(), name="budget")
    shelf.replace(paper.id, pages(5).to_bytes(), after=1)
    with pytest.raises(Conflict, match="revision 2"):
        shelf.replace(paper.id, pages(6).to_bytes(), after=1)
    assert shelf.paper(paper.id).page_count == 1


@pytest.mark.parametrize("number", [0, 2, -1])
def test_a_revision_that_is_not_there_is_told(shelf: Shelf, number: int) -> None:
    paper = shelf.register(PAPER.to_bytes(), name="budget")
    with pytest.raises(RequestError, match="no revision"):
        shelf.document(paper.id, revision=number)
    with pytest.raises(RequestError, match="no paper"):
        shelf.document("nobody")


# Withdrawing and purging.


def test_a_withdrawn_paper_is_not_listed_and_can_be_put_back(shelf: Shelf) -> None:
    paper = shelf.register(PAPER.to_bytes(), name="budget")
    withdrawn = shelf.withdraw(paper.id, who="clerk")
    assert not withdrawn.is_published(time.time())
    assert shelf.papers() == []
    assert [one.id for one in shelf.papers(withdrawn=True)] == [paper.id]
    shelf.restore(paper.id)
    assert [one.id for one in shelf.papers()] == [paper.id]
    assert kinds(shelf.changes()) == ["paper", "paper withdrawn", "paper restored"]


def test_a_paper_has_a_time(shelf: Shelf) -> None:
    paper = shelf.register(PAPER.to_bytes(), name="budget", from_s=1000.0, until_s=2000.0)
    assert [paper.is_published(now_s) for now_s in (999.9, 1000.0, 1999.9, 2000.0)] == [False, True, True, False]
    assert shelf.change(paper.id, until_s=None).is_published(3000.0)


def test_a_purged_paper_is_gone_but_for_what_others_hold(shelf: Shelf, tmp_path: Path) -> None:
    mine = shelf.register(pages(1, 2).to_bytes(), name="mine")
    shelf.replace(mine.id, pages(1, 77).to_bytes())
    shared = shelf.register(pages(1, 2).to_bytes(), name="shared")
    assert shelf.wait_prepared(30)
    first, second = shelf.revisions(mine.id)
    shelf.purge(mine.id)
    assert not shelf.originals.holds(second.original)
    assert shelf.originals.holds(first.original), "another paper has it"
    with pytest.raises(RequestError, match="no paper"):
        shelf.paper(mine.id)
    assert [paper.id for paper in shelf.papers()] == [shared.id]
    assert shelf.document(shared.id).page_count == 2
    assert shelf.verify().is_whole
    shelf.purge(shared.id)
    assert list(shelf.originals.all()) == []


# The feed.


def test_every_change_is_numbered_and_told_in_order(shelf: Shelf) -> None:
    told: list[Change] = []
    shelf.tell(told.extend)
    folder = shelf.make_folder("A", who="clerk")
    paper = shelf.register(PAPER.to_bytes(), folder, name="budget", who="clerk")
    shelf.replace(paper.id, pages(1).to_bytes())
    shelf.change(paper.id, name="Budget")
    shelf.withdraw(paper.id)
    shelf.purge(paper.id)
    changes = shelf.changes()
    assert kinds(changes) == ["folder", "paper", "paper replaced", "paper", "paper withdrawn", "paper purged"]
    assert [change.seq for change in changes] == list(range(1, len(changes) + 1))
    assert shelf.changes(since=changes[-2].seq) == changes[-1:]
    assert shelf.changes(limit=2) == changes[:2]
    wait_until(lambda: told == shelf.changes(), "not all are told")


def test_another_process_is_told_at_once(service: sb.TileService, tmp_path: Path) -> None:
    """Two shelves on one folder, as two processes have them."""
    with Shelf(tmp_path / "data", service) as ours, Shelf(tmp_path / "data", service) as theirs:
        for number in range(5):
            last = theirs.feed.last
            ours.make_folder(f"folder {number}")
            assert theirs.feed.wait(last, 5)
        assert [folder.name for folder in theirs.folders()] == [f"folder {number}" for number in range(5)]


# Faults.


def test_a_missing_original_is_told_and_found_by_verify(service: sb.TileService, tmp_path: Path) -> None:
    with Shelf(tmp_path / "data", service) as shelf:
        paper = shelf.register(PAPER.to_bytes(), name="budget")
        [revision] = shelf.revisions(paper.id)
        shelf.wait_prepared(30)
    shelf.originals.path(revision.original).unlink()
    with Shelf(tmp_path / "data", service) as again:
        with pytest.raises(StorageDamaged, match="restore a backup"):
            again.document(paper.id)
        assert again.verify().missing == [revision.original]


def test_a_file_that_nobody_named_is_swept_when_it_is_old(service: sb.TileService, tmp_path: Path) -> None:
    with Shelf(tmp_path / "data", service) as shelf:
        young = shelf.originals.take_in(io.BytesIO(b"young"))
        old = shelf.originals.take_in(io.BytesIO(b"old"))
        path = shelf.originals.path(old.digest)
        path.chmod(0o600)
    os.utime(path, (1e9, 1e9))
    with Shelf(tmp_path / "data", service) as again:
        assert list(again.originals.all()) == [young.digest]


def test_a_shelf_in_memory_leaves_nothing(service: sb.TileService) -> None:
    with Shelf(None, service) as shelf:
        paper = shelf.register(PAPER.to_bytes(), name="budget")
        assert shelf.document(paper.id).page_count == 4
        folder = shelf.data_dir
    assert not folder.exists()


def test_a_wrong_password_is_told_and_the_right_one_is_kept(service: sb.TileService, tmp_path: Path) -> None:
    with Shelf(tmp_path / "data", service) as shelf:
        paper = shelf.register(replace(PAPER, password="himitsu").to_bytes(), name="budget")
        assert (paper.state, paper.page_count) == ("locked", 0)
        assert "password" in paper.reason
        with pytest.raises(PasswordRequired):
            shelf.unlock(paper.id, "wrong")
        assert shelf.unlock(paper.id, "himitsu").state == "ready"
        assert shelf.wait_prepared(30)
    with Shelf(tmp_path / "data", service) as again:
        assert again.document(paper.id).page_count == 4
        assert again.paper(paper.id).state == "ready"


# Backups.


def test_a_backup_is_a_shelf(service: sb.TileService, shelf: Shelf, tmp_path: Path) -> None:
    folder = shelf.make_folder("令和8年")
    paper = shelf.register(PAPER.to_bytes(), folder, name="budget")
    purged = shelf.register(pages(9).to_bytes(), folder, name="purged")
    shelf.purge(purged.id)
    assert shelf.wait_prepared(30)
    assert shelf.back_up(tmp_path / "backup") == 1
    later = shelf.register(pages(8).to_bytes(), name="later")
    with pytest.raises(FileExistsError):
        shelf.back_up(tmp_path / "backup")
    with Shelf(tmp_path / "backup", service) as copy:
        assert copy.verify().is_whole
        assert (copy.folders(), copy.papers(folder)) == ([folder], [shelf.paper(paper.id)])
        assert copy.document(paper.id).page_count == 4
        assert copy.epoch() != shelf.epoch()
        with pytest.raises(RequestError):
            copy.paper(later.id)
    assert shelf.verify().is_whole


def test_nothing_is_removed_while_a_backup_is_made(shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paper = shelf.register(PAPER.to_bytes(), name="budget")
    [revision] = shelf.revisions(paper.id)
    copy = shelf.database.back_up

    def purged_meanwhile(target: Path) -> None:
        copy(target)
        shelf.purge(paper.id)
        assert shelf.originals.holds(revision.original)

    monkeypatch.setattr(shelf.database, "back_up", purged_meanwhile)
    assert shelf.back_up(tmp_path / "backup") == 1
    assert not shelf.originals.holds(revision.original), "it goes when the backup is done"
    assert shelf.verify().is_whole


def test_a_backup_that_does_not_end_is_none(shelf: Shelf, tmp_path: Path) -> None:
    """Also if the process is killed: what it makes has another name until it is whole."""
    paper = shelf.register(PAPER.to_bytes(), name="budget")
    place, seen = tmp_path / "copies", list[str]()

    def add(folder: Path) -> None:
        assert (folder / "shelf.sqlite3").exists()
        assert len([file for file in (folder / "originals").rglob("*") if len(file.name) == 64]) == 1
        seen.extend(one.name for one in place.iterdir())
        raise StorageFailed("the accounts cannot be read")

    with pytest.raises(StorageFailed, match="accounts"):
        shelf.back_up(place / "backup", more=add)
    assert len(seen) == 1
    assert seen[0].startswith(".backup-")
    assert list(place.iterdir()) == []
    original = shelf.originals.path(shelf.revision(paper.id).original)
    original.chmod(0o600)
    original.write_bytes(b"junk")
    with pytest.raises(StorageDamaged, match="damaged or missing"):
        shelf.back_up(place / "backup")
    original.unlink()
    with pytest.raises(StorageDamaged, match="damaged or missing"):
        shelf.back_up(place / "backup")
    assert list(place.iterdir()) == []


def test_a_damaged_index_is_found_and_made_again(shelf: Shelf) -> None:
    words = tuple(Word(0.0, 0.0, 9.0, 9.0, text, 0, 0) for text in ("予算", "議会"))
    shelf.register(FakeDocument(pages=(FakePage(words=words), FakePage(colour=(1, 2, 3)))).to_bytes(), name="budget")
    assert shelf.wait_prepared(30)
    assert shelf.verify().is_whole
    with shelf.database.writing() as writing:
        writing.run("UPDATE gram_bucket SET pairs = zeroblob(9) WHERE place IN (SELECT min(place) FROM gram_bucket)")
    [fault] = shelf.verify().faults
    assert "rebuild it" in fault
    with shelf.database.writing() as writing:
        writing.run("DELETE FROM gram_bucket")
    assert shelf.verify().faults == ["the search index is not that of the texts: rebuild it"]
    assert shelf.rebuild_index() == 2
    assert shelf.verify().is_whole


def test_a_pipe_is_no_paper(service: sb.TileService, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.pdf")
    with Shelf(tmp_path / "data", service) as shelf, pytest.raises(RequestError, match="is no file"):
        shelf.register(tmp_path / "pipe.pdf")


def test_a_shelf_that_cannot_be_opened_leaves_no_thread_behind(
    service: sb.TileService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise StorageFailed("the disk is full")

    monkeypatch.setattr("sidebooks_core.shelf.upkeep.sweep", fails)
    before = set(threading.enumerate())
    with pytest.raises(StorageFailed):
        Shelf(tmp_path / "data", service)
    wait_until(lambda: set(threading.enumerate()) <= before, "a thread of the feed stays")
