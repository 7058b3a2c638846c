"""The question of access: asked before each answer, also before images in memory; a refused request draws nothing."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator

import pytest
from asgi import ask
from starlette.types import Scope

import sidebooks_core as sb
from sidebooks_core.access.operations import Operation
from sidebooks_core.server import Application, Shelf


class Policy:
    """Allows what it is told to, and notes what it was asked."""

    def __init__(self) -> None:
        self.allows: Callable[[Operation, str | None], bool] = lambda _operation, _document_id: True
        self.asked: list[tuple[Operation, str | None]] = []

    def __call__(self, scope: Scope, operation: Operation, document_id: str | None, /) -> bool:
        assert scope["client"], "the scope as the server gave it"
        self.asked.append((operation, document_id))
        return self.allows(operation, document_id)

    def refuse_all(self) -> None:
        self.allows = lambda _operation, _document_id: False


@pytest.fixture
def policy() -> Policy:
    return Policy()


@pytest.fixture
def guarded(shelf: Shelf, policy: Policy) -> Iterator[Application]:
    application = Application(shelf, allowed=policy)
    yield application
    application.close()


@pytest.mark.parametrize(
    "path", ["/documents/{0}/pages/1/321x432", "/iiif/3/{0}_p1/full/90,/0/default.jpg", "/dzi/{0}_p1_files/8/0_0.jpg"]
)
def test_images_in_memory_are_asked_about_each_time(
    guarded: Application, document: sb.Document, policy: Policy, path: str
) -> None:
    document.content_id(0)  # the record of an identified page is in memory when it is answered
    path = path.format(document.id)
    tag = ask(guarded, path).headers["etag"]
    assert len(guarded.fast_path) == 1
    for headers in ({}, {"If-None-Match": tag}):
        policy.asked.clear()
        before_s = guarded.fast_path.answered_s
        assert ask(guarded, path, headers=headers).status in (200, 304)
        assert policy.asked == [(Operation.READ_IMAGE, document.id)], "once, with the operation and the document of its route"
        assert guarded.fast_path.answered_s > before_s
    policy.refuse_all()
    renders, answered_s = guarded.service.statistics().renders, guarded.fast_path.answered_s
    for headers in ({}, {"If-None-Match": tag}, {"If-None-Match": "*"}):
        for method in ("GET", "HEAD"):
            reply = ask(guarded, path, method, headers)
            assert reply.status == 403, (method, headers)
            assert "etag" not in reply.headers
            assert method == "HEAD" or reply.json()["detail"] == "you may not do that"
    assert (guarded.service.statistics().renders, guarded.fast_path.answered_s) == (renders, answered_s)
    policy.allows = lambda operation, document_id: (operation, document_id) == (Operation.READ_IMAGE, document.id)
    assert ask(guarded, path).status == 200


def test_what_has_no_document_is_asked_about_like_what_has_one(guarded: Application, policy: Policy) -> None:
    """A refusal does not tell which documents there are."""
    policy.refuse_all()
    unknown = "x" * 32
    for path in (f"/documents/{unknown}", f"/iiif/3/{unknown}_p1/info.json", f"/documents/{unknown}/pages/1/preview"):
        assert ask(guarded, path).status == 403
        assert policy.asked[-1][1] == unknown
    policy.asked.clear()
    assert ask(guarded, "/nothing").status == 404
    assert ask(guarded, "/documents", "DELETE").status == 405
    assert ask(guarded, "/documents", "OPTIONS").status == 204, "browsers ask without saying who asks"
    assert not policy.asked


def test_a_policy_that_fails_allows_nothing(
    guarded: Application, document: sb.Document, policy: Policy, caplog: pytest.LogCaptureFixture
) -> None:
    path = f"/documents/{document.id}/pages/1/321x432"
    assert ask(guarded, path).status == ask(guarded, path).status == 200

    def fails(_operation: Operation, _document_id: str | None) -> bool:
        raise ConnectionError("the directory of users does not answer")

    policy.allows = fails
    with caplog.at_level(logging.ERROR):
        reply = ask(guarded, path)
    assert (reply.status, reply.headers["content-type"]) == (500, "application/problem+json")
    assert "directory" not in json.dumps(reply.json())
    assert "directory of users" in caplog.text
