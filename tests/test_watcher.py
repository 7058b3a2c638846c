"""Watched folders: whatever a file system does, what can be served is, what cannot is told, and the watching goes on."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from asgi import ask
from PIL import Image

import sidebooks_core as sb
from sidebooks_core.documents.listing import (
    LAST_RETRY_S,
    MOST_DEPTH,
    MOST_RETRIES_OF_DAMAGE,
    list_folder,
    retry_after_s,
)
from sidebooks_core.server import Application, Shelf
from sidebooks_core.server.watcher import OPENERS, Watcher


def picture(path: Path, colour: str = "red") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (40, 30), colour).save(path)
    return path


def until(holds: Callable[[], Any], timeout_s: float = 20.0) -> None:
    deadline_s = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline_s, "it never came true"
        time.sleep(0.01)


class Disk:
    """Opens files as a shelf does, without a service."""

    def __init__(self) -> None:
        self.served: dict[Path, bytes] = {}
        self.opened: list[Path] = []
        self.failing: dict[Path, Exception] = {}

    def open(self, path: Path) -> None:
        self.opened.append(path)
        if path in self.failing:
            raise self.failing[path]
        self.served[path] = path.read_bytes()

    def gone(self, path: Path) -> None:
        self.served.pop(path, None)


class Clock:
    """Seconds that a test lets pass."""

    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def disk() -> Disk:
    return Disk()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def watcher(disk: Disk, clock: Clock) -> Iterator[Watcher]:
    running = Watcher(disk.open, disk.gone, clock)
    yield running
    running.close()


@pytest.fixture
def shelf(service: sb.TileService) -> Iterator[Shelf]:
    running = Shelf(service)
    yield running
    running.close()


def denied(real: Any, place: Path, error: int = errno.EACCES) -> Any:
    """A function of `os` that fails at one place, as for an ordinary user: the tests may run as root."""

    def failing(path: Any, *arguments: Any, **options: Any) -> Any:
        if os.fspath(path) == os.fspath(place):
            raise OSError(error, os.strerror(error), os.fspath(path))
        return real(path, *arguments, **options)

    return failing


def test_a_folder_that_cannot_be_read_costs_nothing_else_and_comes_back(
    watcher: Watcher, disk: Disk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_one, closed = picture(tmp_path / "a.png"), picture(tmp_path / "sub" / "b.png")
    assert watcher.look(tmp_path) == 2
    with monkeypatch.context() as patched:
        patched.setattr(os, "scandir", denied(os.scandir, tmp_path / "sub"))
        picture(tmp_path / "c.png")
        assert watcher.look(tmp_path) == 3, "what lies in a folder that cannot be read just now may be there"
        assert set(disk.served) == {open_one, closed, tmp_path / "c.png"}
        assert [(one.path.name, one.reason) for one in watcher.problems()] == [("sub", "cannot be read: Permission denied")]
    assert watcher.look(tmp_path) == 3
    assert watcher.problems() == []


AS_AN_ORDINARY_USER = """
import os, sys
from pathlib import Path
from sidebooks_core.documents.listing import list_folder

