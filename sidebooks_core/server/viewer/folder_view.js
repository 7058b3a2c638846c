/* The screen of a folder of the shelf: what to go on with, its folders, its papers, and those of inner folders that hold few. */

import { TOP } from "./client.js";
import { button, h, icon, reconcile } from "./elements.js";
import { Growing, Kept } from "./growing.js";
import { listTools } from "./list_tools.js";
import { documentParts } from "./plain_view.js";
import { folderRow, folderSection, latestSection, paperRow } from "./rows.js";
import { divided, matching, newsOf, ordered, progressOf } from "./shelf_list.js";
import { pageOf } from "./shelf_memory.js";
import { t } from "./words.js";

/** `host`: the element that it fills. does: {tools(folder), more(paper), unlock(paper), opened(key), dropped(files, folder), base,
    uploads: an element}. Returns {fill(found, first), prepared(progress)}. found: {folder, documents, not_served, since_s, reading,
    latest}. */
export function folderView(host, bar, does) {
  const kept = new Kept();
  const growing = new Growing(kept);
  let found = null;
  let progress = new Map();
  const tools = listTools(() => { if (found) fillLists(); });
  const parts = {
    way: h("nav", { class: "way", "aria-label": t("shelf") }),
    heading: h("h1", {}),
    note: h("p", { class: "note" }),
    buttons: h("div", { class: "buttons" }),
    uploads: does.uploads,
    news: h("p", { class: "since", hidden: true }),
    latest: latestSection(kept),
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
      ...folder.way.map((one) => h("a", { href: `#folder=${one.id}` }, one.name)),
      h("span", { "aria-current": "page" }, folder.name),
    ]));
    const about = [folder.id, folder.name, folder.may, folder.way, folder.note, folder.kind];
    reconcile(parts.buttons, kept.get("tools", about, () => does.tools(folder)));
    parts.buttons.hidden = !parts.buttons.children.length;
    const isEmpty = !folder.folders.length && !folder.papers.length && !documents.length && !now.not_served.length;
    parts.empty.hidden = !isEmpty;
    if (isEmpty) parts.empty.replaceChildren(icon("book"), ...emptyWords(mayAdd));
    parts.latest.fill(now.latest);
    fillLists(first);
  }

  function fillLists(first) {
    const { folder } = found;
    const { rows, sections } = divided(folder.folders);
    const mayTend = folder.may.includes("register");
    const count = folder.papers.length + rows.length + sections.reduce((sum, one) => sum + one.papers.length, 0) + found.documents.length;
    tools.fill(count, { mayOrder: folder.papers.length + sections.length > 0 });
    const { query } = tools;
    const shownOf = (paper) => ({ paper, news: newsIn(paper), progress: leftIn(paper), mayTend });
    const listOf = (papers) => ordered(matching(papers, query), tools.order);
    const partOf = (list, papers) => ({
      list, items: papers, keyOf: (paper) => `paper ${paper.id}`, shown: shownOf, make: (paper) => {
        const row = paperRow(shownOf(paper), does);
        fillPreparing(row);
        return row;
      },
    });
    const shownFolders = matching(rows, query);
    const ownPapers = listOf(folder.papers);
    const isMeant = (section) => query && matching([section], query).length; // by its name: then all that is in it
    const shownSections = sections.map((one) => [one, isMeant(one) ? ordered(one.papers, tools.order) : listOf(one.papers)])
      .filter(([, papers]) => papers.length);
    const elements = shownSections.map(([one]) => (
      kept.get(`section ${one.id}`, [one.name, one.kind, one.note], () => droppable(folderSection(one), one))));
    reconcile(parts.sections, elements);
    const documents = documentParts(parts.documents, kept, { ...found, query, does, heading: t("documents") });
    const makeFolder = (one) => droppable(folderRow(one), one);
    growing.fill([
      { list: parts.folders, items: shownFolders, keyOf: (one) => `folder ${one.id}`, shown: (one) => one, make: makeFolder },
      partOf(parts.papers, ownPapers),
      ...shownSections.map(([, papers], index) => partOf(elements[index].list, papers)),
      ...documents.parts,
    ], first);
    parts.folders.hidden = !shownFolders.length;
    parts.foldersHeading.hidden = parts.folders.hidden || parts.latest.hidden; // without it nothing stands before them
    parts.papers.hidden = !ownPapers.length;
    const inSections = shownSections.reduce((sum, [, papers]) => sum + papers.length, 0);
    tools.tell(shownFolders.length + ownPapers.length + inSections + documents.count, true);
    const news = [folder, ...sections].reduce((sum, one) => sum + one.papers.filter(newsIn).length, 0);
    parts.news.hidden = !news;
    parts.news.textContent = news ? t("news_since", { n: news }) : "";
  }

  const newsIn = (paper) => newsOf(paper, found.since_s, found.reading.get(paper.id));

  function leftIn(paper) {
    const left = found.reading.get(paper.id);
    return progressOf(left ? left.page : pageOf(`paper=${paper.id}`), paper.page_count);
  }

  /* Files that are dropped on a folder go into it. */
  function droppable(element, folder) {
    const takes = (event) => found.folder.may.includes("register") && hasFiles(event);
    element.addEventListener("dragover", (event) => {
      if (!takes(event)) return;
      event.preventDefault();
      event.stopPropagation();
      element.dataset.into = t("drop_into", { name: folder.name });
      delete host.dataset.drop;
    });
    element.addEventListener("dragleave", (event) => { if (!element.contains(event.relatedTarget)) delete element.dataset.into; });
    element.addEventListener("drop", (event) => {
      delete element.dataset.into;
      if (!takes(event)) return;
      event.preventDefault();
      event.stopPropagation();
      does.dropped([...event.dataTransfer.files], folder.id);
    });
    return element;
  }

  function fillPreparing(row) {
    const one = progress.get(row.dataset.paper);
    const sign = row.querySelector(".preparing");
    sign.hidden = !one || !one.pages;
    if (one?.pages) sign.firstChild.value = (one.identified + one.previews + one.indexed) / (3 * one.pages);
    sign.parentNode.hidden = sign.hidden && sign.parentNode.children.length === 1;
  }

  return {
    fill,
    stop() { growing.stop(); },
    get folder() { return found?.folder; },
    prepared(now) {
      progress = now;
      for (const row of host.querySelectorAll("li[data-paper]")) fillPreparing(row);
    },
  };
}

/** Whether files are dragged, and not a text or a link. */
export const hasFiles = (event) => [...event.dataTransfer?.types || []].includes("Files");

function emptyWords(mayAdd) {
  return mayAdd ? [h("p", {}, t("empty_clerk"))] : [h("p", {}, t("empty")), h("p", { class: "note" }, t("empty_read"))];
}

/** The buttons for a folder. may: of the folder; me: who asks; does: what they do, by name. */
export function folderButtons(folder, me, does) {
  const may = (operation) => folder.may.includes(operation);
  const isTop = folder.id === TOP;
  return [
    may("register") && button("plus", t("add_papers"), does.add, { class: "main" }),
    may("change_folder") && button("folder", t("make_folder"), does.make),
    !isTop && me.has_accounts && may("share") && button("link", t("guests"), does.links),
    !isTop && me.has_accounts && may("change_access") && button("eye", t("who_sees"), does.access),
    !isTop && may("change_folder") && button("more", t("folder_more"), does.more),
    isTop && me.has_accounts && me.may.includes("manage_people") && button("people", t("people"), does.people),
  ].filter(Boolean);
}
