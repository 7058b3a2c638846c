/* The tools that one draws with, and which of them was chosen last on this device. */

import { write } from "./keeping.js";
import { readJson } from "./shelf_memory.js";

/** @typedef {"pen" | "marker" | "eraser"} ToolName */
/** What is chosen. @typedef {{tool: ToolName, pen: string, width: string, marker: string}} Chosen */

/** Colours by the keys of their names. @type {{[name: string]: string}} */
export const PENS = { black: "#1c1c1c", red: "#c8102e", blue: "#0b4fa3", green: "#0b6b3a" };
/** @type {{[name: string]: string}} */
export const MARKERS = { yellow: "#ffe03b", pink: "#ff9ac1", sky: "#8fd3ff" };
/** In points of the page, by the keys of their names. @type {{[name: string]: number}} */
export const WIDTHS = { thin: 1, medium: 2, thick: 4 };
/** In pixels of CSS: what an eraser reaches. */
export const ERASER_PX = 10;

const MARKER_PT = 14;
const MARKER_OPACITY = 0.4; // black under it stays dark: to blend colours costs a weak tablet a frame
const KEY = "sidebooks ink";
/** @type {Chosen} */
const DEFAULTS = { tool: "pen", pen: "black", width: "medium", marker: "yellow" };

/** @returns {Chosen} */
export function chosen() {
  const kept = readJson(KEY, DEFAULTS);
  return {
    tool: kept.tool === "marker" ? "marker" : "pen", // nobody begins with the eraser
    pen: kept.pen in PENS ? kept.pen : DEFAULTS.pen, width: kept.width in WIDTHS ? kept.width : DEFAULTS.width,
    marker: kept.marker in MARKERS ? kept.marker : DEFAULTS.marker,
  };
}

/** @param {Chosen} choice */
export const keepChosen = (choice) => write(KEY, JSON.stringify(choice));

/** How a stroke of a choice looks. Pure. @param {Chosen} choice @returns {import("./ink_live.js").Pen} */
export function penOf({ tool, pen, width, marker }) {
  if (tool === "marker") return { colour: MARKERS[marker], width_pt: MARKER_PT, opacity: MARKER_OPACITY };
  return { colour: PENS[pen], width_pt: WIDTHS[width], opacity: 1 };
}
