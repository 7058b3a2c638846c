/* The panel with all marks of a paper: by page, with their words; what is searched in them, and which are shown on the page. */

/** @import { CleanUp, FullApp, PlacedMark } from "./types" */
/** @import { Desk } from "./marks_desk.js" */
/** @import { Group, Row } from "./marks_groups.js" */

import { button, h, icon, searchField } from "./elements.js";
import { deskFor } from "./desks.js";
import { toolButtons } from "./marks_choice.js";
import { GROUPS, groupOf, hasWords, isGroupShown, rowsOf, showGroup, textOf } from "./marks_groups.js";
import { marksAddress, mayExport } from "./marks_files.js";
import { oldPage } from "./marks_old.js";
import { kindName } from "./marks_sheet.js";
import { snippet } from "./snippet.js";
import { t } from "./words.js";

const ROWS = 100; // of the list at once
const MOST_WORDS = 160; // characters of a mark in its row

export const title = "my_marks";

/** What the list is limited to, as long as the page is open. @type {{group: Group | "", query: string}} */
const wanted = { group: "", query: "" };

/** @type {{[kind: string]: import("./elements.js").IconName}} */
const SIGNS = { ink: "pen", highlight: "highlight", underline: "underline", strikeout: "strikeout", note: "note", stamp: "stamp",
  bookmark: "bookmark" };

/** Fill the panel. @param {FullApp} app @param {HTMLElement} body @returns {CleanUp | null} */
export function fill(app, body) {
  const reader = app.active;
  const found = deskFor(reader);
  if (!found) {
    body.append(h("p", {}, t("marks_none")));
    return null;
  }
  const desk = found;
  let most = ROWS;
  const list = h("div", { class: "marks-list" });
  const told = h("p", { role: "status", class: "small" });
  const further = button("down", t("more_rows"), () => { most += ROWS; show(); });
  const search = searchField(t("marks_search"), { value: wanted.query, enterkeyhint: "search", oninput: () => {
    wanted.query = search.value.trim();
    most = ROWS;
    show();
  } });
  const filter = h("div", { class: "choice", role: "group", "aria-label": t("marks_filter") });
  const shown = h("fieldset", { class: "shown" });
  const tools = toolButtons(app, () => app.extras.panels.chosen());
  const add = button("note", t("marks_add_note"), () => { noteHere(desk).catch((error) => app.extras.fail(error)); });

  const show = () => {
    const all = desk.marks.all();
    const groups = GROUPS.filter((one) => one === "mine" || all.some((placed) => groupOf(placed) === one));
    if (wanted.group && !groups.includes(wanted.group)) wanted.group = "";
    const rows = rowsOf(all.filter((one) => (!wanted.group || groupOf(one) === wanted.group) && hasWords(one, wanted.query)));
    fillFilter(filter, groups, show);
    fillShown(shown, groups, desk);
    search.hidden = !all.length;
    told.textContent = rows.length ? t(rows.length === 1 ? "marks_one" : "marks_count", { n: rows.length })
      : !all.length ? t("marks_none") : wanted.query ? t("marks_none_match", { q: wanted.query }) : t("marks_none_of");
    refill(list, sections(app, desk, rows.slice(0, most)));
    further.hidden = rows.length <= most;
  };
  body.append(h("div", { class: "buttons tools" }, tools, add), search, filter, told, list, further, shown, exported(app, desk) || "");
  show();
  const unsubscribe = desk.marks.subscribe(show);
  reader.addEventListener("marks-shown", show);
  return () => {
    unsubscribe();
    reader.removeEventListener("marks-shown", show);
  };
}

/** Put a note near the upper right corner of the page that is read. @param {Desk} desk */
export async function noteHere(desk) {
  const { page } = desk.reader.state;
  const { width_pt } = desk.book.pages[page - 1];
  await desk.addNote(page, width_pt - 36, 36);
}

/** @param {HTMLElement} filter @param {readonly Group[]} groups @param {() => void} changed */
function fillFilter(filter, groups, changed) {
  filter.hidden = groups.length < 2;
  const names = { "": t("filter_all"), mine: t("filter_mine"), shared: t("filter_shared"), collected: t("filter_collected") };
  const keys = /** @type {(Group | "")[]} */ (["", ...groups]);
  if (filter.dataset.groups === keys.join(" ")) {
    for (const one of filter.querySelectorAll("button")) one.setAttribute("aria-pressed", String(one.dataset.group === wanted.group));
    return;
  }
  filter.dataset.groups = keys.join(" ");
  filter.replaceChildren(...keys.map((group) => h("button", {
    type: "button", "data-group": group, "aria-pressed": String(group === wanted.group),
    onclick: () => { wanted.group = group; changed(); },
  }, names[group])));
}

