"""Where somebody left off, with and without a connection; and what is kept of documents and pages that are replaced."""

from __future__ import annotations

import re

import pytest
from house import NEEDS_CHROMIUM, House, Visits, browser, house, pdf, visit
from test_viewer import shown
from viewer_node import NODE, run

__all__ = ["browser", "house", "visit"]
needs_node = pytest.mark.skipif(NODE is None, reason="needs node")

STORAGE = """
    const kept = new Map();
    const stored = { getItem: (key) => kept.get(key) ?? null, setItem: (key, text) => kept.set(key, text),
      removeItem: (key) => kept.delete(key) };
    globalThis.localStorage = new Proxy(stored, { // its keys are what it holds, as the browser has it
      ownKeys: () => [...kept.keys()], getOwnPropertyDescriptor: () => ({ enumerable: true, configurable: true }) });
"""
SERVER = (
    STORAGE
    + """
    const { keptPage, keepPage, catchUp } = await import("./left_off.js");
    const told = [];
    let isThere = true;
    let person = "anna";
    let place = { page: 2, at_ms: 0 };
    const json = (value, status = 200) => new Response(JSON.stringify(value), { status });
    const get = async (path, { method = "GET", body } = {}) => {
      if (!isThere) throw new TypeError("not reached");
      if (!person) return json({ detail: "log in first" }, 401);
      if (method === "PUT") {
        const { page, age_s = 0 } = JSON.parse(body);
        told.push([page, age_s > 0]);
        if (Date.now() - age_s * 1000 >= place.at_ms) place = { page, at_ms: Date.now() - age_s * 1000 };
      }
      return json({ page: place.page, person });
    };
    const library = { get, json: async (path) => {
      const answer = await get(path);
      if (!answer.ok) throw Object.assign(new Error(), { status: answer.status });
      return answer.json();
    } };
    const app = { library, isNobody: false, person: "" };
    const fails = (promise) => promise.then(() => false, () => true);
    const untold = () => [...kept.keys()].filter((key) => key.startsWith("sidebooks untold "));
"""
)


@needs_node
def test_the_later_of_two_places_holds_when_there_is_a_connection_again() -> None:
    found = run(
        SERVER
        + """
        const pages = [await keptPage(app, "p")];
        await keepPage(app, "p", 3, 1);
        const after = untold();
        isThere = false;
        const failed = await fails(keepPage(app, "p", 7, 1));
        const [waiting, lost] = [untold(), await keptPage(app, "p")];
        isThere = true;
        pages.push(await keptPage(app, "p")); // this device was there last
        isThere = false;
        await fails(keepPage(app, "p", 9, 1));
        isThere = true;
        place = { page: 5, at_ms: Date.now() + 60_000 }; // another device was
        pages.push(await keptPage(app, "p"));
        return { pages, told, after, failed, waiting, lost, left: untold() };
        """
    )
    assert found["pages"] == [2, 7, 5]
    assert found["told"][0] == [3, False], "what is so now is told without an age"
    assert [page for page, _ in found["told"]] == [3, 7, 9]
    assert found["failed"]
    assert found["waiting"] == ["sidebooks untold p"]
    assert found["lost"] is None, "the page that this device has for itself"
    assert found["after"] == found["left"] == []


@needs_node
def test_nobody_is_told_the_place_of_somebody_else_and_a_login_that_ended_loses_none() -> None:
    found = run(
        SERVER
        + """
        await keepPage(app, "p", 3, 1);
        isThere = false;
        await fails(keepPage(app, "p", 7, 1));
        isThere = true;
        person = "ben";
        const other = { library, isNobody: false, person: "" };
        const of_ben = await keptPage(other, "p");
        const kept_of_anna = untold().length;
        person = ""; // the login ends
        await fails(keepPage(app, "p", 8, 1));
        const ended = [app.isNobody, app.person, untold().length];
        await keepPage(app, "p", 9, 1); // it is not asked any more, and kept here
        person = "anna";
        const again = { library, isNobody: false, person: "" };
        const caught = [await catchUp(again), place.page, untold().length];
        person = "";
        const citizen = { library, isNobody: false, person: "" };
        kept.clear();
        await fails(keepPage(citizen, "p", 4, 1));
        await keepPage(citizen, "p", 5, 1);
        const of_citizen = untold().length;
        await keepPage(again, "q", 1, 1).catch(() => {});
        const before = untold().length;
        const { leave } = await import("./leaving.js");
        await leave({ library, send: async () => null }, { id: "anna", role: "guest" });
        return { of_ben, kept_of_anna, ended, caught, of_citizen, forgotten: [before, untold().length], told };
        """
    )
    assert (found["of_ben"], found["kept_of_anna"]) == (3, 1)
    assert found["ended"] == [True, "anna", 1]
    assert found["caught"] == [True, 9, 0]
    assert found["of_citizen"] == 0, "who is nobody has no place on the server"
    assert found["forgotten"] == [1, 0]
    assert [page for page, _ in found["told"]] == [3, 9]


