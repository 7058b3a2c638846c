"""Documents and pages as the viewers of others read of them: IIIF image services, manifests and searches; Deep Zoom."""

from __future__ import annotations

from functools import partial

from sidebooks_core.access.operations import Operation
from sidebooks_core.documents.model import Matching
from sidebooks_core.server import headers, responses
from sidebooks_core.server.handlers.documents import described, described_name, items, matching_of
from sidebooks_core.server.http import HttpRequest, HttpResponse
from sidebooks_core.server.iiif import image_api, presentation
from sidebooks_core.server.parts import ServerParts
from sidebooks_core.server.shelf import page_id
from sidebooks_core.server.streaming import streamed

LONG_PAGES = 20_000
"""The manifest of a document of more pages is made while it is sent, each time. It would take up too much memory, and IIIF has
no manifest in parts."""


async def image_service(parts: ServerParts, request: HttpRequest) -> HttpResponse:
    """To the description of an image service."""
    return HttpResponse(303, headers=headers.redirect(f"{_service_id(parts, request)}/info.json"))


async def image_info(parts: ServerParts, request: HttpRequest) -> HttpResponse:
    """The description of an image service (info.json)."""
    document, page = parts.image(request)
    accepted = request.header(b"accept")
    wants_plain = "application/json" in accepted and "ld+json" not in accepted
    media_type = responses.JSON if wants_plain else responses.JSON_LD.format(image_api.CONTEXT)
    more = [(b"link", f'<{image_api.LEVEL}>;rel="profile"'.encode()), (b"vary", b"Accept")]
    info = image_api.info(_service_id(parts, request), parts.pyramid(request, document, page))
    return responses.json(request, info, media_type, headers.LEARNING, more)


async def manifest(parts: ServerParts, request: HttpRequest) -> HttpResponse:
    """A document as a IIIF manifest."""
    registered, limits = parts.registered(request), request.limits
    document = registered.document
    has_original = registered.path is not None and parts.gate.may_with_document(request, Operation.READ_ORIGINAL)
    media_type = responses.JSON_LD.format(presentation.PRESENTATION_CONTEXT)

    is_of_paper = request.standing is not None and bool(request.principal.id)
    has_marks = is_of_paper and parts.gate.may_with_document(request, Operation.KEEP_MARKS)

    kind = f"manifest {has_original} {has_marks}"
    if document.page_count > LONG_PAGES:
        pieces = presentation.manifest_pieces(request.base, document, has_original, limits, has_marks=has_marks)
        return streamed(parts, request, described_name(kind, limits), pieces, media_type)

    def made(base: str) -> object:
        return presentation.manifest(base, document, has_original, limits, has_marks=has_marks)

    return await described(parts, request, document, kind, made, media_type)


async def content_search(parts: ServerParts, request: HttpRequest) -> HttpResponse:
    """Where a text occurs, for IIIF viewers. Nothing is found of an empty text."""
    document, query = parts.document(request), request.query("q")
    hits = []
    if query:
        hits = await parts.searches.hits(request, document, query, Matching(**matching_of(request)))
    address = f"{request.base}/search/2/{document.id}"
    make = partial(presentation.search_answer, request.base, document, address, hits)
    media_type = responses.JSON_LD.format(presentation.SEARCH_CONTEXT)
    return await items(parts, request, len(hits), make, headers.NO_CACHE, media_type)


async def deep_zoom(parts: ServerParts, request: HttpRequest) -> HttpResponse:
    """The description of a page for Deep Zoom."""
    document, page = parts.image(request)
    body = presentation.dzi(parts.pyramid(request, document, page), "png" if document.kind in ("png", "svg") else "jpg")
    return responses.text(request, body.encode(), "application/xml", headers.IMMUTABLE)


def _service_id(parts: ServerParts, request: HttpRequest) -> str:
    return f"{request.base}/iiif/3/{page_id(*parts.image(request))}"
