"""Which pages of other origins, and which caches on the way, may read and keep the responses. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from sidebooks_core.errors import RequestError
from sidebooks_core.server.http import Headers

Cache = Literal["shared", "private"]
ANY_ORIGIN = "*"
INTEROPERABLE = frozenset({"iiif", "presentation", "search", "dzi"})
"""Addresses of protocols that viewers on other sites speak. They name a document by the digest of its content: a page that does
not know the document cannot ask for it, and the lists of documents are at other addresses."""
SIGNED_INTEROPERABLE = frozenset(f"s/{family}" for family in INTEROPERABLE)
"""The same behind a signature, which says who may read them: a page that does not have it cannot ask."""

EXPOSED = (
    b"Accept-Ranges, Content-Disposition, Content-Encoding, Content-Length, Content-Range, ETag, Link, Retry-After, "
    b"Location, Server-Timing, Sidebooks-Paper, Sidebooks-Problems, Sidebooks-Resolution, Sidebooks-Revision, Tus-Extension, "
    b"Tus-Max-Size, Tus-Resumable, Tus-Version, Upload-Expires, Upload-Length, Upload-Metadata, Upload-Offset"
)
_ORIGIN = re.compile(r"[a-z][a-z0-9+.\-]*://(?:\[[0-9a-f:.]+\]|[^/\s@?#:\[\]]+)(?::[0-9]{1,5})?\Z")


def is_origin(text: str) -> bool:
    """Whether a text is an origin: scheme, host, and perhaps a port."""
    return _ORIGIN.match(text.lower()) is not None


class Sharing(Struct, frozen=True):
    """Origins whose pages may read the responses, and whether shared caches may keep them."""

    origins: frozenset[str]
    """Such as "https://books.example"; ANY_ORIGIN: all."""
    cache: Cache

    @classmethod
    def of(cls, allow_origins: Sequence[str], cache: Cache) -> Sharing:
        """Raises RequestError if one of them is no origin, and for an unknown kind of cache."""
        if isinstance(allow_origins, str):
            raise RequestError("allow_origins is a list of origins, not one string")
        for origin in allow_origins:
            if origin != ANY_ORIGIN and not is_origin(origin):
                raise RequestError(
                    f"{origin!r} is no origin: write scheme, host and port, as in https://books.example:8443, or *"
                )
        if cache not in ("shared", "private"):
            raise RequestError(f"cache must be 'shared' or 'private', not {cache!r}")
        return cls(frozenset(origin.lower() for origin in allow_origins), cache)

    @property
    def is_open(self) -> bool:
        """Whether any origin may read everything."""
        return ANY_ORIGIN in self.origins

    @property
    def depends_on_origin(self) -> bool:
        """Whether responses differ by the origin that asks."""
        return bool(self.origins) and not self.is_open

    def allows(self, origin: str) -> bool:
        """Whether pages of an origin may read everything."""
        return self.is_open or origin.lower() in self.origins

    def is_for_all(self, family: str) -> bool:
        """Whether any origin may read the addresses of a family, which is the first part of their path."""
        return self.is_open or family in SIGNED_INTEROPERABLE or (self.cache == "shared" and family in INTEROPERABLE)

    def common(self, family: str) -> Headers:
        """Headers of every response at the addresses of a family, the same for all origins."""
        headers: Headers = [(b"x-content-type-options", b"nosniff")]
        is_for_all = self.is_for_all(family)
        if is_for_all:
            headers += _readable(b"*")
        headers.append((b"cross-origin-resource-policy", b"cross-origin" if is_for_all else b"same-origin"))
        return headers

    def for_origin(self, family: str, origin: str) -> Headers:
        """Further headers for a request from an origin. "": the request names none."""
        if not self.depends_on_origin or self.is_for_all(family):
            return []
        headers: Headers = [(b"vary", b"Origin")]
        return headers + _readable(origin.encode("latin-1")) if origin and self.allows(origin) else headers

    def cache_control(self, value: bytes) -> bytes:
        """A Cache-Control as this server gives it."""
        return value.replace(b"public", b"private") if self.cache == "private" else value


def _readable(origin: bytes) -> Headers:
    return [
        (b"access-control-allow-origin", origin),
        (b"access-control-expose-headers", EXPOSED),
        (b"timing-allow-origin", origin),
    ]
