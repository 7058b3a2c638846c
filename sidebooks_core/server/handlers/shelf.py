"""Folders of the shelf, the search over all papers, and the feed of changes."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from functools import partial

from msgspec import UNSET
from msgspec.structs import asdict

from sidebooks_core.access.operations import Operation
from sidebooks_core.access.policy import TOP
from sidebooks_core.server import headers, responses
from sidebooks_core.server.gate import AT_THE_TOP
from sidebooks_core.server.handlers.documents import matching_of
from sidebooks_core.server.http import HttpRequest, HttpResponse
from sidebooks_core.server.json_text import read_json
from sidebooks_core.server.parts import ServerParts
from sidebooks_core.server.places import Standings, resource_of
from sidebooks_core.server.schemas import Hit
from sidebooks_core.server.schemas_shelf import FolderDetails, FolderPatch, FoundPapers, LeftOff, NewFolder, Reading, ShelfHit
from sidebooks_core.server.shelf_descriptions import Viewer
from sidebooks_core.server.shelf_feed import AT_ONCE
from sidebooks_core.server.statuses import Refused, not_found
from sidebooks_core.shelf import Actor, Where
from sidebooks_core.shelf.model import FolderChanges
from sidebooks_core.shelf.search.searching import NEWEST, Found, PageHit

MOST_HITS = 200
"""Pages in one answer of a search, at most."""
HITS = 50
"""Unless told."""
ANSWER_S = 0.08
"""The time that a search has for an answer with hits."""
NOTHING_YET_S = 0.4
"""The time after which it answers without any."""
MOST_LEFT_OFF = 1000
"""Papers in one answer about where a reader left off."""
WHOLE_DIGITS = 18
"""Of a number in a query: SQLite takes it."""


async def folder(parts: ServerParts, request: HttpRequest) -> HttpResponse:
    """A folder with what it holds; the top of the shelf if the path names none."""
    few = whole(request, "few")
    made = partial(viewer_of(parts, request).folder, folder_id(request.params.get("folder", AT_THE_TOP)), few)
    return await shown(parts, request, made)


async def make_folder(parts: ServerParts, request: HttpRequest) -> HttpResponse:
    """A new folder in another one."""
    papers, viewer = parts.of_papers(), viewer_of(parts, request)
    body = read_json(await request.body(), NewFolder)
    parent, who = folder_id(request.params["folder"]), who_of(request)

    def made() -> FolderDetails:
        new = papers.shelf.make_folder(body.name, parent, kind=body.kind, note=body.note, who=who)
        return viewer.folder(new.id)

    found = await parts.pools.run("shelf", made)
    return responses.made(found, found.address)


async def change_folder(parts: ServerParts, request: HttpRequest) -> HttpResponse:
    """Another name, kind, note or place."""
    papers, viewer = parts.of_papers(), viewer_of(parts, request)
    body = read_json(await request.body(), FolderPatch)
    changed = required_folder_id(request)
    changes: FolderChanges = {name: value for name, value in asdict(body).items() if value is not UNSET}  # type: ignore[assignment]
    if body.parent is not UNSET:
        await require_in(parts, request, Operation.CHANGE_FOLDER, body.parent)
        changes["parent"] = folder_id(body.parent)

    def made() -> FolderDetails:
        papers.shelf.change_folder(changed, who=who_of(request), **changes)
        return viewer.folder(changed)

    return await shown(parts, request, made)


async def remove_folder(parts: ServerParts, request: HttpRequest) -> HttpResponse:
    """An empty folder goes."""
    papers, removed = parts.of_papers(), required_folder_id(request)

    def made() -> None:
        papers.shelf.remove_folder(removed, who=who_of(request))

    await parts.pools.run("shelf", made)
    return responses.done()


async def search(parts: ServerParts, request: HttpRequest) -> HttpResponse:
    """One step of a search over all papers that may be seen."""
    papers, query = parts.of_papers(), request.query("q")
    where_from, where_until = number(request, "from"), number(request, "until")
    before, limit = whole(request, "before") or NEWEST, whole(request, "limit") or HITS
    below, matching = request.query("folder"), matching_of(request)
    gate, who = parts.gate, request.principal

    def found() -> FoundPapers:
        where = Where(
            is_visible=gate.viewer_of_papers(who),
            pages_of=gate.pages_of_papers(who, Operation.READ_TEXT),
            folders=frozenset({below}) if below not in ("", AT_THE_TOP) else None,
            from_s=where_from,
            until_s=where_until,
        )
        look = partial(papers.shelf.search, query, where, limit=min(limit, MOST_HITS), budget_s=ANSWER_S, **matching)
        step = _searched(look, before)
        return FoundPapers(query, [_hit(request, one) for one in step.pages], step.next, step.unindexed)

    with papers.searches.taken(*request.share):
        made = await parts.pools.run("shelf searches", found)
    return await shown(parts, request, lambda: made)


async def reading(parts: ServerParts, request: HttpRequest) -> HttpResponse:
    """Where whoever asks left off, in one answer for a whole list. Raises Refused for nobody known."""
    papers, person = parts.of_papers(), person_of(request)
    limit = min(whole(request, "limit") or MOST_LEFT_OFF, MOST_LEFT_OFF)

    def found() -> Reading:
        latest = papers.shelf.positions.latest(person, limit)
        return Reading([LeftOff(paper, one.revision, one.page + 1, one.at_s) for paper, one in latest.items()])

    return await shown(parts, request, found)


async def changes(parts: ServerParts, request: HttpRequest) -> HttpResponse:
    """What changed since a position."""
    papers = parts.of_papers()
    if request.principal.documents is not None:
        raise not_found()
    limit = min(whole(request, "limit") or AT_ONCE, AT_ONCE)
    since = request.query("since")
    found = await parts.pools.run("feed", papers.feed.since, request.principal, since, limit)
    return responses.json(request, found, responses.JSON, headers.PERSONAL)


def viewer_of(parts: ServerParts, request: HttpRequest) -> Viewer:
    """Describes the shelf for whoever asks. Raises Refused if there is none."""
    return Viewer(parts.of_papers().shelf, parts.gate, request.principal, request.base)


def who_of(request: HttpRequest) -> Actor:
    """Who does something, as the shelf notes it."""
    principal = request.principal
    return Actor(principal.told_name or principal.id, principal.id, request.address)


def person_of(request: HttpRequest) -> str:
    """Whose positions are asked for. Raises Refused for nobody known: strangers would share them."""
    if not request.principal.id:
        raise Refused(401, "log in first", (b"www-authenticate", b'Cookie realm="sidebooks"'))
    return request.principal.id


def folder_id(name: str) -> str | None:
    """A folder as paths and bodies name it. None: the top."""
    return None if name == AT_THE_TOP else name


def required_folder_id(request: HttpRequest) -> str:
    """The folder that a path names. Raises Refused for the top: nobody changes or removes that."""
    name = request.params["folder"]
    if name == AT_THE_TOP:
        raise not_found()
    return name


async def require_in(parts: ServerParts, request: HttpRequest, operation: Operation, folder: str) -> None:
    """Ask about a folder that the path does not name. Raises Refused."""
    if folder == AT_THE_TOP:
        parts.gate.require(request, operation, TOP)
        return
    standings: Standings | None = await parts.pools.run("access", parts.of_papers().places.folders.find, folder)
    if not standings:
        raise not_found()
    parts.gate.require(request, operation, resource_of(standings[0], 0.0))


async def shown(parts: ServerParts, request: HttpRequest, make: Callable[[], object]) -> HttpResponse:
    """What `make` gives as JSON, written in a thread, with an ETag. It is for whoever asks, and no other."""

    def answered() -> HttpResponse:
        return responses.json(request, make(), responses.JSON, headers.PERSONAL)

    return await parts.pools.run("shelf", answered)


def number(request: HttpRequest, name: str) -> float | None:
    """A finite number in the query; None if it is not there. Raises Refused."""
    given = request.query(name)
    if not given:
        return None
    try:
        found = float(given)
    except ValueError:
        found = math.nan
    if not math.isfinite(found):
        raise Refused(400, f"{name} is no number")
    return found


def whole(request: HttpRequest, name: str) -> int | None:
    """A whole number in the query, 0 or more; None if it is not there. Raises Refused."""
    given = request.query(name)
    if not given:
        return None
    if not (given.isascii() and given.isdecimal() and len(given) <= WHOLE_DIGITS):
        raise Refused(400, f"{name} must be a whole number, 0 or more")
    return int(given)


def _searched(look: Callable[..., Found], before: int) -> Found:
    """As far as a search gets within the time of an answer. If nothing was found yet, it goes on: an answer takes a client
    longer than a step.
    """
    began_s = time.monotonic()
    step = look(before=before)
    while step.next is not None and not step.pages and time.monotonic() - began_s < NOTHING_YET_S:
        step = look(before=step.next)
    return step


def _hit(request: HttpRequest, one: PageHit) -> ShelfHit:
    paper = one.paper
    document = paper.document_id
    preview = f"{request.base}/documents/{document}/pages/{one.page + 1}/preview" if document else None
    hits = [Hit(one.page + 1, hit.boxes, hit.text) for hit in one.hits]
    return ShelfHit(paper.id, paper.name, paper.folder or AT_THE_TOP, paper.revision, one.page + 1, document, preview, hits)
