"""The viewer's files, and the state of the server: health, metrics, events, the description of its API."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

from sidebooks_core.access.principals import Principal
from sidebooks_core.errors import ServiceClosed
from sidebooks_core.server import headers, responses, viewer_shell
from sidebooks_core.server.events import Listening
from sidebooks_core.server.http import HttpRequest, HttpResponse
from sidebooks_core.server.metrics import prometheus
from sidebooks_core.server.noting import note_screen
from sidebooks_core.server.parts import ServerParts
from sidebooks_core.server.schemas_shelf import ShelfChanges
from sidebooks_core.server.statuses import Refused, not_found
from sidebooks_core.server.viewer_files import MEDIA_TYPES, policy, viewer_files

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


async def viewer(parts: ServerParts, request: HttpRequest) -> HttpResponse:
    """A file of the viewer; its page if none is named."""
    name = request.params.get("file", "index.html")
    body = viewer_files().get(name)
    if body is None:
        raise not_found()
    told = (b"content-security-policy", f"{policy()}; {parts.frames.directive}".encode())
    own = [told, *parts.frames.headers, *viewer_shell.headers_of(name)]
    return responses.text(request, body, MEDIA_TYPES[Path(name).suffix], headers.NO_CACHE, own)


async def health(parts: ServerParts, request: HttpRequest) -> HttpResponse:
    """200 as long as documents can be drawn. Raises ServiceClosed."""
    if parts.service.is_closed:
        raise ServiceClosed("the service is closed")
    return HttpResponse(200, b"ready\n", headers.momentary("text/plain"))


async def metrics(parts: ServerParts, request: HttpRequest) -> HttpResponse:
    """Counters for Prometheus."""

    def written() -> bytes:
        statistics, sessions = parts.service.statistics(), parts.sessions
        return prometheus(statistics, parts.counts(), len(sessions), sessions.ends()).encode()

    return HttpResponse(200, await parts.pools.run("other", written), headers.momentary(METRICS_TYPE))


async def api_description(parts: ServerParts, request: HttpRequest) -> HttpResponse:
    """What the table of routes says, as OpenAPI."""
    return responses.json(request, parts.describe_api(request.base), responses.JSON, headers.NO_CACHE)


async def events(parts: ServerParts, request: HttpRequest) -> HttpResponse:
    """A stream that lasts as long as the client listens. Raises QueueFull."""
    principal = request.principal
    if view := request.query("view"):
        try:
            if "." in view:
                raise not_found()
            note_screen(parts, request, view)
        except Refused:
            raise Refused(400, "view: WIDTHxHEIGHT of the screen, in pixels") from None
    asks = Listening(
        session=request.session(request.query("session")),
        share=request.share,
        principal=principal,
        may_see_documents=lambda: parts.gate.sees_top(principal),
        changes_after=_changes_for(parts, principal),
        question=parts.gate.standing_question(request),
        since=request.header(b"last-event-id") or request.query("since"),
    )
    stream = parts.events.stream(request.receive, asks, parts.shelf.ids)
    if parts.papers is not None:
        parts.papers.progress.begin()
    parts.ending.watch_server(lambda: len(parts.events))
    return stream


def _changes_for(parts: ServerParts, principal: Principal) -> Callable[[str], Awaitable[ShelfChanges]] | None:
    """Gives what changed after a position. None: the principal sees no shelf of papers."""
    papers = parts.papers
    if papers is None or principal.documents is not None:
        return None
    feed = papers.feed

    async def changes_after(position: str) -> ShelfChanges:
        told = feed.told_since(principal, position)
        return told if told is not None else await parts.pools.run("feed", feed.since, principal, position)

    return changes_after
