"""Writes a shelf as a tree of folders and files that people can read without this library, with a manifest for it.

The tree is made beside its place and put there when it is complete: what stands there is whole.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
from msgspec import Struct

from sidebooks_core.databases.database import Database, Reading
from sidebooks_core.errors import RequestError, StorageDamaged, StorageError, StorageFailed
from sidebooks_core.shelf import catalogue, folders, upkeep
from sidebooks_core.shelf.beside import made_beside
from sidebooks_core.shelf.lengths import MOST_NAME, MOST_TEXT
from sidebooks_core.shelf.manifest import (
    MANIFEST_NAME,
    MOST_BYTES,
    FileEntry,
    FolderEntry,
    Manifest,
    PaperEntry,
    RevisionEntry,
    read_manifest,
    write_manifest,
)
from sidebooks_core.shelf.model import Folder, Paper, Revision
from sidebooks_core.shelf.originals import Originals, copy_whole
from sidebooks_core.shelf.safe_names import ending_of, safe_name, shortened

PLACE_BYTES = 600
"""Of the path of an exported folder, in UTF-8. Linux takes 4096 bytes for a whole path, macOS 1024."""
LEAST_BYTES = 3
"""Of the name of an exported folder, behind its number."""
SHOWN_CHARACTERS = 80
"""Of a name, in an error."""
EARLIER = "earlier revisions"
"""In each folder: the revisions that are not the present ones."""


class Exported(Struct, frozen=True):
    """How much was exported."""

    folders: int
    papers: int
    revisions: int


class ExportOptions(Struct, frozen=True, kw_only=True):
    """What is exported."""

    folder: str | None = None
    """The id of a folder; None: the whole shelf."""
    all_revisions: bool = True
    """Else the present ones only."""
    passwords: bool = False


class _Held(Struct, frozen=True):
    """A folder with what it holds, and where it is exported to."""

    place: str
    folder: Folder | None
    papers: list[tuple[Paper, list[tuple[Revision, str | None]]]]
    first: int
    """The number of its first paper, behind those of its folders."""


class _Copy(Struct, frozen=True):
    file: FileEntry
    paper: str
    """Its name."""


class _Plan(Struct, frozen=True):
    """What is written."""

    manifest: Manifest
    places: list[str]
    """Folders, each before those in it."""
    copies: list[_Copy]


def export(database: Database, originals: Originals, target: Path, options: ExportOptions) -> Exported:
    """Write a shelf, or a folder of it, into a new folder. Others may use the shelf meanwhile.

    Raises FileExistsError, RequestError if there is no such folder or a backup is being made, StorageDamaged if an original is
    damaged or missing, StorageFailed. Then nothing is left at the target.
    """
    if os.path.lexists(target) and not (target.is_dir() and not any(target.iterdir())):
        raise FileExistsError(f"{os.fspath(target)!r} is there already: name a new folder")
    held = upkeep.hold_files(originals)
    if held is None:
        raise RequestError("a backup is being made, or files are being removed: try again")
    try:
        with database.reading() as reading:
            tree = list(_tree(reading, options))
        plan = _planned(originals, tree, options)
        manifest = plan.manifest
        written = write_manifest(manifest)
        if len(written) > MOST_BYTES:
            raise RequestError(f"the manifest would be larger than {MOST_BYTES} bytes: export some folders one by one")
        _require_readable(manifest, written)
        with made_beside(target) as partial:
            _copy_all(originals, partial, plan)
            with (partial / MANIFEST_NAME).open("xb") as file:
                file.write(written)
                file.flush()
                os.fsync(file.fileno())
    except OSError as fault:
        if isinstance(fault, StorageError):
            raise
        raise StorageFailed(f"{target}: {fault.strerror or fault}; nothing was exported") from fault
    finally:
        held.release()
        upkeep.try_remove_doomed(database, originals)
    return Exported(len(manifest.folders), len(manifest.papers), sum(len(one.revisions) for one in manifest.papers))


def _tree(reading: Reading, options: ExportOptions) -> Iterator[_Held]:
    """Folders with what they hold, each before those in it."""
    if options.folder is None:
        yield from _within(reading, options, None, "")
    else:
        top = folders.require_folder(reading, options.folder)
        yield from _within(reading, options, top, _inner_place(reading, "", 1, top))


def _within(reading: Reading, options: ExportOptions, folder: Folder | None, place: str) -> Iterator[_Held]:
    inner = folders.folders(reading, folder.id if folder is not None else None)
    papers = catalogue.papers(reading, folder.id if folder is not None else None)
    yield _Held(place, folder, [(paper, _revisions(reading, options, paper)) for paper in papers], len(inner) + 1)
    for number, one in enumerate(inner, 1):
        yield from _within(reading, options, one, _inner_place(reading, place, number, one))


def _require_readable(manifest: Manifest, written: bytes) -> None:
    """What cannot be brought back is no export: a shelf may hold longer names from before they were bounded."""
    try:
        read_manifest(written)
    except RequestError as fault:
        named = _refused(manifest)
        why = named or f"what is exported could not be brought in again ({fault.message}): change that"
        raise RequestError(f"{why}, then export again; nothing was exported") from fault


def _refused(manifest: Manifest) -> str:
    """Which folder or paper could not be brought back, and what to do; empty if it is none by itself."""
    entries: list[FolderEntry | PaperEntry] = [*manifest.folders, *manifest.papers]
    for entry in entries:
        what = "folder" if isinstance(entry, FolderEntry) else "paper"
        called = entry.name if len(entry.name) <= SHOWN_CHARACTERS else f"{entry.name[:SHOWN_CHARACTERS]}…"
        begin = f"the {what} {called!r} could not be brought in again"
        try:
            msgspec.convert(msgspec.to_builtins(entry), type(entry))
        except msgspec.ValidationError as fault:
            if len(entry.name) > MOST_NAME:
                return f"{begin}: its name has {len(entry.name)} characters, of {MOST_NAME}; give it a shorter name"
            if len(entry.note) > MOST_TEXT:
                return f"{begin}: its note has {len(entry.note)} characters, of {MOST_TEXT}; give it a shorter note"
            return f"{begin} ({fault}): replace it, and leave earlier revisions out of the export"
    return ""


def _inner_place(reading: Reading, place: str, number: int, folder: Folder) -> str:
    """Where a folder within another is exported to. The room that is left is shared with those that lie deeper in it."""
    share = (PLACE_BYTES - len(place.encode())) // folders.height(reading, folder.id)
    numbered = f"{number:02} "
    return f"{place}{numbered}{shortened(safe_name(folder.name), max(LEAST_BYTES, share - len(numbered) - 1))}/"


def _revisions(reading: Reading, options: ExportOptions, paper: Paper) -> list[tuple[Revision, str | None]]:
    """Those that are exported, with their passwords if these are."""
    chosen = catalogue.revisions(reading, paper.id)
    if not options.all_revisions:
        chosen = [one for one in chosen if one.number == paper.revision]
    return [(one, catalogue.password_of(reading, paper.id, one.number) if options.passwords else None) for one in chosen]


def _planned(originals: Originals, tree: list[_Held], options: ExportOptions) -> _Plan:
    """What is to be written. Nothing is copied yet. Raises StorageDamaged if an original is missing."""
    copies: list[_Copy] = []
    folder_entries: list[FolderEntry] = []
    paper_entries: list[PaperEntry] = []
    for held in tree:
        if held.folder is not None:
            is_top = held.folder.id == options.folder
            folder_entries.append(
                FolderEntry(
                    id=held.folder.id,
                    parent=None if is_top else held.folder.parent,
                    name=held.folder.name,
                    kind=held.folder.kind,
                    note=held.folder.note,
                )
            )
        for number, (paper, revisions) in enumerate(held.papers, held.first):
            entries = [_planned_revision(originals, copies, f"{held.place}{number:02}", paper, found) for found in revisions]
            paper_entries.append(
                PaperEntry(
                    id=paper.id,
                    folder=paper.folder,
                    name=paper.name,
                    note=paper.note,
                    level=paper.level,
                    from_s=paper.from_s,
                    until_s=paper.until_s,
                    withdrawn_s=paper.withdrawn_s,
                    revisions=entries,
                )
            )
    manifest = Manifest(
        made_s=time.time(),
        has_all_revisions=options.all_revisions,
        has_passwords=options.passwords,
        folders=folder_entries,
        papers=paper_entries,
    )
    return _Plan(manifest, [held.place for held in tree], copies)


def _planned_revision(
    originals: Originals, copies: list[_Copy], numbered: str, paper: Paper, found: tuple[Revision, str | None]
) -> RevisionEntry:
    """numbered: the place of the folder, and the number of the paper in it. copies: those of the revision are added."""
    revision, password = found
    place, slash, number = numbered.rpartition("/")
    place += slash
    called = _file_name(originals, revision, paper)
    if revision.number != paper.revision:
        place = f"{place}{EARLIER}/"
        called = f"{number} revision {revision.number} {called}"
    else:
        called = f"{number} {called}"
    file = _planned_file(originals, revision.original, place + called, paper)
    shown = None
    if revision.shown != revision.original:
        shown = _planned_file(originals, revision.shown, f"{place}{called} as shown{_ending(originals, revision.shown)}", paper)
    copies += [_Copy(one, paper.name) for one in (file, shown) if one is not None]
    return RevisionEntry(
        number=revision.number,
        file=file,
        shown=shown,
        file_name=revision.file_name[:MOST_NAME],
        registered_s=revision.registered_s,
        registered_by=revision.registered_by,
        note=revision.note,
        password=password,
    )


def _file_name(originals: Originals, revision: Revision, paper: Paper) -> str:
    """The file's own name; that of the paper if it came without one."""
    name = safe_name(revision.file_name or paper.name)
    return name if ending_of(name) else name + _ending(originals, revision.original)


def _ending(originals: Originals, digest: str) -> str:
    try:
        with originals.path(digest).open("rb") as file:
            return ".pdf" if file.read(5) == b"%PDF-" else ""
    except OSError:
        return ""  # copying it tells


def _planned_file(originals: Originals, digest: str, path: str, paper: Paper) -> FileEntry:
    try:
        return FileEntry(path, digest, originals.path(digest).stat().st_size)
    except FileNotFoundError:
        raise _damaged(paper.name, "missing") from None


def _copy_all(originals: Originals, root: Path, plan: _Plan) -> None:
    """Copy originals, so that they are on the disk, and check them on the way."""
    for place in plan.places:
        (root / place).mkdir(exist_ok=True)
    for copy in plan.copies:
        target = root / copy.file.path
        target.parent.mkdir(exist_ok=True)
        try:
            digest = copy_whole(originals.path(copy.file.digest), target)
        except FileNotFoundError:
            raise _damaged(copy.paper, "missing") from None
        if digest != copy.file.digest:
            raise _damaged(copy.paper, "damaged")


def _damaged(paper: str, how: str) -> StorageDamaged:
    return StorageDamaged(f"the original of {paper!r} is {how}: restore a backup, or purge it; nothing was exported")
