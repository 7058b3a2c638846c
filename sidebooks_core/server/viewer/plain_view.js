/* The screen of documents that are served from folders of files, without a shelf of papers. */

import { h, icon, reconcile } from "./elements.js";
import { Growing, Kept } from "./growing.js";
import { listTools } from "./list_tools.js";
import { keyOf } from "./place.js";
import { documentRow, latestSection, unservedRow } from "./rows.js";
import { byFolder, matching, progressOf, withoutEnding } from "./shelf_list.js";
import { pageOf } from "./shelf_memory.js";
import { t } from "./words.js";

const MANY = 3; // fewer documents are found without a row of their own for the one that was read last

/**
 * @typedef {import("./api.js").DocumentSummary} DocumentSummary
 * @typedef {import("./api.js").NotServed} NotServed
 */

/**
 * The lists of documents, a section for each folder of files: fills `element`, gives the parts for Growing and how many rows.
 * @param {HTMLElement} element
 * @param {Kept} kept
 * @param {{
 *   documents: readonly DocumentSummary[], not_served: readonly NotServed[], query: string, heading: string,
 *   does: import("./rows.js").RowDoes,
 * }} shown
 */
export function documentParts(element, kept, { documents, not_served: unserved, query, does, heading }) {
  const named = matching(documents, query).map((one) => (
    { document: one, name: withoutEnding(one.name), folder: one.folder, progress: progressOf(pageOf(keyOf("document", one.id)), one.page_count) }));
  const groups = byFolder(named);
  const isPlain = groups.length <= 1 && !groups[0]?.folder;
  /** @type {(key: string, name: string, sign: "" | "folder" | "warning") => {section: HTMLElement, list: HTMLElement}} */
  const sectionOf = (key, name, sign) => kept.get(`documents ${key}`, [name, sign], () => {
    const list = h("ul", { class: "papers" });
    const about = name && h("h2", {}, h("span", {}, sign && icon(sign), h("span", {}, name)));
    return { section: h("section", { class: "section" }, about, list), list };
  });
  /** @param {string} folder */
  const nameOf = (folder) => (folder ? folder.split("/").join(" › ") : heading || (isPlain ? "" : t("in_no_folder")));
  const sections = groups.map(({ folder }) => sectionOf(folder, nameOf(folder), folder ? "folder" : ""));
  /** @type {import("./growing.js").Part<typeof named[0]>[]} */
  const listed = groups.map(({ documents: some }, index) => ({
    list: sections[index].list,
    items: some,
    keyOf: ({ document: one }) => `document ${one.id}`,
    shown: (one) => one,
    make: (one) => documentRow(one, does),
  }));
  /** @type {import("./growing.js").Part<NotServed>[]} */
  const unlisted = [];
  const left = query ? matching(unserved, query) : unserved;
  if (left.length) {
    const last = sectionOf("\0", t("not_served"), "warning");
    sections.push(last);
    unlisted.push({ list: last.list, items: left, keyOf: (one) => `file ${one.name}`, shown: (one) => one, make: unservedRow });
  }
  reconcile(element, sections.map(({ section }) => section));
  return { parts: [...listed, ...unlisted], count: named.length + left.length };
}

/**
 * As folderView.
 * @param {HTMLElement} host
 * @param {HTMLElement} bar
 * @param {import("./rows.js").RowDoes} does
 */
export function plainView(host, bar, does) {
  const kept = new Kept();
  const growing = new Growing(kept);
  /** @type {import("./folder_view.js").Found | null} */
  let found = null;
  const tools = listTools(() => { if (found) fillLists(found); });
  const heading = h("h1", {}, t("documents"));
  const latest = latestSection(kept);
  const lists = h("div", { class: "documents" });
  const empty = h("div", { class: "empty", hidden: true },
    icon("book"), h("p", {}, t("empty")), h("p", { class: "note" }, t("empty_read")));
  host.replaceChildren(bar, heading, latest.element, tools.element, tools.told, lists, empty);

  /** @type {(now: import("./folder_view.js").Found, first?: number) => void} */
  function fillLists(now, first) {
    const { query } = tools;
    tools.fill(now.documents.length, { mayOrder: false });
    const made = documentParts(lists, kept, { ...now, query, does, heading: "" });
    growing.fill(made.parts, first);
    tools.tell(made.count, false);
  }

  return {
    folder: null,
    /** @type {typeof fillLists} */
    fill(now, first) {
      found = now;
      document.title = "sidebooks";
      empty.hidden = Boolean(now.documents.length + now.not_served.length);
      latest.fill(now.documents.length > MANY ? now.latest : []);
      fillLists(now, first);
    },
    stop() { growing.stop(); },
    prepared() {},
  };
}
