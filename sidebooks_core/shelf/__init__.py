"""The shelf: papers that are registered once and kept for good, their revisions, and the feed of changes."""

from sidebooks_core.shelf.exporting import Exported
from sidebooks_core.shelf.importing import BroughtIn
from sidebooks_core.shelf.mirror import Noticed
from sidebooks_core.shelf.model import Actor, Change, Folder, FolderChanges, Paper, PaperChanges, Progress, Revision, Shown
from sidebooks_core.shelf.purging import PendingPurges
from sidebooks_core.shelf.revisions import PageChange
from sidebooks_core.shelf.search.searching import Found, PageHit, Where
from sidebooks_core.shelf.shelf import Shelf
from sidebooks_core.shelf.watched import Watch

__all__ = [
    "Actor",
    "BroughtIn",
    "Change",
    "Exported",
    "Folder",
    "FolderChanges",
    "Found",
    "Noticed",
    "PageChange",
    "PageHit",
    "Paper",
    "PaperChanges",
    "PendingPurges",
    "Progress",
    "Revision",
    "Shelf",
    "Shown",
    "Watch",
    "Where",
]
