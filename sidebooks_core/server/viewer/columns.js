/* The column under a finger, and the place that shows it. Pure. */

/** @import { Box, Corners, Place, Point, Span, View, Word } from "./types" */

import { clamped } from "./reading.js";
import { zoomedAt } from "./zooming.js";

const COLUMN_SHARE = 0.94; // of the view that a column fills
const LEAST_COLUMN_ZOOM = 1.25;
const FULL_COLUMN_ZOOM = 1.15; // below this a column is as wide as the view already: a table, whose cells are enlarged
const TAPPED_ZOOM = 2.5; // if there is no column
const NEAR_PT = 14; // around a column that a finger means

/**
 * The column of text at a point, or null; all in points.
 * @param {Word[]} words
 * @param {number} x
 * @param {number} y
 * @returns {Corners | null}
 */
export function columnAt(words, x, y) {
  /** @type {Map<number, Corners>} */
  const blocks = new Map();
  for (const [x0, y0, x1, y1, , block] of words) {
    const [a0, b0, a1, b1] = blocks.get(block) || [x0, y0, x1, y1];
    blocks.set(block, [Math.min(a0, x0), Math.min(b0, y0), Math.max(a1, x1), Math.max(b1, y1)]);
  }
  const all = [...blocks.values()];
  /** @param {Corners} one */
  const isAt = ([x0, y0, x1, y1]) => x >= x0 - NEAR_PT && x <= x1 + NEAR_PT && y >= y0 - NEAR_PT && y <= y1 + NEAR_PT;
  const found = all.filter(isAt).sort((a, b) => (a[2] - a[0]) * (a[3] - a[1]) - (b[2] - b[0]) * (b[3] - b[1]))[0];
  if (!found) return null;
  // Paragraphs of one column are blocks of their own: the widest that lies within or around this one, in most of its width.
  /** @param {Corners} one */
  const shares = ([x0, , x1]) => (Math.min(x1, found[2]) - Math.max(x0, found[0])) / Math.max(1, Math.min(x1 - x0, found[2] - found[0]));
  const inColumn = all.filter((one) => shares(one) > 0.8 && one[2] - one[0] < 1.5 * (found[2] - found[0]));
  return [Math.min(...inColumn.map((one) => one[0])), found[1], Math.max(...inColumn.map((one) => one[2])), found[3]];
}

/**
 * The place after a double tap at a point of the view: the column there fills it.
 * @param {Place} place
 * @param {Point} at
 * @param {Span | null} found that column, in the view's pixels of the whole spread
 * @param {Box[]} boxes
 * @param {View} view
 * @param {number} most
 * @returns {Place}
 */
export function columnPlace(place, at, found, boxes, view, most) {
  const filling = found ? (COLUMN_SHARE * view.width) / (found.right - found.left) : 0;
  const column = filling >= FULL_COLUMN_ZOOM ? found : null;
  const wanted = column ? filling : TAPPED_ZOOM;
  const zoom = Math.min(most, column ? Math.max(LEAST_COLUMN_ZOOM, wanted) : wanted);
  const tapped = zoomedAt(place, zoom / place.zoom, at, boxes, view, most);
  if (!column) return tapped;
  return clamped({ ...tapped, x: (view.width / 2 - (column.left + column.right) / 2) * zoom }, boxes, view);
}
