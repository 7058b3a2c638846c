"""What the marks of a device have in common: its name, and when the server gets what is being written, without a browser."""

from __future__ import annotations

import pytest
from marks_node import played
from viewer_node import NODE, run

pytestmark = pytest.mark.skipif(NODE is None, reason="needs node")


def test_the_server_gets_the_text_of_one_session_as_one_text() -> None:
    found = played("""
      const server = new Server();
      const marks = made({ api: server });
      await marks.flush();
      const mark = marks.add(1, note(""));
      await marks.flush();
      const texts = [];
      const push = server.push.bind(server);
      server.push = (device, all) => {
        texts.push(...all.map(one => one.body.text ?? one.body.kind));
        return push(device, all);
      };
      marks.hold(mark.id);
      for (const text of ["予", "予算", "予算の"]) marks.change(mark.id, note(text), { isNoted: false });
      const other = marks.add(2, stroke());
      const until = async (holds) => { while (!holds()) await new Promise((done) => setTimeout(done, 5)); };
      await until(() => server.marks.has(other.id));
      const [before, waiting] = [[...texts], marks.unsent.count];
      marks.letGo(mark.id);
      await until(() => server.marks.get(mark.id).mark.body.text === "予算の");
      return { before, waiting, after: texts.slice(before.length) };
    """)
    assert found == {"before": ["ink"], "waiting": 1, "after": ["予算の"]}


def test_what_is_being_written_goes_when_its_paper_is_left() -> None:
    found = played("""
      const server = new Server();
      const marks = made({ api: server });
      const mark = marks.add(1, note(""));
      await marks.flush();
      marks.hold(mark.id);
      marks.change(mark.id, note("予算の"), { isNoted: false });
      await marks.flush();
      return server.marks.get(mark.id).mark.body.text;
    """)
    assert found == "予算の"


def test_what_is_being_written_goes_with_a_page_that_goes_away() -> None:
    found = played("""
      const listeners = {};
      globalThis.addEventListener = (name, does) => { listeners[name] = does; };
      const server = new Server();
      const marks = made({ api: server });
      const mark = marks.add(1, note(""));
      await marks.flush();
      marks.hold(mark.id);
      marks.change(mark.id, note("予算の"), { isNoted: false });
      listeners.pagehide();
      return server.marks.get(mark.id).mark.body.text;
    """)
    assert found == "予算の"


def test_nothing_that_the_server_answers_late_is_kept_of_whoever_has_logged_out() -> None:
    found = played("""
      const [{ leave }, { sendAndClose }] = [await import("./leaving.js"), await import("./marks_left.js")];
      const [server, disk] = [new Server(), new Disk()];
      server.put(ofTheChair);
      const marks = made({ api: server, disk });
      await marks.flush();
      let answer, asked;
      const isAsked = new Promise((done) => { asked = done; });
      const push = server.push.bind(server);
      server.push = async (...all) => {
        asked();
        await new Promise((done) => { answer = done; });
        return push(...all);
      };
      marks.add(1, stroke());
      sendAndClose(marks);
      await isAsked;
      let written = 0;
      const write = disk.write.bind(disk);
      disk.write = async (...all) => {
        await new Promise((done) => setTimeout(done, 20));
        await write(...all);
        written += 1;
      };
      marks.writer.write({ records: [] }); // a slow disk
      const sent = [];
      await leave({ library: null, send: async (_, path) => { sent.push(path, written); } }, { id: "me", role: "guest" });
      const before = disk.writes;
      answer();
      await new Promise((done) => setTimeout(done, 60));
      return [sent, server.marks.size, disk.writes - before];
    """)
    assert found == [["/logout", 1], 2, 0]


DEVICE = """
const [{ local, database }] = given;
const kept = new Map(local ? [["sidebooks device", local]] : []);
globalThis.localStorage = {
  getItem: key => kept.get(key) ?? null, setItem: (key, text) => kept.set(key, text), removeItem: key => kept.delete(key),
};
const { keptClock } = await import("./marks_device.js");
let held = database;
const asked = [];
const disk = { async device(known, made) {
  asked.push(known);
  if (held === "fails") throw new Error("no database");
  held = known || held || made;
  return held;
} };
const [one, other] = [keptClock(disk), keptClock(disk)];
const first = one.device;
for (let turns = 0; turns < 10; turns += 1) await null;
return { first, names: [one.device, other.device], local: kept.get("sidebooks device"), held, asked };
"""


@pytest.mark.parametrize(
    ("local", "database", "expected"),
    [("a", "", "a"), ("", "b", "b"), ("a", "a", "a"), ("a", "b", "a"), ("a", "fails", "a"), ("no name!", "b", "b")],
)
def test_a_device_keeps_its_name_if_one_of_its_two_places_is_emptied(local: str, database: str, expected: str) -> None:
    found = run(DEVICE, {"local": local, "database": database})
    assert found["names"] == [expected, expected]
    assert found["local"] == expected
    assert found["held"] == ("fails" if database == "fails" else expected)
    assert len(found["asked"]) == 1, "once for all papers of a page"


@pytest.mark.parametrize("database", ["", "fails"])
def test_a_device_of_which_nothing_is_left_is_a_new_one(database: str) -> None:
    one, other = (run(DEVICE, {"local": "", "database": database}) for _ in range(2))
    assert one["names"] == [one["first"]] * 2 == [one["local"]] * 2
    assert one["first"] != other["first"]
