"""What callers tell of papers and folders, checked."""

from __future__ import annotations

from typing import get_args

from msgspec.structs import replace

from sidebooks_core.databases.database import Writing
from sidebooks_core.documents.shown_text import shown as shown_text
from sidebooks_core.errors import RequestError
from sidebooks_core.shelf import catalogue, folders
from sidebooks_core.shelf.catalogue import NewPaper
from sidebooks_core.shelf.model import Folder, FolderChanges, Level, Paper, PaperChanges, Shown, Who, id_of

LEVELS = get_args(Level)


def required_id(folder: str | Folder) -> str:
    return folder.id if isinstance(folder, Folder) else folder


def shown_name(name: str) -> str:
    """A name as it is shown. Raises RequestError if it shows nothing."""
    called = shown_text(name) if isinstance(name, str) else ""
    if not called:
        raise RequestError(f"{name!r} is no name: it shows nothing")
    return called


def new_paper(before: NewPaper, shown: Shown) -> NewPaper:
    """A paper with what was told of it. Raises RequestError for what makes no sense."""
    new = replace(before, **{name: value for name, value in shown.items() if name in Shown.__annotations__})
    if new.level not in LEVELS:
        raise RequestError(f"level must be one of {', '.join(LEVELS)}, not {new.level!r}")
    if new.from_s is not None and new.until_s is not None and new.until_s <= new.from_s:
        raise RequestError("a paper cannot end before it begins: until_s must be later than from_s")
    return replace(new, name=shown_name(new.name))


def change_folder(writing: Writing, folder_id: str, changes: FolderChanges, who: Who) -> Folder:
    """Change a folder. Raises RequestError."""
    old = folders.require_folder(writing, folder_id)
    new = replace(old, **{name: value for name, value in changes.items() if name in ("name", "kind", "note")})
    changed = folders.change_folder(writing, replace(new, name=shown_name(new.name)), who)
    if "parent" in changes or "place" in changes:
        parent = id_of(changes.get("parent", old.parent))
        changed = folders.move_folder(writing, old.id, parent, changes.get("place"), who)
    return changed


def change_paper(writing: Writing, paper_id: str, changes: PaperChanges, who: Who) -> Paper:
    """Change a paper. Raises RequestError."""
    old = catalogue.require_paper(writing, paper_id)
    before = NewPaper(name=old.name, note=old.note, level=old.level, from_s=old.from_s, until_s=old.until_s)
    paper = catalogue.change_paper(writing, paper_id, new_paper(before, changes), who)
    if "folder" in changes or "place" in changes:
        folder = id_of(changes.get("folder", old.folder))
        paper = catalogue.move_paper(writing, paper_id, folder, changes.get("place"), who)
    return paper
