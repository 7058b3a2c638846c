/* Where the reader looks: a place on a spread, as a value, and what each act makes of it. Pure. All lengths are pixels of the view.

   A place is {mode, zoom, x, y}. zoom: 1 shows the whole spread; x, y: how far the spread's middle lies from the view's.
   mode: "page" (the whole spread), "width" (as wide as the view) or "free" (as somebody has zoomed).
   boxes: where the pages lie if the whole spread is shown. */

const MOST_ZOOM = 8;
const MOST_SCALE = 12; // pixels of the view per point: 1/6 mm fills a fingertip
const LEAST_PAIR = 0.9; // two pages side by side may be this much smaller than one alone
const COLUMN_SHARE = 0.94; // of the view that a column fills
const LEAST_COLUMN_ZOOM = 1.25;
const TAPPED_ZOOM = 2.5; // if there is no column
const NEAR_PT = 14; // around a column that a finger means

export const WHOLE = Object.freeze({ mode: "page", zoom: 1, x: 0, y: 0 });

/** The rectangle that pages cover together: {left, top, right, bottom}. */
export function extent(boxes) {
  return {
    left: Math.min(...boxes.map((one) => one.x)),
    top: Math.min(...boxes.map((one) => one.y)),
    right: Math.max(...boxes.map((one) => one.x + one.width)),
    bottom: Math.max(...boxes.map((one) => one.y + one.height)),
  };
}

/* How far the middle may be moved each way. */
function reach(zoom, boxes, view) {
  const { left, top, right, bottom } = extent(boxes);
  const most = (span, side) => Math.max(0, (span * zoom - side) / 2);
  return [most(right - left, view.width), most(bottom - top, view.height)];
}

/** The place with x and y such that the spread keeps covering the view, or stays in its middle. */
export function clamped(place, boxes, view) {
  const [across, down] = reach(place.zoom, boxes, view);
  const within = (value, most) => Math.max(-most, Math.min(most, value)) || 0;
  return { ...place, x: within(place.x, across), y: within(place.y, down) };
}

/** How far the spread can be moved: {left, right, up, down}. */
export function room(place, boxes, view) {
  const [across, down] = reach(place.zoom, boxes, view);
  return { left: across + place.x, right: across - place.x, up: down + place.y, down: down - place.y };
}

export const moved = (place, dx, dy, boxes, view) => clamped({ ...place, x: place.x + dx, y: place.y + dy }, boxes, view);

/** The zoom that makes the spread as wide as the view. */
export function widthZoom(boxes, view) {
  const { left, right } = extent(boxes);
  return Math.max(1, view.width / (right - left));
}

/** The largest zoom: eight times the whole page, and more on pages that are drawn small then, as long strips are. */
export function mostZoom(boxes, ratio) {
  return Math.max(MOST_ZOOM, ...boxes.map((one) => (MOST_SCALE * ratio) / one.scale));
}

/** The place after zooming about a point, which is given from the view's middle. */
export function zoomedAt(place, factor, at, boxes, view, most) {
  const zoom = Math.max(1, Math.min(most, place.zoom * factor));
  if (zoom === 1) return WHOLE;
  const share = zoom / place.zoom;
  return clamped({ mode: "free", zoom, x: at.x - (at.x - place.x) * share, y: at.y - (at.y - place.y) * share }, boxes, view);
}

/** The place on a spread that somebody turns to. from: "start", "end", or "same" for the same part of it. */
export function placeOn(place, boxes, view, from = "start") {
  if (place.mode === "page") return WHOLE;
  const zoom = place.mode === "width" ? widthZoom(boxes, view) : place.zoom;
  const [, down] = reach(zoom, boxes, view);
  const y = { start: down, end: -down, same: place.y }[from];
  return clamped({ mode: place.mode, zoom, x: place.mode === "width" ? 0 : place.x, y }, boxes, view);
}

/** The place that shows a spread in a mode, "page" or "width"; at its top. */
export const fitted = (mode, boxes, view) => placeOn({ ...WHOLE, mode }, boxes, view);

/** The place at which a rectangle of the whole spread (as `boxes`) is in the middle of the view, as far as it can be. */
export function centred(place, rect, boxes, view) {
  if (place.zoom === 1) return place;
  const x = (view.width / 2 - (rect.left + rect.right) / 2) * place.zoom;
  const y = (view.height / 2 - (rect.top + rect.bottom) / 2) * place.zoom;
  return clamped({ ...place, x, y }, boxes, view);
}

/** The column of text at a point: [x0, y0, x1, y1], or null. words: [[x0, y0, x1, y1, text, block, line]…], all in points. */
export function columnAt(words, x, y) {
  const blocks = new Map();
  for (const [x0, y0, x1, y1, , block] of words) {
    const [a0, b0, a1, b1] = blocks.get(block) || [x0, y0, x1, y1];
    blocks.set(block, [Math.min(a0, x0), Math.min(b0, y0), Math.max(a1, x1), Math.max(b1, y1)]);
  }
  const all = [...blocks.values()];
  const isAt = ([x0, y0, x1, y1]) => x >= x0 - NEAR_PT && x <= x1 + NEAR_PT && y >= y0 - NEAR_PT && y <= y1 + NEAR_PT;
  const found = all.filter(isAt).sort((a, b) => (a[2] - a[0]) * (a[3] - a[1]) - (b[2] - b[0]) * (b[3] - b[1]))[0];
  if (!found) return null;
  // Paragraphs of one column are blocks of their own: the widest that lies within or around this one, in most of its width.
  const shares = ([x0, , x1]) => (Math.min(x1, found[2]) - Math.max(x0, found[0])) / Math.max(1, Math.min(x1 - x0, found[2] - found[0]));
  const inColumn = all.filter((one) => shares(one) > 0.8 && one[2] - one[0] < 1.5 * (found[2] - found[0]));
  return [Math.min(...inColumn.map((one) => one[0])), found[1], Math.max(...inColumn.map((one) => one[2])), found[3]];
}

/** The place after a double tap at a point of the view: the column there fills it. column: in the view's pixels of the whole
    spread, {left, right}, or null. */
export function columnPlace(place, at, column, boxes, view, most) {
  const wanted = column ? (COLUMN_SHARE * view.width) / (column.right - column.left) : TAPPED_ZOOM;
  const zoom = Math.min(most, column ? Math.max(LEAST_COLUMN_ZOOM, wanted) : wanted);
  const tapped = zoomedAt(place, zoom / place.zoom, at, boxes, view, most);
  if (!column) return tapped;
  return clamped({ ...tapped, x: (view.width / 2 - (column.left + column.right) / 2) * zoom }, boxes, view);
}

/** Whether pages lie side by side. choice: "auto", "one" or "two"; single, pair: the scales of a page alone and of two. */
export function isTogether(choice, single, pair, view) {
  if (choice !== "auto") return choice === "two";
  return view.width > view.height && pair >= LEAST_PAIR * single;
}
