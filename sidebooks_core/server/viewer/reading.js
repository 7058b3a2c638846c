/* Where the reader looks: a place on a spread, as a value, and what each act makes of it. Pure. All lengths are pixels of the view.

   A place is {mode, zoom, x, y}. zoom: 1 shows the whole spread; x, y: how far the spread's middle lies from the view's.
   mode: "page" (the whole spread), "width" (as wide as the view) or "free" (as somebody has zoomed).
   boxes: where the pages lie if the whole spread is shown. */

/** @import { Box, FitMode, Lay, Place, Point, Rect, Room, SpreadChoice, View } from "./types" */

const LEAST_PAIR = 0.9; // two pages side by side may be this much smaller than one alone

/** @type {Readonly<Place>} */
export const WHOLE = Object.freeze({ mode: "page", zoom: 1, x: 0, y: 0 });

/** The rectangle that pages cover together. @param {Box[]} boxes @returns {Rect} */
export function extent(boxes) {
  return {
    left: Math.min(...boxes.map((one) => one.x)),
    top: Math.min(...boxes.map((one) => one.y)),
    right: Math.max(...boxes.map((one) => one.x + one.width)),
    bottom: Math.max(...boxes.map((one) => one.y + one.height)),
  };
}

/** How far the middle may be moved each way. @param {number} zoom @param {Box[]} boxes @param {View} view */
function reach(zoom, boxes, view) {
  const { left, top, right, bottom } = extent(boxes);
  /** @type {(span: number, side: number) => number} */
  const most = (span, side) => Math.max(0, (span * zoom - side) / 2);
  return [most(right - left, view.width), most(bottom - top, view.height)];
}

/**
 * The place with x and y such that the spread keeps covering the view, or stays in its middle.
 * @param {Place} place
 * @param {Box[]} boxes
 * @param {View} view
 * @returns {Place}
 */
export function clamped(place, boxes, view) {
  const [across, down] = reach(place.zoom, boxes, view);
  /** @type {(value: number, most: number) => number} */
  const within = (value, most) => Math.max(-most, Math.min(most, value)) || 0;
  return { ...place, x: within(place.x, across), y: within(place.y, down) };
}

/** How far the spread can be moved. @param {Place} place @param {Box[]} boxes @param {View} view @returns {Room} */
export function room(place, boxes, view) {
  const [across, down] = reach(place.zoom, boxes, view);
  return { left: across + place.x, right: across - place.x, up: down + place.y, down: down - place.y };
}

/** @type {(place: Place, dx: number, dy: number, boxes: Box[], view: View) => Place} */
export const moved = (place, dx, dy, boxes, view) => clamped({ ...place, x: place.x + dx, y: place.y + dy }, boxes, view);

/** The zoom that makes the spread as wide as the view. @param {Box[]} boxes @param {View} view */
export function widthZoom(boxes, view) {
  const { left, right } = extent(boxes);
  return Math.max(1, view.width / (right - left));
}

/**
 * The place on a spread that somebody turns to.
 * @param {Place} place
 * @param {Box[]} boxes
 * @param {View} view
 * @param {"start" | "end"} from
 * @returns {Place}
 */
export function placeOn(place, boxes, view, from = "start") {
  if (place.mode === "page") return WHOLE;
  const zoom = place.mode === "width" ? widthZoom(boxes, view) : place.zoom;
  const [, down] = reach(zoom, boxes, view);
  const y = from === "end" ? -down : down;
  return clamped({ mode: place.mode, zoom, x: place.mode === "width" ? 0 : place.x, y }, boxes, view);
}

/**
 * The same part of a spread after the view, or the size of what lies on it, has changed: what was at the top is there again.
 * @param {Place} place
 * @param {Lay} was before
 * @param {Box[]} boxes
 * @param {View} view
 * @returns {Place}
 */
export function keptOn(place, was, boxes, view) {
  if (place.mode === "page") return WHOLE;
  /** @param {Box[]} all @param {number} zoom */
  const span = (all, zoom) => {
    const { left, top, right, bottom } = extent(all);
    return [(right - left) * zoom, (bottom - top) * zoom];
  };
  const zoom = place.mode === "width" ? widthZoom(boxes, view) : place.zoom;
  const [[width, height], [across, down]] = [span(was.boxes, place.zoom), span(boxes, zoom)];
  const above = (height / 2 - place.y - was.view.height / 2) / height; // the share of the spread that is over the view's top
  return clamped({ mode: place.mode, zoom, x: (place.x * across) / width, y: down / 2 - above * down - view.height / 2 }, boxes, view);
}

/**
 * Whether pages lie side by side.
 * @param {SpreadChoice} choice
 * @param {number} single the scale of a page alone
 * @param {number} pair and of two
 * @param {View} view
 */
export function isTogether(choice, single, pair, view) {
  if (choice !== "auto") return choice === "two";
  return view.width > view.height && pair >= LEAST_PAIR * single;
}
