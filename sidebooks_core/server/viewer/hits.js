/* The marks on what a search has found. */

/** @import { Hit, Layer, Reader } from "./types" */

import { onView } from "./frames.js";
import { centred } from "./reading.js";

const HIT = "rgb(255, 221, 70)";
const HIT_AT_NIGHT = "rgb(211, 152, 14)"; // the night's filter makes a dark amber of it, under light letters
const CURRENT_HIT = "rgb(255, 140, 40)";

/**
 * The layer of a reader that marks its hits, and one of them as the present one. It darkens the paper and never the ink.
 * @param {Reader} reader
 * @returns {Layer}
 */
export function hitLayer(reader) {
  return (context, { page, box }) => {
    const { hits, hit: current } = reader;
    if (!hits.length) return;
    const isNight = document.documentElement.hasAttribute("data-night");
    context.globalCompositeOperation = "multiply";
    for (const hit of hits) {
      if (hit.page !== page) continue;
      context.fillStyle = hit === current ? CURRENT_HIT : isNight ? HIT_AT_NIGHT : HIT;
      for (const [x0, y0, x1, y1] of hit.boxes_pt) {
        context.fillRect(box.x + x0 * box.scale - 1, box.y + y0 * box.scale - 1, (x1 - x0) * box.scale + 2, (y1 - y0) * box.scale + 2);
      }
    }
    context.globalCompositeOperation = "source-over";
  };
}

/**
 * Let a reader mark hits of a search, and lead to one of them.
 * @param {Reader} reader
 * @param {Hit[]} hits
 * @param {Hit | null} current
 */
export function showHits(reader, hits, current = null) {
  const isNew = current !== reader.hit;
  Object.assign(reader, { hits, hit: current });
  if (current && isNew) lead(reader, current);
  reader.paint();
}

/** @param {Reader} reader @param {Hit} hit */
function lead(reader, hit) {
  if (!reader.spread.includes(hit.page)) reader.goto(hit.page);
  const box = reader.boxes().find((one) => one.page === hit.page);
  if (!box || !hit.boxes_pt.length) return;
  const seen = reader.view();
  reader.place(centred(reader.state, onView(hit.boxes_pt[0], box, seen, reader.state.quarters), reader.boxes(), seen));
}
