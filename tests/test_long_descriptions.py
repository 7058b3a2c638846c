"""The description of all pages of a long document: its manifest, and the pyramids of its pages."""

from __future__ import annotations

import json

import msgspec
import pytest
from msgspec.structs import replace

from benchmarks.long_documents import flat_pdf
from sidebooks_core import TileService
from sidebooks_core.access.policy import UNLIMITED, Limits
from sidebooks_core.documents.document import Document
from sidebooks_core.server.iiif import presentation
from sidebooks_core.server.json_text import json_bytes

BASE = "http://example.org"
LIMITS = [UNLIMITED, Limits(pages=((2, 5),), long_side_px=1000)]


def read_manifest(document: Document, limits: Limits) -> dict[str, object]:
    made: dict[str, object] = json.loads(json_bytes(presentation.manifest(BASE, document, has_original=False, limits=limits)))
    return made


@pytest.mark.parametrize("limits", LIMITS)
def test_a_manifest_has_a_canvas_for_each_page(service: TileService, limits: Limits) -> None:
    document = service.open(flat_pdf(9))
    canvases = read_manifest(document, limits)["items"]
    assert isinstance(canvases, list)
    assert [canvas["id"] for canvas in canvases] == [presentation.canvas_id(BASE, document, page) for page in range(9)]
    for page, canvas in enumerate(canvases):
        assert bool(canvas["items"][0]["items"]) == limits.has_page(page)
        assert bool(canvas["thumbnail"]) == limits.has_page(page)
    assert canvases[3]["label"] == {"none": ["4"]}


@pytest.mark.parametrize("name", ["plain", "a name \udcff that is no text"])
@pytest.mark.parametrize("limits", LIMITS)
def test_a_manifest_whose_canvases_are_text_is_the_one_that_is_encoded_as_a_whole(
    service: TileService, limits: Limits, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = ["i", 'the "first"', "a < b & c > d", "back\\slash/", "\udcff", "目次 予算", "é\u2028\x00\x7f", "𠮷", ""]
    document = service.open(flat_pdf(len(labels)), name=name)
    pages = [replace(page, label=label) for page, label in zip(document.info.pages, labels, strict=True)]
    document.info = replace(document.info, pages=tuple(pages))
    made = json_bytes(presentation.manifest(BASE, document, has_original=True, limits=limits))
    for step in ("json_bytes", "Raw"):
        monkeypatch.setattr(presentation, step, lambda canvas: canvas)
    whole = presentation.manifest(BASE, document, has_original=True, limits=limits)
    assert all(isinstance(canvas, dict) for canvas in whole["items"]), "none is text already"
    assert json.loads(made) == json.loads(json_bytes(whole))
    assert [canvas["label"]["none"] for canvas in json.loads(made)["items"]] == [
        [label.replace("\udcff", "?") if label and limits.has_page(page) else str(page + 1)]
        for page, label in enumerate(labels)
    ]


def test_json_may_hold_parts_that_are_json_already() -> None:
    parts = [msgspec.Raw(json_bytes({"name": "é"}))]
    assert json.loads(json_bytes({"name": "é", "parts": parts})) == {"name": "é", "parts": [{"name": "é"}]}
    assert json.loads(json_bytes({"name": "\udcff", "parts": parts})) == {"name": "?", "parts": [{"name": "é"}]}


def test_pages_of_one_size_have_one_pyramid(service: TileService) -> None:
    document = service.open(flat_pdf(300))
    first = document.pyramid(0)
    assert all(document.pyramid(page) is first for page in range(document.page_count))
