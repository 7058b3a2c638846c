/* The contents of a document: chapters that open, with their pages, and the one that is read. */

/** @import { FullApp, OutlineEntry } from "./types" */

import { button, h, icon } from "./elements.js";
import { t } from "./words.js";

const OPEN_AT_MOST = 40; // with more lines than these, only the chapter that is read is open

export const title = "contents";

/** @typedef {OutlineEntry & {children: Chapter[]}} Chapter */

/** The outline as a tree. Pure. @param {OutlineEntry[]} outline levels from 1 */
export function treeOf(outline) {
  /** @type {{children: Chapter[]}} */
  const top = { children: [] };
  const way = [top];
  for (const one of outline) {
    const depth = Math.max(1, Math.min(one.level, way.length));
    /** @type {Chapter} */
    const made = { ...one, children: [] };
    way.length = depth;
    way[depth - 1].children.push(made);
    way[depth] = made;
  }
  return top.children;
}

/**
 * The last entry that begins at or before a page: its index in the outline, or -1. Pure.
 * @param {OutlineEntry[]} outline
 * @param {number} page
 */
export function currentOf(outline, page) {
  let [best, at] = [-1, 0];
  outline.forEach((one, index) => { if (one.page && one.page <= page && one.page >= at) [best, at] = [index, one.page]; });
  return best;
}

/** Fill the panel. @param {FullApp} app @param {HTMLElement} body */
export async function fill(app, body) {
  const reader = app.active;
  const { book } = reader;
  body.append(h("p", { role: "status" }, t("loading")));
  const outline = await book.outline().catch((error) => { app.extras.fail(error); return /** @type {OutlineEntry[]} */ ([]); });
  if (!outline.length) {
    body.replaceChildren(h("p", {}, t("no_contents")), button("whole", t("pages_list"), () => app.extras.panels.open("pages")));
    return null;
  }
  /** @type {OutlineEntry | undefined} */
  const current = outline[currentOf(outline, Math.max(...reader.spread))];
  const isShort = outline.length <= OPEN_AT_MOST;
  /** @type {HTMLElement[]} */
  const here = [];
  /** @param {Chapter} one @returns {boolean} */
  const holds = (one) => isCurrent(one) || one.children.some(holds);
  /** @param {Chapter} one */
  const isCurrent = (one) => current?.title === one.title && one.page === current.page && one.level === current.level;
  /** @param {Chapter} one @returns {HTMLElement} */
  const line = (one) => {
    const { page } = one;
    const label = page && (page <= book.pages.length ? reader.labelOf(page) : String(page));
    const made = h("button", {
      type: "button", class: "line", disabled: !page, "aria-current": isCurrent(one) ? "location" : null,
      onclick: () => { if (page) { app.extras.panels.chosen(); reader.jump(page); } },
    }, h("span", { class: "grow" }, one.title), label ? h("span", { class: "small" }, label) : null);
    if (isCurrent(one)) here.push(made);
    if (!one.children.length) return h("li", {}, made);
    const list = h("ul", {}, one.children.map(line));
    const opens = h("button", {
      type: "button", class: "opens", "aria-expanded": String(isShort || holds(one)), "aria-label": t("open_chapter", { name: one.title }),
      onclick: () => {
        list.hidden = !list.hidden;
        opens.setAttribute("aria-expanded", String(!list.hidden));
      },
    }, icon("right"));
    list.hidden = !(isShort || holds(one));
    return h("li", { class: "chapter" }, h("div", { class: "head" }, opens, made), list);
  };
  body.replaceChildren(h("ul", { class: "lines tree" }, treeOf(outline).map(line)));
  const last = here.pop();
  if (last) {
    last.dataset.first = "";
    last.scrollIntoView({ block: "center" });
  }
  return null;
}
