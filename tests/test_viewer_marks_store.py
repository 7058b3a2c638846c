"""What the viewer keeps of marks, in memory and on the device, without a browser."""

from __future__ import annotations

from typing import Any

import pytest
from marks_node import played
from viewer_node import NODE, run

pytestmark = pytest.mark.skipif(NODE is None, reason="needs node")


def test_what_is_added_is_there_at_once_and_on_the_device() -> None:
    found = played("""
      const disk = new Disk();
      const marks = made({ disk });
      const mark = marks.add(3, stroke(), { quote: "令和8年" });
      const there = marks.of(3).map(one => [one.kind, one.page, one.isMine, one.mark.anchor]);
      await marks.flush();
      return { there, other: marks.of(2).length, kept: [...disk.records.keys()].join() === mark.id, id: mark.id };
    """)
    assert found["there"] == [["exact", 3, True, {"revision": 2, "page": 2, "content_id": "", "quote": "令和8年"}]]
    assert found["other"] == 0
    assert found["kept"]
    assert found["id"][14] == "7"


def test_what_is_done_can_be_undone_and_done_again() -> None:
    found = played("""
      const marks = made();
      const told = [];
      const look = () => told.push(ink(marks).join(" "));
      const [one, two] = [marks.add(1, stroke(10)), marks.add(1, stroke(20))];
      marks.remove([one.id, two.id]); look();
      marks.undo(); look();
      marks.redo(); look();
      marks.undo(); look();
      marks.undo(); look();
      marks.redo(); look();
      marks.undo(); marks.undo(); look();
      marks.redo(); marks.redo(); look();
      const ids = marks.all().map(placed => placed.mark.id);
      const isNew = !ids.includes(one.id) && !ids.includes(two.id);
      return { told, isNew, ends: [marks.canUndo, marks.redo(), marks.canRedo] };
    """)
    assert found["told"] == ["", "10 20", "", "10 20", "10", "10 20", "", "10 20"]
    assert found["isNew"], "a mark that was deleted never comes back under its id"
    assert found["ends"] == [True, True, False]


def test_a_change_is_undone_as_well() -> None:
    found = played("""
      const marks = made();
      const mark = marks.add(1, note("予算"));
      marks.change(mark.id, note("予算 20頁"));
      const changed = ink(marks);
      marks.undo();
      const before = ink(marks);
      marks.redo();
      return [changed, before, ink(marks)];
    """)
    assert found == [["予算 20頁"], ["予算"], ["予算 20頁"]]


def test_what_is_made_anew_is_seen_by_no_more_people_than_before_it_was_deleted() -> None:
    found = played("""
      const marks = made();
      const see = () => marks.all().map(one => `${one.mark.visibility} ${one.mark.meeting}`.trim());
      const shared = { visibility: "shared", meeting: "m" };
      const drawn = marks.add(1, stroke(), shared);
      marks.change(drawn.id, marks.get(drawn.id).mark.body, { visibility: "private", meeting: "" });
      marks.undo();  // its body was not changed: it is the stroke that goes
      const gone = marks.all().length;
      marks.redo();
      const again = see();
      const other = marks.add(2, stroke(), shared);
      marks.remove([other.id]);
      marks.undo();
      marks.change(marks.of(2)[0].mark.id, marks.of(2)[0].mark.body, { visibility: "private", meeting: "" });
      marks.redo();
      marks.undo();
      return { gone, again, after: see() };
    """)
    assert found == {"gone": 0, "again": ["private"], "after": ["private", "private"]}


