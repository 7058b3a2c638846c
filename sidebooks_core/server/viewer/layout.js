/* Where pages and their tiles lie: numbers in, numbers out. Pages count from 1; sizes are pixels of the screen ("view")
   unless they say otherwise. */

export const MAX_IMAGE_PX = 16_000_000; // old iPads refuse images over 16.7 million pixels

const MAX_HEIGHT_RATIO = 1.2; // as in tiling/spreads.py, whose rules these are: a test holds them together

/**
 * What layouts need of a page.
 * @typedef {{width_pt: number, height_pt: number}} PageSize
 */

/**
 * A page on the view, in pixels; scale: pixels per point.
 * @typedef {{page: number, x: number, y: number, width: number, height: number, scale: number}} Box
 */

/** @typedef {{width: number, height: number}} View */
/** @typedef {{zoom: number, x: number, y: number}} Place how far a page is zoomed about the view's middle, and moved */
/** @typedef {[width: number, height: number, tile: number]} Level in pixels */
/** @typedef {{level: number, column: number, row: number, x: number, y: number, width: number, height: number}} TileBox */

/**
 * Of a list of pages, with the cover in a pair and with the cover alone: for each page, the first page of its pair, or itself.
 * @type {WeakMap<PageSize[], [number[]?, number[]?]>}
 */
const starts = new WeakMap();

/**
 * @param {PageSize[]} pages
 * @param {boolean} coverAlone
 * @returns {number[]}
 */
function startsOf(pages, coverAlone) {
  const known = starts.get(pages) ?? [];
  starts.set(pages, known);
  return known[Number(coverAlone)] ??= paired(pages, coverAlone);
}

/**
 * @param {PageSize[]} pages
 * @param {boolean} coverAlone
 * @returns {number[]}
 */
function paired(pages, coverAlone) {
  /** @param {PageSize} one */
  const isWide = (one) => one.width_pt > one.height_pt;
  /** @type {(one: PageSize, other: PageSize) => boolean} */
  const isPair = (one, other) => {
    const [lower, higher] = [one.height_pt, other.height_pt].sort((a, b) => a - b);
    return !isWide(one) && !isWide(other) && higher <= lower * MAX_HEIGHT_RATIO;
  };
  /** @type {number[]} */
  const found = [];
  for (let index = 0; index < pages.length; index = found.length) {
    found.push(index + 1);
    const mayBegin = index > 0 || !coverAlone;
    if (mayBegin && index + 1 < pages.length && isPair(pages[index], pages[index + 1])) found.push(index + 1);
  }
  return found;
}

/**
 * Which pages are shown together, from left to right. Wide pages and pages of unequal heights stand alone.
 * @param {PageSize[]} pages all of the document; the same list each time, since its pairs are kept
 * @param {string} direction "rtl": the page that is read first is on the right
 * @param {number} page
 * @param {boolean} together false: every page alone
 * @param {boolean} [coverAlone] the first page is a cover: pairs begin at the second
 * @returns {number[]}
 */
export function spreadOf(pages, direction, page, together, coverAlone = true) {
  if (!together) return [page];
  const found = startsOf(pages, coverAlone);
  const first = found[page - 1];
  if (found[first] !== first) return [first];
  return direction === "rtl" ? [first + 1, first] : [first, first + 1];
}

/**
 * The first page of the spread `steps` before or after one; null past the ends.
 * @param {PageSize[]} pages
 * @param {string} direction
 * @param {number[]} spread as `spreadOf` gives it
 * @param {number} steps
 * @param {boolean} together
 * @param {boolean} [coverAlone]
 * @returns {number | null}
 */
export function neighbourOf(pages, direction, spread, steps, together, coverAlone = true) {
  let shown = spread;
  for (let left = Math.abs(steps); left > 0; left -= 1) {
    const page = steps > 0 ? Math.max(...shown) + 1 : Math.min(...shown) - 1;
    if (page < 1 || page > pages.length) return null;
    shown = spreadOf(pages, direction, page, together, coverAlone);
  }
  return Math.min(...shown);
}

