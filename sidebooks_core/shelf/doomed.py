"""What is to be removed for good, and is not removed yet: rows that survive the process which began to purge.

A purge commits these rows together with the end of the paper. Then images and facts are removed from the cache, then the rows,
then the files. A process that is killed in between leaves rows, and the next start goes on with them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import Struct

from sidebooks_core.databases.database import Database, Reading, Writing
from sidebooks_core.documents.document import Document
from sidebooks_core.documents.fingerprint import digest_file
from sidebooks_core.errors import DocumentError
from sidebooks_core.service import TileService
from sidebooks_core.shelf.originals import Originals


class DoomedRevision(Struct, frozen=True, array_like=True):
    """A revision of a paper that was purged."""

    row: int
    shown: str
    """The digest of the file that was shown."""
    document: str | None
    password: str | None


def doom_paper(writing: Writing, paper_id: str) -> None:
    """Note what the cache may hold of a paper that is about to be removed, unless another paper shows the same."""
    writing.run(
        "INSERT INTO doomed_revision (shown, document, password) "
        "SELECT DISTINCT shown, document, password FROM revision AS mine WHERE paper = ?1 "
        "AND NOT EXISTS (SELECT 1 FROM revision WHERE shown = mine.shown AND paper != ?1)",
        paper_id,
    )
    writing.run(
        "INSERT OR IGNORE INTO doomed_page (content_id) SELECT DISTINCT content_id FROM page AS mine WHERE paper = ?1 "
        "AND NOT EXISTS (SELECT 1 FROM page WHERE content_id = mine.content_id AND paper != ?1)",
        paper_id,
    )


def purge_cache(database: Database, service: TileService, originals: Originals, opened: Iterable[Document] = ()) -> int:
    """Remove images and facts of everything that was purged. opened: documents of it that are in use. How many revisions.

    Pages that were never identified are identified here, since their images may be in the cache. Raises ServiceClosed; then
    the next call goes on.
    """
    with database.reading() as reading:
        revisions, pages = _revisions(reading), _pages(reading)
        named_again = {one.shown for one in revisions if _is_shown(reading, one.shown)}
    if not revisions and not pages:
        return 0
    known = {document.id: document for document in opened}
    for one in revisions:
        if one.shown not in named_again:
            _purge_revision(service, originals, one, known)
    service.parts.images.keeper.purge(pages)
    service.parts.images.keeper.store.scrub()
    with database.writing() as writing:
        writing.run_each("DELETE FROM doomed_revision WHERE rowid = ?", [(one.row,) for one in revisions])
        writing.run_each("DELETE FROM doomed_page WHERE content_id = ?", [(page,) for page in pages])
    return len(revisions)


def _purge_revision(
    service: TileService, originals: Originals, revision: DoomedRevision, known: Mapping[str, Document]
) -> None:
    document = known.get(revision.document or "")
    path = originals.path(revision.shown)
    if document is None:
        try:
            document = service.open(path, revision.password)
        except (DocumentError, FileNotFoundError):  # no page was ever drawn, or its file was removed by hand
            document = None
    if document is not None:
        service.purge(document, positions=True)
    document_id = revision.document or (digest_file(path) if path.is_file() else None)
    if document_id is not None:
        service.parts.facts.forget(document_id, lasting=True)


def _revisions(reading: Reading) -> list[DoomedRevision]:
    return reading.all(DoomedRevision, "SELECT rowid, shown, document, password FROM doomed_revision ORDER BY rowid")


def _pages(reading: Reading) -> list[str]:
    return reading.all(
        str, "SELECT content_id FROM doomed_page WHERE content_id NOT IN (SELECT content_id FROM page) ORDER BY content_id"
    )


def _is_shown(reading: Reading, shown: str) -> bool:
    """Whether a paper that was registered meanwhile shows the same file."""
    return reading.one(int, "SELECT 1 FROM revision WHERE shown = ?", shown) is not None
