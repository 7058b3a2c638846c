/* The pages of a document out of `runs.json`, which tells in few words what thousands of pages have in common. Pure. */

/** @import { Page } from "./book.js" */

/**
 * Pages one after the other that have the same size and levels.
 * @typedef {{
 *   count: number, width_pt: number, height_pt: number, width_px: number, height_px: number,
 *   levels: [number, number, number][], is_withheld?: boolean,
 * }} PageRun
 */

/** Labels one after the other: `text`, and a number behind it that grows by 1, unless that is null. @typedef {{count: number, text: string, number: number | null}} LabelRun */

/**
 * @typedef {{
 *   document: string, name: string, title: string, direction: "ltr" | "rtl", page_count: number, may_print: boolean,
 *   runs: PageRun[], labels: LabelRun[], problems: [number, string[]][], image_service: string,
 * }} PageRuns
 */

/** @param {LabelRun[]} runs @returns {string[]} */
export const labelsOf = (runs) => runs.flatMap(({ count, text, number }) => (
  Array.from({ length: count }, (_, index) => (number === null ? text : `${text}${number + index}`))));

/**
 * Each page, as `pages.json` has it. Pages of a run share their list of levels.
 * @param {PageRuns} told
 * @returns {Page[]}
 */
export function pagesOf({ runs, labels, problems, image_service: service }) {
  const texts = labelsOf(labels);
  /** @type {Page[]} */
  const pages = [];
  for (const { count, ...alike } of runs) {
    for (let left = count; left > 0; left -= 1) {
      const page = pages.length + 1;
      pages.push({ page, label: texts[page - 1], ...alike, image_service: service.replace("{page}", String(page)) });
    }
  }
  for (const [page, list] of problems) pages[page - 1].problems = list;
  return pages;
}
