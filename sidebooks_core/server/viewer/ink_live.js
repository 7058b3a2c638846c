/* The stroke that is drawn at this moment, on a small canvas of its own over the pages: what is on them is not touched. */

/** @import { Box, Frame, Reader, Sample } from "./types" */

import { h } from "./elements.js";
import { frameOf, intoFrame } from "./frames.js";
import { paintPart, widthAt } from "./ink.js";
import { zoomed } from "./layout.js";

const ROOM_PX = 160; // of CSS, around a pen that goes down; as much again, and more, where it leaves that

/**
 * Whether nothing but the processor paints, as on old computers and on screens that are sent over a network. There a canvas in
 * memory is quicker than one that an emulated graphics card paints.
 */
function isEmulated() {
  const gl = h("canvas", { width: 1, height: 1 }).getContext("webgl", { failIfMajorPerformanceCaveat: true });
  gl?.getExtension("WEBGL_lose_context")?.loseContext();
  return !gl;
}

/** How a stroke looks. @typedef {{colour: string, width_pt: number, opacity: number}} Pen */

export class LiveStroke {
  canvas = h("canvas", { class: "live", "aria-hidden": "true", width: 1, height: 1 });
  #context = /** @type {CanvasRenderingContext2D} */ (
    this.canvas.getContext("2d", isEmulated() ? { willReadFrequently: true } : { desynchronized: true }));
  /** Of the view, in its pixels. */
  #area = { x: 0, y: 0, width: 0, height: 0 };
  #isEmpty = true;
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
    this.canvas.classList.remove("shown");
    this.#size(this.#side, this.#side); // so that the next stroke finds it so
  }

  /* With the room around a pen that goes down. */
  get #side() { return 2 * (Math.ceil(ROOM_PX * this.view.ratio) + this.#reach); }

  get #reach() { return Math.ceil((widthAt(this.pen.width_pt, 1) * this.frame.box.scale) / 2) + 2; }

  /* Make it empty. One that has the size already need not be laid out, and one that is empty not be cleared when a pen goes down. */
  /** @param {number} width @param {number} height */
  #size(width, height) {
    const { canvas, view: { ratio } } = this;
    const isEmpty = this.#isEmpty;
    this.#isEmpty = true;
    if (canvas.width === width && canvas.height === height) {
      if (isEmpty) return;
      this.#context.setTransform(1, 0, 0, 1, 0, 0);
      this.#context.clearRect(0, 0, width, height);
      return;
    }
    Object.assign(canvas, { width, height });
    Object.assign(canvas.style, { width: `${width / ratio}px`, height: `${height / ratio}px` });
  }

  /** Whether the canvas had all of it already. @param {Sample[]} samples */
  #makeRoom(samples) {
    const { matrix: [a, b, c, d, e, f], box } = this.frame;
    const reach = this.#reach;
    const points = samples.map(([x, y]) => {
      const [u, v] = [box.x + x * box.scale, box.y + y * box.scale];
      return [a * u + c * v + e, b * u + d * v + f];
    });
    const [xs, ys] = [points.map((one) => one[0]), points.map((one) => one[1])];
    const [x0, y0, x1, y1] = [Math.min(...xs) - reach, Math.min(...ys) - reach, Math.max(...xs) + reach, Math.max(...ys) + reach];
    const { x, y, width, height } = this.#area;
    if (!width) {
      const side = this.#side;
      this.#area = { x: Math.floor(xs[0] - side / 2), y: Math.floor(ys[0] - side / 2), width: side, height: side };
      this.#place();
      return false;
    }
    if (x0 >= x && y0 >= y && x1 <= x + width && y1 <= y + height) return true;
    const room = Math.max(ROOM_PX * this.view.ratio, Math.max(width, height) / 2);
    const left = Math.floor(x0 < x ? x0 - room : x);
    const top = Math.floor(y0 < y ? y0 - room : y);
    const right = Math.ceil(x1 > x + width ? x1 + room : x + width);
    const bottom = Math.ceil(y1 > y + height ? y1 + room : y + height);
    this.#area = { x: Math.max(-reach, left), y: Math.max(-reach, top), width: 0, height: 0 };
    this.#area.width = Math.min(this.view.width + reach, right) - this.#area.x;
    this.#area.height = Math.min(this.view.height + reach, bottom) - this.#area.y;
    this.#place();
    return false;
  }

  #place() {
    const { canvas, view: { ratio }, pen } = this;
    const { x, y, width, height } = this.#area;
    this.#size(width, height);
    canvas.style.opacity = String(pen.opacity);
    canvas.style.transform = `translate(${x / ratio}px, ${y / ratio}px)`;
    canvas.classList.add("shown");
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
    this.#isEmpty = false;
    paintPart(context, this.samples, from, width_pt, opacity < 1);
  }
}
