/* Paints a spread on a canvas: paper, what is decoded on it, tiles if it is enlarged, then layers, such as hits. */

/** @import { Bitmap, Book, Box, Fineness, Frame, PaintScene, View } from "./types" */

import { frameOf } from "./frames.js";
import { levelFor, tilesIn, zoomed } from "./layout.js";

const PAPER = "#ffffff";
const NO_PAPER = "#d9d4cc"; // of a page that cannot be drawn: nobody shall take it for an empty one
const EDGE = "#8f897f";

/** @type {Fineness[]} */
const FINENESS = ["paper", "coarse", "sharp"];

/**
 * Paint. Returns what the coarsest page is.
 * @param {CanvasRenderingContext2D} context
 * @param {PaintScene} scene boxes: as they lie if the whole spread is shown
 */
export function paintSpread(context, scene) {
  const { book, view, boxes, place, quartersOf, askFor, layers } = scene;
  let fineness = 2;
  for (const [index, one] of boxes.entries()) {
    const lies = zoomed(one, view, place);
    if (lies.x >= view.width || lies.x + lies.width <= 0) continue;
    const frame = frameOf(lies, view, quartersOf(one.page));
    paintEdge(context, lies); // under the page: an image may be a pixel larger than its place
    context.setTransform(...frame.matrix);
    const found = paintPage(context, book, frame, book.best(...askFor(one)), place.zoom);
    fineness = Math.min(fineness, found);
    for (const layer of layers) layer(context, { page: one.page, box: frame.box, view: frame.view });
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.fillStyle = EDGE;
    if (index > 0) context.fillRect(Math.round(lies.x), Math.round(lies.y), 1, Math.round(lies.height)); // between two pages
  }
  return FINENESS[fineness];
}

/** As the viewer decodes it: its library has the browser's own. @param {Bitmap} bitmap */
export const drawable = (bitmap) => /** @type {ImageBitmap} */ (bitmap);

/** @typedef {{bitmap: Bitmap, sharp: boolean} | null} Best */
/** @typedef {{x: number, y: number, width: number, height: number}} Rectangle */

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Book} book
 * @param {Frame} frame
 * @param {Best} image
 * @param {number} zoom
 */
function paintPage(context, book, { box, view }, image, zoom) {
  const isFailed = Boolean(book.failure(box.page));
  if (!image?.sharp) {
    context.fillStyle = image || !isFailed ? PAPER : NO_PAPER;
    context.fillRect(box.x, box.y, box.width, box.height);
  }
  if (image) drawWhole(context, image.bitmap, box);
  const isFineEnough = image?.sharp && image.bitmap.width >= box.width - 1;
  const isSharp = zoom > 1 && !isFineEnough ? paintTiles(context, book, box, view) : image?.sharp;
  return isSharp ? 2 : image ? 1 : 0;
}

/**
 * An image that was made for this place is copied pixel by pixel; scaling it by half a pixel would blur all text.
 * @param {CanvasRenderingContext2D} context
 * @param {Bitmap} decoded
 * @param {Rectangle} place
 */
function drawWhole(context, decoded, { x, y, width, height }) {
  const bitmap = drawable(decoded);
  const fits = Math.abs(bitmap.width - width) <= 1 && Math.abs(bitmap.height - height) <= 1;
  if (fits) context.drawImage(bitmap, Math.round(x), Math.round(y));
  else context.drawImage(bitmap, x, y, width, height);
}

/** Around the page, outside of it. @param {CanvasRenderingContext2D} context @param {Rectangle} place */
function paintEdge(context, { x, y, width, height }) {
  const [left, top] = [Math.round(x), Math.round(y)];
  const [right, bottom] = [left + Math.round(width), top + Math.round(height)];
  context.fillStyle = EDGE;
  context.fillRect(left - 1, top - 1, right - left + 2, 1);
  context.fillRect(left - 1, bottom, right - left + 2, 1);
  context.fillRect(left - 1, top, 1, bottom - top);
  context.fillRect(right, top, 1, bottom - top);
}

/**
 * Coarser tiles that are there first, so that a finer one missing is a blur, not a hole.
 * @param {CanvasRenderingContext2D} context
 * @param {Book} book
 * @param {Box} shown
 * @param {View} view
 */
function paintTiles(context, book, shown, view) {
  const { levels } = book.pages[shown.page - 1];
  const wanted = levelFor(levels, shown.width);
  let isComplete = true;
  for (let level = 1; level <= wanted; level += 1) {
    isComplete = true;
    for (const one of tilesIn(levels, level, shown, view)) {
      const bitmap = book.tile(shown.page, level, one.column, one.row);
      if (bitmap) context.drawImage(drawable(bitmap), one.x, one.y, one.width, one.height);
      else isComplete = false;
    }
  }
  return isComplete;
}
