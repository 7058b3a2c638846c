/* Previews: which are kept, which are fetched next, and when that ends. The nearest to the reader first and last. */

import { bytesOf } from "./bitmaps.js";
import { Flights } from "./flights.js";
import { unpackRecord } from "./records.js";
import { either, reasonOf, unlessAborted } from "./requests.js";

/** @typedef {import("./bitmaps.js").Bitmap} Bitmap */

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

const BUDGET_BYTES = 48 * 1024 * 1024; // about 180 kB each
const AT_ONCE = 16;

/** The previews of a book. */
export class Previews {
  /** @type {NearestKept<Bitmap>} */
  #kept = new NearestKept(BUDGET_BYTES);
  /** @type {Set<number>} */
  #blank = new Set(); // pages that have none: they failed, or are withheld
  /** @type {Flights<number, void>} */
  #single;
  /** @type {() => number} */
  #around = () => 1;
  /** @type {Promise<void> | null} */
  #running = null;
  /** @type {{first: number, last: number, control: AbortController} | null} */
  #bundle = null; // that is on its way

  /** @param {PreviewSource} source */
  constructor(source) {
    this.source = source;
    this.#single = new Flights(source.closing);
  }

  get bytes() { return this.#kept.bytes; }

  get most_bytes() { return BUDGET_BYTES; }

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
  fetchAround(around, signal) {
    this.#around = around;
    if (this.#bundle && !this.#isInReach(this.#bundle)) this.#bundle.control.abort(); // the reader has jumped
    const stop = () => { this.#bundle?.control.abort(); };
    signal?.addEventListener("abort", stop);
    this.#running ||= this.#bundlesInReach(signal).finally(() => { this.#running = null; });
    return unlessAborted(this.#running, signal).finally(() => signal?.removeEventListener("abort", stop));
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

  /** @param {{first: number, last: number}} bundle */
  #isInReach({ first, last }) {
    const [lowest, highest] = pagesAround(this.source.pageCount(), this.#around(), this.#kept.most);
    return last >= lowest && first <= highest;
  }

  /** @param {AbortSignal} [signal] of whoever began: others that join go on only as long */
  async #bundlesInReach(signal) {
    const asked = new Set(); // twice while the reader stays would be for ever
    let around = 0;
    while (!signal?.aborted && !this.source.closing.aborted) {
      if (around !== this.#around()) {
        around = this.#around();
        asked.clear();
      }
      const next = nextBundle(this.source.pageCount(), around, this.#kept.most, AT_ONCE, (page) => this.#has(page));
      if (!next || asked.has(next.first)) return;
      asked.add(next.first);
      const control = new AbortController();
      const { signal: given, end } = either(this.source.closing, control.signal);
      this.#bundle = { ...next, control };
      try {
        await this.#fetchBundle(next.first, next.last, given);
      } catch (error) {
        if (!control.signal.aborted) throw error;
      } finally {
        this.#bundle = null;
        end();
      }
    }
  }

  /**
   * @param {number} first
   * @param {number} last
   * @param {AbortSignal} signal
   */
  async #fetchBundle(first, last, signal) {
    const { images } = unpackRecord(await this.source.bundle(first, last, signal));
    for (const [index, { blob, width }] of images.entries()) {
      const page = first + index;
      if (this.#kept.has(page)) continue;
      const bitmap = width ? await this.source.decode(blob) : null;
      if (signal.aborted) {
        bitmap?.close();
        throw reasonOf(signal);
      }
      if (bitmap) this.#keep(page, bitmap, this.#around());
      else this.#blank.add(page);
    }
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

/**
 * The bundle of previews to fetch next: the nearest to the reader of those that lack a page and have room; null if none.
 *
 * A bundle has room if all of its pages are among the `most` pages around the reader. So none is fetched that would push out
 * a nearer one, or be pushed out by it and fetched again.
 * @param {number} page_count
 * @param {number} around the page at which the reader is
 * @param {number} most how many previews fit
 * @param {number} size pages in a bundle
 * @param {(page: number) => boolean} has
 * @returns {{first: number, last: number} | null}
 */
export function nextBundle(page_count, around, most, size, has) {
  const [lowest, highest] = pagesAround(page_count, around, most);
  /** @type {{first: number, last: number} | null} */
  let best = null;
  let best_distance = Infinity;
  for (let first = lowest - ((lowest - 1) % size); first <= highest; first += size) {
    const last = Math.min(page_count, first + size - 1);
    const distance = Math.max(0, first - around, around - last);
    const isHere = distance === 0; // wanted even if no other fits beside it
    if (distance >= best_distance || (!isHere && (first < lowest || last > highest))) continue;
    for (let page = first; page <= last; page += 1) {
      if (has(page)) continue;
      best = { first, last };
      best_distance = distance;
      break;
    }
  }
  return best;
}

/**
 * The first and the last of the `most` pages around a page.
 * @param {number} page_count
 * @param {number} around
 * @param {number} most
 * @returns {[number, number]}
 */
export function pagesAround(page_count, around, most) {
  const lowest = Math.max(1, Math.min(around - Math.floor(most / 2), page_count - most + 1));
  return [lowest, Math.min(page_count, lowest + most - 1)];
}
