/* The panel beside the page: one at a time, with a heading and a way out. What is in it comes from a module of its own. */

/** @import { CleanUp, FullApp, PanelModule } from "./types" */

import { button, h, need as $ } from "./elements.js";
import { t } from "./words.js";

/** @typedef {"find" | "contents" | "pages" | "bookmarks" | "display" | "more" | "help" | "beside" | "marks" | "mark"} PanelName */

/** @type {{[N in PanelName]: () => Promise<PanelModule>}} */
const MODULES = {
  find: () => import("./finding.js"), contents: () => import("./contents.js"), pages: () => import("./page_grid.js"),
  bookmarks: () => import("./bookmarks.js"), display: () => import("./display.js"), more: () => import("./menu.js"),
  help: () => import("./help.js"), beside: () => import("./beside_choice.js"),
  marks: () => import("./marks_panel.js"), mark: () => import("./marks_sheet.js"),
};
const WIDE_PX = 1100; // from here on a panel stays open when something in it was chosen

export class Panels {
  /** @type {PanelName | ""} */
  #name = "";
  /** @type {HTMLElement | null} */
  #opener = null;
  /** @type {CleanUp | null} */
  #cleanUp = null;
  #asked = 0;

  /** @param {FullApp} app */
  constructor(app) {
    this.app = app;
    this.heading = h("h2", { tabindex: "-1" });
    this.body = h("div", { class: "body" });
    this.side = h("section", { id: "side", "aria-labelledby": "side-heading", hidden: true });
    this.heading.id = "side-heading";
    $("panes").after(this.side);
  }

  get isOpen() { return !this.side.hidden; }

  /** @param {PanelName} name @param {HTMLElement} opener */
  async toggle(name, opener) {
    if (this.isOpen && this.#name === name) this.close();
    else await this.open(name, opener);
  }

  /** @param {PanelName} name */
  async open(name, opener = /** @type {HTMLElement | null} */ (document.activeElement)) {
    this.#asked += 1;
    const mine = this.#asked;
    const module = await MODULES[name]().catch((error) => { this.app.extras.fail(error); return null; });
    if (!module || mine !== this.#asked || !this.app.reader.state.book) return;
    if (!this.isOpen) this.#opener = opener;
    this.#cleanUp?.();
    this.app.extras.notices.endHint();
    this.#name = name;
    if (document.documentElement.hasAttribute("data-bare")) this.app.extras.bars.toggle(false);
    this.heading.textContent = t(module.title);
    this.body = h("div", { class: "body" });
    this.side.replaceChildren(h("div", { class: "head" }, this.heading, button("close", t("close"), () => this.close())), this.body);
    this.side.dataset.panel = name;
    this.side.hidden = false;
    $("reader").classList.add("docked");
    this.#mark();
    this.#cleanUp = null;
    const before = document.activeElement;
    const cleanUp = (await module.fill(this.app, this.body)) || null;
    if (mine !== this.#asked) { cleanUp?.(); return; }
    this.#cleanUp = cleanUp;
    if (document.activeElement !== before) return; // the reader has gone on meanwhile
    /** @type {HTMLElement | null} */
    const first = this.body.querySelector("[data-first]");
    (first || this.heading).focus({ preventScroll: true });
  }

  #mark() {
    /** @type {NodeListOf<HTMLElement>} */
    const marked = document.querySelectorAll("[data-panel]");
    for (const one of marked) {
      if (one !== this.side) one.setAttribute("aria-expanded", String(this.isOpen && one.dataset.panel === this.#name));
    }
  }

  close() {
    if (!this.isOpen) return;
    this.#asked += 1;
    this.#cleanUp?.();
    this.#cleanUp = null;
    const hadFocus = this.side.contains(document.activeElement);
    this.side.hidden = true;
    $("reader").classList.remove("docked");
    this.side.replaceChildren();
    this.#mark();
    const opener = this.#opener?.isConnected && this.#opener.offsetParent ? this.#opener : this.app.active.stage;
    if (hadFocus) opener.focus({ preventScroll: true });
  }

  /** Something in the panel was chosen: it goes if it lies over the page. */
  chosen() {
    if (innerWidth >= WIDE_PX) return;
    this.#opener = null; // the page has the focus now
    this.close();
  }

  /** Somebody touched the page: a panel that lies over it goes. Returns whether there was one. */
  closeIfOver() {
    const isOver = this.isOpen && innerWidth < WIDE_PX;
    if (isOver) this.close();
    return isOver;
  }

  /** Escape: out of the panel, else out of the search, else the bars come back. */
  leave() {
    if (this.isOpen) this.close();
    else if (this.app.extras.finding?.isShown) this.app.extras.finding.end();
    else this.app.extras.bars.toggle(false);
  }

  /** In another language. */
  refill() { if (this.isOpen && this.#name) this.open(this.#name); }
}
