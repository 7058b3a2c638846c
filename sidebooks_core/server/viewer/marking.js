/* The marks of what a reader shows: opened with its book, shown over its pages, drawn and undone.

   Where what is: marks_store.js holds the marks of one paper, with marks_places.js (by page), marks_merge.js (which version holds, and
   where it stands), marks_history.js (undoing), marks_clock.js (stamps), marks_disk.js and marks_device.js (this device), marks_sync.js
   (the server) and marks_left.js (marks of papers that are closed). marks_layer.js paints ink; drawing.js and ink_*.js make it. marks_desk.js paints
   and makes the other kinds (marks_kinds.js, marks_words.js); marks_attend.js makes the desk, marks_tools.js, marks_mode.js and
   marks_choice.js are its tools, marks_bar.js and marks_selection.js the bar at selected words. People see them in marks_panel.js (the
   list), marks_sheet.js (one), marks_sharing.js, marks_colours.js, marks_old.js and marks_files.js; marks_groups.js says which. */

/** @import { FullApp, OpenBook, Reader } from "./types" */
/** @import { MarksChange } from "./marks_places.js" */

import { Drawing } from "./drawing.js";
import { need } from "./elements.js";
import { fatesSince } from "./fates.js";
import { makeInkBar } from "./ink_bar.js";
import { diskOf, keptClock } from "./marks_device.js";
import { meet, PERSON } from "./left_off.js";
import { noteUnsent, sendAndClose } from "./marks_left.js";
import { MarksLayer } from "./marks_layer.js";
import { createMarks } from "./marks_store.js";
import { marksApi } from "./marks_sync.js";
import { speakAlsoOf } from "./matters.js";
import { isOfNetwork, pause } from "./requests.js";
import { read } from "./storage.js";
import { t } from "./words.js";

const MOST_MS = 2000; // so long the server is waited for if this device knows who reads

/** The server's name of who reads here; empty: nobody in particular. @param {FullApp} app @returns {Promise<string>} */
async function askPerson(app) {
  const { id } = await app.library.json("/me");
  if (id) meet(app, id);
  return id;
}

/**
 * Who reads here. If the server does not say so, or not soon, it is who was known last. Rejects with what the server refuses.
 * @param {FullApp} app
 * @returns {Promise<{person: string, later: Promise<string> | null, isSure: boolean}>} later: what the server is still to say
 */
async function personOf(app) {
  const known = read(PERSON) || "";
  const asked = askPerson(app);
  asked.catch(() => {}); // who waits for it is told
  try {
    const person = await (known ? Promise.race([asked, pause(MOST_MS).then(() => null)]) : asked);
    return person === null ? { person: known, later: asked, isSure: false } : { person, later: null, isSure: true };
  } catch (error) {
    const { status = 0 } = /** @type {import("./types").Problem} */ (error);
    if (!isOfNetwork(error) && status < 500) throw error;
    return { person: known, later: null, isSure: false };
  }
}

export class Marking {
  /** Of the book that is open. @type {import("./marks_store.js").PageMarks | null} */
  marks = null;
  /** @type {Set<(change: MarksChange | null) => void>} */
  #listeners = new Set();
  /** @type {ReturnType<typeof makeInkBar> | null} */
  #bar = null;
  /** Resolves when the marks of what is open are read, or when that failed. @type {Promise<unknown>} */
  opening = Promise.resolve();
  /** Resolves when they can be written to, or when that failed. @type {Promise<unknown>} */
  #arriving = Promise.resolve();
  /** Whether the server has said whose they are. */
  #isSure = false;

