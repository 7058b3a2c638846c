"""The shelf in a real browser: papers that come, change and go under their readers, and lists of them."""

from __future__ import annotations

import re
import time
from pathlib import Path

from conftest import ROOT
from house import (
    NEEDS_CHROMIUM,
    House,
    Visits,
    browser,
    choose,
    house,
    more,
    pdf,
    picture,
    visit,
)
from viewer_screen import canvas_pixels, shown

pytestmark = NEEDS_CHROMIUM
__all__ = ["browser", "house", "visit"]


def test_a_replaced_paper_leads_its_reader_to_the_same_page(visit: Visits, house: House, tmp_path: Path) -> None:
    folder = house.folder("差し替え")
    texts = ["表紙の紙", "第一章 予算", "第二章 決算", "第三章 監査", "終わりの紙"]
    paper = house.paper(folder, "予算.pdf", pdf(*texts))
    reader = visit("議員", f"#paper={paper}/3")
    shown(reader, 3)
    reader.wait_for_timeout(1800)  # its stream of events
    clerk = visit(place=f"#folder={folder}")
    clerk.get_by_role("link", name="予算").wait_for()
    (tmp_path / "新.pdf").write_bytes(pdf(texts[0], "新しい目次の頁", *texts[1:4], "奥付を直した"))
    clerk.get_by_role("button", name="More: 予算").click()
    choose(clerk, "Replace by another file", tmp_path / "新.pdf")
    reader.wait_for_selector("#news:visible", timeout=30_000)
    assert "replaced" in reader.inner_text("#news")
    shown(reader, 4)
    assert reader.evaluate("window.sidebooks.book.pages.length") == 6
    reader.wait_for_function(f"() => location.hash === '#paper={paper}/4'")  # the address stays, but for the page
    clerk.wait_for_selector("text=/Replaced – .*1 inserted/", timeout=20_000)
    clerk.wait_for_function("() => document.querySelector('.papers').innerText.includes('6 pages')")
    picture(clerk, "replaced")
    picture(reader, "replaced-reader")


def test_a_withdrawn_paper_is_taken_away_from_its_reader(visit: Visits, house: House) -> None:
    folder = house.folder("取り下げ")
    paper = house.paper(folder, "誤り.pdf", pdf("誤り", "二"))
    reader = visit("議員", f"#paper={paper}/1")
    shown(reader, 1)
    reader.wait_for_timeout(1800)
    clerk = visit(place=f"#folder={folder}")
    more(clerk, "誤り", "Withdraw")
    question = clerk.locator("dialog").last
    assert "Nobody can read it" in question.inner_text()
    question.get_by_role("button", name="Cancel").click()
    clerk.wait_for_timeout(300)
    assert reader.locator("#reader").is_visible()
    clerk.locator("dialog .menu").get_by_text("Withdraw", exact=True).click()
    clerk.locator("dialog").last.get_by_role("button", name="Withdraw").click()
    reader.wait_for_selector("#news:visible", timeout=20_000)
    assert "withdrawn" in reader.inner_text("#news")
    assert reader.locator("#reader").is_hidden()
    assert not canvas_pixels(reader).any(), "nothing of it is left on the canvas"
    reader.wait_for_selector(".empty:visible")
    clerk.wait_for_selector("[data-state=withdrawn]")
    more(clerk, "誤り", "Put back")
    clerk.locator("dialog").last.get_by_role("button", name="Put back").click()
    reader.get_by_role("link", name="誤り").wait_for(timeout=20_000)


