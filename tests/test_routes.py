"""The table of routes: what each row declares is what its address does, and what `/openapi.json` says."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from asgi import Reply, ask, ask_async
from starlette.types import Scope

import sidebooks_core as sb
from sidebooks_core.access.operations import Operation
from sidebooks_core.server import Application, ServerLimits, Shelf
from sidebooks_core.server.endpoints import by_path
from sidebooks_core.server.route import MEANINGS, PARAMETERS, Route
from sidebooks_core.server.routes import DOCUMENTS, ROUTES
from sidebooks_core.server.shelf import page_id

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
HINT = json.dumps({"session": "s", "page": 1, "view_px": [300, 400]}).encode()
GOOD = {
    "page": "2", "level": "1", "size": "300x400.jpg", "query": "jlreq", "file": "client.js", "region": "full",
    "iiifSize": "50,", "rotation": "90", "quality": "gray", "format": "png", "dziLevel": "9", "column": "0", "row": "0",
    "span": "1-3", "pages": "2-3", "old_forms": "1", "q": "jlreq", "session": "reader", "since": "0", "view": "60x96",
    "start": "1",
}  # fmt: skip


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sb.TileService]:
    """One for all: what is drawn for one route is drawn."""
    with sb.TileService(sb.Settings(cache_dir=tmp_path_factory.mktemp("cache"))) as running:
        yield running


@pytest.fixture(scope="module")
def shelf(service: sb.TileService, sample: Path) -> Iterator[Shelf]:
    shelf = Shelf(service)
    shelf.register(sample)
    yield shelf
    shelf.close()


by_route = pytest.mark.parametrize("route", DOCUMENTS, ids=[f"{one.method} {one.path}" for one in DOCUMENTS])
"""Those of papers and access: `test_routes_of_papers.py`."""


def address(route: Route, one: sb.Document, path: str = "", **values: str) -> str:
    """An address of a route, with good values unless others are given. path: another way to write it."""
    given = GOOD | {"document": one.id, "image": page_id(one, 0)} | values
    query = "&".join(f"{name}={given[name]}" for name in route.query if name in given)
    return (path or route.path).format(**given) + (f"?{query}" if query else "")


def ask_route(application: Application, route: Route, document: sb.Document, **headers: str) -> Reply:
    """What the route answers to a good request."""
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    body = HINT if route.method == "POST" else b""
    return ask(application, address(route, document), route.method, given, body, leave_after=2)


@by_route
def test_a_good_request_gets_what_the_route_declares(application: Application, document: sb.Document, route: Route) -> None:
    for path in (route.path, *route.also_at):
        body = HINT if route.method == "POST" else b""
        reply = ask(application, address(route, document, path), route.method, body=body, leave_after=2)
        if "{quality}" in path and ".{format}" not in path:
            assert reply.status == 400, "found, and told what is missing"
            continue
        assert reply.status == route.successes[0], (path, reply.body)
        if reply.status == 200 and route.media_type != "application/octet-stream":
            kind = route.media_type.split("/")[0] if route.media_type.endswith("*") else route.media_type
            assert reply.headers["content-type"].startswith(kind)


@by_route
def test_each_method_is_taken_or_refused_as_declared(application: Application, document: sb.Document, route: Route) -> None:
    path = address(route, document)
    allow = ", ".join([*route.methods, "OPTIONS"])
    for method in METHODS:
        reply = ask(application, path, method, body=HINT, leave_after=2)
        if method in route.methods:
            assert reply.status == route.successes[0], method
        elif method == "OPTIONS":
            assert (reply.status, reply.headers["allow"], reply.body) == (204, allow, b"")
        else:
            assert (reply.status, reply.headers["allow"]) == (405, allow), method
            assert reply.headers["content-type"] == "application/problem+json"


def test_an_address_without_a_route_is_not_found(application: Application, document: sb.Document) -> None:
    for path in ("/nothing", f"/documents/{document.id}/nothing", "/iiif", "//documents", "/documents/x/y/z/"):
        for method in METHODS:
            reply = ask(application, path, method)
            expected = {"GET": 404, "HEAD": 404, "OPTIONS": 204}.get(method, 405)
            assert reply.status == expected, (method, path)


@by_route
def test_bad_values_of_parameters_have_no_answer(application: Application, document: sb.Document, route: Route) -> None:
    for name in route.parameters:
        if re.fullmatch(PARAMETERS[name].pattern, "\\wrong"):
            continue
        body = HINT if route.method == "POST" else b""
        reply = ask(application, address(route, document, **{name: "%5Cwrong"}), route.method, body=body)
        assert reply.status in (400, 404), name


@by_route
def test_access_is_asked_about_the_operation_and_the_document(shelf: Shelf, document: sb.Document, route: Route) -> None:
    asked: list[tuple[Scope, Operation, str | None]] = []

    def nothing(scope: Scope, operation: Operation, document_id: str | None, /) -> bool:
        asked.append((scope, operation, document_id))
        return False

    application = Application(shelf, allowed=nothing)
    before = application.service.statistics()
    path = address(route, document)
    reply = ask(application, path, route.method, body=HINT)
    assert (reply.status, reply.headers["content-type"]) == (403, "application/problem+json")
    [(scope, operation, document_id)] = asked
    names_one = "document" in route.parameters or "image" in route.parameters
    assert (operation, document_id) == (route.operation, document.id if names_one else None)
    assert scope["path"] == path.split("?")[0], "the scope as the server gave it"
    after = application.service.statistics()
    assert (after.renders, after.memory_hits, after.misses) == (before.renders, before.memory_hits, before.misses)
    assert len(application.sessions) == 0
    application.close()


def failing(error: sb.SidebooksError) -> Callable[..., Any]:
    async def fails(*_: Any, **__: Any) -> Any:
        raise error

    return fails


def failing_future(error: sb.SidebooksError) -> Callable[..., Future[Any]]:
    def fails(*_: Any, **__: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_exception(error)
        return future

    return fails


FAILURES = {
    500: sb.RenderFailed("page 1 cannot be drawn"),
    503: sb.QueueFull("full"),
    504: sb.RenderTimeout("page 1 took too long"),
}


class Provoker:
    """Brings a route to answer a status."""

    def __init__(self, shelf: Shelf, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        self.shelf = shelf
        self.document = shelf.all()[0].document
        self.application = Application(shelf)
        self._patch = monkeypatch
        self._folder = folder

    def provoke(self, route: Route, status: int) -> Reply:
        if status in FAILURES:
            return self._failure(route, status)
        method = getattr(self, f"status_{status}", None)
        return ask_route(self.application, route, self.document) if method is None else method(route)

    def status_206(self, route: Route) -> Reply:
        return ask_route(self.application, route, self.document, Range="bytes=0-9")

    def status_304(self, route: Route) -> Reply:
        tag = ask_route(self.application, route, self.document).headers["etag"]
        return ask_route(self.application, route, self.document, If_None_Match=tag)

    def status_400(self, route: Route) -> Reply:
        self._patch.setattr("sidebooks_core.server.handlers.images.MAX_PREVIEWS", 2)
        bad = {"size": "99999x99999", "region": "0,0,0,0", "view": "wide"}
        values = {name: value for name, value in bad.items() if name in (*route.parameters, *route.query)}
        return ask(self.application, address(route, self.document, **values), route.method, body=b"{}")

    def status_401(self, route: Route) -> Reply:
        self.application.close()
        self.application = Application(self.shelf, ways_in=())
        return ask_route(self.application, route, self.document)

    def status_403(self, route: Route) -> Reply:
        self.application.close()
        self.application = Application(self.shelf, allowed=lambda *_: False)
        return ask_route(self.application, route, self.document)

    def status_404(self, route: Route) -> Reply:
        wrong = {"document": "x" * 32, "image": "x" * 32 + "_p1", "file": "nothing.js"}
        values = {name: value for name, value in wrong.items() if name in route.parameters}
        if route.path == "/events":
            values = {"meeting": "none", "client": "c1"}
        return ask(self.application, address(route, self.document, **values), route.method, body=HINT)

    def status_408(self, route: Route) -> Reply:
        self._patch.setattr("sidebooks_core.server.http.BODY_TIMEOUT_S", 0.05)

        async def slow(scope: Scope, _receive: Any, send: Any) -> None:
            async def never() -> dict[str, Any]:
                await asyncio.sleep(60)
                raise AssertionError

            await self.application(scope, never, send)

        return asyncio.run(ask_async(slow, address(route, self.document), route.method))

    def status_410(self, route: Route) -> Reply:
        path = self._folder / "gone.svg"
        path.write_text('<svg xmlns="http://www.w3.org/2000/svg"/>')
        document = self.shelf.register(path)
        path.unlink()
        reply = ask_route(self.application, route, document)
        self.shelf.remove(document.id)
        return reply

    def status_413(self, route: Route) -> Reply:
        return ask(self.application, address(route, self.document), route.method, body=b" " * 20_000)

    def status_415(self, route: Route) -> Reply:
        return ask_route(self.application, route, self.document, Content_Encoding="gzip")

    def status_416(self, route: Route) -> Reply:
        return ask_route(self.application, route, self.document, Range="bytes=999999999-")

    def status_501(self, route: Route) -> Reply:
        return ask(self.application, address(route, self.document, iiifSize="%5Emax"))

    def _failure(self, route: Route, status: int) -> Reply:
        error = FAILURES[status]
        for name in ("tile", "derived", "bundle", "previews"):
            self._patch.setattr(self.application.images, name, failing(error))
        self._patch.setattr(self.application.searches, "hits", failing(error))
        self._patch.setattr(self.application.searches, "step", failing(error))
        for name in ("words", "links"):
            self._patch.setattr(self.application.service.parts.questions, name, failing_future(error))
        if route.operation is Operation.FOLLOW_EVENTS:
            self.application.close()
            self.application = Application(self.shelf, limits=ServerLimits(streams=1))
            self.application.events.quota.take("somebody")
        elif route.operation is Operation.READ_STATUS:
            self._patch.setattr(sb.TileService, "is_closed", True)
        elif route.operation is Operation.SEND_HINT:
            self.application.sessions.close()
        return ask_route(self.application, route, self.document)


@pytest.fixture
def provoker(shelf: Shelf, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Provoker]:
    made = Provoker(shelf, monkeypatch, tmp_path)
    yield made
    made.application.close()


@pytest.mark.parametrize(
    ("route", "status"),
    [pytest.param(one, status, id=f"{status} {one.method} {one.path}") for one in DOCUMENTS for status in one.statuses],
)
def test_each_status_that_is_declared_is_given(provoker: Provoker, route: Route, status: int) -> None:
    reply = provoker.provoke(route, status)
    assert reply.status == status, reply.body
    if status >= 400:
        assert reply.json() == {"type": "about:blank", "status": status, "detail": reply.json()["detail"]}
        assert reply.headers["content-type"] == "application/problem+json"
        assert reply.headers["cache-control"] == "no-store"


def test_the_description_is_the_table(application: Application) -> None:
    described = ask(application, "/openapi.json").json()
    assert described["openapi"].startswith("3.1")
    assert described["servers"] == [{"url": "http://test"}]
    operations = {
        (path, method.upper()): operation
        for path, methods in described["paths"].items()
        for method, operation in methods.items()
    }
    assert list(operations) == [(one.path, one.method) for one in ROUTES]
    assert len({operation["operationId"] for operation in operations.values()}) == len(ROUTES)
    for route in ROUTES:
        operation = operations[route.path, route.method]
        assert (operation["summary"], operation["tags"]) == (route.summary, [route.operation])
        assert {int(status) for status in operation["responses"]} == set(route.statuses)
        parameters = operation.get("parameters", [])
        assert [one["name"] for one in parameters] == [*route.parameters, *route.query]
        for one in parameters:
            assert one["schema"]["pattern"] == f"^{PARAMETERS[one['name']].pattern}$"
            assert one["name"] not in GOOD or re.match(one["schema"]["pattern"], GOOD[one["name"]])
        if 200 in route.successes and route.media_type:
            assert list(operation["responses"]["200"]["content"]) == [route.media_type]
        assert ("requestBody" in operation) == (route.body is not None)


@pytest.mark.parametrize("route", [one for one in DOCUMENTS if one.answer], ids=lambda one: one.path)
def test_our_own_json_is_what_its_schema_says(application: Application, document: sb.Document, route: Route) -> None:
    described = ask(application, "/openapi.json").json()
    content = described["paths"][route.path]["get"]["responses"]["200"]["content"]
    schema = content[route.media_type]["schema"] | {"components": described["components"]}
    value = ask_route(application, route, document).json()
    jsonschema.Draft202012Validator(schema).validate(value)
    name = next(iter(value))
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(schema).validate({key: one for key, one in value.items() if key != name})


def test_bodies_and_their_schema_refuse_the_same(application: Application, document: sb.Document) -> None:
    [route] = [one for one in DOCUMENTS if one.body is not None]
    described = ask(application, "/openapi.json").json()
    schema = {"$ref": "#/components/schemas/Hint", "components": described["components"]}
    good = json.loads(HINT)
    changes: list[dict[str, Any]] = [
        {}, {"spread": True}, {"more": 1}, {"session": ""}, {"session": "x" * 65}, {"session": 5}, {"page": 0}, {"page": "1"},
        {"page": 1.5}, {"view_px": [1]}, {"view_px": [0, 1]}, {"view_px": [1, 8193]}, {"view_px": [1, 2, 3]}, {"spread": 1},
    ]  # fmt: skip
    statuses = []
    for change in changes:
        body = good | change
        is_good = jsonschema.Draft202012Validator(schema).is_valid(body)
        reply = ask(application, address(route, document), "POST", body=json.dumps(body).encode())
        assert reply.status == (202 if is_good else 400), change
        statuses.append(reply.status)
        if change and not is_good:
            assert next(iter(change)) in reply.json()["detail"], "which part is wrong"
    assert statuses.count(202) == 3
    for body in (b"", b"[]", b"null", b"x", b"\xff", b'{"session":"\xff"}', b'{"a":' * 3000, b'{"session":"\\ud800"}'):
        assert ask(application, address(route, document), "POST", body=body).status == 400, body[:20]
    late = HINT.replace(b'"page": 1', b'"page": %d' % (document.page_count + 1))
    assert ask(application, address(route, document), "POST", body=late).status == 400


def test_a_bad_row_cannot_be_made() -> None:
    good = {
        "path": "/x/{page}",
        "handler": ROUTES[0].handler,
        "operation": Operation.READ_TEXT,
        "summary": "x",
        "media_type": "text/plain",
    }
    assert Route(**good).statuses == (200, 401, 403, 404)  # type: ignore[arg-type]
    for bad in (
        {"path": "x"},
        {"path": "/{unknown}"},
        {"query": ("unknown",)},
        {"errors": (599,)},
        {"method": "BREW"},
        {"also_at": ("x",)},
    ):
        with pytest.raises(ValueError, match=r"slash|told of|method"):
            Route(**{**good, **bad})  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=re.escape("two routes take GET /x/{page}")):
        by_path([Route(**good), Route(**good)])  # type: ignore[arg-type]


def test_the_table_has_nothing_that_no_route_uses() -> None:
    assert set(PARAMETERS) == {name for one in ROUTES for name in (*one.parameters, *one.query)}
    assert set(MEANINGS) == {status for one in ROUTES for status in one.statuses}
    assert set(Operation) == {one.operation for one in ROUTES}, "an operation of the library that no address has"
