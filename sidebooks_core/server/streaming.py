"""Descriptions that are sent while they are made, since their whole would take up too much memory."""

from __future__ import annotations

import asyncio
import hashlib
import zlib
from collections.abc import AsyncGenerator, Iterator

from sidebooks_core import __version__
from sidebooks_core.server import headers
from sidebooks_core.server.http import HttpRequest, HttpResponse, disconnected
from sidebooks_core.server.parts import ServerParts

_GZIP_WINDOW = 31
"""For zlib: the largest window, in a frame of gzip."""
_LEVEL = 1
"""Each client has it compressed anew. Level 6 takes three times as long, for four fifths of the bytes."""


def streamed(parts: ServerParts, request: HttpRequest, name: str, pieces: Iterator[bytes], media_type: str) -> HttpResponse:
    """Text, piece by piece, compressed for clients that accept gzip; 304 for those that have it.

    name: of the description among those of its document, so that the ETag is known before the text. The ETag tells the
    problems that are known, too: another process may know others of the same document.
    """
    document = parts.registered(request).document
    problems = repr(sorted(document.problems.all().items()))
    told = "\n".join((__version__, request.base, document.id, document.name, document.direction, name, problems))
    tag = hashlib.blake2b(told.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
    own = headers.text(tag, headers.LEARNING, [])
    if request.has_etag(tag):
        return HttpResponse(304, headers=own)
    is_packed = "gzip" in request.header(b"accept-encoding")
    if is_packed:
        own.append((b"content-encoding", b"gzip"))
        pieces = _packed(pieces)
    own.insert(0, (b"content-type", media_type.encode()))
    return HttpResponse(200, headers=own, stream=_sent(parts, request, pieces))


async def _sent(parts: ServerParts, request: HttpRequest, pieces: Iterator[bytes]) -> AsyncGenerator[bytes, None]:
    """The pieces, each made in a thread when the one before was sent, until the client leaves."""
    gone = asyncio.ensure_future(disconnected(request.receive))
    try:
        while not gone.done() and (piece := await parts.pools.run("descriptions", next, pieces, b"")):
            yield piece
    finally:
        gone.cancel()


def _packed(pieces: Iterator[bytes]) -> Iterator[bytes]:
    packer = zlib.compressobj(_LEVEL, wbits=_GZIP_WINDOW)
    for piece in pieces:
        yield packer.compress(piece) + packer.flush(zlib.Z_SYNC_FLUSH)
    yield packer.flush()
