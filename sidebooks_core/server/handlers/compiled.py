"""The papers of a meeting's agenda as one document, with running page numbers. The pages are there already."""

from __future__ import annotations

from msgspec import Struct

from sidebooks_core.access.operations import Operation
from sidebooks_core.access.policy import Limits
from sidebooks_core.errors import PageError
from sidebooks_core.meeting.compiled import AgendaPaper, Compiled, compiled
from sidebooks_core.meeting.state import AgendaItem
from sidebooks_core.server import headers, responses
from sidebooks_core.server.http import HttpRequest, HttpResponse
from sidebooks_core.server.iiif import presentation
from sidebooks_core.server.iiif.presentation import Stretch
from sidebooks_core.server.parts import ServerParts
from sidebooks_core.server.schemas_meeting import CompiledPages, CompiledPart
from sidebooks_core.server.statuses import not_found
from sidebooks_core.service import Document
from sidebooks_core.shelf import catalogue


class _Read(Struct, frozen=True):
    """What an agenda makes for one reader."""

    whole: Compiled
    documents: dict[tuple[str, int], Document]
    """Those that the reader may read, by paper and revision."""
    limits: dict[str, Limits]
    """Of the reader, by paper."""

    @property
    def seen(self) -> Compiled:
        """As much of it as the reader may read."""
        return self.whole.seen_with(self.limits.keys())


async def pages(parts: ServerParts, request: HttpRequest) -> HttpResponse:
    """The parts and the content ids of their pages. Raises Refused."""
    read = await _read(parts, request)
    seen = read.seen
    told = [
        CompiledPart(
            paper=one.paper,
            revision=one.revision,
            name=one.name,
            first=one.first,
            page_count=one.pages,
            document=read.documents[one.paper, one.revision].id,
            preview=f"{request.base}/documents/{read.documents[one.paper, one.revision].id}/pages/{{page}}/preview",
        )
        for one in seen.parts
    ]
    content_ids = [one.content_id if read.limits[one.paper].has_page(one.page - 1) else "" for one in seen.pages]
    manifest_address = f"{_here(request)}/manifest.json"
    answer = CompiledPages(page_count=len(read.whole.pages), parts=told, content_ids=content_ids, manifest=manifest_address)
    return responses.json(request, answer, responses.JSON, headers.PERSONAL)


async def manifest(parts: ServerParts, request: HttpRequest) -> HttpResponse:
    """The same as a Manifest with a Range for each paper. Raises as `pages`."""
    read = await _read(parts, request)
    kept = await parts.pools.run("meetings", parts.meeting_parts().meetings.records.meeting, request.params["meeting"])
    if kept is None:
        raise not_found()
    stretches = [
        Stretch(one.name, read.documents[one.paper, one.revision], one.first, read.limits[one.paper]) for one in read.seen.parts
    ]

    def made() -> HttpResponse:
        told = presentation.joined_manifest(request.base, _here(request), kept.name, stretches)
        media_type = responses.JSON_LD.format(presentation.PRESENTATION_CONTEXT)
        return responses.json(request, told, media_type, headers.PERSONAL)

    return await parts.pools.run("descriptions", made)


async def _read(parts: ServerParts, request: HttpRequest) -> _Read:
    live = parts.meeting_parts()
    meeting = await live.here.read(request.params["meeting"])
    if meeting is None:
        raise not_found()
    items = [one for one in meeting.details.agenda if one.paper]

    def read() -> _Read:
        return _read_papers(parts, request, items)

    return await parts.pools.run("differences", read)


def _read_papers(parts: ServerParts, request: HttpRequest, items: list[AgendaItem]) -> _Read:
    papers = parts.of_papers()
    agenda: list[AgendaPaper] = []
    documents: dict[tuple[str, int], Document] = {}
    limits: dict[str, Limits] = {}
    for item in items:
        standings = papers.places.papers.find(item.paper)
        if standings is None:
            continue  # it was purged
        revision = item.revision or standings[0].revision
        may = parts.gate.limits_of(request.principal, Operation.READ_IMAGE, standings)
        registered = papers.places.registered.find((item.paper, revision))
        if registered is None:
            continue
        if may is not None:
            limits[item.paper] = may
            documents[item.paper, revision] = registered.document
        ids = _content_ids(parts, item.paper, revision, registered.document)
        agenda.append(AgendaPaper(paper=item.paper, revision=revision, name=item.name, content_ids=ids))
    return _Read(compiled(agenda), documents, limits)


def _content_ids(parts: ServerParts, paper: str, revision: int, document: Document) -> list[str]:
    with parts.of_papers().shelf.database.reading() as reading:
        kept = catalogue.content_ids(reading, paper, revision)
    return [kept.get(page) or _content_id(document, page) for page in range(document.page_count)]


def _content_id(document: Document, page: int) -> str:
    """Of a page of a paper that is not prepared yet. Empty, if the page cannot be read."""
    try:
        return document.content_id(page)
    except PageError:
        return ""


def _here(request: HttpRequest) -> str:
    return f"{request.base}/meetings/{request.params['meeting']}"
