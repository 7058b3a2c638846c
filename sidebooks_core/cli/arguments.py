"""The arguments that several commands share, and the functions that make values of their text."""

from __future__ import annotations

import argparse
import getpass
import math
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TypeVar

from sidebooks_core.documents.model import MatchOptions
from sidebooks_core.encoding.formats import IMAGE_FORMATS
from sidebooks_core.errors import RequestError
from sidebooks_core.logs import LEVELS
from sidebooks_core.settings import Settings, default_cache_dir, default_data_dir

DEFAULT_DPI = 150
T = TypeVar("T")


def add_document(parser: argparse.ArgumentParser) -> None:
    """FILE and --password."""
    parser.add_argument("file", type=Path, metavar="FILE", help="the document")
    add_password(parser, "if the document needs one; - asks for it")


def add_documents(parser: argparse.ArgumentParser) -> None:
    """FILE, one or several, and --password."""
    parser.add_argument("file", type=Path, nargs="+", metavar="FILE", help="documents")
    add_password(parser, "if a document needs one; - asks for it")


def add_password(parser: argparse.ArgumentParser, what: str) -> None:
    """--password and --password-file; `read_password` reads both."""
    given = parser.add_mutually_exclusive_group()
    given.add_argument("--password", help=what)
    given.add_argument("--password-file", type=Path, metavar="PATH", help="holds it in its first line")


def add_pages(parser: argparse.ArgumentParser) -> None:
    """--pages; `pages.chosen_pages` reads it."""
    parser.add_argument("--pages", metavar="PAGES", help="such as 3, 1-5, 7- or 1,4-6 (default: all)")


def add_format(parser: argparse.ArgumentParser) -> None:
    """--format."""
    what = "of images (default auto: by content; compact: fewer bytes for coloured text, 100 ms later)"
    parser.add_argument("--format", choices=IMAGE_FORMATS, default="auto", help=what)


def add_matching(parser: argparse.ArgumentParser) -> None:
    """--old-forms, --whole-words and --match-case; `match_options` reads them."""
    parser.add_argument("--old-forms", action="store_true", help="old and new forms of characters (國 and 国) are one")
    parser.add_argument(
        "--whole-words",
        action="store_true",
        help="hits begin and end where words do; a word of Japanese is a run of kanji, of hiragana, or of katakana",
    )
    parser.add_argument("--match-case", action="store_true", help="capital and small letters differ")


def match_options(arguments: argparse.Namespace) -> MatchOptions:
    """What counts as a match of a search."""
    return {
        "old_forms": arguments.old_forms,
        "whole_words": arguments.whole_words,
        "match_case": arguments.match_case,
    }


def add_workers(parser: argparse.ArgumentParser) -> None:
    """--workers."""
    default = from_environment("WORKERS", Settings().workers)
    parser.add_argument("--workers", type=int, default=default, metavar="N", help="worker processes (default %(default)s)")


def add_cache_dir(parser: argparse.ArgumentParser) -> None:
    """--cache-dir."""
    default = from_environment("CACHE_DIR", default_cache_dir())
    parser.add_argument("--cache-dir", type=Path, default=default, metavar="DIR", help="default: %(default)s")


def add_data_dir(parser: argparse.ArgumentParser) -> None:
    """--data."""
    default = from_environment("DATA", default_data_dir())
    parser.add_argument("--data", type=Path, default=default, metavar="DIR", help="the shelf; default: %(default)s")


def from_environment(name: str, default: T) -> T | str:
    """What SIDEBOOKS_NAME holds, as text that the argument's type is made of; the default if it is not set, or empty."""
    return os.environ.get(f"SIDEBOOKS_{name}") or default


def positive(text: str) -> float:
    """A finite number above 0. Raises ValueError, ArgumentTypeError."""
    value = float(text)
    if not (math.isfinite(value) and value > 0):
        raise argparse.ArgumentTypeError(f"{text} is no positive number")
    return value


