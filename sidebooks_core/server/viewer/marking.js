/* The marks of what a reader shows: opened with its book, shown over its pages, drawn and undone. */

/** @import { FullApp, OpenBook, Reader } from "./types" */
/** @import { MarksChange } from "./marks_store.js" */

import { Drawing } from "./drawing.js";
import { need } from "./elements.js";
import { fatesSince } from "./fates.js";
import { makeInkBar } from "./ink_bar.js";
import { write } from "./keeping.js";
import { UNSENT } from "./left_off.js";
import { diskOf, keptClock } from "./marks_device.js";
import { MarksLayer } from "./marks_layer.js";
import { createMarks } from "./marks_store.js";
import { marksApi } from "./marks_sync.js";
import { speakAlsoOf } from "./matters.js";
import { isOfNetwork } from "./requests.js";
import { read } from "./storage.js";
import { t } from "./words.js";

const PERSON = "sidebooks person"; // left_off.js

/**
 * Who reads here, by the server's name of them; empty: nobody in particular. Without a connection, who was known last.
 * @param {FullApp} app
 * @returns {Promise<string>}
 */
async function personOf(app) {
  try {
    return (await app.library.json("/me")).id;
  } catch (error) {
    if (!isOfNetwork(error)) throw error;
    return app.person || read(PERSON) || "";
  }
}

export class Marking {
  /** Of the book that is open. @type {import("./marks_store.js").PageMarks | null} */
  marks = null;
  /** @type {Set<(change: MarksChange | null) => void>} */
  #listeners = new Set();
  /** @type {ReturnType<typeof makeInkBar> | null} */
  #bar = null;
  /** @type {Promise<unknown>} */
  opening = Promise.resolve();

  /** @param {FullApp} app @param {Reader} reader */
  constructor(app, reader) {
    this.app = app;
    this.reader = reader;
    this.layer = new MarksLayer(reader);
    this.drawing = new Drawing(this);
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
  again() { this.marks?.read(); }

  undo() { if (this.marks?.undo()) this.app.extras.say(t("ink_undone")); }
  redo() { if (this.marks?.redo()) this.app.extras.say(t("ink_redone")); }

  /** Draw from now on, or read on. */
  async toggle(isOn = !this.isDrawing) {
    if (isOn) await Promise.all([speakAlsoOf("ink"), speakAlsoOf("notes")]); // its bar has other tools, too
    if (isOn === this.isDrawing || (isOn && !this.reader.state.book)) return;
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

  #open() {
    this.#close(true);
    const { book } = this.reader;
    this.opening = this.#opened(book).catch((error) => this.app.extras.fail(error));
  }

  /** @param {OpenBook} book */
  async #opened(book) {
    const { app } = this;
    const person = await personOf(app);
    if (this.reader.state.book !== book) return;
    const { library } = app;
    const { paper } = book;
    const marks = createMarks({
      paper: paper?.id ?? book.key, revision: paper?.revision ?? 1, pageCount: book.pages.length, person, disk: diskOf(library.base),
      clock: keptClock(), api: paper?.may.includes("keep_marks") && person ? marksApi(library, paper.id) : null,
      fatesOf: (revision) => fatesSince(library, book.paper, revision),
    });
    this.marks = marks;
    marks.subscribe((change) => this.#tell(change));
    this.layer.show(marks);
    this.#tell(null);
    await marks.ready;
  }

  /** @param {MarksChange | null} change */
  #tell(change) {
    if (this.marks?.unsent.count && this.marks.given.api && !read(UNSENT)) write(UNSENT, "yes");
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
    marks?.close();
    if (marks) this.#tell(null);
  }
}
