"""The descriptions of all pages of a long document: its runs, its manifest, and the pyramids of its pages."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
from collections.abc import Iterable
from pathlib import Path

import msgspec
import pytest
from asgi import ask, ask_async
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from PIL import Image
from viewer_node import NODE, run

from benchmarks.long_documents import flat_pdf
from sidebooks_core import TileService
from sidebooks_core.access.policy import UNLIMITED, Limits
from sidebooks_core.documents.document import Document, KnownProblems
from sidebooks_core.server import Application, Shelf, page_descriptions
from sidebooks_core.server.iiif import presentation
from sidebooks_core.server.json_text import json_bytes
from sidebooks_core.server.page_descriptions import label_runs
from sidebooks_core.server.schemas import LabelRun

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


LABELS = [
    "",
    "",
    "cover",
    "cover",
    "i",
    "ii",
    "iii",
    "1",
    "2",
    "3",
    "A-9",
    "A-10",
    "A-11",
    "08",
    "09",
    "10",
    "11",
    "0",
    "1",
    "1",
]


def told(labels: Iterable[LabelRun]) -> list[str]:
    """The labels of all pages."""
    return [
        one.text if one.number is None else f"{one.text}{one.number + index}" for one in labels for index in range(one.count)
    ]


@given(st.lists(st.sampled_from(LABELS) | st.text(max_size=3), max_size=20))
def test_runs_of_labels_tell_all_labels(labels: list[str]) -> None:
    assert told(label_runs(labels)) == labels


@pytest.mark.parametrize(
    ("labels", "count"),
    [
        ([str(number + 1) for number in range(1000)], 1),
        ([""] * 1000, 1),
        ([f"p. {number}" for number in range(1000)], 1),
        (["i", "ii", *(str(number + 1) for number in range(98))], 3),
        (LABELS, 11),
    ],
)
def test_labels_that_count_are_one_run(labels: list[str], count: int) -> None:
    assert len(label_runs(labels)) == count


def mixed() -> bytes:
    """A TIFF of pages of three sizes, in runs."""
    sides = [(30, 40)] * 5 + [(40, 30)] + [(30, 40)] * 2 + [(60, 80)] * 3
    first, *others = (Image.new("RGB", side, (index, 0, 0)) for index, side in enumerate(sides))
    file = io.BytesIO()
    first.save(file, "TIFF", save_all=True, append_images=others)
    return file.getvalue()


@pytest.mark.parametrize("limits", LIMITS)
def test_pages_that_are_alike_are_one_run(service: TileService, limits: Limits) -> None:
    document = service.open(mixed())
    runs = page_descriptions.page_runs(BASE, document, limits).runs
    assert [one.count for one in runs] == ([5, 1, 2, 3] if limits == UNLIMITED else [2, 3, 1, 2, 3])
    assert [one.is_withheld is True for one in runs] == (
        [False] * 4 if limits == UNLIMITED else [True, False, False, True, True]
    )


def test_the_runs_of_a_long_document_are_no_longer(service: TileService) -> None:
    short, long = (json_bytes(page_descriptions.page_runs(BASE, service.open(flat_pdf(n)), UNLIMITED)) for n in (10, 2000))
    assert len(long) - len(short) == 3 * len("00"), "the count, three times"


@pytest.mark.skipif(NODE is None, reason="Node is not installed")
@pytest.mark.parametrize("limits", LIMITS)
def test_the_viewer_makes_of_runs_what_is_told_page_by_page(service: TileService, limits: Limits) -> None:
    document = service.open(mixed())
    labels = ["i", "ii", "", "", "5", "6", "A-1", "A-2", "", "x", "é"]
    pages = [replace(page, label=label) for page, label in zip(document.info.pages, labels, strict=True)]
    document.info = replace(document.info, pages=tuple(pages))
    for page in (3, 9):
        document.problems.learn(page, ("an image is cut short", "a font is damaged"))
    runs, pages_told = (
        json.loads(json_bytes(make(BASE, document, limits)))
        for make in (page_descriptions.page_runs, page_descriptions.page_list)
    )
    made = run("const { pagesOf } = await import('./client.js'); return pagesOf(given[0]);", runs)
    assert made == pages_told["pages"]
    assert runs["page_count"] == len(made)
    for name in ("document", "name", "title", "direction", "may_print"):
        assert runs[name] == pages_told[name]


def test_some_pages_are_told_of_alone(application: Application, shelf: Shelf, tmp_path: Path) -> None:
    path = tmp_path / "long.pdf"
    path.write_bytes(flat_pdf(1200))
    document = shelf.register(path)
    here = f"/documents/{document.id}/pages.json"
    whole = ask(application, here).json()
    assert ask(application, f"{here}?pages=3-5").json() == {**whole, "pages": whole["pages"][2:5]}
    assert ask(application, f"{here}?pages=1-1200").json() == whole
    for outside in ("0-1", "5-3", "1200-1201", "x", "5"):
        assert ask(application, f"{here}?pages={outside}").status == 404


@pytest.fixture
def long(application: Application, shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Document:
    """A document whose manifest is sent piece by piece."""
    monkeypatch.setattr("sidebooks_core.server.handlers.iiif.LONG_PAGES", 10)
    monkeypatch.setattr(presentation, "PIECE_CANVASES", 4)
    path = tmp_path / 'a "items":[] in a name.pdf'
    path.write_bytes(flat_pdf(11))
    return shelf.register(path)


def test_a_manifest_in_pieces_is_the_whole_manifest(application: Application, long: Document) -> None:
    whole = json.loads(json_bytes(presentation.manifest("http://test", long, has_original=True)))
    assert len(whole["items"]) == 11
    address = f"/presentation/3/{long.id}/manifest.json"
    plain = ask(application, address)
    assert plain.json() == whole
    packed = ask(application, address, headers={"accept-encoding": "gzip"})
    assert packed.headers["content-encoding"] == "gzip"
    assert json.loads(gzip.decompress(packed.body)) == whole
    assert plain.headers["etag"] == packed.headers["etag"]
    assert ask(application, address, headers={"if-none-match": plain.headers["etag"]}).status == 304
    head = ask(application, address, "HEAD")
    assert (head.status, head.body, head.headers["etag"]) == (200, b"", plain.headers["etag"])
    long.problems.learn(3, ("an image is cut short",))
    later = ask(application, address)
    assert later.headers["etag"] != plain.headers["etag"], "it says more now"
    assert later.json() != whole


def test_a_manifest_with_other_problems_has_another_etag_in_any_process(application: Application, long: Document) -> None:
    address = f"/presentation/3/{long.id}/manifest.json"
    problems = [(3, ("an image is cut short",)), (5, ("a font is damaged",))]
    tags = []
    for known in (problems[:1], problems[1:], problems, problems[::-1]):
        long.problems = KnownProblems()  # as in a process that has just begun
        for page, told in known:
            long.problems.learn(page, told)
        reply = ask(application, address, headers={"if-none-match": ", ".join(tags[:2])})
        tags.append(reply.headers["etag"])
        assert reply.status == 200
    first, second, both, both_again = tags
    assert len({first, second, both}) == 3
    assert both == both_again, "whichever was learned first"


def test_no_more_of_a_manifest_is_made_when_its_client_has_left(
    application: Application, long: Document, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []
    its_own = presentation.canvas_id
    monkeypatch.setattr(presentation, "canvas_id", lambda base, one, page: made.append(page) or its_own(base, one, page))
    asyncio.run(ask_async(application, f"/presentation/3/{long.id}/manifest.json", leave_after=1))
    assert len(made) < 11


@pytest.mark.skipif(NODE is None, reason="Node is not installed")
def test_a_turn_does_not_look_at_the_labels_of_all_pages() -> None:
    script = """
        const { placeText } = await import("./numbers.js");
        let looks = 0;
        const page = (number) => ({ get label() { looks += 1; return String(number); } });
        const pages = Array.from({ length: 1000 }, (_, index) => page(index + 1));
        const shown = [1, 500, 1000].map((number) => placeText([number], pages, null));
        return [shown, looks];
    """
    shown, looks = run(script)
    assert shown == ["1 / 1000", "500 / 1000", "1000 / 1000"]
    assert looks <= 2 * 1000 + 10, "once for all turns"


@pytest.mark.skipif(NODE is None, reason="Node is not installed")
def test_a_book_has_the_pages_and_their_problems(service: TileService) -> None:
    document = service.open(flat_pdf(9), name="a book")
    document.problems.learn(3, ("an image is cut short", "a font is damaged"))
    script = """
        const { Library } = await import("./client.js");
        const fetch = async () => new Response(JSON.stringify(given[0]));
        const library = new Library("", { fetch, decode: async () => ({}) });
        const book = await library.open("d");
        return [book.name, book.direction, book.may_print, book.pages.length, book.problems(4), book.problems(5)];
    """
    made = run(script, json.loads(json_bytes(page_descriptions.page_runs(BASE, document, UNLIMITED))))
    assert made == ["a book", "ltr", True, 9, "an image is cut short; a font is damaged", ""]
