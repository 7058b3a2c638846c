/* The reference viewer: a shelf, and a reader for fingers and keys. Coarse first, sharp after, never blank. */

import { Library, TOP } from "./client.js";
import { watch } from "./fingers.js";
import { clampMove, fit, levelFor, MAX_IMAGE_PX, neighbourOf, spreadOf, tilesIn, zoomed } from "./layout.js";
import { paintSpread } from "./painter.js";

const WORDS = {
  en: {
    back: "Shelf", shelf: "Back to the shelf", search: "Search", outline: "Contents", spread: "Two pages", night: "Night", page: "Page",
    previous: "Back", next: "On", position: "Position", pages: "Pages", side: "Contents and hits", none: "Nothing found",
    empty: "No documents yet", of: "of", added: "New:", open: "Open", withdrawn: "This document was withdrawn", text: "Text of the page",
    lost: "No connection to the server; trying again", incomplete: "Not all of this page could be drawn",
    replaced: "This paper was replaced; now showing the new one", unreadable: "This paper was replaced by a file that cannot be shown",
    taken: "This paper was withdrawn", over: "This paper is not published any longer", ok: "OK",
  },
  ja: {
    back: "本棚", shelf: "本棚へ戻る", search: "検索", outline: "目次", spread: "見開き", night: "夜間", page: "ページ",
    previous: "前へ", next: "次へ", position: "位置", pages: "ページ一覧", side: "目次と検索結果", none: "見つかりません",
    empty: "文書がありません", of: "/", added: "新着：", open: "開く", withdrawn: "この文書は取り下げられました", text: "ページの本文",
    lost: "サーバーに接続できません。再接続しています", incomplete: "このページの一部を表示できませんでした",
    replaced: "この文書は差し替えられました。新しい版を表示しています", unreadable: "この文書は表示できないファイルに差し替えられました",
    taken: "この文書は取り下げられました", over: "この文書の公開期間は終了しました", ok: "閉じる",
  },
};

const AHEAD = [1, -1, 2]; // spreads decoded before they are turned to
const MOST_ZOOM = 8;
const AFTERWARDS_MS = 1500;
const CLOCKS_S = 60; // by so much this clock may be behind that of the server
const SLIDE_MS = 140;
const RIFFLE_MS = 130; // turns closer than this show what there is, and sharpen where they stop
const PAPER_AFTER_MS = 1000; // after opening: the paper of a page that has not come yet
const AFTER_FRAME_MS = 34; // two frames: what may come when the page is on the screen
const MOST_POSITION_MS = 400;
const POSITION_MS = 2000; // a page that is looked at this long is kept on the server
const SETTLE_MS = 250; // a page that is looked at this long gets its text, its place in the address, its mark of progress

const $ = (id) => document.getElementById(id);
const library = new Library(location.pathname.replace(/\/$/, ""));
const calm = matchMedia("(prefers-reduced-motion: reduce)");
const state = {
  book: null, page: 1, together: false, zoom: 1, x: 0, y: 0, slide: 0, hits: [], marks: null, entry: null, hash: "", changes: 0, language: "en", turn: 0, turned_ms: 0, known: null,
};
const context = $("canvas").getContext("2d");
let paintStrip = () => {}; // with what else the first page does not wait for: see `afterwards`
let fillText = null;
let hasAll = false;
const words = () => WORDS[state.language];
const hashOf = (folder) => (folder === TOP ? "" : `folder=${folder}`);
let painting = false;
let sharpening = 0;
const later = {};

/* One timer of each name. */
function after(name, ms, does) {
  clearTimeout(later[name]);
  later[name] = setTimeout(does, ms);
}

function speak(language) {
  state.language = language;
  document.documentElement.lang = language;
  for (const one of document.querySelectorAll("[data-label]")) {
    one.setAttribute("aria-label", words()[one.dataset.label]);
    if (one.matches("button, input")) one.title = words()[one.dataset.label];
  }
  $("back").lastChild.textContent = words().back;
  $("language").textContent = language === "en" ? "日本語" : "English";
  $("language").lang = language === "en" ? "ja" : "en";
  localStorage.setItem("sidebooks language", language);
}

