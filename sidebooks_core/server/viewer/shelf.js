/* The shelf: which of its screens is shown, and what it reads for them. The screens themselves stand in modules of their own. */

import { Api, statusOf } from "./api.js";
import { TOP } from "./client.js";
import { button, h, icon, searchField } from "./elements.js";
import { follow } from "./files.js";
import { folderButtons, folderView, hasFiles, isLeaving } from "./folder_view.js";
import { foundView } from "./found.js";
import { FIRST_ROWS } from "./growing.js";
import { latestDocuments, latestPapers } from "./latest.js";
import { addressOf, keyOf } from "./place.js";
import { plainView } from "./plain_view.js";
import { FEW } from "./shelf_list.js";
import { noteOpened, visitBefore } from "./shelf_memory.js";
import { makeNotices } from "./shelf_notices.js";
import { choose, uploadList } from "./upload_list.js";
import { Uploads } from "./uploads.js";
import { fault, summary, t } from "./words.js";

const LEAST_ROW_PX = 80;
const MOST_COLUMNS = 3;
const VISIT_EVERY_MS = 60_000;
/* Rows that come into view get their heights, which brings others into view. */
const FRAMES_TO_SETTLE = 8;

/**
 * @typedef {import("./api.js").Me} Me
 * @typedef {import("./api.js").PaperEntry} PaperEntry
 * @typedef {import("./api.js").FolderDetails} FolderDetails
 * @typedef {import("./api.js").DocumentSummary} DocumentSummary
 * @typedef {import("./folder_view.js").Found} Found
 * @typedef {import("./folder_view.js").Preparing} Preparing
 * @typedef {import("./uploads.js").Upload} Upload
 *
 * A folder, or a search over all papers.
 * @typedef {{folder: string, query?: undefined} | {query: string, folder?: undefined}} ShelfPlace
 *
 * A screen. `folder`: that it shows. `lookAgain`: for what a search did not find before.
 * @typedef {{
 *   stop(): void, fill?(found: Found, first?: number): void, prepared?(progress: Preparing): void, lookAgain?(): Promise<void>,
 *   folder?: FolderDetails | null,
 * }} Screen
 *
 * `tools`: makes buttons for all screens.
 * @typedef {{library: import("./client.js").Library, logIn: (why?: string) => unknown, mark: (found: import("./found.js").Marks) => void,
 *   tools: () => import("./elements.js").Children, meetings: () => HTMLElement}} ShelfDoes
 */

/** The style is there. @type {Promise<unknown>} */
export const styled = new Promise((done) => {
  const sheet = h("link", { rel: "stylesheet", href: "viewer/shelf.css", onload: done, onerror: done });
  document.head.append(sheet);
});

/** @param {ShelfPlace} place */
const screenOf = (place) => (place.query === undefined ? `folder ${place.folder}` : `search ${place.query}`);
/** @param {unknown} error */
const isPassing = (error) => error instanceof TypeError || statusOf(error) >= 500;

