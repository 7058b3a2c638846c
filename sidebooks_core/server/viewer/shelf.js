/* The shelf: which of its screens is shown, and what it reads for them. The screens themselves stand in modules of their own. */

import { Api } from "./api.js";
import { TOP } from "./client.js";
import { button, h, icon, searchField } from "./elements.js";
import { folderButtons, folderView, hasFiles } from "./folder_view.js";
import { foundView } from "./found.js";
import { FIRST_ROWS } from "./growing.js";
import { makeNotices } from "./shelf_notices.js";
import { plainView } from "./plain_view.js";
import { pathOf } from "./rows.js";
import { FEW, withoutEnding } from "./shelf_list.js";
import { noteOpened, opened, pageOf, visitBefore } from "./shelf_memory.js";
import { choose, uploadList } from "./upload_list.js";
import { Uploads } from "./uploads.js";
import { fault, summary, t } from "./words.js";

const LATEST = 5; // papers to look up for what to go on with
const LEAST_ROW_PX = 80;
const MOST_COLUMNS = 3;
const VISIT_EVERY_MS = 60_000;

/** The style is there. */
export const styled = new Promise((done) => {
  const sheet = h("link", { rel: "stylesheet", href: "viewer/shelf.css", onload: done, onerror: done });
  document.head.append(sheet);
});

const keyOf = (place) => (place.query === undefined ? `folder ${place.folder}` : `search ${place.query}`);
const isPassing = (error) => error instanceof TypeError || error.status >= 500;

/** `host`: the element that holds it. `does`: {library, tell(text), logIn(), mark({paper, query, hits}), tools()}; tools: buttons for
    all screens. */
