/* Who is in a meeting, and who was. The chair says who may do what. */

/** @import { Participation } from "./participation.js" */
/** @import { Side } from "./meeting_panel.js" */

import { Api, statusOf } from "./api.js";
import { button, h, icon } from "./elements.js";
import { refill } from "./meeting_panel.js";
import { fault, shortTime, t } from "./words.js";

const AGAIN_MS = 2000; // what changes is asked for no more often

/**
 * Somebody who is in a meeting, or was. `left_s`: null if they are there.
 * @typedef {{
 *   participant: string, name: string, is_guest: boolean, joined_s: number, left_s: number | null, present_s: number, times: number,
 * }} Attendant
 */

/** Who is there first, in the order in which they came. Pure. @param {readonly Attendant[]} people */
export const inOrder = (people) => [...people].sort((one, other) => (
  Number(one.left_s !== null) - Number(other.left_s !== null) || one.joined_s - other.joined_s));

/** @param {Participation} part @returns {Promise<Attendant[]>} */
export async function attendantsOf(part) {
  return (await part.app.library.json(`/meetings/${part.id}/attendance`, part.signal)).people;
}

/** @param {Participation} part @returns {Side} */
export function attendanceSide(part) {
  const api = new Api(part.app.library);
  /** @type {Attendant[] | null} */
  let people = null;
  let was = "";
  let here = -1;
  let asked_ms = -Infinity;
  let timer = 0;
  const told = h("p", { class: "soft" });
  const list = h("ul", { class: "rows" });
  const sheet = h("a", { class: "button", href: `${api.base}/meetings/${part.id}/attendance?as=csv`, download: "attendance.csv" });
  const element = h("div", {}, told, list, h("p", { class: "buttons" }, sheet));

  function ask() {
    clearTimeout(timer);
    const wait_ms = asked_ms + AGAIN_MS - performance.now();
    if (wait_ms > 0) { timer = setTimeout(ask, wait_ms); return; }
    asked_ms = performance.now();
    attendantsOf(part).then((found) => { people = found; show(); }, (error) => {
      if (error.name === "AbortError") return;
      people = [];
      told.textContent = [401, 403, 404].includes(statusOf(error)) ? t("present_for_chair") : fault(error);
      refill(list, known().map(([id, name]) => row({ id, name, isGuest: false, isHere: true, about: "" })));
    });
  }

  /* Of those who have a role, everybody knows. */
  const known = () => Object.entries(part.details?.names ?? {});

  /** @param {{id: string, name: string, isGuest: boolean, isHere: boolean, about: string}} one */
  function row({ id, name, isGuest, isHere, about }) {
    const { details, state } = part;
    const role = details?.roles[id] ?? "viewer";
    const isPresenter = state?.presenter === id;
    const signs = [isPresenter && t("presenter"), role !== "viewer" && t(`role_${role}`), isGuest && t("guest"),
      id === part.meeting.participant && t("you")].filter(Boolean);
    /** @type {(key: string, kind: string, fields: object) => HTMLElement} */
    const act = (key, kind, fields) => button(null, t(key), () => part.command(kind, fields), { "aria-label": `${t(key)}: ${name}` });
    const mayHand = (part.isChair || part.isPresenter) && isHere && !isPresenter;
    const acts = [
      mayHand && act("hand_over", "hand_over", { to: id, name }),
      part.isChair && ["chair", "speaker", "viewer"].filter((one) => one !== role).map((one) => (
        act(`make_${one}`, "give_role", { to: id, name, role: one }))),
    ].flat().filter(/** @returns {one is HTMLElement} */ (one) => Boolean(one));
    return h("li", { class: isHere ? "" : "gone", "data-key": id }, h("span", { class: "grow" }, h("strong", {}, name || t("guest")),
      h("small", {}, [...signs, about].filter(Boolean).join(t("comma")))),
    acts.length > 0 && h("details", {}, h("summary", { "aria-label": t("more_of", { name }) }, t("more")), h("div", { class: "buttons" }, acts)));
  }

  function show() {
    if (!people) return;
    const shown = inOrder(people);
    const now = JSON.stringify([shown, part.details?.roles, part.state?.presenter, part.isChair, part.isPresenter, t("present")]);
    if (now === was) return;
    was = now;
    told.textContent = t("present_count", { n: shown.filter((one) => one.left_s === null).length });
    refill(list, shown.map((one) => row({
      id: one.participant, name: one.name, isGuest: one.is_guest, isHere: one.left_s === null,
      about: one.left_s === null ? t("since_time", { time: shortTime(one.joined_s) }) : t("left_time", { time: shortTime(one.left_s) }),
    })));
  }

  return {
    element,
    fill() {
      sheet.replaceChildren(icon("download"), h("span", {}, t("attendance_sheet")));
      sheet.hidden = !part.isChair && !part.about?.may.includes("open_meeting");
      const count = part.progress?.here ?? 0;
      if (people === null || count !== here) {
        here = count;
        ask();
      }
      show();
    },
  };
}
