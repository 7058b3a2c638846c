/* Printing: the pages of a document at the resolution of paper, without the screen around them; and its original file. */

/** @import { Page, Printable } from "./types" */

import { pause, withPriority } from "./requests.js";

const DPI = 150;
const MOST_PX = 2400; // of the long side: enough for 150 dpi on A3
const MOST_TRIES = 8;
const SHARPER_AFTER_MS = 1500; // a loaded server answers with a coarser image at first
const BUSY_S = 2;
const KEPT_MS = 60_000; // a tablet says that it has printed when it has only begun
const NOT_FOR_THE_PAGE = [401, 403, 404]; // what concerns the reader, not how one page can be drawn

/** @typedef {{host: HTMLElement, isShown: boolean, isWide: boolean | null, rule: HTMLStyleElement | null}} Sheets */

/** @type {Sheets | null} */
let sheets = null;
let clearing = 0;

/** Whether the reader may print the document. @param {Printable} book */
export const mayPrint = (book) => book.may_print !== false && book.paper?.may_print !== false;

/**
 * Called with how many pages are there, and of how many.
 * @typedef {(done: number, all: number) => void} OnProgress
 */

/**
 * Print pages of a document: their images come one by one, then the browser's dialog is opened. `signal` ends it; the promise is
 * rejected with an AbortError. Withheld pages are left out.
 * Gives the pages that are in the dialog, and those that the server could not draw.
 * Throws an error named "NotAllowedError" if the reader may not print; with `status` if the server refuses.
 * @param {Printable} book
 * @param {{first?: number, last?: number, dpi?: number, onprogress?: OnProgress, signal?: AbortSignal}} options
 * @returns {Promise<{printed: number[], missing: number[]}>}
 */
export async function printPages(book, { first = 1, last = book.pages.length, dpi = DPI, onprogress, signal } = {}) {
  if (!mayPrint(book)) throw new DOMException("this document is not for printing", "NotAllowedError");
  const wanted = pagesToPrint(book.pages, first, last);
  const made = newSheets();
  /** @type {number[]} */
  const missing = [];
  try {
    await style();
    for (const [index, page] of wanted.entries()) {
      onprogress?.(index, wanted.length);
      const image = await imageOf(book, page, dpi, signal).catch((error) => {
        if (!error.status || NOT_FOR_THE_PAGE.includes(error.status)) throw error;
        missing.push(page);
        return null;
      });
      if (image) addSheet(made, image, image.naturalWidth > image.naturalHeight);
    }
    onprogress?.(wanted.length, wanted.length);
    const printed = wanted.filter((page) => !missing.includes(page));
    if (!printed.length) {
      clear(made);
      return { printed, missing };
    }
    show(made);
    addEventListener("afterprint", () => clearAfterPrint(made), { once: true });
    window.print();
    return { printed, missing };
  } catch (error) {
    clear(made);
    throw error;
  }
}

/**
 * Let the browser's own "print" have the pages that are shown, whole, in place of the screen. What it prints is as sharp as the screen.
 * @param {() => (ImageBitmap | HTMLCanvasElement)[] | null} shown called when it begins; gives the images that there are, from left to
 *   right, or null if no document is open
 */
export function watchPrinting(shown) {
  style();
  addEventListener("beforeprint", () => {
    if (sheets?.isShown) return;
    const images = shown();
    if (!images?.length) return;
    const made = newSheets();
    for (const image of images) {
      const canvas = Object.assign(document.createElement("canvas"), { width: image.width, height: image.height });
      canvas.getContext("2d")?.drawImage(image, 0, 0);
      addSheet(made, canvas, image.width > image.height);
    }
    show(made);
    addEventListener("afterprint", () => clear(made), { once: true });
  });
}

/**
 * The address of the document's file as it was given to the server, or null if there is none or the reader may not have it.
 * @param {Printable} book
 * @param {AbortSignal} [signal]
 * @returns {Promise<string | null>}
 */
export async function originalAddress(book, signal) {
  const { base } = book.library;
  if (book.paper) return book.paper.may?.includes("read_original") ? `${base}/papers/${book.paper.id}/original` : null;
  const answer = await fetch(`${base}/documents/${book.id}`, { signal });
  if (!answer.ok) return null;
  const { original, limits } = await answer.json();
  return original && limits.may_download ? `${base}/documents/${book.id}/original` : null;
}

/** Whether there is a file to download. @param {Printable} book @param {AbortSignal} [signal] */
export const mayDownload = async (book, signal) => await originalAddress(book, signal) !== null;

