"""The headers of tus 1.0, the protocol of resumable uploads (https://tus.io/protocols/resumable-upload). Pure."""

from __future__ import annotations

import base64
import hashlib
from email.utils import formatdate
from typing import Protocol

from msgspec import Struct

from sidebooks_core.server.http import Headers, HttpRequest
from sidebooks_core.server.statuses import Refused

VERSION = b"1.0.0"
EXTENSIONS = b"creation,creation-with-upload,termination,checksum,expiration"
ALGORITHMS = ("sha1", "sha256", "md5")
PIECE_TYPE = "application/offset+octet-stream"
RESUMABLE = (b"tus-resumable", VERSION)
OPTIONS = (
    (b"tus-checksum-algorithm", ",".join(ALGORITHMS).encode()),
    (b"tus-extension", EXTENSIONS),
    RESUMABLE,
    (b"tus-version", VERSION),
)
"""What the answer to OPTIONS says. The greatest length is that of the settings, and is told when an upload is longer."""
_MOST_DIGITS = 15


class Hasher(Protocol):
    """Digests bytes that come in pieces."""

    def update(self, data: bytes, /) -> None: ...

    def digest(self) -> bytes: ...


class Checksum(Struct, frozen=True):
    """The digest that bytes must have."""

    algorithm: str
    digest: bytes

    def hasher(self) -> Hasher:
        return hashlib.new(self.algorithm, usedforsecurity=False)


def require_version(request: HttpRequest) -> None:
    """Raises Refused (412) if the client speaks another version."""
    given = request.header(b"tus-resumable")
    if given != VERSION.decode():
        raise Refused(412, "this server speaks tus 1.0.0: say so in Tus-Resumable", (b"tus-version", VERSION))


def is_tus(request: HttpRequest) -> bool:
    """Whether a request that begins an upload speaks tus; else its body is the whole file."""
    return bool(request.header(b"tus-resumable"))


def has_piece(request: HttpRequest) -> bool:
    """Whether the body holds bytes of the file."""
    return request.header(b"content-type").partition(";")[0].strip().lower() == PIECE_TYPE


def whole_number(request: HttpRequest, name: bytes) -> int:
    """A header that is a whole number. Raises Refused."""
    given = request.header(name)
    if not (given.isascii() and given.isdecimal() and len(given) <= _MOST_DIGITS):
        raise Refused(400, f"{name.decode()}: a whole number, please")
    return int(given)


def metadata(request: HttpRequest) -> dict[str, str]:
    """Upload-Metadata: names with values in base64. Raises Refused."""
    found: dict[str, str] = {}
    for one in filter(None, (part.strip() for part in request.header(b"upload-metadata").split(","))):
        name, _, value = one.partition(" ")
        try:
            found[name] = base64.b64decode(value.strip(), validate=True).decode("utf-8")
        except ValueError:  # no base64, no ASCII, or no UTF-8
            raise Refused(400, f"upload-metadata: {name} is not UTF-8 in base64") from None
    return found


def checksum(request: HttpRequest) -> Checksum | None:
    """Upload-Checksum. None: there is none. Raises Refused."""
    given = request.header(b"upload-checksum")
    if not given:
        return None
    algorithm, _, value = given.partition(" ")
    if algorithm not in ALGORITHMS:
        raise Refused(400, f"upload-checksum: one of {', '.join(ALGORITHMS)}, please")
    try:
        return Checksum(algorithm, base64.b64decode(value.strip(), validate=True))
    except ValueError:  # no base64, or no ASCII
        raise Refused(400, "upload-checksum: the digest is not base64") from None


def state(offset: int, expires_s: float) -> Headers:
    """How far an upload is, and until when it can go on."""
    return [
        RESUMABLE,
        (b"upload-offset", b"%d" % offset),
        (b"upload-expires", formatdate(expires_s, usegmt=True).encode()),
        (b"cache-control", b"no-store"),
    ]
