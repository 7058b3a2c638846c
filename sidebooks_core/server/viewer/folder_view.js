/* The screen of a folder of the shelf: what to go on with, its folders, its papers, and those of inner folders that hold few. */

import { TOP } from "./client.js";
import { button, h, icon, reconcile } from "./elements.js";
import { Growing, Kept } from "./growing.js";
import { listTools } from "./list_tools.js";
import { keyOf } from "./place.js";
import { documentParts } from "./plain_view.js";
import { folderLink, folderRow, folderSection, latestSection, paperRow } from "./rows.js";
import { divided, matching, newsOf, ordered, progressOf } from "./shelf_list.js";
import { pageOf } from "./shelf_memory.js";
import { t } from "./words.js";

/**
 * @typedef {import("./api.js").FolderDetails} FolderDetails
 * @typedef {import("./api.js").FolderEntry} FolderEntry
 * @typedef {import("./api.js").PaperEntry} PaperEntry
 *
 * What a screen of the shelf shows. `folder`: null if there is no shelf of papers. `reading`: by paper. `since_s`: see `newsOf`.
 * @typedef {{
 *   folder: FolderDetails | null, documents: import("./api.js").DocumentSummary[], not_served: import("./api.js").NotServed[],
 *   reading: Map<string, import("./api.js").LeftOff>, latest: import("./rows.js").Latest[], since_s: number | null,
 * }} Found
 * @typedef {Found & {folder: FolderDetails}} FoundFolder
 * @typedef {Map<string, import("./api.js").PaperProgress>} Preparing papers that are being prepared
 *
 * @typedef {import("./rows.js").RowDoes & {
 *   tools: (folder: FolderDetails) => HTMLElement[], dropped: (files: File[], folder: string) => void, uploads: HTMLElement,
 * }} FolderDoes
 */

/**
 * @param {HTMLElement} host the element that it fills
 * @param {HTMLElement} bar
 * @param {FolderDoes} does
 */
