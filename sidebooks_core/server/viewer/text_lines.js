/* The words of a page as lines to read and to copy, and the boxes of its links: numbers and texts in, the same out. Lengths are
   points of the page before it is turned. A word is [x0, y0, x1, y1, text, block, line]. */

/** @import { Corners, Word as Told } from "./types" */

/** @typedef {{x0: number, y0: number, x1: number, y1: number}} Extent */
/**
 * after: what stands between a word and the next of its line: nothing, a space, a wide space, a tab.
 * @typedef {Extent & {text: string, after: string}} LineWord
 */
/** @typedef {Extent & {block: number, words: LineWord[], isVertical: boolean}} Piece */
/**
 * isLoose: its words do not follow one another along the line (right to left, upside down), so each is placed by itself.
 * @typedef {Piece & {isLoose: boolean}} Line
 */
/** @typedef {Line & {starts: Set<LineWord>}} Row */

const CJK_FIRST = /^[\u2e80-\u9fff\uf900-\ufaff\uff01-\uff9f\uffe0-\uffe6\u{20000}-\u{3ffff}]/u;
const CJK_LAST = new RegExp(`${CJK_FIRST.source.slice(1)}$`, "u");
const KANA_OR_KANJI = /[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\uff66-\uff9f]/;
const RTL = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff]/;
const NARROW = /[!'(),.:;I[\]`fijlrt{|}\u00b7]/;

// In widths of a character. Less than the first is the setting of the line; up to the last there is a space, then a column.
const JAPANESE_GAPS = { none: 0.7, space: 1.5, spread: 4 };
const LATIN_GAPS = { none: 0.05, space: 2, cell: 1 };
const WIDE = "\u3000";
const FOOT_WORDS = 3;
const SHORT = 2.5; // in widths of a character

/** The lines of a page in reading order. @param {Told[]} words @returns {Line[]} */
export function linesOf(words) {
  /** @type {Row[]} */
  const rows = [];
  /** @type {Row | null} */
  let row = null;
  for (const piece of footLast(piecesOf(words))) {
    if (row && isContinued(row, piece)) extend(row, piece);
    else rows.push(row = { ...piece, words: [...piece.words], isLoose: false, starts: new Set() });
  }
  for (const one of rows) separate(one);
  return rows;
}

/** "ja" if there is Japanese among the words, else "". @param {Told[]} words */
export function languageOf(words) {
  return words.some((word) => KANA_OR_KANJI.test(word[4])) ? "ja" : "";
}

/**
 * What stands between two words of a line.
 * @param {string} before
 * @param {string} after
 * @param {number} gap in widths of a character
 * @param {boolean} isApart the server has them in two lines
 */
export function between(before, after, gap, isApart = false) {
  if (CJK_LAST.test(before) && CJK_FIRST.test(after)) {
    if (gap < JAPANESE_GAPS.none) return "";
    const isSpread = [...before].length === 1 && [...after].length === 1; // 予 算 額: a heading, not three cells
    return gap < (isSpread ? JAPANESE_GAPS.spread : JAPANESE_GAPS.space) ? WIDE : "\t";
  }
  if (gap < LATIN_GAPS.none && RTL.test(before) !== RTL.test(after)) return "";
  return gap < (isApart ? LATIN_GAPS.cell : LATIN_GAPS.space) ? " " : "\t";
}

/** The words that a box covers, as one text. @param {Line[]} lines @param {Corners} box */
export function coveredText(lines, [x0, y0, x1, y1]) {
  /** @param {LineWord} word */
  const isIn = (word) => {
    const [x, y] = [(word.x0 + word.x1) / 2, (word.y0 + word.y1) / 2];
    return x > x0 && x < x1 && y > y0 && y < y1;
  };
  const found = [];
  for (const [index, line] of lines.entries()) {
    const covered = line.words.filter(isIn);
    if (!covered.length) continue;
    const text = covered.map((word, at) => word.text + (at < covered.length - 1 ? word.after : "")).join("").replace(/\t/g, " ");
    found.push({ index, text, isWhole: covered.length === line.words.length });
  }
  return found;
}

/**
 * Boxes grown to at least a width and a height, where that takes nothing from another: neighbours share what is between.
 * @param {Corners[]} boxes
 * @param {number} least
 * @param {number} width
 * @param {number} height
 * @returns {Corners[]}
 */
export function grownBoxes(boxes, least, width, height) {
  const spare = boxes.map(([x0, y0, x1, y1]) => [Math.max(0, least - (x1 - x0)), Math.max(0, least - (y1 - y0))]);
  const limits = boxes.map(([x0, y0, x1, y1], at) => [
    Math.max(Math.min(0, x0), x0 - spare[at][0]), Math.max(Math.min(0, y0), y0 - spare[at][1]),
    Math.min(Math.max(width, x1), x1 + spare[at][0]), Math.min(Math.max(height, y1), y1 + spare[at][1]),
  ]);
  const reach = limits.map((one) => [...one]);
  for (let a = 0; a < boxes.length; a += 1) {
    for (let b = a + 1; b < boxes.length; b += 1) {
      if (reach[a][0] >= reach[b][2] || reach[b][0] >= reach[a][2] || reach[a][1] >= reach[b][3] || reach[b][1] >= reach[a][3]) continue;
      const gaps = [0, 1].map((axis) => Math.max(boxes[a][axis], boxes[b][axis]) - Math.min(boxes[a][axis + 2], boxes[b][axis + 2]));
      const axis = gaps[0] > gaps[1] ? 0 : 1;
      if (gaps[axis] < 0) continue; // the document lays one on the other
      const [first, second] = boxes[a][axis] < boxes[b][axis] ? [a, b] : [b, a];
      const middle = (boxes[first][axis + 2] + boxes[second][axis]) / 2;
      limits[first][axis + 2] = Math.min(limits[first][axis + 2], middle);
      limits[second][axis] = Math.max(limits[second][axis], middle);
    }
  }
  return boxes.map((box, at) => {
    const [x0, x1] = grownSpan(box[0], box[2], limits[at][0], limits[at][2], least);
    const [y0, y1] = grownSpan(box[1], box[3], limits[at][1], limits[at][3], least);
    return [x0, y0, x1, y1];
  });
}

/**
 * Evenly on both sides; what one side has no room for, the other gets.
 * @param {number} from
 * @param {number} to
 * @param {number} least_from
 * @param {number} most_to
 * @param {number} least
 * @returns {[number, number]}
 */
function grownSpan(from, to, least_from, most_to, least) {
  const missing = Math.max(0, least - (to - from));
  const before = Math.min(from - least_from, missing / 2);
  const after = Math.min(most_to - to, missing - before);
  return [from - Math.min(from - least_from, missing - after), to + after];
}

/** Lines as the server has them. @param {Told[]} words */
function piecesOf(words) {
  /** @type {{block: number, words: LineWord[]}[]} */
  const pieces = [];
  let key = "";
  for (const [x0, y0, x1, y1, text, block, line] of words) {
    const word = { text, x0, y0, x1, y1, after: "" };
    if (key === `${block} ${line}`) pieces[pieces.length - 1].words.push(word);
    else pieces.push({ block, words: [word] });
    key = `${block} ${line}`;
  }
  return pieces.map((one) => ({ ...one, ...extentOf(one.words), isVertical: isVertical(one.words) }));
}

/** @param {LineWord[]} words @returns {Extent} */
const extentOf = (words) => ({
  x0: Math.min(...words.map((word) => word.x0)),
  y0: Math.min(...words.map((word) => word.y0)),
  x1: Math.max(...words.map((word) => word.x1)),
  y1: Math.max(...words.map((word) => word.y1)),
});

/**
 * Words of a line tell by their places. One word tells by its box, whether it fits better downwards than across; but some fonts
 * claim so much height that a few letters across look like that.
 * @param {LineWord[]} words
 */
function isVertical(words) {
  const [first, last] = [words[0], words[words.length - 1]];
  /** @type {(low: "x0" | "y0", high: "x1" | "y1") => number} */
  const away = (low, high) => Math.abs(last[low] + last[high] - first[low] - first[high]);
  if (words.length > 1) return away("y0", "y1") > away("x0", "x1");
  const length = [...first.text].reduce((sum, char) => sum + (CJK_FIRST.test(char) ? 1 : NARROW.test(char) ? 0.3 : 0.55), 0);
  if (length < SHORT && !CJK_FIRST.test(first.text)) return false;
  const slope = Math.log((first.x1 - first.x0) / (first.y1 - first.y0));
  const wanted = Math.log(length);
  return Math.abs(-slope - wanted) + 0.2 < Math.abs(slope - wanted);
}

/** A page number that the document draws first, below all else, is read last. @param {Piece[]} pieces */
function footLast(pieces) {
  const end = pieces.findIndex((piece) => piece.block !== pieces[0].block);
  if (end < 1) return pieces;
  const [foot, others] = [pieces.slice(0, end), pieces.slice(end)];
  const count = foot.reduce((sum, piece) => sum + piece.words.length, 0);
  const top = Math.min(...foot.map((piece) => piece.y0));
  return count <= FOOT_WORDS && others.every((piece) => piece.y1 <= top) ? [...others, ...foot] : pieces;
}

/** @type {(one: Extent, isDown: boolean) => [number, number]} */
const along = (one, isDown) => (isDown ? [one.y0, one.y1] : [one.x0, one.x1]);
/** @type {(one: Extent, isDown: boolean) => [number, number]} */
const across = (one, isDown) => (isDown ? [one.x0, one.x1] : [one.y0, one.y1]);
/** @type {(one: Extent, isDown: boolean) => number} */
const sizeOf = (one, isDown) => across(one, isDown)[1] - across(one, isDown)[0];

/**
 * Whether a piece goes on where a row ends: cells of a row, letters that are set apart. Ruby is too small for that.
 * @param {Row} row
 * @param {Piece} piece
 */
function isContinued(row, piece) {
  const isDown = row.isVertical;
  if (piece.isVertical !== isDown && [...piece.words[0].text].length > 1) return false;
  const last = row.words[row.words.length - 1];
  const sizes = [sizeOf(last, isDown), sizeOf(piece, isDown)].sort((a, b) => a - b);
  const [start, end] = [across(last, isDown), across(piece, isDown)];
  const shared = Math.min(start[1], end[1]) - Math.max(start[0], end[0]);
  return sizes[1] <= 1.6 * sizes[0] && shared >= 0.5 * sizes[0]
    && along(piece, isDown)[0] >= along(last, isDown)[1] - 0.3 * sizes[0];
}

/** @param {Row} row @param {Piece} piece */
function extend(row, piece) {
  row.words.push(...piece.words);
  row.starts.add(piece.words[0]);
  row.x0 = Math.min(row.x0, piece.x0);
  row.y0 = Math.min(row.y0, piece.y0);
  row.x1 = Math.max(row.x1, piece.x1);
  row.y1 = Math.max(row.y1, piece.y1);
}

/** @param {Row} row */
function separate(row) {
  const isDown = row.isVertical;
  row.isLoose = false;
  for (let at = 1; at < row.words.length; at += 1) {
    const [before, word] = [row.words[at - 1], row.words[at]];
    const size = Math.min(sizeOf(before, isDown), sizeOf(word, isDown));
    const [ends, starts] = [along(before, isDown)[1], along(word, isDown)[0]];
    before.after = between(before.text, word.text, Math.max(0, starts - ends) / (0.9 * size), row.starts.has(word));
    if (starts < along(before, isDown)[0] || starts < ends - size) row.isLoose = true;
  }
  if (row.isLoose) for (const word of row.words.slice(0, -1)) word.after ||= " ";
  row.isLoose ||= row.words.some((word) => RTL.test(word.text));
}
