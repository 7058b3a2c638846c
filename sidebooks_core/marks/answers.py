"""What the store of marks answers, and its limits. Plain values."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from sidebooks_core.marks.model import Mark, Stamp
from sidebooks_core.marks.visibility import Audience

RefusalReason = Literal["invalid", "taken", "paper", "page", "limit"]
"""invalid: it is no mark. taken: the id is, or was, of somebody else's mark. paper: the id is of a mark on another paper. page:
the paper has no such revision, or the revision no such page. limit: its owner has too many marks on the paper, or too many
there are shown to others."""


class MarkLimits(Struct, frozen=True):
    """What bounds the marks of one owner on one paper, unless it says otherwise, and how long things are kept."""

    marks: int = 50_000
    """Deleted ones count until they are forgotten."""
    bytes: int = 64 << 20
    """With the texts that lost, and what is kept of wrong stamps and of marks that were forgotten."""
    paper_bytes: int = 128 << 20
    """Of the marks on one paper, of all owners, that were ever shown to others: each reader is given these."""
    marks_in_push: int = 2_000
    lost_texts: int = 50
    """Of one mark. The newest ones are kept."""
    lost_texts_s: float = 30 * 86_400.0
    deleted_s: float = 400 * 86_400.0
    """A device that has not read for longer begins anew."""
    answer_bytes: int = 4 << 20
    """Of the marks, and the ids of those that are gone, in one answer of a server to a reader. The next one goes on."""
    devices: int = 50
    """Of one reader on one paper, whose reading is remembered."""


class Refused(Struct, frozen=True):
    """A mark that was not taken. The others of its push are."""

    id: str
    reason: RefusalReason
    detail: str = ""
    """In English, for who writes a client."""


class Pushed(Struct, frozen=True):
    """The answer to a push. What it names is on the disk."""

    seq: int
    """Of the last change when it was written. Not a number to read from: others may have written between."""
    server_ms: int
    """The server's clock, since 1970 (UTC)."""
    marks: list[Mark]
    """The version of each that holds now. It replaces what the device has, also if its stamp is lower: see `clock.believed`.

    A mark that was deleted or destroyed long ago is deleted, whatever is pushed of it.
    """
    refused: list[Refused]


class MarkChanges(Struct, frozen=True):
    """The answer to a reader."""

    seq: int
    """To read from next. It grows with changes that the reader could see, and with nothing else."""
    server_ms: int
    is_whole: bool
    """These are all marks that the reader sees on the paper: the device forgets the others. Else: those that changed."""
    marks: list[Mark]
    """In the order of their changes. None is deleted."""
    gone: list[str]
    """Ids of marks that were deleted, or that the reader sees no more."""


class LostText(Struct, frozen=True):
    """A text of a version that did not hold."""

    text: str
    stamp: Stamp
    lost_s: float
    """When, in seconds since 1970 (UTC)."""


class FoundMark(Struct, frozen=True):
    """A mark whose text was searched for."""

    paper_id: str
    mark: Mark


class Destroyed(Struct, frozen=True):
    """What a destruction has removed."""

    marks: int
    """Deleted ones do not count."""
    texts: int
    """That had lost."""
    is_in_log: bool
    """The log of the database still has something of them: somebody reads, or it cannot be cut, and Python's log says why.

    It is tried again until it is cut.
    """
    papers: int
    """Of which the marks were removed."""


class Destruction(Struct, frozen=True, array_like=True):
    """That marks of a paper were destroyed."""

    at_s: float
    """In seconds since 1970 (UTC)."""
    who: str
    marks: int
    texts: int


class MarkNews(Struct, frozen=True, array_like=True):
    """Marks of a paper have changed. It says nothing of what they are."""

    paper_id: str
    owner: str
    """Whose. Empty: of people who are told by themselves; `audiences` should look."""
    audiences: tuple[Audience, ...] = ()
    """To whom beside their owner they are shown, or were until then: these should look too."""
    page: int = 0
    """From 0. On which page they see or saw them: those of `audiences` who may not read it need not look."""
