"""A shelf in bad company: a full disk, a folder that is read-only, a stranger's lock, a clock that is set, files that change.

Each runs as an ordinary user in a process of its own. In the end the shelf has what it had promised, and is whole.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile

import pytest
from ordinary_user import run_as_ordinary_user, shared_folder

COMMON = """
import contextlib, errno, os, pathlib, resource, subprocess, threading, time
import sidebooks_core as sb
from sidebooks_core.databases import database as database_module
from sidebooks_core.errors import DamagedDocument, StorageError, StorageFailed
from sidebooks_core.shelf import Shelf
from sidebooks_core.testing import FakeDocument, FakeEngine

folder = pathlib.Path(sys.argv[1])
data = folder / "data"
service = sb.TileService(sb.Settings(cache_dir=folder / "cache", workers=1), pool=FakeEngine().pool)

def content(note, pages=2):
    return FakeDocument.of_pages(pages, note=note).to_bytes()

def fails(call, *given, **named):
    try:
        call(*given, **named)
    except StorageFailed as error:
        return str(error)
    raise AssertionError(f"{call} did not fail")

def holds(shelf, *papers):
    "These papers and no others are there, and can be read."
    assert [one.id for one in shelf.papers()] == [one.id for one in papers], shelf.papers()
    for one in papers:
        assert shelf.paper(one.id).revision == one.revision
        assert shelf.document(one.id).page_count == one.page_count
    found = shelf.verify()
    assert found.is_whole, found
"""

FULL = """
def squeezed(shelf, squeeze, release):
    first = shelf.register(content("first"), name="first")
    shelf.wait_prepared(30)
    squeeze()
    big = content("x" * (4 << 20))
    for told in (
        fails(shelf.register, big, name="big"),
        fails(shelf.replace, first.id, big),
        fails(shelf.make_folder, "folder", note="会" * (1 << 20)),
        fails(shelf.export, folder / "exported") if (folder / "filler").exists() else "nothing was",
        fails(shelf.back_up, folder / "backup") if (folder / "filler").exists() else "nothing was",
    ):
        assert any(word in told for word in ("nothing was", "no backup was made", "not complete", "IOError")), told
    holds(shelf, first)
    release()
    holds(shelf, first)
    second = shelf.register(big, name="big")
    holds(shelf, first, second)
    shelf.export(folder / "exported")
    return first, second
"""


def ran(script: str) -> None:
    with shared_folder() as folder:
        run_as_ordinary_user(COMMON + script, str(folder), folder=folder)


def test_files_that_cannot_grow() -> None:
    ran(
        FULL
        + """
def squeeze():
    largest = max(path.stat().st_size for path in data.rglob("*") if path.is_file())
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest + 4096, resource.RLIM_INFINITY))

def release():
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

with service, Shelf(data, service) as shelf:
    papers = squeezed(shelf, squeeze, release)
with sb.TileService(sb.Settings(cache_dir=None, workers=1), pool=FakeEngine().pool) as service, Shelf(data, service) as shelf:
    holds(shelf, *papers)
"""
    )


def test_a_full_disk() -> None:
    """On a small disk in memory, which is mounted for the script only."""
    mount = ["unshare", "--mount", "--propagation", "private"] if os.geteuid() == 0 else ["unshare", "-rm"]
    if any(shutil.which(tool) is None for tool in ("unshare", "mount")):
        pytest.skip("a disk is mounted by unshare and mount")
    script = (
        FULL
        + """
def squeeze():
    with contextlib.suppress(OSError), open(folder / "filler", "wb", buffering=0) as file:
        while file.write(bytes(4096)):
            pass

def release():
    (folder / "filler").unlink()

with service, Shelf(data, service) as shelf:
    papers = squeezed(shelf, squeeze, release)
with sb.TileService(sb.Settings(cache_dir=None, workers=1), pool=FakeEngine().pool) as service, Shelf(data, service) as shelf:
    holds(shelf, *papers)
print("done")
"""
    )
    whole = f"import sys; sys.path[:] = {sys.path!r}\n{COMMON}{script}"
    with tempfile.TemporaryDirectory(prefix="sidebooks-") as place:
        shell = 'mount -t tmpfs -o size=24m,mode=700 tmpfs "$1" && shift && exec "$@"'
        command = [*mount, "sh", "-c", shell, "sh", place, sys.executable, "-c", whole, place]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=150, check=False)
    if "mount" in ended.stderr and ended.stdout == "" and "Traceback" not in ended.stderr:
        pytest.skip(f"this user cannot mount a disk: {ended.stderr}")
    assert ended.stdout == "done\n", ended.stderr


def test_a_folder_that_is_read_only() -> None:
    ran(
        """
def set_modes(files, folders):
    for path in sorted(data.rglob("*"), reverse=True):
        path.chmod(folders if path.is_dir() else files)
    data.chmod(folders)