def pixels(text: str) -> int:
    """A whole number of pixels, 1 to 999,999,999. Raises ArgumentTypeError."""
    if not (text.isascii() and text.isdecimal() and len(text) <= 9 and int(text)):
        raise argparse.ArgumentTypeError(f"{text} pixels make no image")
    return int(text)


def count(text: str) -> int:
    """A whole number above 0. Raises ArgumentTypeError."""
    if not (text.isascii() and text.isdecimal() and len(text) <= 9 and int(text)):
        raise argparse.ArgumentTypeError(f"{text} is no number above 0")
    return int(text)


def screen(text: str) -> tuple[int, int]:
    """(width, height) of a screen in pixels. Raises ArgumentTypeError."""
    width, _, height = text.partition("x")
    if not (width.isdecimal() and height.isdecimal() and int(width) and int(height)):
        raise argparse.ArgumentTypeError(f"{text!r} is no screen: write it as WIDTHxHEIGHT, such as 1620x2160")
    return int(width), int(height)


def levels(text: str) -> list[int]:
    """Numbers of levels, from 0. Raises ArgumentTypeError."""
    parts = text.split(",")
    if not all(part.strip().isdecimal() for part in parts):
        raise argparse.ArgumentTypeError(f"{text!r} are no levels: write them as 0,3")
    return [int(part) for part in parts]


def port(text: str) -> int:
    """A TCP port, 0 to 65535. Raises ArgumentTypeError."""
    if not (text.isascii() and text.isdecimal() and len(text) <= 5 and int(text) <= 65535):
        raise argparse.ArgumentTypeError(f"{text} is no port: 0 to 65535")
    return int(text)


def mode(text: str) -> int:
    """Rights of a file, 0 to 0o777, as `chmod` takes them in figures. Raises ArgumentTypeError."""
    if not re.fullmatch("[0-7]{3,4}", text) or int(text, 8) > 0o777:
        raise argparse.ArgumentTypeError(f"{text} are no rights of a file: write them as 660")
    return int(text, 8)


def chosen_level(arguments: argparse.Namespace) -> str | None:
    """The level of --log-level, or of -v and -vv; None if neither was typed."""
    typed = getattr(arguments, "log_level", None)
    times = getattr(arguments, "verbose", 0)
    return typed or (("info", "debug")[min(times, 2) - 1] if times else None)


def read_password(given: str | None, path: Path | None = None) -> str | None:
    """The password of a document: given, the first line of a file, or from SIDEBOOKS_PASSWORD.

    "-" asks at the terminal, so no process list shows it. Raises OSError, RequestError.
    """
    if path is not None:
        try:
            return path.read_text(encoding="utf-8").split("\n", 1)[0].removesuffix("\r")
        except UnicodeDecodeError:
            raise RequestError(f"{path} holds no password: it is not UTF-8") from None
    if given == "-":
        return getpass.getpass("password: ")
    return given if given is not None else os.environ.get("SIDEBOOKS_PASSWORD")


class Commands(Protocol):
    """The result of `add_subparsers`, for which argparse has no public name."""

    def add_parser(self, name: str, *, help: str, description: str) -> argparse.ArgumentParser: ...


def add_command(
    commands: Commands,
    name: str,
    run: Callable[[argparse.Namespace], int],
    summary: str,
    description: str,
    *,
    has_json: bool = True,
) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=summary, description=description)
    lines = parser.add_mutually_exclusive_group()
    lines.add_argument(
        "--log-level", choices=LEVELS, metavar="LEVEL", help=f"{', '.join(LEVELS)}: log lines on standard error from there on"
    )
    lines.add_argument(
        "-v", "--verbose", action="count", default=0, help="short for --log-level info; -vv for --log-level debug"
    )
    if has_json:
        parser.add_argument("--json", action="store_true", help="print one JSON value instead of text")
    parser.set_defaults(run=run)
    return parser