  /** @param {FullApp} app @param {Reader} reader */
  constructor(app, reader) {
    this.app = app;
    this.reader = reader;
    this.layer = new MarksLayer(reader);
    this.drawing = new Drawing(this);
    // Before the listeners of Drawing and Desk, which are made later: what they have begun is finished while its marks are there, and
    // subscribers are told with null before they hear of the next book. Panels close earlier still, and save into the old marks.
    reader.addEventListener("opened", () => this.#open());
    reader.addEventListener("closed", () => this.#close());
    reader.addEventListener("retold", () => this.#bar?.fill());
    if (reader.state.book) this.#open();
  }

  get isDrawing() { return this.drawing.isOn; }

  /**
   * Be told of each change of the marks, and, with null, when they are those of another book, or of none.
   * @param {(change: MarksChange | null) => void} listener
   * @returns {() => void} ends it
   */
  subscribe(listener) {
    this.#listeners.add(listener);
    return () => { this.#listeners.delete(listener); };
  }

  /** The marks of a paper changed, as the server tells; empty: of any paper. @param {string} paper */
  heard(paper) { if (!paper || this.reader.state.book?.paper?.id === paper) this.marks?.read(); }

  /** There is a connection again. */
  again() {
    if (!this.marks) { if (this.reader.state.book) this.#openAnew(); return; }
    this.marks.read();
    if (!this.#isSure) this.#makeSure(askPerson(this.app));
  }

  /** Whoever wants to write is told that it cannot be done yet. */
  tellComing() { this.app.extras.tell(t("ink_coming")); }

  undo() { if (this.marks?.undo()) this.app.extras.say(t("ink_undone")); }
  redo() { if (this.marks?.redo()) this.app.extras.say(t("ink_redone")); }

  /** Draw from now on, or read on. */
  async toggle(isOn = !this.isDrawing) {
    if (isOn) await Promise.all([speakAlsoOf("ink"), speakAlsoOf("notes")]); // its bar has other tools, too
    if (isOn && !this.isDrawing && !await this.#haveCome()) return;
    if (isOn === this.isDrawing) return;
    if (!isOn) {
      this.drawing.stop();
      this.#bar?.end();
      this.#bar = null;
    } else {
      this.app.extras.panels.closeIfOver();
      this.app.extras.notices.endHint();
      this.drawing.start();
      this.#bar = makeInkBar(this.drawing, () => this.toggle(false));
      need("panes").append(this.#bar.element);
    }
    this.reader.stage.focus({ preventScroll: true });
    this.app.extras.bars.showDrawing(isOn);
    this.app.extras.say(t(isOn ? "draw_begun" : "draw_ended"));
  }

  /* Whether there are marks to write to. If they are on their way, that is told, and they are waited for, also if the book is replaced
     meanwhile, or somebody else turns out to read. */
  async #haveCome() {
    if (this.marks || !this.reader.state.book) return this.marks !== null;
    this.tellComing();
    let isLast = false;
    while (!this.marks && this.reader.state.book) {
      const tried = this.#arriving;
      await tried;
      if (this.marks || this.#arriving !== tried) continue;
      if (isLast) break;
      isLast = true;
      this.#open(); // it failed: perhaps it was only then
    }
    if (this.marks && this.app.extras.notices.told === t("ink_coming")) this.app.extras.tell("");
    return this.marks !== null;
  }

  /** @param {string} [noMore] whose marks are not to be shown, whoever was known last */
  #open(noMore) {
    this.#close(true);
    const arriving = this.#arrive(this.reader.book, noMore);
    const fail = (/** @type {Error} */ error) => this.app.extras.fail(error);
    this.#arriving = arriving.catch(() => {}); // `opening` tells
    this.opening = arriving.then((marks) => marks?.ready).catch(fail);
  }

  /* The book is read already: what paints its marks comes again. */
  /** @param {string} [noMore] */
  #openAnew(noMore) {
    this.#open(noMore);
    this.opening.then(() => { if (this.marks) this.reader.tell("marks-came"); });
  }

  /* Somebody else has logged in, perhaps in another tab: nothing of these marks is shown any more. */
  /** @param {string} person */
  #leave(person) {
    if (this.marks?.given.person !== person) return;
    this.#close();
    if (this.reader.state.book) this.#openAnew(person);
  }

  /** @param {OpenBook} book @param {string} [noMore] */
  async #arrive(book, noMore) {
    const { app } = this;
    const { person, later, isSure } = await personOf(app);
    if (this.reader.state.book !== book || this.marks || (noMore && person === noMore)) return null;
    const { library } = app;
    const { paper } = book;
    const disk = diskOf(library.base);
    const marks = createMarks({
      paper: paper?.id ?? book.key, revision: paper?.revision ?? 1, pageCount: book.pages.length, person, disk,
      clock: keptClock(disk), api: paper?.may.includes("keep_marks") && person ? marksApi(library, paper.id, person) : null,
      fatesOf: (revision) => fatesSince(library, book.paper, revision), left: () => this.#leave(person),
    });
    this.marks = marks;
    this.#isSure = isSure;
    marks.subscribe((change) => { if (this.marks === marks) this.#tell(change); });
    this.layer.show(marks);
    this.#tell(null);
    if (later) this.#makeSure(later);
    return marks;
  }

  /* The marks are those of who was known last. If the server says that somebody else reads here, theirs are opened. */
  /** @param {Promise<string>} asked */
  async #makeSure(asked) {
    const { marks } = this;
    try {
      const person = await asked;
      if (!marks || this.marks !== marks) return;
      this.#isSure = true;
      if (person !== marks.given.person) this.#openAnew();
    } catch (error) {
      const { status = 0 } = /** @type {import("./types").Problem} */ (error);
      if (!isOfNetwork(error) && status < 500) this.app.extras.fail(/** @type {Error} */ (error)); // else `again` asks again
    }
  }

  /** @param {MarksChange | null} change */
  #tell(change) {
    if (this.marks) noteUnsent(this.marks);
    if (change) this.#bar?.update();
    else this.#bar?.fill();
    if (change) this.app.meeting?.strokes.arrived(change.added);
    for (const listener of this.#listeners) listener(change);
  }

  /** @param {boolean} isReplaced another book takes its place: who draws goes on */
  #close(isReplaced = false) {
    if (!isReplaced) this.toggle(false);
    this.drawing.finish(); // a stroke under the pen belongs to these marks
    const { marks } = this;
    this.marks = null;
    this.layer.show(null);
    if (marks) sendAndClose(marks);
    if (marks) this.#tell(null);
  }
}
