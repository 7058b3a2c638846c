"""Documents in our own API: lists, outlines, pages, words, links, hits, originals; and hints of readers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import TypeVar

from sidebooks_core.access.policy import UNLIMITED, Limits
from sidebooks_core.documents.model import Matching, MatchOptions
from sidebooks_core.server import descriptions, headers, page_descriptions, responses
from sidebooks_core.server.addresses import page_number, page_span
from sidebooks_core.server.allowance import screen_within
from sidebooks_core.server.http import HttpRequest, HttpResponse
from sidebooks_core.server.json_text import read_json
from sidebooks_core.server.parts import ServerParts
from sidebooks_core.server.schemas import DocumentList, Hint
from sidebooks_core.server.sessions import HintedPage
from sidebooks_core.server.statuses import Refused, not_found
from sidebooks_core.service import Document

SHORT_ITEMS = 100
"""If there are more words, links, hits or documents, their JSON is written and compressed in a thread."""

_Result = TypeVar("_Result")


async def every_document(parts: ServerParts, request: HttpRequest) -> HttpResponse:
    """All that are served, and what lies in the watched folders and is not."""
    may_see = parts.gate.sees_top(request.principal)
    every, problems = (parts.shelf.all(), parts.shelf.problems()) if may_see else ([], [])

    def listed() -> DocumentList:
        summaries = [descriptions.summary(request.base, one) for one in every]
        return DocumentList(summaries, descriptions.not_served(problems))

    return await items(parts, request, len(every) + len(problems), listed, headers.NO_CACHE)


async def one_document(parts: ServerParts, request: HttpRequest) -> HttpResponse:
    """A document with its outline."""
    registered = parts.registered(request)
    told = descriptions.told_limits(request.limits, parts.gate.operations_on_document(request))
    make = partial(descriptions.details, request.base, registered, request.limits, told)
    return await items(parts, request, len(registered.document.outline), make, headers.NO_CACHE)


async def pages(parts: ServerParts, request: HttpRequest) -> HttpResponse:
    """Every page's size, label and levels; of some pages, if the request names them."""
    document, named = parts.document(request), request.query("pages")
    if named:
        first, last = page_span(named, document)
        some = range(first, last + 1)
        make = partial(page_descriptions.page_list, request.base, document, request.limits, some)
        return await items(parts, request, len(some), make)
    return await described(
        parts, request, document, "pages", lambda base: page_descriptions.page_list(base, document, request.limits)
    )


async def runs(parts: ServerParts, request: HttpRequest) -> HttpResponse:
    """The same of all pages, as runs of pages that are alike."""
    document = parts.document(request)
    return await described(
        parts, request, document, "runs", lambda base: page_descriptions.page_runs(base, document, request.limits)
    )


async def original(parts: ServerParts, request: HttpRequest) -> HttpResponse:
    """The file itself, or a range of it."""
    return await parts.pools.run("originals", descriptions.original, request, parts.registered(request))


async def hint(parts: ServerParts, request: HttpRequest) -> HttpResponse:
    """Follow a reader with the prefetch."""
    document = parts.document(request)
    told = read_json(await request.body(), Hint)
    if told.page > document.page_count:
        raise Refused(400, f"page: 1 to {document.page_count}")
    limits = request.limits
    if not limits.has_page(told.page - 1):
        raise not_found()
    view_px = screen_within(limits, told.view_px)
    place = HintedPage(document, told.page - 1, view_px, told.spread, request.client, limits)
    parts.sessions.follow(request.session(told.session), place)
    return HttpResponse(202, headers=[(b"cache-control", headers.NO_STORE)])


async def search(parts: ServerParts, request: HttpRequest) -> HttpResponse:
    """Where a text occurs."""
    document, query, matching = parts.document(request), request.params["query"], Matching(**matching_of(request))
    start = request.query("start")
    if not start:
        hits = await parts.searches.hits(request, document, query, matching)
        return await items(parts, request, len(hits), partial(descriptions.search_hits, query, hits))
    step = await parts.searches.step(request, document, query, matching, page_number(start, document))
    return await items(parts, request, len(step.hits), partial(descriptions.search_hits, query, step.hits, step.next))


async def words(parts: ServerParts, request: HttpRequest) -> HttpResponse:
    """The words of a page."""
    found = await _of_page(parts, request, "text", parts.service.parts.questions.words)
    return await items(parts, request, len(found), partial(descriptions.page_words, found))


async def links(parts: ServerParts, request: HttpRequest) -> HttpResponse:
    """The links of a page."""
    found = await _of_page(parts, request, "links", parts.service.parts.questions.links)
    return await items(parts, request, len(found), partial(descriptions.page_links, found))


async def items(
    parts: ServerParts,
    request: HttpRequest,
    count: int,
    make: Callable[[], object],
    cache_control: bytes = headers.LEARNING,
    media_type: str = responses.JSON,
) -> HttpResponse:
    """JSON of `count` items. If there are many, a thread writes it."""

    def answered() -> HttpResponse:
        return responses.json(request, make(), media_type, cache_control)

    return answered() if count <= SHORT_ITEMS else await parts.pools.run("descriptions", answered)


async def described(
    parts: ServerParts,
    request: HttpRequest,
    document: Document,
    kind: str,
    make: Callable[[str], object],
    media_type: str = responses.JSON,
) -> HttpResponse:
    """A description of any length: written and compressed off the event loop, which serves pages meanwhile.

    kind: names it among those of the document. make: gives it for addresses that begin with its argument; of the reader's
    limits it may depend on those that are in its name here.
    """

    def answered() -> HttpResponse:
        name = f"{described_name(kind, request.limits)} {document.problems.version}"
        body = parts.described.get(document, name, request.base, make)
        return responses.text(request, body, media_type, headers.LEARNING)

    return await parts.pools.run("descriptions", answered)


def described_name(kind: str, limits: Limits) -> str:
    """A description's name among those of its document, as long as no more of its problems are known."""
    return kind if limits == UNLIMITED else f"{kind} {limits.pages} {limits.long_side_px} {limits.may_print}"


def matching_of(request: HttpRequest) -> MatchOptions:
    """What counts as a match of a search."""

    def wants(name: str) -> bool:
        return request.query(name) in ("1", "true")

    return {"old_forms": wants("old_forms"), "whole_words": wants("whole_words"), "match_case": wants("match_case")}


async def _of_page(
    parts: ServerParts, request: HttpRequest, what: str, submit: Callable[[Document, int, str], Future[_Result]]
) -> _Result:
    """The answer of a worker, asked once for all requests that one client has now. It is cancelled when the client leaves.

    Each client asks by itself, since each has its own turn in the queue. The service joins their requests.
    """
    document, page = parts.page(request)
    client = request.client

    async def waiting() -> _Result:
        return await asyncio.wrap_future(submit(document, page, client))

    return await parts.joined.get(request, (what, document, page, client), waiting)
