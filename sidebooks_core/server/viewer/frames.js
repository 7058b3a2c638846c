/* Pages that are turned by quarters: their sizes, and the frame in which each is painted upright. Pure. */

const turnedLists = new WeakMap(); // of a list of pages: the same with width and height exchanged

/** Pages as they lie after `quarters` turns to the right: the same, or with width and height exchanged. */
export function turnedPages(pages, quarters) {
  if (quarters % 2 === 0) return pages;
  if (!turnedLists.has(pages)) {
    turnedLists.set(pages, pages.map((one) => ({ ...one, width_pt: one.height_pt, height_pt: one.width_pt })));
  }
  return turnedLists.get(pages);
}

/** The frame in which a turned page stands upright: {box, view, matrix}. box, view: as they are given, seen from there; matrix:
    [a, b, c, d, e, f] from there to the view, as a canvas takes it. */
export function frameOf(box, view, quarters) {
  const { x, y, width, height, scale } = box;
  const [w, h] = [view.width, view.height];
  const upright = { page: box.page, scale };
  if (quarters === 1) {
    return { box: { ...upright, x: y, y: w - x - width, width: height, height: width }, view: { width: h, height: w }, matrix: [0, 1, -1, 0, w, 0] };
  }
  if (quarters === 2) {
    return { box: { ...upright, x: w - x - width, y: h - y - height, width, height }, view: { width: w, height: h }, matrix: [-1, 0, 0, -1, w, h] };
  }
  if (quarters === 3) {
    return { box: { ...upright, x: h - y - height, y: x, width: height, height: width }, view: { width: h, height: w }, matrix: [0, -1, 1, 0, 0, h] };
  }
  return { box, view, matrix: [1, 0, 0, 1, 0, 0] };
}

/** A point of the view, seen from a frame. */
export function intoFrame(x, y, view, quarters) {
  return [[x, y], [y, view.width - x], [view.width - x, view.height - y], [view.height - y, x]][quarters];
}

/** A rectangle of a turned page, in points of the upright page, on the view: {left, top, right, bottom}. */
export function onView([x0, y0, x1, y1], box, view, quarters) {
  const { box: upright, matrix: [a, b, c, d, e, f] } = frameOf(box, view, quarters);
  const corners = [[x0, y0], [x1, y1]].map(([x, y]) => {
    const [u, v] = [upright.x + x * upright.scale, upright.y + y * upright.scale];
    return [a * u + c * v + e, b * u + d * v + f];
  });
  const [xs, ys] = [corners.map((one) => one[0]), corners.map((one) => one[1])];
  return { left: Math.min(...xs), top: Math.min(...ys), right: Math.max(...xs), bottom: Math.max(...ys) };
}
