"""What tests of the marks of the viewer stand on: a device and a server, played by node."""

from __future__ import annotations

from typing import Any

from viewer_node import run

HOUSE = """
const { createMarks } = await import("./marks_store.js");
const { MarksClock, compared } = await import("./marks_clock.js");
class Disk {
  constructor() { this.records = new Map(); this.known = { since: 0, epoch: "" }; this.writes = 0; }
  async read() { return { records: [...this.records.values()], ...this.known }; }
  async write(person, paper, { records = [], gone = [], known = this.known }) {
    this.writes += 1;
    if (this.fails || JSON.stringify(records).length > (this.room ?? Infinity)) throw new Error("full");
    for (const one of records) this.records.set(one.id, one);
    for (const id of gone) this.records.delete(id);
    this.known = known;
  }
}
class Server {
  epoch = "one";
  constructor() { Object.assign(this, { marks: new Map(), seq: 0, asked: [], failures: [], server_ms: Date.now() }); }
  fail() { const one = this.failures.shift(); if (one) throw one; }
  async read(since, device, next) {
    this.asked.push(`read ${next || since}`);
    this.fail();
    const after = Number(next || since);
    const all = [...this.marks.values()].filter(one => one.seq > after).sort((one, other) => one.seq - other.seq);
    if (this.atOnce && all.length > this.atOnce) {
      const some = all.slice(0, this.atOnce);
      return { seq: 0, epoch: this.epoch, server_ms: this.server_ms, is_whole: since === 0 && !next,
        next: String(some.at(-1).seq),
        marks: some.filter(one => one.mark.body).map(one => ({ ...one.mark, mine: one.mark.owner === "me" })),
        gone: all.filter(one => !one.mark.body).map(one => one.mark.id) };
    }
    const shown = all.filter(one => one.mark.body).map(one => ({ ...one.mark, mine: one.mark.owner === "me" }));
    return { seq: this.seq, epoch: this.epoch, server_ms: this.server_ms, is_whole: since === 0 && !next, marks: shown,
      gone: all.filter(one => !one.mark.body).map(one => one.mark.id) };
  }
  put(mark) { this.seq += 1; this.marks.set(mark.id, { seq: this.seq, mark }); }
  async push(device, marks) {
    this.asked.push(`push ${marks.length}`);
    this.fail();
    const taken = marks.filter(one => !(this.refusesText && one.body?.text === this.refusesText));
    for (const one of taken) {
      const known = this.marks.get(one.id)?.mark;
      if (!known || (known.body && (!one.body || compared(one.stamp, known.stamp) > 0))) this.put({ ...one, owner: "me" });
    }
    if (this.loses) { this.loses -= 1; throw new TypeError("the line was cut"); }
    const held = taken.map(one => ({ ...this.marks.get(one.id).mark, mine: true }));
    return { server_ms: this.server_ms, marks: held,
      refused: marks.filter(one => !taken.includes(one)).map(one => ({ id: one.id, reason: "not here" })) };
  }
}
const made = (given = {}) => createMarks({
  paper: "p", revision: 2, pageCount: 9, person: "me", disk: new Disk(), clock: new MarksClock("tablet", null), api: null,
  fatesOf: async () => null, ...given,
});
const stroke = (x = 1) => ({ kind: "ink", samples: [[x, 2, 0.5], [x + 1, 3, 0.5]], width_pt: 1, colour: "#000000" });
const note = text => ({ kind: "note", x_pt: 1, y_pt: 2, text, colour: "#ffee00" });
const anchor = (revision, page) => ({ revision, page, content_id: "" });
const ofTheChair = { id: "0000-other", stamp: [5, 0, "x"], anchor: anchor(2, 0), body: stroke(77), owner: "chair" };
const ink = marks => marks.all().map(one => one.mark.body.samples?.[0][0] ?? one.mark.body.text);
"""


def played(script: str, *given: Any) -> Any:
    return run(HOUSE + script, *given)
