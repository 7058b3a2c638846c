/* The result of a vote, so large that a room can read it. */

/** @import { Participation } from "./participation.js" */
/** @import { ShownVote } from "./meeting.js" */

import { button, h } from "./elements.js";
import { voteDetails } from "./ballot.js";
import { t } from "./words.js";

const CHOICES = /** @type {const} */ (["yes", "no", "abstain"]);

/**
 * The figures of a result, with words.
 * @param {ShownVote} vote
 * @param {import("./ballot.js").VoteDetails} details
 * @returns {import("./elements.js").Child[]}
 */
export function resultParts(vote, details) {
  const { outcome } = details;
  if (!outcome) return [h("h2", { tabindex: "-1" }, vote.title)];
  const { voters, casting } = details;
  const isNamed = vote.ballot === "named" && vote.stage === "confirmed";
  /** @param {typeof CHOICES[number]} choice */
  const names = (choice) => voters.filter((one) => one.choice === choice).map((one) => one.name).join(t("comma"));
  return [
    h("h2", { tabindex: "-1" }, vote.title),
    h("p", { class: `outcome ${outcome.result === "carried" ? "carried" : ""}` }, t(`result_${outcome.result}`)),
    h("dl", { class: "figures" }, CHOICES.map((choice) => h("div", {}, h("dt", {}, t(`vote_${choice}`)), h("dd", {}, String(outcome[choice]))))),
    h("p", {}, t("result_needed", { rule: t(`rule_${vote.rule}`), needed: outcome.needed, of: outcome.of })),
    h("p", {}, t("result_quorum", { n: outcome.in_room, quorum: outcome.quorum })),
    casting && h("p", {}, t(`casting_${casting}`)),
    vote.corrects !== null && h("p", {}, t("corrects", { n: vote.corrects })),
    isNamed && h("details", {}, h("summary", {}, t("by_name")), h("dl", { class: "by-name" }, CHOICES.map((choice) => (
      names(choice) ? [h("dt", {}, t(`vote_${choice}`)), h("dd", {}, names(choice))] : [])).flat())),
  ];
}

/** Closes the result that is shown. */
let closeShown = () => {};

/**
 * Show a result on the screen, until it is closed.
 * @param {Participation} part
 * @param {ShownVote} vote
 * @param {typeof voteDetails} ask gives its figures
 */
export async function showResult(part, vote, ask = voteDetails) {
  const details = await ask(part, vote.number);
  closeShown();
  const before = /** @type {HTMLElement | null} */ (document.activeElement);
  const close = () => {
    document.removeEventListener("keydown", leave, true);
    closeShown = () => {};
    made.remove();
    before?.focus?.({ preventScroll: true });
  };
  /** Wherever the focus is: nothing else is to be seen. @param {KeyboardEvent} event */
  const leave = (event) => {
    if (event.key !== "Escape" || document.querySelector("dialog[open]")) return;
    event.stopPropagation();
    close();
  };
  const foot = h("p", { class: "buttons" }, button("close", t("close"), close, { class: "main" }));
  const made = h("section", { class: "result", role: "dialog", "aria-label": `${t("result")}: ${vote.title}` },
    h("div", { class: "result-sheet" }, resultParts(vote, details), foot));
  closeShown = close;
  document.body.append(made);
  document.addEventListener("keydown", leave, true);
  part.addEventListener("over", () => { if (closeShown === close) close(); }, { once: true });
  /** @type {HTMLElement | null} */ (made.querySelector("h2"))?.focus({ preventScroll: true });
}