def test_a_paper_whose_time_begins_and_ends_comes_and_goes_by_itself(visit: Visits, house: House) -> None:
    folder = house.folder("期間")
    paper = house.paper(folder, "公開.pdf", pdf("公開", "二"))
    from_s = time.time() + 6
    house.ask("PATCH", f"papers/{paper}", {"from_s": from_s, "until_s": from_s + 8})
    member, clerk = visit("議員", f"#folder={folder}"), visit(place=f"#folder={folder}")
    member.wait_for_selector(".empty:visible")
    clerk.get_by_text("Not published yet").wait_for()
    member.get_by_role("link", name="公開").wait_for(timeout=20_000)
    assert -0.1 < time.time() - from_s < 2.5
    clerk.get_by_text("Not published yet").wait_for(state="detached", timeout=2000)
    member.get_by_role("link", name="公開").click()
    shown(member, 1)
    member.wait_for_selector("#news:visible", timeout=20_000)
    assert -0.1 < time.time() - from_s - 8 < 2.5
    assert "not published any longer" in member.inner_text("#news")
    assert member.locator("#reader").is_hidden()
    assert not canvas_pixels(member).any()
    member.wait_for_selector(".empty:visible")
    clerk.get_by_text("Published until").wait_for(timeout=5000)


def test_the_shelf_shows_what_changes_within_a_second(visit: Visits, house: House) -> None:
    folder = house.folder("生中継")
    tab = visit("議員", f"#folder={folder}")
    tab.wait_for_selector(".empty:visible")
    tab.wait_for_timeout(1500)
    tab.evaluate(
        """() => new MutationObserver(() => { const one = document.querySelector('.papers li strong');
            if (one && one.textContent === '緊急' && !window.seen_ms) window.seen_ms = Date.now(); })
            .observe(document.body, {subtree: true, childList: true})"""
    )
    paper = house.paper(folder, "緊急.pdf", pdf("緊急"))
    registered_ms = tab.evaluate("Date.now()")
    tab.get_by_role("link", name="緊急").wait_for(timeout=5000)
    assert tab.evaluate("window.seen_ms") - registered_ms < 1000
    tab.get_by_role("link", name="緊急").focus()
    house.paper(folder, "追加.pdf", pdf("追加"))
    tab.get_by_role("link", name="追加").wait_for()
    assert tab.evaluate("document.activeElement.textContent").startswith("緊急"), "the focus stays where it was"
    house.ask("PATCH", f"papers/{paper}", {"name": "緊急（改）", "place": 1})
    tab.get_by_role("link", name="緊急（改）").wait_for()
    tab.wait_for_function("() => document.querySelectorAll('.papers li strong')[1].textContent === '緊急（改）'")


def test_a_paper_that_is_not_published_yet_says_so_and_only_to_clerks(visit: Visits, house: House) -> None:
    folder = house.folder("公開前")
    paper = house.paper(folder, "案.pdf", pdf("案"))
    house.ask("PATCH", f"papers/{paper}", {"from_s": 4e9})
    clerk = visit(place=f"#folder={folder}")
    clerk.get_by_text("Not published yet").wait_for()
    member = visit("議員", f"#folder={folder}")
    member.wait_for_selector(".empty:visible")
    more(clerk, "案", "When it is shown")
    clerk.get_by_label("From").fill("")
    clerk.get_by_role("button", name="Save").click()
    member.get_by_role("link", name="案").wait_for()


def test_the_page_where_somebody_left_off_follows_them(visit: Visits, house: House) -> None:
    folder = house.folder("しおり")
    paper = house.paper(folder, "長い.pdf", pdf(*(f"{number} 頁" for number in range(1, 8))))
    first = visit("議員", f"#paper={paper}/2")
    shown(first, 2)
    with first.expect_response(re.compile("/position$"), timeout=10_000) as kept:
        first.locator("#position").fill("6")
    assert kept.value.ok
    second = visit("議員", f"#folder={folder}")
    second.get_by_role("link", name="長い").click()
    shown(second, 6)
    second.go_back()
    second.get_by_role("link", name="長い").wait_for()
    second.go_forward()
    shown(second, 6)
    second.click("#back")
    second.get_by_role("heading", name="しおり").wait_for()


