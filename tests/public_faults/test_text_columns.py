"""Vertical writing: columns are lines, and their boxes lie on their characters."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pikepdf
import pypdfium2
import pytest
from asgi import ask
from text_pages import HEIGHT, Placed, boxes_hold_the_ink, ink, page_of

from sidebooks_core import Settings, TileService
from sidebooks_core.server import Application, Shelf
from sidebooks_core.text.lines import lines_of
from sidebooks_core.text.runs import Run


@pytest.fixture(scope="module")
def service() -> Iterator[TileService]:
    with TileService(Settings(cache_dir=None, workers=1)) as running:
        yield running


# Vertical writing

COLUMNS: list[Placed] = [("議会だより第一号", 270, 30, 20), ("会議録、令和八年。", 226, 30, 20), ("ーッ（注）", 180, 60, 16)]


@pytest.mark.parametrize("rotate", [0, 90, 180, 270])
@pytest.mark.parametrize("metrics", [(), (880, -1000), (700, -1000), (880, -1200)])
def test_columns_are_lines_and_boxes_lie_on_their_characters(service: TileService, rotate: int, metrics: Sequence[int]) -> None:
    document = service.open(page_of(COLUMNS, vertical=True, rotate=rotate, metrics=metrics))
    words = service.text(document, 0)
    assert [word.text for word in words] == [text for text, *_ in COLUMNS]
    dark = ink(service, document)
    assert boxes_hold_the_ink(dark, [(word.x0_pt, word.y0_pt, word.x1_pt, word.y1_pt) for word in words])
    hits = [service.search(document, character) for character in "議第号令八年"]
    assert all(hits)
    for found in hits:
        for hit in found:
            [(x0, y0, x1, y1)] = hit.boxes
            part = dark[round(y0 * 4) : round(y1 * 4), round(x0 * 4) : round(x1 * 4)]
            rows, columns = np.nonzero(part)
            middle = (rows.min() + rows.max()) / 2 / part.shape[0], (columns.min() + columns.max()) / 2 / part.shape[1]
            assert all(0.35 < one < 0.65 for one in middle), "a character fills the middle of its box"
    [hit] = service.search(document, "会議録")
    assert len(hit.boxes) == 1
    assert " " not in hit.text
    [across] = service.search(document, "第一号会議録")
    assert len(across.boxes) == 2, "one for each column"


@pytest.mark.parametrize("name", ["issue6387.pdf", "vertical.pdf"])
def test_boxes_agree_with_another_engine(service: TileService, corpus: Path, name: str) -> None:
    """With embedded fonts: PDFium has none of its own for the others."""
    path = corpus / "japanese" / name
    document = service.open(path)
    words = service.text(document, 0)
    with pypdfium2.PdfDocument(path) as other:
        page = other[0].get_textpage()
        found = 0
        for place in range(page.count_chars()):
            char = page.get_text_range(place, 1)
            if not char or char.isspace():
                continue
            left, bottom, right, top = page.get_charbox(place)
            x, y = (left + right) / 2, other[0].get_height() - (bottom + top) / 2
            assert any(word.x0_pt < x < word.x1_pt and word.y0_pt < y < word.y1_pt and char in word.text for word in words)
            found += 1
        page.close()
    assert found == sum(len(word.text) for word in words)


@pytest.mark.parametrize("rotate", [0, 90, 180, 270])
def test_characters_that_are_set_one_by_one_below_one_another_are_a_column(service: TileService, rotate: int) -> None:
    """As browsers and word processors print vertical text: a horizontal font, each character with its place."""
    placed: list[Placed] = []
    for x, text in ((270, "議会だより"), (240, "令和八年度予算")):
        placed += [(character, x, 60 + 21 * place, 20) for place, character in enumerate(text)]
    document = service.open(page_of(placed, rotate=rotate))
    assert [word.text for word in service.text(document, 0)] == ["議会だより", "令和八年度予算"]
    [hit] = service.search(document, "年度予算")
    assert len(hit.boxes) == 1


def test_cells_of_a_table_are_no_column(service: TileService) -> None:
    placed: list[Placed] = [
        ("可", 100, 60, 12),
        ("否", 100, 90, 12),
        ("可", 100, 120, 12),
        ("賛成", 40, 60, 12),
        ("反対", 40, 90, 12),
    ]
    document = service.open(page_of(placed))
    assert sorted(word.text for word in service.text(document, 0)) == sorted(text for text, *_ in placed)


def test_numbers_set_across_and_latin_words_belong_to_their_column(service: TileService) -> None:
    made = pikepdf.Pdf.open(io.BytesIO(page_of([("令和", 100, 40, 20), ("年度の", 100, 102, 20)], vertical=True)))
    other = pikepdf.Pdf.open(io.BytesIO(page_of([])))
    made.pages[0].Resources.Font.G = made.copy_foreign(other.pages[0].Resources.Font.F)
    content = made.pages[0].Contents.read_bytes()
    across = f"BT /G 20 Tf 0.5 0 0 1 90 {HEIGHT - 98} Tm <{'12'.encode('utf-16-be').hex()}> Tj ET".encode()
    first, second = content.rsplit(b"/F", 1)
    made.pages[0].Contents = made.make_stream(first + b"ET\n" + across + b"\nBT /F" + second)
    out = io.BytesIO()
    made.save(out)
    document = service.open(out.getvalue())
    [hit] = service.search(document, "令和12年度の")
    assert len(hit.boxes) == 1
    assert [word.text for word in service.text(document, 0)] == ["令和12年度の"]


def test_a_hit_over_http_has_one_annotation_for_each_column(service: TileService, tmp_path: Path) -> None:
    path = tmp_path / "columns.pdf"
    path.write_bytes(page_of([*COLUMNS, ("國會", 120, 30, 20)], vertical=True))
    shelf = Shelf(service)
    served = shelf.register(path)
    application = Application(shelf)
    try:
        for query, annotations in (("会議録", 1), ("第一号会議録", 2), ("国会", 0), ("国会&old_forms=1", 1)):
            found = ask(application, f"/search/2/{served.id}?q={quote(query, safe='&=')}").json()
            assert len(found["items"]) == annotations, query
        base = f"/documents/{served.id}/search/{quote('国会')}"
        assert ask(application, base).json()["hits"] == []
        assert len(ask(application, f"{base}?old_forms=true").json()["hits"]) == 1
    finally:
        application.close()
        shelf.close()


# Columns of characters that each are a text of their own, as browsers print them


def _set_one_by_one(*pieces: tuple[str, float, float, float, bool]) -> list[Run]:
    """Each piece: its text, x and y of its upper left corner, its size, whether it lies on its side."""
    runs = []
    for text, x, y, size, lies in pieces:
        if lies:
            boxes = [(x, y + at * size / 2, x + size, y + (at + 1) * size / 2) for at in range(len(text))]
            runs.append(Run(list(text), list(boxes), [size] * len(text), 1, False, 0))
        elif text.isascii():
            boxes = [(x + at * size / 2, y, x + (at + 1) * size / 2, y + size) for at in range(len(text))]
            runs.append(Run(list(text), list(boxes), [size] * len(text), 0, False, 0))
        else:
            runs += [
                Run([char], [(x, y + at * size, x + size, y + (at + 1) * size)], [size], 0, False, 0)
                for at, char in enumerate(text)
            ]
    return runs


@pytest.mark.parametrize(
    ("pieces", "text"),
    [
        ([("令和", 500, 50, 12, False), ("12", 500, 74, 12, False), ("年度", 500, 86, 12, False)], "令和12年度"),
        ([("第", 500, 50, 12, False), ("3", 503, 62, 12, False), ("回定例会", 500, 74, 12, False)], "第3回定例会"),
        ([("議会", 500, 50, 12, False), ("ABC", 500, 74, 12, True), ("計画", 500, 92, 12, False)], "議会ABC計画"),
        ([("区分", 500, 50, 12, False)], "区分"),
    ],
)
def test_a_column_with_what_interrupts_it_is_one_line(pieces: list[tuple[str, float, float, float, bool]], text: str) -> None:
    lines = lines_of(_set_one_by_one(*pieces))
    assert [line.text for line in lines] == [text]


def test_a_column_that_is_spaced_under_its_ruby_is_one_line() -> None:
    base = [("議員", 500, 50, 18, False), ("提", 500, 88, 18, False), ("出議案の件", 500, 110, 18, False)]
    ruby = [("ぎ", 518, 54, 9, False), ("いんていしゅつ", 518, 68, 9, False)]
    (line,) = lines_of(_set_one_by_one(*base, *ruby))
    assert line.text == "議員提出議案の件"
    assert "".join(ruby.text for ruby in line.rubies) == "ぎいんていしゅつ"


def test_single_characters_among_lines_across_stay_as_they_are() -> None:
    across = Run(list("第一号議案"), [(50 + 12 * at, 50, 62 + 12 * at, 62) for at in range(5)], [12] * 5, 0, False, 0)
    cells = [Run([char], [(300, 50 + 30 * at, 312, 62 + 30 * at)], [12], 0, False, 1) for at, char in enumerate("有無有無")]
    assert [line.text for line in lines_of([across, *cells])] == ["第一号議案", "有", "無", "有", "無"]
