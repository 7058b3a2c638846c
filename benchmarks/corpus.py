"""Which pages of which documents a benchmark measures: some of every document, the same in every run."""

from __future__ import annotations

import argparse
import csv
import random
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

DEFAULT = (Path(__file__).parents[1] / "../shared/corpus").resolve()
SAMPLE = Path(__file__).parents[1] / "docs" / "tutorial" / "samples" / "jlreq-ja.pdf"
"""22 pages of Japanese text: for quick runs, where the corpus would take too long or is not there."""
TROUBLE = frozenset({"slow", "broken", "encrypted"})
"""Kinds that are about something else than speed."""


GIVE = "give --documents FOLDER, with a folder in it for each kind (text, scan, vector, …)"


class CorpusMissing(Exception):
    """There is nothing to measure with."""


@contextmanager
def needed_by(parser: argparse.ArgumentParser, *, quick_needs_none: bool = True) -> Iterator[None]:
    """End the program after CorpusMissing with a sentence that says what to give.

    quick_needs_none: with `--quick` the benchmark measures the sample, which every clone has.
    """
    try:
        yield
    except CorpusMissing as error:
        parser.error(f"{error}{', or --quick, which needs none' if quick_needs_none else ''}")


@dataclass(frozen=True, slots=True)
class Document:
    """A document to measure."""

    path: Path
    kind: str
    """Name of the folder that it lies in: text, scan, vector…"""
    password: str | None


def documents(root: Path | None = None, *, without: Collection[str] = TROUBLE, is_quick: bool = False) -> list[Document]:
    """All documents below `root` (a folder, or one file) but for some kinds, unless it is the folder of such a kind; sorted.

    A `manifest.tsv` in the folder, if there is one, names them and knows passwords. root: None is the corpus; where that is not
    there, `is_quick` takes the sample. Raises CorpusMissing.
    """
    if root is None and is_quick and not DEFAULT.is_dir():
        root = SAMPLE
    root = DEFAULT if root is None else root
    if root.is_file():
        return [Document(root, root.parent.name, None)]
    manifest = root / "manifest.tsv"
    if manifest.is_file():
        with manifest.open(encoding="utf-8", newline="") as lines:
            rows = list(csv.DictReader(lines, delimiter="\t"))
        # A document without a known count of pages is there because it cannot be opened.
        found = [Document(root / row["path"], row["kind"], row["password"] or None) for row in rows if row["pages"]]
    elif root.is_dir():
        found = [
            Document(path, path.parent.name, None)
            for path in root.rglob("*")
            if path.is_file()
            and path.suffix.lower() in {".pdf", ".xps", ".epub", ".cbz", ".svg", ".tif", ".tiff", ".jpg", ".png"}
        ]
    else:
        raise CorpusMissing(f"no documents at {root}: {GIVE}")
    chosen = [one for one in found if one.kind not in without or one.kind == root.name]
    if not chosen:
        raise CorpusMissing(f"no documents to measure at {root}: {GIVE}")
    return sorted(chosen, key=lambda one: (one.kind, str(one.path)))


def some_pages(page_count: int, most: int) -> list[int]:
    """Up to `most` page numbers, from 0, spread over a document by chance, but the same by chance in every run."""
    if page_count <= most:
        return list(range(page_count))
    return sorted(random.Random(page_count).sample(range(page_count), most))
