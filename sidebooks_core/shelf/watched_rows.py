"""Watched folders in the database: which file of the disk is which paper. All SQL about them is here.

Each function is one step within a transaction that its caller holds.
"""

from __future__ import annotations

import hashlib

from msgspec import Struct

from sidebooks_core.databases.database import Reading, Writing

_FILE = "SELECT path, paper, digest, state, is_gone FROM watched_file"


NAMED = b""
"""Stands for a watched folder if a file does not lie in one: `sidebooks serve` names it."""


class WatchedFile(Struct, frozen=True, array_like=True):
    """A file that was registered, and its paper."""

    path: bytes
    """From the folder that is watched, in the bytes of the file system, with "/" between folders."""
    paper: str
    digest: str
    """SHA-256 of the content that was registered last, hexadecimal."""
    state: str
    """Of the file, when it had that content: see `state_text`."""
    is_gone: bool
    """The file went away, and its paper was withdrawn for that."""


class Root(Struct, frozen=True, array_like=True):
    """A folder of the disk that is mirrored."""

    folder: str
    """The id of the folder of the shelf that mirrors it."""
    identity: str
    """Device and inode, when files were seen in it last."""


def state_text(state: tuple[int, ...]) -> str:
    """The state of a file, as `documents.listing` has it, as it is stored."""
    return " ".join(map(str, state))


def files(reading: Reading, root: bytes) -> dict[bytes, WatchedFile]:
    """The files of a folder by their paths, those that went away too."""
    return {row.path: row for row in reading.all(WatchedFile, f"{_FILE} WHERE root = ?", root)}


def set_file(writing: Writing, root: bytes, file: WatchedFile) -> None:
    writing.run(
        "INSERT INTO watched_file (root, path, paper, digest, state, is_gone) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE "
        "SET paper = excluded.paper, digest = excluded.digest, state = excluded.state, is_gone = excluded.is_gone",
        root, file.path, file.paper, file.digest, file.state, int(file.is_gone),
    )  # fmt: skip


def remove_file(writing: Writing, root: bytes, path: bytes) -> None:
    writing.run("DELETE FROM watched_file WHERE root = ? AND path = ?", root, path)


def purge(writing: Writing, paper_id: str) -> None:
    """A paper is purged: its content is not registered again from where it lies, nor since a server that starts names it."""
    for digest in writing.all(str, "SELECT DISTINCT original FROM revision WHERE paper = ?", paper_id):
        writing.run("INSERT OR IGNORE INTO watched_purged (name) VALUES (?)", _purged_name(NAMED, digest))
    for row in writing.all(_Purged, "SELECT root, digest FROM watched_file WHERE paper = ?", paper_id):
        writing.run("INSERT OR IGNORE INTO watched_purged (name) VALUES (?)", _purged_name(row.root, row.digest))
    writing.run("DELETE FROM watched_file WHERE paper = ?", paper_id)


def is_purged(reading: Reading, root: bytes, digest: str) -> bool:
    """Whether the paper of a file of this content was purged. root: the watched folder; `NAMED` for a file that is named."""
    return reading.one(int, "SELECT 1 FROM watched_purged WHERE name = ?", _purged_name(root, digest)) is not None


def root_of(reading: Reading, root: bytes) -> Root | None:
    """None if the folder was never watched."""
    return reading.one(Root, "SELECT folder, identity FROM watched_folder WHERE root = ? AND path = x''", root)


def roots(reading: Reading) -> list[bytes]:
    """The folders that are watched, or were."""
    return reading.all(bytes, "SELECT root FROM watched_folder WHERE path = x''")


def folder_of(reading: Reading, root: bytes, path: bytes) -> str | None:
    """The id of the folder of the shelf that mirrors one of the disk; None if there was none yet. It may have been removed."""
    return reading.one(str, "SELECT folder FROM watched_folder WHERE root = ? AND path = ?", root, path)


def set_folder(writing: Writing, root: bytes, path: bytes, folder: str, identity: str = "") -> None:
    writing.run(
        "INSERT INTO watched_folder (root, path, folder, identity) VALUES (?, ?, ?, ?) "
        "ON CONFLICT DO UPDATE SET folder = excluded.folder, identity = excluded.identity",
        root, path, folder, identity,
    )  # fmt: skip


def folders(reading: Reading, root: bytes) -> list[bytes]:
    """The paths of the folders that are mirrored, the root among them; those within others come after these."""
    return reading.all(bytes, "SELECT path FROM watched_folder WHERE root = ? ORDER BY path", root)


def remove_folder(writing: Writing, root: bytes, path: bytes) -> None:
    writing.run("DELETE FROM watched_folder WHERE root = ? AND path = ?", root, path)


class _Purged(Struct, frozen=True, array_like=True):
    root: bytes
    digest: str


def _purged_name(root: bytes, digest: str) -> str:
    return hashlib.sha256(b"purged\0" + root + b"\0" + digest.encode()).hexdigest()
