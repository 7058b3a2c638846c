/* The screen of documents that are served from folders of files, without a shelf of papers. */

import { h, icon, reconcile } from "./elements.js";
import { Growing, Kept } from "./growing.js";
import { listTools } from "./list_tools.js";
import { documentRow, latestSection, unservedRow } from "./rows.js";
import { byFolder, matching, progressOf, withoutEnding } from "./shelf_list.js";
import { pageOf } from "./shelf_memory.js";
import { t } from "./words.js";

const MANY = 3; // fewer documents are found without a row of their own for the one that was read last

/** The lists of documents, a section for each folder of files: fills `element`, gives {parts, count} for Growing.
    shown: {documents, not_served, query, does, heading}. */
export function documentParts(element, kept, { documents, not_served: unserved, query, does, heading }) {
  const named = matching(documents, query).map((one) => (
    { document: one, name: withoutEnding(one.name), folder: one.folder, progress: progressOf(pageOf(one.id), one.page_count) }));
  const groups = byFolder(named);
  const isPlain = groups.length <= 1 && !groups[0]?.folder;
  const sectionOf = (key, name, sign) => kept.get(`documents ${key}`, [name, sign], () => h("section", { class: "section" },
    name && h("h2", {}, h("span", {}, sign && icon(sign), h("span", {}, name))), h("ul", { class: "papers" })));
  const nameOf = (folder) => (folder ? folder.split("/").join(" › ") : heading || (isPlain ? "" : t("in_no_folder")));
  const sections = groups.map(({ folder }) => sectionOf(folder, nameOf(folder), folder ? "folder" : ""));
  const parts = groups.map(({ documents: some }, index) => ({
    list: sections[index].lastChild,
    items: some,
    keyOf: ({ document: one }) => `document ${one.id}`,
    shown: (one) => one,
    make: (one) => documentRow(one, does),
  }));
  const left = query ? matching(unserved, query) : unserved;
  if (left.length) {
    const section = sectionOf("\0", t("not_served"), "warning");
    sections.push(section);
    parts.push({ list: section.lastChild, items: left, keyOf: (one) => `file ${one.name}`, shown: (one) => one, make: unservedRow });
  }
  reconcile(element, sections);
  return { parts, count: named.length + left.length };
}

/** As folderView. found: {documents, not_served}. does: {base, opened(document)}. */
export function plainView(host, bar, does) {
  const kept = new Kept();
  const growing = new Growing(kept);
  let found = null;
  const tools = listTools(() => { if (found) fillLists(); });
  const heading = h("h1", {}, t("documents"));
  const latest = latestSection(kept);
  const lists = h("div", { class: "documents" });
  const empty = h("div", { class: "empty", hidden: true },
    icon("book"), h("p", {}, t("empty")), h("p", { class: "note" }, t("empty_read")));
  host.replaceChildren(bar, heading, latest, tools.element, tools.told, lists, empty);

  function fillLists(first) {
    const { query } = tools;
    tools.fill(found.documents.length, { mayOrder: false });
    const made = documentParts(lists, kept, { ...found, query, does, heading: "" });
    growing.fill(made.parts, first);
    tools.tell(made.count, false);
  }

  return {
    folder: null,
    fill(now, first) {
      found = now;
      document.title = "sidebooks";
      empty.hidden = Boolean(now.documents.length + now.not_served.length);
      latest.fill(now.documents.length > MANY ? now.latest : []);
      fillLists(first);
    },
    stop() { growing.stop(); },
    prepared() {},
  };
}
