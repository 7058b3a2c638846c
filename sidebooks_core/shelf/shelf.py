"""The shelf: what a clerk does with papers, and what readers find. It knows no HTTP, and does not ask who may do it."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self, Unpack

from msgspec.structs import replace as replaced

from sidebooks_core.databases.database import Database
from sidebooks_core.errors import PasswordRequired
from sidebooks_core.marks.store import MarkStore
from sidebooks_core.scheduling.queue import Priority
from sidebooks_core.service import Document, TileService
from sidebooks_core.shelf import catalogue, changes, folders, upkeep
from sidebooks_core.shelf.catalogue import NewPaper
from sidebooks_core.shelf.differences import Differences
from sidebooks_core.shelf.drawing_ahead import DrawingAhead
from sidebooks_core.shelf.feed import Feed, Listener
from sidebooks_core.shelf.finding import Finding
from sidebooks_core.shelf.following import Following
from sidebooks_core.shelf.intake import Convert, Desk, Given, Intake, TakenIn, committing, name_of, revision_of
from sidebooks_core.shelf.keeping import Keeping
from sidebooks_core.shelf.marking import Marking
from sidebooks_core.shelf.model import (
    Change,
    Folder,
    FolderChanges,
    FolderKind,
    Paper,
    PaperChanges,
    Progress,
    Revision,
    Shown,
    Who,
    id_of,
)
from sidebooks_core.shelf.opened import OpenedRevisions
from sidebooks_core.shelf.order import new_id
from sidebooks_core.shelf.originals import Originals
from sidebooks_core.shelf.positions import Positions
from sidebooks_core.shelf.preparing import Preparer
from sidebooks_core.shelf.purging import PendingPurges, Purger
from sidebooks_core.shelf.schema import SHELF
from sidebooks_core.shelf.screens import Screens, requests_for
from sidebooks_core.shelf.search import page_texts
from sidebooks_core.shelf.search.searching import Searcher
from sidebooks_core.shelf.taking import taking_in
from sidebooks_core.shelf.told import change_folder, change_paper, new_folder, new_paper, require_text, shown_name
from sidebooks_core.shelf.turns import Turns
from sidebooks_core.shelf.watched import Watches

CHANGES_AT_ONCE = 1000


class Shelf(Following, Keeping, Finding, Marking):
    """Papers in folders. Thread-safe; several processes may have the same folder of data open. `close()` it."""

    def __init__(
        self,
        data_dir: Path | str | None,
        service: TileService,
        *,
        convert: Convert | None = None,
        prepares: bool = True,
    ) -> None:
        """data_dir: made if it is not there; a local disk. None: a temporary folder, which `close` removes.

        convert: makes documents of files that cannot be opened, such as office files. prepares: have the workers of the service
        prepare papers in the background, unless another process does, and tell when the times of papers begin and end. A backup
        that is opened with it is in use from then on: see `upkeep.begin_restored`.
        Raises RequestError, StorageFailed, StorageDamaged.
        """
        self.service = service
        self._temporary = tempfile.TemporaryDirectory(prefix="sidebooks-") if data_dir is None else None
        self.data_dir = Path(data_dir if data_dir is not None else self._temporary.name if self._temporary else "")
        self.database = Database(self.data_dir / upkeep.DATABASE_NAME, SHELF)
        self.originals = Originals(self.data_dir / upkeep.ORIGINALS_NAME, service.settings.document_bytes)
        self.screens = Screens(self.database)
        self._intake = Intake(self.originals, service, convert, self._begin_first_page)
        self._opened = OpenedRevisions(service, self.database, self.originals)
        self.differences = Differences(service, self.document)
        self.positions = Positions(self.database)
        self.searcher = Searcher(self.database, self._opened.search)
        self.feed = Feed(self.database)
        try:
            upkeep.begin_restored(self.database, is_in_use=prepares)
            self.purger = Purger(self.database, self.originals, service)
            self.purger.finish()
            upkeep.sweep(self.database, self.originals)
        except BaseException:
            self.feed.close()  # it has threads
            self.database.close()
            raise
        self.mark_store = MarkStore(self.database, cut_log=lambda: not self.purger.finish().is_in_log)
        self.feed.tell(self._let_go_of_purged)
        ahead = DrawingAhead(self.database, service, self.purger.cache_id, self._opened.document, self.screens)
        self.preparer = Preparer(self.database, service, self.data_dir, self._opened.document, self.feed.wake, ahead)
        self.preparer.each_day(lambda: upkeep.sweep(self.database, self.originals))
        self.preparer.each_day(self.mark_store.sweep)
        self.feed.tell(self.preparer.notice)
        self.desk = Desk(self.database, self.originals, self._intake, self._has_new, self.feed.wake, self.preparer.wake)
        self._turns = Turns(self.database, self.feed.wake)
        self.watches = Watches(self.desk, self.data_dir)
        if prepares:
            self.preparer.start()
            self._turns.start()

    # Folders

    def make_folder(
        self, name: str, parent: str | Folder | None = None, *, kind: FolderKind = "folder", note: str = "", who: Who = ""
    ) -> Folder:
        """A new folder behind its siblings. parent: the folder that holds it; None: at the top. Raises RequestError."""
        new = new_folder(Folder(new_id(), id_of(parent), name, kind, note, 0))
        with self.database.writing() as writing:
            made = folders.add_folder(writing, new, who)
        self.feed.wake()
        return made

    def change_folder(self, folder: str | Folder, *, who: Who = "", **changes: Unpack[FolderChanges]) -> Folder:
        """Change a folder; what is not told stays. A folder that moves to another parent goes to its end, unless told.

        Raises RequestError.
        """
        with self.database.writing() as writing:
            changed = change_folder(writing, id_of(folder), changes, who)
        self.feed.wake()
        return changed

    def remove_folder(self, folder: str | Folder, *, who: Who = "") -> None:
        """Remove an empty folder. Raises Conflict if it holds anything, RequestError."""
        with self.database.writing() as writing:
            folders.remove_folder(writing, id_of(folder), who)
        self.feed.wake()

    def folder(self, folder_id: str) -> Folder:
        """Raises RequestError if it is not there."""
        with self.database.reading() as reading:
            return folders.require_folder(reading, folder_id)

    def folders(self, parent: str | Folder | None = None) -> list[Folder]:
        """The folders in a folder, in order; those at the top for None."""
        with self.database.reading() as reading:
            return folders.folders(reading, id_of(parent))

    # Papers

    def register(
        self,
        source: Given,
        folder: str | Folder | None = None,
        *,
        password: str | None = None,
        who: Who = "",
        revision_note: str = "",
        **shown: Unpack[Shown],
    ) -> Paper:
        """Put a paper on the shelf. When this returns, the paper is on the disk, and its first page can be read.

        The rest follows in the background: see `progress`. A file that cannot be opened stands on the shelf, too; its `state`
        and `reason` say why. name: what readers see; the file's name without its ending, unless told.
        Raises FileNotFoundError, IsADirectoryError, DamagedDocument if the file changed meanwhile, DocumentTooLarge if it is
        larger than the settings allow, RequestError, QueueFull if no worker can open it now, StorageFailed, ServiceClosed.
        """
        folder_id = id_of(folder)
        if folder_id is not None:
            self.folder(folder_id)
        require_text("revision_note", revision_note)
        named = new_paper(NewPaper(name="-", folder=folder_id), shown)  # before a large file is copied for nothing
        with taking_in(self.database, self._intake) as taking:
            taken = self._intake.take(source, password, shown.get("name"), taking)
            new = named if "name" in shown else replaced(named, name=shown_name(name_of(taken.file_name)))
            with committing(self.database, self.originals, taken) as writing:
                paper = catalogue.add_paper(writing, taken.paper_id, new, revision_of(taken, revision_note, who))
        self._has_new(paper, taken)
        return paper

    def replace(
        self,
        paper_id: str,
        source: Given,
        *,
        password: str | None = None,
        after: int | None = None,
        note: str = "",
        who: Who = "",
    ) -> Paper:
        """Put a new revision in the place of the present one. The paper keeps its id, name, place, and positions.

        Pages that did not change keep their images. after: the revision that the new one replaces. Raises Conflict if another
        one is the present one by now; else what `register` raises.
        """
        name = self.paper(paper_id).name
        require_text("note", note)
        with taking_in(self.database, self._intake) as taking:
            taken = self._intake.take(source, password, name, taking)
            with committing(self.database, self.originals, taken) as writing:
                paper = catalogue.replace_paper(writing, paper_id, after, revision_of(taken, note, who))
        self._has_new(paper, taken)
        return paper

    def change(self, paper_id: str, *, who: Who = "", **changes: Unpack[PaperChanges]) -> Paper:
        """Change a paper; what is not told stays. A paper that moves to another folder goes to its end, unless told.

        Raises RequestError.
        """
        with self.database.writing() as writing:
            paper = change_paper(writing, paper_id, changes, who)
        self.feed.wake()
        return paper

    def unlock(self, paper_id: str, password: str, *, who: Who = "") -> Paper:
        """Give the password of a paper that is locked; it is kept on the shelf. Raises PasswordRequired if it is wrong."""
        with self.database.reading() as reading:
            revision = catalogue.revision(reading, paper_id, None)
            name = catalogue.require_paper(reading, paper_id).name
        with taking_in(self.database, self._intake) as taking:
            opened, _ = self._intake.open(revision.shown, name, password, taking)
            if opened.state == "locked":
                raise PasswordRequired(opened.reason)
            with self.database.writing() as writing:
                catalogue.set_opened(writing, paper_id, revision.number, opened, who)
                paper = catalogue.require_paper(writing, paper_id)
        self.feed.wake()
        self.preparer.wake()
        return paper

    def withdraw(self, paper_id: str, *, who: Who = "") -> Paper:
        """Take a paper away from its readers. It can be put back: see `restore`. Raises RequestError."""
        return self._set_withdrawn(paper_id, time.time(), who)

    def restore(self, paper_id: str, *, who: Who = "") -> Paper:
        """Put a paper back that was withdrawn. Raises RequestError."""
        return self._set_withdrawn(paper_id, None, who)

    def purge(self, paper_id: str, *, who: Who = "") -> PendingPurges:
        """Remove a paper for good, with its originals, revisions, texts, images and positions, and all that is known of it.

        Originals and texts that another paper holds, too, stay for that. Nobody finds the paper when this returns. Returns what
        could not be removed yet, of this and of other papers: see `pending_purges`. Raises RequestError, StorageFailed.
        """
        documents = self._opened.let_go(self.revisions(paper_id))
        with self.database.writing() as writing:
            page_texts.remove_unused(writing, catalogue.remove_paper(writing, paper_id, who))
        self.feed.wake()
        return self.purger.finish(documents)

    def paper(self, paper_id: str) -> Paper:
        """Raises RequestError if it is not there."""
        with self.database.reading() as reading:
            return catalogue.require_paper(reading, paper_id)

    def papers(self, folder: str | Folder | None = None, *, withdrawn: bool = False) -> list[Paper]:
        """The papers in a folder, in order; those at the top for None. withdrawn: also those that were withdrawn."""
        with self.database.reading() as reading:
            found = catalogue.papers(reading, id_of(folder))
        return [paper for paper in found if withdrawn or paper.withdrawn_s is None]

    # Revisions

    def revisions(self, paper_id: str) -> list[Revision]:
        """All revisions of a paper, the oldest first. Raises RequestError."""
        with self.database.reading() as reading:
            catalogue.require_paper(reading, paper_id)
            return catalogue.revisions(reading, paper_id)

    def revision(self, paper_id: str, number: int | None = None) -> Revision:
        """A revision of a paper; the present one for None. Raises RequestError if there is none."""
        with self.database.reading() as reading:
            return catalogue.revision(reading, paper_id, number)

    def document(self, paper_id: str, revision: int | None = None) -> Document:
        """The document of a revision; of the present one for None.

        Raises RequestError if there is none, and if it cannot be opened, the DocumentError that says why.
        """
        return self._opened.document(self.revision(paper_id, revision))

    def progress(self, paper_id: str) -> Progress:
        """How far the present revision of a paper is prepared. Raises RequestError."""
        return self.preparer.progress(paper_id)

    def wait_prepared(self, timeout_s: float | None = None) -> bool:
        """Wait until all papers are prepared, by whatever process, but for those that could not be. False if not in time."""
        return self.preparer.wait(timeout_s)

    # The feed

    def changes(self, since: int = 0, limit: int = CHANGES_AT_ONCE) -> list[Change]:
        """What changed after the change of a number, in order, at most `limit` changes."""
        with self.database.reading() as reading:
            return changes.changes(reading, since, limit)

    def tell(self, listener: Listener) -> None:
        """Call back with each change from now on, in order, also with those that other processes make."""
        self.feed.tell(listener)

    def epoch(self) -> str:
        """Another text than before if a backup was restored: then the numbers of changes began anew."""
        with self.database.reading() as reading:
            return changes.epoch(reading)

    def close(self) -> None:
        """Let go of the data. What is being prepared goes on at the next start. The service is not closed."""
        self.watches.close()
        self._intake.close()
        self.preparer.close()
        self._turns.close()
        self.feed.close()
        self.purger.close()
        self.positions.close()
        self.mark_store.close()
        self.database.close()
        if self._temporary is not None:
            self._temporary.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.close()

    def _begin_first_page(self, document: Document) -> None:
        """Draw the first page while the paper is written down: everybody who is told of it asks for that page at once.

        A failure is told to whoever asks for the page.
        """
        if not document.page_count:
            return
        images = self.service.parts.images
        sizes = self.screens.commonest()
        for request in requests_for(images, document, 0, sizes):
            images.find(request, Priority.PREVIEW)
        if not sizes and document.known_content_id(0) is None:
            images.identify(document, 0, Priority.PREVIEW)

    def _has_new(self, paper: Paper, taken: TakenIn) -> None:
        """A revision is on the disk: tell it, and prepare it."""
        self.feed.wake()
        if taken.document is not None:
            self._opened.keep((paper.id, paper.revision), taken.document)
        self.preparer.wake()

    def _let_go_of_purged(self, told: list[Change]) -> None:
        """Papers were purged, perhaps by another process: remove what this one has of them, in memory and in its cache."""
        papers = {change.paper for change in told if change.kind == "paper purged"}
        if papers:
            self.purger.wake(self._opened.drop(papers))

    def _set_withdrawn(self, paper_id: str, withdrawn_s: float | None, who: Who) -> Paper:
        with self.database.writing() as writing:
            paper = catalogue.set_withdrawn(writing, paper_id, withdrawn_s, who)
        self.feed.wake()
        return paper
