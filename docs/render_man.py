"""Writes docs/man/sidebooks.1, the man page of the command line, from its parser. Needs argparse-manpage.

python docs/render_man.py [--check]

The wheel installs it as share/man/man1/sidebooks.1. Run it with Python 3.11: later ones lay out usage in another way.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from argparse_manpage.manpage import Manpage

from sidebooks_core import __version__

TARGET = Path(__file__).parent / "man" / "sidebooks.1"
COLUMNS = "72"
"""A usage in a terminal of 80 columns, indented as man does."""


def rendered() -> str:
    """The page, with the defaults of Linux and of an environment in which nothing is set."""
    for name in [name for name in os.environ if name.startswith("SIDEBOOKS_")]:
        del os.environ[name]
    os.environ.update(COLUMNS=COLUMNS, XDG_CACHE_HOME="~/.cache", XDG_DATA_HOME="~/.local/share")
    from sidebooks_core.cli.commands import command_parser

    parser = command_parser()
    examples, _, status = (parser.epilog or "").strip().removeprefix("examples:\n").partition("\n\n")
    parser.epilog = None
    page = Manpage(parser, format="single-commands-section")
    page.description = "paged documents on tablets and in browsers"
    page.manual, page.source, page.date = "User Commands", f"sidebooks {__version__}", ""
    for heading, text in (("examples", f".nf\n{escaped(examples)}\n.fi"), ("exit status", escaped(status))):
        page.add_section(heading, "=", text)
    return str(page)


def escaped(text: str) -> str:
    """Text for roff: backslashes and hyphens are themselves."""
    return text.replace("\\", "\\\\").replace("-", "\\-")


def main(arguments: list[str]) -> int:
    text = rendered()
    if "--check" not in arguments:
        TARGET.write_text(text, encoding="utf-8")
        return 0
    if TARGET.read_text(encoding="utf-8") == text:
        return 0
    print(f"{TARGET} is not what the parser says: python docs/render_man.py", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
