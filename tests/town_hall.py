"""A served shelf with everybody whom a town hall knows: for tests of who may do what."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from asgi import Reply, ask

import sidebooks_core as sb
from sidebooks_core.access import Access, Clock, Grant, Operation, Principal
from sidebooks_core.access.oidc import Identity, Oidc, OidcRules, Pending
from sidebooks_core.access.passwords import Passwords
from sidebooks_core.errors import AccessDenied
from sidebooks_core.meeting.commands import Cast, CloseVote, ConfirmVote, OpenVote, SetAgenda
from sidebooks_core.meeting.meetings import Meetings
from sidebooks_core.meeting.model import Meeting, Participant
from sidebooks_core.meeting.session import decide, opened
from sidebooks_core.meeting.state import AgendaItem
from sidebooks_core.meeting.votes import Voter
from sidebooks_core.server import Application
from sidebooks_core.server import Shelf as Served
from sidebooks_core.server.route import Route
from sidebooks_core.server.shelf import page_id
from sidebooks_core.shelf import Folder, Shelf
from sidebooks_core.testing import FakeDocument, FakeEngine, FakePage

PASSWORD = "石川や浜の真砂は尽くるとも"
CODE = "2345-6789"
"""Of the meeting."""
NOBODY = ("none", "expired", "forged", "disabled")
"""They are as nobody known."""
EVERYBODY = (*NOBODY, "signed", "other folder", "other guest", "guest", "member", "tender", "clerk", "admin")
"""signed: whoever has a signed address. tender: somebody who tends the folder."""


VALUES = {
    "page": "1", "level": "0", "size": "30x40.jpg", "query": "x", "file": "client.js", "region": "full", "iiifSize": "max",
    "rotation": "0", "quality": "default", "format": "png", "dziLevel": "0", "column": "0", "row": "0", "span": "1-1",
    "pages": "1-1", "old_forms": "0", "whole_words": "0", "match_case": "0", "q": "x", "session": "",
    "since": "0", "next": "", "view": "60x96", "start": "1",
    "until": "9999999999", "as": "json", "revision": "1",
    "revisions": "1-1", "filename": "new.pdf", "name": "new", "from": "0", "before": "99", "few": "9", "limit": "9",
    "state": "state", "code": "code", "client": "c1", "projector": "0", "vote": "1",
    "whose": "all", "flattened": "0", "device": "tablet", "mark": "01900000-0000-7000-8000-000000000000",
}  # fmt: skip
BODIES: dict[str, Any] = {
    "Hint": {"session": "s", "page": 1, "view_px": [300, 400]},
    "LogIn": {"name": "admin", "password": PASSWORD},
    "UseLink": {"token": "x"},
    "SetUp": {"token": "x", "name": "x", "password": PASSWORD},
    "NewPassword": {"password": PASSWORD},
    "NewPerson": {"name": "new", "role": "member"},
    "PersonPatch": {"shown_name": "new"},
    "NewLink": {"name": "new", "until_s": 4e9},
    "FolderAccess": {"grants": []},
    "NewAddress": {"valid_s": 60},
    "NewFolder": {"name": "new"},
    "FolderPatch": {"name": "new"},
    "PaperPatch": {"name": "new"},
    "Password": {"password": "x"},
    "NewPosition": {"page": 2},
    "NewMarks": {"device": "tablet", "marks": []},
    "NewMeeting": {"name": "new"},
    "NewCode": {"hours": 1},
    "UseCode": {"code": "2345-6789"},
    "ClientMessage": {"kind": "ask", "what": "state"},
}
"""A good body of each kind."""


HASHES: dict[str, str] = {}
"""Of passwords. Each takes a processor a tenth of a second, and the tests make hundreds of town halls."""


def paper_of(*colours: int) -> bytes:
    """The file of a document with one page for each number."""
    return FakeDocument(pages=tuple(FakePage(colour=(number, 9, 9)) for number in colours)).to_bytes()


class Provider(Oidc):
    """An identity provider that knows one person."""

    def __init__(self) -> None:
        super().__init__(OidcRules("https://login.example", "sidebooks", "https://books.example/oidc/return"))

    def begin(self) -> Pending:
        return Pending("https://login.example/authorize?state=state", "state", "nonce", "verifier")

    def finish(self, pending: Pending, parameters: Mapping[str, str]) -> Identity:
        if parameters.get("state") != pending.state:
            raise AccessDenied("this login was not begun here")
        return Identity("https://login.example 7", "mori", "森", "clerk", frozenset({"office"}))


class TownHall:
    """A folder closed to all but the finance committee, and who tends it, with a paper; another folder; logins of everybody."""

    def __init__(self, folder: Path, service: sb.TileService, engine: FakeEngine) -> None:
        self.engine = engine
        self.now_s = time.time()
        self.shelf = Shelf(folder / "data", service)
        self.access = Access(folder / "data", clock=Clock(wall=lambda: self.now_s))
        self.served = Served(service)
        self.meetings = Meetings(folder / "data")
        self.application = Application(
            self.served, papers=self.shelf, access=self.access, meetings=self.meetings, cache="private"
        )
        self.finance = self.shelf.make_folder("財政委員会")
        self.planning = self.shelf.make_folder("企画委員会")
        self.paper = self.shelf.register(paper_of(1, 2, 3), self.finance, name="令和8年度予算書")
        self.other = self.shelf.register(paper_of(7, 8), self.planning, name="総合計画")
        self.access.set_grants(self.finance.id, [Grant("group", "finance"), Grant("group", "secretaries", "tend")])
        self.cookies = self._logins()
        shown = self.shelf.document(self.paper.id).id
        self.signature = self.access.sign([shown], Principal(self.people["clerk"].id, "clerk", "clerk"), valid_s=60)
        self.signed = self.access.signed_addresses()[0]
        self.upload = self._begin_upload()
        self.meeting = self._begin_meeting()

    def ask(self, who: str, path: str, method: str = "GET", body: Any = None, **headers: str) -> Reply:
        """Ask as somebody of EVERYBODY."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        path = f"/s/{self.signature}{path}" if who == "signed" else path
        if self.cookies[who]:
            given.setdefault("Cookie", f"sidebooks_login={self.cookies[who]}")
        raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        if raw:
            given.setdefault("Content-Length", str(len(raw)))
        return ask(self.application, path, method, given, raw, leave_after=2)

    def begin(self, who: str = "tender", folder: Folder | None = None, **body: Any) -> Any:
        """A meeting in a folder, that of the finance committee unless told. What the server says of it."""
        made = self.ask(who, f"/folders/{(folder or self.finance).id}/meetings", "POST", body)
        assert made.status == 201, made.body
        return made.json()

    def log_in_anew(self, who: str) -> tuple[str, str]:
        """Another login of somebody: (token, id)."""
        token, session = (
            self.access.use_link(self.tokens[who]) if who in self.links else self.access.log_in(self.people[who].id)
        )
        return token, session.id

    def close(self) -> None:
        self.application.close()
        self.meetings.close()
        self.served.close()
        self.access.close()
        self.shelf.close()

    def _begin_upload(self) -> str:
        """One that the admin has begun and not finished."""
        path = f"/folders/{self.finance.id}/papers"
        told = {"Tus_Resumable": "1.0.0", "Upload_Length": str(len(paper_of(4))), "Upload_Metadata": "filename eC5wZGY="}
        begun = self.ask("admin", path, "POST", **told)
        assert begun.status == 201, begun.body
        return begun.headers["location"].rpartition("/")[2]

    def _begin_meeting(self) -> str:
        """One of the finance committee that the admin chairs, with a vote that is confirmed, and with a code."""
        chair = Participant("chair", "admin")
        meeting = opened("meeting", "財政委員会", chair, self.now_s)
        self.meetings.records.add(meeting, folder=self.finance.id, opened_by="admin")
        self.meetings.hub.open(meeting)
        told: dict[str, Any] = {"id": "x", "client": "c0", "epoch": 1}
        item = AgendaItem(self.paper.name, self.paper.id)
        roll: dict[str, Any] = {"voters": (Voter("chair", "admin"),), "present": frozenset({"chair"}), "chair": "chair"}
        for command in (
            SetAgenda(count=0, items=(item,), **told),
            OpenVote(count=1, title="議案第1号", rule="absolute", ballot="named", seats=1, **roll, **told),
            Cast(count=2, vote=1, choice="yes", **told),
            CloseVote(count=3, vote=1, **told),
            ConfirmVote(count=4, vote=1, **told),
        ):
            made = self.meetings.hub.change("meeting", partial(decide, command=command, by=chair, now_s=self.now_s))
            assert isinstance(made, Meeting), made
        self.meetings.records.set_code("meeting", CODE)
        self.access.open_to_guests("meeting", CODE, [self.finance.id], name="財政委員会", until_s=self.now_s + 3600)
        return "meeting"

    def _logins(self) -> dict[str, str]:
        access = self.access
        hashed = Passwords().hash

        def hash_once(_: Passwords, password: str) -> str:
            return HASHES.get(password) or HASHES.setdefault(password, hashed(password))

        with patch.object(Passwords, "hash", hash_once):
            people = {
                name: access.add_person(name, role, groups=groups, password=password)
                for name, role, groups, password in (
                    ("admin", "admin", (), PASSWORD),
                    ("clerk", "clerk", (), None),
                    ("member", "member", ("finance",), None),
                    ("tender", "member", ("secretaries",), None),
                    ("other folder", "member", ("planning",), None),
                    ("disabled", "member", ("finance",), None),
                    ("expired", "member", ("finance",), None),
                )
            }
        self.people = people
        self.now_s -= 31 * 86_400
        expired = access.log_in(people["expired"].id)[0]
        self.now_s += 31 * 86_400
        tokens = {name: access.log_in(person.id)[0] for name, person in people.items() if name != "expired"}
        access.change_person(people["disabled"].id, is_disabled=True)
        self.links, self.tokens = {}, {}
        for name, folder in (("guest", self.finance), ("other guest", self.planning)):
            self.tokens[name], self.links[name] = access.make_link([folder.id], name=name, until_s=self.now_s + 3600)
            tokens[name] = access.use_link(self.tokens[name])[0]
        return {**tokens, "none": "", "signed": "", "forged": "x" * 43, "expired": expired}