function tell(text) {
  $("message").textContent = text;
  $("message").hidden = !text;
}

/* The shelf, and the ways in: their modules come when they are shown. */

let shelf = null;
let making = null;

async function theShelf() {
  making ||= Promise.all([import("./shelf.js"), import("./words.js")]).then(async ([{ makeShelf }, texts]) => {
    await texts.speakIn(state.language);
    shelf = makeShelf($("shelf"), {
      library, tell, logIn: () => showEntry("login"), mark: (found) => { state.marks = found; }, tools: () => tools(texts.t),
    });
    return shelf;
  });
  return making;
}

function tools(t) {
  const language = Object.assign(document.createElement("button"), { type: "button", textContent: t("other_language"), onclick: () => $("language").click() });
  language.lang = state.language === "en" ? "ja" : "en";
  const night = Object.assign(document.createElement("button"), { type: "button", textContent: t("night"), onclick: () => {
    $("night").click();
    night.setAttribute("aria-pressed", $("night").getAttribute("aria-pressed"));
  } });
  night.setAttribute("aria-pressed", $("night").getAttribute("aria-pressed"));
  return [language, night];
}

function leaveReader() {
  state.book?.close();
  state.book = null;
  $("reader").hidden = true;
  $("early")?.remove();
  $("shelf").hidden = false;
}

async function showShelf(place) {
  leaveReader();
  await (await theShelf()).show(place);
  afterwards();
}

async function showEntry(way, token) {
  state.entry = () => {};
  leaveReader();
  tell("");
  const { api } = await theShelf();
  const [{ showEntry: show }, { t }] = await Promise.all([import("./entry.js"), import("./words.js")]);
  await import("./shelf.js").then(({ styled }) => styled);
  state.entry = () => show($("shelf"), api, way, token, () => tools(t));
  await state.entry();
}

/* Somebody registered a document, or withdrew one: everybody sees it at once. */
async function documentsChanged(ids) {
  const known = state.known;
  state.known = new Set(ids);
  if (known && known.size === ids.length && ids.every((id) => known.has(id))) return;
  if (!state.book || !known) {
    shelf?.changed(); // if nothing was known: something may have come between the list and the stream
  } else if (!state.book.paper && !state.known.has(state.book.id)) {
    location.hash = "";
    tell(words().withdrawn);
  } else {
    const added = ids.filter((id) => !known.has(id)).at(-1);
    const found = added && (await library.documents()).find((one) => one.id === added);
    if (!found) return;
    notify(`${words().added} ${found.name}`, words().open, () => { location.hash = found.id; });
  }
}

function notify(text, does, action) {
  const [told, button] = $("news").children;
  told.textContent = text;
  button.textContent = does;
  button.onclick = () => { $("news").hidden = true; action?.(); };
  $("news").hidden = false;
}

/* The shelf of papers changed. An event without changes says that the stream begins: anything may be different by then. */
async function papersChanged(event) {
  shelf?.changed();
  state.changes += 1;
  const { book } = state;
  if (!book?.paper) return;
  const isConcerned = (one) => one.paper === book.paper.id || one.kind === "gone";
  if (!event.changes.length || event.changes.some(isConcerned)) await lookAtPaper(book);
}

