/* The rows of lists: papers, folders, documents. Each is made of what it shows, and of nothing else. */

import { button, cover, h, icon, reconcile } from "./elements.js";
import { addressOf, addressOfKey } from "./place.js";
import { progressOf, toContinue } from "./shelf_list.js";
import { hasText, pages, shortTime, t, windowText } from "./words.js";

const MOST_LATEST = 3;

/**
 * @typedef {import("./api.js").PaperEntry} PaperEntry
 * @typedef {import("./api.js").FolderEntry} FolderEntry
 * @typedef {import("./api.js").DocumentSummary} DocumentSummary
 * @typedef {import("./shelf_list.js").Progress} Progress
 * @typedef {import("./shelf_list.js").News} News
 * @typedef {import("./growing.js").Kept} Kept
 *
 * @typedef {{paper: PaperEntry, news: News, progress: Progress | null, mayTend: boolean}} ShownPaper
 * @typedef {{
 *   base: string, more: (paper: PaperEntry) => unknown, unlock: (paper: PaperEntry) => unknown,
 *   opened: (one: PaperEntry | DocumentSummary) => void,
 * }} RowDoes
 *
 * What to go on with. `key`: what its address here begins with.
 * @typedef {{key: string, name: string, page: number, count: number, preview: string}} Latest
 */

/** The path of an address. @param {string} address */
export const pathOf = (address) => new URL(address, location.href).pathname;

/** How far somebody has read. @param {Progress | null} progress */
export function progressSign(progress) {
  if (!progress) return null;
  const share = h("span", {});
  share.style.width = `${Math.round(progress.share * 100)}%`; // by the style object: the policy refuses style attributes
  return h("span", { class: "left" }, h("span", { class: "share", "aria-hidden": "true" }, share), h("small", {}, t("left_at", progress)));
}

/** @param {News} news */
export const newsSign = (news) => news && h("span", { class: "news" }, t(news === "new" ? "is_new" : "is_changed"));

/** @param {string} state */
const signOf = (state) => (state === "locked" ? "lock" : "warning");

/** A paper. @param {ShownPaper} shown @param {RowDoes} does */
export function paperRow({ paper, news, progress, mayTend }, does) {
  const about = h("span", { class: "about" },
    h("strong", {}, paper.name), " ",
    h("small", {}, newsSign(news), [paper.page_count ? pages(paper.page_count) : "", paper.note].filter(Boolean).join(" – ")),
    progressSign(progress));
  const image = cover(paper.document && pathOf(paper.document.preview), paper.state === "ready" ? "paper" : signOf(paper.state));
  const states = statesOf(paper);
  const preparing = h("span", { class: "preparing", hidden: true },
    h("progress", { max: 1, value: 0, "aria-label": t("preparing") }), t("preparing"));
  const toDo = whatToDo(paper, mayTend);
  return h("li", { "data-paper": paper.id, "data-state": paper.withdrawn_s === null ? paper.state : "withdrawn" },
    paper.document
      ? h("a", { href: `#${addressOf({ kind: "paper", id: paper.id })}`, class: "open", onclick: () => does.opened(paper) }, image, about)
      : h("div", { class: "open" }, image, about),
    mayTend && button("more", t("more"), () => does.more(paper), { "aria-label": t("more_of", { name: paper.name }), class: "more" }),
    h("div", { class: "states", hidden: !states.length }, states, toDo && h("small", {}, toDo),
      paper.reason && paper.state !== "locked" && mayTend && h("small", { lang: "en" }, paper.reason),
      paper.state === "locked" && mayTend && button("lock", t("give_password"), () => does.unlock(paper)), preparing));
}

/** @param {PaperEntry} paper @param {boolean} mayTend */
function whatToDo(paper, mayTend) {
  if (paper.state === "ready") return "";
  if (mayTend) return paper.state === "locked" ? "" : t("unreadable_tend");
  return t(paper.state === "locked" ? "locked_read" : "unreadable_read");
}

