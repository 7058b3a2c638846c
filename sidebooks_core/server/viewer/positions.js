/* The page at which somebody is: kept on this device, in the address, and for papers on the server. */

/** @import { FullApp, Reader } from "./types" */

import { keepOfBook } from "./choosing.js";

const POSITION_MS = 2000; // a page that is looked at this long is kept on the server

export class Positions {
  #isJumping = false;
  /** @type {Map<Reader, ReturnType<typeof setTimeout>>} */
  #timers = new Map();

  /** @param {FullApp} app */
  constructor(app) {
    this.app = app;
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

  /** @param {Reader} reader */
  #address(reader, page = reader.state.page) {
    const { reader: first, extras } = this.app;
    const shown = `#${first.book.key}/${reader === first ? page : first.state.page}`;
    return shown + (extras.beside?.isOpen ? `&beside=${extras.beside.address()}` : "");
  }

  /** @param {Reader} reader */
  #settle(reader) {
    const { book } = reader.state;
    if (!book || !this.app.reader.state.book) return;
    if (reader === this.app.reader) this.#isJumping = false;
    this.#keepHere(reader);
    if (this.app.reader.isOpening) return;
    history.replaceState(history.state, "", this.#address(reader)); // Safari refuses more than 100 in 30 seconds
    this.app.hash = location.hash;
    clearTimeout(this.#timers.get(reader));
    if (book.paper) this.#timers.set(reader, setTimeout(() => this.#keepThere(reader), POSITION_MS));
  }

  /** The browser's way back leads to the page before a jump. @param {Reader} reader */
  #noteJump(reader) {
    if (reader !== this.app.reader) return;
    history.replaceState(history.state, "", this.#address(reader));
    history.pushState({ from: reader.state.page }, "", this.#address(reader));
    this.#isJumping = true;
    this.app.extras.bars.offerWayBack(reader.state.page);
  }

  /** @param {Reader} reader */
  #keepHere(reader) { keepOfBook("page", reader.book.key, reader.state.page); }

  /** @param {Reader} reader */
  #keepThere(reader) {
    const { book, page } = reader.state;
    const { library } = this.app;
    if (!book?.paper || this.app.isNobody || book.page_kept === page) return;
    const before = book.page_kept;
    book.page_kept = page;
    const body = JSON.stringify({ page, revision: book.paper.revision });
    /** @type {RequestInit & {priority: "low"}} */
    const options = { method: "PUT", headers: { "Content-Type": "application/json" }, keepalive: true, priority: "low", body };
    fetch(`${library.base}/papers/${book.paper.id}/position`, options)
      .then((answer) => { this.app.isNobody ||= answer.status === 401; })
      .catch(() => { book.page_kept = before; }); // it is kept with the next one
  }

  /** Keep the place of a reader now. @param {Reader} reader */
  keep(reader) {
    clearTimeout(this.#timers.get(reader));
    if (!reader.state.book) return;
    this.#keepHere(reader);
    this.#keepThere(reader);
  }

  /** Keep everything now: the page goes, or another screen comes. */
  leave() { for (const reader of this.app.extras.readers) this.keep(reader); }
}
