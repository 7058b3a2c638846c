"""The rows of the table for papers and access: each status that is declared is given, and the JSON is what its schema says."""

from __future__ import annotations

import asyncio
import errno
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import mark_requests
import msgspec
import pytest
from asgi import Reply, ask, ask_async, ask_socket
from starlette.types import Scope
from town_hall import PASSWORD, Provider, TownHall, address, body_of, paper_of, town_hall

from sidebooks_core.access import Access, Operation
from sidebooks_core.access.oidc import Identity
from sidebooks_core.errors import QueueFull, SidebooksError, StorageFailed
from sidebooks_core.meeting.commands import OpenVote
from sidebooks_core.meeting.messages import from_client
from sidebooks_core.meeting.model import Meeting, Participant
from sidebooks_core.meeting.records import Records
from sidebooks_core.meeting.session import decide
from sidebooks_core.server import Application, ServerLimits
from sidebooks_core.server.pools import MOST_WAITING
from sidebooks_core.server.route import Route
from sidebooks_core.server.routes import DOCUMENTS, ROUTES
from sidebooks_core.shelf import Shelf
from sidebooks_core.shelf.upkeep import hold_files
from sidebooks_core.shelf.uploads import PartWriter, UploadLimits, Uploads
from sidebooks_core.testing import FakeDocument, FakePage

ROWS = [one for one in ROUTES if one not in DOCUMENTS]
UPLOADS = (Operation.REGISTER, Operation.REPLACE, Operation.GO_ON_UPLOADING)
CHANGE_NOTHING = (304, 400, 401, 403, 404, 408, 412, 413, 415, 416)
"""Statuses whose requests leave the town hall as it is."""
ABSENT = {
    "document": "x" * 32,
    "folder": "x" * 32,
    "paper": "x" * 32,
    "person": "x",
    "login": "x",
    "link": "x",
    "signed": "x",
    "upload": "x",
    "revision": "9",
    "meeting": "x",
    "vote": "9",
}


@pytest.fixture
def hall(tmp_path: Path) -> Iterator[TownHall]:
    with town_hall(tmp_path) as made:
        yield made


@pytest.fixture(scope="module")
def still_hall(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TownHall]:
    """For requests that change nothing."""
    with town_hall(tmp_path_factory.mktemp("hall")) as made:
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


def from_provider(hall: TownHall, route: Route) -> Reply:
    """What a browser gets that has begun to log in at the identity provider."""
    application = Application(hall.served, access=hall.access, oidc=Provider())
    begun = ask(application, "/oidc/login")
    cookie = {"Cookie": begun.headers["set-cookie"].partition(";")[0]}
    reply = begun if route.path == "/oidc/login" else ask(application, "/oidc/return?state=state&code=x", headers=cookie)
    application.close()
    return reply


def too_many(hall: TownHall, route: Route) -> Reply:
    body = {"name": "admin", "password": "wrong wrong", "old": "wrong wrong"}
    for _ in range(9):
        reply = hall.ask(
            "admin", route.path, "POST", {name: body[name] for name in body_of(route) | {"old": ""} if name in body}
        )
    return reply


def is_upload(route: Route) -> bool:
    """Whether its body is a file, or a part of one."""
    return route.operation in UPLOADS and route.method in ("POST", "PATCH") and route.body is None


KEY = "鍵"
LOCKED = FakeDocument(pages=(FakePage(),), password=KEY).to_bytes()
TUS = {"Tus_Resumable": "1.0.0"}
PIECE = {**TUS, "Content_Type": "application/offset+octet-stream", "Upload_Offset": "0"}
NAMED = {**TUS, "Upload_Metadata": "filename eC5wZGY="}


def send_piece(hall: TownHall, route: Route, body: bytes = b"", **headers: str) -> Reply:
    """The admin sends bytes of their upload."""
    return hall.ask("admin", address(route, hall), "PATCH", body or paper_of(4), **{**PIECE, **headers})


def begin(hall: TownHall, route: Route, body: bytes = b"", **headers: str) -> Reply:
    """The admin begins an upload, and sends all its bytes at once."""
    told = {**NAMED, **PIECE, "Upload_Length": str(len(paper_of(4))), **headers}
    return hall.ask("admin", address(route, hall), "POST", body or paper_of(4), **told)


def bytes_to(hall: TownHall, route: Route, body: bytes = b"", **headers: str) -> Reply:
    return (send_piece if route.method == "PATCH" else begin)(hall, route, body, **headers)


def locked(hall: TownHall, route: Route, password: str) -> Reply:
    """Give a password for a paper whose password is 鍵."""
    paper = hall.shelf.register(LOCKED, hall.finance, name="locked")
    assert paper.state == "locked"
    return of_admin(hall, route, {"password": password}, paper=paper.id)


