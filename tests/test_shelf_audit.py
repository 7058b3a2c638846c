"""What is done with the shelf is in the audit exactly once, by whichever way it was done, and whatever fails in between."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from asgi import ask
from town_hall import TownHall, paper_of, town_hall

import sidebooks_core as sb
from sidebooks_core.access import Access, Grant
from sidebooks_core.errors import StorageFailed
from sidebooks_core.server.registering import register_on_shelf
from sidebooks_core.shelf import Actor, Shelf
from sidebooks_core.shelf.uploads import PartWriter
from sidebooks_core.shelf_audit import ShelfAudit, take_over, take_over_from
from sidebooks_core.testing import FakeEngine

TUS = {"Tus_Resumable": "1.0.0"}
PIECE = {**TUS, "Content_Type": "application/offset+octet-stream"}


@pytest.fixture
def hall(tmp_path: Path) -> Iterator[TownHall]:
    with town_hall(tmp_path) as made:
        yield made


@pytest.fixture
def service(tmp_path: Path) -> Iterator[sb.TileService]:
    with sb.TileService(sb.Settings(cache_dir=tmp_path / "cache", workers=1), pool=FakeEngine().pool) as made:
        yield made


def told(access: Access, *operations: str) -> list[tuple[str, str]]:
    """(operation, detail) of what was done with the shelf; of some operations if they are told."""
    rows = [row for row in access.audit_rows() if not operations or row.operation in operations]
    return [(row.operation, row.detail) for row in rows]


def within(seconds: float, holds: Callable[[], bool]) -> bool:
    until_s = time.monotonic() + seconds
    while not holds() and time.monotonic() < until_s:
        time.sleep(0.02)
    return holds()


def rows_of(hall: TownHall, **wanted: str) -> list[dict[str, Any]]:
    hall.access.flush()
    rows = hall.ask("admin", "/audit").json()["rows"]
    return [row for row in rows if all(row[name] == value for name, value in wanted.items())]


def test_each_change_has_its_own_word_and_says_who_did_it(hall: TownHall) -> None:
    paper, folder = hall.paper.id, hall.finance.id
    hall.ask("clerk", f"/papers/{paper}/withdraw", "POST")
    hall.ask("clerk", f"/papers/{paper}/restore", "POST")
    hall.ask("clerk", f"/papers/{paper}", "PATCH", {"name": "予算書（案）", "until_s": 4e9})
    hall.ask("clerk", f"/papers/{paper}", "PATCH", {"folder": hall.planning.id})
    hall.ask("clerk", f"/papers/{paper}", "PATCH", {"note": ""})
    hall.ask("clerk", f"/papers/{paper}/revisions?filename=b.pdf", "POST", paper_of(9))
    made = hall.ask("clerk", f"/folders/{folder}", "POST", {"name": "新"}).json()["id"]
    hall.ask("clerk", f"/folders/{made}", "PATCH", {"name": "旧"})
    hall.ask("clerk", f"/folders/{made}", "PATCH", {"parent": "top"})
    hall.ask("clerk", f"/folders/{made}", "DELETE")
    rows = rows_of(hall, name="clerk", person=hall.people["clerk"].id, address="192.0.2.1")
    assert [(row["operation"], row["detail"]) for row in rows] == [
        ("withdraw", ""),
        ("restore", ""),
        ("change_paper", "renamed from 令和8年度予算書 to 予算書（案）, window changed"),
        ("move_paper", "moved to folder 企画委員会"),
        ("replace", ""),
        ("make_folder", "新"),
        ("rename_folder", "renamed from 新 to 旧"),
        ("move_folder", "moved to folder the top"),
        ("remove_folder", "旧"),
    ]
    assert {row["paper"] for row in rows[:5]} == {paper}
    assert {row["document"] for row in rows[5:]} == {made}
    assert rows[4]["revision"] == 2
    assert hall.access.verify_audit() == []


def test_what_stands_is_told_once_if_the_audit_could_not_be_written(hall: TownHall, monkeypatch: pytest.MonkeyPatch) -> None:
    take = Access.take_over

    def full(self: Access, read: Any) -> bool:
        raise StorageFailed("the disk is full")

    rows_of(hall)
    with monkeypatch.context() as patch:
        patch.setattr(Access, "take_over", full)
        for _ in range(2):
            reply = hall.ask("clerk", f"/folders/{hall.finance.id}/papers?filename=a.pdf", "POST", paper_of(5))
            assert reply.status == 201, "it is done, and the client need not do it again"
        assert hall.ask("clerk", f"/papers/{hall.paper.id}", "DELETE").status == 204
        assert hall.ask("admin", "/audit").status == 503, "an audit that lacks something is not shown as whole"
    assert Access.take_over is take
    assert within(5, lambda: told(hall.access, "purge") == [("purge", "")]), "it is tried again, though nothing more changes"
    assert len(rows_of(hall, name="clerk", operation="register")) == len(hall.shelf.papers(hall.finance)) == 2
    assert len(rows_of(hall, name="clerk", operation="purge", paper=hall.paper.id)) == 1


def test_a_purged_papers_names_are_not_kept_in_the_feed(hall: TownHall) -> None:
    hall.shelf.change(hall.paper.id, name="secret name", who="x")
    hall.shelf.purge(hall.paper.id, who="x")
    with hall.shelf.database.reading() as reading:
        assert reading.number("SELECT count(*) FROM change WHERE detail LIKE '%secret name%'") == 0


def test_it_is_in_the_audit_soon_without_being_asked_for(service: sb.TileService, tmp_path: Path) -> None:
    with Shelf(tmp_path / "data", service) as shelf, Access(tmp_path / "data") as access, ShelfAudit(shelf, access):
        shelf.make_folder("a", who=Actor("佐藤", "p7", "192.0.2.7", "by hand"))
        assert within(5, lambda: len(access.audit_rows()) == 1)
        [row] = access.audit_rows()
        assert (row.name, row.person, row.address, row.operation, row.detail) == (
            "佐藤", "p7", "192.0.2.7", "make_folder", "a; by hand",
        )  # fmt: skip


def test_several_take_over_at_once_and_each_change_is_told_once_in_order(service: sb.TileService, tmp_path: Path) -> None:
    data = tmp_path / "data"
    stop = threading.Event()
    failed: list[BaseException] = []

    def take() -> None:
        try:
            with Access(data) as access:
                while not stop.is_set():
                    take_over_from(data, access)
        except BaseException as error:
            failed.append(error)
            raise

    with Shelf(data, service) as shelf, Access(data) as access:
        threads = [threading.Thread(target=take) for _ in range(3)]
        for thread in threads:
            thread.start()
        for number in range(40):
            shelf.make_folder(str(number), who="x")
        stop.set()
        for thread in threads:
            thread.join()
        take_over(shelf.database, access)
        assert failed == []
        assert [detail for _, detail in told(access)] == [str(number) for number in range(40)]
        assert access.verify_audit() == []


KILLED = """
import os, sys
import sidebooks_core as sb
from sidebooks_core.access import Access
from sidebooks_core.shelf import Shelf
from sidebooks_core.shelf.uploads import PartWriter
from sidebooks_core.shelf_audit import take_over
from sidebooks_core.testing import FakeEngine
data = sys.argv[1]
with sb.TileService(sb.Settings(cache_dir=None, workers=1), pool=FakeEngine().pool) as service:
    with Shelf(data, service) as shelf, Access(data) as access:
        print("begun", flush=True)
        for number in range(10_000):
            shelf.make_folder(str(number), who="x")
            take_over(shelf.database, access)
