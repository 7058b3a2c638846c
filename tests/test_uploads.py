"""Uploads: they go on after a broken connection, a killed server, a full disk; each becomes one paper, however often told."""

from __future__ import annotations

import asyncio
import base64
import errno
import hashlib
import io
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path
from typing import Any, BinaryIO

import psutil
import pytest
from asgi import Reply, ask_async
from conftest import ROOT
from paper_house import House, pages
from quiet import wait_until
from served import PATIENCE_S, Served
from tusclient.client import TusClient

from sidebooks_core.errors import StorageFailed
from sidebooks_core.server import ServerLimits
from sidebooks_core.shelf import Shelf, uploads
from sidebooks_core.shelf.uploads import PartWriter, UploadLimits, Uploads

PAPER = pages(1, 2, 3).to_bytes()
TUS = {"Tus-Resumable": "1.0.0"}
PIECE = {**TUS, "Content-Type": "application/offset+octet-stream"}


def told(**values: str) -> str:
    return ",".join(f"{name} {base64.b64encode(value.encode()).decode()}" for name, value in values.items())


def begin(house: House, who: str = "clerk", length: int = len(PAPER), path: str = "", **values: str) -> Reply:
    headers = {**TUS, "Upload-Length": str(length), "Upload-Metadata": told(**(values or {"filename": "議案.pdf"}))}
    return house.ask(
        who, path or f"/folders/{house.open.id}/papers", "POST", **{k.replace("-", "_"): v for k, v in headers.items()}
    )


def send(house: House, path: str, offset: int, data: bytes, who: str = "clerk", **more: str) -> Reply:
    headers = {name.replace("-", "_"): value for name, value in PIECE.items()}
    return house.ask(who, path, "PATCH", data, Upload_Offset=str(offset), **headers, **more)


def at(reply: Reply) -> str:
    assert reply.status == 201, reply.body
    return reply.headers["location"].removeprefix("http://test")


def test_a_file_comes_in_pieces_and_becomes_a_paper(house: House) -> None:
    path = at(begin(house, filename="ordner\\議案.pdf", name="議案第1号", note="急ぎ", level="online"))
    for start in range(0, len(PAPER), 50):
        reply = send(house, path, start, PAPER[start : start + 50])
        assert (reply.status, reply.headers["upload-offset"]) == (204, str(min(start + 50, len(PAPER)))), reply.body
        assert "upload-expires" in reply.headers
    paper = house.papers.paper(reply.headers["sidebooks-paper"])
    assert (paper.name, paper.note, paper.level, paper.state, paper.folder) == (
        "議案第1号",
        "急ぎ",
        "online",
        "ready",
        house.open.id,
    )
    revision = house.papers.revision(paper.id)
    assert (revision.file_name, revision.registered_by) == ("議案.pdf", "Clerk")
    assert reply.headers["content-location"] == f"http://test/papers/{paper.id}"
    assert house.get("clerk", path)["paper"]["id"] == paper.id
    again = house.ask("clerk", path, "HEAD")
    assert (again.headers["upload-offset"], again.headers["sidebooks-paper"]) == (str(len(PAPER)), paper.id)


def test_a_new_revision_comes_the_same_way(house: House) -> None:
    paper = house.register("予算書")
    path = at(begin(house, path=f"/papers/{paper.id}/revisions", filename="v2.pdf", after="1", revision_note="訂正"))
    reply = send(house, path, 0, PAPER)
    assert (reply.headers["sidebooks-paper"], reply.headers["sidebooks-revision"]) == (paper.id, "2")
    assert house.papers.revision(paper.id).note == "訂正"
    late = at(begin(house, path=f"/papers/{paper.id}/revisions", filename="v2.pdf", after="1"))
    assert send(house, late, 0, PAPER).status == 409, "somebody else was faster"
    assert house.papers.paper(paper.id).revision == 2


def test_a_whole_file_in_one_request(house: House) -> None:
    path = f"/folders/{house.open.id}/papers?filename=a.pdf&name=%E8%AD%B0%E6%A1%88"
    reply = house.ask("clerk", path, "POST", PAPER)
    paper = reply.json()
    assert (reply.status, paper["name"], paper["state"]) == (201, "議案", "ready")
    assert reply.headers["location"] == f"http://test/papers/{paper['id']}"
    replaced = house.ask("clerk", f"/papers/{paper['id']}/revisions?filename=b.pdf", "POST", pages(5).to_bytes()).json()
    assert (replaced["id"], replaced["revision"], replaced["page_count"]) == (paper["id"], 2, 1)
    short = house.ask("clerk", path, "POST", PAPER, Content_Length=str(len(PAPER) + 1))
    assert (short.status, len(house.papers.papers(house.open))) == (400, 1)
    assert not list((house.papers.data_dir / "uploads").glob("*.part")), "nothing of it is kept"
    assert house.ask("member", path, "POST", PAPER).status == 404
    assert house.ask("clerk", f"/folders/{house.open.id}/papers", "POST", PAPER).status == 400, "a paper has a name"


