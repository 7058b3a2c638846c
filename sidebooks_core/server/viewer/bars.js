/* The bars around the page: buttons with their words, the page number, the slider, the way back. */

/** @import { FitMode, FullApp, IconName, PanelName, Reader, WayBack } from "./types" */

import { isMarked, toggleBookmark } from "./bookmarks.js";
import { ofBook } from "./choices.js";
import { choose, offsetOf } from "./choosing.js";
import { TOP } from "./client.js";
import { button, h, icon, need as $ } from "./elements.js";
import { placeText } from "./numbers.js";
import { addressOf, addressOfKey } from "./place.js";
import { withoutEnding } from "./shelf_list.js";
import { t } from "./words.js";
import { fitTo } from "./zooming.js";

const BADGE_MS = 900;
const TURNS_BACK = 6; // after so many turns nobody wants to go back to where they jumped from

/** @type {[panel: PanelName, text: string, image: IconName][]} */
const TOOLS = [["find", "search", "search"], ["contents", "contents", "contents"], ["pages", "pages_list", "grid"],
  ["bookmarks", "bookmarks", "bookmark"], ["display", "display", "letters"], ["more", "menu", "list"]];

/** @param {string} selector @returns {NodeListOf<HTMLElement>} */
const all = (selector) => document.querySelectorAll(selector);

function fillBars() {
  /** @param {typeof TOOLS[number]} tool */
  const tool = ([panel, text, image]) => h("button", {
    id: `${panel}-button`, type: "button", class: "tool", "data-panel": panel, "aria-expanded": "false",
  }, icon(image), h("span", { "data-t": text }));
  const [header] = all("header");
  const [footer] = all("footer");
  header.append(
    h("button", { id: "back", type: "button", class: "tool" }, icon("left"), h("span", { "data-t": "shelf" })),
    h("h1", { id: "title" }), h("nav", { id: "tools" }, TOOLS.map(tool)),
    h("button", { id: "draw-button", type: "button", class: "tool", "aria-pressed": "false" }, icon("pen"), h("span", { "data-t": "draw" })));
  footer.append(h("div", { id: "places" },
    h("button", { id: "previous", type: "button", class: "step" }, icon("left"), h("span", { "data-t": "previous" })),
    h("input", { id: "position", type: "range", min: 1, value: 1 }),
    h("button", { id: "number", type: "button", "data-panel": "pages", "aria-expanded": "false" }),
    h("button", { id: "next", type: "button", class: "step" }, h("span", { "data-t": "next" }), icon("right"))));
}

export class Bars {
  /** @type {WayBack | null} */
  #wayBack = null;
  #timer = 0;
  #text = "";

  /** @param {FullApp} app */
  constructor(app) {
    this.app = app;
    fillBars();
    this.badge = h("div", { id: "badge", "aria-hidden": "true" });
    this.reveal = h("button", { id: "reveal", type: "button", onclick: () => this.toggle(false) });
    $("reader").prepend(this.reveal);
    $("panes").append(this.badge);
    $("back").onclick = () => {
      const folder = app.reader.state.book?.paper?.folder || TOP;
      app.extras.positions.leave();
      location.hash = addressOf({ kind: "folder", id: folder });
    };
    $("next").onclick = () => app.active.turn(1);
    $("previous").onclick = () => app.active.turn(-1);
    $("draw-button").onclick = () => app.extras.draw();
    let isTaken = false; // by a finger that has not moved it yet
    $("position").oninput = () => {
      if (isTaken) app.active.tell("jumped");
      isTaken = false;
      app.active.goto(Number($("position").value));
    };
    $("position").onpointerdown = () => { isTaken = true; };
    for (const one of all("[data-panel]")) {
      one.onclick = () => app.extras.panels.toggle(/** @type {PanelName} */ (one.dataset.panel), one);
    }
    this.name();
  }

