/* Decoded images of a book under budgets of bytes: of pages and tiles, the least recently used goes first; of previews, those that
   are nearest to the reader stay. What falls out is freed at once, not when the browser collects.
   One module, since the first page loads both and has a budget of 20 kB. */

import { Flights } from "./flights.js";

/**
 * A decoded image: an ImageBitmap, or what an injected `decode` gives in its place.
 * @typedef {{width: number, height: number, close(): void}} Bitmap
 */

const BYTES_PER_PIXEL = 4;

/** @param {Bitmap} bitmap */
export const bytesOf = (bitmap) => bitmap.width * bitmap.height * BYTES_PER_PIXEL;

/**
 * Decoded images by a key, the least recently used first.
 * @template {Bitmap} B
 */
export class Bitmaps {
  /** @type {Map<string, B>} */
  #kept = new Map();
  #bytes = 0;

  /** @param {number} budget_bytes */
  constructor(budget_bytes) { this.budget_bytes = budget_bytes; }

  get bytes() { return this.#bytes; }

  /** @param {string} key */
  get(key) {
    const bitmap = this.#kept.get(key);
    if (bitmap) {
      this.#kept.delete(key);
      this.#kept.set(key, bitmap);
    }
    return bitmap;
  }

  /**
   * Keep an image; the others make room for it.
   * @param {string} key
   * @param {B} bitmap
   */
  put(key, bitmap) {
    this.delete(key);
    this.#kept.set(key, bitmap);
    this.#bytes += bytesOf(bitmap);
    for (const old of this.#kept.keys()) {
      if (this.#bytes <= this.budget_bytes || old === key) break;
      this.delete(old);
    }
  }

  /** @param {string} key */
  delete(key) {
    const bitmap = this.#kept.get(key);
    if (!bitmap) return;
    this.#kept.delete(key);
    this.#bytes -= bytesOf(bitmap);
    bitmap.close();
  }

  clear() { for (const key of [...this.#kept.keys()]) this.delete(key); }
}

/**
 * What the previews of a book need of it.
 * @typedef {{
 *   closing: AbortSignal,
 *   pageCount: () => number,
 *   one: (page: number, signal: AbortSignal) => Promise<Bitmap>,
 *   bundle: (first: number, last: number, signal: AbortSignal) => Promise<ArrayBuffer>,
 *   decode: (blob: Blob) => Promise<Bitmap>,
 *   updated: (page: number) => void,
 * }} PreviewSource
 */

const PREVIEWS_BYTES = 48 * 1024 * 1024; // about 180 kB each

/** The previews of a book. */
export class Previews {
  /** @type {NearestKept<Bitmap>} */
  #kept = new NearestKept(PREVIEWS_BYTES);
  /** @type {Set<number>} */
  #blank = new Set(); // pages that have none: they failed, or are withheld
  /** @type {Flights<number, void>} */
  #single;
  /** @type {Promise<import("./bundles.js").Bundles> | null} */
  #bundles = null;

  /** @param {PreviewSource} source */
  constructor(source) {
    this.source = source;
    this.#single = new Flights(source.closing);
  }

  get bytes() { return this.#kept.bytes; }

  get most_bytes() { return PREVIEWS_BYTES; }

  /** @param {number} page */
  get(page) { return this.#kept.get(page); }

  /** Ask again for those that could not be made. */
  forgetBlank() { this.#blank.clear(); }

  clear() { this.#kept.clear(); }

  /**
   * Fetch those around the reader until all are there that the budget holds. Whoever calls while it runs joins, and leads it.
   * @param {() => number} around
   * @param {AbortSignal} [signal]
   * @returns {Promise<void>}
   */
  async fetchAround(around, signal) {
    this.#bundles ??= import("./bundles.js").then(({ Bundles }) => new Bundles(this.source, this.#kept, this.#blank));
    const bundles = await this.#bundles.catch((error) => {
      this.#bundles = null; // it may come the next time
      throw error;
    });
    return bundles.fetchAround(around, signal);
  }

  /**
   * Fetch one at once: somebody looks at its page.
   * @param {number} page
   * @param {AbortSignal} [signal]
   * @returns {Promise<void>}
   */
  fetchOne(page, signal) {
    if (this.#has(page)) return Promise.resolve();
    return this.#single.joined(page, signal, async (given) => this.#keep(page, await this.source.one(page, given), page));
  }

  /** @param {number} page */
  #has(page) { return this.#kept.has(page) || this.#blank.has(page); }

  /**
   * @param {number} page
   * @param {Bitmap} bitmap
   * @param {number} around
   */
  #keep(page, bitmap, around) {
    this.#kept.put(page, bitmap, around);
    this.source.updated(page);
  }
}

/**
 * Decoded previews by page. The budget is for those nearest to the reader: the farthest falls out first.
 * @template {Bitmap} B
 */
export class NearestKept {
  /** @type {Map<number, B>} */
  #kept = new Map();
  #bytes = 0;
  #largest_bytes = 1;

  /** @param {number} budget_bytes */
  constructor(budget_bytes) { this.budget_bytes = budget_bytes; }

  get bytes() { return this.#bytes; }

  /** How many are sure to fit. */
  get most() { return Math.max(1, Math.floor(this.budget_bytes / this.#largest_bytes)); }

  /** @param {number} page */
  get(page) { return this.#kept.get(page); }

  /** @param {number} page */
  has(page) { return this.#kept.has(page); }

  /**
   * Keep a preview, unless it is the farthest from the reader and there is no room.
   * @param {number} page
   * @param {B} bitmap
   * @param {number} around the page at which the reader is
   */
  put(page, bitmap, around) {
    this.#delete(page);
    this.#kept.set(page, bitmap);
    this.#bytes += bytesOf(bitmap);
    this.#largest_bytes = Math.max(this.#largest_bytes, bytesOf(bitmap));
    while (this.#bytes > this.budget_bytes && this.#kept.size > 1) {
      let farthest = page;
      for (const one of this.#kept.keys()) if (Math.abs(one - around) > Math.abs(farthest - around)) farthest = one;
      this.#delete(farthest);
    }
  }

  clear() { for (const page of [...this.#kept.keys()]) this.#delete(page); }

  /** @param {number} page */
  #delete(page) {
    const bitmap = this.#kept.get(page);
    if (!bitmap) return;
    this.#kept.delete(page);
    this.#bytes -= bytesOf(bitmap);
    bitmap.close();
  }
}
