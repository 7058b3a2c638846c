/* What others do while somebody reads: papers are replaced, withdrawn, published; documents come and go. The reader is told, and led to
   the same page of what is there now. */

/** @import { FullApp, OpenBook, PageFate, PaperDetails, Reader } from "./types" */

import { aboutOf } from "./choices.js";
import { need as $ } from "./elements.js";
import { placeIn } from "./fates.js";
import { carryOver } from "./files.js";
import { write } from "./keeping.js";
import { catchUp, isKnown } from "./left_off.js";
import { addressOf, keyOf } from "./place.js";
import { placeShown } from "./positions.js";
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
  /** @type {import("./feed.js").Listeners} */
  #listeners = {};
  #end = () => {};
  /** Whether there is a connection that tells of changes. */
  isTold = false;
  /** Meetings began or ended, or may have: the list of them looks again. @type {() => void} */
  lookAtMeetings = () => {};

  /** @param {FullApp} app */
  constructor(app) {
    this.app = app;
  }

  listen() {
    const { app } = this;
    /** @param {Error} error */
    const fail = (error) => app.extras.fail(error);
    const lost = () => t("lost");
    app.reader.addEventListener("sharpened", () => this.#noteView());
    this.#listeners = {
      documents: (ids) => this.#documents(ids).catch(fail),
      shelf: (event) => this.#papers(event).catch(fail),
      progress: (event) => app.shelf?.prepared(event),
      meetings: () => this.lookAtMeetings(),
      marks: ({ paper }) => { for (const one of app.extras.markings) one.heard(paper); },
      page: ({ document, is_sharp }) => {
        for (const one of app.extras.readers) if (is_sharp && one.state.book?.id === document) one.state.book.refetch();
      },
      view: () => read(VIEW),
      refused: () => {
        this.isTold = false;
        if (app.entry) return false;
        const reading = app.extras.readers.find((one) => one.state.book?.paper);
        const looked = reading ? this.#look(reading) : app.shelf?.refresh(); // logged out from elsewhere, perhaps
        looked?.catch(fail);
        return true;
      },
      lost: (isLost) => {
        this.isTold = !isLost;
        if (!isLost) this.lookAtMeetings();
        if (isLost && !app.entry) app.extras.tell(lost());
        else if (!isLost) {
          if (app.extras.notices.told === lost()) app.extras.tell("");
          this.#recover();
        }
      },
    };
    this.goOn();
    addEventListener("online", () => this.#recover());
  }

  /** Events come by the stream, from now on. */
  goOn() {
    this.#end();
    this.#end = this.app.library.listen(this.#listeners);
  }

  /** Events come by another connection, from now on: it tells what is given of them. @returns {import("./feed.js").Listeners} */
  handOver() {
    this.#end();
    this.#end = () => {};
    return this.#listeners;
  }

  /* There is a connection again: what failed is asked for anew. */
  #recover() {
    for (const one of this.app.extras.markings) one.again();
    for (const one of this.app.extras.readers) {
      const { book } = one.state;
      if (book && one.spread.some((page) => book.failure(page))) one.recover();
    }
    const { app } = this;
    const refresh = async () => { if (!app.reader.state.book && !app.entry) await app.shelf?.refresh(); };
    catchUp(app).catch(() => {}).then(refresh).catch(() => {}); // its next change tells
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
    let isTold = false;
    for (const reader of app.extras.readers) {
      const shown = reader.state.book;
      if (!shown || shown.paper || now.has(shown.id)) continue; // if nothing was known: it is read from what the browser has kept
      isTold = true;
      await this.#gone(reader, shown, recent).catch((error) => {
        this.#known = null; // it is looked at again when the stream begins anew
        throw error;
      });
    }
    if (isTold || !book || !known) return;
    const added = fresh[fresh.length - 1];
    const found = added && (await app.library.documents()).find((one) => one.id === added);
    if (!found) return;
    const open = () => { location.hash = addressOf({ kind: "document", id: found.id }); };
    app.extras.notices.notify(t("added", { name: found.name }), t("open"), open);
  }

  /**
   * The file of a document is another one now, under the same name: it was replaced. Else it was taken away.
   * @param {Reader} reader
   * @param {OpenBook} book
   * @param {string[]} recent ids that came lately
   */
  async #gone(reader, book, recent) {
    const { app } = this;
    const named = recent.length ? (await app.library.documents()).filter((one) => recent.includes(one.id) && one.name === book.name) : [];
    const found = named.length === 1 ? named[0] : null; // folders may have files of one name
    if (reader.state.book !== book) return;
    if (!found) { this.#takeAway(reader, t("taken")); return; }
    carryOver(book.id, found.id);
    await this.#lead(reader, found.id, reader.state.page, null);
    app.extras.notices.newsOf(reader).tell(t("replaced"));
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
        /** @type {PaperDetails | number} the status of HTTP if it is not shown to whoever asks */
        const now = await this.app.library.json(`/papers/${encodeURIComponent(paper.id)}`).catch((error) => {
          if (![401, 403, 404].includes(error.status)) throw error;
          return error.status;
        });
        if (reader.state.book !== book) return;
        await this.#compare(reader, book, paper, now);
      } while (look.mustLook && reader.state.book === book);
    } finally { look.isLooking = false; }
  }

  /**
   * @param {Reader} reader
   * @param {OpenBook} book
   * @param {PaperDetails} paper as it was
   * @param {PaperDetails | number} now
   */
  async #compare(reader, book, paper, now) {
    const { app } = this;
    if (typeof now === "number") {
      const isOver = paper.until_s !== null && paper.until_s <= Date.now() / 1000 + CLOCKS_S;
      if (now === 401 && isKnown(app)) await this.#logInAgain();
      else if (isOver) this.#takeAway(reader, t("over_now"));
      else if (now === 401) this.#takeAway(reader, t("closed_now"), true); // nobody is told whether it was withdrawn
      else this.#takeAway(reader, t("taken"));
    } else if (now.withdrawn_s !== null && paper.withdrawn_s === null) this.#takeAway(reader, t("taken"));
    else if (now.revision !== paper.revision || now.document?.id !== book.id) await this.#showReplaced(reader, book, paper, now);
    else {
      book.paper = now;
      reader.tell("renamed");
      app.extras.bars.show();
      if (reader === app.reader) document.title = now.name;
      const folder = now.way[now.way.length - 1];
      if (now.folder !== paper.folder && folder) app.extras.notices.newsOf(reader).tell(t("moved_now", { name: folder.name }));
    }
  }

  /* The login has ended: nothing that it showed stays. The address does, so that one is at the same page after the next login. */
  async #logInAgain() {
    const { app } = this;
    app.extras.positions.settle();
    app.extras.positions.leave();
    app.reader.wipe();
    $("strip").width = $("strip").height = 1;
    await app.showEntry("login", t("login_over"));
  }

  /**
   * The pages of what is there no longer, or not for whoever reads, are on no canvas either.
   * @param {Reader} reader
   * @param {string} text
   * @param {boolean} mayLogIn who logs in may see it
   */
  #takeAway(reader, text, mayLogIn = false) {
    const { app } = this;
    const { paper } = reader.book;
    const address = addressOf(placeShown(reader));
    const isFirst = reader === app.reader;
    reader.wipe();
    $("strip").width = $("strip").height = 1;
    if (isFirst) location.hash = paper ? addressOf({ kind: "folder", id: paper.folder }) : "";
    else app.extras.beside?.empty();
    const news = app.extras.notices.newsOf(isFirst ? null : reader);
    const logIn = mayLogIn ? () => { location.hash = address; } : null; // which asks for a login, and is there after it
    if (isFirst && !mayLogIn) news.tell(text);
    else news.stay(text, t("log_in"), logIn, isFirst);
  }

  /**
   * Show another document in the place of the one that a reader has, at a page.
   * @param {Reader} reader
   * @param {string} id
   * @param {number} page
   * @param {PaperDetails | null} paper
   */
  async #lead(reader, id, page, paper) {
    if (reader === this.app.reader) await this.app.showBook(id, page, paper);
    else await reader.open(id, page, aboutOf(keyOf(paper ? "paper" : "document", paper ? paper.id : id), paper));
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
    if (!now.document) { this.#takeAway(reader, t("unreadable")); return; }
    /** @type {PageFate[] | null} */
    const fates = now.revision === old.revision ? null
      : await app.library.json(`/papers/${now.id}/diff/${old.revision}-${now.revision}`).then((found) => found.pages, (error) => {
        if (error.status !== 409 && error.status !== 503) throw error; // it cannot be said, or not now: the same number will do
        return null;
      });
    if (reader.state.book !== book) return;
    const { page } = reader.state;
    const there = fates ? placeIn(fates, page) : page;
    await this.#lead(reader, now.document.id, there, now);
    if (fates) app.extras.notices.newsOf(reader).tell(t("replaced"));
  }
}
