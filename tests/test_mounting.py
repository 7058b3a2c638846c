"""The application within Starlette, FastAPI and plain ASGI: routes, links and the fast path under a prefix; start and end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from asgi import Reply, ask, ask_async
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send

import sidebooks_core as sb
from sidebooks_core.server import Application, Shelf
from sidebooks_core.server.shelf import page_id


def in_starlette(application: Application) -> ASGIApp:
    return Starlette(routes=[Mount("/books", app=application)])


def in_fastapi(application: Application) -> ASGIApp:
    outer = FastAPI()
    outer.mount("/books", application)
    return outer


def nested(application: Application) -> ASGIApp:
    return Starlette(routes=[Mount("/our", app=Starlette(routes=[Mount("/books", app=application)]))])


def of_a_tenant(application: Application) -> ASGIApp:
    """Of a path with a part that the outer application names as one of ours is named."""
    return Starlette(routes=[Mount("/{document}/books", app=application)])


def behind_a_proxy(application: Application) -> ASGIApp:
    """A proxy takes "/api" off the path, and the server knows it (`uvicorn --root-path`)."""

    async def server(scope: Scope, receive: Receive, send: Send) -> None:
        path = {"path": scope["path"].removeprefix("/api"), "raw_path": scope["raw_path"].removeprefix(b"/api")}
        await in_fastapi(application)({**scope, **path, "root_path": "/api"}, receive, send)

    return server


MOUNTS = [
    pytest.param(in_starlette, "/books", id="starlette"),
    pytest.param(in_fastapi, "/books", id="fastapi"),
    pytest.param(nested, "/our/books", id="nested"),
    pytest.param(of_a_tenant, "/%E5%B8%82/books", id="tenant"),
    pytest.param(behind_a_proxy, "/api/books", id="proxy"),
]


def local(address: str, prefix: str) -> str:
    assert address.startswith(f"http://test{prefix}/"), address
    return address.removeprefix("http://test")


@pytest.mark.parametrize(("mounted", "prefix"), MOUNTS)
def test_links_lead_below_the_prefix(
    application: Application, document: sb.Document, mounted: Callable[[Application], ASGIApp], prefix: str
) -> None:
    outer = mounted(application)
    [one] = ask(outer, f"{prefix}/documents").json()["documents"]
    pages = ask(outer, local(one["pages"], prefix)).json()["pages"]
    info = ask(outer, f"{local(pages[1]['image_service'], prefix)}/info.json").json()
    assert info["id"] == pages[1]["image_service"]
    image = ask(outer, f"{local(info['id'], prefix)}/full/90,/0/default.jpg")
    assert image.status == 200
    assert f'<{info["id"]}/full/90,127/0/default.jpg>;rel="canonical"' in image.headers["link"]
    manifest = ask(outer, local(one["manifest"], prefix)).json()
    assert local(manifest["id"], prefix) == local(one["manifest"], prefix)
    body = manifest["items"][0]["items"][0]["items"][0]["body"]["id"]
    assert ask(outer, local(body, prefix)).status == 200
    [search] = manifest["service"]
    hits = ask(outer, f"{local(search['id'], prefix)}?q=jlreq").json()
    assert local(hits["items"][0]["target"], prefix)
    details = ask(outer, f"{prefix}/documents/{document.id}").json()
    assert ask(outer, local(details["original"], prefix)).status == 200
    redirect = ask(outer, local(info["id"], prefix))
    assert (redirect.status, redirect.headers["location"]) == (303, f"{info['id']}/info.json")
    assert ask(outer, f"{prefix}/dzi/{page_id(document, 0)}.dzi").status == 200
    assert ask(outer, f"{prefix}/dzi/{page_id(document, 0)}_files/7/0_0.jpg").status == 200
    assert ask(outer, f"{prefix}/openapi.json").json()["servers"] == [{"url": f"http://test{prefix}"}]
    page = ask(outer, f"{prefix}/")
    assert page.status == 200
    assert b'"/viewer' not in page.body, "the viewer's own files are asked for below the prefix"
    assert ask(outer, f"{prefix}/viewer/main.js").status == 200
    assert ask(outer, f"{prefix}/nothing").json()["status"] == 404, "our own refusals"


@pytest.mark.parametrize(("mounted", "prefix"), MOUNTS)
def test_images_in_memory_take_the_fast_path_below_the_prefix(
    application: Application, document: sb.Document, mounted: Callable[[Application], ASGIApp], prefix: str
) -> None:
    outer = mounted(application)
    path = f"{prefix}/documents/{document.id}/pages/1/300x400"
    document.content_id(0)  # else the first answer may go out before the page is identified, and only the next one is learned
    first = ask(outer, path)
    assert (first.status, len(application.fast_path)) == (200, 1)
    before_s = application.fast_path.answered_s
    again = ask(outer, path)
    assert (again.status, again.body) == (200, first.body)
    assert application.fast_path.answered_s > before_s
    assert ask(outer, path, headers={"If-None-Match": first.headers["etag"]}).status == 304


def test_slashes_within_a_part_stay_there_below_a_prefix(application: Application, document: sb.Document) -> None:
    for outer in (in_starlette(application), in_fastapi(application)):
        reply = ask(outer, f"/books/documents/{document.id}/search/3%2F4")
        assert reply.json()["query"] == "3/4"


def test_two_applications_beside_each_other_and_routes_of_the_outer_one(service: sb.TileService, shelf: Shelf) -> None:
    async def own(_: Request) -> Response:
        return Response("own")

    other = Shelf(service)
    first, second = Application(shelf), Application(other)
    routes = [Route("/own", own), Mount("/a", app=first), Mount("/b", app=second)]
    outer = Starlette(routes=routes)
    assert [len(ask(outer, f"/{name}/documents").json()["documents"]) for name in "ab"] == [1, 0]
    assert ask(outer, "/own").body == b"own"
    first.close()
    second.close()


class Lifespan:
    """Starts and ends an application as an ASGI server does."""

    def __init__(self, application: ASGIApp) -> None:
        self._application = application
        self._messages: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.sent: list[str] = []

    async def __aenter__(self) -> Lifespan:
        async def send(message: Any) -> None:
            self.sent.append(message["type"])

        self._running = asyncio.create_task(self._application({"type": "lifespan", "state": {}}, self._messages.get, send))
        await self._messages.put({"type": "lifespan.startup"})
        while not self.sent:
            await asyncio.sleep(0.01)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._messages.put({"type": "lifespan.shutdown"})
        await asyncio.wait_for(self._running, 20)


def test_the_lifespan_of_an_application_by_itself_closes_it(application: Application) -> None:
    async def scenario() -> tuple[list[str], Reply]:
        async with Lifespan(application) as lifespan:
            listening = asyncio.create_task(ask_async(application, "/events"))
            await asyncio.sleep(0.1)
            assert (await ask_async(application, "/documents")).status == 200
        return lifespan.sent, await asyncio.wait_for(listening, 20)

    sent, events = asyncio.run(scenario())
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert b"event: documents" in events.body, "it had begun, and has ended"


@pytest.mark.parametrize("outer_kind", [Starlette, FastAPI])
def test_an_outer_lifespan_makes_and_closes_what_is_mounted(outer_kind: Callable[..., Any], sample: Any) -> None:
    closed: list[bool] = []

    @asynccontextmanager
    async def lifespan(outer: Any) -> AsyncIterator[None]:
        with sb.TileService(sb.Settings(cache_dir=None, workers=1)) as service:
            shelf = Shelf(service)
            shelf.register(sample)
            documents = Application(shelf)
            outer.mount("/books", documents)
            yield
            documents.close()
            shelf.close()
        closed.append(service.is_closed)

    outer = outer_kind(lifespan=lifespan)

    async def scenario() -> list[str]:
        async with Lifespan(outer) as running:
            listing = await ask_async(outer, "/books/documents")
            assert len(listing.json()["documents"]) == 1
        return running.sent

    assert asyncio.run(scenario()) == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert closed == [True]


def test_sockets_that_nobody_serves_are_closed(application: Application) -> None:
    async def scenario(path: str) -> list[dict[str, Any]]:
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "websocket.connect"}

        async def send(message: Any) -> None:
            sent.append(message)

        async def own(websocket: Any) -> None:
            await websocket.close(4000)

        outer = Starlette(routes=[WebSocketRoute("/own", own), Mount("/books", app=application)])
        await outer({"type": "websocket", "path": path, "headers": []}, receive, send)
        return sent

    for path in ("/books/documents", "/books/nothing"):
        [message] = asyncio.run(scenario(path))
        assert message["type"] == "websocket.close"
    assert asyncio.run(scenario("/own"))[-1]["code"] == 4000, "those of the outer application are its own"
