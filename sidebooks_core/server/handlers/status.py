"""The viewer's files, and the state of the server: health, metrics, the description of its API."""

from __future__ import annotations

from pathlib import Path

from sidebooks_core.errors import ServiceClosed
from sidebooks_core.server import headers, responses, viewer_shell
from sidebooks_core.server.http import HttpRequest, HttpResponse
from sidebooks_core.server.metrics import ServerMetrics
from sidebooks_core.server.parts import ServerParts
from sidebooks_core.server.statuses import not_found
from sidebooks_core.server.viewer_files import MEDIA_TYPES, connections, policy, viewer_files

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


async def viewer(parts: ServerParts, request: HttpRequest) -> HttpResponse:
    """A file of the viewer; its page if none is named."""
    name = request.params.get("file", "index.html")
    body = viewer_files().get(name)
    if body is None:
        raise not_found()
    rules = "; ".join((policy(), connections(request.base), parts.frames.directive))
    told = (b"content-security-policy", rules.encode())
    own = [told, *parts.frames.headers, *viewer_shell.headers_of(name)]
    return responses.text(request, body, MEDIA_TYPES[Path(name).suffix], headers.NO_CACHE, own)


async def health(parts: ServerParts, request: HttpRequest) -> HttpResponse:
    """200 as long as documents can be drawn. A second line says that meetings wait for the hub. Raises ServiceClosed."""
    if parts.service.is_closed:
        raise ServiceClosed("the service is closed")
    is_waiting = parts.live is not None and parts.live.meetings.wait_for_hub()
    told = b"ready\nmeetings wait for the hub\n" if is_waiting else b"ready\n"
    return HttpResponse(200, told, headers.momentary("text/plain"))


async def metrics(parts: ServerParts, request: HttpRequest) -> HttpResponse:
    """Counters for Prometheus."""

    def written() -> bytes:
        statistics, sessions = parts.service.statistics(), parts.sessions
        connected = {"listeners": len(parts.events), **({} if parts.live is None else parts.live.here.counts())}
        found = ServerMetrics(
            found=statistics,
            responses=parts.counts(),
            sessions=len(sessions),
            ends=sessions.ends(),
            connected=connected,
            process=parts.process_name,
        )
        return found.text()

    return HttpResponse(200, await parts.pools.run("other", written), headers.momentary(METRICS_TYPE))


async def api_description(parts: ServerParts, request: HttpRequest) -> HttpResponse:
    """What the table of routes says, as OpenAPI."""
    return responses.json(request, parts.describe_api(request.base), responses.JSON, headers.NO_CACHE)
