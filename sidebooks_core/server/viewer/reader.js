/* One stage with one document: what is shown of it, in the order coarse, sharp, text, neighbours. */

/** @import { About, Asked, Box, FitMode, Hit, Lay, Layer, Library, OpenBook, Place, Point } from "./types" */
/** @import { ReaderOptions, ReaderState, Seen, Side, Step, TileBox } from "./types" */

import { askedSize, isEnough, limited, seenOn } from "./asking.js";
import { frameOf, turnedPages } from "./frames.js";
import { fit, levelFor, neighbourOf, spreadOf, tilesIn, zoomed } from "./layout.js";
import { paintSpread } from "./painter.js";
import * as reading from "./reading.js";

const AHEAD = [1, -1, 2]; // spreads decoded before they are turned to
const RIFFLE_MS = 130; // turns closer than this show what there is, and sharpen where they stop
const PAPER_AFTER_MS = 1000; // after opening: the paper of a page that has not come yet
const AFTER_FRAME_MS = 34; // two frames: what may come when the page is on the screen
const SETTLE_MS = 250; // a page that is looked at this long gets its text, its place in the address, its mark of progress
const SHARPEN_MS = 120; // after the last movement
const AGAIN_MS = 5000; // after a failure that may pass

/** Tells by events: "opened", "closed", "moving" (before it turns or moves; it can be prevented), "turned", "settled" (it is looked at),
    "refitted" (it has another size), "previewed", "painted", "sharpened", "tapped", "touched", "pressed" (before a tap acts) and "meant"
    (what fingers or the wheel do; both can be prevented), "ended" (no such turn), "jumped" (far); of its marks
    "marks-came" (those of somebody else), "marks-shown" (others of them) and "marked" (other pages have some of whoever reads). */
export class Reader extends EventTarget {
  /** @type {ReaderState} */
  state = { book: null, page: 1, mode: "page", zoom: 1, x: 0, y: 0, slide: 0, pull: 0, quarters: 0, turn: 0, direction: "ltr" };
  hits = /** @type {Hit[]} */ ([]);
  hit = /** @type {Hit | null} */ (null);
  layers = /** @type {Layer[]} */ ([]);
  #painting = false;
  #sharpening = 0; #opening = 0;
  isOpening = false;
  calm_ms = 0; // a page that is not here yet is asked for after a random part of this time: a hundred turn to it at once
  previewsFrom_ms = 0; // and thumbnails from then on, as `performance.now()` tells the time
  touches = 0; // counted, so that a finger stops what moves by itself
  #turned_ms = 0;
  #later = /** @type {{[name: string]: number}} */ ({});
  #lay = /** @type {Lay | null} */ (null);

  /** @param {HTMLElement} stage @param {Library} library @param {ReaderOptions} options its reader's choices, read at each use */
  constructor(stage, library, options) {
    super();
    this.stage = stage;
    this.library = library;
    this.options = options;
    this.canvas = /** @type {HTMLCanvasElement} */ (stage.querySelector(".canvas"));
    this.text = /** @type {HTMLElement} */ (stage.querySelector(".text"));
    this.context = /** @type {CanvasRenderingContext2D} */ (this.canvas.getContext("2d"));
    new ResizeObserver(() => this.refit()).observe(stage);
  }

  /** Dispatch an event. Returns whether what caused it may go on. @param {string} name @param {unknown} [detail] */
  tell(name, detail) { return this.dispatchEvent(new CustomEvent(name, { detail, cancelable: true })); }

  /** One timer of each name. @param {string} name @param {number} ms @param {() => void} does */
  #after(name, ms, does) {
    clearTimeout(this.#later[name]);
    this.#later[name] = setTimeout(does, ms);
  }

  // What is shown

  /** What is open. Who asks for it knows that something is. */
  get book() { return /** @type {OpenBook} */ (this.state.book); }

  /** @returns {Seen} */
  view() { return seenOn(this.stage); }

  get pages() { return turnedPages(this.book.pages, this.state.quarters, this.book.turns); }

  /** By how many a page is turned to the right. @param {number} page */
  quartersOf(page) { return (this.state.quarters + (this.book.turns[page] || 0)) % 4; }

  /** Whether pages lie side by side. */
  get together() {
    const typical = this.pages.find((one, index) => index && one.height_pt >= one.width_pt) || this.pages[0];
    const { width, height } = this.#inner();
    /** @param {number} count */
    const scale = (count) => Math.min(width / (count * typical.width_pt), height / typical.height_pt);
    return this.pages.length > 1 && reading.isTogether(this.options.spread, scale(1), scale(2), { width, height });
  }