/**
 * The pages from `first` to `last` that the reader may see.
 * @param {Pick<Page, "is_withheld">[]} pages
 * @param {number} first
 * @param {number} last
 */
export function pagesToPrint(pages, first, last) {
  const found = [];
  for (let page = Math.max(1, first); page <= Math.min(pages.length, last); page += 1) {
    if (!pages[page - 1].is_withheld) found.push(page);
  }
  return found;
}

/**
 * The box of pixels that a page is asked for in: at a resolution, but no larger than there is of it.
 * @param {Pick<Page, "width_pt" | "height_pt" | "width_px" | "height_px">} page
 * @returns {[number, number]}
 */
export function printedSize(page, dpi = DPI) {
  const longest_pt = Math.max(page.width_pt, page.height_pt);
  const long_px = Math.min(MOST_PX, longest_pt * dpi / 72, Math.max(page.width_px, page.height_px));
  /** @param {number} length_pt */
  const side = (length_pt) => Math.max(1, Math.ceil(length_pt / longest_pt * long_px));
  return [side(page.width_pt), side(page.height_pt)];
}

/** @param {Printable} book @param {number} page @param {number} dpi @param {AbortSignal} [signal] */
async function imageOf(book, page, dpi, signal) {
  const [width, height] = printedSize(book.pages[page - 1], dpi);
  const blob = await sharpImage(`${book.library.base}/documents/${book.id}/pages/${page}/${width}x${height}`, signal);
  const image = Object.assign(new Image(), { alt: "", decoding: "sync" });
  image.src = URL.createObjectURL(blob);
  await new Promise((done, failed) => { image.onload = done; image.onerror = failed; });
  return image;
}

/** @param {string} address @param {AbortSignal} [signal] */
async function sharpImage(address, signal) {
  for (let tries = 1; ; tries += 1) {
    const isLast = tries === MOST_TRIES;
    const answer = await fetch(address, withPriority({ signal, cache: tries > 1 ? "reload" : "default" }, "low")).catch((error) => {
      if (isLast || error.name === "AbortError") throw error;
      return null; // no connection, just now
    });
    if (answer?.ok && (isLast || Number(answer.headers.get("Sidebooks-Resolution") || 1) >= 1)) return answer.blob();
    if (answer && !answer.ok && (answer.status !== 503 || isLast)) {
      throw Object.assign(new Error(`${answer.status} ${answer.statusText}`), { status: answer.status });
    }
    await pause(answer?.ok ? SHARPER_AFTER_MS : 1000 * (Number(answer?.headers.get("Retry-After")) || BUSY_S), signal);
  }
}

/** @returns {Sheets} */
function newSheets() {
  if (sheets) clear(sheets);
  const host = Object.assign(document.createElement("div"), { id: "print" });
  host.setAttribute("aria-hidden", "true");
  return sheets = { host, isShown: false, isWide: null, rule: null };
}

/** @param {Sheets} made @param {HTMLElement} image @param {boolean} isWide */
function addSheet(made, image, isWide) {
  const sheet = document.createElement("div");
  made.isWide ??= isWide;
  sheet.className = `sheet${isWide ? " wide" : ""}${isWide === made.isWide ? "" : " other"}`;
  sheet.append(image);
  made.host.append(sheet);
}

/** The paper lies as the first sheet does; browsers that know named pages turn it for the others. @param {Sheets} made */
function show(made) {
  made.isShown = true;
  made.rule = document.createElement("style");
  made.rule.textContent = `@page { size: ${made.isWide ? "landscape" : "portrait"}; margin: 0; }`;
  document.head.prepend(made.rule); // before the named pages, which it would overrule
  document.body.append(made.host);
  document.documentElement.setAttribute("data-printing", "");
}

/** @param {Sheets} made */
function clearAfterPrint(made) {
  clearTimeout(clearing);
  if (matchMedia("(any-pointer: coarse)").matches) clearing = setTimeout(() => clear(made), KEPT_MS);
  else clear(made);
}

/** @param {Sheets} made */
function clear(made) {
  for (const image of made.host.querySelectorAll("img")) URL.revokeObjectURL(image.src);
  made.host.remove();
  made.rule?.remove();
  if (sheets !== made) return;
  sheets = null;
  document.documentElement.removeAttribute("data-printing");
}

/** @type {Promise<unknown> | null} */
let styled = null;

function style() {
  styled ||= new Promise((done) => {
    const href = new URL("./print.css", import.meta.url).href;
    const link = Object.assign(document.createElement("link"), { rel: "stylesheet", href });
    link.onload = link.onerror = done;
    document.head.append(link);
  });
  return styled;
}
