/* What comes after the first page: words on buttons, thumbnails, the text over the picture, notices, the stream of events. It ties the
   parts of the screen together and holds no rule of its own. */

/** @import { Address, App, Extras, FullApp, Reader } from "./types" */

import { Bars } from "./bars.js";
import { bringUpToDate } from "./bookmarks.js";
import { Changes } from "./changes.js";
import { choices } from "./choices.js";
import { applyLight, choose, followSystem, offsetOf } from "./choosing.js";
import { keepShell } from "./connection.js";
import { deskFor } from "./desks.js";
import { button, h, need as $ } from "./elements.js";
import "./feed.js"; // of the client, which would ask for it later
import { watch } from "./fingers.js";
import { handle } from "./handling.js";
import { hitLayer } from "./hits.js";
import { isKept, write } from "./keeping.js";
import { listenToKeys } from "./keys.js";
import { catchUp, isKnown } from "./left_off.js";
import { Notices } from "./notices.js";
import { printedOf } from "./numbers.js";
import { Panels } from "./panel.js";
import { addressOf } from "./place.js";
import { Positions } from "./positions.js";
import { mayPrint, watchPrinting } from "./print.js";
import { imagesShown } from "./printing.js";
import { noteOpened } from "./shelf_memory.js";
import { read } from "./storage.js";
import { makeStrip } from "./strip.js";
import { addTextLayer } from "./text_layer.js";
import { bringTurnsUpToDate } from "./turned.js";
import { fault, otherThan, speakIn, t } from "./words.js";

const CONTRAST = "(forced-colors: active), (prefers-contrast: more)";

/**
 * What a page is called: the number that is printed on it, as somebody told, else as the document says.
 * @param {Reader} reader
 * @returns {(page: number) => string}
 */
const labels = (reader) => (page) => {
  if (!reader.state.book) return String(page); // it was left while its text was being written
  const { pages, key } = reader.state.book;
  return printedOf(page, pages, offsetOf(key)) || pages[page - 1].label;
};

/**
 * Add everything to the screens of main.js. What is returned is `app.extras` from now on.
 * @param {App} main
 * @returns {Promise<Extras>}
 */