@pytest.fixture
def hall(tmp_path: Path) -> Iterator[TownHall]:
    with town_hall(tmp_path) as made:
        yield made


@contextmanager
def town_hall(folder: Path) -> Iterator[TownHall]:
    """One of its own, under a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    engine = FakeEngine()
    with sb.TileService(sb.Settings(cache_dir=folder / "cache", workers=2), pool=engine.pool) as service:
        made = TownHall(folder, service, engine)
        try:
            yield made
        finally:
            made.close()


def address(route: Route, hall: TownHall, **values: str) -> str:
    """An address of a route: of the paper in the folder of the finance committee."""
    document = hall.shelf.document(hall.paper.id)
    given = VALUES | {
        "document": document.id,
        "image": page_id(document, 0),
        "folder": hall.finance.id,
        "paper": hall.paper.id,
        "person": hall.people["member"].id,
        "login": "x",
        "link": hall.links["guest"].id,
        "upload": hall.upload,
        "signed": hall.signed.id,
        "meeting": "" if "{meeting}" not in route.path else hall.meeting,
        **values,
    }
    asked = given | {"person": values.get("person", "")}  # in a query it is whoever asks
    query = "&".join(f"{name}={asked[name]}" for name in route.query)
    return route.path.format(**given) + (f"?{query}" if query else "")


def body_of(route: Route) -> Any:
    if route.method == "POST" and route.operation in (Operation.REGISTER, Operation.REPLACE) and route.body is None:
        return paper_of(11)
    return BODIES[getattr(route.body, "__name__", "ClientMessage")] if route.body is not None else b""
