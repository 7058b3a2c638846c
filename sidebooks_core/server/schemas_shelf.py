"""The JSON of the shelf: folders, papers, revisions, hits, changes; and what requests change. Pages count from 1.

Times are seconds since 1970 (UTC). Addresses are whole.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from sidebooks_core.server.schemas import Hit
from sidebooks_core.shelf.model import FolderKind, Level, State
from sidebooks_core.shelf.revisions import PageChangeKind

Name = Annotated[str, Meta(min_length=1, max_length=500)]
Note = Annotated[str, Meta(max_length=4000)]
Id = Annotated[str, Meta(min_length=1, max_length=64)]
Place = Annotated[int, Meta(ge=0)]


class NewFolder(Struct, forbid_unknown_fields=True):
    """A folder that is to be made."""

    name: Name
    kind: FolderKind = "folder"
    note: Note = ""


class FolderPatch(Struct, forbid_unknown_fields=True):
    """What is to change of a folder. What is left out stays."""

    name: Name | UnsetType = UNSET
    kind: FolderKind | UnsetType = UNSET
    note: Note | UnsetType = UNSET
    parent: Id | UnsetType = UNSET
    """The folder that it moves into; "top": the top of the shelf."""
    place: Place | UnsetType = UNSET
    """Among the folders of its parent, from 0."""


class PaperPatch(Struct, forbid_unknown_fields=True):
    """What is to change of a paper. What is left out stays."""

    name: Name | UnsetType = UNSET
    note: Note | UnsetType = UNSET
    level: Level | UnsetType = UNSET
    from_s: float | UnsetType | None = UNSET
    """Readers see it from this time on; null: at once."""
    until_s: float | UnsetType | None = UNSET
    """And until this time; null: for ever."""
    folder: Id | UnsetType = UNSET
    """The folder that it moves into; "top": the top of the shelf."""
    place: Place | UnsetType = UNSET
    """Among the papers of its folder, from 0."""


class Password(Struct, forbid_unknown_fields=True):
    """What opens the file of a paper."""

    password: Annotated[str, Meta(min_length=1, max_length=1000)]


class NewPosition(Struct, forbid_unknown_fields=True):
    """The page at which a reader is."""

    page: Annotated[int, Meta(ge=1)]
    revision: Annotated[int, Meta(ge=1)] | UnsetType = UNSET
    """That the reader has open; the present one unless told."""
    age_s: Annotated[float, Meta(ge=0)] | UnsetType = UNSET
    """How many seconds ago the reader was there, without a connection: a later place that is kept stays. Now, unless told."""


class WayEntry(Struct):
    """A folder on the way to another one."""

    id: str
    name: str


class FolderEntry(Struct):
    """A folder in the list of another one."""

    id: str
    name: str
    kind: FolderKind
    note: str
    place: int
    address: str
    paper_count: int | None = None
    """Of the papers in it that whoever asks may see; null: `few` was not asked for."""
    folder_count: int | None = None
    """Of the folders in it, likewise."""
    papers: list[PaperEntry] | None = None
    """The papers in it, if there are at most as many as `few` says; else null."""


class DocumentAddresses(Struct):
    """The document of a revision: its id, and addresses of its pages."""

    id: str
    page_count: int
    pages: str
    manifest: str
    preview: str


class PaperEntry(Struct):
    """A paper, with its present revision."""

    id: str
    folder: str
    """The folder that holds it; "top": the top of the shelf."""
    name: str
    note: str
    level: Level
    place: int
    from_s: float | None
    until_s: float | None
    is_published: bool
    """False: only those see it who tend its folder."""
    withdrawn_s: float | None
    revision: int
    registered_s: float
    """When the present revision came."""
    state: State
    reason: str
    """Why the present revision cannot be opened; empty if it can."""
    page_count: int
    document: DocumentAddresses | None
    """Null if the present revision cannot be opened."""
    address: str


class ProgressEntry(Struct):
    """How far a paper is prepared."""

    paper: str
    revision: int
    pages: int
    identified: int
    previews: int
    indexed: int


class PaperDetails(PaperEntry):
    """A paper by itself."""

    way: list[WayEntry]
    progress: ProgressEntry
    may: list[str]
    """The operations that whoever asks may do with the paper."""
    may_print: bool


class FolderDetails(Struct):
    """A folder with what it holds, as far as whoever asks may see it."""

    id: str
    name: str
    kind: FolderKind
    note: str
    way: list[WayEntry]
    """The folders that hold it, from the top, without itself."""
    folders: list[FolderEntry]
    papers: list[PaperEntry]
    may: list[str]
    """The operations that whoever asks may do with the folder."""
    address: str


class RevisionEntry(Struct):
    """A revision of a paper."""

    paper: str
    number: int
    is_present: bool
    file_name: str
    size_bytes: int
    registered_s: float
    registered_by: str
    """Empty for those who do not tend the paper."""
    note: str
    state: State
    reason: str
    page_count: int
    document: DocumentAddresses | None
    original: str


class RevisionList(Struct):
    """The revisions of a paper, the oldest first."""

    paper: str
    revisions: list[RevisionEntry]


class PageFate(Struct):
    """What became of a page between two revisions."""

    kind: PageChangeKind
    old_page: int | None
    new_page: int | None


class Difference(Struct):
    """What became of every page between two revisions, in the order of the new one."""

    paper: str
    old: int
    new: int
    pages: list[PageFate]


class Position(Struct):
    """The page at which a reader of a paper left off."""

    paper: str
    revision: int
    """The present one."""
    page: int | None
    """Of the present revision; null if nothing is kept."""
    person: str
    """Whose it is: who asks, as `id` of `/me` has them."""


class LeftOff(Struct):
    """Where a reader left off in a paper."""

    paper: str
    revision: int
    """That was read; another one may be the present one by now."""
    page: int
    """Of that revision."""
    at_s: float
    """When; 0: that is not known."""


class Reading(Struct):
    """Where a reader left off in papers, the latest first."""

    papers: list[LeftOff]


class ShelfHit(Struct):
    """A page of a paper that matches."""

    paper: str
    name: str
    folder: str
    revision: int
    page: int
    document: str | None
    preview: str | None
    hits: list[Hit]


class FoundPapers(Struct):
    """One step of a search over the shelf."""

    query: str
    pages: list[ShelfHit]
    next: int | None
    """`before` of the next step; null: everything was searched."""
    unindexed: int
    """Papers that whoever asks may see, and that are still being read: some of their pages are not found yet. A lower bound."""


class ChangeEntry(Struct):
    """One change of the shelf. A folder or paper that whoever asks may not see is `gone`, and nothing more is told of it."""

    seq: int
    at_s: float
    kind: str
    folder: str | None
    paper: str | None
    revision: int | None
    document: str | None = None
    """The document that the paper shows now: whoever waits for it asks for its pages at once.

    Null: it cannot be opened, or it is gone, or it is a folder.
    """


class ShelfChanges(Struct):
    """What changed after a position of the feed."""

    position: str
    """Ask for what comes after it with `since`."""
    is_reset: bool
    """True: the position that was given is not known here, or too much has changed since. Read everything anew."""
    changes: list[ChangeEntry]
    more: bool
    """There is more after `position`."""


class PapersProgress(Struct):
    """How far the papers are that are being prepared now."""

    papers: list[ProgressEntry]


class UploadState(Struct):
    """An upload under way, or done."""

    id: str
    offset: int
    length: int
    expires_s: float
    paper: PaperEntry | None
    """Null as long as bytes are missing, and if whoever asks may not see the paper any more."""
