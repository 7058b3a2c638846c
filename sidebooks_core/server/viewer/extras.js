/* What comes after the first page: words on buttons, thumbnails, the text over the picture, notices, the stream of events. It ties the
   parts of the screen together and holds no rule of its own. */

import { Bars } from "./bars.js";
import { Changes } from "./changes.js";
import { choices } from "./choices.js";
import { applyLight, choose, followSystem, offsetOf } from "./choosing.js";
import { keepShell } from "./connection.js";
import { button, h } from "./elements.js";
import "./feed.js"; // of the client, which would ask for it later
import { watch } from "./fingers.js";
import { handle } from "./handling.js";
import { hitLayer } from "./hits.js";
import { isKept, write } from "./keeping.js";
import { listenToKeys } from "./keys.js";
import { Notices } from "./notices.js";
import { printedOf } from "./numbers.js";
import { Panels } from "./panel.js";
import { Positions } from "./positions.js";
import { watchPrinting } from "./print.js";
import { imagesShown } from "./printing.js";
import { noteOpened } from "./shelf_memory.js";
import { read } from "./storage.js";
import { makeStrip } from "./strip.js";
import { fillText } from "./text.js";
import { fault, LANGUAGES, speakIn, t } from "./words.js";

const CONTRAST = "(forced-colors: active), (prefers-contrast: more)";

const $ = (id) => document.getElementById(id);

/* What a page is called: the number that is printed on it, as somebody told, else as the document says. */
const labels = (reader) => (page) => {
  const { pages, key } = reader.state.book;
  return printedOf(page, pages, offsetOf(key)) || pages[page - 1].label;
};

/** Add everything to the screens of main.js. Returns {tell, fail, tools, leave, arrived, …}; it is `app.extras` from now on. */
export async function addExtras(app) {
  const { reader, library } = app;
  const start = { key: reader.state.book?.key, place: app.places() };
  await speakIn(choices.language);
  const style = h("link", { rel: "stylesheet", href: "viewer/reader.css" });
  document.head.append(style);
  if (matchMedia(CONTRAST).matches) document.head.append(h("link", { rel: "stylesheet", href: "viewer/contrast.css" }));

  const notices = new Notices();
  const extras = { notices, tell: (text) => notices.tell(text), fail, tools, leave, arrived, speak, setLight, say, readers: [reader], adopt };
  app.extras = extras;
  const bars = new Bars(app);
  const panels = new Panels(app);
  const changes = new Changes(app);
  const positions = new Positions(app);
  Object.assign(extras, { bars, panels, changes, positions });
  const paintStrip = makeStrip($("strip"), {
    book: () => app.active.state.book, page: () => app.active.state.page, spread: () => app.active.spread, direction: () => app.active.state.direction, goto: (page) => app.active.goto(page),
  });
  extras.paintStrip = paintStrip;

  function fail(error, kind = "") {
    notices.tell(["document", "paper"].includes(kind) && [400, 404].includes(error.status) ? t("unknown_text") : fault(error));
  }

  /* Buttons of every screen of the shelf. */
  function tools() {
    const language = button("globe", t("other_language"), () => speak(LANGUAGES.find((one) => one !== choices.language)));
    language.lang = LANGUAGES.find((one) => one !== choices.language);
    const night = button("moon", t("night"), () => {
      setLight(document.documentElement.hasAttribute("data-night") ? "day" : "night");
      night.setAttribute("aria-pressed", document.documentElement.hasAttribute("data-night"));
    });
    night.setAttribute("aria-pressed", document.documentElement.hasAttribute("data-night"));
    return [language, night];
  }

  function setLight(light) {
    choose("light", light);
    showLight();
  }

  function showLight() {
    applyLight();
    for (const one of extras.readers) one.paint();
    paintStrip();
  }

  async function speak(language) {
    choose("language", language);
    await speakIn(language);
    document.documentElement.lang = language;
    bars.name();
    panels.refill();
    notices.clear();
    for (const one of extras.readers) if (one.state.book) one.retell();
    if (app.entry) await app.entry();
    else await app.shelf?.again();
  }

  /* For those who do not see the screen. */
  function say(text) { $("said").textContent = text; }

  /* A second stage, beside the first. */
  function adopt(other) {
    extras.readers = [reader, other].filter(Boolean);
    if (other) attend(other);
  }

  function attend(one) {
    watch(one.stage, handle(one));
    one.layers.push(hitLayer(one));
    one.fillText = fillText;
    one.labelOf = labels(one);
    one.nameOf = (page) => `${t("page_word")} ${one.labelOf(page)}`;
    one.addEventListener("opened", () => noteOpened(one.state.book.key));
    one.addEventListener("painted", () => {
      notices.watch(one);
      if (one === app.active) paintStrip();
    });
    one.addEventListener("previewed", () => { if (one === app.active) paintStrip(); });
    one.addEventListener("touched", () => activate(one));
    one.addEventListener("turned", () => { if (one.state.turn > 2) notices.endHint(); });
    bars.attend(one);
    positions.attend(one);
    if (one.state.book) { one.retell(); one.paint(); }
  }

  function activate(one) {
    panels.closeIfOver();
    if (app.active === one) return;
    app.active = one;
    bars.show();
    paintStrip();
  }

  function leave() {
    positions.leave();
    panels.close();
    notices.tell("");
    notices.endHint();
    extras.beside?.close();
  }

  /* The place that the address names is on the screen. */
  async function arrived(place) {
    bars.arrived();
    if (place.beside && !extras.beside?.isOpen) await (await besideModule()).open(place.beside);
    if (reader.state.book && app.marks) await (await import("./finding.js")).takeOver(app);
  }

  async function besideModule() {
    extras.beside ||= (await import("./beside.js")).makeBeside(app);
    return extras.beside;
  }
  extras.openBeside = async (place) => (await besideModule()).open(place);

  attend(reader);
  if (reader.state.book) noteOpened(reader.state.book.key);
  listenToKeys(app);
  watchPrinting(() => imagesShown(app.active));
  followSystem(showLight);
  changes.listen(library);
  bars.name();
  await new Promise((done) => { style.addEventListener("load", done); style.addEventListener("error", done); });
  if (reader.state.book) {
    paintStrip();
    arrived(reader.state.book.key === start.key ? start.place : app.places()).catch(fail);
  }
  keepShell();
  if (!isKept()) notices.notify(t("not_kept"));
  if (reader.state.book) firstHint();
  else reader.addEventListener("sharpened", firstHint, { once: true });

  function firstHint() {
    if (read("sidebooks hint")) return;
    write("sidebooks hint", "seen");
    notices.hint(t("hint_title"), [t("hint_turn"), t("hint_bars"), t("hint_zoom")], t("hint_help"), () => panels.open("help"));
  }
  return extras;
}
