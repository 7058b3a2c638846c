"""What the viewer sends of marks to a server, and takes from it, without a browser."""

from __future__ import annotations

import pytest
from marks_node import played
from viewer_node import NODE

pytestmark = pytest.mark.skipif(NODE is None, reason="needs node")


def test_all_goes_to_the_server_after_what_the_server_has_was_read() -> None:
    found = played("""
      const api = new Server();
      api.put(ofTheChair);
      const disk = new Disk();
      const marks = made({ api, disk });
      for (let n = 0; n < 250; n += 1) marks.add(1, stroke(n));
      await marks.flush();
      const kept = [...disk.records.values()].filter(one => one.isPending).length;
      return { asked: api.asked, server: api.marks.size, unsent: marks.unsent, kept,
        mine: marks.all().filter(one => one.isMine).length, all: marks.all().length };
    """)
    assert found["asked"] == ["read 0", "push 100", "push 100", "push 50"]
    assert found["server"] == found["all"] == 251
    assert found["mine"] == 250
    assert found["unsent"] == {"count": 0, "state": "done"}
    assert found["kept"] == 0


def test_an_answer_that_is_lost_makes_no_second_mark() -> None:
    found = played("""
      const [api, disk] = [new Server(), new Disk()];
      api.loses = 1;
      const marks = made({ api, disk });
      marks.add(1, stroke());
      await marks.flush();
      const waiting = marks.unsent;
      marks.close();
      const again = made({ api, disk });
      await again.flush();
      return { waiting, after: again.unsent, server: api.marks.size, here: again.all().length };
    """)
    assert found == {
        "waiting": {"count": 1, "state": "waiting"},
        "after": {"count": 0, "state": "done"},
        "server": 1,
        "here": 1,
    }


def test_an_edit_made_while_an_older_one_is_sent_is_sent_after_it() -> None:
    found = played("""
      const api = new Server();
      const push = api.push.bind(api);
      const marks = made({ api });
      const mark = marks.add(1, note("one"));
      api.push = async (...given) => {
        api.push = push;
        marks.change(mark.id, note("two"));
        return push(...given);
      };
      await marks.flush();
      return [ink(marks), [...api.marks.values()].map(one => one.mark.body.text), marks.unsent.count];
    """)
    assert found == [["two"], ["two"], 0]


def test_a_deletion_elsewhere_wins_over_an_edit_here_and_the_other_way_round() -> None:
    found = played("""
      const [api, disk] = [new Server(), new Disk()];
      const marks = made({ api, disk });
      const [one, two] = [marks.add(1, note("one")), marks.add(1, note("two"))];
      await marks.flush();
      marks.change(one.id, note("edited"));
      marks.remove([two.id]);
      api.put({ ...one, stamp: [one.stamp[0], 9, "other"], body: null });
      api.put({ ...two, stamp: [two.stamp[0] + 1e9, 0, "other"], body: note("later"), owner: "me" });
      await marks.read();
      await marks.flush();
      const seen = ink(marks);
      const later = made({ api, disk });
      await later.flush();
      return [seen, ink(later), disk.records.size, [...api.marks.values()].map(each => each.mark.body)];
    """)
    assert found == [[], [], 0, [None, None]]


@pytest.mark.parametrize("other", [None, "B, later"])
def test_a_text_that_loses_is_sent_all_the_same(other: str | None) -> None:
    found = played(
        """
      const [api, disk] = [new Server(), new Disk()];
      const first = made({ api, disk });
      const mark = first.add(1, note("old"));
      await first.flush();
      first.close();
      const pushed = [];
      const push = api.push.bind(api);
      api.push = (device, marks) => { pushed.push(...marks.map(one => one.body.text)); return push(device, marks); };
      const marks = made({ api, disk });
      await marks.flush();
      marks.change(mark.id, note("A, earlier"));
      api.put({ ...mark, stamp: [mark.stamp[0] + 1e9, 0, "b"], body: given[0] && note(given[0]), owner: "me" });
      marks.read();
      await marks.flush();
      return [pushed, ink(marks), [...disk.records.values()].map(one => one.isPending)];
    """,
        other,
    )
    assert found == [["A, earlier"], [other] if other else [], [False] if other else []]


