/* The bar of a meeting, over all screens: which meeting, whose page one sees, the way back to it, and the way to all else. */

/** @import { Participation } from "./participation.js" */

import { button, h, icon, need } from "./elements.js";
import { makeMeetingPanel } from "./meeting_panel.js";
import { speakAlsoOf } from "./matters.js";
import { t } from "./words.js";

/** @type {Promise<unknown> | null} */
let styled = null;

/** The style of all that belongs to meetings. */
export function meetingStyle() {
  styled ||= new Promise((done) => {
    const sheet = h("link", { rel: "stylesheet", href: "viewer/meeting.css" });
    sheet.addEventListener("load", done);
    sheet.addEventListener("error", done); // it can be used without
    document.head.append(sheet);
  });
  return styled;
}

/** What is said of the end of a meeting, by its reason. @type {{[why: string]: string | undefined}} */
const OVER = { ended: "m_ended", revoked: "m_revoked", closed: "m_closed", protocol: "m_load_again" };

/**
 * What the bar says, as the name of a text and its values; `isGrave`: something is wrong. Pure.
 * @param {Pick<Participation, "over" | "problem" | "isLost" | "isSure" | "isPresenter" | "isLocked" | "presenterName" | "state">
 *   & {meeting: Pick<Participation["meeting"], "isBehind" | "isFollowing">}} part
 * @returns {{key: string, values: Record<string, string>, isGrave: boolean}}
 */
export function saidBy({ over, problem, isLost, isSure, isPresenter, isLocked, presenterName, state, meeting }) {
  const values = { name: presenterName };
  /** @type {(key: string, isGrave?: boolean) => {key: string, values: Record<string, string>, isGrave: boolean}} */
  const say = (key, isGrave = false) => ({ key, values, isGrave });
  if (over) return say(OVER[over] ?? "m_gone", over !== "ended");
  if (isLost) return say(state ? "m_lost" : "m_joining", Boolean(state));
  if (meeting.isBehind) return say("m_behind", true);
  if (!state) return say("m_joining");
  if (!isSure) return say("m_unsure", true);
  if (isPresenter) return say(state.paper ? "m_you_present" : "m_open_something");
  if (problem) return say(problem, true);
  if (!state.paper) return say("m_nothing_open");
  if (isLocked) return say("m_locked");
  if (meeting.isFollowing) return say("m_following");
  return say(state.mode === "free" ? "m_free" : "m_away");
}

/** @param {Participation} part */
export async function addMeetingBar(part) {
  await Promise.all([speakAlsoOf("meeting"), meetingStyle()]);
  if (part.signal.aborted) return;
  if (part.isProjector) {
    const { showProjector } = await import("./projector.js");
    showProjector(part);
    return;
  }
  const panel = makeMeetingPanel(part);
  const name = h("strong", { class: "name" });
  const sign = h("span", { class: "sign", "aria-hidden": "true" });
  const said = h("span", { role: "status" });
  const count = h("span", { class: "count" });
  const second = h("span", { class: "count" });
  const back = button("eye", "", () => part.comeBack(), { class: "main" });
  const pointing = button("pointer", "", () => part.pointers.setPointing(!part.pointers.isPointing));
  const menu = button("meeting", "", () => panel.toggle(), { "aria-expanded": "false" });
  const away = button("close", "", () => (part.over === "protocol" ? location.reload() : part.leave()));
  const element = h("section", { id: "meetingbar" }, name, h("span", { class: "said" }, sign, said, count, second),
    h("span", { class: "buttons" }, back, pointing, menu, away));
  const told = h("div", { class: "notice meeting-told", role: "alert", hidden: true });
  let timer = 0;

  /** Text of a button; what is the same is left alone, since it may have the focus. @param {HTMLElement} one @param {string} text */
  const call = (one, text) => {
    const span = /** @type {HTMLElement} */ (one.lastElementChild);
    if (span.textContent !== text) span.textContent = text;
  };

  function fill() {
    const { meeting, progress, isPresenter } = part;
    const { key, values, isGrave } = saidBy(part);
    const text = t(key, values);
    element.setAttribute("aria-label", t("meeting"));
    name.textContent = part.details?.name ?? "";
    if (said.textContent !== text) said.textContent = text;
    sign.replaceChildren(isGrave ? icon("warning") : "");
    element.classList.toggle("grave", isGrave);
    const isShown = isPresenter && progress && !part.over;
    count.textContent = isShown ? t("n_there", { n: progress.painted, m: progress.here }) : "";
    const way = meeting.isOpen && meeting.way === "stream" && !part.over;
    second.textContent = way ? t("m_second_way") : "";
    call(back, t("to_presenter"));
    call(pointing, t(part.pointers.isPointing ? "pointing_ends" : "point"));
    call(menu, t("m_menu"));
    call(away, t(part.over === "protocol" ? "again" : "close"));
    const isAway = Boolean(part.state?.paper) && !isPresenter && !part.over && !part.shown;
    back.hidden = !isAway && !part.problem;
    pointing.hidden = !part.mayPoint || need("reader").hidden;
    pointing.setAttribute("aria-pressed", String(part.pointers.isPointing));
    menu.hidden = Boolean(part.over);
    menu.setAttribute("aria-expanded", String(panel.isOpen));
    away.hidden = !part.over;
    document.documentElement.toggleAttribute("data-locked", part.isLocked && !part.over);
    document.documentElement.toggleAttribute("data-meeting-news", isGrave || isAway || isPresenter);
    panel.fill();
  }

  /** @param {string} text */
  function tell(text) {
    const isTold = !told.hidden && told.firstElementChild?.textContent === text; // it would be read out again with each try
    if (!isTold) told.replaceChildren(h("span", {}, text), button("close", t("close"), () => { told.hidden = true; }));
    told.hidden = false;
    clearTimeout(timer);
    timer = setTimeout(() => { told.hidden = true; }, 8000);
  }

  part.addEventListener("changed", fill);
  part.addEventListener("told", (event) => {
    const { key, values } = /** @type {CustomEvent<{key: string, values: Record<string, string>}>} */ (event).detail;
    tell(t(key, values));
  });
  part.addEventListener("over", () => {
    clearTimeout(timer);
    panel.close();
    panel.element.remove();
    element.remove();
    told.remove();
    document.body.removeAttribute("data-meeting");
    for (const one of ["data-locked", "data-meeting-news"]) document.documentElement.removeAttribute(one);
  });
  addEventListener("hashchange", () => setTimeout(fill, 0), { signal: part.signal }); // another screen
  part.app.reader.addEventListener("retold", fill, { signal: part.signal });
  document.body.prepend(element, told);
  document.body.append(panel.element);
  document.body.toggleAttribute("data-meeting", true);
  fill();
  const { watchVotes } = await import("./ballot.js");
  watchVotes(part);
}
