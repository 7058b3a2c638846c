"""What callers tell of papers and folders, checked."""

from __future__ import annotations

from typing import get_args

from msgspec.structs import replace

from sidebooks_core.databases.database import Writing
from sidebooks_core.documents.shown_text import shown as shown_text
from sidebooks_core.errors import RequestError
from sidebooks_core.shelf import catalogue, folders
from sidebooks_core.shelf.catalogue import NewPaper
from sidebooks_core.shelf.lengths import MOST_NAME, MOST_TEXT, require_length
from sidebooks_core.shelf.model import Folder, FolderChanges, FolderKind, Level, Paper, PaperChanges, Shown, Who, id_of

LEVELS = get_args(Level)
FOLDER_KINDS = get_args(FolderKind)
LAST_S = 1e12
"""No time is later than this, in seconds since 1970: beyond it, somebody told milliseconds."""


def shown_name(name: str) -> str:
    """A name as it is shown. Raises RequestError if it shows nothing, or is too long."""
    called = shown_text(name) if isinstance(name, str) else ""
    if not called:
        raise RequestError(f"{name!r} is no name: it shows nothing")
    require_length("a name", called, MOST_NAME)
    return called


def require_text(what: str, text: object) -> None:
    """Raises RequestError for what is no text, is too long, or cannot be stored as text."""
    if not isinstance(text, str):
        raise RequestError(f"{what} must be text, not {type(text).__name__}")
    if any("\ud800" <= letter <= "\udfff" for letter in text):
        raise RequestError(f"{what} has half of a letter (a lone surrogate), which is no Unicode text")
    require_length(what, text, MOST_TEXT)


def require_time(what: str, time_s: object) -> None:
    """Raises RequestError for what is neither None nor a time in seconds since 1970."""
    is_time = isinstance(time_s, int | float) and not isinstance(time_s, bool) and -LAST_S < time_s < LAST_S  # not for NaN
    if time_s is not None and not is_time:
        raise RequestError(f"{what} must be None or a time in seconds since 1970, not {time_s!r}")


def _require_place(place: object) -> None:
    if place is not None and (not isinstance(place, int) or isinstance(place, bool)):
        raise RequestError(f"place must be a whole number, not {place!r}")


def new_paper(before: NewPaper, shown: Shown) -> NewPaper:
    """A paper with what was told of it. Raises RequestError for what makes no sense.

    A name and a note that are not told are not looked at: they may be older than the bounds of `lengths`.
    """
    told = {name: value for name, value in shown.items() if name in Shown.__annotations__}
    new = replace(before, **told)
    if "note" in told:
        require_text("note", new.note)
    for what, time_s in (("from_s", new.from_s), ("until_s", new.until_s)):
        require_time(what, time_s)
    if new.level not in LEVELS:
        raise RequestError(f"level must be one of {', '.join(LEVELS)}, not {new.level!r}")
    if new.from_s is not None and new.until_s is not None and new.until_s <= new.from_s:
        raise RequestError("a paper cannot end before it begins: until_s must be later than from_s")
    return replace(new, name=shown_name(new.name)) if "name" in told else new


def new_folder(told: Folder) -> Folder:
    """A folder with its name as it is shown. Raises RequestError for what makes no sense."""
    require_text("note", told.note)
    _require_kind(told.kind)
    return replace(told, name=shown_name(told.name))


def _require_kind(kind: object) -> None:
    if kind not in FOLDER_KINDS:
        raise RequestError(f"kind must be one of {', '.join(FOLDER_KINDS)}, not {kind!r}")


def change_folder(writing: Writing, folder_id: str, changes: FolderChanges, who: Who) -> Folder:
    """Change a folder. Raises RequestError."""
    old = folders.require_folder(writing, folder_id)
    new = replace(old, **{name: value for name, value in changes.items() if name in ("name", "kind", "note")})
    if "note" in changes:
        require_text("note", new.note)
    if "kind" in changes:
        _require_kind(new.kind)
    if "name" in changes:
        new = replace(new, name=shown_name(new.name))
    changed = folders.change_folder(writing, new, who)
    if "parent" in changes or "place" in changes:
        parent = id_of(changes.get("parent", old.parent))
        _require_place(changes.get("place"))
        changed = folders.move_folder(writing, old.id, parent, changes.get("place"), who)
    return changed


def change_paper(writing: Writing, paper_id: str, changes: PaperChanges, who: Who) -> Paper:
    """Change a paper. Raises RequestError."""
    old = catalogue.require_paper(writing, paper_id)
    before = NewPaper(name=old.name, note=old.note, level=old.level, from_s=old.from_s, until_s=old.until_s)
    paper = catalogue.change_paper(writing, paper_id, new_paper(before, changes), who)
    if "folder" in changes or "place" in changes:
        folder = id_of(changes.get("folder", old.folder))
        _require_place(changes.get("place"))
        paper = catalogue.move_paper(writing, paper_id, folder, changes.get("place"), who)
    return paper
