"""Text of pages and searching in it: other files of the kinds that public reports show, built here."""

from __future__ import annotations

import io
import unicodedata
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pikepdf
import pymupdf
import pypdfium2
import pytest
from asgi import ask

from sidebooks_core import Document, Settings, TileService
from sidebooks_core.documents.archives import Archive
from sidebooks_core.documents.epub_package import read_package
from sidebooks_core.documents.limits import Limits
from sidebooks_core.documents.source import Source
from sidebooks_core.engine.epub import ruby as epub_ruby
from sidebooks_core.engine.opening import open_document
from sidebooks_core.server import Application, Shelf
from sidebooks_core.text.folded_pages import FoldedPages
from sidebooks_core.text.folding import fold, fold_old_forms, needed, query_pattern
from sidebooks_core.text.folding_tables import HYOGAI, JINMEI, JOYO, NAMES
from sidebooks_core.text.lines import lines_of
from sidebooks_core.text.pages import Folded
from sidebooks_core.text.ruby_style import SHARE
from sidebooks_core.text.runs import Run


@pytest.fixture(scope="module")
def service() -> Iterator[TileService]:
    with TileService(Settings(cache_dir=None, workers=1)) as running:
        yield running


def finds(query: str, text: str, *, old_forms: bool = False) -> bool:
    pattern = query_pattern(query, old_forms=old_forms)
    assert pattern is not None
    return bool(pattern.search(fold_old_forms(fold(text)) if old_forms else fold(text)))


# Folding

SAME = [
    "〜～~∼", "－−-‐‑–", "―—─", "‖∥", "¦￤", "￠¢", "￡£", "￢¬", "￥¥\\＼", "￣‾¯", "・･·‧", "’'‘", "”\"“〟",
    "⺠民", "⻑長⾧", "⻄西", "⼈人", "⽬目", "⻘青", "⿓龍", "\ufa19神", "\ufa10塚", "ｶカ", "Ａａa", "①1", "éeÉ", "ñn",
    "йи", "ｰー",
]  # fmt: skip


@pytest.mark.parametrize("group", SAME)
def test_each_of_a_group_finds_the_others(group: str) -> None:
    for one in group:
        for other in group:
            assert finds(f"市{one}街", f"市{other}街"), (one, other)


APART = [
    "ーー-",
    "ー―",
    "カガ",
    "ハバパ",
    "かが",
    "国國",
    "高髙",
    "崎﨑",
    "辺邊邉",
    "浜濱",
    "吉𠮷",
    "斉斎",
    "一ー",
    "ツッ",
    "ヶケ",
]


@pytest.mark.parametrize("group", APART)
def test_what_is_different_stays_so(group: str) -> None:
    for one in group:
        for other in group:
            assert finds(one, other) == (one == other), (one, other)


@pytest.mark.parametrize(
    ("query", "text"),
    [("国", "國"), ("高橋", "髙橋"), ("髙橋", "高橋"), ("山崎", "山﨑"), ("渡辺", "渡邉"), ("渡邊", "渡邉"), ("神", "\ufa19")],
)
def test_old_forms_are_one_if_asked(query: str, text: str) -> None:
    assert finds(query, text, old_forms=True)
    assert not finds("斉", "斎", old_forms=True), "these two are different names"


@pytest.mark.parametrize(
    "selector", ["\ufe00", "\ufe0f", "\U000e0100", "\U000e01ef", "\u180b", "\u180f", "\u200b", "\u2060", "\u00ad"]
)
def test_selectors_and_the_invisible_are_ignored_on_both_sides(selector: str) -> None:
    assert finds("葛城市", f"葛{selector}城市")
    assert finds(f"葛{selector}城市", "葛城市")


@pytest.mark.parametrize(("radical", "ideographs"), [("⼾", "戸戶"), ("⿊", "黒黑"), ("⺫", "目罒")])
@pytest.mark.parametrize("old_forms", [False, True])
def test_a_radical_whose_glyph_two_ideographs_have_is_found_by_both(radical: str, ideographs: str, old_forms: bool) -> None:
    for ideograph in ideographs:
        assert finds(f"神{ideograph}市", f"神 {radical}\n市", old_forms=old_forms)
        assert finds(f"神{radical}市", f"神{ideograph}市", old_forms=old_forms)
        assert not needed(ideograph) & {ideograph}
    assert old_forms or not finds(ideographs[0], ideographs[1])


