"""A backup was restored on the server: what it lacks comes back from the devices that have it."""

from __future__ import annotations

import pytest
from marks_node import played
from viewer_node import NODE

pytestmark = pytest.mark.skipif(NODE is None, reason="needs node")

RESTORED = """
const [api, disk] = [new Server(), new Disk()];
const first = made({ api, disk });
const text = first.add(1, note("before"));
await first.flush();
const backup = new Map(api.marks);
first.change(text.id, note("after"));
first.add(1, stroke(7));
api.put(ofTheChair);
first.read();
await first.flush();
const seen = ink(first);
const restore = () => { [api.marks, api.epoch] = [new Map(backup), "two"]; };
const onServer = () => [...api.marks.values()].map(({ mark }) => mark.body.text ?? mark.body.samples[0][0]);
"""


@pytest.mark.parametrize("is_open", [False, True])
def test_the_server_gets_again_what_it_lacks_and_nobody_sees_what_others_do_not_have(is_open: bool) -> None:
    found = played(
        RESTORED
        + """
      if (!given[0]) first.close();
      restore();
      const marks = given[0] ? first : made({ api, disk });
      await marks.ready;
      marks.read();
      await marks.flush();
      const { known } = disk;
      const again = [...disk.records.values()].some(one => one.isPending);
      api.asked.length = 0;
      marks.read();
      await marks.flush();
      return { seen, server: onServer(), here: ink(marks), epoch: known.epoch, again, asked: api.asked };
    """,
        is_open,
    )
    assert sorted(found["seen"], key=str) == [7, 77, "after"]
    assert sorted(found["server"], key=str) == sorted(found["here"], key=str) == [7, "after"]
    assert (found["epoch"], found["again"]) == ("two", False)
    assert len(found["asked"]) == 1, "once"


@pytest.mark.parametrize("is_closed", [False, True])
def test_a_device_that_is_read_late_sends_again_what_the_server_lacks(is_closed: bool) -> None:
    found = played(
        RESTORED
        + """
      first.close();
      restore();
      api.put({ ...ofTheChair, id: "0000-new" });
      const kept = await disk.read();
      const { read } = disk;
      let tell;
      disk.read = () => new Promise(done => { tell = () => done(kept); });
      let marks = made({ api, disk });
      await marks.flush();
      const [before, known] = [onServer(), disk.known.epoch];
      if (given[0]) { // and the page goes away before the device has answered
        marks.close();
        disk.read = read;
        marks = made({ api, disk });
      } else tell();
      await marks.ready;
      await marks.flush();
      await marks.flush();
      const ids = [...disk.records.keys()];
      const stays = ids.includes(ofTheChair.id) || [...disk.records.values()].some(one => one.isPending);
      return { before, known, server: onServer(), here: ink(marks), epoch: disk.known.epoch, stays };
    """,
        is_closed,
    )
    assert sorted(found["before"], key=str) == [77, "before"]
    assert found["known"] == "one", "what the device keeps is of that"
    assert sorted(found["server"], key=str) == sorted(found["here"], key=str) == [7, 77, "after"]
    assert (found["epoch"], found["stays"]) == ("two", False)


def test_what_was_read_from_a_file_is_not_sent_again() -> None:
    found = played("""
      const api = new Server();
      api.put({ ...ofTheChair, stamp: [5, 0, "file"], is_of_file: true, owner: "me" });
      const marks = made({ api });
      await marks.flush();
      const seen = ink(marks);
      api.marks.clear();
      api.epoch = "two";
      marks.read();
      await marks.flush();
      return [seen, ink(marks), api.asked.filter(one => one.startsWith("push"))];
    """)
    assert found == [[77], [], []], "it can be read once more, and a device may not say that it is of the file"
