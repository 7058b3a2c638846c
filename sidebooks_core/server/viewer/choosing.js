/* Changes of what its reader has chosen. */

import { choices, ofBook } from "./choices.js";
import { write } from "./keeping.js";

/** The system's choice. @type {MediaQueryList | undefined} */
let dark;
const preferred = () => dark ??= matchMedia("(prefers-color-scheme: dark)");

/** @param {keyof typeof choices} name @param {string | boolean} value */
export function choose(name, value) { write(`sidebooks ${name}`, value === true ? "yes" : value === false ? "no" : value); }

/** Let the screen follow the choice of light, and the system if there is none. */
export function applyLight() {
  const isNight = choices.light ? choices.light === "night" : preferred().matches;
  document.documentElement.toggleAttribute("data-night", isNight);
  const colour = getComputedStyle(document.documentElement).getPropertyValue("--paper").trim();
  /** @type {NodeListOf<HTMLMetaElement>} */
  const ofSystem = document.querySelectorAll("meta[name=theme-color]"); // its bars
  for (const one of ofSystem) one.content = colour;
}

/** @param {() => void} changed */
export function followSystem(changed) { preferred().addEventListener("change", changed); }

/**
 * Keep something of one document or paper; see `ofBook`.
 * @type {(name: import("./choices.js").BookMatter, key: string, value: string | number) => void}
 */
export const keepOfBook = (name, key, value) => write(`sidebooks ${name} ${key}`, value);

/** How many pages come before the printed page 1 of a document; null if nobody has said it. @param {string} key */
export function offsetOf(key) {
  const kept = ofBook("offset", key);
  return kept ? Number(kept) : null;
}