  /** @param {Reader} reader */
  attend(reader) {
    reader.addEventListener("opened", () => { this.forgetWayBack(); this.show(); });
    reader.addEventListener("turned", () => this.#turned(reader));
    reader.addEventListener("refitted", () => {
      this.#label(reader);
      if (reader === this.app.active) this.show();
    });
    reader.addEventListener("settled", () => this.#say(reader));
    reader.addEventListener("tapped", () => this.toggle());
    reader.addEventListener("ended", (event) => {
      const { detail: step } = /** @type {CustomEvent<number>} */ (event);
      this.#flash(t(step < 0 ? "first_page" : "last_page"));
    });
    if (reader.state.book) { this.show(); this.#label(reader); }
  }

  /** Put words on everything, in the present language. */
  name() {
    for (const one of all("[data-t]")) one.textContent = t(one.dataset.t || "");
    for (const one of all(".step")) {
      one.title = t(one.id);
      one.setAttribute("aria-label", t(one.id)); // its word is hidden on phones
    }
    $("position").setAttribute("aria-label", t("position"));
    $("tools").setAttribute("aria-label", t("tools"));
    this.reveal.textContent = t("show_bars");
    if (this.app.reader.state.book) this.show();
    for (const one of this.app.extras.readers) if (one.state.book) this.#label(one);
  }

  /**
   * While a document is on its way: its name, and its cover, which the browser has if it was on the shelf.
   * @param {string} key
   * @param {number | null | undefined} page
   * @param {{name: string} | null} paper
   */
  announce(key, page, paper) {
    const row = [...$("shelf").querySelectorAll("a")].find((one) => one.hash === `#${addressOfKey(key)}`);
    $("title").textContent = paper?.name || row?.querySelector("strong")?.textContent || "";
    $("number").textContent = "";
    if ($("early")) return; // the page itself
    this.app.reader.wipe();
    const cover = row?.querySelector("img");
    const first = page || Number(ofBook("page", key)) || 1;
    if (cover && first === 1) $("canvas").after(Object.assign(new Image(), { id: "early", alt: "", src: cover.currentSrc || cover.src }));
  }

  /** Show what belongs to the reader that is read. */
  show() {
    const reader = this.app.active;
    const { book, page, direction } = reader.state;
    if (!book) return;
    const name = book.paper?.name || withoutEnding(book.name);
    if ($("title").textContent !== name) $("title").textContent = name;
    const text = placeText(reader.spread, book.pages, offsetOf(book.key), t("of"));
    for (const one of this.app.extras.readers) one.stage.classList.toggle("active", one === reader);
    $("number").textContent = text;
    $("number").setAttribute("aria-label", `${t("page_number")}: ${text}`);
    Object.assign($("position"), { max: book.pages.length, value: page, dir: direction });
    $("position").setAttribute("aria-valuetext", text);
    $("places").classList.toggle("rtl", direction === "rtl");
    $("previous").disabled = reader.neighbour(-1) === null;
    $("next").disabled = reader.neighbour(1) === null;
    $("bookmarks-button").classList.toggle("marked", isMarked(reader));
    this.#text = text;
  }

  /** @param {Reader} reader */
  #turned(reader) {
    this.#label(reader);
    if (reader === this.app.active) this.show();
    if (this.#wayBack) {
      this.#wayBack.turns += 1;
      if (this.#wayBack.turns > TURNS_BACK) this.forgetWayBack();
    }
    if (reader.state.turn > 1) this.#flash(this.#text);
  }

  /* A sign that a turn has happened, on pages that look alike. */
  /** @param {string} text */
  #flash(text) {
    this.badge.textContent = text;
    this.badge.classList.add("shown");
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.badge.classList.remove("shown"), BADGE_MS);
  }

  /** @param {Reader} reader */
  #say(reader) { if (reader.state.turn > 1) this.app.extras.say(this.#pagesOf(reader)); }

  /** @param {Reader} reader */
  #pagesOf(reader) { return reader.spread.map(reader.nameOf).join(", "); }

  /* Two papers may be open at the same page. */
  /** @param {Reader} reader */
  #label(reader) {
    const { book } = reader;
    reader.stage.setAttribute("aria-label", `${book.paper?.name || withoutEnding(book.name)}, ${this.#pagesOf(reader)}`);
  }

  /** Hide the bars, or show them: the page has all of the screen then. */
  toggle(isBare = !document.documentElement.hasAttribute("data-bare")) {
    document.documentElement.toggleAttribute("data-bare", isBare);
    choose("bars", isBare ? "none" : "");
    if (isBare) {
      this.app.extras.panels.close();
      const focused = document.activeElement;
      if (!focused || focused.closest("header, footer")) this.app.active.stage.focus({ preventScroll: true });
    }
  }

  /** @param {FitMode} mode */
  setFit(mode) {
    choose("fit", mode);
    for (const one of this.app.extras.readers) if (one.state.book) fitTo(one, mode);
  }

  /** Somebody draws on the page, or reads. @param {boolean} isOn */
  showDrawing(isOn) { $("draw-button").setAttribute("aria-pressed", String(isOn)); }

  bookmark() {
    const reader = this.app.active;
    const isNow = toggleBookmark(reader);
    this.show();
    this.#flash(t(isNow ? "bookmarked" : "bookmark_gone"));
    this.app.extras.say(t(isNow ? "bookmarked" : "bookmark_gone"));
  }

  /** Offer the way back to a page, after a jump. @param {number} page */
  offerWayBack(page) {
    this.forgetWayBack();
    const label = this.app.reader.labelOf(page);
    const made = button("back", t("way_back", { page: label }), () => {
      this.forgetWayBack();
      history.back();
    }, { id: "wayback" });
    $("panes").append(made);
    this.#wayBack = { made, turns: 0 };
  }

  forgetWayBack() {
    this.#wayBack?.made.remove();
    this.#wayBack = null;
  }

  /** The address was gone to: perhaps by the browser's way back. */
  arrived() {
    const from = history.state?.from;
    if (from) this.offerWayBack(from);
    else this.forgetWayBack();
  }
}