/* Is the paper that is open still there, and the same? */
async function lookAtPaper(book) {
  if (book.isLooking) { book.mustLook = true; return; }
  book.isLooking = true;
  try {
    do {
      book.mustLook = false;
      const now = await library.json(`/papers/${book.paper.id}`).catch((error) => {
        if (![401, 403, 404].includes(error.status)) throw error;
        return null;
      });
      if (state.book !== book) return;
      const isOver = book.paper.until_s !== null && book.paper.until_s <= Date.now() / 1000 + CLOCKS_S;
      if (!now || (now.withdrawn_s !== null && book.paper.withdrawn_s === null)) takeAway(!now && isOver ? words().over : words().taken);
      else if (now.revision !== book.paper.revision || now.document?.id !== book.id) await showReplaced(book, now);
      else {
        book.paper = now;
        $("title").textContent = document.title = now.name;
      }
    } while (book.mustLook && state.book === book);
  } finally { book.isLooking = false; }
}

/* The pages of a paper that is there no longer are on no canvas either. */
function takeAway(text) {
  const { folder } = state.book.paper;
  for (const canvas of [$("canvas"), $("strip")]) canvas.width = canvas.height = 1;
  delete $("canvas").dataset.book;
  $("text").replaceChildren();
  state.book.close();
  state.book = null;
  location.hash = hashOf(folder);
  notify(text, words().ok);
}

/* Lead the reader to the same page of the new revision. */
async function showReplaced(book, now) {
  if (!now.document) { takeAway(words().unreadable); return; }
  const fates = now.revision === book.paper.revision ? null
    : await library.json(`/papers/${now.id}/diff/${book.paper.revision}-${now.revision}`).then((found) => found.pages, (error) => {
      if (error.status !== 409 && error.status !== 503) throw error; // it cannot be said, or not now: the same number will do
      return null;
    });
  if (state.book !== book) return;
  await showBook(now.document.id, fates ? placeIn(fates, state.page) : state.page, now);
  if (fates) notify(words().replaced, words().ok);
}

/* Where a page of the old revision is in the new one: if it was removed, where the nearest one before it is. */
function placeIn(fates, page) {
  const before = fates.filter((one) => one.old_page && one.new_page && one.old_page <= page);
  return before.reduce((best, one) => (one.old_page > best.old_page ? one : best), { old_page: 0, new_page: 1 }).new_page;
}

/* The reader */

async function showPaper(id, page) {
  const [paper, kept] = await Promise.all([library.json(`/papers/${id}`), page ? null : keptPage(id)]);
  if (location.hash !== state.hash) return; // somewhere else by now
  if (!paper.document) {
    location.hash = hashOf(paper.folder);
    return;
  }
  const { marks, changes } = state;
  state.marks = null;
  await showBook(paper.document.id, page || kept, paper);
  if (marks?.paper === id && state.book?.key === keyOf(paper)) {
    state.hits = marks.hits;
    $("query").value = marks.query;
    paint();
  }
  if (state.changes !== changes && state.book?.paper === paper) await lookAtPaper(state.book); // told while it was being opened
}

const keyOf = (paper) => `paper=${paper.id}`;

/* The page at which whoever asks left off, on whatever device; null if that is not known soon. */
function keptPage(id) {
  if (library.isNobody) return null;
  const asked = library.json(`/papers/${id}/position`).then((found) => found.page, (error) => {
    library.isNobody ||= error.status === 401;
    return null; // this device may know it
  });
  return Promise.race([asked, new Promise((done) => { setTimeout(done, MOST_POSITION_MS, null); })]);
}

function keepPosition() {
  clearTimeout(later.position);
  const { book, page } = state;
  if (!book?.paper || library.isNobody || book.page_kept === page) return;
  book.page_kept = page;
  const options = { method: "PUT", headers: { "Content-Type": "application/json" }, keepalive: true, priority: "low" };
  const body = JSON.stringify({ page, revision: book.paper.revision });
  fetch(`${library.base}/papers/${book.paper.id}/position`, { ...options, body })
    .then((answer) => { library.isNobody ||= answer.status === 401; })
    .catch(() => {}); // a place that is lost costs a few turns
}

