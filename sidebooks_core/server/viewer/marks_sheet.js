/* The panel of one mark: what it says, its colour, who sees it, and the page as it was. What is written is saved while it is written. */

/** @import { CleanUp, FullApp, Mark, MarkBody, PlacedMark } from "./types" */
/** @import { Desk } from "./marks_desk.js" */

import { button, field, h, icon } from "./elements.js";
import { colourButtons } from "./marks_colours.js";
import { deskFor } from "./desks.js";
import { textOf } from "./marks_groups.js";
import { oldPage } from "./marks_old.js";
import { sharingChoice } from "./marks_sharing.js";
import { fault, shortTime, t } from "./words.js";

const SAVE_MS = 600; // after the last letter: on this device
const SEND_MS = 10_000; // after it: to the server, for which that is one text
const MOST_TEXT = 20_000; // as marks/model.py has it
const MOST_NAME = 200;

export const title = "mark_title";

/** Why it is shown. "write": to write in it; "new": it was made for that, and goes away again if nothing is written.
    @typedef {"look" | "write" | "new"} Why */

/** The mark that the panel is about; ids: all handwriting that it stands for. */
let asked = { id: "", why: /** @type {Why} */ ("look"), ids: /** @type {string[]} */ ([]) };

/** @param {FullApp} app @param {string} id @param {Why} why @param {string[]} ids */
export async function showMark(app, id, why, ids) {
  asked = { id, why, ids };
  await app.extras.panels.open("mark");
}

/** The name of a kind of marks. @param {MarkBody} body */
export function kindName({ kind }) {
  const names = {
    ink: t("kind_ink"), highlight: t("kind_highlight"), underline: t("kind_underline"), strikeout: t("kind_strikeout"),
    note: t("kind_note"), stamp: t("kind_stamp"), bookmark: t("kind_bookmark"),
  };
  return names[kind];
}

/** Fill the panel. @param {FullApp} app @param {HTMLElement} body @returns {CleanUp | null} */
export function fill(app, body) {
  const desk = deskFor(app.active);
  const { id, why, ids } = asked;
  const placed = desk?.marks.get(id);
  if (!desk || !placed?.mark.body) {
    body.append(h("p", {}, t("mark_gone")));
    return null;
  }
  desk.choose(id);
  const { mark } = placed;
  const writing = placed.isMine && hasText(placed.mark.body) ? writer(desk, placed, why !== "look") : null;
  const { kind } = placed.mark.body;
  const name = placed.mark.body.kind === "ink" && ids.length > 1 ? t("ink_count", { n: ids.length }) : kindName(placed.mark.body);
  const page = placed.page ? `${t("page_word")} ${desk.reader.labelOf(placed.page)}` : "";
  body.append(
    h("p", { class: "name" }, [name, page].filter(Boolean).join(" · ")),
    ...fatePart(app, desk, placed),
    mark.anchor.quote ? h("blockquote", {}, mark.anchor.quote) : "",
  );
  if (!placed.isMine) {
    body.append(h("p", { class: "small" }, t("mark_from", { name: mark.owner || "" })));
    if (textOf(placed.mark.body)) body.append(h("p", { class: "note-text" }, textOf(placed.mark.body)));
  }
  if (writing) body.append(writing.element);
  if (placed.isMine) {
    const colours = "colour" in placed.mark.body && colourButtons(kind, placed.mark.body.colour, (colour) => {
      change(desk, id, (now) => /** @type {MarkBody} */ ({ ...now, colour }));
    });
    if (colours) body.append(h("h3", {}, t("colour")), colours);
    body.append(sharingChoice(app, desk.book, mark, ({ visibility, meeting }) => {
      writing?.finish();
      desk.marks.show(ids.filter((one) => desk.marks.get(one)?.isMine), { visibility, meeting });
    }), refusal(desk, ids));
    if (writing && desk.book.paper) body.append(otherVersions(app, desk, mark, writing.use));
    body.append(h("p", { class: "buttons last" }, button("bin", t("mark_remove"), () => remove(app, desk, ids), { class: "grave" })));
  }
  return () => {
    writing?.end();
    desk.choose("");
    const now = desk.marks.get(id)?.mark.body;
    if (why === "new" && now?.kind === "note" && !now.text.trim()) desk.marks.remove([id]);
  };
}

/** @param {MarkBody} body */
const hasText = ({ kind }) => kind !== "ink" && kind !== "stamp";

/**
 * @param {Desk} desk
 * @param {string} id
 * @param {(body: MarkBody) => MarkBody} to
 * @param {import("./types").AddOptions} options
 */
function change(desk, id, to, options = {}) {
  const now = desk.marks.get(id);
  if (now?.isMine && now.mark.body) desk.marks.change(id, to(now.mark.body), options);
}

/** Says so when the server does not take what was done. @param {Desk} desk @param {string[]} ids */
function refusal({ marks }, ids) {
  const made = h("p", { class: "error", role: "alert" });
  const end = marks.subscribe(() => {
    if (!made.isConnected) { end(); return; }
    const text = ids.some((id) => marks.get(id)?.refused) ? t("mark_not_taken") : "";
    if (made.textContent !== text) made.textContent = text;
  });
  return made;
}

/** @param {FullApp} app @param {Desk} desk @param {PlacedMark} placed @returns {HTMLElement[]} */
function fatePart({ library }, desk, { kind, mark }) {
  if (kind === "exact") return [];
  return [h("p", { class: "flag" }, icon("warning"), h("span", {}, t(kind === "changed" ? "page_changed" : "page_removed"))),
    oldPage(library, desk.book, mark)];
}

