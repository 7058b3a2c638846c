"""Text of the command line: a progress bar, tables, and page numbers as people write them."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from sidebooks_core.errors import RequestError

BAR_WIDTH = 30
BAR_DELAY_S = 1.0
"""Work that takes less time shows no bar."""
BAR_STEP_S = 0.1
"""The bar is drawn again after so long."""


class ProgressBar:
    """A bar for work that takes over a second, on standard error if that is a terminal. Call it with (done, total)."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._started_s = self._drawn_s = time.monotonic()
        self._shown = False

    def __call__(self, done: int, total: int) -> None:
        now_s = time.monotonic()
        if not sys.stderr.isatty() or now_s - self._started_s < BAR_DELAY_S:
            return
        if now_s - self._drawn_s < BAR_STEP_S and done < total:
            return
        self._drawn_s = now_s
        self._shown = True
        filled = BAR_WIDTH * done // max(1, total)
        left_s = (now_s - self._started_s) / max(1, done) * (total - done)
        bar = "#" * filled + "." * (BAR_WIDTH - filled)
        print(f"\r{self._what} [{bar}] {done}/{total}, {left_s:.0f} s left ", end="", file=sys.stderr, flush=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        if self._shown:
            print(file=sys.stderr)


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Lines of columns as wide as their widest cell: the first column is set to the left, the others to the right."""
    lines = [headings, *rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(headings))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width) for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    )


def parse_pages(text: str, page_count: int) -> list[int]:
    """Page numbers from 0, of text in which they count from 1: "3", "1-5", "7-", "-2", "1,4-6". Raises RequestError."""
    pages: list[int] = []
    for part in text.replace(" ", "").split(","):
        found = re.fullmatch(r"(\d*)(-?)(\d*)", part)
        if not found or not (found[1] or found[3]):
            raise RequestError(f"{part!r} are no pages: write them as 3, 1-5, 7- or 1,4-6")
        first = int(found[1] or 1)
        last = int(found[3] or page_count) if found[2] else first
        if first > last:
            raise RequestError(f"pages {part}: the last comes before the first")
        if not 1 <= first <= last <= page_count:
            raise RequestError(f"pages {part}: the document has pages 1 to {page_count}")
        pages.extend(range(first - 1, last))
    return list(dict.fromkeys(pages))


def human_bytes(count: int) -> str:
    """A size with its unit, such as "3.4 MB"; units are powers of 1000."""
    size = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def tell_error(error: BaseException, *, as_json: bool) -> None:
    """Print an error to standard error: as text, or as one line of JSON with its kind, document and page (from 1)."""
    page, document_id = (getattr(error, name, None) for name in ("page", "document_id"))
    tell(type(error).__name__, str(error), page, document_id, as_json=as_json)


def tell(kind: str, message: str, page: int | None = None, document_id: str | None = None, *, as_json: bool) -> None:
    """Print what went wrong as `tell_error` does. kind: its name in JSON; page: from 0."""
    if not as_json:
        print(f"sidebooks: {message}", file=sys.stderr)
        return
    told = {
        "error": kind,
        "message": message,
        "document_id": document_id,
        "page": None if page is None else page + 1,
    }
    print(json.dumps(told, ensure_ascii=False), file=sys.stderr)


def print_json_lines(value: object) -> None:
    """Print a value as one line of JSON, at once."""
    print(json.dumps(value, ensure_ascii=False), flush=True)


def print_json(value: object) -> None:
    """Print a value as JSON."""
    print(json.dumps(value, ensure_ascii=False, indent=2))
