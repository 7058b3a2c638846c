"""A shelf of papers behind an application, with people who ask by a header."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from asgi import Reply, ask
from starlette.types import Scope

import sidebooks_core as sb
from sidebooks_core.access.policy import FolderPolicy, Grant, Policy
from sidebooks_core.access.principals import Principal
from sidebooks_core.documents.model import Word
from sidebooks_core.server import Application, ServerLimits, Shelf
from sidebooks_core.shelf import Paper
from sidebooks_core.shelf import Shelf as PaperShelf
from sidebooks_core.testing import FakeDocument, FakePage

PEOPLE = {
    name: Principal(name, name.title(), role)
    for name, role in {"admin": "admin", "clerk": "clerk", "member": "member", "outsider": "guest", "tender": "guest"}.items()
}


class ByHeader:
    """Says who asks by a header."""

    def known(self, scope: Scope, /) -> Principal | None:
        return next((PEOPLE.get(value.decode()) for name, value in scope["headers"] if name == b"who"), None)

    def find(self, scope: Scope, /) -> Principal | None:
        return self.known(scope)


def pages(*colours: int, words: str = "") -> FakeDocument:
    shown = (Word(10, 10, 80, 30, words, 0, 0),) if words else ()
    return FakeDocument(pages=tuple(FakePage(colour=(number, 9, 9), words=shown) for number in colours))


class House:
    """A shelf, its application, and requests of people."""

    def __init__(self, service: sb.TileService, folder: Path) -> None:
        self.papers = PaperShelf(folder / "data", service)
        self.open = self.papers.make_folder("本会議")
        self.closed = self.papers.make_folder("委員会")
        self.inner = self.papers.make_folder("小委員会", self.closed)
        grants = {
            self.closed.id: (Grant("role", "clerk"),),
            self.inner.id: (Grant("person", "tender", "tend"),),
        }
        self._policy: Policy = FolderPolicy(grants)
        self.application = self._made()

    def register(self, name: str, folder: Any = None, *colours: int, **more: Any) -> Paper:
        words = more.pop("words", "")
        return self.papers.register(pages(*(colours or (1, 2)), words=words).to_bytes(), folder or self.open, name=name, **more)

    def ask(self, who: str, path: str, method: str = "GET", body: Any = None, **headers: str) -> Reply:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        if method in ("POST", "PUT", "PATCH") and "Content-Length" not in given:
            given["Content-Length"] = str(len(data))
        return ask(self.application, path, method, {"Who": who, **given}, data)

    def get(self, who: str, path: str) -> Any:
        reply = self.ask(who, path)
        assert reply.status == 200, (reply.status, reply.body)
        return reply.json()

    def renew(self, limits: ServerLimits) -> None:
        """Another application, with other limits."""
        self.application.close()
        self.application = self._made(limits=limits)

    def use(self, policy: Policy) -> None:
        """Another application, with another policy."""
        self.application.close()
        self._policy = policy
        self.application = self._made()

    def _made(self, **options: Any) -> Application:
        shelf = Shelf(self.papers.service)
        return Application(shelf, papers=self.papers, ways_in=(ByHeader(),), policy=self._policy, **options)

    def close(self) -> None:
        self.application.close()
        self.papers.close()
