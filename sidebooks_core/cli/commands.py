"""The `sidebooks` command. Page numbers count from 1; `--json` prints one JSON value for machines."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from sidebooks_core import __version__
from sidebooks_core.cli import cache, completing, drawing, prerendering, reading, turning
from sidebooks_core.cli.arguments import (
    DEFAULT_DPI,
    Commands,
    add_cache_dir,
    add_command,
    add_document,
    add_documents,
    add_format,
    add_matching,
    add_pages,
    add_password,
    add_workers,
    chosen_level,
    count,
    levels,
    pixels,
    positive,
    read_password,
    screen,
)
from sidebooks_core.cli.serve_arguments import add_serve
from sidebooks_core.cli.shelf_arguments import add_audit, add_link, add_shelf, add_user
from sidebooks_core.cli.terminal import tell_error
from sidebooks_core.cli.usage import CommandParser, UsageError, tell_usage
from sidebooks_core.errors import RequestError, SidebooksError
from sidebooks_core.logs import log_to_stderr

_EPILOG = """
examples:
  sidebooks info budget.pdf                            title, pages, sizes, table of contents
  sidebooks search budget.pdf 補正                     pages and lines that have it
  sidebooks inspect budget.pdf                         what will be slow or look wrong, page by page
  sidebooks render budget.pdf --pages 3-5 --dpi 200    pages to image files, in the format that suits each
  sidebooks render map.pdf --region 100,200,300,400 --width 2000 -o detail.png
  sidebooks prerender budget.pdf                       fill the cache before the meeting; stop and start at will
  sidebooks flip budget.pdf                            turn through it and print how long each turn takes
  sidebooks serve minutes/                             to tablets and browsers, with a viewer
  sidebooks shelf add minutes/                         papers that are kept for good, with search and revisions
  sidebooks user add yamada --role admin               an account; asks for the password
  sidebooks audit --paper PAPER                        who registered, replaced, opened, downloaded
  sidebooks cache stats                                what the cache holds

`sidebooks COMMAND --help` tells more. Exit status: 0 done, 1 it failed, or some page did or could not be
drawn whole, 2 wrong usage, 130 stopped by Ctrl-C.
Others on this machine can see a PASSWORD on the command line: `--password -` asks for it, and
--password-file or SIDEBOOKS_PASSWORD may hold it.
"""


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command and exit with its status."""
    typed = sys.argv[1:] if argv is None else list(argv)
    try:
        arguments = command_parser().parse_args(typed)
    except UsageError as error:
        sys.exit(tell_usage(error, typed))
    as_json = getattr(arguments, "json", False)
    try:
        log_to_stderr(chosen_level(arguments))
        if "password" in arguments:
            arguments.password = read_password(arguments.password, arguments.password_file)
        status = arguments.run(arguments)
    except BrokenPipeError:  # who reads what is printed has enough, as `head` has
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is still to be written at the end
        status = 1
    except (SidebooksError, OSError) as error:
        tell_error(error, as_json=as_json)
        status = 2 if isinstance(error, RequestError) else 1
    except KeyboardInterrupt:
        tell_error(KeyboardInterrupt("stopped; what was finished is kept"), as_json=as_json)
        status = 130
    sys.exit(status)