def test_the_handwriting_of_a_page_is_shared_in_one_go() -> None:
    found = played("""
      const disk = new Disk();
      const marks = made({ disk });
      const ids = Array.from({ length: 300 }, (_, n) => marks.add(1, stroke(n)).id);
      await marks.flush();
      disk.writes = 0;
      const told = [];
      marks.subscribe(({ added }) => told.push(added.length));
      marks.show(ids, { visibility: "shared" });
      await marks.flush();
      const shared = marks.all().filter(one => one.mark.visibility === "shared").length;
      marks.undo();
      return [told.slice(0, 1), told.length, disk.writes, shared, marks.all().length];
    """)
    assert found == [[300], 2, 1, 300, 299], "it is no step: the last stroke is what is undone"


def test_marks_of_others_cannot_be_changed() -> None:
    found = played("""
      const api = new Server();
      api.put(ofTheChair);
      const marks = made({ api });
      await marks.flush();
      const tries = [() => marks.remove(["0000-other"]), () => marks.change("0000-other", stroke())];
      const refused = tries.map(does => { try { does(); return ""; } catch (error) { return error.message; } });
      return [refused, marks.all().length];
    """)
    assert found[1] == 1
    assert all("not one's own" in one for one in found[0])


def test_what_the_server_refuses_stays_here_and_is_told() -> None:
    found = played("""
      const [api, disk] = [new Server(), new Disk()];
      api.refusesText = "no";
      const marks = made({ api, disk });
      marks.add(1, note("no"));
      marks.add(1, note("yes"));
      await marks.flush();
      const told = marks.all().map(one => [one.mark.body.text, one.refused ?? "", one.isPending]);
      api.refusesText = "";
      marks.close();
      const again = made({ api, disk });
      await again.flush();
      return { told, pushes: api.asked.filter(one => one.startsWith("push")).length, after: api.marks.size };
    """)
    assert found["told"] == [["no", "not here", False], ["yes", "", False]]
    assert found["pushes"] == 2, "what was refused is sent again when the paper is opened, and not before"
    assert found["after"] == 2


def test_what_the_server_refused_and_was_deleted_then_is_gone() -> None:
    found = played("""
      const [api, disk] = [new Server(), new Disk()];
      const marks = made({ api, disk });
      api.push = async (device, marks) => (
        { server_ms: Date.now(), marks: [], refused: marks.map(one => ({ id: one.id, reason: "limit" })) });
      const mark = marks.add(1, stroke());
      await marks.flush();
      const kept = [...disk.records.values()].map(one => one.refused);
      marks.remove([mark.id]);
      await marks.flush();
      return [kept, disk.records.size, marks.unsent.count];
    """)
    assert found == [["limit"], 0, 0]


def test_what_the_server_refused_is_not_forgotten_when_all_is_read_again() -> None:
    found = played("""
      const [api, disk] = [new Server(), new Disk()];
      api.refusesText = "no";
      const marks = made({ api, disk });
      marks.add(1, note("no"));
      await marks.flush();
      const read = api.read.bind(api);
      api.read = async since => ({ ...await read(since), is_whole: true });
      marks.read();
      await marks.flush();
      return [ink(marks), [...disk.records.values()].map(one => one.refused)];
    """)
    assert found == [["no"], ["not here"]]


def test_one_mark_that_makes_a_request_fail_does_not_keep_the_others_back() -> None:
    found = played("""
      const api = new Server();
      const push = api.push.bind(api);
      api.push = async (device, marks) => {
        const isBad = marks.some(one => one.body.text === "bad");
        if (isBad) throw Object.assign(new Error("marks[0].body: too long"), { status: 400 });
        return push(device, marks);
      };
      const marks = made({ api });
      for (const text of ["a", "b", "bad", "c", "d", "e"]) marks.add(1, note(text));
      await marks.flush();
      const refused = marks.all().filter(one => one.refused).map(one => one.refused);
      return [[...api.marks.values()].map(one => one.mark.body.text).sort(), refused];
    """)
    assert found == [["a", "b", "c", "d", "e"], ["marks[0].body: too long"]]