def test_a_repeated_last_piece_gives_the_same_paper(house: House) -> None:
    path = at(begin(house))
    first = send(house, path, 0, PAPER)
    again = send(house, path, len(PAPER), b"")
    assert again.headers["sidebooks-paper"] == first.headers["sidebooks-paper"]
    assert send(house, path, 0, PAPER).status == 409
    assert len(house.papers.papers(house.open)) == 1


def test_an_upload_belongs_to_who_made_it(house: House) -> None:
    path = at(begin(house))
    for who in ("admin", "member", "nobody"):
        assert house.ask(who, path).status == 404
        assert house.ask(who, path, "HEAD").status == 404
        assert send(house, path, 0, PAPER, who).status == 404
        assert house.ask(who, path, "DELETE", Tus_Resumable="1.0.0").status == 404
    assert house.ask("clerk", path, "DELETE", Tus_Resumable="1.0.0").status == 204
    assert house.ask("clerk", path).status == 404
    assert begin(house, "member").status == 404
    assert begin(house, "nobody").status == 401


def test_what_the_protocol_says(house: House) -> None:
    options = house.ask("nobody", f"/folders/{house.open.id}/papers", "OPTIONS")
    assert (options.status, options.headers["tus-version"]) == (204, "1.0.0")
    assert set(options.headers["tus-extension"].split(",")) == {
        "creation", "creation-with-upload", "termination", "checksum", "expiration",
    }  # fmt: skip
    path = at(begin(house))
    head = house.ask("clerk", path, "HEAD")
    assert (head.headers["upload-offset"], head.headers["upload-length"]) == ("0", str(len(PAPER)))
    assert (head.headers["cache-control"], head.headers["tus-resumable"]) == ("no-store", "1.0.0")
    assert head.headers["upload-metadata"] == told(filename="議案.pdf")
    assert house.ask("clerk", path, "PATCH", b"x", Tus_Resumable="0.2.0").status == 412
    assert house.ask("clerk", path, "PATCH", b"x", Tus_Resumable="1.0.0", Upload_Offset="0").status == 415
    conflict = send(house, path, 7, PAPER)
    assert (conflict.status, conflict.headers["upload-offset"]) == (409, "0")
    assert send(house, path, 0, PAPER + b"more").status == 413
    headers = {name.replace("-", "_"): value for name, value in PIECE.items()}
    for wrong in ("x", "-1", ""):
        assert house.ask("clerk", path, "PATCH", PAPER, Upload_Offset=wrong, **headers).status == 400
    assert begin(house, length=0).status == 400
    assert begin(house, length=house.papers.service.settings.document_bytes + 1).status == 413
    assert begin(house, name="\u200b").status == 400
    assert begin(house, name="x", level="all").status == 400
    assert begin(house, name="x", from_s="9", until_s="8").status == 400


@pytest.mark.parametrize("algorithm", ["sha1", "sha256", "md5"])
def test_bytes_with_another_digest_do_not_count(house: House, algorithm: str) -> None:
    path = at(begin(house))
    digest = base64.b64encode(hashlib.new(algorithm, PAPER[:100]).digest()).decode()
    wrong = send(house, path, 0, PAPER[1:101], Upload_Checksum=f"{algorithm} {digest}")
    assert (wrong.status, house.get("clerk", path)["offset"]) == (460, 0)
    right = send(house, path, 0, PAPER[:100], Upload_Checksum=f"{algorithm} {digest}")
    assert (right.status, right.headers["upload-offset"]) == (204, "100")
    assert send(house, path, 100, PAPER[100:], Upload_Checksum="crc32 AAAA").status == 400


def test_the_first_bytes_may_come_with_the_beginning(house: House) -> None:
    headers = {name.replace("-", "_"): value for name, value in PIECE.items()}
    path = f"/folders/{house.open.id}/papers"
    reply = house.ask(
        "clerk", path, "POST", PAPER[:60], Upload_Length=str(len(PAPER)), Upload_Metadata=told(name="議案"), **headers
    )
    assert (reply.status, reply.headers["upload-offset"]) == (201, "60")
    done = send(house, at(reply), 60, PAPER[60:])
    assert house.papers.paper(done.headers["sidebooks-paper"]).state == "ready"


