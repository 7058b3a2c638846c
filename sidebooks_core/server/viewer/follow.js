/* Leads a reader to the presenter's page, and notices when they leave it by themselves. It follows in the first pane; a paper that lies
   beside it is their own. */

/** @import { PaperDetails, Problem, ReaderOptions, SpreadChoice } from "./types" */
/** @import { State } from "./following.js" */
/** @import { Participation } from "./participation.js" */

import { need } from "./elements.js";
import { compared, positionOf } from "./following.js";
import { spreadOf } from "./layout.js";
import { keyOf } from "./place.js";
import { placeShowing } from "./rectangles.js";
import { pause, unlessAborted } from "./requests.js";

const CALM_MS = 20; // a hundred tablets ask for the sharp page within this time, not at once
const PREVIEWS_MS = 10_000; // and for the thumbnails of a paper within this
const ACK_MS = 250; // movements on one page are acknowledged no more often
const AGAIN_MS = 3000; // after an outage
const HANGS_MS = 5000; // what takes longer, while the connection was lost, is asked for anew

/**
 * A paper that is being opened because the presenter shows it. `isShown`: the reader opens it.
 * @typedef {{paper: string, at_ms: number, ending: AbortController, isShown: boolean}} Opening
 */

export class Following {
  #moves = 0; // counts what moves the reader at this moment on behalf of the presenter
  #isBusy = false;
  #isStale = false;
  /** @type {Opening | null} */
  #opening = null;
  /** What the reader was led to last. @type {Pick<State, "paper" | "page" | "spread"> | null} */
  #led = null;
  /** The pages that the present state shows together. @type {SpreadChoice} */
  #pairs = "one";
  #cover = true;
  /** @type {{position: import("./following.js").Position, page: number, isSharp: boolean, at_ms: number} | null} */
  #acknowledged = null;
  #again = 0;
  #previews = 0;
  /** The paper that is not open to whoever reads. */
  closed = "";

