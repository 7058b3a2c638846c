/* What keys do, and what the help says of them. */

/** @import { FullApp, Reader, Side, Step } from "./types" */

import { room } from "./reading.js";
import { turnAll } from "./turned.js";
import { zoomBy } from "./zooming.js";

/**
 * @typedef {"right" | "left" | "down" | "up" | "on" | "back" | "first" | "last" | "larger" | "smaller" | "whole" | "width" | "find"
 *   | "number" | "next_hit" | "previous_hit" | "bookmark" | "bars" | "rotate" | "draw" | "undo" | "redo" | "help" | "leave"} Action
 */
/** @typedef {"field" | "button" | "range" | "page"} Where "field": somebody writes */

/** @type {{[key: string]: Action}} Of the keys, as the browser names them, with Shift where it matters. */
const ACTIONS = {
  ArrowRight: "right", ArrowLeft: "left", ArrowDown: "down", ArrowUp: "up", PageDown: "on", PageUp: "back", " ": "on", "Shift+ ": "back",
  Home: "first", End: "last", "+": "larger", "=": "larger", ";": "larger", "-": "smaller", 0: "whole",
  w: "width", "/": "find", g: "number", n: "next_hit", "Shift+n": "previous_hit", p: "previous_hit",
  b: "bookmark", f: "bars", r: "rotate", d: "draw", "?": "help", Escape: "leave",
};

/** Whether a key writes a character: who dictates to a device may press it without meaning to. @param {string} key */
const writes = (key) => key.length === 1 && key !== " ";

/**
 * The name of an action, or "". Pure.
 * @param {Pick<KeyboardEvent, "key" | "ctrlKey" | "metaKey" | "altKey" | "shiftKey">} event
 * @param {Where} where
 * @param {boolean} hasCharacters whether keys that write a character act
 * @returns {Action | ""}
 */
export function actionOf(event, where, hasCharacters = true) {
  const { key, ctrlKey, metaKey, altKey, shiftKey } = event;
  if ((ctrlKey || metaKey) && !altKey && !shiftKey && key.toLowerCase() === "f") return "find";
  if ((ctrlKey || metaKey) && !altKey && where !== "field" && "zy".includes(key.toLowerCase())) {
    return key.toLowerCase() === "y" || shiftKey ? "redo" : "undo";
  }
  if (ctrlKey || metaKey || altKey || (writes(key) && !hasCharacters)) return "";
  const name = key.length === 1 ? key.toLowerCase() : key; // whatever the Caps Lock says
  const action = ACTIONS[shiftKey && "n ".includes(name) ? `Shift+${name}` : name] || "";
  if (where === "field") return action === "leave" ? action : "";
  if (where === "button" && (key === " " || key === "Enter")) return "";
  return action;
}

/** @typedef {readonly (readonly [text: string, keys: string])[]} KeysTold for the help: the name of a text, keys as they are written on them */

/** @type {KeysTold} */
export const KEYS = [
  ["key_turn", "← →"], ["key_on", "Space / PageDown"], ["key_ends", "Home / End"], ["key_find", "Ctrl + F"], ["key_leave", "Esc"],
];

/** Those that write a character. @type {KeysTold} */
export const CHARACTERS = [
  ["key_zoom", "+ / - / 0"], ["key_width", "W"], ["key_find", "/"], ["key_hits", "N / P"], ["key_number", "G"], ["key_bookmark", "B"],
  ["key_bars", "F"], ["rotate", "R"], ["draw", "D"], ["key_help", "?"],
];

const PAN_SHARE = 0.25; // of the view's height
const PAGE_SHARE = 0.88;

/** @param {EventTarget | null} target @returns {Where} */
const whereOf = (target) => {
  if (!(target instanceof Element)) return "page";
  if (target.matches("input[type=range]")) return "range";
  if (target.matches("input:not([type=radio]):not([type=checkbox]), textarea, select")) return "field";
  return target.closest("button, a, summary, input, [role=dialog]") ? "button" : "page";
};

/** @param {Reader} reader */
const isLarge = (reader) => {
  const { left, right, up, down } = room(reader.state, reader.boxes(), reader.view());
  return left + right > 1 || up + down > 1;
};

/** Move on by about a screen, and turn at the end of the page. @param {Reader} reader @param {Step} by */
function step(reader, by) {
  const { up, down } = room(reader.state, reader.boxes(), reader.view());
  if ((by > 0 ? up : down) <= 1) reader.turn(by, by > 0 ? "start" : "end");
  else reader.move(0, -by * PAGE_SHARE * reader.view().height);
}

/* Only who goes from one thing to the next by Tab is shown that the page has the focus: around a page that is read a ring disturbs. */
function noteTabs() {
  /** @param {boolean} isTab */
  const note = (isTab) => document.documentElement.toggleAttribute("data-tabs", isTab);
  document.addEventListener("keydown", ({ key }) => {
    if (!["Shift", "Control", "Alt", "Meta"].includes(key)) note(key === "Tab");
  }, true);
  document.addEventListener("pointerdown", () => note(false), true);
}

/** Let keys act on the reader that is read. @param {FullApp} app */
export function listenToKeys(app) {
  noteTabs();
  const { extras } = app;
  /** @param {Reader} reader */
  const pan = (reader) => reader.view().height * PAN_SHARE;
  /** @type {(side: Side, reader: Reader) => void} */
  const across = (side, reader) => {
    if (!isLarge(reader) || !reader.move(side === "right" ? -pan(reader) : pan(reader), 0)) reader.towards(side);
  };
  /** @type {(step: Step, reader: Reader) => void} */
  const down = (by, reader) => {
    if (!isLarge(reader) || !reader.move(0, -by * pan(reader))) reader.turn(by, by > 0 ? "start" : "end");
  };
  /* The marking in which somebody draws. */
  const drawn = () => extras.markings.find((one) => one.isDrawing);
  /** @type {{[A in Action]: (reader: Reader) => unknown}} */
  const does = {
    right: (reader) => across("right", reader), left: (reader) => across("left", reader),
    down: (reader) => down(1, reader), up: (reader) => down(-1, reader),
    on: (reader) => step(reader, 1), back: (reader) => step(reader, -1),
    first: (reader) => reader.jump(1), last: (reader) => reader.jump(reader.book.pages.length),
    larger: (reader) => zoomBy(reader, 1.5), smaller: (reader) => zoomBy(reader, 1 / 1.5),
    whole: () => extras.bars.setFit("page"), width: () => extras.bars.setFit("width"),
    rotate: (reader) => turnAll(reader), bars: () => extras.bars.toggle(), bookmark: () => extras.bars.bookmark(),
    find: () => extras.panels.open("find"), number: () => extras.panels.open("pages"), help: () => extras.panels.open("help"),
    draw: () => extras.draw(),
    undo: () => drawn()?.undo(), redo: () => drawn()?.redo(),
    next_hit: () => extras.finding?.step(1), previous_hit: () => extras.finding?.step(-1), leave: () => (drawn() && !extras.panels.isOpen ? drawn()?.toggle(false) : extras.panels.leave()),
  };
  document.addEventListener("keydown", (event) => {
    if (!app.reader.state.book || event.isComposing || document.querySelector("dialog[open], .result:not([hidden])")) return;
    const action = actionOf(event, whereOf(event.target), app.choices.keys);
    const isInPanel = event.target instanceof Element && event.target.closest("#side");
    const isScrolling = isInPanel && ["down", "up", "on", "back", "first", "last"].includes(action);
    if (!action || isScrolling) return;
    event.preventDefault();
    does[action](app.active);
  });
}
