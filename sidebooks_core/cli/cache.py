"""The `sidebooks cache` commands: the images on disk, and the facts beside them."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import to_builtins

from sidebooks_core.cli.terminal import human_bytes, print_json
from sidebooks_core.errors import RequestError
from sidebooks_core.library.facts import FILE_NAME, Facts
from sidebooks_core.settings import Settings

if TYPE_CHECKING:
    from sidebooks_core.stores.disk import DiskStore


def stats(arguments: argparse.Namespace) -> int:
    """Print the number of records and facts, and their bytes."""
    with _opened(arguments.cache_dir) as (store, facts):
        stored, known = store.statistics(), facts.statistics()
    if arguments.json:
        print_json(
            {
                "cache_dir": str(arguments.cache_dir),
                "records": stored.records,
                "bytes": stored.bytes,
                "facts": known.facts,
                "facts_bytes": known.bytes,
            }
        )
    else:
        print(f"{arguments.cache_dir}: {stored.records} records, {human_bytes(stored.bytes)}")
        print(f"{arguments.cache_dir / FILE_NAME}: {known.facts} facts, {human_bytes(known.bytes)}")
    return 0


def verify(arguments: argparse.Namespace) -> int:
    """Read and check all records and facts. 1 if there is damage that was not removed."""
    with _opened(arguments.cache_dir) as (store, facts):
        stored, known = store.verify(fix=arguments.fix), facts.verify(fix=arguments.fix)
    damaged = stored.damaged + stored.orphan_files + known.damaged + known.is_file_damaged
    if arguments.json:
        print_json({**to_builtins(stored), "facts": known.facts, "facts_damaged": known.damaged})
    else:
        print(f"{stored.records} records checked: {stored.damaged} damaged, {stored.orphan_files} files of no record")
        print(f"{known.facts} facts checked: {known.damaged} damaged")
        if damaged:
            print("removed" if arguments.fix else "`sidebooks cache verify --fix` removes them; they are never served")
    return 1 if damaged and not arguments.fix else 0


def purge(arguments: argparse.Namespace) -> int:
    """Remove the records and facts of documents, or all."""
    if arguments.all == bool(arguments.file):
        raise RequestError("name the documents to remove, or --all")
    if arguments.all:
        with _opened(arguments.cache_dir) as (store, facts):
            removed = store.statistics().records
            store.clear()
            removed += facts.clear(lasting=arguments.positions)
    else:
        from sidebooks_core.service import TileService

        with TileService(Settings(cache_dir=arguments.cache_dir)) as service:
            documents = [service.open(path, arguments.password) for path in arguments.file]
            removed = sum(service.purge(document, positions=arguments.positions) for document in documents)
    if arguments.json:
        print_json({"removed": removed})
    else:
        print(f"{removed} records and facts removed")
    return 0


@contextmanager
def _opened(folder: Path) -> Iterator[tuple[DiskStore, Facts]]:
    """The images and the facts of a cache. Raises FileNotFoundError if there is none, because these commands make none."""
    from sidebooks_core.stores.disk import DiskStore

    if not any(folder.glob("records-*")):
        raise FileNotFoundError(f"there is no cache in {str(folder)!r}")
    settings = Settings(cache_dir=folder)
    store = DiskStore(folder, settings.disk_bytes - settings.facts_bytes)
    with closing(store), closing(Facts(folder, settings.facts_bytes)) as facts:
        yield store, facts
