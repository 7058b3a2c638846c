/* What else can be done with a document: its whole name, printing, the file, another paper beside it, help, language. */

/** @import { FullApp } from "./types" */

import { choices } from "./choices.js";
import { deskFor } from "./desks.js";
import { button, h, icon } from "./elements.js";
import { marksAddress, mayExport } from "./marks_files.js";
import { mayPrint, originalAddress } from "./print.js";
import { askToPrint } from "./printing.js";
import { otherThan, t } from "./words.js";

export const title = "menu";

/** Fill the panel. @param {FullApp} app @param {HTMLElement} body */
export function fill(app, body) {
  const { extras } = app;
  const reader = app.active;
  const { book } = reader;
  const desk = deskFor(reader);
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
  let giveUp = () => {};
  const print = mayPrint(book) && button("print", t("print"), () => { giveUp = askToPrint(reader, asking); });
  const paper = book.paper;
  const meet = !app.meeting && paper?.may.includes("open_meeting") && button("meeting", t("begin_meeting"), () => {
    import("./starting.js").then((starts) => starts.beginMeeting(app.library, "papers", paper)).catch((error) => extras.fail(error));
  });
  const download = h("a", { class: "button", download: true, hidden: true }, icon("download"), h("span", {}, t("download")));
  originalAddress(book).then((address) => {
    if (!address) return;
    download.href = address;
    download.hidden = false;
  }, () => {}); // the menu is there without it
  body.append(
    h("p", { class: "name" }, name),
    h("div", { class: "menu" },
      button("beside", t(extras.beside?.isOpen ? "one_paper" : "two_papers"), () => {
        if (extras.beside?.isOpen) { extras.beside.close(); extras.panels.close(); } else extras.panels.open("beside");
      }),
      meet,
      desk && button("list", t("my_marks"), () => extras.panels.open("marks")),
      print,
      desk && mayExport(book) && h("a", { class: "button", href: marksAddress(app.library, book, "mine"), download: true },
        icon("download"), h("span", {}, t("marks_pdf"))),
      download,
      full,
      button("help", t("help"), () => extras.panels.open("help")),
      language,
    ), asking,
  );
  return () => giveUp();
}
