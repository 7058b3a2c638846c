/* Who may see a folder: links for guests, and the rights of people and groups. Each is a dialog. */

import { statusOf } from "./api.js";
import { button, dialog, field, form, h, icon } from "./elements.js";
import { peopleOf } from "./people.js";
import { inputTime, secondsOf } from "./tending.js";
import { fault, t, time } from "./words.js";

const DAY_S = 86_400;
const LOOPBACK = /^(localhost|.*\.localhost|127\.[\d.]+|\[::1\])$/;

/**
 * @typedef {import("./api.js").FolderDetails} FolderDetails
 * @typedef {{api: import("./api.js").Api, changed: () => Promise<void>}} SharingDoes
 *
 * @typedef {{
 *   id: string, name: string, made_s: number, until_s: number, uses_left: number | null, used: number, made_by: string,
 * }} LinkRow
 * @typedef {{link: LinkRow, address: string, qr_svg: string}} MadeLink its address is told once
 *
 * @typedef {{
 *   pages: [number, number][] | null, long_side_px: number | null, may_download: boolean, may_print: boolean, is_marked: boolean,
 * }} GrantLimits
 * @typedef {{
 *   kind: "role" | "group" | "person", subject: string, right: "read" | "tend", limits?: GrantLimits | null,
 * }} Grant
 */

/** Links for guests: make one, see it with its code, end others. @param {FolderDetails} folder @param {SharingDoes} does */
export function showLinks(folder, does) {
  const { api } = does;
  const path = `/folders/${folder.id}/links`;
  return dialog(`${t("guests")}: ${folder.name}`, () => {
    const list = h("ul", { class: "rows" });
    const heading = h("h3", { hidden: true }, t("links_there"));
    const made = h("div", { role: "status" });
    const fill = async () => {
      /** @type {{links: LinkRow[]}} */
      const { links } = await api.get(path);
      heading.hidden = !links.length;
      list.replaceChildren(...links.map(linkRow));
    };
    /** @param {LinkRow} one */
    const linkRow = (one) => {
      const end = async () => { await api.send("DELETE", `${path}/${one.id}`); await fill(); };
      const about = h("small", {}, t("link_row", { time: time(one.until_s), n: one.used }));
      return h("li", {}, h("span", { class: "grow" }, h("strong", {}, one.name), about),
        button("close", t("end_link"), end, { "aria-label": t("end_link_of", { name: one.name }) }));
    };
    fill().catch((error) => { list.textContent = fault(error); });
    const name = field(t("link_name"), { value: folder.name, required: true, maxlength: 200, autocomplete: "off" });
    const until = field(t("link_until"), { type: "datetime-local", required: true, value: inputTime(Date.now() / 1000 + 7 * DAY_S) });
    const asked = form([name, until], t("make_link"), async () => {
      /** @type {MadeLink} */
      const answer = await api.send("POST", path, { name: name.input.value, until_s: secondsOf(until.input.value) });
      const copy = button("link", t("copy"), async () => {
        await navigator.clipboard.writeText(answer.address);
        copy.replaceChildren(icon("link"), h("span", {}, t("copied")));
      });
      /** @type {HTMLInputElement} */
      const address = h("input", {
        readonly: true, value: answer.address, class: "address", "aria-label": t("guests"), onfocus: () => address.select(),
      });
      made.replaceChildren(
        LOOPBACK.test(new URL(answer.address).hostname) ? h("p", { class: "error" }, t("only_here")) : "",
        h("p", {}, t("link_made", { time: time(answer.link.until_s) })),
        h("p", { class: "field" }, address, navigator.clipboard && copy),
        h("img", { class: "qr", alt: t("qr"), src: `data:image/svg+xml;charset=utf-8,${encodeURIComponent(answer.qr_svg)}` }),
      );
      await fill();
    });
    return [asked, made, heading, list];
  });
}

/** Everybody who has an account; nobody for a clerk, who does not manage people. @param {import("./api.js").Api} api */
async function allPeople(api) {
  try {
    return await peopleOf(api);
  } catch (error) {
    if (statusOf(error) === 403 || statusOf(error) === 404) return [];
    throw error;
  }
}

/** @param {Grant} grant */
const isLimited = ({ limits }) => Boolean(limits
  && (limits.pages || limits.long_side_px || limits.is_marked || !limits.may_download || !limits.may_print));
/** @param {Grant} one @param {Grant} other */
const isSame = (one, other) => one.kind === other.kind && one.subject === other.subject;

/** @param {string} subject @returns {Grant[]} */
const reads = (subject) => [{ kind: "role", subject, right: "read" }];
/** The common answers, with the grants that each is. @type {Record<string, Grant[] | null>} */
const PRESETS = { as_above: null, clerks_only: [], all_members: reads("member"), everybody: reads("citizen") };
const CHOSEN = "some_people";

