/* The marks of what a reader shows that are no ink: painted over the page, tapped on, made of selected words. One desk for each reader. */

/** @import { Corners, FullApp, HighlightBody, Layer, Mark, MarkBody, PlacedMark, Point, Reader } from "./types" */
/** @import { PageMarks } from "./marks_store.js" */
/** @import { Selected } from "./marks_selection.js" */

import { setDesk } from "./desks.js";
import { colourFor } from "./marks_colours.js";
import { isPainted, showOwn } from "./marks_groups.js";
import { kindOf } from "./marks_kinds.js";
import { OwnPages } from "./marks_pages.js";
import { piecesBetween, quadOf, quoteOf } from "./marks_words.js";
import { pointUnder } from "./rectangles.js";

const REACH_PX = 8; // of CSS: a finger is no needle
const STAMP_PT = 22; // height of its letters
const MOST_QUADS = 2000; // as marks/model.py has it
const SIGN_PX = 9;
const WARNING = "#b45309";
const CHOSEN = "#0b5d43";

/** A mark that is being made. @typedef {{page: number, body: MarkBody}} Draft */

export class Desk {
  /** The mark that is looked at. */
  chosen = "";
  /** @type {Draft | null} */
  draft = null;
  #at = /** @type {Point} */ ({ x: 0, y: 0 });
  #ending = new AbortController();

