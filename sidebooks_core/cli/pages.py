"""The pages that a command works on, and the report of those that failed."""

from __future__ import annotations

import argparse
from collections.abc import Mapping

from sidebooks_core.cli.terminal import parse_pages, tell, tell_error
from sidebooks_core.errors import RenderFailed

INCOMPLETE = "Incomplete"
"""What JSON calls it that a page was drawn, but not all of it."""


def chosen_pages(arguments: argparse.Namespace, page_count: int) -> list[int]:
    """The pages that --pages names, from 0; all pages without it. Raises RequestError."""
    return parse_pages(arguments.pages, page_count) if arguments.pages else list(range(page_count))


def report_failures(
    failed: Mapping[int, object], problems: Mapping[int, tuple[str, ...]] | None = None, *, as_json: bool
) -> int:
    """Print errors and problems, by page from 0. Returns the exit status: 1 if there are any.

    problems: the parts that could not be drawn of pages that were. as_json: a line of JSON for each.
    """
    for page, error in failed.items():
        tell_error(error if isinstance(error, Exception) else RenderFailed(str(error), page=page), as_json=as_json)
    for page, told in (problems or {}).items():
        tell(INCOMPLETE, f"page {page + 1}: {'; '.join(told)}", page, as_json=as_json)
    return 1 if failed or problems else 0
