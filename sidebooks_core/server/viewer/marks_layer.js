/* Ink over the pages of one reader: a canvas of their own over that of the tiles, which are not painted anew for them. The marks
   of a page are kept as a bitmap, which moves and grows with the page, and is made again when the page rests in another size. */

/** @import { Box, Corners, Frame, Mark, PlacedMark, Reader, View } from "./types" */
/** @import { MarksChange } from "./marks_places.js" */
/** @import { PageMarks } from "./marks_store.js" */

import { h } from "./elements.js";
import { frameOf } from "./frames.js";
import { zoomed } from "./layout.js";
import { kindOf } from "./marks_kinds.js";

const WHOLE_PX = 6_000_000; // a page of no more is kept as a whole; of a larger one, what is seen and some of its surroundings
const AROUND = 0.25; // of the view, on each side
const SLICE_MS = 6; // of painting: marks of a full page come bit by bit, and nothing waits for them
const SETTLE_MS = 160; // after the last movement
const FEW = 20; // places that are shown one by one
const MOST_BITMAPS = 4; // with those that are made to take the place of another one

/** A page as it lies on the view. @typedef {{page: number, box: Box, view: View, matrix: Frame["matrix"]}} Lies */
/**
 * The bitmap of a page: of `rect`, in points of the upright page, at `scale`. `left`: marks that are to be painted on it yet.
 * @typedef {{
 *   page: number, scale: number, rect: Corners, canvas: HTMLCanvasElement, context: CanvasRenderingContext2D, left: PlacedMark[],
 * }} PageBitmap
 */

/**
 * The part of a page that its bitmap covers, in points. Pure.
 * @param {Box} box of the upright page on the view
 * @param {View} view as the upright page sees it
 * @param {number} most_px
 * @returns {Corners}
 */
export function coveredBy(box, view, most_px = WHOLE_PX) {
  if (box.width * box.height <= most_px) return [0, 0, box.width / box.scale, box.height / box.scale];
  const [across, down] = [view.width * AROUND, view.height * AROUND];
  const [x0, y0] = [Math.max(0, -box.x - across), Math.max(0, -box.y - down)];
  const [x1, y1] = [Math.min(box.width, view.width - box.x + across), Math.min(box.height, view.height - box.y + down)];
  return [x0 / box.scale, y0 / box.scale, Math.max(x0, x1) / box.scale, Math.max(y0, y1) / box.scale];
}

/** Whether a bitmap's part has all of a page that is seen. Pure. @param {Corners} rect @param {Box} box @param {View} view */
export function covers([x0, y0, x1, y1], box, view) {
  const seen = [Math.max(0, -box.x), Math.max(0, -box.y), Math.min(box.width, view.width - box.x), Math.min(box.height, view.height - box.y)]
    .map((one) => one / box.scale);
  return x0 <= seen[0] + 1 && y0 <= seen[1] + 1 && x1 >= seen[2] - 1 && y1 >= seen[3] - 1;
}

/** @param {Corners} one @param {Corners} other */
const overlap = (one, other) => one[0] <= other[2] && other[0] <= one[2] && one[1] <= other[3] && other[1] <= one[3];

export class MarksLayer {
  canvas = h("canvas", { class: "marks", "aria-hidden": "true", width: 1, height: 1 });
  #context = /** @type {CanvasRenderingContext2D} */ (this.canvas.getContext("2d"));
  /** @type {PageMarks | null} */
  #marks = null;
  #unsubscribe = () => {};
  /** @type {Lies[]} */
  #lies = [];
  #isNoted = false;
  /** By page, the one painted last at the end. @type {Map<number, PageBitmap>} */
  #bitmaps = new Map();
  /** Those that are made to take the place of another one. @type {Map<number, PageBitmap>} */
  #coming = new Map();
  /** @type {Set<string>} */
  #veiled = new Set();
  /** @type {(placed: PlacedMark) => boolean} */
  #filter = () => true;
  #timer = 0;
  #isHeld = false;

