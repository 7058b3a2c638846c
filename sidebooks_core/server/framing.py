"""Which pages may show the viewer in a frame of theirs. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from sidebooks_core.errors import RequestError
from sidebooks_core.server.http import Headers
from sidebooks_core.server.sharing import is_origin

SELF = "'self'"


class Frames(Struct, frozen=True):
    """What the answers that hold the viewer say of frames."""

    directive: str
    """Of the content security policy."""
    headers: Headers
    """For browsers that do not know the directive."""


def frame_headers(framed_by: Sequence[str]) -> Frames:
    """framed_by: origins, and SELF. Empty: no page at all. Raises RequestError for what is none."""
    if isinstance(framed_by, str):
        raise RequestError("framed_by is a list of origins, not one string")
    for one in framed_by:
        if one != SELF and not is_origin(one):
            raise RequestError(f"framed_by: {one!r} is no origin: write scheme, host and port, or {SELF!r}")
    directive = f"frame-ancestors {' '.join(framed_by) or chr(39) + 'none' + chr(39)}"
    old = {(): b"DENY", (SELF,): b"SAMEORIGIN"}.get(tuple(framed_by))
    return Frames(directive, [] if old is None else [(b"x-frame-options", old)])
