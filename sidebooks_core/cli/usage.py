"""Wrong usage of the command line, told as people or as programs read it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import NoReturn

from sidebooks_core.cli.terminal import tell_error
from sidebooks_core.errors import RequestError

WRONG_USAGE = 2
"""The exit status."""


class UsageError(Exception):
    """What was typed is no command, or lacks something."""

    def __init__(self, parser: argparse.ArgumentParser, message: str) -> None:
        """parser: of the command that was typed."""
        super().__init__(message)
        self.parser = parser


class CommandParser(argparse.ArgumentParser):
    """A parser that raises UsageError where argparse prints text and exits."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(self, message)


def tell_usage(error: UsageError, typed: Sequence[str]) -> int:
    """Print wrong usage to standard error: one line of JSON if --json is among the words typed. Returns the exit status."""
    if asks_for_json(typed):
        tell_error(RequestError(f"{error.parser.prog}: {error}"), as_json=True)
    else:
        error.parser.print_usage(sys.stderr)
        print(f"{error.parser.prog}: error: {error}", file=sys.stderr)
    return WRONG_USAGE


def asks_for_json(typed: Sequence[str]) -> bool:
    """Whether --json, or the beginning of it that argparse takes for it, stands among the options."""
    options = typed[: typed.index("--")] if "--" in typed else typed
    return any(len(word) > 2 and "--json".startswith(word) for word in options)
