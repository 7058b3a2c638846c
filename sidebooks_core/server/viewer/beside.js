/* Two papers side by side: a second stage beside the first one, or below it on an upright screen. Each has its name over it, and what
   becomes of it is told there. */

/** @import { BesidePlace, CleanUp, FullApp, PaperDetails } from "./types" */

import { aboutOf, choices, ofBook } from "./choices.js";
import { button, h, need } from "./elements.js";
import { News } from "./notices.js";
import { keyOf } from "./place.js";
import { placeShown } from "./positions.js";
import { Reader } from "./reader.js";
import { withoutEnding } from "./shelf_list.js";
import { t } from "./words.js";

/** The second stage of the screen. @param {FullApp} app */
export function makeBeside(app) {
  const { extras, library } = app;
  const { notices } = extras;
  /** @type {{reader: Reader, end: CleanUp} | null} */
  let second = null;
  let opening = 0; // what is asked for later, or a pane that is closed, ends what is on its way

  /**
   * A pane around a stage: the name of what it shows, buttons, its news.
   * @param {Reader} reader
   * @param {() => HTMLElement[]} closing makes its buttons, in the present language
   * @param {AbortSignal} signal ends it
   */
  function paneOf(reader, closing, signal) {
    const name = h("strong", { class: "grow" });
    const buttons = h("span", {}, closing());
    const head = h("div", { class: "pane-head" }, name, buttons);
    const news = new News({ class: "notice pane-news" });
    const pane = h("section", { class: reader === app.reader ? "first-pane" : "pane" }, head, news.element);
    notices.panes.set(reader, news);
    const tell = () => {
      if (!reader.state.book) return;
      name.textContent = reader.book.paper?.name || withoutEnding(reader.book.name);
      pane.setAttribute("aria-label", name.textContent);
    };
    for (const told of ["opened", "renamed"]) reader.addEventListener(told, tell, { signal });
    reader.addEventListener("opened", () => news.hide(), { signal });
    reader.addEventListener("retold", () => buttons.replaceChildren(...closing()), { signal });
    tell();
    return pane;
  }

  /* In its place in the page an element keeps the focus; moved, it loses it. */
  /** @param {() => void} move */
  function keepingFocus(move) {
    const focused = document.activeElement;
    move();
    if (focused instanceof HTMLElement && document.activeElement !== focused) focused.focus({ preventScroll: true });
  }

  function build() {
    const ending = new AbortController();
    const stage = h("div", { class: "stage", tabindex: "0", role: "region" },
      h("canvas", { class: "canvas", "aria-hidden": "true" }), h("div", { class: "text" }));
    const reader = new Reader(stage, library, choices);
    const first = paneOf(app.reader, () => [], ending.signal);
    const pane = paneOf(reader, () => [button("close", t("close"), () => beside.close())], ending.signal);
    const divider = h("div", { id: "divider" });
    keepingFocus(() => {
      app.reader.stage.before(first);
      first.append(app.reader.stage);
    });
    pane.append(stage);
    first.after(divider, pane);
    need("panes").classList.add("two");
    const end = () => {
      ending.abort();
      notices.panes.clear();
      keepingFocus(() => first.replaceWith(app.reader.stage));
      pane.remove();
      divider.remove();
      need("panes").classList.remove("two");
    };
    second = { reader, end };
    extras.adopt(reader);
    return second;
  }

  /* The first paper is the one that is read again, and the address has it alone. */
  function readFirst() {
    app.active = app.reader;
    if (!app.reader.state.book) return;
    extras.bars.show();
    extras.paintStrip();
    app.reader.tell("settled");
  }

  const beside = {
    get isOpen() { return Boolean(second?.reader.state.book); },

    /** Whether it is the one of an address. @param {BesidePlace} place */
    shows({ kind, id }) { return second?.reader.state.book?.key === keyOf(kind, id); },

    /** For the address; null if there is none. */
    place() { return second?.reader.state.book ? placeShown(second.reader) : null; },

    /** Open the place of a paper or a document. @param {BesidePlace} place */
    async open({ kind, id, page }) {
      const turn = opening += 1;
      /** @type {PaperDetails | null} */
      const paper = kind === "paper" ? await library.json(`/papers/${encodeURIComponent(id)}`) : null;
      if (opening !== turn || !app.reader.state.book) return; // it was left meanwhile
      const document = paper ? paper.document?.id : id;
      if (!document) throw Object.assign(new Error(t("unreadable")), { status: 404 });
      const mine = second || build();
      const key = keyOf(kind, id);
      try {
        await mine.reader.open(document, page || Number(ofBook("page", key)) || 1, aboutOf(key, paper));
      } catch (error) {
        if (opening !== turn) return;
        if (!mine.reader.state.book) beside.close();
        throw error;
      }
      app.active = mine.reader;
      extras.bars.show();
    },

    /** What it showed is there no longer: its pane stays, and says so. */
    empty() {
      if (!second) return;
      if (extras.finding?.reader === second.reader) extras.finding.end();
      for (const one of second.reader.stage.querySelectorAll(".notice")) one.remove();
      second.reader.wipe();
      readFirst();
    },

    close() {
      opening += 1;
      if (!second) return;
      if (extras.finding?.reader === second.reader) extras.finding.end();
      extras.positions.keep(second.reader);
      second.reader.close();
      second.end();
      second = null;
      extras.adopt(null);
      readFirst();
    },
  };
  return beside;
}
