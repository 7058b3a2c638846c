"""Folding: which characters are one for who searches."""

from __future__ import annotations

import unicodedata

import pytest

from sidebooks_core.text.folded_pages import FoldedPages
from sidebooks_core.text.folding import fold, fold_old_forms, needed, query_pattern
from sidebooks_core.text.folding_tables import HYOGAI, JINMEI, JOYO, NAMES
from sidebooks_core.text.pages import Folded


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
