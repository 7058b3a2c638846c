/* What else can be done with a document: its whole name, printing, the file, another paper beside it, help, language. */

/** @import { FullApp } from "./types" */

import { choices } from "./choices.js";
import { button, h, icon } from "./elements.js";
import { mayPrint, originalAddress } from "./print.js";
import { askToPrint } from "./printing.js";
import { otherThan, t } from "./words.js";

export const title = "menu";

/** Fill the panel. @param {FullApp} app @param {HTMLElement} body */
export async function fill(app, body) {
  const { extras } = app;
  const reader = app.active;
  const { book } = reader;
  const name = book.paper?.name || book.name;
  const asking = h("div", {});
  const other = otherThan(choices.language);
  const language = button("globe", t("other_language"), () => extras.speak(other));
  language.lang = other;
  const isFull = () => Boolean(document.fullscreenElement);
  const full = document.fullscreenEnabled && button("fill", t(isFull() ? "leave_full_screen" : "full_screen"), () => {
    if (isFull()) document.exitFullscreen();
    else document.documentElement.requestFullscreen().catch(() => {}); // the browser has said why
    extras.panels.chosen();
  });
  const print = mayPrint(book) && button("print", t("print"), () => askToPrint(reader, asking));
  const original = await originalAddress(book).catch(() => null); // the menu is there without it
  body.append(
    h("p", { class: "name" }, name),
    h("div", { class: "menu" },
      button("beside", t(extras.beside?.isOpen ? "one_paper" : "two_papers"), () => {
        if (extras.beside?.isOpen) { extras.beside.close(); extras.panels.close(); } else extras.panels.open("beside");
      }),
      print,
      original && h("a", { class: "button", href: original, download: true }, icon("download"), h("span", {}, t("download"))),
      full,
      button("help", t("help"), () => extras.panels.open("help")),
      language,
    ), asking,
  );
  return null;
}
