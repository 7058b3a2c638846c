"""The JSON of access: logins, people, links, rights of folders, the audit. Times are seconds since 1970 (UTC)."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from sidebooks_core.access.policy import Right, SubjectKind
from sidebooks_core.access.principals import Role

Name = Annotated[str, Meta(min_length=1, max_length=200)]
Secret = Annotated[str, Meta(min_length=1, max_length=1000)]
Token = Annotated[str, Meta(min_length=1, max_length=200)]


class Me(Struct, kw_only=True):
    """Who asks, and what they may do at the top of the shelf."""

    id: str
    name: str
    role: Role
    groups: list[str]
    may: list[str]
    """Operations."""
    has_accounts: bool
    """Whether people log in here. False: nobody has an account, so whoever is at this machine may do everything."""
    is_logged_in: bool
    has_shelf: bool
    """Whether there is a shelf of papers. False: only the documents at /documents are served."""
    login_address: str | None
    """Where a browser logs in at the identity provider. None: there is none."""


class LogIn(Struct, kw_only=True):
    """A name and a password."""

    name: Name
    password: Secret


class UseLink(Struct, kw_only=True):
    """The token of a guest's link."""

    token: Token
    name: Annotated[str, Meta(max_length=200)] = ""
    """How the guest is called, if they say it."""


class SetUp(Struct, kw_only=True):
    """The first administrator."""

    token: Token
    name: Name
    password: Secret


class NewPassword(Struct, kw_only=True):
    """Another password."""

    password: Secret
    old: Annotated[str, Meta(max_length=1000)] = ""
    """The present one. Whoever changes their own must give it."""


class LoginRow(Struct, kw_only=True):
    """A login."""

    id: str
    device: str
    address: str
    begun_s: float
    seen_s: float
    is_this: bool
    """Whether it is that of the request."""


class LoginList(Struct):
    """The logins of a person."""

    sessions: list[LoginRow]


class PersonRow(Struct, kw_only=True):
    """Somebody who has an account."""

    id: str
    name: str
    shown_name: str
    role: Role
    groups: list[str]
    is_disabled: bool
    has_password: bool
    last_login_s: float | None


class PersonList(Struct):
    """Everybody who has an account."""

    people: list[PersonRow]


class NewPerson(Struct, kw_only=True):
    """A new account."""

    name: Name
    role: Literal["admin", "clerk", "member"]
    password: Secret | None = None
    shown_name: Annotated[str, Meta(max_length=200)] = ""
    groups: list[Name] = []


class PersonPatch(Struct, kw_only=True):
    """What changes of a person. What is not told stays."""

    role: Literal["admin", "clerk", "member"] | UnsetType = UNSET
    shown_name: Annotated[str, Meta(max_length=200)] | UnsetType = UNSET
    groups: list[Name] | UnsetType = UNSET
    is_disabled: bool | UnsetType = UNSET


class LinkRow(Struct, kw_only=True):
    """A link for guests."""

    id: str
    name: str
    made_s: float
    until_s: float
    uses_left: int | None
    """None: any number."""
    used: int
    made_by: str


class LinkList(Struct):
    """The links of a folder."""

    links: list[LinkRow]


class NewLink(Struct, kw_only=True):
    """A link for guests that is to be made."""

    name: Name
    until_s: float
    uses: Annotated[int, Meta(ge=1, le=100_000)] | None = None
    """How many guests may use it. None: any number."""


class MadeLink(Struct, kw_only=True):
    """A link that was made. Its address is told once, and never again."""

    link: LinkRow
    address: str
    qr_svg: str
    """The address as a code that cameras read (SVG)."""


class GrantLimits(Struct, kw_only=True):
    """Bounds of what is allowed."""

    pages: list[tuple[Annotated[int, Meta(ge=1)], Annotated[int, Meta(ge=1)]]] | None = None
    """Ranges, first and last, from 1. None: all."""
    long_side_px: Annotated[int, Meta(ge=16)] | None = None
    may_download: bool = True
    may_print: bool = True
    is_marked: bool = False
    """Images carry the reader's name."""


class GrantRow(Struct, kw_only=True):
    """Says that some may see a folder."""

    kind: SubjectKind
    subject: Name
    right: Right = "read"
    limits: GrantLimits | None = None


class FolderAccess(Struct, kw_only=True):
    """Who may see a folder and what is in it."""

    grants: list[GrantRow] | None
    """None: the grants of the folder that holds it count. An empty list: admins and clerks only."""


class AuditEntry(Struct, kw_only=True):
    """A row of the audit."""

    seq: int
    at_s: float
    person: str
    name: str
    operation: str
    paper: str
    revision: int | None
    document: str
    address: str
    detail: str
    hash: str


class AuditList(Struct):
    """Rows of the audit, in their order."""

    rows: list[AuditEntry]


class ReaderRow(Struct, kw_only=True):
    """Somebody who has opened a paper."""

    person: str
    name: str
    first_s: float
    last_s: float
    count: int


class ReaderList(Struct):
    """Everybody who has opened a paper."""

    readers: list[ReaderRow]


class NewAddress(Struct, kw_only=True):
    """A signed address that is to be made."""

    valid_s: Annotated[float, Meta(gt=0, le=30 * 86_400)]
    """How long it is valid at least."""
    with_original: bool = False
    """It also gives the file itself, if readers may have that."""


class SignedAddress(Struct, kw_only=True):
    """What the addresses of a document begin with for a client that has no login."""

    base: str
    info: str
    """The document's manifest below it."""


class AddressRow(Struct, kw_only=True):
    """A signed address that is valid. What it begins with is told once, when it is made."""

    id: str
    signer_name: str
    with_original: bool
    """It also gives the file itself."""
    documents: int
    """How many it shows."""
    made_s: float
    until_s: float


class AddressList(Struct):
    """The signed addresses of a document."""

    addresses: list[AddressRow]
