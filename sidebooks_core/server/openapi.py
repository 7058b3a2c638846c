"""The OpenAPI 3.1 description of the HTTP API, from one table. A test asks the application every line of it."""

from __future__ import annotations

import re
from typing import Any

from msgspec import Struct

from sidebooks_core.encoding.formats import BY_ENDING

JSON = "application/json"
IMAGE = "image/*"
TEXT = "text/plain"
EVENTS = "text/event-stream"


class Operation(Struct, frozen=True):
    """One address, and what it answers."""

    path: str
    summary: str
    media_type: str
    method: str = "get"
    success: int = 200
    errors: tuple[int, ...] = (404,)
    options: tuple[str, ...] = ()
    """Parameters of the query, none of them required."""


_OLD_FORMS = ("old_forms",)
_RENDERS = (400, 404, 500, 503, 504)
OPERATIONS = (
    Operation("/", "The reference viewer", "text/html"),
    Operation("/viewer/{file}", "A file of the viewer", "text/javascript"),
    Operation("/healthz", "Whether the server lives", TEXT, errors=()),
    Operation("/readyz", "Whether the server can answer", TEXT, errors=()),
    Operation("/metrics", "Metrics for Prometheus", TEXT, errors=()),
    Operation("/openapi.json", "This description", JSON, errors=()),
    Operation("/events", "A stream of events: documents that come and go; what a `session` that sends hints is shown", EVENTS),
    Operation("/documents", "All documents that are served", JSON, errors=()),
    Operation("/documents/{document}", "A document with its outline", JSON),
    Operation("/documents/{document}/pages.json", "Size, label, levels and image service of every page", JSON),
    Operation(
        "/documents/{document}/original", "The file itself; takes ranges", "application/octet-stream", errors=(404, 410, 416)
    ),
    Operation("/documents/{document}/hints", "Tell where a reader is", JSON, "post", 202, (400, 403, 404, 408, 413, 415)),
    Operation("/documents/{document}/search/{query}", "Where a text occurs", JSON, errors=(404, 500, 503), options=_OLD_FORMS),
    Operation("/documents/{document}/pages/{page}/{size}", "A page fitted into WIDTHxHEIGHT pixels", IMAGE, errors=_RENDERS),
    Operation("/documents/{document}/pages/{page}/preview", "A page's preview", IMAGE, errors=_RENDERS),
    Operation(
        "/documents/{document}/pages/{page}/bundle/{level}",
        "All tiles of a level in one answer",
        "application/vnd.sidebooks.bundle",
        errors=_RENDERS,
    ),
    Operation(
        "/documents/{document}/pages/{page}/tiles/{level}/{column}_{row}",
        "A tile of a level, in the format that suits it",
        IMAGE,
        errors=_RENDERS,
    ),
    Operation(
        "/documents/{document}/previews/{span}",
        "The previews of some pages in one answer",
        "application/vnd.sidebooks.bundle",
        errors=(400, 404, 503),
    ),
    Operation("/documents/{document}/pages/{page}/text", "Words with boxes in points", JSON, errors=(404, 500, 503)),
    Operation("/documents/{document}/pages/{page}/links", "Links with boxes in points", JSON, errors=(404, 500, 503)),
    Operation("/iiif/3/{image}", "To the info.json of an image service", JSON, success=303),
    Operation("/iiif/3/{image}/info.json", "IIIF Image API 3.0: what an image service can do", "application/ld+json"),
    Operation(
        "/iiif/3/{image}/{region}/{iiifSize}/{rotation}/{quality}.{format}",
        "IIIF Image API 3.0: an image, or a part of it",
        IMAGE,
        errors=(*_RENDERS[:3], 501, *_RENDERS[3:]),
    ),
    Operation("/presentation/3/{document}/manifest.json", "IIIF Presentation 3.0: a document", "application/ld+json"),
    Operation(
        "/search/2/{document}", "IIIF Content Search 2.0; the query is `q`", "application/ld+json", options=("q", *_OLD_FORMS)
    ),
    Operation("/dzi/{image}.dzi", "Deep Zoom: a page", "application/xml"),
    Operation("/dzi/{image}_files/{dziLevel}/{column}_{row}.{format}", "Deep Zoom: a tile", IMAGE, errors=_RENDERS),
)
_ENDINGS = "|".join(BY_ENDING)
PARAMETERS = {
    "document": ("A document's id", "[A-Za-z0-9_-]{16,64}"),
    "image": ("An image service: a document's id, `_p`, and a page number from 1", "[A-Za-z0-9_-]{16,64}_p[1-9][0-9]*"),
    "page": ("A page number, from 1", "[1-9][0-9]{0,6}"),
    "level": ("A level of the page's pyramid, from 0, the coarsest", "[0-9]{1,2}"),
    "span": ("First and last page, from 1, at most 64 pages", "[1-9][0-9]{0,6}-[1-9][0-9]{0,6}"),
    "size": ("Such as 1620x2160; `.png`, `.jpg`, `.webp` or `.avif` may follow", f"[0-9]+x[0-9]+(\\.({_ENDINGS}))?"),
    "query": ("What to look for", ".+"),
    "q": ("What to look for", ".*"),
    "old_forms": ("1: old and new forms of characters (國 and 国, 髙 and 高) are one", "0|1|false|true"),
    "file": ("main.js, client.js or another of its modules", "[a-z.]+"),
    "region": ("full, square, x,y,w,h or pct:x,y,w,h", ".+"),
    "iiifSize": ("max; w, ; ,h ; w,h ; !w,h or pct:n", ".+"),
    "rotation": ("0, 90, 180 or 270; mirrored with ! before it", "!?(0|90|180|270|360)"),
    "quality": ("default, color, gray or bitonal", "default|color|gray|bitonal"),
    "format": ("jpg, png, webp or avif", _ENDINGS),
    "dziLevel": ("0 is one pixel", "[0-9]{1,2}"),
    "column": ("From 0", "[0-9]{1,7}"),
    "row": ("From 0", "[0-9]{1,7}"),
}
_MEANINGS = {
    202: "Taken note of",
    303: "See the address in Location",
    400: "The request cannot be read, or is out of range",
    403: "Pages of another origin may not do that",
    404: "There is nothing at this address",
    408: "The body took too long",
    410: "The original is gone or has changed",
    413: "The body is too long",
    415: "Bodies are not decompressed",
    416: "The range is outside the file",
    500: "The page cannot be drawn",
    501: "Images are not scaled up",
    503: "Too much waits: see Retry-After",
    504: "The page took too long",
}


