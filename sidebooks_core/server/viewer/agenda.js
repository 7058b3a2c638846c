/* The agenda of a meeting: its papers in order. Whoever presents opens them for all, others for themselves. The chair orders them. */

/** @import { Participation } from "./participation.js" */
/** @import { AgendaItem } from "./meeting.js" */
/** @import { Side } from "./meeting_panel.js" */

import { nextPapers } from "./ahead.js";
import { askFor, button, h, icon } from "./elements.js";
import { LONGEST_NAME } from "./meeting.js";
import { refill } from "./meeting_panel.js";
import { keyOf } from "./place.js";
import { t } from "./words.js";

/**
 * Items after one of them was moved by a step. Pure.
 * @param {readonly AgendaItem[]} items
 * @param {number} at
 * @param {number} by
 */
export function movedBy(items, at, by) {
  const made = [...items];
  const [one] = made.splice(at, 1);
  made.splice(Math.max(0, at + by), 0, one);
  return made;
}

/**
 * Open a paper, at its first page: for all if whoever opens it presents.
 * @param {Participation} part
 * @param {string} id
 */
export async function openPaper(part, id) {
  const { app } = part;
  const before = /** @type {HTMLElement | null} */ (document.activeElement);
  try {
    const paper = await part.paper(id);
    if (!paper.document) part.tell("paper_not_open");
    else if (part.isLocked) part.tell("is_locked");
    else {
      part.following.opens(keyOf("paper", id));
      await app.showBook(paper.document.id, 1, paper);
    }
    if (before?.isConnected) before.focus({ preventScroll: true }); // the panel stays
  } catch (thrown) {
    const error = /** @type {Error & {status?: number}} */ (thrown);
    if (error.name === "AbortError") return;
    if ([401, 403, 404].includes(error.status ?? 0)) part.tell("paper_not_open");
    else app.extras?.fail(error);
  }
}

/** @param {Participation} part @returns {Side} */
export function agendaSide(part) {
  let isEditing = false;
  let was = "";
  const next = button("right", "", () => { if (upNext()) openPaper(part, upNext()?.paper ?? ""); }, { class: "main" });
  const list = h("ol", { class: "agenda" });
  const empty = h("p", { class: "soft" });
  const edit = button("pen", "", () => { isEditing = !isEditing; fill(); });
  const tools = h("div", { class: "buttons" });
  const element = h("div", {}, h("p", { class: "buttons" }, next), list, empty, h("p", { class: "buttons" }, edit), tools);

  const items = () => part.details?.agenda ?? [];
  /** @param {AgendaItem[]} agenda */
  const change = (agenda) => part.command("set_agenda", {
    items: agenda.map((one) => ({ ...one, name: one.name.slice(0, LONGEST_NAME) })), // papers may have longer names
  });

  function upNext() {
    const [paper] = nextPapers(items(), part.state?.paper ?? "", 1);
    return items().find((one) => one.paper === paper);
  }

  /** @param {AgendaItem} one @param {number} index */
  function row(one, index) {
    const isHere = Boolean(one.paper) && one.paper === part.state?.paper;
    const shown = one.paper
      ? h("button", { type: "button", class: "line", "aria-current": isHere ? "true" : null, onclick: () => openPaper(part, one.paper) },
        icon("paper"), h("span", { class: "grow" }, one.name), isHere && h("span", { class: "here" }, t("shown_now")))
      : h("h3", {}, one.name);
    const last = items().length - 1;
    /** @type {(image: import("./elements.js").IconName, key: string, act: () => unknown) => HTMLElement} */
    const tool = (image, key, act) => button(image, t(key), act, { "aria-label": `${t(key)}: ${one.name}` });
    return h("li", { "data-key": one.paper || `heading ${one.name}` }, shown, isEditing && h("span", { class: "buttons" },
      index > 0 && tool("up", "move_up", () => change(movedBy(items(), index, -1))),
      index < last && tool("down", "move_down", () => change(movedBy(items(), index, 1))),
      tool("close", "take_off", () => change(items().filter((_, at) => at !== index)))));
  }

  function fill() {
    const following = upNext();
    const { book } = part.app.reader.state;
    const isEmpty = !items().length;
    const now = JSON.stringify([items(), part.state?.paper, isEditing, part.isChair, part.isPresenter, book?.paper?.id, t("agenda")]);
    if (now === was) return; // whoever is at a button keeps it
    was = now;
    next.hidden = !following || !part.isPresenter;
    if (following) /** @type {HTMLElement} */ (next.lastElementChild).textContent = t("next_paper", { name: following.name });
    refill(list, items().map(row));
    empty.textContent = isEmpty ? t("agenda_empty") : part.isPresenter ? t("agenda_all") : t("agenda_own");
    edit.hidden = !part.isChair;
    /** @type {HTMLElement} */ (edit.lastElementChild).textContent = t(isEditing ? "agenda_edited" : "agenda_edit");
    const open = book?.paper;
    const isNew = open && !items().some((one) => one.paper === open.id);
    const heading = () => askFor(t("add_heading"), t("heading_text"), "", async (name) => {
      await change([...items(), { name, paper: "", revision: 0 }]);
    });
    const added = isNew && button("plus", t("add_this", { name: open.name }), () => (
      change([...items(), { name: open.name, paper: open.id, revision: 0 }])));
    tools.replaceChildren(...(isEditing && part.isChair
      ? [added, button("plus", t("add_heading"), heading)].filter(/** @returns {one is HTMLButtonElement} */ (one) => Boolean(one)) : []));
  }

  return { element, fill };
}
