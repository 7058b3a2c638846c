/* How it is read: what fingers, keys and buttons do. */

/** @import { KeysTold } from "./keys.js" */

import { deskFor } from "./desks.js";
import { button, h } from "./elements.js";
import { CHARACTERS, KEYS } from "./keys.js";
import { t } from "./words.js";

export const title = "help";

const FINGERS = ["help_turn", "help_swipe", "help_bars", "help_double", "help_pinch", "help_hold", "help_slider", "help_number"];

const MARKS = ["help_words", "help_mark"];

/** @param {KeysTold} keys */
const told = (keys) => h("dl", { class: "keys" }, keys.flatMap(([text, names]) => [h("dt", {}, h("kbd", {}, names)), h("dd", {}, t(text))]));

/** Fill the panel. @param {import("./types").FullApp} app @param {HTMLElement} body */
export function fill(app, body) {
  const isOn = app.choices.keys;
  body.append(
    h("h3", {}, t("help_fingers")), h("ul", { class: "told" }, FINGERS.map((one) => h("li", {}, t(one))),
      deskFor(app.active) && MARKS.map((one) => h("li", {}, t(one)))),
    h("h3", {}, t("help_keys")), told(KEYS),
    h("h3", {}, t("character_keys")), h("p", {}, t(isOn ? "characters_on" : "characters_off")), isOn ? told(CHARACTERS) : "",
    h("p", { class: "buttons" }, button("letters", t("display"), () => app.extras.panels.open("display"))),
  );
  return null;
}
