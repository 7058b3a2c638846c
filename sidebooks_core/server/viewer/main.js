/* The reference viewer: a shelf, and a reader for fingers and keys. Coarse first, sharp after, never blank. */

import { Library, spreadOf } from "./client.js";

const WORDS = {
  en: { shelf: "Back to the shelf", search: "Search", outline: "Contents", spread: "Two pages", night: "Night", page: "Page",
    previous: "Back", next: "On", position: "Position", none: "Nothing found", hits: "found", empty: "No documents yet", of: "of" },
  ja: { shelf: "本棚へ戻る", search: "検索", outline: "目次", spread: "見開き", night: "夜間", page: "ページ",
    previous: "前へ", next: "次へ", position: "位置", none: "見つかりません", hits: "件", empty: "文書がありません", of: "/" },
};
const MAX_PIXELS = 16_000_000;
const SWIPE_PX = 40;
const AHEAD = [1, -1, 2];

const $ = (id) => document.getElementById(id);
const library = new Library(location.pathname.replace(/\/$/, ""));
const state = { book: null, page: 1, together: false, zoom: 1, x: 0, y: 0, hits: [], language: "en", turn: 0 };
let painting = false;
let abort = new AbortController();

function speak(language) {
  state.language = language;
  document.documentElement.lang = language;
  for (const one of document.querySelectorAll("[data-label]")) {
    one.setAttribute("aria-label", WORDS[language][one.dataset.label]);
    one.title = WORDS[language][one.dataset.label];
  }
  $("language").textContent = language === "en" ? "日本語" : "English";
  localStorage.setItem("sidebooks language", language);
}

function tell(text) {
  $("message").textContent = text;
  $("message").hidden = !text;
}

async function showShelf() {
  $("reader").hidden = true;
  $("shelf").hidden = false;
  state.book = null;
  document.title = "sidebooks";
  const found = await library.documents();
  $("shelf").replaceChildren(...found.map((one) => {
    const link = document.createElement("a");
    link.href = `#${one.id}`;
    const cover = document.createElement("img");
    cover.src = `${library.base}/documents/${one.id}/pages/1/preview`;
    cover.alt = "";
    cover.loading = "lazy";
    const name = document.createElement("span");
    name.textContent = one.title;
    link.append(cover, name);
    return link;
  }));
  if (!found.length) $("shelf").textContent = WORDS[state.language].empty;
}

async function showBook(id, page) {
  state.book = await library.open(id);
  $("shelf").hidden = true;
  $("reader").hidden = false;
  $("title").textContent = document.title = state.book.title;
  $("strip").max = state.book.pages.length;
  $("strip").dir = state.book.direction;
  state.hits = [];
  fillOutline();
  goto(page || Number(localStorage.getItem(`sidebooks page ${id}`)) || 1);
  fetchPreviews(state.book);
  $("stage").focus();
}

async function fetchPreviews(book) {
  const order = book.pages.map((_, index) => index + 1).sort((a, b) => Math.abs(a - state.page) - Math.abs(b - state.page));
  for (const page of order.slice(0, 400)) {
    if (state.book !== book) return;
    await book.preview(page).catch(() => {});
    if (spread().includes(page)) paint();
  }
}

const spread = () => spreadOf(state.book, state.page, state.together);

/* Screen pixels of each page of a spread: [{page, x, y, width, height}]. */
function layout(pages) {
  const ratio = Math.min(window.devicePixelRatio || 1, 3);
  const width = Math.max(1, Math.round($("stage").clientWidth * ratio));
  const height = Math.max(1, Math.round($("stage").clientHeight * ratio));
  const sizes = pages.map((page) => state.book.pages[page - 1]);
  const scale = Math.min(width / sizes.reduce((sum, one) => sum + one.width_pt, 0), height / Math.max(...sizes.map((one) => one.height_pt)));
  let x = (width - scale * sizes.reduce((sum, one) => sum + one.width_pt, 0)) / 2;
  const boxes = sizes.map((one, index) => {
    const box = { page: pages[index], x, y: (height - one.height_pt * scale) / 2, width: one.width_pt * scale, height: one.height_pt * scale, scale };
    x += box.width;
    return box;
  });
  return { width, height, boxes };
}