/** @param {HTMLElement} host the element that holds it @param {ShelfDoes} does */
export function makeShelf(host, does) {
  const { library } = does;
  const api = new Api(library);
  const tell = makeNotices();
  /** @type {Map<string, number>} how far places were scrolled */
  const scrolls = new Map();
  /** @type {ShelfPlace | null} */
  let shown = null;
  /** @type {Screen | null} of the place that is shown */
  let view = null;
  /** @type {ChildNode | null} it is in the page as long as the screen is */
  let mark = null;
  /** @type {"" | "folder" | "plain" | "found" | "lost"} of the screen */
  let kind = "";
  /** @type {Me | null} */
  let me = null;
  let showing = 0;
  let progress = /** @type {Preparing} */ (new Map());
  let stale = 0;
  let served = /** @type {DocumentSummary[]} */ ([]);
  /** @type {{href: string | null, top: number} | null} the link that was followed: when one comes back, it has the focus again */
  let last = null;
  let isGoingOn = false; // by a link of the shelf: to the beginning of what it leads to

  const uploads = new Uploads(library.base, (upload) => {
    if (upload.state === "done") finished(upload).catch(tellFault);
    sending.fill();
  });
  const folderShown = () => (kind === "folder" ? shown?.folder : undefined);
  const sending = uploadList(uploads, folderShown, (upload) => compare(upload).catch(tellFault));
  /** @param {Error} error */
  const tellFault = (error) => tell(fault(error));
  /* Whoever asks: they are known once the shelf is shown. */
  const asking = () => /** @type {Me} */ (me);

  addEventListener("beforeunload", (event) => { if (uploads.isBusy) event.preventDefault(); });
  addEventListener("online", () => { if (kind === "lost") again().catch(tellFault); });
  addEventListener("scroll", () => { if (!host.hidden && shown) scrolls.set(screenOf(shown), scrollY); }, { passive: true });
  host.addEventListener("click", (event) => {
    const link = event.target instanceof Element && event.target.closest("a[href^='#']");
    if (!link) return;
    last = { href: link.getAttribute("href"), top: link.getBoundingClientRect().top };
    isGoingOn = true;
  });
  setInterval(() => { if (document.visibilityState === "visible") visitBefore(); }, VISIT_EVERY_MS);
  if ("scrollRestoration" in history) history.scrollRestoration = "manual"; // what it would scroll to is not there yet

  /** @param {ShelfPlace} place */
  async function show(place) {
    showing += 1;
    const mine = showing;
    const isSame = shown && screenOf(shown) === screenOf(place) && view && host.contains(mark);
    const isNew = isGoingOn && !isSame;
    isGoingOn = false;
    const y = isNew ? 0 : scrolls.get(screenOf(place)) || 0;
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
      const { query } = place;
      if (found) fill(found, rowsTo(y));
      else if (query !== undefined) begin("found", () => foundView(host, bar(query), query, { api, mark: does.mark }));
      if (isSame && document.activeElement?.getAttribute("href") === last?.href) comeBack(scrollY); // something above it is different
      if (!isSame) {
        scrollTo(0, y);
        /** @type {HTMLElement | null} */ (host.querySelector("[autofocus]"))?.focus();
      }
    } catch (error) {
      if (mine !== showing) return;
      if (!me || !isPassing(error)) throw error; // at the start, a page of its own says so
      if (isSame) tellFault(/** @type {Error} */ (error)); // what was there before may still be read
      else showLost(place);
    }
  }

  /** @param {number} y */
  const rowsTo = (y) => Math.max(FIRST_ROWS, Math.ceil((y + innerHeight) / LEAST_ROW_PX) * (y ? MOST_COLUMNS : 1));

  /** From a paper, to where its row is. @param {number} y */
  function comeBack(y) {
    scrollTo(0, y);
    if (!last) return;
    const { href, top } = last;
    const link = [...host.querySelectorAll("a")].find((one) => one.getAttribute("href") === href);
    if (!link) return;
    if (document.activeElement !== link) link.focus({ preventScroll: true });
    const place = (/** @type {number} */ frames) => {
      scrollBy(0, link.getBoundingClientRect().top - top);
      if (frames) requestAnimationFrame(() => place(frames - 1)); // heights of rows that were not seen were guesses
    };
    place(FRAMES_TO_SETTLE);
  }

  function leave() {
    view?.stop();
    view = null;
    kind = "";
  }

  /** @param {"folder" | "plain" | "found" | "lost"} wanted @param {() => Screen} make */
  function begin(wanted, make) {
    leave();
    kind = wanted;
    view = make();
    mark = host.firstChild;
    return view;
  }

  /** The server cannot be reached, and nothing was shown before. @param {ShelfPlace} place */
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

  /**
   * A folder; at the top also the documents that are no papers.
   * @param {string} id
   * @returns {Promise<Found>}
   */
  async function read(id) {
    const isTop = id === TOP;
    const { has_shelf: hasShelf, is_logged_in: isLoggedIn, has_accounts: hasAccounts, role } = asking();
    const [folder, listed, reading] = await Promise.all([
      hasShelf ? api.folder(id, FEW) : null,
      isTop ? api.documents() : { documents: [], not_served: [] },
      hasShelf && isLoggedIn ? api.reading().catch(() => []) : [],
    ]);
    const { documents, not_served = [] } = listed;
    if (isTop) follow(served = documents);
    const isEmpty = isTop && !folder?.folders.length && !folder?.papers.length && !documents.length;
    if (isEmpty && role === "citizen" && hasAccounts) { // somebody who logs in may see more
      throw Object.assign(new Error(t("e401")), { status: 401 });
    }
    const latest = !isTop ? [] : hasShelf ? await latestPapers(api, reading) : latestDocuments(library.base, documents);
    return { folder, documents, not_served, reading: new Map(reading.map((one) => [one.paper, one])), latest, since_s: visitBefore() };
  }

  /** Read again what is shown, and change what is different. */
  async function refresh() {
    const place = shown;
    if (host.hidden || !place) return;
    if (kind === "found") { await view?.lookAgain?.(); return; }
    if (kind === "lost" || place.folder === undefined) { await again(); return; }
    try {
      const found = await read(place.folder);
      if (shown !== place) { await refresh(); return; } // another one is shown by now, and was read before this change perhaps
      if (!host.hidden) fill(found);
    } catch (error) {
      if (shown !== place) return;
      if (statusOf(error) === 401) { await does.logIn(t(asking().is_logged_in ? "login_over" : "login_needed")); return; }
      if (isPassing(error)) return; // it is told of by the stream, and the shelf stays
      if (statusOf(error) !== 404) throw error;
      location.hash = ""; // the folder is not there any more, or not for us
    }
  }

  /** @type {(found: Found, first?: number) => void} first: rows to be there when this returns */
  function fill(found, first) {
    const wanted = found.folder ? "folder" : "plain";
    /** @type {(files: File[], folder: string) => void} */
    const dropped = (files, folder) => { uploads.add(files, { folder }); };
    const make = () => (found.folder
      ? folderView(host, bar(), { ...rowDoes, uploads: sending.element, tools: folderTools, dropped })
      : plainView(host, bar(), rowDoes));
    const screen = view && kind === wanted && host.contains(mark) ? view : begin(wanted, make);
    screen.fill?.(found, first);
    screen.prepared?.(progress);
    sending.fill();
  }

  /** @param {(tends: typeof import("./tending.js")) => unknown} work */
  const tending = (work) => () => import("./tending.js").then(work).catch(tellFault);
  /** @type {import("./rows.js").RowDoes} */
  const rowDoes = {
    base: library.base,
    opened: (one) => {
      noteOpened(keyOf("revision" in one ? "paper" : "document", one.id));
      if (!("revision" in one)) follow(served); // all: the file before may have another name now
    },
    more: (one) => tending((tends) => {
      const count = view?.folder?.papers.length || 0;
      return tends.showPaper(one.id, { api, changed: refresh, replace, count });
    })(),
    unlock: (one) => tending((tends) => tends.unlock(one, { api, changed: refresh }))(),
  };

  /** @param {FolderDetails} folder */
  function folderTools(folder) {
    /** @param {string} parent */
    const left = (parent) => { location.hash = addressOf({ kind: "folder", id: parent }); };
    const more = { api, changed: refresh, left };
    const sharing = () => import("./sharing.js");
    return folderButtons(folder, asking(), {
      add: () => choose(true, (files) => uploads.add(files, { folder: folder.id })),
      make: tending((tends) => tends.makeFolder(folder.id, more)),
      meet: () => import("./starting.js").then((starts) => starts.beginMeeting(library, "folders", folder)).catch(tellFault),
      links: () => sharing().then((shares) => shares.showLinks(folder, more)).catch(tellFault),
      access: () => sharing().then((shares) => shares.showAccess(folder, more)).catch(tellFault),
      more: tending((tends) => tends.showFolder(folder, more)),
      people: () => import("./people.js").then((people) => people.showPeople(api, asking().may)).catch(tellFault),
    });
  }

  /* The bar at the top of every screen. */
  function bar(query = "") {
    const { has_shelf: hasShelf, has_accounts: hasAccounts, is_logged_in: isLoggedIn, name, role } = asking();
    const input = searchField(t("search_all"), { value: query, enterkeyhint: "search" });
    /** @param {Event} event */
    const onsubmit = (event) => {
      event.preventDefault();
      if (!input.value.trim()) { tell(t("help_search")); input.focus(); return; }
      isGoingOn = true;
      location.hash = addressOf({ kind: "search", query: input.value.trim() });
    };
    const search = h("form", { role: "search", onsubmit }, input, button("search", t("search"), null, { type: "submit" }));
    const account = () => import("./account.js").then((accounts) => accounts.showAccount(api, asking())).catch(tellFault);
    return h("div", { class: "bar" }, hasShelf ? search : h("span", { class: "grow" }), h("span", { class: "tools" }, does.tools(),
      isLoggedIn && button("person", name || t("guest"), account, { class: "account", title: t("me") }),
      hasAccounts && role === "citizen" && button("person", t("log_in"), () => does.logIn())), hasShelf && does.meetings());
  }

  /* Files: chosen, or dropped on the screen. */

  /** @param {PaperEntry} paper */
  function replace(paper) {
    choose(false, ([file]) => uploads.add([file], { paper: paper.id, before: paper.revision, shelf: paper.folder }));
  }

  /** The folder that takes what is dropped; null: none does. @param {DragEvent} event */
  const dropFolder = (event) => {
    const folder = (kind === "folder" && view?.folder) || null;
    return folder?.may.includes("register") && hasFiles(event) ? folder : null;
  };
  host.addEventListener("dragover", (event) => {
    if (!dropFolder(event)) return;
    event.preventDefault();
    host.dataset.drop = t("drop");
  });
  host.addEventListener("dragleave", (event) => { if (isLeaving(host, event)) delete host.dataset.drop; });
  host.addEventListener("drop", (event) => {
    delete host.dataset.drop;
    const folder = dropFolder(event);
    if (!folder) return;
    event.preventDefault();
    uploads.add([...event.dataTransfer?.files || []], { folder: folder.id });
  });

  /** @param {Upload} upload */
  async function finished(upload) {
    const { paper, before } = upload.target;
    upload.told = paper ? t("done_replaced") : t("done");
    refresh().catch(tellFault);
    if (!paper || !before || !upload.revision || upload.revision === before) return;
    const fates = await api.difference(paper, before, upload.revision);
    if (!fates) return;
    upload.told = `${t("done_replaced")} – ${summary(fates)}`;
    upload.hasMap = true;
    sending.fill();
    if (!document.querySelector("dialog")) await compare(upload);
  }

  /** @param {Upload} upload */
  async function compare({ target: { paper, before }, revision }) {
    if (!paper || !before || !revision) return;
    const { showChanges } = await import("./change_map.js");
    await showChanges(api, await api.paper(paper), before, revision);
  }

  return {
    api,
    show,
    refresh,
    /** Whoever asks, once the shelf was shown. */
    get me() { return me; },
    again,
    /** Another page stands in its place: what is on its way to it does not come. */
    giveUp() {
      showing += 1;
      leave();
      shown = me = null; // a login may have ended
    },
    /** The stream tells of changes. */
    changed() {
      clearTimeout(stale);
      stale = setTimeout(() => refresh().catch(tellFault), 50);
    },
    /** The stream tells how far papers are prepared. @param {{papers: import("./api.js").PaperProgress[]}} event */
    prepared(event) {
      progress = new Map(event.papers.map((one) => [one.paper, one]));
      view?.prepared?.(progress);
    },
  };
}
