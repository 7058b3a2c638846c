/* Two papers side by side: a second stage beside the first one, or below it on an upright screen. */

/** @import { BesidePlace, FullApp, PaperDetails } from "./types" */

import { choices, directionOf, ofBook } from "./choices.js";
import { button, h, need } from "./elements.js";
import { Reader } from "./reader.js";
import { t } from "./words.js";

/** The second stage of the screen. @param {FullApp} app */
export function makeBeside(app) {
  const { extras, library } = app;
  /** @type {{reader: Reader, pane: HTMLElement} | null} */
  let second = null;
  const divider = h("div", { id: "divider" });

  function build() {
    const stage = h("div", { class: "stage", tabindex: "0", role: "region" },
      h("canvas", { class: "canvas", "aria-hidden": "true" }), h("div", { class: "text" }));
    const name = h("strong", { class: "grow" });
    const pane = h("section", { class: "pane", "aria-label": t("two_papers") },
      h("div", { class: "pane-head" }, name, button("close", t("close"), () => beside.close())), stage);
    need("panes").append(divider, pane);
    need("panes").classList.add("two");
    const reader = new Reader(stage, library, choices);
    reader.addEventListener("opened", () => { name.textContent = reader.book.paper?.name || reader.book.name; });
    second = { reader, pane };
    extras.adopt(reader);
    return second;
  }

  const beside = {
    get isOpen() { return Boolean(second?.reader.state.book); },

    /** Whether it is the one of an address. @param {BesidePlace} place */
    shows({ kind, id }) { return Boolean(second) && second?.reader.state.book?.key === (kind === "paper" ? `paper=${id}` : id); },

    /** "paper=ID/3", for the address. */
    address() { return second ? `${second.reader.book.key}/${second.reader.state.page}` : ""; },

    /** Open the place of a paper or a document. @param {BesidePlace} place */
    async open({ kind, id, page }) {
      /** @type {PaperDetails | null} */
      const paper = kind === "paper" ? await library.json(`/papers/${encodeURIComponent(id)}`) : null;
      const document = paper ? paper.document?.id : id;
      if (!document) throw Object.assign(new Error(t("unreadable")), { status: 404 });
      if (!app.reader.state.book) return; // it was left meanwhile
      const mine = second || build();
      const key = app.keyOf(id, paper);
      try {
        await mine.reader.open(document, page || Number(ofBook("page", key)) || 1, { key, paper, chosen: directionOf(key) });
      } catch (error) {
        if (second === mine && !mine.reader.state.book) beside.close();
        throw error;
      }
      app.active = mine.reader;
      extras.bars.show();
    },

    close() {
      if (!second) return;
      if (extras.finding?.reader === second.reader) extras.finding.end();
      extras.positions.keep(second.reader);
      second.reader.close();
      second.pane.remove();
      divider.remove();
      need("panes").classList.remove("two");
      second = null;
      app.active = app.reader;
      extras.adopt(null);
      if (!app.reader.state.book) return;
      extras.bars.show();
      app.reader.tell("settled"); // its address has one paper again
    },
  };
  return beside;
}
