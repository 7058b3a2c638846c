"""What is done with a shelf as a whole: folders of the disk are mirrored in it, it is copied, and checked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sidebooks_core.databases.database import Database
from sidebooks_core.service import TileService
from sidebooks_core.shelf import upkeep
from sidebooks_core.shelf.exporting import Exported, ExportOptions, export
from sidebooks_core.shelf.feed import Feed
from sidebooks_core.shelf.importing import BroughtIn, bring_in
from sidebooks_core.shelf.intake import Desk
from sidebooks_core.shelf.mirror import Noticed
from sidebooks_core.shelf.model import Folder, Who, id_of
from sidebooks_core.shelf.originals import Originals
from sidebooks_core.shelf.positions import Positions
from sidebooks_core.shelf.preparing import Preparer
from sidebooks_core.shelf.purging import PendingPurges, Purger
from sidebooks_core.shelf.search import mending
from sidebooks_core.shelf.watched import SETTLE_S, Watch, Watches


class Keeping:
    """The part of `Shelf` that deals with it as a whole."""

    service: TileService
    database: Database
    originals: Originals
    feed: Feed
    desk: Desk
    """Registers files."""
    preparer: Preparer
    """Prepares papers in the background."""
    watches: Watches
    """Of the folders that are watched by this process."""
    positions: Positions
    """Where readers left off."""
    purger: Purger
    """Ends what purges have begun."""

    def watch(
        self,
        path: Path | str,
        folder: str | Folder | None = None,
        *,
        settle_s: float = SETTLE_S,
        who: Who = "",
        told: Callable[[Noticed], None] | None = None,
    ) -> Watch:
        """Mirror a folder of the disk in a folder of the shelf, from a thread, until the watch or the shelf is closed.

        A file becomes a paper of its name, a folder a folder, in natural order. A file that changes becomes a new revision, one
        that is renamed or moved keeps its paper, one that goes away has its paper withdrawn, and put back if it comes back.
        What was registered is known after a restart. folder: None: one at the top with the name of the folder of the disk.
        settle_s: a file is taken when it has not changed for so many seconds. told: called from the thread with everything that
        becomes of a file; unless told, it is logged. Raises NotADirectoryError, RequestError.
        """
        return self.watches.begin(Path(path), id_of(folder), settle_s, who, told)

    def back_up(self, target: Path | str, *, more: Callable[[Path], None] | None = None) -> int:
        """Copy the shelf into a new folder, from which `Shelf` opens it. Returns how many originals it has.

        What stands at the target is whole: the copy is made beside it. more: adds something to the copy before it is put there,
        `Access.back_up` say. Others may use the shelf meanwhile. Raises FileExistsError, StorageFailed, StorageDamaged if an
        original is damaged or missing, RequestError if it is being done already.
        """
        self.positions.flush()
        return upkeep.back_up(self.database, self.originals, Path(target), more)

    def export(
        self, target: Path | str, folder: str | Folder | None = None, *, all_revisions: bool = True, passwords: bool = False
    ) -> Exported:
        """Write the shelf, or a folder of it, as folders and files of readable names, with a manifest. See `bring_in`.

        target: a folder that is not there yet, or is empty. all_revisions: else the present ones only. passwords: of locked
        papers; they are secrets, and everybody who has the manifest can read them.
        Raises FileExistsError, RequestError, StorageDamaged if an original is damaged or missing, StorageFailed.
        """
        options = ExportOptions(folder=id_of(folder), all_revisions=all_revisions, passwords=passwords)
        return export(self.database, self.originals, Path(target), options)

    def bring_in(self, source: Path | str, folder: str | Folder | None = None, *, who: Who = "") -> BroughtIn:
        """Import what `export` has written: all of it, or nothing. Papers that stand here already are left as they are.

        Ids stay the same if they are free. folder: for what stood at the top; None: the top. No file is believed: each must
        have the digest of the manifest. Raises FileNotFoundError, RequestError if the manifest makes no sense, StorageDamaged
        if a file is not the one that it names, DocumentTooLarge, StorageFailed, Conflict.
        """
        return bring_in(self.desk, Path(source), id_of(folder), who)

    def pending_purges(self) -> PendingPurges:
        """What is left of papers that were purged, and is removed from a thread as soon as it can be."""
        return self.purger.pending()

    def verify(self) -> upkeep.Verification:
        """Read everything, and tell what is missing or damaged."""
        return upkeep.verify(self.database, self.originals)

    def rebuild_index(self) -> int:
        """Make the index of the search again from the stored texts. Returns how many pages it has. Others go on meanwhile."""
        return mending.rebuild(self.database)
