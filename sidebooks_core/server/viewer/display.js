/* How a page is shown: size, two pages, turning, light; and what edges and keys do. */

/** @import { Direction, FitMode, FullApp, IconName, Reader } from "./types" */

import { choices } from "./choices.js";
import { choose, keepOfBook } from "./choosing.js";
import { button, h } from "./elements.js";
import { turnAll, turnOne } from "./turned.js";
import { t } from "./words.js";
import { zoomBy } from "./zooming.js";

const SHOWN_ANEW = ["turned", "refitted"];

export const title = "display";

/**
 * A row of answers, one of them pressed.
 * @template {string} T
 * @param {string} label
 * @param {readonly (readonly [value: T, image: IconName, text: string])[]} answers
 * @param {string} present
 * @param {(value: T) => void} choosing
 */
function choice(label, answers, present, choosing) {
  const group = h("div", { role: "group", "aria-label": label, class: "choice" });
  /** @type {HTMLButtonElement[]} */
  const made = answers.map(([value, image, text]) => button(image, text, () => {
    choosing(value);
    for (const [index, one] of made.entries()) one.setAttribute("aria-pressed", String(answers[index][0] === value));
  }, { "aria-pressed": String(value === present), "data-choice": value === "" ? "auto" : value }));
  group.append(...made);
  return h("section", {}, h("h3", {}, label), group);
}

/** Fill the panel. @param {FullApp} app @param {HTMLElement} body */
export function fill(app, body) {
  const { extras } = app;
  /** @param {(one: Reader) => void} does */
  const all = (does) => { for (const one of extras.readers) if (one.state.book) does(one); };
  const reader = app.active;
  const { book } = reader;
  const refit = () => { all((one) => one.refit()); extras.bars.show(); };
  /** @type {(choice: "spread" | "cover", value: string) => void} */
  const lie = (name, value) => { choose(name, value); refit(); };
  /** @param {Direction} value */
  const bind = (value) => {
    keepOfBook("direction", book.key, value);
    reader.state.direction = value;
    refit();
  };
  /** @type {(value: FitMode) => void} */
  const setFit = (value) => extras.bars.setFit(value);
  const turning = h("div", { class: "choice" });
  /** @type {(text: string, turn: () => void) => HTMLElement} */
  const turnButton = (text, turn) => button("rotate", text, () => { turn(); extras.bars.show(); });
  /* The pages that are shown can be turned alone. The button that was pressed keeps the focus. */
  const showTurning = () => {
    if (!reader.state.book) return;
    const pressed = [...turning.children].indexOf(/** @type {Element} */ (document.activeElement));
    turning.replaceChildren(turnButton(t("rotate"), () => turnAll(reader)), ...reader.spread.map((page) => (
      turnButton(t("rotate_page", { page: reader.labelOf(page) }), () => turnOne(reader, page)))));
    if (pressed >= 0) /** @type {HTMLElement} */ (turning.children[Math.min(pressed, turning.children.length - 1)]).focus();
  };
  body.append(
    h("section", {}, h("h3", {}, t("size")), h("div", { class: "choice" },
      button("larger", t("larger"), () => zoomBy(reader, 1.25)), button("smaller", t("smaller"), () => zoomBy(reader, 0.8)))),
    choice(t("fit"), [["page", "whole", t("whole_page")], ["width", "width", t("whole_width")]], choices.fit, setFit),
    choice(t("two_pages"), [["auto", "fill", t("spread_auto")], ["one", "whole", t("spread_one")], ["two", "pair", t("spread_two")]],
      choices.spread, (value) => lie("spread", value)),
    choice(t("cover"), [["yes", "whole", t("cover_alone")], ["no", "pair", t("cover_paired")]], choices.cover ? "yes" : "no",
      (value) => lie("cover", value)),
    choice(t("binding"), [["ltr", "right", t("binding_left")], ["rtl", "left", t("binding_right")]], reader.state.direction, bind),
    h("section", {}, h("h3", {}, t("rotation")), turning),
    choice(t("light"), [["", "fill", t("light_auto")], ["day", "sun", t("day")], ["night", "moon", t("night")]], choices.light,
      (value) => extras.setLight(value)),
    choice(t("edges"), [["yes", "right", t("edges_turn")], ["no", "close", t("edges_still")]], choices.edges ? "yes" : "no",
      (value) => choose("edges", value)),
    choice(t("character_keys"), [["yes", "keyboard", t("keys_act")], ["no", "close", t("keys_rest")]], choices.keys ? "yes" : "no",
      (value) => choose("keys", value)),
  );
  showTurning();
  for (const told of SHOWN_ANEW) reader.addEventListener(told, showTurning);
  return () => { for (const told of SHOWN_ANEW) reader.removeEventListener(told, showTurning); };
}
