/* Whose marks there are, and which of them this device shows on pages. Pure but for what is kept. */

/** @import { FullApp, MarkBody, PlacedMark } from "./types" */

import { write } from "./keeping.js";
import { read } from "./storage.js";

/**
 * shared: others let whoever reads here see them; collected: others gave them to whoever presides.
 * @typedef {"mine" | "shared" | "collected"} Group
 */

/** @type {readonly Group[]} */
export const GROUPS = ["mine", "shared", "collected"];
const HIDDEN = "sidebooks marks hidden";

/** @param {PlacedMark} placed @returns {Group} */
export const groupOf = ({ isMine, mark }) => (isMine ? "mine" : mark.visibility === "collected" ? "collected" : "shared");

/** The groups that are hidden: it is asked for each mark and frame. @type {Set<string> | null} */
let hidden = null;

/** @param {Group} group */
export function isGroupShown(group) {
  hidden ??= new Set((read(HIDDEN) || "").split(" "));
  return !hidden.has(group);
}

/** @param {Group} group @param {boolean} isShown */
export function showGroup(group, isShown) {
  const others = GROUPS.filter((one) => one !== group && !isGroupShown(one));
  hidden = new Set(isShown ? others : [...others, group]);
  write(HIDDEN, [...hidden].join(" "));
}

/** Somebody writes: what is their own is shown. @param {FullApp} app */
export function showOwn({ extras }) {
  if (isGroupShown("mine")) return;
  showGroup("mine", true);
  for (const one of extras.readers) if (one.state.book) one.tell("marks-shown");
}

/**
 * Whether a mark is painted over its page: a page that shows by itself what was read from its file shows it once.
 * @param {PlacedMark} placed
 */
export const isPainted = (placed) => isGroupShown(groupOf(placed)) && !(placed.mark.is_of_file && placed.kind === "exact");

/** What its owner wrote. @param {MarkBody | null} body */
export const textOf = (body) => (body && "text" in body && body.text) || "";

/** The words to know a mark by. @param {PlacedMark} placed */
export const wordsOf = ({ mark }) => [textOf(mark.body), mark.anchor.quote || ""].filter(Boolean);

/** As people compare words: whatever their width, case and spaces. @param {string} text */
export const folded = (text) => text.normalize("NFKC").toLowerCase().replace(/\s+/g, "");

/** Whether a mark has a text in its words. @param {PlacedMark} placed @param {string} query */
export function hasWords(placed, query) {
  const wanted = folded(query);
  return !wanted || wordsOf(placed).some((one) => folded(one).includes(wanted));
}

/**
 * A row of the list: a mark; or all handwriting of one page by one hand, or all bookmarks there: two devices may have set one.
 * @typedef {{placed: PlacedMark, ids: string[]}} Row ids: of all its marks
 */

/** Where a mark stands on its page, from its top. @param {PlacedMark} placed */
function topOf({ mark: { body } }) {
  if (!body || body.kind === "bookmark") return -1;
  if ("quads" in body) return body.quads[0][1];
  return "samples" in body ? body.samples[0][1] : body.y_pt;
}

/**
 * Marks as rows, by page and down the page; those of removed pages last, in the order of the pages that they were on.
 * @param {readonly PlacedMark[]} all
 * @returns {Row[]}
 */
export function rowsOf(all) {
  /** @type {Map<string, Row>} */
  const together = new Map();
  /** @type {Row[]} */
  const rows = [];
  for (const placed of all) {
    const { anchor, body, owner, visibility, meeting } = placed.mark;
    if (body?.kind !== "ink" && body?.kind !== "bookmark") { rows.push({ placed, ids: [placed.mark.id] }); continue; }
    const key = [body.kind, placed.page ?? `gone ${anchor.page}`, placed.kind, placed.isMine, owner, visibility, meeting].join(" ");
    const there = together.get(key);
    if (there) { there.ids.push(placed.mark.id); continue; }
    const row = { placed, ids: [placed.mark.id] };
    together.set(key, row);
    rows.push(row);
  }
  const pageOf = (/** @type {Row} */ { placed }) => placed.page ?? 1e6 + placed.mark.anchor.page;
  return rows.sort((one, other) => pageOf(one) - pageOf(other) || topOf(one.placed) - topOf(other.placed)
    || (one.placed.mark.id < other.placed.mark.id ? -1 : 1));
}
