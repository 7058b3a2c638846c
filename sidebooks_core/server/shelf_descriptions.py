"""Folders, papers and revisions as our own API describes them, for one principal."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

from msgspec import Struct
from msgspec.structs import asdict

from sidebooks_core.access.operations import CLERKS, READING, Operation
from sidebooks_core.access.principals import Principal
from sidebooks_core.server.gate import AT_THE_TOP, Gate
from sidebooks_core.server.places import Standings
from sidebooks_core.server.schemas_shelf import (
    DocumentAddresses,
    FolderDetails,
    FolderEntry,
    PaperDetails,
    PaperEntry,
    ProgressEntry,
    RevisionEntry,
    WayEntry,
)
from sidebooks_core.shelf import Folder, Paper, Revision, Shelf
from sidebooks_core.shelf.counting import Counts, papers_in
from sidebooks_core.shelf.folders import way_to
from sidebooks_core.shelf.model import Level
from sidebooks_core.shelf.standing import Standing

MOST_READ = 100
"""Papers of an inner folder that are read to count them; of a larger one they are counted only."""
MOST_TOLD = 40
"""Inner folders of which it is told what they hold; if there are more, it is told of none."""
_OF_A_FOLDER = frozenset(
    {
        Operation.READ_FOLDER,
        Operation.REGISTER,
        Operation.CHANGE_FOLDER,
        Operation.OPEN_MEETING,
        Operation.READ_READERS,
        Operation.SHARE,
        Operation.CHANGE_ACCESS,
        Operation.DESTROY_MARKS,
        Operation.SEARCH,
    }
)
_OF_A_PAPER = (READING | CLERKS) - {
    Operation.READ_FOLDER,
    Operation.REGISTER,
    Operation.CHANGE_FOLDER,
    Operation.CHANGE_ACCESS,
    Operation.DESTROY_MARKS,
    Operation.SHARE,
    Operation.MEET,
}

_Known = tuple[bool, Level]
"""What a policy knows of a paper beside its folders: whether it is published, and its level. It is asked once for all alike."""


class PaperFacts(Struct, frozen=True):
    """What the description of a paper is made of, whoever asks."""

    paper: Paper
    way: tuple[Folder, ...]
    progress: ProgressEntry

    @property
    def standings(self) -> Standings:
        """Where it stands."""
        return (Standing(tuple(one.id for one in self.way), self.paper, self.paper.revision),)


def paper_facts(shelf: Shelf, paper: Paper) -> PaperFacts:
    """Read from the database. Raises RequestError."""
    with shelf.database.reading() as reading:
        way = way_to(reading, paper.folder)
    return PaperFacts(paper, tuple(way), progress_entry(shelf, paper.id))


def progress_entry(shelf: Shelf, paper_id: str) -> ProgressEntry:
    """How far a paper is prepared."""
    found = shelf.progress(paper_id)
    return ProgressEntry(found.paper, found.revision, found.pages, found.identified, found.previews, found.indexed)


class Viewer(Struct, frozen=True):
    """Whoever asks, and what they may see of a shelf. `folder`, `paper` and `revision` read from the database."""

    shelf: Shelf
    gate: Gate
    principal: Principal
    base: str
    """The beginning of all addresses."""

    def folder(self, folder_id: str | None, few: int | None = None) -> FolderDetails:
        """A folder with what it holds; the top for None. The caller has asked the gate. Raises RequestError.

        few: tell also how much inner folders hold, and the papers of those that hold at most so many.
        """
        way = self._way(folder_id)
        found = way[-1] if way else None
        standing = Standing(tuple(one.id for one in way))
        inner = self._inner(folder_id, standing.folders)
        papers = [self.paper_entry(paper) for paper in self._papers(folder_id, standing.folders)]
        few = few if len(inner) <= MOST_TOLD else None
        return FolderDetails(
            id=found.id if found else AT_THE_TOP,
            name=found.name if found else "",
            kind=found.kind if found else "folder",
            note=found.note if found else "",
            way=self._shown_way(way[:-1]),
            folders=[self.folder_entry(one) if few is None else self._section(one, of, few) for one, of in inner],
            papers=papers,
            may=self._operations(_OF_A_FOLDER, (standing,)),
            address=self.address("folders", found.id if found else AT_THE_TOP),
        )

    def folder_entry(self, folder: Folder) -> FolderEntry:
        """A folder in a list."""
        address = self.address("folders", folder.id)
        return FolderEntry(folder.id, folder.name, folder.kind, folder.note, folder.place, address)

    def _section(self, folder: Folder, way: tuple[str, ...], few: int) -> FolderEntry:
        with self.shelf.database.reading() as reading:
            counts = papers_in(reading, folder.id, time.time())
        made = self.folder_entry(folder)
        made.folder_count = len(self._inner(folder.id, way))
        if counts.every > MOST_READ:
            made.paper_count = self._seen(counts, way)
            return made
        papers = self._papers(folder.id, way)
        made.paper_count = len(papers)
        if len(papers) <= few:
            made.papers = [self.paper_entry(paper) for paper in papers]
        return made

    def _seen(self, counts: Counts, way: tuple[str, ...]) -> int:
        """How many of these are seen."""
        published, others = (self._may_read(way, (is_published, "open")) for is_published in (True, False))
        return counts.published * published + (counts.every - counts.published) * others

    def _papers(self, folder_id: str | None, way: tuple[str, ...]) -> list[Paper]:
        """Those in a folder that may be seen. way: of the folder, with itself."""
        now_s = time.time()
        answers: dict[_Known, bool] = {}
        seen: list[Paper] = []
        for paper in self.shelf.papers(folder_id, withdrawn=True):
            known = (paper.is_published(now_s), paper.level)
            if known not in answers:
                answers[known] = self._may_read(way, known)
            if answers[known]:
                seen.append(paper)
        return seen

    def _may_read(self, way: tuple[str, ...], known: _Known) -> bool:
        """Whether papers of a folder may be seen of which a policy knows this. way: of the folder, with itself."""
        is_published, level = known
        withdrawn_s = None if is_published else 0.0
        asked = Paper("", way[-1] if way else None, "", "", level, 0, None, None, 1, "ready", "", None, 0, withdrawn_s)
        return self._may(Operation.READ_DOCUMENT, Standing(way, asked, 1))

    def paper_entry(self, paper: Paper) -> PaperEntry:
        """A paper in a list."""
        return PaperEntry(
            id=paper.id,
            folder=paper.folder or AT_THE_TOP,
            name=paper.name,
            note=paper.note,
            level=paper.level,
            place=paper.place,
            from_s=paper.from_s,
            until_s=paper.until_s,
            is_published=paper.is_published(time.time()),
            withdrawn_s=paper.withdrawn_s,
            revision=paper.revision,
            registered_s=paper.registered_s,
            state=paper.state,
            reason=paper.reason,
            page_count=paper.page_count,
            document=self.document(paper.document_id, paper.page_count),
            address=self.address("papers", paper.id),
        )

    def paper(self, paper: Paper) -> PaperDetails:
        """A paper by itself."""
        return self.details(paper_facts(self.shelf, paper))

    def details(self, facts: PaperFacts) -> PaperDetails:
        """A paper by itself. It never waits."""
        paper, way, standings = facts.paper, facts.way, facts.standings
        limits = self.gate.limits_of(self.principal, Operation.READ_DOCUMENT, standings)
        may = self._operations(_OF_A_PAPER, standings)
        return PaperDetails(
            **asdict(self.paper_entry(paper)),
            way=self._shown_way(way),
            progress=facts.progress,
            may=may,
            may_print=limits is not None and limits.may_print,
        )

    def revision(self, paper: Paper, revision: Revision) -> RevisionEntry:
        """A revision. Only those who tend the paper read who registered it."""
        way = tuple(one.id for one in self._way(paper.folder))
        tends = self._may(Operation.CHANGE_PAPER, Standing(way, paper, revision.number))
        return RevisionEntry(
            paper=paper.id,
            number=revision.number,
            is_present=revision.number == paper.revision,
            file_name=revision.file_name,
            size_bytes=revision.size_bytes,
            registered_s=revision.registered_s,
            registered_by=revision.registered_by if tends else "",
            note=revision.note,
            state=revision.state,
            reason=revision.reason,
            page_count=revision.page_count,
            document=self.document(revision.document_id, revision.page_count),
            original=f"{self.address('papers', paper.id)}/revisions/{revision.number}/original",
        )

    def document(self, document_id: str | None, page_count: int) -> DocumentAddresses | None:
        """Where the pages of a document are. None for None."""
        if document_id is None:
            return None
        address = self.address("documents", document_id)
        return DocumentAddresses(
            id=document_id,
            page_count=page_count,
            pages=f"{address}/pages.json",
            manifest=f"{self.base}/presentation/3/{document_id}/manifest.json",
            preview=f"{address}/pages/1/preview",
        )

    def address(self, kind: str, name: str) -> str:
        """Of a folder, a paper or a document."""
        return f"{self.base}/{kind}/{name}"

    def _inner(self, parent: str | None, way: tuple[str, ...]) -> list[tuple[Folder, tuple[str, ...]]]:
        """The folders in a folder, each with its way. If one may not be seen, the visible ones inside it stand in its place."""
        found: list[tuple[Folder, tuple[str, ...]]] = []
        for one in self.shelf.folders(parent):
            inner_way = (*way, one.id)
            if self._may(Operation.READ_FOLDER, Standing(inner_way)):
                found.append((one, inner_way))
            else:
                found += self._inner(one.id, inner_way)
        return found

    def _shown_way(self, way: Sequence[Folder]) -> list[WayEntry]:
        shown: list[WayEntry] = []
        ids: tuple[str, ...] = ()
        for one in way:
            ids = (*ids, one.id)
            if self._may(Operation.READ_FOLDER, Standing(ids)):
                shown.append(WayEntry(one.id, one.name))
        return shown

    def _way(self, folder_id: str | None) -> list[Folder]:
        with self.shelf.database.reading() as reading:
            return way_to(reading, folder_id)

    def _may(self, operation: Operation, standing: Standing) -> bool:
        return self.gate.sees(self.principal, operation, (standing,))

    def _operations(self, operations: Iterable[Operation], standings: Standings) -> list[str]:
        return sorted(one.value for one in operations if self.gate.sees(self.principal, one, standings))