async function showBook(id, page, paper = null) {
  $("shelf").hidden = true;
  $("reader").hidden = false;
  tell("");
  $("news").hidden = true;
  state.book?.close();
  const key = paper ? keyOf(paper) : id;
  const first = page || Number(localStorage.getItem(`sidebooks page ${key}`)) || 1;
  const { width, height } = view();
  const book = await library.open(id, state.together ? null : { page: first, ...limited(width, height) });
  Object.assign(book, { key, paper });
  state.book = book;
  book.opened_ms = performance.now();
  after("paper", PAPER_AFTER_MS + 1, () => { if ($("canvas").dataset.book !== id) paint(); });
  book.onupdate = (updated) => {
    if (spread().includes(updated)) paint();
    else after("strip", 50, () => paintStrip());
  };
  $("title").textContent = document.title = paper?.name || book.name;
  document.documentElement.toggleAttribute("data-no-print", book.may_print === false);
  $("position").max = book.pages.length;
  $("position").dir = book.direction;
  state.hits = [];
  $("query").value = "";
  closeSide();
  goto(first);
  $("stage").focus({ preventScroll: true });
}

const spread = () => spreadOf(state.book.pages, state.book.direction, state.page, state.together);
const neighbour = (step) => neighbourOf(state.book.pages, state.book.direction, spread(), step, state.together);

/* Pixels of the screen that the stage has. */
function view() {
  const across = Math.max(1, $("stage").clientWidth);
  const down = Math.max(1, $("stage").clientHeight);
  const ratio = Math.min(window.devicePixelRatio || 1, 3, Math.sqrt(MAX_IMAGE_PX / (across * down)));
  return { width: Math.round(across * ratio), height: Math.round(down * ratio), ratio };
}

function limited(width, height) {
  const share = Math.min(1, Math.sqrt(MAX_IMAGE_PX / (width * height)));
  return { width: Math.max(1, Math.floor(width * share)), height: Math.max(1, Math.floor(height * share)) };
}

/* What to ask the server for: a page alone by the size of the screen, the same for all pages and all tablets of a kind. */
function askFor(box, pages) {
  if (pages.length !== 1) { const { width, height } = limited(box.width, box.height); return [box.page, width, height]; }
  const { width, height } = limited(view().width, view().height);
  const asked = `${width}x${height}`;
  if (state.asked !== asked) localStorage.setItem("sidebooks view", state.asked = asked);
  return [box.page, width, height];
}

/* A document just opened: its page is on the way, and a frame of blank paper, or of what is there already, would only delay it. */
function isWaiting() {
  const { book, page } = state;
  const isShown = $("early") && state.turn === 1 && state.zoom === 1 && !state.slide;
  if (!isShown && performance.now() - book.opened_ms > PAPER_AFTER_MS) return false;
  const seen = view();
  const isBetter = (box) => {
    const best = book.best(...askFor(box, spread()));
    return book.failure(box.page) || (best && !(isShown && best.bitmap === book.preview(page)));
  };
  return !fit(book.pages, spread(), seen.width, seen.height).some(isBetter);
}

function paint() {
  if (painting || !state.book || isWaiting()) return;
  painting = true;
  requestAnimationFrame(() => {
    painting = false;
    const { book } = state;
    if (!book) return;
    const seen = view();
    const canvas = $("canvas");
    if (canvas.width !== seen.width || canvas.height !== seen.height) { canvas.width = seen.width; canvas.height = seen.height; }
    context.clearRect(0, 0, seen.width, seen.height);
    const beside = state.slide ? neighbour(stepTo(state.slide > 0 ? "left" : "right")) : null;
    if (beside) {
      const place = { zoom: 1, x: state.slide - Math.sign(state.slide) * seen.width, y: 0 };
      paintSpread(context, book, seen, spreadOf(book.pages, book.direction, beside, state.together), place, askFor, []);
    }
    const place = { zoom: state.zoom, x: state.x + state.slide, y: state.y };
    const shown = paintSpread(context, book, seen, spread(), place, askFor, state.hits);
    Object.assign(canvas.dataset, {
      book: book.id, page: state.page, turn: state.turn, zoom: state.zoom, shown, sharp: shown === "sharp",
      failed: spread().some((page) => book.failure(page)),
    });
    $("early")?.remove();
    showProblems();
    if (!$("text").hidden) {
      $("text").style.transform = `translate(${state.x / seen.ratio}px, ${state.y / seen.ratio}px) scale(${state.zoom})`;
    }
    after("strip", AFTER_FRAME_MS, () => paintStrip());
  });
}