  /** @param {Participation} part */
  constructor(part) {
    this.part = part;
    const { app: { reader }, signal } = part;
    this.own = reader.options;
    /** @type {ReaderOptions} */
    this.options = Object.create(this.own, {
      fit: { value: "page" }, spread: { get: () => this.#pairs }, cover: { get: () => this.#cover },
    });
    /** @type {(name: string, does: (event: Event) => void) => void} */
    const on = (name, does) => reader.addEventListener(name, does, { signal });
    on("moving", (event) => this.#moving(event));
    on("touched", (event) => { if (part.isLocked) event.preventDefault(); });
    on("opened", () => { if (!this.#moves) this.#opened(); });
    on("refitted", () => this.#refitted());
    on("painted", () => this.#acknowledge());
    on("closed", () => queueMicrotask(() => this.#wentElsewhere())); // when the screen has changed
    addEventListener("hashchange", () => {
      const { kind, id } = part.app.places();
      if (kind === "document" && this.#opening) this.#opening.isShown = false; // the reader opens this now, not the presenter's
      if (kind === "paper" || kind === "document") this.opens(keyOf(kind, id));
    }, { signal });
  }

  end() {
    this.#giveUp();
    clearTimeout(this.#again);
    clearTimeout(this.#previews);
    this.part.app.reader.previewsFrom_ms = 0;
    this.#release();
  }

  /** Lead the reader to where the meeting is, if it follows. Rejects with a Problem if the paper is not to be had. */
  async apply() {
    this.#isStale = true;
    if (this.#opening && this.#opening.paper !== this.part.shown?.paper) this.#giveUp();
    if (this.#isBusy) return;
    this.#isBusy = true;
    try {
      while (this.#isStale && !this.part.signal.aborted) {
        this.#isStale = false;
        await this.#show();
      }
    } finally { this.#isBusy = false; }
  }

  async #show() {
    const { part } = this;
    const state = part.shown;
    if (!state) { // what was wrong with the presenter's paper is wrong with nothing that is shown
      this.closed = "";
      this.#tellProblem("");
      this.#release();
      return;
    }
    if (state.paper === this.closed) return; // it was asked for
    this.closed = "";
    if (this.#isOpen(state)) {
      this.#tellProblem("");
      this.#turn(state);
      return;
    }
    const opening = { paper: state.paper, at_ms: performance.now(), ending: new AbortController(), isShown: false };
    this.#opening = opening;
    const { signal } = opening.ending;
    try {
      const paper = await part.paper(state.paper, signal);
      if (part.shown?.paper !== state.paper) { this.#isStale = true; return; }
      opening.isShown = true;
      await this.#open(state, paper, signal);
      if (!this.closed) this.#tellProblem("");
    } catch (thrown) {
      const error = /** @type {Problem} */ (thrown);
      if (error.name === "AbortError") return; // something else was opened meanwhile, or the meeting was left
      if (error.status && error.status < 500) { this.#tellClosed(state); return; }
      await pause(AGAIN_MS, signal).catch(() => {});
      this.#isStale = true;
    } finally {
      if (this.#opening === opening) this.#opening = null;
    }
  }

  /* What is being opened for the presenter is not wanted any more, or does not come: what is shown now is looked at anew. */
  #giveUp() {
    const opening = this.#opening;
    if (!opening) return;
    this.#opening = null;
    this.#isStale = true;
    opening.ending.abort();
    if (opening.isShown) this.part.app.reader.giveUpOpening();
  }

  /** There is a connection again. What was asked for by the one before may never come. */
  renew() {
    if (this.#opening && performance.now() - this.#opening.at_ms > HANGS_MS) this.#giveUp();
  }

  /** @param {State} state */
  #tellClosed({ paper }) {
    this.closed = paper;
    this.#tellProblem("paper_closed");
  }

  /** @param {string} key of a text */
  #tellProblem(key) {
    if (this.part.problem === key) return;
    this.part.problem = key;
    this.part.change();
  }

  /** @param {State} state */
  #isOpen(state) {
    const { reader } = this.part.app;
    return !need("reader").hidden && !reader.isOpening && reader.state.book?.key === keyOf("paper", state.paper);
  }

  /** @param {State} state @param {PaperDetails} paper @param {AbortSignal} signal */
  async #open(state, paper, signal) {
    const { part } = this;
    const { app } = part;
    const { document } = paper;
    if (!document) { this.#tellClosed(state); return; }
    this.#arrange(state);
    this.#spreadPreviews(part.isPresenter || part.ahead.here.has(paper.id) ? 0 : PREVIEWS_MS);
    await this.#leading(() => unlessAborted(app.showBook(document.id, state.page, paper), signal));
    this.#led = null;
    const now = part.shown;
    if (now && this.#isOpen(now)) this.#turn(now);
  }

  /* A hundred tablets open a paper at once: each fetches its thumbnails at a time of its own. */
  /** @param {number} within_ms */
  #spreadPreviews(within_ms) {
    const { reader } = this.part.app;
    const wait_ms = within_ms * Math.random();
    reader.previewsFrom_ms = performance.now() + wait_ms;
    clearTimeout(this.#previews);
    if (wait_ms) this.#previews = setTimeout(() => { reader.state.book?.fetchPreviews(() => reader.state.page).catch(() => {}); }, wait_ms);
  }

  /* What the reader does while this runs is the presenter's doing. */
  /** @template T @param {() => T} does @returns {T} */
  #leading(does) {
    this.#moves += 1;
    const over = () => { this.#moves -= 1; };
    try {
      const made = does();
      if (made instanceof Promise) made.then(over, over);
      else over();
      return made;
    } catch (error) {
      over();
      throw error;
    }
  }

  /** @param {State} state */
  #turn(state) {
    const { reader } = this.part.app;
    const { paper, page, spread } = state;
    this.part.presenting.forget(); // if another device presents, this one has told nothing
    this.#arrange(state);
    this.#leading(() => {
      const led = this.#led;
      const isThere = led && led.paper === paper && led.page === page && led.spread === spread && reader.spread.includes(page);
      if (!isThere) {
        reader.goto(page);
        this.#led = { paper, page, spread };
        if (reader.bestShown().length < reader.spread.length) { // a jump: coarse first
          for (const one of reader.spread) reader.book.loadPreview(one).catch(() => {}); // the page itself tells what is wrong
        }
      }
      this.#placeView(state);
    });
    this.#acknowledge();
  }

  /** @param {State} state */
  #placeView({ page, view_pt }) {
    const { reader } = this.part.app;
    const boxes = reader.boxes();
    const box = boxes.find((one) => one.page === page) ?? boxes[0];
    const place = placeShowing(view_pt, box, boxes, reader.view(), reader.quartersOf(box.page));
    const { mode, zoom, x, y } = reader.state;
    if (place.mode !== mode || place.zoom !== zoom || place.x !== x || place.y !== y) reader.place(place);
  }

  /* The same pages together as the presenter has them: on a small screen, too, since nobody knows of which of the two is spoken. */
  /** @param {State} state */
  #arrange({ page, spread }) {
    const { reader } = this.part.app;
    reader.options = this.options;
    reader.calm_ms = this.part.isPresenter ? 0 : CALM_MS;
    const pages = reader.state.book ? reader.pages : [];
    const { direction } = reader.state;
    const found = spread === null ? undefined : [true, false].find((cover) => {
      const shown = page <= pages.length ? spreadOf(pages, direction, page, true, cover) : [];
      return shown.length === 2 && shown.includes(page) && shown.includes(spread);
    });
    this.#pairs = found === undefined ? "one" : "two";
    this.#cover = found ?? true;
  }

  /* As they read it themselves again. */
  #release() {
    const { reader } = this.part.app;
    this.#led = null;
    reader.calm_ms = 0;
    if (reader.options === this.own) return;
    reader.options = this.own;
    this.#leading(() => reader.refit());
  }

  // What they do themselves

  /** @param {Event} event */
  #moving(event) {
    if (this.#moves) return;
    const { part } = this;
    if (part.isLocked) {
      event.preventDefault();
      part.tell("is_locked");
    } else if (part.isPresenter) part.presenting.moved();
    else this.#leave();
  }

  /**
   * Whoever reads opens something else: they leave now, else a state that comes before it is there would bring them back.
   * @param {string} key of what they open
   */
  opens(key) {
    const { part } = this;
    if (!part.isPresenter && !part.isLocked && key !== keyOf("paper", part.state?.paper ?? "")) this.#leave();
  }

  /* There is a page to be left only if the presenter shows one: who reads until a meeting begins is led to its first page. */
  #leave() { if (this.part.meeting.shown) this.part.meeting.moved(); }

  #opened() {
    const { part } = this;
    const { state } = part;
    const isThere = state?.paper && part.app.reader.state.book?.key === keyOf("paper", state.paper);
    if (part.isPresenter) part.presenting.moved();
    else if (!isThere && part.isLocked) this.apply();
    else if (!isThere) this.#leave();
    else if (part.shown) this.apply(); // the paper was replaced
  }

  #wentElsewhere() {
    const { part } = this;
    if (!need("reader").hidden || part.isPresenter || !part.state?.paper) return;
    if (part.isLocked) this.apply();
    else this.#leave();
  }

  #refitted() {
    const { part } = this;
    const { shown } = part;
    if (part.isPresenter && !shown) part.presenting.moved();
    else if (shown && this.#isOpen(shown) && this.#led) this.#leading(() => this.#placeView(shown));
  }

  // What the presenter is told

  #acknowledge() {
    const { part } = this;
    const { reader } = part.app;
    const state = part.isPresenter && part.presenting.isOwn(part.state) ? part.state : part.shown;
    const { dataset } = reader.canvas;
    if (!state || !this.#isOpen(state) || dataset.book !== reader.state.book?.id) return;
    if (Number(dataset.page) !== reader.state.page || !reader.spread.includes(state.page) || dataset.shown === "paper") return;
    const isSharp = dataset.sharp === "true";
    const had = this.#acknowledged;
    const position = positionOf(state);
    if (had && compared(position, had.position) === 0 && (had.isSharp || !isSharp)) return;
    const now_ms = performance.now();
    const wait_ms = had && had.page === state.page ? had.at_ms + ACK_MS - now_ms : 0;
    clearTimeout(this.#again);
    if (wait_ms > 0) {
      this.#again = setTimeout(() => this.#acknowledge(), wait_ms);
      return;
    }
    this.#acknowledged = { position, page: state.page, isSharp, at_ms: now_ms };
    part.meeting.painted(state, isSharp);
  }
}
