/* Fetches what the presenter is likely to show next, before it is shown: the next papers of the agenda. Each tablet takes its own time
   for it, so that not all ask at once. What is fetched lies in the browser's cache. */

/** @import { PaperDetails } from "./types" */
/** @import { AgendaItem } from "./meeting.js" */
/** @import { Participation } from "./participation.js" */

import { limited } from "./asking.js";
import { pause, withPriority } from "./requests.js";

const NEXT = 2; // papers
const WITHIN_MS = 30_000;
const FIRST_PAGES = [1, 2];
const BUNDLE = 16; // pages, as bundles.js asks for their previews
const LEAST_PX = 100; // a stage that is not shown has no size

/**
 * The papers of an agenda that come next. Pure.
 * @param {readonly AgendaItem[]} agenda
 * @param {string} present the paper that is open; "" for none
 * @param {number} count
 */
export function nextPapers(agenda, present, count) {
  const papers = [...new Set(agenda.map((one) => one.paper).filter(Boolean))];
  const at = papers.indexOf(present); // none, or one that is not of the agenda: the first ones
  return papers.slice(at + 1, at + 1 + count);
}

/**
 * What a screen will ask for when a paper is opened. Pure.
 * @param {Pick<PaperDetails, "page_count">} paper
 * @param {string} document
 * @param {{width: number, height: number}} inner its stage without margins, in pixels
 */
export function addressesOf({ page_count: count }, document, inner) {
  const { width, height } = limited(inner.width, inner.height);
  const isShown = inner.width >= LEAST_PX;
  const pages = FIRST_PAGES.filter((page) => isShown && page <= count).map((page) => `/documents/${document}/pages/${page}/${width}x${height}`);
  return [`/documents/${document}/runs.json`, ...pages, `/documents/${document}/previews/1-${Math.min(BUNDLE, count)}`];
}

export class Ahead {
  /** @type {Set<string>} */
  #known = new Set();
  /** Papers whose first pages are in the browser's cache. @type {Set<string>} */
  here = new Set();

  /** @param {Participation} part */
  constructor(part) { this.part = part; }

  /** The agenda is another one, or another paper is open. */
  look() {
    const { details, state } = this.part;
    if (!details || !state) return;
    for (const paper of nextPapers(details.agenda, state.paper, NEXT)) {
      if (this.#known.has(paper)) continue;
      this.#known.add(paper);
      this.#fetch(paper).catch(() => { this.#known.delete(paper); }); // it will be fetched when it is shown
    }
  }

  /** @param {string} id */
  async #fetch(id) {
    const { part } = this;
    const { library, reader } = part.app;
    await Promise.all([part.arrived(), part.settled]); // the stage has its size then, and the page that is shown came first
    await pause(WITHIN_MS * Math.random(), part.signal);
    const paper = await part.paper(id);
    if (!paper.document) return;
    const { width, height, margin } = reader.view();
    for (const path of addressesOf(paper, paper.document.id, { width: width - 2 * margin, height: height - 2 * margin })) {
      const answer = await library.get(path, withPriority({ signal: part.signal }, "low"));
      await answer.arrayBuffer(); // else it is not kept
    }
    this.here.add(id);
  }
}
