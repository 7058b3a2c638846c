"""A clerk destroys the marks of a folder in a real browser, after its name was typed; who only tends it is not offered that."""

from __future__ import annotations

from house import NEEDS_CHROMIUM, House, Visits, browser, house, pdf, visit
from mark_hall import DEVICE, NOTE, mark

pytestmark = NEEDS_CHROMIUM

__all__ = ["browser", "house", "visit"]
LATE_MS = 30_000
FOLDER = "令和8年3月定例会"


def test_a_clerk_types_the_name_of_the_folder_and_the_marks_are_gone(house: House, visit: Visits) -> None:
    folder = house.folder(FOLDER)
    paper = house.paper(folder, "予算書.pdf", pdf("予算", "決算"))
    house.ask("POST", f"papers/{paper}/marks", {"device": DEVICE, "marks": [mark(NOTE), mark(NOTE, page=1)]})
    tab = visit("事務局員", f"#folder={folder}", locale="ja-JP")
    tab.get_by_role("button", name="このフォルダー").click(timeout=LATE_MS)
    tab.get_by_role("button", name="書き込みをすべて消去").click(timeout=LATE_MS)
    go = tab.locator("dialog[open] form button.grave, [role=dialog] form button.grave").last
    go.wait_for(timeout=LATE_MS)
    assert go.is_disabled()
    tab.get_by_label("フォルダーの名前").fill("ほかの名前")
    assert go.is_disabled()
    assert len(house.ask("GET", f"papers/{paper}/marks")["marks"]) == 2
    tab.get_by_label("フォルダーの名前").fill(FOLDER)
    go.click()
    tab.get_by_role("status").filter(has_text="2件の書き込みを消去しました").wait_for(timeout=LATE_MS)
    assert house.ask("GET", f"papers/{paper}/marks")["marks"] == []


def test_who_tends_the_folder_and_is_no_clerk_is_not_offered_that(house: House, visit: Visits) -> None:
    folder = house.folder("委員会")
    grants = [{"kind": "group", "subject": "財政", "right": "tend"}]
    house.ask("PUT", f"folders/{folder}/access", {"grants": grants})
    tab = visit("議員", f"#folder={folder}", locale="ja-JP")
    tab.get_by_role("button", name="このフォルダー").click(timeout=LATE_MS)
    tab.get_by_role("button", name="名前の変更").wait_for(timeout=LATE_MS)
    assert tab.get_by_role("button", name="書き込みをすべて消去").count() == 0
