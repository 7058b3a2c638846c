/* What others do while somebody reads: papers are replaced, withdrawn, published; documents come and go. The reader is told, and led to
   the same page of what is there now. */

/** @import { FullApp, Library, OpenBook, PageFate, PaperDetails, Reader } from "./types" */

import { takeOver } from "./bookmarks.js";
import { directionOf } from "./choices.js";
import { need as $ } from "./elements.js";
import { placeIn } from "./fates.js";
import { write } from "./keeping.js";
import { read } from "./storage.js";
import { t } from "./words.js";

const CLOCKS_S = 60; // by so much this clock may be behind that of the server
const VIEW = "sidebooks view";

/** @typedef {{isLooking?: boolean, mustLook?: boolean}} Look */
/** @typedef {{changes: {kind: string, paper: string | null}[]}} ShelfChanges */

export class Changes {
  /** @type {Set<string> | null} */
  #known = null;
  /** What the event before this one added. @type {string[]} */
  #recent = [];
  /** @type {WeakMap<OpenBook, Look>} */
  #looks = new WeakMap();

  /** @param {FullApp} app */
  constructor(app) {
    this.app = app;
  }

  /** @param {Library} library */
  listen(library) {
    const { app } = this;
    /** @param {Error} error */
    const fail = (error) => app.extras.fail(error);
    const lost = () => t("lost");
    app.reader.addEventListener("sharpened", () => this.#noteView());
    library.listen({
      documents: (ids) => this.#documents(ids).catch(fail),
      shelf: (event) => this.#papers(event).catch(fail),
      progress: (event) => app.shelf?.prepared(event),
      page: ({ document, is_sharp }) => {
        for (const one of app.extras.readers) if (is_sharp && one.state.book?.id === document) one.state.book.refetch();
      },
      view: () => read(VIEW),
      refused: () => {
        if (app.entry) return false;
        const looked = app.reader.state.book?.paper ? this.#look(app.reader) : app.shelf?.refresh(); // logged out from elsewhere, perhaps
        looked?.catch(fail);
        return true;
      },
      lost: (isLost) => {
        if (isLost && !app.entry) app.extras.tell(lost());
        else if (!isLost) {
          if (app.extras.notices.told === lost()) app.extras.tell("");
          this.#recover();
        }
      },
    });
    addEventListener("online", () => this.#recover());
  }

  /* There is a connection again: what failed is asked for anew. */
  #recover() {
    for (const one of this.app.extras.readers) {
      const { book } = one.state;
      if (book && one.spread.some((page) => book.failure(page))) one.recover();
    }
    if (!this.app.reader.state.book && !this.app.entry) this.app.shelf?.refresh().catch(() => {}); // its next change tells
  }

  #noteView() {
    const { width, height, margin } = this.app.reader.view();
    const view = `${width - 2 * margin}x${height - 2 * margin}`;
    if (read(VIEW) !== view) write(VIEW, view);
  }