/** Which answer grants are. @param {Grant[] | null} grants */
function answerOf(grants) {
  if (grants === null) return "as_above";
  if (!grants.length) return "clerks_only";
  const [one] = grants;
  const isPlain = grants.length === 1 && one.right === "read" && !isLimited(one);
  return (isPlain && Object.keys(PRESETS).find((key) => PRESETS[key]?.some((preset) => isSame(preset, one)))) || CHOSEN;
}

/**
 * A row of the list: somebody, with the right that is chosen for them. `grant()`: null if they have none.
 * @param {string} name
 * @param {Grant} grant
 * @param {boolean} isPresent
 */
function rightRow(name, grant, isPresent) {
  const rights = ["none", "read", "tend"].map((right) => h("option", { value: right }, t(`right_${right}`)));
  const choice = h("select", { "aria-label": name }, rights);
  choice.value = isPresent ? grant.right : "none";
  const limits = isLimited(grant) && h("small", {}, t("with_limits"));
  const element = h("li", {}, h("span", { class: "grow" }, h("strong", {}, name), limits), choice);
  /** @returns {Grant | null} */
  const chosen = () => (choice.value === "read" || choice.value === "tend" ? { ...grant, right: choice.value } : null);
  return { element, about: grant, choice, grant: chosen };
}

/**
 * Who may see a folder: four common answers, or rights of chosen people and groups. A grant keeps its limits, and what the list
 * cannot name: people, if whoever asks may not read their names.
 * @param {FolderDetails} folder
 * @param {SharingDoes} does
 */
export async function showAccess(folder, does) {
  const { api } = does;
  const path = `/folders/${folder.id}/access`;
  const [access, people] = await Promise.all([api.get(path), allPeople(api)]);
  /** @type {{grants: Grant[] | null}} */
  const { grants } = access;
  const now = answerOf(grants);
  const set = grants || [];
  /** @param {string} id */
  const personOf = (id) => people.find((one) => one.id === id);
  const kept = set.filter((one) => one.kind === "person" && !personOf(one.subject));
  /** @param {Grant} grant */
  const nameOf = ({ kind, subject }) => {
    if (kind === "group") return t("group_row", { name: subject });
    const person = kind === "person" && personOf(subject);
    if (person) return person.shown_name || person.name;
    if (subject === "member") return t("all_members");
    return subject === "citizen" ? t("everybody") : t(subject).split(/[:（]/)[0];
  };
  const groups = [...new Set(people.flatMap((one) => one.groups))].sort();
  /** @type {(kind: Grant["kind"], subject: string) => Grant} */
  const readOf = (kind, subject) => ({ kind, subject, right: "read" });
  const members = people.filter((one) => one.role === "member" && !one.is_disabled);
  const more = [
    readOf("role", "member"), ...groups.map((subject) => readOf("group", subject)), ...members.map((one) => readOf("person", one.id)),
  ].filter((one) => !set.some((other) => isSame(one, other)));
  return dialog(`${t("who_sees")}: ${folder.name}`, (close) => {
    const shown = set.filter((one) => !kept.includes(one));
    const rows = [...shown.map((one) => rightRow(nameOf(one), one, true)), ...more.map((one) => rightRow(nameOf(one), one, false))];
    const list = h("ul", { class: "rows" }, rows.map((row) => row.element));
    const group = field(t("another_group"), { maxlength: 200, autocomplete: "off" });
    const addGroup = () => {
      const made = readOf("group", group.input.value.trim());
      group.input.value = "";
      if (!made.subject) return;
      const known = rows.find((row) => isSame(row.about, made));
      if (known?.choice.value === "none") known.choice.value = "read";
      if (known) return;
      const row = rightRow(nameOf(made), made, true);
      rows.push(row);
      list.append(row.element);
    };
    group.input.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.isComposing) return;
      event.preventDefault(); // else the form is sent
      addGroup();
    });
    group.append(button("plus", t("add"), addGroup));
    const chosen = h("div", { class: "inner" }, list, kept.length > 0 && h("p", {}, t("kept_people", { n: kept.length })), group);
    const replacing = h("p", { role: "status" });
    const radios = [...Object.keys(PRESETS), CHOSEN].map((key) => (
      h("input", { type: "radio", name: "access", value: key, checked: key === now, required: true })));
    const choices = radios.map((one) => h("label", { class: "check" }, one, t(one.value)));
    const answer = () => radios.find((one) => one.checked)?.value || now;
    const fill = () => {
      chosen.hidden = answer() !== CHOSEN;
      replacing.textContent = now === CHOSEN && answer() !== CHOSEN ? t("replaces_chosen") : "";
    };
    const asked = h("fieldset", { onchange: fill }, h("legend", {}, t("who_sees")), choices);
    const made = form([asked, replacing, chosen], t("save"), async () => {
      addGroup();
      const told = [...rows.map((row) => row.grant()), ...kept].filter(Boolean);
      await api.send("PUT", path, { grants: answer() === CHOSEN ? told : PRESETS[answer()] });
      await does.changed();
      close();
    });
    fill();
    return made;
  });
}
