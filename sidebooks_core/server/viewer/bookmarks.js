/* Bookmarks of a document, on this device; and the panel that lists them. */

/** @import { FullApp, Library, OpenBook, Reader } from "./types" */

import { ofBook } from "./choices.js";
import { keepOfBook } from "./choosing.js";
import { button, h } from "./elements.js";
import { fatesSince, placeIn } from "./fates.js";
import { t } from "./words.js";

/** @typedef {{revision: number | null, pages: number[]}} Kept revision: of the paper whose pages these are; null: of a document */

/** @param {string} key @returns {Kept} */
function keptOf(key) {
  try {
    const { revision = null, pages = [] } = JSON.parse(ofBook("bookmarks", key) || "{}");
    return { revision, pages: pages.filter((/** @type {unknown} */ one) => Number.isInteger(one)) };
  } catch { return { revision: null, pages: [] }; } // somebody else's writing
}

/** @param {string} key */
const read = (key) => keptOf(key).pages;

/** @param {OpenBook} book @param {number[]} pages */
function keep(book, pages) {
  keepOfBook("bookmarks", book.key, JSON.stringify({ revision: book.paper?.revision ?? null, pages: [...new Set(pages)] }));
}

/** The pages with a bookmark, in order. @param {string} key */
export const bookmarksOf = (key) => read(key).sort((a, b) => a - b);

/** @param {string} key @param {number[]} spread */
export const isMarked = (key, spread) => read(key).some((page) => spread.includes(page));

/** Put a bookmark on the page that is read, or take it away. Returns whether there is one now. @param {Reader} reader */
export function toggleBookmark(reader) {
  const { key } = reader.book;
  const kept = read(key).filter((page) => !reader.spread.includes(page));
  const isNew = !isMarked(key, reader.spread);
  keep(reader.book, isNew ? [...kept, reader.state.page] : kept);
  return isNew;
}

/**
 * Each bookmark stays with its page, if the paper was replaced since it was set. If it cannot be said where pages went, the
 * numbers stay.
 * @param {Library} library
 * @param {OpenBook} book
 */
export async function bringUpToDate(library, book) {
  const { revision, pages } = keptOf(book.key);
  if (!book.paper || !pages.length || revision === null || revision === book.paper.revision) return;
  const fates = await fatesSince(library, book.paper, revision);
  if (keptOf(book.key).revision === revision) keep(book, fates ? pages.map((page) => placeIn(fates, page)) : pages);
}

export const title = "bookmarks";

/** Fill the panel. @param {FullApp} app @param {HTMLElement} body */
export function fill(app, body) {
  const reader = app.active;
  const { key, pages } = reader.book;
  const show = () => {
    const pagesMarked = bookmarksOf(key);
    const word = t(isMarked(key, reader.spread) ? "remove_bookmark" : "add_bookmark");
    body.replaceChildren(
      h("p", { class: "buttons" }, button("bookmark", word, () => { app.extras.bars.bookmark(); show(); }, { class: "main" })),
      pagesMarked.length ? h("ul", { class: "lines" }, pagesMarked.map(row)) : h("p", {}, t("no_bookmarks")),
      h("p", { class: "small" }, t("bookmarks_here")),
    );
  };
  /** @param {number} page */
  const row = (page) => h("li", {}, h("button", {
    type: "button", class: "line", "aria-current": reader.spread.includes(page) ? "page" : null,
    onclick: () => { app.extras.panels.chosen(); reader.jump(page); },
  }, h("span", { class: "grow" }, `${t("page_word")} ${page <= pages.length ? reader.labelOf(page) : page}`)));
  show();
  reader.addEventListener("turned", show);
  return () => reader.removeEventListener("turned", show);
}
