"""The arguments of the commands about the shelf and whoever may see it: `shelf`, `user`, `link` and `audit`."""

from __future__ import annotations

from pathlib import Path

from sidebooks_core.cli import people, shelving
from sidebooks_core.cli.arguments import (
    Commands,
    add_cache_dir,
    add_command,
    add_data_dir,
    add_matching,
    add_password,
    add_workers,
    pixels,
    positive,
)

ROLES = ("admin", "clerk", "member")
"""Those that an account can have."""
WITHOUT_CACHE = ("list", "backup", "verify")
"""Actions of `shelf` that draw nothing. A cache folder of theirs would be one more that a purge waits for."""


def add_shelf(commands: Commands) -> None:
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
    made = {name: add_command(actions, name, run, summary, description) for name, run, summary, description in rows}
    for name, parser in made.items():
        add_data_dir(parser)
        if name in WITHOUT_CACHE:
            parser.set_defaults(cache_dir=None)
        else:
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
    add_matching(made["search"])
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
        add_password(made[name], "if a document needs one; - asks for it")
    for name in ("add", "replace", "import"):
        made[name].add_argument("--no-wait", action="store_true", help="leave the preparation to the server")
        add_workers(made[name])


def add_user(commands: Commands) -> None:
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
    made = {name: add_command(actions, name, run, summary, description) for name, run, summary, description in rows}
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


def add_link(commands: Commands) -> None:
    parser = commands.add_parser("link", help="links for guests: make, list, end", description="Look after links for guests.")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    make = add_command(actions, "make", people.make_link, "a link with which guests read folders", "Prints its address, once.")
    make.add_argument("folder", nargs="+", metavar="FOLDER", help="names, as Council/2026, or an id")
    make.add_argument("--name", required=True, help="for whom it is; others read it")
    make.add_argument("--hours", type=positive, default=24.0, metavar="N", help="how long it is valid (default 24)")
    make.add_argument("--until", type=people.moment, metavar="TIME", help="instead of --hours, as 2026-11-29T18:00")
    make.add_argument("--uses", type=pixels, metavar="N", help="how often it can be used (default: any number)")
    make.add_argument(
        "--address",
        default="http://localhost:8000",
        metavar="URL",
        help="of the server, as guests reach it (default %(default)s)",
    )
    make.add_argument("--qr", type=Path, metavar="FILE", help="also write a QR code, as SVG")
    listed = add_command(
        actions, "list", people.links, "the links, and signed addresses", "Links that are over stay for seven days."
    )
    end = add_command(actions, "end", people.end_link, "end a link or an address", "The logins of its guests end at once.")
    end.add_argument("link", metavar="LINK", help="its id: see `sidebooks link list`")
    for one in (make, listed, end):
        add_data_dir(one)


def add_audit(commands: Commands) -> None:
    audit = add_command(
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