def test_a_soft_hyphen_that_a_font_has_for_the_hyphen_is_found_as_one() -> None:
    assert finds("03-1234", "03\u00ad1234")
    assert finds("e-mail", "an e\u00admail")
    assert finds("email", "an e\u00admail")
    assert finds("a b", "a\u00ad b")
    assert not finds("0-3", "03")


@pytest.mark.parametrize(("query", "text"), [("1/2", "½"), ("1∕2", "1/2"), ("①", "➀"), ("10", "➉"), ("ʻa", "‘a")])
def test_characters_that_share_a_glyph_are_one(query: str, text: str) -> None:
    assert finds(query, text)
    assert finds(text, query)


@pytest.mark.parametrize("form", ["NFC", "NFD", "NFKC", "NFKD"])
def test_a_match_never_ends_before_a_voicing_mark(form: str) -> None:
    text = unicodedata.normalize(form, "カギとバズとパリ")  # type: ignore[arg-type]
    for query in ("カキ", "バス", "ハリ", "ｶｷ"):
        assert not finds(query, text)
        assert not finds(query, "ｶｷﾞとﾊﾞｽﾞとﾊﾟﾘ")
        assert not finds(query, "カキ゛とハ゛ス゛とハ゜リ")
    for query in ("カギ", "ｶｷﾞ", "カキ\u3099", "カキ゛", "バズ", "パリ", "ﾊﾟﾘ"):
        assert finds(query, text)
        assert finds(query, "ｶｷﾞとﾊﾞｽﾞとﾊﾟﾘ")
        assert finds(query, "カキ゛とハ゛ス゛とハ゜リ")
    assert not finds("가", unicodedata.normalize(form, "각"))  # type: ignore[arg-type]


@pytest.mark.parametrize("hyphen", ["-", "\u2010", "\u00ad", "- ", "\u2010 ", "\u00ad ", "\u2011", "\u2212"])
def test_a_word_divided_at_a_line_s_end_is_found(hyphen: str) -> None:
    assert finds("budget", f"the bud{hyphen}\nget of")
    assert finds("the budget of", f"the bud{hyphen}\n get\nof")


def test_accents_do_not_matter_however_they_are_stored() -> None:
    for form in ("NFC", "NFD"):
        text = unicodedata.normalize(form, "résumé über Ångström")  # type: ignore[arg-type]
        for query in ("resume", "résumé", "re\u0301sume\u0301", "uber", "angstrom", "ÅNGSTRÖM"):
            assert finds(query, text), (form, query)
    assert finds("´", "´")
    assert not finds("´", " ")


def test_no_new_form_is_an_old_one_of_another() -> None:
    assert all(len(fold_old_forms(char)) == 1 for char in "國邊髙")
    for table in (JOYO, JINMEI, HYOGAI, NAMES):
        for forms in table.split():
            assert len({fold_old_forms(fold(char)) for char in forms}) == 1, forms


def test_words_stand_apart_by_any_white_space_and_by_nothing_else() -> None:
    for space in (" ", "\n", "\u3000", "\u00a0", "\t", "  \n "):
        assert finds("annual budget", f"annual{space}budget")
    assert not finds("annual budget", "annualbudget")
    assert not finds("today", "to\nday")
    assert finds("well-known", "well-\nknown")
    assert finds("well-known", "well\u2011known")
    for space in (" ", "\n", "\u3000", "\u3000\n"):
        assert finds("予算の件", f"予{space}算{space}の件")
        assert finds("予算 の件", "予算の件")
        assert finds("4月～6月", f"4月{space}～{space}6月")


def test_nothing_is_found_by_nothing() -> None:
    for query in ("", "  ", "\u200b", "\ufe00"):
        assert query_pattern(query) is None


def test_folded_pages_are_kept_within_bounds() -> None:
    kept = FoldedPages(1000)
    for page in range(10):
        kept.keep(page, Folded("x" * 100, None))
    assert kept.get(0) == Folded("x" * 100, None)
    assert kept.get(9) is None