export function folderView(host, bar, does) {
  const kept = new Kept();
  const growing = new Growing(kept);
  /** @type {FoundFolder | null} */
  let found = null;
  /** @type {Preparing} */
  let progress = new Map();
  const tools = listTools(() => { if (found) fillLists(found); });
  const latest = latestSection(kept);
  const parts = {
    way: h("nav", { class: "way", "aria-label": t("shelf") }),
    heading: h("h1", {}),
    note: h("p", { class: "note" }),
    buttons: h("div", { class: "buttons" }),
    uploads: does.uploads,
    news: h("p", { class: "since", hidden: true }),
    latest: latest.element,
    tools: tools.element,
    told: tools.told,
    foldersHeading: h("h2", { hidden: true }, t("folders")),
    folders: h("ul", { class: "folders", "aria-label": t("folders") }),
    papers: h("ol", { class: "papers" }),
    sections: h("div", { class: "sections" }),
    documents: h("div", { class: "documents" }),
    empty: h("div", { class: "empty" }),
  };
  host.replaceChildren(bar, ...Object.values(parts));

  /**
   * @param {FoundFolder} now
   * @param {number} [first] rows to be there when this returns
   */
  function fill(now, first) {
    found = now;
    const { folder, documents } = now;
    const isTop = folder.id === TOP;
    const mayAdd = folder.may.includes("register");
    document.title = folder.name || t("shelf");
    parts.heading.textContent = isTop ? t("shelf") : folder.name;
    parts.note.textContent = folder.note;
    parts.note.hidden = !folder.note;
    parts.way.hidden = isTop;
    reconcile(parts.way, kept.get("way", [folder.way, folder.name], () => [
      h("a", { href: "#" }, icon("home"), h("span", {}, t("shelf"))),
      ...folder.way.map((one) => h("a", { href: folderLink(one) }, one.name)),
      h("span", { "aria-current": "page" }, folder.name),
    ]));
    const about = [folder.id, folder.name, folder.may, folder.way, folder.note, folder.kind];
    reconcile(parts.buttons, kept.get("tools", about, () => does.tools(folder)));
    parts.buttons.hidden = !parts.buttons.children.length;
    const isEmpty = !folder.folders.length && !folder.papers.length && !documents.length && !now.not_served.length;
    parts.empty.hidden = !isEmpty;
    if (isEmpty) parts.empty.replaceChildren(icon("book"), ...emptyWords(mayAdd));
    latest.fill(now.latest);
    fillLists(now, first);
  }

  /** @type {typeof fill} */
  function fillLists(now, first) {
    const { folder } = now;
    const { rows, sections } = divided(folder.folders);
    const mayTend = folder.may.includes("register");
    const count = folder.papers.length + rows.length + sections.reduce((sum, one) => sum + one.papers.length, 0) + now.documents.length;
    tools.fill(count, { mayOrder: folder.papers.length + sections.length > 0 });
    const { query } = tools;
    /** @param {PaperEntry} paper */
    const shownOf = (paper) => ({ paper, news: newsIn(now, paper), progress: leftIn(now, paper), mayTend });
    /** @param {readonly PaperEntry[]} papers */
    const listOf = (papers) => ordered(matching(papers, query), tools.order);
    /** @type {(list: HTMLElement, papers: readonly PaperEntry[]) => import("./growing.js").Part<PaperEntry>} */
    const partOf = (list, papers) => ({
      list, items: papers, keyOf: (paper) => `paper ${paper.id}`, shown: shownOf, make: (paper) => {
        const row = paperRow(shownOf(paper), does);
        fillPreparing(row);
        return row;
      },
    });
    const shownFolders = matching(rows, query);
    const ownPapers = listOf(folder.papers);
    /** @param {FolderEntry} section */
    const isMeant = (section) => query && matching([section], query).length; // by its name: then all that is in it
    const shownSections = sections
      .map((one) => ({ one, papers: isMeant(one) ? ordered(one.papers, tools.order) : listOf(one.papers) }))
      .filter(({ papers }) => papers.length)
      .map(({ one, papers }) => ({ papers, element: sectionOf(one) }));
    reconcile(parts.sections, shownSections.map(({ element }) => element));
    const documents = documentParts(parts.documents, kept, { ...now, query, does, heading: t("documents") });
    /** @type {import("./growing.js").Part<FolderEntry>} */
    const folders = {
      list: parts.folders, items: shownFolders, keyOf: (one) => `folder ${one.id}`, shown: (one) => one,
      make: (one) => droppable(folderRow(one), one),
    };
    growing.fill([
      folders,
      partOf(parts.papers, ownPapers),
      ...shownSections.map(({ element, papers }) => partOf(element.list, papers)),
      ...documents.parts,
    ], first);
    parts.folders.hidden = !shownFolders.length;
    parts.foldersHeading.hidden = parts.folders.hidden || parts.latest.hidden; // without it nothing stands before them
    parts.papers.hidden = !ownPapers.length;
    const inSections = shownSections.reduce((sum, { papers }) => sum + papers.length, 0);
    tools.tell(shownFolders.length + ownPapers.length + inSections + documents.count, true);
    const news = [folder, ...sections].reduce((sum, one) => sum + one.papers.filter((paper) => newsIn(now, paper)).length, 0);
    parts.news.hidden = !news;
    parts.news.textContent = news ? t("news_since", { n: news }) : "";
  }

  /** @param {Found} now @param {PaperEntry} paper */
  const newsIn = (now, paper) => newsOf(paper, now.since_s, now.reading.get(paper.id));

  /** @param {Found} now @param {PaperEntry} paper */
  function leftIn(now, paper) {
    const left = now.reading.get(paper.id);
    return progressOf(left ? left.page : pageOf(keyOf("paper", paper.id)), paper.page_count);
  }

  /** @param {FolderEntry} one */
  const sectionOf = (one) => (
    kept.get(`section ${one.id}`, [one.name, one.kind, one.note], () => droppable(folderSection(one), one)));

  /**
   * Files that are dropped on a folder go into it.
   * @template {HTMLElement} T
   * @param {T} element
   * @param {FolderEntry} folder
   */
  function droppable(element, folder) {
    /** @param {DragEvent} event */
    const takes = (event) => Boolean(found?.folder.may.includes("register")) && hasFiles(event);
    element.addEventListener("dragover", (event) => {
      if (!takes(event)) return;
      event.preventDefault();
      event.stopPropagation();
      element.dataset.into = t("drop_into", { name: folder.name });
      delete host.dataset.drop;
    });
    element.addEventListener("dragleave", (event) => { if (isLeaving(element, event)) delete element.dataset.into; });
    element.addEventListener("drop", (event) => {
      delete element.dataset.into;
      if (!takes(event)) return;
      event.preventDefault();
      event.stopPropagation();
      does.dropped([...event.dataTransfer?.files || []], folder.id);
    });
    return element;
  }

  /** @param {HTMLElement} row of a paper */
  function fillPreparing(row) {
    const one = progress.get(row.dataset.paper || "");
    const states = /** @type {HTMLElement} */ (row.querySelector(".states"));
    const sign = /** @type {HTMLElement} */ (states.querySelector(".preparing"));
    const bar = /** @type {HTMLProgressElement} */ (sign.querySelector("progress"));
    sign.hidden = !one || !one.pages;
    if (one?.pages) bar.value = (one.identified + one.previews + one.indexed) / (3 * one.pages);
    states.hidden = sign.hidden && states.children.length === 1;
  }

  return {
    fill,
    stop() { growing.stop(); },
    get folder() { return found && found.folder; },
    /** @param {Preparing} now */
    prepared(now) {
      progress = now;
      for (const row of host.querySelectorAll("li[data-paper]")) fillPreparing(/** @type {HTMLElement} */ (row));
    },
  };
}

