"""Files that are taken in: converted, told of wrongly, taken for nothing, damaged; and files that a server names."""

from __future__ import annotations

import hashlib
import logging
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from quiet import wait_until

import sidebooks_core as sb
from sidebooks_core.errors import Conflict, RequestError, StorageFailed
from sidebooks_core.server.registering import register_on_shelf
from sidebooks_core.shelf import Shelf
from sidebooks_core.shelf.originals import Original
from sidebooks_core.shelf.uploads import Upload, UploadLimits, Uploads
from sidebooks_core.testing import FakeDocument, FakeEngine, FakePage


def pages(*numbers: int) -> bytes:
    return FakeDocument(pages=tuple(FakePage(colour=(one, 9, 9)) for one in numbers)).to_bytes()


def digest_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def service(tmp_path: Path) -> Iterator[sb.TileService]:
    with sb.TileService(sb.Settings(cache_dir=tmp_path / "cache", workers=1), pool=FakeEngine().pool) as made:
        yield made


@pytest.fixture
def shelf(service: sb.TileService, tmp_path: Path) -> Iterator[Shelf]:
    with Shelf(tmp_path / "data", service) as made:
        yield made


# A hook that fails.


def run_out(path: Path, name: str) -> bytes | Path | None:
    raise subprocess.TimeoutExpired(["office", os.fspath(path)], 60)


def end_badly(path: Path, name: str) -> bytes | Path | None:
    subprocess.run(["false"], check=True)
    return None


def name_nothing(path: Path, name: str) -> bytes | Path | None:
    return path.with_name("there is no such file")


@pytest.mark.parametrize("convert", [run_out, end_badly, name_nothing])
def test_a_file_that_cannot_be_converted_stands_there_and_holds_up_no_other(
    service: sb.TileService, tmp_path: Path, convert: sb.shelf.Convert, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "1 letter.docx").write_bytes(b"office")
    (folder / "2 budget.pdf").write_bytes(pages(1))
    with caplog.at_level(logging.ERROR), Shelf(tmp_path / "data", service, convert=convert) as shelf:
        paper = shelf.register(b"another office file", name="letter")
        assert (paper.state, "could not be converted" in paper.reason) == ("unsupported", True)
        assert os.fspath(tmp_path) not in paper.reason, "readers see it"
        assert shelf.originals.is_whole(digest_of(b"another office file"))
        with shelf.watch(folder, settle_s=0.1) as watch:
            assert watch.wait(20)
            [top] = shelf.folders()
            assert [one.state for one in shelf.papers(top)] == ["unsupported", "ready"]
    assert "Traceback" in caplog.text, "the log has all of it"


# Files that a server names.