# Pages

Placed = tuple[str, float, float, float]
"""Text, x and y (from the top) of its baseline or column's head, size."""
HEIGHT = 400


def page_of(placed: Sequence[Placed], *, vertical: bool = False, rotate: int = 0, metrics: Sequence[int] = ()) -> bytes:
    """A PDF of one page with texts in a font that is not embedded, drawn in their order."""
    pdf = pikepdf.new()
    font = pdf.make_indirect(
        pikepdf.Dictionary(
            Type=pikepdf.Name.Font,
            Subtype=pikepdf.Name.Type0,
            BaseFont=pikepdf.Name("/Ryumin-Light"),
            Encoding=pikepdf.Name("/UniJIS-UTF16-V" if vertical else "/UniJIS-UTF16-H"),
            DescendantFonts=[
                pikepdf.Dictionary(
                    Type=pikepdf.Name.Font,
                    Subtype=pikepdf.Name.CIDFontType0,
                    BaseFont=pikepdf.Name("/Ryumin-Light"),
                    CIDSystemInfo=pikepdf.Dictionary(Registry="Adobe", Ordering="Japan1", Supplement=6),
                    FontDescriptor=pikepdf.Dictionary(
                        Type=pikepdf.Name.FontDescriptor,
                        FontName=pikepdf.Name("/Ryumin-Light"),
                        Flags=4,
                        FontBBox=[0, -120, 1000, 880],
                        ItalicAngle=0,
                        Ascent=880,
                        Descent=-120,
                        CapHeight=700,
                        StemV=80,
                    ),
                    **({"DW2": list(metrics)} if metrics else {}),
                )
            ],
        )
    )
    content = "BT\n"
    for text, x, y, size in placed:
        content += f"/F {size} Tf 1 0 0 1 {x} {HEIGHT - y} Tm <{text.encode('utf-16-be').hex()}> Tj\n"
    page = pdf.add_blank_page(page_size=(300, HEIGHT))
    page.Contents = pdf.make_stream((content + "ET").encode())
    page.Resources = pikepdf.Dictionary(Font=pikepdf.Dictionary(F=font))
    if rotate:
        page.Rotate = rotate
    out = io.BytesIO()
    pdf.save(out)
    return out.getvalue()


def lines(service: TileService, document: Document) -> list[str]:
    found: dict[tuple[int, int], list[str]] = {}
    for word in service.text(document, 0):
        found.setdefault((word.block, word.line), []).append(word.text)
    return [" ".join(words) for words in found.values()]


def ink(service: TileService, document: Document, zoom: float = 4) -> np.ndarray:
    """Where the page is dark, `zoom` pixels a point."""
    image = service.page_image(document, 0, width_px=round(document.pages[0].width_pt * zoom))
    return image.pixels().min(axis=2) < 200


def boxes_hold_the_ink(dark: np.ndarray, boxes: Sequence[tuple[float, float, float, float]], zoom: float = 4) -> bool:
    """Whether each box has ink, and next to all ink is in one."""
    rest = dark.copy()
    for x0, y0, x1, y1 in boxes:
        rows, columns = (slice(max(0, round(a * zoom)), round(b * zoom)) for a, b in ((y0, y1), (x0, x1)))
        if not dark[rows, columns].any():
            return False
        rest[rows, columns] = False
    return bool(rest.sum() <= 0.02 * dark.sum())


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


# Ruby


def ruby_page(order: str, *, vertical: bool = False, rotate: int = 0) -> bytes:
    """議員(ぎいん)提出(ていしゅつ)の議案(ぎあん), drawn in one of several orders."""
    parts = [("本日の", ""), ("議員", "ぎいん"), ("提出", "ていしゅつ"), ("の", ""), ("議案", "ぎあん"), ("は三件", "")]
    size = 16.0
    base: list[Placed] = []
    ruby: list[Placed] = []
    both: list[Placed] = []
    at = 30.0
    for text, reading in parts:
        along = at + (len(text) * size - len(reading) * size / 2) / 2
        base.append((text, 200, at, size) if vertical else (text, at, 100, size))
        both.append(base[-1])
        if reading:
            ruby.append((reading, 200 + 0.75 * size, along, size / 2) if vertical else (reading, along, 100 - size, size / 2))
            both.append(ruby[-1])
        at += len(text) * size
    whole: list[Placed] = [("".join(text for text, _ in parts), *base[0][1:])]
    drawn = {"between": both, "before": ruby + whole, "behind": whole + ruby, "apart": base + ruby}[order]
    return page_of(drawn, vertical=vertical, rotate=rotate)