export async function addExtras(main) {
  const { reader, library } = main;
  const start = { key: reader.state.book?.key, place: main.places() };
  const style = h("link", { rel: "stylesheet", href: "viewer/reader.css" });
  /** @type {Promise<unknown>} */
  const styled = new Promise((done) => { style.addEventListener("load", done); style.addEventListener("error", done); });
  document.head.append(style);
  await Promise.all([speakIn(choices.language), styled]); // buttons without their style would push the page about
  if (matchMedia(CONTRAST).matches) document.head.append(h("link", { rel: "stylesheet", href: "viewer/contrast.css" }));

  const notices = new Notices(logInAgain, unknown);
  /** @type {Pick<Extras, "tell" | "fail" | "tools" | "leave" | "arrived" | "speak" | "setLight" | "say" | "adopt" | "openBeside" | "markingOf" | "draw">} */
  const acts = {
    tell: (text) => notices.tell(text), fail, tools, leave, arrived, speak, setLight, say, adopt, markingOf, draw,
    openBeside: async (place) => (await besideModule()).open(place),
  };
  const extras = /** @type {Extras} */ (/** @type {unknown} */ ({ ...acts, notices, readers: [reader], markings: [] }));
  const app = /** @type {FullApp} */ (Object.assign(main, { extras }));
  const bars = new Bars(app);
  const panels = new Panels(app);
  const changes = new Changes(app);
  const positions = new Positions(app);
  Object.assign(extras, { bars, panels, changes, positions });
  const paintStrip = makeStrip($("strip"), {
    book: () => app.active.state.book, page: () => app.active.state.page, spread: () => app.active.spread,
    direction: () => app.active.state.direction, goto: (page) => app.active.goto(page),
    isMarked: (page) => deskFor(app.active)?.ownPages.has(page) ?? false,
  });
  extras.paintStrip = paintStrip;

  /* What is said to whom the server does not know: a login has ended, or there was none. */
  function unknown() { return t(isKnown(main) ? "login_over" : "login_needed"); }

  /* The address stays, and leads back to the same page. */
  function logInAgain() {
    positions.settle();
    return main.showEntry("login", unknown());
  }

  /** @type {Extras["fail"]} */
  function fail(error, kind = "") {
    if (error.name === "AbortError") return; // nobody wants it any more
    const isNothing = ["document", "paper"].includes(kind) && [400, 404].includes(error.status || 0);
    if (error.status === 401) notices.tell(unknown(), t("log_in"), logInAgain);
    else if (isNothing && kind === "document") leadOn().then((isLed) => { if (!isLed) notices.tell(t("unknown_text")); }, fail);
    else notices.tell(isNothing ? t("unknown_text") : fault(error));
  }

  /* The address is that of a file which is another document now: it leads there. */
  async function leadOn() {
    const { id, page } = app.places();
    const { inPlaceOf } = await import("./files.js");
    const now = await inPlaceOf(library, id);
    if (now) location.replace(`#${addressOf({ kind: "document", id: now, page })}`);
    return now !== null;
  }

  /* Buttons of every screen of the shelf. */
  function tools() {
    const language = button("globe", t("other_language"), () => speak(otherThan(choices.language)));
    language.lang = otherThan(choices.language);
    const isNight = () => document.documentElement.hasAttribute("data-night");
    const night = button("moon", t("night"), () => {
      setLight(isNight() ? "day" : "night");
      night.setAttribute("aria-pressed", String(isNight()));
    });
    night.setAttribute("aria-pressed", String(isNight()));
    return [language, night];
  }

  /** @param {string} light */
  function setLight(light) {
    choose("light", light);
    showLight();
  }

  function showLight() {
    applyLight();
    for (const one of extras.readers) one.paint();
    paintStrip();
  }

  /** @param {string} language */
  async function speak(language) {
    choose("language", language);
    await speakIn(language);
    document.documentElement.lang = language;
    bars.name();
    panels.refill();
    notices.clear();
    for (const one of extras.readers) if (one.state.book) one.tell("retold");
    if (app.entry) await app.entry();
    else await app.shelf?.again();
  }

  /** For those who do not see the screen. @param {string} text */
  function say(text) { $("said").textContent = text; }

  /** A second stage, beside the first. @param {Reader | null} other */
  function adopt(other) {
    extras.readers = other ? [reader, other] : [reader];
    extras.markings.splice(0, extras.markings.length, ...extras.markings.filter((one) => extras.readers.includes(one.reader)));
    if (other) attend(other);
    else showPrintable();
  }

  /** @param {Reader} one */
  function attend(one) {
    watch(one.stage, handle(one));
    one.layers.push(hitLayer(one));
    const retell = addTextLayer(one);
    one.addEventListener("retold", retell);
    one.labelOf = labels(one);
    one.nameOf = (page) => `${t("page_word")} ${one.labelOf(page)}`;
    one.addEventListener("opened", () => {
      noteOpened(one.book.key);
      bringToDate(one);
      showPrintable();
      panels.close();
    });
    one.stage.addEventListener("focusin", () => makeActive(one));
    one.addEventListener("painted", () => {
      notices.watch(one);
      if (one === app.active) paintStrip();
    });
    for (const name of ["previewed", "marked"]) one.addEventListener(name, () => { if (one === app.active) paintStrip(); });
    one.addEventListener("touched", (event) => { if (activate(one)) event.preventDefault(); });
    one.addEventListener("refitted", () => { if (one === app.active) paintStrip(); });
    one.addEventListener("turned", () => { if (one.state.turn > 2) notices.endHint(); });
    for (const name of ["settled", "marks-came"]) one.addEventListener(name, () => { showMarks(one).catch(fail); });
    bars.attend(one);
    positions.attend(one);
    if (one.state.book) {
      retell();
      one.paint();
      showPrintable();
      showMarks(one).catch(fail);
    }
  }

  /** @param {Reader} one */
  async function markingOf(one) {
    const { Marking } = await import("./marking.js");
    const known = extras.markings.find((other) => other.reader === one);
    if (known) return known;
    const made = new Marking(app, one);
    extras.markings.push(made);
    return made;
  }

  async function draw() {
    try {
      const marking = await markingOf(app.active);
      for (const other of extras.markings) if (other !== marking) await other.toggle(false);
      await marking.toggle();
    } catch (error) { fail(/** @type {Error} */ (error)); }
  }

  /* Nobody waits for marks to read a page. */
  /** @param {Reader} one */
  async function showMarks(one) {
    const files = [import("./marks_attend.js"), import("./marking.js")];
    const isHere = await Promise.all(files).then(() => true, () => false); // else it is tried again at the next page
    if (isHere) await (await import("./marks_attend.js")).openDesk(app, await markingOf(one));
  }

  /* What is kept of its pages, if it was replaced since. */
  /** @param {Reader} one */
  function bringToDate(one) {
    Promise.all([bringUpToDate(library, one.book), bringTurnsUpToDate(library, one)]).then(() => bars.show(), fail);
  }

  /** Returns whether that closed a panel over the page. @param {Reader} one */
  function activate(one) {
    const closes = panels.closeIfOver();
    makeActive(one);
    return closes;
  }

  /** @param {Reader} one */
  function makeActive(one) {
    if (app.active === one || !one.state.book) return;
    app.active = one;
    bars.show();
    paintStrip();
  }

  /* One page on the screen that may not be printed: the browser's own "print" has nothing. */
  function showPrintable() {
    document.documentElement.toggleAttribute("data-no-print", extras.readers.some((one) => one.state.book && !mayPrint(one.state.book)));
  }

  function leave() {
    positions.leave();
    panels.close();
    notices.tell("");
    notices.endHint();
    extras.finding?.end();
    extras.beside?.close();
    document.documentElement.removeAttribute("data-no-print");
  }

  /** The place that the address names is on the screen. @param {Address} place */
  async function arrived(place) {
    bars.arrived();
    if (!place.beside) extras.beside?.close();
    else if (!extras.beside?.shows(place.beside)) await (await besideModule()).open(place.beside).catch((error) => fail(error, "paper"));
    if (reader.state.book && app.marks) await (await import("./finding.js")).takeOver(app);
  }

  async function besideModule() {
    extras.beside ||= (await import("./beside.js")).makeBeside(app);
    return extras.beside;
  }

  attend(reader);
  if (reader.state.book) {
    noteOpened(reader.state.book.key);
    bringToDate(reader);
  }
  listenToKeys(app);
  watchPrinting(() => imagesShown(app.active));
  followSystem(showLight);
  changes.listen();
  bars.name();
  if (reader.state.book) {
    paintStrip();
    arrived(reader.state.book.key === start.key ? start.place : app.places()).catch(fail);
  }
  keepShell();
  catchUp(app).then((isNews) => { if (isNews) app.shelf?.changed(); }, () => {}); // there will be a connection
  for (const one of ["elsewhere", "plain"]) import(`./${one}.js`).catch(() => {}); // what an outage needs cannot be fetched then
  if (!isKept()) notices.notify(t("not_kept"));
  import("./arriving.js").then(({ resume }) => resume(main)).catch(fail);
  if (reader.state.book) firstHint();
  else reader.addEventListener("sharpened", firstHint, { once: true });

  function firstHint() {
    if (read("sidebooks hint")) return;
    write("sidebooks hint", "seen");
    notices.hint(t("hint_title"), [t("hint_turn"), t("hint_bars"), t("hint_zoom")], t("hint_help"), () => panels.open("help"));
  }
  return extras;
}
