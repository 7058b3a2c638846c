/* Zooming: the place after it, and readers that do it. */

/** @import { Box, FitMode, Place, Point, Reader, View } from "./types" */

import { WHOLE, clamped, placeOn } from "./reading.js";

const MOST_ZOOM = 8;
const MOST_SCALE = 12; // pixels of the view per point: 1/6 mm fills a fingertip

/**
 * The largest zoom: eight times the whole page, and more on pages that are drawn small then, as long strips are.
 * @param {Box[]} boxes
 * @param {number} ratio
 */
export function mostZoom(boxes, ratio) {
  return Math.max(MOST_ZOOM, ...boxes.map((one) => (MOST_SCALE * ratio) / one.scale));
}

/**
 * The place after zooming about a point, which is given from the view's middle.
 * @param {Place} place
 * @param {number} factor
 * @param {Point} at
 * @param {Box[]} boxes
 * @param {View} view
 * @param {number} most
 * @returns {Place}
 */
export function zoomedAt(place, factor, at, boxes, view, most) {
  const zoom = Math.max(1, Math.min(most, place.zoom * factor));
  if (zoom === 1) return WHOLE;
  const share = zoom / place.zoom;
  return clamped({ mode: "free", zoom, x: at.x - (at.x - place.x) * share, y: at.y - (at.y - place.y) * share }, boxes, view);
}

/**
 * The place that shows a spread in a mode; at its top.
 * @type {(mode: FitMode, boxes: Box[], view: View) => Place}
 */
export const fitted = (mode, boxes, view) => placeOn({ ...WHOLE, mode }, boxes, view);

/** Zoom a reader by a factor about a point, given from the view's middle. @param {Reader} reader @param {number} factor */
export function zoomBy(reader, factor, at = { x: 0, y: 0 }) {
  const boxes = reader.boxes();
  const seen = reader.view();
  reader.place(zoomedAt(reader.state, factor, at, boxes, seen, mostZoom(boxes, seen.ratio)));
}

/** Let a reader show the whole page, or its whole width. @param {Reader} reader @param {FitMode} mode */
export function fitTo(reader, mode) { reader.place(fitted(mode, reader.boxes(), reader.view())); }
