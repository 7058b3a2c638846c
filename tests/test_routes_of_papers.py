"""The rows of the table for papers and access: each status that is declared is given, and the JSON is what its schema says."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from asgi import Reply, ask, ask_async
from starlette.types import Scope
from town_hall import PASSWORD, TownHall, address, body_of, town_hall

from sidebooks_core.access import Access
from sidebooks_core.server import Application
from sidebooks_core.server.route import Route
from sidebooks_core.server.routes import DOCUMENTS, ROUTES

ROWS = [one for one in ROUTES if one not in DOCUMENTS]
ABSENT = {"document": "x" * 32, "folder": "x" * 32, "paper": "x" * 32, "person": "x", "login": "x", "link": "x"}


@pytest.fixture
def hall(tmp_path: Path) -> Iterator[TownHall]:
    with town_hall(tmp_path) as made:
        yield made


def name_of(route: Route) -> str:
    return f"{route.method} {route.path}"


def of_admin(hall: TownHall, route: Route, body: Any = None, **values: str) -> Reply:
    """What the admin gets for a request with a good body, unless another is given."""
    return hall.ask("admin", address(route, hall, **values), route.method, body_of(route) if body is None else body)


def set_up(hall: TownHall, route: Route) -> Reply:
    """The first administrator of a town hall that has none."""
    with Access(None) as access:
        application = Application(hall.served, access=access)
        body = {"token": access.setup_token(), "name": "町役場", "password": PASSWORD}
        reply = ask(application, route.path, "POST", body=json.dumps(body).encode())
        application.close()
    return reply


def too_many(hall: TownHall, route: Route) -> Reply:
    body = {"name": "admin", "password": "wrong wrong", "old": "wrong wrong"}
    for _ in range(9):
        reply = hall.ask(
            "admin", route.path, "POST", {name: body[name] for name in body_of(route) | {"old": ""} if name in body}
        )
    return reply


GOOD: dict[str, Callable[[TownHall, Route], Reply]] = {
    "POST /join": lambda hall, route: of_admin(
        hall, route, {"token": hall.access.make_link([hall.finance.id], name="x", until_s=4e9)[0]}
    ),
    "POST /setup": set_up,
    "POST /me/password": lambda hall, route: of_admin(hall, route, {"old": PASSWORD, "password": f"{PASSWORD}!"}),
    "DELETE /me/sessions/{login}": lambda hall, route: of_admin(
        hall, route, login=hall.access.sessions(hall.people["admin"].id)[0].id
    ),
}
"""Good requests that are not as `of_admin` makes them."""
SPECIAL: dict[tuple[str, int], Callable[[TownHall, Route], Reply]] = {
    ("POST /login", 429): too_many,
    ("POST /me/password", 429): too_many,
    ("POST /people", 409): lambda hall, route: of_admin(hall, route, {"name": "clerk", "role": "clerk"}),
    ("PATCH /people/{person}", 409): lambda hall, route: of_admin(
        hall, route, {"role": "member"}, person=hall.people["admin"].id
    ),
    ("GET /audit", 400): lambda hall, route: hall.ask("admin", "/audit?since=x"),
}
"""Requests that get a status which no general way gives."""


class Provoker:
    """Asks for each status."""

    def __init__(self, hall: TownHall, patch: pytest.MonkeyPatch) -> None:
        self._hall = hall
        self._patch = patch

    def provoke(self, route: Route, status: int) -> Reply:
        special = SPECIAL.get((name_of(route), status))
        if special is not None:
            return special(self._hall, route)
        if status in route.successes:
            return GOOD.get(name_of(route), of_admin)(self._hall, route)
        return getattr(self, f"status_{status}")(route)  # type: ignore[no-any-return]

    def status_400(self, route: Route) -> Reply:
        if "folder" in route.parameters and route.body is None:
            return of_admin(self._hall, route, folder="top")
        return of_admin(self._hall, route, b"{")

    def status_401(self, route: Route) -> Reply:
        return self._hall.ask("none", address(route, self._hall), route.method, body_of(route))

    def status_403(self, route: Route) -> Reply:
        application = Application(
            self._hall.served, papers=self._hall.shelf, access=self._hall.access, allowed=lambda *_: False
        )
        reply = ask(application, address(route, self._hall), route.method)
        application.close()
        return reply

    def status_404(self, route: Route) -> Reply:
        absent = {name: value for name, value in ABSENT.items() if name in route.parameters}
        if absent:
            return of_admin(self._hall, route, **absent)
        application = Application(self._hall.served)  # without accounts
        reply = ask(application, address(route, self._hall), route.method, body=json.dumps(body_of(route) or {}).encode())
        application.close()
        return reply

    def status_408(self, route: Route) -> Reply:
        self._patch.setattr("sidebooks_core.server.http.BODY_TIMEOUT_S", 0.05)

        async def slow(scope: Scope, _receive: Any, send: Any) -> None:
            async def never() -> dict[str, Any]:
                await asyncio.sleep(60)
                raise AssertionError

            await self._hall.application(scope, never, send)

        headers = {"Cookie": f"sidebooks_login={self._hall.cookies['admin']}"}
        return asyncio.run(ask_async(slow, address(route, self._hall), route.method, headers))

    def status_413(self, route: Route) -> Reply:
        return of_admin(self._hall, route, b" " * 20_000)

    def status_415(self, route: Route) -> Reply:
        path = address(route, self._hall)
        return self._hall.ask("admin", path, route.method, body_of(route), Content_Encoding="gzip")


@pytest.mark.parametrize(
    ("route", "status"),
    [pytest.param(one, status, id=f"{status} {name_of(one)}") for one in ROWS for status in one.statuses],
)
def test_each_status_that_is_declared_is_given(
    hall: TownHall, monkeypatch: pytest.MonkeyPatch, route: Route, status: int
) -> None:
    reply = Provoker(hall, monkeypatch).provoke(route, status)
    assert reply.status == status, reply.body
    if status >= 400:
        assert reply.json() == {"type": "about:blank", "status": status, "detail": reply.json()["detail"]}
        assert reply.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("route", [one for one in ROWS if one.answer], ids=name_of)
def test_our_own_json_is_what_its_schema_says(hall: TownHall, route: Route) -> None:
    described = hall.ask("admin", "/openapi.json").json()
    reply = GOOD.get(name_of(route), of_admin)(hall, route)
    content = described["paths"][route.path][route.method.lower()]["responses"][str(reply.status)]["content"]
    schema = content[route.media_type]["schema"] | {"components": described["components"]}
    jsonschema.Draft202012Validator(schema).validate(reply.json())


@pytest.mark.parametrize("route", [one for one in ROWS if one.body is not None], ids=name_of)
def test_a_body_of_another_kind_is_refused(hall: TownHall, route: Route) -> None:
    good = body_of(route)
    for body in (b"", b"[]", b"null", b"\xff", *(json.dumps(good | {name: {"x": 1}}).encode() for name in good)):
        assert of_admin(hall, route, body).status == 400, body
