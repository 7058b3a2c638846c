"""The parts of the server that belong to the shelf of papers."""

from __future__ import annotations

from msgspec import Struct

from sidebooks_core.server.limits import Quota
from sidebooks_core.server.mark_readers import MarkReaders
from sidebooks_core.server.noted import Noted
from sidebooks_core.server.places import Places
from sidebooks_core.server.progress_events import ProgressEvents
from sidebooks_core.server.shelf_feed import ShelfFeed
from sidebooks_core.shelf import Shelf
from sidebooks_core.shelf.uploads import Uploads


class PaperParts(Struct, frozen=True, eq=False, kw_only=True):
    """The parts of one application."""

    shelf: Shelf
    places: Places
    feed: ShelfFeed
    uploads: Uploads
    progress: ProgressEvents
    searches: Quota
    noted: Noted
    mark_readers: MarkReaders
