"""The pages that a command works on, and the report of those that failed."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping

from sidebooks_core.cli.terminal import parse_pages


def chosen_pages(arguments: argparse.Namespace, page_count: int) -> list[int]:
    """The pages that --pages names, from 0; all pages without it. Raises RequestError."""
    return parse_pages(arguments.pages, page_count) if arguments.pages else list(range(page_count))


def report_failures(failed: Mapping[int, object], problems: Mapping[int, tuple[str, ...]] | None = None) -> int:
    """Print errors and problems, by page from 0. Returns the exit status: 1 if there are any.

    problems: the parts that could not be drawn of pages that were.
    """
    for error in failed.values():
        print(f"sidebooks: {error}", file=sys.stderr)
    for page, told in (problems or {}).items():
        print(f"sidebooks: page {page + 1}: {'; '.join(told)}", file=sys.stderr)
    return 1 if failed or problems else 0
