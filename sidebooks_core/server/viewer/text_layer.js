/* Lets the text of what a reader shows come over its picture, when the page is looked at. */

/** @import { Reader } from "./types" */

import { addressOfKey } from "./place.js";
import { fillText } from "./text.js";

const LOOKED_AT_MS = 250;

/**
 * Show the text of a reader from now on. Returns what shows it anew, in another language.
 * @param {Reader} reader
 * @returns {() => void}
 */
export function addTextLayer(reader) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;

  /** @param {number} mine */
  async function show(mine) {
    const { book } = reader.state;
    if (!book || mine !== reader.sharpened) return;
    const seen = reader.view();
    const boxes = reader.boxes();
    const contents = await Promise.all(boxes.map((one) => book.text(one.page))).catch(() => null); // without its words a page is read, too
    if (!contents || reader.state.book !== book || mine !== reader.sharpened) return;
    const { key } = book;
    fillText(reader.text, boxes, contents, {
      ratio: seen.ratio, quartersOf: (page) => reader.quartersOf(page),
      label: (page) => reader.nameOf(page), follow: (page) => reader.jump(page), address: (page) => `#${addressOfKey(key, page)}`,
    });
    reader.text.hidden = false;
    reader.placeText(seen);
  }

  reader.addEventListener("sharpened", () => {
    const mine = reader.sharpened;
    clearTimeout(timer);
    timer = setTimeout(() => show(mine), LOOKED_AT_MS);
  });
  return () => { show(reader.sharpened); };
}
