"""Makes the responses of each kind: images, JSON and other text, errors."""

from __future__ import annotations

import hashlib
import time

from sidebooks_core.server import compression, headers
from sidebooks_core.server.http import Headers, HttpRequest, HttpResponse
from sidebooks_core.server.json_text import json_bytes
from sidebooks_core.server.schemas import Problem
from sidebooks_core.server.statuses import Refused

COMPRESSED_FROM_BYTES = 256
COMPRESSED_ALREADY = frozenset({"image/png"})
JSON = "application/json"
JSON_LD = 'application/ld+json;profile="{}"'


def image(request: HttpRequest, data: bytes, own: Headers) -> HttpResponse:
    """An image. own: its headers, from `headers.image` or `headers.coarse_image`."""
    return HttpResponse(200, data, [*own, headers.server_timing(request.source, time.perf_counter() - request.since_s)])


def unchanged(tag: str, problems: tuple[str, ...] = (), links: Headers | None = None) -> HttpResponse:
    """The client has the image that this tag names."""
    return HttpResponse(304, headers=headers.unchanged(tag, problems, links or []))


def json(
    request: HttpRequest, value: object, media_type: str, cache_control: bytes, more: Headers | None = None
) -> HttpResponse:
    """A value as JSON. more: further headers."""
    return text(request, json_bytes(value), media_type, cache_control, more)


def private_json(request: HttpRequest, value: object, media_type: str = JSON, tag: str = "") -> HttpResponse:
    """A value as JSON that no cache keeps, and no memory of ours either: nobody else asks for it.

    tag: the ETag, if the value has the time in it. Empty: the digest of the text.
    """
    body = json_bytes(value)
    tag = tag or hashlib.blake2b(body, digest_size=16).hexdigest()
    own = headers.text(tag, headers.NO_STORE, [])
    if request.has_etag(tag):
        return HttpResponse(304, headers=own)
    if len(body) > COMPRESSED_FROM_BYTES and "gzip" in request.header(b"accept-encoding"):
        body = compression.compressed_once(body)
        own.append((b"content-encoding", b"gzip"))
    return HttpResponse(200, body, [(b"content-type", media_type.encode()), *own])


def created(request: HttpRequest, value: object, address: str) -> HttpResponse:
    """Something was made, and stands at an address."""
    own = [*headers.momentary(JSON), (b"location", address.encode())]
    return HttpResponse(201, json_bytes(value), own)


def text(request: HttpRequest, body: bytes, media_type: str, cache_control: bytes, more: Headers | None = None) -> HttpResponse:
    """Text, compressed for clients that accept gzip; 304 for those that have it. more: further headers."""
    tag = hashlib.blake2b(body, digest_size=16).hexdigest()
    own = headers.text(tag, cache_control, more or [])
    if request.has_etag(tag):
        return HttpResponse(304, headers=own)
    is_worthwhile = len(body) > COMPRESSED_FROM_BYTES and media_type not in COMPRESSED_ALREADY
    if is_worthwhile and "gzip" in request.header(b"accept-encoding"):
        body = compression.shared.get(tag, body)
        own.append((b"content-encoding", b"gzip"))
    return HttpResponse(200, body, [(b"content-type", media_type.encode()), *own])


def made(value: object, address: str) -> HttpResponse:
    """Something was made, and is at an address now. value: what it is, for JSON."""
    return HttpResponse(201, json_bytes(value), [(b"content-type", JSON.encode()), *headers.made(address)])


def done(*more: tuple[bytes, bytes]) -> HttpResponse:
    """Done, and there is nothing to tell. more: further headers."""
    return HttpResponse(204, headers=[(b"cache-control", headers.NO_STORE), *more])


def noted(*more: tuple[bytes, bytes]) -> HttpResponse:
    """It is being done, and there is nothing to tell. more: further headers."""
    return HttpResponse(202, headers=[(b"cache-control", headers.NO_STORE), *more])


def refusal(refused: Refused) -> HttpResponse:
    """An error as JSON (RFC 9457). No cache keeps it."""
    body = json_bytes(Problem(status=refused.status, detail=refused.detail))
    return HttpResponse(refused.status, body, [*headers.momentary("application/problem+json"), *refused.headers])