with service:
    with Shelf(data, service) as shelf:
        first = shelf.register(content("first"), name="first")
        shelf.wait_prepared(30)
        data.chmod(0o500)
        for path in data.rglob("*"):
            if path.is_dir():
                path.chmod(0o500)
        told = fails(shelf.register, content("second"), name="second")
        assert "nothing was changed" in told, told
        told = fails(shelf.replace, first.id, content("second"))
        assert "nothing was changed" in told, told
        holds(shelf, first)
        set_modes(0o600, 0o700)
        second = shelf.register(content("second"), name="second")
        holds(shelf, first, second)
    set_modes(0o400, 0o500)
    told = fails(Shelf, data, service)
    assert "nothing was changed" in told and str(data) in told, told
    set_modes(0o600, 0o700)
    with Shelf(data, service) as shelf:
        holds(shelf, first, second)
"""
    )


def test_a_stranger_who_locks_the_database_for_too_long() -> None:
    ran(
        """
STRANGER = '''
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
sys.stdin.read()
connection.execute("ROLLBACK")
'''
database_module.BUSY_MS = 300
with service, Shelf(data, service) as shelf:
    first = shelf.register(content("first"), name="first")
    shelf.wait_prepared(30)
    command = [sys.executable, "-c", STRANGER, str(data / "shelf.sqlite3")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as stranger:
        assert stranger.stdout.readline() == "locked\\n"
        for call, given in (
            (shelf.register, (content("second"),)), (shelf.replace, (first.id, content("third"))),
            (shelf.withdraw, (first.id,)), (shelf.purge, (first.id,)), (shelf.make_folder, ("folder",)),
        ):
            told = fails(call, *given, **({"name": "second"} if call == shelf.register else {}))
            assert "locked by another program" in told, told
        holds(shelf, first)
        with Shelf(data, service) as another:
            holds(another, first)
        stranger.stdin.close()
        assert stranger.wait(30) == 0
    second = shelf.register(content("second"), name="second")
    holds(shelf, first, second)
"""
    )


def test_a_clock_that_is_set_back_and_forth() -> None:
    """Changes keep their order, and nobody's file is taken for an abandoned one."""
    ran(
        """
real = time.time
with service, Shelf(data, service) as shelf:
    papers = []
    for number, shift_s in enumerate((0.0, -3e8, 3e8, -86400.0 * 2, 0.0)):
        time.time = lambda: real() + shift_s
        taken = threading.Event()
        go_on = threading.Event()
        inner = shelf.desk.intake.open

        def slow(*given):
            taken.set()
            assert go_on.wait(30)
            return inner(*given)

        shelf.desk.intake.open = slow
        registering = threading.Thread(target=lambda: papers.append(shelf.register(content(f"{number}"), name=f"{number}")))
        registering.start()
        assert taken.wait(30)
        shelf.desk.intake.open = inner
        for jump_s in (-1e9, 1e9):  # another process starts, and sweeps, while the file has no row yet
            time.time = lambda: real() + jump_s
            with Shelf(data, service, prepares=False):
                pass
        go_on.set()
        registering.join(30)
        assert len(papers) == number + 1, "the file was swept"
    told = shelf.changes()
    assert [one.seq for one in told] == sorted(one.seq for one in told)
    assert [one.paper for one in told if one.kind == "paper"] == [one.id for one in papers]
    assert shelf.wait_prepared(30)
    holds(shelf, *papers)
"""
    )


@pytest.mark.parametrize("change", ["grows", "shrinks", "is written anew"])
def test_a_file_that_changes_while_it_is_registered(change: str) -> None:
    """It is registered as it was at one moment, or refused; the next try, when it rests, has it."""
    ran(
        f"""
change = {change!r}
"""
        + """
path = folder / "changing.pdf"
whole = content("x" * (8 << 20))
is_over = threading.Event()

def change_it():
    turn = 0
    while not is_over.is_set():
        turn += 1
        if change == "grows":
            with path.open("ab") as file:
                file.write(b"x" * 4096)
            time.sleep(0.001)
        elif change == "shrinks":
            size = path.stat().st_size
            os.truncate(path, size - 4096 if size > 1 << 20 else len(whole))
        else:
            path.write_bytes(content("y" * (turn % 7) + "x" * (1 << 20)))

with service, Shelf(data, service) as shelf:
    path.write_bytes(whole)
    changing = threading.Thread(target=change_it, daemon=True)
    changing.start()
    refused, kept = 0, []
    for _ in range(12):
        try:
            kept.append(shelf.register(path))
        except DamagedDocument as error:
            assert "changed while it was copied" in str(error), error
            refused += 1
    is_over.set()
    changing.join(30)
    assert refused, "it was never caught"
    path.write_bytes(whole)
    last = shelf.register(path)
    assert last.state == "ready"
    assert [one.id for one in shelf.papers()] == [one.id for one in (*kept, last)]
    assert shelf.verify().is_whole
"""
    )
