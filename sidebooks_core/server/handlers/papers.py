"""Papers and their revisions: what they are, what changes them, their files, and the positions of readers."""

from __future__ import annotations

import mimetypes
from functools import partial
from pathlib import Path

from msgspec import UNSET
from msgspec.structs import asdict

from sidebooks_core.access.operations import Operation
from sidebooks_core.documents.model import SearchHit
from sidebooks_core.errors import DocumentError, NotOnShelf, PasswordRequired
from sidebooks_core.server import descriptions, headers, responses
from sidebooks_core.server.handlers.documents import items, matching_of
from sidebooks_core.server.handlers.shelf import folder_id, person_of, require_in, shown, viewer_of, who_of
from sidebooks_core.server.http import HttpRequest, HttpResponse
from sidebooks_core.server.iiif import presentation
from sidebooks_core.server.json_text import read_json
from sidebooks_core.server.paper_parts import PaperParts
from sidebooks_core.server.parts import ServerParts
from sidebooks_core.server.schemas_shelf import (
    Difference,
    NewPosition,
    PageFate,
    PaperDetails,
    PaperPatch,
    Password,
    Position,
    RevisionEntry,
    RevisionList,
)
from sidebooks_core.server.searching import SEARCH_LIMIT
from sidebooks_core.server.shelf_descriptions import PaperFacts, paper_facts
from sidebooks_core.server.statuses import Refused, not_found
from sidebooks_core.shelf import Paper, PendingPurges, Revision, standing
from sidebooks_core.shelf.model import PaperChanges

_UNKNOWN_TYPE = "application/octet-stream"
_KNOWN_TYPES = frozenset(presentation.MEDIA_TYPES.values())


async def paper(parts: ServerParts, request: HttpRequest) -> HttpResponse:
    """A paper with its present revision."""
    papers, viewer, paper_id = parts.of_papers(), viewer_of(parts, request), request.params["paper"]
    shelf = papers.shelf

    async def read() -> PaperFacts:
        return await parts.pools.run("shelf", lambda: paper_facts(shelf, shelf.paper(paper_id)))

    # A reading that began before a change is not joined: whoever was told of the change must find it.
    facts = await parts.joined.get(request, ("paper", paper_id, papers.places.generation), read)
    parts.gate.require_still(request, facts.standings)
    return responses.json(request, viewer.details(facts), responses.JSON, headers.PERSONAL)


async def change(parts: ServerParts, request: HttpRequest) -> HttpResponse:
    """Another name, note, level, time, folder or place."""
    papers, viewer, paper_id = parts.of_papers(), viewer_of(parts, request), request.params["paper"]
    body = read_json(await request.body(), PaperPatch)
    changes: PaperChanges = {name: value for name, value in asdict(body).items() if value is not UNSET}  # type: ignore[assignment]
    if body.folder is not UNSET:
        await require_in(parts, request, Operation.REGISTER, body.folder)
        changes["folder"] = folder_id(body.folder)

    def made() -> PaperDetails:
        return viewer.paper(papers.shelf.change(paper_id, who=who_of(request), **changes))

    return await shown(parts, request, made)


async def purge(parts: ServerParts, request: HttpRequest) -> HttpResponse:
    """Remove a paper for good. 202 if it is gone from the shelf, and something of it is still being removed."""
    papers, paper_id = parts.of_papers(), request.params["paper"]

    def made() -> PendingPurges:
        return papers.shelf.purge(paper_id, who=who_of(request))

    left = await parts.pools.run("registering", made)
    return responses.done(headers.CLEAR_CACHE) if left.is_empty else responses.noted(headers.CLEAR_CACHE)


async def withdraw(parts: ServerParts, request: HttpRequest) -> HttpResponse:
    """Take a paper away from its readers."""
    papers, viewer, paper_id = parts.of_papers(), viewer_of(parts, request), request.params["paper"]

    def made() -> PaperDetails:
        return viewer.paper(papers.shelf.withdraw(paper_id, who=who_of(request)))

    return await shown(parts, request, made)


async def restore(parts: ServerParts, request: HttpRequest) -> HttpResponse:
    """Put a paper back that was withdrawn."""
    papers, viewer, paper_id = parts.of_papers(), viewer_of(parts, request), request.params["paper"]

    def made() -> PaperDetails:
        return viewer.paper(papers.shelf.restore(paper_id, who=who_of(request)))

    return await shown(parts, request, made)


async def unlock(parts: ServerParts, request: HttpRequest) -> HttpResponse:
    """Give the password of a paper that is locked."""
    papers, viewer, paper_id = parts.of_papers(), viewer_of(parts, request), request.params["paper"]
    password = read_json(await request.body(), Password).password

    def made() -> PaperDetails:
        if papers.shelf.paper(paper_id).state != "locked":
            raise Refused(409, "the paper is not locked")
        try:
            changed = papers.shelf.unlock(paper_id, password, who=who_of(request))
        except PasswordRequired as error:
            raise Refused(422, error.message) from None
        return viewer.paper(changed)

    return await shown(parts, request, made)


async def revisions(parts: ServerParts, request: HttpRequest) -> HttpResponse:
    """All revisions of a paper."""
    papers, viewer, paper_id = parts.of_papers(), viewer_of(parts, request), request.params["paper"]

    def made() -> RevisionList:
        of = still(parts, request)
        return RevisionList(paper_id, [viewer.revision(of, one) for one in papers.shelf.revisions(paper_id)])

    return await shown(parts, request, made)


