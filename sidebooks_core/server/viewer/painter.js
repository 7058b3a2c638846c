/* Paints a spread on a canvas: paper, what is decoded on it, tiles if it is enlarged, then layers, such as hits. */

import { frameOf } from "./frames.js";
import { levelFor, tilesIn, zoomed } from "./layout.js";

const PAPER = "#ffffff";
const NO_PAPER = "#d9d4cc"; // of a page that cannot be drawn: nobody shall take it for an empty one
const EDGE = "#8f897f";

const FINENESS = ["paper", "coarse", "sharp"];

/** Paint. scene: {book, view, boxes, place, quarters, askFor(box), layers}; boxes: as they lie if the whole spread is shown. A
    layer is called with (context, frame): {page, box, view}, upright, of the pixels of the view. Returns what the coarsest page
    is: "paper", "coarse" or "sharp". */
export function paintSpread(context, scene) {
  const { book, view, boxes, place, quarters, askFor, layers } = scene;
  let fineness = 2;
  for (const [index, one] of boxes.entries()) {
    const lies = zoomed(one, view, place);
    if (lies.x >= view.width || lies.x + lies.width <= 0) continue;
    const frame = frameOf(lies, view, quarters);
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

/* An image that was made for this place is copied pixel by pixel; scaling it by half a pixel would blur all text. */
function drawWhole(context, bitmap, { x, y, width, height }) {
  const fits = Math.abs(bitmap.width - width) <= 1 && Math.abs(bitmap.height - height) <= 1;
  if (fits) context.drawImage(bitmap, Math.round(x), Math.round(y));
  else context.drawImage(bitmap, x, y, width, height);
}

/* Around the page, outside of it. */
function paintEdge(context, { x, y, width, height }) {
  const [left, top, right, bottom] = [Math.round(x), Math.round(y), Math.round(x) + Math.round(width), Math.round(y) + Math.round(height)];
  context.fillStyle = EDGE;
  context.fillRect(left - 1, top - 1, right - left + 2, 1);
  context.fillRect(left - 1, bottom, right - left + 2, 1);
  context.fillRect(left - 1, top, 1, bottom - top);
  context.fillRect(right, top, 1, bottom - top);
}

/* Coarser tiles that are there first, so that a finer one missing is a blur, not a hole. */
function paintTiles(context, book, shown, view) {
  const { levels } = book.pages[shown.page - 1];
  const wanted = levelFor(levels, shown.width);
  let isComplete = true;
  for (let level = 1; level <= wanted; level += 1) {
    isComplete = true;
    for (const one of tilesIn(levels, level, shown, view)) {
      const bitmap = book.tile(shown.page, level, one.column, one.row);
      if (bitmap) context.drawImage(bitmap, one.x, one.y, one.width, one.height);
      else isComplete = false;
    }
  }
  return isComplete;
}
