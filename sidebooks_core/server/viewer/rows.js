/* The rows of lists: papers, folders, documents. Each is made of what it shows, and of nothing else. */

import { button, cover, h, icon, reconcile } from "./elements.js";
import { progressOf, toContinue } from "./shelf_list.js";
import { hasText, pages, shortTime, t, windowText } from "./words.js";

const MOST_LATEST = 3;

/** The path of an address. */
export const pathOf = (address) => new URL(address, location.href).pathname;

/** How far somebody has read. progress: {page, count, share}. */
export function progressSign(progress) {
  if (!progress) return null;
  const bar = h("span", { class: "share", "aria-hidden": "true" }, h("span", {}));
  bar.firstChild.style.width = `${Math.round(progress.share * 100)}%`; // by the style object: the policy refuses style attributes
  return h("span", { class: "left" }, bar, h("small", {}, t("left_at", progress)));
}

export const newsSign = (news) => news && h("span", { class: "news" }, t(news === "new" ? "is_new" : "is_changed"));

const signOf = (state) => (state === "locked" ? "lock" : "warning");

/** A paper. shown: {paper, news, progress, mayTend}; does: {more(paper), unlock(paper), opened(paper)}. */
export function paperRow({ paper, news, progress, mayTend }, does) {
  const about = h("span", { class: "about" },
    h("strong", {}, paper.name), " ",
    h("small", {}, newsSign(news), [paper.page_count && pages(paper.page_count), paper.note].filter(Boolean).join(" – ")),
    progressSign(progress));
  const image = cover(paper.document && pathOf(paper.document.preview), paper.state === "ready" ? "paper" : signOf(paper.state));
  const states = statesOf(paper);
  const preparing = h("span", { class: "preparing", hidden: true },
    h("progress", { max: 1, value: 0, "aria-label": t("preparing") }), t("preparing"));
  const toDo = whatToDo(paper, mayTend);
  return h("li", { "data-paper": paper.id, "data-state": paper.withdrawn_s === null ? paper.state : "withdrawn" },
    paper.document
      ? h("a", { href: `#paper=${paper.id}`, class: "open", onclick: () => does.opened(paper) }, image, about)
      : h("div", { class: "open" }, image, about),
    mayTend && button("more", t("more"), () => does.more(paper), { "aria-label": t("more_of", { name: paper.name }), class: "more" }),
    h("div", { class: "states", hidden: !states.length }, states, toDo && h("small", {}, toDo),
      paper.reason && paper.state !== "locked" && mayTend && h("small", { lang: "en" }, paper.reason),
      paper.state === "locked" && mayTend && button("lock", t("give_password"), () => does.unlock(paper)), preparing));
}

function whatToDo(paper, mayTend) {
  if (paper.state === "ready") return "";
  if (mayTend) return paper.state === "locked" ? "" : t("unreadable_tend");
  return t(paper.state === "locked" ? "locked_read" : "unreadable_read");
}

function statesOf(one) {
  const told = [];
  const now_s = Date.now() / 1000;
  if (one.withdrawn_s !== null) told.push(["withdraw", t("withdrawn"), "grave"]);
  if (one.from_s !== null && one.from_s > now_s) told.push(["clock", `${t("not_yet")} – ${windowText(one.from_s, one.until_s)}`, ""]);
  else if (one.until_s !== null && one.until_s <= now_s) told.push(["clock", t("over", { time: shortTime(one.until_s) }), ""]);
  else if (one.until_s !== null) told.push(["clock", windowText(null, one.until_s), ""]);
  if (one.state !== "ready") told.push([signOf(one.state), hasText(one.state) ? t(one.state) : one.state, "grave"]);
  return told.map(([image, text, kind]) => h("span", { class: `state ${kind}` }, icon(image), text));
}

/** How much a folder holds, in words. */
export function holds(folder) {
  const { paper_count: papers, folder_count: folders } = folder;
  if (papers === null || papers === undefined) return "";
  const told = [
    folders && (folders === 1 ? t("one_folder") : t("folders_count", { n: folders })),
    papers && (papers === 1 ? t("count_one") : t("count_papers", { n: papers })),
  ].filter(Boolean);
  return told.join(" – ") || t("no_papers");
}

const folderSign = (kind) => (kind === "meeting" ? "meeting" : "folder");

/** A folder to be opened. */
export function folderRow(folder) {
  const count = holds(folder);
  return h("li", { "data-folder": folder.id }, h("a", { href: `#folder=${folder.id}` }, icon(folderSign(folder.kind)),
    h("span", { class: "about" }, h("strong", {}, folder.name), " ",
      folder.note && h("small", {}, folder.note), " ", count && h("small", {}, count))));
}

/** A folder whose papers stand here, too. `section.list`: for its papers. */
export function folderSection(folder) {
  const list = h("ol", { class: "papers" });
  const made = h("section", { class: "section", "data-folder": folder.id },
    h("h2", {}, h("a", { href: `#folder=${folder.id}` }, icon(folderSign(folder.kind)), h("span", {}, folder.name), icon("next"))),
    folder.note && h("p", { class: "note" }, folder.note), list);
  return Object.assign(made, { list });
}

/** A document of a served folder. shown: {document, name, progress}; does: {opened(document)}. */
export function documentRow({ document: one, name, progress }, does) {
  const about = h("span", { class: "about" }, h("strong", {}, name), " ", h("small", {}, pages(one.page_count)), progressSign(progress));
  return h("li", { "data-document": one.id },
    h("a", { href: `#${one.id}`, class: "open", onclick: () => does.opened(one) },
      cover(`${does.base}/documents/${one.id}/pages/1/preview`), about));
}

/** A file that cannot be shown. */
export function unservedRow({ name, reason, is_locked: isLocked }) {
  return h("li", { "data-state": isLocked ? "locked" : "damaged" },
    h("div", { class: "open" }, cover(null, isLocked ? "lock" : "warning"),
      h("span", { class: "about" }, h("strong", {}, name), h("span", { class: "state grave" }, t(isLocked ? "locked" : "damaged")),
        h("small", {}, t(isLocked ? "locked_file" : "damaged_file")), !isLocked && h("small", { lang: "en" }, reason))));
}

/** What to go on with. latest: [{key, name, page, count, preview}…]. */
export function latestRow({ key, name, page, count, preview }) {
  const about = h("span", { class: "about" }, h("strong", {}, name), " ", progressSign(progressOf(page, count)));
  return h("li", {}, h("a", { href: `#${key}`, class: "open" }, cover(preview), about));
}

/** The section for them. `section.fill(latest)`. */
export function latestSection(kept) {
  const list = h("ul", {});
  const made = h("section", { class: "latest", hidden: true }, h("h2", {}, t("continue_reading")), list);
  made.fill = (latest) => {
    const rows = toContinue(latest, MOST_LATEST).map((one) => kept.get(`latest ${one.key}`, one, () => latestRow(one)));
    reconcile(list, rows);
    made.hidden = !rows.length;
  };
  return made;
}
