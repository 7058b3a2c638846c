"""The values of access: people, logins, links, rows of the audit, and the bounds. Pure."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from enum import Enum
from typing import TypedDict

from msgspec import Struct

from sidebooks_core.access.principals import Role

DAY_S = 86_400.0


class AccessLimits(Struct, frozen=True):
    """Bounds of logins and of the audit. Times are seconds."""

    login_s: float = 30 * DAY_S
    """A login ends so long after it began, whatever happens."""
    idle_s: float = 7 * DAY_S
    """A login that nobody used for so long ends."""
    seen_every_s: float = 300.0
    """How exactly it is kept when a login was used last."""
    logins_per_person: int = 50
    """If there are more, the one that was used longest ago ends."""
    guests_per_link: int = 2000
    """Guests who are logged in by one link at a time. Further ones are refused, so that nobody throws others out."""
    addresses_per_signer: int = 10_000
    """Signed addresses of one signer that are valid at a time. Further ones are refused."""
    setup_s: float = 3600.0
    """How long the link for the first administrator is valid."""
    opened_every_s: float = 3600.0
    """That a person opened a revision of a paper is recorded once in this time."""
    audit_queue: int = 10_000
    """Most entries of the audit that wait to be written."""
    audit_head_every_s: float = 60.0
    """The head of the audit goes to the log once in this time at most."""


class Clock(Struct, frozen=True):
    """Where the time comes from. Tests have another one."""

    wall: Callable[[], float] = time.time
    steady: Callable[[], float] = time.monotonic


class Unknown(Enum):
    """What `known_principal` answers if it cannot tell without reading."""

    UNKNOWN = "unknown"


UNKNOWN = Unknown.UNKNOWN


class Person(Struct, frozen=True):
    """Somebody who has an account. Times are seconds of the wall clock, UTC."""

    id: str
    name: str
    """With this they log in. Folded: full-width and capital letters are as small ones."""
    shown_name: str
    """Others read this."""
    role: Role
    groups: frozenset[str] = frozenset()
    is_disabled: bool = False
    has_password: bool = False
    """False: they come by another way only, such as an identity provider."""
    made_s: float = 0.0
    last_login_s: float | None = None
    password_version: str = ""
    """Of a person whom `check_password` gave: tells the password that was checked from one that is set later. Else empty."""


class PersonChanges(TypedDict, total=False):
    """What can be changed of a person."""

    role: Role
    groups: Collection[str]
    shown_name: str
    is_disabled: bool


class Session(Struct, frozen=True):
    """A login: of a person, or of a guest by a link."""

    id: str
    person: str | None
    """The person's id; None for a guest."""
    link: str | None
    device: str
    address: str
    begun_s: float
    seen_s: float
    """When it was used last, give or take `AccessLimits.seen_every_s`."""
    end_s: float
    """It ends then at the latest."""


class Link(Struct, frozen=True):
    """A link for guests. Whoever has it reads its folders until it ends."""

    id: str
    name: str
    folders: frozenset[str]
    made_s: float
    until_s: float
    uses_left: int | None
    """None: any number."""
    used: int
    made_by: str


class SignedAddress(Struct, frozen=True):
    """An address that shows documents to whoever has it, until it ends."""

    id: str
    signer: str
    """The id of whoever made it: a person, a guest, or somebody who has no account here."""
    signer_name: str
    documents: frozenset[str]
    with_original: bool
    """The file itself can be downloaded, if the signer could do so as a reader."""
    made_s: float
    until_s: float


class What(Struct, frozen=True):
    """What an entry of the audit is about."""

    paper: str = ""
    revision: int | None = None
    document: str = ""


class AuditRow(Struct, frozen=True, array_like=True):
    """One row of the audit."""

    seq: int
    """From 1, without gaps. It orders rows; the clock does not."""
    at_s: float
    person: str
    """The person's id; empty if nobody is known."""
    name: str
    operation: str
    paper: str
    revision: int | None
    document: str
    address: str
    detail: str
    hash: str
    """SHA-256 of the hash of the row before and of this row, hexadecimal."""


class PaperReader(Struct, frozen=True, array_like=True):
    """Somebody who opened a paper."""

    person: str
    name: str
    first_s: float
    last_s: float
    count: int
    """How often, counted at most once per revision in each `AccessLimits.opened_every_s`."""