export function makeShelf(host, does) {
  const { library } = does;
  const api = new Api(library);
  const tell = makeNotices();
  const scrolls = new Map(); // place -> how far it was scrolled
  let shown = null; // {folder} or {query}
  let view = null; // of the place that is shown
  let kind = ""; // of view: "folder", "plain", "found" or "lost"
  let me = null;
  let showing = 0;
  let progress = new Map();
  let stale = 0;
  let last = null; // {href, top} of the link that was followed: it is there again, with the focus, when one comes back
  let isGoingOn = false; // by a link of the shelf: to the beginning of what it leads to

  const uploads = new Uploads(library.base, (upload) => {
    if (upload.state === "done") finished(upload).catch(tellFault);
    sending.fill();
  });
  const sending = uploadList(uploads, () => (kind === "folder" ? shown?.folder : undefined), (upload) => compare(upload).catch(tellFault));
  const tellFault = (error) => tell(fault(error));

  addEventListener("beforeunload", (event) => { if (uploads.isBusy) event.preventDefault(); });
  addEventListener("online", () => { if (kind === "lost") again().catch(tellFault); });
  addEventListener("scroll", () => { if (!host.hidden && shown) scrolls.set(keyOf(shown), scrollY); }, { passive: true });
  host.addEventListener("click", (event) => {
    const link = event.target.closest?.("a[href^='#']");
    if (!link) return;
    last = { href: link.getAttribute("href"), top: link.getBoundingClientRect().top };
    isGoingOn = true;
  });
  setInterval(() => { if (document.visibilityState === "visible") visitBefore(); }, VISIT_EVERY_MS);
  if ("scrollRestoration" in history) history.scrollRestoration = "manual"; // what it would scroll to is not there yet

  async function show(place) {
    showing += 1;
    const mine = showing;
    const isSame = shown && keyOf(shown) === keyOf(place) && view && host.contains(view.mark);
    const isNew = isGoingOn && !isSame;
    isGoingOn = false;
    const y = isNew ? 0 : scrolls.get(keyOf(place)) || 0;
    if (isSame) comeBack(y);
    try {
      me ||= await api.me();
      const [found] = await Promise.all([place.query === undefined ? read(place.folder) : null, styled]);
      if (mine !== showing) return;
      if (isSame && place.query !== undefined) return;
      if (!isSame) {
        shown = place;
        leave();
      }
      if (place.query === undefined) fill(found, rowsTo(y));
      else begin("found", () => foundView(host, bar(place.query), place.query, { api, mark: does.mark }));
      if (isSame && document.activeElement?.getAttribute("href") === last?.href) comeBack(scrollY); // something above it is different
      if (!isSame) {
        scrollTo(0, y);
        host.querySelector("[autofocus]")?.focus();
      }
    } catch (error) {
      if (mine !== showing) return;
      if (!me || !isPassing(error)) throw error; // at the start, a page of its own says so
      if (isSame) tellFault(error); // what was there before may still be read
      else showLost(place);
    }
  }

  const rowsTo = (y) => Math.max(FIRST_ROWS, Math.ceil((y + innerHeight) / LEAST_ROW_PX) * (y ? MOST_COLUMNS : 1));

  /* From a paper, to where its row is. */
  function comeBack(y) {
    scrollTo(0, y);
    const link = last && [...host.querySelectorAll("a")].find((one) => one.getAttribute("href") === last.href);
    if (!link) return;
    if (document.activeElement !== link) link.focus({ preventScroll: true });
    const { top } = last;
    const place = () => scrollBy(0, link.getBoundingClientRect().top - top);
    place();
    requestAnimationFrame(() => requestAnimationFrame(place)); // heights of rows that were not seen were guesses
  }

  function leave() {
    view?.stop();
    view = null;
    kind = "";
  }

  function begin(wanted, make) {
    leave();
    kind = wanted;
    view = make();
    view.mark = host.firstChild;
  }

  /* The server cannot be reached, and nothing was shown before. */
  function showLost(place) {
    shown = place;
    begin("lost", () => {
      const top = h("div", { class: "bar" }, h("span", { class: "grow" }), h("span", { class: "tools" }, does.tools()));
      host.replaceChildren(top, h("div", { class: "empty", role: "alert" },
        icon("warning"), h("h1", {}, t("shelf_lost")), h("p", {}, t("shelf_lost_text")),
        button("replace", t("again"), () => again().catch(tellFault), { class: "main" })));
      return { stop() {} };
    });
  }

  /** Show the same place anew, in another language. */
  async function again() {
    sending.again();
    if (!shown || host.hidden) return;
    leave();
    await show(shown);
  }

  /* A folder; at the top also the documents that are no papers. Without a shelf of papers, folder is null. */
  async function read(id) {
    const isTop = id === TOP;
    const [folder, listed, reading] = await Promise.all([
      me.has_shelf ? api.folder(id, FEW) : null,
      isTop ? library.json("/documents") : { documents: [], not_served: [] },
      me.has_shelf && me.is_logged_in ? api.reading().catch(() => []) : [],
    ]);
    const { documents, not_served = [] } = listed;
    const isEmpty = isTop && !folder?.folders.length && !folder?.papers.length && !documents.length;
    if (isEmpty && me.role === "citizen" && me.has_accounts) { // somebody who logs in may see more
      throw Object.assign(new Error(t("e401")), { status: 401 });
    }
    const latest = !isTop ? [] : me.has_shelf ? await latestPapers(reading) : latestDocuments(documents);
    return { folder, documents, not_served, reading: new Map(reading.map((one) => [one.paper, one])), latest, since_s: visitBefore() };
  }

  /* What was read last: as the server knows it of somebody, or this device of anybody. */
  async function latestPapers(reading) {
    const known = reading.length ? reading.filter((one) => one.at_s) : opened().filter((one) => one.key.startsWith("paper=")).map((one) => (
      { paper: one.key.slice("paper=".length), page: pageOf(one.key) || 1 }));
    const wanted = known.filter((one) => one.page > 1).slice(0, LATEST);
    const papers = await Promise.all(wanted.map((one) => api.paper(one.paper).catch(() => null)));
    return papers.map((one, index) => one?.document && one.withdrawn_s === null && {
      key: `paper=${one.id}`, name: one.name, page: wanted[index].page, count: one.page_count, preview: pathOf(one.document.preview),
    }).filter(Boolean);
  }

  function latestDocuments(documents) {
    const known = new Map(documents.map((one) => [one.id, one]));
    return opened().filter((one) => known.has(one.key)).map(({ key }) => {
      const { name, page_count: count } = known.get(key);
      return { key, name: withoutEnding(name), page: pageOf(key) || 1, count, preview: `${library.base}/documents/${key}/pages/1/preview` };
    });
  }

  /** Read again what is shown, and change what is different. */
  async function refresh() {
    const place = shown;
    if (host.hidden || !place) return;
    if (kind === "found") { await view.lookAgain(); return; }
    if (kind === "lost") { await again(); return; }
    try {
      const found = await read(place.folder);
      if (shown !== place) { await refresh(); return; } // another one is shown by now, and was read before this change perhaps
      if (!host.hidden) fill(found);
    } catch (error) {
      if (shown !== place) return;
      if (error.status === 401) { await does.logIn(); return; } // the login was ended
      if (isPassing(error)) return; // it is told of by the stream, and the shelf stays
      if (error.status !== 404) throw error;
      location.hash = ""; // the folder is not there any more, or not for us
    }
  }

  function fill(found, first) {
    const wanted = found.folder ? "folder" : "plain";
    if (kind !== wanted || !host.contains(view.mark)) {
      const dropped = (files, folder) => uploads.add(files, { folder });
      begin(wanted, () => (found.folder
        ? folderView(host, bar(), { ...rowDoes, uploads: sending.element, tools: folderTools, dropped })
        : plainView(host, bar(), rowDoes)));
    }
    view.fill(found, first);
    view.prepared(progress);
    sending.fill();
  }

  const tending = (work) => () => import("./tending.js").then(work).catch(tellFault);
  const rowDoes = {
    base: library.base,
    opened: (one) => noteOpened(one.revision === undefined ? one.id : `paper=${one.id}`),
    more: (one) => tending((tends) => tends.showPaper(one.id, { api, changed: refresh, replace, count: view.folder.papers.length }))(),
    unlock: (one) => tending((tends) => tends.unlock(one, { api, changed: refresh }))(),
  };

  function folderTools(folder) {
    const more = { api, changed: refresh, left: (parent) => { location.hash = parent === TOP ? "" : `folder=${parent}`; } };
    return folderButtons(folder, me, {
      add: () => choose(true, (files) => uploads.add(files, { folder: folder.id })),
      make: tending((tends) => tends.makeFolder(folder.id, more)),
      links: () => import("./sharing.js").then((shares) => shares.showLinks(folder, more)).catch(tellFault),
      access: () => import("./sharing.js").then((shares) => shares.showAccess(folder, more)).catch(tellFault),
      more: tending((tends) => tends.showFolder(folder, more)),
      people: () => import("./people.js").then((people) => people.showPeople(api, me.may)).catch(tellFault),
    });
  }

  /* The bar at the top of every screen. */
  function bar(query = "") {
    const input = searchField(t("search_all"), { value: query, enterkeyhint: "search" });
    const search = h("form", { role: "search", onsubmit: (event) => {
      event.preventDefault();
      if (!input.value.trim()) { tell(t("help_search")); input.focus(); return; }
      isGoingOn = true;
      location.hash = `search=${encodeURIComponent(input.value.trim())}`;
    } }, input, button("search", t("search"), null, { type: "submit" }));
    const account = () => import("./account.js").then((accounts) => accounts.showAccount(api, me)).catch(tellFault);
    return h("div", { class: "bar" }, me.has_shelf ? search : h("span", { class: "grow" }), h("span", { class: "tools" }, does.tools(),
      me.is_logged_in && button("person", me.name || t("guest"), account, { class: "account", title: t("me") }),
      me.has_accounts && me.role === "citizen" && button("person", t("log_in"), () => does.logIn())));
  }

  /* Files: chosen, or dropped on the screen. */

  function replace(paper) {
    choose(false, ([file]) => uploads.add([file], { paper: paper.id, before: paper.revision, shelf: paper.folder }));
  }

  const mayDrop = (event) => kind === "folder" && view.folder?.may.includes("register") && hasFiles(event);
  host.addEventListener("dragover", (event) => {
    if (!mayDrop(event)) return;
    event.preventDefault();
    host.dataset.drop = t("drop");
  });
  host.addEventListener("dragleave", (event) => { if (!host.contains(event.relatedTarget)) delete host.dataset.drop; });
  host.addEventListener("drop", (event) => {
    delete host.dataset.drop;
    if (!mayDrop(event)) return;
    event.preventDefault();
    uploads.add([...event.dataTransfer.files], { folder: view.folder.id });
  });

  async function finished(upload) {
    const { paper, before } = upload.target;
    upload.told = paper ? t("done_replaced") : t("done");
    refresh().catch(tellFault);
    if (!paper || !upload.revision || upload.revision === before) return;
    const fates = await api.difference(paper, before, upload.revision);
    if (!fates) return;
    upload.told = `${t("done_replaced")} – ${summary(fates)}`;
    upload.hasMap = true;
    sending.fill();
    if (!document.querySelector("dialog")) await compare(upload);
  }

  async function compare({ target, revision }) {
    const { showChanges } = await import("./change_map.js");
    await showChanges(api, await api.paper(target.paper), target.before, revision);
  }

  return {
    api,
    show,
    refresh,
    /** Whoever asks, once the shelf was shown. */
    get me() { return me; },
    again,
    /** The stream tells of changes. */
    changed() {
      clearTimeout(stale);
      stale = setTimeout(() => refresh().catch(tellFault), 50);
    },
    /** The stream tells how far papers are prepared. */
    prepared(event) {
      progress = new Map(event.papers.map((one) => [one.paper, one]));
      view?.prepared?.(progress);
    },
  };
}
