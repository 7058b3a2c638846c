"""The commands that read a document and draw nothing: `sidebooks info`, `sidebooks text` and `sidebooks search`."""

from __future__ import annotations

import argparse
import sys
from itertools import groupby, islice
from typing import TYPE_CHECKING

from msgspec import to_builtins

from sidebooks_core.cli.arguments import match_options
from sidebooks_core.cli.pages import chosen_pages, report_failures
from sidebooks_core.cli.terminal import ProgressBar, print_json, print_json_lines
from sidebooks_core.documents.shown_text import shown
from sidebooks_core.errors import PageError
from sidebooks_core.settings import Settings

if TYPE_CHECKING:
    from sidebooks_core.service import Document

MILLIMETRES_PER_POINT = 25.4 / 72


def info(arguments: argparse.Namespace) -> int:
    """Print what a document says of itself."""
    from sidebooks_core.service import TileService

    with TileService(Settings(cache_dir=None, workers=1)) as service:
        document = service.open(arguments.file, arguments.password)
        if arguments.json:
            print_json(_described(document))
            return 0
    print(f"{shown(document.name)}: {shown(document.title)}" if document.title != document.name else shown(document.name))
    way = "from right to left" if document.direction == "rtl" else "from left to right"
    print(f"{document.kind}, {document.page_count} pages, read {way}")
    for line in _metadata_lines(document):
        print(line)
    for (width_mm, height_mm), pages in groupby(document, lambda page: (_mm(page.width_pt), _mm(page.height_pt))):
        numbers = [page.index + 1 for page in pages]
        named = f"page {numbers[0]}" if len(numbers) == 1 else f"pages {numbers[0]}-{numbers[-1]}"
        print(f"{named}: {width_mm} x {height_mm} mm")
    for item in document.outline:
        print(f"{'  ' * item.level}{shown(item.title)}" + ("" if item.page is None else f"  {item.page + 1}"))
    for attachment in document.attachments:
        print(f"attached: {shown(attachment.name)}")
    return 0


def text(arguments: argparse.Namespace) -> int:
    """Print the words of pages. 1 if a page could not be read. Pages are parted by a form feed, as of other programs."""
    from sidebooks_core.service import TileService
    from sidebooks_core.service.opened import joined

    failed: dict[int, PageError] = {}
    found: list[dict[str, object]] = []
    with TileService(Settings(cache_dir=None)) as service:
        document = service.open(arguments.file, arguments.password)
        for page in chosen_pages(arguments, document.page_count):
            try:
                words = document[page].words()
                if arguments.json:
                    found.append({"page": page + 1, "words": to_builtins(words)})
                else:
                    lines = joined(words).split("\n")
                    print("\n".join(map(shown, lines)), end="\n\f")
            except PageError as error:
                failed[page] = error
                print("\f" * (not arguments.json), end="")  # pages are counted by it
    if arguments.json:
        print_json({"pages": found, "failed": {page + 1: str(error) for page, error in failed.items()}})
    return report_failures(failed, as_json=arguments.json)


def search(arguments: argparse.Namespace) -> int:
    """Print where a text occurs, as it is found. 1 if it occurs nowhere, as of grep."""
    from sidebooks_core.service import TileService

    with TileService(Settings(cache_dir=None)) as service, ProgressBar("searching") as bar:
        document = service.open(arguments.file, arguments.password)
        told = None if sys.stdout.isatty() else bar
        hits = service.iter_search(document, arguments.query, progress=told, **match_options(arguments))
        count = 0
        for hit in islice(hits, arguments.limit):
            count += 1
            if arguments.json:
                print_json_lines({**to_builtins(hit), "page": hit.page + 1})
            else:
                print(f"{hit.page + 1}: {shown(hit.text)}", flush=True)
    if not count:
        print(f"sidebooks: {document.name} has no {arguments.query!r}", file=sys.stderr)
    return 0 if count else 1


def _described(document: Document) -> dict[str, object]:
    pages = [
        {"page": one.index + 1, "label": one.label, "width_pt": one.width_pt, "height_pt": one.height_pt} for one in document
    ]
    return {
        "id": document.id,
        "name": document.name,
        "title": document.title,
        "kind": document.kind,
        "metadata": to_builtins(document.metadata),
        "direction": document.direction,
        "page_count": document.page_count,
        "pages": pages,
        "outline": [{**to_builtins(item), "page": None if item.page is None else item.page + 1} for item in document.outline],
        "attachments": to_builtins(document.attachments),
    }


def _metadata_lines(document: Document) -> list[str]:
    """What the document says of itself, apart from its title: a line for each thing that it says."""
    told = document.metadata
    texts = {name: getattr(told, name) for name in ("author", "subject", "keywords", "creator", "producer")}
    dates = {name: date.isoformat(sep=" ") for name in ("created", "modified") if (date := getattr(told, name)) is not None}
    return [f"{name}: {shown(text)}" for name, text in {**texts, **dates}.items() if text]


def _mm(length_pt: float) -> int:
    return round(length_pt * MILLIMETRES_PER_POINT)
