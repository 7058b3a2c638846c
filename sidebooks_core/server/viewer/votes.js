/* The votes of a meeting. The chair opens, closes, decides and confirms them; all see their results. */

/** @import { Participation } from "./participation.js" */
/** @import { ShownVote } from "./meeting.js" */
/** @import { Side } from "./meeting_panel.js" */
/** @import { Attendant } from "./attendance.js" */

import { attendantsOf } from "./attendance.js";
import { CHAIR_VOTES, voteDetails } from "./ballot.js";
import { LONGEST_NAME } from "./meeting.js";
import { refill } from "./meeting_panel.js";
import { button, dialog, field, form, h, icon, sure } from "./elements.js";
import { write } from "./keeping.js";
import { resultParts, showResult } from "./results.js";
import { read } from "./storage.js";
import { fault, t } from "./words.js";

const RULES = ["simple", "cast", "absolute", "two thirds", "three quarters", "majority of two thirds", "four fifths"];
const SEATS = "sidebooks seats"; // of the body, as the chair told last

/**
 * The roll of a vote. Pure. Absent members are named only, one to a line.
 * @param {readonly {id: string, name: string, isHere: boolean}[]} members that are checked
 * @param {string} absent
 */
export function rollOf(members, absent) {
  const names = absent.split("\n").map((one) => one.trim().slice(0, LONGEST_NAME)).filter(Boolean);
  const away = names.map((name, index) => ({ id: `absent-${index + 1}`, name }));
  return {
    voters: [...members.map(({ id, name }) => ({ id, name })), ...away],
    present: members.filter((one) => one.isHere).map((one) => one.id),
  };
}

/** @param {Participation} part @returns {Side} */
export function votesSide(part) {
  let was = "";
  const open = button("plus", "", () => openVote(part), { class: "main" });
  const list = h("ol", { class: "rows" });
  const empty = h("p", { class: "soft" });
  const sheet = h("a", { class: "button", href: `${part.app.library.base}/meetings/${part.id}/votes?as=csv`, download: "votes.csv" });
  const element = h("div", {}, h("p", { class: "buttons" }, open), list, empty, h("p", { class: "buttons" }, sheet));

  /** @param {ShownVote} vote */
  function row(vote) {
    const { stage, outcome, number } = vote;
    const state = stage === "open" ? tallyOf(vote) : outcome ? t(`result_${outcome.result}`) : "";
    const isTie = stage === "closed" && outcome?.result === "tie";
    const presides = vote.chair === part.meeting.participant;
    /** @type {(image: import("./types").IconName, key: string, kind: string, fields?: object, given?: object) => HTMLElement} */
    const act = (image, key, kind, fields = {}, given = {}) => (
      button(image, t(key), () => part.command(kind, { vote: number, ...fields }), given));
    const breakOff = async () => {
      if (await sure(t("break_off"), t("break_off_sure", { title: vote.title }), t("break_off"), true)) {
        await part.command("break_off_vote", { vote: number });
      }
    };
    const acts = part.isChair ? [
      stage === "open" && act("stop", "close_vote", "close_vote", {}, { class: "main" }),
      stage === "open" && button("people", t("who_left"), () => markLeft(part, vote)),
      isTie && presides && act("done", "tie_yes", "decide_tie", { choice: "yes" }),
      isTie && presides && act("close", "tie_no", "decide_tie", { choice: "no" }),
      stage === "closed" && !isTie && act("done", "confirm_vote", "confirm_vote", {}, { class: "main" }),
      ["open", "closed"].includes(stage) && button("bin", t("break_off"), breakOff, { class: "grave" }),
    ] : [];
    const toBallot = stage === "open" && button("pen", t("to_ballot"), () => part.dispatchEvent(new CustomEvent("ballot", { detail: number })));
    const shown = ["closed", "confirmed"].includes(stage) && (stage === "confirmed" || part.isChair)
      && button("eye", t("see_result"), () => (stage === "confirmed" ? showResult(part, vote) : preview(part, vote)));
    const buttons = [...acts, toBallot, shown].filter(/** @returns {one is HTMLButtonElement} */ (one) => Boolean(one));
    return h("li", { "data-key": number }, h("span", { class: "grow" }, h("strong", {}, `${number}. ${vote.title}`),
      h("small", {}, [t(`stage_${stage}`), t(`ballot_${vote.ballot}_short`), t(`rule_${vote.rule}`),
        vote.chair_name && t("presides", { name: vote.chair_name })].filter(Boolean).join(t("comma"))),
      h("span", { class: "outcome-line" }, state)), buttons.length > 0 && h("span", { class: "buttons" }, buttons));
  }

  /** @param {ShownVote} vote */
  function tallyOf(vote) {
    const { tally } = part;
    return tally?.vote === vote.number ? t("tally", { n: tally.voted, m: tally.in_room }) : "";
  }

  return {
    element,
    fill() {
      const votes = part.details?.votes ?? [];
      const now = JSON.stringify([votes, part.tally, part.isChair, part.meeting.role, t("votes")]);
      if (now === was) return;
      was = now;
      const isUnderWay = votes.some((one) => one.stage === "open" || one.stage === "closed");
      /** @type {HTMLElement} */ (open.lastElementChild).textContent = t("open_vote");
      open.hidden = !part.isChair || isUnderWay;
      refill(list, [...votes].reverse().map(row));
      empty.textContent = votes.length ? "" : t("no_votes");
      sheet.replaceChildren(icon("download"), h("span", {}, t("votes_sheet")));
      sheet.hidden = !votes.length || (!part.isChair && !part.about?.may.includes("open_meeting"));
    },
  };
}

