"""The commands `sidebooks user`, `audit` and `link`: accounts, what was done, and links for guests.

A password is asked for at the terminal, or is the first line of standard input. It is no argument, since others see those.
"""

from __future__ import annotations

import argparse
import contextlib
import getpass
import ipaddress
import sys
import time
import unicodedata
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from msgspec import to_builtins

from sidebooks_core.cli.shelving import find_folder, find_paper
from sidebooks_core.cli.terminal import print_json
from sidebooks_core.errors import RequestError
from sidebooks_core.settings import Settings

if TYPE_CHECKING:
    from sidebooks_core.access import Access, AuditRow, Person
    from sidebooks_core.shelf import Shelf

HOUR_S = 3600.0
JOIN = "/#join="
"""Before the secret of a link. A browser keeps what follows # to itself, so that it reaches no log."""


def add(arguments: argparse.Namespace) -> int:
    """Make an account."""
    with _opened(arguments) as access:
        if access.find_person(arguments.name) is not None:
            raise RequestError(f"there is somebody with the name {arguments.name!r} already")
        password = None if arguments.no_password else read_new_password()
        person = access.add_person(
            arguments.name,
            arguments.role,
            password=password,
            groups=arguments.group,
            shown_name=arguments.shown_name,
            who=_who(),
        )
        has_admin = any(one.role == "admin" and not one.is_disabled for one in access.people())
    _print_person(person, is_json=arguments.json)
    if not has_admin:
        print("sidebooks: there is no admin yet: `sidebooks user add NAME --role admin`", file=sys.stderr)
    return 0


def listing(arguments: argparse.Namespace) -> int:
    """Print the accounts."""
    with _opened(arguments) as access:
        people = access.people()
        logins = {person.id: len(access.sessions(person.id)) for person in people}
    if arguments.json:
        print_json([{**_fields(person), "logins": logins[person.id]} for person in people])
    elif people:
        rows = [
            (
                person.name,
                person.shown_name,
                person.role,
                " ".join(sorted(person.groups)) or "-",
                "disabled" if person.is_disabled else "-" if person.has_password else "no password",
                str(logins[person.id]),
                _day(person.last_login_s),
            )
            for person in people
        ]
        print(_columns(["name", "shown as", "role", "groups", "state", "logins", "last login"], rows))
    else:
        print("there are no accounts: `sidebooks user add NAME --role admin` makes the first")
    return 0


def disable(arguments: argparse.Namespace) -> int:
    """Let somebody in no more. Their logins end at once."""
    return _change(arguments, is_disabled=True)


def enable(arguments: argparse.Namespace) -> int:
    """Let somebody in again."""
    return _change(arguments, is_disabled=False)


def role(arguments: argparse.Namespace) -> int:
    """Change somebody's role, groups or shown name."""
    with _opened(arguments) as access:
        person = find_person(access, arguments.name)
        groups = person.groups if arguments.group is None else arguments.group
        person = access.change_person(person.id, role=arguments.role, groups=groups, who=_who())
    _print_person(person, is_json=arguments.json)
    return 0


def password(arguments: argparse.Namespace) -> int:
    """Set somebody's password. Their logins end."""
    with _opened(arguments) as access:
        person = find_person(access, arguments.name)
        access.set_password(person.id, read_new_password(), who=_who())
        person = access.person(person.id)
    _print_person(person, is_json=arguments.json)
    return 0


def logout(arguments: argparse.Namespace) -> int:
    """End all logins of somebody, for example after a tablet was lost."""
    with _opened(arguments) as access:
        person = find_person(access, arguments.name)
        ended = access.end_sessions(person.id, who=_who())
    if arguments.json:
        print_json({"ended": ended})
    else:
        print(f"{ended} logins of {person.name} ended")
    return 0