  /** @param {FullApp} app @param {Reader} reader @param {PageMarks} marks of what it shows */
  constructor(app, reader, marks) {
    this.app = app;
    this.reader = reader;
    this.marks = marks;
    this.book = reader.book;
    this.ownPages = new OwnPages(marks);
    setDesk(reader, this);
    reader.stage.dataset.marks = "here";
    const { signal } = this.#ending;
    reader.layers.push(this.#layer);
    const unsubscribe = marks.subscribe((change) => {
      const { added, removed, isPlaced } = change;
      if (this.ownPages.note(change)) reader.tell("marked");
      if (isPlaced || [...added, ...removed].some(isOurs)) reader.paint();
      if (isPlaced || [...added, ...removed].some((one) => one.mark.body?.kind === "bookmark")) app.extras.bars.show();
    });
    signal.addEventListener("abort", unsubscribe);
    reader.stage.addEventListener("pointerdown", (event) => { this.#at = this.pointOf(event); }, { capture: true, signal });
    reader.addEventListener("marks-shown", () => reader.paint(), { signal });
    reader.addEventListener("pressed", (event) => {
      const found = this.markAt(this.#at);
      if (!found) return;
      event.preventDefault();
      this.show(found.mark.id);
    }, { signal });
    reader.paint();
    if (this.ownPages.count) reader.tell("marked");
  }

  close() {
    this.#ending.abort();
    this.reader.layers = this.reader.layers.filter((one) => one !== this.#layer);
    setDesk(this.reader, null);
    delete this.reader.stage.dataset.marks;
    if (this.ownPages.count) this.reader.tell("marked");
    // Not at once: another book may be about to open, and its pages are not laid out yet.
    requestAnimationFrame(() => { if (this.reader.state.book) this.reader.paint(); });
  }

  /**
   * Look at a mark: what it is, and what can be done with it.
   * @param {string} id
   * @param {import("./marks_sheet.js").Why} why
   * @param {string[]} ids of all handwriting that it stands for
   */
  async show(id, why = "look", ids = [id]) {
    this.choose(id);
    const { showMark } = await import("./marks_sheet.js");
    await showMark(this.app, id, why, ids);
  }

  /** @param {string} id "": none */
  choose(id) {
    this.chosen = id;
    this.reader.paint();
  }

  /** @param {Draft | null} draft */
  sketch(draft) {
    this.draft = draft;
    this.reader.paint();
  }

  /** Where a pointer is on the view, in its pixels. @param {MouseEvent} event @returns {Point} */
  pointOf(event) {
    const frame = this.reader.stage.getBoundingClientRect();
    const { ratio } = this.reader.view();
    return { x: (event.clientX - frame.left) * ratio, y: (event.clientY - frame.top) * ratio };
  }

  /** The mark at a point of the view that lies over the others there; ink is only looked at in the list. @param {Point} at */
  markAt(at) {
    const found = this.reader.state.book && pointUnder(this.reader, at);
    if (!found) return null;
    const [x, y] = found.point_pt;
    const box = this.reader.boxes().find((one) => one.page === found.page);
    const radius_pt = REACH_PX * this.reader.view().ratio / ((box?.scale || 1) * this.reader.state.zoom);
    const hits = this.#shown(found.page).filter(({ mark: { body } }) => kindOf(body)?.hits(body, x, y, radius_pt));
    return hits.sort((one, other) => areaOf(one) - areaOf(other))[0] || null;
  }

  /**
   * Mark what is selected. Gives the marks, one for each page.
   * @param {readonly Selected[]} selected
   * @param {"highlight" | "underline"} kind
   */
  markWords(selected, kind) {
    showOwn(this.app);
    return selected.flatMap(({ page, lines, from, to }) => {
      const made = this.wordsBody(kind, piecesBetween(lines, from, to));
      return made ? [this.marks.add(page, made.body, { quote: made.quote })] : [];
    });
  }

  /**
   * @param {"highlight" | "underline"} kind
   * @param {ReturnType<typeof piecesBetween>} pieces
   * @returns {{body: HighlightBody, quote: string} | null} null: there are no words
   */
  wordsBody(kind, pieces) {
    if (!pieces.length) return null;
    return { body: { kind, quads: pieces.slice(0, MOST_QUADS).map(quadOf), colour: colourFor(kind), text: "" }, quote: quoteOf(pieces) };
  }

  /** Put a note on a page, and write it. @param {number} page @param {number} x_pt @param {number} y_pt @param {string} quote */
  async addNote(page, x_pt, y_pt, quote = "") {
    showOwn(this.app);
    const { id } = this.marks.add(page, { kind: "note", x_pt, y_pt, text: "", colour: colourFor("note") }, { quote });
    await this.show(id, "new");
  }

  /** Those that are painted on a page. @param {number} page */
  #shown(page) { return this.marks.of(page).filter((one) => isOurs(one) && isPainted(one)); }

  /** @param {number} page @param {number} x_pt of its middle @param {number} y_pt @param {string} text */
  addStamp(page, x_pt, y_pt, text) {
    this.marks.add(page, { kind: "stamp", x_pt, y_pt, height_pt: STAMP_PT, text, colour: colourFor("stamp") });
  }

  /** @type {Layer} */
  #layer = (context, { page, box }) => {
    const all = this.#shown(page);
    const { ratio } = this.reader.view();
    context.save();
    context.translate(box.x, box.y);
    context.scale(box.scale, box.scale);
    const inOrder = [...all.filter(isOfWords), ...all.filter((one) => !isOfWords(one))];
    for (const { mark: { body } } of inOrder) kindOf(body)?.paint(context, body, box.scale);
    if (this.draft?.page === page) kindOf(this.draft.body)?.paint(context, this.draft.body, box.scale);
    for (const one of all) {
      const edge = boxOf(one);
      if (!edge) continue;
      if (one.kind === "changed") paintSign(context, edge, SIGN_PX * ratio / box.scale);
      if (one.mark.id === this.chosen) paintFrame(context, edge, ratio / box.scale);
    }
    context.restore();
  };
}

/** Ink has a layer of its own. @param {PlacedMark} placed */
const isOurs = ({ mark }) => mark.body?.kind !== "ink";

/** What lies behind words is painted first. @param {PlacedMark} placed */
const isOfWords = ({ mark: { body } }) => body !== null && "quads" in body;

/** @param {{mark: Mark}} placed @returns {Corners | null} */
const boxOf = ({ mark: { body } }) => kindOf(body)?.box(body) ?? null;

/** @param {PlacedMark} placed */
function areaOf(placed) {
  const [x0, y0, x1, y1] = boxOf(placed) || [0, 0, 0, 0];
  return (x1 - x0) * (y1 - y0);
}

/**
 * The page under a mark is another one than it was: a triangle at its corner.
 * @param {CanvasRenderingContext2D} context
 * @param {Corners} box
 * @param {number} side
 */
function paintSign(context, [, y0, x1], side) {
  context.beginPath();
  context.moveTo(x1, y0 - side);
  context.lineTo(x1 + side, y0 + side * 0.75);
  context.lineTo(x1 - side, y0 + side * 0.75);
  context.closePath();
  Object.assign(context, { fillStyle: WARNING, strokeStyle: "#ffffff", lineWidth: side * 0.2, lineJoin: "round" });
  context.stroke();
  context.fill();
  context.fillStyle = "#ffffff";
  context.fillRect(x1 - side * 0.11, y0 - side * 0.4, side * 0.22, side * 0.6);
  context.fillRect(x1 - side * 0.11, y0 + side * 0.35, side * 0.22, side * 0.22);
}

/** @param {CanvasRenderingContext2D} context @param {Corners} box @param {number} pixel of the screen, in points */
function paintFrame(context, [x0, y0, x1, y1], pixel) {
  const away = 3 * pixel;
  Object.assign(context, { strokeStyle: CHOSEN, lineWidth: 2 * pixel });
  context.setLineDash([6 * pixel, 3 * pixel]);
  context.strokeRect(x0 - away, y0 - away, x1 - x0 + 2 * away, y1 - y0 + 2 * away);
  context.setLineDash([]);
}
