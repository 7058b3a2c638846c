"""Brings an exported shelf into another one. Files first, then everything in one transaction: nothing is shown by halves.

A manifest is not believed: it was read strictly, its files are opened without following links, and each has its digest.
"""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from msgspec import Struct

from sidebooks_core.databases.database import Reading, Writing
from sidebooks_core.documents.shown_text import shown as shown_text
from sidebooks_core.errors import Conflict, RequestError, SidebooksError, StorageDamaged
from sidebooks_core.shelf import catalogue, folders
from sidebooks_core.shelf.catalogue import BroughtPaper, NewPaper, NewRevision
from sidebooks_core.shelf.intake import Desk, TakenIn, Taking, committing, revision_of
from sidebooks_core.shelf.manifest import (
    MANIFEST_NAME,
    MOST_BYTES,
    FileEntry,
    Manifest,
    PaperEntry,
    RevisionEntry,
    read_manifest,
)
from sidebooks_core.shelf.model import Folder, Who
from sidebooks_core.shelf.order import new_id
from sidebooks_core.shelf.originals import Original
from sidebooks_core.shelf.taking import undo

_log = logging.getLogger("sidebooks_core.shelf")


class BroughtIn(Struct, frozen=True):
    """What became of an exported shelf."""

    folders: int
    """That are new."""
    papers: int
    """That are new."""
    revisions: int
    """Of the new papers."""
    already: int
    """Papers that stood here already, with all these revisions. They were left as they are."""
    renewed: dict[str, str]
    """New ids of papers whose ids have other papers here, or papers of other revisions."""


def bring_in(desk: Desk, source: Path, folder: str | None, who: Who) -> BroughtIn:
    """Read what `Shelf.export` has written. folder: the id of the folder for what stood at the top; None: the top.

    Raises FileNotFoundError if there is no manifest, RequestError if it makes no sense, StorageDamaged if a file is not the one
    that it names, DocumentTooLarge, StorageFailed, Conflict if somebody else brings in the same. Then nothing was brought in.
    """
    fresh = Taking()
    try:
        with desk.originals.taking():
            return _brought_in(desk, source, folder, who, fresh)
    except BaseException:
        try:
            undo(desk.database, desk.intake, fresh)  # not within: somebody else may be about to name the same files
        except (SidebooksError, OSError):  # the first error is told
            _log.exception("files that were copied in for nothing could not be removed; the sweep of a later day removes them")
        raise


def _brought_in(desk: Desk, source: Path, folder: str | None, who: Who, fresh: Taking) -> BroughtIn:
    """fresh: files that were not here are added to it, and the documents that were opened."""
    manifest = _manifest(source)
    with desk.database.reading() as reading:
        if folder is not None:
            folders.require_folder(reading, folder)
        ids = _ids(reading, manifest, folder)
    taken: dict[str, list[tuple[RevisionEntry, TakenIn]]] = {}
    for paper in manifest.papers:
        if paper.id in ids:
            taken[paper.id] = [(one, _taken(desk, source, paper, one, fresh)) for one in paper.revisions]
    with committing(desk.database, desk.originals, *(one for all_of in taken.values() for _, one in all_of)) as writing:
        added = _add_folders(writing, manifest, folder, who)
        _add_papers(writing, _Brought(manifest, ids, {key: _revisions(all_of) for key, all_of in taken.items()}, folder), who)
    desk.changed()
    desk.unprepared()
    return BroughtIn(
        folders=added,
        papers=len(ids),
        revisions=sum(len(all_of) for all_of in taken.values()),
        already=len(manifest.papers) - len(ids),
        renewed={old: new for old, new in ids.items() if old != new},
    )


def _manifest(source: Path) -> Manifest:
    path = source / MANIFEST_NAME
    if not os.path.lexists(path):
        raise FileNotFoundError(f"{os.fspath(source)!r} is no exported shelf, or no whole one: it has no {MANIFEST_NAME}")
    with _opened(source, MANIFEST_NAME) as file:
        data = file.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise RequestError(f"the manifest is larger than {MOST_BYTES} bytes")
    return read_manifest(data)


def _ids(reading: Reading, manifest: Manifest, folder: str | None) -> dict[str, str]:
    """The papers that are new here, with the ids that they get: their own, if these are free."""
    found: dict[str, str] = {}
    for paper in manifest.papers:
        if catalogue.paper(reading, paper.id) is None:
            found[paper.id] = paper.id
        elif not _stands_here(reading, paper, paper.folder or folder):
            found[paper.id] = new_id()
    return found


