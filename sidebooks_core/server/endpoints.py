"""From the table of routes to Starlette's: one endpoint for each address, with all the methods that it takes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from urllib.parse import unquote

from msgspec import Struct
from starlette import routing
from starlette.types import Receive, Scope, Send

from sidebooks_core.access.operations import Operation
from sidebooks_core.access.policy import UNLIMITED
from sidebooks_core.errors import NotOnShelf
from sidebooks_core.server import auditing, headers
from sidebooks_core.server.door import Door
from sidebooks_core.server.gate import Gate
from sidebooks_core.server.http import HttpRequest, HttpResponse, family_of, origin_of
from sidebooks_core.server.live.sockets import Socket
from sidebooks_core.server.parts import ServerParts
from sidebooks_core.server.route import Route
from sidebooks_core.server.sending import Sender
from sidebooks_core.server.sharing import Sharing
from sidebooks_core.server.statuses import Refused, not_found

JSON = "application/json"
REQUEST = "sidebooks_core.request"
"""The key of the request in the scope that Starlette routes."""


class Rules(Struct, frozen=True):
    """The parts that check and answer every request."""

    door: Door
    sharing: Sharing
    gate: Gate
    sender: Sender


class Endpoint:
    """One address: an ASGI application that picks the route for a method, and asks whether that is allowed."""

    def __init__(self, routes: Iterable[Route], rules: Rules, parts: ServerParts) -> None:
        """routes: those of one path. Empty: there is nothing at the address."""
        self._routes = {method: route for route in routes for method in route.methods}
        self._methods = (*(self._routes or ("GET", "HEAD")), "OPTIONS")
        self._allow = ", ".join(self._methods)
        self._rules = rules
        self._parts = parts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request: HttpRequest = scope[REQUEST]
        request.params = {name: unquote(value) for name, value in scope.get("path_params", {}).items()}
        await self._rules.sender.respond(request.scope, receive, send, self._answer(request))

    async def _answer(self, request: HttpRequest) -> HttpResponse:
        method = request.scope["method"]
        if method == "OPTIONS":
            return self._preflight(request.scope)
        if method not in self._methods:
            raise Refused(405, "this address does not take that method", (b"allow", self._allow.encode()))
        if not self._routes:
            raise not_found()
        route = self._routes[method]
        if route.changes_something:
            self._require_change(route, request)
        try:
            await self._rules.gate.admit(request, route.operation)
        except Refused as refused:
            raise _clearing(route, request, refused) from None
        request.opens = route.opens
        try:
            answer = await route.handler(self._parts, request)
        except NotOnShelf:  # it went away since the request was let in
            raise _clearing(route, request, not_found()) from None
        if request.limits != UNLIMITED:
            answer.headers = headers.not_kept(answer.headers)
        await auditing.note(self._parts, request, route, answer.status)
        return answer

    def _require_change(self, route: Route, request: HttpRequest) -> None:
        """Raises Refused for what a page of another site may have made its reader's browser send."""
        door = self._rules.door
        if not (door.may_hint if route.operation is Operation.SEND_HINT else door.may_change)(request):
            raise Refused(403, "pages of another origin may not do that")
        if route.body is not None and request.header(b"content-type").partition(";")[0].strip().lower() != JSON:
            raise Refused(415, f"the body must be JSON, with Content-Type: {JSON}")  # a form of another site cannot send that

    def _preflight(self, scope: Scope) -> HttpResponse:
        sharing = self._rules.sharing
        may_read = sharing.is_for_all(family_of(scope)) or sharing.allows(origin_of(scope))
        own = {header for route in self._routes.values() for header in route.options}
        return HttpResponse(204, headers=[*headers.preflight(self._allow, may_read=may_read), *sorted(own)])


class SocketEndpoint:
    """One address that takes WebSockets: an ASGI application that asks whether that is allowed."""

    def __init__(self, route: Route, rules: Rules, parts: ServerParts) -> None:
        self._route = route
        self._rules = rules
        self._parts = parts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request: HttpRequest = scope[REQUEST]
        socket = Socket(scope, receive, send, may_change=self._rules.door.may_change(request))
        await self._rules.sender.respond_to_socket(request.scope, socket, self._serve(request, socket))

    async def _serve(self, request: HttpRequest, socket: Socket) -> None:
        route = self._route
        await self._rules.gate.admit(request, route.operation)
        if not (socket.may_change or self._rules.sharing.allows(request.header(b"origin"))):
            why = "a page of another origin"
            self._parts.refusals.note(request.principal, request.address, self._route.path, why)
            raise Refused(403, "pages of another origin may not do that")
        assert route.socket is not None
        await route.socket(self._parts, request, socket)


def _clearing(route: Route, request: HttpRequest, refused: Refused) -> Refused:
    """The refusal that also empties the browser's cache, if there is nothing at the address and the route says so."""
    if not (route.clears_cache and refused.status == 404 and is_own_page(request)):
        return refused
    return Refused(404, refused.detail, *refused.headers, headers.CLEAR_CACHE)


def is_own_page(request: HttpRequest) -> bool:
    """Whether no page of another site can have made the request: only such ones may empty the browser's cache."""
    return request.header(b"sec-fetch-site") in ("", "same-origin", "none")


class _PathRoute(routing.Route):
    """Starlette's route for a path whose parts may be empty. The handler answers 404 for an empty part.

    Routes are tried one after the other. Most routes that cannot match are left out without a regular expression, by the number
    of slashes: a path has a slash between two parts and nowhere else (`Door.enter`).
    """

    def __init__(self, path: str, endpoint: Endpoint) -> None:
        super().__init__(path, endpoint)
        self.path_regex = re.compile(self.path_regex.pattern.replace("[^/]+", "[^/]*"))
        self._slashes = path.count("/")
        self._beginning = path.partition("{")[0]

    def matches(self, scope: Scope) -> tuple[routing.Match, Scope]:
        """Whether this is the route of a request, with the parts of the path."""
        path: str = scope["path"]
        if path.count("/") != self._slashes or not path.startswith(self._beginning):
            return routing.Match.NONE, {}
        return super().matches(scope)


def starlette_routes(table: Iterable[Route], rules: Rules, parts: ServerParts) -> list[routing.BaseRoute]:
    """The table as Starlette's routes, in the same order."""
    table = tuple(table)
    sockets = [
        routing.WebSocketRoute(route.path, SocketEndpoint(route, rules, parts)) for route in table if route.socket is not None
    ]
    return [*sockets, *(_PathRoute(path, Endpoint(routes, rules, parts)) for path, routes in by_path(table).items())]


def by_path(table: Iterable[Route]) -> Mapping[str, list[Route]]:
    """The routes of each way to write a path, in the order of the table. Raises ValueError if two take one method there."""
    found: dict[str, list[Route]] = {}
    for route in table:
        for path in (route.path, *route.also_at):
            there = found.setdefault(path, [])
            if any(set(one.methods) & set(route.methods) for one in there):
                raise ValueError(f"two routes take {route.method} {path}")
            there.append(route)
    return found
