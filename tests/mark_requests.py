"""Requests of the routes of marks that get each status which no general way gives: for tests of the table of routes."""

from __future__ import annotations

import errno
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import pytest
from asgi import Reply
from mark_hall import NOTE, mark
from town_hall import TownHall, address, body_of

from sidebooks_core.documents.annotations import Annotation
from sidebooks_core.errors import DocumentTooLarge, QueueFull, RenderFailed, RenderTimeout, StorageFailed
from sidebooks_core.library.questions import Questions
from sidebooks_core.marks.store import MarkStore
from sidebooks_core.server.handlers.marks import MOST_PUSH_BYTES
from sidebooks_core.server.route import Route
from sidebooks_core.workers.answers import AnnotatedFile, AnnotationsRead
from sidebooks_core.workers.jobs import Annotate, ReadAnnotations

Request = Callable[[TownHall, Route], Reply]
JUNK = "2"
"""The number of a revision that cannot be opened."""
ANNOTATION = Annotation(page=0, kind="note", name="annotation", x_pt=10.0, y_pt=20.0, text="要確認")
TOO_LARGE = DocumentTooLarge("the file takes too many bytes")
SLOW = RenderTimeout("it took too long")
BUSY = QueueFull("busy")
LOCKED = StorageFailed("the database is locked")


def asked(hall: TownHall, route: Route, path: str = "") -> Reply:
    """What the admin gets; at the address of the paper unless told.

    Workers find one annotation in the file, and write what they are told to write.
    """
    with (
        hall.engine.on(ReadAnnotations, lambda _: AnnotationsRead((ANNOTATION,), 3, 0)),
        hall.engine.on(Annotate, lambda _: AnnotatedFile(b"%PDF-1.7 behind", is_whole=False)),
    ):
        return hall.ask("admin", path or address(route, hall), route.method, body_of(route))


def with_marks(hall: TownHall, route: Route) -> Reply:
    """The paper has a mark of the admin."""
    pushed = hall.ask("admin", f"/papers/{hall.paper.id}/marks", "POST", {"device": "tablet", "marks": [mark(NOTE)]})
    assert len(pushed.json()["marks"]) == 1, pushed.body
    return asked(hall, route)


def taken_in(hall: TownHall, route: Route) -> Reply:
    """The annotation of the file becomes a mark."""
    reply = asked(hall, route)
    assert [one["body"]["text"] for one in reply.json()["marks"]] == [ANNOTATION.text], reply.body
    return reply


def of_junk(hall: TownHall, route: Route) -> Reply:
    """The revision cannot be opened."""
    path = address(route, hall, revision=JUNK)
    hall.shelf.replace(hall.paper.id, b"junk")
    return asked(hall, route, path)


def of_somebody_else(hall: TownHall, route: Route) -> Reply:
    """The device has marks of another person than has logged in."""
    person = hall.people["member"].id
    body = {**body_of(route), "person": person} if route.body is not None else b""
    return hall.ask("admin", address(route, hall, person=person), route.method, body)


def too_long(hall: TownHall, route: Route) -> Reply:
    return hall.ask("admin", address(route, hall), route.method, b" " * (MOST_PUSH_BYTES + 1))


def without_original(hall: TownHall, route: Route) -> Reply:
    """The file of the paper is gone while the paper is open."""
    hall.shelf.originals.path(hall.shelf.revision(hall.paper.id).original).unlink()
    return asked(hall, route)


def reopened_without_original(hall: TownHall, route: Route) -> Reply:
    """The file of the paper is gone, and the paper is opened again under another name."""
    path = address(route, hall)
    hall.shelf.originals.path(hall.shelf.revision(hall.paper.id).original).unlink()
    hall.shelf.change(hall.paper.id, name="補正予算書")
    return asked(hall, route, path)


def with_query(path: str) -> Request:
    """The admin asks for an address with a query that cannot be read."""
    return lambda hall, route: hall.ask("admin", path.format(paper=hall.paper.id), route.method)