def test_rights_that_were_taken_away_meanwhile_count(house: House) -> None:
    path = at(begin(house, "tender", path=f"/folders/{house.inner.id}/papers"))
    assert send(house, path, 0, PAPER[:50], "tender").status == 204
    house.papers.change_folder(house.inner, parent=house.open)
    house.papers.make_folder("x", house.inner)
    elsewhere = at(begin(house, "tender", path=f"/folders/{house.inner.id}/papers"))
    house.papers.remove_folder(house.papers.folders(house.inner)[0])
    assert send(house, path, 50, PAPER[50:], "tender").status == 204
    house.papers.purge(house.papers.papers(house.inner)[0].id)
    house.papers.remove_folder(house.inner)
    assert send(house, elsewhere, 0, PAPER, "tender").status == 404


def test_a_full_disk_is_told_and_the_upload_goes_on_later(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    path = at(begin(house))
    assert send(house, path, 0, PAPER[:50]).status == 204

    class Full(io.FileIO):
        def write(self, data: Any) -> int:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def full(self: uploads.Uploads, upload: uploads.Upload) -> uploads.PartWriter:
        folder = house.papers.data_dir / "uploads"
        return uploads.PartWriter(Full(folder / f"{upload.id}.part", "ab"))

    with monkeypatch.context() as patch:
        patch.setattr(uploads.Uploads, "writer", full)
        reply = send(house, path, 50, PAPER[50:])
    assert (reply.status, "full" in reply.json()["detail"]) == (507, True)
    assert house.get("clerk", path)["offset"] == 50
    assert send(house, path, 50, PAPER[50:]).headers["sidebooks-paper"]


def test_uploads_are_bounded_and_expire(house: House) -> None:
    limits = ServerLimits(uploads=3, uploads_per_client=2, upload_bytes_per_client=1000, upload_seconds=60)
    house.application.close()
    house.renew(limits)
    assert begin(house, length=900).status == 201
    assert begin(house, length=200).status == 503, "too many bytes"
    first = begin(house, length=50)
    assert begin(house, length=50).status == 503, "too many of one person"
    assert begin(house, "admin", length=50).status == 201
    assert begin(house, "admin", length=50).status == 503, "too many of all"
    part = house.papers.data_dir / "uploads" / f"{at(first).rpartition('/')[2]}.part"
    os.utime(part, (time.time() - 100, time.time() - 100))
    assert begin(house, "admin", length=50).status == 201
    assert house.ask("clerk", at(first)).status == 404


def test_a_crash_after_the_registering_and_before_the_note_of_it_makes_no_second_paper(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = at(begin(house))
    stored = []
    register = Shelf.register

    def crashing(self: Shelf, *given: Any, **told: Any) -> Any:
        stored.append(register(self, *given, **told).id)
        raise StorageFailed("killed here")

    with monkeypatch.context() as patch:
        patch.setattr(Shelf, "register", crashing)
        assert send(house, path, 0, PAPER).status == 503
    assert "sidebooks-paper" not in house.ask("clerk", path, "HEAD").headers, "that changes nothing"
    assert [send(house, path, len(PAPER), b"").headers["sidebooks-paper"]] == stored
    assert [paper.id for paper in house.papers.papers(house.open)] == stored


def test_the_bytes_are_moved_and_not_copied(house: House) -> None:
    path = at(begin(house))
    send(house, path, 0, PAPER[:-1])
    part = house.papers.data_dir / "uploads" / f"{path.rpartition('/')[2]}.part"
    inode = part.stat().st_ino
    done = send(house, path, len(PAPER) - 1, PAPER[-1:])
    original = house.papers.originals.path(house.papers.revision(done.headers["sidebooks-paper"]).original)
    assert original.stat().st_ino == inode
    assert not part.exists()
    kept = list((house.papers.data_dir / "uploads").rglob("*.*"))
    assert [one.parent.name for one in kept] == ["done"], "its state, and no lock"
    assert "議案" not in kept[0].read_text()


# A real server, a real client.


def uploader(server: Served, file: BinaryIO, chunk: int, url: str | None = None) -> Any:
    client = TusClient(f"{server.address}folders/top/papers")
    return client.uploader(file_stream=file, chunk_size=chunk, metadata={"filename": "予算書.pdf"}, url=url, retries=0)


def test_the_recipe_with_a_tus_client_uploads(sample: Path, tmp_path: Path) -> None:
    [code] = re.findall(r"^```py\n(.*?)^```", (ROOT / "docs/how-to/uploads.md").read_text(encoding="utf-8"), re.S | re.M)
    shutil.copyfile(sample, tmp_path / "budget.pdf")
    with Served("--data", tmp_path / "data", cache=tmp_path / "cache") as server:
        recipe = code.replace("http://127.0.0.1:8000/", server.address)
        done = subprocess.run(
            [sys.executable, "-c", recipe], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=PATIENCE_S
        )
        assert done.returncode == 0, done.stderr
        assert server.get(f"papers/{done.stdout.strip()}")["name"] == "budget"


def test_a_tus_client_uploads_over_killed_servers(sample: Path, tmp_path: Path) -> None:
    data, cache = tmp_path / "data", tmp_path / "cache"
    large = io.BytesIO(sample.read_bytes())
    size = len(large.getvalue())
    with Served("--data", data, cache=cache) as server:
        first = uploader(server, large, size // 7)
        first.upload(stop_at=size // 3)
        server.kill()
    port = str(server.port)
    with Served("--data", data, "--port", port, cache=cache) as server:
        second = uploader(server, large, size // 7, first.url)
        assert second.offset == first.offset > 0
        second.upload(stop_at=size // 2)
        server.kill()
    with Served("--data", data, "--port", port, cache=cache) as server:
        last = uploader(server, large, size, first.url)
        last.upload()
        paper = server.get(f"papers/{last.request.response_headers['sidebooks-paper']}")
        assert (paper["name"], paper["state"]) == ("予算書", "ready")
        with urllib.request.urlopen(f"{paper['address']}/original", timeout=PATIENCE_S) as reply:
            assert hashlib.sha256(reply.read()).digest() == hashlib.sha256(large.getvalue()).digest()
        assert server.get("folders/top")["papers"][0]["id"] == paper["id"]
        assert server.end() == 128 + 15


def test_a_connection_that_breaks_keeps_what_came(sample: Path, tmp_path: Path) -> None:
    body = sample.read_bytes()
    large = io.BytesIO(body)
    with Served("--data", tmp_path / "data", cache=tmp_path / "cache") as server:
        url = uploader(server, large, 1 << 20).create_url()
        target = url.removeprefix(server.address.rstrip("/"))
        for is_closed in (True, False):
            offset = uploader(server, large, 1 << 20, url).offset
            half = body[offset : offset + (len(body) - offset) // 2]
            connection = socket.create_connection(("127.0.0.1", server.port))
            lines = [
                f"PATCH {target} HTTP/1.1", f"Host: 127.0.0.1:{server.port}", "Tus-Resumable: 1.0.0",
                "Content-Type: application/offset+octet-stream", f"Upload-Offset: {offset}",
                f"Content-Length: {len(body) - offset}", "", "",
            ]  # fmt: skip
            connection.sendall("\r\n".join(lines).encode() + half)
            if is_closed:
                connection.close()
            else:
                time.sleep(0.5)  # the bytes are there, and the connection hangs, as one of a tablet that lost its network
            wait_until(lambda: uploader(server, large, 1 << 20, url).offset > offset, "nothing of it came")  # noqa: B023
            reached = uploader(server, large, 1 << 20, url).offset
            assert reached <= offset + len(half)
            assert is_closed or reached == offset + len(half), "all that came is kept"
            connection.close()
        last = uploader(server, large, 1 << 22, url)
        last.upload()
        assert server.get(f"papers/{last.request.response_headers['sidebooks-paper']}")["state"] == "ready"


def test_a_large_file_needs_no_memory(tmp_path: Path) -> None:
    """500 MB come in within the memory that a server has anyway."""
    path = tmp_path / "large.pdf"
    with path.open("wb") as file:
        file.truncate(500 << 20)
    with path.open("rb") as file, Served("--data", tmp_path / "data", cache=tmp_path / "cache") as server:
        process = psutil.Process(server.process.pid)
        before, most, done = process.memory_info().rss, 0, threading.Event()

        def watch() -> None:
            nonlocal most
            while not done.wait(0.02):
                most = max(most, process.memory_info().rss)

        watching = threading.Thread(target=watch)
        watching.start()
        one = uploader(server, file, 64 << 20)
        one.upload()
        done.set()
        watching.join()
        paper = server.get(f"papers/{one.request.response_headers['sidebooks-paper']}")
    assert paper["state"] != "ready", "nothing but zeros stands on the shelf, with its reason"
    assert paper["reason"]
    assert most - before < 100 << 20


def test_pieces_of_one_upload_do_not_mix(house: House) -> None:
    """Two clients send the same bytes at once: one of them wins, and the file is whole."""
    path = at(begin(house))

    async def both() -> list[Reply]:
        headers = {"Who": "clerk", **PIECE, "Upload-Offset": "0"}
        return list(await asyncio.gather(*(ask_async(house.application, path, "PATCH", headers, PAPER) for _ in range(4))))

    statuses = sorted(reply.status for reply in asyncio.run(both()))
    assert statuses[0] == 204
    assert set(statuses[1:]) <= {409, 423}
    [paper] = house.papers.papers(house.open)
    assert house.papers.originals.path(house.papers.revision(paper.id).original).read_bytes() == PAPER


# What a client tells wrongly.


@pytest.mark.parametrize("metadata", ["filename é", "filename aé==", "filename !", "filename gICA"])
def test_metadata_that_cannot_be_read_is_refused(house: House, metadata: str) -> None:
    headers = {**TUS, "Upload-Length": "5", "Upload-Metadata": metadata}
    given = {name.replace("-", "_"): value for name, value in headers.items()}
    assert house.ask("clerk", f"/folders/{house.open.id}/papers", "POST", **given).status == 400


@pytest.mark.parametrize("checksum", ["sha1 é", "sha1 !"])
def test_a_checksum_that_cannot_be_read_is_refused(house: House, checksum: str) -> None:
    assert send(house, at(begin(house)), 0, PAPER, Upload_Checksum=checksum).status == 400


@pytest.mark.parametrize("time_s", ["nan", "inf", "-inf", "1e300", "soon"])
def test_a_time_that_is_none_is_refused_before_the_file_is_sent(house: House, time_s: str) -> None:
    assert begin(house, filename="a.pdf", from_s=time_s).status == 400
    assert begin(house, filename="a.pdf", until_s=time_s).status == 400


def test_the_paper_of_an_upload_is_told_only_to_whoever_may_see_it_now(house: House) -> None:
    path = at(begin(house, "tender", path=f"/folders/{house.inner.id}/papers"))
    assert send(house, path, 0, PAPER, "tender").status == 204
    paper = house.papers.papers(house.inner)[0]
    assert house.ask("tender", path).json()["paper"]["id"] == paper.id
    house.papers.change(paper.id, folder=house.closed, name="極秘")
    answer = house.ask("tender", path)
    assert (answer.status, answer.json().get("paper"), "極秘" in answer.body.decode()) == (200, None, False)
    house.papers.withdraw(paper.id)
    house.papers.purge(paper.id)
    assert house.ask("tender", path).json().get("paper") is None


def test_a_cancelled_request_keeps_its_upload_until_its_bytes_are_written(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = at(begin(house))
    upload_id = path.rpartition("/")[2]
    begun, goes_on = threading.Event(), threading.Event()
    write = PartWriter.write

    def slow(writer: PartWriter, piece: bytes) -> None:
        begun.set()
        assert goes_on.wait(20)
        write(writer, piece)

    monkeypatch.setattr(PartWriter, "write", slow)
    papers = Uploads(house.papers, UploadLimits())

    async def scenario() -> None:
        sending = asyncio.ensure_future(
            ask_async(house.application, path, "PATCH", {"Who": "clerk", "Upload-Offset": "0", **PIECE}, PAPER)
        )
        await asyncio.to_thread(begun.wait, 20)
        sending.cancel()
        await asyncio.wait([sending])
        assert papers.try_hold(upload_id) is None, "another request could write at the same place"
        goes_on.set()

    asyncio.run(scenario())
    monkeypatch.undo()
    wait_until(lambda: (lock := papers.try_hold(upload_id)) is not None and not lock.release(), "it is kept for ever")
    assert send(house, path, len(PAPER) - 1, PAPER[-1:]).status == 204, "all was there: the last byte is asked for again"
    assert [one.state for one in house.papers.papers(house.open)] == ["ready"]


def test_bytes_that_are_more_than_were_told_become_no_paper(house: House) -> None:
    path = at(begin(house))
    papers = Uploads(house.papers, UploadLimits())
    upload = papers.find(path.rpartition("/")[2])
    assert upload is not None
    with papers.writer(upload) as writer:
        writer.write(PAPER + b"more")
    with pytest.raises(StorageFailed, match="send them again"):
        papers.finish(upload, "0" * 64)
    assert house.papers.papers(house.open) == []
    assert send(house, path, 0, PAPER).status == 204
