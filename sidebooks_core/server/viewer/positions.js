/* The page at which somebody is: kept on this device, in the address, and for papers on the server. */

/** @import { BesidePlace, FullApp, Reader } from "./types" */

import { keepOfBook } from "./choosing.js";
import { keepPage } from "./left_off.js";
import { addressOf } from "./place.js";

const POSITION_MS = 2000; // a page that is looked at this long is kept on the server

/** Where a reader is, for an address. @param {Reader} reader @returns {BesidePlace} */
export function placeShown({ book, state: { page } }) {
  return { kind: book.paper ? "paper" : "document", id: book.paper ? book.paper.id : book.id, page };
}

export class Positions {
  #isJumping = false;
  /** As it is known here. Another one was chosen a moment ago, and nothing has come of it yet. */
  #known = location.hash;
  /** Another screen was chosen, and the page is there still. */
  #isLeaving = false;
  /** @type {Map<Reader, ReturnType<typeof setTimeout>>} */
  #timers = new Map();

  /** @param {FullApp} app */
  constructor(app) {
    this.app = app;
    addEventListener("hashchange", () => {
      this.#known = location.hash;
      this.#isLeaving = !["paper", "document", "meeting"].includes(app.places().kind);
    });
    app.reader.addEventListener("opened", () => { this.#isLeaving = false; });
    addEventListener("pagehide", () => this.leave());
    document.addEventListener("visibilitychange", () => { if (document.visibilityState === "hidden") this.leave(); });
  }

  /** @param {Reader} reader */
  attend(reader) {
    reader.addEventListener("settled", () => this.#settle(reader));
    // At once after a jump: else whoever goes back before the page has settled comes to the same address, and stays where they are.
    reader.addEventListener("turned", () => { if (this.#isJumping && reader === this.app.reader) this.#settle(reader); });
    reader.addEventListener("jumped", () => this.#noteJump(reader));
    if (reader.state.book) this.#settle(reader);
  }

  #address() {
    const { reader, extras } = this.app;
    return `#${addressOf({ ...placeShown(reader), beside: extras.beside?.place() })}`;
  }

  /* Of a projector, the address leads to its meeting, and nobody reads there. */
  get #isProjector() { return Boolean(this.app.meeting?.isProjector); }

  /** @param {Reader} reader */
  #settle(reader) {
    const { book } = reader.state;
    if (!book || !this.app.reader.state.book || this.#isProjector) return;
    if (reader === this.app.reader) this.#isJumping = false;
    this.#keepHere(reader);
    if (this.app.reader.isOpening || this.#isLeaving || location.hash !== this.#known) return;
    history.replaceState(history.state, "", this.#address()); // Safari refuses more than 100 in 30 seconds
    this.app.hash = this.#known = location.hash;
    clearTimeout(this.#timers.get(reader));
    if (book.paper) this.#timers.set(reader, setTimeout(() => this.#keepThere(reader), POSITION_MS));
  }

  /** The browser's way back leads to the page before a jump. @param {Reader} reader */
  #noteJump(reader) {
    if (reader !== this.app.reader) return;
    history.replaceState(history.state, "", this.#address());
    history.pushState({ from: reader.state.page }, "", this.#address());
    this.#known = location.hash;
    this.#isJumping = true;
    this.app.extras.bars.offerWayBack(reader.state.page);
  }

  /** @param {Reader} reader */
  #keepHere(reader) { keepOfBook("page", reader.book.key, reader.state.page); }

  /** @param {Reader} reader */
  #keepThere(reader) {
    const { book, page } = reader.state;
    if (!book?.paper || book.page_kept === page) return;
    const before = book.page_kept;
    book.page_kept = page;
    keepPage(this.app, book.paper.id, page, book.paper.revision).catch(() => { book.page_kept = before; }); // it is kept with the next one
  }

  /** The address names nothing any more. */
  forget() {
    history.replaceState(null, "", location.pathname);
    this.#known = location.hash;
  }

  /** The address says now where one is, not only when the page has been looked at. */
  settle() { for (const reader of this.app.extras.readers) if (reader.state.book) this.#settle(reader); }

  /** Keep the place of a reader now. @param {Reader} reader */
  keep(reader) {
    clearTimeout(this.#timers.get(reader));
    if (!reader.state.book || this.#isProjector) return;
    this.#keepHere(reader);
    this.#keepThere(reader);
  }

  /** Keep everything now: the page goes, or another screen comes. */
  leave() { for (const reader of this.app.extras.readers) this.keep(reader); }
}