def description(base: str, version: str) -> dict[str, Any]:
    """The description as a value for JSON. base: where the API is."""
    paths: dict[str, Any] = {}
    for one in OPERATIONS:
        paths.setdefault(one.path, {})[one.method] = _operation(one)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "sidebooks",
            "version": version,
            "license": {"name": "AGPL-3.0-or-later", "identifier": "AGPL-3.0-or-later"},
        },
        "servers": [{"url": base}],
        "paths": paths,
        "components": {
            "schemas": {
                "Problem": {
                    "type": "object",
                    "required": ["type", "status", "detail"],
                    "properties": {"type": {"type": "string"}, "status": {"type": "integer"}, "detail": {"type": "string"}},
                },
                "Hint": {
                    "type": "object",
                    "required": ["session", "page", "view_px"],
                    "properties": {
                        "session": {"type": "string", "minLength": 1, "maxLength": 64},
                        "page": {"type": "integer", "minimum": 1},
                        "view_px": {
                            "type": "array",
                            "items": {"type": "integer", "minimum": 1, "maximum": 8192},
                            "minItems": 2,
                            "maxItems": 2,
                        },
                        "spread": {"type": "boolean"},
                    },
                },
            }
        },
    }


def _operation(one: Operation) -> dict[str, Any]:
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    success: dict[str, Any] = {"description": _MEANINGS.get(one.success, one.summary)}
    if one.success == 200:
        success["content"] = {one.media_type: {}}
    made: dict[str, Any] = {
        "summary": one.summary,
        "operationId": re.sub(r"[^A-Za-z0-9]+", "_", f"{one.method}{one.path}").strip("_"),
        "responses": {str(one.success): success}
        | {str(status): {"description": _MEANINGS[status], "content": problem} for status in one.errors},
    }
    names = [*re.findall(r"{([A-Za-z]+)}", one.path), *one.options]
    if names:
        made["parameters"] = [
            {
                "name": name,
                "in": "query" if name in one.options else "path",
                "required": name not in one.options,
                "description": PARAMETERS[name][0],
                "schema": {"type": "string", "pattern": f"^{PARAMETERS[name][1]}$"},
            }
            for name in names
        ]
    if one.method == "post":
        made["requestBody"] = {"required": True, "content": {JSON: {"schema": {"$ref": "#/components/schemas/Hint"}}}}
    return made
