"""Decides what a principal may do with a resource. Pure: a policy is a value, and knows no clock, no database, and no request.

The nearest folder, from the resource upward, that says who may see it decides. If none says it, members may read.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from typing import Literal, Protocol

from msgspec import Struct
from msgspec.structs import replace

from sidebooks_core.access.operations import (
    ASKING,
    CLERKS,
    FOR_ANYBODY,
    GENERAL,
    OWN_FILES,
    READING,
    SIGNED,
    TENDING,
    WITH_FILE,
    Operation,
)
from sidebooks_core.access.principals import Principal

Right = Literal["read", "tend"]
"""read: what readers do. tend: also what clerks do in the folder, but neither purge papers nor say who may see it."""
SubjectKind = Literal["role", "group", "person"]


class Limits(Struct, frozen=True):
    """Bounds of what is allowed."""

    pages: tuple[tuple[int, int], ...] | None = None
    """Ranges of pages, first and last, from 0. None: all."""
    long_side_px: int | None = None
    """The longest side of an image of a whole page. None: any."""
    may_download: bool = True
    may_print: bool = True
    is_marked: bool = False
    """Images carry the reader's name."""

    def has_page(self, page: int) -> bool:
        """Whether a page, from 0, may be seen."""
        return self.pages is None or any(first <= page <= last for first, last in self.pages)

    def may_have_file(self) -> bool:
        """Whether the file itself may be downloaded. It holds all pages, in all sizes, without a mark."""
        return self.may_download and self.pages is None and self.long_side_px is None and not self.is_marked

    def or_those(self, other: Limits) -> Limits:
        """What is allowed by the wider of two; by both together, if that is not more than each of them allows.

        Never more: one who may have a file of page 1 only, and may see all pages, may not have a file of all pages.

        So the two are joined only if they differ in one thing, or if one of them allows all that the other does. Otherwise the
        one with the higher `rank` counts as it is, and what only the other one allows is lost.
        """
        joined = Limits(
            pages=None if self.pages is None or other.pages is None else self.pages + other.pages,
            long_side_px=_wider(self.long_side_px, other.long_side_px),
            may_download=self.may_download or other.may_download,
            may_print=self.may_print or other.may_print,
            is_marked=self.is_marked and other.is_marked,
        )
        differing = [name for name in self.__struct_fields__ if getattr(self, name) != getattr(other, name)]
        if len(differing) <= 1 or joined == self:
            return joined
        return other if joined == other or other.rank() > self.rank() else self

    def rank(self) -> tuple[bool, bool, float, bool, bool]:
        """Of two limits of which neither allows all that the other does, the higher one counts."""
        side_px = float("inf") if self.long_side_px is None else float(self.long_side_px)
        return (self.pages is None, not self.is_marked, side_px, self.may_download, self.may_print)


