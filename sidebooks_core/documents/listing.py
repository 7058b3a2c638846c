"""What lies in a watched folder, and when a file that failed is opened again. What could not be read is told, not raised."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from msgspec import Struct

from sidebooks_core.errors import DocumentTooLarge, PasswordRequired, UnsupportedDocument

LEADS_OUT = "is a link that leads out of the folder"
TO_FOLDER = "is a link to a folder"
MOST_DEPTH = 32
"""Folders within folders that are looked into."""
FIRST_RETRY_S = 2.0
LAST_RETRY_S = 300.0
MOST_RETRIES_OF_DAMAGE = 6
"""A file that is damaged may have been copied half; one that is still damaged after some minutes waits for its next change."""

State = tuple[int, int, int, int]
"""Of a file: inode, size, time of its last change of content, and of its last change of anything (owner, mode), in ns."""


class Listing(Struct, frozen=True):
    """What was found in a folder."""

    files: dict[Path, State]
    unread: dict[Path, str]
    """Folders and links that could not be followed, with the reason in words."""


def list_folder(folder: Path) -> Listing:
    """The regular files in a folder and the folders within it.

    Hidden ones are left out, and so are the links of `link_fault`.
    """
    files: dict[Path, State] = {}
    unread: dict[Path, str] = {}
    root = os.path.realpath(folder)
    waiting = [(os.fspath(folder), 0)]
    while waiting:
        place, depth = waiting.pop()
        try:
            with os.scandir(place) as entries:
                found = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            unread[Path(place)] = f"cannot be read: {error.strerror}"
            continue
        within: list[tuple[str, int]] = []
        for entry in found:
            if entry.name.startswith("."):
                continue
            try:
                fault = link_fault(entry.path, root) if entry.is_symlink() else None
                if fault is not None:
                    if fault != TO_FOLDER:  # what is in that folder is found where it stands
                        unread[Path(entry.path)] = fault
                elif entry.is_dir(follow_symlinks=False):
                    within.append((entry.path, depth + 1))
                else:
                    status = entry.stat()
                    if stat.S_ISREG(status.st_mode):
                        files[Path(entry.path)] = (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
            except OSError as error:  # it vanished meanwhile, or its folder may be listed and not entered
                unread[Path(entry.path)] = f"cannot be looked at: {error.strerror}"
        if within and within[0][1] > MOST_DEPTH:
            unread[Path(place)] = f"lies {depth} folders deep: those within it are not looked into"
        else:
            waiting += reversed(within)
    return Listing(files, unread)


def link_fault(path: str, root: str) -> str | None:
    """Why what has a path is left out if the folder that holds it is given: a sentence without a subject. None: it is taken.

    Links that lead out of the folder are left out, since what lies there was not given; and links to folders, which would have
    their files twice, or without end. root: the folder, without links in its path.
    """
    if not Path(path).is_symlink():
        return None
    if not _is_within(os.path.realpath(path), root):
        return LEADS_OUT
    return TO_FOLDER if Path(path).is_dir() else None


def _is_within(place: str, root: str) -> bool:
    return place == root or place.startswith(root.rstrip(os.sep) + os.sep)


def retry_after_s(error: Exception, failures: int) -> float | None:
    """Seconds until a file that failed so often in a row is opened again although it did not change. None: not at all.

    What may pass (no memory, no descriptor, no permission, a busy machine) is tried again for ever, ever more rarely.
    """
    if isinstance(error, UnsupportedDocument | PasswordRequired | DocumentTooLarge):
        return None
    if not isinstance(error, OSError) and failures > MOST_RETRIES_OF_DAMAGE:
        return None
    return min(LAST_RETRY_S, FIRST_RETRY_S * 2.0 ** min(failures - 1, 16))
