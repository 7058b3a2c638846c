/* Decoded images under a budget of bytes. What falls out is freed at once, not when the browser collects. */

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