def _wider(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else max(one, other)


UNLIMITED = Limits()


class Decision(Struct, frozen=True):
    """The answer of a policy: deny, allow, or allow with limits."""

    is_allowed: bool
    limits: Limits = UNLIMITED


ALLOW = Decision(is_allowed=True)
DENY = Decision(is_allowed=False)


class Resource(Struct, frozen=True):
    """A folder, a paper or one of its revisions."""

    folders: tuple[str, ...] = ()
    """Ids of the folders that hold it, from the top; a folder holds itself. Empty: it stands at the top."""
    is_published: bool = True
    """False: its time has not come or is over, or it was withdrawn. Only who tends it sees it."""
    may_leave: bool = True
    """False: its level says that it is read only while connected: no download, no print."""


TOP = Resource()
"""The top of the shelf."""


class Policy(Protocol):
    """Decides. It is asked before every answer, also before images in memory: it must not wait.

    A principal that has `documents` is whoever has a signed address: it should get no more than a reader, whatever its role.
    """

    def decide(self, principal: Principal, operation: Operation, resource: Resource | None, /) -> Decision:
        """resource: None if the operation concerns none, or many; what is many is decided one by one."""


class Grant(Struct, frozen=True):
    """Says of a folder that some may see it, with what is in it."""

    kind: SubjectKind
    subject: str
    """A role, a group's name, or a person's id. The role "citizen" stands for everybody."""
    right: Right = "read"
    limits: Limits = UNLIMITED

    def is_for(self, principal: Principal) -> bool:
        """Whether a principal has it."""
        match self.kind:
            case "role":
                return self.subject in (principal.role, "citizen")
            case "group":
                return self.subject in principal.groups
            case "person":
                own_id = principal.signer or principal.id
                return bool(own_id) and self.subject == own_id


class FolderPolicy(Struct, frozen=True):
    """The policy unless an application has its own: admins may do everything, clerks all but manage people; for others, folders
    say who may read them. A guest's link is a grant for its folders.

    A signed address reads documents as a reader does, whatever the role of its signer, and does nothing else. Whoever asks
    must check that a document is one of its own: a resource does not name documents.
    """

    grants: Mapping[str, tuple[Grant, ...]] = {}
    """By folder. A folder without a row is as the one that holds it."""

    def decide(self, principal: Principal, operation: Operation, resource: Resource | None, /) -> Decision:
        """See `Policy`."""
        if principal.documents is not None:
            return self._decide_signed(principal, operation, resource)
        if principal.role == "citizen" and resource is None and operation in ASKING and not self.is_open_to_citizens():
            return DENY
        if operation in FOR_ANYBODY | GENERAL or principal.role == "admin":
            return ALLOW
        if principal.role == "clerk":
            return ALLOW if operation in CLERKS | READING else DENY
        if resource is None:
            return ALLOW if operation == Operation.SEARCH else DENY
        grant = self._grant(principal, resource)
        if grant is None:
            return DENY
        if grant.right == "tend":
            return ALLOW if operation in TENDING | READING else DENY
        return _as_reader(grant, operation, resource)

    def _decide_signed(self, principal: Principal, operation: Operation, resource: Resource | None) -> Decision:
        """A signed address is no more than a reader, also if its signer is a clerk: strangers have it."""
        if operation in OWN_FILES:
            return ALLOW
        if operation not in SIGNED or resource is None:
            return DENY
        if operation == Operation.READ_ORIGINAL and not principal.with_original:
            return DENY
        if principal.role in ("admin", "clerk"):
            return _as_reader(Grant("role", principal.role), operation, resource)
        grant = self._grant(principal, resource)
        return DENY if grant is None else _as_reader(grant, operation, resource)

    def is_open_to_citizens(self) -> bool:
        """Whether there is a folder that everybody may see."""
        return any(one.kind == "role" and one.subject == "citizen" for grants in self.grants.values() for one in grants)

    def _grant(self, principal: Principal, resource: Resource) -> Grant | None:
        """What a principal has in the nearest folder that decides. None: nothing."""
        for folder in reversed(resource.folders):
            if folder in principal.folders:
                return Grant("person", principal.id)
            grants = self.grants.get(folder)
            if grants is not None:
                return _joined([grant for grant in grants if grant.is_for(principal)])
        return Grant("role", "member") if principal.role == "member" else None


def _as_reader(grant: Grant, operation: Operation, resource: Resource) -> Decision:
    """What somebody who reads with a grant may do."""
    if operation not in READING or not resource.is_published:
        return DENY
    limits = grant.limits if resource.may_leave else replace(grant.limits, may_download=False, may_print=False)
    if operation in WITH_FILE and not limits.may_have_file():
        return DENY
    return Decision(is_allowed=True, limits=limits)


def _joined(grants: list[Grant]) -> Grant | None:
    """One grant that allows what any of some allows; None for none."""
    if not grants:
        return None
    right: Right = "tend" if any(grant.right == "tend" for grant in grants) else "read"
    ranked = sorted((grant.limits for grant in grants), key=Limits.rank, reverse=True)
    limits = reduce(Limits.or_those, ranked)
    return Grant(grants[0].kind, grants[0].subject, right, limits)
