/* The search in a document: a panel with the hits, and a small bar that leads from one to the next. */

/** @import { FullApp, Hit, OpenBook, Reader } from "./types" */

import { button, h, need } from "./elements.js";
import { showHits } from "./hits.js";
import { addressOf } from "./place.js";
import { snippet } from "./snippet.js";
import { t } from "./words.js";

const ROWS = 200;

export const title = "search";

/* The search of a reader: one at a time; it stays when the panel goes. */
export class Finding {
  /** @type {Hit[]} */
  hits = [];
  current = -1;
  query = "";
  looked = 0; // pages that have been searched, of `pages`
  isRunning = false;
  /** @type {unknown} */
  error = null;
  /** @type {AbortController | null} */
  control = null;
  onchange = () => {};
  isOver = false;

  /** @param {FullApp} app @param {Reader} reader */
  constructor(app, reader) {
    this.app = app;
    this.reader = reader;
    /** @type {OpenBook} */
    this.book = reader.book;
    this.count = h("span", { role: "status", class: "grow" });
    this.bar = h("div", { id: "hitbar", role: "toolbar", "aria-label": t("search"), hidden: true },
      button("left", t("previous_hit"), () => this.step(-1)), this.count, button("right", t("next_hit"), () => this.step(1)),
      button("list", t("hit_list"), () => app.extras.panels.open("find")), button("close", t("end_search"), () => this.end()));
    need("panes").append(this.bar);
    this.leave = () => this.end();
    reader.addEventListener("opened", this.leave);
  }

  get isShown() { return !this.bar.hidden; }

  /** @param {string} query */
  async find(query) {
    this.stop();
    Object.assign(this, { query, hits: [], current: -1, looked: 0, error: null, isRunning: true });
    const mine = this.control = new AbortController();
    this.#show();
    try {
      const all = await this.book.search(query, {
        signal: mine.signal, onhits: (hits, about) => { if (mine === this.control) this.#add(hits, about.page); },
      });
      if (mine !== this.control) return;
      this.hits = all;
    } catch (error) {
      if (mine !== this.control) return;
      if (/** @type {Error} */ (error).name !== "AbortError") this.error = error;
    }
    this.isRunning = false;
    if (this.current < 0) this.#begin();
    else this.#show();
  }

  /** @param {Hit[]} hits @param {number} looked */
  #add(hits, looked) {
    this.hits = [...this.hits, ...hits];
    this.looked = looked;
    if (this.current < 0 && hits.some((one) => one.page >= this.reader.state.page)) this.#begin();
    else this.#show();
  }

  /* The first hit from the page that is read on. */
  #begin() {
    if (this.isOver) return;
    const at = this.hits.findIndex((one) => one.page >= Math.min(...this.reader.spread));
    this.go(at >= 0 ? at : this.hits.length ? 0 : -1);
  }

  /** @param {number} by */
  step(by) {
    if (!this.hits.length) return;
    this.go((this.current + by + this.hits.length) % this.hits.length);
  }

  /** @param {number} index */
  go(index) {
    if (this.isOver) return;
    const hit = this.hits[index];
    this.current = index;
    if (hit && !this.reader.spread.includes(hit.page)) this.reader.tell("jumped");
    showHits(this.reader, this.hits, hit || null);
    if (hit) this.app.extras.say(t("hit_said", { n: index + 1, of: this.hits.length, page: this.reader.labelOf(hit.page) }));
    this.#show();
  }

  stop() {
    this.control?.abort();
    this.isRunning = false;
    this.#show();
  }

  /** Away with the hits. */
  end() {
    this.isOver = true;
    this.control?.abort();
    this.control = null;
    this.reader.removeEventListener("opened", this.leave);
    this.bar.remove();
    if (this.reader.state.book) showHits(this.reader, []);
    if (this.app.extras.finding === this) this.app.extras.finding = null;
    this.onchange();
  }

  #show() {
    if (this.isOver) return;
    this.bar.hidden = !this.hits.length;
    this.count.textContent = this.hits.length ? `${this.current + 1} / ${this.hits.length}${this.isRunning ? "…" : ""}` : "";
    showHits(this.reader, this.hits, this.reader.hit);
    this.onchange();
  }

  /** How it stands, in words. */
  get told() {
    if (this.error) return t("search_failed");
    if (this.isRunning) return this.looked ? t("searching_at", { page: this.looked, of: this.book.pages.length }) : t("searching");
    if (!this.query) return "";
    return this.hits.length ? t("hits_found", { n: this.hits.length }) : t("none_found", { q: this.query });
  }
}

