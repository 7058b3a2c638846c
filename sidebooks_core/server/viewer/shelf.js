/* The shelf: folders and papers, what is done with them, uploads, and the search over all of them. */

import { Api } from "./api.js";
import { TOP } from "./client.js";
import { button, h, icon, reconcile } from "./elements.js";
import { Uploads } from "./uploads.js";
import { bytes, fault, hasText, pages, summary, t, time } from "./words.js";

const HITS_AT_ONCE = 50;

/** The style is there. */
export const styled = new Promise((done) => {
  const sheet = h("link", { rel: "stylesheet", href: "viewer/shelf.css", onload: done, onerror: done });
  document.head.append(sheet);
});

/** `host`: the element that holds it. `does`: {library, tell(text), mark({paper, query, hits}), tools()}; tools: buttons for all screens. */
export function makeShelf(host, does) {
  const { library, tell } = does;
  const api = new Api(library);
  const kept = new Map(); // elements of lists, by what they show: what did not change stays, with its focus
  let shown = null; // {folder} or {query}
  let me = null;
  let folder = null;
  let showing = 0;
  let lookAgain = null; // a search that has found nothing yet, since papers are still being read
  let progress = new Map();
  let stale = 0;
  const parts = {};

  const uploads = new Uploads(library.base, (upload) => {
    if (upload.state === "done") finished(upload).catch((error) => tell(fault(error)));
    fillUploads();
  });
  addEventListener("beforeunload", (event) => { if (uploads.isBusy) event.preventDefault(); });

  async function show(place) {
    showing += 1;
    const mine = showing;
    me ||= await api.me();
    const [found] = await Promise.all([place.query === undefined ? read(place.folder) : null, styled]);
    if (mine !== showing) return;
    shown = place;
    kept.clear();
    if (place.query !== undefined) showSearch(place.query);
    else if (found.folder) showFolder(found);
    else showPlain(found.documents);
    host.querySelector("[autofocus]")?.focus();
  }

  /* A folder; at the top also the documents that are no papers. Returns {folder, documents}; folder: null if there is no shelf. */
  async function read(id) {
    const isTop = id === TOP;
    const [details, documents] = await Promise.all([
      me.has_shelf ? api.folder(id) : null,
      isTop ? library.documents() : [],
    ]);
    const isEmpty = isTop && !details?.folders.length && !details?.papers.length && !documents.length;
    if (isEmpty && me.role === "citizen") throw Object.assign(new Error(t("e401")), { status: 401 }); // somebody who logs in may see more
    return { folder: details, documents };
  }

  /** Read again what is shown, and change what is different. */
  async function refresh() {
    const place = shown;
    if (host.hidden || !place) return;
    if (place.query !== undefined) { await lookAgain?.(); return; }
    try {
      const found = await read(place.folder);
      if (shown !== place) { await refresh(); return; } // another one is shown by now, and was read before this change perhaps
      if (host.hidden) return;
      if (!found.folder) showPlain(found.documents);
      else fillFolder(found);
    } catch (error) {
      if (shown !== place) return;
      if (error.status === 401) { await does.logIn(); return; } // the login was ended
      if (error.status !== 404) throw error;
      location.hash = ""; // the folder is not there any more, or not for us
    }
  }

  function element(key, value, make) {
    const told = JSON.stringify(value);
    const known = kept.get(key);
    if (known?.told === told) return known.made;
    const made = make();
    kept.set(key, { told, made });
    return made;
  }

  /* The bar at the top of every screen. */
  function bar(query = "") {
    const input = h("input", { type: "search", value: query, autocomplete: "off", "aria-label": t("search_all"), placeholder: t("search_all"), enterkeyhint: "search" });
    const search = h("form", { role: "search", onsubmit: (event) => {
      event.preventDefault();
      if (input.value.trim()) location.hash = `search=${encodeURIComponent(input.value.trim())}`;
    } }, input, button("search", t("search"), null, { type: "submit" }));
    const account = async () => (await import("./account.js")).showAccount(api, me);
    return h("div", { class: "bar" }, search, h("span", { class: "tools" }, does.tools(),
      me.is_logged_in && button("person", me.name || t("guest"), account, { class: "account", title: t("me") }),
      me.has_accounts && me.role === "citizen" && button("person", t("log_in"), () => does.logIn())));
  }

  function showPlain(documents) {
    document.title = "sidebooks";
    reconcile(host, element("plain", documents, () => [
      h("h1", {}, t("documents")), documentGrid(documents), ...(documents.length ? [] : [h("p", {}, t("empty"))]),
    ]));
  }

  function documentGrid(documents) {
    return h("div", { class: "grid" }, documents.map((one) => h("a", { href: `#${one.id}` },
      h("img", { src: `${library.base}/documents/${one.id}/pages/1/preview`, alt: "", loading: "lazy" }), h("span", {}, one.name))));
  }

  function showFolder(found) {
    Object.assign(parts, {
      way: h("nav", { class: "way", "aria-label": t("shelf") }), heading: h("h1", {}), note: h("p", { class: "note" }), tools: h("div", { class: "buttons" }),
      uploads: h("section", { class: "uploads", hidden: true, "aria-label": t("uploads") }), folders: h("ul", { class: "folders" }), papers: h("ol", { class: "papers" }),
      documents: h("section", {}), empty: h("p", { class: "empty" }),
    });
    const { way, heading, note, tools, uploads: sending, folders, papers, documents, empty } = parts;
    host.replaceChildren(bar(), way, heading, note, tools, sending, folders, papers, documents, empty);
    fillFolder(found);
    fillUploads();
  }

  function fillFolder({ folder: now, documents }) {
    folder = now;
    const isTop = now.id === TOP;
    const mayAdd = now.may.includes("register");
    document.title = now.name || t("shelf");
    parts.heading.textContent = isTop ? t("shelf") : now.name;
    parts.note.textContent = now.note;
    parts.note.hidden = !now.note;
    parts.way.hidden = isTop;
    reconcile(parts.way, element("way", [now.way, now.name], () => [
      h("a", { href: "#" }, t("shelf")),
      ...now.way.map((one) => h("a", { href: `#folder=${one.id}` }, one.name)),
      h("span", { "aria-current": "page" }, now.name),
    ]));
    reconcile(parts.tools, element("tools", [now.id, now.name, now.may, now.way], () => folderTools(now)));
    parts.tools.hidden = !parts.tools.children.length;
    reconcile(parts.folders, now.folders.map((one) => element(`folder ${one.id}`, one, () => h("li", {},
      h("a", { href: `#folder=${one.id}` }, icon("folder"), h("span", {}, h("strong", {}, one.name), one.note && h("small", {}, one.note)))))));
    parts.folders.hidden = !now.folders.length;
    reconcile(parts.papers, now.papers.map((one) => element(`paper ${one.id}`, [one, mayAdd], () => paperRow(one, mayAdd))));
    parts.papers.hidden = !now.papers.length;
    reconcile(parts.documents, element("documents", documents, () => (documents.length ? [h("h2", {}, t("documents")), documentGrid(documents)] : [])));
    const isEmpty = !now.folders.length && !now.papers.length && !documents.length;
    parts.empty.textContent = mayAdd ? t("empty_clerk") : t("empty");
    parts.empty.hidden = !isEmpty;
    fillProgress();
  }

  function folderTools(now) {
    const may = (operation) => now.may.includes(operation);
    const isTop = now.id === TOP;
    const tending = (work) => () => import("./tending.js").then(work).catch((error) => tell(fault(error)));
    const more = { api, changed: refresh, left: (parent) => { location.hash = parent === TOP ? "" : `folder=${parent}`; } };
    return [
      may("register") && button("plus", t("add_papers"), () => choose(true, (files) => uploads.add(files, { folder: now.id })), { class: "main" }),
      may("change_folder") && button("folder", t("make_folder"), tending((tends) => tends.makeFolder(now.id, more))),
      !isTop && me.has_accounts && may("share") && button("link", t("guests"), tending((tends) => tends.showLinks(now, more))),
      !isTop && me.has_accounts && may("change_access") && button("eye", t("who_sees"), tending((tends) => tends.showAccess(now, more))),
      !isTop && may("change_folder") && button("more", t("folder_more"), tending((tends) => tends.showFolder(now, more))),
      isTop && me.has_accounts && me.may.includes("manage_people") && button("people", t("people"),
        async () => (await import("./account.js")).showPeople(api, me.may)),
    ].filter(Boolean);
  }

  function paperRow(one, mayTend) {
    const cover = one.document
      ? h("img", { src: new URL(one.document.preview).pathname, alt: "", loading: "lazy" })
      : h("span", { class: "cover" }, icon(one.state === "locked" ? "lock" : "warning"));
    const about = h("span", {}, h("strong", {}, one.name), h("small", {}, [one.page_count && pages(one.page_count), one.note].filter(Boolean).join(" – ")),
      one.reason && one.state !== "locked" && h("small", { lang: "en" }, one.reason));
    const more = async () => {
      const tends = await import("./tending.js");
      await tends.showPaper(one.id, { api, changed: refresh, replace, count: folder.papers.length });
    };
    const unlock = async () => (await import("./tending.js")).unlock(one, { api, changed: refresh });
    return h("li", { "data-paper": one.id, "data-state": one.withdrawn_s === null ? one.state : "withdrawn" },
      one.document ? h("a", { href: `#paper=${one.id}`, class: "open" }, cover, about) : h("div", { class: "open" }, cover, about),
      h("div", { class: "states" }, states(one), one.state === "locked" && mayTend && button("lock", t("give_password"), () => unlock().catch((error) => tell(fault(error)))),
        h("span", { class: "preparing", hidden: true }, h("progress", { max: 1, value: 0, "aria-label": t("preparing") }), t("preparing"))),
      mayTend && button("more", t("more"), () => more().catch((error) => tell(fault(error))), { "aria-label": t("more_of", { name: one.name }), class: "more" }));
  }

  function states(one) {
    const told = [];
    const now_s = Date.now() / 1000;
    if (one.withdrawn_s !== null) told.push(["withdraw", t("withdrawn")]);
    if (one.from_s !== null && one.from_s > now_s) told.push(["clock", t("not_yet", { time: time(one.from_s) })]);
    if (one.until_s !== null && one.until_s <= now_s) told.push(["clock", t("over", { time: time(one.until_s) })]);
    if (one.state !== "ready") told.push([one.state === "locked" ? "lock" : "warning", hasText(one.state) ? t(one.state) : one.state]);
    return told.map(([image, text]) => h("span", { class: "state" }, icon(image), text));
  }

  function fillProgress() {
    for (const row of parts.papers?.children || []) {
      const one = progress.get(row.dataset.paper);
      const sign = row.querySelector(".preparing");
      sign.hidden = !one || !one.pages;
      if (one?.pages) sign.firstChild.value = (one.identified + one.previews + one.indexed) / (3 * one.pages);
    }
  }

  /* Files: chosen, or dropped on the screen. */

  function choose(isMany, take) {
    const input = h("input", { type: "file", multiple: isMany, hidden: true, onchange: () => { take([...input.files]); input.remove(); } });
    input.addEventListener("cancel", () => input.remove());
    document.body.append(input); // Safari forgets one that is nowhere
    input.click();
  }

  function replace(paper) {
    choose(false, ([file]) => uploads.add([file], { paper: paper.id, before: paper.revision, shelf: paper.folder }));
  }

  const mayDrop = (event) => shown?.folder === folder?.id && folder?.may.includes("register") && event.dataTransfer?.types.includes("Files");
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
    uploads.add([...event.dataTransfer.files], { folder: folder.id });
  });

  async function finished(upload) {
    const { paper, before } = upload.target;
    upload.told = paper ? t("done_replaced") : t("done");
    refresh().catch((error) => tell(fault(error)));
    if (!paper || !upload.revision || upload.revision === before) return;
    const fates = await api.difference(paper, before, upload.revision);
    if (fates) upload.told = `${t("done_replaced")} – ${summary(fates)}`;
    fillUploads();
  }

  function fillUploads() {
    if (!parts.uploads) return;
    const left = shown?.folder ? uploads.unfinished(shown.folder) : [];
    parts.uploads.hidden = !uploads.all.length && !left.length;
    const rows = uploads.all.map((one) => {
      if (!one.row) one.row = uploadRow(one);
      fillUpload(one);
      return one.row;
    });
    const isOver = uploads.all.some((one) => one.isOver);
    reconcile(parts.uploads, [
      ...rows, ...left.map((one) => element(`unfinished ${one.key}`, one, () => unfinishedRow(one))),
      ...(isOver ? [element("clear", 0, () => button("close", t("clear"), () => { uploads.clear(); fillUploads(); }))] : []),
    ]);
  }

  function uploadRow(one) {
    const stop = button("close", t("cancel"), () => uploads.cancel(one), { "aria-label": t("cancel_upload", { name: one.name }), class: "stop" });
    const again = button("replace", t("again"), () => uploads.retry(one), { class: "again" });
    return h("div", { class: "upload" }, h("span", { class: "grow" }, h("strong", {}, one.name), h("progress", { max: 1, value: 0, "aria-label": one.name }),
      h("small", { role: "status" })), again, stop);
  }

  function fillUpload(one) {
    const [bar_, told] = [one.row.querySelector("progress"), one.row.querySelector("small")];
    one.row.dataset.state = one.state;
    bar_.hidden = one.isOver;
    bar_.value = one.size ? one.sent / one.size : 0;
    const texts = {
      sending: t("sending", { done: bytes(one.sent), size: bytes(one.size) }), done: one.told || t("done"), failed: one.error && (one.error.isConflict ? t("replaced_meanwhile") : fault(one.error)),
    };
    const text = texts[one.state] ?? t(one.state);
    if (told.textContent !== text) told.textContent = text;
    one.row.querySelector(".stop").hidden = one.isOver;
    one.row.querySelector(".again").hidden = one.state !== "failed" || one.error.isConflict;
  }

  function unfinishedRow(one) {
    const target = one.paper ? { paper: one.paper, before: one.before ?? null, shelf: one.folder } : { folder: one.folder };
    return h("div", { class: "upload" }, h("span", { class: "grow" }, t("unfinished", { name: one.name })),
      button("plus", t("choose_again"), () => choose(false, (files) => uploads.add(files, target))),
      button("close", t("forget"), () => uploads.forget(one).then(fillUploads)));
  }

  /* The search over all papers */

  function showSearch(query) {
    document.title = t("results", { q: query });
    const told = h("p", { role: "status" }, t("searching"));
    const unread = h("p", { class: "unindexed", role: "status", hidden: true });
    const list = h("ol", { class: "found" });
    const on = h("p", { class: "buttons" });
    host.replaceChildren(bar(query), h("nav", { class: "way" }, h("a", { href: "#" }, t("shelf")), h("span", { "aria-current": "page" }, t("search"))),
      h("h1", {}, t("results", { q: query })), told, unread, list, on);
    const papers = new Map(); // id -> {row, hits}
    let count = 0;
    const mine = showing;
    lookAgain = null;
    const step = async (before) => {
      on.replaceChildren();
      told.textContent = t("searching");
      try {
        let next = before;
        for (let left = HITS_AT_ONCE; left > 0; ) { // a step of the server is bounded by time: it may find a few, or none
          const from = next === null ? "" : `&before=${next}`;
          const found = await api.get(`/search?q=${encodeURIComponent(query)}&limit=${left}${from}`);
          if (mine !== showing) return;
          unread.hidden = !found.unindexed;
          unread.textContent = found.unindexed === 1 ? t("unindexed_one") : t("unindexed", { n: found.unindexed });
          for (const hit of found.pages) addHit(hit);
          count += found.pages.length;
          left -= found.pages.length;
          next = found.next;
          if (next === null) break;
          if (count) told.textContent = `${t("found", { pages: pages(count) })} – ${t("searching")}`;
        }
        const isMore = next !== null;
        lookAgain = count || unread.hidden ? null : () => step(null);
        told.textContent = isMore ? t("found_more", { pages: pages(count) }) : count ? t("found", { pages: pages(count) }) : t("nothing", { q: query });
        if (isMore) on.replaceChildren(button("search", t("more_hits"), () => step(next)));
      } catch (error) {
        if (mine !== showing) return;
        told.textContent = fault(error);
        on.replaceChildren(button("replace", t("again"), () => step(before)));
      }
    };
    const addHit = (hit) => {
      if (!papers.has(hit.paper)) {
        const row = h("li", {}, h("h2", {}, hit.name), h("ul", {}));
        papers.set(hit.paper, { row, hits: [] });
        list.append(row);
      }
      const { row, hits } = papers.get(hit.paper);
      hits.push(...hit.hits);
      row.lastChild.append(h("li", {}, h("a", { href: `#paper=${hit.paper}/${hit.page}`, onclick: () => does.mark({ paper: hit.paper, query, hits }) },
        hit.preview && h("img", { src: new URL(hit.preview).pathname, alt: "", loading: "lazy" }),
        h("span", {}, h("strong", {}, t("page", { n: hit.page })), h("small", {}, snippet(hit.hits[0]?.text || "", query))))));
    };
    step(null);
  }

  return {
    api,
    show,
    refresh,
    /** Whoever asks, once the shelf was shown. */
    get me() { return me; },
    /** Show the same place anew, in another language. */
    async again() {
      for (const one of uploads.all) one.row = null;
      if (shown && !host.hidden) await show(shown);
    },
    /** The stream tells of changes. */
    changed() {
      clearTimeout(stale);
      stale = setTimeout(() => refresh().catch((error) => tell(fault(error))), 50);
    },
    /** The stream tells how far papers are prepared. */
    prepared(event) {
      progress = new Map(event.papers.map((one) => [one.paper, one]));
      fillProgress();
    },
  };
}

/* A text with what was searched for marked in it, as far as it stands there letter by letter. */
function snippet(text, query) {
  const folded = (one) => one.normalize("NFKC").toLowerCase();
  const at = folded(text).length === text.length ? folded(text).indexOf(folded(query)) : text.indexOf(query);
  if (at < 0) return [text];
  return [text.slice(0, at), h("mark", {}, text.slice(at, at + query.length)), text.slice(at + query.length)];
}
