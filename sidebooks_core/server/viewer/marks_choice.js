/* The buttons that take a tool for words, notes or stamps. */

/** @import { FullApp, IconName } from "./types" */
/** @import { Tool } from "./marks_tools.js" */

import { deskFor } from "./desks.js";
import { button, h } from "./elements.js";
import { write } from "./keeping.js";
import { colourButtons, colourFor } from "./marks_colours.js";
import { endTool, useTool } from "./marks_mode.js";
import { noteTool, stampTool, wordsTool } from "./marks_tools.js";
import { read } from "./storage.js";
import { t } from "./words.js";

const STAMP = "sidebooks stamp"; // the one that was used last
const MOST_STAMP = 40; // characters, as marks/model.py has it

/** @param {FullApp} app */
function words(app) {
  const nothing = () => app.extras.tell(t("no_words_there"));
  return {
    highlight: () => useTool(app, wordsTool("highlight", nothing), t("tool_highlight"), { tools: colours("highlight") }),
    underline: () => useTool(app, wordsTool("underline", nothing), t("tool_underline"), { tools: colours("underline") }),
    note: () => useTool(app, noteTool(), t("tool_note"), { isOnce: true }),
    stamp: () => stamps(app),
  };
}

/** The colours for what is marked next. @param {"highlight" | "underline" | "stamp"} kind */
const colours = (kind) => [colourButtons(kind, colourFor(kind), () => {}) || h("span")];

/** @param {FullApp} app */
function stamps(app) {
  const ready = [t("stamp_done"), t("stamp_check")];
  let text = read(STAMP) || ready[0];
  const name = t("stamp_own");
  const own = h("input", { type: "text", maxlength: MOST_STAMP, autocomplete: "off", "aria-label": name, placeholder: name,
    value: ready.includes(text) ? "" : text });
  const buttons = ready.map((one) => h("button", { type: "button", onclick: () => { own.value = ""; choose(one); } }, one));
  const choose = (/** @type {string} */ one) => {
    text = one;
    write(STAMP, one);
    for (const [index, button] of buttons.entries()) button.setAttribute("aria-pressed", String(ready[index] === one));
  };
  own.addEventListener("input", () => choose(own.value.trim() || ready[0]));
  choose(text);
  const here = button("stamp", t("stamp_here"), () => {
    const desk = deskFor(app.active);
    if (!desk) return;
    const { page } = desk.reader.state;
    const { width_pt } = desk.book.pages[page - 1];
    desk.addStamp(page, width_pt - 60, 48, text);
    endTool();
  });
  const group = h("div", { class: "choice", role: "group", "aria-label": t("do_stamp") }, buttons, own);
  useTool(app, stampTool(() => text), t("tool_stamp"), { tools: [group, ...colours("stamp"), here] });
}

/** @type {[name: "highlight" | "underline" | "note" | "stamp", text: string, image: IconName][]} */
const TOOLS = [["highlight", "do_highlight", "highlight"], ["underline", "do_underline", "underline"], ["note", "do_note", "note"],
  ["stamp", "do_stamp", "stamp"]];

/**
 * A button for each tool.
 * @param {FullApp} app
 * @param {() => unknown} before is done before the tool is there
 * @param {import("./elements.js").Given} given
 */
export function toolButtons(app, before, given = {}) {
  return TOOLS.map(([name, text, image]) => button(image, t(text), async () => {
    await before();
    words(app)[name]();
  }, { ...given, "data-tool": name, "data-ink": name }));
}
