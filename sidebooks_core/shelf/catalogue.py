"""Papers, revisions, pages and originals in the database.

Each function is one step within a transaction that its caller holds, so that what belongs together is committed together.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

from msgspec import Struct
from msgspec.structs import replace as msgspec_replace

from sidebooks_core.databases.database import Reading, Writing
from sidebooks_core.errors import Conflict, NotOnShelf
from sidebooks_core.shelf import watched_rows
from sidebooks_core.shelf.changes import About, Done, forget_details, note_change
from sidebooks_core.shelf.doomed import doom_paper
from sidebooks_core.shelf.folders import require_folder, way_ids
from sidebooks_core.shelf.lengths import MOST_NAME, require_length, require_lengths
from sidebooks_core.shelf.model import Actor, ChangeKind, Level, Paper, Revision, State, Who, actor_of
from sidebooks_core.shelf.order import move, next_place
from sidebooks_core.shelf.originals import Original
from sidebooks_core.shelf.turns import set_turns, tell_turns

_PAPER = """
    SELECT paper.id, folder, name, paper.note, level, place, from_s, until_s, paper.revision, state, reason, document,
        page_count, withdrawn_s, registered_s
    FROM paper JOIN revision ON revision.paper = paper.id AND revision.number = paper.revision
"""
_REVISION = """
    SELECT revision.paper, revision.number, revision.original, revision.shown, revision.file_name, original.bytes,
        revision.registered_s, revision.registered_by, revision.note, revision.state, revision.reason, revision.document,
        revision.page_count, revision.is_prepared
    FROM revision JOIN original ON original.digest = revision.original
