"""What the audit says of answered requests."""

from __future__ import annotations

from sidebooks_core.access.audit import OPENED
from sidebooks_core.access.model import What
from sidebooks_core.access.operations import Operation
from sidebooks_core.server.http import HttpRequest
from sidebooks_core.server.parts import ServerParts
from sidebooks_core.server.route import Route

UNRECORDED = frozenset(
    {
        Operation.SEND_HINT,
        Operation.KEEP_POSITION,
        Operation.KEEP_MARKS,
        Operation.GO_ON_UPLOADING,
        Operation.READ_SELF,
        Operation.LOG_IN,
        Operation.MEET,
    }
)
"""Hints, positions, marks and meetings say at which page somebody is, which is private. What else is done in a meeting is
recorded by its desk, logins by `Access`."""
DOWNLOADS = frozenset({Operation.READ_ORIGINAL, Operation.EXPORT_MARKS})
BY_HANDLER = frozenset({Operation.DESTROY_MARKS})
"""The handler records these by itself, with what it did."""
BY_ACCESS = frozenset({Operation.MANAGE_PEOPLE, Operation.SHARE, Operation.CHANGE_ACCESS})
"""`Access` records these by itself."""
BY_SHELF = frozenset(
    {
        Operation.REGISTER,
        Operation.REPLACE,
        Operation.CHANGE_PAPER,
        Operation.WITHDRAW,
        Operation.PURGE,
        Operation.CHANGE_FOLDER,
    }
)
"""The shelf records these together with the change itself: see `shelf_audit`."""


async def note(parts: ServerParts, request: HttpRequest, route: Route, status: int) -> None:
    """Record an answer. What changed something is in the audit before it is answered; openings and downloads follow soon."""
    access, operation = parts.access, route.operation
    if access is None or status >= 400 or operation in UNRECORDED:
        return
    if route.changes_something:
        if operation not in BY_ACCESS | BY_SHELF | BY_HANDLER:
            await parts.pools.run(
                "audit", access.audit_now, operation, who=request.principal, what=_what(request), address=request.address
            )
    elif request.scope["method"] == "HEAD":
        return  # the answer to HEAD holds nothing of a paper
    elif operation in DOWNLOADS:
        if status in (200, 206):
            access.audit(operation, who=request.principal, what=_what(request), address=request.address)
    elif request.opens:
        access.audit(OPENED, who=request.principal, what=_what(request), address=request.address)
        if parts.gate.openings is not None and request.document_id is not None:
            parts.gate.openings.note(request.principal, request.address, request.document_id)


def _what(request: HttpRequest) -> What:
    standing, params = request.standing, request.params
    if standing is not None and standing.paper is not None:
        number = int(params["revision"]) if "revision" in params else standing.revision
        return What(paper=standing.paper.id, revision=number, document=request.document_id or "")
    return What(paper=params.get("paper", ""), document=request.document_id or params.get("folder", ""))
