/* The pages of a document as a grid, and the way to one by its number. */

/** @import { CleanUp, FullApp } from "./types" */

import { keepOfBook, offsetOf } from "./choosing.js";
import { deskFor } from "./desks.js";
import { button, field, h, icon } from "./elements.js";
import { hasLabels, pageMeant, printedOf } from "./numbers.js";
import { t } from "./words.js";

const CELL_PX = 116;
const ROW_PX = 190;
const HEAD_PX = 60; // of the panel, under which the grid scrolls
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
    const made = h("button", {
      type: "button", "data-page": page, "aria-current": reader.spread.includes(page) ? "page" : null,
      onclick: () => { app.extras.panels.chosen(); reader.jump(page); },
    }, image, h("span", {}, name && name !== String(page) ? `${name} (${page})` : String(page)));
    sign(made);
    return made;
  };
  /** Say whether somebody has marks of their own on its page. @param {HTMLElement} made */
  const sign = (made) => {
    const isOwn = deskFor(reader)?.ownPages.has(Number(made.dataset.page)) ?? false;
    const there = made.querySelector(".own");
    if (isOwn && !there) made.append(h("span", { class: "own" }, icon("pen"), h("span", { class: "unseen" }, t("page_has_marks"))));
    else if (!isOwn) there?.remove();
  };
  const signAll = () => { for (const one of grid.querySelectorAll("button")) sign(one); };
  reader.addEventListener("marked", signAll);
  body.append(asked, wrong, setting, grid);
  const pages = { count: book.pages.length, current: shown, cell };
  const end = fillVisible(grid, pages, /** @type {HTMLElement} */ (body.closest("#side")));
  return () => {
    reader.removeEventListener("marked", signAll);
    end();
  };
}

/**
 * The page that a key leads to in a grid; the same one at its ends, null if the key leads nowhere. Pure.
 * @param {number} page
 * @param {string} key as the browser names it
 * @param {number} columns
 * @param {number} count
 */
export function pageTowards(page, key, columns, count) {
  const isLastRow = Math.ceil(page / columns) === Math.ceil(count / columns);
  /** @type {{[key: string]: number}} */
  const wanted = {
    ArrowRight: page + 1, ArrowLeft: page - 1, ArrowUp: page > columns ? page - columns : page, ArrowDown: isLastRow ? page : page + columns,
    Home: 1, End: count,
  };
  return key in wanted ? Math.max(1, Math.min(count, wanted[key])) : null;
}

/**
 * Only the rows that are seen are there: a book may have ten thousand pages. As many columns as there is room for now.
 * @param {HTMLElement} grid
 * @param {{count: number, current: number, cell: (page: number) => HTMLElement}} pages
 * @param {HTMLElement} scroller
 * @returns {CleanUp}
 */
function fillVisible(grid, { count, current, cell }, scroller) {
  /** @type {Map<number, HTMLElement>} */
  const rows = new Map();
  let columns = 0;
  const total = () => Math.ceil(count / columns);
  /** @param {number} page */
  const rowOf = (page) => Math.floor((page - 1) / columns);
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
    const to = Math.min(total() - 1, Math.ceil((top + scroller.clientHeight) / ROW_PX) + MORE_ROWS);
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
  /** Bring the row of a page into the middle. @param {number} page */
  const scrollToPage = (page) => {
    scroller.scrollTop = rowOf(page) < 2 ? 0 : grid.offsetTop + rowOf(page) * ROW_PX - scroller.clientHeight / 2;
    show();
  };
  /** The page that has the focus, or 0. */
  const focused = () => (grid.contains(document.activeElement) ? Number(/** @type {HTMLElement} */ (document.activeElement).dataset.page) : 0);
  /** @param {number} page */
  const focus = (page) => {
    const index = rowOf(page);
    const top = grid.offsetTop + index * ROW_PX;
    if (top < scroller.scrollTop + HEAD_PX || top + ROW_PX > scroller.scrollTop + scroller.clientHeight) scrollToPage(page);
    /** @type {HTMLElement | null | undefined} */
    const button = rows.get(index)?.querySelector(`[data-page="${page}"]`);
    button?.focus({ preventScroll: true });
  };
  /* After the tablet is turned, or the panel has another width, the same pages are in sight. */
  const arrange = () => {
    const now = Math.max(1, Math.floor(grid.clientWidth / CELL_PX));
    if (now === columns) return;
    const middle = Math.max(0, scroller.scrollTop + scroller.clientHeight / 2 - grid.offsetTop);
    const [page, seen] = [focused(), columns ? 1 + columns * Math.floor(middle / ROW_PX) : current];
    columns = now;
    for (const made of rows.values()) made.remove();
    rows.clear();
    grid.style.height = `${total() * ROW_PX}px`;
    scrollToPage(page || Math.min(count, seen));
    if (page) focus(page);
  };
  /** @param {KeyboardEvent} event */
  const onkey = (event) => {
    const page = focused();
    const there = page && pageTowards(page, event.key, columns, count);
    if (!there || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation(); // else the page beside turns
    focus(there);
  };
  arrange();
  const watching = new ResizeObserver(arrange);
  watching.observe(grid);
  scroller.addEventListener("scroll", show);
  grid.addEventListener("keydown", onkey);
  return () => {
    watching.disconnect();
    scroller.removeEventListener("scroll", show);
  };
}
