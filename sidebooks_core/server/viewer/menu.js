/* What else can be done with a document: its whole name, printing, the file, another paper beside it, help, language. */

import { button, h, icon } from "./elements.js";
import { LANGUAGES, t } from "./words.js";
import { choices } from "./choices.js";

export const title = "menu";

/** Fill the panel. */
export async function fill(app, body) {
  const { extras } = app;
  const reader = app.active;
  const { book } = reader.state;
  const name = book.paper?.name || book.name;
  const told = h("p", { role: "status" });
  const other = LANGUAGES.find((one) => one !== choices.language);
  const language = button("globe", t("other_language"), () => extras.speak(other));
  language.lang = other;
  const isFull = () => Boolean(document.fullscreenElement);
  const full = document.fullscreenEnabled && button("fill", t(isFull() ? "leave_full_screen" : "full_screen"), () => {
    if (isFull()) document.exitFullscreen();
    else document.documentElement.requestFullscreen().catch(() => {}); // the browser has said why
    extras.panels.chosen();
  });
  const print = book.may_print !== false && button("print", t("print"), async () => {
    const { printPages } = await import("./print.js");
    await askToPrint(reader, told, printPages);
  });
  const original = await (await import("./print.js")).originalAddress(book).catch(() => null);
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
    ), told,
  );
  return null;
}

/* The page that is read, or all of them. */
async function askToPrint(reader, told, printPages) {
  const { book, page } = reader.state;
  const control = new AbortController();
  const run = (first, last) => printPages(book, {
    first, last, signal: control.signal, onprogress: (done, all) => { told.textContent = t("printing", { n: done, of: all }); },
  }).then(() => { told.textContent = ""; }, (error) => { told.textContent = error.name === "AbortError" ? "" : t("print_failed"); });
  told.replaceChildren(h("span", { class: "buttons" },
    button("whole", t("print_page"), () => run(Math.min(...reader.spread), Math.max(...reader.spread)), { class: "main" }),
    button("print", t("print_all", { n: book.pages.length }), () => run(1, book.pages.length)),
    button("close", t("cancel"), () => { control.abort(); told.textContent = ""; })));
  told.querySelector("button").focus();
  told.dataset.page = page;
}