def unreadable(hall: TownHall, route: Route) -> Reply:
    """The present revision cannot be opened."""
    path = address(route, hall, revisions="1-2")
    hall.shelf.replace(hall.paper.id, b"junk")
    return hall.ask("admin", path, route.method, body_of(route))


def held(hall: TownHall, route: Route) -> Reply:
    """Another request sends bytes of the upload."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sidebooks_core.server.handlers.uploads.PATIENCE_S", 0.0)
        lock = Uploads(hall.shelf, UploadLimits()).try_hold(hall.upload)
        assert lock is not None
        reply = send_piece(hall, route)
        lock.release()
        return reply


def pending(hall: TownHall, route: Route) -> Reply:
    """Somebody copies all originals, so none can be removed."""
    held = hold_files(hall.shelf.originals)
    assert held is not None
    try:
        return of_admin(hall, route)
    finally:
        held.release()


def busy(hall: TownHall, route: Route) -> Reply:
    """So much waits that no more can."""
    path, full = address(route, hall), QueueFull("busy")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("search", "search_in", "diff"):
            patch.setattr(Shelf, name, failing(full))
        return hall.ask("admin", path)


def broken(hall: TownHall, route: Route) -> Reply:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Shelf, "search_in", failing(SidebooksError("broken")))
        return of_admin(hall, route)


def gone(hall: TownHall, route: Route) -> Reply:
    """The original is not there."""
    hall.shelf.originals.path(hall.shelf.revision(hall.paper.id).original).unlink()
    return of_admin(hall, route)


def failing(error: Exception) -> Callable[..., Any]:
    def fails(*_: Any, **__: Any) -> Any:
        raise error

    return fails


def told_by_provider(hall: TownHall, route: Route, told: Identity) -> Reply:
    """What a browser gets that comes back from a provider that tells this."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Provider, "finish", lambda *_: told)
        return from_provider(hall, route)


def last_admin(hall: TownHall, route: Route) -> Reply:
    """The provider says that the only admin is a clerk."""
    hall.access.person_of_subject("https://login.example 7", "mori", "森", "admin", ())
    hall.access.change_person(hall.people["admin"].id, role="member")
    return from_provider(hall, route)