@pytest.mark.parametrize("rotate", [0, 90])
@pytest.mark.parametrize("vertical", [False, True])
@pytest.mark.parametrize("order", ["between", "before", "behind", "apart"])
def test_ruby_is_skipped_and_found_by_itself(service: TileService, order: str, vertical: bool, rotate: int) -> None:
    document = service.open(ruby_page(order, vertical=vertical, rotate=rotate))
    [hit] = service.search(document, "議員提出の議案")
    assert len(hit.boxes) == 1
    assert hit.text == "本日の議員提出の議案は三件"
    for reading in ("ぎいん", "ていしゅつ", "ぎあん"):
        [hit] = service.search(document, reading)
        [box] = hit.boxes
        assert min(box[2] - box[0], box[3] - box[1]) < 12, "as small as the ruby"
        assert ink(service, document)[round(box[1] * 4) : round(box[3] * 4), round(box[0] * 4) : round(box[2] * 4)].any()
    assert len(service.search(document, "本日のぎいんていしゅつの")) == 1
    assert len(service.search(document, "の")) == 2, "what has no ruby counts once"
    assert lines(service, document)[0] == "本日の議員提出の議案は三件"
    assert "".join(lines(service, document)[1:]).replace(" ", "") == "ぎいんていしゅつぎあん"


def test_a_text_with_ruby_throughout(service: TileService) -> None:
    placed: list[Placed] = []
    for line, (text, reading) in enumerate([("市民の声", "しみんのこえ"), ("予算の案", "よさんのあん")]):
        placed.append((text, 30, 60 + 40 * line, 20))
        placed.append((reading, 30 + 10, 40 + 40 * line, 10))
    document = service.open(page_of(placed))
    for query in ("市民の声", "予算の案", "市民の声予算", "しみんのこえ", "よさん"):
        assert len(service.search(document, query)) == 1, query


@pytest.mark.parametrize(
    "placed",
    [
        [("平成二十年", 30, 100, 16), ("注", 110, 92, 8), ("施行の法律", 118, 100, 16)],
        [("平成二十年", 30, 100, 16), ("1", 110, 92, 8), ("施行の法律", 118, 100, 16)],
        [("予算の内訳", 30, 60, 16), ("すべて消費税を含む", 30, 120, 8), ("歳入の部", 30, 180, 16)],
        [("あらまし", 30, 60, 8), ("Summary", 30, 76, 16)],
        [("かな", 30, 86, 14), ("漢字", 30, 100, 14)],
    ],
)
def test_what_is_small_or_above_is_not_always_ruby(service: TileService, placed: Sequence[Placed]) -> None:
    document = service.open(page_of(placed))
    text = "".join(word.text for word in service.text(document, 0))
    assert text == "".join(text for text, *_ in placed)


# Drawn more than once


@pytest.mark.parametrize("shifts", [[(0.4, 0)], [(0, 0)], [(0.3, 0.3), (0.6, 0)], [(0.5, 0), (0, 0.5), (0.5, 0.5)], [(1, 1)]])
@pytest.mark.parametrize("by", ["line", "character"])
@pytest.mark.parametrize("vertical", [False, True])
def test_text_that_is_drawn_again_in_its_place_counts_once(
    service: TileService, shifts: Sequence[tuple[float, float]], by: str, vertical: bool
) -> None:
    text, size = "会議録署名議員会議", 16
    units = [(text, 0)] if by == "line" else [(character, size * place) for place, character in enumerate(text)]
    placed: list[Placed] = []
    for unit, along in units:
        for dx, dy in [(0.0, 0.0), *shifts]:
            placed.append((unit, 60 + dx + (0 if vertical else along), 60 + dy + (along if vertical else 0), size))
    document = service.open(page_of(placed, vertical=vertical))
    assert [word.text for word in service.text(document, 0)] == [text]
    assert len(service.search(document, "会議")) == 2
    assert len(service.search(document, "署名")) == 1


