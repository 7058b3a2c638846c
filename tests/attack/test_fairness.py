"""Whatever a client asks for takes that client's own turn in the queue, and nobody else's."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any

import pytest
from asgi import ask_async

import sidebooks_core as sb
from sidebooks_core.errors import QueueFull
from sidebooks_core.images.requests import TilePlace
from sidebooks_core.images.work import Flight
from sidebooks_core.scheduling.queue import Priority
from sidebooks_core.server import Application

CLIENT = "192.0.2.7"


@pytest.fixture
def asked(service: sb.TileService, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """What is put into the queue for somebody: kind of job and client."""
    found: list[tuple[str, str]] = []
    enter = service.parts.dispatcher.enter

    def noted(flights: Sequence[Flight]) -> None:
        for flight in flights:
            if flight.priority is not Priority.BULK:
                found.extend((type(flight.work.job).__name__, one.client) for one in flight.waiting)
        enter(flights)

    monkeypatch.setattr(service.parts.dispatcher, "enter", noted)
    return found


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("pages/11/tiles/2/0_0", "Draw"),
        ("pages/11/300x400", "Draw"),
        ("pages/12/text", "ReadWords"),
        ("pages/13/links", "ReadLinks"),
        ("pages/14/preview", "Draw"),
        ("pages/15/bundle/1", "Draw"),
        ("previews/16-18", "Identify"),
        ("hints", "Draw"),
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


def test_under_load_a_page_is_drawn_for_each_who_waits_at_their_own_turn(
    application: Application, document: sb.Document, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client whose many pages are being drawn keeps no page to itself that another wants too."""
    clients: dict[int, list[str]] = {}
    futures: list[Future[sb.Tile]] = []

    def noted(at: TilePlace, _priority: Priority, client: str) -> Future[sb.Tile]:
        clients.setdefault(at.request.page, []).append(client)
        futures.append(Future())
        return futures[-1]

    monkeypatch.setattr(application.service.parts.images, "submit", noted)
    application.images.loaded = 8

    async def scenario() -> None:
        def asking(page: int, client: str) -> asyncio.Task[Any]:
            path = f"/documents/{document.id}/pages/{page}/60x80"
            return asyncio.create_task(ask_async(application, path, client=client))

        waiting = [asking(page, CLIENT) for page in range(2, document.page_count + 1)]
        await asyncio.sleep(0.2)
        waiting.append(asking(document.page_count, "192.0.2.8"))
        await asyncio.sleep(0.2)
        assert application.images.are_awaited()
        for future in futures:
            future.set_exception(QueueFull("enough"))
        assert {reply.status for reply in await asyncio.gather(*waiting)} == {503}

    asyncio.run(scenario())
    assert clients[document.page_count - 1] == [f"http {CLIENT}", "http 192.0.2.8"]
    assert not application.images.are_awaited()


def test_who_leaves_before_a_page_is_identified_leaves_no_work(service: sb.TileService, document: sb.Document) -> None:
    futures = [service.parts.images.identify(document, page) for page in range(document.page_count)]
    for future in futures:
        future.cancel()
    deadline_s = time.monotonic() + 20
    while service.statistics().queued:
        assert time.monotonic() < deadline_s
        time.sleep(0.01)
    assert service.statistics().drops > document.page_count // 2
