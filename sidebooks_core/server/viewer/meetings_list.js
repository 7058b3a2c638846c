/* The meetings under way, over the lists of the shelf: whoever comes finds the way in without an address. */

/** @import { App } from "./types" */
/** @import { MeetingEntry } from "./participation.js" */

import { h, icon, reconcile } from "./elements.js";
import { meetingStyle } from "./meeting_bar.js";
import { addressOf } from "./place.js";
import { speakAlsoOf } from "./matters.js";
import { shortTime, t } from "./words.js";

const WITHIN_MS = 2000; // all are told at once that one begins
const AGAIN_MS = 20_000; // where nobody tells when one begins

/** The section, and what looks again at once. @param {App} app */
export function meetingsSection(app) {
  const list = h("ul", {});
  const element = h("section", { class: "meetings", hidden: true });
  let was = "";
  let isAsking = false;
  let mustLook = false;
  let hasFailed = false; // the server was busy, or not reached

  /** @param {MeetingEntry} one */
  const row = (one) => h("li", {}, icon("meeting"), h("span", { class: "grow" }, h("strong", {}, one.name),
    h("small", {}, t("since_time", { time: shortTime(one.opened_s) }))),
  h("a", { class: "button main", href: `#${addressOf({ kind: "meeting", id: one.id })}`, "aria-label": t("join_one", { name: one.name }) },
    t("join_in")));

  async function look() {
    mustLook = isAsking; // what is under way may not have the newest
    if (isAsking || !element.isConnected) return;
    isAsking = true;
    try {
      /** @type {{meetings: MeetingEntry[]}} */
      const { meetings } = await app.library.json("/meetings");
      hasFailed = false;
      const shown = meetings.filter((one) => one.id !== app.meeting?.id);
      if (shown.length) await Promise.all([speakAlsoOf("meeting"), meetingStyle()]);
      const now = JSON.stringify([shown, shown.length ? t("meetings") : ""]);
      if (now === was) return;
      was = now;
      element.hidden = !shown.length;
      if (!shown.length) return;
      reconcile(list, shown.map(row));
      element.replaceChildren(h("h2", {}, t("meetings")), list);
    } catch (error) {
      const { status } = /** @type {{status?: number}} */ (error);
      hasFailed = !status || status >= 500;
      if (hasFailed) return;
      element.hidden = true; // there are none here
      was = "";
    } finally {
      isAsking = false;
      if (mustLook) look();
    }
  }

  /** @type {import("./changes.js").Changes | null} */
  let changes = null;
  app.afterwards().then((extras) => {
    changes = extras.changes;
    changes.lookAtMeetings = () => setTimeout(look, WITHIN_MS * Math.random());
  }).catch(() => {}); // there is no connection: it is asked now and then
  const timer = setInterval(() => {
    if (!element.isConnected) clearInterval(timer);
    else if ((hasFailed || !changes?.isTold) && document.visibilityState === "visible") look();
  }, AGAIN_MS * (0.75 + Math.random() / 2));
  return { element, look };
}