/**
 * Each page of a spread fitted into a view, in whole pixels.
 * @param {PageSize[]} pages
 * @param {number[]} spread
 * @param {number} width of the view
 * @param {number} height
 * @returns {Box[]}
 */
export function fit(pages, spread, width, height) {
  const sizes = spread.map((page) => pages[page - 1]);
  const across = sizes.reduce((sum, one) => sum + one.width_pt, 0);
  const scale = Math.min(width / across, height / Math.max(...sizes.map((one) => one.height_pt)));
  let x_pt = 0;
  return sizes.map((one, index) => {
    const box = {
      page: spread[index],
      x: Math.round((width - across * scale) / 2 + x_pt * scale),
      y: Math.round((height - one.height_pt * scale) / 2),
      width: Math.max(1, Math.round(one.width_pt * scale)),
      height: Math.max(1, Math.round(one.height_pt * scale)),
      scale,
    };
    x_pt += one.width_pt;
    return box;
  });
}

/**
 * A box after zooming about the view's middle and moving.
 * @param {Box} box
 * @param {View} view
 * @param {Place} place
 * @returns {Box}
 */
export function zoomed(box, view, { zoom, x, y }) {
  if (zoom === 1 && !x && !y) return box;
  return {
    page: box.page,
    x: (box.x - view.width / 2) * zoom + view.width / 2 + x,
    y: (box.y - view.height / 2) * zoom + view.height / 2 + y,
    width: box.width * zoom,
    height: box.height * zoom,
    scale: box.scale * zoom,
  };
}

/**
 * The coarsest level of a page that has all the pixels of a width; the finest if none has.
 * @param {Level[]} levels
 * @param {number} width_px
 * @returns {number}
 */
export function levelFor(levels, width_px) {
  const found = levels.findIndex(([width]) => width >= width_px * 0.95);
  return found < 0 ? levels.length - 1 : found;
}

/**
 * The tiles of a level that a view shows, where they lie on it, the middle first.
 * @param {Level[]} levels of the page
 * @param {number} level
 * @param {{x: number, y: number, width: number, height: number}} box of the page on the view
 * @param {View} view
 * @returns {TileBox[]}
 */
export function tilesIn(levels, level, box, view) {
  if (!levels[level]) return []; // a page that this reader may not have
  const [width_px, height_px, side] = levels[level];
  const across = box.width / width_px;
  const down = box.height / height_px;
  /** @type {(start: number, end: number, step: number, count: number) => [number, number]} */
  const range = (start, end, step, count) => [
    Math.max(0, Math.floor(start / step)), Math.min(count - 1, Math.floor((end - 1e-6) / step)),
  ];
  const [left, right] = range(-box.x / across, (view.width - box.x) / across, side, Math.ceil(width_px / side));
  const [top, bottom] = range(-box.y / down, (view.height - box.y) / down, side, Math.ceil(height_px / side));
  const found = [];
  for (let row = top; row <= bottom; row += 1) {
    for (let column = left; column <= right; column += 1) {
      // Both edges are rounded from the page's own grid, so that neighbours share them and no seam shows.
      const x = Math.round(box.x + column * side * across);
      const y = Math.round(box.y + row * side * down);
      const x1 = Math.round(box.x + Math.min(width_px, (column + 1) * side) * across);
      const y1 = Math.round(box.y + Math.min(height_px, (row + 1) * side) * down);
      found.push({ level, column, row, x, y, width: x1 - x, height: y1 - y });
    }
  }
  /** @param {TileBox} one */
  const away = (one) => Math.hypot(one.x + one.width / 2 - view.width / 2, one.y + one.height / 2 - view.height / 2);
  return found.sort((a, b) => away(a) - away(b));
}
