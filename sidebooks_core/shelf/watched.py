"""Watched folders: a thread for each looks at it whenever the system tells of a change, and from time to time.

The system's notices only wake the thread. What is there is read from the disk, and what was registered from the database: a
notice that is lost costs time, and no paper. One process watches a folder; others wait, and go on if it ends.
"""

from __future__ import annotations

import hashlib
import logging
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from msgspec.structs import replace

from sidebooks_core.databases.database import Writing
from sidebooks_core.databases.lock import ProcessLock, try_lock
from sidebooks_core.documents.shown_text import shown
from sidebooks_core.errors import RequestError, ServiceClosed, StorageError
from sidebooks_core.shelf import folders, watched_rows
from sidebooks_core.shelf.intake import Desk
from sidebooks_core.shelf.mirror import Mirror, Noticed
from sidebooks_core.shelf.model import Folder, Who, actor_of
from sidebooks_core.shelf.order import new_id
from sidebooks_core.stores.folders import is_remote

SETTLE_S = 2.0
"""A file that has not changed for so long is complete."""
TICK_MS = 200
"""How often a thread looks whether it is to end, or something is due."""
POLL_MS = 2000
"""How often the system is asked for changes where it does not tell of them: on a network share."""
LOOK_EVERY_S = 60.0
"""A folder is looked at so often, also if nothing is told: the system may have lost a notice."""
AGAIN_S = 2.0
"""After this time, what could not be done for a passing reason is tried again, and so is taking the lock."""

_log = logging.getLogger("sidebooks_core.shelf")