  /** Somebody registered a document, or withdrew one: everybody sees it at once. @param {string[]} ids */
  async #documents(ids) {
    const { app } = this;
    const known = this.#known;
    const now = this.#known = new Set(ids);
    if (known && known.size === ids.length && ids.every((id) => known.has(id))) return;
    const { book } = app.reader.state;
    if (!book || !known) app.shelf?.changed(); // if nothing was known: something may have come between the list and the stream
    const fresh = ids.filter((id) => !known?.has(id));
    const recent = [...this.#recent, ...fresh]; // the new file may be told of before the old one goes
    this.#recent = known ? fresh : [];
    if (book && !book.paper && !now.has(book.id)) { // if nothing was known: it is read from what the browser has kept
      await this.#gone(book, recent).catch((error) => {
        this.#known = null; // it is looked at again when the stream begins anew
        throw error;
      });
      return;
    }
    if (!book || !known) return;
    const added = fresh[fresh.length - 1];
    const found = added && (await app.library.documents()).find((one) => one.id === added);
    if (found) app.extras.notices.notify(t("added", { name: found.name }), t("open"), () => { location.hash = found.id; });
  }

  /**
   * The file of a document is another one now, under the same name: it was replaced. Else it was taken away.
   * @param {OpenBook} book
   * @param {string[]} recent ids that came lately
   */
  async #gone(book, recent) {
    const { app } = this;
    const named = recent.length ? (await app.library.documents()).filter((one) => recent.includes(one.id) && one.name === book.name) : [];
    const found = named.length === 1 ? named[0] : null; // folders may have files of one name
    if (app.reader.state.book !== book) return;
    if (found) {
      takeOver(book.key, found.id);
      await app.showBook(found.id, app.reader.state.page);
      app.extras.notices.notify(t("replaced"));
      return;
    }
    app.reader.wipe();
    location.hash = "";
    app.extras.notices.notify(t("taken"));
  }

  /**
   * The shelf of papers changed. An event without changes says that the stream begins: anything may be different by then.
   * @param {ShelfChanges} event
   */
  async #papers(event) {
    this.app.shelf?.changed();
    for (const reader of this.app.extras.readers) {
      const paper = reader.state.book?.paper;
      if (!paper) continue;
      const isConcerned = event.changes.some((one) => one.paper === paper.id || one.kind === "gone");
      if (isConcerned || !event.changes.length) await this.#look(reader);
    }
  }

  /** Is the paper that is open still there, and the same? @param {Reader} reader */
  async #look(reader) {
    const { book } = reader.state;
    if (!book?.paper) return;
    /** @type {Look} */
    const look = this.#looks.get(book) || {};
    this.#looks.set(book, look);
    if (look.isLooking) { look.mustLook = true; return; }
    look.isLooking = true;
    try {
      do {
        look.mustLook = false;
        const { paper } = book;
        /** @type {PaperDetails | null} */
        const now = await this.app.library.json(`/papers/${paper.id}`).catch((error) => {
          if (![401, 403, 404].includes(error.status)) throw error;
          return null;
        });
        if (reader.state.book !== book) return;
        const isOver = paper.until_s !== null && paper.until_s <= Date.now() / 1000 + CLOCKS_S;
        const isWithdrawn = now && now.withdrawn_s !== null && paper.withdrawn_s === null;
        if (!now || isWithdrawn) this.#takeAway(reader, paper, !now && isOver ? t("over_now") : t("taken"));
        else if (now.revision !== paper.revision || now.document?.id !== book.id) await this.#showReplaced(reader, book, paper, now);
        else {
          book.paper = now;
          this.app.extras.bars.show();
          if (reader === this.app.reader) document.title = now.name;
        }
      } while (look.mustLook && reader.state.book === book);
    } finally { look.isLooking = false; }
  }

  /**
   * The pages of a paper that is there no longer are on no canvas either.
   * @param {Reader} reader
   * @param {PaperDetails} paper
   * @param {string} text
   */
  #takeAway(reader, paper, text) {
    reader.wipe();
    $("strip").width = $("strip").height = 1;
    if (reader === this.app.reader) location.hash = this.app.hashOf(paper.folder);
    else this.app.extras.beside?.close();
    this.app.extras.notices.notify(text);
  }

  /**
   * Lead the reader to the same page of the new revision.
   * @param {Reader} reader
   * @param {OpenBook} book
   * @param {PaperDetails} old
   * @param {PaperDetails} now
   */
  async #showReplaced(reader, book, old, now) {
    const { app } = this;
    if (!now.document) { this.#takeAway(reader, old, t("unreadable")); return; }
    /** @type {PageFate[] | null} */
    const fates = now.revision === old.revision ? null
      : await app.library.json(`/papers/${now.id}/diff/${old.revision}-${now.revision}`).then((found) => found.pages, (error) => {
        if (error.status !== 409 && error.status !== 503) throw error; // it cannot be said, or not now: the same number will do
        return null;
      });
    if (reader.state.book !== book) return;
    const { page } = reader.state;
    const there = fates ? placeIn(fates, page) : page;
    if (reader === app.reader) await app.showBook(now.document.id, there, now);
    else await reader.open(now.document.id, there, { key: book.key, paper: now, chosen: directionOf(book.key) });
    if (fates) app.extras.notices.notify(t("replaced"));
  }
}