def audit(arguments: argparse.Namespace) -> int:
    """Print what was done, or check that nobody changed it. 1 if somebody did."""
    from sidebooks_core.access.spreadsheet import csv_of
    from sidebooks_core.shelf_audit import take_over_from

    with _opened(arguments) as access:
        take_over_from(arguments.data, access)
        if arguments.verify or arguments.head is not None:
            return _verify(access, arguments)
        person = access.find_person(arguments.person) if arguments.person else None
        rows = access.audit_rows(
            since_s=arguments.since,
            until_s=arguments.until,
            paper=_paper_id(arguments, access),
            person=arguments.person if person is None else person.id,
            limit=arguments.limit,
        )
    if arguments.csv:
        sys.stdout.buffer.write(csv_of(rows))
    elif arguments.json:
        print_json(to_builtins([_row_fields(row) for row in rows]))
    else:
        for row in rows:
            print(_line(row))
    return 0


def make_link(arguments: argparse.Namespace) -> int:
    """Make a link for guests."""
    until_s = arguments.until if arguments.until is not None else time.time() + arguments.hours * HOUR_S
    is_of_this_machine = _is_of_this_machine(arguments.address)
    with _opened(arguments) as access:
        with _shelf(arguments) as shelf:
            folders = [find_folder(shelf, text).id for text in arguments.folder]
        token, link = access.make_link(folders, name=arguments.name, until_s=until_s, uses=arguments.uses, who=_who())
    address = f"{arguments.address.rstrip('/')}{JOIN}{token}"
    if arguments.qr is not None:
        from sidebooks_core.access import svg_of

        arguments.qr.write_bytes(svg_of(address))
    if arguments.json:
        print_json({**to_builtins(link), "address": address})
    else:
        print(address)
        print(f"valid until {_minute(link.until_s)}; `sidebooks link end {link.id}` ends it", file=sys.stderr)
    if is_of_this_machine:
        told = "others reach it only with the server's address, as --address https://books.town.example"
        print(f"note: {arguments.address} opens on this machine alone; {told}", file=sys.stderr)
    return 0


def _is_of_this_machine(address: str) -> bool:
    """Whether an address names the machine that reads it. Raises RequestError if it is no address of a server."""
    try:
        parts = urlsplit(address)
        host, _ = parts.hostname or "", parts.port
    except ValueError as fault:
        raise RequestError(f"--address {address!r} is no address of a server: {fault}") from None
    if parts.scheme not in ("http", "https") or not host:
        raise RequestError(f"--address {address!r} is no address of a server: write it as https://books.town.example")
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost" or host.endswith(".localhost")


def links(arguments: argparse.Namespace) -> int:
    """Print the links for guests, and the signed addresses."""
    with _opened(arguments) as access:
        found, signed = access.links(), access.signed_addresses()
    if arguments.json:
        told = [{"kind": "link", **to_builtins(one)} for one in found]
        print_json(told + [{"kind": "address", **to_builtins(one)} for one in signed])
        return 0
    now_s = time.time()
    rows = [
        (one.name, "over" if one.until_s <= now_s else _minute(one.until_s), str(one.used), one.made_by or "-", one.id)
        for one in found
    ]
    rows += [
        (f"address of {len(one.documents)} documents", _minute(one.until_s), "-", one.signer_name, one.id) for one in signed
    ]
    if rows:
        print(_columns(["name", "until", "used", "made by", "id"], rows))
    return 0


def end_link(arguments: argparse.Namespace) -> int:
    """End a link for guests, and their logins; or a signed address."""
    with _opened(arguments) as access:
        if arguments.link in {one.id for one in access.signed_addresses()}:
            access.end_signed_address(arguments.link, who=_who())
        else:
            access.end_link(arguments.link, who=_who())
    if arguments.json:
        print_json({"ended": arguments.link})
    return 0


def find_person(access: Access, name: str) -> Person:
    """Raises RequestError if there is nobody with a name."""
    person = access.find_person(name)
    if person is None:
        raise RequestError(f"there is nobody with the name {name!r}: `sidebooks user list` shows them")
    return person


