"""Response headers. All headers of this server are built here: of images, JSON, files, events, errors."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from msgspec import Struct
from starlette.types import Scope

from sidebooks_core.server.http import Headers, family_of, origin_of
from sidebooks_core.server.sharing import Sharing

IMMUTABLE = b"public, max-age=31536000, immutable"
"""For an address that holds a digest of the content: its content never changes."""
LEARNING = b"public, max-age=300"
"""For descriptions, words, links and hits: a later version of this library may find more in the same document."""
PASSING = b"public, max-age=2"
"""For an image that a better one replaces soon."""
NO_CACHE = b"no-cache"
PERSONAL = b"private, no-cache"
"""For an answer that depends on who asks."""
NO_STORE = b"no-store"

CLEAR_CACHE = (b"clear-site-data", b'"cache"')
"""Tells the browser to drop what it keeps of this server. It counts over HTTPS, and on this machine."""

LONGEST_PROBLEMS = 200
"""About the most characters of `Sidebooks-Problems`."""


class ResponseHeaders(Struct, frozen=True):
    """Adds to the headers of one response those that depend on who may read the server's answers."""

    sharing: Sharing

    def lasting(self, family: str, own: Headers) -> Headers:
        """The headers at an address, the same for all clients. family: the first part of the path. own: the response's own
        headers.
        """
        if self.sharing.cache == "private":
            own = [(name, self.sharing.cache_control(v)) if name == b"cache-control" else (name, v) for name, v in own]
        return [*self.sharing.common(family), *own]

    def for_origin(self, family: str, scope: Scope) -> Headers:
        """Further headers, for the origin of the request."""
        return self.sharing.for_origin(family, origin_of(scope))

    def complete(self, scope: Scope, own: Headers, length: int | None) -> Headers:
        """All headers of a response. length: the bytes of its body. None: there is no body, or its length is not known."""
        family = family_of(scope)
        size = [] if length is None else [content_length(length)]
        return [*self.lasting(family, own), *self.for_origin(family, scope), *size]


def not_kept(own: Headers) -> Headers:
    """The same headers for an answer that no cache keeps, since its reader has limits."""
    return [*((name, value) for name, value in own if name != b"cache-control"), (b"cache-control", NO_STORE)]


def content_length(length: int) -> tuple[bytes, bytes]:
    """The length of a body, in bytes."""
    return b"content-length", b"%d" % length


def server_timing(source: str, took_s: float) -> tuple[bytes, bytes]:
    """The source of an image, and the time that it took."""
    return b"server-timing", f"{source};dur={took_s * 1000:.1f}".encode()


def image(media_type: str, tag: str, problems: Sequence[str], links: Headers) -> Headers:
    """An image that never changes. problems: of its page, as the library words them."""
    return [(b"content-type", media_type.encode()), *unchanged(tag, problems, links)]


def unchanged(tag: str, problems: Sequence[str], links: Headers) -> Headers:
    """For an image that the client has already (304)."""
    return [etag(tag), (b"cache-control", IMMUTABLE), *told_problems(problems), *links]


def coarse_image(media_type: str, resolution: float, problems: Sequence[str], links: Headers) -> Headers:
    """A coarser image in place of another: it has no ETag, and caches drop it soon. resolution: its share of
    the pixels across.
    """
    return [
        (b"content-type", media_type.encode()),
        (b"cache-control", PASSING),
        (b"sidebooks-resolution", f"{resolution:.3f}".encode()),
        *told_problems(problems),
        *links,
    ]


def marked_image(media_type: str, problems: Sequence[str], links: Headers) -> Headers:
    """An image that carries its reader's name: no cache keeps it, and it has no ETag that another reader could hold."""
    return [(b"content-type", media_type.encode()), (b"cache-control", NO_STORE), *told_problems(problems), *links]


def bundle(media_type: str, tag: str | None) -> Headers:
    """Many images in one response. tag: None if one of them is missing and may come later."""
    cache_control = PASSING if tag is None else IMMUTABLE
    return [(b"content-type", media_type.encode()), (b"cache-control", cache_control), *([] if tag is None else [etag(tag)])]


def text(tag: str, cache_control: bytes, more: Headers) -> Headers:
    """JSON, XML, HTML and the like, which are compressed for clients that accept it."""
    return [etag(tag), (b"vary", b"Accept-Encoding"), *more, (b"cache-control", cache_control)]


def file(media_type: str, tag: str, disposition: bytes, cache_control: bytes = IMMUTABLE) -> Headers:
    """A file to save. Clients may ask for ranges of it."""
    return [
        (b"content-type", media_type.encode()),
        (b"accept-ranges", b"bytes"),
        etag(tag),
        (b"cache-control", cache_control),
        (b"content-disposition", disposition),
    ]


def content_range(first: int, last: int, size: int) -> tuple[bytes, bytes]:
    """The range of a file that is sent, from byte `first` to `last`, both included and from 0. size: the bytes of the file."""
    return b"content-range", f"bytes {first}-{last}/{size}".encode()


def events() -> Headers:
    """A stream of events, which proxies must not hold back."""
    return [
        (b"content-type", b"text/event-stream; charset=utf-8"),
        (b"cache-control", NO_STORE),
        (b"x-accel-buffering", b"no"),
    ]


def momentary(media_type: str) -> Headers:
    """A response that no cache keeps."""
    return [(b"content-type", media_type.encode()), (b"cache-control", NO_STORE)]


def made(address: str) -> Headers:
    """Something new is at an address."""
    return [(b"location", address.encode()), (b"cache-control", NO_STORE)]


def redirect(address: str) -> Headers:
    """To another address."""
    return [(b"location", address.encode()), (b"cache-control", NO_STORE)]


def preflight(methods: str, *, may_read: bool) -> Headers:
    """The methods of an address. may_read: whether pages of the asking origin may read the responses; browsers are told so."""
    allow = methods.encode()
    headers: Headers = [(b"allow", allow)]
    if may_read:
        headers += [
            (b"access-control-allow-methods", allow),
            (b"access-control-allow-headers", b"*"),
            (b"access-control-max-age", b"86400"),
        ]
    return headers


def etag(tag: str) -> tuple[bytes, bytes]:
    """A strong ETag."""
    return b"etag", f'"{tag}"'.encode()


def told_problems(problems: Sequence[str]) -> Headers:
    """`Sidebooks-Problems: 2; "first"; "second"`: how many, then as many in words as are short. None for a page drawn whole."""
    return list(_problems(tuple(problems))) if problems else []


@lru_cache(maxsize=256)
def _problems(problems: tuple[str, ...]) -> tuple[tuple[bytes, bytes], ...]:
    value = str(len(problems))
    for problem in problems:
        # A header takes ASCII, and a quoted string in it neither quotes nor backslashes.
        words = "".join(c if " " <= c <= "~" and c not in '"\\' else "?" for c in problem)
        if len(value) + len(words) > LONGEST_PROBLEMS:
            break
        value += f'; "{words}"'
    return ((b"sidebooks-problems", value.encode("ascii")),)
