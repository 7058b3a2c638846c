/* Printing from the reader: the page that is read, or all of them; and what the browser's own "print" takes. */

/** @import { Reader } from "./types" */

import { button, h } from "./elements.js";
import { drawable } from "./painter.js";
import { printPages } from "./print.js";
import { t } from "./words.js";

/** The images of the pages that a reader shows, from left to right, turned as they are. @param {Reader} reader */
export function imagesShown(reader) {
  const { book } = reader.state;
  if (!book || book.may_print === false) return null;
  return reader.bestShown().map(({ page, bitmap }) => {
    const quarters = reader.quartersOf(page);
    return quarters ? turned(drawable(bitmap), quarters) : drawable(bitmap);
  });
}

/** @param {ImageBitmap} bitmap @param {number} quarters */
function turned(bitmap, quarters) {
  const [width, height] = quarters % 2 ? [bitmap.height, bitmap.width] : [bitmap.width, bitmap.height];
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  context.translate(width / 2, height / 2);
  context.rotate((quarters * Math.PI) / 2);
  context.drawImage(bitmap, -bitmap.width / 2, -bitmap.height / 2);
  return canvas;
}

/** Ask in `host` how much shall be printed, and print it. Returns what gives it up. @param {Reader} reader @param {HTMLElement} host */
export function askToPrint(reader, host) {
  const { book } = reader;
  const control = new AbortController();
  const progress = h("p", { role: "status" });
  /** @param {number} first @param {number} last */
  const run = async (first, last) => {
    try {
      /** @param {number} done @param {number} all */
      const onprogress = (done, all) => { progress.textContent = t("printing", { n: done, of: all }); };
      const { missing } = await printPages(book, { first, last, signal: control.signal, onprogress });
      progress.textContent = missing.length ? t("print_missing", { n: missing.length }) : "";
    } catch (error) { progress.textContent = /** @type {Error} */ (error).name === "AbortError" ? "" : t("print_failed"); }
  };
  host.replaceChildren(h("div", { class: "buttons" },
    button("whole", t("print_page"), () => run(Math.min(...reader.spread), Math.max(...reader.spread)), { class: "main" }),
    button("print", t("print_all", { n: book.pages.length }), () => run(1, book.pages.length)),
    button("close", t("cancel"), () => { control.abort(); host.replaceChildren(); })), progress);
  host.querySelector("button")?.focus();
  return () => control.abort();
}
