"""Which files a command registers, and the folders of the shelf that they go into."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from sidebooks_core.cli.shelf_opening import whoever_types
from sidebooks_core.documents.listing import link_fault
from sidebooks_core.documents.natural_order import natural_key
from sidebooks_core.documents.shown_text import shown
from sidebooks_core.errors import RequestError

if TYPE_CHECKING:
    from sidebooks_core.shelf import Folder, Shelf


def made_folder(shelf: Shelf, text: str) -> Folder:
    """The folder that names lead to. Those that are missing are made."""
    try:
        return shelf.folder(text)
    except RequestError:
        folder: Folder | None = None
        for name in filter(None, text.split("/")):
            inner = next((one for one in shelf.folders(folder) if one.name == name), None)
            folder = inner or shelf.make_folder(name, folder, who=whoever_types())
    if folder is None:
        raise RequestError(f"{text!r} is no folder") from None
    return folder


def files_to_add(
    shelf: Shelf, paths: list[Path], folder: Folder | None, root: str | None = None
) -> Iterator[tuple[Path, Folder | None]]:
    """Files with the folder that they go into. A folder of files becomes a folder of the shelf, in natural order.

    Links are left out as in a watched folder, and told. root: the folder that was named; None: the paths were.
    """
    for path in paths:
        fault = link_fault(str(path), root) if root is not None else None
        if fault is not None:
            print(f"sidebooks: left out: {shown(str(path))} {fault}", file=sys.stderr)
            continue
        if not path.is_dir():
            yield path, folder
            continue
        name = path.resolve().name
        inner = made_folder(shelf, name) if folder is None else _made_inner(shelf, folder, name)
        entries = [one for one in path.iterdir() if not one.name.startswith(".")]
        ordered = sorted(entries, key=lambda one: natural_key(one.name))
        top = root or os.path.realpath(path)
        yield from files_to_add(
            shelf, [one for one in ordered if not one.is_dir() and (one.is_file() or one.is_symlink())], inner, top
        )
        yield from files_to_add(shelf, [one for one in ordered if one.is_dir()], inner, top)


def _made_inner(shelf: Shelf, folder: Folder, name: str) -> Folder:
    inner = next((one for one in shelf.folders(folder) if one.name == name), None)
    return inner or shelf.make_folder(name, folder, who=whoever_types())
