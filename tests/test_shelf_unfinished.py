"""Backups and exports that did not end: what they left is removed, and nothing else is. And those that did are told so."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import sidebooks_core as sb
from sidebooks_core.databases.lock import try_lock
from sidebooks_core.errors import StorageDamaged, StorageFailed
from sidebooks_core.shelf import Shelf, importing, upkeep
from sidebooks_core.shelf.beside import MARK_NAME, made_beside, remove_leftovers
from sidebooks_core.testing import FakeDocument, FakeEngine

SECRET = b"the bytes of a paper" * 200

KILLED = """
import os, signal, sys
from pathlib import Path
import sidebooks_core as sb
from sidebooks_core.shelf import Shelf, beside
from sidebooks_core.testing import FakeEngine

def die(*given):
    os.kill(os.getpid(), signal.SIGKILL)

with (
    sb.TileService(sb.Settings(cache_dir=None, workers=1), pool=FakeEngine().pool) as service,
    Shelf(sys.argv[1], service) as shelf,
):
    if sys.argv[2] == "backup":
        shelf.back_up(Path(sys.argv[3]), more=die)
    else:
        beside.flush_to_disk = die
        shelf.export(Path(sys.argv[3]))
"""


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    with (
        sb.TileService(sb.Settings(cache_dir=None, workers=1), pool=FakeEngine().pool) as service,
        Shelf(tmp_path / "data", service) as made,
    ):
        made.register(SECRET, name="letter")
        yield made


def copies(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and SECRET in path.read_bytes()]


def killed(shelf: Shelf, what: str, target: Path) -> None:
    ended = subprocess.run([sys.executable, "-c", KILLED, shelf.data_dir, what, target], check=False)
    assert ended.returncode < 0
    assert copies(target.parent), "it was killed too early to leave anything"


@pytest.mark.parametrize("what", ["backup", "export"])
@pytest.mark.parametrize("then", ["backup", "export"])
def test_what_a_killed_one_left_is_removed_by_the_next(shelf: Shelf, tmp_path: Path, what: str, then: str) -> None:
    folder = tmp_path / "kept"
    killed(shelf, what, folder / "of today")
    killed(shelf, then, folder / "of today")
    assert len(list(folder.iterdir())) == 1, "that of the second one, which has removed the first"
    if then == "backup":
        shelf.back_up(folder / "of tomorrow")
    else:
        shelf.export(folder / "of tomorrow")
    assert [path.name for path in folder.iterdir()] == ["of tomorrow"]
    assert len(copies(folder)) == 1
    assert not list(folder.rglob(MARK_NAME)), "one that is whole has no mark"


def test_nothing_that_is_not_surely_a_leftover_is_removed(tmp_path: Path) -> None:
    with made_beside(tmp_path / "whole") as partial:
        (partial / "a").write_text("a")
        name, mark = partial.name, (partial / MARK_NAME).read_bytes()

    def folder(called: str, content: bytes | None) -> Path:
        made = tmp_path / called
        made.mkdir()
        (made / "a").write_text("a")
        if content is not None:
            (made / MARK_NAME).write_bytes(content)
        return made

    kept = [
        tmp_path / "whole",
        folder(".whole-abcdefgh", None),
        folder(".whole-abcdefgi", b""),
        folder(".whole-abcdefgj", mark),  # of another one
        folder("whole-abcdefgk", mark.replace(name.encode(), b"whole-abcdefgk")),
    ]
    elsewhere = folder("elsewhere", mark.replace(name.encode(), b".whole-abcdefgl"))
    (tmp_path / ".whole-abcdefgl").symlink_to(elsewhere)
    linked = folder(".whole-abcdefgm", None)
    (linked / MARK_NAME).symlink_to(elsewhere / MARK_NAME)
    busy = folder(".whole-abcdefgn", mark.replace(name.encode(), b".whole-abcdefgn"))
    lock = try_lock(busy / MARK_NAME)
    assert lock is not None
    assert remove_leftovers(tmp_path) == 0
    assert all((path / "a").read_text() == "a" for path in (*kept, elsewhere, linked, busy))
    lock.release()
    assert remove_leftovers(tmp_path) == 1, "its process has ended"
    assert not busy.exists()


def test_one_that_is_being_made_is_not_removed_by_another(shelf: Shelf, tmp_path: Path) -> None:
    folder = tmp_path / "kept"

    def meanwhile(partial: Path) -> None:
        assert remove_leftovers(folder) == 0
        with made_beside(folder / "other"):
            pass

    assert shelf.back_up(folder / "backup", more=meanwhile) == 1
    assert sorted(path.name for path in folder.iterdir()) == ["backup", "other"]
    assert copies(folder)


@pytest.mark.parametrize("what", ["backup", "export"])
def test_a_success_is_told_although_what_was_purged_meanwhile_cannot_be_removed_yet(
    shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, what: str
) -> None:
    def locked(*given: object) -> int:
        raise StorageFailed("the database is locked")

    monkeypatch.setattr(upkeep, "remove_doomed", locked)
    if what == "backup":
        assert shelf.back_up(tmp_path / "copy") == 1
    else:
        assert shelf.export(tmp_path / "copy").papers == 1
    assert copies(tmp_path / "copy")
    assert "it is tried again" in caplog.text


def test_a_failure_is_told_as_it_is_although_what_was_purged_cannot_be_removed_either(
    shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def locked(*given: object) -> int:
        raise StorageFailed("the database is locked")

    def full(partial: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(upkeep, "remove_doomed", locked)
    with pytest.raises(StorageFailed, match="No space left on device; no backup was made"):
        shelf.back_up(tmp_path / "kept" / "copy", more=full)
    assert list((tmp_path / "kept").iterdir()) == []


def test_a_document_that_is_backed_up_can_be_read(shelf: Shelf, tmp_path: Path) -> None:
    paper = shelf.register(FakeDocument.of_pages(2).to_bytes(), name="plan")
    shelf.back_up(tmp_path / "copy")
    with Shelf(tmp_path / "copy", shelf.service) as copy:
        assert copy.document(paper.id).page_count == 2


def test_a_clean_up_that_fails_hides_no_error(
    shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Of a folder that is made, and of files that are brought in."""

    def refused(*given: object) -> None:
        raise StorageFailed("it cannot be removed")

    shelf.export(tmp_path / "exported")

    def failing(partial: Path) -> None:
        (partial / "file").touch()
        monkeypatch.setattr(Path, "iterdir", refused)
        raise StorageFailed("the first")

    with pytest.raises(StorageFailed, match="the first"):
        shelf.back_up(tmp_path / "copy", more=failing)
    monkeypatch.undo()
    assert "could not be removed" in caplog.text
    caplog.clear()
    with Shelf(tmp_path / "other", shelf.service) as other:
        monkeypatch.setattr(importing, "undo", refused)
        (file,) = [path for path in (tmp_path / "exported").iterdir() if path.suffix != ".json"]
        file.write_bytes(b"?" * file.stat().st_size)
        with pytest.raises(StorageDamaged, match="it was changed"):
            other.bring_in(tmp_path / "exported")
    assert "could not be removed" in caplog.text
