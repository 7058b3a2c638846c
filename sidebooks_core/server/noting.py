"""Notes the screens of readers, for which papers are drawn ahead."""

from __future__ import annotations

from sidebooks_core.access.policy import UNLIMITED
from sidebooks_core.server.addresses import screen_of
from sidebooks_core.server.http import HttpRequest
from sidebooks_core.server.parts import ServerParts


def note_screen(parts: ServerParts, request: HttpRequest, size: str) -> None:
    """size: WIDTHxHEIGHT, in pixels. Strangers do not choose what is drawn. Raises Refused if it is no size."""
    screen = screen_of(size)
    principal = request.principal
    is_reader = principal.role not in ("citizen", "guest") and principal.documents is None and request.limits == UNLIMITED
    if parts.papers is not None and is_reader:
        parts.papers.shelf.screens.seen(*screen)
