"""What clerks do with papers, folders and people in a real browser: what changed, moves, notes, reasons, groups."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from house import NEEDS_CHROMIUM, House, Visits, browser, choose, fits, house, more, pdf, visit

pytestmark = NEEDS_CHROMIUM
__all__ = ["browser", "house", "visit"]


def test_what_changed_is_shown_page_by_page_after_a_replacement(visit: Visits, house: House, tmp_path: Path) -> None:
    folder = house.folder("変更点")
    texts = ["表紙の紙", "第一章 予算", "第二章 決算", "第三章 監査", "終わりの紙"]
    house.paper(folder, "予算.pdf", pdf(*texts))
    tab = visit(place=f"#folder={folder}")
    (tmp_path / "新.pdf").write_bytes(pdf(texts[0], "新しい目次の頁", *texts[1:3], texts[4]))
    tab.get_by_role("button", name="More: 予算").click()
    choose(tab, "Replace by another file", tmp_path / "新.pdf")
    changes = tab.locator("dialog .changes")
    changes.wait_for(timeout=60_000)

    def check() -> None:
        changes.wait_for()
        assert changes.locator("li > p").all_text_contents() == [
            "Page 1: as before",
            "Page 2 is new",
            "Pages 3 to 4: as pages 2 to 3 before",
            "Page 4 was removed",
            "Page 5: as before",
        ]
        tab.wait_for_function("() => document.querySelectorAll('.changes .cover[data-here]').length === 2")
        assert changes.locator("figcaption").all_text_contents() == ["Now: page 2", "Before: page 4"]

    check()
    fits(tab)
    tab.keyboard.press("Escape")
    tab.get_by_role("button", name="What changed").click()
    check()
    tab.keyboard.press("Escape")
    more(tab, "予算", "Revisions")
    tab.locator("dialog .rows").get_by_role("button", name="What changed").click()
    check()


def test_files_are_dropped_on_an_inner_folder(visit: Visits, house: House) -> None:
    outer = house.folder("外")
    inner = house.ask("POST", f"folders/{outer}", {"name": "内"})["id"]
    tab = visit(place=f"#folder={outer}")
    tab.wait_for_selector(".folders li")
    dropped = tab.evaluate_handle(
        """bytes => { const files = new DataTransfer();
        files.items.add(new File([Uint8Array.from(bytes)], '中へ.pdf', {type: 'application/pdf'})); return files; }""",
        list(pdf("中へ")),
    )
    tab.dispatch_event(".folders li", "dragover", {"dataTransfer": dropped})
    assert tab.get_attribute(".folders li", "data-into") == "Drop into “内”"
    assert tab.get_attribute("#shelf", "data-drop") is None
    tab.dispatch_event(".folders li", "drop", {"dataTransfer": dropped})
    tab.wait_for_selector(".upload[data-state=done]", timeout=30_000)
    tab.locator(".section").get_by_role("link", name="中へ").wait_for()  # it is a section now
    assert [one["name"] for one in house.ask("GET", f"folders/{inner}")["papers"]] == ["中へ"]


def test_papers_and_folders_move_to_other_folders(visit: Visits, house: House) -> None:
    outer = house.folder("元")
    there = house.ask("POST", f"folders/{outer}", {"name": "行き先"})["id"]
    here = house.ask("POST", f"folders/{outer}", {"name": "今の場所"})["id"]
    paper = house.paper(here, "動く.pdf", pdf("動く"))
    tab = visit(place=f"#folder={here}")
    tab.get_by_role("link", name="動く").wait_for()
    more(tab, "動く", "Move to another folder")
    asked = tab.locator("dialog").last
    asked.get_by_role("button", name="Open 行き先").click()
    asked.get_by_text("Shelf › 元 › 行き先").wait_for()
    asked.get_by_role("button", name="Move here").click()
    tab.wait_for_selector(".empty:visible")
    assert house.ask("GET", f"papers/{paper}")["folder"] == there
    tab.get_by_role("button", name="This folder").click()
    tab.get_by_role("button", name="Move to another folder").click()
    asked = tab.locator("dialog").last
    asked.get_by_role("button", name="Open 行き先").wait_for()
    assert asked.get_by_role("button", name="Open 今の場所").count() == 0, "not into itself"
    asked.get_by_role("button", name="Open 行き先").click()
    asked.get_by_text("Shelf › 元 › 行き先").wait_for()
    asked.get_by_role("button", name="Move here").click()
    tab.locator(".way").get_by_role("link", name="行き先").wait_for()


def test_nothing_moves_before_it_is_known_where_one_is(visit: Visits, house: House) -> None:
    here = house.folder("まだ読まない")
    house.paper(here, "待つ.pdf", pdf("待つ"))
    tab = visit(place=f"#folder={here}")
    tab.get_by_role("link", name="待つ").wait_for()
    held: list[Any] = []
    tab.route(re.compile(r"/folders/"), lambda one: held.append(one))
    more(tab, "待つ", "Move to another folder")
    go = tab.locator("dialog").last.get_by_role("button", name="Move here")
    go.wait_for()
    assert go.is_disabled()
    for one in held:
        one.continue_()
    tab.locator("dialog").last.get_by_role("button", name="Open まだ読まない").wait_for()
    assert go.is_enabled(), "the top is another place"


def test_notes_levels_and_kinds_are_set(visit: Visits, house: House) -> None:
    outer = house.folder("設定")
    folder = house.ask("POST", f"folders/{outer}", {"name": "委員会"})["id"]
    paper = house.paper(folder, "案.pdf", pdf("案"))
    tab = visit(place=f"#folder={folder}")
    more(tab, "案", "Note, and what readers may do")
    tab.get_by_label("Note", exact=True).fill("当日配布")
    tab.get_by_label("What readers may do", exact=True).select_option("online")
    save_last(tab)
    tab.get_by_text("当日配布").wait_for()
    found = house.ask("GET", f"papers/{paper}")
    assert (found["note"], found["level"]) == ("当日配布", "online")
    tab.get_by_role("button", name="This folder").click()
    tab.get_by_role("button", name="Kind and note").click()
    tab.get_by_label("Kind", exact=True).select_option("meeting")
    tab.get_by_label("Note", exact=True).fill("第一委員会室")
    save_last(tab)
    tab.locator(".note", has_text="第一委員会室").wait_for()
    assert house.ask("GET", f"folders/{folder}")["kind"] == "meeting"


def save_last(tab: Any) -> None:
    tab.locator("dialog").last.get_by_role("button", name="Save").click()
    tab.wait_for_selector("dialog", state="detached")


def test_a_paper_is_withdrawn_with_a_reason_that_goes_when_it_is_put_back(visit: Visits, house: House) -> None:
    folder = house.folder("理由")
    paper = house.paper(folder, "案.pdf", pdf("案"))
    house.ask("PATCH", f"papers/{paper}", {"note": "原案"})
    tab = visit(place=f"#folder={folder}")
    more(tab, "案", "Withdraw")
    tab.get_by_label("Reason").fill("数字の誤り")
    tab.locator("dialog").last.get_by_role("button", name="Withdraw").click()
    tab.wait_for_selector("[data-state=withdrawn]")
    tab.get_by_text("Withdrawn: 数字の誤り").wait_for()
    more(tab, "案", "Put back")
    tab.locator("dialog").last.get_by_role("button", name="Put back").click()
    tab.wait_for_selector("[data-state=ready]")
    tab.wait_for_function("() => !document.body.textContent.includes('数字の誤り')")
    assert house.ask("GET", f"papers/{paper}")["note"] == "原案"


def test_the_groups_of_a_person_are_set(visit: Visits, house: House) -> None:
    tab = visit()
    tab.get_by_role("button", name="People").click()
    row = tab.locator("dialog .rows li", has_text="議員").first
    row.get_by_text("More", exact=True).click()
    row.get_by_role("button", name="Groups").click()
    asked = tab.locator("dialog").last
    assert asked.get_by_label("財政", exact=True).is_checked()
    asked.get_by_label("Another group").fill("総務")
    asked.get_by_role("button", name="Save").click()
    tab.locator("dialog .rows li", has_text="総務, 財政").wait_for()
    row.get_by_text("More", exact=True).click()
    row.get_by_role("button", name="Groups").click()
    tab.locator("dialog").last.get_by_label("総務", exact=True).uncheck()
    tab.locator("dialog").last.get_by_role("button", name="Save").click()
    tab.wait_for_function("() => document.querySelectorAll('dialog').length === 1")
    [found] = [one["groups"] for one in house.ask("GET", "people")["people"] if one["name"] == "議員"]
    assert found == ["財政"]


def test_the_time_in_which_a_paper_is_shown_is_told_in_words(visit: Visits, house: House) -> None:
    folder = house.folder("公開期間")
    paper = house.paper(folder, "案.pdf", pdf("案"))
    tab = visit(place=f"#folder={folder}", locale="ja-JP", timezone_id="Asia/Tokyo")
    house.ask("PATCH", f"papers/{paper}", {"from_s": 4086460800.0})  # 2099-06-30 00:00 UTC
    tab.get_by_text("2099年6月30日 9:00 から公開").wait_for()
    tab.get_by_role("button", name="操作：案").click()
    assert "2099年6月30日 9:00 から公開" in tab.locator("dialog .menu").inner_text()
