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
    context.setTransform(...frame.matrix);
    const found = paintPage(context, book, frame, book.best(...askFor(one)), place.zoom);
    fineness = Math.min(fineness, found);
    for (const layer of layers) layer(context, { page: one.page, box: frame.box, view: frame.view });
    context.setTransform(1, 0, 0, 1, 0, 0);
    paintEdge(context, lies, index > 0);
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

/* Around the page, outside of it; between two pages one line. */
function paintEdge(context, { x, y, width, height }, isSecond) {
  context.fillStyle = EDGE;
  const [left, top, right, bottom] = [Math.round(x), Math.round(y), Math.round(x) + Math.round(width), Math.round(y) + Math.round(height)];
  context.fillRect(left - 1, top - 1, right - left + 2, 1);
  context.fillRect(left - 1, bottom, right - left + 2, 1);
  context.fillRect(left - (isSecond ? 0 : 1), top, 1, bottom - top);
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

const HIT = "rgb(255, 221, 70)";
const HIT_AT_NIGHT = "rgb(211, 152, 14)"; // the night's filter makes a dark amber of it, under light letters
const CURRENT_HIT = "rgb(255, 140, 40)";

/** A layer that marks hits: [{page, boxes_pt}…], and one of them as the present one. It darkens the paper and never the ink. */
export function hitLayer(hits, current, isNight) {
  return (context, { page, box }) => {
    context.globalCompositeOperation = "multiply";
    for (const hit of hits) {
      if (hit.page !== page) continue;
      context.fillStyle = hit === current ? CURRENT_HIT : isNight ? HIT_AT_NIGHT : HIT;
      for (const [x0, y0, x1, y1] of hit.boxes_pt) {
        context.fillRect(box.x + x0 * box.scale - 1, box.y + y0 * box.scale - 1, (x1 - x0) * box.scale + 2, (y1 - y0) * box.scale + 2);
      }
    }
    context.globalCompositeOperation = "source-over";
  };
}
