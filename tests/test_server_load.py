"""The HTTP application when many ask at once: coarser images, work that is shared, clients that go away."""

from __future__ import annotations

import asyncio
import contextlib
import time
from concurrent.futures import Future
from pathlib import Path

import numpy as np
import pytest
from asgi import Reply, ask, ask_async, image

import sidebooks_core as sb
from sidebooks_core.server import Application, Shelf
from sidebooks_core.server.shelf import page_id


def test_under_load_a_coarser_image_stands_in(
    application: Application, document: sb.Document, first_page: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(application.images, "loaded", 0)
    part = "512,512,512,512/512,512/0/default.png"
    first = ask(application, f"{first_page}/{part}")
    assert first.headers["cache-control"].endswith("immutable"), "nothing coarser was in memory"
    assert ask(application, f"/documents/{document.id}/pages/2/preview").status == 200
    beside = f"/iiif/3/{page_id(document, 1)}/{part}"
    passing = ask(application, beside)
    assert passing.headers["cache-control"] == "public, max-age=2"
    assert "etag" not in passing.headers
    assert 0 < float(passing.headers["sidebooks-resolution"]) < 1
    service = application.service
    monkeypatch.setattr(application.images, "loaded", 1 << 30)
    sharp = ask(application, beside)
    assert sharp.headers["cache-control"].endswith("immutable")
    assert image(passing).size == image(sharp).size == (512, 512)
    assert image(passing).format == image(sharp).format
    difference = np.abs(np.asarray(image(passing).convert("L"), float) - np.asarray(image(sharp).convert("L"), float))
    assert difference.mean() < 25, "the same part of the page"
    monkeypatch.setattr(application.images, "loaded", 0)
    renders = service.statistics().renders
    assert ask(application, beside).body == sharp.body, "what is cached is always answered as it is"
    assert service.statistics().renders == renders


def test_a_hundred_who_turn_to_one_page_are_no_load(
    application: Application, document: sb.Document, first_page: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ask(application, f"/documents/{document.id}/pages/1/preview").status == 200
    monkeypatch.setattr(application.images, "loaded", 1)
    path = f"/documents/{document.id}/pages/1/1333x1777"

    async def all_at_once() -> list[Reply]:
        return await asyncio.gather(*(ask_async(application, path) for _ in range(100)))

    replies = asyncio.run(all_at_once())
    assert {reply.headers["cache-control"] for reply in replies} == {"public, max-age=31536000, immutable"}
    assert len({reply.body for reply in replies}) == 1


def counted(owner: object, name: str, monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """An entry for each call of a method from now on."""
    calls: list[object] = []
    method = getattr(owner, name)

    def counting(*arguments: object) -> object:
        calls.append(arguments)
        return method(*arguments)

    monkeypatch.setattr(owner, name, counting)
    return calls


async def ask_and_leave(
    application: Application, path: str, leaves: asyncio.Event | None = None, headers: tuple[tuple[bytes, bytes], ...] = ()
) -> None:
    """leaves: when it is set. None: at once."""
    sent: list[object] = []

    async def receive() -> dict[str, object]:
        if leaves is not None:
            await leaves.wait()
        return {"type": "http.disconnect"}

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "headers": headers, "query_string": b""}
    await application(scope, receive, send)
    assert leaves is not None or not sent


def test_identical_requests_at_once_go_one_way_and_render_once(
    application: Application, first_page: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    submitted = counted(application.service.parts.images, "submit", monkeypatch)

    async def all_at_once() -> list[Reply]:
        return await asyncio.gather(*(ask_async(application, f"{first_page}/full/1234,/0/default.png") for _ in range(20)))

    replies = asyncio.run(all_at_once())
    assert {reply.status for reply in replies} == {200}
    assert len({reply.body for reply in replies}) == 1
    assert application.service.statistics().renders == 1
    assert len(submitted) == 1


def test_who_shares_a_render_may_leave(
    application: Application, document: sb.Document, monkeypatch: pytest.MonkeyPatch
) -> None:
    submitted = counted(application.service.parts.images, "submit", monkeypatch)
    path = f"/documents/{document.id}/pages/3/1234x1999"

    async def everybody() -> list[Reply]:
        _, *replies = await asyncio.gather(ask_and_leave(application, path), *(ask_async(application, path) for _ in range(3)))
        return replies

    replies = asyncio.run(everybody())
    assert [reply.status for reply in replies] == [200, 200, 200]
    assert len(submitted) == 1, "who asked first left, and the others kept what was under way"
    assert application.service.statistics().renders == 1


def test_a_failure_is_told_to_all_who_share_it(
    application: Application, document: sb.Document, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> Future[sb.Tile]:
        failed: Future[sb.Tile] = Future()
        failed.set_exception(sb.RenderFailed("page 1 cannot be drawn", document_id=document.id, page=0))
        return failed

    monkeypatch.setattr(application.service.parts.images, "submit", fails)
    path = f"/documents/{document.id}/pages/1/777x777"

    async def all_at_once() -> list[Reply]:
        return await asyncio.gather(*(ask_async(application, path) for _ in range(5)))

    assert {(reply.status, reply.json()["detail"]) for reply in asyncio.run(all_at_once())} == {(500, "page 1 cannot be drawn")}
    monkeypatch.undo()
    assert ask(application, path).status == 200, "and not to who asks later"


def test_a_client_that_goes_away_takes_its_queued_work_along(
    service: sb.TileService, application: Application, document: sb.Document
) -> None:
    for page in range(document.page_count):
        document.content_id(page)

    async def everybody() -> None:
        leaves = asyncio.Event()
        paths = [f"/documents/{document.id}/pages/{page + 1}/1900x3000" for page in range(document.page_count)]
        asking = [asyncio.create_task(ask_and_leave(application, path, leaves)) for path in paths]
        async with asyncio.timeout(20):
            while not service.statistics().queued:
                await asyncio.sleep(0)
        leaves.set()
        await asyncio.gather(*asking)

    asyncio.run(everybody())
    deadline_s = time.monotonic() + 20
    while service.statistics().queued + service.statistics().in_flight:
        assert time.monotonic() < deadline_s
        time.sleep(0.02)
    assert service.statistics().renders < document.page_count
    assert service.statistics().drops > 0


def test_a_flood_of_one_client_holds_up_another_for_a_few_renders(tmp_path: Path, sample: Path) -> None:
    answered: list[str] = []

    async def asks(application: Application, path: str, client: str) -> Reply:
        reply = await ask_async(application, path, client=client)
        answered.append(client)
        return reply

    async def everybody(application: Application, document: sb.Document) -> list[Reply]:
        posters = f"/documents/{document.id}/pages/4/{{0}}x4000"
        flood = [asyncio.ensure_future(asks(application, posters.format(800 + number), "flood")) for number in range(60)]
        while application.service.statistics().queued < 50:
            await asyncio.sleep(0.005)
        before = len(answered)
        page = await asks(application, f"/documents/{document.id}/pages/9/900x1200", "council")
        own = answered.index("council") - before
        replies = await asyncio.gather(*flood)
        assert own <= 6, "the renders under way, and some that an open document lets go first"
        return [page, *replies]

    with sb.TileService(sb.Settings(cache_dir=tmp_path / "cache", workers=1)) as service:
        shelf = Shelf(service)
        document = shelf.register(sample)
        for page in range(document.page_count):
            document.content_id(page)
        application = Application(shelf)
        replies = asyncio.run(everybody(application, document))
        application.close()
        shelf.close()
    assert {reply.status for reply in replies} == {200}
    assert service.statistics().renders >= 61


def test_who_floods_is_refused_and_others_are_not(application: Application, monkeypatch: pytest.MonkeyPatch) -> None:
    document = application.shelf.all()[0].document
    document.content_id(3)
    monkeypatch.setattr("sidebooks_core.server.image_answers.MAX_WAITING", 5)

    async def everybody() -> tuple[list[Reply], Reply]:
        path = f"/documents/{document.id}/pages/4/{{0}}x4000"
        flood = [
            asyncio.ensure_future(ask_async(application, path.format(900 + number), client="flood")) for number in range(30)
        ]
        while len(application.images.waiting) < 5:
            await asyncio.sleep(0.001)
        other = await ask_async(application, path.format(500), client="council")
        return await asyncio.gather(*flood), other

    flood, other = asyncio.run(everybody())
    assert other.status == 200
    assert {reply.status for reply in flood} == {200, 503}


def test_who_asks_for_what_is_being_drawn_waits_for_it_on_the_short_way(
    application: Application, document: sb.Document, monkeypatch: pytest.MonkeyPatch
) -> None:
    admitted = counted(application.gate, "admit", monkeypatch)
    path = f"/documents/{document.id}/pages/3/1221x1999"

    async def all_at_once() -> list[Reply]:
        return await asyncio.gather(*(ask_async(application, path) for _ in range(20)))

    first, *others = asyncio.run(all_at_once())
    assert {reply.status for reply in (first, *others)} == {200}
    assert {reply.body for reply in others} == {first.body}
    kept = {name: value for name, value in first.headers.items() if name != "server-timing"}
    for reply in others:
        assert {name: value for name, value in reply.headers.items() if name != "server-timing"} == kept
    assert len(admitted) == 1, "only the first one took the long way"


def test_who_waits_for_what_another_asked_for_keeps_it_alive(
    application: Application, document: sb.Document, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who asked first leaves, after the others have begun to wait."""
    admitted = counted(application.gate, "admit", monkeypatch)
    submitted = counted(application.service.parts.images, "submit", monkeypatch)
    path = f"/documents/{document.id}/pages/3/1222x1999"

    async def everybody() -> list[Reply]:
        leaves = asyncio.Event()
        first = asyncio.ensure_future(ask_and_leave(application, path, leaves, ((b"host", b"test"),)))
        while not submitted:
            await asyncio.sleep(0)
        others = [asyncio.ensure_future(ask_async(application, path)) for _ in range(3)]
        await asyncio.sleep(0)
        leaves.set()
        await first
        return await asyncio.gather(*others)

    assert [reply.status for reply in asyncio.run(everybody())] == [200, 200, 200]
    assert (len(admitted), len(submitted)) == (1, 1)


def test_who_waits_for_what_another_asked_for_gets_its_error(
    application: Application, document: sb.Document, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> Future[sb.Tile]:
        raise sb.RenderFailed("nothing of it can be drawn", page=0)

    monkeypatch.setattr(application.service.parts.images, "submit", fails)
    path = f"/documents/{document.id}/pages/1/1223x1999"

    async def all_at_once() -> list[Reply]:
        return await asyncio.gather(*(ask_async(application, path) for _ in range(5)))

    replies = asyncio.run(all_at_once())
    assert len({(reply.status, reply.body) for reply in replies}) == 1
    assert replies[0].status >= 400
    assert replies[0].json()["detail"] == "nothing of it can be drawn"


def test_who_may_not_have_what_is_being_drawn_does_not_wait_for_it(
    shelf: Shelf, document: sb.Document, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second one asks while the first one's image is drawn."""
    path = f"/documents/{document.id}/pages/3/1224x1999"
    application = Application(shelf, allowed=lambda scope, _operation, _document: scope["client"][0] != "192.0.2.66")
    submitted = counted(application.service.parts.images, "submit", monkeypatch)

    async def both() -> tuple[Reply, Reply]:
        first = asyncio.ensure_future(ask_async(application, path))
        while not submitted:
            await asyncio.sleep(0)
        refused = await ask_async(application, path, client="192.0.2.66")
        return await first, refused

    with contextlib.closing(application):
        first, refused = asyncio.run(both())
    assert (first.status, refused.status) == (200, 403)


def test_when_all_who_wait_for_an_image_have_left_it_is_not_drawn(
    application: Application, document: sb.Document, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also those who began to wait on the short way."""
    admitted = counted(application.gate, "admit", monkeypatch)
    queued: Future[sb.Tile] = Future()
    monkeypatch.setattr(application.service.parts.images, "submit", lambda *_: queued)
    path = f"/documents/{document.id}/pages/3/1225x1999"

    async def everybody() -> None:
        leaves = asyncio.Event()
        asking = [ask_and_leave(application, path, leaves, ((b"host", b"test"),)) for _ in range(4)]
        waiting = asyncio.gather(*asking)
        async with asyncio.timeout(30):
            while not application.images.waiting:
                await asyncio.sleep(0)
            leaves.set()
            await waiting
            while not queued.cancelled():
                await asyncio.sleep(0)

    asyncio.run(everybody())
    assert len(admitted) == 1, "the others waited on the short way"


def test_who_waits_for_what_another_asked_for_gets_an_answer_after_any_fault(
    application: Application, document: sb.Document, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> Future[sb.Tile]:
        raise ZeroDivisionError

    admitted = counted(application.gate, "admit", monkeypatch)
    monkeypatch.setattr(application.service.parts.images, "submit", fails)
    path = f"/documents/{document.id}/pages/1/1226x1999"

    async def all_at_once() -> list[Reply]:
        return await asyncio.gather(*(ask_async(application, path) for _ in range(5)))

    first, *others = asyncio.run(all_at_once())
    assert (first.status, "log" in first.json()["detail"]) == (500, True)
    assert others == [first] * 4, "with the headers that all answers have"
    assert len(admitted) == 1, "the others waited on the short way"
    assert 'sidebooks_responses_total{status="500"} 5' in ask(application, "/metrics").body.decode()


def test_who_waits_for_what_another_asked_for_is_told_that_the_server_ends(
    application: Application, document: sb.Document, monkeypatch: pytest.MonkeyPatch
) -> None:
    admitted = counted(application.gate, "admit", monkeypatch)
    monkeypatch.setattr(application.service.parts.images, "submit", lambda *_: Future())
    path = f"/documents/{document.id}/pages/1/1227x1999"

    async def everybody() -> list[Reply]:
        asking = [asyncio.ensure_future(ask_async(application, path)) for _ in range(5)]
        async with asyncio.timeout(30):
            while not application.images.waiting:
                await asyncio.sleep(0)
            application.begin_close()
            for one in asking:
                one.cancel()  # as servers do with what takes too long
            return await asyncio.gather(*asking)

    first, *others = asyncio.run(everybody())
    assert (first.status, first.headers["retry-after"]) == (503, "2")
    assert others == [first] * 4
    assert len(admitted) == 1, "the others waited on the short way"