@NEEDS_CHROMIUM
def test_a_page_that_was_read_without_a_connection_is_gone_on_with(visit: Visits, house: House) -> None:
    folder = house.folder("圏外")
    paper = house.paper(folder, "長い.pdf", pdf(*(f"{number} 頁" for number in range(1, 8))))
    tab = visit("議員", f"#paper={paper}/2", size="phone")
    with tab.expect_response(re.compile("/position$"), timeout=30_000):
        shown(tab, 2)
    tab.route("**/position", lambda route: route.abort())
    with tab.expect_event("requestfailed", lambda one: one.url.endswith("/position"), timeout=30_000):
        tab.locator("#position").fill("6")
    tab.click("#back")
    row = tab.get_by_role("link", name="長い")
    row.wait_for()
    tab.unroute("**/position")
    with tab.expect_response(lambda one: one.request.method == "PUT" and one.url.endswith("/position"), timeout=30_000) as told:
        row.click()
    shown(tab, 6)
    assert told.value.json()["page"] == 6, "and the server knows it, for all devices"


@needs_node
def test_what_is_kept_of_a_file_goes_over_to_what_it_becomes() -> None:
    found = run(
        STORAGE
        + """
        const { carryOver, follow, followed } = await import("./files.js");
        const { bookmarksOf } = await import("./bookmarks.js");
        const { noteOpened, opened } = await import("./shelf_memory.js");
        const files = (ids) => Object.entries(ids).map(([path, id]) => (
          { id, folder: path.split("/")[0], name: path.split("/")[1] }));
        const always = () => true;
        const first = followed({}, files({ "2026/a.pdf": "A", "2026/b.pdf": "B" }), (id) => id === "A");
        const changed = followed(first.files, files({ "2026/a.pdf": "A2", "2026/b.pdf": "B" }), always);
        const renamed = followed(first.files, files({ "2026/a.pdf": "C", "2026/z.pdf": "A" }), always);
        const twice = followed({}, [...files({ "2026/a.pdf": "A" }), ...files({ "2026/a.pdf": "X" })], always);
        kept.set("sidebooks page A", "7");
        kept.set("sidebooks offset A", "2");
        kept.set("sidebooks direction A", "rtl");
        kept.set("sidebooks bookmarks A", JSON.stringify({ revision: null, pages: [3] }));
        kept.set("sidebooks turns A", JSON.stringify({ revision: null, pages: { 4: 1 } }));
        noteOpened("A");
        follow(files({ "2026/a.pdf": "A" }));
        follow(files({ "2026/a.pdf": "A2" }));
        const matters = ["page", "offset", "direction", "turns"];
        return {
          first: first.files, changed: [changed.files["2026/a.pdf"], changed.replaced], renamed: renamed.replaced,
          twice: twice.files,
          now: matters.map((name) => kept.get(`sidebooks ${name} A2`) ?? null), bookmarks: bookmarksOf("A2"),
          before: matters.map((name) => kept.get(`sidebooks ${name} A`) ?? null), opened: opened().map((one) => one.key),
        };
        """
    )
    assert found["first"] == {"2026/a.pdf": ["A"]}, "nothing is kept of the other"
    assert found["changed"] == [["A", "A2"], [["A", "A2"]]]
    assert found["renamed"] == [], "it is there still, under another name"
    assert found["twice"] == {}, "nobody knows which"
    assert found["now"] == ["7", "2", "rtl", '{"revision":null,"pages":{"4":1}}']
    assert found["bookmarks"] == [3]
    assert found["before"] == [None] * 4
    assert found["opened"] == ["A2"]