def test_when_the_bad_mark_is_found_the_others_go_together_again() -> None:
    found = played("""
      const api = new Server();
      const push = api.push.bind(api);
      api.push = async (device, marks) => {
        if (marks.some(one => one.body.text === "bad")) throw Object.assign(new Error("too long"), { status: 400 });
        return push(device, marks);
      };
      const marks = made({ api });
      marks.add(1, note("bad"));
      for (let n = 0; n < 99; n += 1) marks.add(1, note("good"));
      await marks.flush();
      return [api.asked.filter(one => one.startsWith("push")), api.marks.size];
    """)
    assert found == [["push 99"], 99]


def test_marks_made_under_another_device_id_are_sent_as_of_that_one() -> None:
    found = played("""
      const [api, disk] = [new Server(), new Disk()];
      const push = api.push.bind(api);
      api.push = async (device, marks) => {
        const wrong = marks.filter(one => one.stamp[2] !== device);
        const pushed = await push(device, marks.filter(one => !wrong.includes(one)));
        return { ...pushed, refused: wrong.map(one => ({ id: one.id, reason: "device" })) };
      };
      const first = made({ disk, api, clock: new MarksClock("before", 0) });
      first.add(1, note("a"));
      first.add(1, note("b"));
      first.close();
      await first.flush();
      const marks = made({ disk, api, clock: new MarksClock("after", 0) });
      await marks.ready;
      marks.add(1, note("c"));
      await marks.flush();
      return [[...api.marks.values()].map(one => one.mark.body.text).sort(), marks.all().filter(one => one.refused).length];
    """)
    assert found == [["a", "b", "c"], 0]


def test_a_person_who_is_not_let_in_is_not_asked_again() -> None:
    found = played("""
      const api = new Server();
      api.failures.push(Object.assign(new Error("log in"), { status: 401 }));
      const marks = made({ api });
      marks.add(1, stroke());
      await marks.flush();
      const state = marks.unsent;
      marks.add(1, stroke());
      return [state, api.asked, marks.unsent.count];
    """)
    assert found == [{"count": 1, "state": "refused"}, ["read 0"], 2]


def test_when_somebody_else_is_logged_in_that_is_told_and_nothing_more_is_sent() -> None:
    found = played("""
      const [api, told] = [new Server(), []];
      const marks = made({ api, left: () => told.push("left") });
      await marks.flush();
      marks.add(1, stroke());
      api.failures.push(Object.assign(new Error("somebody else is logged in"), { status: 409 }));
      await marks.flush();
      await marks.flush();
      return [told, api.asked, api.marks.size];
    """)
    assert found == [["left"], ["read 0", "push 1"], 0]


def test_each_request_says_whose_marks_it_is_about() -> None:
    found = played("""
      const { marksApi } = await import("./marks_sync.js");
      const asked = [];
      const library = { get: async (address, { body } = {}) => {
        asked.push([address, body ?? ""]);
        return { ok: true, json: async () => 1 };
      } };
      const api = marksApi(library, "p", "Ö");
      await api.read(3, "d", "");
      await api.read(3, "d", "1.2");
      await api.push("d", []);
      return asked.map(([address, body]) => [address, body && JSON.parse(body).person]);
    """)
    path = "/papers/p/marks?since=3&device=d&person=%C3%96"
    assert found == [[path, ""], [f"{path}&next=1.2", ""], ["/papers/p/marks", "Ö"]]


def test_marks_that_are_here_only_to_be_sent_go_without_a_reading() -> None:
    found = played("""
      const [api, disk] = [new Server(), new Disk()];
      api.put(ofTheChair);
      const clock = new MarksClock("tablet", 0);
      const first = made({ disk, clock, api: { read: () => new Promise(() => {}), push: () => new Promise(() => {}) } });
      first.add(1, stroke());
      await first.writer.written;
      first.close();
      const marks = made({ api, disk, clock, isToSend: true });
      await marks.flush();
      const met = [api.asked.splice(0), marks.unsent, disk.known.since, disk.records.size];
      const never = made({ disk: new Disk(), clock: new MarksClock("tablet", null), api, isToSend: true });
      never.add(1, stroke());
      await never.flush();
      return [met, api.asked];
    """)
    met, of_wrong_clock = found
    assert met == [["push 1"], {"count": 0, "state": "done"}, 0, 1]
    assert of_wrong_clock == ["read 0", "push 1"], "a reading corrects the stamps of a device that never met the server"


