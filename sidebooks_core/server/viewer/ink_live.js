/* The stroke that is drawn at this moment, on tiles of its own over the pages: what is on them is not touched. */

/** @import { Box, Frame, Reader, Sample } from "./types" */

import { frameOf, intoFrame } from "./frames.js";
import { paintPart, widthAt } from "./ink.js";
import { InkTiles } from "./ink_tiles.js";
import { zoomed } from "./layout.js";

/** How a stroke looks. @typedef {{colour: string, width_pt: number, opacity: number}} Pen */

export class LiveStroke {
  #tiles = new InkTiles();
  element = this.#tiles.element;
  /** @type {Sample[]} */
  samples = [];

  /**
   * Begin a stroke on a page.
   * @param {Reader} reader
   * @param {number} page
   * @param {Pen} pen
   */
  begin(reader, page, pen) {
    const view = reader.view();
    const box = /** @type {Box} */ (reader.boxes().find((one) => one.page === page));
    const quarters = reader.quartersOf(page);
    this.frame = frameOf(zoomed(box, view, reader.state), view, quarters);
    const size = reader.book.pages[page - 1];
    Object.assign(this, { page, pen, view, quarters, size: [size.width_pt, size.height_pt] });
    this.samples = [];
    const { matrix: [a, b, c, d, e, f], box: { x, y, scale } } = this.frame;
    this.#matrix = [a * scale, b * scale, c * scale, d * scale, a * x + c * y + e, b * x + d * y + f];
    this.#tiles.begin(view, pen.opacity);
  }

  frame = /** @type {Frame} */ ({ box: { page: 0, x: 0, y: 0, width: 0, height: 0, scale: 1 }, view: { width: 0, height: 0 }, matrix: [1, 0, 0, 1, 0, 0] });
  page = 0;
  quarters = 0;
  view = { width: 0, height: 0, ratio: 1, margin: 0 };
  size = [0, 0];
  pen = /** @type {Pen} */ ({ colour: "#000000", width_pt: 1, opacity: 1 });
  /** From points of the page to pixels of the view. @type {Frame["matrix"]} */
  #matrix = [1, 0, 0, 1, 0, 0];

  /** A point of the stage in points of the page, within it. @param {number} x in pixels of CSS @param {number} y */
  pointOf(x, y) {
    const { box } = this.frame;
    const [u, v] = intoFrame(x * this.view.ratio, y * this.view.ratio, this.view, this.quarters);
    return [(u - box.x) / box.scale, (v - box.y) / box.scale].map((one, index) => Math.max(0, Math.min(this.size[index], one)));
  }

  /** Go on with it, and paint that. @param {Sample[]} samples */
  extend(samples) {
    if (!samples.length) return;
    const from = this.samples.length;
    this.samples.push(...samples);
    const { width_pt, colour, opacity } = this.pen;
    for (const context of this.#tiles.under(this.#corners(this.samples.slice(Math.max(0, from - 2))), this.#matrix)) {
      context.strokeStyle = context.fillStyle = colour;
      paintPart(context, this.samples, from, width_pt, opacity < 1);
    }
  }

  /* The rectangle of the view, in its pixels, that a part of a stroke lies in, with its width. */
  /** @param {Sample[]} samples @returns {import("./types").Corners} */
  #corners(samples) {
    const [a, b, c, d, e, f] = this.#matrix;
    const xs = samples.map(([x, y]) => a * x + c * y + e);
    const ys = samples.map(([x, y]) => b * x + d * y + f);
    const reach = (widthAt(this.pen.width_pt, 1) * this.frame.box.scale) / 2 + 2; // of which 2 for edges that are smoothed
    return [Math.min(...xs) - reach, Math.min(...ys) - reach, Math.max(...xs) + reach, Math.max(...ys) + reach];
  }

  /** Before a pen goes down: what takes time here does not then. @param {Reader} reader */
  fit(reader) { this.#tiles.fit(reader.view()); }

  /** Nobody draws any more. */
  drop() { this.#tiles.drop(); }

  /** It is not on these tiles any more. */
  clear() {
    this.samples = [];
    this.#tiles.clear();
  }
}