def test_what_is_saved_while_one_writes_is_no_step_and_is_not_taken_back_with_one() -> None:
    found = played("""
      const marks = made();
      const mark = marks.add(1, note(""));
      const old = marks.add(2, { kind: "bookmark", text: "" }, { isNoted: false });
      marks.change(mark.id, { ...note(""), colour: "#112233" });
      const write = text => marks.change(mark.id, { ...marks.get(mark.id).mark.body, text }, { isNoted: false });
      write("予"); write("予算");
      marks.undo();
      const { text, colour } = marks.get(mark.id).mark.body;
      marks.undo();
      const left = marks.all().map(one => one.mark.id === old.id);
      const isAll = !marks.undo();
      marks.redo();
      return [text, colour, left, isAll, marks.of(1)[0].mark.body.text];
    """)
    assert found == ["予算", "#ffee00", [True], True, "予算"]


def test_a_device_that_keeps_nothing_goes_on_and_says_so() -> None:
    found = played("""
      const [api, disk] = [new Server(), new Disk()];
      disk.fails = true;
      const marks = made({ api, disk });
      marks.add(1, stroke());
      await marks.flush();
      return [marks.isKept, marks.all().length, api.marks.size];
    """)
    assert found == [False, 1, 1]


def test_a_stroke_for_which_there_was_no_room_is_written_later() -> None:
    found = played("""
      const [api, disk] = [new Server(), new Disk()];
      api.push = api.read = async () => { throw new TypeError("no network"); };
      const marks = made({ api, disk });
      await marks.ready;
      disk.room = 2000;
      const long = marks.add(1, { ...stroke(), samples: Array.from({ length: 500 }, (_, n) => [n, n, 0.5]) });
      await marks.flush();
      const short = marks.add(1, stroke(5));
      await marks.flush();
      const full = [marks.isKept, [...disk.records.keys()].join() === short.id];
      disk.room = Infinity;
      marks.add(1, stroke(6));
      await marks.flush();
      marks.close();
      return [full, marks.isKept, disk.records.has(long.id), disk.records.size];
    """)
    assert found == [[False, True], True, True, 3]


def test_the_device_does_not_say_that_it_knows_what_it_could_not_write() -> None:
    found = played("""
      const [api, disk] = [new Server(), new Disk()];
      api.put({ ...ofTheChair, body: { ...stroke(), samples: Array.from({ length: 500 }, (_, n) => [n, n, 0.5]) } });
      disk.room = 2000;
      const marks = made({ api, disk });
      await marks.flush();
      marks.read();
      await marks.flush();
      marks.add(1, stroke(5));
      await marks.flush();
      const full = [disk.known.since, marks.isKept];
      marks.close();
      disk.room = Infinity;
      const again = made({ api, disk });
      await again.flush();
      return [full, again.all().length, disk.records.size, disk.known.since];
    """)
    assert found == [[0, False], 2, 2, 2]


def test_a_version_of_another_tab_stays_until_the_server_has_decided() -> None:
    found = played("""
      const { joined, stays } = await import("./marks_disk.js");
      const version = (at, isPending, body = note("a")) => ({
        id: "i", mark: { id: "i", stamp: [at, 0, "d"], body }, isPending });
      const none = new Set();
      const one = version(2, true);
      const change = joined({ records: [one], known: { since: 1, epoch: "e" } }, { gone: ["i"], over: [[2, 0, "d"]] });
      return {
        stays: [stays(one, version(9, false), none), stays(one, null, none), stays(one, version(1, true), none),
          stays({ ...version(2, false), refused: "limit" }, null, none), stays(version(2, true, null), version(9, true), none)],
        goes: [stays(one, version(9, false), new Set(["2,0,d"])), stays(one, version(3, true), none),
          stays(version(2, false), null, none),
          stays(undefined, one, none)],
        change,
      };
    """)
    assert found["stays"] == [True] * 5
    assert found["goes"] == [False] * 4
    assert found["change"] == {"records": [], "gone": ["i"], "known": {"since": 1, "epoch": "e"}, "over": [[2, 0, "d"]]}