@pytest.mark.parametrize("by", ["line", "character"])
def test_latin_text_that_is_drawn_again_counts_once(service: TileService, by: str) -> None:
    with pymupdf.Document() as made:
        page = made.new_page()
        at = 50.0
        for unit in ("annual budget",) if by == "line" else "annual budget":
            for shift in (0, 0.3):
                page.insert_text((at + shift, 100), unit, fontsize=12, fontname="helv")
            at += pymupdf.get_text_length(unit, "helv", 12)
        document = service.open(made.tobytes())
    assert [word.text for word in service.text(document, 0)] == ["annual", "budget"]
    assert len(service.search(document, "annual budget")) == 1


def test_what_is_written_twice_stays(service: TileService) -> None:
    with pymupdf.Document() as made:
        page = made.new_page()
        page.insert_text((50, 100), "2025 2025 illllll iiii 1111 ..... bookkeeper", fontsize=11)
        for row in range(4):
            page.insert_text((50, 130 + 6 * row), "00", fontsize=5)
            page.insert_text((62, 130 + 6 * row), "00", fontsize=5)
        document = service.open(made.tobytes())
    text = [word.text for word in service.text(document, 0)]
    assert text == ["2025", "2025", "illllll", "iiii", "1111", ".....", "bookkeeper", *["00"] * 8]
    assert len(service.search(document, "2025")) == 2
    assert len(service.search(document, "00")) == 8
    document = service.open(page_of([("人人人々ささ", 30, 100, 12), ("人人", 30, 113, 12)]))
    assert [word.text for word in service.text(document, 0)] == ["人人人々ささ", "人人"]


# ActualText


def tagged(pieces: Sequence[str], actual: str, *, level: int = 0, in_form: bool = False) -> bytes:
    """A page whose pieces are the marked contents of one element that says what their text is."""
    pdf = pikepdf.new()
    page = pdf.add_blank_page(page_size=(300, 400))
    font = pikepdf.Dictionary(Type=pikepdf.Name.Font, Subtype=pikepdf.Name.Type1, BaseFont=pikepdf.Name.Helvetica)
    content = "BT /F 18 Tf 40 340 Td "
    for number, piece in enumerate(pieces):
        content += f"/Span <</MCID {number}>> BDC ({piece}) Tj EMC 0 -30 Td "
    resources = pikepdf.Dictionary(Font=pikepdf.Dictionary(F=font))
    stream = pdf.make_stream((content + "ET").encode())
    root = pdf.make_indirect(pikepdf.Dictionary(Type=pikepdf.Name.StructTreeRoot))
    speaks = pdf.make_indirect(pikepdf.Dictionary(Type=pikepdf.Name.StructElem, S=pikepdf.Name.P, P=root, Pg=page.obj))
    speaks.ActualText = pikepdf.String(actual)
    element = speaks
    for _ in range(level):
        child = pdf.make_indirect(pikepdf.Dictionary(Type=pikepdf.Name.StructElem, S=pikepdf.Name.Span, P=element, Pg=page.obj))
        element.K = pikepdf.Array([child])
        element = child
    element.K = pikepdf.Array(range(len(pieces)))
    root.K = pikepdf.Array([speaks])
    root.ParentTree = pdf.make_indirect(pikepdf.Dictionary(Nums=[0, pikepdf.Array([element] * len(pieces))]))
    pdf.Root.StructTreeRoot = root
    pdf.Root.MarkInfo = pikepdf.Dictionary(Marked=True)
    if in_form:
        stream.Type, stream.Subtype = pikepdf.Name.XObject, pikepdf.Name.Form
        stream.BBox, stream.Resources, stream.StructParents = [0, 0, 300, 400], resources, 0
        page.Resources = pikepdf.Dictionary(XObject=pikepdf.Dictionary(X=stream))
        page.Contents = pdf.make_stream(b"/X Do")
    else:
        page.Resources, page.Contents, page.obj.StructParents = resources, stream, 0
    out = io.BytesIO()
    pdf.save(out)
    return out.getvalue()


