/* The stroke that is drawn at this moment, on a small canvas of its own over the pages: what is on them is not touched. */

/** @import { Box, Frame, Reader, Sample } from "./types" */

import { h } from "./elements.js";
import { frameOf, intoFrame } from "./frames.js";
import { paintPart, widthAt } from "./ink.js";
import { zoomed } from "./layout.js";

const ROOM_PX = 160; // of CSS, around a pen that goes down; as much again, and more, where it leaves that

/** How a stroke looks. @typedef {{colour: string, width_pt: number, opacity: number}} Pen */

export class LiveStroke {
  canvas = h("canvas", { class: "live", "aria-hidden": "true", width: 1, height: 1, hidden: true });
  #context = /** @type {CanvasRenderingContext2D} */ (this.canvas.getContext("2d", { desynchronized: true }));
  /** Of the view, in its pixels. */
  #area = { x: 0, y: 0, width: 0, height: 0 };
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
    this.#area = { x: 0, y: 0, width: 0, height: 0 };
    this.canvas.style.opacity = String(pen.opacity);
    this.canvas.classList.toggle("shining", pen.opacity < 1);
  }

  frame = /** @type {Frame} */ ({ box: { page: 0, x: 0, y: 0, width: 0, height: 0, scale: 1 }, view: { width: 0, height: 0 }, matrix: [1, 0, 0, 1, 0, 0] });
  page = 0;
  quarters = 0;
  view = { width: 0, height: 0, ratio: 1, margin: 0 };
  size = [0, 0];
  pen = /** @type {Pen} */ ({ colour: "#000000", width_pt: 1, opacity: 1 });

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
    const isWithin = this.#makeRoom(samples);
    this.#paint(isWithin ? from : 0);
  }

  /** It is not on this canvas any more. */
  clear() {
    this.samples = [];
    this.canvas.hidden = true;
    this.canvas.width = this.canvas.height = 1;
  }

  /** Whether the canvas had all of it already. @param {Sample[]} samples */
  #makeRoom(samples) {
    const { matrix: [a, b, c, d, e, f], box } = this.frame;
    const reach = Math.ceil((widthAt(this.pen.width_pt, 1) * box.scale) / 2) + 2;
    const points = samples.map(([x, y]) => {
      const [u, v] = [box.x + x * box.scale, box.y + y * box.scale];
      return [a * u + c * v + e, b * u + d * v + f];
    });
    const [xs, ys] = [points.map((one) => one[0]), points.map((one) => one[1])];
    const [x0, y0, x1, y1] = [Math.min(...xs) - reach, Math.min(...ys) - reach, Math.max(...xs) + reach, Math.max(...ys) + reach];
    const { x, y, width, height } = this.#area;
    if (width && x0 >= x && y0 >= y && x1 <= x + width && y1 <= y + height) return true;
    const room = Math.max(ROOM_PX * this.view.ratio, Math.max(width, height) / 2);
    const left = Math.floor(Math.min(width ? x : Infinity, x0 < x || !width ? x0 - room : x));
    const top = Math.floor(Math.min(width ? y : Infinity, y0 < y || !width ? y0 - room : y));
    const right = Math.ceil(Math.max(width ? x + width : -Infinity, x1 > x + width || !width ? x1 + room : x + width));
    const bottom = Math.ceil(Math.max(width ? y + height : -Infinity, y1 > y + height || !width ? y1 + room : y + height));
    this.#area = { x: Math.max(-reach, left), y: Math.max(-reach, top), width: 0, height: 0 };
    this.#area.width = Math.min(this.view.width + reach, right) - this.#area.x;
    this.#area.height = Math.min(this.view.height + reach, bottom) - this.#area.y;
    this.#place();
    return false;
  }

  #place() {
    const { canvas, view: { ratio } } = this;
    const { x, y, width, height } = this.#area;
    canvas.width = Math.max(1, width);
    canvas.height = Math.max(1, height);
    canvas.style.cssText = `opacity:${this.pen.opacity};left:${x / ratio}px;top:${y / ratio}px;width:${width / ratio}px;height:${height / ratio}px`;
    canvas.hidden = false;
    const { matrix: [a, b, c, d, e, f], box } = this.frame;
    const { scale } = box;
    const [left, top] = [a * box.x + c * box.y + e - x, b * box.x + d * box.y + f - y];
    this.#context.setTransform(a * scale, b * scale, c * scale, d * scale, left, top);
  }

  /** @param {number} from */
  #paint(from) {
    const context = this.#context;
    context.strokeStyle = context.fillStyle = this.pen.colour;
    const { width_pt, opacity } = this.pen;
    paintPart(context, this.samples, from, width_pt, opacity < 1);
  }
}