def cannot_keep(hall: TownHall, route: Route) -> Reply:
    """The records of meetings cannot be read or written."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("meeting", "under_way", "of_folder", "find_by_code", "add"):
            patch.setattr(Records, name, failing(StorageFailed("the database is locked")))
        return of_admin(hall, route)


def without_streams(hall: TownHall, route: Route) -> Reply:
    application = Application(hall.served, papers=hall.shelf, access=hall.access, limits=ServerLimits(streams=1))
    application.events.quota.take("somebody")
    reply = ask_socket(application, "/live", {"Cookie": f"sidebooks_login={hall.cookies['admin']}"})
    application.close()
    return reply


def during_a_vote(hall: TownHall, route: Route) -> Reply:
    vote = {"kind": "open_vote", "id": "x", "client": "c1", "count": 1, "epoch": 1, "title": "x", "rule": "absolute"}
    roll = {"ballot": "named", "seats": 1, "voters": [{"id": "chair", "name": "x"}], "present": ["chair"], "chair": "chair"}
    command = from_client(json.dumps(vote | roll))
    assert isinstance(command, OpenVote)
    chair = Participant("chair", "admin")
    made = hall.meetings.hub.change(hall.meeting, lambda meeting: decide(meeting, command, chair, hall.now_s))
    assert isinstance(made, Meeting)
    return of_admin(hall, route)


GOOD: dict[str, Callable[[TownHall, Route], Reply]] = {
    "GET /live": lambda hall, route: ask_socket(
        hall.application, "/live", {"Cookie": f"sidebooks_login={hall.cookies['admin']}"}
    ),
    "GET /oidc/login": from_provider,
    "GET /oidc/return": from_provider,
    "POST /join": lambda hall, route: of_admin(
        hall, route, {"token": hall.access.make_link([hall.finance.id], name="x", until_s=4e9)[0]}
    ),
    "POST /setup": set_up,
    "POST /me/password": lambda hall, route: of_admin(hall, route, {"old": PASSWORD, "password": f"{PASSWORD}!"}),
    "DELETE /me/sessions/{login}": lambda hall, route: of_admin(
        hall, route, login=hall.access.sessions(hall.people["admin"].id)[0].id
    ),
    "DELETE /folders/{folder}": lambda hall, route: of_admin(hall, route, folder=hall.shelf.make_folder("empty").id),
    "POST /papers/{paper}/unlock": lambda hall, route: locked(hall, route, KEY),
    "PATCH /uploads/{upload}": send_piece,
    "DELETE /uploads/{upload}": lambda hall, route: hall.ask("admin", address(route, hall), "DELETE", **TUS),
    **mark_requests.GOOD,
}
"""Good requests that are not as `of_admin` makes them."""
SPECIAL: dict[tuple[str, int], Callable[[TownHall, Route], Reply]] = {
    ("GET /live", 400): lambda hall, route: ask_socket(
        hall.application, "/live?view=wide", {"Cookie": f"sidebooks_login={hall.cookies['admin']}"}
    ),
    ("GET /live", 426): of_admin,
    ("GET /live", 503): without_streams,
    ("POST /meetings/{meeting}/end", 409): during_a_vote,
    ("GET /oidc/return", 400): lambda hall, route: told_by_provider(
        hall, route, Identity("https://login.example 8", "\u200b", "", "clerk", frozenset())
    ),
    ("GET /oidc/return", 409): last_admin,
    ("POST /login", 429): too_many,
    ("POST /me/password", 429): too_many,
    ("POST /people", 409): lambda hall, route: of_admin(hall, route, {"name": "clerk", "role": "clerk"}),
    ("PATCH /people/{person}", 409): lambda hall, route: of_admin(
        hall, route, {"role": "member"}, person=hall.people["admin"].id
    ),
    ("DELETE /folders/{folder}", 409): of_admin,
    ("DELETE /papers/{paper}", 202): pending,
    ("POST /papers/{paper}/unlock", 409): of_admin,
    ("POST /papers/{paper}/unlock", 422): lambda hall, route: locked(hall, route, "other"),
    ("GET /papers/{paper}/diff/{revisions}", 409): unreadable,
    ("GET /papers/{paper}/diff/{revisions}", 503): busy,
    ("PUT /papers/{paper}/position", 409): unreadable,
    ("GET /papers/{paper}/search", 409): unreadable,
    ("GET /papers/{paper}/search", 500): broken,
    ("GET /papers/{paper}/search", 503): busy,
    ("GET /search", 400): lambda hall, route: hall.ask("admin", "/search?q=x&before=x"),
    ("GET /search", 503): busy,
    ("GET /changes", 400): lambda hall, route: hall.ask("admin", "/changes?limit=x"),
    ("GET /folders", 400): lambda hall, route: hall.ask("admin", "/folders?few=x"),
    ("GET /folders/{folder}", 400): lambda hall, route: hall.ask("admin", "/folders/top?few=x"),
    ("GET /reading", 400): lambda hall, route: hall.ask("admin", "/reading?limit=x"),
    ("GET /papers/{paper}/original", 410): gone,
    ("GET /papers/{paper}/revisions/{revision}/original", 410): gone,
    ("POST /papers/{paper}/revisions", 409): lambda hall, route: begin(hall, route, Upload_Metadata="after OQ=="),
    ("PATCH /uploads/{upload}", 409): lambda hall, route: send_piece(hall, route, Upload_Offset="5"),
    ("PATCH /uploads/{upload}", 423): held,
    ("PATCH /uploads/{upload}", 415): lambda hall, route: send_piece(hall, route, Content_Type="text/plain"),
    ("DELETE /uploads/{upload}", 412): of_admin,
    ("GET /audit", 400): lambda hall, route: hall.ask("admin", "/audit?since=x"),
    **mark_requests.SPECIAL,
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
        if status == route.successes[0]:
            return GOOD.get(name_of(route), of_admin)(self._hall, route)
        return getattr(self, f"status_{status}")(route)  # type: ignore[no-any-return]

    def status_206(self, route: Route) -> Reply:
        return self._hall.ask("admin", address(route, self._hall), Range="bytes=0-9")

    def status_304(self, route: Route) -> Reply:
        tag = of_admin(self._hall, route).headers["etag"]
        return self._hall.ask("admin", address(route, self._hall), If_None_Match=tag)

    def status_412(self, route: Route) -> Reply:
        return bytes_to(self._hall, route, Tus_Resumable="0.2.2")

    def status_416(self, route: Route) -> Reply:
        return self._hall.ask("admin", address(route, self._hall), Range="bytes=999999999-")

    def status_460(self, route: Route) -> Reply:
        return bytes_to(self._hall, route, Upload_Checksum="sha1 AAAAAAAAAAAAAAAAAAAAAAAAAAA=")

    def status_429(self, route: Route) -> Reply:
        self._patch.setattr("sidebooks_core.server.rates.AT_ONCE", 0)
        return self._of_a_stranger(route)

    def status_503(self, route: Route) -> Reply:
        if route.operation is Operation.LOG_IN:
            for kind in MOST_WAITING:
                self._patch.setitem(MOST_WAITING, kind, 0)
            return self._of_a_stranger(route)
        if "meeting" in route.path:
            return cannot_keep(self._hall, route)
        return self._failing_to_store(route, StorageFailed("the database is locked"))

    def status_507(self, route: Route) -> Reply:
        full = StorageFailed("the disk is full")
        full.__cause__ = OSError(errno.ENOSPC, "no space")
        return self._failing_to_store(route, full)

    def _of_a_stranger(self, route: Route) -> Reply:
        hall = self._hall
        pending = hall.access.seal(msgspec.json.encode(Provider().begin()), 60)
        application = Application(hall.served, papers=hall.shelf, access=hall.access, meetings=hall.meetings, oidc=Provider())
        body = json.dumps(body_of(route) or {}).encode()
        reply = ask(application, address(route, hall), route.method, {"Cookie": f"sidebooks_pending={pending}"}, body)
        application.close()
        return reply

    def _failing_to_store(self, route: Route, error: StorageFailed) -> Reply:
        hall = self._hall
        locked = hall.shelf.register(LOCKED, hall.finance, name="locked")
        path = address(route, hall, **({"paper": locked.id} if route.path.endswith("/unlock") else {}))
        self._patch.setattr(PartWriter, "write", failing(error))
        self._patch.setattr(hall.shelf.database, "writing", failing(error))
        if is_upload(route):
            return bytes_to(hall, route)
        body = {"password": KEY} if route.path.endswith("/unlock") else body_of(route)
        return hall.ask("admin", path, route.method, body)

    def status_400(self, route: Route) -> Reply:
        if is_upload(route):
            return bytes_to(self._hall, route, Upload_Offset="x", Upload_Length="x")
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
            path = address(route, self._hall, **absent)
            return self._hall.ask("admin", path, route.method, body_of(route), **(PIECE if "upload" in absent else {}))
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

        self._patch.setattr("sidebooks_core.server.handlers.uploads.IDLE_S", 0.05)
        headers = {"Cookie": f"sidebooks_login={self._hall.cookies['admin']}"}
        if is_upload(route):
            headers |= {name.replace("_", "-"): value for name, value in {**NAMED, **PIECE, "Upload_Length": "9"}.items()}
        return asyncio.run(ask_async(slow, address(route, self._hall), route.method, headers))

    def status_413(self, route: Route) -> Reply:
        if is_upload(route):
            return bytes_to(self._hall, route, paper_of(4) + b"more", Upload_Length=str(len(paper_of(4))))
        return of_admin(self._hall, route, b" " * 300_000)

    def status_415(self, route: Route) -> Reply:
        path = address(route, self._hall)
        return self._hall.ask("admin", path, route.method, body_of(route), Content_Encoding="gzip")


@pytest.mark.parametrize(
    ("route", "status"),
    [pytest.param(one, status, id=f"{status} {name_of(one)}") for one in ROWS for status in one.statuses],
)
def test_each_status_that_is_declared_is_given(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, route: Route, status: int
) -> None:
    hall: TownHall = request.getfixturevalue("still_hall" if status in CHANGE_NOTHING else "hall")
    reply = Provoker(hall, monkeypatch).provoke(route, status)
    assert reply.status == status, reply.body
    if status >= 400:
        assert reply.json() == {"type": "about:blank", "status": status, "detail": reply.json()["detail"]}
        assert reply.headers["cache-control"] == "no-store"


def test_what_a_browser_gets_that_comes_back_from_the_provider_is_declared(hall: TownHall) -> None:
    [route] = [one for one in ROWS if one.path == "/oidc/return"]
    unreadable_name = Identity("https://login.example 8", "\u200b", "", "clerk", frozenset())
    given = {told_by_provider(hall, route, unreadable_name).status, last_admin(hall, route).status}
    assert given == {400, 409}
    assert given <= set(route.statuses)


@pytest.mark.parametrize("route", [one for one in ROWS if one.answer], ids=name_of)
def test_our_own_json_is_what_its_schema_says(hall: TownHall, route: Route) -> None:
    described = hall.ask("admin", "/openapi.json").json()
    reply = GOOD.get(name_of(route), of_admin)(hall, route)
    content = described["paths"][route.path][route.method.lower()]["responses"][str(reply.status)]["content"]
    schema = content[route.media_type]["schema"] | {"components": described["components"]}
    jsonschema.Draft202012Validator(schema).validate(reply.json())


@pytest.mark.parametrize("route", [one for one in ROWS if one.body is not None], ids=name_of)
def test_a_body_of_another_kind_is_refused(still_hall: TownHall, route: Route) -> None:
    good = body_of(route)
    for body in (b"", b"[]", b"null", b"\xff", *(json.dumps(good | {name: {"x": 1}}).encode() for name in good)):
        assert of_admin(still_hall, route, body).status == 400, body