@pytest.mark.parametrize("level", [0, 1])
@pytest.mark.parametrize("in_form", [False, True])
def test_the_text_of_an_element_with_several_contents_is_read_once(service: TileService, level: int, in_form: bool) -> None:
    pieces = ["The annual", "budget of the", "town"]
    document = service.open(tagged(pieces, "The annual budget of the town", level=level, in_form=in_form))
    assert " ".join(word.text for word in service.text(document, 0)) == "The annual budget of the town"
    assert len(service.search(document, "budget")) == 1
    assert len(service.search(document, "annual budget of the town")) == 1


def test_the_text_of_an_element_with_one_content_is_heeded(service: TileService) -> None:
    document = service.open(tagged(["xx"], "budget"))
    assert len(service.search(document, "budget")) == 1


# EPUB

OPF = (
    '<?xml version="1.0"?><package xmlns="http://www.idpf.org/2007/opf" version="3.0" unique-identifier="i">'
    '<metadata xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:identifier id="i">x</dc:identifier><dc:title>t</dc:title>'
    '<dc:language>ja</dc:language></metadata><manifest><item id="a" href="a.xhtml" media-type="application/xhtml+xml"/>'
    '<item id="c" href="c.css" media-type="text/css"/></manifest><spine><itemref idref="a"/></spine></package>'
)
CONTAINER = (
    '<?xml version="1.0"?><container version="1.0" xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
    '<rootfile full-path="a.opf" media-type="application/oebps-package+xml"/></rootfiles></container>'
)


def epub(body: str, css: str = "", files: Mapping[str, bytes] | None = None) -> bytes:
    """files: in place of those of that name."""
    head = '<head><title>t</title><link rel="stylesheet" type="text/css" href="c.css"/></head>'
    all_files = {
        "mimetype": b"application/epub+zip",
        "META-INF/container.xml": CONTAINER.encode(),
        "a.opf": OPF.encode(),
        "c.css": css.encode(),
        "a.xhtml": f'<html xmlns="http://www.w3.org/1999/xhtml">{head}<body>{body}</body></html>'.encode(),
    }
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in {**all_files, **(files or {})}.items():
            archive.writestr(name, content)
    return out.getvalue()


RUBIES = [
    "<p>本日の<ruby>議員<rt>ぎいん</rt></ruby><ruby>提出<rt>ていしゅつ</rt></ruby>議案は三件</p>",
    "<p>本日の<ruby>議員<rp>（</rp><rt>ぎいん</rt><rp>）</rp>提出<rp>（</rp><rt>ていしゅつ</rt><rp>）</rp></ruby>議案は三件</p>",
    "<p>本日の<ruby><rb>議員</rb><rt>ぎいん</rt></ruby><ruby><rb>提出</rb><rt><span>ていしゅつ</span></rt></ruby>議案は三件</p>",
    "<h1>本日の<b><ruby>議員<rt>ぎいん</rt></ruby></b><ruby>提出<rt>ていしゅつ</rt></ruby>議案は三件</h1>",
]


@pytest.mark.parametrize(
    "css", ["", "rt { font-size: 50% }", "rt { font-size: 0.6em; color: red }", "ruby rt { font-size: 12px }"]
)
@pytest.mark.parametrize("body", RUBIES)
def test_ruby_of_a_reflowable_document_is_known_by_its_element(service: TileService, body: str, css: str) -> None:
    document = service.open(epub(body, css))
    assert len(service.search(document, "議員提出議案")) == 1
    [hit] = service.search(document, "ていしゅつ")
    dark = ink(service, document)
    for x0, y0, x1, y1 in hit.boxes:
        assert dark[round(y0 * 4) : round(y1 * 4), round(x0 * 4) : round(x1 * 4)].any()
    assert len(service.search(document, "本日のぎいんていしゅつ議案")) == 1
    assert "（" not in "".join(word.text for word in service.text(document, 0))
    assert lines(service, document)[0].startswith("本日の議員提出議案は三")


