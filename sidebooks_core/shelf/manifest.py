"""The manifest of an exported shelf: a JSON file that says what the files beside it are. Pure.

    {"format": "sidebooks-shelf", "version": 1, "made_s": …, "has_all_revisions": true, "has_passwords": false,
     "folders": [{"id", "parent", "name", "kind", "note"}, …],
     "papers": [{"id", "folder", "name", "note", "level", "from_s", "until_s", "withdrawn_s",
                 "revisions": [{"number", "file": {"path", "digest", "size_bytes"}, "shown": null or a file, "file_name",
                                "registered_s", "registered_by", "note", "password"}, …]}, …]}

Folders and papers stand in their order, a folder before those in it; the last revision of a paper is the present one. Paths are
inside of the exported folder, with "/" between their parts. Times are seconds since 1970 (UTC). Digests are SHA-256, in
hexadecimal digits.
A manifest of somebody else is not believed: see `read_manifest`.
"""

from __future__ import annotations

import math
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from sidebooks_core.documents.shown_text import shown
from sidebooks_core.errors import RequestError
from sidebooks_core.shelf.lengths import MOST_DEPTH, MOST_NAME, MOST_TEXT
from sidebooks_core.shelf.model import FolderKind, Level
from sidebooks_core.shelf.safe_names import is_inner_path

FORMAT: Literal["sidebooks-shelf"] = "sidebooks-shelf"
VERSION = 1
MANIFEST_NAME = "manifest.json"
MOST_BYTES = 512 << 20
"""Of a manifest: 10,000 papers of ten revisions take some 50 MB."""

Id = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{8,64}\Z")]
Digest = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
Name = Annotated[str, Meta(min_length=1, max_length=MOST_NAME)]
Text = Annotated[str, Meta(max_length=MOST_TEXT)]
Seconds = Annotated[float, Meta(ge=-1e12, le=1e12)]


class FileEntry(Struct, frozen=True):
    """A file beside the manifest."""

    path: Annotated[str, Meta(min_length=1, max_length=4096)]
    digest: Digest
    size_bytes: Annotated[int, Meta(ge=0, le=1 << 50)]


class RevisionEntry(Struct, frozen=True, kw_only=True):
    """A revision of a paper."""

    number: Annotated[int, Meta(ge=1, le=1 << 31)]
    file: FileEntry
    """The original."""
    shown: FileEntry | None = None
    """What the original was converted to; None: the original itself is shown."""
    file_name: Annotated[str, Meta(max_length=MOST_NAME)]
    registered_s: Seconds
    registered_by: Text = ""
    note: Text = ""
    password: Annotated[str, Meta(max_length=MOST_NAME)] | None = None
    """That opens the file that is shown, if it needs one and passwords were asked for."""


class PaperEntry(Struct, frozen=True, kw_only=True):
    """A paper with its revisions, the present one last."""

    id: Id
    folder: Id | None
    name: Name
    note: Text = ""
    level: Level
    from_s: Seconds | None = None
    until_s: Seconds | None = None
    withdrawn_s: Seconds | None = None
    revisions: Annotated[list[RevisionEntry], Meta(min_length=1, max_length=1 << 20)]


class FolderEntry(Struct, frozen=True, kw_only=True):
    """A folder."""

    id: Id
    parent: Id | None
    name: Name
    kind: FolderKind
    note: Text = ""


class Manifest(Struct, frozen=True, kw_only=True):
    """All that is known of an exported shelf."""

    format: Literal["sidebooks-shelf"] = FORMAT
    version: int = VERSION
    made_s: Seconds
    has_all_revisions: bool
    has_passwords: bool
    folders: list[FolderEntry]
    papers: list[PaperEntry]


class _Head(Struct, frozen=True):
    format: str
    version: int


def write_manifest(manifest: Manifest) -> bytes:
    return msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n"


def read_manifest(data: bytes) -> Manifest:
    """What a manifest says. Raises RequestError for one that makes no sense, or that leads out of its folder."""
    try:
        head = msgspec.json.decode(data, type=_Head)
        if head.format != FORMAT:
            raise RequestError(f"the manifest is one of {head.format[:80]!r}, and not of a shelf")
        if head.version != VERSION:
            raise RequestError(f"the manifest has version {head.version}; this library reads version {VERSION}")
        manifest = msgspec.json.decode(data, type=Manifest)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError, ValueError) as fault:
        if isinstance(fault, RequestError):
            raise
        raise RequestError(f"the manifest is not one of an exported shelf: {fault}") from fault
    _require_tree(manifest)
    for paper in manifest.papers:
        _require_paper(paper)
    return manifest


def _require_tree(manifest: Manifest) -> None:
    depths: dict[str, int] = {}
    for folder in manifest.folders:
        _require(folder.id not in depths, f"the folder {folder.id} comes twice")
        _require(folder.parent is None or folder.parent in depths, f"the folder {folder.name!r} comes before the one it is in")
        depths[folder.id] = depths[folder.parent] + 1 if folder.parent is not None else 1
        _require(depths[folder.id] <= MOST_DEPTH, f"the folder {folder.name!r} lies more than {MOST_DEPTH} folders deep")
        _require(bool(shown(folder.name)), f"the name {folder.name!r} shows nothing")
    papers: set[str] = set()
    for paper in manifest.papers:
        _require(paper.id not in papers, f"the paper {paper.id} comes twice")
        _require(paper.folder is None or paper.folder in depths, f"the folder of the paper {paper.name!r} is not there")
        papers.add(paper.id)


def _require_paper(paper: PaperEntry) -> None:
    _require(bool(shown(paper.name)), f"the name {paper.name!r} shows nothing")
    times = [paper.from_s, paper.until_s, paper.withdrawn_s, *(one.registered_s for one in paper.revisions)]
    _require(all(one is None or math.isfinite(one) for one in times), f"a time of the paper {paper.name!r} is no number")
    if paper.from_s is not None and paper.until_s is not None:
        _require(paper.from_s < paper.until_s, f"the paper {paper.name!r} ends before it begins")
    numbers = [one.number for one in paper.revisions]
    _require(numbers == sorted(set(numbers)), f"the revisions of the paper {paper.name!r} are not in order")
    for revision in paper.revisions:
        for file in (revision.file, revision.shown):
            _require(file is None or is_inner_path(file.path), f"{file.path if file else ''!r} leads out of the folder")


def _require(holds: bool, fault: str) -> None:
    if not holds:
        raise RequestError(f"the manifest makes no sense: {fault}")
