"""Makes a folder beside its final place, and moves it there when it is complete.

If the process is killed before, the next call removes the incomplete folder. While a folder is made, it holds a file with the
folder's own name, and its process holds the lock of that file. A folder is removed only if this file is in it, has its name,
and is not locked. Windows has no such locks, and no such file.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sidebooks_core.databases.files import flush_to_disk
from sidebooks_core.databases.lock import ProcessLock, try_lock
from sidebooks_core.shelf.safe_names import safe_name

MARK_NAME = ".sidebooks-unfinished"
_MARK = "an unfinished copy of a shelf, made by sidebooks-core, named "
_NAME = re.compile(r"\..{1,40}-[a-z0-9_]{8}", re.DOTALL)
"""Of a folder that `tempfile` makes here."""
_log = logging.getLogger("sidebooks_core.shelf")


@contextmanager
def made_beside(target: Path) -> Iterator[Path]:
    """A new folder, which is put at the target when the block ends without an error; else it is removed.

    target: not there, or an empty folder. Leftovers of processes that were killed are removed before. Raises OSError.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    remove_leftovers(target.parent)
    partial = Path(tempfile.mkdtemp(prefix=f".{safe_name(target.name)[:40]}-", dir=target.parent))
    lock: ProcessLock | None = None
    try:
        if sys.platform != "win32":
            lock = try_lock(partial / MARK_NAME)
            (partial / MARK_NAME).write_text(_MARK + partial.name, "utf-8")
        yield partial
        for folder, _, _ in os.walk(partial, topdown=False):
            flush_to_disk(Path(folder))
        if target.is_dir():
            target.rmdir()
        partial.rename(target)
        with suppress(OSError):  # if it stays, it names another folder than this one, and so says nothing
            (target / MARK_NAME).unlink()
        flush_to_disk(target)
        flush_to_disk(target.parent)
    finally:
        try:
            if partial.exists():
                _remove(partial)
        except OSError:  # the first error is told
            _log.exception("%s: an unfinished copy could not be removed; the next backup or export here tries again", partial)
        finally:
            if lock is not None:
                lock.release()


def remove_leftovers(folder: Path) -> int:
    """Remove what killed processes left in a folder. How many folders."""
    removed = 0
    try:
        found = list(folder.iterdir()) if sys.platform != "win32" else []
    except OSError as fault:
        _log.warning("%s: nobody can look for unfinished copies here: %s", folder, fault.strerror)
        return 0
    for path in found:
        if not (_NAME.fullmatch(path.name) and _is_marked(path)):
            continue
        try:
            lock = try_lock(path / MARK_NAME)
        except OSError:
            continue  # another process removes it just now, or it is not ours
        if lock is not None:
            try:
                if _is_marked(path):  # nobody else removed it meanwhile
                    _remove(path)
                    removed += 1
                    _log.warning("%s: a copy that a killed process left unfinished was removed", path)
            finally:
                lock.release()
    return removed


def _is_marked(path: Path) -> bool:
    """Whether a folder says itself that it is unfinished, and belongs to this user."""
    try:
        found, mark = path.lstat(), (path / MARK_NAME).lstat()
        if not (stat.S_ISDIR(found.st_mode) and stat.S_ISREG(mark.st_mode)):
            return False
        if sys.platform != "win32" and {found.st_uid, mark.st_uid} != {os.geteuid()}:
            return False
        return (path / MARK_NAME).read_bytes() == os.fsencode(_MARK + path.name)
    except OSError:
        return False


def _remove(folder: Path) -> None:
    """Remove a folder, its mark last: if not all can be removed, the next one who looks tries again."""
    for path in folder.iterdir():
        if path.name == MARK_NAME:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            with suppress(OSError):
                path.unlink()
    if [path.name for path in folder.iterdir()] == [MARK_NAME]:
        (folder / MARK_NAME).unlink()
    with suppress(OSError):
        folder.rmdir()
    if folder.exists():
        _log.warning("%s: an unfinished copy could not be removed", folder)