SIZED = [
    '<rt style="font-size:20px">{0}</rt>',
    "<rt style='color: red; font-size : 120%'>{0}</rt>",
    '<rt class="r" style="font: bold 14px serif;">{0}</rt>',
    "<rt style='font: bold 14px \"A; B\", serif; color: red'>{0}</rt>",
    '<rt style="font-family: &quot;A; B&quot;; font-size: 14px">{0}</rt>',
    '<rt style="/* large */ font-size: large;">{0}</rt>',
    '<rt style = "background: url(data:a;b);font-size:20px">{0}</rt>',
    '<rt style="font-size:20px;}}">{0}</rt>',
    '<rt title="a > b" style="font-size:20px">{0}</rt>',
    '<rt><span style="font-size: 1.5em">{0}</span></rt>',
    '<rt><b/><span><i style="font: 14px serif">{0}</i></span></rt>',
    '<h:rt style="font-size:20px"><h:span style="font-size:150%">{0}</h:span></h:rt>',
    "<RT STYLE=font-size:20px><br>{0}</RT>",
    "<rt style=font-size:20px>{0}",
    '<rt style="font&#45;size:20px">{0}</rt>',
    '<rt style="font-size/**/:20px">{0}</rt>',
    '<rt style="f\\6fnt-size:20px">{0}</rt>',
]
SIZED_BY_ELEMENTS = [
    "<rt><small>{0}</small></rt>",
    '<rt><span class="r">{0}</span></rt>',
    '<rt><font size="5">{0}</font></rt>',
]


@pytest.mark.parametrize("reading", [*SIZED, *SIZED_BY_ELEMENTS])
def test_ruby_with_a_size_of_its_own_is_known_too(service: TileService, reading: str) -> None:
    readings = [reading.format(text) for text in ("ぎいん", "ていしゅつ")]
    document = service.open(
        epub("<p>本日の<ruby>議員{}</ruby><ruby>提出{}</ruby>議案は三件</p>".format(*readings), ".r { font-size: 20px }")
    )
    assert len(service.search(document, "議員提出議案")) == 1
    assert len(service.search(document, "ていしゅつ")) == 1


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_ruby_with_a_size_of_its_own_in_utf_16(service: TileService, encoding: str) -> None:
    body = '\ufeff<html><body><p>本日の<ruby>議員<rt style="font-size:20px">ぎいん</rt></ruby>提出</p></body></html>'
    document = service.open(epub("", files={"a.xhtml": body.encode(encoding)}))
    assert len(service.search(document, "議員提出")) == 1


NO_READINGS = [
    "<rt/>",
    "<rt style='font-size:20px' />",
    "<!-- <rt> -->",
    "<![CDATA[<rt>]]>",
    "<?a <rt> ?>",
    "<b title='<rt>'>議</b>",
    "<ruby>議員<rt>ぎいん</ruby>",
    "<ruby>議員<rt>ぎいん<br></ruby>",
    "<ruby>議員<rt>ぎいん<rp>)</rp></ruby>",
    "<ruby>議員<rtc><rt>ぎいん</rtc></ruby>",
    "<ruby>議員<rt>ぎいん</p><p>",
]


def sizes_of_characters(data: bytes) -> dict[str, float]:
    document = open_document(Source(data), password=None, name="book", limits=Limits())
    blocks = document.page(0).get_text("rawdict")["blocks"]
    spans = [span for block in blocks for line in block.get("lines", ()) for span in line["spans"]]
    sizes = {char["c"]: span["size"] for span in spans for char in span["chars"]}
    document.close()
    return sizes


@pytest.mark.parametrize("before", ["<ruby>議員<rt style='font-size:20px'>ぎいん</rt></ruby>", *NO_READINGS])
def test_sizes_of_other_elements_stay(before: str) -> None:
    large = "は<span style='font-size:40px'>大</span>きい"
    body = f"<p>本日の{before}{large}<ruby>提出<rt style='font-size:20px'>ていしゅつ</rt></ruby>議案</p>"
    sizes = sizes_of_characters(epub(body))
    assert sizes["大"] == 40
    assert sizes["て"] / sizes["提"] == pytest.approx(SHARE)


