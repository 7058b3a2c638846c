/* Who sees a mark: what one may choose, in words that say it before it is done. */

/** @import { FullApp, Mark, OpenBook, Visibility } from "./types" */

import { h } from "./elements.js";
import { t } from "./words.js";

/**
 * meeting: its id; "" for the readers of the paper, or those who tend its folder.
 * @typedef {{visibility: Visibility, meeting: string, name: string, about: string}} Audience
 */

/**
 * The audiences that a mark of an open paper can have; the first one is oneself alone.
 * @param {FullApp} app
 * @param {OpenBook} book
 * @returns {Audience[]}
 */
export function audiences(app, book) {
  /** @type {Audience[]} */
  const found = [{ visibility: "private", meeting: "", name: t("sees_private"), about: t("sees_private_about") }];
  if (!book.paper?.may.includes("keep_marks")) return found; // it stays on the device
  const part = app.meeting;
  if (part && !part.over) {
    const name = part.details?.name || t("this_meeting");
    found.push(
      { visibility: "shared", meeting: part.id, name: t("sees_meeting"), about: t("sees_meeting_about", { name }) },
      { visibility: "collected", meeting: part.id, name: t("sees_chair"), about: t("sees_chair_about", { name }) },
    );
  }
  if (app.shelf?.me?.role !== "guest") found.push( // guests share with their meeting only
    { visibility: "shared", meeting: "", name: t("sees_readers"), about: t("sees_readers_about") },
    { visibility: "collected", meeting: "", name: t("sees_office"), about: t("sees_office_about") },
  );
  return found;
}

/** @param {Mark} mark @returns {{visibility: Visibility, meeting: string}} */
const audienceOf = ({ visibility = "private", meeting = "" }) => ({ visibility, meeting: visibility === "private" ? "" : meeting });

/** The audience that a mark has now; of a meeting that is over, it is called by its kind. @param {Mark} mark @param {Audience[]} all */
function presentOf(mark, all) {
  const { visibility, meeting } = audienceOf(mark);
  const found = all.find((one) => one.visibility === visibility && one.meeting === meeting);
  if (found) return found;
  const name = t(visibility === "shared" ? "sees_meeting" : "sees_chair");
  const about = t(visibility === "shared" ? "sees_meeting_about" : "sees_chair_about", { name: t("this_meeting") });
  return { visibility, meeting, name, about };
}

/**
 * The choice of who sees a mark. What others would see is said, and asked for, before they see it.
 * @param {FullApp} app
 * @param {OpenBook} book
 * @param {Mark} mark
 * @param {(audience: Audience) => unknown} choose
 */
export function sharingChoice(app, book, mark, choose) {
  const all = audiences(app, book);
  let present = presentOf(mark, all);
  if (!all.includes(present)) all.push(present);
  if (all.length === 1) return h("p", { class: "small" }, t("marks_kept_here"));
  const about = h("p", { class: "small", role: "status" }, present.about);
  const go = h("button", { type: "button", class: "main", hidden: true }, t("share_do"));
  /** @type {Audience} */
  let wanted = present;
  const use = async () => {
    go.hidden = true;
    present = wanted;
    about.textContent = present.about;
    await choose(present);
    if (present.visibility === "private") app.extras.say(t("share_ends"));
  };
  go.addEventListener("click", use);
  const buttons = all.map((one) => h("button", { type: "button", "aria-pressed": String(one === present), onclick: () => {
    wanted = one;
    for (const [index, other] of buttons.entries()) other.setAttribute("aria-pressed", String(all[index] === one));
    go.hidden = one === present || one.visibility === "private";
    about.textContent = go.hidden ? one.about : t("share_sure", { about: one.about });
    const isLess = one !== present && one.visibility === "private"; // nobody needs to be asked
    if (isLess) use().catch((error) => app.extras.fail(error));
  } }, one.name));
  go.setAttribute("aria-describedby", "sharing-about");
  about.id = "sharing-about";
  return h("section", { class: "sharing", "aria-label": t("who_sees_mark") },
    h("h3", {}, t("who_sees_mark")), h("div", { class: "choice", role: "group", "aria-label": t("who_sees_mark") }, buttons), about, go);
}
