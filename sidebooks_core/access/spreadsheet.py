"""The audit as a table for a spreadsheet."""

from __future__ import annotations

from collections.abc import Iterable

from sidebooks_core import spreadsheet
from sidebooks_core.access.model import AuditRow


def csv_of(rows: Iterable[AuditRow]) -> bytes:
    """Rows as CSV. Times in UTC."""
    names = AuditRow.__struct_fields__
    cells = ([spreadsheet.time_cell(row.at_s), *(getattr(row, name) for name in names)] for row in rows)
    return spreadsheet.csv_of([["time", *names], *cells])
