"""Registers what `sidebooks serve` was given, and does not wait for files that take long to open."""

from __future__ import annotations

import hashlib
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sidebooks_core.errors import DocumentError, RequestError, ServiceClosed, SidebooksError, StorageError
from sidebooks_core.server.shelf import Shelf
from sidebooks_core.server.watcher import OPENERS
from sidebooks_core.shelf import Actor, catalogue, watched_rows
from sidebooks_core.shelf import Shelf as PaperShelf
from sidebooks_core.shelf.mirror import Noticed

SERVE = "sidebooks serve"
"""Does what nobody asked for but the command line of the server."""
START_PATIENCE_S = 2.0
"""How long the start waits for what was named: a file that takes longer is served when it is open."""


def register_on_shelf(papers: PaperShelf, paths: Sequence[Path], password: str | None) -> None:
    """Register the files that were named on the shelf, each once, and mirror the folders as long as the shelf is open.

    It waits a moment for the files, and goes on in the background.
    A file that cannot be registered is told, and the others are.
    """

    def register() -> None:
        try:
            for path in paths:
                if not path.is_dir():
                    _register_once(papers, path, password)
        except (ServiceClosed, StorageError) as error:
            print(f"sidebooks: not everything was registered: {error}", file=sys.stderr)

    registering = threading.Thread(target=register, name="sidebooks-start", daemon=True)
    registering.start()
    registering.join(START_PATIENCE_S)
    for path in paths:
        if path.is_dir():
            papers.watch(path, who=SERVE, told=_tell_failed)


def _tell_failed(noticed: Noticed) -> None:
    """Say what of a mirrored folder cannot be registered, or opened."""
    if noticed.reason:
        print(f"sidebooks: {noticed.path}: {noticed.reason}", file=sys.stderr, flush=True)


def _register_once(papers: PaperShelf, path: Path, password: str | None) -> None:
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        with papers.database.reading() as reading:
            is_there = catalogue.has_original(reading, digest)  # a clerk may have moved its paper anywhere
            is_purged = watched_rows.is_purged(reading, watched_rows.NAMED, digest)
        if is_purged and not is_there:
            print(
                f"sidebooks: not registered: the paper of {path} was purged; `sidebooks shelf add` registers it",
                file=sys.stderr,
            )
        elif not is_there:
            papers.register(path, password=password, who=Actor(SERVE, detail="named at the command line"))
    except StorageError:
        raise
    except (DocumentError, RequestError, OSError) as error:
        print(f"sidebooks: not registered: {error}", file=sys.stderr)


def register_named(shelf: Shelf, paths: Sequence[Path], password: str | None) -> int:
    """Open what was named, several files at once, and wait a moment for it. How many files are still being opened.

    A file that cannot be served is told, and the others are served. Raises its error if there is nothing else to serve.
    """
    files = [path for path in paths if not path.is_dir()]
    folders = [path for path in paths if path.is_dir()]
    openers = ThreadPoolExecutor(OPENERS, thread_name_prefix="sidebooks-open")
    opening = [openers.submit(shelf.service.open, path, password) for path in files]
    openers.shutdown(wait=False)
    failed: list[SidebooksError | OSError] = []
    done = 0

    def register() -> None:
        """In the order in which they were named."""
        nonlocal done
        for path, opened in zip(files, opening, strict=True):
            try:
                opened.result()
                shelf.register(path, password)
            except ServiceClosed:
                return
            except (SidebooksError, OSError) as error:
                failed.append(error)
                if len(files) > 1 or folders:
                    print(f"sidebooks: not served: {error}", file=sys.stderr)
            done += 1

    deadline_s = time.monotonic() + START_PATIENCE_S
    registering = threading.Thread(target=register, name="sidebooks-start", daemon=True)
    registering.start()
    for folder in folders:
        shelf.register_folder(folder, 0)
    registering.join(START_PATIENCE_S)
    for folder in folders:
        shelf.register_folder(folder, max(0.0, deadline_s - time.monotonic()))
    if files and not folders and len(failed) == len(files):
        raise failed[0]
    return len(files) - done + shelf.opening_count()
