"""What stands on the shelf: folders, papers, revisions, and the numbered changes of them. Frozen values."""

from __future__ import annotations

from typing import Literal, TypedDict, overload

from msgspec import Struct

FolderKind = Literal["folder", "meeting", "item"]
"""A folder of any meaning, a meeting, or an item of its agenda. Meetings and items are folders: they nest and have an order."""
Level = Literal["open", "online", "keep"]
"""Who may take a paper away: "open" to whoever may see it, "online" to be read only while connected, "keep" also without a
network."""
State = Literal["ready", "locked", "damaged", "unsupported", "too large"]
"""Of a revision: "ready" to be read, or why it cannot be opened."""
ChangeKind = Literal[
    "folder",
    "folder removed",
    "paper",
    "paper replaced",
    "paper prepared",
    "paper opened",
    "paper closed",
    "paper withdrawn",
    "paper restored",
    "paper purged",
]
"""What a change of the feed says. "folder" and "paper": there is a new one, or what it is called or where it stands changed.
"paper opened" and "paper closed": its time has begun or ended."""


class Actor(Struct, frozen=True):
    """Who does something, as the audit tells it."""

    name: str
    """What others read."""
    id: str = ""
    """Stays the same for a person; empty if nobody known does it, as at the command line."""
    address: str = ""
    """Of the person's computer in the network."""
    detail: str = ""
    """How it came about, in words, as "at the command line"."""


Who = str | Actor
"""Who does something; a text is a name, empty if nobody is named."""


class Folder(Struct, frozen=True, array_like=True):
    """A folder of the shelf."""

    id: str
    parent: str | None
    """The folder that holds it; None at the top."""
    name: str
    kind: FolderKind
    note: str
    place: int
    """Its place in its parent, from 0."""


class Paper(Struct, frozen=True, array_like=True):
    """A paper. Its id and address stay the same over all its revisions."""

    id: str
    folder: str | None
    """The folder that holds it; None at the top."""
    name: str
    note: str
    level: Level
    place: int
    """Its place in its folder, from 0."""
    from_s: float | None
    """Readers see the paper from this time on: seconds since 1970 (UTC). None: at once."""
    until_s: float | None
    """And until this time. None: for ever."""
    revision: int
    """The present one, from 1."""
    state: State
    """Of the present revision."""
    reason: str
    """Why the present revision cannot be opened; empty if it can."""
    document_id: str | None
    """Of the present revision; None if it cannot be opened."""
    page_count: int
    """Of the present revision; 0 if it cannot be opened."""
    withdrawn_s: float | None
    """When it was withdrawn: seconds since 1970 (UTC). None: it was not."""
    registered_s: float = 0.0
    """When the present revision was registered: seconds since 1970 (UTC)."""

    def is_published(self, now_s: float) -> bool:
        """Whether readers may see it at a time, in seconds since 1970 (UTC)."""
        has_begun = self.from_s is None or now_s >= self.from_s
        return has_begun and (self.until_s is None or now_s < self.until_s) and self.withdrawn_s is None


class Revision(Struct, frozen=True, array_like=True):
    """A paper's document at one time."""

    paper: str
    number: int
    """From 1."""
    original: str
    """Digest of the file that was registered (SHA-256, hexadecimal)."""
    shown: str
    """Digest of the file that is shown: the original, or what it was converted to."""
    file_name: str
    size_bytes: int
    """Of the original."""
    registered_s: float
    """Seconds since 1970 (UTC)."""
    registered_by: str
    """Empty if nobody was named."""
    note: str
    state: State
    reason: str
    document_id: str | None
    page_count: int
    is_prepared: bool
    """All its pages are identified, have previews, and are found by the search."""


class Change(Struct, frozen=True, array_like=True):
    """One change of the shelf."""

    seq: int
    """Grows by each change. A client that knows one asks for what came after it."""
    at_s: float
    """Seconds since 1970 (UTC), by the server's clock. Not for ordering: a clock may be set back."""
    kind: ChangeKind
    folder: str | None
    """The folder that changed, or the one that holds the paper."""
    paper: str | None
    revision: int | None
    who: str
    """Empty if nobody was named."""
    was_in: str | None = None
    """The folders that held it before the change, from the top, with spaces between them; a folder is the last one itself.
    Empty: the top. None: it is new."""
    was_published: bool = True
    """False: before the change, it was withdrawn or out of its time."""


class Deed(Struct, frozen=True, array_like=True):
    """A change of the shelf with all that an audit says of it."""

    seq: int
    """As of the `Change`."""
    at_s: float
    did: str
    """The operation, as "register". Empty: it is nothing for an audit, as the end of preparing."""
    folder: str | None
    paper: str | None
    revision: int | None
    who: str
    who_id: str
    address: str
    detail: str
    """In words; empty if there is nothing to add."""


class Progress(Struct, frozen=True):
    """How far a revision is prepared."""

    paper: str
    revision: int
    pages: int
    identified: int
    previews: int
    indexed: int
    """Pages that the search finds."""
    has_failed: bool = False
    """Preparing it has failed. It is tried again later."""


class Shown(TypedDict, total=False):
    """What a reader sees of a paper. What is not told stays as it is; of a new paper, it is as for `NewPaper`."""

    name: str
    note: str
    level: Level
    from_s: float | None
    until_s: float | None


class PaperChanges(Shown, total=False):
    """What can be changed of a paper."""

    folder: str | Folder | None
    """None: the top."""
    place: int
    """Among the papers of the folder, from 0."""


class FolderChanges(TypedDict, total=False):
    """What can be changed of a folder."""

    name: str
    kind: FolderKind
    note: str
    parent: str | Folder | None
    """None: the top."""
    place: int
    """Among the folders of the parent, from 0."""


def actor_of(who: Who) -> Actor:
    """Who does something, also if only a name is told."""
    return who if isinstance(who, Actor) else Actor(who)


@overload
def id_of(folder: str | Folder) -> str: ...


@overload
def id_of(folder: str | Folder | None) -> str | None: ...


def id_of(folder: str | Folder | None) -> str | None:
    """The id of a folder that is told by its id, or as it is."""
    return folder.id if isinstance(folder, Folder) else folder
