"""Tables for a spreadsheet: CSV (RFC 4180, UTF-8) in which no cell is taken for a formula."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Iterable, Sequence

FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠", "\t", "\r", "\n")
"""Spreadsheets take a cell that begins so for a formula."""


def csv_of(rows: Iterable[Sequence[object]]) -> bytes:
    """Rows of cells, the first the names of the columns. None is an empty cell.

    It begins with a byte order mark, without which spreadsheets misread Japanese.
    """
    written = io.StringIO(newline="")
    writer = csv.writer(written)
    for row in rows:
        writer.writerow([_cell(one) for one in row])
    return b"\xef\xbb\xbf" + written.getvalue().encode("utf-8", "replace")


def time_cell(at_s: float) -> str:
    """A time in seconds since 1970, in UTC."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at_s))


def _cell(value: object) -> str:
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(FORMULA) else text