def own_sizes_overruled(data: bytes) -> dict[str, bytes] | None:
    """The files of the copy in which readings have no sizes of their own; None where none is made."""
    archive = Archive(Source(data))
    package = read_package(archive)
    assert package is not None
    copy = epub_ruby.without_own_sizes(archive, package)
    if copy is None:
        return None
    with zipfile.ZipFile(io.BytesIO(copy)) as copied:
        return {name: copied.read(name) for name in copied.namelist()}


@pytest.mark.parametrize("reading", SIZED)
def test_all_else_of_a_book_with_sized_ruby_stays(reading: str) -> None:
    data = epub(f"<p>本日の<ruby>議員{reading.format('ぎいん')}</ruby></p>", "p { color: red }")
    found = own_sizes_overruled(data)
    assert found is not None
    found["a.xhtml"] = found["a.xhtml"].replace(b";font-size:50.03%", b"").replace(b";font-size:1em", b"")
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert list(found.items()) == [(name, archive.read(name)) for name in archive.namelist()]


@pytest.mark.parametrize(
    "style",
    ["font-family: serif", "font-weight: bold; color: red", "--x-font-size: 2px", "-x-font: a", "font", "x-font-size: 2px"],
)
def test_no_copy_is_made_of_a_book_whose_ruby_asks_for_no_size(style: str) -> None:
    reading = f"<rt style='{style}' title='style=font-size:9px' xstyle='font-size:9px' data-font-size='9px'>ぎ</rt>"
    assert own_sizes_overruled(epub(f"<p><b style='font-size:9px'>font: a;</b><ruby>議{reading}</ruby></p>")) is None


def test_a_chapter_in_the_book_a_thousand_times_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    read_member = Archive.read

    def counting(self: Archive, member: zipfile.ZipInfo, most_bytes: int) -> bytes:
        read.append(member.filename)
        return read_member(self, member, most_bytes)

    monkeypatch.setattr(Archive, "read", counting)
    package = OPF.replace('<itemref idref="a"/>', '<itemref idref="a"/>' * 1000)
    assert own_sizes_overruled(epub("<ruby>議<rt>ぎ</rt></ruby>", files={"a.opf": package.encode()})) is None
    assert read.count("a.xhtml") == 1


def test_no_copy_is_made_of_a_book_that_unpacks_to_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    data = epub("<ruby>議<rt style='font-size:9px'>ぎ</rt></ruby>", "a" * 5000)
    assert own_sizes_overruled(data) is not None
    monkeypatch.setattr(epub_ruby, "MOST_UNPACKED_BYTES", 5000)
    assert own_sizes_overruled(data) is None


def test_latin_ruby_of_a_reflowable_document(service: TileService) -> None:
    document = service.open(epub("<p>the <ruby>WHO<rt>World Health</rt></ruby> says</p>"))
    assert len(service.search(document, "the WHO says")) == 1
    assert len(service.search(document, "World Health")) == 1


def test_small_text_of_a_reflowable_document_is_no_ruby(service: TileService) -> None:
    document = service.open(epub("<p>本日の<span style='font-size:50%'>ぎいん</span>提出<sup>注</sup>議案</p>"))
    assert "".join(word.text for word in service.text(document, 0)) == "本日のぎいん提出注議案"


# By way of the whole


def test_the_second_query_reads_only_the_pages_that_have_it(service: TileService) -> None:
    with pymupdf.Document() as made:
        for number in range(30):
            made.new_page().insert_text((50, 100), f"page {number} of the budget" + (" closing" if number == 17 else ""))
        document = service.open(made.tobytes())
    assert len(service.search(document, "budget")) == 30
    assert [hit.page for hit in service.search(document, "closing")] == [17]
    assert [hit.page for hit in service.search(document, "ＣＬＯＳＩＮＧ")] == [17]
    assert service.search(document, "nowhere") == []


def test_old_forms_are_asked_for(service: TileService) -> None:
    document = service.open(page_of([("國會議員の髙橋", 30, 100, 14)]))
    assert service.search(document, "国会") == []
    assert len(service.search(document, "国会", old_forms=True)) == 1
    assert len(service.search(document, "国会", old_forms=True)) == 1, "from what is kept, too"


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
