/* Paints a spread on the canvas: paper at once, what is decoded on it, tiles over it where it is zoomed, hits over all. */

import { fit, levelFor, tilesIn, zoomed } from "./layout.js";

const PAPER = "#ffffff";
const HIT = "rgba(255, 196, 0, 0.4)";

const FINENESS = ["paper", "coarse", "sharp"];

/** Paint; returns what the coarsest page of it is: "paper", "coarse" or "sharp". `place`: {zoom, x, y}; `askFor(box)`: the arguments of `book.best`. */
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
