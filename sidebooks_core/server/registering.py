"""Registers what `sidebooks serve` was given, and does not wait for files that take long to open."""

from __future__ import annotations

import hashlib
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sidebooks_core.documents.natural_order import natural_key
from sidebooks_core.documents.shown_text import shown as shown_text
from sidebooks_core.errors import DocumentError, RequestError, ServiceClosed, SidebooksError, StorageError
from sidebooks_core.server.shelf import Shelf
from sidebooks_core.server.watcher import OPENERS
from sidebooks_core.shelf import Folder
from sidebooks_core.shelf import Shelf as PaperShelf

START_PATIENCE_S = 2.0
"""How long the start waits for what was named: a file that takes longer is served when it is open."""


def register_on_shelf(papers: PaperShelf, paths: Sequence[Path], password: str | None) -> None:
    """Register what was named on the shelf of papers; folders become folders, in natural order. A file that lies in its folder
    of the shelf already is not registered again. It waits a moment, and goes on in the background.

    A file that cannot be registered is told, and the others are.
    """

    def register() -> None:
        try:
            for path, folder in _files_for_shelf(papers, paths, None):
                _register_once(papers, path, folder, password)
        except (ServiceClosed, StorageError) as error:
            print(f"sidebooks: not everything was registered: {error}", file=sys.stderr)

    registering = threading.Thread(target=register, name="sidebooks-start", daemon=True)
    registering.start()
    registering.join(START_PATIENCE_S)


def _files_for_shelf(papers: PaperShelf, paths: Sequence[Path], folder: Folder | None) -> Iterator[tuple[Path, Folder | None]]:
    for path in paths:
        if not path.is_dir():
            yield path, folder
            continue
        name = shown_text(path.resolve().name) or path.resolve().name
        there = next((one for one in papers.folders(folder) if one.name == name), None)
        entries = [one for one in path.iterdir() if not one.name.startswith(".")]
        entries.sort(key=lambda one: (one.is_dir(), natural_key(one.name)))
        yield from _files_for_shelf(papers, entries, there or papers.make_folder(name, folder))


def _register_once(papers: PaperShelf, path: Path, folder: Folder | None, password: str | None) -> None:
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        there = papers.papers(folder, withdrawn=True)
        if not any(revision.original == digest for paper in there for revision in papers.revisions(paper.id)):
            papers.register(path, folder, password=password)
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
