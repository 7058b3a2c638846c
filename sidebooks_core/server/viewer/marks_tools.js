/* Tools that put marks on a page: words are dragged over, notes and stamps are put where the page is tapped. */

/** @import { Reader } from "./types" */
/** @import { Desk } from "./marks_desk.js" */
/** @import { Line } from "./text_lines.js" */
/** @import { Spot } from "./marks_words.js" */

import { deskFor } from "./desks.js";
import { piecesBetween, spotAt } from "./marks_words.js";
import { linesOf } from "./text_lines.js";

/** A point of a page, in points. @typedef {{page: number, x_pt: number, y_pt: number}} PagePoint */

/**
 * What a pointer does while a tool is on. `down`: false if there is nothing to be done there. `isOfPoint`: a pointer that runs
 * means nothing to it.
 * @typedef {{
 *   down: (reader: Reader, at: PagePoint) => boolean | Promise<boolean>, move: (at: PagePoint) => void, up: () => void | Promise<void>,
 *   cancel: () => void, isOfPoint: boolean,
 * }} Tool
 */

/** @type {WeakMap<object, Line[]>} of the text of a page */
const linesKnown = new WeakMap();

/** @param {import("./types").TextContent} content */
function linesIn(content) {
  const known = linesKnown.get(content);
  if (known) return known;
  const lines = linesOf(content.words);
  linesKnown.set(content, lines);
  return lines;
}

/**
 * Words are marked from where the pointer goes down to where it goes up, and shown so meanwhile.
 * @param {"highlight" | "underline"} kind
 * @param {() => void} nothing is called where there are no words
 * @returns {Tool}
 */
export function wordsTool(kind, nothing) {
  /** @type {{desk: Desk, page: number, lines: Line[], from: Spot, to: Spot} | null} */
  let state = null;
  /** The last place, while the words are on their way. @type {PagePoint | null} */
  let last = null;
  let count = 0;
  let isUp = false;
  const body = () => (state ? state.desk.wordsBody(kind, piecesBetween(state.lines, state.from, state.to)) : null);
  const sketch = () => {
    const made = body();
    if (state && made) state.desk.sketch({ page: state.page, body: made.body });
  };
  const finish = () => {
    const made = body();
    const { desk, page } = state || {};
    state = null;
    desk?.sketch(null);
    if (made && desk && page) desk.marks.add(page, made.body, { quote: made.quote });
  };
  /** @param {PagePoint} at */
  const reach = (at) => {
    if (!state || at.page !== state.page) return;
    state.to = spotAt(state.lines, at.x_pt, at.y_pt, Infinity) || state.to;
    sketch();
  };
  return {
    isOfPoint: false,
    async down(reader, at) {
      const desk = deskFor(reader);
      count += 1;
      const mine = count;
      [state, last, isUp] = [null, at, false];
      if (!desk) return false;
      const content = await reader.book.text(at.page);
      if (mine !== count || deskFor(reader) !== desk) return false;
      const lines = linesIn(content);
      const from = spotAt(lines, at.x_pt, at.y_pt);
      if (!from) { nothing(); return false; }
      state = { desk, page: at.page, lines, from, to: from };
      if (last) reach(last);
      if (isUp) finish();
      return true;
    },
    move(at) {
      last = at;
      reach(at);
    },
    up() {
      isUp = true;
      if (state) finish();
    },
    cancel() {
      count += 1;
      state?.desk.sketch(null);
      state = null;
    },
  };
}

/**
 * A tool that acts where the pointer goes up, if it has not gone far.
 * @param {(desk: Desk, at: PagePoint) => void | Promise<void>} does
 * @returns {Tool}
 */
function pointTool(does) {
  /** @type {{desk: Desk, at: PagePoint} | null} */
  let state = null;
  return {
    isOfPoint: true,
    down(reader, at) {
      const desk = deskFor(reader);
      state = desk ? { desk, at } : null;
      return state !== null;
    },
    move(at) { if (state && at.page === state.at.page) state.at = at; },
    up() {
      const found = state;
      state = null;
      return found ? does(found.desk, found.at) : undefined;
    },
    cancel() { state = null; },
  };
}

export const noteTool = () => pointTool((desk, { page, x_pt, y_pt }) => desk.addNote(page, x_pt, y_pt));

/** @param {() => string} text of the stamp */
export const stampTool = (text) => pointTool((desk, { page, x_pt, y_pt }) => {
  desk.addStamp(page, x_pt, y_pt, text());
});