class Watch:
    """A folder that is watched. `close()` it, or the shelf."""

    def __init__(self, desk: Desk, root: Path, lock_folder: Path, mirror: Mirror, lock: ProcessLock | None) -> None:
        """lock: of the root, which the thread releases; None: another process has it."""
        self.path = root
        self._desk = desk
        self._mirror = mirror
        self._lock_folder = lock_folder
        self._lock = lock
        self._closing = threading.Event()
        self._is_idle = threading.Event()
        self._is_active = False
        self._is_elsewhere = False
        self._thread = threading.Thread(target=self._run, name="sidebooks-mirror", daemon=True)
        self._thread.start()

    @property
    def is_elsewhere(self) -> bool:
        """Whether another process watches. If that ends, this one goes on."""
        return self._is_elsewhere

    @property
    def problems(self) -> dict[Path, str]:
        """What is not on the shelf, with the reason in words."""
        return dict(self._mirror.problems)

    @property
    def is_closed(self) -> bool:
        return not self._thread.is_alive()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until everything that lies there is on the shelf, or is told of in `problems`. False if it was not within the
        time, or another process watches.
        """
        return self._is_idle.wait(timeout_s) and self._is_active

    def close(self) -> None:
        """Watch no longer. What is being registered is registered as a whole."""
        self._closing.set()
        self._is_idle.set()
        if threading.current_thread() is not self._thread:
            self._thread.join(30)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.close()

    def _run(self) -> None:
        try:
            while self._lock is None and not self._closing.is_set():
                self._lock = self._taken_over()
                self._is_elsewhere = self._lock is None
                if self._lock is None:
                    self._closing.wait(AGAIN_S)
            self._is_active = not self._closing.is_set()
            while not self._closing.is_set():
                try:
                    self._watch()
                except ServiceClosed:
                    return
                except Exception:  # noqa: BLE001 - whatever a file system or a listener does: the next look comes
                    _log.exception("%s: watching goes on in %s s", self.path, AGAIN_S)
                    self._closing.wait(AGAIN_S)
        finally:
            self._is_active = False
            if self._lock is not None:
                self._lock.release()

    def _taken_over(self) -> ProcessLock | None:
        """The lock, if the process that had it has ended, and nobody watches a folder within or above meanwhile."""
        try:
            free = try_lock(_lock_path(self._lock_folder, self.path))
            if free is None:
                return None
            free.release()
            with self._desk.database.writing() as writing:
                return _lock_alone(writing, self._lock_folder, self.path)
        except RequestError:
            return None
        except (OSError, StorageError):
            _log.exception("%s: whether another process watches is not known; it is looked again", self.path)
            return None

    def _watch(self) -> None:
        """Look until the folder is another one than before, or is not there."""
        due_s = 0.0
        identity = _identity(self.path)
        if identity is None:
            self._look()
            self._closing.wait(AGAIN_S)
            return
        for waited_s in self._notices():
            due_s -= waited_s
            if due_s <= 0.0:
                due_s = self._look()
            if self._closing.is_set() or _identity(self.path) != identity:
                return

    def _look(self) -> float:
        """After how many seconds to look again."""
        again_s = self._mirror.look(self._closing.is_set)
        if self._mirror.is_settled:
            self._is_idle.set()
        else:
            self._is_idle.clear()
        return LOOK_EVERY_S if again_s is None else min(again_s, LOOK_EVERY_S)

    def _notices(self) -> Iterator[float]:
        """Seconds that have passed since the last one; infinite if something may have changed. At once for the first time."""
        from watchfiles import watch  # when a folder is watched: it brings an event loop along

        is_polled = is_remote(self.path)
        yield 0.0
        while True:
            is_first = True
            try:
                for changes in watch(
                    self.path,
                    watch_filter=None,
                    debounce=TICK_MS,
                    stop_event=self._closing,
                    rust_timeout=TICK_MS,
                    yield_on_timeout=True,
                    raise_interrupt=False,
                    force_polling=is_polled or None,
                    poll_delay_ms=POLL_MS,
                    ignore_permission_denied=True,
                ):
                    # Before the first one, something may have changed of which the system was not asked to tell yet.
                    yield float("inf") if changes or is_first else TICK_MS / 1000
                    is_first = False
                return
            except (OSError, RuntimeError) as fault:
                if is_polled or not self.path.is_dir():
                    raise
                _log.warning("%s: the system does not tell of changes (%s); they are looked for", self.path, fault)
                is_polled = True


class Watches:
    """The watched folders of a shelf. Thread-safe."""

    def __init__(self, desk: Desk, lock_folder: Path) -> None:
        self._desk = desk
        self._lock_folder = lock_folder
        self._lock = threading.Lock()
        self._all: list[Watch] = []

    def begin(self, path: Path, folder: str | None, settle_s: float, who: Who, told: Callable[[Noticed], None] | None) -> Watch:
        """See `Shelf.watch`. Raises NotADirectoryError, RequestError."""
        root = Path(os.path.realpath(path))
        if not root.is_dir():
            raise NotADirectoryError(f"{os.fspath(path)!r} is no folder")
        if settle_s <= 0:
            raise RequestError("settle_s must be a positive number of seconds")
        if root.is_relative_to(self._lock_folder.resolve()) or self._lock_folder.resolve().is_relative_to(root):
            raise RequestError(f"{os.fspath(path)!r} holds the shelf itself, or lies in it: watch another folder")
        with self._lock:
            self._all = [one for one in self._all if not one.is_closed]
            for other in self._all:
                if root.is_relative_to(other.path) or other.path.is_relative_to(root):
                    raise RequestError(f"{os.fspath(path)!r} is watched already, or a folder in it or above it is")
            actor = actor_of(who)
            detail = "; ".join(text for text in (f"mirrored from {shown(str(root))}", actor.detail) if text)
            actor = replace(actor, detail=detail)
            lock = self._set_root(root, folder, actor)
            try:
                mirror = Mirror(self._desk, root, settle_s, actor, told or _log_noticed)
                watch = Watch(self._desk, root, self._lock_folder, mirror, lock)
            except BaseException:
                if lock is not None:  # else nobody watches the folder until this process ends
                    lock.release()
                raise
            self._all.append(watch)
        return watch

    def close(self) -> None:
        with self._lock:
            watches, self._all = self._all, []
        for watch in watches:
            watch.close()

    def _set_root(self, root: Path, folder: str | None, who: Who) -> ProcessLock | None:
        """Note which folder of the shelf mirrors a folder of the disk; make one at the top if none is told, and none was.

        Returns the lock of the root, if no other process has it. Raises RequestError.
        """
        lock: ProcessLock | None = None
        try:
            with self._desk.database.writing() as writing:
                lock = _lock_alone(writing, self._lock_folder, root)
                self._note_root(writing, root, folder, who)
        except BaseException:
            if lock is not None:
                lock.release()
            raise
        self._desk.changed()
        return lock

    def _note_root(self, writing: Writing, root: Path, folder: str | None, who: Who) -> None:
        name = os.fsencode(root)
        known = watched_rows.root_of(writing, name)
        if folder is not None:
            folders.require_folder(writing, folder)
        elif known is not None and folders.folder(writing, known.folder) is not None:
            folder = known.folder
        else:
            called = root.name or "files"
            found = next((one for one in folders.folders(writing, None) if one.name == called), None)
            made = found or folders.add_folder(writing, Folder(new_id(), None, called, "folder", "", 0), who)
            folder = made.id
        if known is None or known.folder != folder:
            for path in watched_rows.folders(writing, name):
                watched_rows.remove_folder(writing, name, path)
            watched_rows.set_folder(writing, name, b"", folder, known.identity if known is not None else "")


def _lock_path(lock_folder: Path, root: Path) -> Path:
    return lock_folder / f"watching-{hashlib.sha256(os.fsencode(root)).hexdigest()[:16]}.lock"


def _lock_alone(writing: Writing, lock_folder: Path, root: Path) -> ProcessLock | None:
    """The lock of a root; None if another process has it. Nobody else takes one meanwhile: only one process writes at a time.

    Raises RequestError if a folder within it or above it is watched, by whatever process.
    """
    for name in watched_rows.roots(writing):
        other = Path(os.fsdecode(name))
        if other != root and (root.is_relative_to(other) or other.is_relative_to(root)):
            free = try_lock(_lock_path(lock_folder, other))
            if free is None:
                raise RequestError(f"{os.fspath(root)!r} holds or lies in {os.fspath(other)!r}, which is watched already")
            free.release()
    return try_lock(_lock_path(lock_folder, root))


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _log_noticed(noticed: Noticed) -> None:
    _log.log(logging.WARNING if noticed.reason else logging.INFO, "%s: %s %s", noticed.path, noticed.kind, noticed.reason)