def command_parser() -> argparse.ArgumentParser:
    """The parser of all commands. Its defaults are those of the settings, the environment and this platform."""
    parser = CommandParser(
        prog="sidebooks",
        description="Paged documents that feel like paper: PDF, XPS, EPUB, FB2, CBZ, SVG, TIFF and images.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"sidebooks {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    _add_info(commands)
    _add_text(commands)
    _add_search(commands)
    _add_inspect(commands)
    _add_render(commands)
    _add_prerender(commands)
    _add_flip(commands)
    add_serve(commands)
    add_shelf(commands)
    add_user(commands)
    add_link(commands)
    add_audit(commands)
    _add_cache(commands)
    _add_completion(commands, parser)
    return parser


def _add_info(commands: Commands) -> None:
    info = add_command(
        commands,
        "info",
        reading.info,
        "title, author, dates, pages, sizes, table of contents",
        "What the document says of itself. Draws nothing.",
    )
    add_document(info)


def _add_text(commands: Commands) -> None:
    text = add_command(
        commands,
        "text",
        reading.text,
        "the words of pages",
        "Prints the words in lines; a form feed ends each page. With --json, each word has its box, in points.",
    )
    add_document(text)
    add_pages(text)


def _add_search(commands: Commands) -> None:
    search = add_command(
        commands,
        "search",
        reading.search,
        "where a text occurs in a document",
        "Prints each hit with its page as it is found. With --json, each is a line of JSON with its boxes. Case (without "
        "--match-case), accents, width of characters and ruby do not matter. Exit status 1 if there is none.",
    )
    add_document(search)
    search.add_argument("query", metavar="TEXT", help="accents, width of characters and ruby do not matter")
    add_matching(search)
    search.add_argument("--limit", type=count, metavar="N", help="most hits (default: all)")


def _add_inspect(commands: Commands) -> None:
    inspect = add_command(
        commands,
        "inspect",
        drawing.inspect,
        "what will be slow or look wrong, page by page",
        "Fonts that are not embedded and what replaces them, scans and how they are compressed, the largest image, the "
        "slowest pages by measured time, damage that was repaired. Draws every page once.",
    )
    add_document(inspect)


def _add_render(commands: Commands) -> None:
    render = add_command(
        commands,
        "render",
        drawing.render,
        "pages, or a region of one, to image files",
        "Writes NAME-0001.png and so on into --output, or one file if --output names one; files of these names are replaced. "
        "The format is chosen by what is "
        "on the page unless --format, or the name of one file, tells: lossless PNG for text and line art, JPEG for pictures.",
    )
    add_document(render)
    add_pages(render)
    render.add_argument(
        "-o", "--output", type=Path, default=Path(), metavar="PATH", help="folder, or file for a single page; - writes it out"
    )
    size = render.add_mutually_exclusive_group()
    size.add_argument("--dpi", type=positive, help=f"resolution (default {DEFAULT_DPI})")
    size.add_argument("--width", type=pixels, metavar="PX", help="exact width in pixels")
    size.add_argument("--height", type=pixels, metavar="PX", help="exact height in pixels")
    size.add_argument("--fit", type=screen, metavar="WxH", help="as large as fits so many pixels")
    render.add_argument("--region", metavar="X0,Y0,X1,Y1", help="only this part, in points (1/72 inch) from the top left")
    add_format(render)
    render.add_argument("--quality", type=int, default=85, help="of lossy pictures, 1-100 (default 85)")


def _add_prerender(commands: Commands) -> None:
    prerender = add_command(
        commands,
        "prerender",
        prerendering.prerender,
        "fill the cache before the readers come",
        "Draws the preview and the screen image of each page into the cache. Can be stopped and started again: what is "
        "there already is skipped.",
    )
    add_documents(prerender)
    add_pages(prerender)
    prerender.add_argument(
        "--width", type=pixels, action="append", default=[], metavar="PX", help="also whole pages this wide; may be repeated"
    )
    prerender.add_argument(
        "--height", type=pixels, action="append", default=[], metavar="PX", help="also whole pages this high; may be repeated"
    )
    prerender.add_argument(
        "--fit",
        type=screen,
        action="append",
        default=[],
        metavar="WxH",
        help="also whole pages as large as fit a screen of so many pixels, such as 1620x2160; may be repeated",
    )
    prerender.add_argument("--spread", action="store_true", help="two pages side by side on the screens of --fit")
    prerender.add_argument("--levels", type=levels, metavar="N,N", help="instead of preview (0) and screen image")
    add_format(prerender)
    add_workers(prerender)
    add_cache_dir(prerender)


def _add_flip(commands: Commands) -> None:
    flip = add_command(
        commands,
        "flip",
        turning.flip,
        "turn through a document and print how long each turn takes",
        "Three times: cold, from memory, and from disk in a new service; median, 95th, 99th percentile and the worst. Uses "
        "an empty cache of its own.",
    )
    add_document(flip)
    add_pages(flip)
    flip.add_argument("--width", type=pixels, metavar="PX", help="width of the page images (default: long side 2048)")
    add_workers(flip)


def _add_cache(commands: Commands) -> None:
    parser = commands.add_parser(
        "cache", help="what the cache holds: stats, verify, purge", description="Look after the disk cache."
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    stats = add_command(actions, "stats", cache.stats, "how much it holds", "Counts records, facts and bytes.")
    add_cache_dir(stats)
    verify = add_command(
        actions,
        "verify",
        cache.verify,
        "read every record and fact and check it",
        "Checks the checksum of each record and fact, and looks for files that belong to no record. Exit status 1 if there "
        "was damage.",
    )
    verify.add_argument("--fix", action="store_true", help="remove what is damaged or belongs to nothing")
    add_cache_dir(verify)
    purge = add_command(
        actions,
        "purge",
        cache.purge,
        "remove documents, or everything",
        "Removes all that is stored of the documents named; with --all, everything. Where readers left off stays.",
    )
    purge.add_argument("file", type=Path, nargs="*", metavar="FILE", help="documents whose pages are removed")
    purge.add_argument("--all", action="store_true", help="everything, of all documents")
    purge.add_argument("--positions", action="store_true", help="forget where readers left off, too")
    add_password(purge, "if a document needs one; - asks for it")
    add_cache_dir(purge)


def _add_completion(commands: Commands, parser: argparse.ArgumentParser) -> None:
    completion = add_command(
        commands,
        "completion",
        partial(completing.completion, parser),
        "what a shell completes of this command",
        "Prints a script for the shell. bash: sidebooks completion bash > ~/.local/share/bash-completion/completions/sidebooks",
        has_json=False,
    )
    completion.add_argument("shell", choices=completing.SHELLS, help="the shell")


if __name__ == "__main__":
    main()
