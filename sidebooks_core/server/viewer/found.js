/* The screen of the search over all papers. */

import { button, cover, h, icon } from "./elements.js";
import { addressOf } from "./place.js";
import { pathOf } from "./rows.js";
import { snippet } from "./snippet.js";
import { fault, pages, t } from "./words.js";

const HITS_AT_ONCE = 50;

/**
 * @typedef {import("./book.js").Hit} Hit
 * @typedef {{
 *   paper: string, name: string, folder: string, revision: number, page: number, document: string | null, preview: string | null,
 *   hits: Hit[],
 * }} ShelfHit
 * @typedef {{query: string, pages: ShelfHit[], next: number | null, unindexed: number}} FoundPapers
 * @typedef {{paper: string, query: string, hits: Hit[]}} Marks what was found in a paper that is opened now
 */

/**
 * Search, and show what is found. `stop` of what it returns: the screen is left, and nobody waits for the rest.
 * @param {HTMLElement} host the element that it fills
 * @param {HTMLElement} bar
 * @param {string} query
 * @param {{api: import("./api.js").Api, mark: (found: Marks) => void}} does
 */
export function foundView(host, bar, query, does) {
  document.title = t("results", { q: query });
  const told = h("p", { role: "status", class: "told" }, t("searching"));
  const stop = button("stop", t("stop"), () => control?.abort(), { hidden: true });
  const unread = h("p", { class: "unindexed", role: "status", hidden: true });
  const list = h("ol", { class: "found" });
  const notes = h("section", { hidden: true });
  const on = h("p", { class: "buttons" });
  const way = h("nav", { class: "way", "aria-label": t("shelf") },
    h("a", { href: "#" }, icon("home"), h("span", {}, t("shelf"))), h("span", { "aria-current": "page" }, t("search")));
  host.replaceChildren(bar, way, h("h1", {}, t("results", { q: query })), h("div", { class: "working" }, told, stop), unread, notes, list, on);
  /** @type {Map<string, {list: HTMLElement, hits: Hit[]}>} */
  const papers = new Map();
  let count = 0;
  let isOver = false;
  /** @type {AbortController | null} of the step that is on its way */
  let control = null;
  /** @type {(() => Promise<void>) | null} if nothing was found, since papers are still being read */
  let again = null;

  /** @param {number | null} before */
  async function step(before) {
    const mine = control = new AbortController();
    on.replaceChildren();
    told.textContent = t("searching");
    stop.hidden = false;
    again = null;
    let next = before;
    const goOn = () => step(next);
    try {
      for (let left = HITS_AT_ONCE; left > 0;) { // a step of the server is bounded by time: it may find a few, or none
        const from = next === null ? "" : `&before=${next}`;
        /** @type {FoundPapers} */
        const found = await does.api.get(`/search?q=${encodeURIComponent(query)}&limit=${left}${from}`, mine.signal);
        unread.hidden = !found.unindexed;
        unread.textContent = found.unindexed === 1 ? t("unindexed_one") : t("unindexed", { n: found.unindexed });
        found.pages.forEach(addHit);
        count += found.pages.length;
        left -= found.pages.length;
        next = found.next;
        if (next === null) break;
        if (count) told.textContent = `${t("found", { pages: pages(count) })} – ${t("searching")}`;
      }
      again = count || unread.hidden ? null : () => step(null);
      if (next !== null) told.textContent = t("found_more", { pages: pages(count) });
      else told.textContent = count ? t("found", { pages: pages(count) }) : t("nothing", { q: query });
      if (next !== null) on.replaceChildren(button("search", t("more_hits"), goOn));
    } catch (error) {
      if (isOver) return; // what was found stays, else
      const isStopped = mine.signal.aborted;
      if (isStopped) told.textContent = count ? t("found_more", { pages: pages(count) }) : t("search_stopped");
      else told.textContent = fault(/** @type {Error} */ (error));
      on.replaceChildren(isStopped ? button("search", t("more_hits"), goOn) : button("replace", t("again"), goOn));
    } finally {
      if (!isOver) endStep();
    }
  }

  /* The button that stops it goes. Who pressed it goes on with the one that is there now. */
  function endStep() {
    const hadFocus = document.activeElement === stop;
    stop.hidden = true;
    if (hadFocus) on.querySelector("button")?.focus();
  }

  /** The list of what was found in a paper. @param {ShelfHit} hit */
  function begun({ paper, name }) {
    const made = { list: h("ul", {}), hits: [] };
    papers.set(paper, made);
    list.append(h("li", {}, h("h2", {}, name), made.list));
    return made;
  }

  /** @param {ShelfHit} hit */
  function addHit(hit) {
    const { list: rows, hits } = papers.get(hit.paper) || begun(hit);
    hits.push(...hit.hits);
    const about = h("span", { class: "about" },
      h("strong", {}, t("page", { n: hit.page })), " ", h("small", {}, snippet(hit.hits[0]?.text || "", query)));
    const onclick = () => does.mark({ paper: hit.paper, query, hits });
    const image = cover(hit.preview && pathOf(hit.preview));
    rows.append(h("li", {}, h("a", { href: `#${addressOf({ kind: "paper", id: hit.paper, page: hit.page })}`, onclick }, image, about)));
  }

  step(null);
  const leaving = new AbortController();
  import("./found_notes.js").then(({ fillNotes }) => fillNotes(notes, query, does.api, leaving.signal)).catch((error) => {
    if (!leaving.signal.aborted) { notes.hidden = false; notes.replaceChildren(h("p", {}, fault(error))); }
  });
  return { stop() { isOver = true; control?.abort(); leaving.abort(); }, async lookAgain() { await again?.(); } };
}
