/* Changes of what its reader has chosen. */

import { choices, ofBook } from "./choices.js";
import { write } from "./keeping.js";

const preferred = matchMedia("(prefers-color-scheme: dark)");

/** name: of a choice. */
export function choose(name, value) { write(`sidebooks ${name}`, value === true ? "yes" : value === false ? "no" : value); }

/** Let the screen follow the choice of light, and the system if there is none. */
export function applyLight() {
  const isNight = choices.light ? choices.light === "night" : preferred.matches;
  document.documentElement.toggleAttribute("data-night", isNight);
  const colour = getComputedStyle(document.documentElement).getPropertyValue("--paper").trim();
  for (const one of document.querySelectorAll("meta[name=theme-color]")) one.content = colour; // of the bars of the system
}

export function followSystem(changed) { preferred.addEventListener("change", changed); }

/** Keep something of one document or paper; see `ofBook`. */
export const keepOfBook = (name, key, value) => write(`sidebooks ${name} ${key}`, value);

/** How many pages come before the printed page 1 of a document; null if nobody has said it. */
export function offsetOf(key) {
  const kept = ofBook("offset", key);
  return kept ? Number(kept) : null;
}