/* A sign on a page that is not whole; what is missing stands in it, to be opened. */
function showProblems() {
  const { book } = state;
  const told = spread().filter((page) => book.problems(page)).map((page) => `${book.pages[page - 1]?.label ?? page}: ${book.problems(page)}`);
  if (!told.length) { $("problems").hidden = true; return; }
  const [heading, list] = $("problems").children;
  if (heading.textContent !== `⚠ ${words().incomplete}`) heading.textContent = `⚠ ${words().incomplete}`;
  if (list.textContent !== told.join("\n")) list.textContent = told.join("\n");
  $("problems").title = told.join("\n");
  $("problems").hidden = false;
}

/* A turn: whatever there is of the page is on the screen in the next frame, and all else comes after it. */
function goto(page) {
  const { book } = state;
  const now_ms = performance.now();
  const isRiffling = now_ms - state.turned_ms < RIFFLE_MS;
  const to = Math.max(1, Math.min(book.pages.length, page));
  Object.assign(state, { page: to, turn: state.turn + 1, zoom: 1, x: 0, y: 0, slide: 0, turned_ms: now_ms });
  paint();
  if (isRiffling) after("sharpen", RIFFLE_MS, sharpen);
  else if (isSharp()) after("sharpen", AFTER_FRAME_MS, sharpen);
  else sharpen();
  after("turned", AFTER_FRAME_MS, showPlace);
  after("settle", SETTLE_MS, settle);
}

function isSharp() {
  const seen = view();
  return fit(state.book.pages, spread(), seen.width, seen.height).every((box) => state.book.best(...askFor(box, spread()))?.sharp);
}

function showPlace() {
  if (!state.book) return;
  $("text").hidden = true;
  $("position").value = state.page;
  $("number").textContent = `${state.page} ${words().of} ${state.book.pages.length}`;
}

function remember() {
  clearTimeout(later.settle);
  if (state.book) localStorage.setItem(`sidebooks page ${state.book.key}`, state.page);
}

function leavePage() {
  remember();
  keepPosition();
}

function settle() {
  remember();
  const { book, page } = state;
  if (!book) return;
  history.replaceState(null, "", `#${book.key}/${page}`); // Safari refuses more than 100 in 30 seconds
  state.hash = location.hash;
  $("stage").setAttribute("aria-label", `${words().page} ${book.pages[page - 1].label}`);
  if (book.paper) after("position", POSITION_MS, keepPosition);
}

/* What is on the screen first; when it is there, its text, then the neighbours, decoded before they are turned to. */
async function sharpen() {
  clearTimeout(later.sharpen);
  const { book } = state;
  if (!book) return;
  sharpening += 1;
  const mine = sharpening;
  const seen = view();
  const boxes = fit(book.pages, spread(), seen.width, seen.height);
  const visible = boxes.map((box) => askFor(box, spread()));
  const ahead = AHEAD.map(neighbour).filter((page) => page !== null).flatMap((page) => {
    const pages = spreadOf(book.pages, book.direction, page, state.together);
    return fit(book.pages, pages, seen.width, seen.height).map((box) => askFor(box, pages));
  });
  const tiles = state.zoom === 1 ? [] : boxes.flatMap((box) => {
    const shown = zoomed(box, seen, state);
    const { levels } = book.pages[box.page - 1];
    return tilesIn(levels, levelFor(levels, shown.width), shown, seen).map((one) => [box.page, one.level, one.column, one.row]);
  });
  book.keepOnly([...visible, ...ahead], tiles);
  try {
    await Promise.all([...visible.map((one) => book.load(...one)), ...tiles.map((one) => book.loadTile(...one))]);
    if (mine !== sharpening) return;
    tell("");
    book.hint(state.page, seen.width, seen.height, state.together); // not before: it would draw beside what is waited for
    afterwards();
    after("text", SETTLE_MS, () => showText(mine));
    book.fetchPreviews(() => state.page).catch((error) => { if (state.book === book) tell(error.message); });
    for (const one of ahead) {
      if (mine !== sharpening) return;
      await book.load(...one, false).catch(() => {}); // told when somebody turns to it
    }
  } catch (error) {
    if (error.name !== "AbortError" && mine === sharpening) tell(error.message);
  }
}

