/* Bookmarks, and the panel that lists them. Those of papers are marks, on all devices of their reader; those of documents that are no
   papers are kept on this device, as were those of papers before marks came: these become marks once. */

/** @import { FullApp, Library, OpenBook, PlacedMark, Reader } from "./types" */
/** @import { Desk } from "./marks_desk.js" */

import { ofBook } from "./choices.js";
import { keepOfBook } from "./choosing.js";
import { button, h } from "./elements.js";
import { fatesSince, placeIn } from "./fates.js";
import { deskFor } from "./desks.js";
import { remove } from "./keeping.js";
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

/** The pages with a bookmark that this device keeps by itself, in order. @param {string} key */
export const bookmarksOf = (key) => read(key).sort((a, b) => a - b);

/**
 * The bookmarks of a paper that are marks; null: it is no paper, or its marks are not here yet.
 * @param {Reader} reader
 * @returns {PlacedMark[] | null}
 */
function marksOf(reader) {
  const desk = deskFor(reader);
  return desk?.book.paper ? desk.marks.all().filter((one) => one.isMine && one.mark.body?.kind === "bookmark") : null;
}

/** The pages with a bookmark, in order. @param {Reader} reader @returns {number[]} */
export function markedPages(reader) {
  const pages = [...read(reader.book.key), ...(marksOf(reader) || []).flatMap((one) => one.page ?? [])];
  return [...new Set(pages)].sort((a, b) => a - b);
}

/** Whether the page that is read has one. @param {Reader} reader */
export function isMarked(reader) {
  const { spread } = reader;
  const desk = deskFor(reader);
  return read(reader.book.key).some((page) => spread.includes(page)) || Boolean(desk?.book.paper
    && spread.some((page) => desk.marks.of(page).some((one) => one.isMine && one.mark.body?.kind === "bookmark")));
}

/** Put a bookmark on the page that is read, or take it away. Returns whether there is one now. @param {Reader} reader */
export function toggleBookmark(reader) {
  const { book, spread } = reader;
  const isNew = !isMarked(reader);
  const desk = deskFor(reader);
  const marks = marksOf(reader);
  const others = read(book.key).filter((page) => !spread.includes(page));
  if (!desk || !marks) keep(book, isNew ? [...others, reader.state.page] : others);
  else if (isNew) desk.marks.add(reader.state.page, { kind: "bookmark", text: "" });
  else {
    keep(book, others);
    desk.marks.remove(marks.filter((one) => one.page !== null && spread.includes(one.page)).map((one) => one.mark.id));
  }
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

/**
 * The bookmarks of a paper that this device keeps by itself become marks. They are kept as before until the marks are safe.
 * @param {Library} library
 * @param {Desk} desk
 */
export async function becomeMarks(library, { book, marks, reader }) {
  if (!book.paper || !read(book.key).length) return;
  await bringUpToDate(library, book);
  await marks.flush(); // another device may have done the same
  if (reader.state.book !== book) return;
  const known = new Set((marksOf(reader) || []).map((one) => one.page));
  const pages = read(book.key);
  for (const page of new Set(pages)) {
    if (known.has(page) || page < 1 || page > book.pages.length) continue;
    marks.add(page, { kind: "bookmark", text: "" }, { isNoted: false }); // nobody has just made it
  }
  await marks.flush();
  const isSafe = marks.isKept || (marks.unsent.state !== "local" && !marks.unsent.count);
  if (isSafe && read(book.key).join() === pages.join()) remove(`sidebooks bookmarks ${book.key}`);
}

export const title = "bookmarks";

/** Fill the panel. @param {FullApp} app @param {HTMLElement} body */
export function fill(app, body) {
  const reader = app.active;
  const { pages } = reader.book;
  const desk = deskFor(reader);
  const show = () => {
    const pagesMarked = markedPages(reader);
    const word = t(isMarked(reader) ? "remove_bookmark" : "add_bookmark");
    const isHere = !desk?.book.paper?.may.includes("keep_marks");
    body.replaceChildren(
      h("p", { class: "buttons" }, button("bookmark", word, () => { app.extras.bars.bookmark(); show(); }, { class: "main" })),
      pagesMarked.length ? h("ul", { class: "lines" }, pagesMarked.map(row)) : h("p", {}, t("no_bookmarks")),
      isHere ? h("p", { class: "small" }, t("bookmarks_here")) : "",
      desk ? button("list", t("all_marks"), () => app.extras.panels.open("marks")) : "",
    );
  };
  /** @param {number} page */
  const row = (page) => h("li", {}, h("button", {
    type: "button", class: "line", "aria-current": reader.spread.includes(page) ? "page" : null,
    onclick: () => { app.extras.panels.chosen(); reader.jump(page); },
  }, h("span", { class: "grow" }, `${t("page_word")} ${page <= pages.length ? reader.labelOf(page) : page}`)));
  show();
  reader.addEventListener("turned", show);
  const unsubscribe = desk?.marks.subscribe(show);
  return () => {
    reader.removeEventListener("turned", show);
    unsubscribe?.();
  };
}