/* The box in which the server fits the page: rounded, so that neighbours and tablets of one kind ask for the same. */
function boxOf(one, zoom = 1) {
  const limit = Math.min(1, Math.sqrt(MAX_PIXELS / (one.width * one.height * zoom * zoom)));
  return [Math.max(1, Math.round(one.width * zoom * limit)), Math.max(1, Math.round(one.height * zoom * limit))];
}

function paint() {
  if (painting || !state.book) return;
  painting = true;
  requestAnimationFrame(() => {
    painting = false;
    if (!state.book) return;
    const { width, height, boxes } = layout(spread());
    const canvas = $("canvas");
    if (canvas.width !== width || canvas.height !== height) { canvas.width = width; canvas.height = height; }
    const context = canvas.getContext("2d");
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, width, height);
    context.translate(width / 2 + state.x, height / 2 + state.y);
    context.scale(state.zoom, state.zoom);
    context.translate(-width / 2, -height / 2);
    let sharp = true;
    for (const one of boxes) {
      context.fillStyle = "#ffffff";
      context.fillRect(one.x, one.y, one.width, one.height);
      const image = (state.zoom > 1 && state.book.best(one.page, ...boxOf(one, state.zoom))?.sharp
        ? state.book.best(one.page, ...boxOf(one, state.zoom)) : null) || state.book.best(one.page, ...boxOf(one));
      if (image) context.drawImage(image.bitmap, one.x, one.y, one.width, one.height);
      sharp &&= Boolean(image?.sharp);
      context.fillStyle = "rgba(255, 196, 0, 0.4)";
      for (const hit of state.hits) {
        if (hit.page !== one.page) continue;
        for (const [x0, y0, x1, y1] of hit.boxes_pt) {
          context.fillRect(one.x + x0 * one.scale, one.y + y0 * one.scale, (x1 - x0) * one.scale, (y1 - y0) * one.scale);
        }
      }
    }
    canvas.dataset.page = state.page;
    canvas.dataset.turn = state.turn;
    canvas.dataset.sharp = sharp;
  });
}

function goto(page) {
  const count = state.book.pages.length;
  state.page = Math.max(1, Math.min(count, page));
  state.turn += 1;
  state.zoom = 1;
  state.x = state.y = 0;
  const label = state.book.pages[state.page - 1].label;
  $("strip").value = state.page;
  $("number").textContent = `${state.page} ${WORDS[state.language].of} ${count}`;
  $("stage").setAttribute("aria-label", `${WORDS[state.language].page} ${label}`);
  history.replaceState(null, "", `#${state.book.id}/${state.page}`);
  localStorage.setItem(`sidebooks page ${state.book.id}`, state.page);
  tell("");
  paint();
  sharpen();
}

/* The pages on the screen first; when they are there, the neighbours, decoded before they are turned to. */
async function sharpen() {
  abort.abort();
  abort = new AbortController();
  const { signal } = abort;
  const book = state.book;
  const { width, height, boxes } = layout(spread());
  book.hint(state.page, width, height, state.together);
  const load = (one, zoom) => book.load(one.page, ...boxOf(one, zoom), signal).then(paint);
  try {
    await Promise.all(boxes.map((one) => load(one, state.zoom)));
    for (const step of AHEAD) {
      const page = neighbour(step);
      if (page === null || signal.aborted) continue;
      for (const one of layout(spreadOf(book, page, state.together)).boxes) await load(one, 1);
    }
  } catch (error) {
    if (error.name !== "AbortError" && state.book === book) tell(error.message);
  }
}