def worker_fails(kind: type[Annotate | ReadAnnotations], error: RenderFailed | DocumentTooLarge) -> Request:
    """A worker's job ends with an error."""

    def request(hall: TownHall, route: Route) -> Reply:
        none = AnnotationsRead((), 3, 0)
        with hall.engine.on(ReadAnnotations, lambda _: none), hall.engine.fail(kind, error):
            return hall.ask("admin", address(route, hall), route.method, body_of(route))

    return request


def question_fails(name: str, error: Exception) -> Request:
    """The future of a question to a worker has an error that no worker makes."""

    def promised(*_: Any, **__: Any) -> Future[Any]:
        answer: Future[Any] = Future()
        answer.set_exception(error)
        return answer

    def request(hall: TownHall, route: Route) -> Reply:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Questions, name, promised)
            return asked(hall, route)

    return request


def store_fails(name: str) -> Request:
    """The marks cannot be read now."""

    def request(hall: TownHall, route: Route) -> Reply:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(MarkStore, name, raising(LOCKED))
            return asked(hall, route)

    return request


def full_disk(hall: TownHall, route: Route) -> Reply:
    full = StorageFailed("the disk is full")
    full.__cause__ = OSError(errno.ENOSPC, "no space")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hall.shelf.database, "writing", raising(full))
        return asked(hall, route)


def raising(error: Exception) -> Callable[..., Any]:
    def fails(*_: Any, **__: Any) -> Any:
        raise error

    return fails


MARKS = "/papers/{paper}/marks"
CANVAS = "/presentation/3/{document}/annotations/{page}.json"
GOOD: dict[str, Request] = {
    f"GET {MARKS}": with_marks,
    f"GET {MARKS}.pdf": with_marks,
    f"POST {MARKS}/import": taken_in,
}
"""Good requests of the routes of marks."""
SPECIAL: dict[tuple[str, int], Request] = {
    (f"GET {MARKS}", 400): with_query("/papers/{paper}/marks?device=!"),
    (f"GET {MARKS}", 409): of_somebody_else,
    (f"GET {MARKS}", 503): store_fails("last"),
    (f"POST {MARKS}", 409): of_somebody_else,
    (f"POST {MARKS}", 413): too_long,
    (f"GET {MARKS}/{{mark}}/lost", 503): store_fails("lost_texts"),
    (f"GET {MARKS}.pdf", 400): with_query("/papers/{paper}/marks.pdf?whose=theirs"),
    (f"GET {MARKS}.pdf", 409): of_junk,
    (f"GET {MARKS}.pdf", 410): without_original,
    (f"GET {MARKS}.pdf", 413): worker_fails(Annotate, TOO_LARGE),
    (f"GET {MARKS}.pdf", 500): worker_fails(Annotate, RenderFailed("page 1 cannot be read")),
    (f"GET {MARKS}.pdf", 503): store_fails("imported"),
    (f"GET {MARKS}.pdf", 504): question_fails("annotate", SLOW),
    (f"GET {MARKS}.json", 400): with_query("/papers/{paper}/marks.json?whose=theirs"),
    (f"GET {MARKS}.json", 409): of_junk,
    (f"GET {MARKS}.json", 410): reopened_without_original,
    (f"GET {MARKS}.json", 503): store_fails("outlines"),
    (f"GET {CANVAS}", 503): store_fails("outlines"),
    (f"POST {MARKS}/import", 409): of_junk,
    (f"POST {MARKS}/import", 410): reopened_without_original,
    (f"POST {MARKS}/import", 500): worker_fails(ReadAnnotations, RenderFailed("page 1 cannot be read")),
    (f"POST {MARKS}/import", 503): question_fails("annotations", BUSY),
    (f"POST {MARKS}/import", 504): question_fails("annotations", SLOW),
    (f"POST {MARKS}/import", 507): full_disk,
    ("GET /marks", 400): with_query("/marks?query=x&limit=x"),
    ("GET /marks", 503): store_fails("search"),
}
"""Requests of the routes of marks that get a status which no general way gives."""
