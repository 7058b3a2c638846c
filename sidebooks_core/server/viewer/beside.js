/* Two papers side by side: a second stage beside the first one, or below it on an upright screen. */

import { choices, ofBook } from "./choices.js";
import { button, h } from "./elements.js";
import { Reader } from "./reader.js";
import { t } from "./words.js";

/** The second stage of the screen. */
export function makeBeside(app) {
  const { extras, library } = app;
  let reader = null;
  let pane = null;
  const divider = h("div", { id: "divider" });

  function build() {
    const stage = h("div", { class: "stage", tabindex: "0", role: "region" }, h("canvas", { class: "canvas", "aria-hidden": "true" }), h("div", { class: "text" }));
    const name = h("strong", { class: "grow" });
    pane = h("section", { class: "pane", "aria-label": t("two_papers") }, h("div", { class: "pane-head" }, name, button("close", t("close"), () => beside.close())), stage);
    document.getElementById("panes").append(divider, pane);
    document.getElementById("panes").classList.add("two");
    reader = new Reader(stage, library, choices);
    reader.addEventListener("opened", () => { name.textContent = reader.state.book.paper?.name || reader.state.book.name; });
    extras.adopt(reader);
  }

  const beside = {
    get isOpen() { return Boolean(reader?.state.book); },

    /** "paper=ID/3", for the address. */
    address() { return `${reader.state.book.key}/${reader.state.page}`; },

    /** Open the place of a paper or a document: {kind, id, page}. */
    async open({ kind, id, page }) {
      const paper = kind === "paper" ? await library.json(`/papers/${id}`) : null;
      if (paper && !paper.document) throw Object.assign(new Error(t("unreadable")), { status: 404 });
      if (!reader) build();
      const key = app.keyOf(id, paper);
      const direction = ofBook("direction", key);
      await reader.open(paper ? paper.document.id : id, page || Number(ofBook("page", key)) || 1, { key, paper, ...(direction ? { chosen: direction } : {}) });
      app.active = reader;
      extras.bars.show();
    },

    close() {
      if (!reader) return;
      reader.close();
      pane.remove();
      divider.remove();
      document.getElementById("panes").classList.remove("two");
      [reader, pane] = [null, null];
      app.active = app.reader;
      extras.adopt(null);
      if (!app.reader.state.book) return;
      extras.bars.show();
      app.reader.tell("settled"); // its address has one paper again
    },
  };
  return beside;
}
