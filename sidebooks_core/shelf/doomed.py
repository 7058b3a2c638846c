"""What is to be removed for good, and is not removed yet: rows that survive the process which began to purge.

A purge commits these rows together with the end of the paper, for each cache folder that the shelf knows: see `caches`. Who
has a cache folder open removes images and facts from it, and then its rows. A process that is killed in between leaves rows,
and the next one that opens that cache folder with the shelf goes on with them. Until then the rows name what was on the pages
by digests of it, and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import Struct

from sidebooks_core.databases.database import Database, Reading, Writing
from sidebooks_core.documents.fingerprint import digest_file
from sidebooks_core.documents.page_ids import own_page_id
from sidebooks_core.errors import DocumentError
from sidebooks_core.service import Document, TileService
from sidebooks_core.shelf.caches import NO_FOLDER, CacheFolder
from sidebooks_core.shelf.originals import Originals

_CACHES = f"(SELECT id FROM cache_folder UNION SELECT '{NO_FOLDER}' AS id)"


class DoomedRevision(Struct, frozen=True, array_like=True):
    """A revision of a paper that was purged."""

    row: int
    shown: str
    """The digest of the file that was shown."""
    document: str | None
    password: str | None


class Waiting(Struct, frozen=True):
    """What the cache of one process is to lose."""

    revisions: list[DoomedRevision]
    pages: list[str]
    """Content ids."""


def doom_paper(writing: Writing, paper_id: str) -> None:
    """Note what caches may hold of a paper that is about to be removed, unless another paper shows the same."""
    writing.run(
        "INSERT INTO doomed_revision (cache, shown, document, password) "
        f"SELECT DISTINCT cache.id, shown, document, password FROM revision AS mine, {_CACHES} AS cache WHERE paper = ?1 "
        "AND NOT EXISTS (SELECT 1 FROM revision WHERE shown = mine.shown AND paper != ?1)",
        paper_id,
    )
    writing.run(
        "INSERT OR IGNORE INTO doomed_page (cache, content_id) "
        f"SELECT DISTINCT cache.id, content_id FROM page AS mine, {_CACHES} AS cache WHERE paper = ?1 "
        "AND NOT EXISTS (SELECT 1 FROM page WHERE content_id = mine.content_id AND paper != ?1)",
        paper_id,
    )


def waiting(reading: Reading, cache_id: str) -> Waiting:
    """What the cache of an id is still to lose."""
    query = "SELECT rowid, shown, document, password FROM doomed_revision WHERE cache IN (?, ?) ORDER BY rowid"
    pages = f"SELECT DISTINCT content_id FROM doomed_page WHERE cache IN (?, ?) AND NOT {_IS_SHOWN} ORDER BY content_id"
    mine = NO_FOLDER, cache_id
    return Waiting(reading.all(DoomedRevision, query, *mine), reading.all(str, pages, *mine))


def caches_waiting(reading: Reading) -> list[CacheFolder]:
    """The cache folders from which something is still to be purged."""
    return reading.all(
        CacheFolder,
        "SELECT id, path FROM cache_folder WHERE id IN (SELECT cache FROM doomed_revision UNION SELECT cache FROM doomed_page) "
        "ORDER BY path",
    )


def purge_cache(
    database: Database, service: TileService, cache_id: str, originals: Originals, opened: Iterable[Document] = ()
) -> int:
    """Remove images and facts of everything that was purged from the cache of a service. opened: documents of it that are in
    use. Returns how many revisions.

    Pages that were never identified are identified here, since their images may be in a cache, and other caches are to lose
    them, too. Raises ServiceClosed; then the next call goes on.
    """
    with database.reading() as reading:
        found = waiting(reading, cache_id)
        is_any_shown_again = _has_pages_shown_again(reading, cache_id)
        named_again = {one.shown for one in found.revisions if _is_shown(reading, one.shown)}
    if is_any_shown_again:
        with database.writing() as writing:
            _forget_pages_shown_again(writing, cache_id)
    if not found.revisions and not found.pages:
        return 0
    known = {document.id: document for document in opened}
    learned: set[str] = set()
    for one in found.revisions:
        if one.shown not in named_again:
            learned |= _purge_revision(service, originals, one, known)
    service.parts.images.keeper.purge(found.pages)
    service.parts.images.keeper.store.scrub()
    mine = NO_FOLDER, cache_id
    with database.writing() as writing:
        for page in sorted(learned - set(found.pages)):
            writing.run(
                "INSERT OR IGNORE INTO doomed_page (cache, content_id) SELECT DISTINCT cache, ?1 FROM doomed_revision "
                "WHERE cache NOT IN (?2, ?3)",
                page, *mine,
            )  # fmt: skip
        writing.run_each("DELETE FROM doomed_revision WHERE rowid = ?", [(one.row,) for one in found.revisions])
        for page in found.pages:
            writing.run("DELETE FROM doomed_page WHERE content_id = ?1 AND cache IN (?2, ?3)", page, *mine)
    return len(found.revisions)


def forget_passwords(database: Database) -> None:
    """Forget the passwords of files that are removed: no cache needs them any more. Call it when files were removed."""
    is_useless = "password IS NOT NULL AND NOT EXISTS (SELECT 1 FROM original WHERE digest = shown)"
    with database.reading() as reading:
        is_any = reading.one(int, f"SELECT 1 FROM doomed_revision WHERE {is_useless} LIMIT 1") is not None
    if is_any:
        with database.writing() as writing:
            writing.run(f"UPDATE doomed_revision SET password = NULL WHERE {is_useless}")


def _purge_revision(
    service: TileService, originals: Originals, revision: DoomedRevision, known: Mapping[str, Document]
) -> set[str]:
    """Returns all ids under which a cache may have images of its pages, as far as they can be found out."""
    document = known.get(revision.document or "")
    path = originals.path(revision.shown)
    if document is None:
        try:
            document = service.open(path, revision.password)
        except (DocumentError, FileNotFoundError):  # no page was ever drawn, or its file is gone already
            document = None
    pages: set[str] = set()
    if document is not None:
        service.purge(document, positions=True)
        for page in range(document.page_count):
            pages |= {own_page_id(document.info.kind, document.id, page), document.known_content_id(page) or ""}
    document_id = revision.document or (digest_file(path) if path.is_file() else None)
    if document_id is not None:
        service.parts.facts.forget(document_id, lasting=True)
        service.parts.images.keeper.store.purge(document_id)
    return pages - {""}


_IS_SHOWN = "EXISTS (SELECT 1 FROM page WHERE page.content_id = doomed_page.content_id)"
"""One look for each page that is doomed. With `IN (SELECT …)` SQLite may read all pages of the shelf, at each start."""
_SHOWN_AGAIN = f"cache IN (?, ?) AND {_IS_SHOWN}"


def _has_pages_shown_again(reading: Reading, cache_id: str) -> bool:
    query = f"SELECT 1 FROM doomed_page WHERE {_SHOWN_AGAIN} LIMIT 1"
    return reading.one(int, query, NO_FOLDER, cache_id) is not None


def _forget_pages_shown_again(writing: Writing, cache_id: str) -> None:
    """Papers that were registered since show these pages. If they are purged, their pages are doomed anew."""
    writing.run(f"DELETE FROM doomed_page WHERE {_SHOWN_AGAIN}", NO_FOLDER, cache_id)


def _is_shown(reading: Reading, shown: str) -> bool:
    """Whether a paper that was registered meanwhile shows the same file."""
    return reading.one(int, "SELECT 1 FROM revision WHERE shown = ?", shown) is not None
