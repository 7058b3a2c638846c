"""The audit, and who has opened a paper."""

from __future__ import annotations

import math
from functools import partial

from sidebooks_core.access.spreadsheet import csv_of
from sidebooks_core.server import headers, responses
from sidebooks_core.server.access_schemas import AuditEntry, AuditList, ReaderList, ReaderRow
from sidebooks_core.server.http import HttpRequest, HttpResponse
from sidebooks_core.server.parts import ServerParts
from sidebooks_core.server.statuses import Refused

ROWS_AT_ONCE = 10_000
CSV = "text/csv; charset=utf-8"


async def audit(parts: ServerParts, request: HttpRequest) -> HttpResponse:
    """Rows of the audit, the newest ones, in their order; as JSON, or as CSV for a spreadsheet. Raises Refused."""
    find = partial(
        parts.logins().audit_rows,
        since_s=_seconds(request, "since"),
        until_s=_seconds(request, "until"),
        paper=request.query("paper"),
        person=request.query("person"),
        limit=ROWS_AT_ONCE,
    )
    if parts.shelf_audit is not None:
        await parts.pools.run("logins", parts.shelf_audit.take_over)
    rows = await parts.pools.run("logins", find)
    if request.query("as") == "csv":
        body = await parts.pools.run("descriptions", csv_of, rows)
        saved = [(b"content-disposition", b'attachment; filename="audit.csv"')]
        return responses.text(request, body, CSV, headers.NO_STORE, saved)
    entries = [AuditEntry(**{name: getattr(row, name) for name in row.__struct_fields__}) for row in rows]
    return responses.json(request, AuditList(entries), responses.JSON, headers.NO_STORE)


async def readers(parts: ServerParts, request: HttpRequest) -> HttpResponse:
    """Who has opened a paper."""
    found = await parts.pools.run("logins", parts.logins().readers, request.params["paper"])
    rows = [ReaderRow(**{name: getattr(one, name) for name in one.__struct_fields__}) for one in found]
    return responses.json(request, ReaderList(rows), responses.JSON, headers.NO_STORE)


def _seconds(request: HttpRequest, name: str) -> float | None:
    text = request.query(name)
    try:
        found = float(text) if text else None
    except ValueError:
        found = math.nan
    if found is not None and not math.isfinite(found):
        raise Refused(400, f"{name}: seconds since 1970")
    return found