def test_a_database_that_does_not_answer_keeps_nobody_from_the_server() -> None:
    found = played("""
      const { MarksDisk } = await import("./marks_disk.js");
      const api = new Server();
      api.put(ofTheChair);
      const marks = made({ api, disk: new MarksDisk("hangs", { open: () => ({}) }) });
      marks.add(1, stroke());
      await marks.flush();
      return [marks.all().length, api.marks.size, marks.unsent, marks.isKept];
    """)
    assert found == [2, 2, {"count": 0, "state": "done"}, False]


def test_what_the_device_tells_late_is_sent_and_brings_nothing_back() -> None:
    found = played("""
      const [api, disk] = [new Server(), new Disk()];
      const first = made({ api, disk });
      const [one, two] = [first.add(1, note("one")), first.add(1, note("two"))];
      await first.flush();
      first.close();
      api.put({ ...one, body: null });
      disk.records.get(two.id).isPending = true;
      const offline = disk.records.get(two.id);
      offline.mark = { ...offline.mark, stamp: [offline.mark.stamp[0] + 1, 0, "tablet"], body: note("two, offline") };
      let tell;
      const kept = await disk.read();
      disk.read = () => new Promise(done => { tell = () => done(kept); });
      const marks = made({ api, disk });
      await marks.flush();
      const before = ink(marks);
      tell();
      await marks.ready;
      await marks.flush();
      return [before, ink(marks), api.marks.get(two.id).mark.body.text];
    """)
    assert found == [["two"], ["two, offline"], "two, offline"]


def test_marks_of_an_older_revision_stand_where_their_pages_are() -> None:
    found = played("""
      const api = new Server();
      const fates = [["same", 1, 1], ["changed", 2, 2], ["removed", 3, null], ["moved", 4, 3], ["inserted", null, 4]]
        .map(([kind, old_page, new_page]) => ({ kind, old_page, new_page }));
      for (let page = 0; page < 4; page += 1) {
        api.put({ id: `id-${page}`, stamp: [5, 0, "x"], anchor: anchor(1, page), body: stroke(page), owner: "me" });
      }
      const told = [];
      const marks = made({ api, fatesOf: async revision => { told.push(revision); return fates; } });
      await marks.flush();
      await new Promise(done => {
        marks.subscribe(change => { if (change.isPlaced) done(); });
        if (marks.all().length) done();
      });
      return { all: marks.all().map(one => [one.kind, one.page]), third: marks.of(3).map(one => one.mark.id), asked: told };
    """)
    assert found["all"] == [["exact", 1], ["changed", 2], ["removed", None], ["exact", 3]]
    assert found["third"] == ["id-3"]
    assert found["asked"] == [1]


def test_a_clock_that_is_wrong_is_corrected_by_the_servers() -> None:
    found = played("""
      const api = new Server();
      let now_ms = 1_000_000;
      api.server_ms = 1_000_000 + 7_200_000;
      const marks = made({ api, clock: new MarksClock("slow", null, () => now_ms) });
      const early = marks.add(1, stroke());
      await marks.flush();
      now_ms += 10;
      const late = marks.add(1, stroke());
      await marks.flush();
      return [early.stamp[0], api.marks.get(early.id).mark.stamp[0], late.stamp[0]];
    """)
    assert found == [1_000_000, 8_200_000, 8_200_010]


AHEAD = """
const ahead_ms = 10 * 365 * 86400e3;
const clock = (known = null) => new MarksClock('fast', known, () => Date.now() + ahead_ms);
const never = { read: () => new Promise(() => {}), push: () => new Promise(() => {}) };
"""


def test_a_clock_that_was_years_ahead_makes_right_stamps_from_then_on() -> None:
    found = played(
        AHEAD
        + """
      const [api, disk] = [new Server(), new Disk()];
      const marks = made({ api, disk, clock: clock() });
      marks.add(1, stroke());
      await marks.flush();
      const late = marks.add(1, stroke());
      const away = made({ clock: clock(), api: never });
      away.add(1, note("alone"));
      await away.writer.written;
      const again = made({ disk: away.given.disk, clock: clock(-ahead_ms), api: never });
      await again.ready;
      return [late, again.add(1, stroke())].map(one => Math.abs(one.stamp[0] - Date.now()) < 3600e3);
    """
    )
    assert found == [True, True]