  /** @param {Reader} reader */
  constructor(reader) {
    this.reader = reader;
    reader.canvas.after(this.canvas);
    reader.layers.push((_, { page, box, view }) => this.#note(page, box, view));
    reader.addEventListener("closed", () => this.show(null));
    reader.addEventListener("marks-shown", () => this.repaint()); // others of them
  }

  /** Show other marks; null: none. @param {PageMarks | null} marks */
  show(marks) {
    this.#unsubscribe();
    this.#marks = marks;
    this.#veiled.clear();
    this.#forget();
    this.#unsubscribe = marks ? marks.subscribe((change) => this.#changed(change)) : () => {};
    this.#compose();
  }

  /** Show those of which this says so. @param {(placed: PlacedMark) => boolean} filter */
  setFilter(filter) {
    this.#filter = filter;
    this.repaint();
  }

  /** Paint all anew. */
  repaint() {
    this.#forget();
    this.#compose();
  }

  /** While it is held, what can wait waits: somebody draws. @param {boolean} isHeld */
  hold(isHeld) {
    this.#isHeld = isHeld;
    if (!isHeld) this.#goOn();
  }

  /** Marks that are about to be deleted are not shown any more; none: all are shown. @param {string[]} ids */
  veil(ids) {
    const before = this.#veiled;
    this.#veiled = new Set(ids);
    const changed = ids.filter((id) => !before.has(id)).concat([...before].filter((id) => !this.#veiled.has(id)));
    const placed = changed.map((id) => this.#marks?.get(id)).filter(Boolean);
    this.#repaintBoxes(/** @type {PlacedMark[]} */ (placed));
  }

  /** The marks of a page that are shown, in the order in which they are painted. @param {number} page @returns {PlacedMark[]} */
  shown(page) { return (this.#marks?.of(page) || []).filter((one) => this.#isShown(one)); }

  /** @param {PlacedMark} placed */
  #isShown(placed) {
    const { mark, kind } = placed;
    return mark.body?.kind === "ink" && !(mark.is_of_file && kind === "exact") && !this.#veiled.has(mark.id) && this.#filter(placed);
  }

  // Where pages lie: the reader tells it page by page while it paints

  /** @param {number} page @param {Box} box @param {View} view */
  #note(page, box, view) {
    if (!this.#isNoted) {
      this.#isNoted = true;
      this.#lies = [];
      queueMicrotask(() => { this.#isNoted = false; this.#compose(); }); // in the same frame
    }
    const { matrix } = frameOf(box, this.reader.view(), this.reader.quartersOf(page));
    this.#lies.push({ page, box, view, matrix });
  }

  /** Paint what lies where. */
  #compose() {
    const { canvas, reader } = this;
    const pages = this.#lies.filter((one) => reader.state.book && this.shown(one.page).length);
    canvas.hidden = !pages.length;
    if (!pages.length) {
      this.#forget();
      if (canvas.width > 1) canvas.width = canvas.height = 1;
      return;
    }
    const { width, height } = reader.view();
    if (canvas.width !== width || canvas.height !== height) { canvas.width = width; canvas.height = height; }
    else {
      this.#context.setTransform(1, 0, 0, 1, 0, 0);
      this.#context.clearRect(0, 0, width, height);
    }
    for (const lies of pages) {
      this.#bitmapFor(lies);
      this.#blit(lies);
    }
    this.#settle();
  }

  /** @param {Lies} lies @param {Corners} [part] in points: of the page */
  #blit({ page, box, matrix }, part) {
    const bitmap = this.#bitmaps.get(page);
    if (!bitmap) return;
    const context = this.#context;
    context.save();
    context.setTransform(...matrix);
    if (part) {
      const [x0, y0, x1, y1] = pixelsOf(part, box.scale, box.x, box.y);
      context.beginPath();
      context.rect(x0, y0, x1 - x0, y1 - y0);
      context.clip();
      context.clearRect(x0, y0, x1 - x0, y1 - y0);
    }
    const [x0, y0] = bitmap.rect;
    const share = box.scale / bitmap.scale;
    const [x, y] = [box.x + x0 * box.scale, box.y + y0 * box.scale];
    const isSame = Math.abs(share - 1) < 1e-6;
    const { width, height } = bitmap.canvas;
    context.drawImage(bitmap.canvas, isSame ? Math.round(x) : x, isSame ? Math.round(y) : y, width * share, height * share);
    context.restore();
  }

  // Bitmaps

  /** One that can be shown: that which there is, else one that is begun now. @param {Lies} lies */
  #bitmapFor({ page, box, view }) {
    const known = this.#bitmaps.get(page);
    if (known) {
      this.#bitmaps.delete(page);
      this.#bitmaps.set(page, known);
      return;
    }
    const made = this.#begin(page, box, view);
    this.#bitmaps.set(page, made);
    for (const oldest of this.#bitmaps.keys()) {
      if (oldest === page || this.#bitmaps.size + this.#coming.size <= MOST_BITMAPS) break;
      drop(this.#bitmaps, oldest);
    }
    this.#paintSome(made);
  }

  /** @param {number} page @param {Box} box @param {View} view @returns {PageBitmap} */
  #begin(page, box, view) {
    const rect = coveredBy(box, view);
    const [x0, y0, x1, y1] = rect;
    const canvas = document.createElement("canvas");
    canvas.width = Math.max(1, Math.ceil((x1 - x0) * box.scale));
    canvas.height = Math.max(1, Math.ceil((y1 - y0) * box.scale));
    const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    context.setTransform(box.scale, 0, 0, box.scale, -x0 * box.scale, -y0 * box.scale);
    return { page, scale: box.scale, rect, canvas, context, left: this.shown(page) };
  }

  /** Paint for a moment. @param {PageBitmap} bitmap */
  #paintSome(bitmap) {
    const end_ms = performance.now() + SLICE_MS;
    let count = 0;
    for (const one of bitmap.left) {
      paintMark(bitmap, one.mark);
      count += 1;
      if (performance.now() > end_ms) break;
    }
    bitmap.left = bitmap.left.slice(count);
    if (bitmap.left.length) this.#goOn();
  }

  #goOn() {
    if (!this.#timer && !this.#isHeld) this.#timer = setTimeout(() => this.#work(), 0);
  }

  /* The page rests: bitmaps of another size, or of another part of it, are made anew, and shown when they are ready. */
  #settle() {
    clearTimeout(this.#timer);
    const isUnfinished = [...this.#bitmaps.values()].some((one) => one.left.length);
    this.#timer = setTimeout(() => this.#work(), isUnfinished ? 0 : SETTLE_MS);
  }

  #work() {
    this.#timer = 0;
    if (this.#isHeld || !this.reader.state.book) return;
    const unfinished = this.#lies.find(({ page }) => this.#bitmaps.get(page)?.left.length);
    if (unfinished) {
      this.#paintSome(/** @type {PageBitmap} */ (this.#bitmaps.get(unfinished.page)));
      this.#blit(unfinished);
      if (!this.#timer) this.#settle();
      return;
    }
    for (const page of this.#coming.keys()) if (!this.#lies.some((one) => one.page === page)) drop(this.#coming, page);
    for (const lies of this.#lies) {
      const { page, box, view } = lies;
      const known = this.#bitmaps.get(page);
      if (!known || (known.scale === box.scale && covers(known.rect, box, view))) { drop(this.#coming, page); continue; }
      let coming = this.#coming.get(page);
      if (!coming || coming.scale !== box.scale || !covers(coming.rect, box, view)) {
        drop(this.#coming, page);
        coming = this.#begin(page, box, view);
        this.#coming.set(page, coming);
      }
      this.#paintSome(coming);
      if (coming.left.length) return;
      this.#coming.delete(page);
      drop(this.#bitmaps, page);
      this.#bitmaps.set(page, coming);
      this.#compose();
      return;
    }
  }

  #forget() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    for (const all of [this.#bitmaps, this.#coming]) for (const page of [...all.keys()]) drop(all, page);
  }

  // Changes

  /** @param {MarksChange} change */
  #changed({ added, removed, isPlaced }) {
    if (isPlaced) { this.repaint(); return; }
    const touched = [...added, ...removed];
    if (!touched.length) return;
    for (const one of touched) if (one.page) drop(this.#coming, one.page);
    const isNew = this.#lies.some(({ page }) => !this.#bitmaps.has(page) && touched.some((one) => one.page === page));
    const isOver = this.#lies.some(({ page }) => this.#bitmaps.has(page) && !this.shown(page).length);
    if (isNew || isOver || this.canvas.hidden) {
      for (const one of touched) if (one.page) drop(this.#bitmaps, one.page);
      this.#compose();
      return;
    }
    if (removed.length) { this.#repaintBoxes(touched); return; }
    for (const one of added) {
      const bitmap = one.page && this.#bitmaps.get(one.page);
      if (!bitmap || !this.#isShown(one)) continue;
      if (bitmap.left.length) { bitmap.left.push(one); continue; }
      paintMark(bitmap, one.mark);
      this.#show(one);
    }
  }

  /** Paint the places of marks anew, with all that lies there: each of these once, however many places it lies in. */
  /** @param {PlacedMark[]} all */
  #repaintBoxes(all) {
    /** @type {Map<number, PlacedMark[]>} */
    const byPage = new Map();
    for (const one of all) {
      if (!one.page || !this.#bitmaps.has(one.page)) continue;
      const there = byPage.get(one.page);
      if (there) there.push(one);
      else byPage.set(one.page, [one]);
    }
    for (const [page, some] of byPage) {
      const bitmap = /** @type {PageBitmap} */ (this.#bitmaps.get(page));
      const { context } = bitmap;
      if (bitmap.left.length) { // it was not ready
        context.save();
        context.resetTransform();
        context.clearRect(0, 0, bitmap.canvas.width, bitmap.canvas.height);
        context.restore();
        bitmap.left = this.shown(page);
        this.#goOn();
        continue;
      }
      const parts = some.map(({ mark }) => boxOf(mark)).filter((one) => one !== null)
        .map(([x0, y0, x1, y1]) => /** @type {Corners} */ ([x0 - 1, y0 - 1, x1 + 1, y1 + 1]));
      context.save();
      context.beginPath();
      for (const [x0, y0, x1, y1] of parts) context.rect(x0, y0, x1 - x0, y1 - y0);
      context.clip();
      for (const [x0, y0, x1, y1] of parts) context.clearRect(x0, y0, x1 - x0, y1 - y0);
      for (const { mark } of this.shown(page)) {
        const there = boxOf(mark);
        if (there && parts.some((one) => overlap(there, one))) paintMark(bitmap, mark);
      }
      context.restore();
      if (some.length > FEW) this.#compose();
      else for (const one of some) this.#show(one);
    }
  }

  /** Show the place of a mark as its bitmap has it. @param {PlacedMark} placed */
  #show({ page, mark }) {
    const lies = this.#lies.find((one) => one.page === page);
    const part = boxOf(mark);
    if (lies && part) this.#blit(lies, part);
  }
}

/** Safari gives the memory of a canvas back when it has no size. @param {Map<number, PageBitmap>} all @param {number} page */
function drop(all, page) {
  const bitmap = all.get(page);
  if (bitmap) bitmap.canvas.width = bitmap.canvas.height = 0;
  all.delete(page);
}

/** What a mark covers of its page, in points. @param {Mark} mark @returns {Corners | null} */
const boxOf = ({ body }) => (body && kindOf(body)?.box(body)) ?? null;

/** @param {PageBitmap} bitmap @param {Mark} mark */
function paintMark({ context, scale }, mark) {
  if (!mark.body) return;
  context.save();
  kindOf(mark.body)?.paint(context, mark.body, scale);
  context.restore();
}

/**
 * A part of a page on the view, in whole pixels around it.
 * @param {Corners} part @param {number} scale @param {number} x @param {number} y
 */
const pixelsOf = ([x0, y0, x1, y1], scale, x, y) => [
  Math.floor(x + x0 * scale) - 2, Math.floor(y + y0 * scale) - 2, Math.ceil(x + x1 * scale) + 2, Math.ceil(y + y1 * scale) + 2,
];
