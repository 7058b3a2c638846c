"""What the server keeps and does is bounded: bytes it remembers, what it does in the event loop, what it tells."""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
import os
import subprocess
import sys
import threading
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from asgi import Reply, ask, ask_async
from PIL import Image

import sidebooks_core as sb
from sidebooks_core.access.policy import Limits
from sidebooks_core.documents.model import Word
from sidebooks_core.encoding.tileset import RecordUnreadable
from sidebooks_core.server import Application, Shelf, page_descriptions, responses
from sidebooks_core.server.compression import CompressedBodies
from sidebooks_core.server.descriptions import Described
from sidebooks_core.server.http import FileRange
from sidebooks_core.server.schemas import PageList
from sidebooks_core.statistics import Counters


def test_metrics_count_all_waits_and_their_sum(application: Application) -> None:
    counters = Counters()
    for _ in range(5000):
        counters.count_wait("memory", 0.5)
    latency = counters.latency()["memory"]
    assert (latency.total_count, latency.total_s, latency.count) == (5000, 2500.0, Counters.SAMPLES)
    application.service.parts.images.keeper.counters = counters
    text = ask(application, "/metrics").body.decode()
    assert 'sidebooks_wait_seconds_count{source="memory"} 5000' in text
    assert 'sidebooks_wait_seconds_sum{source="memory"} 2500.0' in text


