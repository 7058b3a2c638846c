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
import re
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from sidebooks_core import __version__
from sidebooks_core.document import Document
from sidebooks_core.documents.model import SearchHit
from sidebooks_core.errors import (
    ServiceClosed,
    SidebooksError,
)
from sidebooks_core.server import iiif, openapi, presentation
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
    Headers,
    Receive,
    Scope,
    Send,
    not_found,
    of_error,
    problem,
)
from sidebooks_core.server.hot import HotImages
from sidebooks_core.server.image_answers import ImageAnswers
from sidebooks_core.server.images import TilePlan, plan
from sidebooks_core.server.sessions import Hint, Sessions
from sidebooks_core.server.shelf import Shelf, page_id
from sidebooks_core.service import TileService

MAX_PATH_BYTES = 1024
SEARCH_LIMIT = 500
THREADS = 8
LEARNING = b"public, max-age=300"
"""Of descriptions that tell what could not be drawn, as far as it is known."""
JSON_LD = 'application/ld+json;profile="{}"'
VIEWER = Path(__file__).parent / "viewer"
MEDIA_TYPES = {".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8"}
EXPOSED = (
    b"Accept-Ranges, Content-Encoding, Content-Length, Content-Range, ETag, Link, Retry-After, "
    b"Server-Timing, Sidebooks-Problems, Sidebooks-Resolution"
)
COMMON: Headers = [
    (b"access-control-allow-origin", b"*"),
    (b"access-control-expose-headers", EXPOSED),
    (b"timing-allow-origin", b"*"),
    (b"cross-origin-resource-policy", b"cross-origin"),
    (b"x-content-type-options", b"nosniff"),
]
POLICY = "default-src 'self'; script-src 'self' 'sha256-{script}'; img-src 'self' blob: data:; style-src 'self' 'unsafe-inline'"

_HOST = re.compile(r"[A-Za-z0-9.\-_\[\]:]{1,255}\Z")
_log = logging.getLogger("sidebooks_core.server")