/** The chair sees what confirming would keep. @param {Participation} part @param {ShownVote} vote */
async function preview(part, vote) {
  const details = await voteDetails(part, vote.number);
  await dialog(t("result"), () => [h("div", { class: "result-sheet" }, resultParts(vote, details)), h("p", {}, t("not_confirmed"))]);
}

/** @param {Participation} part */
async function openVote(part) {
  /** @type {Attendant[]} */
  const people = await attendantsOf(part).catch((error) => { part.app.extras?.fail(error); return []; });
  const { details, state } = part;
  const agenda = (details?.agenda ?? []).filter((one) => one.paper);
  const present = agenda.find((one) => one.paper === state?.paper);
  await dialog(t("open_vote"), (close) => {
    const title = field(t("vote_title"), { required: true, maxlength: 200, autocomplete: "off", value: present?.name ?? "" });
    const items = [["", t("no_item")], ...agenda.map((one) => [one.paper, one.name])];
    const item = field(t("vote_item"), { options: /** @type {[string, string][]} */ (items), value: present?.paper ?? "" });
    const rule = field(t("vote_rule"), { options: RULES.map((one) => [one, t(`rule_${one}`)]), value: "simple" });
    const chairs = h("p", { class: "soft" });
    const tellChair = () => { chairs.textContent = t(CHAIR_VOTES.includes(rule.input.value) ? "chair_votes" : "chair_decides"); };
    rule.input.addEventListener("change", tellChair);
    tellChair();
    const ballot = field(t("vote_ballot"), { options: ["named", "secret"].map((one) => [one, t(`ballot_${one}_short`)]), value: "named" });
    const silence = field(t("vote_silence"), { options: ["abstain", "no"].map((one) => [one, t(`vote_${one}`)]), value: "abstain" });
    const rows = people.filter((one) => !one.is_guest).map((one) => ({
      id: one.participant, name: one.name, isHere: one.left_s === null, box: h("input", { type: "checkbox", checked: true }),
    }));
    const absent = field(t("absent_members"), { rows: 3, maxlength: 8000 });
    const seats = field(t("seats"), {
      type: "number", inputmode: "numeric", min: 1, max: 2000, required: true, value: read(SEATS) || String(rows.length || 1),
    });
    const corrected = (details?.votes ?? []).filter((one) => one.stage === "confirmed");
    const corrects = field(t("vote_corrects"), {
      options: [["", t("corrects_none")], ...corrected.map((one) => /** @type {[string, string]} */ ([String(one.number), `${one.number}. ${one.title}`]))],
    });
    return form([
      title, item, rule, chairs, ballot, silence,
      h("fieldset", { class: "voters" }, h("legend", {}, t("voters")), rows.map((one) => h("label", { class: "check" }, one.box,
        one.isHere ? one.name : t("not_here", { name: one.name })))),
      h("details", {}, h("summary", {}, t("more_options")), absent, corrected.length > 0 && corrects), seats,
    ], t("open_vote"), async () => {
      write(SEATS, seats.input.value);
      const roll = rollOf(rows.filter((one) => one.box.checked), absent.input.value);
      await part.meeting.command("open_vote", {
        title: title.input.value.trim().slice(0, LONGEST_NAME), item: item.input.value, rule: rule.input.value, ballot: ballot.input.value,
        silence: silence.input.value, seats: Number(seats.input.value), chair: part.meeting.participant, ...roll,
        corrects: corrects.input.value ? Number(corrects.input.value) : null,
      });
      close(true);
    }, (error) => {
      const { why } = /** @type {{why?: string}} */ (/** @type {unknown} */ (error));
      const key = why === "wrong roll" ? "wrong_roll" : why === "another vote" ? "m_other_vote" : "m_refused";
      return why ? t(key) : fault(error);
    });
  });
}

/** Who left the room before voting, as the chair sees it. @param {Participation} part @param {ShownVote} vote */
async function markLeft(part, vote) {
  const { voters } = await voteDetails(part, vote.number);
  await dialog(t("who_left"), () => {
    const list = h("ul", { class: "rows" });
    const rows = voters.filter((one) => one.is_present && one.participant !== vote.chair).map((one) => {
      /** @type {HTMLInputElement} */
      const box = h("input", {
        type: "checkbox", checked: one.has_left,
        onchange: () => part.command("leave_room", { vote: vote.number, who: one.participant, is_back: !box.checked })
          .then((isDone) => { if (!isDone) box.checked = !box.checked; }),
      });
      return h("li", {}, h("label", { class: "check" }, box, one.name));
    });
    list.append(...rows);
    return [h("p", {}, t("who_left_about")), list];
  });
}
