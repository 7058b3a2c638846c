/* The colours of marks, and the buttons to choose one. Colours for words are light, so that letters stay black on them. */

/** @import { MarkBody } from "./types" */

import { write } from "./keeping.js";
import { h } from "./elements.js";
import { read } from "./storage.js";
import { t } from "./words.js";

/** @typedef {readonly (readonly [colour: string, name: string])[]} Palette name: of a text */

/** @type {Palette} */
const LIGHT = [["#ffe24d", "colour_yellow"], ["#a6e9a0", "colour_green"], ["#a5d3ff", "colour_blue"], ["#ffb3d6", "colour_pink"]];
/** @type {Palette} */
const DARK = [["#c81e1e", "colour_red"], ["#0b57c2", "colour_blue"], ["#0b7a3b", "colour_green"], ["#1c1c1c", "colour_black"]];

/** @type {{[kind: string]: Palette | undefined}} */
const PALETTES = { highlight: LIGHT, note: LIGHT, underline: DARK, strikeout: DARK, stamp: DARK };

/** @param {MarkBody["kind"]} kind */
const keyOf = (kind) => `sidebooks colour ${kind}`;

/** The colour that was chosen last for a kind. @param {"highlight" | "note" | "underline" | "stamp"} kind */
export function colourFor(kind) {
  const palette = /** @type {Palette} */ (PALETTES[kind]);
  const kept = read(keyOf(kind));
  return palette.some(([colour]) => colour === kept) ? String(kept) : palette[0][0];
}

/**
 * Buttons for the colours of a kind; null: it has none to choose.
 * @param {MarkBody["kind"]} kind
 * @param {string} present
 * @param {(colour: string) => void} chosen
 */
export function colourButtons(kind, present, chosen) {
  const palette = PALETTES[kind];
  if (!palette) return null;
  const buttons = palette.map(([colour, name]) => {
    const swatch = h("span", { class: "swatch", "aria-hidden": "true" });
    swatch.style.background = colour;
    return h("button", { type: "button", "data-colour": colour, "aria-pressed": String(colour === present), onclick: () => {
      write(keyOf(kind), colour);
      for (const one of buttons) one.setAttribute("aria-pressed", String(one.dataset.colour === colour));
      chosen(colour);
    } }, swatch, h("span", {}, t(name)));
  });
  return h("div", { class: "choice colours", role: "group", "aria-label": t("colour") }, buttons);
}
