/* Voting: whoever is on the roll of an open vote is asked, votes once, and is told that it was counted. */

/** @import { Participation } from "./participation.js" */
/** @import { Choice, Refusal, ShownVote } from "./meeting.js" */

import { button, h } from "./elements.js";
import { isOfNetwork, pause } from "./requests.js";
import { showResult } from "./results.js";
import { attempt } from "./storage.js";
import { hasText, t } from "./words.js";

/** Rules under which the chair votes as a member does; under the others the chair decides ties. */
export const CHAIR_VOTES = ["absolute", "two thirds", "three quarters", "majority of two thirds", "four fifths"];

const AGAIN_MS = 3000; // after an outage

/**
 * One vote with its roll. `chair`: who presides. `choice`: null if it was secret, is not confirmed, or they did not vote.
 * @typedef {{
 *   participant: string, name: string, is_present: boolean, has_left: boolean, has_voted: boolean, choice: Choice | null,
 * }} VoterRow
 * @typedef {{
 *   number: number, title: string, stage: string, casting: "yes" | "no" | null, voters: VoterRow[],
 *   outcome: import("./meeting.js").Outcome | null, chair: string,
 * }} VoteDetails
 */

/**
 * Why somebody may not vote, as the protocol words it; "": they may. Pure.
 * @param {Pick<ShownVote, "stage" | "rule" | "chair">} vote
 * @param {readonly VoterRow[]} voters
 * @param {string} participant
 */
export function whyNoVote({ stage, rule, chair }, voters, participant) {
  if (stage !== "open") return "not open";
  const mine = voters.find((one) => one.participant === participant);
  if (!mine) return "not on the roll";
  if (!mine.is_present || mine.has_left) return "not in the room";
  return participant === chair && !CHAIR_VOTES.includes(rule) ? "chair does not vote" : "";
}

/** @param {Participation} part @param {number} number @returns {Promise<VoteDetails>} */
export const voteDetails = (part, number) => part.app.library.json(`/meetings/${part.id}/votes/${number}`, part.signal);

/** As `voteDetails`; after an outage it is asked for again. @type {typeof voteDetails} */
export async function voteDetailsAtLast(part, number) {
  for (;;) {
    try {
      return await voteDetails(part, number);
    } catch (error) {
      const { status } = /** @type {Error & {status?: number}} */ (error);
      if (!isOfNetwork(error) && !(status && status >= 500)) throw error;
      await pause(AGAIN_MS, part.signal);
    }
  }
}

/** Ask for votes, and tell of results, as long as the meeting lasts. @param {Participation} part */
export function watchVotes(part) {
  /** @type {Map<number, string>} the stage that each had when it was looked at */
  const stages = new Map();
  let isFirst = true;
  /** @type {{number: number, element: HTMLElement} | null} */
  let asking = null;

  const keyOf = (/** @type {number} */ number) => `sidebooks voted ${part.id} ${number}`;
  const hasVoted = (/** @type {number} */ number) => attempt(() => sessionStorage.getItem(keyOf(number)), null) !== null;

  function stop() {
    asking?.element.remove();
    asking = null;
  }

  const openVote = (/** @type {number} */ number) => part.details?.votes.find((one) => one.number === number && one.stage === "open");

  /** @param {number} number @param {boolean} isWanted whoever reads has asked for it, and is told why there is none */
  async function begin(number, isWanted = false) {
    const { voters } = await voteDetailsAtLast(part, number);
    const vote = openVote(number);
    if (!vote || asking?.number === number) return;
    const why = hasVoted(number) ? "voted_before" : whyNoVote(vote, voters, part.meeting.participant);
    if (why && isWanted) part.tell(hasText(`why_${why}`) ? `why_${why}` : why);
    if (why) return;
    stop();
    asking = { number: vote.number, element: ballotOf(vote) };
    document.body.append(asking.element);
    /** @type {HTMLElement | null} */ (asking.element.querySelector("h2"))?.focus({ preventScroll: true });
  }

  /** @param {ShownVote} vote */
  function ballotOf(vote) {
    const id = `ballot-${vote.number}`;
    const error = h("p", { class: "error", role: "alert" });
    const about = h("p", {}, t(vote.ballot === "secret" ? "ballot_secret" : "ballot_named"));
    const choices = h("div", { class: "votes" });
    const foot = h("p", { class: "buttons" });

    /** @param {Choice} choice */
    function choose(choice) {
      const go = button("done", t("vote_so", { choice: t(`vote_${choice}`) }), () => cast(choice, go), { class: "main" });
      foot.replaceChildren(go, button("back", t("another_choice"), offer));
      for (const one of choices.querySelectorAll("button")) one.setAttribute("aria-pressed", String(one.dataset.choice === choice));
      go.focus();
    }

    function offer() {
      /** @type {Choice[]} */
      const all = ["yes", "no", "abstain"];
      choices.replaceChildren(...all.map((choice) => (
        button(null, t(`vote_${choice}`), () => choose(choice), { "data-choice": choice, "aria-pressed": "false" }))));
      foot.replaceChildren(button("out", t("leave_room"), leaveRoom));
      error.textContent = "";
    }

    const leaveRoom = () => part.command("leave_room", { vote: vote.number, who: part.meeting.participant })
      .then((isDone) => { if (isDone) finish("room_left", false); }); // the chair may say that they are back

    /** @param {Choice} choice @param {HTMLButtonElement} go */
    async function cast(choice, go) {
      go.disabled = true;
      try {
        await part.meeting.command("cast", { vote: vote.number, choice });
        finish("vote_counted");
      } catch (thrown) {
        const { why, name } = /** @type {Refusal} */ (thrown);
        if (name === "AbortError") return;
        if (why === "has voted") { finish("voted_before"); return; } // on another device
        const key = hasText(`why_${why}`) ? `why_${why}` : "m_refused";
        if (!error.isConnected) part.tell(key); // voting ended meanwhile, and the ballot is gone
        error.textContent = t(key);
        go.disabled = false;
      }
    }

    /** @param {string} key @param {boolean} isVoted */
    function finish(key, isVoted = true) {
      if (isVoted) attempt(() => sessionStorage.setItem(keyOf(vote.number), "1"), undefined);
      if (asking?.number === vote.number) stop();
      part.tell(key);
      part.change();
    }

    offer();
    return h("section", { class: "ballot", role: "dialog", "aria-labelledby": id },
      h("h2", { id, tabindex: "-1" }, t("vote_now", { title: vote.title })), about, choices, error, foot);
  }

  function look() {
    const votes = part.details?.votes ?? [];
    for (const one of votes) {
      const before = stages.get(one.number);
      stages.set(one.number, one.stage);
      if (before === one.stage) continue;
      if (one.stage === "open") begin(one.number).catch(fail);
      else if (asking?.number === one.number) stop();
      if (isFirst) continue;
      if (one.stage === "broken off") part.tell("vote_broken_off", { title: one.title });
      if (one.stage === "confirmed") showResult(part, one, voteDetailsAtLast).catch(fail);
    }
    if (part.details) isFirst = false;
    if (part.over) stop();
  }

  /** @param {Error} error */
  function fail(error) { if (error.name !== "AbortError") part.app.extras?.fail(error); }

  part.addEventListener("changed", look);
  part.addEventListener("ballot", (event) => {
    const { detail: number } = /** @type {CustomEvent<number>} */ (event);
    begin(number, true).catch(fail);
  });
  part.addEventListener("over", stop);
  look();
}