def test_an_edit_made_between_two_answers_is_on_the_device_though_its_first_stamp_was_years_ahead() -> None:
    found = played(
        AHEAD
        + """
      const { stays } = await import("./marks_disk.js");
      class Careful extends Disk {
        async write(person, paper, { records = [], gone = [], known, over = [] }) {
          const stamps = new Set(over.map(String));
          const made = records.filter(one => !stays(this.records.get(one.id), one, stamps));
          const left = gone.filter(id => !stays(this.records.get(id), null, stamps));
          await super.write(person, paper, { known, records: made, gone: left });
        }
      }
      const [api, disk] = [new Server(), new Careful()];
      api.put(ofTheChair);
      api.put({ ...ofTheChair, id: "0000-more" });
      api.atOnce = 1;
      let between = () => {};
      const first = new Promise(resolve => { between = resolve; });
      const asked = api.read.bind(api);
      api.read = async (since, device, next) => {
        if (next) { between(); await new Promise(resolve => { api.goOn = resolve; }); }
        return asked(since, device, next);
      };
      const marks = made({ api, disk, clock: clock() });
      const mark = marks.add(1, note("first"));
      await first;
      marks.change(mark.id, note("second"));
      await marks.writer.written;
      const kept = disk.records.get(mark.id).mark.body.text;
      api.goOn();
      await marks.flush();
      return [kept, disk.records.get(mark.id).mark.body.text, api.marks.get(mark.id).mark.body.text];
    """
    )
    assert found == ["second"] * 3


@pytest.mark.parametrize("does", ["change", "show", "undo", "remove"])
def test_what_is_done_to_a_mark_of_a_clock_that_was_ahead_is_after_it(does: str) -> None:
    found = played(
        """
      const api = new Server();
      let ahead_ms = 0;
      const clock = new MarksClock("tablet", 0, () => api.server_ms + ahead_ms);
      const marks = made({ api, clock });
      await marks.flush();
      ahead_ms = 86_400_000;
      const mark = marks.add(1, note("one"));
      marks.change(mark.id, note("two"));
      marks.hold(mark.id); // it waits
      ahead_ms = 0;
      clock.hear(api.server_ms, api.server_ms);
      const before = marks.get(mark.id).mark.stamp;
      const other = marks.add(2, note("other"));
      const pushed = [];
      const { push } = api;
      api.push = (device, sent) => { pushed.push(...sent); return push.call(api, device, sent); };
      ({ change: () => marks.change(mark.id, note("three")), show: () => marks.show([mark.id], { visibility: "shared" }),
        undo: () => { marks.undo(); marks.undo(); }, remove: () => marks.remove([mark.id]) })[given[0]]();
      await marks.flush();
      const after = pushed.find(one => one.id === mark.id).stamp;
      return [compared(after, before) > 0, other.stamp[0] === api.server_ms];
    """,
        does,
    )
    assert found == [True, True]


@pytest.mark.parametrize(
    ("last", "now_ms", "expected"),
    [
        ([5, 3, "a"], 9, [9, 0, "d"]),
        ([9, 3, "a"], 9, [9, 4, "d"]),
        ([9, 3, "a"], 2, [9, 4, "d"]),
        ([9, 65535, "a"], 2, [10, 0, "d"]),
    ],
)
def test_a_stamp_is_greater_than_the_last(last: list[Any], now_ms: int, expected: list[Any]) -> None:
    script = 'const { ticked } = await import("./marks_clock.js"); return ticked(given[0], given[1], "d");'
    assert run(script, last, now_ms) == expected
    from sidebooks_core.marks.clock import ticked
    from sidebooks_core.marks.model import Stamp

    made = ticked(Stamp(*last), now_ms, "d")
    assert [made.at_ms, made.counter, made.device] == expected
