"""The ONE table of routes. Routing, methods, access, the description of the API and the tests follow from it.

To add a route: write a handler, and a row here. What the row declares is tested (`tests/test_routes.py`).
"""

from __future__ import annotations

from sidebooks_core.access.operations import Operation
from sidebooks_core.server import access_routes, schemas
from sidebooks_core.server.handlers import documents, iiif, images, live, status
from sidebooks_core.server.image_answers import BUNDLE_TYPE
from sidebooks_core.server.mark_routes import MARK_ROUTES
from sidebooks_core.server.meeting_routes import MEETING_ROUTES
from sidebooks_core.server.route import MATCHING, Route
from sidebooks_core.server.shelf_routes import SHELF_ROUTES

JSON = "application/json"
JSON_LD = "application/ld+json"
IMAGE = "image/*"
TEXT = "text/plain"
RENDERS = (400, 404, 500, 503, 504)
"""Errors of what has to be drawn."""
WORKS = (404, 500, 503)
"""Errors of what a worker is asked for."""
HAD = (200, 304)
"""Successes of what has an ETag."""

DOCUMENTS = (
    Route(
        path="/",
        also_at=("/viewer", "/viewer/"),
        handler=status.viewer,
        operation=Operation.READ_VIEWER,
        summary="The reference viewer",
        media_type="text/html",
        successes=HAD,
        errors=(),
    ),
    Route(
        path="/viewer/{file}",
        handler=status.viewer,
        operation=Operation.READ_VIEWER,
        summary="A file of the viewer",
        media_type="text/javascript",
        successes=HAD,
    ),
    Route(
        path="/healthz",
        handler=status.health,
        operation=Operation.READ_STATUS,
        summary="Whether the server lives",
        media_type=TEXT,
        errors=(503,),
    ),
    Route(
        path="/readyz",
        handler=status.health,
        operation=Operation.READ_STATUS,
        summary="Whether the server can answer",
        media_type=TEXT,
        errors=(503,),
    ),
    Route(
        path="/metrics",
        handler=status.metrics,
        operation=Operation.READ_METRICS,
        summary="Metrics for Prometheus",
        media_type=TEXT,
        errors=(),
    ),
    Route(
        path="/openapi.json",
        handler=status.api_description,
        operation=Operation.READ_API,
        summary="This description",
        media_type=JSON,
        successes=HAD,
        errors=(),
    ),
    Route(
        path="/events",
        handler=live.events,
        operation=Operation.FOLLOW_EVENTS,
        summary="A stream of events: documents, changes of the shelf, a meeting; what a `session` that sends hints is shown",
        media_type="text/event-stream",
        query=("session", "since", "view", "meeting", "client", "projector"),
        errors=(400, 404, 503),
    ),
    Route(
        path="/documents",
        also_at=("/documents/",),
        handler=documents.every_document,
        operation=Operation.LIST_DOCUMENTS,
        summary="All documents that are served",
        media_type=JSON,
        answer=schemas.DocumentList,
        successes=HAD,
        errors=(),
    ),
    Route(
        path="/documents/{document}",
        also_at=("/documents/{document}/",),
        handler=documents.one_document,
        operation=Operation.READ_DOCUMENT,
        summary="A document with its outline",
        media_type=JSON,
        answer=schemas.DocumentDetails,
        successes=HAD,
    ),
    Route(
        path="/documents/{document}/pages.json",
        handler=documents.pages,
        opens=True,
        operation=Operation.READ_DOCUMENT,
        summary="Size, label, levels and image service of every page, or of `pages`, such as 11-20",
        media_type=JSON,
        answer=schemas.PageList,
        query=("pages",),
        successes=HAD,
    ),
    Route(
        path="/documents/{document}/runs.json",
        handler=documents.runs,
        opens=True,
        operation=Operation.READ_DOCUMENT,
        summary="The same of all pages, as runs of pages that are alike",
        media_type=JSON,
        answer=schemas.PageRuns,
        successes=HAD,
    ),
    Route(
        path="/documents/{document}/original",
        handler=documents.original,
        opens=True,
        operation=Operation.READ_ORIGINAL,
        summary="The file itself; takes ranges",
        media_type="application/octet-stream",
        successes=(200, 206, 304),
        errors=(404, 410, 416),
    ),
    Route(
        path="/documents/{document}/hints",
        method="POST",
        handler=documents.hint,
        operation=Operation.SEND_HINT,
        summary="Tell where a reader is",
        media_type=JSON,
        body=schemas.Hint,
        successes=(202,),
        errors=(400, 404, 408, 413, 415, 503),
    ),
    Route(
        path="/documents/{document}/search/{query}",
        handler=documents.search,
        opens=True,
        operation=Operation.SEARCH,
        summary="Where a text occurs",
        media_type=JSON,
        answer=schemas.SearchHits,
        query=(*MATCHING, "start"),
        successes=HAD,
        errors=WORKS,
    ),
    Route(
        path="/documents/{document}/pages/{page}/preview",
        handler=images.preview,
        operation=Operation.READ_IMAGE,
        summary="A page's preview",
        media_type=IMAGE,
        successes=HAD,
        errors=RENDERS[1:],
    ),
    Route(
        path="/documents/{document}/pages/{page}/text",
        handler=documents.words,
        opens=True,
        operation=Operation.READ_TEXT,
        summary="Words with boxes in points",
        media_type=JSON,
        answer=schemas.PageWords,
        successes=HAD,
        errors=WORKS,
    ),
    Route(
        path="/documents/{document}/pages/{page}/links",
        handler=documents.links,
        opens=True,
        operation=Operation.READ_TEXT,
        summary="Links with boxes in points",
        media_type=JSON,
        answer=schemas.PageLinks,
        successes=HAD,
        errors=WORKS,
    ),
    Route(
        path="/documents/{document}/pages/{page}/{size}",
        handler=images.page,
        opens=True,
        operation=Operation.READ_IMAGE,
        summary="A page fitted into WIDTHxHEIGHT pixels",
        media_type=IMAGE,
        successes=HAD,
        errors=RENDERS,
    ),
    Route(
        path="/documents/{document}/pages/{page}/bundle/{level}",
        handler=images.bundle,
        opens=True,
        operation=Operation.READ_IMAGE,
        summary="All tiles of a level in one answer",
        media_type=BUNDLE_TYPE,
        successes=HAD,
        errors=RENDERS[1:],
    ),
    Route(
        path="/documents/{document}/pages/{page}/tiles/{level}/{column}_{row}",
        handler=images.tile,
        opens=True,
        operation=Operation.READ_IMAGE,
        summary="A tile of a level, in the format that suits it",
        media_type=IMAGE,
        successes=HAD,
        errors=RENDERS[1:],
    ),
    Route(
        path="/documents/{document}/previews/{span}",
        handler=images.previews,
        operation=Operation.READ_IMAGE,
        summary="The previews of some pages in one answer",
        media_type=BUNDLE_TYPE,
        successes=HAD,
        errors=(400, 404, 503),
    ),
    Route(
        path="/iiif/3/{image}",
        also_at=("/iiif/3/{image}/",),
        handler=iiif.image_service,
        operation=Operation.READ_DOCUMENT,
        summary="To the info.json of an image service",
        media_type=JSON,
        successes=(303,),
    ),
    Route(
        path="/iiif/3/{image}/info.json",
        handler=iiif.image_info,
        operation=Operation.READ_DOCUMENT,
        summary="IIIF Image API 3.0: what an image service can do",
        media_type=JSON_LD,
        successes=HAD,
    ),
    Route(
        path="/iiif/3/{image}/{region}/{iiifSize}/{rotation}/{quality}.{format}",
        also_at=("/iiif/3/{image}/{region}/{iiifSize}/{rotation}/{quality}",),
        handler=images.iiif_image,
        opens=True,
        operation=Operation.READ_IMAGE,
        summary="IIIF Image API 3.0: an image, or a part of it",
        media_type=IMAGE,
        successes=HAD,
        errors=(*RENDERS, 501),
    ),
    Route(
        path="/presentation/3/{document}/manifest.json",
        handler=iiif.manifest,
        opens=True,
        operation=Operation.READ_DOCUMENT,
        summary="IIIF Presentation 3.0: a document",
        media_type=JSON_LD,
        successes=HAD,
    ),
    Route(
        path="/search/2/{document}",
        handler=iiif.content_search,
        opens=True,
        operation=Operation.SEARCH,
        summary="IIIF Content Search 2.0; the query is `q`",
        media_type=JSON_LD,
        query=("q", *MATCHING),
        successes=HAD,
        errors=WORKS,
    ),
    Route(
        path="/dzi/{image}.dzi",
        handler=iiif.deep_zoom,
        operation=Operation.READ_DOCUMENT,
        summary="Deep Zoom: a page",
        media_type="application/xml",
        successes=HAD,
    ),
    Route(
        path="/dzi/{image}_files/{dziLevel}/{column}_{row}.{format}",
        handler=images.deep_zoom_tile,
        opens=True,
        operation=Operation.READ_IMAGE,
        summary="Deep Zoom: a tile",
        media_type=IMAGE,
        successes=HAD,
        errors=RENDERS[1:],
    ),
)
"""Documents, the viewer, and the state of the server."""

ROUTES = (*DOCUMENTS, *SHELF_ROUTES, *MARK_ROUTES, *MEETING_ROUTES, *access_routes.ROUTES)
"""In the order in which they are tried: the more particular of two that match a path comes first."""