  #inner() {
    const { width, height, margin } = this.view();
    return { width: Math.max(1, width - 2 * margin), height: Math.max(1, height - 2 * margin) };
  }

  /** @param {number} page */
  spreadAt(page) { return spreadOf(this.pages, this.state.direction, page, this.together, this.options.cover); }

  get spread() { return this.spreadAt(this.state.page); }

  /** The first page of the spread `step` before or after; null past the ends. @param {number} step */
  neighbour(step) { return neighbourOf(this.pages, this.state.direction, this.spread, step, this.together, this.options.cover); }

  /** Where pages lie if the whole spread is shown. */
  boxes(spread = this.spread) {
    const { margin } = this.view();
    const { width, height } = this.#inner();
    return fit(this.pages, spread, width, height).map((one) => ({ ...one, x: one.x + margin, y: one.y + margin }));
  }

  /** @param {Box} one @param {number[]} spread @param {Place} place @returns {Asked} */
  #asked(one, spread, place = this.state) {
    const sizes = spread.map((page) => this.pages[page - 1]);
    const [width, height] = askedSize(one, sizes, this.#inner(), this.quartersOf(one.page), place.mode, place.zoom);
    return [one.page, width, height];
  }

  /** The best image that there is of each page shown; those of which there is none are left out. */
  bestShown() {
    const { spread } = this;
    return this.boxes(spread).flatMap((one) => {
      const best = this.book.best(...this.#asked(one, spread));
      return best ? [{ page: one.page, bitmap: best.bitmap }] : [];
    });
  }

  // Opening and leaving

  /** Show a document. @param {string} id @param {number} page @param {About} about */
  async open(id, page, about) {
    this.giveUpOpening();
    const mine = this.#opening;
    this.isOpening = true; // what is shown meanwhile has no say in the address
    const [{ width, height }, { fit: mode, spread }] = [this.#inner(), this.options];
    const isWhole = !this.calm_ms && mode === "page" && (spread === "one" || (width < height && spread === "auto"));
    const found = await this.library.open(id, isWhole ? { page, ...limited(width, height) } : null)
      .finally(() => { if (mine === this.#opening) this.isOpening = false; });
    if (mine !== this.#opening) {
      found.close();
      throw new DOMException("something else is shown by now", "AbortError");
    }
    this.#leaveBook();
    if (!isWhole) found.loadPreview(page).catch(() => {}); // whoever shows the page is told what is wrong with it
    /** @type {OpenBook} */
    const book = Object.assign(found, about, { opened_ms: performance.now() });
    this.state.book = book;
    Object.assign(this.state, { direction: about.chosen || book.direction, quarters: 0, mode: this.options.fit });
    Object.assign(this, { hits: [], hit: null });
    this.#after("paper", PAPER_AFTER_MS + 1, () => { if (this.canvas.dataset.book !== id) this.paint(); });
    book.onupdate = (updated) => {
      if (this.spread.includes(updated)) this.paint();
      else this.tell("previewed");
    };
    this.tell("opened");
    this.#show(page);
  }

  /** What is being opened is not wanted any more: `open` rejects with an AbortError. */
  giveUpOpening() {
    this.#opening += 1;
    this.isOpening = false;
  }

  close() {
    this.giveUpOpening();
    this.#leaveBook();
    this.tell("closed");
  }

  #leaveBook() {
    for (const timer of Object.values(this.#later)) clearTimeout(timer);
    this.state.book?.close();
    this.state.book = null;
    this.#sharpening += 1;
  }

  /** Take what is shown off the screen: its pages are there no longer, or not for us. */
  wipe() {
    this.canvas.width = this.canvas.height = 1;
    delete this.canvas.dataset.book;
    this.text.replaceChildren();
    this.close();
  }

  // Painting

  /* A document just opened: its page is on the way, and a frame of blank paper, or of what is there already, would only delay it. */
  #isWaiting() {
    const { book } = this;
    const { page, turn, zoom, slide } = this.state;
    const isShown = this.stage.querySelector("#early") && turn === 1 && zoom === 1 && !slide;
    if (!isShown && performance.now() - book.opened_ms > PAPER_AFTER_MS) return false;
    /** @param {Box} one */
    const isBetter = (one) => {
      const best = book.best(...this.#asked(one, this.spread));
      return book.failure(one.page) || (best && !(isShown && best.bitmap === book.preview(page)));
    };
    return !this.boxes().some(isBetter);
  }

  paint() {
    if (this.#painting || !this.state.book || this.#isWaiting()) return;
    this.#painting = true;
    requestAnimationFrame(() => {
      this.#painting = false;
      if (this.state.book) this.#frame();
    });
  }

  #frame() {
    const { book, state, canvas, context } = this;
    const seen = this.view();
    if (canvas.width !== seen.width || canvas.height !== seen.height) { canvas.width = seen.width; canvas.height = seen.height; }
    context.clearRect(0, 0, seen.width, seen.height);
    const scene = { book, view: seen, quartersOf: (/** @type {number} */ shown) => this.quartersOf(shown), layers: this.layers };
    const beside = state.slide ? this.neighbour(this.stepTo(state.slide > 0 ? "left" : "right")) : null;
    if (beside !== null) {
      const spread = this.spreadAt(beside);
      const boxes = this.boxes(spread);
      const there = reading.placeOn(state, boxes, seen);
      const place = { ...there, x: there.x + state.slide - Math.sign(state.slide) * seen.width };
      paintSpread(context, { ...scene, boxes, place, askFor: (/** @type {Box} */ one) => this.#asked(one, spread, there) });
    }
    const { spread } = this;
    const place = { zoom: state.zoom, x: state.x + state.slide, y: state.y + state.pull };
    const shown = paintSpread(context, { ...scene, boxes: this.boxes(), place, askFor: (one) => this.#asked(one, spread) });
    const failed = spread.some((page) => book.failure(page));
    const { page, turn, zoom } = state;
    Object.assign(canvas.dataset, { book: book.id, page, turn, zoom, shown, sharp: shown === "sharp", failed });
    this.stage.querySelector("#early")?.remove();
    if (!this.text.hidden) this.placeText(seen);
    this.#after("painted", AFTER_FRAME_MS, () => this.tell("painted"));
  }

  #hideText() {
    if (this.text.contains(document.activeElement)) this.stage.focus({ preventScroll: true }); // a link had it
    this.text.hidden = true;
  }

  /** @param {Seen} seen */
  placeText({ ratio }) {
    const { x, y, zoom } = this.state;
    this.text.style.transform = `translate(${x / ratio}px, ${y / ratio}px) scale(${zoom})`;
  }

  // Turning

  /**
   * Show a page: whatever there is of it is on the screen in the next frame, and all else comes after it.
   * @param {number} page
   * @param {"start" | "end"} from the part of an enlarged page that comes first
   */
  goto(page, from = "start") { if (this.tell("moving")) this.#show(page, from); }

  /** @param {number} page @param {"start" | "end"} from */
  #show(page, from = "start") {
    const { state } = this;
    const now_ms = performance.now();
    const isRiffling = now_ms - this.#turned_ms < RIFFLE_MS;
    this.#turned_ms = now_ms;
    Object.assign(state, { page: Math.max(1, Math.min(this.book.pages.length, page)), turn: state.turn + 1, slide: 0, pull: 0 });
    Object.assign(state, reading.placeOn(state, this.boxes(), this.view(), from));
    this.#noteLay();
    this.paint();
    const wait_ms = isRiffling ? RIFFLE_MS : this.#isSharp() ? AFTER_FRAME_MS : this.calm_ms * Math.random();
    wait_ms ? this.#after("sharpen", wait_ms, () => this.sharpen()) : this.sharpen();
    this.#after("turned", AFTER_FRAME_MS, () => { this.#hideText(); this.tell("turned"); });
    this.#after("settle", SETTLE_MS, () => this.tell("settled"));
  }

  #isSharp() { return this.boxes().every((one) => this.book.best(...this.#asked(one, this.spread))?.sharp); }

  /** @param {number} step @param {"start" | "end"} from */
  turn(step, from = "start") {
    const page = this.neighbour(step);
    if (page !== null) this.goto(page, from);
    else this.tell("ended", step);
  }

  /** @param {Side} side @returns {Step} */
  stepTo(side) { return (side === "right") === (this.state.direction !== "rtl") ? 1 : -1; }

  /** @param {Side} side */
  towards(side) { this.turn(this.stepTo(side)); }

  // Zooming and moving

  /** Show another part of the spread. @param {Place} place */
  place(place) {
    if (!this.tell("moving")) return;
    Object.assign(this.state, place);
    this.#noteLay();
    this.paint();
    this.#after("sharpen", SHARPEN_MS, () => this.sharpen());
  }

  /** Move an enlarged page. Returns whether it moved. @param {number} dx @param {number} dy */
  move(dx, dy) {
    const { x, y } = this.state;
    const place = reading.moved(this.state, dx, dy, this.boxes(), this.view());
    this.place(place);
    return place.x !== x || place.y !== y;
  }

  /* For when the size of something changes: which part was seen then. */
  #noteLay() { this.#lay = { boxes: this.boxes(), view: this.view() }; }

  /** The stage, or what lies on it, has another size: keep the page and the part of it. */
  refit() {
    if (!this.state.book || !this.#lay) return;
    this.#hideText();
    Object.assign(this.state, { slide: 0, pull: 0 }, reading.keptOn(this.state, this.#lay, this.boxes(), this.view()));
    this.#noteLay();
    this.paint();
    this.#after("sharpen", SHARPEN_MS, () => this.sharpen());
    this.#after("refitted", AFTER_FRAME_MS, () => this.tell("refitted"));
  }

  /** Counts what was sharpened: whoever waits sees whether it is the same still. */
  get sharpened() { return this.#sharpening; }

  /** Ask again for what failed. */
  recover() {
    if (!this.state.book) return;
    this.state.book.retryFailed?.();
    this.sharpen();
  }

  // Sharpening: what is on the screen first; when it is there, its text, then the neighbours, decoded before they are turned to

  /** @returns {[page: number, level: number, column: number, row: number][]} */
  #tiles() {
    const { book, state } = this;
    if (state.mode === "page") return [];
    const seen = this.view();
    return this.boxes().flatMap((one) => {
      const [, width, height] = this.#asked(one, this.spread);
      const [lies, quarters] = [zoomed(one, seen, state), this.quartersOf(one.page)];
      if (isEnough([width, height], this.pages[one.page - 1], lies, quarters)) return [];
      const { box, view } = frameOf(lies, seen, quarters);
      const { levels } = book.pages[one.page - 1];
      /** @param {TileBox} tile @returns {[number, number, number, number]} */
      const named = (tile) => [one.page, tile.level, tile.column, tile.row];
      return tilesIn(levels, levelFor(levels, box.width), box, view).map(named);
    });
  }

  async sharpen() {
    clearTimeout(this.#later.sharpen);
    const { book } = this.state;
    if (!book) return;
    this.#sharpening += 1;
    const mine = this.#sharpening;
    const { spread } = this;
    const visible = this.boxes().map((one) => this.#asked(one, spread));
    const ahead = AHEAD.map((step) => this.neighbour(step)).flatMap((page) => {
      if (page === null) return [];
      const pages = this.spreadAt(page);
      const boxes = this.boxes(pages);
      const there = reading.placeOn(this.state, boxes, this.view());
      return boxes.map((one) => this.#asked(one, pages, there));
    });
    const tiles = this.#tiles();
    book.keepOnly([...visible, ...ahead], tiles);
    try {
      await Promise.all([...visible.map((one) => book.load(...one)), ...tiles.map((one) => book.loadTile(...one))]);
      if (mine !== this.#sharpening) return;
      const [, width, height] = visible[0];
      book.hint(this.state.page, width, height, spread.length > 1); // not before: it would draw beside what is waited for
      this.tell("sharpened");
      this.#fetchPreviews(book);
      for (const one of ahead) {
        if (mine !== this.#sharpening) return;
        await book.load(...one, false).catch(() => {}); // told when somebody turns to it
      }
    } catch (error) {
      const { name, status } = /** @type {Error & {status?: number}} */ (error);
      if (name === "AbortError" || mine !== this.#sharpening) return;
      this.paint();
      if (status && status < 500) return; // it will not be better
      const again = () => { if (mine === this.#sharpening && document.visibilityState === "visible") this.recover(); };
      this.#after("again", AGAIN_MS, again);
    }
  }

  #fetchPreviews(/** @type {OpenBook} */ book) { // a bundle that does not come costs thumbnails; the next page that is looked at asks again
    if (performance.now() >= this.previewsFrom_ms) book.fetchPreviews(() => this.state.page).catch(() => {});
  }

  /** A page's name for those who hear it: "Page 12". @type {(page: number) => string} */
  nameOf = (page) => this.labelOf(page);

  /** @type {(page: number) => string} */
  labelOf = (page) => this.book.pages[page - 1].label;

  /** Go to a page far away, so that there is a way back. @param {number} page */
  jump(page) {
    if (!this.tell("moving")) return;
    this.tell("jumped", page);
    this.#show(page);
  }
}