/** Whether what is dragged leaves an element, and not only a part of it. @param {HTMLElement} element @param {DragEvent} event */
export const isLeaving = (element, event) => !element.contains(/** @type {Node | null} */ (event.relatedTarget));

/** Whether files are dragged, and not a text or a link. @param {DragEvent} event */
export const hasFiles = (event) => [...event.dataTransfer?.types || []].includes("Files");

/** @param {boolean} mayAdd */
function emptyWords(mayAdd) {
  return mayAdd ? [h("p", {}, t("empty_clerk"))] : [h("p", {}, t("empty")), h("p", { class: "note" }, t("empty_read"))];
}

/**
 * The buttons for a folder.
 * @param {FolderDetails} folder
 * @param {import("./api.js").Me} me who asks
 * @param {Record<"add" | "make" | "meet" | "links" | "access" | "more" | "people", () => unknown>} does
 */
export function folderButtons(folder, me, does) {
  /** @param {string} operation */
  const may = (operation) => folder.may.includes(operation);
  const isTop = folder.id === TOP;
  /** @type {(HTMLElement | false)[]} */
  const made = [
    may("register") && button("plus", t("add_papers"), does.add, { class: "main" }),
    may("change_folder") && button("folder", t("make_folder"), does.make),
    !isTop && may("open_meeting") && button("meeting", t("begin_meeting"), does.meet),
    !isTop && me.has_accounts && may("share") && button("link", t("guests"), does.links),
    !isTop && me.has_accounts && may("change_access") && button("eye", t("who_sees"), does.access),
    !isTop && may("change_folder") && button("more", t("folder_more"), does.more),
    isTop && me.has_accounts && me.may.includes("manage_people") && button("people", t("people"), does.people),
  ];
  return made.filter(/** @returns {one is HTMLElement} */ (one) => Boolean(one));
}
