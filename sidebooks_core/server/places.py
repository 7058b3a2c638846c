"""In which folders papers and documents stand, as the server asks before each answer; and opened documents. Kept in memory.

What is kept is forgotten at each change of the shelf, so an answer is never older than the last change that was told.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from sidebooks_core.access.policy import Resource
from sidebooks_core.meeting.meetings import Meetings
from sidebooks_core.server.shelf import Registered
from sidebooks_core.shelf import Shelf as PaperShelf
from sidebooks_core.shelf import standing
from sidebooks_core.shelf.standing import Standing

MOST_KEPT = 16384
"""Papers, folders and documents whose places are kept, of each kind."""

_Name = TypeVar("_Name")
_Kept = TypeVar("_Kept")

Standings = tuple[Standing, ...]
"""A folder, a paper, or all papers that show a document. Whoever may see one of them may see the document."""


def resource_of(one: Standing, now_s: float) -> Resource:
    """What a policy is asked about. now_s: seconds since 1970 (UTC)."""
    if one.paper is None:
        return Resource(one.folders)
    return Resource(one.folders, one.paper.is_published(now_s), one.paper.level != "online")


class Memory(Generic[_Name, _Kept]):
    """What was read from the shelf, by id: `known` never waits, `find` may. Thread-safe."""

    def __init__(self, find: Callable[[_Name], _Kept | None]) -> None:
        """find: reads what is not kept; it may wait."""
        self._find = find
        self._lock = threading.Lock()
        self._kept: dict[_Name, _Kept] = {}

    def known(self, name: _Name) -> _Kept | None:
        """None: it is not kept."""
        return self._kept.get(name)

    def find(self, name: _Name) -> _Kept | None:
        """Read it, unless it is kept. None: there is no such thing."""
        kept = self._kept
        found = kept.get(name)
        if found is None and (found := self._find(name)) is not None:
            with self._lock:
                if len(kept) >= MOST_KEPT:
                    kept.clear()
                kept.setdefault(name, found)  # another dict is in use by now if the shelf changed during the read
        return found

    def find_anew(self, name: _Name) -> _Kept | None:
        """Read it, even if it is kept."""
        kept = self._kept
        found = self._find(name)
        with self._lock:
            if found is None:
                kept.pop(name, None)
            else:
                kept[name] = found
        return found

    def forget(self) -> None:
        """Forget everything, also what is being read at this moment."""
        self._kept = {}


class Places:
    """The memories of one shelf. Thread-safe."""

    def __init__(self, shelf: PaperShelf, meetings: Meetings | None = None) -> None:
        """meetings: None: there are none."""
        self.shelf = shelf
        self._meetings = meetings
        self.generation = object()
        """Another object after each change."""
        self.folders = Memory(self._find_folder)
        self.papers = Memory(self._find_paper)
        self.documents = Memory(self._find_document)
        self.registered = Memory(self._find_registered)
        self.meetings = Memory(self._find_meeting)
        """Where the folder of a meeting stands: who may see it may be in the meeting."""

    def forget(self) -> None:
        """The shelf has changed."""
        self.generation = object()
        for memory in (self.folders, self.papers, self.documents, self.registered, self.meetings):
            memory.forget()

    def _find_folder(self, folder_id: str) -> Standings | None:
        found = standing.of_folder(self.shelf.database, folder_id)
        return None if found is None else (found,)

    def _find_paper(self, paper_id: str) -> Standings | None:
        found = standing.of_paper(self.shelf.database, paper_id)
        return None if found is None else (found,)

    def _find_document(self, document_id: str) -> Standings | None:
        return standing.of_document(self.shelf.database, document_id) or None

    def _find_meeting(self, meeting_id: str) -> Standings | None:
        found = None if self._meetings is None else self._meetings.records.meeting(meeting_id)
        if found is None:
            return None
        return (Standing(()),) if found.folder is None else self._find_folder(found.folder)

    def _find_registered(self, revision: tuple[str, int]) -> Registered | None:
        """The document of a revision of a paper, opened under the paper's name. Raises what `Shelf.document` raises."""
        document = self.shelf.document(*revision)
        original = self.shelf.revision(*revision)
        return Registered(document, self.shelf.originals.path(original.shown), original.file_name)
