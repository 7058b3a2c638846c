"""What is painted of ink when marks come and go, without a browser."""

from __future__ import annotations

import pytest
from viewer_node import NODE, run

pytestmark = pytest.mark.skipif(NODE is None, reason="needs node")

LAYER = """
let painted = 0;
const context = new Proxy({}, {
  get: (known, name) => known[name] ?? (() => { if (name === "stroke") painted += 1; }),
  set: (known, name, value) => { known[name] = value; return true; },
});
globalThis.document = { createElement: () => ({
  setAttribute() {}, append() {}, addEventListener() {}, getContext: () => context, width: 1, height: 1 }) };
const { MarksLayer } = await import("./marks_layer.js");
const view = { x: 0, y: 0, width: 100, height: 100, ratio: 1 };
const box = { x: 0, y: 0, width: 100, height: 100, scale: 1, page: 1 };
const layers = [];
const reader = { canvas: { after() {} }, layers, addEventListener() {}, state: { book: {} }, view: () => view,
  quartersOf: () => 0 };
const body = n => ({ kind: "ink", samples: [[10, 10 + n / 1000, 0.5], [20, 20, 0.5]], width_pt: 1, colour: "#000000" });
let all = Array.from({ length: 400 }, (_, n) => ({
  mark: { id: String(n).padStart(4, "0"), body: body(n), is_of_file: false }, kind: "exact", page: 1, isMine: true }));
let tell;
const marks = { of: () => all, get: () => null, subscribe: listener => { tell = listener; return () => {}; } };
const layer = new MarksLayer(reader);
layer.show(marks);
layers[0](null, { page: 1, box, view });
while (painted < all.length) await new Promise(done => setTimeout(done, 1));
"""


def test_each_stroke_that_stays_is_painted_once_however_many_are_deleted() -> None:
    found = run(
        LAYER
        + """
      painted = 0;
      const removed = all.splice(0, 200);
      tell({ added: [], removed, isPlaced: false });
      const many = painted;
      painted = 0;
      tell({ added: [], removed: all.splice(0, 1), isPlaced: false });
      return [many, painted];
    """
    )
    assert found == [200, 199]
