/* The pages of a document as a grid, and the way to one by its number. */

/** @import { CleanUp, FullApp } from "./types" */

import { keepOfBook, offsetOf } from "./choosing.js";
import { button, field, h } from "./elements.js";
import { hasLabels, pageMeant, printedOf } from "./numbers.js";
import { t } from "./words.js";

const CELL_PX = 116;
const ROW_PX = 190;
const MORE_ROWS = 2; // above and below what is seen

export const title = "pages_list";

/** Fill the panel. @param {FullApp} app @param {HTMLElement} body */
export function fill(app, body) {
  const reader = app.active;
  const { book } = reader;
  const offset = () => offsetOf(book.key);

  const number = field(t("go_to_page"), {
    inputmode: hasLabels(book.pages) ? "text" : "numeric", autocomplete: "off", "data-first": "", enterkeyhint: "go",
  });
  const wrong = h("p", { class: "error", role: "alert" });
  const asked = h("form", { class: "row", onsubmit: (event) => {
    event.preventDefault();
    const page = pageMeant(number.input.value, book.pages, offset());
    wrong.textContent = page ? "" : t("no_such_page", { n: book.pages.length });
    if (!page) { number.input.select(); return; }
    app.extras.panels.chosen();
    reader.jump(page);
  } }, number, button(null, t("go"), null, { type: "submit", class: "main" }));

  const { page: shown } = reader.state;
  const printed = field(t("printed_here", { n: shown }), {
    inputmode: "numeric", autocomplete: "off", value: printedOf(shown, book.pages, offset()),
  });
  const setting = h("details", {}, h("summary", {}, t("printed_numbers")), h("p", {}, t("printed_about")), h("form", {
    class: "row",
    onsubmit: (event) => {
      event.preventDefault();
      const told = printed.input.value.normalize("NFKC").replace(/\D/g, "");
      keepOfBook("offset", book.key, told ? shown - Number(told) : "");
      app.extras.bars.show();
      app.extras.panels.open("pages");
    },
  }, printed, button("done", t("save"), null, { type: "submit" })));

  const grid = h("ol", { class: "page-grid" });
  /** @param {number} page */
  const cell = (page) => {
    const one = book.pages[page - 1];
    const address = `${app.library.base}/documents/${book.id}/pages/${page}/preview`;
    const image = h("img", { alt: "", decoding: "async", src: one.is_withheld ? null : address });
    image.style.aspectRatio = `${one.width_pt} / ${one.height_pt}`;
    image.onerror = () => { image.removeAttribute("src"); };
    const name = printedOf(page, book.pages, offset());
    return h("button", {
      type: "button", "aria-current": reader.spread.includes(page) ? "page" : null,
      onclick: () => { app.extras.panels.chosen(); reader.jump(page); },
    }, image, h("span", {}, name && name !== String(page) ? `${name} (${page})` : String(page)));
  };
  body.append(asked, wrong, setting, grid);
  const pages = { count: book.pages.length, current: shown, cell };
  return fillVisible(grid, pages, /** @type {HTMLElement} */ (body.closest("#side")));
}

/**
 * Only the rows that are seen are there: a book may have ten thousand pages.
 * @param {HTMLElement} grid
 * @param {{count: number, current: number, cell: (page: number) => HTMLElement}} pages
 * @param {HTMLElement} scroller
 * @returns {CleanUp}
 */
function fillVisible(grid, { count, current, cell }, scroller) {
  /** @type {Map<number, HTMLElement>} */
  const rows = new Map();
  const columns = Math.max(1, Math.floor(grid.clientWidth / CELL_PX));
  const total = Math.ceil(count / columns);
  grid.style.height = `${total * ROW_PX}px`;
  /** @param {number} index */
  const row = (index) => {
    const first = index * columns + 1;
    const made = h("li", {}, Array.from({ length: Math.min(columns, count - first + 1) }, (_, at) => cell(first + at)));
    made.style.cssText = `top:${index * ROW_PX}px;height:${ROW_PX}px;grid-template-columns:repeat(${columns},1fr)`;
    return made;
  };
  const show = () => {
    const top = scroller.scrollTop - grid.offsetTop;
    const from = Math.max(0, Math.floor(top / ROW_PX) - MORE_ROWS);
    const to = Math.min(total - 1, Math.ceil((top + scroller.clientHeight) / ROW_PX) + MORE_ROWS);
    for (const [index, made] of rows) {
      if ((index >= from && index <= to) || made.contains(document.activeElement)) continue;
      made.remove();
      rows.delete(index);
    }
    for (let index = from; index <= to; index += 1) {
      if (rows.has(index)) continue;
      const made = row(index);
      rows.set(index, made);
      const after = [...rows.keys()].filter((one) => one > index).sort((one, other) => one - other)[0];
      grid.insertBefore(made, rows.get(after) || null);
    }
  };
  scroller.scrollTop = grid.offsetTop + Math.floor((current - 1) / columns) * ROW_PX - scroller.clientHeight / 2;
  if (Math.ceil(current / columns) <= 2) scroller.scrollTop = 0;
  show();
  scroller.addEventListener("scroll", show);
  return () => scroller.removeEventListener("scroll", show);
}
