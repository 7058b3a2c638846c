"""Opens the shelf of `--data` for the commands."""

from __future__ import annotations

import argparse
import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sidebooks_core.settings import Settings

if TYPE_CHECKING:
    from sidebooks_core.shelf import Actor, Shelf


@contextmanager
def opened(arguments: argparse.Namespace, *, prepares: bool = False) -> Iterator[Shelf]:
    """The shelf of --data. prepares: papers are prepared by this process, unless another one does."""
    from sidebooks_core.service import TileService
    from sidebooks_core.shelf import Shelf

    settings = Settings(cache_dir=arguments.cache_dir, workers=arguments.workers if prepares else 1)
    with TileService(settings) as service, Shelf(arguments.data, service, prepares=prepares) as shelf:
        yield shelf


@contextmanager
def changing(arguments: argparse.Namespace, *, prepares: bool = False) -> Iterator[Shelf]:
    """The same, to change it: the audit beside it tells what was done."""
    from sidebooks_core.access import Access
    from sidebooks_core.shelf_audit import ShelfAudit

    with opened(arguments, prepares=prepares) as shelf, Access(arguments.data) as access, ShelfAudit(shelf, access):
        yield shelf


def whoever_types() -> Actor:
    """Who does it, as the audit tells it."""
    from sidebooks_core.shelf import Actor

    return Actor(getpass.getuser(), detail="at the command line")