@pytest.mark.parametrize("what", ["read", "push"])
def test_an_answer_that_comes_after_the_end_is_not_kept(what: str) -> None:
    found = played(
        """
      const [api, disk] = [new Server(), new Disk()];
      api.put(ofTheChair);
      const [what] = given;
      let answer, asked;
      const isAsked = new Promise(done => { asked = done; });
      const real = api[what].bind(api);
      api[what] = async (...all) => {
        asked();
        await new Promise(done => { answer = done; });
        return real(...all);
      };
      const marks = made({ api, disk });
      marks.add(1, stroke());
      await isAsked;
      await marks.writer.written;
      marks.close();
      const before = [disk.writes, disk.records.size];
      answer();
      await new Promise(done => setTimeout(done, 20));
      await marks.writer.written;
      return [before, [disk.writes, disk.records.size], api.asked];
    """,
        what,
    )
    before, after, asked = found
    assert asked[-1] == {"read": "read 0", "push": "push 1"}[what], "the server did answer"
    assert after == before


def test_marks_that_no_server_keeps_are_the_devices_own_until_a_server_keeps_them() -> None:
    found = played("""
      const { stays } = await import("./marks_disk.js");
      class OfTabs extends Disk { // it keeps what another tab has waiting, as the real one does
        async write(person, paper, change) {
          const over = new Set((change.over ?? []).map(String));
          const holds = (id, next) => !stays(this.records.get(id), next, over);
          return super.write(person, paper, { ...change, records: (change.records ?? []).filter(one => holds(one.id, one)),
            gone: (change.gone ?? []).filter(id => holds(id, null)) });
        }
      }
      const [api, disk] = [new Server(), new OfTabs()];
      const marks = made({ disk });
      const [kept, removed] = [marks.add(1, stroke()), marks.add(1, stroke())];
      await marks.flush();
      marks.remove([removed.id]);
      const changed = marks.add(1, note("a"));
      marks.change(changed.id, note("b"));
      await marks.flush();
      const alone = [[...disk.records.values()].map(one => [one.isLocal, one.isPending]), marks.unsent];
      marks.close();
      const later = made({ disk, api });
      await later.flush();
      return [alone, ink(later), api.asked, [...disk.records.values()].map(one => [one.isLocal ?? false, one.isPending]),
        later.get(kept.id).isMine];
    """)
    alone, seen, asked, after, is_mine = found
    assert alone == [[[True, False]] * 2, {"count": 0, "state": "local"}]
    assert (seen, asked) == ([1, "b"], ["read 0", "push 2"]), "a paper of which the server keeps marks now gets them"
    assert (after, is_mine) == ([[False, False]] * 2, True)


def test_a_reading_in_several_answers_is_one_and_goes_on_after_a_failure() -> None:
    found = played("""
      const { MarksSync, joined } = await import("./marks_sync.js");
      const [api, heard] = [new Server(), []];
      for (const id of ["a", "b", "c", "d", "e"]) api.put({ id, stamp: [1, 0, "x"], body: note(id), owner: "me" });
      api.atOnce = 2;
      let since = 0;
      const sync = new MarksSync(api, new MarksClock("tablet", null), {
        since: () => since, pending: () => [], took: () => {}, told: () => {}, left: () => {}, isToSend: () => false,
        heard: ({ is_whole, marks, gone, seq }) => { heard.push([is_whole, marks.map(one => one.id), gone]); since = seq; },
      });
      api.failures.push(null, new TypeError("the line was cut"));
      await sync.now();
      api.put({ id: "a", stamp: [2, 0, "x"], body: null, owner: "me" });
      await sync.now();
      sync.close();
      const part = (ids, gone, is_whole = false) => ({ seq: 1, server_ms: 1, is_whole, marks: ids.map(id => ({ id })), gone });
      const both = joined(part(["a", "b"], ["c"]), part(["c", "a"], ["b"]));
      const anew = joined(part(["a"], []), part(["z"], [], true));
      return [api.asked, heard, both.marks.map(one => one.id), both.gone, anew.marks.length];
    """)
    asked, heard, marks, gone, anew = found
    assert asked == ["read 0", "read 2", "read 2", "read 4", "read 6"]
    assert heard == [[True, ["b", "c", "d", "e"], ["a"]], [False, [], []]]
    assert (marks, gone, anew) == (["c", "a"], ["b"], 1)
