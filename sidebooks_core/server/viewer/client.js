/* The client of a server: its documents, and its events. It takes no part in the screen, and needs none: what it uses of a
   browser can be given to it. So a front-end team can use it as it is, in a page, in a worker or in node. */

import { Book } from "./book.js";
import { overNetwork, problem } from "./requests.js";

export { Book } from "./book.js";
export { problem } from "./requests.js";

/** Stands for the top of the shelf in the place of a folder's id. */
export const TOP = "top";

/**
 * What a library uses of its surroundings; each has the browser's own as its default.
 *
 * `fetch`: sends requests. By default it takes over what the page asked for before this module was there (`globalThis.early`).
 * `decode`: makes an image of a blob, off the main thread; by default `createImageBitmap`. `EventSource`: the class of streams.
 * `isVisible`: whether somebody sees the page; a page that nobody sees listens to no events. `watchVisibility`: calls its
 * argument when that changes, and returns what ends it. `session`: names this reader among those of the server.
 * @typedef {{
 *   fetch?: (address: string, options?: RequestInit) => Promise<Response>,
 *   decode?: (blob: Blob) => Promise<import("./bitmaps.js").Bitmap>,
 *   EventSource?: new (address: string) => import("./feed.js").EventStream,
 *   isVisible?: () => boolean,
 *   watchVisibility?: (changed: () => void) => () => void,
 *   session?: string,
 * }} LibraryOptions
 */

/** @typedef {import("./book.js").Page} Page */

/**
 * All pages of a document, in as many words as they differ. `labels`: `text`, and behind it a number that grows by 1, or none.
 * @typedef {{
 *   runs: (Omit<Page, "page" | "label" | "image_service" | "problems"> & {count: number})[],
 *   labels: {count: number, text: string, number: number | null}[], problems: [number, string[]][], image_service: string,
 * }} PageRuns
 */

/**
 * A document as the list has it. `folder`: that of the watched one which holds it, such as "2026/June"; or empty.
 * @typedef {{
 *   id: string, title: string, name: string, kind: string, page_count: number, direction: string, image_service: string,
 *   manifest: string, pages: string, folder: string,
 * }} DocumentSummary
 */

/** The documents of a server. */
export class Library {
  /**
   * @param {string} [base] the server's address without a slash at its end; empty: this page's
   * @param {LibraryOptions} [options]
   */
  constructor(base = "", options = {}) {
    this.base = base;
    this.session = options.session ?? newSession();
    const { fetch = earlyOrFetched, decode = decodedByBrowser } = options;
    /** @type {(address: string, options?: RequestInit) => Promise<Response>} */
    this.fetch = (address, asked) => fetch(address, asked); // the browser's own refuses to be called as a method
    /** @type {(blob: Blob) => Promise<import("./bitmaps.js").Bitmap>} */
    this.decode = (blob) => decode(blob);
    this.EventSource = options.EventSource;
    this.isVisible = options.isVisible;
    this.watchVisibility = options.watchVisibility;
  }

  /**
   * As `fetch`, of a path of the server.
   * @param {string} path
   * @param {RequestInit} [options]
   * @returns {Promise<Response>}
   */
  get(path, options) { return this.fetch(this.base + path, options); }

  /**
   * What the server says at a path. Asks again if it is not reached. Rejects with a Problem if it refuses.
   * @param {string} path
   * @param {AbortSignal} [signal]
   * @returns {Promise<any>}
   */
  json(path, signal) {
    return overNetwork(async () => {
      const answer = await this.get(path, { signal });
      if (!answer.ok) throw await problem(answer);
      return answer.json();
    }, signal);
  }

  /**
   * The documents that are served outside of the shelf of papers.
   * @param {{signal?: AbortSignal}} [options]
   * @returns {Promise<DocumentSummary[]>}
   */
  async documents({ signal } = {}) { return (await this.json("/documents", signal)).documents; }

  /**
   * A document.
   * @param {string} id
   * @param {{page: number, width: number, height: number} | null} [first] a page to fetch at once, beside the geometry: nobody
   *   waits for either
   * @param {{signal?: AbortSignal}} [options]
   * @returns {Promise<Book>}
   */
  async open(id, first, { signal } = {}) {
    const book = new Book(this, id);
    if (first) { // who shows the page asks again, and is told what went wrong
      book.loadPreview(first.page).catch(() => {});
      book.load(first.page, first.width, first.height).catch(() => {});
    }
    try {
      const told = await this.json(`/documents/${id}/runs.json`, signal);
      const { name, title, direction, may_print } = told;
      return Object.assign(book, { name, title, direction, may_print, pages: pagesOf(told) });
    } catch (error) {
      book.close();
      throw error;
    }
  }

  /**
   * Be told when documents come and go, what the server has for this session, what changes on the shelf, and how far its
   * papers are prepared.
   * @param {import("./feed.js").Listeners} listeners
   * @returns {() => void} ends it
   */
  listen(listeners) {
    const EventSource = this.EventSource ?? globalThis.EventSource;
    if (!EventSource) throw new Error("there is no EventSource here: give one to the Library");
    const { base, session, isVisible, watchVisibility } = this;
    let isOver = false;
    let end = () => {};
    import("./feed.js").then(({ listen }) => {
      if (!isOver) end = listen({ base, session, EventSource, isVisible, watchVisibility }, listeners);
    });
    return () => { isOver = true; end(); };
  }
}

/**
 * Each page as `pages.json` has it, of `runs.json`. Pages of a run share their list of levels. Pure.
 * @param {PageRuns} told
 * @returns {Page[]}
 */
export function pagesOf({ runs, labels, problems, image_service }) {
  const pages = /** @type {Page[]} */ (runs.flatMap(({ count, ...alike }) => Array.from({ length: count }, () => ({ ...alike }))));
  labels.flatMap(({ count, text, number }) => Array.from({ length: count }, (_, index) => text + (number === null ? "" : number + index)))
    .forEach((label, index) => Object.assign(pages[index], { page: index + 1, label, image_service: image_service.replace("{page}", `${index + 1}`) }));
  for (const [number, list] of problems) pages[number - 1].problems = list;
  return pages;
}

/**
 * The answer that was asked for already, once; undefined if there is none.
 * @param {string} address
 * @returns {Promise<Response> | undefined}
 */
function takeEarly(address) {
  /** @type {Map<string, Promise<Response>> | undefined} */
  const early = /** @type {any} */ (globalThis).early;
  const answer = early?.get(address);
  early?.delete(address);
  return answer;
}

/** @type {(address: string, options?: RequestInit) => Promise<Response>} */
const earlyOrFetched = (address, options) => takeEarly(address) ?? fetch(address, options);

/** @param {Blob} blob */
const decodedByBrowser = (blob) => createImageBitmap(blob);

/* Pages that came without encryption have no randomUUID, and node 18 has no `crypto`. */
const newSession = () => globalThis.crypto?.randomUUID?.() ?? `${Date.now()}-${Math.random()}`.slice(0, 40);