/** @param {FullApp} app @param {Desk} desk @param {string[]} ids */
function remove(app, { marks }, ids) {
  const { notices, panels } = app.extras;
  panels.close();
  const own = ids.map((id) => marks.get(id)).filter((one) => one?.isMine);
  const isStillSeen = own.some((one) => one?.mark.is_of_file && one.kind === "exact"); // by the page itself
  marks.remove(ids.filter((id) => marks.get(id)?.isMine));
  const end = marks.subscribe(({ added, removed }) => {
    if (![...added, ...removed].some((one) => one.isMine)) return;
    end(); // what is undone would be something else
    notices.news.hide();
  });
  notices.notify(t(isStillSeen ? "mark_removed_of_file" : "mark_removed"), t("mark_put_back"), () => { marks.undo(); });
}

/**
 * The field for a mark's text.
 * @param {Desk} desk
 * @param {PlacedMark} placed
 * @param {boolean} isFirst it has the focus at once, and a tablet shows its keyboard
 */
function writer(desk, { mark }, isFirst) {
  const { marks } = desk;
  const { id } = mark;
  const isName = mark.body?.kind === "bookmark";
  const limit = isName ? MOST_NAME : MOST_TEXT;
  const made = field(t(isName ? "mark_name" : "mark_text"), {
    rows: isName ? null : 6, maxlength: limit, value: textOf(mark.body), autocomplete: "off", "data-first": isFirst ? "" : null,
  });
  const { input } = made;
  const told = h("p", { class: "small saved", role: "status" });
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let sending;
  let saved = textOf(mark.body);
  const tell = () => {
    const now = marks.get(id);
    const isSaved = input.value !== "" && input.value === saved;
    const text = !now ? t("mark_gone") : input.value.length >= limit ? t("mark_too_long") : isSaved ? savedText(marks, now) : "";
    if (told.textContent !== text) told.textContent = text;
  };
  const save = () => {
    clearTimeout(timer);
    const text = input.value;
    if (text === saved) return;
    saved = text;
    change(desk, id, (now) => /** @type {MarkBody} */ ({ ...now, text }), { isNoted: false });
  };
  const finish = () => {
    save();
    clearTimeout(sending);
    marks.letGo(id);
  };
  const later = () => {
    clearTimeout(timer);
    clearTimeout(sending);
    marks.hold(id);
    timer = setTimeout(save, SAVE_MS);
    sending = setTimeout(finish, SEND_MS);
    tell();
  };
  const hide = () => { if (document.visibilityState === "hidden") finish(); };
  input.addEventListener("input", later);
  input.addEventListener("change", finish);
  addEventListener("pagehide", finish, true); // before the last request is sent, which marks_sync.js does then
  document.addEventListener("visibilitychange", hide);
  const unsubscribe = marks.subscribe(() => {
    const there = marks.get(id);
    const now = textOf(there?.mark.body ?? null);
    input.readOnly = !there; // it was deleted on another device: what stands here can be copied
    if (there && input.value === saved && now !== saved) { // it was changed on another device, and nothing is being written here
      saved = now;
      input.value = now;
    }
    tell();
  });
  return {
    element: h("div", {}, made, told),
    finish,
    /** Another text, from now on. @param {string} text */
    use(text) {
      input.value = text;
      finish();
      input.focus();
    },
    end() {
      finish();
      unsubscribe();
      removeEventListener("pagehide", finish, true);
      document.removeEventListener("visibilitychange", hide);
    },
  };
}

/** Where a mark is safe. @param {import("./marks_store.js").PageMarks} marks @param {PlacedMark} placed */
function savedText({ isKept, unsent }, { isPending, refused }) {
  if (refused) return t("mark_not_taken");
  if (unsent.state === "local") return t(isKept ? "mark_on_device_only" : "mark_not_saved");
  if (!isPending) return t("mark_saved");
  if (!isKept) return t("mark_not_saved");
  return unsent.state === "waiting" || unsent.state === "refused" ? t("mark_on_device") : t("mark_saved");
}

/** A text that another version of the mark had. @typedef {{text: string, stamp: [number, number, string], lost_s: number}} LostText */

/**
 * Whether a text has something that the later ones have not: it is saved while it is written. Pure.
 * @param {string} text
 * @param {string[]} later
 */
export const isWorth = (text, later) => text.trim() !== "" && !later.some((one) => one.startsWith(text));

/**
 * The texts that lost against the present one, to take one back.
 * @param {FullApp} app
 * @param {Desk} desk
 * @param {Mark} mark
 * @param {(text: string) => void} use
 */
function otherVersions({ library }, desk, { id }, use) {
  const list = h("ul", { class: "told" });
  const told = h("p", { class: "small", role: "status" }, t("other_versions_about"));
  const show = async () => {
    const path = `/papers/${encodeURIComponent(desk.book.paper?.id ?? "")}/marks/${id}/lost`;
    /** @type {{texts: LostText[]}} */
    const answer = await library.json(path);
    const now = textOf(desk.marks.get(id)?.mark.body ?? null);
    const texts = answer.texts.filter((one, index, all) => isWorth(one.text, [now, ...all.slice(0, index).map((other) => other.text)]));
    told.textContent = t(texts.length ? "other_versions_about" : "no_other_versions");
    list.replaceChildren(...texts.map((one) => h("li", {},
      h("p", { class: "small" }, t("version_lost", { time: shortTime(one.stamp[0] / 1000) })),
      h("p", { class: "note-text" }, one.text), button("restore", t("take_version"), () => use(one.text)))));
  };
  const made = h("details", { ontoggle: () => {
    if (made.open) show().catch((error) => { told.textContent = error.status === 404 ? t("no_other_versions") : fault(error); });
  } }, h("summary", {}, t("other_versions")), told, list);
  return made;
}
