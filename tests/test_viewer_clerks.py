"""What clerks do in a real browser: who may see a folder, uploads that go on, papers that are changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from house import (
    CHUNK,
    NEEDS_CHROMIUM,
    House,
    Visits,
    access_dialog,
    browser,
    choose,
    fits,
    house,
    more,
    papers,
    pdf,
    picture,
    visit,
)
from viewer_screen import shown

pytestmark = NEEDS_CHROMIUM
__all__ = ["browser", "house", "visit"]


# Who may see a folder.


def chosen(asked: Any) -> str:
    return str(asked.locator("[name=access]:checked").get_attribute("value"))


def save(tab: Any) -> None:
    tab.locator("dialog").get_by_role("button", name="Save").click()
    tab.wait_for_selector("dialog", state="detached")


def grants_of(house: House, folder: str) -> list[tuple[str, str, str]] | None:
    grants = house.ask("GET", f"folders/{folder}/access")["grants"]
    return None if grants is None else sorted((one["kind"], one["subject"], one["right"]) for one in grants)


def member_of(house: House) -> str:
    [found] = [one["id"] for one in house.ask("GET", "people")["people"] if one["name"] == "議員"]
    return str(found)


@pytest.mark.parametrize("who", ["係長", "事務局員"])
def test_the_common_answers_to_who_may_see_a_folder(visit: Visits, house: House, who: str) -> None:
    folder = house.folder(f"閲覧 {who}")
    tab = visit(who, f"#folder={folder}")
    answers: dict[str, list[tuple[str, str, str]] | None] = {
        "clerks_only": [],
        "all_members": [("role", "member", "read")],
        "everybody": [("role", "citizen", "read")],
        "as_above": None,
    }
    before = "as_above"
    for answer, grants in answers.items():
        asked = access_dialog(tab)
        assert chosen(asked) == before
        assert asked.get_by_text("This replaces").count() == 0
        asked.locator(f"[value={answer}]").check()
        save(tab)
        assert grants_of(house, folder) == grants, answer
        before = answer


def test_an_admin_gives_rights_to_people_and_groups(visit: Visits, house: House) -> None:
    folder, member = house.folder("財政委員会"), member_of(house)
    tab = visit(place=f"#folder={folder}", size="phone")
    asked = access_dialog(tab)
    asked.locator("[value=some_people]").check()
    asked.get_by_label("議員", exact=True).select_option("tend")
    asked.get_by_label("Group 財政").select_option("read")
    asked.get_by_label("Another group").fill("監査")
    asked.get_by_label("Another group").press("Enter")
    asked.get_by_label("Group 監査").wait_for()
    asked.get_by_label("Another group").fill("傍聴")
    fits(tab)
    picture(tab, "access")
    save(tab)
    wanted = [("group", "傍聴", "read"), ("group", "監査", "read"), ("group", "財政", "read"), ("person", member, "tend")]
    assert grants_of(house, folder) == wanted
    asked = access_dialog(tab)
    assert chosen(asked) == "some_people"
    assert asked.get_by_label("議員", exact=True).input_value() == "tend"
    asked.get_by_label("Group 監査").select_option("none")
    asked.get_by_label("Group 傍聴").select_option("none")
    save(tab)
    assert grants_of(house, folder) == wanted[2:]


@pytest.mark.parametrize("who", ["係長", "事務局員"])
def test_what_the_list_of_rights_cannot_show_is_kept(visit: Visits, house: House, who: str) -> None:
    folder, member = house.folder(f"制限 {who}"), member_of(house)
    no_limits = {"pages": None, "long_side_px": None, "may_download": True, "may_print": True, "is_marked": False}
    given = [
        {"kind": "person", "subject": member, "right": "tend", "limits": no_limits},
        {"kind": "person", "subject": "gone", "right": "read", "limits": {**no_limits, "is_marked": True}},
        {"kind": "group", "subject": "財政", "right": "read", "limits": {**no_limits, "pages": [[1, 2]], "may_print": False}},
        {"kind": "role", "subject": "member", "right": "read", "limits": {**no_limits, "may_download": False}},
    ]

    def told() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = house.ask("GET", f"folders/{folder}/access")["grants"]
        return sorted(found, key=lambda one: given.index(next(row for row in given if row["subject"] == one["subject"])))

    house.ask("PUT", f"folders/{folder}/access", {"grants": given})
    tab = visit(who, f"#folder={folder}")
    asked = access_dialog(tab)
    assert chosen(asked) == "some_people"
    assert asked.get_by_text("With limits").count() == 2
    hidden = 1 if who == "係長" else 2
    assert asked.get_by_text(f"People whose names you cannot see have rights here: {hidden}.").is_visible()
    assert asked.get_by_text("This replaces").count() == 0
    save(tab)
    assert told() == given
    asked = access_dialog(tab)
    asked.get_by_label("Group 財政").select_option("tend")
    save(tab)
    given[2]["right"] = "tend"
    assert told() == given
    asked = access_dialog(tab)
    asked.locator("[value=clerks_only]").check()
    asked.get_by_text("This replaces the rights of people and groups").wait_for()
    save(tab)
    assert told() == []


# Uploads.


def test_files_are_uploaded_with_progress_and_stand_in_their_order(visit: Visits, house: House, tmp_path: Path) -> None:
    tab = visit(place=f"#folder={house.folder('六月')}")
    tab.wait_for_selector(".empty:visible")
    for number in (10, 2):
        (tmp_path / f"議案{number}.pdf").write_bytes(pdf(f"議案第{number}号", ballast=3 << 20))
    session = tab.context.new_cdp_session(tab)
    slow = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 3 << 20}
    session.send("Network.emulateNetworkConditions", slow)
    tab.evaluate(
        """() => { window.seen = []; new MutationObserver(() => { for (const one of document.querySelectorAll('progress'))
            window.seen.push(one.value); }).observe(document.body, {subtree: true, childList: true, characterData: true}); }"""
    )
    choose(tab, "Add papers", tmp_path / "議案10.pdf", tmp_path / "議案2.pdf")
    tab.wait_for_selector(".upload[data-state=sending]")
    picture(tab, "uploading")
    tab.wait_for_function("() => document.querySelectorAll('.upload[data-state=done]').length === 2", timeout=60_000)
    tab.wait_for_function("() => document.querySelectorAll('.papers li').length === 2")
    assert papers(tab) == ["議案2", "議案10"]
    assert any(0.05 < value < 0.95 for value in tab.evaluate("window.seen")), "something between nothing and all"
    tab.get_by_role("button", name="Clear the list").click()
    assert tab.locator(".uploads").is_hidden()


def test_files_are_dropped_on_the_folder(visit: Visits, house: House) -> None:
    tab = visit(place=f"#folder={house.folder('七月')}")
    tab.wait_for_selector(".empty:visible")
    dropped = tab.evaluate_handle(
        """bytes => { const files = new DataTransfer();
        files.items.add(new File([Uint8Array.from(bytes)], '落とした.pdf', {type: 'application/pdf'})); return files; }""",
        list(pdf("落とした")),
    )
    tab.dispatch_event("#shelf", "dragover", {"dataTransfer": dropped})
    assert tab.get_attribute("#shelf", "data-drop")
    tab.dispatch_event("#shelf", "drop", {"dataTransfer": dropped})
    tab.get_by_role("link", name="落とした").wait_for()
    assert tab.get_attribute("#shelf", "data-drop") is None


def test_an_upload_that_is_cut_goes_on_where_it_was(visit: Visits, house: House, tmp_path: Path) -> None:
    tab = visit(place=f"#folder={house.folder('八月')}")
    (tmp_path / "大.pdf").write_bytes(pdf("大きい", ballast=CHUNK + (1 << 20)))
    offsets: list[str] = []
    freed: list[bool] = []

    def cut(route: Any) -> None:
        if route.request.method != "PATCH":
            route.continue_()
            return
        offsets.append(route.request.headers["upload-offset"])
        if len(offsets) > 1 and not freed:
            route.abort("connectionreset")
        else:
            route.continue_()

    tab.route("**/uploads/*", cut)
    choose(tab, "Add papers", tmp_path / "大.pdf")
    tab.wait_for_selector("text=going on by itself", timeout=60_000)
    freed.append(True)
    tab.wait_for_selector(".upload[data-state=done]", timeout=60_000)
    assert offsets[0] == "0"
    assert len(offsets) > 2
    assert set(offsets[1:]) == {str(CHUNK)}


def test_an_upload_goes_on_after_the_page_was_loaded_anew(visit: Visits, house: House, tmp_path: Path) -> None:
    folder = house.folder("九月")
    tab = visit(place=f"#folder={folder}")
    (tmp_path / "大.pdf").write_bytes(pdf("やり直し", ballast=CHUNK + (2 << 20)))
    offsets: list[str] = []

    def cut(route: Any) -> None:
        if route.request.method == "PATCH":
            offsets.append(route.request.headers["upload-offset"])
        if route.request.method == "PATCH" and len(offsets) > 1 and route.request.headers["upload-offset"] != "0" and not freed:
            route.abort("connectionreset")
        else:
            route.continue_()

    freed: list[bool] = []
    tab.route("**/uploads/*", cut)
    choose(tab, "Add papers", tmp_path / "大.pdf")
    tab.wait_for_selector(".upload[data-state=cut]", timeout=60_000)
    tab.on("dialog", lambda dialog: dialog.accept())
    tab.reload()
    tab.wait_for_selector("text=“大.pdf” was not finished")
    picture(tab, "unfinished")
    freed.append(True)
    offsets.clear()
    choose(tab, "Choose the file again", tmp_path / "大.pdf")
    tab.wait_for_selector(".upload[data-state=done]", timeout=60_000)
    assert offsets == [str(CHUNK)], "what is there is not sent again"
    tab.get_by_role("link", name="大").wait_for()


def test_an_upload_is_cancelled(visit: Visits, house: House, tmp_path: Path) -> None:
    tab = visit(place=f"#folder={house.folder('中止')}")
    (tmp_path / "大.pdf").write_bytes(pdf("要らない", ballast=2 << 20))
    session = tab.context.new_cdp_session(tab)
    slow = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 200_000}
    session.send("Network.emulateNetworkConditions", slow)
    choose(tab, "Add papers", tmp_path / "大.pdf")
    tab.wait_for_selector(".upload[data-state=sending]")
    tab.get_by_role("button", name="Cancel: 大.pdf").click()
    tab.wait_for_selector(".upload[data-state=cancelled]", timeout=20_000)
    assert papers(tab) == []
    assert tab.evaluate("Object.keys(localStorage).filter(one => one.startsWith('sidebooks upload'))") == []


# Papers.


def test_who_replaces_a_paper_that_somebody_else_has_replaced_is_told(visit: Visits, house: House, tmp_path: Path) -> None:
    folder = house.folder("同時")
    paper = house.paper(folder, "予算.pdf", pdf("第一版"))
    clerk = visit(place=f"#folder={folder}")
    clerk.get_by_role("button", name="More: 予算").click()
    (tmp_path / "乙.pdf").write_bytes(pdf("乙の版", "二"))
    with clerk.expect_file_chooser() as chooser:
        clerk.get_by_role("button", name="Replace by another file").click()
    house.ask("POST", f"papers/{paper}/revisions?filename=ko.pdf", pdf("甲の版", "二", "三"))
    chooser.value.set_files([tmp_path / "乙.pdf"])
    clerk.wait_for_selector(".upload[data-state=failed]", timeout=30_000)
    assert "Somebody else has replaced this paper" in clerk.inner_text(".upload small")
    assert clerk.locator(".upload .again").is_hidden(), "the same again would fail again"
    assert clerk.evaluate("Object.keys(localStorage).filter(one => one.startsWith('sidebooks upload'))") == []
    found = house.ask("GET", f"papers/{paper}")
    assert (found["revision"], found["page_count"]) == (2, 3)
    clerk.get_by_role("button", name="日本語").click()
    clerk.wait_for_function("() => document.querySelector('.upload small').textContent.includes('ほかの人が先に')")
    clerk.get_by_role("button", name="操作：予算").click()
    choose(clerk, "別のファイルに差し替え", tmp_path / "乙.pdf")
    clerk.wait_for_selector(".upload[data-state=done]", timeout=30_000)
    assert house.ask("GET", f"papers/{paper}")["revision"] == 3, "who has seen it may replace it"


def test_papers_are_renamed_moved_and_removed_for_good(visit: Visits, house: House) -> None:
    folder = house.folder("順番")
    for name in ("一.pdf", "二.pdf"):
        house.paper(folder, name, pdf(name))
    tab = visit(place=f"#folder={folder}")
    tab.get_by_role("link", name="二").wait_for()
    more(tab, "二", "Move up")
    tab.wait_for_function("() => document.querySelector('.papers strong').textContent === '二'")
    more(tab, "一", "Rename")
    tab.locator("dialog").last.get_by_label("Name").fill("いち")
    tab.locator("dialog").last.get_by_role("button", name="Save").click()
    tab.get_by_role("link", name="いち").wait_for()
    more(tab, "二", "Remove for good")
    question = tab.locator("dialog").last
    go = question.get_by_role("button", name="Remove for good")
    assert go.is_disabled()
    question.get_by_label("Name of the paper").fill("二")
    go.click()
    tab.wait_for_function("() => document.querySelectorAll('.papers li').length === 1")
    assert papers(tab) == ["いち"]


def test_what_cannot_be_opened_says_why_and_takes_a_password(visit: Visits, house: House) -> None:
    folder = house.folder("開かない")
    house.paper(folder, "鍵.pdf", pdf("鍵", password="hirake goma"))
    house.paper(folder, "表.xlsx", b"PK\x03\x04 no sheet")
    tab = visit(place=f"#folder={folder}")
    tab.get_by_text("Locked: needs its password").wait_for()
    picture(tab, "locked")
    assert tab.locator("[data-state=unsupported], [data-state=damaged]").count() == 1
    assert tab.get_by_role("link", name="鍵").count() == 0
    tab.get_by_role("button", name="Give its password").click()
    tab.get_by_label("Password of the file").fill("wrong")
    tab.get_by_role("button", name="Unlock").click()
    tab.wait_for_selector("text=does not open the file")
    tab.get_by_label("Password of the file").fill("hirake goma")
    tab.get_by_role("button", name="Unlock").click()
    tab.get_by_role("link", name="鍵").click()
    shown(tab, 1)
