/* The contents of a document: chapters that open, with their pages, and the one that is read. */

import { button, h, icon } from "./elements.js";
import { t } from "./words.js";

const OPEN_AT_MOST = 40; // with more lines than these, only the chapter that is read is open

export const title = "contents";

/** The outline as a tree: [{title, page, uri, children}…]. Pure. outline: [{level, title, page, uri}…], levels from 1. */
export function treeOf(outline) {
  const top = { children: [] };
  const way = [top];
  for (const one of outline) {
    const depth = Math.max(1, Math.min(one.level, way.length));
    const made = { ...one, children: [] };
    way.length = depth;
    way[depth - 1].children.push(made);
    way[depth] = made;
  }
  return top.children;
}

/** The last entry that begins at or before a page: its index in the outline, or -1. Pure. */
export function currentOf(outline, page) {
  let [best, at] = [-1, 0];
  outline.forEach((one, index) => { if (one.page && one.page <= page && one.page >= at) [best, at] = [index, one.page]; });
  return best;
}

/** Fill the panel. */
export async function fill(app, body) {
  const reader = app.active;
  const { book } = reader.state;
  body.append(h("p", { role: "status" }, t("loading")));
  const outline = await book.outline().catch((error) => { app.extras.fail(error); return []; });
  if (!outline.length) {
    body.replaceChildren(h("p", {}, t("no_contents")), button("whole", t("pages_list"), () => app.extras.panels.open("pages")));
    return null;
  }
  const current = outline[currentOf(outline, Math.max(...reader.spread))];
  const isShort = outline.length <= OPEN_AT_MOST;
  let here = null;
  const holds = (one) => isCurrent(one) || one.children.some(holds);
  const isCurrent = (one) => Boolean(current) && one.title === current.title && one.page === current.page && one.level === current.level;
  const line = (one) => {
    const made = h("button", { type: "button", class: "line", disabled: !one.page, "aria-current": isCurrent(one) ? "location" : null, onclick: () => { app.extras.panels.chosen(); reader.jump(one.page); } },
      h("span", { class: "grow" }, one.title), one.page && h("span", { class: "small" }, one.page <= book.pages.length ? reader.labelOf(one.page) : one.page));
    if (isCurrent(one)) here = made;
    if (!one.children.length) return h("li", {}, made);
    const list = h("ul", {}, one.children.map(line));
    const opens = h("button", { type: "button", class: "opens", "aria-expanded": String(isShort || holds(one)), "aria-label": t("open_chapter", { name: one.title }), onclick: () => {
      list.hidden = !list.hidden;
      opens.setAttribute("aria-expanded", String(!list.hidden));
    } }, icon("right"));
    list.hidden = !(isShort || holds(one));
    return h("li", { class: "chapter" }, h("div", { class: "head" }, opens, made), list);
  };
  body.replaceChildren(h("ul", { class: "lines tree" }, treeOf(outline).map(line)));
  if (here) {
    here.dataset.first = "";
    here.scrollIntoView({ block: "center" });
  }
  return null;
}
