/* Words of a page between two places in its text, as quads: to highlight and to underline. Pure. Lengths are points of the upright
   page. A line that runs downwards is a line on its side: its upper edge is at its right. */

/** @import { Line, LineWord } from "./text_lines.js" */
/** @import { Quad } from "./types" */

import { between } from "./text_lines.js";

/** A character of the text of a page. @typedef {{line: number, word: number, character: number}} Spot */
/** @typedef {import("./text_lines.js").Extent} Extent */
/** Words of one line that stand together. @typedef {Extent & {isDown: boolean, text: string}} Piece */

const CJK = /[\u2e80-\u9fff\uf900-\ufaff\uff01-\uff9f\uffe0-\uffe6\u{20000}-\u{3ffff}]/u;
const LATIN_WIDTH = 0.55; // of a Japanese character
const MOST_QUOTE = 1000; // characters, as the server keeps them
const NEAR_PT = 40; // a point farther from all text means none of it

/** Divides texts into words; not every browser has it. @typedef {{segment: (text: string) => Iterable<{segment: string}>}} Segmenter */

/** @type {Segmenter | null | undefined} */
let segmenter;

function makeSegmenter() {
  /** @typedef {new (language: string, options: {granularity: "word"}) => Segmenter} Making */
  const { Segmenter } = /** @type {{Segmenter?: Making}} */ (/** @type {unknown} */ (Intl));
  return Segmenter ? new Segmenter("ja", { granularity: "word" }) : null;
}

/**
 * Where the words of a text begin and end, in characters: Japanese is written without spaces.
 * @param {string} text
 * @returns {[from: number, to: number][]}
 */
export function segmentsOf(text) {
  const characters = [...text];
  if (!CJK.test(text)) return [[0, characters.length]];
  if (segmenter === undefined) segmenter = makeSegmenter();
  if (!segmenter) return characters.map((_, at) => [at, at + 1]);
  let at = 0;
  return Array.from(segmenter.segment(text), ({ segment }) => {
    const from = at;
    at += [...segment].length;
    return [from, at];
  });
}

/** How far along a word each character begins, from 0 to 1, and its end. @param {string} text */
function edgesOf(text) {
  const widths = [...text].map((one) => (CJK.test(one) ? 1 : LATIN_WIDTH));
  const sum = widths.reduce((all, one) => all + one, 0) || 1;
  let at = 0;
  return [0, ...widths.map((one) => { at += one; return at / sum; })];
}

/** @param {{x0: number, y0: number, x1: number, y1: number}} box @param {number} x @param {number} y */
const away = (box, x, y) => Math.hypot(Math.max(box.x0 - x, 0, x - box.x1), Math.max(box.y0 - y, 0, y - box.y1));

/**
 * @template {{x0: number, y0: number, x1: number, y1: number}} B
 * @param {readonly B[]} boxes
 * @param {number} x
 * @param {number} y
 */
function nearest(boxes, x, y) {
  let [best, least] = [-1, Infinity];
  for (const [index, box] of boxes.entries()) {
    const far = away(box, x, y);
    if (far < least) [best, least] = [index, far];
  }
  return { index: best, far: least };
}

/**
 * The character at a point, or nearest to it; null if there is no text near.
 * @param {readonly Line[]} lines
 * @param {number} x
 * @param {number} y
 * @returns {Spot | null}
 */
export function spotAt(lines, x, y, near_pt = NEAR_PT) {
  const found = nearest(lines, x, y);
  if (found.index < 0 || found.far > near_pt) return null;
  const line = lines[found.index];
  const { index } = nearest(line.words, x, y);
  const word = line.words[index];
  const share = line.isVertical ? (y - word.y0) / (word.y1 - word.y0 || 1) : (x - word.x0) / (word.x1 - word.x0 || 1);
  const edges = edgesOf(word.text);
  const at = edges.findIndex((edge) => edge > share) - 1;
  return { line: found.index, word: index, character: at < 0 ? (share < 0 ? 0 : edges.length - 2) : at };
}

/** Whether one comes before another in the order of reading, or is the same. @param {Spot} one @param {Spot} other */
const isBefore = (one, other) => one.line < other.line || (one.line === other.line
  && (one.word < other.word || (one.word === other.word && one.character <= other.character)));

/**
 * The words from one character to another, whole ones, by lines. The two may be in either order.
 * @param {readonly Line[]} lines
 * @param {Spot} one
 * @param {Spot} other
 * @returns {Piece[]}
 */
export function piecesBetween(lines, one, other) {
  const [first, last] = isBefore(one, other) ? [one, other] : [other, one];
  return lines.slice(first.line, last.line + 1).flatMap((line, index) => {
    const isFirst = index === 0;
    const isLast = first.line + index === last.line;
    const [from, to] = [isFirst ? first.word : 0, isLast ? last.word : line.words.length - 1];
    /** @type {Piece[]} */
    const pieces = [];
    let isApart = true;
    for (let at = from; at <= to; at += 1) {
      const word = line.words[at];
      const count = [...word.text].length;
      const least = isFirst && at === from ? first.character : 0;
      const most = isLast && at === to ? last.character : count - 1;
      const piece = partOf(word, line.isVertical, least, most);
      if (isApart) pieces.push(piece);
      else join(pieces[pieces.length - 1], piece, line.words[at - 1].after);
      isApart = line.isLoose || word.after === "\t";
    }
    return pieces;
  });
}

/**
 * The words within a word that some of its characters belong to.
 * @param {LineWord} word
 * @param {boolean} isDown
 * @param {number} least the first of them
 * @param {number} most the last
 */
function partOf(word, isDown, least, most) {
  const segments = segmentsOf(word.text).filter(([from, to]) => from <= most && to > least);
  const [from, to] = [segments[0][0], segments[segments.length - 1][1]];
  const edges = edgesOf(word.text);
  const { x0, y0, x1, y1 } = word;
  const text = [...word.text].slice(from, to).join("");
  return isDown
    ? { x0, x1, y0: y0 + (y1 - y0) * edges[from], y1: y0 + (y1 - y0) * edges[to], isDown, text }
    : { y0, y1, x0: x0 + (x1 - x0) * edges[from], x1: x0 + (x1 - x0) * edges[to], isDown, text };
}

/** @param {Piece} piece @param {Piece} next @param {string} space */
function join(piece, next, space) {
  piece.x0 = Math.min(piece.x0, next.x0);
  piece.y0 = Math.min(piece.y0, next.y0);
  piece.x1 = Math.max(piece.x1, next.x1);
  piece.y1 = Math.max(piece.y1, next.y1);
  piece.text += space + next.text;
}

/** @param {number} value */
const rounded = (value) => Math.round(value * 100) / 100;

/** The corners of a piece: upper left, upper right, lower left, lower right, as its text is read. @param {Piece} piece @returns {Quad} */
export function quadOf({ x0, y0, x1, y1, isDown }) {
  const [left, top, right, bottom] = [x0, y0, x1, y1].map(rounded);
  return isDown ? [right, top, right, bottom, left, top, left, bottom] : [left, top, right, top, left, bottom, right, bottom];
}

/** The text of pieces, for people. @param {readonly Piece[]} pieces */
export function quoteOf(pieces) {
  let quote = "";
  for (const { text } of pieces) quote += quote ? between(quote, text, 0.5) + text : text;
  quote = quote.replace(/\s+/g, " ").trim();
  return [...quote].slice(0, MOST_QUOTE).join("");
}