def test_a_file_that_a_server_names_is_registered_once_wherever_its_paper_is(
    shelf: Shelf, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "budget.pdf"
    path.write_bytes(pages(1))
    register_on_shelf(shelf, [path], None)
    wait_until(shelf.papers, "it is not registered")
    [paper] = shelf.papers()
    folder = shelf.make_folder("council")
    shelf.change(paper.id, folder=folder)
    register_on_shelf(shelf, [path], None)
    assert (shelf.papers(), [one.id for one in shelf.papers(folder)]) == ([], [paper.id])
    shelf.purge(paper.id)
    register_on_shelf(shelf, [path], None)
    assert (shelf.papers(), shelf.papers(folder)) == ([], [])
    assert "was purged" in capsys.readouterr().err
    assert shelf.register(path).state == "ready", "a clerk may register it again"
    register_on_shelf(shelf, [path], None)
    assert len(shelf.papers()) == 1


# Taken in for nothing, and damaged.


def test_what_is_taken_in_for_nothing_is_removed_at_once(shelf: Shelf) -> None:
    paper = shelf.register(pages(1), name="budget")
    with pytest.raises(Conflict):
        shelf.replace(paper.id, pages(2), after=9)
    assert list(shelf.originals.all()) == [digest_of(pages(1))]
    with pytest.raises(Conflict):
        shelf.replace(paper.id, pages(1), after=9)
    assert list(shelf.originals.all()) == [digest_of(pages(1))], "what a row names stays"


def test_what_another_one_may_be_about_to_name_is_left(shelf: Shelf) -> None:
    paper = shelf.register(pages(1), name="budget")
    with shelf.originals.taking(), pytest.raises(Conflict):
        shelf.replace(paper.id, pages(2), after=9)
    assert shelf.originals.holds(digest_of(pages(2)))


def test_what_is_abandoned_is_removed_once_a_day_without_a_restart(
    service: sb.TileService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sidebooks_core.shelf.preparing.DAY_S", 0.2)
    monkeypatch.setattr("sidebooks_core.shelf.preparing.LOOK_EVERY_S", 0.1)
    with Shelf(tmp_path / "data", service) as shelf:
        uploads = Uploads(shelf, UploadLimits())
        upload = uploads.begin(new_upload())
        path = shelf.originals.path(digest_of(b"orphan"))
        path.parent.mkdir()
        path.write_bytes(b"orphan")
        two_days_ago = time.time() - 2 * 86_400
        for one in (path, *(tmp_path / "data" / "uploads").glob(f"{upload.id}.*")):
            os.utime(one, (two_days_ago, two_days_ago))
        wait_until(lambda: not path.exists(), "an orphan stays")
        wait_until(lambda: uploads.find(upload.id) is None, "an upload that has expired stays")


def test_a_damaged_original_is_healed_by_registering_the_file_again(shelf: Shelf) -> None:
    paper = shelf.register(pages(1), name="budget")
    path = shelf.originals.path(digest_of(pages(1)))
    for damaged in (b"junk", b"x" * len(pages(1))):
        path.chmod(0o600)
        path.write_bytes(damaged)
        assert shelf.verify().damaged
        assert shelf.register(pages(1), name="again").state == "ready"
        assert shelf.verify().is_whole
    assert shelf.document(paper.id).page_count == 1


# What makes no sense.


@pytest.mark.parametrize(
    "wrong",
    [
        {"from_s": float("nan")}, {"until_s": float("inf")}, {"from_s": "soon"}, {"until_s": True}, {"from_s": 10**400},
        {"note": 5}, {"note": "\ud800"}, {"name": 5}, {"level": 3}, {"revision_note": 5},
    ],
)  # fmt: skip
def test_values_of_a_wrong_kind_are_refused_and_nothing_is_kept(shelf: Shelf, wrong: dict[str, object]) -> None:
    with pytest.raises(RequestError):
        shelf.register(pages(1), **{"name": "budget", **wrong})
    assert (shelf.papers(), list(shelf.originals.all())) == ([], [])
    paper = shelf.register(pages(2), name="budget")
    if "revision_note" not in wrong:
        with pytest.raises(RequestError):
            shelf.change(paper.id, **wrong)
    assert shelf.paper(paper.id) == paper


def test_wrong_places_notes_and_kinds_are_refused(shelf: Shelf) -> None:
    paper, folder = shelf.register(pages(1), name="budget"), shelf.make_folder("council")
    for place in ("first", 1.5, True):
        with pytest.raises(RequestError):
            shelf.change(paper.id, place=place)
        with pytest.raises(RequestError):
            shelf.change_folder(folder, place=place)
    for wrong in ({"note": 5}, {"kind": "drawer"}):
        with pytest.raises(RequestError):
            shelf.change_folder(folder, **wrong)
        with pytest.raises(RequestError):
            shelf.make_folder("other", **wrong)


# Uploads.


def new_upload(length: int = 5, **more: object) -> Upload:
    return Upload(**{"id": "", "owner": "o", "length": length, "file_name": "a.pdf", "paper_id": "", "replaces": False, **more})


def sent(uploads: Uploads, upload: Upload, data: bytes) -> Upload:
    with uploads.writer(upload) as writer:
        writer.write(data)
    return upload


@pytest.fixture
def uploads(shelf: Shelf) -> Uploads:
    return Uploads(shelf, UploadLimits())


def test_an_upload_becomes_a_revision_although_another_clerk_registered_the_same_file(shelf: Shelf, uploads: Uploads) -> None:
    paper = shelf.register(pages(1), name="budget")
    upload = uploads.begin(new_upload(len(pages(2)), paper_id=paper.id, replaces=True))
    shelf.replace(paper.id, pages(2))
    shelf.replace(paper.id, pages(3))
    done = uploads.finish(sent(uploads, upload, pages(2)))
    assert (done.revision, shelf.revision(paper.id).original) == (4, digest_of(pages(2)))
    assert uploads.finish(upload).revision == 4, "called again by a client that knows less"


def test_the_lock_of_a_live_upload_is_not_swept(shelf: Shelf, uploads: Uploads) -> None:
    upload = uploads.begin(new_upload())
    lock = uploads.try_hold(upload.id)
    assert lock is not None
    folder = shelf.data_dir / "uploads"
    os.utime(folder / f"{upload.id}.lock", (time.time() - 90_000,) * 2)
    sent(uploads, upload, b"abc")
    uploads.sweep()
    assert uploads.try_hold(upload.id) is None
    lock.release()
    uploads.remove(upload.id)
    (folder / "gone.lock").touch()
    os.utime(folder / "gone.lock", (time.time() - 90_000,) * 2)
    uploads.sweep()
    assert not list(folder.glob("*.lock")), "that of an upload that is gone is"


def test_an_upload_that_goes_on_is_not_swept_when_the_clock_is_set(
    shelf: Shelf, uploads: Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = uploads.begin(new_upload(5))
    lock = uploads.try_hold(upload.id)
    assert lock is not None
    real = time.time
    with uploads.writer(upload) as writer:
        writer.write(b"abc")
        monkeypatch.setattr(time, "time", lambda: real() + 90_000)
        assert uploads.sweep() == 0
        writer.write(b"de")
    lock.release()
    assert (uploads.find(upload.id), uploads.offset(upload)) == (upload, 5)
    monkeypatch.setattr(time, "time", lambda: real() - 90_000)
    assert uploads.sweep() == 0, "one whose bytes are of the future is not old"
    monkeypatch.setattr(time, "time", lambda: real() + 90_000)
    assert uploads.sweep() == 1
    assert uploads.find(upload.id) is None
    assert not list((shelf.data_dir / "uploads").glob("*.*"))


@pytest.mark.parametrize("is_moved", [False, True])
def test_a_crash_while_the_bytes_are_moved_loses_none(
    shelf: Shelf, uploads: Uploads, monkeypatch: pytest.MonkeyPatch, *, is_moved: bool
) -> None:
    upload = sent(uploads, uploads.begin(new_upload(len(pages(1)))), pages(1))
    settle = type(shelf.originals).take_over

    def crashing(self: object, path: Path, found: object, digest: str | None) -> Original:
        if is_moved:
            settle(shelf.originals, path, found, digest)
        else:
            found(Original(digest_of(pages(1)), len(pages(1))))
        raise StorageFailed("killed here")

    with monkeypatch.context() as patch:
        patch.setattr(type(shelf.originals), "take_over", crashing)
        with pytest.raises(StorageFailed):
            uploads.finish(upload)
    again = uploads.find(upload.id)
    assert again is not None
    assert uploads.offset(again) == len(pages(1)), "the client need not send it again"
    paper = uploads.finish(again)
    assert (paper.state, paper.name) == ("ready", "a")


def test_an_upload_whose_bytes_are_gone_is_sent_again(shelf: Shelf, uploads: Uploads) -> None:
    folder = shelf.make_folder("council")
    upload = sent(uploads, uploads.begin(new_upload(len(pages(1)), folder=folder.id)), pages(1))
    shelf.remove_folder(folder)
    with pytest.raises(RequestError):
        uploads.finish(upload)
    upload = uploads.find(upload.id)
    assert upload is not None
    assert uploads.offset(upload) == len(pages(1))
    shelf.originals.remove(digest_of(pages(1)))
    with pytest.raises(StorageFailed, match="send them again"):
        uploads.finish(upload)
    upload = uploads.find(upload.id)
    assert upload is not None
    assert uploads.offset(upload) == 0


def test_an_upload_that_is_given_up_leaves_no_file(shelf: Shelf, uploads: Uploads) -> None:
    paper = shelf.register(pages(1), name="budget")
    upload = uploads.begin(new_upload(len(pages(2)), paper_id=paper.id, replaces=True, after=7))
    with pytest.raises(Conflict):
        uploads.finish(sent(uploads, upload, pages(2)))
    uploads.remove(upload.id)
    assert list(shelf.originals.all()) == [digest_of(pages(1))]


def test_who_begins_an_upload_does_not_read_those_that_are_done(shelf: Shelf, uploads: Uploads) -> None:
    for number in range(3):
        upload = uploads.begin(new_upload(len(pages(number))))
        uploads.finish(sent(uploads, upload, pages(number)))
        assert uploads.find(upload.id) is not None
    assert [path.name for path in (shelf.data_dir / "uploads").iterdir()] == ["done"]