/** @param {PaperEntry} one */
function statesOf(one) {
  /** @type {[import("./elements.js").IconName, string, string][]} */
  const told = [];
  const now_s = Date.now() / 1000;
  if (one.withdrawn_s !== null) told.push(["withdraw", t("withdrawn"), "grave"]);
  if (one.from_s !== null && one.from_s > now_s) told.push(["clock", `${t("not_yet")} – ${windowText(one.from_s, one.until_s)}`, ""]);
  else if (one.until_s !== null && one.until_s <= now_s) told.push(["clock", t("over", { time: shortTime(one.until_s) }), ""]);
  else if (one.until_s !== null) told.push(["clock", windowText(null, one.until_s), ""]);
  if (one.state !== "ready") told.push([signOf(one.state), hasText(one.state) ? t(one.state) : one.state, "grave"]);
  return told.map(([image, text, kind]) => h("span", { class: `state ${kind}` }, icon(image), text));
}

/** How much a folder holds, in words; empty if that was not asked for. @param {FolderEntry} folder */
export function holds(folder) {
  const { paper_count: papers, folder_count: folders } = folder;
  if (papers === null || papers === undefined) return "";
  const told = [
    folders && (folders === 1 ? t("one_folder") : t("folders_count", { n: folders })),
    papers && (papers === 1 ? t("count_one") : t("count_papers", { n: papers })),
  ].filter(Boolean);
  return told.join(" – ") || t("no_papers");
}

/** @param {FolderEntry["kind"]} kind */
const folderSign = (kind) => (kind === "meeting" ? "meeting" : "folder");

/** @param {{id: string}} folder */
export const folderLink = ({ id }) => `#${addressOf({ kind: "folder", id })}`;

/** A folder to be opened. @param {FolderEntry} folder */
export function folderRow(folder) {
  const count = holds(folder);
  return h("li", { "data-folder": folder.id }, h("a", { href: folderLink(folder) }, icon(folderSign(folder.kind)),
    h("span", { class: "about" }, h("strong", {}, folder.name), " ",
      folder.note && h("small", {}, folder.note), " ", count && h("small", {}, count))));
}

/** A folder whose papers stand here, too. `section.list`: for its papers. @param {FolderEntry} folder */
export function folderSection(folder) {
  const list = h("ol", { class: "papers" });
  const made = h("section", { class: "section", "data-folder": folder.id },
    h("h2", {}, h("a", { href: folderLink(folder) }, icon(folderSign(folder.kind)), h("span", {}, folder.name), icon("next"))),
    folder.note && h("p", { class: "note" }, folder.note), list);
  return Object.assign(made, { list });
}

/**
 * A document of a served folder.
 * @param {{document: DocumentSummary, name: string, progress: Progress | null}} shown
 * @param {RowDoes} does
 */
export function documentRow({ document: one, name, progress }, does) {
  const about = h("span", { class: "about" }, h("strong", {}, name), " ", h("small", {}, pages(one.page_count)), progressSign(progress));
  return h("li", { "data-document": one.id },
    h("a", { href: `#${addressOf({ kind: "document", id: one.id })}`, class: "open", onclick: () => does.opened(one) },
      cover(`${does.base}/documents/${one.id}/pages/1/preview`), about));
}

/** A file that cannot be shown. @param {import("./api.js").NotServed} file */
export function unservedRow({ name, reason, is_locked: isLocked }) {
  return h("li", { "data-state": isLocked ? "locked" : "damaged" },
    h("div", { class: "open" }, cover(null, isLocked ? "lock" : "warning"),
      h("span", { class: "about" }, h("strong", {}, name), h("span", { class: "state grave" }, t(isLocked ? "locked" : "damaged")),
        h("small", {}, t(isLocked ? "locked_file" : "damaged_file")), !isLocked && h("small", { lang: "en" }, reason))));
}

/** What to go on with. @param {Latest} latest */
export function latestRow({ key, name, page, count, preview }) {
  const about = h("span", { class: "about" }, h("strong", {}, name), " ", progressSign(progressOf(page, count)));
  return h("li", {}, h("a", { href: `#${addressOfKey(key)}`, class: "open" }, cover(preview), about));
}

/** The section for them. @param {Kept} kept */
export function latestSection(kept) {
  const list = h("ul", {});
  const element = h("section", { class: "latest", hidden: true }, h("h2", {}, t("continue_reading")), list);
  return {
    element,
    /** @param {readonly Latest[]} latest */
    fill(latest) {
      const rows = toContinue(latest, MOST_LATEST).map((one) => kept.get(`latest ${one.key}`, one, () => latestRow(one)));
      reconcile(list, rows);
      element.hidden = !rows.length;
    },
  };
}
