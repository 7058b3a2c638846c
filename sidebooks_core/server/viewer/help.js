/* How it is read: what fingers, keys and buttons do. */

import { h } from "./elements.js";
import { KEYS_OF_HELP } from "./keys.js";
import { t } from "./words.js";

export const title = "help";

const FINGERS = ["help_turn", "help_swipe", "help_bars", "help_double", "help_pinch", "help_hold", "help_slider", "help_number"];

/** Fill the panel. @param {import("./types").FullApp} app @param {HTMLElement} body */
export function fill(app, body) {
  body.append(
    h("h3", {}, t("help_fingers")), h("ul", { class: "told" }, FINGERS.map((one) => h("li", {}, t(one)))),
    h("h3", {}, t("help_keys")),
    h("dl", { class: "keys" }, KEYS_OF_HELP.flatMap(([name, keys]) => [h("dt", {}, h("kbd", {}, keys)), h("dd", {}, t(name))])),
  );
  return null;
}
