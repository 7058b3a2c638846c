/* A second screen: the presenter's page and nothing else. */

/** @import { Participation } from "./participation.js" */

import { h } from "./elements.js";
import { saidBy } from "./meeting_bar.js";
import { resultParts } from "./results.js";
import { voteDetailsAtLast } from "./ballot.js";
import { t } from "./words.js";

/** @param {Participation} part */
export function showProjector(part) {
  const waiting = h("div", { class: "projector-idle" });
  const told = h("p", { class: "projector-told", role: "status" });
  const result = h("div", { class: "result projector-result", hidden: true });
  /** @type {string} what a result was shown over */
  let over = "";
  /** @type {string | null} the newest vote and its stage; null: not known yet */
  let last = null;

  const place = () => JSON.stringify([part.state?.paper, part.state?.page]);

  async function look() {
    if (!part.details) return;
    const { votes } = part.details;
    const latest = votes[votes.length - 1];
    const key = latest ? `${latest.number} ${latest.stage}` : "";
    if (key === last) return;
    const isFirst = last === null;
    last = key;
    if (!latest || latest.stage !== "confirmed" || isFirst) { result.hidden = latest?.stage !== "open" || result.hidden; return; }
    const details = await voteDetailsAtLast(part, latest.number);
    if (last !== key) return; // there is another vote by now
    result.replaceChildren(h("div", { class: "result-sheet" }, resultParts(latest, details)));
    result.hidden = false;
    over = place();
  }

  function fill() {
    const { key, values, isGrave } = saidBy(part);
    const isOpen = Boolean(part.state?.paper) && !part.problem;
    waiting.replaceChildren(h("h1", {}, part.details?.name ?? ""), h("p", {}, t(key, values)));
    waiting.hidden = isOpen && !part.over;
    told.textContent = isGrave && isOpen ? t(key, values) : "";
    if (!result.hidden && over !== place()) result.hidden = true; // the meeting goes on
    document.title = part.details?.name ?? t("meeting");
    look().catch((error) => { if (error.name !== "AbortError") part.app.extras?.fail(error); });
  }

  document.documentElement.toggleAttribute("data-projector", true);
  document.body.append(waiting, told, result);
  part.addEventListener("changed", fill);
  part.addEventListener("over", () => {
    for (const one of [waiting, told, result]) one.remove();
    document.documentElement.removeAttribute("data-projector");
  });
  fill();
}