async def revision(parts: ServerParts, request: HttpRequest) -> HttpResponse:
    """One revision of a paper."""
    papers, viewer, paper_id = parts.of_papers(), viewer_of(parts, request), request.params["paper"]

    def made() -> RevisionEntry:
        return viewer.revision(still(parts, request), _revision(papers, paper_id, number_of(request.params["revision"])))

    return await shown(parts, request, made)


async def original(parts: ServerParts, request: HttpRequest) -> HttpResponse:
    """The file as it was registered, or a range of it; of the present revision if the path names none."""
    papers, given = parts.of_papers(), request.params.get("revision")

    def made() -> HttpResponse:
        present = still(parts, request).revision
        found = _revision(papers, request.params["paper"], present if given is None else number_of(given))
        kind = mimetypes.guess_type(found.file_name, strict=False)[0]
        suffix = Path(found.file_name).suffix
        own = headers.file(
            kind if kind in _KNOWN_TYPES else _UNKNOWN_TYPE,
            found.original,
            descriptions.disposition(found.file_name or papers.shelf.paper(found.paper).name, suffix, found.original),
            headers.PERSONAL,
        )
        if request.has_etag(found.original):
            return HttpResponse(304, headers=own)
        path = papers.shelf.originals.path(found.original)
        return descriptions.file_answer(request, path, found.original, own, lambda _: None)  # its name is its digest

    return await parts.pools.run("originals", made)


async def difference(parts: ServerParts, request: HttpRequest) -> HttpResponse:
    """What became of each page between two revisions."""
    papers, paper_id = parts.of_papers(), request.params["paper"]
    given = request.params["revisions"].split("-")
    if len(given) != 2:
        raise not_found()
    old, new = (number_of(one) for one in given)

    def made() -> HttpResponse:
        still(parts, request)
        for one in (old, new):
            if _revision(papers, paper_id, one).document_id is None:
                raise Refused(409, f"revision {one} cannot be opened")
        try:
            found = papers.shelf.diff(paper_id, old, new)
        except DocumentError as error:
            raise Refused(409, error.message) from None
        fates = [PageFate(one.kind, _from_one(one.old_page), _from_one(one.new_page)) for one in found]
        return responses.json(request, Difference(paper_id, old, new, fates), responses.JSON, headers.PERSONAL)

    return await parts.pools.run("differences", made)


async def position(parts: ServerParts, request: HttpRequest) -> HttpResponse:
    """The page at which whoever asks left off."""
    papers, person = parts.of_papers(), person_of(request)

    def made() -> HttpResponse:
        of = still(parts, request)
        page = papers.shelf.position(of.id, person)
        found = Position(of.id, of.revision, _from_one(page), person)
        return responses.json(request, found, responses.JSON, headers.PERSONAL)

    return await parts.pools.run("differences", made)


async def keep_position(parts: ServerParts, request: HttpRequest) -> HttpResponse:
    """Keep the page at which whoever asks is now."""
    papers, person = parts.of_papers(), person_of(request)
    body = read_json(await request.body(), NewPosition)

    def made() -> HttpResponse:
        of = still(parts, request)
        number = of.revision if body.revision is UNSET else body.revision
        found = _revision(papers, of.id, number)
        if of.document_id is None or found.document_id is None:
            raise Refused(409, "the paper cannot be opened")
        if body.page > found.page_count:
            raise Refused(400, f"page: 1 to {found.page_count}")
        age_s = 0.0 if body.age_s is UNSET else body.age_s
        page = papers.shelf.keep_position(of.id, body.page - 1, person, revision=number, age_s=age_s)
        return responses.json(request, Position(of.id, of.revision, page + 1, person), responses.JSON, headers.PERSONAL)

    return await parts.pools.run("differences", made)


async def search(parts: ServerParts, request: HttpRequest) -> HttpResponse:
    """Where a text occurs in the present revision of a paper."""
    papers, paper_id, query = parts.of_papers(), request.params["paper"], request.query("q")
    of = await parts.pools.run("shelf", still, parts, request)
    if of.document_id is None:
        raise Refused(409, of.reason)
    hits: list[SearchHit] = []
    if query:
        look = partial(
            papers.shelf.search_in,
            paper_id,
            query,
            **matching_of(request),
            limit=SEARCH_LIMIT,
            pages=request.limits.pages,
        )
        try:
            with papers.searches.taken(*request.share):
                hits = await parts.pools.run("shelf searches", look)
        except DocumentError as error:
            raise Refused(409, error.message) from None
    return await items(parts, request, len(hits), partial(descriptions.search_hits, query, hits), headers.PERSONAL)


def still(parts: ServerParts, request: HttpRequest) -> Paper:
    """The paper that the path names, as it is now, if whoever asks may do that where it stands now.

    The limits of the request become those of that place, and the audit names the revision that is read here.
    Raises Refused, NotOnShelf.
    """
    shelf = parts.of_papers().shelf
    found = standing.of_paper(shelf.database, request.params["paper"])
    if found is None or found.paper is None:
        raise NotOnShelf(f"there is no paper {request.params['paper']!r}")
    admission = parts.gate.require_still(request, (found,))
    request.standing, request.limits = found, admission.decision.limits
    return found.paper


def _revision(papers: PaperParts, paper_id: str, number: int | None) -> Revision:
    """A revision of a paper that is there; the present one for None. Raises Refused if there is none of that number."""
    try:
        return papers.shelf.revision(paper_id, number)
    except NotOnShelf:
        raise not_found() from None


def number_of(text: str) -> int:
    """The number of a revision. Raises Refused."""
    if not (text.isascii() and text.isdecimal() and 1 <= len(text) <= 7 and int(text) >= 1):
        raise not_found()
    return int(text)


def _from_one(page: int | None) -> int | None:
    return None if page is None else page + 1
