/* One document: its pages and tiles decoded off the main thread under a budget of bytes, its previews, text and hits.

   Whatever asks the server takes a `signal`, and rejects with the signal's reason, an AbortError unless it has another, when
   that aborts or the book is closed. Being given up is no failure: nothing keeps it. */

import { Bitmaps, Previews } from "./bitmaps.js";
import { Flights } from "./flights.js";
import {
  either, failureOf, granted, isGivenUp, overNetwork, pause, reasonOf, unlessAborted, WITHHELD, withPriority,
} from "./requests.js";

/**
 * @typedef {import("./bitmaps.js").Bitmap} Bitmap
 * @typedef {import("./client.js").Library} Library
 * @typedef {import("./requests.js").Failure} Failure
 */

/**
 * A page as pages.json has it. `levels`: width, height and side of the tiles in pixels, the coarsest first.
 * @typedef {{
 *   page: number, label: string, width_pt: number, height_pt: number, width_px: number, height_px: number,
 *   levels: [number, number, number][], image_service: string, problems?: string[], is_withheld?: boolean,
 * }} Page
 */

/** @typedef {{page: number, boxes_pt: [number, number, number, number][], text: string}} Hit */
/** @typedef {[x0: number, y0: number, x1: number, y1: number, text: string, block: number, line: number]} Word */
/** @typedef {{box_pt: [number, number, number, number], page: number | null, uri: string | null}} Link */
/** @typedef {{level: number, title: string, page: number | null, uri: string | null}} OutlineEntry */
/** @typedef {{signal?: AbortSignal}} Stoppable */

const PREVIEW_AFTER_MS = 150; // it is drawn by the same cores as the page, which it would delay
const BUDGET_BYTES = 96 * 1024 * 1024; // decoded pages and tiles: fits a tablet with 2 GB of memory
const SHARPER_AFTER_MS = 1500; // a loaded server answers with a coarser image, good for 2 s
const MOST_TRIES = 8;
const TEXTS_KEPT = 24;

/** A document of a library, made by `Library.open`. */
export class Book {
  name = "";
  title = "";
  /** @type {"ltr" | "rtl"} */
  direction = "ltr";
  /** @type {Page[]} */
  pages = [];
  /** Whether a viewer should let its reader print. */
  may_print = true;
  /** How many images of pages and tiles were decoded. */
  decodes = 0;

  /**
   * Called with a page when there is something better to paint of it, or when it failed.
   * @type {(page: number) => void}
   */
  onupdate = () => {};

