/* Pages that their reader has turned: all of a document for now, or one that was scanned sideways for good. */

/** @import { Library, OpenBook, Reader } from "./types" */

import { ofBook, turnsOf } from "./choices.js";
import { keepOfBook } from "./choosing.js";
import { fatesSince } from "./fates.js";

/** @param {OpenBook} book */
function keep(book) {
  keepOfBook("turns", book.key, JSON.stringify({ revision: book.paper?.revision ?? null, pages: book.turns }));
}

/** Turn all pages by a quarter to the right. @param {Reader} reader */
export function turnAll(reader) {
  reader.state.quarters = (reader.state.quarters + 1) % 4;
  reader.refit();
}

/** Turn a page by a quarter to the right; this device remembers it. @param {Reader} reader @param {number} page */
export function turnOne(reader, page) {
  const { book } = reader;
  const { [page]: before = 0, ...others } = book.turns;
  const now = (before + 1) % 4;
  book.turns = now ? { ...others, [page]: now } : others;
  keep(book);
  reader.refit();
  if (!reader.spread.includes(page)) reader.goto(page); // it lies alone now
}

/**
 * Each turn stays with its page, if the paper was replaced since.
 * @param {Library} library
 * @param {Reader} reader
 */
export async function bringTurnsUpToDate(library, reader) {
  const { book } = reader;
  if (!Object.keys(book.turns).length) return;
  const keptFor = () => JSON.parse(ofBook("turns", book.key) || "{}").revision;
  const revision = keptFor();
  const fates = await fatesSince(library, book.paper, revision);
  if (!fates || reader.state.book !== book) return;
  const turns = turnsOf(book.key);
  if (keptFor() !== revision) { // another pane or tab has done it
    book.turns = turns;
    reader.refit();
    return;
  }
  book.turns = Object.fromEntries(fates.flatMap(({ old_page, new_page }) => (
    old_page && new_page && turns[old_page] ? [[new_page, turns[old_page]]] : [])));
  keep(book);
  reader.refit();
}
