"""The ASGI application: routes, headers, and the way from a request to bytes.

What is in memory is answered in the event loop; whatever may wait (the disk, a worker) goes through a future, and a client
that goes away takes its queued work along. Nothing in a path ever names a file.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

from sidebooks_core import __version__
from sidebooks_core.documents.document import Document
from sidebooks_core.documents.model import SearchHit, Word
from sidebooks_core.encoding.formats import BY_ENDING
from sidebooks_core.errors import (
    RequestError,
    ServiceClosed,
    SidebooksError,
)
from sidebooks_core.images.requests import Request, TilePlace, in_format
from sidebooks_core.server import openapi
from sidebooks_core.server.addresses import (
    dzi_raster,
    dzi_tile,
    exact_raster,
    level_number,
    page_number,
    page_span,
    tile_place,
)
from sidebooks_core.server.descriptions import Described, details, not_served, original, page_list, summary
from sidebooks_core.server.events import Events
from sidebooks_core.server.exchange import (
    IMMUTABLE,
    Answer,
    Asked,
    Gone,
    Receive,
    Scope,
    Send,
    disconnected,
    family_of,
    not_found,
    of_error,
    problem,
    raw_path,
    root_and_path,
)
from sidebooks_core.server.exits import is_server_exiting
from sidebooks_core.server.fast_path import HotImages
from sidebooks_core.server.hosts import HostNames, name_in
from sidebooks_core.server.iiif import image_api as iiif
from sidebooks_core.server.iiif import presentation
from sidebooks_core.server.iiif.plan import TilePlan, plan
from sidebooks_core.server.image_answers import ImageAnswers
from sidebooks_core.server.limits import Places, ServerLimits, client_of
from sidebooks_core.server.pools import Pools
from sidebooks_core.server.searching import Searches
from sidebooks_core.server.sessions import Hint, Sessions
from sidebooks_core.server.sharing import Cache, Sharing
from sidebooks_core.server.shelf import Registered, Shelf, page_id
from sidebooks_core.server.single_flight import SharedWork
from sidebooks_core.service import TileService

MAX_PATH_BYTES = 1024
LEARNING = b"public, max-age=300"
"""Of what another version of this library may tell better of the same document: descriptions, words, links, hits."""
SHORT_ITEMS = 100
"""Words, links, hits, documents: the JSON of more is written and compressed in a thread."""
EXIT_EVERY_S = 0.25
"""How often the server is asked whether it ends, as long as there are streams that would keep it from doing so."""
JSON_LD = 'application/ld+json;profile="{}"'
VIEWER = Path(__file__).parent / "viewer"
MEDIA_TYPES = {".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8"}
POLICY = "default-src 'self'; script-src 'self' 'sha256-{script}'; img-src 'self' blob: data:; style-src 'self' 'unsafe-inline'"

_Result = TypeVar("_Result")
_log = logging.getLogger("sidebooks_core.server")


class Application:
    """An ASGI 3 application that serves a shelf. It owns neither the shelf nor its service: close them after the server."""

    def __init__(
        self,
        shelf: Shelf,
        *,
        base_url: str | None = None,
        hosts: Iterable[str] | None = None,
        allow_origins: Sequence[str] = (),
        cache: Cache = "shared",
        limits: ServerLimits | None = None,
    ) -> None:
        """base_url: what addresses in manifests begin with, where a proxy hides it; else each request's own host.

        hosts: the names that are answered, beside addresses in figures and that of `base_url`; others get 421. None: any name,
        as the application or proxy in front has its own rule.
        allow_origins: origins whose pages may read the answers, as "https://books.example"; "*": all. None unless told.
        cache: "private" where not everybody may see everything: browsers keep the answers, shared caches do not.
        Raises RequestError.
        """
        self.shelf = shelf
        self.service: TileService = shelf.service
        self._base_url = _checked_base(base_url) if base_url else None
        self._hosts = _host_names(hosts, self._base_url) if hosts is not None else None
        self._sharing = Sharing.of(allow_origins, cache)
        limits = limits or ServerLimits()
        self._pools = Pools()
        self._lock = threading.Lock()
        self._counts: dict[int, int] = {}
        self._is_closing = False
        self._exit_watch: asyncio.Task[None] | None = None
        streams = Places(limits.streams, limits.streams_per_client, "streams of events")
        self._events = Events(streams, left=lambda session: self._sessions.end(session))
        self._sessions = Sessions(self.service, self._events.page_shown)
        self._described = Described()
        self._shared = SharedWork()
        self._hot = HotImages(self.service, self._sharing)
        self._images = ImageAnswers(self.service, self._hot, self._pools.run)
        searches = Places(limits.searches, limits.searches_per_client, "searches at once")
        self._searches = Searches(self.service, self._shared, searches, self._images.are_awaited)
        shelf.tell(self._shelf_changed)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        if scope["type"] != "http":
            return
        method = scope["method"]
        if method == "GET":
            hot = self._hot.answer(scope)
            if hot is not None:
                status, headers, body = hot
                self._counts[status] = self._counts.get(status, 0) + 1
                await send({"type": "http.response.start", "status": status, "headers": headers})
                await send({"type": "http.response.body", "body": body})
                return
        try:
            answer = await self._answer(scope, receive, method)
        except asyncio.CancelledError:
            if not self._is_closing:
                raise
            answer = of_error(ServiceClosed("the server ends"))
        except Gone:
            return
        except iiif.Refused as refused:
            answer = problem(refused.status, refused.detail)
        except SidebooksError as error:
            answer = of_error(error)
        except Exception:  # noqa: BLE001 - whatever a request does, it gets an answer and the others go on
            _log.exception("a request failed")
            answer = problem(500, "an error of the server, which its log tells more about")
        self._counts[answer.status] = self._counts.get(answer.status, 0) + 1
        try:
            await self._send(scope, receive, send, method, answer)
        except asyncio.CancelledError:
            if not self._is_closing:
                raise
        finally:
            if answer.file is not None:
                answer.file.file.close()
            if answer.ended is not None:
                answer.ended()

    async def _send(self, scope: Scope, receive: Receive, send: Send, method: str, answer: Answer) -> None:
        family = family_of(scope)
        headers = [*self._sharing.common(family), *answer.headers, (b"content-length", str(answer.length).encode())]
        if answer.status in (304, 204) or answer.stream is not None:
            headers.pop()
        if self._sharing.depends_on_origin:
            headers += self._sharing.for_origin(family, _origin(scope))
        if self._sharing.cache == "private":
            headers = [(name, self._sharing.cache_control(v) if name == b"cache-control" else v) for name, v in headers]
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        is_bare = method == "HEAD" or answer.status in (304, 204)
        if answer.file is not None and not is_bare:
            gone = asyncio.ensure_future(disconnected(receive))
            try:
                while piece := await self._pools.run("originals", answer.file.read):
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
                    if gone.done():  # a server takes pieces for nobody, as quickly as they are read
                        await send({"type": "http.response.body", "body": b""})
                        return
            finally:
                gone.cancel()
            if answer.file.is_cut_short:
                _log.warning("a file was cut short while it was sent: the connection ends")
                return  # without an end of the body: the client sees that there is more to come
        if answer.stream is not None:
            async with contextlib.aclosing(answer.stream):
                async for piece in answer.stream:
                    if is_bare:
                        break
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"" if is_bare else answer.body})

    def begin_close(self) -> None:
        """End the streams of events, and let nothing keep the server from ending. Safe to call from any thread, and again.

        uvicorn is noticed by itself when it ends, also where the application is mounted in another. Call this from whatever
        else ends a server, before it waits for its connections.
        """
        self._is_closing = True
        self._events.close()

    def close(self) -> None:
        """End the streams, the readers that hints made, and the threads."""
        self.begin_close()
        self._sessions.close()
        self._pools.close()

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                self.close()
                return

    async def _answer(self, scope: Scope, receive: Receive, method: str) -> Answer:
        generation = self._hot.generation  # before a document is looked for
        host = self._host(scope)
        raw = raw_path(scope)
        if len(raw) > MAX_PATH_BYTES:
            raise iiif.Refused(414, f"paths are at most {MAX_PATH_BYTES} bytes long")
        root, path = root_and_path(scope)
        try:
            segments = [unquote(part, errors="strict") for part in path.split("/")[1:]]
        except UnicodeDecodeError:
            raise iiif.Refused(400, "the path is not UTF-8") from None
        if any("\x00" in part for part in segments):
            raise iiif.Refused(400, "the path holds a null character")
        is_hint = len(segments) == 3 and segments[0] == "documents" and segments[2] == "hints"
        if method == "OPTIONS":
            methods = b"POST, OPTIONS" if is_hint else b"GET, HEAD, OPTIONS"
            answer = Answer(204, headers=[(b"allow", methods)])
            if self._sharing.is_for_all(segments[0]) or self._sharing.allows(_origin(scope)):
                answer.headers += [
                    (b"access-control-allow-methods", methods),
                    (b"access-control-allow-headers", b"*"),
                    (b"access-control-max-age", b"86400"),
                ]
            return answer
        if method not in (("POST",) if is_hint else ("GET", "HEAD")):
            answer = problem(405, "this address does not take that method")
            answer.headers.append((b"allow", b"POST, OPTIONS" if is_hint else b"GET, HEAD, OPTIONS"))
            return answer
        asked = Asked(scope, receive, self._base(scope, host, root), generation)
        if method == "POST" and not self._may_post(asked, host):
            raise iiif.Refused(403, "pages of another origin may not do that (allow_origins)")
        handler = {
            "": self._viewer,
            "viewer": self._viewer,
            "healthz": self._health,
            "readyz": self._health,
            "metrics": self._metrics,
            "openapi.json": self._openapi,
            "documents": self._documents,
            "events": self._stream,
            "iiif": self._iiif,
            "presentation": self._presentation,
            "search": self._search,
            "dzi": self._dzi,
        }.get(segments[0])
        if handler is None:
            raise not_found()
        return await handler(asked, segments[1:] if segments[0] else [])

    def _host(self, scope: Scope) -> str:
        """The Host header; "" where there is none. Raises Refused for what is no host, or none of ours."""
        found = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
        if len(found) > 1:
            raise iiif.Refused(400, "one Host header, please")
        host = found[0] if found else ""
        try:
            name = name_in(host) if host else ""
        except ValueError:
            raise iiif.Refused(400, "the Host header is no host name") from None
        if self._hosts is None or (name and self._hosts.accepts(name)):
            return host
        if not name and scope.get("http_version") == "1.0":
            return ""
        if not name:
            raise iiif.Refused(400, "a Host header, please")
        raise iiif.Refused(
            421, f"this server does not go by the name {name}. If it should: `sidebooks serve --hostname {name}`"
        )

    def _base(self, scope: Scope, host: str, root: str) -> str:
        if self._base_url is not None:
            return self._base_url
        if not host:
            server = scope.get("server") or ("localhost", None)
            name = f"[{server[0]}]" if ":" in str(server[0]) else str(server[0])
            host = f"{name}:{server[1]}" if server[1] else name
        return f"{scope.get('scheme', 'http')}://{host}{root}"

    def _may_post(self, asked: Asked, host: str) -> bool:
        """Whether a request that changes something comes from our own pages, from an origin that may, or from no page."""
        origin = asked.header(b"origin").lower()
        site = asked.header(b"sec-fetch-site")  # of browsers only, and no page can set it
        if not origin:
            return site in ("", "none", "same-origin") or self._sharing.is_open
        if self._sharing.allows(origin) or site == "same-origin":
            return True
        ours = {host.lower(), urlsplit(self._base_url).netloc.lower() if self._base_url else host.lower()} - {""}
        return origin.partition("://")[2] in ours

    async def _viewer(self, asked: Asked, rest: list[str]) -> Answer:
        name = "index.html" if not rest or rest == [""] else "/".join(rest)
        body = _viewer_files().get(name)
        if body is None:
            raise not_found()
        media_type = MEDIA_TYPES[Path(name).suffix]
        headers = [(b"content-security-policy", _policy()), (b"cache-control", b"no-cache")]
        return asked.compressed(media_type, body, headers)

    async def _health(self, asked: Asked, rest: list[str]) -> Answer:
        if rest:
            raise not_found()
        if self.service.is_closed:
            raise ServiceClosed("the service is closed")
        return Answer(200, b"ready\n", [(b"content-type", b"text/plain"), (b"cache-control", b"no-store")])

    async def _metrics(self, asked: Asked, rest: list[str]) -> Answer:
        if rest:
            raise not_found()
        return Answer(
            200,
            (await self._run(self._prometheus)).encode(),
            [(b"content-type", b"text/plain; version=0.0.4; charset=utf-8"), (b"cache-control", b"no-store")],
        )

    async def _openapi(self, asked: Asked, rest: list[str]) -> Answer:
        if rest:
            raise not_found()
        return asked.json(openapi.description(asked.base, __version__), "application/json", b"no-cache")

    def _shelf_changed(self, documents: list[str]) -> None:
        self._hot.forget()
        self._events.documents_changed(documents)
        self._sessions.keep_only(documents)

    async def _stream(self, asked: Asked, rest: list[str]) -> Answer:
        if rest:
            raise not_found()
        client = client_of(asked.scope.get("client"))
        answer = self._events.answer(asked.receive, asked.query("session"), client, self.shelf.ids)
        if self._exit_watch is None or self._exit_watch.done():
            self._exit_watch = asyncio.create_task(self._watch_exit())
        return answer

    async def _watch_exit(self) -> None:
        """End the streams when the server is to end; it waits for them. As long as there are streams."""
        await asyncio.sleep(EXIT_EVERY_S)
        while len(self._events) and not self._is_closing:
            if is_server_exiting():
                self.begin_close()
            await asyncio.sleep(EXIT_EVERY_S)

    def _prometheus(self) -> str:
        found = self.service.statistics()
        lines = []
        for name in (
            "renders",
            "memory_hits",
            "disk_hits",
            "misses",
            "joins",
            "drops",
            "failures",
            "worker_deaths",
            "dropped_writes",
        ):
            lines += [f"# TYPE sidebooks_{name}_total counter", f"sidebooks_{name}_total {getattr(found, name)}"]
        for name in ("queued", "in_flight", "memory_bytes", "disk_bytes", "prefetched_bytes", "prefetch_wasted_bytes"):
            lines += [f"# TYPE sidebooks_{name} gauge", f"sidebooks_{name} {getattr(found, name)}"]
        lines.append("# TYPE sidebooks_wait_seconds summary")
        for source, latency in found.latency.items():
            for rank, value in (("0.5", latency.median_s), ("0.95", latency.p95_s), ("0.99", latency.p99_s)):
                lines.append(f'sidebooks_wait_seconds{{source="{source}",quantile="{rank}"}} {value:.6f}')
            lines.append(f'sidebooks_wait_seconds_sum{{source="{source}"}} {latency.total_s:.6f}')
            lines.append(f'sidebooks_wait_seconds_count{{source="{source}"}} {latency.total_count}')
        lines.append("# TYPE sidebooks_responses_total counter")
        lines += [f'sidebooks_responses_total{{status="{status}"}} {count}' for status, count in sorted(self._counts.items())]
        return "\n".join(lines) + "\n"

    async def _documents(self, asked: Asked, rest: list[str]) -> Answer:
        if not rest or rest == [""]:
            every, problems = self.shelf.all(), self.shelf.problems()

            def listed() -> dict[str, Any]:
                return {"documents": [summary(asked.base, one) for one in every], "not_served": not_served(problems)}

            return await self._json(asked, len(every) + len(problems), listed, "application/json", b"no-cache")
        registered = self.shelf.find(rest[0])
        if registered is None:
            raise not_found()
        document = registered.document
        match rest[1:]:
            case [] | [""]:
                make_details = partial(details, asked.base, registered)
                return await self._json(asked, len(document.outline), make_details, "application/json", b"no-cache")
            case ["pages.json"]:
                make = partial(_page_list, document)
                return await self._described_json(asked, document, "pages", make, "application/json", LEARNING)
            case ["original"]:
                return await self._pools.run("originals", original, asked, registered)
            case ["hints"]:
                return await self._hint(asked, document)
            case ["search", query]:
                hits = await self._searches.hits(asked, document, query, old_forms=_old_forms(asked))
                make_hits = partial(_hits, query, hits)
                return await self._json(asked, len(hits), make_hits, "application/json", LEARNING)
            case ["pages", number, "text"]:
                page = page_number(number, document)
                words = await self._wanted(asked, ("text", document, page), self.service.parts.questions.words, document, page)
                return await self._json(asked, len(words), partial(_words, words), "application/json", LEARNING)
            case ["pages", number, "links"]:
                page = page_number(number, document)
                links = await self._wanted(asked, ("links", document, page), self.service.parts.questions.links, document, page)
                found = [
                    {
                        "box_pt": [link.x0_pt, link.y0_pt, link.x1_pt, link.y1_pt],
                        "page": None if link.page is None else link.page + 1,
                        "uri": link.uri,
                    }
                    for link in links
                ]
                return await self._json(asked, len(found), lambda: {"links": found}, "application/json", LEARNING)
            case ["pages", number, "preview"]:
                page = page_number(number, document)
                at = self.service.parts.images.place(document, page, 0, 0, 0)
                return await self._images.tile(asked, at, [])
            case ["pages", number, "bundle", level]:
                page = page_number(number, document)
                return await self._images.bundle(asked, document, page, level_number(level, document.pyramid(page)))
            case ["pages", number, "tiles", level, name]:
                page = page_number(number, document)
                grid = document.pyramid(page).levels[level_number(level, document.pyramid(page))]
                column, row = tile_place(name)
                if column >= grid.columns or row >= grid.rows:
                    raise not_found()
                at = self.service.parts.images.place(document, page, grid.index, column, row)
                return await self._images.tile(asked, at, [])
            case ["previews", span]:
                return await self._images.previews(asked, document, *page_span(span, document))
            case ["pages", number, size]:
                page = page_number(number, document)
                spec, image_format = exact_raster(document, page, size)
                return await self._images.tile(asked, TilePlace(Request(document, page, spec, image_format), 0, 0), [])
        raise not_found()

    async def _hint(self, asked: Asked, document: Document) -> Answer:
        hint = await asked.body_json()
        session, page, view = hint.get("session"), hint.get("page"), hint.get("view_px")
        if not (isinstance(session, str) and 1 <= len(session) <= 64):
            raise iiif.Refused(400, "session: 1 to 64 characters that name the reader")
        if not (isinstance(page, int) and 1 <= page <= document.page_count):
            raise iiif.Refused(400, f"page: 1 to {document.page_count}")
        if not (isinstance(view, list) and len(view) == 2 and all(type(side) is int and 1 <= side <= 8192 for side in view)):
            raise iiif.Refused(400, "view_px: [width, height] of the screen in pixels, each 1 to 8192")
        view_px, spread = (view[0], view[1]), hint.get("spread") is True
        self._sessions.follow(session, Hint(document, page - 1, view_px, spread, asked.client))
        return Answer(202, b"", [(b"cache-control", b"no-store")])

    async def _presentation(self, asked: Asked, rest: list[str]) -> Answer:
        if len(rest) != 3 or rest[0] != "3" or rest[2] != "manifest.json":
            raise not_found()
        registered = self.shelf.find(rest[1])
        if registered is None:
            raise not_found()
        document = registered.document
        make = partial(_manifest, registered)
        media_type = JSON_LD.format(presentation.PRESENTATION_CONTEXT)
        kind = f"manifest {registered.path is not None}"
        return await self._described_json(asked, document, kind, make, media_type, LEARNING)

    async def _search(self, asked: Asked, rest: list[str]) -> Answer:
        registered = self.shelf.find(rest[1]) if len(rest) == 2 and rest[0] == "2" else None
        if registered is None:
            raise not_found()
        query = asked.query("q")
        address = f"{asked.base}/search/2/{registered.document.id}"
        document = registered.document
        hits = await self._searches.hits(asked, document, query, old_forms=_old_forms(asked)) if query else []
        make = partial(presentation.search_answer, asked.base, document, address, hits)
        return await self._json(asked, len(hits), make, JSON_LD.format(presentation.SEARCH_CONTEXT), b"no-cache")

    async def _dzi(self, asked: Asked, rest: list[str]) -> Answer:
        match rest:
            case [name] if name.endswith(".dzi"):
                document, page = self._page(name.removesuffix(".dzi"))
                body = presentation.dzi(document.pyramid(page), "png" if document.kind in ("png", "svg") else "jpg")
                return asked.compressed("application/xml", body.encode(), [(b"cache-control", IMMUTABLE)])
            case [folder, level_text, name] if folder.endswith("_files"):
                document, page = self._page(folder.removesuffix("_files"))
                spec = dzi_raster(document.pyramid(page), level_text)
                column, row, image_format = dzi_tile(name)
                if column * spec.tile_px >= spec.x1_px or row * spec.tile_px >= spec.y1_px:
                    raise not_found()
                return await self._images.tile(asked, TilePlace(Request(document, page, spec, image_format), column, row), [])
        raise not_found()

    async def _iiif(self, asked: Asked, rest: list[str]) -> Answer:
        if len(rest) < 2 or rest[0] != "3":
            raise not_found()
        document, page = self._page(rest[1])
        service_id = f"{asked.base}/iiif/3/{page_id(document, page)}"
        match rest[2:]:
            case [] | [""]:
                return Answer(303, b"", [(b"location", f"{service_id}/info.json".encode()), (b"cache-control", b"no-store")])
            case ["info.json"]:
                accepted = asked.header(b"accept")
                wants_plain = "application/json" in accepted and "ld+json" not in accepted
                media_type = "application/json" if wants_plain else JSON_LD.format(iiif.CONTEXT)
                links = [(b"link", f'<{iiif.LEVEL}>;rel="profile"'.encode()), (b"vary", b"Accept")]
                return asked.json(iiif.info(service_id, document.pyramid(page)), media_type, b"public, max-age=300", links)
            case [region, size, rotation, last]:
                pyramid = document.pyramid(page)
                full_px = (pyramid.finest.width_px, pyramid.finest.height_px)
                request = _parsed(region, size, rotation, last, full_px)
                # In one header: some clients read only the last of several.
                canonical = f'<{service_id}/{request.canonical}>;rel="canonical"'
                links = [(b"link", f'<{iiif.LEVEL}>;rel="profile", {canonical}'.encode())]
                image_format = BY_ENDING[request.format].name
                chosen = plan(request, pyramid)
                if isinstance(chosen, TilePlan):
                    at = self.service.parts.images.place(document, page, chosen.level, chosen.column, chosen.row)
                    return await self._images.tile(asked, in_format(at, image_format), links)
                if chosen.recipe is None:
                    at = TilePlace(Request(document, page, chosen.spec, image_format), 0, 0)
                    return await self._images.tile(asked, at, links)
                return await self._images.derived(asked, document, page, chosen, image_format, links)
        raise not_found()

    def _page(self, name: str) -> tuple[Document, int]:
        found = self.shelf.find_page(name)
        if found is None:
            raise not_found()
        return found[0].document, found[1]

    async def _described_json(
        self,
        asked: Asked,
        document: Document,
        kind: str,
        make: Callable[[str], Any],
        media_type: str,
        cache_control: bytes,
    ) -> Answer:
        """A description of any length: written and compressed off the event loop, which serves pages meanwhile."""

        def answered() -> Answer:
            body = self._described.get(document, f"{kind} {document.problems.version}", asked.base, make)
            return asked.compressed(media_type, body, [(b"cache-control", cache_control)])

        return await self._pools.run("descriptions", answered)

    async def _json(self, asked: Asked, items: int, make: Callable[[], Any], media_type: str, cache_control: bytes) -> Answer:
        """JSON of so many items: of many off the event loop."""
        if items <= SHORT_ITEMS:
            return asked.json(make(), media_type, cache_control)
        return await self._pools.run("descriptions", lambda: asked.json(make(), media_type, cache_control))

    async def _wanted(
        self,
        asked: Asked,
        what: tuple[object, ...],
        submit: Callable[[Document, int, str], Future[_Result]],
        document: Document,
        page: int,
    ) -> _Result:
        """What a worker is asked for, once for all requests of a client at the same time, dropped when they left.

        Not once for all clients: it comes up at the turn of whoever asked, and the service joins them.
        """

        async def waiting() -> _Result:
            return await asyncio.wrap_future(submit(document, page, asked.client))

        return await self._shared.get(asked, (*what, asked.client), waiting)

    async def _run(self, function: Callable[..., _Result], *arguments: Any) -> _Result:
        return await self._pools.run("other", function, *arguments)


def _old_forms(asked: Asked) -> bool:
    return asked.query("old_forms") in ("1", "true")


def _origin(scope: Scope) -> str:
    return next((value.decode("latin-1") for name, value in scope["headers"] if name == b"origin"), "")


def _checked_base(base_url: str) -> str:
    """Raises RequestError."""
    try:
        parts = urlsplit(base_url)
    except ValueError as error:
        raise RequestError(f"base_url {base_url!r}: {error}") from None
    if parts.scheme not in ("http", "https") or not parts.netloc or parts.query or parts.fragment:
        raise RequestError(f"base_url must be an address like https://books.example/reader, not {base_url!r}")
    return base_url.rstrip("/")


def _host_names(hosts: Iterable[str], base_url: str | None) -> HostNames:
    """Raises RequestError."""
    if isinstance(hosts, str):
        raise RequestError("hosts is a list of names, not one string")
    try:
        return HostNames.of([*hosts, *([urlsplit(base_url).netloc] if base_url else [])])
    except ValueError as error:
        raise RequestError(str(error)) from None


def _page_list(document: Document, base: str) -> dict[str, Any]:
    return page_list(base, document)


def _manifest(registered: Registered, base: str) -> dict[str, Any]:
    return presentation.manifest(base, registered.document, registered.path is not None)


def _hits(query: str, hits: Sequence[SearchHit]) -> dict[str, Any]:
    return {"query": query, "hits": [{"page": hit.page + 1, "boxes_pt": hit.boxes, "text": hit.text} for hit in hits]}


def _words(words: Sequence[Word]) -> dict[str, Any]:
    return {"words": [[w.x0_pt, w.y0_pt, w.x1_pt, w.y1_pt, w.text, w.block, w.line] for w in words]}


@lru_cache(maxsize=4096)
def _parsed(region: str, size: str, rotation: str, last: str, full_px: tuple[int, int]) -> iiif.ImageRequest:
    return iiif.parse(region, size, rotation, last, full_px)


@lru_cache(maxsize=1)
def _viewer_files() -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in VIEWER.iterdir() if path.suffix in MEDIA_TYPES}


@lru_cache(maxsize=1)
def _policy() -> bytes:
    """Scripts: our own files, and the one that stands in the page itself, by its digest."""
    script = _viewer_files()["index.html"].rpartition(b"<script>")[2].partition(b"</script>")[0]
    return POLICY.format(script=base64.b64encode(hashlib.sha256(script).digest()).decode()).encode()