@needs_node
def test_a_page_that_was_turned_alone_stays_turned_in_the_next_revision() -> None:
    found = run(
        STORAGE
        + """
        const { turnsOf } = await import("./choices.js");
        const { turnOne, bringTurnsUpToDate } = await import("./turned.js");
        const paper = { id: "p", revision: 1 };
        const book = { key: "paper=p", paper, turns: {} };
        const reader = { book, state: { book, page: 2 }, spread: [2], refits: 0, refit() { this.refits += 1; }, goto() {} };
        turnOne(reader, 2);
        turnOne(reader, 3);
        turnOne(reader, 3);
        turnOne(reader, 3);
        turnOne(reader, 3);
        const before = turnsOf("paper=p");
        const fates = [[1, 1], [null, 2], [2, 3], [3, null]].map(([old_page, new_page]) => ({ old_page, new_page }));
        const asked = [];
        const library = { json: async (path) => { asked.push(path); return { pages: fates }; } };
        paper.revision = 2;
        Object.assign(book, { turns: turnsOf("paper=p") });
        await bringTurnsUpToDate(library, reader);
        await bringTurnsUpToDate(library, reader);
        return { before, after: [book.turns, turnsOf("paper=p")], asked, refits: reader.refits };
        """
    )
    assert found["before"] == {"2": 1}, "four quarters are none"
    assert found["after"] == [{"3": 1}, {"3": 1}]
    assert found["asked"] == ["/papers/p/diff/1-2"]
    assert found["refits"] == 6


@needs_node
def test_pages_that_were_turned_follow_a_replacement_once_though_two_panes_or_tabs_look() -> None:
    found = run(
        STORAGE
        + """
        const { turnsOf } = await import("./choices.js");
        const { bringTurnsUpToDate } = await import("./turned.js");
        const key = "paper=p";
        kept.set(`sidebooks turns ${key}`, JSON.stringify({ revision: 1, pages: { 2: 1 } }));
        const fates = [[1, 1], [null, 2], [2, 3], [3, 4]].map(([old_page, new_page]) => ({ old_page, new_page }));
        const library = { json: async () => ({ pages: fates }) };
        const readers = [1, 2].map(() => {
          const book = { key, paper: { id: "p", revision: 2 }, turns: turnsOf(key) };
          return { book, state: { book }, refit() {} };
        });
        await Promise.all(readers.map((reader) => bringTurnsUpToDate(library, reader)));
        return [turnsOf(key), ...readers.map((reader) => reader.book.turns)];
        """
    )
    assert found == [{"3": 1}] * 3


@needs_node
def test_what_was_read_in_a_new_file_is_not_replaced_by_what_is_kept_of_the_old_one() -> None:
    found = run(
        STORAGE
        + """
        const { carryOver } = await import("./files.js");
        kept.set("sidebooks page A", "3");
        kept.set("sidebooks offset A", "2");
        kept.set("sidebooks page A2", "20"); // by a link to it, before the shelf was seen
        carryOver("A", "A2");
        return ["page A2", "offset A2", "offset A"].map((name) => kept.get(`sidebooks ${name}`) ?? null);
        """
    )
    assert found == ["20", "2", None]


PERSONAL = """
    const { follow: followFiles } = await import("./files.js");
    const { finishLeaving, follow, leave } = await import("./leaving.js");
    const of_device = ["device", "clock", "language", "unsent marks"];
    const fill = () => {
      for (const name of [...of_device, "bookmarks A", "stamp", "marks hidden"]) kept.set(`sidebooks ${name}`, "anna's");
      kept.set("sidebooks page A", "3");
      kept.set("sidebooks untold p", JSON.stringify({ page: 1, revision: 1, at_ms: Date.now(), person: "anna" }));
      kept.set("sidebooks person", "anna");
      kept.set("other application", "x");
      followFiles([{ id: "A", folder: "2026", name: "secret.pdf" }]);
    };
    const names = () => [...kept.keys()].map((key) => key.replace("sidebooks ", "")).sort();
    const send = async (_, path) => {
      if (!isThere) throw new TypeError("not reached");
      if (path === "/logout") person = "";
      return null;
    };
    library.json = async () => { if (!isThere) throw new TypeError("not reached"); return { id: person, person, page: 1 }; };
    fill();
    const before = names();
"""
OF_DEVICE = ["clock", "device", "language", "other application", "unsent marks"]