def read_new_password() -> str:
    """Asks twice at a terminal; else the first line of standard input. Raises RequestError if the two differ."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    first = getpass.getpass("new password: ")
    if getpass.getpass("again: ") != first:
        raise RequestError("the two passwords differ: nothing was changed")
    return first


def moment(text: str) -> float:
    """Seconds since 1970 (UTC) of a day or a time, as 2026-11-29 or 2026-11-29T13:30, here. Raises ArgumentTypeError."""
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError, OSError):
        raise argparse.ArgumentTypeError(f"{text!r} is no time: write it as 2026-11-29 or 2026-11-29T13:30") from None


def _change(arguments: argparse.Namespace, *, is_disabled: bool) -> int:
    with _opened(arguments) as access:
        person = find_person(access, arguments.name)
        person = access.change_person(person.id, is_disabled=is_disabled, who=_who())
    _print_person(person, is_json=arguments.json)
    return 0


def _verify(access: Access, arguments: argparse.Namespace) -> int:
    faults, head = access.verify_audit(arguments.head), access.audit_head()
    if arguments.json:
        print_json({"faults": faults, "head": head})
    else:
        for fault in faults:
            print(fault)
        print(f"head {head}")
        if not faults and arguments.head is None:
            print("the chain is whole; give an older head with --head to see whether it was shortened or written anew")
    return int(bool(faults))


def _paper_id(arguments: argparse.Namespace, access: Access) -> str:
    """The id of a paper that was told by its id or its names. One that was purged has its id only."""
    text: str = arguments.paper
    if not text or access.audit_rows(paper=text, limit=1):
        return text
    with _shelf(arguments) as shelf:
        return find_paper(shelf, text).id


def _row_fields(row: AuditRow) -> dict[str, object]:
    return {name: getattr(row, name) for name in row.__struct_fields__}


def _line(row: AuditRow) -> str:
    about = row.paper or row.document
    revision = f" revision {row.revision}" if row.revision is not None else ""
    parts = (_second(row.at_s), row.name or row.person or "-", row.operation, f"{about}{revision}", row.detail, row.address)
    return "  ".join(part for part in parts if part)


def _fields(person: Person) -> dict[str, object]:
    shown = [name for name in person.__struct_fields__ if name != "password_version"]
    return {name: getattr(person, name) for name in shown} | {"groups": sorted(person.groups)}


def _print_person(person: Person, *, is_json: bool) -> None:
    if is_json:
        print_json(_fields(person))
    else:
        groups = f", groups {' '.join(sorted(person.groups))}" if person.groups else ""
        print(f"{person.name} ({person.shown_name}): {person.role}{groups}{', disabled' if person.is_disabled else ''}")


def _who() -> str:
    return f"{getpass.getuser()} at the command line"


def _columns(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Lines of columns. A Japanese character is as wide as two others."""
    widths = [max(_width(line[place]) for line in (headings, *rows)) for place in range(len(headings))]
    lines = (
        "  ".join(cell + " " * (width - _width(cell)) for cell, width in zip(line, widths, strict=True))
        for line in (headings, *rows)
    )
    return "\n".join(line.rstrip() for line in lines)


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def _day(at_s: float | None) -> str:
    return "never" if at_s is None else time.strftime("%Y-%m-%d", time.localtime(at_s))


def _minute(at_s: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(at_s))


def _second(at_s: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at_s))


def _opened(arguments: argparse.Namespace) -> Access:
    from sidebooks_core.access import Access

    return Access(arguments.data)


@contextlib.contextmanager
def _shelf(arguments: argparse.Namespace) -> Iterator[Shelf]:
    """The shelf of --data, for the names of its folders and papers."""
    from sidebooks_core.service import TileService
    from sidebooks_core.shelf import Shelf

    settings = Settings(cache_dir=None, workers=1)
    with TileService(settings) as service, Shelf(arguments.data, service, prepares=False) as shelf:
        yield shelf
