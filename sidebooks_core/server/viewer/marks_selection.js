/* What is selected in the text of a reader, as characters of its lines. */

/** @import { Reader } from "./types" */
/** @import { Line } from "./text_lines.js" */
/** @import { Spot } from "./marks_words.js" */

import { writtenPages } from "./text.js";

/** @typedef {{page: number, lines: Line[], from: Spot, to: Spot}} Selected of one page; `to` is the last character */

/**
 * The characters of an element's text that a range covers, as [from, to); null: none.
 * @param {Range} range
 * @param {Element} element with one text
 * @param {number} most what follows belongs to no word
 * @returns {[from: number, to: number] | null}
 */
function covered(range, element, most) {
  const text = element.firstChild;
  if (!text || !range.intersectsNode(text)) return null;
  const whole = text.textContent || "";
  const from = text === range.startContainer ? range.startOffset : 0;
  const to = text === range.endContainer ? range.endOffset : whole.length;
  const [first, end] = [from, to].map((at) => Math.min(most, [...whole.slice(0, at)].length));
  return end > first ? [first, end] : null;
}

/** @param {Range} range @param {Line} line @param {HTMLElement} element @returns {[word: number, from: number, to: number][]} */
function wordsIn(range, line, element) {
  if (!range.intersectsNode(element)) return [];
  const spans = [...element.children].filter((one) => !one.classList.contains("gap"));
  return line.words.flatMap((word, index) => {
    const found = covered(range, spans[index] || element, [...word.text].length);
    return found ? [/** @type {[number, number, number]} */ ([index, ...found])] : [];
  });
}

/**
 * What is selected, page by page; empty: nothing in the text of this reader.
 * @param {Reader} reader
 * @returns {Selected[]}
 */
export function selectedIn(reader) {
  const selection = document.getSelection();
  if (!selection || selection.isCollapsed || !selection.rangeCount) return [];
  const range = selection.getRangeAt(0);
  if (!range.intersectsNode(reader.text)) return [];
  return writtenPages(reader.text).flatMap((page) => {
    /** @type {Spot[]} */
    const spots = [];
    for (const [line, element] of page.elements.entries()) {
      for (const [word, from, to] of wordsIn(range, page.lines[line], element)) {
        spots.push({ line, word, character: from }, { line, word, character: to - 1 });
      }
    }
    return spots.length ? [{ page: page.number, lines: page.lines, from: spots[0], to: spots[spots.length - 1] }] : [];
  });
}
