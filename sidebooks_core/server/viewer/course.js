/* How a meeting goes: who presents, how the others follow, how one joins, and its end. */

/** @import { Participation } from "./participation.js" */
/** @import { Side } from "./meeting_panel.js" */
/** @import { IconName } from "./types" */

import { Api } from "./api.js";
import { button, dialog, field, form, h, icon, sure } from "./elements.js";
import { refill } from "./meeting_panel.js";
import { addressOf } from "./place.js";
import { fault, t, time } from "./words.js";

const RANK = { viewer: 0, speaker: 1, chair: 2 };
const HOURS = 12; // that a guest's code is good for

/**
 * Whether somebody may take the presentation. Pure.
 * @param {import("./meeting.js").Role} role
 * @param {import("./meeting.js").Role} taking the lowest role that may
 */
export const mayTake = (role, taking) => RANK[role] >= RANK[taking];

/** @param {Participation} part @returns {Side} */
export function courseSide(part) {
  let was = "";
  const element = h("div", {});

  /**
   * A row of answers, one of them pressed.
   * @param {string} label
   * @param {[value: string, image: IconName, text: string][]} answers
   * @param {string | undefined} present
   * @param {(value: string) => unknown} choosing
   */
  const choice = (label, answers, present, choosing) => h("section", { "data-key": label }, h("h3", {}, label),
    h("div", { class: "choice", role: "group", "aria-label": label }, answers.map(([value, image, text]) => (
      button(image, text, () => choosing(value), { "aria-pressed": String(value === present), "data-choice": value })))));

  const endIt = async () => {
    if (await sure(t("end_meeting"), t("end_sure"), t("end_meeting"), true)) await part.command("end");
  };
  const beside = () => {
    const address = `${location.pathname}#${addressOf({ kind: "meeting", id: part.id })}&projector`;
    window.open(address, "_blank", "noopener");
  };

  function presenting() {
    const { isPresenter, isChair, details } = part;
    const may = isChair || (details && mayTake(part.meeting.role, details.taking));
    const calls = (isPresenter || isChair) && button("people", t("call_all"), () => part.command("call_everybody"));
    return h("section", { "data-key": "presenter" }, h("h3", {}, t("presenter")), h("p", {}, isPresenter ? t("you_are_presenter") : part.presenterName),
      h("div", { class: "menu" },
        !isPresenter && may && button("eye", t(isChair ? "take_back" : "take"), () => part.take(), { class: "main" }),
        calls));
  }

  function modes() {
    const { isPresenter, isChair, state } = part;
    if (!isPresenter && !isChair) return null;
    const isLocked = state?.mode === "locked";
    /** @type {[string, IconName, string][]} */
    const answers = [["follow", "eye", t("mode_follow")], ["free", "book", t("mode_free")], ["locked", "lock", t("mode_locked")]];
    const allowed = isChair ? answers : isLocked ? [] : answers.slice(0, 2); // locks are the chair's
    return allowed.length ? choice(t("mode"), allowed, state?.mode, (mode) => part.command("set_mode", { mode })) : null;
  }

  const takers = () => (part.isChair ? choice(t("taking"), [["chair", "person", t("taking_chair")],
    ["speaker", "people", t("taking_speaker")], ["viewer", "people", t("taking_viewer")]], part.details?.taking,
  (role) => part.command("set_taking", { role })) : null);

  function joining() {
    const { about } = part;
    if (!about) return null;
    return h("section", { "data-key": "join" }, h("h3", {}, t("join_ways")), h("p", {}, t("join_by_address")),
      addressField(about.address),
      h("img", { class: "qr", alt: t("join_qr"), src: `${part.app.library.base}/meetings/${part.id}/qr.svg` }),
      about.may.includes("share") && h("p", { class: "buttons" }, button("key", t("guest_code"), () => showGuestCode(part))));
  }

  function fill() {
    const { details, state, isPresenter, isChair, about } = part;
    const now = JSON.stringify([details?.taking, details?.roles, state?.mode, state?.presenter, isPresenter, isChair, about, t("mode")]);
    if (now === was) return;
    was = now;
    refill(element, [
      presenting(), modes(), takers(), joining(),
      h("section", { "data-key": "screens" }, h("h3", {}, t("screens")), h("div", { class: "menu" }, button("fill", t("open_projector"), beside),
        h("p", { class: "soft" }, t("projector_about")))),
      h("section", { "data-key": "leaving" }, h("h3", {}, t("leaving")), h("div", { class: "menu" },
        button("out", t("leave_meeting"), () => part.leave()),
        isChair && button("stop", t("end_meeting"), endIt, { class: "grave" }))),
    ].filter(/** @returns {one is HTMLElement} */ (one) => Boolean(one)));
  }

  return { element, fill };
}

/** @param {string} address */
function addressField(address) {
  const copy = button("link", t("copy"), async () => {
    await navigator.clipboard.writeText(address);
    copy.replaceChildren(icon("link"), h("span", {}, t("copied")));
  });
  /** @type {HTMLInputElement} */
  const shown = h("input", { readonly: true, value: address, class: "address", "aria-label": t("join_address"), onfocus: () => shown.select() });
  return h("p", { class: "field" }, shown, navigator.clipboard && copy);
}

/** A code by which guests join. @param {Participation} part */
function showGuestCode(part) {
  const api = new Api(part.app.library);
  return dialog(t("guest_code"), () => {
    const made = h("div", { role: "status" });
    const hours = field(t("code_hours"), { type: "number", min: 1, max: 72, value: HOURS, required: true, inputmode: "numeric" });
    const asked = form([h("p", {}, t("code_about")), hours], t("make_code"), async () => {
      /** @type {{code: string, until_s: number, address: string, qr_svg: string}} */
      const answer = await api.send("POST", `/meetings/${part.id}/code`, { hours: Number(hours.input.value) });
      made.replaceChildren(h("p", { class: "code" }, answer.code), h("p", {}, t("code_until", { time: time(answer.until_s) })),
        addressField(answer.address),
        h("img", { class: "qr", alt: t("join_qr"), src: `data:image/svg+xml;charset=utf-8,${encodeURIComponent(answer.qr_svg)}` }));
    });
    const error = h("p", { class: "error", role: "alert" });
    const end = button("close", t("end_code"), () => api.send("DELETE", `/meetings/${part.id}/code`)
      .then(() => made.replaceChildren(h("p", {}, t("code_ended"))), (problem) => { error.textContent = fault(problem); }));
    return [asked, made, h("p", { class: "buttons" }, part.about?.has_code && end), error];
  });
}
