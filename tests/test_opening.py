"""What opening a document in a worker reads of it, and what it leaves."""

from __future__ import annotations

from pathlib import Path

import pytest

from sidebooks_core.documents import opening
from sidebooks_core.documents.engine import pymupdf
from sidebooks_core.documents.limits import Limits
from sidebooks_core.documents.source import Source


def test_what_is_only_drawn_is_not_described(sample: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    load_outline = pymupdf.Document._loadOutline
    monkeypatch.setattr(pymupdf.Document, "_loadOutline", lambda self: read.append("outline") or load_outline(self))
    bounds = opening._bounds
    monkeypatch.setattr(opening, "_bounds", lambda handle, index: read.append("box") or bounds(handle, index))
    document = opening.open_document(Source(sample.read_bytes()), password=None, name="sample", limits=Limits())
    try:
        document.display_list(document.page_count - 1)
        assert read == [], "a second worker that draws this document has nothing to do with its other pages"
        assert document.info.page_count == document.page_count
        assert len(document.info.outline) > 0
        assert read.count("box") == document.page_count
        assert read.count("outline") == 1
    finally:
        document.close()