def _stands_here(reading: Reading, paper: PaperEntry, folder: str | None) -> bool:
    """Whether a paper of this id, or one of this name in the same folder, has all these revisions."""
    wanted = {(one.number, one.file.digest) for one in paper.revisions}

    def has_all(paper_id: str) -> bool:
        return wanted <= {(one.number, one.original) for one in catalogue.revisions(reading, paper_id)}

    return has_all(paper.id) or any(
        has_all(one.id) for one in catalogue.papers(reading, folder) if one.name == shown_text(paper.name)
    )


def _taken(desk: Desk, source: Path, paper: PaperEntry, revision: RevisionEntry, fresh: Taking) -> TakenIn:
    original = _taken_file(desk, source, revision.file, fresh)
    shown = _taken_file(desk, source, revision.shown, fresh) if revision.shown is not None else original
    opened, _ = desk.intake.open(shown.digest, shown_text(paper.name), revision.password, fresh)
    return TakenIn(original, shown, shown_text(revision.file_name), opened, None, paper.id)


def _taken_file(desk: Desk, source: Path, entry: FileEntry, fresh: Taking) -> Original:
    with _opened(source, entry.path) as file:
        if os.fstat(file.fileno()).st_size != entry.size_bytes:
            raise StorageDamaged(f"{entry.path!r} has not the size that the manifest says; nothing was imported")
        if not desk.originals.holds(entry.digest):
            fresh.digests.add(entry.digest)
        original = desk.originals.take_in(file)
    if original.digest != entry.digest:
        fresh.digests.add(original.digest)
        raise StorageDamaged(f"{entry.path!r} is not the file that the manifest names: it was changed; nothing was imported")
    return original


@contextmanager
def _opened(source: Path, path: str) -> Iterator[BinaryIO]:
    """A regular file inside of a folder. No part of the path inside may be a link."""
    place = source
    for part in path.split("/"):
        place = place / part
        try:
            mode = place.lstat().st_mode
        except OSError as fault:
            raise StorageDamaged(f"{path!r} cannot be read ({fault.strerror}); nothing was imported") from fault
        if stat.S_ISLNK(mode):
            raise RequestError(f"{path!r} is a link, or lies behind one: that is not followed")
    if not stat.S_ISREG(mode):
        raise RequestError(f"{path!r} is no file")
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        descriptor = os.open(place, flags)
    except OSError as fault:
        raise StorageDamaged(f"{path!r} cannot be read ({fault.strerror}); nothing was imported") from fault
    with os.fdopen(descriptor, "rb") as file:
        yield file


def _revisions(taken: Sequence[tuple[RevisionEntry, TakenIn]]) -> list[tuple[int, NewRevision]]:
    found = []
    for entry, one in taken:
        new = revision_of(one, entry.note, entry.registered_by)
        found.append((entry.number, new.at(entry.registered_s)))
    return found


def _add_folders(writing: Writing, manifest: Manifest, top: str | None, who: Who) -> int:
    """Add those that are not here. How many."""
    added = 0
    for entry in manifest.folders:
        if folders.folder(writing, entry.id) is None:
            parent = entry.parent if entry.parent is not None else top
            folders.add_folder(writing, Folder(entry.id, parent, shown_text(entry.name), entry.kind, entry.note, 0), who)
            added += 1
    return added


class _Brought(Struct, frozen=True):
    """What is brought in."""

    manifest: Manifest
    ids: Mapping[str, str]
    revisions: Mapping[str, list[tuple[int, NewRevision]]]
    top: str | None


def _add_papers(writing: Writing, brought: _Brought, who: Who) -> None:
    for entry in brought.manifest.papers:
        if entry.id not in brought.ids:
            continue
        paper_id = brought.ids[entry.id]
        if catalogue.paper(writing, paper_id) is not None:
            raise Conflict("somebody else brings in the same papers: look again, then decide")
        new = NewPaper(
            name=shown_text(entry.name),
            folder=entry.folder if entry.folder is not None else brought.top,
            note=entry.note,
            level=entry.level,
            from_s=entry.from_s,
            until_s=entry.until_s,
        )
        catalogue.bring_in_paper(writing, BroughtPaper(paper_id, new, brought.revisions[entry.id], entry.withdrawn_s), who)