class Application:
    """An ASGI 3 application that serves a shelf. It owns neither the shelf nor its service: close them after the server."""

    def __init__(self, shelf: Shelf, *, base_url: str | None = None) -> None:
        """base_url: what addresses in manifests begin with, where a proxy hides it; else each request's own host."""
        self.shelf = shelf
        self.service: TileService = shelf.service
        self._base_url = base_url.rstrip("/") if base_url else None
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="sidebooks-http")
        self._lock = threading.Lock()
        self._counts: dict[int, int] = {}
        self._events = Events(left=lambda session: self._sessions.end(session))
        self._sessions = Sessions(self.service, self._events.page_shown)
        self._described = Described()
        self._hot = HotImages(self.service, COMMON)
        self._images = ImageAnswers(self.service, self._hot, self._run)
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
            raise
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
        headers = [*COMMON, *answer.headers, (b"content-length", str(answer.length).encode())]
        if answer.status in (304, 204) or answer.stream is not None:
            headers.pop()
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        is_bare = method == "HEAD" or answer.status in (304, 204)
        if answer.file is not None:
            with answer.file.file:
                while not is_bare and (piece := await self._run(answer.file.read)):
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
        if answer.stream is not None:
            async with contextlib.aclosing(answer.stream):
                async for piece in answer.stream:
                    if is_bare:
                        break
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"" if is_bare else answer.body})

    def close(self) -> None:
        """End the readers that hints made, and the threads."""
        self._sessions.close()
        self._events.close()
        self._threads.shutdown(cancel_futures=True)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                self.close()
                return

    async def _answer(self, scope: Scope, receive: Receive, method: str) -> Answer:
        raw = scope.get("raw_path") or scope["path"].encode()
        if len(raw) > MAX_PATH_BYTES:
            raise iiif.Refused(414, f"paths are at most {MAX_PATH_BYTES} bytes long")
        root = scope.get("root_path", "")
        path = raw.split(b"?")[0].decode("latin-1").removeprefix(root)
        try:
            segments = [unquote(part, errors="strict") for part in path.split("/")[1:]]
        except UnicodeDecodeError:
            raise iiif.Refused(400, "the path is not UTF-8") from None
        if any("\x00" in part for part in segments):
            raise iiif.Refused(400, "the path holds a null character")
        is_hint = len(segments) == 3 and segments[0] == "documents" and segments[2] == "hints"
        if method == "OPTIONS":
            return Answer(
                204,
                headers=[
                    (b"allow", b"GET, HEAD, OPTIONS" + b", POST" * is_hint),
                    (b"access-control-allow-methods", b"GET, HEAD, OPTIONS" + b", POST" * is_hint),
                    (b"access-control-allow-headers", b"*"),
                    (b"access-control-max-age", b"86400"),
                ],
            )
        if method not in (("POST",) if is_hint else ("GET", "HEAD")):
            answer = problem(405, "this address does not take that method")
            answer.headers.append((b"allow", b"POST, OPTIONS" if is_hint else b"GET, HEAD, OPTIONS"))
            return answer
        asked = Asked(scope, receive, self._base(scope, root))
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

    def _base(self, scope: Scope, root: str) -> str:
        if self._base_url is not None:
            return self._base_url
        host = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"host"), "")
        if not _HOST.match(host):
            server = scope.get("server") or ("localhost", None)
            host = f"{server[0]}:{server[1]}" if server[1] else str(server[0])
        return f"{scope.get('scheme', 'http')}://{host}{root}"

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
        return self._events.answer(asked.receive, asked.query("session"), self.shelf.ids())

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
            lines.append(f'sidebooks_wait_seconds_count{{source="{source}"}} {latency.count}')
        lines.append("# TYPE sidebooks_responses_total counter")
        lines += [f'sidebooks_responses_total{{status="{status}"}} {count}' for status, count in sorted(self._counts.items())]
        return "\n".join(lines) + "\n"

    async def _documents(self, asked: Asked, rest: list[str]) -> Answer:
        if not rest or rest == [""]:
            body = {
                "documents": [summary(asked.base, one) for one in self.shelf.all()],
                "not_served": not_served(self.shelf.problems()),
            }
            return asked.json(body, "application/json", b"no-cache")
        registered = self.shelf.find(rest[0])
        if registered is None:
            raise not_found()
        document = registered.document
        match rest[1:]:
            case [] | [""]:
                return asked.json(details(asked.base, registered), "application/json", b"no-cache")
            case ["pages.json"]:
                make = partial(page_list, asked.base, document)
                return await self._described_json(asked, document, "pages", make, "application/json", LEARNING)
            case ["original"]:
                sent: Answer = await self._run(original, asked, registered)
                return sent
            case ["hints"]:
                return await self._hint(asked, document)
            case ["search", query]:
                hits = await self._run(self._found, document, query, asked)
                found = [{"page": hit.page + 1, "boxes_pt": hit.boxes, "text": hit.text} for hit in hits]
                return asked.json({"query": query, "hits": found}, "application/json", IMMUTABLE)
            case ["pages", number, "text"]:
                words = await self._run(lambda: self.service.text(document, page_number(number, document)))
                return asked.json(
                    {"words": [[w.x0_pt, w.y0_pt, w.x1_pt, w.y1_pt, w.text, w.block, w.line] for w in words]},
                    "application/json",
                    IMMUTABLE,
                )
            case ["pages", number, "links"]:
                links = await self._run(lambda: self.service.links(document, page_number(number, document)))
                found = [
                    {
                        "box_pt": [link.x0_pt, link.y0_pt, link.x1_pt, link.y1_pt],
                        "page": None if link.page is None else link.page + 1,
                        "uri": link.uri,
                    }
                    for link in links
                ]
                return asked.json({"links": found}, "application/json", IMMUTABLE)
            case ["pages", number, "preview"]:
                page = page_number(number, document)
                spec, _, _ = self.service.place(document, page, 0, 0, 0)
                return await self._images.tile(asked, document, page, spec, 0, 0, None, [])
            case ["pages", number, "bundle", level]:
                page = page_number(number, document)
                return await self._images.bundle(asked, document, page, level_number(level, document.pyramid(page)))
            case ["pages", number, "tiles", level, name]:
                page = page_number(number, document)
                grid = document.pyramid(page).levels[level_number(level, document.pyramid(page))]
                column, row = tile_place(name)
                if column >= grid.columns or row >= grid.rows:
                    raise not_found()
                place = self.service.place(document, page, grid.index, column, row)
                return await self._images.tile(asked, document, page, *place, None, [])
            case ["previews", span]:
                return await self._images.previews(asked, document, *page_span(span, document))
            case ["pages", number, size]:
                page = page_number(number, document)
                spec, image_format = exact_raster(document, page, size)
                return await self._images.tile(asked, document, page, spec, 0, 0, image_format, [])
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
        self._sessions.follow(session, Hint(document, page - 1, (view[0], view[1]), hint.get("spread") is True))
        return Answer(202, b"", [(b"cache-control", b"no-store")])

    async def _presentation(self, asked: Asked, rest: list[str]) -> Answer:
        if len(rest) != 3 or rest[0] != "3" or rest[2] != "manifest.json":
            raise not_found()
        registered = self.shelf.find(rest[1])
        if registered is None:
            raise not_found()
        document = registered.document
        make = partial(presentation.manifest, asked.base, document, registered.path is not None)
        media_type = JSON_LD.format(presentation.PRESENTATION_CONTEXT)
        kind = f"manifest {registered.path is not None}"
        return await self._described_json(asked, document, kind, make, media_type, LEARNING)

    async def _search(self, asked: Asked, rest: list[str]) -> Answer:
        registered = self.shelf.find(rest[1]) if len(rest) == 2 and rest[0] == "2" else None
        if registered is None:
            raise not_found()
        query = asked.query("q")
        address = f"{asked.base}/search/2/{registered.document.id}"
        hits = await self._run(self._found, registered.document, query, asked) if query else []
        found = presentation.search_answer(asked.base, registered.document, address, hits)
        return asked.json(found, JSON_LD.format(presentation.SEARCH_CONTEXT), b"no-cache")

    def _found(self, document: Document, query: str, asked: Asked) -> list[SearchHit]:
        old_forms = asked.query("old_forms") in ("1", "true")
        return self.service.search(document, query, limit=SEARCH_LIMIT, old_forms=old_forms)

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
                return await self._images.tile(asked, document, page, spec, column, row, image_format, [])
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
                image_format = iiif.FORMATS[request.format]
                chosen = plan(request, pyramid)
                if isinstance(chosen, TilePlan):
                    place = self.service.place(document, page, chosen.level, chosen.column, chosen.row)
                    return await self._images.tile(asked, document, page, *place, image_format, links)
                if chosen.recipe is None:
                    return await self._images.tile(asked, document, page, chosen.spec, 0, 0, image_format, links)
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
        make: Callable[[], Any],
        media_type: str,
        cache_control: bytes,
    ) -> Answer:
        """A description of any length: written and compressed off the event loop, which serves pages meanwhile."""

        def answered() -> Answer:
            body = self._described.get(document, f"{kind} {document.problems.version}", asked.base, make)
            return asked.compressed(media_type, body, [(b"cache-control", cache_control)])

        answer: Answer = await self._run(answered)
        return answer

    async def _run(self, function: Callable[..., Any], *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._threads, function, *arguments)


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