async function showText(mine) {
  const { book } = state;
  if (!book || !fillText || mine !== sharpening) return;
  const seen = view();
  const boxes = fit(book.pages, spread(), seen.width, seen.height);
  try {
    const contents = await Promise.all(boxes.map((box) => book.text(box.page)));
    if (state.book !== book || mine !== sharpening) return;
    fillText($("text"), boxes, contents, seen.ratio, goto);
    $("text").hidden = false;
    $("text").style.transform = `translate(${state.x / seen.ratio}px, ${state.y / seen.ratio}px) scale(${state.zoom})`;
  } catch (error) {
    if (error.name !== "AbortError" && mine === sharpening) tell(error.message);
  }
}

function turn(step) {
  const page = neighbour(step);
  if (page !== null) goto(page);
}

const stepTo = (side) => ((side === "right") === (state.book.direction !== "rtl") ? 1 : -1);
const towards = (side) => turn(stepTo(side));

function zoomTo(zoom, x = 0, y = 0) {
  const seen = view();
  const before = state.zoom;
  const after_ = Math.max(1, Math.min(MOST_ZOOM, zoom));
  const moved = after_ === 1 ? { x: 0, y: 0 }
    : { x: x - (x - state.x) * (after_ / before), y: y - (y - state.y) * (after_ / before) };
  Object.assign(state, clampMove({ zoom: after_, ...moved }, fit(state.book.pages, spread(), seen.width, seen.height), seen));
  paint();
  after("sharpen", 120, sharpen);
}

function move(dx, dy) {
  const seen = view();
  const boxes = fit(state.book.pages, spread(), seen.width, seen.height);
  Object.assign(state, clampMove({ zoom: state.zoom, x: state.x + dx, y: state.y + dy }, boxes, seen));
  paint();
  after("sharpen", 120, sharpen);
}

/* Let the page run from where it is to its place. */
function settleSlide(from) {
  const turn_ = state.turn;
  const started_ms = performance.now();
  const step = (now_ms) => {
    if (!state.book || state.turn !== turn_) return; // the next turn is already here
    const share = Math.min(1, Math.max(0, now_ms - started_ms) / SLIDE_MS);
    state.slide = share === 1 || calm.matches ? 0 : from * (1 - share) ** 2;
    paint();
    if (state.slide) requestAnimationFrame(step);
  };
  step(started_ms);
}

const fromMiddle = (x, y) => {
  const seen = view();
  return [x * seen.ratio - seen.width / 2, y * seen.ratio - seen.height / 2];
};

