/* Bookmarks of a document, on this device; and the panel that lists them. */

/** @import { FullApp, Reader } from "./types" */

import { ofBook } from "./choices.js";
import { keepOfBook } from "./choosing.js";
import { button, h } from "./elements.js";
import { t } from "./words.js";

/** @param {string} key @returns {number[]} */
function read(key) {
  try {
    const found = JSON.parse(ofBook("bookmarks", key) || "[]");
    return Array.isArray(found) ? found.filter((one) => Number.isInteger(one)) : [];
  } catch { return []; } // somebody else's writing
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
  keepOfBook("bookmarks", key, JSON.stringify(isNew ? [...kept, reader.state.page] : kept));
  return isNew;
}

/**
 * After a paper was replaced: each stays with its page.
 * @param {string} key
 * @param {(page: number) => number} placeIn gives its number in the new revision
 */
export function moveBookmarks(key, placeIn) { keepOfBook("bookmarks", key, JSON.stringify([...new Set(read(key).map(placeIn))])); }

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
