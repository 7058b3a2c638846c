"""What the audit says of answered requests."""

from __future__ import annotations

from sidebooks_core.access.audit import OPENED
from sidebooks_core.access.model import What
from sidebooks_core.access.operations import Operation
from sidebooks_core.server.http import HttpRequest
from sidebooks_core.server.parts import ServerParts
from sidebooks_core.server.route import Route
from sidebooks_core.shelf import Paper

UNRECORDED = frozenset(
    {Operation.SEND_HINT, Operation.KEEP_POSITION, Operation.GO_ON_UPLOADING, Operation.READ_SELF, Operation.LOG_IN}
)
"""A hint and a position say where somebody reads, and are nobody else's business. `Access` records logins by itself, as it does
what changes people, links and rights."""
BY_ACCESS = frozenset({Operation.MANAGE_PEOPLE, Operation.SHARE, Operation.CHANGE_ACCESS})


async def note(parts: ServerParts, request: HttpRequest, route: Route, status: int) -> None:
    """Record an answer. What changed something is in the audit before it is answered; openings and downloads follow soon."""
    access, operation = parts.access, route.operation
    if access is None or status >= 400 or operation in UNRECORDED or request.is_recorded:
        return
    if route.changes_something:
        if operation not in BY_ACCESS:
            await parts.pools.run(
                "audit", access.audit_now, operation, who=request.principal, what=_what(request), address=request.address
            )
    elif operation is Operation.READ_ORIGINAL:
        if status == 200:
            access.audit(operation, who=request.principal, what=_what(request), address=request.address)
    elif route.opens:
        access.audit(OPENED, who=request.principal, what=_what(request), address=request.address)


async def note_upload(parts: ServerParts, request: HttpRequest, paper: Paper) -> None:
    """Record that a file was registered, or has replaced another one. Only the last request of an upload does."""
    operation = Operation.REGISTER if paper.revision == 1 else Operation.REPLACE
    if parts.access is not None:
        what = What(paper=paper.id, revision=paper.revision)
        await parts.pools.run(
            "audit", parts.access.audit_now, operation, who=request.principal, what=what, address=request.address
        )


def _what(request: HttpRequest) -> What:
    standing, params = request.standing, request.params
    if standing is not None and standing.paper is not None:
        return What(paper=standing.paper.id, revision=standing.revision, document=request.document_id or "")
    return What(paper=params.get("paper", ""), document=request.document_id or params.get("folder", ""))
