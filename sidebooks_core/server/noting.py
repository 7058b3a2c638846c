"""Notes the screens of readers, for which papers are drawn ahead."""

from __future__ import annotations

from sidebooks_core.access.operations import Operation
from sidebooks_core.access.policy import UNLIMITED
from sidebooks_core.server.addresses import screen_of
from sidebooks_core.server.http import HttpRequest
from sidebooks_core.server.parts import ServerParts
from sidebooks_core.shelf.standing import Standing

_TOP = (Standing(()),)
"""Where the top of the shelf stands."""


def note_screen(parts: ServerParts, request: HttpRequest, size: str) -> None:
    """Count the screen on which somebody reads. size: WIDTHxHEIGHT in pixels, with or without an ending.

    Only those who are known count, and only if they read without limits: what is drawn ahead is for them.
    If the request names no page, that is asked of the top of the shelf. Raises Refused if it is no size.
    """
    screen = screen_of(size)
    papers, principal = parts.papers, request.principal
    if papers is None or not principal.id or principal.role in ("citizen", "guest") or principal.documents is not None:
        return
    names_page = request.document_id is not None
    limits = request.limits if names_page else parts.gate.limits_of(principal, Operation.READ_IMAGE, _TOP)
    if limits == UNLIMITED and papers.noted.is_new(principal.id, screen):
        papers.shelf.screens.seen(*screen)
