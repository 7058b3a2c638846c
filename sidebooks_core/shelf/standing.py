"""Where papers stand: what decides who may see them. Read from the database at each call; callers keep what they need often."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from sidebooks_core.databases.database import Database, Reading
from sidebooks_core.shelf import catalogue
from sidebooks_core.shelf.folders import way_to, within
from sidebooks_core.shelf.model import Paper


class Standing(Struct, frozen=True):
    """A paper or a folder, with the folders that hold it."""

    folders: tuple[str, ...]
    """Ids, from the top; a folder is the last one itself."""
    paper: Paper | None = None
    """None: it is a folder."""
    revision: int = 0
    """The revision that was asked for; 0 of a folder."""


def of_folder(database: Database, folder_id: str) -> Standing | None:
    """None: there is no such folder."""
    with database.reading() as reading:
        way = _way(reading, folder_id)
    return Standing(way) if way else None


def of_paper(database: Database, paper_id: str) -> Standing | None:
    """With its present revision. None: there is no such paper."""
    with database.reading() as reading:
        paper = catalogue.paper(reading, paper_id)
        return None if paper is None else Standing(_way(reading, paper.folder), paper, paper.revision)


def of_document(database: Database, document_id: str) -> tuple[Standing, ...]:
    """Every paper that shows a document, with the newest of its revisions that does."""
    with database.reading() as reading:
        return tuple(
            Standing(_way(reading, paper.folder), paper, catalogue.newest_revision_with(reading, paper.id, document_id))
            for paper in catalogue.papers_of_document(reading, document_id)
        )


def papers_within(reading: Reading, folder_id: str) -> list[str]:
    """The ids of all papers in a folder and in those that it holds, at any depth, also of those that were withdrawn."""
    held = sorted(within(reading, {folder_id}))
    query = "SELECT id FROM paper WHERE folder IN (SELECT value FROM json_each (?)) ORDER BY id"
    return reading.all(str, query, msgspec.json.encode(held).decode())


def _way(reading: Reading, folder_id: str | None) -> tuple[str, ...]:
    return tuple(folder.id for folder in way_to(reading, folder_id))
