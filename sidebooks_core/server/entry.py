"""Decides who comes in at a server that is started: pure."""

from __future__ import annotations

from enum import Enum, auto

from msgspec import Struct

from sidebooks_core.errors import RequestError

NOBODY_ELSE = (
    "others in the network could read and change everything here. Make an account (`sidebooks user add NAME --role admin`), "
    "or say --accounts, which prints a link for the first administrator, or --open: then everybody may read"
)
NO_ACCOUNTS = (
    "others in the network could read these documents: say --open if they may, or serve a shelf with accounts (--data)"
)


class Entry(Enum):
    """Who comes in."""

    HOUSE = auto()
    """Whoever reaches the server, since only this machine does. As soon as somebody has an account: those."""
    READERS = auto()
    """Everybody may read; this machine may do everything."""
    ACCOUNTS = auto()
    """Those whom an account, a link, a proxy or an identity provider lets in."""


class Asked(Struct, frozen=True, kw_only=True):
    """What the command was told, and what is there."""

    is_this_machine_only: bool
    """Nobody else reaches the address on which it listens."""
    has_shelf: bool
    has_people: bool
    """There is an account."""
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
    if wants_logins or (asked.has_people and not asked.is_this_machine_only):
        return Entry.ACCOUNTS
    if asked.is_this_machine_only:
        return Entry.HOUSE
    if asked.wants_open:
        return Entry.READERS
    raise RequestError(NOBODY_ELSE if asked.has_shelf else NO_ACCOUNTS)