@needs_node
def test_who_logs_out_leaves_nothing_of_theirs() -> None:
    found = run(SERVER + PERSONAL + 'await leave({ library, send }, { id: "anna", role: "guest" });\nreturn [before, names()];')
    assert {"files", "page A", "person", "stamp"} <= set(found[0])
    assert found[1] == sorted([*OF_DEVICE, "leaving"]), "the next start looks again: something may have come late"


@needs_node
def test_who_cannot_log_out_is_logged_in_still() -> None:
    found = run(
        SERVER
        + PERSONAL
        + """
        isThere = false;
        const failed = await fails(leave({ library, send }, { id: "anna", role: "guest" }));
        const during = names();
        await fails(finishLeaving(app));
        isThere = true;
        await finishLeaving(app);
        return { failed, during, before, after: names() };
        """
    )
    assert found["failed"]
    assert found["during"] == sorted([*found["before"], "leaving"])
    assert found["after"] == found["before"]


@needs_node
def test_what_a_tab_that_was_killed_left_of_whoever_logged_out_goes_at_the_next_start() -> None:
    found = run(
        SERVER
        + PERSONAL
        + """
        leave({ library, send: async () => { person = ""; await new Promise(() => {}); } }, { id: "anna", role: "guest" });
        while (person) await new Promise((done) => { setTimeout(done, 1); }); // here it is killed
        const during = names();
        await finishLeaving(app);
        return { during, before, after: names() };
        """
    )
    assert found["during"] == sorted([*found["before"], "leaving"])
    assert found["after"] == OF_DEVICE


@needs_node
@pytest.mark.parametrize("who", ["anna", "ben", ""])
def test_who_logs_in_after_somebody_else_sees_nothing_of_theirs(who: str) -> None:
    found = run(
        SERVER
        + PERSONAL
        + """
        follow(given[0]);
        const after = names();
        person = "ben";
        await finishLeaving(app);
        return { before, after, at_last: names() };
        """,
        who,
    )
    without_name = [one for one in found["before"] if one != "person"]
    if who == "anna":
        assert found["after"] == found["at_last"] == without_name
    elif who == "ben":
        assert found["after"] == sorted([*OF_DEVICE, "leaving", "untold p"])
        assert found["at_last"] == [*OF_DEVICE, "untold p"]
    else:
        assert found["after"] == sorted([*without_name, "leaving"]), "it is not known yet who it is"
        assert found["at_last"] == OF_DEVICE


@needs_node
def test_who_logs_out_leaves_the_places_of_others() -> None:
    found = run(
        SERVER
        + PERSONAL
        + """
        for (const [paper, person] of [["q", "ben"], ["r", ""]])
          kept.set(`sidebooks untold ${paper}`, JSON.stringify({ page: 1, revision: 1, at_ms: Date.now(), person }));
        await leave({ library, send }, { id: "anna", role: "guest" });
        const after = untold();
        await finishLeaving(app);
        return [after, untold(), names()];
        """
    )
    assert found[:2] == [["sidebooks untold q"]] * 2
    assert found[2] == [*OF_DEVICE, "untold q"]


DATABASE = """
    const guest = `guest-${"0".repeat(24)}`;
    const record = (person, id, more = {}) => ({ person, paper: "p", id, mark: {}, isMine: true, isPending: false, ...more });
    let records = ["anna", "ben", guest].flatMap((one) => [record(one, "sent"), record(one, "unsent", { isPending: true }),
      record(one, "local", { isLocal: true })]);
    const asking = (result) => {
      const asked = { result };
      setTimeout(() => asked.onsuccess?.());
      return asked;
    };
    const marks = { openCursor: ([person]) => {
      const all = records.filter((one) => one.person === person);
      const asked = {};
      const go = () => {
        const [value] = all;
        asked.result = value && { value, continue: () => { all.shift(); setTimeout(go); },
          delete: () => { records = records.filter((one) => one !== value); } };
        asked.onsuccess();
        if (!value) transaction.oncomplete();
      };
      setTimeout(go);
      return asked;
    } };
    const transaction = { objectStore: (name) => (name === "marks" ? marks : { delete: () => {} }), abort: () => {} };
    globalThis.IDBKeyRange = { bound: (from) => from };
    globalThis.indexedDB = { open: () => asking({ transaction: () => transaction, close: () => {} }) };
    const held = () => records.map(({ person, id }) => `${person === guest ? "guest" : person} ${id}`);
"""


