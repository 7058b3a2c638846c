"""Folders in the database. Each function is one step within a transaction that its caller holds."""

from __future__ import annotations

import msgspec

from sidebooks_core.databases.database import Reading, Writing
from sidebooks_core.errors import Conflict, NotOnShelf, RequestError
from sidebooks_core.shelf.changes import About, Done, note_change
from sidebooks_core.shelf.lengths import require_depth
from sidebooks_core.shelf.model import Folder, Who
from sidebooks_core.shelf.order import move, next_place

_FOLDER = "SELECT id, parent, name, kind, note, place FROM folder"


def folder(reading: Reading, folder_id: str) -> Folder | None:
    return reading.one(Folder, f"{_FOLDER} WHERE id = ?", folder_id)


def folders(reading: Reading, parent: str | None) -> list[Folder]:
    """Those in a folder, in order; those at the top for None."""
    return reading.all(Folder, f"{_FOLDER} WHERE parent IS ? ORDER BY place, rowid", parent)


def within(reading: Reading, folder_ids: set[str]) -> set[str]:
    """Some folders, and all that lie in them, at any depth."""
    query = """WITH RECURSIVE within (id) AS (
            SELECT value FROM json_each (?) UNION SELECT folder.id FROM folder JOIN within ON folder.parent = within.id
        ) SELECT id FROM within"""
    return set(reading.all(str, query, msgspec.json.encode(sorted(folder_ids)).decode()))


def height(reading: Reading, folder_id: str) -> int:
    """How many folders lie within one another from a folder down, itself included."""
    query = """WITH RECURSIVE below (id, level) AS (
            SELECT ?, 1 UNION ALL SELECT folder.id, level + 1 FROM folder JOIN below ON folder.parent = below.id
        ) SELECT max(level) FROM below"""
    return reading.number(query, folder_id)


def way_to(reading: Reading, folder_id: str | None) -> list[Folder]:
    """The folders from the top down to one, itself included."""
    way: list[Folder] = []
    while folder_id is not None:
        found = folder(reading, folder_id)
        if found is None:
            break
        way.append(found)
        folder_id = found.parent
    return way[::-1]


def way_ids(reading: Reading, folder_id: str | None) -> str:
    """The way to a folder, as changes have it."""
    return " ".join(folder.id for folder in way_to(reading, folder_id))


def add_folder(writing: Writing, new: Folder, who: Who) -> Folder:
    """Add a folder behind its siblings. Raises RequestError if its parent is not there, or lies too deep."""
    if new.parent is not None:
        require_folder(writing, new.parent)
        require_depth(len(way_to(writing, new.parent)) + 1)
    place = next_place(writing, "folder", "parent", new.parent)
    writing.run(
        "INSERT INTO folder (id, parent, name, kind, note, place) VALUES (?, ?, ?, ?, ?, ?)",
        new.id, new.parent, new.name, new.kind, new.note, place,
    )  # fmt: skip
    note_change(writing, "folder", About(folder=new.id), Done(who, "make_folder", new.name))
    return require_folder(writing, new.id)


def change_folder(writing: Writing, new: Folder, who: Who) -> Folder:
    """Give a folder another name, kind or note; see `move_folder` for its place. Raises RequestError if it is not there."""
    old = require_folder(writing, new.id)
    writing.run("UPDATE folder SET name = ?, kind = ?, note = ? WHERE id = ?", new.name, new.kind, new.note, new.id)
    told = [f"renamed from {old.name} to {new.name}"] if old.name != new.name else []
    told += [f"kind changed from {old.kind} to {new.kind}"] if old.kind != new.kind else []
    told += ["note changed"] if old.note != new.note else []
    did = "" if not told else "rename_folder" if old.name != new.name else "change_folder"
    about = About(folder=new.id, was_in=way_ids(writing, new.id))
    note_change(writing, "folder", about, Done(who, did, ", ".join(told)))
    return require_folder(writing, new.id)


def move_folder(writing: Writing, folder_id: str, parent: str | None, place: int | None, who: Who) -> Folder:
    """Move a folder into another one, or to another place.

    Raises RequestError if that lies in the folder itself, or would lie too deep.
    """
    old, into = require_folder(writing, folder_id), "the top"
    if parent is not None:
        into = require_folder(writing, parent).name
        if any(one.id == folder_id for one in way_to(writing, parent)):
            raise RequestError("a folder cannot be moved into itself, nor into a folder inside it")
        if parent != old.parent:
            require_depth(len(way_to(writing, parent)) + height(writing, folder_id))
    about = About(folder=folder_id, was_in=way_ids(writing, folder_id))
    move(writing, ("folder", "parent"), folder_id, parent, place)
    moved = require_folder(writing, folder_id)
    detail = f"moved to folder {into}" if parent != old.parent else f"moved to place {moved.place + 1}"
    note_change(writing, "folder", about, Done(who, "move_folder", detail))
    return moved


def remove_folder(writing: Writing, folder_id: str, who: Who) -> None:
    """Remove an empty folder. Raises Conflict if it holds anything, RequestError if it is not there."""
    gone = require_folder(writing, folder_id)
    held = writing.number("SELECT count(*) FROM folder WHERE parent = ?", folder_id)
    held += writing.number("SELECT count(*) FROM paper WHERE folder = ?", folder_id)
    if held:
        raise Conflict(f"the folder {gone.name!r} is not empty: move, withdraw and purge what it holds first")
    about = About(folder=folder_id, was_in=way_ids(writing, folder_id))
    writing.run("DELETE FROM folder WHERE id = ?", folder_id)
    note_change(writing, "folder removed", about, Done(who, "remove_folder", gone.name))


def require_folder(reading: Reading, folder_id: str) -> Folder:
    """Raises NotOnShelf if it is not there."""
    found = folder(reading, folder_id)
    if found is None:
        raise NotOnShelf(f"there is no folder {folder_id!r}")
    return found
