/* Pages that are turned by quarters: their sizes, and the frame in which each is painted upright. Pure. */

/** @import { Box, Corners, Frame, Page, Rect, Turns, View } from "./types" */

/** @type {WeakMap<Page[], {quarters: number, turns: Turns, list: Page[]}>} of a list of pages: as they lay last */
const turnedLists = new WeakMap();

/**
 * Pages as they lie after turns to the right: the same, or with width and height exchanged.
 * @param {Page[]} pages
 * @param {number} quarters of all
 * @param {Turns} turns of single ones, beside that
 */
export function turnedPages(pages, quarters, turns) {
  const known = turnedLists.get(pages);
  if (known?.quarters === quarters && known.turns === turns) return known.list;
  /** @param {Page} one */
  const turned = (one) => ((quarters + (turns[one.page] || 0)) % 2 ? { ...one, width_pt: one.height_pt, height_pt: one.width_pt } : one);
  const list = quarters % 2 || Object.keys(turns).length ? pages.map(turned) : pages;
  turnedLists.set(pages, { quarters, turns, list });
  return list;
}

/**
 * The frame in which a turned page stands upright. Its box and view: as they are given, seen from there; matrix: from there to the view.
 * @param {Box} box
 * @param {View} view
 * @param {number} quarters
 * @returns {Frame}
 */
export function frameOf(box, view, quarters) {
  const { x, y, width, height, scale } = box;
  const [w, h] = [view.width, view.height];
  const upright = { page: box.page, scale };
  if (quarters === 1) {
    const there = { ...upright, x: y, y: w - x - width, width: height, height: width };
    return { box: there, view: { width: h, height: w }, matrix: [0, 1, -1, 0, w, 0] };
  }
  if (quarters === 2) {
    const there = { ...upright, x: w - x - width, y: h - y - height, width, height };
    return { box: there, view: { width: w, height: h }, matrix: [-1, 0, 0, -1, w, h] };
  }
  if (quarters === 3) {
    const there = { ...upright, x: h - y - height, y: x, width: height, height: width };
    return { box: there, view: { width: h, height: w }, matrix: [0, -1, 1, 0, 0, h] };
  }
  return { box, view, matrix: [1, 0, 0, 1, 0, 0] };
}

/**
 * A point of the view, seen from a frame.
 * @param {number} x
 * @param {number} y
 * @param {View} view
 * @param {number} quarters
 */
export function intoFrame(x, y, view, quarters) {
  return [[x, y], [y, view.width - x], [view.width - x, view.height - y], [view.height - y, x]][quarters];
}

/**
 * A rectangle of a turned page, in points of the upright page, on the view.
 * @param {Corners} corners
 * @param {Box} box
 * @param {View} view
 * @param {number} quarters
 * @returns {Rect}
 */
export function onView([x0, y0, x1, y1], box, view, quarters) {
  const { box: upright, matrix: [a, b, c, d, e, f] } = frameOf(box, view, quarters);
  const corners = [[x0, y0], [x1, y1]].map(([x, y]) => {
    const [u, v] = [upright.x + x * upright.scale, upright.y + y * upright.scale];
    return [a * u + c * v + e, b * u + d * v + f];
  });
  const [xs, ys] = [corners.map((one) => one[0]), corners.map((one) => one[1])];
  return { left: Math.min(...xs), top: Math.min(...ys), right: Math.max(...xs), bottom: Math.max(...ys) };
}