@needs_node
@pytest.mark.parametrize("way", ["log in", "tell"])
def test_the_marks_of_whoever_was_here_before_go_when_the_next_person_comes(way: str) -> None:
    found = run(
        SERVER
        + PERSONAL
        + DATABASE
        + """
        person = "ben";
        if (given[0] === "tell") { // the server knows another person at once: nobody logged in here
          kept.set("sidebooks person", guest);
          await keptPage(app, "p");
        } else {
          follow(guest); // anna's login ended, and a guest joins
          kept.set("sidebooks person", guest);
          follow("ben");
          await finishLeaving(app);
        }
        while (kept.has("sidebooks leaving")) await new Promise((done) => { setTimeout(done, 1); });
        return [held(), names(), kept.get("sidebooks person") ?? null];
        """,
        way,
    )
    of_ben = ["ben sent", "ben unsent", "ben local"]
    if way == "tell":
        assert found[0] == ["anna sent", "anna unsent", "anna local", *of_ben], "a guest never returns: nothing of theirs waits"
        assert found[1] == sorted([*OF_DEVICE, "person", "untold p"])
        assert found[2] == "ben"
    else:
        assert found[0] == ["anna unsent", "anna local", *of_ben], "what only the device has waits for its owner"


@needs_node
def test_who_leaves_a_device_whose_database_fails_is_forgotten_later_and_costs_the_next_person_nothing() -> None:
    found = run(
        SERVER
        + PERSONAL
        + DATABASE
        + """
        const { open } = indexedDB;
        indexedDB.open = () => { throw new Error("it fails"); };
        await leave({ library, send }, { id: guest, role: "guest" });
        await fails(finishLeaving(app));
        person = "ben";
        kept.set("sidebooks page B", "4");
        const again = await fails(finishLeaving(app));
        const during = [names(), held().length];
        indexedDB.open = open;
        await finishLeaving(app);
        return [again, during, names(), held()];
        """
    )
    again, during, names, held = found
    of_ben = sorted([*OF_DEVICE, "page B", "untold p"])
    assert (again, during) == (True, [sorted([*of_ben, "leaving"]), 9])
    assert names == of_ben
    assert [one for one in held if "guest" in one] == []


@needs_node
def test_a_place_that_could_not_be_told_is_not_taken_for_that_of_whoever_was_here_before() -> None:
    found = run(
        SERVER
        + """
        const { follow } = await import("./leaving.js");
        await keptPage(app, "p"); // anna, whose login ends
        person = "ben";
        follow("ben"); // he logs in
        const other = { library, isNobody: false, person: "" };
        isThere = false;
        await fails(keepPage(other, "p", 9, 1));
        isThere = true;
        person = "anna";
        await catchUp({ library, isNobody: false, person: "" });
        return told;
        """
    )
    assert found == []


@needs_node
def test_a_slow_line_does_not_lose_the_place() -> None:
    found = run(
        SERVER
        + """
        const slowly = (does) => async (...given) => {
          await new Promise((done) => { setTimeout(done, 600); });
          return does(...given);
        };
        app.library = { get: slowly(library.get), json: slowly(library.json) };
        place.page = 5;
        const [, page] = await Promise.all([app.library.json("/papers/p"), keptPage(app, "p", app.library.json("/papers/p"))]);
        const unheard = new Promise(() => {});
        app.library = { get: () => unheard, json: () => unheard };
        return [page, await keptPage(app, "p", Promise.resolve())];
        """
    )
    assert found == [5, None], "as long as the paper itself, and no longer"
