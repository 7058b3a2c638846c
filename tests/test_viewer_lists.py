"""Lists of the shelf in a real browser: order, filter, sections, news, progress; thousands of rows; what goes wrong."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from house import NEEDS_CHROMIUM, House, Visits, browser, fits, house, papers, pdf, picture, visit
from served import until_listed
from viewer_screen import shown

pytestmark = NEEDS_CHROMIUM
__all__ = ["browser", "house", "visit"]

MANY = 2000
A_FRAME = 100
"""Rows that are built between two frames, at most: 60 and what the first screen needs."""


def pure(tab: Any, call: str, *given: Any) -> Any:
    """What a function of shelf_list.js gives."""
    return tab.evaluate(f"async (given) => (await import('./viewer/shelf_list.js')).{call}(...given)", list(given))


def test_lists_are_ordered_and_filtered_as_people_read_names(visit: Visits) -> None:
    tab = visit(None)
    names = ["議案第108号", "議案第１号", "議案第18号", "議案第 8 号", "議案第２８号", "議案第17号"]
    rows = [{"name": name, "note": "", "registered_s": number} for number, name in enumerate(names)]
    by_name = [one["name"] for one in pure(tab, "ordered", rows, "name")]
    assert by_name == ["議案第１号", "議案第 8 号", "議案第17号", "議案第18号", "議案第２８号", "議案第108号"]
    assert pure(tab, "ordered", rows, "newest")[0] == rows[-1]
    assert pure(tab, "ordered", rows, "agenda") == rows
    texts = [{"name": one} for one in ("ペット条例", "一般会計ＡＢＣ", "令 和８年度 予算")]
    for query, found in (
        ("ﾍﾟｯﾄ", 1), ("ぺっと", 1), ("abc", 1), ("令和8年", 1), ("予算 令和", 1), ("予算 条例", 0), ("", 3), ("　", 3),
    ):  # fmt: skip
        assert len(pure(tab, "matching", texts, query)) == found, query
    assert [pure(tab, "withoutEnding", one) for one in ("案.pdf", "R7.12.1", "a.b.PDF", ".pdf", "本.epub")] == [
        "案", "R7.12.1", "a.b", ".pdf", "本",
    ]  # fmt: skip


def test_news_progress_and_sections_are_decided_by_values(visit: Visits) -> None:
    tab = visit(None)
    paper = {"registered_s": 100, "revision": 2, "withdrawn_s": None}
    cases = [
        (paper, 50, None, "changed"),
        ({**paper, "revision": 1}, 50, None, "new"),
        (paper, 150, None, None),
        (paper, None, None, None),
        (paper, 50, {"revision": 1}, "changed"),
        (paper, 50, {"revision": 2}, None),
        ({**paper, "withdrawn_s": 120}, 50, None, None),
    ]
    for one, since, left, news in cases:
        assert pure(tab, "newsOf", one, since, left) == news
    assert pure(tab, "progressOf", 12, 143) == {"page": 12, "count": 143, "share": 12 / 143}
    assert [pure(tab, "progressOf", *one) for one in ((1, 9), (None, 9), (3, 0))] == [None] * 3
    assert pure(tab, "progressOf", 12, 9)["page"] == 9, "the paper is shorter by now"

    def folder(name: str, count: int, inner: int = 0) -> dict[str, Any]:
        inside = [{"id": f"{name}{one}"} for one in range(count)] if count < 13 else None
        return {"name": name, "folder_count": inner, "papers": inside}

    meeting = [folder("議案", 5), folder("資料", 12), folder("過年度", 400), folder("委員会", 2, inner=3), folder("空", 0)]
    found = pure(tab, "divided", meeting)
    assert [one["name"] for one in found["sections"]] == ["議案", "資料"]
    assert [one["name"] for one in found["rows"]] == ["過年度", "委員会", "空"]
    archive = pure(tab, "divided", [folder(f"{year}年", 10) for year in range(30)])
    assert (len(archive["rows"]), archive["sections"]) == (30, []), "a long list of folders stays one"
    fates = [("same", 1, 1), ("same", 2, 2), ("changed", 3, 3), ("inserted", None, 4), ("same", 4, 5), ("same", 5, 6)]
    runs = pure(tab, "runs", [dict(zip(("kind", "old_page", "new_page"), one, strict=True)) for one in fates])
    assert [(one["kind"], one["new_page"], one["count"]) for one in runs] == [
        ("same", 1, 2), ("changed", 3, 1), ("inserted", 4, 1), ("same", 5, 2),
    ]  # fmt: skip


def inner(house: House, parent: str, name: str, **more: str) -> str:
    made: str = house.ask("POST", f"folders/{parent}", {"name": name, **more})["id"]
    return made


@pytest.fixture(scope="module")
def meeting(house: House) -> dict[str, str]:
    """A meeting with its agenda, bills, and an archive of more papers than a section holds."""
    top = house.folder("六月定例会")
    bills, archive = inner(house, top, "議案"), inner(house, top, "過年度")
    for number in range(13):
        house.paper(archive, f"古い{number}.pdf", pdf(f"{number}"))
    made = {"top": top, "bills": bills, "archive": archive, "agenda": house.paper(top, "議事日程.pdf", pdf("日程", "二", "三"))}
    for number in (1, 18, 8, 108):
        made[f"bill{number}"] = house.paper(bills, f"議案第{number}号.pdf", pdf(*(f"{number} {page}" for page in range(5))))
    return made


def test_a_meeting_is_shown_with_its_folders_as_sections(visit: Visits, meeting: dict[str, str]) -> None:
    tab = visit("議員", f"#folder={meeting['top']}")
    section = tab.locator(".section")
    section.get_by_role("heading", name="議案").wait_for()
    assert section.locator(".papers strong").all_text_contents() == ["議案第1号", "議案第18号", "議案第8号", "議案第108号"]
    assert "13 papers" in tab.locator(".folders li").inner_text()
    tab.get_by_label("Order").select_option("name")
    tab.wait_for_function("() => document.querySelectorAll('.section .papers strong')[1].textContent === '議案第8号'")
    assert section.locator(".papers strong").all_text_contents() == ["議案第1号", "議案第8号", "議案第18号", "議案第108号"]
    tab.reload()
    section.get_by_role("heading", name="議案").wait_for()
    assert tab.get_by_label("Order").input_value() == "name", "it is remembered"
    tab.get_by_label("Find in this list").fill("第８号")
    tab.wait_for_function("() => document.querySelectorAll('.papers strong').length === 1")
    assert papers(tab) == ["議案第8号"]
    assert tab.locator(".told").first.inner_text() == "1 paper"
    tab.get_by_label("Find in this list").fill("どこにもない")
    tab.get_by_text("Nothing in this list").wait_for()
    tab.get_by_role("link", name="Search the texts").click()
    tab.get_by_role("heading", name="Search: どこにもない").wait_for()
    tab.go_back()
    section.get_by_role("heading", name="議案").wait_for()
    section.get_by_role("link", name="議案", exact=True).click()
    tab.get_by_role("heading", name="議案", level=1).wait_for()


def test_what_came_since_the_last_visit_is_marked_until_it_is_read(visit: Visits, house: House) -> None:
    folder = house.folder("新着")
    old = house.paper(folder, "古い.pdf", pdf("古い"))
    tab = visit("議員", f"#folder={folder}")
    tab.get_by_role("link", name="古い").wait_for()
    assert tab.locator(".news").count() == 0, "on the first visit nothing is news"
    time.sleep(0.05)
    ended_s = time.time()
    tab.evaluate(f"localStorage.setItem('sidebooks visit', JSON.stringify({{before_s: null, last_s: {ended_s} - 3600}}))")
    house.ask("PATCH", f"papers/{old}", {"note": "説明"})
    house.paper(folder, "新しい.pdf", pdf("新しい", "二"))
    tab.evaluate(f"localStorage.setItem('sidebooks visit', JSON.stringify({{before_s: {ended_s}, last_s: {time.time()}}}))")
    tab.reload()
    tab.get_by_role("link", name="新しい").wait_for()
    assert tab.locator("li", has=tab.locator(".news")).locator("strong").all_text_contents() == ["新しい"]
    assert "1 new or updated" in tab.locator(".since").inner_text()
    tab.get_by_role("link", name="新しい").click()
    shown(tab, 1)
    with tab.expect_response(re.compile("/position$"), timeout=10_000):
        tab.keyboard.press("ArrowRight")
    tab.click("#back")
    tab.wait_for_function("() => !document.querySelector('.news')")
    house.ask("POST", f"papers/{old}/revisions?filename=a.pdf", pdf("直した"))
    tab.locator(".news", has_text="Updated").wait_for()


def test_the_shelf_says_how_far_one_has_read_and_goes_on_there(visit: Visits, house: House, meeting: dict[str, str]) -> None:
    tab = visit("議員", f"#folder={meeting['top']}")
    tab.context.request.put(f"{house.address}papers/{meeting['bill8']}/position", data={"page": 3, "revision": 1})
    tab.reload()
    row = tab.locator(f"[data-paper='{meeting['bill8']}']")
    row.locator(".left").wait_for()
    assert row.locator(".left").inner_text() == "Page 3 of 5"
    assert tab.evaluate("parseFloat(getComputedStyle(document.querySelector('.share span')).width)") > 0
    tab.goto(house.address)
    latest = tab.locator(".latest")
    latest.get_by_role("link", name="議案第8号").click()
    shown(tab, 3)


def test_one_returns_to_the_row_one_came_from(visit: Visits, house: House) -> None:
    folder = house.folder("長い一覧")
    last = [house.paper(folder, f"文書{number}.pdf", pdf(f"{number}")) for number in range(25)][15]
    tab = visit("議員", f"#folder={folder}", "phone")
    row = tab.locator(f"[data-paper='{last}'] a")
    row.wait_for()
    tab.wait_for_function("() => [...document.querySelectorAll('.preparing')].every(one => one.hidden)", timeout=30_000)
    for _ in range(3):  # rows get their heights when they are seen
        row.evaluate("one => { one.scrollIntoView({block: 'center'}); return new Promise(requestAnimationFrame); }")
    tab.wait_for_function("() => scrollY > 500")
    for back in (lambda: tab.click("#back"), tab.go_back):
        y = row.evaluate("one => one.getBoundingClientRect().top")
        row.evaluate("one => one.click()")  # a click of the browser would scroll
        shown(tab, 1)
        back()
        tab.wait_for_selector("#shelf:visible")
        tab.wait_for_function(f"() => document.activeElement.getAttribute('href') === '#paper={last}'")
        same = f"() => Math.abs(document.activeElement.getBoundingClientRect().top - {y}) < 3"
        tab.wait_for_function(same)
    tab.reload()
    tab.get_by_role("link", name="Shelf").click()
    tab.get_by_role("heading", name="Shelf", level=1).wait_for()
    tab.wait_for_function("() => scrollY === 0")


def entry(number: int) -> dict[str, Any]:
    return {
        "id": f"p{number}", "folder": "many", "name": f"議案第{number}号", "note": "", "level": "open", "place": number,
        "from_s": None, "until_s": None, "is_published": True, "withdrawn_s": None, "revision": 1, "registered_s": 1.0,
        "state": "ready", "reason": "", "page_count": 9, "address": "",
        "document": {"id": f"d{number}", "page_count": 9, "pages": "", "manifest": "", "preview": f"http://x/d{number}/none"},
    }  # fmt: skip


WATCH = """() => {
    window.frames_ = [0];
    const frame = () => { window.frames_.push(0); requestAnimationFrame(frame); };
    requestAnimationFrame(frame);
    const seen = new WeakSet();
    new MutationObserver((all) => {
        const rows = document.querySelectorAll('.papers li[data-paper^=p]'); // of entry(); other ids have no p
        for (const row of all.length ? rows : []) {
            if (!seen.has(row)) window.frames_[window.frames_.length - 1] += 1;
            seen.add(row);
        }
    }).observe(document, {subtree: true, childList: true});
}"""


def test_thousands_of_papers_are_there_at_once_and_grow_by_few_in_a_frame(visit: Visits, house: House) -> None:
    folder = house.folder("二千")
    rows = [entry(number) for number in range(MANY)]
    tab = visit("議員", "")
    tab.wait_for_selector("#shelf h1")

    def answer(route: Any) -> None:
        told = route.fetch().json()
        route.fulfill(json={**told, "papers": rows})

    tab.route(re.compile(rf"/folders/{folder}"), answer)
    asked: list[str] = []
    tab.on("request", lambda one: asked.append(one.url) if one.url.endswith("/none") else None)
    tab.evaluate(WATCH)
    tab.evaluate(f"location.hash = 'folder={folder}'")
    tab.wait_for_selector(".papers li")
    tab.wait_for_function(f"() => document.querySelectorAll('.papers li').length === {MANY}")
    tab.wait_for_function(f"() => window.frames_.reduce((sum, one) => sum + one) === {MANY}")
    frames = [one for one in tab.evaluate("window.frames_") if one]
    assert max(frames) <= A_FRAME
    assert len(asked) < 100, "covers that nobody sees are not asked for"
    tab.wait_for_selector(".cover[data-plain]")  # none of them is there: a sign stands in its place
    tab.evaluate("window.frames_ = [0]")
    tab.get_by_label("Find in this list").fill("1234")
    tab.wait_for_function("() => document.querySelectorAll('.papers li').length === 1")
    assert papers(tab) == ["議案第1234号"]
    tab.get_by_label("Find in this list").fill("")
    tab.wait_for_function(f"() => document.querySelectorAll('.papers li').length === {MANY}")
    assert papers(tab)[:3] == ["議案第0号", "議案第1号", "議案第2号"]


def test_a_shelf_without_a_server_says_so_and_comes_by_itself(visit: Visits, house: House) -> None:
    folder = house.folder("停電")
    tab = visit("議員", f"#folder={house.folder('ほか')}")
    tab.wait_for_selector(".empty:visible")
    tab.route("**/folders/*", lambda route: route.abort("connectionrefused"))
    tab.evaluate(f"location.hash = 'folder={folder}'")
    tab.get_by_role("heading", name="The shelf cannot be reached").wait_for()
    assert tab.get_by_text("Failed to fetch").count() == 0
    picture(tab, "lost")
    tab.unroute("**/folders/*")
    tab.get_by_role("button", name="Try again").click()
    tab.get_by_role("heading", name="停電").wait_for()
    tab.route("**/folders/*", lambda route: route.abort("connectionrefused"))
    tab.evaluate("location.hash = ''")
    tab.route("**/folders?*", lambda route: route.abort("connectionrefused"))
    tab.reload()
    tab.get_by_role("heading", name="The shelf cannot be reached").wait_for()
    tab.unroute("**/folders?*")
    tab.evaluate("dispatchEvent(new Event('online'))")
    tab.get_by_role("heading", name="Shelf", level=1).wait_for()


def test_notices_of_the_shelf_can_be_closed_and_go_by_themselves(visit: Visits) -> None:
    tab = visit("議員")
    tab.wait_for_selector("#shelf h1")
    tab.get_by_role("button", name="Search").click()  # without a word
    notice = tab.locator(".shelf-notice")
    notice.wait_for()
    assert "Type a word" in notice.inner_text()
    notice.get_by_role("button", name="Close").click()
    assert notice.is_hidden()
    tab.clock.install()
    tab.get_by_role("button", name="Search").click()
    notice.wait_for()
    tab.evaluate("document.activeElement.blur()")
    tab.clock.fast_forward(11_000)
    notice.wait_for(state="hidden")


def test_a_dialog_works_in_a_browser_that_knows_none(visit: Visits) -> None:
    tab = visit("議員")
    tab.add_init_script("delete HTMLDialogElement.prototype.showModal")
    tab.reload()
    tab.click(".account")
    dialog = tab.get_by_role("dialog")
    dialog.wait_for()
    assert tab.evaluate("document.querySelector('dialog').contains(document.activeElement)")
    for _ in range(12):
        tab.keyboard.press("Tab")
        assert tab.evaluate("document.querySelector('dialog').contains(document.activeElement)")
    tab.keyboard.press("Escape")
    tab.wait_for_selector("dialog", state="detached")
    assert tab.evaluate("document.activeElement.className") == "account"


# Folders of files, without a shelf.


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("files")
    for place, names in (("", ["目次"]), ("2026/六月", ["議案第18号", "議案第8号"]), ("資料", ["表"])):
        (folder / place).mkdir(parents=True, exist_ok=True)
        for name in names:
            (folder / place / f"{name}.pdf").write_bytes(pdf(name, "二", "三"))
    (folder / "鍵.pdf").write_bytes(pdf("鍵", password="x"))
    (folder / "壊れ.pdf").write_bytes(b"%PDF-1.7 nothing")
    command = [sys.executable, "-m", "sidebooks_core", "serve", str(folder), "--port", "0", "--no-browser"]
    cache = tmp_path_factory.mktemp("cache")
    with subprocess.Popen([*command, "--cache-dir", str(cache)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        found = re.search(r"http://\S+/", process.stdout.readline())
        assert found is not None
        until_listed(found[0], 4)
        yield found[0]
        process.kill()


def test_served_files_stand_in_their_folders_without_endings(browser: Any, files: str) -> None:
    tab = browser.new_context(viewport={"width": 390, "height": 844}, locale="ja-JP").new_page()
    tab.goto(files)
    tab.wait_for_selector(".documents .papers a")
    headings = tab.locator(".documents h2").all_text_contents()
    assert headings == ["フォルダー外の文書", "2026 › 六月", "資料", "開けないファイル"]
    names = tab.locator(".documents a strong").all_text_contents()
    assert names == ["目次", "議案第8号", "議案第18号", "表"]
    locked = tab.locator("[data-state=locked]")
    assert "パスワードで保護されています" in locked.inner_text()
    assert "壊れているため" in tab.locator("[data-state=damaged]").inner_text()
    assert tab.locator("[data-state] a").count() == 0
    fits(tab)
    picture(tab, "files")
    tab.get_by_role("link", name="議案第8号").click()
    shown(tab, 1)
    tab.keyboard.press("ArrowRight")
    shown(tab, 2)
    tab.wait_for_function("() => location.hash.endsWith('/2')")
    tab.click("#back")
    tab.locator(".latest").get_by_role("link", name="議案第8号").wait_for()
    assert tab.locator(".latest .left").inner_text() == "2 / 3ページまで"
    tab.context.close()


def test_a_cover_is_sharp_and_keeps_its_place(browser: Any, files: str) -> None:
    context = browser.new_context(viewport={"width": 810, "height": 1080}, device_scale_factor=2)
    tab = context.new_page()
    tab.goto(files)
    tab.wait_for_selector(".cover[data-here]")
    shown_px = "one => one.getBoundingClientRect().height * devicePixelRatio"
    image = tab.locator(".cover img").first
    assert image.evaluate("one => one.naturalHeight") >= image.evaluate(shown_px), "no pixel of it is blown up"
    held: list[Any] = []
    tab.route("**/preview", lambda route: held.append(route))
    tab.reload()
    tab.wait_for_selector(".documents .papers a")
    before = tab.locator(".documents .papers li").first.bounding_box()
    for one in held:
        one.continue_()
    tab.unroute("**/preview")
    tab.wait_for_selector(".cover[data-here]")
    assert tab.locator(".documents .papers li").first.bounding_box() == before
    tab.evaluate("document.documentElement.toggleAttribute('data-night', true)")
    assert "invert" in tab.locator(".cover img").first.evaluate("one => getComputedStyle(one).filter")
    context.close()


def test_no_text_or_control_has_a_size_in_pixels() -> None:
    source = (Path(__file__).parents[1] / "sidebooks_core/server/viewer/shelf.css").read_text(encoding="utf-8")
    assert re.findall(r"(?:font-size|min-height|min-width): ?\d+px", source) == []
