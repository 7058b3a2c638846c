/* What the reader is told: sentences with one button, at the foot of the screen or on the page that they are about. */

/** @import { CleanUp, Reader } from "./types" */
/** @import { Failure } from "./requests.js" */

import { button, h, icon } from "./elements.js";
import { fault, t } from "./words.js";

const NEWS_MS = 15_000; // news that nobody answers go by themselves; nothing is lost with them

/** A place where news are told, one at a time. */
export class News {
  #timer = 0;

  /** @param {import("./elements.js").Given} given */
  constructor(given) { this.element = h("div", { class: "notice", role: "status", hidden: true, ...given }); }

  /** Tell news, with an answer to it. @param {string} text @param {string} answer @param {CleanUp | null} act */
  tell(text, answer = "", act = null) {
    this.stay(text, answer, act);
    this.#timer = setTimeout(() => { if (!this.element.contains(document.activeElement)) this.hide(); }, NEWS_MS);
  }

  /**
   * As `tell`, without an end.
   * @param {string} text
   * @param {string} answer
   * @param {CleanUp | null} act
   * @param {boolean} mayClose false: it is all that its pane has to show
   */
  stay(text, answer = "", act = null, mayClose = true) {
    clearTimeout(this.#timer);
    this.element.replaceChildren(h("span", {}, text), h("span", { class: "buttons" },
      act && button(null, answer, () => { this.hide(); act(); }, { class: "main" }),
      mayClose && button("close", t("close"), () => this.hide())));
    this.element.hidden = false;
  }

  hide() {
    clearTimeout(this.#timer);
    this.element.hidden = true;
  }
}

export class Notices {
  /** @type {HTMLElement | null} */
  #hint = null;
  /** Of two papers side by side: the news of each stand in its pane. @type {Map<Reader, News>} */
  panes = new Map();

  /**
   * @param {() => unknown} logIn leads to the same page again
   * @param {() => string} unknown what is said to whom the server does not know
   */
  constructor(logIn, unknown) {
    this.logIn = logIn;
    this.unknown = unknown;
    this.message = h("div", { id: "message", class: "notice", role: "alert", hidden: true });
    this.news = new News({ id: "news" });
    this.place = h("div", { class: "notices" }, this.news.element, this.message);
    document.body.append(this.place);
  }

  /** Say what is wrong, maybe with what helps; "" takes it back. @param {string} text @param {string} answer @param {CleanUp | null} act */
  tell(text, answer = "", act = null) {
    this.message.replaceChildren(...(text ? [h("span", {}, text),
      ...(act ? [button(null, answer, () => { this.tell(""); act(); }, { class: "main" })] : []),
      button("close", t("close"), () => this.tell(""))] : []));
    this.message.hidden = !text;
  }

  get told() { return this.message.querySelector("span")?.textContent || ""; }

  /** Tell news, with an answer to it. @param {string} text @param {string} answer @param {CleanUp | null} act */
  notify(text, answer = "", act = null) { this.news.tell(text, answer, act); }

  /** Where the news of what a reader shows are told. @param {Reader | null} reader null: it shows nothing any more */
  newsOf(reader) { return (reader && this.panes.get(reader)) || this.news; }

  /**
   * What somebody should know who is here for the first time.
   * @param {string} title
   * @param {string[]} lines
   * @param {string} more
   * @param {() => void} act
   */
  hint(title, lines, more, act) {
    const close = () => this.endHint();
    const made = this.#hint = h("section", { class: "notice hint", "aria-label": title },
      h("strong", {}, title), h("ul", {}, lines.map((one) => h("li", {}, one))),
      h("span", { class: "buttons" },
        button("help", more, () => { close(); act(); }), button("done", t("understood"), close, { class: "main" })));
    this.place.prepend(made);
  }

  /** Who turns pages needs no hint any more. */
  endHint() {
    this.#hint?.remove();
    this.#hint = null;
  }

  /** Take back what was said of another screen. */
  clear() {
    this.tell("");
    this.news.hide();
    this.endHint();
  }

  /**
   * On a reader's stage: a page that failed says so, with what it still shows under it; one that is not whole has a sign.
   * @param {Reader} reader
   */
  watch(reader) {
    const { book } = reader.state;
    if (!book) return;
    const failed = reader.spread.map((page) => book.failure(page)).find(Boolean);
    const isWithheld = reader.spread.some((page) => book.pages[page - 1].is_withheld);
    const problems = reader.spread.filter((page) => book.problems(page)).map((page) => `${reader.labelOf(page)}: ${book.problems(page)}`);
    const wrong = isWithheld ? t("withheld") : failed ? this.#failureText(failed) : "";
    const help = () => (failed?.status === 401 ? button("person", t("log_in"), () => this.logIn(), { class: "main" })
      : button("replace", t("again"), () => reader.recover(), { class: "main" }));
    fill(reader.stage, "failed", wrong, (text) => h("div", { class: "notice failed", role: "alert" }, icon("warning"),
      h("span", {}, text), isWithheld ? null : help()));
    fill(reader.stage, "problems", problems.join("\n"), (text) => h("details", { class: "notice problems", role: "status" },
      h("summary", {}, icon("warning"), t("incomplete")), h("p", { lang: "en" }, text)));
  }

  /** @param {Failure} failed */
  #failureText(failed) {
    if (failed.status === 401) return this.unknown();
    if (!failed.status || failed.status >= 502) return fault(failed.status ? failed : new TypeError());
    return failed.status >= 500 || failed.status === 422 ? t("page_failed") : fault(failed);
  }
}

/**
 * Let a stage have the notice of a kind with this text; none if it is empty. What is there already stays.
 * @param {HTMLElement} stage
 * @param {string} kind
 * @param {string} text
 * @param {(text: string) => HTMLElement} make
 */
function fill(stage, kind, text, make) {
  /** @type {HTMLElement | null} */
  const there = stage.querySelector(`.${kind}`);
  if ((there?.dataset.text || "") === text) return;
  there?.remove();
  if (!text) return;
  const made = make(text);
  made.dataset.text = text;
  stage.append(made);
}