if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
listing = list_folder(Path(sys.argv[1]))
print(sorted(path.name for path in listing.files), sorted(path.name for path in listing.unread))
"""


@pytest.mark.parametrize(("mode", "unread"), [(0o644, ["b.png"]), (0o311, ["sub"]), (0o000, ["sub"]), (0o755, [])])
def test_an_ordinary_user_lists_what_it_may(mode: int, unread: list[str]) -> None:
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        picture(Path(name) / "a.png")
        sub = picture(Path(name) / "sub" / "b.png").parent
        sub.chmod(mode)
        try:
            command = [sys.executable, "-c", AS_AN_ORDINARY_USER, name]
            listed = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
        finally:
            sub.chmod(0o755)
    files = ["a.png"] if unread else ["a.png", "b.png"]
    assert listed.stdout.strip() == f"{files} {unread}"


def test_the_watching_goes_on_whatever_happens(
    disk: Disk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("sidebooks_core.server.watcher.WATCH_EVERY_S", 0.01)
    faults = iter([RuntimeError("a callback's own"), OSError(errno.ESTALE, "Stale file handle"), MemoryError()])

    def faulty(folder: Path) -> Any:
        fault = next(faults, None)
        if fault is not None:
            raise fault
        return list_folder(folder)

    monkeypatch.setattr("sidebooks_core.server.watcher.list_folder", faulty)
    watcher = Watcher(disk.open, disk.gone)
    watcher.watch([tmp_path])
    path = picture(tmp_path / "late.png")
    until(lambda: path in disk.served)
    watcher.close()
    assert "could not be looked at" in caplog.text


def test_what_failed_for_a_passing_reason_is_tried_again(watcher: Watcher, disk: Disk, clock: Clock, tmp_path: Path) -> None:
    path = picture(tmp_path / "a.png")
    disk.failing[path] = PermissionError(errno.EACCES, "Permission denied", str(path))
    assert watcher.look(tmp_path) == 0
    assert [(one.path, one.reason) for one in watcher.problems()] == [(path, "Permission denied")]
    assert watcher.look(tmp_path) == 0
    assert len(disk.opened) == 1, "not at every look"
    clock.now_s += 3
    disk.failing.clear()
    assert watcher.look(tmp_path) == 1
    assert watcher.problems() == []


def test_a_change_of_mode_is_a_reason_to_try_at_once(watcher: Watcher, disk: Disk, tmp_path: Path) -> None:
    path = picture(tmp_path / "a.png")
    disk.failing[path] = PermissionError(errno.EACCES, "Permission denied", str(path))
    assert watcher.look(tmp_path) == 0
    disk.failing.clear()
    path.chmod(0o600)
    assert watcher.look(tmp_path) == 1


def test_what_cannot_be_served_waits_for_a_change(watcher: Watcher, disk: Disk, clock: Clock, tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("no document")
    disk.failing[path] = sb.UnsupportedDocument("notes.txt is none of the kinds that can be opened")
    watcher.look(tmp_path)
    clock.now_s += 1e6
    watcher.look(tmp_path)
    assert len(disk.opened) == 1
    assert "none of the kinds" in watcher.problems()[0].reason
    disk.failing.clear()
    path.write_text("a document now")
    assert watcher.look(tmp_path) == 1


def test_retries_are_ever_rarer_and_damage_is_given_up() -> None:
    passing = [retry_after_s(OSError(errno.EMFILE, "Too many open files"), failures) for failures in range(1, 50)]
    assert passing[:4] == [2, 4, 8, 16]
    assert passing[-1] == LAST_RETRY_S
    damaged = [retry_after_s(sb.DamagedDocument("x"), failures) for failures in range(1, MOST_RETRIES_OF_DAMAGE + 2)]
    assert damaged[:-1] == passing[:MOST_RETRIES_OF_DAMAGE]
    assert damaged[-1] is None
    for error in (sb.UnsupportedDocument("x"), sb.PasswordRequired("x"), sb.DocumentTooLarge("x")):
        assert retry_after_s(error, 1) is None


def test_one_slow_file_holds_up_no_other(tmp_path: Path) -> None:
    slow, leave = picture(tmp_path / "0 slow.png"), threading.Event()
    others = [picture(tmp_path / f"{number}.png") for number in range(1, 9)]
    served: set[Path] = set()

    def opened(path: Path) -> None:
        if path == slow:
            assert leave.wait(20)
        served.add(path)

    watcher = Watcher(opened, served.discard)
    watcher.look(tmp_path, 0)
    until(lambda: served == set(others) and watcher.opening_count() == 1)
    picture(tmp_path / "late.png")
    watcher.look(tmp_path, 0)
    until(lambda: tmp_path / "late.png" in served)
    leave.set()
    assert watcher.look(tmp_path) == 10
    watcher.close()


def test_files_are_opened_several_at_a_time(tmp_path: Path) -> None:
    for number in range(OPENERS):
        picture(tmp_path / f"{number}.png")
    together = threading.Barrier(OPENERS, timeout=20)
    watcher = Watcher(lambda path: together.wait() and None, lambda path: None)
    assert watcher.look(tmp_path) == OPENERS
    watcher.close()


def test_what_vanishes_while_it_is_opened_is_not_served(tmp_path: Path) -> None:
    path, entered, leave = picture(tmp_path / "a.png"), threading.Event(), threading.Event()
    served: set[Path] = set()

    def opened(path: Path) -> None:
        entered.set()
        assert leave.wait(20)
        served.add(path)

    watcher = Watcher(opened, served.discard)
    watcher.look(tmp_path, 0)
    assert entered.wait(20)
    path.unlink()
    watcher.look(tmp_path, 0)
    leave.set()
    until(lambda: not served and watcher.opening_count() == 0)
    watcher.close()


def test_what_vanishes_and_comes_back_while_it_is_opened_is_served(tmp_path: Path) -> None:
    """As when a long document is saved anew while it is opened for the first time."""
    path, aside, entered, leave = picture(tmp_path / "a.png"), tmp_path / ".aside", threading.Event(), threading.Event()
    served: dict[Path, bytes] = {}

    def opened(path: Path) -> None:
        entered.set()
        assert leave.wait(20)
        served[path] = path.read_bytes()

    watcher = Watcher(opened, lambda path: served.pop(path, None) and None)
    watcher.look(tmp_path, 0)
    assert entered.wait(20)
    path.rename(aside)
    watcher.look(tmp_path, 0)
    aside.rename(path)
    watcher.look(tmp_path, 0)
    leave.set()
    until(lambda: watcher.opening_count() == 0)
    assert watcher.look(tmp_path) == 1
    assert path in served
    picture(path, "green")
    assert watcher.look(tmp_path) == 1
    assert served[path] == path.read_bytes()
    path.unlink()
    assert watcher.look(tmp_path) == 0
    assert not served
    watcher.close()


def test_who_waits_for_a_folder_is_let_go_when_it_is_closed(tmp_path: Path) -> None:
    entered, leave = threading.Event(), threading.Event()
    for number in range(OPENERS + 3):
        picture(tmp_path / f"{number}.png")

    def opened(_: Path) -> None:
        entered.set()
        assert leave.wait(20)

    watcher = Watcher(opened, lambda _: None)
    looking = threading.Thread(target=watcher.look, args=(tmp_path,), daemon=True)
    looking.start()
    assert entered.wait(20)
    watcher.close()
    leave.set()
    looking.join(20)
    assert not looking.is_alive()
    watcher.look(tmp_path)  # and again, closed


def test_links_that_lead_out_are_told_and_not_served(watcher: Watcher, disk: Disk, tmp_path: Path) -> None:
    outside = picture(tmp_path / "outside" / "secret.png")
    folder = tmp_path / "folder"
    own = picture(folder / "own.png")
    (folder / "file.png").symlink_to(outside)
    (folder / "sub").symlink_to(outside.parent)
    (folder / "loop").symlink_to(folder)
    (folder / "nowhere.png").symlink_to(folder / "missing.png")
    (folder / "again.png").symlink_to(own)
    os.mkfifo(folder / "pipe.pdf")
    watcher.look(folder)
    assert set(disk.served) == {own, folder / "again.png"}
    assert {one.path.name for one in watcher.problems()} == {"file.png", "sub", "nowhere.png"}


def test_folders_too_deep_are_told(watcher: Watcher, disk: Disk, tmp_path: Path) -> None:
    deepest = tmp_path.joinpath(*["d"] * (MOST_DEPTH + 2))
    picture(deepest / "a.png")
    assert watcher.look(tmp_path) == 0
    assert len(watcher.problems()) == 1


def test_a_document_is_served_as_long_as_one_file_holds_it(service: sb.TileService, shelf: Shelf, tmp_path: Path) -> None:
    first, second = picture(tmp_path / "a.png"), tmp_path / "b.png"
    second.write_bytes(first.read_bytes())
    assert shelf.register_folder(tmp_path) == 2
    [document_id] = shelf.ids()
    picture(first, "blue")
    assert shelf.register_folder(tmp_path) == 2
    assert document_id in shelf.ids()
    assert len(shelf.ids()) == 2
    found = shelf.find(document_id)
    assert found is not None
    assert found.path == second
    assert service.page_image(found.document, 0, width_px=40).pixels()[0, 0].tolist() == [255, 0, 0]


@pytest.mark.parametrize("deleted", ["a.png", "b.png"])
def test_a_document_whose_one_copy_is_deleted_is_drawn_from_the_other(
    service: sb.TileService, shelf: Shelf, tmp_path: Path, deleted: str
) -> None:
    first = picture(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(first.read_bytes())
    shelf.register_folder(tmp_path)
    (tmp_path / deleted).unlink()
    assert shelf.register_folder(tmp_path) == 1
    [left] = shelf.all()
    assert left.path is not None
    assert left.path.exists()
    assert service.page_image(left.document, 0, width_px=37).width_px == 37
    left.path.unlink()
    assert shelf.register_folder(tmp_path) == 0
    assert shelf.ids() == []


def test_what_the_application_registered_stays_when_a_folder_loses_it(shelf: Shelf, tmp_path: Path) -> None:
    path = picture(tmp_path / "folder" / "a.png")
    shelf.register(path.read_bytes())
    shelf.register_folder(path.parent)
    path.unlink()
    shelf.register_folder(path.parent)
    assert len(shelf.ids()) == 1


def test_documents_are_listed_by_their_paths(shelf: Shelf, tmp_path: Path) -> None:
    names = ["Page 1.png", "page 9.png", "page 10.png", "第1回.png", "第２回.png", "第10回.png", "第３３回.png"]
    for place, name in enumerate(reversed(names)):
        picture(tmp_path / name, f"#0000{10 + place}")
    shelf.register_folder(tmp_path)
    assert [one.document.name for one in shelf.all()] == names
    shelf.remove(shelf.ids()[1])
    assert len(shelf.ids()) == len(names) - 1


def test_a_callback_that_fails_ends_nobody(shelf: Shelf, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    told: list[list[str]] = []

    def broken(ids: list[str]) -> None:
        raise RuntimeError("the application's own")

    shelf.tell(broken)
    shelf.tell(told.append)
    picture(tmp_path / "a.png")
    assert shelf.register_folder(tmp_path) == 1
    assert told[-1] == shelf.ids()
    assert "callback" in caplog.text


def test_what_is_not_served_is_told_with_its_reason(shelf: Shelf, tmp_path: Path) -> None:
    folder = picture(tmp_path / "folder" / "a.png").parent
    (folder / "broken.pdf").write_bytes(b"%PDF-1.7\n")
    (folder / "notes.txt").write_text("no document")
    assert shelf.register_folder(folder) == 1
    assert [one.path.name for one in shelf.problems()] == ["broken.pdf", "notes.txt"]
    assert all(one.reason for one in shelf.problems())
    application = Application(shelf)
    told = ask(application, "/documents").json()["not_served"]
    assert [one["name"] for one in told] == ["broken.pdf", "notes.txt"]
    assert all(one["reason"] and str(folder) not in one["reason"] for one in told)
    application.close()


def test_a_file_that_changed_is_told_in_one_step(service: sb.TileService, tmp_path: Path) -> None:
    shelf = Shelf(service)
    picture(tmp_path / "a.png", "red")
    assert shelf.register_folder(tmp_path) == 1
    told: list[list[str]] = []
    shelf.tell(told.append)
    picture(tmp_path / "a.png", "blue")
    os.utime(tmp_path / "a.png", (1.0, 1.0))
    assert shelf.register_folder(tmp_path) == 1
    assert [len(ids) for ids in told] == [1], "never without the document"
