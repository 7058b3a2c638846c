"""The shelf in a real browser: ways in, folders, uploads that go on, papers that change under their readers, search."""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pymupdf
import pytest
from conftest import ROOT
from test_viewer import CHROMIUM, axe, canvas_pixels, shown

sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright", exc_type=ImportError)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")
__all__ = ["axe"]

PASSWORD = "石川や浜の真砂は尽くるとも"
CHUNK = 8 << 20
SIZES = {"phone": (360, 740), "tablet": (1280, 800)}


class House:
    """A server of its own, with an administrator, and what tests ask of it beside the browser."""

    def __init__(self, folder: Path) -> None:
        command = [sys.executable, str(ROOT / "tests" / "shelf_house.py"), str(folder / "data"), str(folder / "cache")]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        with self.process.stdout as told:
            self.address, token = told.readline().split()
        made = urllib.request.Request(
            f"{self.address}setup",
            json.dumps({"token": token, "name": "係長", "password": PASSWORD}).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(made, timeout=60) as reply:
            self.cookie = reply.headers["Set-Cookie"].partition(";")[0]
        self.ask("POST", "people", {"name": "議員", "role": "member", "password": PASSWORD, "groups": ["財政"]})
        self.ask("POST", "people", {"name": "事務局員", "role": "clerk", "password": PASSWORD})

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        data = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        kind = "application/octet-stream" if isinstance(body, bytes) else "application/json"
        headers = {"Cookie": self.cookie, "Content-Type": kind}
        asked = urllib.request.Request(f"{self.address}{path}", data, headers, method=method)
        with urllib.request.urlopen(asked, timeout=120) as reply:
            read = reply.read()
            return json.loads(read) if read else None

    def folder(self, name: str) -> str:
        made: str = self.ask("POST", "folders/top", {"name": name})["id"]
        return made

    def paper(self, folder: str, name: str, content: bytes) -> str:
        made: str = self.ask("POST", f"folders/{folder}/papers?filename={urllib.request.quote(name)}", content)["id"]
        return made


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    made = House(tmp_path_factory.mktemp("house"))
    yield made
    made.process.kill()
    made.process.wait()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield running
        running.close()


Visits = Callable[..., Any]


@pytest.fixture
def visit(browser: Any, house: House) -> Iterator[Visits]:
    """Opens a tab of a browser of its own, with somebody logged in. What scripts complain of fails the test."""
    contexts: list[Any] = []
    problems: list[str] = []

    def made(who: str | None = "係長", place: str = "", size: str = "tablet", **options: Any) -> Any:
        width, height = SIZES[size]
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        contexts.append(context)
        if who is not None:
            reply = context.request.post(f"{house.address}login", data={"name": who, "password": PASSWORD})
            assert reply.ok, reply.text()
        tab = context.new_page()
        tab.on("pageerror", lambda error: problems.append(str(error)))
        tab.on("console", lambda one: problems.append(one.text) if "Content Security Policy" in one.text else None)
        tab.goto(f"{house.address}{place}")
        return tab

    yield made
    for context in contexts:
        context.close()
    assert not problems


def pdf(*words: str, ballast: int = 0, password: str = "") -> bytes:
    """A document with a page for each text, and so many bytes that cannot be compressed."""
    with pymupdf.open() as made:
        for text in words:
            page = made.new_page()
            page.insert_text((72, 100), text, fontsize=20, fontname="japan")
            page.insert_text((72, 140), f"{len(text)} characters", fontsize=12)
        if ballast:
            made.embfile_add("ballast", random.Random(ballast).randbytes(ballast))
        locked = {"encryption": pymupdf.PDF_ENCRYPT_AES_256, "user_pw": password, "owner_pw": password} if password else {}
        content: bytes = made.tobytes(**locked)
        return content


def picture(tab: Any, name: str) -> None:
    """For somebody to look at, where the environment names a folder."""
    seen = os.environ.get("SIDEBOOKS_SCREENSHOTS")
    if seen:
        tab.screenshot(path=str(Path(seen) / f"shelf-{name}.png"))


def papers(tab: Any) -> list[str]:
    return [one.strip() for one in tab.locator(".papers .open strong").all_text_contents()]


def choose(tab: Any, button: str, *files: Path) -> None:
    """Press a button, and choose files in the dialog of the browser."""
    with tab.expect_file_chooser() as chooser:
        tab.get_by_role("button", name=button).click()
    chooser.value.set_files(list(files))


def more(tab: Any, name: str, action: str) -> None:
    """Choose an action of a paper."""
    tab.get_by_role("button", name=f"More: {name}").click()
    tab.locator("dialog .menu").get_by_text(action, exact=True).click()


# Ways in.


def test_a_name_and_a_password_open_the_shelf(visit: Visits, house: House) -> None:
    tab = visit(None)
    name, password = tab.get_by_label("Name"), tab.get_by_label("Password", exact=True)
    assert (name.get_attribute("autocomplete"), password.get_attribute("autocomplete")) == ("username", "current-password")
    assert name.evaluate("one => one === document.activeElement")
    name.fill("係長")
    password.fill("wrong, wrong")
    tab.get_by_label("Show the password").check()
    assert password.get_attribute("type") == "text"
    password.press("Enter")
    tab.wait_for_selector(".error:visible")
    assert tab.inner_text(".error") == "The name or the password is wrong."
    password.fill(PASSWORD)
    password.press("Enter")
    tab.wait_for_selector(".account")
    assert "係長" in tab.inner_text(".account")
    tab.click(".account")
    tab.get_by_role("button", name="Log out").click()
    tab.get_by_role("heading", name="Log in").wait_for()


def test_who_must_wait_is_told_how_long(visit: Visits) -> None:
    tab = visit(None)
    tab.route("**/login", lambda route: route.fulfill(status=429, headers={"Retry-After": "2"}, json={"detail": "later"}))
    tab.get_by_label("Name").fill("x")
    tab.get_by_label("Password", exact=True).fill("x")
    tab.get_by_role("button", name="Log in").click()
    tab.wait_for_selector("text=Please wait 2 seconds")
    assert tab.get_by_role("button", name="Log in").is_disabled()
    tab.wait_for_selector("text=Please wait 1 seconds")
    tab.wait_for_function("() => !document.querySelector('button.main').disabled")


def test_a_link_to_a_paper_leads_there_after_the_login(visit: Visits, house: House) -> None:
    paper = house.paper(house.folder("深い所"), "議案.pdf", pdf("一", "二", "三"))
    tab = visit(None, f"#paper={paper}/2")
    tab.get_by_label("Name").fill("議員")
    tab.get_by_label("Password", exact=True).fill(PASSWORD)
    tab.get_by_role("button", name="Log in").click()
    shown(tab, 2)
    assert tab.inner_text("#title") == "議案"


def test_a_guest_comes_by_a_link(visit: Visits, house: House) -> None:
    folder = house.folder("傍聴席")
    house.paper(folder, "資料.pdf", pdf("傍聴"))
    clerk = visit(place=f"#folder={folder}")
    clerk.get_by_role("button", name="Guests’ link").click()
    clerk.get_by_role("button", name="Make a link").click()
    clerk.wait_for_function("() => document.querySelector('.qr')?.naturalWidth > 20")
    address = clerk.input_value(".address")
    guest = visit(None, address.removeprefix(house.address))
    guest.get_by_label("What are you called?").fill("山田")
    guest.get_by_role("button", name="Open the papers").click()
    guest.wait_for_selector(".account")
    assert "#join" not in guest.url, "the secret is in no history"
    guest.get_by_role("link", name="傍聴席").click()
    guest.get_by_role("link", name="資料").wait_for()
    assert guest.get_by_role("button", name=re.compile("Add|More|New")).count() == 0
    guest.get_by_role("link", name="資料").click()
    shown(guest, 1)
    clerk.keyboard.press("Escape")
    more(clerk, "資料", "Who has opened it")
    clerk.locator("dialog", has_text="山田").last.wait_for()
    again = visit(None, f"#join={'x' * 43}")
    again.get_by_role("button", name="Open the papers").click()
    again.wait_for_selector("text=This link is not valid any more")


def test_the_login_of_a_lost_tablet_is_ended_from_elsewhere(visit: Visits, house: House) -> None:
    folder = house.folder("紛失")
    paper = house.paper(folder, "秘密.pdf", pdf("秘密"))
    lost = visit("議員", f"#paper={paper}/1")
    shown(lost, 1)
    lost.wait_for_timeout(1500)
    mine = visit("議員")
    mine.click(".account")
    rows = mine.locator("dialog .rows li")
    rows.first.wait_for()
    while mine.locator("dialog .rows button").count():
        before = rows.count()
        mine.locator("dialog .rows button").first.click()
        mine.wait_for_function(f"() => document.querySelectorAll('dialog .rows li').length < {before}")
    lost.get_by_role("heading", name="Log in").wait_for(timeout=20_000)
    assert lost.evaluate("window.sidebooks.book") is None


def test_a_link_that_opens_on_this_machine_alone_says_so(visit: Visits, house: House) -> None:
    clerk = visit("事務局員", f"#folder={house.folder('手元')}")

    def make() -> Any:
        clerk.get_by_role("button", name="Guests’ link").click()
        clerk.get_by_role("button", name="Make a link").click()
        clerk.wait_for_selector("dialog .qr")
        return clerk.locator("dialog").get_by_text("opens on this computer alone")

    assert make().is_visible()
    clerk.keyboard.press("Escape")

    def publish(route: Any) -> None:
        if route.request.method != "POST":
            route.continue_()
            return
        told = route.fetch().json()
        route.fulfill(status=201, json={**told, "address": "https://books.town.example/#join=x"})

    clerk.route("**/folders/*/links", publish)
    assert make().count() == 0


# Who may see a folder.


def access_dialog(tab: Any) -> Any:
    tab.get_by_role("button", name="Who may see it").click()
    tab.wait_for_selector("dialog [name=access]")
    return tab.locator("dialog")


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

    def cut(route: Any) -> None:
        if route.request.method != "PATCH":
            route.continue_()
            return
        offsets.append(route.request.headers["upload-offset"])
        if len(offsets) == 2:
            route.abort("connectionreset")
        else:
            route.continue_()

    tab.route("**/uploads/*", cut)
    choose(tab, "Add papers", tmp_path / "大.pdf")
    tab.wait_for_selector("text=going on by itself", timeout=60_000)
    tab.wait_for_selector(".upload[data-state=done]", timeout=60_000)
    assert offsets == ["0", str(CHUNK), str(CHUNK)]


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
    others = [one for one in asked if not re.search(r"^documents/\w+/(pages/\d+/(WxH|text|links|preview)|hints)$", one)]
    assert others == []
    tab.wait_for_timeout(3000)
    assert [one for one in asked if one.endswith("/position")] == [f"papers/{paper}/position"], "once, when the reader rests"


# The search over all papers.


def test_a_hit_of_the_search_opens_its_page_with_the_hit_marked(visit: Visits, house: House) -> None:
    folder = house.folder("検索")
    house.paper(folder, "水道.pdf", pdf("はじめに", "水道管の耐震化", "おわりに"))
    house.paper(folder, "道路.pdf", pdf("道路", "水道管の横の道路"))
    tab = visit("議員")
    tab.wait_for_selector("input[type=search]")
    for _ in range(40):  # the words of a paper follow its pages
        tab.get_by_label("Search in all papers").fill("水道管")
        tab.get_by_role("button", name="Search").click()
        tab.wait_for_function("() => /^Found on|^Nothing/.test(document.querySelector('[role=status]').textContent)")
        if tab.locator(".found > li").count() == 2:
            break
        tab.wait_for_timeout(250)
        tab.reload()
    assert sorted(tab.locator(".found h2").all_text_contents()) == ["水道", "道路"]
    assert tab.locator(".found mark").first.text_content() == "水道管"
    picture(tab, "search")
    tab.locator(".found > li").filter(has=tab.get_by_role("heading", name="水道")).get_by_role("link").click()
    shown(tab, 2)
    tab.wait_for_timeout(300)
    pixels = canvas_pixels(tab).astype(int)
    marked = (pixels[..., 0] > 230) & (pixels[..., 2] < 190) & (pixels[..., 3] == 255)
    assert np.count_nonzero(marked) > 100
    tab.go_back()
    tab.get_by_role("heading", name="Search: 水道管").wait_for()
    tab.get_by_label("Search in all papers").fill("どこにもない言葉")
    tab.keyboard.press("Enter")
    tab.wait_for_selector("text=Nothing found for")


def test_a_search_says_how_many_papers_are_still_being_read(visit: Visits) -> None:
    tab = visit("議員")
    tab.wait_for_selector("input[type=search]")
    counts = [3, 1, 0]

    def answer(route: Any) -> None:
        asked = parse_qs(urlsplit(route.request.url).query)["q"][0]
        route.fulfill(json={"query": asked, "pages": [], "next": None, "unindexed": int(asked[-1])})

    tab.route("**/search?*", answer)
    for count, text in zip(counts, ("3 papers are still being read", "1 paper is still being read", ""), strict=True):
        tab.get_by_label("Search in all papers").fill(f"言葉{count}")
        tab.keyboard.press("Enter")
        tab.wait_for_selector(f"text=Nothing found for “言葉{count}”")
        assert tab.locator(".unindexed").inner_text().startswith(text) if text else tab.locator(".unindexed").is_hidden()


def test_a_search_that_found_nothing_goes_on_when_a_paper_has_been_read(visit: Visits, house: House) -> None:
    tab = visit("議員")
    tab.wait_for_selector("input[type=search]")
    unread = [True]

    def answer(route: Any) -> None:
        hit = {
            "paper": "p",
            "name": "水道",
            "page": 2,
            "preview": None,
            "hits": [{"page": 2, "boxes": [], "text": "水道管の耐震化"}],
        }
        is_read = not unread[0]
        route.fulfill(json={"query": "水道管", "pages": [hit] * is_read, "next": None, "unindexed": int(not is_read)})

    tab.route("**/search?*", answer)
    tab.get_by_label("Search in all papers").fill("水道管")
    tab.keyboard.press("Enter")
    tab.wait_for_selector("text=1 paper is still being read")
    unread[0] = False
    house.folder("何かが変わった")
    tab.wait_for_selector("text=Found on 1 page")
    assert tab.locator(".unindexed").is_hidden()


# For everybody.


@pytest.mark.parametrize("locale", ["en-GB", "ja-JP"])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_screen_fits_and_fingers_reach_everything(
    visit: Visits, house: House, locale: str, size: str, scheme: str
) -> None:
    folder = house.folder(f"とても長い名前の会議 {locale} {size} {scheme} ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    house.paper(folder, "議案第1号 令和8年度一般会計補正予算（第3号）について.pdf", pdf("補正予算"))
    house.paper(folder, "鍵のある文書.pdf", pdf("鍵", password="x"))
    is_japanese = locale == "ja-JP"
    name = f"{size}-{scheme}-{locale}"
    options = {"locale": locale, "color_scheme": scheme}
    out = visit(None, "", size, **options)
    out.wait_for_selector(".entry input")
    assert out.inner_text("h1") == ("ログイン" if is_japanese else "Log in")
    fits(out)
    picture(out, f"login-{name}")
    tab = visit("係長", "", size, **options)
    tab.wait_for_selector(".folders a")
    fits(tab)
    tab.goto(f"{house.address}#folder={folder}")
    tab.wait_for_function("() => document.querySelectorAll('.papers li').length === 2")
    tab.wait_for_function("() => [...document.querySelectorAll('.preparing')].every(one => one.hidden)", timeout=30_000)
    fits(tab)
    picture(tab, f"folder-{name}")
    assert tab.evaluate("document.documentElement.lang") == locale[:2]
    for button in (
        ".papers .more",
        ".tools button.account",
        "#shelf > .buttons button:nth-child(3)",
        "#shelf > .buttons button:nth-child(4)",
    ):
        tab.locator(button).first.click()
        tab.wait_for_selector("dialog button")
        tab.wait_for_timeout(150)
        fits(tab)
        picture(tab, f"dialog{len(button)}-{name}")
        tab.keyboard.press("Escape")
        tab.wait_for_selector("dialog", state="detached")
    tab.locator(".papers a").click()
    shown(tab, 1)
    fits(tab)
    picture(tab, f"reader-{name}")


def fits(tab: Any) -> None:
    """Nothing is cut off on the right, no text is small, and every control is large."""
    assert tab.evaluate("document.scrollingElement.scrollWidth <= innerWidth")
    small = tab.evaluate(
        """() => {
            const [dialog, least] = [document.querySelector('dialog'), document.getElementById('reader').hidden ? 44 : 36];
            return [...document.querySelectorAll('button, a, input, select, summary')]
                .filter(one => one.checkVisibility() && !one.closest('#text') && (!dialog || one.closest('dialog')))
                .filter(one => !['checkbox', 'radio', 'range'].includes(one.type))
                .map(one => [one.outerHTML, one.getBoundingClientRect(), parseFloat(getComputedStyle(one).fontSize)])
                .filter(([, box, size]) => box.width < 44 || box.height < least || size < 16 || box.right > innerWidth - 4);
        }"""
    )
    assert small == []


def test_all_of_it_works_by_keyboard(visit: Visits, house: House) -> None:
    folder = house.folder("鍵盤")
    house.paper(folder, "文書.pdf", pdf("一", "二"))
    tab = visit("係長", f"#folder={folder}")
    tab.get_by_role("link", name="文書").wait_for()

    def tab_to(name: str) -> None:
        for _ in range(40):
            tab.keyboard.press("Tab")
            if tab.evaluate("document.activeElement.ariaLabel || document.activeElement.textContent").startswith(name):
                return
        raise AssertionError(f"{name} is not reached")

    tab_to("More: 文書")
    tab.keyboard.press("Enter")
    tab.wait_for_selector("dialog .menu")
    tab.keyboard.press("Escape")
    tab.wait_for_selector("dialog", state="detached")
    assert tab.evaluate("document.activeElement.ariaLabel") == "More: 文書", "the focus comes back"
    tab.evaluate("document.activeElement.blur()")
    tab_to("文書")
    tab.keyboard.press("Enter")
    shown(tab, 1)
    tab.keyboard.press("ArrowRight")
    shown(tab, 2)


def test_the_language_changes_on_the_shelf(visit: Visits, house: House) -> None:
    tab = visit("係長", f"#folder={house.folder('言葉')}")
    tab.get_by_role("button", name="Add papers").wait_for()
    tab.get_by_role("button", name="日本語").click()
    tab.get_by_role("button", name="文書を追加").wait_for()
    tab.reload()
    tab.get_by_role("button", name="文書を追加").wait_for()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_accessibility_rule_is_broken(visit: Visits, house: House, axe: str, scheme: str) -> None:
    folder = house.folder(f"軸 {scheme}")
    house.paper(folder, "文書.pdf", pdf("一"))
    house.paper(folder, "鍵.pdf", pdf("鍵", password="x"))

    def check(tab: Any) -> None:
        tab.evaluate(axe)
        found = tab.evaluate(
            "() => axe.run().then(found => found.violations.map(one => [one.id, one.nodes.map(node => node.html)]))"
        )
        assert found == []

    out = visit(None, color_scheme=scheme)
    out.wait_for_selector(".entry input")
    check(out)
    tab = visit("係長", f"#folder={folder}", color_scheme=scheme)
    tab.get_by_role("link", name="文書").wait_for()
    check(tab)
    tab.get_by_role("button", name="More: 文書").click()
    tab.wait_for_selector("dialog .menu")
    check(tab)
    tab.keyboard.press("Escape")
    access_dialog(tab).locator("[value=some_people]").check()
    check(tab)


BY_VALUE = {
    "member", "clerk", "admin",  # roles
    "locked", "damaged", "unsupported", "too large",  # states of papers
    "waiting", "cut", "finishing", "cancelled",  # states of uploads
    "withdraw", "restore", "withdraw_sure", "restore_sure",
    "inserted", "removed", "moved",  # fates of pages
    "as_above", "clerks_only", "all_members", "everybody", "some_people", "right_none", "right_read", "right_tend",
    "e_lost", "e401", "e403", "e404", "e409", "e413", "e503", "e507",
}  # fmt: skip
"""Texts whose keys the scripts make of a value."""


def test_every_text_is_used_and_there_in_both_languages() -> None:
    viewer = ROOT / "sidebooks_core" / "server" / "viewer"
    texts: dict[str, dict[str, str]] = {}
    for language in ("en", "ja"):
        source = (viewer / f"words-{language}.js").read_text(encoding="utf-8")
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