function neighbour(step) {
  let pages = spread();
  for (let left = Math.abs(step); left > 0; left -= 1) {
    const page = step > 0 ? Math.max(...pages) + 1 : Math.min(...pages) - 1;
    if (page < 1 || page > state.book.pages.length) return null;
    pages = spreadOf(state.book, page, state.together);
  }
  return Math.min(...pages);
}

function turn(step) {
  const page = neighbour(step);
  if (page !== null) goto(page);
}

const towards = (side) => turn((side === "right") === (state.book.direction !== "rtl") ? 1 : -1);

function zoomTo(zoom, x = 0, y = 0) {
  const before = state.zoom;
  state.zoom = Math.max(1, Math.min(8, zoom));
  state.x = state.zoom === 1 ? 0 : x - (x - state.x) * (state.zoom / before);
  state.y = state.zoom === 1 ? 0 : y - (y - state.y) * (state.zoom / before);
  keepOnScreen();
  paint();
  clearTimeout(zoomTo.later);
  zoomTo.later = setTimeout(sharpen, 150);
}

function keepOnScreen() {
  const most = (side) => (side * (state.zoom - 1)) / 2;
  state.x = Math.max(-most($("canvas").width), Math.min(most($("canvas").width), state.x));
  state.y = Math.max(-most($("canvas").height), Math.min(most($("canvas").height), state.y));
}

function fillSide(rows) {
  $("side").replaceChildren(...rows.map(({ text, page, level }) => {
    const button = document.createElement("button");
    button.textContent = text;
    button.style.paddingLeft = `${8 + 14 * ((level || 1) - 1)}px`;
    button.disabled = !page;
    button.onclick = () => { $("side").hidden = true; goto(page); };
    return button;
  }));
  if (!rows.length) $("side").textContent = WORDS[state.language].none;
}

function fillOutline() {
  fillSide(state.book.outline.map((item) => ({ text: item.title, page: item.page, level: item.level })));
  $("side").hidden = true;
}

/* Fingers: one moves or turns, two pinch. */
const fingers = new Map();
let gesture = null;
$("stage").addEventListener("pointerdown", (event) => {
  $("stage").setPointerCapture(event.pointerId);
  fingers.set(event.pointerId, event);
  if (fingers.size === 1) gesture = { x: event.clientX, y: event.clientY, moved: false, pinch: 0 };
  if (fingers.size === 2) gesture.pinch = spanOf() / state.zoom;
});
$("stage").addEventListener("pointermove", (event) => {
  const before = fingers.get(event.pointerId);
  if (!before || !gesture) return;
  fingers.set(event.pointerId, event);
  if (fingers.size === 2) {
    gesture.moved = true;
    const [a, b] = [...fingers.values()];
    zoomTo(spanOf() / gesture.pinch, ...fromMiddle((a.clientX + b.clientX) / 2, (a.clientY + b.clientY) / 2));
  } else if (state.zoom > 1) {
    const ratio = $("canvas").width / $("stage").clientWidth;
    gesture.moved = true;
    state.x += (event.clientX - before.clientX) * ratio;
    state.y += (event.clientY - before.clientY) * ratio;
    keepOnScreen();
    paint();
  }
});
function ended(event) {
  fingers.delete(event.pointerId);
  if (fingers.size || !gesture) return;
  const { x, moved, pinch } = gesture;
  gesture = null;
  if (moved || pinch || event.type === "pointercancel") return;
  const across = event.clientX - x;
  if (Math.abs(across) > SWIPE_PX) towards(across < 0 ? "right" : "left");
  else {
    const place = (event.clientX - $("stage").getBoundingClientRect().left) / $("stage").clientWidth;
    if (place < 1 / 3) towards("left");
    else if (place > 2 / 3) towards("right");
  }
}
$("stage").addEventListener("pointerup", ended);
$("stage").addEventListener("pointercancel", ended);
$("stage").addEventListener("dblclick", (event) => zoomTo(state.zoom > 1 ? 1 : 3, ...fromMiddle(event.clientX, event.clientY)));
$("stage").addEventListener("wheel", (event) => {
  event.preventDefault();
  if (event.ctrlKey) zoomTo(state.zoom * Math.exp(-event.deltaY / 200), ...fromMiddle(event.clientX, event.clientY));
  else if (Math.abs(event.deltaY) > 20) turn(event.deltaY > 0 ? 1 : -1);
}, { passive: false });

