"""The `sidebooks` command. Page numbers count from 1; `--json` prints one JSON value for machines."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from sidebooks_core import __version__
from sidebooks_core.cli import cache, drawing, people, prerendering, serving, shelving, turning
from sidebooks_core.cli.arguments import (
    DEFAULT_DPI,
    add_cache_dir,
    add_data_dir,
    add_document,
    add_format,
    add_pages,
    add_workers,
    levels,
    pixels,
    port,
    positive,
    read_password,
    screen,
)
from sidebooks_core.errors import RequestError, SidebooksError
from sidebooks_core.settings import default_data_dir

ROLES = ("admin", "clerk", "member")
"""Those that an account can have."""


class _Commands(Protocol):
    """The result of `add_subparsers`, for which argparse has no public name."""

    def add_parser(self, name: str, *, help: str, description: str) -> argparse.ArgumentParser: ...


_EPILOG = """
examples:
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
Others on this machine can see a PASSWORD on the command line: `--password -` asks for it; SIDEBOOKS_PASSWORD may hold it.
"""


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command and exit with its status."""
    arguments = _parser().parse_args(argv)
    try:
        if "password" in arguments:
            arguments.password = read_password(arguments.password)
        status = arguments.run(arguments)
    except (SidebooksError, OSError) as error:
        print(f"sidebooks: {error}", file=sys.stderr)
        status = 2 if isinstance(error, RequestError) else 1
    except KeyboardInterrupt:
        print("sidebooks: stopped; what was finished is kept", file=sys.stderr)
        status = 130
    sys.exit(status)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="sidebooks",
        description="Paged documents that feel like paper: PDF, XPS, EPUB, FB2, CBZ, SVG, TIFF and images.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"sidebooks {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    _add_inspect(commands)
    _add_render(commands)
    _add_prerender(commands)
    _add_flip(commands)
    _add_serve(commands)
    _add_shelf(commands)
    _add_user(commands)
    _add_link(commands)
    _add_audit(commands)
    _add_cache(commands)
    return parser


def _add_inspect(commands: _Commands) -> None:
    inspect = _command(
        commands,
        "inspect",
        drawing.inspect,
        "what will be slow or look wrong, page by page",
        "Fonts that are not embedded and what replaces them, scans and how they are compressed, the largest image, the "
        "slowest pages by measured time, damage that was repaired. Draws every page once.",
    )
    add_document(inspect)


def _add_render(commands: _Commands) -> None:
    render = _command(
        commands,
        "render",
        drawing.render,
        "pages, or a region of one, to image files",
        "Writes NAME-0001.png and so on into --output, or one file if --output names one. The format is chosen by what is "
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
    size.add_argument("--fit", type=screen, metavar="WxH", help="as large as fits so many pixels")
    render.add_argument("--region", metavar="X0,Y0,X1,Y1", help="only this part, in points (1/72 inch) from the top left")
    add_format(render)
    render.add_argument("--quality", type=int, default=85, help="of lossy pictures, 1-100 (default 85)")


def _add_prerender(commands: _Commands) -> None:
    prerender = _command(
        commands,
        "prerender",
        prerendering.prerender,
        "fill the cache before the readers come",
        "Draws the preview and the screen image of each page into the cache. Can be stopped and started again: what is "
        "there already is skipped.",
    )
    add_document(prerender)
    add_pages(prerender)
    prerender.add_argument(
        "--width", type=pixels, action="append", default=[], metavar="PX", help="also whole pages this wide; may be repeated"
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


def _add_flip(commands: _Commands) -> None:
    flip = _command(
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


def _add_serve(commands: _Commands) -> None:
    serve = _command(
        commands,
        "serve",
        serving.serve,
        "documents over HTTP, with a viewer: IIIF, Deep Zoom, our own API",
        "Serves the documents named, and those in the folders named, which are watched; or the shelf of papers. Listens on "
        "this machine only, unless --host says otherwise; there is no password. Needs the extra: pip install "
        "'sidebooks_core[server]'.",
        has_json=False,
    )
    serve.add_argument(
        "path", type=Path, nargs="*", metavar="PATH", help="documents, or folders of them; none: the shelf of --data alone"
    )
    serve.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        help="the shelf that is served; PATHs are registered on it. Default: no shelf if a PATH is named, else "
        f"{default_data_dir()}",
    )
    serve.add_argument(
        "--accounts", action="store_true", help="people log in; the first start prints a link that makes the administrator"
    )
    serve.add_argument("--processes", type=int, default=1, metavar="N", help="server processes that share the work (default 1)")
    serve.add_argument("--host", default="127.0.0.1", help="address to listen on (default 127.0.0.1: this machine only)")
    serve.add_argument("--port", type=port, default=8000, help="default 8000; 0 takes any that is free")
    serve.add_argument("--no-browser", action="store_true", help="do not open the viewer")
    serve.add_argument("--password", help="of the documents named that need one; - asks for it")
    serve.add_argument(
        "--hostname",
        action="append",
        default=[],
        metavar="NAME",
        help="a name that readers use for this server, beside localhost and this machine's own; may be repeated",
    )
    serve.add_argument(
        "--allow-origin",
        action="append",
        default=[],
        metavar="ORIGIN",
        help="web pages from there may read the documents, as https://books.example; '*': from anywhere; may be repeated",
    )
    add_format(serve)
    add_workers(serve)
    add_cache_dir(serve)


def _add_cache(commands: _Commands) -> None:
    parser = commands.add_parser(
        "cache", help="what the cache holds: stats, verify, purge", description="Look after the disk cache."
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    stats = _command(actions, "stats", cache.stats, "how much it holds", "Counts records, facts and bytes.")
    add_cache_dir(stats)
    verify = _command(
        actions,
        "verify",
        cache.verify,
        "read every record and fact and check it",
        "Checks the checksum of each record and fact, and looks for files that belong to no record. Exit status 1 if there "
        "was damage.",
    )
    verify.add_argument("--fix", action="store_true", help="remove what is damaged or belongs to nothing")
    add_cache_dir(verify)
    purge = _command(
        actions,
        "purge",
        cache.purge,
        "remove documents, or everything",
        "Removes all that is stored of the documents named; with --all, everything. Where readers left off stays.",
    )
    purge.add_argument("file", type=Path, nargs="*", metavar="FILE", help="documents whose pages are removed")
    purge.add_argument("--all", action="store_true", help="everything, of all documents")
    purge.add_argument("--positions", action="store_true", help="forget where readers left off, too")
    purge.add_argument("--password", help="if a document needs one; - asks for it")
    add_cache_dir(purge)


def _add_shelf(commands: _Commands) -> None:
    parser = commands.add_parser(
        "shelf",
        help="papers that are kept for good: add, watch, replace, list, search, withdraw, purge, backup, export, import",
        description="Look after the shelf. A PAPER is an id, or the names that lead to it, as Council/Budget.",
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    rows = (
        (
            "add",
            shelving.add,
            "register files, or folders of them",
            "Copies them. A folder becomes a folder of the shelf.",
        ),
        (
            "watch",
            shelving.watch,
            "mirror folders of the disk",
            "A file becomes a paper, a change a revision; a file that goes away has its paper withdrawn. Ends with Ctrl-C.",
        ),
        ("replace", shelving.replace, "put a new revision in the place of a paper", "Unchanged pages keep their images."),
        ("list", shelving.listing, "folders and papers, in order", "Prints names, pages, revisions and ids."),
        (
            "search",
            shelving.search,
            "pages that match, in all papers",
            "One character or any number of them.",
        ),
        ("withdraw", shelving.withdraw, "take papers away from their readers", "They stay on the disk: --undo puts them back."),
        ("purge", shelving.purge, "remove papers for good", "Originals, revisions, images, text and positions."),
        (
            "backup",
            shelving.back_up,
            "copy the shelf into a new folder",
            "With accounts and the audit. Others may use it meanwhile.",
        ),
        (
            "export",
            shelving.export,
            "write the shelf as folders and files",
            "With readable names and a manifest, from which `sidebooks shelf import` reads it.",
        ),
        (
            "import",
            shelving.bring_in,
            "read an exported shelf",
            "All or nothing. What stands here already is left as it is.",
        ),
        ("verify", shelving.verify, "read everything and check it", "Exit status 1 if something is missing or damaged."),
    )
    made = {name: _command(actions, name, run, summary, description) for name, run, summary, description in rows}
    for parser in made.values():
        add_data_dir(parser)
        add_cache_dir(parser)
    made["add"].add_argument("path", type=Path, nargs="+", metavar="PATH", help="documents, or folders of them")
    made["add"].add_argument("--name", help="what readers see (default: the file's name)")
    made["watch"].add_argument("path", type=Path, nargs="+", metavar="PATH", help="folders of the disk")
    made["watch"].add_argument("--once", action="store_true", help="end when everything that lies there is registered")
    made["watch"].add_argument(
        "--settle", type=positive, default=2.0, metavar="S", help="take a file that has not changed for S seconds (default 2)"
    )
    add_workers(made["watch"])
    made["replace"].add_argument("paper", metavar="PAPER")
    made["replace"].add_argument("file", type=Path, metavar="FILE", help="the new revision")
    made["replace"].add_argument("--note", default="", help="why it was replaced")
    made["list"].add_argument("--withdrawn", action="store_true", help="also papers that were withdrawn")
    made["search"].add_argument("query", metavar="TEXT")
    made["search"].add_argument("--limit", type=pixels, default=50, metavar="N", help="most pages (default 50)")
    made["withdraw"].add_argument("--undo", action="store_true", help="put them back")
    made["backup"].add_argument("target", type=Path, metavar="FOLDER", help="a folder that is not there yet")
    made["verify"].add_argument("--rebuild", action="store_true", help="make the search index again first")
    made["export"].add_argument("target", type=Path, metavar="TARGET", help="a folder that is not there yet")
    made["export"].add_argument("--present-only", action="store_true", help="without the earlier revisions")
    made["export"].add_argument("--with-passwords", action="store_true", help="of locked papers; the manifest is secret then")
    made["import"].add_argument("source", type=Path, metavar="SOURCE", help="an exported shelf")
    for name in ("withdraw", "purge"):
        made[name].add_argument("paper", nargs="+", metavar="PAPER")
    for name in ("add", "watch", "list", "search", "export", "import"):
        made[name].add_argument("--folder", metavar="FOLDER", help="names, as Council/2026, or an id")
    for name in ("add", "replace"):
        made[name].add_argument("--password", help="if a document needs one; - asks for it")
    for name in ("add", "replace", "import"):
        made[name].add_argument("--no-wait", action="store_true", help="leave the preparation to the server")
        add_workers(made[name])


def _add_user(commands: _Commands) -> None:
    parser = commands.add_parser(
        "user",
        help="accounts: add, list, role, disable, enable, password, logout",
        description="Look after the accounts. Passwords are asked for, or are the first line of standard input.",
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    rows = (
        ("add", people.add, "make an account", "Asks for the password twice."),
        ("list", people.listing, "all accounts", "Prints names, roles, groups, logins, and when somebody logged in last."),
        ("role", people.role, "change somebody's role and groups", "Counts at once, also for those who are logged in."),
        ("disable", people.disable, "let somebody in no more", "Their logins end at once. What they did stays in the audit."),
        ("enable", people.enable, "let somebody in again", "They log in with the password from before."),
        ("password", people.password, "set somebody's password", "Their logins end."),
        ("logout", people.logout, "end all logins of somebody", "For example after a tablet was lost."),
    )
    made = {name: _command(actions, name, run, summary, description) for name, run, summary, description in rows}
    for name, one in made.items():
        add_data_dir(one)
        if name != "list":
            one.add_argument("name", metavar="NAME", help="capital and full-width letters make no difference")
    made["role"].add_argument("role", choices=ROLES, metavar="ROLE", help=", ".join(ROLES))
    made["role"].add_argument("--group", action="append", metavar="GROUP", help="instead of those from before; may be repeated")
    made["add"].add_argument("--role", choices=ROLES, default="member", help="default: member")
    made["add"].add_argument("--group", action="append", default=[], metavar="GROUP", help="may be repeated")
    made["add"].add_argument("--shown-name", default="", metavar="TEXT", help="others read this (default: NAME)")
    made["add"].add_argument("--no-password", action="store_true", help="for somebody who comes by another way")


def _add_link(commands: _Commands) -> None:
    parser = commands.add_parser("link", help="links for guests: make, list, end", description="Look after links for guests.")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    make = _command(actions, "make", people.make_link, "a link with which guests read folders", "Prints its address, once.")
    make.add_argument("folder", nargs="+", metavar="FOLDER", help="names, as Council/2026, or an id")
    make.add_argument("--name", required=True, help="for whom it is; others read it")
    make.add_argument("--hours", type=positive, default=24.0, metavar="N", help="how long it is valid (default 24)")
    make.add_argument("--until", type=people.moment, metavar="TIME", help="instead of --hours, as 2026-11-29T18:00")
    make.add_argument("--uses", type=pixels, metavar="N", help="how often it can be used (default: any number)")
    make.add_argument("--address", default="http://localhost:8000", metavar="URL", help="of the server, as guests reach it")
    make.add_argument("--qr", type=Path, metavar="FILE", help="also write a QR code, as SVG")
    listed = _command(actions, "list", people.links, "the links", "Those that are over stay in the list for seven days.")
    end = _command(actions, "end", people.end_link, "end a link", "The logins of its guests end at once.")
    end.add_argument("link", metavar="LINK", help="its id: see `sidebooks link list`")
    for one in (make, listed, end):
        add_data_dir(one)


def _add_audit(commands: _Commands) -> None:
    audit = _command(
        commands,
        "audit",
        people.audit,
        "who did what, and whether that was changed afterwards",
        "Prints the newest rows. With --verify it checks the chain of all rows: exit status 1 if somebody changed it. "
        "Keep the head that it prints elsewhere, and give it back with --head: that shows whether the newest rows are gone.",
    )
    add_data_dir(audit)
    audit.add_argument("--since", type=people.moment, metavar="TIME", help="as 2026-11-29 or 2026-11-29T13:30")
    audit.add_argument("--until", type=people.moment, metavar="TIME")
    audit.add_argument("--paper", default="", metavar="PAPER", help="an id, or names, as Council/Budget")
    audit.add_argument("--person", default="", metavar="NAME")
    audit.add_argument("--limit", type=pixels, default=1000, metavar="N", help="most rows (default 1000)")
    audit.add_argument("--csv", action="store_true", help="for a spreadsheet")
    audit.add_argument("--verify", action="store_true", help="check the chain, and print its head")
    audit.add_argument("--head", metavar="HEAD", help="one that was printed or logged before; checks the chain")


def _command(
    commands: _Commands,
    name: str,
    run: Callable[[argparse.Namespace], int],
    summary: str,
    description: str,
    *,
    has_json: bool = True,
) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=summary, description=description)
    if has_json:
        parser.add_argument("--json", action="store_true", help="print one JSON value instead of text")
    parser.set_defaults(run=run)
    return parser


if __name__ == "__main__":
    main()