watch($("stage"), {
  isZoomed: () => state.zoom > 1,
  tap(x) {
    if (state.zoom > 1) return;
    const share = x / $("stage").clientWidth;
    if (share < 1 / 3) towards("left");
    else if (share > 2 / 3) towards("right");
  },
  doubleTap(x, y) {
    const share = x / $("stage").clientWidth;
    if (state.zoom > 1) zoomTo(1);
    else if (share >= 1 / 3 && share <= 2 / 3) zoomTo(3, ...fromMiddle(x, y));
  },
  follow(dx) {
    if (calm.matches) return;
    const isEnd = neighbour(stepTo(dx > 0 ? "left" : "right")) === null;
    state.slide = dx * view().ratio * (isEnd ? 0.3 : 1);
    paint();
  },
  letGo(dx, turns) {
    const side = dx > 0 ? "left" : "right";
    const { slide } = state;
    if (turns && neighbour(stepTo(side)) !== null) {
      towards(side);
      state.slide = slide - Math.sign(dx) * view().width;
    }
    settleSlide(calm.matches ? 0 : state.slide);
  },
  move(dx, dy) { move(dx * view().ratio, dy * view().ratio); },
  zoom(factor, x, y) { zoomTo(state.zoom * factor, ...fromMiddle(x, y)); },
  turn,
});

/* Contents and hits */

function fillSide(rows) {
  $("side").replaceChildren(...rows.map(({ text, page, level }) => {
    const button = document.createElement("button");
    button.textContent = text;
    button.style.paddingLeft = `${8 + 14 * ((level || 1) - 1)}px`;
    button.disabled = !page;
    button.onclick = () => { closeSide(); goto(page); };
    return button;
  }));
  if (!rows.length) $("side").textContent = words().none;
  $("side").hidden = false;
  $("outline-button").setAttribute("aria-expanded", "true");
}

function closeSide() {
  if ($("side").contains(document.activeElement)) $("stage").focus({ preventScroll: true });
  $("side").hidden = true;
  $("outline-button").setAttribute("aria-expanded", "false");
}

/* Keys and buttons */

document.addEventListener("keydown", (event) => {
  if (!state.book || event.target.matches?.("input")) return;
  const isPanning = state.zoom > 1;
  const pan = view().height / 4;
  const actions = {
    ArrowRight: () => (isPanning ? move(-pan, 0) : towards("right")), ArrowLeft: () => (isPanning ? move(pan, 0) : towards("left")),
    ArrowDown: () => (isPanning ? move(0, -pan) : turn(1)), ArrowUp: () => (isPanning ? move(0, pan) : turn(-1)),
    PageDown: () => turn(1), PageUp: () => turn(-1), " ": () => turn(event.shiftKey ? -1 : 1),
    Home: () => goto(1), End: () => goto(state.book.pages.length),
    "+": () => zoomTo(state.zoom * 1.5), "=": () => zoomTo(state.zoom * 1.5), "-": () => zoomTo(state.zoom / 1.5), 0: () => zoomTo(1),
  };
  if (event.key === "Escape") closeSide();
  const action = actions[event.key];
  const isButton = event.target.closest?.(event.key === " " ? "button" : "#side");
  if (action && !event.ctrlKey && !event.metaKey && !event.altKey && !isButton) {
    event.preventDefault();
    action();
  }
});

$("back").onclick = () => {
  leavePage();
  const folder = state.book?.paper?.folder || TOP;
  location.hash = hashOf(folder);
};
$("next").onclick = () => turn(1);
$("previous").onclick = () => turn(-1);
$("position").oninput = (event) => goto(Number(event.target.value));
$("outline-button").onclick = async () => {
  if (!$("side").hidden) { closeSide(); return; }
  const { book } = state;
  try {
    const items = await book.outline();
    if (state.book !== book) return;
    fillSide(items.map((item) => ({ text: item.title, page: item.page, level: item.level })));
    $("side").querySelector("button")?.focus();
  } catch (error) { if (state.book === book) tell(error.message); }
};
$("spread").onclick = () => {
  state.together = !state.together;
  $("spread").setAttribute("aria-pressed", state.together);
  goto(Math.min(...spread()));
};
$("night").onclick = () => {
  const isNight = document.documentElement.toggleAttribute("data-night");
  $("night").setAttribute("aria-pressed", isNight);
  localStorage.setItem("sidebooks night", isNight ? "1" : "");
  paintStrip();
};
$("language").onclick = () => {
  speak(state.language === "en" ? "ja" : "en");
  if (state.book) { showPlace(); paint(); }
  if (!making) return;
  import("./words.js").then(async ({ speakIn }) => {
    await speakIn(state.language);
    return state.entry ? state.entry() : shelf?.again();
  }).catch((error) => tell(error.message));
};
$("search").onsubmit = async (event) => {
  event.preventDefault();
  const query = $("query").value.trim();
  const { book } = state;
  state.hits = [];
  paint();
  if (!query) { closeSide(); return; }
  try {
    const hits = await book.search(query);
    if (state.book !== book) return;
    state.hits = hits;
    fillSide(hits.map((hit) => ({ text: `${hit.page}: ${hit.text}`, page: hit.page })));
    const first = hits.find((hit) => hit.page >= state.page) || hits[0];
    if (first) goto(first.page);
  } catch (error) { if (state.book === book) tell(error.message); }
};

