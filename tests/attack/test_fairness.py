"""Whatever a client asks for takes that client's own turn in the queue, and nobody else's."""

from __future__ import annotations

import asyncio
import json
import time
from concurrent.futures import Future
from typing import Any

import pytest
from asgi import ask_async

import sidebooks_core as sb
from sidebooks_core.errors import QueueFull
from sidebooks_core.scheduling.queue import Priority
from sidebooks_core.server import Application

CLIENT = "192.0.2.7"


@pytest.fixture
def asked(service: sb.TileService, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """What is put into the queue for somebody: kind of job and client."""
    found: list[tuple[str, str]] = []
    request, draft = service._dispatcher.request, service._dispatcher.draft

    def noted(
        work: Any, done: Any, priority: Priority = Priority.VISIBLE, client: str = "", ticket: Any = None, **named: Any
    ) -> bool:
        if priority is not Priority.BULK:
            found.append((work.job.kind, client))
        return request(work, done, priority, client, ticket, **named)

    def drafted(work: Any, drawn: Any, ticket: Any = None, client: str = "") -> bool:
        found.append((work.job.kind, client))
        return draft(work, drawn, ticket, client)

    monkeypatch.setattr(service._dispatcher, "request", noted)
    monkeypatch.setattr(service._dispatcher, "draft", drafted)
    return found


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("pages/11/tiles/2/0_0", "identify"),
        ("pages/11/300x400", "raster"),
        ("pages/12/text", "words"),
        ("pages/13/links", "links"),
        ("pages/14/preview", "raster"),
        ("pages/15/bundle/1", "raster"),
        ("previews/16-18", "raster"),
        ("hints", "raster"),
    ],
)
def test_a_request_takes_the_turn_of_its_client(
    application: Application, document: sb.Document, asked: list[tuple[str, str]], path: str, kind: str
) -> None:
    body = json.dumps({"session": "mine", "page": 19, "view_px": [300, 400]}).encode() if path == "hints" else b""
    method = "POST" if body else "GET"
    asked.clear()
    asyncio.run(ask_async(application, f"/documents/{document.id}/{path}", method, body=body, client=CLIENT))
    deadline_s = time.monotonic() + 20
    while kind not in {one for one, _ in asked}:
        assert time.monotonic() < deadline_s, asked
        time.sleep(0.01)
    assert {client for _, client in asked} == {f"http {CLIENT}"}, asked


def test_under_load_a_page_is_identified_for_each_who_waits_at_their_own_turn(
    application: Application, document: sb.Document, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client whose many pages are being identified keeps no page to itself that another wants too."""
    clients: dict[int, list[str]] = {}
    futures: list[Future[None]] = []

    def noted(_: sb.Document, page: int, client: str = "") -> Future[None]:
        clients.setdefault(page, []).append(client)
        futures.append(Future())
        return futures[-1]

    monkeypatch.setattr(application.service, "submit_identify", noted)
    application.images.loaded = 8

    async def scenario() -> None:
        def asking(page: int, client: str) -> asyncio.Task[Any]:
            path = f"/documents/{document.id}/pages/{page}/60x80"
            return asyncio.create_task(ask_async(application, path, client=client))

        waiting = [asking(page, CLIENT) for page in range(2, document.page_count + 1)]
        await asyncio.sleep(0.05)
        waiting.append(asking(document.page_count, "192.0.2.8"))
        await asyncio.sleep(0.05)
        assert application.images.are_awaited()
        for future in futures:
            future.set_exception(QueueFull("enough"))
        assert {reply.status for reply in await asyncio.gather(*waiting)} == {503}

    asyncio.run(scenario())
    assert clients[document.page_count - 1] == [f"http {CLIENT}", "http 192.0.2.8"]
    assert not application.images.are_awaited()


def test_who_leaves_before_a_page_is_identified_leaves_no_work(service: sb.TileService, document: sb.Document) -> None:
    futures = [service.submit_identify(document, page) for page in range(document.page_count)]
    for future in futures:
        future.cancel()
    deadline_s = time.monotonic() + 20
    while service.statistics().queued:
        assert time.monotonic() < deadline_s
        time.sleep(0.01)
    assert service.statistics().drops > document.page_count // 2
