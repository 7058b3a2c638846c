"""Brings a folder of the shelf in step with a folder of the disk. Each file is one transaction, with the row that remembers it.

A process that is killed at any moment leaves a file either registered and remembered, or neither: nothing is registered twice.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from sidebooks_core.databases.database import Writing
from sidebooks_core.documents.listing import list_folder, retry_after_s
from sidebooks_core.documents.natural_order import natural_key
from sidebooks_core.documents.shown_text import shown as shown_text
from sidebooks_core.errors import Conflict, RequestError, ServiceClosed, SidebooksError
from sidebooks_core.shelf import catalogue, folders, watched_rows
from sidebooks_core.shelf.catalogue import NewPaper
from sidebooks_core.shelf.intake import Desk, TakenIn, Taking, committing, name_of, revision_of
from sidebooks_core.shelf.model import Folder, Paper, Who
from sidebooks_core.shelf.order import new_id
from sidebooks_core.shelf.ripening import Known, Ripening
from sidebooks_core.shelf.taking import taking_in
from sidebooks_core.shelf.watched_rows import WatchedFile, state_text

DAMAGED_AFTER = 5.0
"""Times the time after which a file is complete: one that is damaged is taken then only. It may have been copied half."""
PASSING = re.compile(r"~\$.*|.*~|.*\.(part|partial|crdownload|download|te?mp|swp)|thumbs\.db|desktop\.ini", re.IGNORECASE)
"""Names of files that programs make for a short time, or for themselves."""

NoticedKind = Literal["registered", "replaced", "moved", "withdrawn", "restored", "failed"]


class Noticed(Struct, frozen=True):
    """What became of a file of a watched folder."""

    kind: NoticedKind
    path: Path
    paper: Paper | None
    """None if it could not be registered."""
    reason: str = ""
    """Why it could not be registered, or opened."""


class _Changed(Exception):
    """A file changed while it was read."""


class _Purged(RequestError):
    """The paper of a file was purged."""


class Mirror:
    """One folder of the disk, and the folder of the shelf that mirrors it. For one thread of one process."""

    def __init__(self, desk: Desk, root: Path, settle_s: float, who: Who, told: Callable[[Noticed], None]) -> None:
        """root: an absolute path without links. told: called with everything that becomes of a file."""
        self._desk = desk
        self._root = root
        self._name = os.fsencode(root)
        self._settle_s = settle_s
        self._who = who
        self._told = told
        self._ripening = Ripening(settle_s)
        self._failures: dict[bytes, int] = {}
        self.problems: dict[Path, str] = {}
        """What is not on the shelf, with the reason in words."""
        self.is_settled = False
        """The last look has found nothing that is to be taken or waited for."""

    def look(self, is_over: Callable[[], bool]) -> float | None:
        """Register what is new or changed and complete, and withdraw what is gone.

        is_over: asked before each file; True: leave the rest. Returns after how many seconds to look again although nothing is
        told of; None: not. Raises StorageError, ServiceClosed.
        """
        listing = list_folder(self._root)
        states = {
            self._relative(path): state_text(state) for path, state in listing.files.items() if not PASSING.fullmatch(path.name)
        }
        files = {path: states[path] for path in sorted(states, key=lambda path: natural_key(os.fsdecode(path)))}
        with self._desk.database.reading() as reading:
            rows = watched_rows.files(reading, self._name)
        unread = dict(listing.unread)
        if self._is_doubtful(files, rows):
            unread[self._root] = "is empty, and is not the folder that it was: nothing is withdrawn until a file is in it"
        visible = [row for row in rows.values() if row.path in files or not self._is_under(row.path, unread)]
        now_s = time.monotonic()
        rows = {row.path: row for row in visible}  # a file that nobody can see now has neither gone nor moved
        plan = self._ripening.look(files, {row.path: Known(row.state, row.is_gone) for row in visible}, now_s)
        for path in plan.ripe:
            if not is_over():
                self._take(path, files, rows)
        for path in plan.gone:
            if path in rows and not is_over():  # it was not moved meanwhile
                self._withdraw(rows[path])
        kept = {path: why for path, why in self.problems.items() if self._relative(path) in files}
        self.problems = kept | unread
        self.is_settled = plan.is_settled
        if plan.ripe or plan.gone:
            self._remove_folders(unread)
            return 0.0
        return None if plan.again_s is None else max(0.0, plan.again_s - now_s)

    # Files

    def _take(self, path: bytes, files: dict[bytes, str], rows: dict[bytes, WatchedFile]) -> None:
        """Register a file, or what has changed of it. A failure is told, and tried again if it may pass."""
        place = self._place(path)
        try:
            with taking_in(self._desk.database, self._desk.intake) as taking:
                noticed = self._taken(path, files, rows, taking)
        except ServiceClosed:
            raise
        except (_Changed, FileNotFoundError):
            self._ripening.begin_anew(path)
            return
        except (SidebooksError, OSError) as error:
            failures = self._failures[path] = self._failures.get(path, 0) + 1
            again_s = retry_after_s(error, failures)
            until_s = None if again_s is None or isinstance(error, _Purged) else time.monotonic() + again_s
            self._ripening.hold(path, until_s, has_failed=True)
            reason = error.message if isinstance(error, SidebooksError) else error.strerror or type(error).__name__
            if self.problems.get(place) != reason:
                self.problems[place] = reason
                self._told(Noticed("failed", place, None, reason))
            return
        self._failures.pop(path, None)
        self.problems.pop(place, None)
        if noticed is not None:
            self._told(noticed)

    def _taken(self, path: bytes, files: dict[bytes, str], rows: dict[bytes, WatchedFile], taking: Taking) -> Noticed | None:
        place, row = self._place(path), rows.get(path)
        digest = _digest(place, files[path])
        new = WatchedFile(path, "", digest, files[path], False)
        if row is not None and row.digest == digest:
            return self._seen_again(row, rows, new)
        if row is None:
            missing = [one for one in rows.values() if one.digest == digest and one.path not in files]
            if missing:
                return self._moved(missing[0], rows, new)
            with self._desk.database.reading() as reading:
                if watched_rows.is_purged(reading, self._name, digest):
                    raise _Purged("its paper was purged: it is not registered again from here")
        now_s = time.monotonic()
        left_s = DAMAGED_AFTER * self._settle_s - self._ripening.age_s(path, now_s)
        taken = self._desk.intake.take(place, None, None, taking)
        if taken.original.digest != digest or not _is_as_seen(place.stat(), files[path]):
            raise _Changed  # opening it may have taken long
        if taken.opened.state == "damaged" and left_s > 0:
            self._ripening.hold(path, now_s + left_s, has_failed=False)
            return None
        return self._registered(taken, rows, new) if row is None else self._replaced(taken, row, rows, new)

    def _registered(self, taken: TakenIn, rows: dict[bytes, WatchedFile], new: WatchedFile) -> Noticed:
        name = name_of(taken.file_name)
        with committing(self._desk.database, self._desk.originals, taken) as writing:
            folder = self._folder(writing, _parent(new.path))
            at = _natural_place(writing, "paper", folder, name)
            paper = catalogue.add_paper(
                writing, new_id(), NewPaper(name=name, folder=folder), revision_of(taken, "", self._who)
            )
            if at is not None:
                paper = catalogue.move_paper(writing, paper.id, folder, at, self._who)
            self._remember(writing, rows, replace(new, paper=paper.id))
        self._desk.registered(paper, taken)
        return Noticed("registered", self._place(new.path), paper, paper.reason)

    def _replaced(self, taken: TakenIn, row: WatchedFile, rows: dict[bytes, WatchedFile], new: WatchedFile) -> Noticed:
        with committing(self._desk.database, self._desk.originals, taken) as writing:
            paper = catalogue.replace_paper(writing, row.paper, None, revision_of(taken, "", self._who))
            if row.is_gone and paper.withdrawn_s is not None:
                paper = catalogue.set_withdrawn(writing, row.paper, None, self._who)
            self._remember(writing, rows, replace(new, paper=row.paper))
        self._desk.registered(paper, taken)
        return Noticed("replaced", self._place(new.path), paper, paper.reason)

    def _seen_again(self, row: WatchedFile, rows: dict[bytes, WatchedFile], new: WatchedFile) -> Noticed | None:
        """The content is the one that was registered last: the file was touched, or came back."""
        with self._desk.database.writing() as writing:
            paper = catalogue.require_paper(writing, row.paper)
            is_back = row.is_gone and paper.withdrawn_s is not None
            if is_back:
                paper = catalogue.set_withdrawn(writing, row.paper, None, self._who)
            self._remember(writing, rows, replace(new, paper=row.paper))
        if not is_back:
            return None
        self._desk.changed()
        return Noticed("restored", self._place(new.path), paper)

    def _moved(self, row: WatchedFile, rows: dict[bytes, WatchedFile], new: WatchedFile) -> Noticed:
        """A file has another name or lies in another folder: so does its paper, but for a name that a clerk gave it."""
        names = [name_of(shown_text(os.fsdecode(path.rpartition(b"/")[2]))) for path in (row.path, new.path)]
        with self._desk.database.writing() as writing:
            paper = catalogue.require_paper(writing, row.paper)
            if row.is_gone and paper.withdrawn_s is not None:
                paper = catalogue.set_withdrawn(writing, row.paper, None, self._who)
            is_named = names[0] != names[1] and paper.name == names[0]
            if is_named:
                renamed = NewPaper(
                    name=names[1], note=paper.note, level=paper.level, from_s=paper.from_s, until_s=paper.until_s
                )
                paper = catalogue.change_paper(writing, row.paper, renamed, self._who)
            if is_named or _parent(row.path) != _parent(new.path):
                is_elsewhere = _parent(row.path) != _parent(new.path)
                folder = self._folder(writing, _parent(new.path)) if is_elsewhere else paper.folder
                at = _natural_place(writing, "paper", folder, paper.name, but=paper.id)
                paper = catalogue.move_paper(writing, row.paper, folder, at, self._who)
            watched_rows.remove_file(writing, self._name, row.path)
            self._remember(writing, rows, replace(new, paper=row.paper))
        rows.pop(row.path, None)
        self._desk.changed()
        return Noticed("moved", self._place(new.path), paper)

    def _withdraw(self, row: WatchedFile) -> None:
        with self._desk.database.writing() as writing:
            paper = catalogue.paper(writing, row.paper)
            if paper is None:
                return
            was_shown = paper.withdrawn_s is None
            if was_shown:
                paper = catalogue.set_withdrawn(writing, row.paper, time.time(), self._who)
            # If a clerk has withdrawn it, a file that comes back does not put it back.
            watched_rows.set_file(writing, self._name, replace(row, is_gone=True))
        if was_shown:
            self._desk.changed()
            self._told(Noticed("withdrawn", self._place(row.path), paper))

    def _remember(self, writing: Writing, rows: dict[bytes, WatchedFile], new: WatchedFile) -> None:
        watched_rows.set_file(writing, self._name, new)
        rows[new.path] = new

    # Folders

    def _folder(self, writing: Writing, path: bytes) -> str:
        """The id of the folder of the shelf that mirrors one of the disk. Made if it is not there."""
        known = watched_rows.folder_of(writing, self._name, path)
        if known is not None and folders.folder(writing, known) is not None:
            return known
        if not path:
            raise RequestError("the folder of the shelf that mirrors this one was removed: watch it again")
        parent = self._folder(writing, _parent(path))
        name = shown_text(os.fsdecode(path.rpartition(b"/")[2])) or "-"
        found = next((one for one in folders.folders(writing, parent) if one.name == name), None)
        if found is None:
            at = _natural_place(writing, "folder", parent, name)
            found = folders.add_folder(writing, Folder(new_id(), parent, name, "folder", "", 0), self._who)
            if at is not None:
                found = folders.move_folder(writing, found.id, parent, at, self._who)
        watched_rows.set_folder(writing, self._name, path, found.id)
        return found.id

    def _remove_folders(self, unread: dict[Path, str]) -> None:
        """Remove folders of the shelf that are empty, and whose folder of the disk is gone."""
        with self._desk.database.reading() as reading:
            known = watched_rows.folders(reading, self._name)
        for path in reversed(known):
            if not path or self._place(path).is_dir() or self._is_under(path, unread):
                continue
            with self._desk.database.writing() as writing:
                folder = watched_rows.folder_of(writing, self._name, path)
                watched_rows.remove_folder(writing, self._name, path)
                if folder is not None and folders.folder(writing, folder) is not None:
                    try:
                        folders.remove_folder(writing, folder, self._who)
                    except Conflict:
                        continue  # it holds papers that were withdrawn, or a clerk's
            self._desk.changed()

    def _is_doubtful(self, files: dict[bytes, str], rows: dict[bytes, WatchedFile]) -> bool:
        """Whether nothing lies in the folder since a disk or a share is not mounted there. Notes which folder it is, if not."""
        try:
            found = self._root.stat()
        except OSError:
            return True
        identity = f"{found.st_dev} {found.st_ino}"
        with self._desk.database.reading() as reading:
            known = watched_rows.root_of(reading, self._name)
        if files and known is not None and known.identity != identity:
            with self._desk.database.writing() as writing:
                watched_rows.set_folder(writing, self._name, b"", known.folder, identity)
        has_had = any(not row.is_gone for row in rows.values())
        return not files and has_had and known is not None and known.identity not in ("", identity)

    def _is_under(self, path: bytes, places: dict[Path, str]) -> bool:
        place = self._place(path)
        return any(place == one or place.is_relative_to(one) for one in places)

    def _place(self, path: bytes) -> Path:
        return self._root / os.fsdecode(path)

    def _relative(self, path: Path) -> bytes:
        return os.fsencode(path.relative_to(self._root).as_posix())


def _parent(path: bytes) -> bytes:
    return path.rpartition(b"/")[0]


def _digest(path: Path, state: str) -> str:
    """SHA-256 of a file that is still as it was seen. Raises _Changed, OSError."""
    with path.open("rb") as file:
        if not _is_as_seen(os.fstat(file.fileno()), state):
            raise _Changed
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        if not _is_as_seen(os.fstat(file.fileno()), state):
            raise _Changed
    return digest


def _is_as_seen(found: os.stat_result, state: str) -> bool:
    """Whether it is the same file with the same content, as far as its inode, size and time say.

    A listing of Windows has 0 for every inode.
    """
    inode, size, modified_ns = state.split()[:3]
    is_same = inode in ("0", str(found.st_ino)) and (size, modified_ns) == (str(found.st_size), str(found.st_mtime_ns))
    return is_same and stat.S_ISREG(found.st_mode)


def _natural_place(
    writing: Writing, table: Literal["paper", "folder"], holder: str | None, name: str, but: str | None = None
) -> int | None:
    """The place of a name among others in natural order; None: the end. Others keep the order that a clerk gave them.

    but: the id of one that does not count.
    """
    column = {"paper": "folder", "folder": "parent"}[table]
    last = writing.one(
        str, f"SELECT name FROM {table} WHERE {column} IS ? AND id IS NOT ? ORDER BY place DESC LIMIT 1", holder, but
    )
    if last is None or natural_key(last) <= natural_key(name):
        return None
    names = writing.all(str, f"SELECT name FROM {table} WHERE {column} IS ? AND id IS NOT ? ORDER BY place", holder, but)
    before = [(natural_key(one), place) for place, one in enumerate(names) if natural_key(one) <= natural_key(name)]
    return max(before)[1] + 1 if before else 0
