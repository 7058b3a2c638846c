"""The audit, and who has opened a paper."""

from __future__ import annotations

import math
from functools import partial

from sidebooks_core.access.model import AuditRow
from sidebooks_core.access.spreadsheet import csv_of
from sidebooks_core.server import headers, responses
from sidebooks_core.server.access_schemas import AuditEntry, AuditList, ReaderList, ReaderRow
from sidebooks_core.server.handlers.documents import items
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
        return await parts.pools.run("descriptions", _as_csv, request, rows)

    def listed() -> AuditList:
        return AuditList([AuditEntry(**{name: getattr(row, name) for name in row.__struct_fields__}) for row in rows])

    return await items(parts, request, len(rows), listed, headers.NO_STORE)


async def readers(parts: ServerParts, request: HttpRequest) -> HttpResponse:
    """Who has opened a paper."""
    found = await parts.pools.run("logins", parts.logins().readers, request.params["paper"])

    def listed() -> ReaderList:
        return ReaderList([ReaderRow(**{name: getattr(one, name) for name in one.__struct_fields__}) for one in found])

    return await items(parts, request, len(found), listed, headers.NO_STORE)


def _as_csv(request: HttpRequest, rows: list[AuditRow]) -> HttpResponse:
    saved = [(b"content-disposition", b'attachment; filename="audit.csv"')]
    return responses.text(request, csv_of(rows), CSV, headers.NO_STORE, saved)


def _seconds(request: HttpRequest, name: str) -> float | None:
    text = request.query(name)
    try:
        found = float(text) if text else None
    except ValueError:
        found = math.nan
    if found is not None and not math.isfinite(found):
        raise Refused(400, f"{name}: seconds since 1970")
    return found
