import { strict as assert } from "node:assert";
import { neighbourOf, spreadOf } from "./layout.js";
for (const { rule: [direction, together, cover], pages: sizes, expected } of given) {
  const pages = sizes.map(([width_pt, height_pt]) => ({ width_pt, height_pt }));
  const spreads = pages.map((_, index) => spreadOf(pages, direction, index + 1, together, cover));
  assert.deepEqual(spreads, expected.spreads);
  assert.deepEqual(spreads.map((one) => [-2, -1, 1, 2].map((by) => neighbourOf(pages, direction, one, by, together, cover))),
    expected.turned);
  if (cover) assert.deepEqual(pages.map((_, index) => spreadOf(pages, direction, index + 1, together)), expected.spreads);
}
