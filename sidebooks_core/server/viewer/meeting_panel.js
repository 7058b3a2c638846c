/* The panel of a meeting: agenda, who is present, votes, and how it goes; one at a time. It lies beside any screen. */

/** @import { Participation } from "./participation.js" */

import { button, h } from "./elements.js";
import { t } from "./words.js";

/**
 * A side of the panel. `fill` is called whenever something may be different, and changes what is.
 * @typedef {{element: HTMLElement, fill: () => void}} Side
 * @typedef {"agenda" | "present" | "votes" | "course"} SideName
 */

/** @type {{[N in SideName]: (part: Participation) => Promise<Side>}} */
const SIDES = {
  agenda: async (part) => (await import("./agenda.js")).agendaSide(part),
  present: async (part) => (await import("./attendance.js")).attendanceSide(part),
  votes: async (part) => (await import("./votes.js")).votesSide(part),
  course: async (part) => (await import("./course.js")).courseSide(part),
};
const STOPS = "a[href], button:not(:disabled), summary, input";
/** @type {[SideName, string][]} */
const NAMES = [["agenda", "agenda"], ["present", "present"], ["votes", "votes"], ["course", "course"]];

/**
 * Let a list hold other rows. Whoever was at a button, or had opened something, is there again. Rows are known by their `data-key`.
 * @param {HTMLElement} list
 * @param {HTMLElement[]} rows
 */
export function refill(list, rows) {
  const before = /** @type {HTMLElement[]} */ ([...list.children]);
  /** @param {HTMLElement} row @returns {HTMLElement[]} */
  const stops = (row) => /** @type {HTMLElement[]} */ ([...row.querySelectorAll(STOPS)]);
  const at = before.find((row) => row.contains(document.activeElement));
  const stop = at ? stops(at).indexOf(/** @type {HTMLElement} */ (document.activeElement)) : -1;
  const open = new Set(before.filter((row) => row.querySelector("details[open]")).map((row) => row.dataset.key));
  list.replaceChildren(...rows);
  for (const row of rows) if (open.has(row.dataset.key)) row.querySelector("details")?.setAttribute("open", "");
  const there = at && rows.find((row) => row.dataset.key === at.dataset.key);
  if (there) stops(there)[Math.min(stop, stops(there).length - 1)]?.focus({ preventScroll: true });
}

/** @param {Participation} part */
export function makeMeetingPanel(part) {
  /** @type {SideName} */
  let shown = "agenda";
  /** @type {Side | null} */
  let side = null;
  let asked = 0;
  /** @type {HTMLElement | null} */
  let opener = null;
  const heading = h("h2", { id: "meetingside-heading", tabindex: "-1" });
  const body = h("div", { class: "body" });
  const close = () => leave();
  const away = button("close", "", close);
  const tabs = NAMES.map(([name]) => button(null, "", () => show(name), { "data-side": name }));
  const choices = h("div", { class: "sides", role: "group" }, tabs);
  const element = h("section", {
    id: "meetingside", hidden: true, "aria-labelledby": "meetingside-heading",
    onkeydown: (event) => { if (event.key === "Escape") { event.stopPropagation(); leave(); } },
  }, h("div", { class: "head" }, heading, away), choices, body);

  /** @param {SideName} name */
  async function show(name) {
    asked += 1;
    const mine = asked;
    const made = await SIDES[name](part).catch((error) => {
      part.app.extras?.fail(error);
      return null;
    });
    if (!made || mine !== asked || part.signal.aborted) return;
    [shown, side] = [name, made];
    body.replaceChildren(made.element);
    element.scrollTop = 0;
    fill();
  }

  function leave() {
    if (element.hidden) return;
    const hadFocus = element.contains(document.activeElement);
    element.hidden = true;
    document.documentElement.removeAttribute("data-meetingside");
    side = null;
    body.replaceChildren();
    part.change();
    if (hadFocus) (opener?.isConnected ? opener : part.app.active.stage).focus({ preventScroll: true });
  }

  function fill() {
    if (element.hidden) return;
    heading.textContent = part.details?.name ?? t("m_menu");
    /** @type {HTMLElement} */ (away.lastElementChild).textContent = t("close");
    choices.setAttribute("aria-label", t("meeting"));
    for (const [index, [name, key]] of NAMES.entries()) {
      /** @type {HTMLElement} */ (tabs[index].lastElementChild).textContent = t(key);
      tabs[index].setAttribute("aria-pressed", String(name === shown));
    }
    side?.fill();
  }

  /** @param {SideName} [name] */
  async function open(name = shown) {
    if (element.hidden) opener = /** @type {HTMLElement | null} */ (document.activeElement);
    element.hidden = false;
    document.documentElement.toggleAttribute("data-meetingside", true);
    await show(name);
    part.change();
    heading.focus({ preventScroll: true });
  }

  return {
    element, fill, open, close: leave,
    get isOpen() { return !element.hidden; },
    toggle() {
      if (element.hidden) open();
      else leave();
    },
  };
}
