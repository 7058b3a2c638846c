"""Decides, when a server starts, who comes in. Pure."""

from __future__ import annotations

from enum import Enum, auto

from msgspec import Struct

from sidebooks_core.errors import RequestError

NOBODY_ELSE = (
    "others in the network could read and change everything here. Make an account (`sidebooks user add NAME --role admin`), "
    "or say --accounts, which prints a link for the first administrator, or --open: then everybody may read"
)
NAMED_FOR_OTHERS = "--base-url, --hostname or --uds gives others a way to this server, as through a proxy: "
LOST_ACCOUNTS = (
    "there were accounts here, and access.sqlite3 is gone from the data folder: put it back from a backup. "
    "Or say --accounts, which prints a link for a new first administrator; rights of folders and the audit begin anew"
)
NO_ACCOUNTS = (
    "others in the network could read these documents: say --open if they may, or serve a shelf with accounts (--data)"
)


class Entry(Enum):
    """Who comes in."""

    HOUSE = auto()
    """Whoever is at this machine may do everything. As soon as somebody has an account, only people with accounts come in."""
    READERS = auto()
    """Everybody may read. Whoever is at this machine may do everything."""
    ACCOUNTS = auto()
    """Those whom an account, a link, a proxy or an identity provider lets in."""


class Asked(Struct, frozen=True, kw_only=True):
    """What the command was told, and what is there."""

    is_this_machine_only: bool
    """Nobody else reaches the address on which it listens."""
    is_named_for_others: bool = False
    """It has a name that others can reach, or listens on a socket, so a proxy in front may let them in."""
    has_shelf: bool
    has_people: bool
    """There is an account."""
    had_people: bool = False
    """The shelf remembers that there was one."""
    wants_accounts: bool
    wants_open: bool
    has_other_ways: bool
    """A proxy or an identity provider says who asks."""


def entry_of(asked: Asked) -> Entry:
    """Who comes in. Raises RequestError, with what to do, if nobody has said who may."""
    wants_logins = asked.wants_accounts or asked.has_other_ways
    if wants_logins and not asked.has_shelf:
        raise RequestError("accounts need a shelf: name its folder with --data")
    if asked.wants_open and wants_logins:
        raise RequestError("--open lets everybody in: leave out --accounts and other ways to log in")
    if asked.wants_open and asked.has_people:
        raise RequestError("--open lets everybody in, and there are accounts here: leave it out")
    # Documents without a shelf can only be read. Whoever puts a proxy in front of this machine's own address wants that.
    is_for_this_machine = asked.is_this_machine_only and not (asked.is_named_for_others and asked.has_shelf)
    if wants_logins or (asked.has_people and not is_for_this_machine):
        return Entry.ACCOUNTS
    if asked.had_people and not asked.has_people:
        raise RequestError(LOST_ACCOUNTS)
    if asked.wants_open:
        return Entry.READERS
    if is_for_this_machine:
        return Entry.HOUSE
    why = NAMED_FOR_OTHERS if asked.is_this_machine_only else ""
    raise RequestError(why + (NOBODY_ELSE if asked.has_shelf else NO_ACCOUNTS))