"""


def test_a_process_that_is_killed_loses_no_row(service: sb.TileService, tmp_path: Path) -> None:
    data = tmp_path / "data"
    for seconds in (0.05, 0.2, 0.13):
        with subprocess.Popen([sys.executable, "-c", KILLED, os.fspath(data)], stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(seconds)
            process.send_signal(signal.SIGKILL)
        with Shelf(data, service, prepares=False) as shelf, Access(data) as access:
            with ShelfAudit(shelf, access):
                pass
            assert [detail for _, detail in told(access)] == [one.name for one in shelf.folders()]


def test_what_a_backup_has_is_not_told_again(service: sb.TileService, tmp_path: Path) -> None:
    with Shelf(tmp_path / "data", service) as shelf, Access(tmp_path / "data") as access:
        shelf.make_folder("told", who="x")
        take_over(shelf.database, access)
        shelf.make_folder("not told yet", who="x")
        shelf.back_up(tmp_path / "copy")
        access.back_up(tmp_path / "copy")
    with Shelf(tmp_path / "copy", service) as shelf, Access(tmp_path / "copy") as access:
        shelf.make_folder("new", who="x")
        take_over(shelf.database, access)
        take_over(shelf.database, access)
        assert [detail for _, detail in told(access)] == ["told", "not told yet", "new"]


def test_a_restored_shelf_beside_an_audit_that_went_on(service: sb.TileService, tmp_path: Path) -> None:
    with Shelf(tmp_path / "data", service) as shelf, Access(tmp_path / "data") as access:
        shelf.make_folder("before", who="x")
        shelf.back_up(tmp_path / "copy")
        for name in "abc":
            shelf.make_folder(name, who="x")
        take_over(shelf.database, access)
        with Shelf(tmp_path / "copy", service) as restored:
            restored.make_folder("after", who="x")
            take_over(restored.database, access)
        assert [detail for _, detail in told(access)] == ["before", "a", "b", "c", "after"]


# The command line, and folders that are watched


def sidebooks(data: Path, *arguments: str | Path) -> str:
    command = [sys.executable, "-m", "sidebooks_core", *map(os.fspath, arguments), "--data", os.fspath(data)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_the_command_line_is_audited(tmp_path: Path, sample: Path) -> None:
    data = tmp_path / "data"
    [paper] = json.loads(sidebooks(data, "shelf", "add", sample, "--folder", "本会議", "--no-wait", "--json"))
    sidebooks(data, "shelf", "replace", paper["id"], sample, "--no-wait")
    sidebooks(data, "shelf", "withdraw", paper["id"])
    sidebooks(data, "shelf", "withdraw", paper["id"], "--undo")
    sidebooks(data, "shelf", "purge", paper["id"])
    with Access(data) as access:
        assert [row.operation for row in access.audit_rows()] == [
            "make_folder", "register", "replace", "withdraw", "restore", "purge",
        ]  # fmt: skip
    rows = json.loads(sidebooks(data, "audit", "--json"))
    assert {row["detail"].rpartition("; ")[2] for row in rows} == {"at the command line"}
    assert all(row["name"] for row in rows)
    assert [row["operation"] for row in json.loads(sidebooks(data, "audit", "--paper", paper["id"], "--json"))][-1] == "purge"


def test_the_command_that_shows_the_audit_takes_over_what_is_left(service: sb.TileService, tmp_path: Path) -> None:
    with Shelf(tmp_path / "data", service) as shelf:
        shelf.make_folder("by a program of its own", who="x")
    assert "by a program of its own" in sidebooks(tmp_path / "data", "audit")


def test_files_and_folders_that_the_server_was_given_are_audited(service: sb.TileService, tmp_path: Path) -> None:
    folder, file = tmp_path / "議案", tmp_path / "named.pdf"
    folder.mkdir()
    (folder / "a.pdf").write_bytes(paper_of(1))
    file.write_bytes(paper_of(2))
    with Shelf(tmp_path / "data", service) as shelf, Access(tmp_path / "data") as access, ShelfAudit(shelf, access) as audit:
        register_on_shelf(shelf, [file, folder], None)
        assert within(30, lambda: len(told(access, "register")) == 2)
        (folder / "a.pdf").unlink()
        assert within(30, lambda: len(told(access, "withdraw")) == 1)
        audit.take_over()
        assert {row.name for row in access.audit_rows()} == {"sidebooks serve"}
        assert told(access, "withdraw") == [("withdraw", f"mirrored from {folder}")]


# What readers do


def test_a_download_in_ranges_is_told_once_and_a_look_at_its_headers_is_none(hall: TownHall) -> None:
    path = f"/papers/{hall.paper.id}/original"
    assert hall.ask("member", path, "HEAD").status == 200
    assert hall.ask("member", f"/documents/{hall.shelf.document(hall.paper.id).id}/pages.json", "HEAD").status == 200
    assert rows_of(hall, name="member", operation="read_original") == rows_of(hall, name="member", operation="opened") == []
    assert hall.ask("member", path, Range="bytes=0-").status == 206
    assert hall.ask("member", path, Range="bytes=5-9").status == 206
    assert hall.ask("member", path).status == 200
    assert [row["revision"] for row in rows_of(hall, name="member", operation="read_original")] == [1]
    hall.shelf.replace(hall.paper.id, paper_of(8))
    hall.ask("member", path)
    hall.ask("member", f"/papers/{hall.paper.id}/revisions/1/original")
    hall.now_s += 3601
    hall.ask("member", f"/papers/{hall.paper.id}/revisions/1/original", Range="bytes=0-1")
    assert [row["revision"] for row in rows_of(hall, name="member", operation="read_original")] == [1, 2, 1]


@pytest.mark.parametrize(
    ("path", "is_opened"),
    [
        ("/documents/{document}/pages/1/preview", False),
        ("/documents/{document}/previews/1-1", False),
        ("/documents/{document}/pages/2/preview", True),
        ("/documents/{document}/previews/1-3", True),
        ("/documents/{document}/search/x", True),
        ("/documents/{document}/pages/1/links", True),
        ("/search/2/{document}?q=x", True),
        ("/papers/{paper}/search?q=x", True),
    ],
)
def test_whoever_reads_texts_or_pages_beyond_the_cover_has_opened_the_paper(hall: TownHall, path: str, is_opened: bool) -> None:
    document = hall.shelf.document(hall.paper.id).id
    assert hall.ask("member", path.format(document=document, paper=hall.paper.id)).status == 200
    assert len(rows_of(hall, name="member", operation="opened", paper=hall.paper.id)) == is_opened


def test_guests_choose_a_name_and_the_audit_says_whose_guests_they_are(hall: TownHall) -> None:
    token, _ = hall.access.make_link([hall.finance.id], name="傍聴席", until_s=hall.now_s + 60)
    document = hall.shelf.document(hall.paper.id).id
    for called in ("市長", ""):
        secret, _ = hall.access.use_link(token, guest_name=called)
        headers = {"Cookie": f"sidebooks_login={secret}"}
        assert ask(hall.application, f"/documents/{document}/pages.json", headers=headers).status == 200
    hall.access.flush()
    readers = hall.ask("clerk", f"/papers/{hall.paper.id}/readers").json()["readers"]
    assert [one["name"] for one in readers] == ["guest 市長 (link 傍聴席)", "guest (link 傍聴席)"]
    assert {row["name"] for row in rows_of(hall, operation="opened")} == {one["name"] for one in readers}


# Rights at the end of an upload


def begin(hall: TownHall, path: str, length: int) -> str:
    reply = hall.ask("clerk", path, "POST", Upload_Length=str(length), Upload_Metadata="filename eC5wZGY=", **TUS)
    assert reply.status == 201, reply.body
    return reply.headers["location"].removeprefix("http://test")


def crash_in(monkeypatch: pytest.MonkeyPatch, hall: TownHall, path: str, body: bytes) -> None:
    """All bytes are here, and the server failed before they became a paper."""

    def failing(self: object, upload: object, digest: str | None) -> None:
        raise StorageFailed("for a moment")

    with monkeypatch.context() as patch:
        patch.setattr("sidebooks_core.shelf.uploads.Uploads.finish", failing)
        assert hall.ask("clerk", path, "PATCH", body, Upload_Offset="0", **PIECE).status == 503


def test_asking_how_far_an_upload_is_registers_nothing(hall: TownHall, monkeypatch: pytest.MonkeyPatch) -> None:
    body = paper_of(6)
    path = begin(hall, f"/folders/{hall.finance.id}/papers", len(body))
    crash_in(monkeypatch, hall, path, body)
    for _ in range(2):
        head = hall.ask("clerk", path, "HEAD", **TUS)
        assert (head.status, head.headers["upload-offset"]) == (200, str(len(body) - 1)), "it is not done"
        assert "sidebooks-paper" not in head.headers
    assert len(hall.shelf.papers(hall.finance)) == 1
    too_much = hall.ask("clerk", path, "PATCH", b"xy", Upload_Offset=str(len(body) - 1), **PIECE)
    assert (too_much.status, len(hall.shelf.papers(hall.finance))) == (413, 1)
    done = hall.ask("clerk", path, "PATCH", body[-1:], Upload_Offset=str(len(body) - 1), **PIECE)
    assert (done.status, done.headers["upload-offset"]) == (204, str(len(body)))
    head = hall.ask("clerk", path, "HEAD", **TUS)
    assert (head.headers["upload-offset"], head.headers["sidebooks-paper"]) == (str(len(body)), done.headers["sidebooks-paper"])
    assert hall.shelf.originals.path(hall.shelf.revision(done.headers["sidebooks-paper"]).original).read_bytes() == body


@pytest.mark.parametrize("way", ["whole", "pieces", "at once"])
@pytest.mark.parametrize("taken", ["login", "rights", "account"])
@pytest.mark.parametrize("what", ["papers", "revisions"])
def test_rights_that_end_while_the_bytes_come_register_nothing(
    hall: TownHall, monkeypatch: pytest.MonkeyPatch, way: str, taken: str, what: str
) -> None:
    body, write = paper_of(6), PartWriter.write
    path = f"/folders/{hall.finance.id}/papers" if what == "papers" else f"/papers/{hall.paper.id}/revisions"
    at = begin(hall, path, len(body)) if way == "pieces" else ""

    def slow(self: PartWriter, piece: bytes) -> None:
        write(self, piece)
        if taken == "login":
            hall.access.end_sessions(hall.people["clerk"].id)
        elif taken == "account":
            hall.access.change_person(hall.people["clerk"].id, is_disabled=True)
        else:
            hall.access.change_person(hall.people["clerk"].id, role="member", groups=())

    monkeypatch.setattr(PartWriter, "write", slow)
    if way == "whole":
        reply = hall.ask("clerk", f"{path}?filename=x.pdf", "POST", body)
    elif way == "pieces":
        reply = hall.ask("clerk", at, "PATCH", body, Upload_Offset="0", **PIECE)
    else:
        told_length = {"Upload_Length": str(len(body)), "Upload_Metadata": "filename eC5wZGY="}
        reply = hall.ask("clerk", path, "POST", body, **told_length, **PIECE)
    assert reply.status == (404 if taken == "rights" else 401)
    assert [paper.revision for paper in hall.shelf.papers(hall.finance)] == [1]


def test_rights_of_a_folder_that_end_meanwhile_count_too(hall: TownHall, monkeypatch: pytest.MonkeyPatch) -> None:
    hall.access.set_grants(hall.finance.id, [Grant("group", "finance", "tend")])
    body, write = paper_of(6), PartWriter.write

    def slow(self: PartWriter, piece: bytes) -> None:
        write(self, piece)
        hall.access.set_grants(hall.finance.id, [Grant("group", "finance")])

    monkeypatch.setattr(PartWriter, "write", slow)
    assert hall.ask("member", f"/folders/{hall.finance.id}/papers?filename=x.pdf", "POST", body).status == 404
    assert len(hall.shelf.papers(hall.finance)) == 1


def test_an_image_that_is_in_memory_is_opened_by_everybody_who_gets_it(hall: TownHall) -> None:
    path = f"/documents/{hall.shelf.document(hall.paper.id).id}/pages/2/300x400"
    for who in ("clerk", "clerk", "member", "member", "guest"):
        assert hall.ask(who, path).status == 200
    before = len(hall.application.fast_path)
    assert before, "the fast path has it"
    assert {row["name"] for row in rows_of(hall, operation="opened")} == {"clerk", "member", "guest (link guest)"}
    assert len(rows_of(hall, operation="opened")) == 3