def test_turning_pages_of_a_paper_asks_for_nothing_more_than_of_a_document(visit: Visits, house: House) -> None:
    paper = house.paper(house.folder("軽い"), "軽い.pdf", pdf(*(f"{number} 頁" for number in range(1, 9))))
    tab = visit("議員", f"#paper={paper}/1")
    shown(tab, 1)
    tab.wait_for_timeout(3000)
    asked: list[str] = []
    tab.on("request", lambda one: asked.append(re.sub(r"\d+x\d+", "WxH", one.url.removeprefix(house.address))))
    for page in (2, 4, 6):  # two pages lie side by side on this screen
        tab.keyboard.press("ArrowRight")
        shown(tab, page)
    # The icon is asked for by the browser itself, when it comes to it.
    expected = r"^documents/\w+/(pages/\d+/(WxH|text|links|preview)|hints)$|^viewer/icon\.svg$"
    others = [one for one in asked if not re.search(expected, one)]
    assert others == []
    tab.wait_for_timeout(3000)
    assert [one for one in asked if one.endswith("/position")] == [f"papers/{paper}/position"], "once, when the reader rests"


BY_VALUE = {
    "member", "clerk", "admin",  # roles
    "locked", "damaged", "unsupported", "too large",  # states of papers
    "waiting", "cut", "finishing", "cancelled",  # states of uploads
    "withdraw", "restore", "withdraw_sure", "restore_sure",
    "inserted", "removed", "moved",  # fates of pages
    "order_agenda", "order_name", "order_newest", "kind_folder", "kind_meeting", "kind_item",
    "level_open", "level_online", "level_keep", "map_old", "map_new",
    "fate_changed", "fate_inserted", "fate_removed", "fate_moved", "fate_same", "fate_same_one", "fate_same_as",
    "fate_same_one_as", "is_new", "is_changed", "locked_read", "unreadable_read", "locked_file", "damaged_file",
    "as_above", "clerks_only", "all_members", "everybody", "some_people", "right_none", "right_read", "right_tend",
    "why_last chair", "e_lost", "e401", "e403", "e404", "e409", "e413", "e503", "e507",
    "role_chair", "role_speaker", "make_chair", "make_speaker", "make_viewer", "vote_yes", "vote_no", "vote_abstain",
    "casting_yes", "casting_no", "ballot_named_short", "ballot_secret_short", "stage_open", "stage_closed", "stage_confirmed",
    "stage_broken off", "result_carried", "result_rejected", "result_tie", "result_no quorum", "rule_simple", "rule_cast",
    "rule_absolute", "rule_two thirds", "rule_three quarters", "rule_majority of two thirds", "rule_four fifths",
    "why_not open", "why_not on the roll", "why_not in the room", "why_chair does not vote",
    "ink_pen", "ink_marker", "ink_eraser", "ink_black", "ink_red", "ink_blue", "ink_green", "ink_yellow", "ink_pink", "ink_sky",
    "ink_thin", "ink_medium", "ink_thick",
}  # fmt: skip
"""Texts whose keys the scripts make of a value."""
TEXTS = ("words", "words-meeting", "words-notes", "words-ink", "words-changes")


def test_every_text_is_used_and_there_in_both_languages() -> None:
    viewer = ROOT / "sidebooks_core" / "server" / "viewer"
    texts: dict[str, dict[str, str]] = {}
    for language in ("en", "ja"):
        files = [viewer / f"{name}-{language}.js" for name in TEXTS]
        source = "\n".join(path.read_text(encoding="utf-8") for path in files)
        rows = re.findall(r'^  "?([\w ]+)"?: ("(?:[^"\\]|\\.)*"),$', source, re.M)
        assert len(rows) == len(re.findall(r"^  [^/\s]", source, re.M)), "each was read here"
        texts[language] = dict(rows)
        assert len(texts[language]) == len(rows), "none is there twice"
    sources = [path.read_text(encoding="utf-8") for path in viewer.glob("*.js") if not path.name.startswith("words-")]
    sources.append((viewer / "index.html").read_text(encoding="utf-8"))
    asked = set(re.findall(r'\bt\("([\w ]+)"', "".join(sources)))
    named = {key for key in texts["en"] if any(f'"{key}"' in one for one in sources)}
    assert list(texts["en"]) == list(texts["ja"])
    assert asked <= set(texts["en"])
    assert set(texts["en"]) == named | BY_VALUE
    for key, english in texts["en"].items():
        japanese = texts["ja"][key]
        marks = [set(re.findall(r"{\w+}", one)) for one in (english, japanese)]
        assert marks[0] == marks[1], key
        assert english != japanese, key