new ResizeObserver(() => {
  if (!state.book) return;
  $("text").hidden = true;
  Object.assign(state, { zoom: 1, x: 0, y: 0, slide: 0 });
  paint();
  after("sharpen", 100, sharpen);
}).observe($("stage"));

/* What the first page need not wait for: thumbnails, text, and the stream of events. Called again and again. */
async function afterwards() {
  if (hasAll || state.entry) return;
  hasAll = true;
  const [strip, text] = await Promise.all([import("./strip.js"), import("./text.js")]);
  paintStrip = strip.makeStrip($("strip"), {
    book: () => state.book, page: () => state.page, direction: () => state.book.direction, goto,
  });
  ({ fillText } = text);
  paintStrip();
  if (state.book) after("text", SETTLE_MS, () => showText(sharpening));
  library.listen({
    documents: (ids) => documentsChanged(ids).catch((error) => tell(error.message)),
    shelf: (event) => papersChanged(event).catch((error) => tell(error.message)),
    progress: (event) => shelf?.prepared(event),
    page: ({ document, is_sharp }) => { if (is_sharp && state.book?.id === document) state.book.refetch(); },
    view: () => localStorage.getItem("sidebooks view"),
    refused: () => {
      if (state.entry) return false;
      const looked = state.book?.paper ? lookAtPaper(state.book) : shelf?.refresh(); // logged out from elsewhere, perhaps
      looked?.catch((error) => tell(error.message));
      return true;
    },
    lost: (isLost) => {
      if (isLost && !state.entry) tell(words().lost);
      else if ($("message").textContent === words().lost) tell("");
    },
  });
}

async function route() {
  const { hash } = location;
  state.hash = hash;
  state.entry = null;
  const [, kind, value] = /^#(folder|search|join|setup)=(.*)$/.exec(hash) || [];
  const [name, page] = decodeURIComponent(hash.slice(1)).split("/");
  try {
    if (kind === "join" || kind === "setup") await showEntry(kind, decodeURIComponent(value));
    else if (kind === "search") await showShelf({ query: decodeURIComponent(value) });
    else if (kind || !name) await showShelf({ folder: kind ? value : TOP });
    else if (state.book?.key === name) { if (Number(page) && Number(page) !== state.page) goto(Number(page)); }
    else if (name.startsWith("paper=")) await showPaper(name.slice(6), Number(page));
    else await showBook(name, Number(page));
  } catch (error) {
    if (location.hash !== hash) return;
    if (error.status === 401) { await showEntry("login"); return; }
    if (name) await showShelf({ folder: TOP }).catch((other) => { if (other.status !== 401) throw other; return showEntry("login"); });
    tell(error.message);
  }
}

speak(localStorage.getItem("sidebooks language") || (navigator.language.startsWith("ja") ? "ja" : "en"));
$("night").setAttribute("aria-pressed", document.documentElement.hasAttribute("data-night"));
addEventListener("hashchange", route);
addEventListener("pagehide", leavePage);
window.sidebooks = state; // for tests and for the curious
route();
setTimeout(afterwards, AFTERWARDS_MS); // at once when the first page is there