function spanOf() {
  const [a, b] = [...fingers.values()];
  return Math.max(1, Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY));
}

function fromMiddle(clientX, clientY) {
  const box = $("stage").getBoundingClientRect();
  const ratio = $("canvas").width / box.width;
  return [(clientX - box.left - box.width / 2) * ratio, (clientY - box.top - box.height / 2) * ratio];
}

document.addEventListener("keydown", (event) => {
  if (!state.book || event.target.matches?.("input")) return;
  const actions = {
    ArrowRight: () => towards("right"), ArrowLeft: () => towards("left"), PageDown: () => turn(1), PageUp: () => turn(-1),
    " ": () => turn(event.shiftKey ? -1 : 1), Home: () => goto(1), End: () => goto(state.book.pages.length),
    "+": () => zoomTo(state.zoom * 1.5), "-": () => zoomTo(state.zoom / 1.5), 0: () => zoomTo(1), Escape: () => { $("side").hidden = true; },
  };
  const action = actions[event.key];
  if (action && !event.ctrlKey && !event.metaKey && !event.altKey && !(event.key === " " && event.target.matches?.("button"))) {
    event.preventDefault();
    action();
  }
});

$("back").onclick = () => { location.hash = ""; };
$("next").onclick = () => turn(1);
$("previous").onclick = () => turn(-1);
$("strip").oninput = (event) => goto(Number(event.target.value));
$("outline-button").onclick = () => { const shown = $("side").hidden; fillOutline(); $("side").hidden = !shown; };
$("spread").onclick = () => {
  state.together = !state.together;
  $("spread").setAttribute("aria-pressed", state.together);
  goto(Math.min(...spread()));
};
$("night").onclick = () => {
  const night = document.documentElement.toggleAttribute("data-night");
  $("night").setAttribute("aria-pressed", night);
  localStorage.setItem("sidebooks night", night ? "1" : "");
};
$("language").onclick = () => { speak(state.language === "en" ? "ja" : "en"); if (state.book) goto(state.page); };
$("search").onsubmit = async (event) => {
  event.preventDefault();
  const query = $("query").value.trim();
  if (!query) { state.hits = []; paint(); return; }
  try {
    state.hits = await state.book.search(query);
    fillSide(state.hits.map((hit) => ({ text: `${hit.page}: ${hit.text}`, page: hit.page })));
    $("side").hidden = false;
    const first = state.hits.find((hit) => hit.page >= state.page) || state.hits[0];
    if (first) goto(first.page);
  } catch (error) { tell(error.message); }
};

new ResizeObserver(() => { if (state.book) { paint(); clearTimeout(sharpen.later); sharpen.later = setTimeout(sharpen, 100); } }).observe($("stage"));

async function route() {
  const [id, page] = decodeURIComponent(location.hash.slice(1)).split("/");
  try {
    if (!id) await showShelf();
    else if (state.book?.id !== id) await showBook(id, Number(page));
    else if (Number(page) && Number(page) !== state.page) goto(Number(page));
  } catch (error) { await showShelf(); tell(error.message); }
}

speak(localStorage.getItem("sidebooks language") || (navigator.language.startsWith("ja") ? "ja" : "en"));
if (localStorage.getItem("sidebooks night")) $("night").click();
addEventListener("hashchange", route);
window.sidebooks = state; // for tests and for the curious
route();