def test_long_json_is_made_off_the_event_loop(
    application: Application, document: sb.Document, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = tuple(Word(1, 2, 3, 4, f"word{n}", 0, n) for n in range(20_000))
    future: Future[tuple[Word, ...]] = Future()
    future.set_result(words)
    monkeypatch.setattr(application.service.parts.questions, "words", lambda *_: future)
    where: list[str] = []
    encode, compress = responses.json_bytes, gzip.compress

    def encoded(value: Any) -> bytes:
        where.append(threading.current_thread().name)
        return encode(value)

    def compressed(*arguments: Any, **named: Any) -> bytes:
        where.append(threading.current_thread().name)
        return compress(*arguments, **named)

    monkeypatch.setattr(responses, "json_bytes", encoded)
    monkeypatch.setattr(gzip, "compress", compressed)
    reply = ask(application, f"/documents/{document.id}/pages/1/text", headers={"Accept-Encoding": "gzip"})
    assert len(json.loads(gzip.decompress(reply.body))["words"]) == 20_000
    assert len(where) == 2
    assert all(name.startswith("sidebooks-http-descriptions") for name in where), where


def test_compressed_bodies_are_kept_within_a_budget() -> None:
    kept = CompressedBodies(10_000)
    bodies = {f"tag{n}": bytes(range(256)) * 4 + str(n).encode() * 200 for n in range(100)}
    for tag, body in bodies.items():
        assert gzip.decompress(kept.get(tag, body)) == body
        assert kept.held_bytes <= 10_000
    assert kept.held_bytes > 5_000
    assert gzip.decompress(kept.get("tag99", b"")) == bodies["tag99"], "kept"
    assert kept.get("tag0", b"") == gzip.compress(b"", 6, mtime=0), "the oldest went"


def test_descriptions_are_kept_once_for_all_hosts_and_within_a_budget(
    application: Application, document: sb.Document, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    page_list = page_descriptions.page_list

    def counted(base: str, one: sb.Document, limits: Limits) -> PageList:
        made.append(base)
        return page_list(base, one, limits)

    monkeypatch.setattr(page_descriptions, "page_list", counted)
    replies = [ask(application, f"/documents/{document.id}/pages.json").json() for _ in range(3)]
    assert len(made) == 1
    assert replies[0]["pages"][0]["image_service"].startswith("http://test/iiif/3/")
    described = Described(most_bytes=40_000)
    for number in range(40):
        body = described.get(document, f"kind {number}", 'http://a"b', lambda base: {"id": f"{base}/x", "more": "y" * 5000})
        assert json.loads(body)["id"] == 'http://a"b/x'
        assert described.held_bytes <= 40_000
    assert len(described) == 7


def test_a_shelf_that_changes_often_is_told_of_in_few_events(
    application: Application, document: sb.Document, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sidebooks_core.server.listener.DOCUMENTS_EVERY_S", 0.3)

    async def scenario() -> Reply:
        listening = asyncio.create_task(ask_async(application, "/events"))
        await asyncio.sleep(0.1)
        for number in range(200):
            application.events.documents_changed([f"document {number}"])
            await asyncio.sleep(0)
        await asyncio.sleep(0.5)
        application.begin_close()
        return await asyncio.wait_for(listening, 20)

    blocks = asyncio.run(scenario()).body.decode().split("\n\n")
    told = [json.loads(block.partition("data: ")[2])["documents"] for block in blocks if "data: " in block]
    assert told[-1] == ["document 199"]
    assert len(told) <= 3


def test_an_original_that_is_cut_short_while_it_is_sent(
    service: sb.TileService, sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "minutes.pdf"
    path.write_bytes(sample.read_bytes())
    shelf = Shelf(service)
    application = Application(shelf)
    address = f"/documents/{shelf.register(path).id}/original"
    read = FileRange.read

    def cut(one: FileRange) -> bytes:
        piece = read(one)
        with path.open("r+b") as file:
            file.truncate(1000)
        return piece

    monkeypatch.setattr(FileRange, "read", cut)
    sent: list[Any] = []

    async def scenario() -> None:
        async def send(message: Any) -> None:
            sent.append(message)

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"", "more_body": False}

        headers = [(b"host", b"test")]
        scope = {"type": "http", "method": "GET", "path": address, "headers": headers, "query_string": b""}
        await application(scope, receive, send)

    with caplog.at_level(logging.WARNING):
        asyncio.run(scenario())
    assert all(message["more_body"] for message in sent[1:]), "no end: the server ends the connection"
    assert "cut short" in caplog.text
    assert "Traceback" not in caplog.text
    application.close()


def test_a_damaged_record_is_removed_without_waiting_for_the_disk(
    application: Application, document: sb.Document, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a derived image: its record is looked at in the event loop, its removal is not waited for there."""
    path = f"/iiif/3/{document.id}_p1/full/60,/90/default.png"
    good = ask(application, path)
    store = application.service.parts.images.keeper.store
    where: list[str] = []
    delete = store.delete

    def deleted(key: str) -> None:
        where.append(threading.current_thread().name)
        delete(key)

    def unreadable(*_: Any) -> None:
        raise RecordUnreadable("damaged")

    monkeypatch.setattr(store, "delete", deleted)
    monkeypatch.setattr("sidebooks_core.server.image_answers.unpack_tile", unreadable)
    again = ask(application, path)
    assert (again.status, again.body) == (200, good.body)
    assert [name.split("_")[0] for name in where] == ["sidebooks-http-images"]


@pytest.mark.parametrize("missing", ["starlette", "uvicorn", "httptools"])
def test_serving_without_its_extra_says_what_to_install(missing: str, sample: Path) -> None:
    done = serve_without(missing, sample)
    assert done.returncode == 2, done.stderr
    assert "pip install 'sidebooks-core[server]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_missing_dependency_of_ours_is_not_taken_for_the_extra(sample: Path) -> None:
    assert "ModuleNotFoundError: import of msgspec.structs halted" in serve_without("msgspec.structs", sample).stderr


def serve_without(missing: str, sample: Path) -> subprocess.CompletedProcess[str]:
    """`sidebooks serve` where a module cannot be imported."""
    code = f"""import sys
from sidebooks_core.cli.commands import main
for name in [name for name in sys.modules if name == {missing!r} or name.startswith("sidebooks_core.server")]:
    del sys.modules[name]
sys.modules[{missing!r}] = None
sys.exit(main(sys.argv[1:]))"""
    command = [sys.executable, "-c", code, "serve", str(sample), "--port", "0", "--no-browser"]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_an_original_is_not_read_on_for_who_has_left(
    service: sb.TileService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server takes all pieces for a client that is gone, as quickly as they are read: a large file keeps a thread long."""
    path = tmp_path / "large.png"
    Image.new("1", (8, 8)).save(path)
    with path.open("ab") as file:
        file.truncate(64 << 20)
    shelf = Shelf(service)
    application = Application(shelf)
    address = f"/documents/{shelf.register(path).id}/original"
    reads: list[int] = []
    read = FileRange.read

    def noted(one: FileRange) -> bytes:
        reads.append(1)
        return read(one)

    monkeypatch.setattr(FileRange, "read", noted)

    async def scenario() -> None:
        left = asyncio.Event()

        async def send(message: Any) -> None:
            if message["type"] == "http.response.body":
                left.set()

        async def receive() -> dict[str, Any]:
            await left.wait()
            return {"type": "http.disconnect"}

        headers = [(b"host", b"test")]
        scope = {"type": "http", "method": "GET", "path": address, "headers": headers, "query_string": b""}
        await application(scope, receive, send)

    asyncio.run(scenario())
    assert 1 <= len(reads) <= 4
    application.close()
    shelf.close()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs FIFOs")
def test_a_fifo_in_place_of_an_original_keeps_no_thread(service: sb.TileService, sample: Path, tmp_path: Path) -> None:
    path = tmp_path / "minutes.pdf"
    path.write_bytes(sample.read_bytes())
    shelf = Shelf(service)
    application = Application(shelf)
    address = f"/documents/{shelf.register(path).id}/original"
    path.unlink()
    os.mkfifo(path)
    release = threading.Timer(20, lambda: os.close(os.open(path, os.O_RDWR)))
    release.start()
    try:
        assert ask(application, address).status == 410
        assert release.is_alive(), "it waited for somebody to write"
    finally:
        release.cancel()
    application.close()
    shelf.close()


def test_previews_that_the_queue_has_no_place_for_leave_no_others_behind(
    application: Application, document: sb.Document, monkeypatch: pytest.MonkeyPatch
) -> None:
    futures: list[Future[sb.Tile]] = []

    def submit(*_: Any) -> Future[sb.Tile]:
        futures.append(Future())
        if len(futures) == 1:
            futures[-1].set_exception(sb.QueueFull("full"))
        return futures[-1]

    monkeypatch.setattr(application.service.parts.images, "submit", submit)
    assert ask(application, f"/documents/{document.id}/previews/1-10").status == 503
    assert len(futures) == 10
    assert all(future.cancelled() for future in futures[1:])
