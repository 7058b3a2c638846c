/* What a reader sees, as a rectangle in points of a page; and the place that shows such a rectangle on another screen. It reads
   readers and changes none. Boxes are those of the whole spread on the view, in pixels. Pages count from 1. */

/** @import { Box, Place, Point, Reader, View } from "./types" */
/** @import { RectPt, Shown } from "./following.js" */

import { fitted, seen } from "./following.js";
import { frameOf, intoFrame, onView } from "./frames.js";
import { zoomed } from "./layout.js";
import { clamped, extent, WHOLE } from "./reading.js";
import { mostZoom } from "./zooming.js";

const LEAST_ZOOM = 1.01; // what is enlarged by less is the whole page

/**
 * What a view shows, in points of a page, and perhaps beyond it; null: the whole spread.
 * @param {Box} box of the page
 * @param {Place} place
 * @param {View} view
 * @param {number} quarters by which the page is turned to the right
 * @returns {RectPt | null}
 */
export function rectSeen(box, place, view, quarters) {
  if (place.zoom < LEAST_ZOOM) return null;
  const { box: upright, view: frame } = frameOf(zoomed(box, view, place), view, quarters);
  return seen({ scale: upright.scale, x: upright.x, y: upright.y }, frame.width, frame.height);
}

/**
 * The place at which a view shows a rectangle of a page, as large as it can: more of the spread, never less. What lies beyond the
 * spread is left out, since nothing is there.
 * @param {RectPt | null} rect in points of the page; null: the whole spread
 * @param {Box} box of the page
 * @param {Box[]} boxes of the spread
 * @param {View & {ratio: number}} view ratio: pixels of the view to one of CSS
 * @param {number} quarters by which the page is turned to the right
 * @returns {Place}
 */
export function placeShowing(rect, box, boxes, view, quarters) {
  if (!rect) return WHOLE;
  const asked = onView(rect, box, view, quarters);
  const all = extent(boxes);
  const [left, top] = [Math.max(asked.left, all.left), Math.max(asked.top, all.top)];
  const [right, bottom] = [Math.min(asked.right, all.right), Math.min(asked.bottom, all.bottom)];
  if (!(right > left && bottom > top)) return WHOLE; // of a page that looks different here
  const points = /** @type {RectPt} */ ([left - box.x, top - box.y, right - box.x, bottom - box.y].map((one) => one / box.scale));
  const zoom = Math.min(fitted(points, view.width, view.height).scale / box.scale, mostZoom(boxes, view.ratio));
  if (zoom < LEAST_ZOOM) return WHOLE;
  const [x, y] = [(view.width - left - right) / 2, (view.height - top - bottom) / 2];
  return clamped({ mode: "free", zoom, x: x * zoom, y: y * zoom }, boxes, view);
}

/**
 * Where a reader is, as a presenter tells it; null: no paper is open.
 * @param {Reader} reader
 * @returns {Shown | null}
 */
export function placeTold(reader) {
  const { book } = reader.state;
  if (!book?.paper) return null;
  const { spread } = reader;
  const [page, last] = [Math.min(...spread), Math.max(...spread)];
  const box = reader.boxes().find((one) => one.page === page);
  const rect = box && rectSeen(box, reader.state, reader.view(), reader.quartersOf(page));
  return {
    paper: book.paper.id, revision: book.paper.revision, page, spread: last > page ? last : null,
    view_pt: rect ? /** @type {RectPt} */ (rect.map((one) => Math.round(one * 10) / 10)) : null,
  };
}

/**
 * The page under a point of the view, and the point on it; null: there is none.
 * @param {Reader} reader
 * @param {Point} at
 * @returns {{page: number, point_pt: [x: number, y: number]} | null}
 */
export function pointUnder(reader, at) {
  const view = reader.view();
  for (const one of reader.boxes()) {
    const lies = zoomed(one, view, reader.state);
    if (at.x < lies.x || at.y < lies.y || at.x > lies.x + lies.width || at.y > lies.y + lies.height) continue;
    const quarters = reader.quartersOf(one.page);
    const { box } = frameOf(lies, view, quarters);
    const [x, y] = intoFrame(at.x, at.y, view, quarters);
    return { page: one.page, point_pt: [(x - box.x) / box.scale, (y - box.y) / box.scale] };
  }
  return null;
}