/** @param {FullApp} app */
function findingOf(app) {
  const { extras, active } = app;
  if (extras.finding && (extras.finding.reader !== active || extras.finding.book !== active.state.book)) extras.finding.end();
  extras.finding ||= new Finding(app, active);
  return extras.finding;
}

/** Fill the panel. @param {FullApp} app @param {HTMLElement} body */
export function fill(app, body) {
  let finding = findingOf(app);
  const input = h("input", {
    id: "query", type: "search", autocomplete: "off", "data-first": "", enterkeyhint: "search", "aria-label": t("search_here"),
    placeholder: t("search_here"), value: finding.query,
  });
  const stop = button("stop", t("stop"), () => finding.stop());
  const told = h("p", { role: "status" });
  const list = h("ol", { class: "lines hits" });
  const again = button("replace", t("again"), () => finding.find(finding.query));
  const asked = h("form", { role: "search", class: "row", onsubmit: (event) => {
    event.preventDefault();
    const query = input.value.trim();
    if (!query) return;
    list.replaceChildren();
    finding = findingOf(app);
    finding.onchange = show;
    finding.find(query);
  } }, input, button("search", t("search"), null, { type: "submit", class: "main" }));
  const elsewhere = button("folder", t("search_everywhere"), () => {
    app.extras.positions.leave();
    location.hash = addressOf({ kind: "search", query: input.value.trim() });
  });

  let most = ROWS; // of the list: nobody reads thousands
  const further = button("down", t("more_rows"), () => { most += ROWS; show(); });

  function show() {
    told.textContent = finding.told;
    stop.hidden = !finding.isRunning;
    again.hidden = !finding.error;
    elsewhere.hidden = !app.reader.state.book?.paper || !finding.query;
    if (list.children.length > finding.hits.length) list.replaceChildren();
    most = Math.max(most, finding.current + 1);
    for (const hit of finding.hits.slice(list.children.length, most)) list.append(row(hit, list.children.length));
    further.hidden = finding.hits.length <= most;
    list.querySelector("[aria-current=true]")?.setAttribute("aria-current", "false");
    list.children[finding.current]?.firstElementChild?.setAttribute("aria-current", "true");
  }

  /** @param {Hit} hit @param {number} index */
  const row = (hit, index) => h("li", {}, h("button", {
    type: "button", class: "line", onclick: () => { app.extras.panels.chosen(); finding.go(index); },
  }, h("span", { class: "small" }, `${t("page_word")} ${finding.reader.labelOf(hit.page)}`),
  h("span", {}, ...snippet(hit.text, finding.query))));

  body.append(asked, h("div", { class: "row" }, told, stop, again), list, further, elsewhere);
  finding.onchange = show;
  show();
  const here = list.querySelector("[aria-current=true]");
  here?.scrollIntoView({ block: "center" });
  return () => { finding.onchange = () => {}; };
}

/** The hits with which a paper was opened from the search over all papers. @param {FullApp} app */
export function takeOver(app) {
  const { marks } = app;
  app.marks = null;
  const reader = app.active;
  if (!marks || reader.state.book?.paper?.id !== marks.paper) return;
  const finding = findingOf(app);
  Object.assign(finding, { query: marks.query, hits: marks.hits });
  const at = marks.hits.findIndex((one) => one.page === reader.state.page);
  finding.go(Math.max(0, at));
  finding.find(marks.query).catch(() => {}); // the others of this paper
}
