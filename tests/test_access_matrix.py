"""Every route of the table, asked by everybody: what each may do, cell by cell. A new route is in it by itself."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from access_rules import CLERKS, FOR_ANYBODY, GENERAL, OWN_FILES, READING, SIGNED, TENDING
from asgi import Reply
from town_hall import EVERYBODY, NOBODY, PASSWORD, TownHall, address, body_of, paper_of, town_hall

from sidebooks_core.server.route import Route
from sidebooks_core.server.routes import ROUTES


@pytest.fixture(scope="module")
def hall(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TownHall]:
    """For cells that change nothing of which another cell asks."""
    with town_hall(tmp_path_factory.mktemp("hall")) as made:
        yield made


def is_allowed(who: str, route: Route) -> bool:
    """Said here in other words than in the policy: rows of people and columns of operations."""
    operation = route.operation.value
    names_something = names(route)
    if who == "signed":
        return operation in OWN_FILES or (
            operation in SIGNED and "paper" not in route.parameters and operation != "read_original"
        )
    if who in NOBODY:  # no folder is open to everybody
        return operation in FOR_ANYBODY or operation in GENERAL - {"follow_events"}
    if operation in FOR_ANYBODY or operation in GENERAL or who == "admin":
        return True
    if operation == "search" and not names_something:
        return True
    rights = {
        "other folder": frozenset(),
        "other guest": frozenset(),
        "guest": READING,
        "member": READING,
        "tender": READING | TENDING,
        "clerk": READING | CLERKS,
    }
    return operation in rights[who]


def names(route: Route) -> bool:
    return not {"document", "image", "paper", "folder", "meeting"}.isdisjoint(route.parameters)


GUESTS = ("guest", "other guest")
ANSWERS = {
    # Of requests that are let in, if the answer is not the usual one of the route.
    "POST /setup": dict.fromkeys(EVERYBODY, 403),  # there are accounts
    "GET /oidc/login": dict.fromkeys(EVERYBODY, 404),  # there is no identity provider
    "GET /oidc/return": dict.fromkeys(EVERYBODY, 404),
    "GET /reading": dict.fromkeys(NOBODY, 401),  # nobody's places are kept
    "GET /marks": dict.fromkeys(NOBODY, 401),  # nor nobody's marks
    "GET /me/sessions": dict.fromkeys((*NOBODY, *GUESTS), 401),  # they have no account
    "DELETE /me/sessions/{login}": dict.fromkeys((*NOBODY, *GUESTS), 401),
    "POST /me/password": dict.fromkeys((*NOBODY, *GUESTS), 401)
    | dict.fromkeys(("other folder", "member", "tender", "clerk"), 403),  # they have no password
    "POST /papers/{paper}/unlock": dict.fromkeys(EVERYBODY, 409),  # it is not locked
    "DELETE /folders/{folder}": dict.fromkeys(EVERYBODY, 409),  # it is not empty
    "GET /uploads/{upload}": dict.fromkeys(EVERYBODY, 404) | {"admin": 200},  # it is the admin's
    "PATCH /uploads/{upload}": dict.fromkeys(EVERYBODY, 404) | {"admin": 204},
    "DELETE /uploads/{upload}": dict.fromkeys(EVERYBODY, 404) | {"admin": 204},
    "GET /live": dict.fromkeys(EVERYBODY, 426),  # it is no request for a WebSocket
    "GET /meetings/{meeting}/attendance": dict.fromkeys(("guest", "member"), 403),  # it is for those who tend the folder
}
ANSWERS |= {
    # A fake engine knows no annotations, and says so to whoever was let in.
    "GET /papers/{paper}/marks.pdf": dict.fromkeys(EVERYBODY, 400),
    "POST /papers/{paper}/marks/import": dict.fromkeys(EVERYBODY, 400),
}
HARMLESS = {
    # These change something, but nothing of which another cell asks.
    "POST /documents/{document}/address",
    "POST /folders/{folder}",
    "POST /folders/{folder}/links",
    "PUT /papers/{paper}/position",
    "POST /papers/{paper}/marks",
    "DELETE /folders/{folder}/marks",
    "PATCH /folders/{folder}",
    "PATCH /papers/{paper}",
    "POST /people",
    "POST /meetings/{meeting}/messages",
    "PATCH /people/{person}",
}
OF_A_LOGIN = {"POST /login", "POST /join", "POST /meetings/join", "POST /logout", "DELETE /me/sessions/{login}"}
"""These end the login of the request, or another one of the same person. So it is one that no other cell uses."""
CELLS = [
    pytest.param(route, who, id=f"{who}: {route.method} {route.path}") for route in ROUTES for who in EVERYBODY
]  # fmt: skip


@pytest.mark.parametrize(("route", "who"), CELLS)
def test_each_may_do_what_they_may(hall: TownHall, tmp_path: Path, route: Route, who: str) -> None:
    name = f"{route.method} {route.path}"
    if is_allowed(who, route):
        status = ANSWERS.get(name, {}).get(who, route.successes[0])
        if status >= 400 or not route.changes_something or name in HARMLESS | OF_A_LOGIN:
            reply = request(hall, route, who)
        else:
            with town_hall(tmp_path) as own:
                reply = request(own, route, who)
        assert reply.status == status, reply.body
        return
    before = len(hall.engine.begun)
    reply = request(hall, route, who)
    assert reply.status == (401 if who in NOBODY else 404 if names(route) else 403)
    assert reply.headers["cache-control"] == "no-store"
    assert len(hall.engine.begun) == before, "nothing was drawn or read for it"
    if names(route):
        absent = dict.fromkeys(("document", "folder", "paper"), "x" * 32) | {"meeting": "x"} | {"image": "x" * 32 + "_p1"}
        nothing = request(hall, route, who, **absent)
        assert (nothing.status, nothing.body) == (reply.status, reply.body), "absent and forbidden look the same"


def request(hall: TownHall, route: Route, who: str, **values: str) -> Reply:
    """A request that makes sense, so that it is answered if whoever asks may do that."""
    given: dict[str, str] = {}
    body: Any = body_of(route)
    if f"{route.method} {route.path}" in OF_A_LOGIN and who not in (*NOBODY, "signed"):
        token, login = hall.log_in_anew(who)
        given["Cookie"], values = f"sidebooks_login={token}", {"login": login, **values}
    if route.path == "/join":
        body = {"token": hall.tokens["guest"]}
    elif route.path.endswith("/password"):
        body = {"old": PASSWORD, "password": PASSWORD[::-1]}
    elif "upload" in route.parameters:
        given["Tus-Resumable"] = "1.0.0"
        if route.method == "PATCH":
            given |= {"Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
            body = paper_of(4)
    return hall.ask(who, address(route, hall, **values), route.method, body, **given)


def test_lists_hold_only_what_one_may_see(hall: TownHall) -> None:
    hall.served.register(paper_of(9))
    for who, may in (("none", False), ("guest", False), ("member", True), ("clerk", True)):
        assert bool(hall.ask(who, "/documents").json()["documents"]) == may, who


def test_a_login_that_ends_is_seen_from_the_next_request_on(tmp_path: Path) -> None:
    with town_hall(tmp_path) as hall:
        document = hall.shelf.document(hall.paper.id)
        path = f"/documents/{document.id}/pages/1/30x40"
        document.content_id(0)
        for _ in range(2):
            assert hall.ask("member", path).status == 200
        assert len(hall.application.fast_path) == 1, "the answer is in memory"
        hall.access.end_sessions(hall.people["member"].id)
        assert hall.ask("member", path).status == 401
        assert hall.ask("clerk", path).status == 200
        hall.shelf.withdraw(hall.paper.id)
        deadline_s = time.monotonic() + 5
        while hall.ask("guest", path).status != 404:
            assert time.monotonic() < deadline_s
        assert hall.ask("clerk", path).status == 200
