/* Canvases side by side over the pages, on which a stroke is painted while it grows.

   A browser hands a canvas to the screen whole, however little of it is new: on tiles, that is little. They lie there as long as
   somebody draws, and do not move: a canvas that moves, or comes and goes, makes the browser compose the page before the line is seen.
   `desynchronized` canvases, in browsers that have them, reach the screen without that. */

/** @import { Corners, Frame, Seen } from "./types" */

import { h } from "./elements.js";

const SIDE_PX = 512; // of a tile, in pixels of the view

/** @typedef {{context: CanvasRenderingContext2D, x: number, y: number, isUsed: boolean}} Tile */

export class InkTiles {
  element = h("div", { class: "ink", "aria-hidden": "true" });
  /** @type {Tile[]} */
  #tiles = [];
  #fitted = "";
  #opacity = 1;

  /** Cover a view. @param {Seen} view */
  fit({ width, height, ratio }) {
    const fitted = `${width} ${height} ${ratio}`;
    if (this.#fitted === fitted) return;
    this.drop();
    this.#fitted = fitted;
    for (let y = 0; y < height; y += SIDE_PX) {
      for (let x = 0; x < width; x += SIDE_PX) {
        const size = { width: Math.min(SIDE_PX, width - x), height: Math.min(SIDE_PX, height - y) };
        const canvas = h("canvas", { class: "live", ...size });
        Object.assign(canvas.style, {
          left: `${x / ratio}px`, top: `${y / ratio}px`, width: `${size.width / ratio}px`, height: `${size.height / ratio}px`,
        });
        const context = canvas.getContext("2d", { desynchronized: true });
        if (!context) return; // no memory is left: what is drawn there is seen when it is kept
        context.clearRect(0, 0, 1, 1); // the first paint on a canvas takes longest
        this.#tiles.push({ context, x, y, isUsed: false });
        this.element.append(canvas);
      }
    }
  }

  /** Nobody draws: give the memory back. Safari keeps that of a canvas that has a size. */
  drop() {
    for (const { context: { canvas } } of this.#tiles) Object.assign(canvas, { width: 0, height: 0 });
    this.#fitted = "";
    this.#tiles = [];
    this.element.replaceChildren();
  }

  /** Before a stroke. @param {Seen} view @param {number} opacity of the stroke */
  begin(view, opacity) {
    this.clear();
    this.fit(view);
    if (this.#opacity === opacity) return;
    this.#opacity = opacity;
    this.element.style.opacity = String(opacity);
  }

  /**
   * The contexts of the tiles under a rectangle of the view.
   * @param {Corners} corners in pixels of the view
   * @param {Frame["matrix"]} matrix of the stroke, to pixels of the view
   */
  under([x0, y0, x1, y1], [a, b, c, d, e, f]) {
    const found = [];
    for (const tile of this.#tiles) {
      if (tile.x >= x1 || tile.y >= y1 || tile.x + SIDE_PX <= x0 || tile.y + SIDE_PX <= y0) continue;
      if (!tile.isUsed) tile.context.setTransform(a, b, c, d, e - tile.x, f - tile.y);
      tile.isUsed = true;
      found.push(tile.context);
    }
    return found;
  }

  /** Nothing is on them any more. */
  clear() {
    for (const tile of this.#tiles) {
      if (!tile.isUsed) continue;
      tile.isUsed = false;
      tile.context.setTransform(1, 0, 0, 1, 0, 0);
      tile.context.clearRect(0, 0, SIDE_PX, SIDE_PX);
    }
  }
}
