/* Bundles of previews around the reader: which is fetched next, and when that ends. They come after the first page, and so
   does this module. */

import { unpackRecord } from "./records.js";
import { either, reasonOf, unlessAborted } from "./requests.js";

/**
 * @typedef {import("./bitmaps.js").Bitmap} Bitmap
 * @typedef {import("./bitmaps.js").PreviewSource} PreviewSource
 * @typedef {import("./bitmaps.js").NearestKept<Bitmap>} Kept
 */

const AT_ONCE = 16;

/** What fetches the bundles of a book. */
export class Bundles {
  /** @type {() => number} */
  #around = () => 1;
  /** @type {Promise<void> | null} */
  #running = null;
  /** @type {{first: number, last: number, control: AbortController} | null} */
  #bundle = null; // that is on its way

  /**
   * @param {PreviewSource} source
   * @param {Kept} kept
   * @param {Set<number>} blank pages that have none: they failed, or are withheld
   */
  constructor(source, kept, blank) {
    this.source = source;
    this.kept = kept;
    this.blank = blank;
  }

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

  /** @param {{first: number, last: number}} bundle */
  #isInReach({ first, last }) {
    const [lowest, highest] = pagesAround(this.source.pageCount(), this.#around(), this.kept.most);
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
      const has = (/** @type {number} */ page) => this.kept.has(page) || this.blank.has(page);
      const next = nextBundle(this.source.pageCount(), around, this.kept.most, AT_ONCE, has);
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
      if (this.kept.has(page)) continue;
      const bitmap = width ? await this.source.decode(blob) : null;
      if (signal.aborted) {
        bitmap?.close();
        throw reasonOf(signal);
      }
      if (bitmap) {
        this.kept.put(page, bitmap, this.#around());
        this.source.updated(page);
      } else this.blank.add(page);
    }
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