  /** @type {Bitmaps<Bitmap>} */
  #sharp = new Bitmaps(BUDGET_BYTES);
  /** @type {Bitmaps<Bitmap>} */
  #coarse = new Bitmaps(BUDGET_BYTES / 4);
  /** @type {Map<number, Promise<{words: Word[], links: Link[]}>>} */
  #texts = new Map();
  /** @type {Map<number, Failure>} */
  #failed = new Map();
  /** @type {Map<number, string>} */
  #problems = new Map(); // page -> what could not be drawn of it
  /** @type {Set<() => void>} */
  #impatient = new Set(); // those that wait before they ask for a sharper image
  #closing = new AbortController();
  /** @type {Flights<string, Bitmap>} */
  #flights = new Flights(this.#closing.signal);
  #previews = new Previews({
    closing: this.#closing.signal,
    pageCount: () => this.pages.length,
    one: (page, signal) => this.#decoded(`pages/${page}/preview`, { signal, priority: "high" }),
    bundle: (first, last, signal) => this.#bundle(first, last, signal),
    decode: (blob) => this.library.decode(blob),
    updated: (page) => this.onupdate(page),
  });

  /**
   * @param {Library} library
   * @param {string} id
   */
  constructor(library, id) {
    this.library = library;
    this.id = id;
  }

  /** Of all images that are decoded now. */
  get decodedBytes() { return this.#sharp.bytes + this.#coarse.bytes + this.#previews.bytes; }

  /** Of the previews among them, and how many bytes they may have. */
  get previewBytes() { return { held: this.#previews.bytes, most: this.#previews.most_bytes }; }

  /**
   * What there is of a page for a box of pixels, or null. Never waits. A page that failed keeps its coarse image.
   * @param {number} page
   * @param {number} width
   * @param {number} height
   * @returns {{bitmap: Bitmap, sharp: boolean} | null}
   */
  best(page, width, height) {
    const key = pageKey(page, width, height);
    const sharp = this.#sharp.get(key);
    if (sharp) return { bitmap: sharp, sharp: true };
    const bitmap = this.#coarse.get(key) || this.#previews.get(page);
    return bitmap ? { bitmap, sharp: false } : null;
  }

  /**
   * Why a page cannot be shown, or null. Never waits.
   * @param {number} page
   * @returns {Failure | null}
   */
  failure(page) {
    if (this.pages[page - 1]?.is_withheld) return WITHHELD;
    return this.#failed.get(page) || null;
  }

  /**
   * Forget what failed, as after an outage: `load` and `fetchPreviews` ask again for what is wanted then.
   * @returns {number[]} the pages that had failed
   */
  retryFailed() {
    const pages = [...this.#failed.keys()];
    this.#failed.clear();
    this.#previews.forgetBlank();
    for (const page of pages) this.onupdate(page);
    return pages;
  }

  /**
   * What could not be drawn of a page, in words, or an empty text. Never waits.
   * @param {number} page
   * @returns {string}
   */
  problems(page) { return this.#problems.get(page) || (this.pages[page - 1]?.problems || []).join("; "); }

  /**
   * A decoded tile, or null. Never waits.
   * @param {number} page
   * @param {number} level
   * @param {number} column
   * @param {number} row
   * @returns {Bitmap | null}
   */
  tile(page, level, column, row) { return this.#sharp.get(tileKey(page, level, column, row)) || null; }

  /**
   * Fetch and decode a page fitted into a box of pixels. Rejects if it cannot be shown; `failure` keeps why.
   * @param {number} page
   * @param {number} width
   * @param {number} height
   * @param {boolean} [urgent] somebody looks at it: if nothing of it is there soon, its preview is fetched as well
   * @param {Stoppable} [options]
   * @returns {Promise<Bitmap>}
   */
  async load(page, width, height, urgent = true, { signal } = {}) {
    const key = pageKey(page, width, height);
    const soon = urgent && setTimeout(() => {
      if (!this.best(page, width, height) && !this.failure(page)) this.loadPreview(page).catch(() => {}); // it may come late
    }, PREVIEW_AFTER_MS);
    try {
      const bitmap = await this.#image(key, `pages/${page}/${width}x${height}`, page, urgent, signal);
      this.#failed.delete(page);
      return bitmap;
    } catch (error) {
      if (!isGivenUp(error, signal, this.#closing.signal)) {
        this.#failed.set(page, failureOf(error));
        this.onupdate(page);
      }
      throw error;
    } finally { if (soon) clearTimeout(soon); }
  }

  /**
   * Fetch and decode a tile.
   * @param {number} page
   * @param {number} level
   * @param {number} column
   * @param {number} row
   * @param {Stoppable} [options]
   * @returns {Promise<Bitmap>}
   */
  loadTile(page, level, column, row, { signal } = {}) {
    return this.#image(tileKey(page, level, column, row), `pages/${page}/tiles/${level}/${column}_${row}`, page, true, signal);
  }

  /**
   * Give up the pages and tiles on their way but for these: lists of arguments of `load` and `loadTile`.
   * @param {[page: number, width: number, height: number][]} pages
   * @param {[page: number, level: number, column: number, row: number][]} [tiles]
   */
  keepOnly(pages, tiles = []) {
    const wanted = new Set([...pages.map((one) => pageKey(...one)), ...tiles.map((one) => tileKey(...one))]);
    this.#flights.keepOnly(wanted);
  }

  /**
   * Fetch and decode previews around a page, the nearest first, until all are there that the budget holds. Call it whenever
   * the reader moves: what is there is not asked for again, and what is farthest makes room.
   * @param {number | (() => number)} around the page at which the reader is
   * @param {Stoppable} [options]
   * @returns {Promise<void>}
   */
  fetchPreviews(around, { signal } = {}) {
    return this.#previews.fetchAround(typeof around === "function" ? around : () => around, signal);
  }

  /**
   * Fetch and decode one preview.
   * @param {number} page
   * @param {Stoppable} [options]
   * @returns {Promise<void>}
   */
  loadPreview(page, { signal } = {}) { return this.#previews.fetchOne(page, signal); }

  /**
   * The outline of the document.
   * @param {Stoppable} [options]
   * @returns {Promise<OutlineEntry[]>}
   */
  async outline({ signal } = {}) { return (await this.#json("", signal)).outline; }

  /**
   * A decoded preview, or null. Never waits.
   * @param {number} page
   * @returns {Bitmap | null}
   */
  preview(page) { return this.#previews.get(page) || null; }

  /**
   * The words and links of a page, boxes in points.
   * @param {number} page
   * @param {Stoppable} [options]
   * @returns {Promise<{words: Word[], links: Link[]}>}
   */
  text(page, { signal } = {}) {
    const kept = this.#texts.get(page);
    if (kept) return unlessAborted(kept, signal);
    const found = Promise.all(["text", "links"].map((what) => this.#json(`/pages/${page}/${what}`)))
      .then(([{ words }, { links }]) => ({ words, links }));
    found.catch(() => this.#texts.delete(page));
    this.#texts.set(page, found);
    for (const oldest of this.#texts.keys()) {
      if (this.#texts.size <= TEXTS_KEPT) break;
      this.#texts.delete(oldest);
    }
    return unlessAborted(found, signal);
  }

  /**
   * Tell the server where the reader is: it draws what comes next. A hint that is lost costs a prefetch, nothing else.
   * @param {number} page
   * @param {number} width of the view, in pixels
   * @param {number} height
   * @param {boolean} spread whether two pages are shown together
   * @param {Stoppable} [options]
   */
  hint(page, width, height, spread, { signal } = {}) {
    const headers = { "Content-Type": "application/json" };
    const body = JSON.stringify({ session: this.library.session, page, view_px: [width, height], spread });
    this.library.fetch(`${this.library.base}/documents/${this.id}/hints`, withPriority({ method: "POST", headers, body, signal }, "low"))
      .catch(() => {});
  }

  /**
   * All places where a text occurs, in page order. It goes on step by step, so that it can be shown and stopped.
   * @param {string} query
   * @param {{signal?: AbortSignal, onhits?: (hits: Hit[], about: {page: number, of: number}) => void}} [options] onhits: called
   *   after each step with what it found, maybe nothing, the last page that was searched, and how many there are
   * @returns {Promise<Hit[]>}
   */
  async search(query, options = {}) {
    const { searched } = await import("./searching.js");
    return searched((path) => this.#json(path, options.signal), this.pages.length, query, options.onhits);
  }

  /** Ask now for what came coarse: the server says that it has it sharp. */
  refetch() {
    for (const resolve of this.#impatient) resolve();
    this.#impatient.clear();
  }

  /** Free all images and give up what is on its way. */
  close() {
    this.#closing.abort();
    this.keepOnly([]);
    for (const one of [this.#sharp, this.#coarse, this.#previews]) one.clear();
  }

  /**
   * @param {string} key
   * @param {string} path
   * @param {number} page
   * @param {boolean} urgent
   * @param {AbortSignal} [signal]
   * @returns {Promise<Bitmap>}
   */
  #image(key, path, page, urgent, signal) {
    const kept = this.#sharp.get(key);
    if (kept) return Promise.resolve(kept);
    return this.#flights.joined(key, signal, (given) => this.#fetched(key, path, page, given, urgent ? "high" : "low"));
  }

  /**
   * @param {string} key
   * @param {string} path
   * @param {number} page
   * @param {AbortSignal} signal
   * @param {"high" | "low"} priority
   * @returns {Promise<Bitmap>}
   */
  async #fetched(key, path, page, signal, priority) {
    for (let tries = 1; ; tries += 1) {
      /** @type {Headers | undefined} */
      let headers;
      const cache = tries > 1 ? "reload" : "default";
      const bitmap = await this.#decoded(path, { signal, priority, cache }, (told) => { headers = told; });
      this.decodes += 1;
      const told = headers?.get("Sidebooks-Problems");
      if (told) this.#problems.set(page, told.replace(/^\d+(; )?/, "").replace(/"/g, "") || told);
      const isSharp = Number(headers?.get("Sidebooks-Resolution") || 1) >= 1;
      if (isSharp || tries === MOST_TRIES) {
        this.#sharp.put(key, bitmap);
        this.#coarse.delete(key);
        this.onupdate(page);
        return bitmap;
      }
      this.#coarse.put(key, bitmap);
      this.onupdate(page);
      /** @type {() => void} */
      let wake = () => {};
      /** @type {Promise<void>} */
      const woken = new Promise((resolve) => { wake = resolve; });
      this.#impatient.add(wake);
      await Promise.race([pause(SHARPER_AFTER_MS, signal), woken]).finally(() => this.#impatient.delete(wake));
    }
  }

  /**
   * An image, decoded off the main thread.
   * @param {string} path
   * @param {{signal: AbortSignal, priority: "high" | "low", cache?: RequestCache}} options
   * @param {(headers: Headers) => void} [seen]
   * @returns {Promise<Bitmap>}
   */
  async #decoded(path, { signal, priority, cache = "default" }, seen) {
    const blob = await overNetwork(async () => {
      const answer = await this.#answer(path, withPriority({ signal, cache }, priority));
      seen?.(answer.headers);
      return answer.blob();
    }, signal);
    const bitmap = await this.library.decode(blob);
    if (!signal.aborted) return bitmap;
    bitmap.close();
    throw reasonOf(signal);
  }

  /**
   * @param {number} first
   * @param {number} last
   * @param {AbortSignal} signal
   */
  #bundle(first, last, signal) {
    const options = withPriority({ signal }, "low");
    return overNetwork(async () => (await this.#answer(`previews/${first}-${last}`, options)).arrayBuffer(), signal);
  }

  /**
   * @param {string} path
   * @param {RequestInit} options
   */
  #answer(path, options) {
    return granted(() => this.library.get(`/documents/${this.id}/${path}`, options), options.signal ?? undefined);
  }

  /**
   * @param {string} path
   * @param {AbortSignal} [given]
   */
  async #json(path, given) {
    const { signal, end } = either(this.#closing.signal, given);
    try {
      return await this.library.json(`/documents/${this.id}${path}`, signal);
    } finally { end(); }
  }
}

/** @type {(page: number, width: number, height: number) => string} */
const pageKey = (page, width, height) => `${page} ${width}x${height}`;
/** @type {(page: number, level: number, column: number, row: number) => string} */
const tileKey = (page, level, column, row) => `${page} ${level}/${column}_${row}`;
