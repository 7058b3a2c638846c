/* The marks on what a search has found. */

/** @import { Box, Hit, Layer, Place, Reader, Rect, View } from "./types" */

import { onView } from "./frames.js";
import { clamped } from "./reading.js";

const HIT = "rgb(255, 221, 70)";
const HIT_AT_NIGHT = "rgb(211, 152, 14)"; // the night's filter makes a dark amber of it, under light letters
const CURRENT_HIT = "rgb(255, 140, 40)";

/** @type {WeakMap<Hit[], Map<number, Hit[]>>} */
const groups = new WeakMap();

/** A search may find tens of thousands; a frame looks at those of its pages. @param {Hit[]} hits */
function byPage(hits) {
  const known = groups.get(hits);
  if (known) return known;
  /** @type {Map<number, Hit[]>} */
  const made = new Map();
  for (const hit of hits) {
    const there = made.get(hit.page);
    if (there) there.push(hit);
    else made.set(hit.page, [hit]);
  }
  groups.set(hits, made);
  return made;
}

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
    for (const hit of byPage(hits).get(page) || []) {
      context.fillStyle = hit === current ? CURRENT_HIT : isNight ? HIT_AT_NIGHT : HIT;
      for (const [x0, y0, x1, y1] of hit.boxes_pt) {
        context.fillRect(box.x + x0 * box.scale - 1, box.y + y0 * box.scale - 1, (x1 - x0) * box.scale + 2, (y1 - y0) * box.scale + 2);
      }
    }
    context.globalCompositeOperation = "source-over";
  };
}

/**
 * The place at which a rectangle of the whole spread (as `boxes`) is in the middle of the view, as far as it can be.
 * @param {Place} place
 * @param {Rect} rect
 * @param {Box[]} boxes
 * @param {View} view
 * @returns {Place}
 */
export function centred(place, rect, boxes, view) {
  if (place.zoom === 1) return place;
  const x = (view.width / 2 - (rect.left + rect.right) / 2) * place.zoom;
  const y = (view.height / 2 - (rect.top + rect.bottom) / 2) * place.zoom;
  return clamped({ ...place, x, y }, boxes, view);
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
  reader.place(centred(reader.state, onView(hit.boxes_pt[0], box, seen, reader.quartersOf(hit.page)), reader.boxes(), seen));
}
