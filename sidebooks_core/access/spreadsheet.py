"""The audit as a table for a spreadsheet."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Iterable

from sidebooks_core.access.model import AuditRow

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""Spreadsheets take a cell that begins so for a formula."""


def csv_of(rows: Iterable[AuditRow]) -> bytes:
    """Rows as CSV (RFC 4180, UTF-8) with a byte order mark, without which spreadsheets misread Japanese. Times in UTC."""
    written = io.StringIO(newline="")
    writer = csv.writer(written)
    names = AuditRow.__struct_fields__
    writer.writerow(["time", *names])
    for row in rows:
        at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(row.at_s))
        writer.writerow([at, *(_cell(getattr(row, name)) for name in names)])
    return b"\xef\xbb\xbf" + written.getvalue().encode("utf-8", "replace")


def _cell(value: object) -> str:
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(FORMULA) else text
