"""Every route of the table, asked by everybody: what each may do, cell by cell. A new route is in it by itself."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from town_hall import EVERYBODY, NOBODY, TownHall, address, body_of, paper_of, town_hall

from sidebooks_core.access.operations import ASKING, CLERKS, FOR_ANYBODY, GENERAL, READING, Operation
from sidebooks_core.server.route import Route
from sidebooks_core.server.routes import ROUTES


@pytest.fixture(scope="module")
def hall(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TownHall]:
    """For cells that change nothing."""
    with town_hall(tmp_path_factory.mktemp("hall")) as made:
        yield made


def is_allowed(who: str, operation: Operation) -> bool:
    """Said here in other words than in the policy: rows of people and columns of operations."""
    if operation in ASKING and who in NOBODY:
        return False  # no folder is open to everybody
    if operation in FOR_ANYBODY or operation in GENERAL:
        return True
    if who == "admin":
        return True
    if who == "clerk":
        return operation in CLERKS or operation in READING
    return who in ("member", "guest") and operation in READING


OF_HANDLERS = {
    "POST /papers/{paper}/unlock": {409},
    "DELETE /folders/{folder}": {409},
    "PATCH /uploads/{upload}": {412},
    "DELETE /uploads/{upload}": {412},
}
"""Answers of handlers to a request that was let in: the paper is not locked, the folder not empty, and tus needs a header."""
CELLS = [
    pytest.param(route, who, id=f"{who}: {route.method} {route.path}") for route in ROUTES for who in EVERYBODY
]  # fmt: skip


@pytest.mark.parametrize(("route", "who"), CELLS)
def test_each_may_do_what_they_may(hall: TownHall, tmp_path: Path, route: Route, who: str) -> None:
    names_something = not {"document", "image", "paper", "folder"}.isdisjoint(route.parameters)
    if is_allowed(who, route.operation) or (route.operation is Operation.SEARCH and not names_something and who not in NOBODY):
        if not route.changes_something:
            assert_answered(hall, route, who)
        else:
            with town_hall(tmp_path) as own:
                assert_answered(own, route, who)
        return
    before = len(hall.engine.begun)
    reply = hall.ask(who, address(route, hall), route.method, body_of(route))
    assert reply.status == (401 if who in NOBODY else 404 if names_something else 403)
    assert reply.headers["cache-control"] == "no-store"
    assert len(hall.engine.begun) == before, "nothing was drawn or read for it"
    if names_something:
        absent = dict.fromkeys(("document", "folder", "paper"), "x" * 32) | {"image": "x" * 32 + "_p1"}
        nothing = hall.ask(who, address(route, hall, **absent), route.method, body_of(route))
        assert (nothing.status, nothing.body) == (reply.status, reply.body), "absent and forbidden look the same"


def assert_answered(hall: TownHall, route: Route, who: str) -> None:
    """An answer of the route's own, that is not a refusal of the gate."""
    reply = hall.ask(who, address(route, hall), route.method, body_of(route))
    own = {*route.successes, 400}
    if route.operation in (Operation.LOG_IN, Operation.READ_SELF):
        own |= {401, 403, 404}  # of the handler: no such token, no login
    if "login" in route.parameters:
        own |= {404}  # it is nobody's
    if "upload" in route.parameters and who != "admin":
        own = {404}  # it is somebody else's
    own |= OF_HANDLERS.get(f"{route.method} {route.path}", set())
    assert reply.status in own, reply.body


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