"""

BROUGHT_IN = "brought in from another shelf"
"""What the audit adds."""


class Opened(Struct, frozen=True, kw_only=True):
    """What opening a file has shown."""

    state: State
    reason: str = ""
    document_id: str | None = None
    page_count: int = 0
    password: str | None = None
    """That opened it, if it needs one."""


class NewPaper(Struct, frozen=True, kw_only=True):
    """What a paper is registered as."""

    name: str
    folder: str | None = None
    note: str = ""
    level: Level = "open"
    from_s: float | None = None
    until_s: float | None = None


class NewRevision(Struct, frozen=True, kw_only=True):
    """A file that becomes a revision."""

    original: Original
    shown: Original
    file_name: str
    opened: Opened
    note: str = ""
    who: Who = ""
    """Who registered it."""
    by: Actor | None = None
    """Who does it now, if that is somebody else: a paper of another shelf is brought in."""
    registered_s: float | None = None
    """Seconds since 1970 (UTC). None: now."""
    upload: str | None = None
    """The id of the upload that it came of."""

    def at(self, registered_s: float) -> NewRevision:
        """The same, registered at a time."""
        return msgspec_replace(self, registered_s=registered_s)


class BroughtPaper(Struct, frozen=True):
    """A paper of another shelf."""

    id: str
    new: NewPaper
    revisions: list[tuple[int, NewRevision]]
    """With their numbers, the present one last."""
    withdrawn_s: float | None


# Papers


def paper(reading: Reading, paper_id: str) -> Paper | None:
    return reading.one(Paper, f"{_PAPER} WHERE paper.id = ?", paper_id)


def papers(reading: Reading, folder_id: str | None) -> list[Paper]:
    """Those in a folder, in order, the withdrawn ones too."""
    return reading.all(Paper, f"{_PAPER} WHERE paper.folder IS ? ORDER BY paper.place, paper.rowid", folder_id)


def all_papers(reading: Reading) -> list[Paper]:
    """In no order, the withdrawn ones too."""
    return reading.all(Paper, _PAPER)


def papers_since(reading: Reading, seq: int) -> list[str]:
    """The ids of papers that changed after a change of the feed, those that were purged too."""
    return reading.all(str, "SELECT DISTINCT paper FROM change WHERE seq > ? AND paper IS NOT NULL", seq)


def papers_of_document(reading: Reading, document_id: str) -> list[Paper]:
    """The papers that show a document in any of their revisions."""
    query = f"{_PAPER} WHERE paper.id IN (SELECT paper FROM revision WHERE document = ?) ORDER BY paper.rowid"
    return reading.all(Paper, query, document_id)


def has_original(reading: Reading, digest: str) -> bool:
    """Whether any paper, wherever it stands, has been registered from a file of this content."""
    return reading.one(int, "SELECT 1 FROM revision WHERE original = ? LIMIT 1", digest) is not None


def newest_revision_with(reading: Reading, paper_id: str, document_id: str) -> int:
    """The number of the newest revision of a paper that shows a document; 0 if none does."""
    query = "SELECT coalesce(max(number), 0) FROM revision WHERE paper = ? AND document = ?"
    return reading.number(query, paper_id, document_id)


def require_paper(reading: Reading, paper_id: str) -> Paper:
    """Raises NotOnShelf if it is not there."""
    found = paper(reading, paper_id)
    if found is None:
        raise NotOnShelf(f"there is no paper {paper_id!r}")
    return found


def add_paper(writing: Writing, paper_id: str, new: NewPaper, revision: NewRevision, *, number: int = 1) -> Paper:
    """Add a paper behind the others of its folder, with a revision. Raises RequestError if the folder is not there."""
    if new.folder is not None:
        require_folder(writing, new.folder)
    place = next_place(writing, "paper", "folder", new.folder)
    writing.run(
        "INSERT INTO paper (id, folder, name, note, level, place, revision) VALUES (?, ?, ?, ?, ?, ?, ?)",
        paper_id, new.folder, new.name, new.note, new.level, place, number,
    )  # fmt: skip
    set_turns(writing, paper_id, new.from_s, new.until_s)
    _add_revision(writing, paper_id, number, revision)
    done = Done(revision.who, "register") if revision.by is None else Done(revision.by, "register", BROUGHT_IN)
    note_change(writing, "paper", About(folder=new.folder, paper=paper_id, revision=number), done)
    return require_paper(writing, paper_id)


def bring_in_paper(writing: Writing, brought: BroughtPaper, who: Who) -> None:
    """Add a paper of another shelf, with its revisions. Who registered them, and when, stays. The feed has who brings it in."""
    last, _ = brought.revisions[-1]
    first = msgspec_replace(brought.revisions[0][1], by=actor_of(who))
    add_paper(writing, brought.id, brought.new, first, number=brought.revisions[0][0])
    for number, one in brought.revisions[1:]:
        _add_revision(writing, brought.id, number, one)
    writing.run("UPDATE paper SET revision = ?, withdrawn_s = ? WHERE id = ?", last, brought.withdrawn_s, brought.id)
    about = About(folder=brought.new.folder, paper=brought.id, revision=last)
    if len(brought.revisions) > 1:
        note_change(writing, "paper replaced", about, Done(who, "replace", BROUGHT_IN))
    if brought.withdrawn_s is not None:
        note_change(writing, "paper withdrawn", about, Done(who, "withdraw", BROUGHT_IN))


def replace_paper(writing: Writing, paper_id: str, after: int | None, revision: NewRevision) -> Paper:
    """Add a revision, which is the present one from now on.

    after: the revision that it replaces. Raises Conflict if another one is the present one, RequestError.
    """
    old = _before_change(writing, paper_id)
    if after is not None and old.revision != after:
        raise Conflict(f"{old.name!r} has revision {old.revision} by now, and not {after}: look at that first")
    number = writing.number("SELECT max(number) FROM revision WHERE paper = ?", paper_id) + 1
    _add_revision(writing, paper_id, number, revision)
    writing.run("UPDATE paper SET revision = ? WHERE id = ?", number, paper_id)
    about = msgspec_replace(about_paper(writing, old), revision=number)
    note_change(writing, "paper replaced", about, Done(revision.who, "replace"))
    return require_paper(writing, paper_id)


def change_paper(writing: Writing, paper_id: str, new: NewPaper, who: Who) -> Paper:
    """Give a paper another name, note, level or time. It stays in its folder: see `move_paper`."""
    old = _before_change(writing, paper_id)
    query = "UPDATE paper SET name = ?, note = ?, level = ? WHERE id = ?"
    writing.run(query, new.name, new.note, new.level, paper_id)
    set_turns(writing, paper_id, new.from_s, new.until_s)
    detail = _difference(old, new)
    note_change(writing, "paper", about_paper(writing, old), Done(who, "change_paper" if detail else "", detail))
    return require_paper(writing, paper_id)


def move_paper(writing: Writing, paper_id: str, folder_id: str | None, place: int | None, who: Who) -> Paper:
    """Move a paper to a place of a folder; to its end if no place is told."""
    old = _before_change(writing, paper_id)
    into = require_folder(writing, folder_id).name if folder_id is not None else "the top"
    about = msgspec_replace(about_paper(writing, old), folder=folder_id)
    move(writing, ("paper", "folder"), paper_id, folder_id, place)
    moved = require_paper(writing, paper_id)
    detail = f"moved to folder {into}" if folder_id != old.folder else f"moved to place {moved.place + 1}"
    note_change(writing, "paper", about, Done(who, "move_paper", detail))
    return moved


def set_withdrawn(writing: Writing, paper_id: str, withdrawn_s: float | None, who: Who) -> Paper:
    """Withdraw a paper, or put it back (None)."""
    old = _before_change(writing, paper_id)
    writing.run("UPDATE paper SET withdrawn_s = ? WHERE id = ?", withdrawn_s, paper_id)
    kind: ChangeKind = "paper restored" if withdrawn_s is None else "paper withdrawn"
    did = "restore" if withdrawn_s is None else "withdraw"
    note_change(writing, kind, about_paper(writing, old), Done(who, did))
    return require_paper(writing, paper_id)


def remove_paper(writing: Writing, paper_id: str, who: Who) -> list[str]:
    """Remove a paper with all its revisions. Its files are doomed if no other revision names them: see `doomed`. So is what
    the cache holds of it.

    Returns the content ids of its pages.
    """
    old = _before_change(writing, paper_id)
    doom_paper(writing, paper_id)
    watched_rows.purge(writing, paper_id)
    pages = writing.all(str, "SELECT DISTINCT content_id FROM page WHERE paper = ?", paper_id)
    writing.run("DELETE FROM page WHERE paper = ?", paper_id)
    writing.run("DELETE FROM position WHERE paper = ?", paper_id)
    named = writing.all(
        str, "SELECT original FROM revision WHERE paper = ?1 UNION SELECT shown FROM revision WHERE paper = ?1", paper_id
    )
    writing.run("DELETE FROM revision WHERE paper = ?", paper_id)
    writing.run("DELETE FROM paper WHERE id = ?", paper_id)
    for digest in named:
        writing.run(
            "UPDATE original SET is_doomed = 1 WHERE digest = ?1 "
            "AND NOT EXISTS (SELECT 1 FROM revision WHERE original = ?1 OR shown = ?1)",
            digest,
        )
    forget_details(writing, paper_id)
    note_change(writing, "paper purged", msgspec_replace(about_paper(writing, old), revision=None), Done(who, "purge"))
    return pages


def _before_change(writing: Writing, paper_id: str) -> Paper:
    """A paper before a change. What its time has brought by now is told first. Raises RequestError if it is not there."""
    tell_turns(writing, time.time(), paper_id)
    return require_paper(writing, paper_id)


def about_paper(reading: Reading, old: Paper) -> About:
    """What a change of a paper is about, which was like this before."""
    return About(
        folder=old.folder,
        paper=old.id,
        revision=old.revision,
        was_in=way_ids(reading, old.folder),
        was_published=old.is_published(time.time()),
    )


# Revisions and pages


def revisions(reading: Reading, paper_id: str) -> list[Revision]:
    """The revisions of a paper, the oldest first."""
    return reading.all(Revision, f"{_REVISION} WHERE revision.paper = ? ORDER BY revision.number", paper_id)


def revision(reading: Reading, paper_id: str, number: int | None) -> Revision:
    """One revision; the present one for None. The one place where "present" is resolved. Raises NotOnShelf."""
    chosen = number if number is not None else require_paper(reading, paper_id).revision
    found = find_revision(reading, paper_id, chosen)
    if found is None:
        raise NotOnShelf(f"there is no revision {number} of the paper {paper_id!r}")
    return found


def revision_of_upload(reading: Reading, paper_id: str, upload: str) -> int | None:
    """The number of the revision of a paper that came of an upload; None if none did yet."""
    return reading.one(int, "SELECT number FROM revision WHERE paper = ? AND upload = ?", paper_id, upload)


def find_revision(reading: Reading, paper_id: str, number: int) -> Revision | None:
    return reading.one(Revision, f"{_REVISION} WHERE revision.paper = ? AND revision.number = ?", paper_id, number)


def password_of(reading: Reading, paper_id: str, number: int) -> str | None:
    """What opens the file of a revision, if it needs a password."""
    query = "SELECT password FROM revision WHERE paper = ? AND number = ? AND password IS NOT NULL"
    return reading.one(str, query, paper_id, number)


def set_opened(writing: Writing, paper_id: str, number: int, opened: Opened, who: Who) -> Revision:
    """A revision was opened again, with a password say, and this is what it is now."""
    require_length("a password", opened.password, MOST_NAME)
    writing.run(
        "UPDATE revision SET state = ?, reason = ?, document = ?, page_count = ?, password = ?, is_prepared = 0, failures = 0 "
        "WHERE paper = ? AND number = ?",
        opened.state, opened.reason, opened.document_id, opened.page_count, opened.password, paper_id, number,
    )  # fmt: skip
    about = about_paper(writing, require_paper(writing, paper_id))
    note_change(writing, "paper", msgspec_replace(about, revision=number), Done(who, "unlock"))
    return revision(writing, paper_id, number)


def set_content_ids(writing: Writing, paper_id: str, number: int, found: Mapping[int, str]) -> None:
    """Content ids of some pages of a revision. Nothing if the revision was purged meanwhile."""
    if writing.one(int, "SELECT 1 FROM revision WHERE paper = ? AND number = ?", paper_id, number) is None:
        return
    writing.run_each(
        "INSERT INTO page (paper, revision, page, content_id) VALUES (?, ?, ?, ?) "
        "ON CONFLICT DO UPDATE SET content_id = excluded.content_id",
        [(paper_id, number, page, content_id) for page, content_id in found.items()],
    )


def content_ids(reading: Reading, paper_id: str, number: int) -> dict[int, str]:
    """The content ids of a revision by page, as far as they are known."""
    query = "SELECT page, content_id FROM page WHERE paper = ? AND revision = ? ORDER BY page"
    return {row.page: row.content_id for row in reading.all(PageRow, query, paper_id, number)}


class PageRow(Struct, frozen=True, array_like=True):
    """A page of a revision, from 0, with its content id."""

    page: int
    content_id: str


# Originals


def doomed(reading: Reading) -> list[str]:
    """Digests of files that no revision names any more."""
    return reading.all(str, "SELECT digest FROM original WHERE is_doomed = 1")


def forget_original(writing: Writing, digest: str) -> bool:
    """The file of a doomed original was removed. False if a revision has named it again meanwhile."""
    return writing.run("DELETE FROM original WHERE digest = ? AND is_doomed = 1", digest) > 0


def forget_purged(writing: Writing) -> None:
    """Remove what is known of purges that are not finished. For a copy, which has neither the files nor the cache."""
    writing.run("DELETE FROM original WHERE is_doomed = 1")
    writing.run("DELETE FROM doomed_revision")
    writing.run("DELETE FROM doomed_page")


def is_doomed(reading: Reading, digest: str) -> bool:
    return reading.one(int, "SELECT 1 FROM original WHERE digest = ? AND is_doomed = 1", digest) is not None


def is_named(reading: Reading, digest: str) -> bool:
    """Whether a file has a row, doomed or not."""
    return reading.one(int, "SELECT 1 FROM original WHERE digest = ?", digest) is not None


def originals(reading: Reading) -> list[str]:
    """The digests of all files that a revision names."""
    return reading.all(str, "SELECT digest FROM original WHERE is_doomed = 0 ORDER BY digest")


def all_originals(reading: Reading) -> set[str]:
    """The digests of all files that have a row, doomed or not."""
    return set(reading.all(str, "SELECT digest FROM original"))


def _add_revision(writing: Writing, paper_id: str, number: int, new: NewRevision) -> None:
    """Raises RequestError for what is too long. The name of the file is cut: it may be an old paper's."""
    file_name = new.file_name[:MOST_NAME]
    require_lengths(file_name, new.opened.password, actor_of(new.who).name, new.note)
    for original in (new.original, new.shown):
        writing.run(
            "INSERT INTO original (digest, bytes) VALUES (?, ?) ON CONFLICT (digest) DO UPDATE SET is_doomed = 0",
            original.digest, original.size_bytes,
        )  # fmt: skip
    opened, registered_s = new.opened, new.registered_s if new.registered_s is not None else time.time()
    writing.run(
        "INSERT INTO revision (paper, number, original, shown, file_name, registered_s, registered_by, note, password, state, "
        "reason, document, page_count, upload, is_prepared) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0)",
        paper_id, number, new.original.digest, new.shown.digest, file_name, registered_s, actor_of(new.who).name, new.note,
        opened.password, opened.state, opened.reason, opened.document_id, opened.page_count, new.upload,
    )  # fmt: skip


def _difference(old: Paper, new: NewPaper) -> str:
    """What is changed of a paper, in words; empty if nothing is."""
    told = [f"renamed from {old.name} to {new.name}"] if old.name != new.name else []
    told += [f"level changed from {old.level} to {new.level}"] if old.level != new.level else []
    told += ["window changed"] if (old.from_s, old.until_s) != (new.from_s, new.until_s) else []
    told += ["note changed"] if old.note != new.note else []
    return ", ".join(told)