/** @param {HTMLElement} fields @param {readonly Group[]} groups @param {Desk} desk */
function fillShown(fields, groups, desk) {
  const keyNow = () => groups.map((one) => `${one} ${isGroupShown(one)}`).join(" ");
  if (fields.dataset.groups === keyNow()) return;
  fields.dataset.groups = keyNow();
  const names = { mine: t("shown_mine"), shared: t("shown_shared"), collected: t("shown_collected") };
  fields.replaceChildren(h("legend", {}, t("marks_shown")), ...groups.map((group) => {
    const box = h("input", { type: "checkbox", checked: isGroupShown(group), onchange: () => {
      showGroup(group, box.checked);
      fields.dataset.groups = keyNow(); // the box that has the focus stays
      for (const one of desk.app.extras.readers) if (one.state.book) one.tell("marks-shown");
    } });
    return h("label", { class: "check" }, box, h("span", {}, names[group]));
  }));
}

/** Rows under the pages that they stand on. @param {FullApp} app @param {Desk} desk @param {Row[]} rows @returns {HTMLElement[]} */
function sections(app, desk, rows) {
  /** @type {Map<number | null, Row[]>} */
  const byPage = new Map();
  for (const row of rows) byPage.set(row.placed.page, [...(byPage.get(row.placed.page) || []), row]);
  return [...byPage].map(([page, there]) => h("section", { "data-key": `page ${page}` }, page === null
    ? h("h3", {}, t("marks_removed_pages")) : pageHead(app, desk, page),
  h("ul", {}, there.map((row) => rowOf(app, desk, row)))));
}

/** @param {FullApp} app @param {Desk} desk @param {number} page */
function pageHead(app, desk, page) {
  const { reader, book } = desk;
  const one = book.pages[page - 1];
  const image = h("img", { alt: "", decoding: "async", loading: "lazy",
    src: one.is_withheld ? null : `${app.library.base}/documents/${book.id}/pages/${page}/preview` });
  image.style.aspectRatio = `${one.width_pt} / ${one.height_pt}`;
  image.onerror = () => { image.removeAttribute("src"); };
  const name = `${t("page_word")} ${reader.labelOf(page)}`;
  return h("h3", {}, h("button", {
    type: "button", class: "line page-line", "data-at": `page ${page}`, onclick: () => { app.extras.panels.chosen(); reader.jump(page); },
  }, image, h("span", {}, name)));
}

/** @param {FullApp} app @param {Desk} desk @param {Row} row */
function rowOf(app, desk, { placed, ids }) {
  const { mark, kind, page } = placed;
  const body = /** @type {import("./types").MarkBody} */ (mark.body);
  const words = textOf(body) || mark.anchor.quote || "";
  const quoted = textOf(body) && mark.anchor.quote ? mark.anchor.quote : "";
  const sign = icon(SIGNS[body.kind]);
  const isLight = body.kind === "highlight" || body.kind === "note";
  if ("colour" in body) Object.assign(sign.style, isLight ? { background: body.colour, color: "#1c1c1c" } : {});
  const short = (/** @type {string} */ text) => ([...text].length > MOST_WORDS ? `${[...text].slice(0, MOST_WORDS).join("")}…` : text);
  const found = wanted.query ? snippet(short(words), wanted.query) : short(words);
  const audience = mark.visibility === "shared" ? t("is_shared") : mark.visibility === "collected" ? t("is_collected") : "";
  const about = [body.kind === "ink" && ids.length > 1 ? t("ink_count", { n: ids.length }) : kindName(body),
    placed.isMine ? audience : t("mark_from", { name: mark.owner || "" })].filter(Boolean).join(" · ");
  const open = () => {
    if (page !== null && !desk.reader.spread.includes(page)) desk.reader.jump(page);
    desk.show(mark.id, "look", ids).catch((error) => app.extras.fail(error));
  };
  return h("li", { "data-key": mark.id, "data-kind": body.kind, "data-fate": kind },
    h("button", { type: "button", class: "line", "data-at": mark.id, onclick: open }, sign, h("span", { class: "grow" },
      h("span", { class: "small" }, about), words && h("span", { class: "words" }, found),
      quoted && h("q", { class: "small" }, short(quoted)),
      kind === "changed" && h("span", { class: "flag" }, icon("warning"), h("span", {}, t("page_changed"))))),
    kind !== "exact" && oldPage(app.library, desk.book, mark));
}

/** Files with marks, for those who may have them. @param {FullApp} app @param {Desk} desk */
function exported({ library }, { book }) {
  if (!book.paper?.may.includes("keep_marks")) return h("p", { class: "small" }, t("marks_kept_here"));
  if (!mayExport(book)) return null;
  /** @type {(whose: "mine" | "all", text: string) => HTMLElement} */
  const link = (whose, text) => h("a", { class: "button", href: marksAddress(library, book, whose), download: true },
    icon("download"), h("span", {}, text));
  return h("div", { class: "menu" }, link("mine", t("marks_pdf")), link("all", t("marks_pdf_all")));
}

/** Other rows in the list: whoever was at one is there again. @param {HTMLElement} list @param {HTMLElement[]} sections */
function refill(list, sections) {
  const at = list.contains(document.activeElement) ? /** @type {HTMLElement} */ (document.activeElement).dataset.at : undefined;
  list.replaceChildren(...sections);
  if (at === undefined) return;
  /** @type {NodeListOf<HTMLElement>} */
  const stops = list.querySelectorAll("[data-at]");
  const there = [...stops].find((one) => one.dataset.at === at) || stops[0];
  there?.focus({ preventScroll: true });
}
