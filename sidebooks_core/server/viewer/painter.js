/* Paints a spread on the canvas: paper at once, what is decoded on it, tiles over it where it is zoomed, hits over all. */

import { fit, levelFor, tilesIn, zoomed } from "./layout.js";

const PAPER = "#ffffff";
const NO_PAPER = "#d9d4cc"; // of a page that cannot be drawn: nobody shall take it for an empty one
const NO_INK = "#7a1f1f";
const HIT = "rgba(255, 196, 0, 0.4)";

const FINENESS = ["paper", "coarse", "sharp"];

/** Paint; returns what the coarsest page of it is: "paper" (or a notice that it failed), "coarse" or "sharp". `place`: {zoom, x, y}; `askFor(box)`: the arguments of `book.best`. */
export function paintSpread(context, book, view, spread, place, askFor, hits) {
  let fineness = 2;
  for (const box of fit(book.pages, spread, view.width, view.height)) {
    const shown = zoomed(box, view, place);
    if (shown.x > view.width || shown.x + shown.width < 0) continue;
    const image = book.best(...askFor(box, spread));
    if (!image?.sharp) {
      context.fillStyle = PAPER;
      context.fillRect(shown.x, shown.y, shown.width, shown.height);
    }
    if (image) drawWhole(context, image.bitmap, shown);
    if (!image?.sharp && book.failure(box.page)) {
      drawFailure(context, shown, book.failure(box.page));
      fineness = 0;
      continue;
    }
    const isSharp = place.zoom > 1 ? paintTiles(context, book, shown, view) : image?.sharp;
    fineness = Math.min(fineness, isSharp ? 2 : image ? 1 : 0);
    context.fillStyle = HIT;
    for (const hit of hits) {
      if (hit.page !== box.page) continue;
      for (const [x0, y0, x1, y1] of hit.boxes_pt) {
        context.fillRect(shown.x + x0 * shown.scale, shown.y + y0 * shown.scale, (x1 - x0) * shown.scale, (y1 - y0) * shown.scale);
      }
    }
  }
  return FINENESS[fineness];
}

/* An image that was made for this place is copied pixel by pixel; scaling it by half a pixel would blur all text. */
function drawWhole(context, bitmap, { x, y, width, height }) {
  const fits = Math.abs(bitmap.width - width) <= 1 && Math.abs(bitmap.height - height) <= 1;
  if (fits) context.drawImage(bitmap, Math.round(x), Math.round(y));
  else context.drawImage(bitmap, x, y, width, height);
}

function drawFailure(context, { x, y, width, height }, message) {
  const size = Math.max(10, Math.round(width / 30));
  context.fillStyle = NO_PAPER;
  context.fillRect(x, y, width, height);
  context.strokeStyle = NO_INK;
  context.lineWidth = Math.max(1, size / 8);
  context.strokeRect(x + size, y + size, width - 2 * size, height - 2 * size);
  context.fillStyle = NO_INK;
  context.font = `${size}px sans-serif`;
  context.textBaseline = "top";
  let [line, at] = ["", y + 2 * size];
  for (const word of `\u26a0 ${message}`.match(/[^\s/_.-]*[\s/_.-]|[^\s/_.-]+/g)) {
    if (line && context.measureText(line + word).width > width - 4 * size) {
      context.fillText(line, x + 2 * size, at);
      [line, at] = ["", at + size * 1.5];
    }
    line += word;
  }
  context.fillText(line, x + 2 * size, at);
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
