/* Who may see a folder: links for guests, and the rights of people and groups. Each is a dialog. */

import { button, dialog, field, form, h } from "./elements.js";
import { inputTime, secondsOf } from "./tending.js";
import { fault, t, time } from "./words.js";

const DAY_S = 86_400;
const LOOPBACK = /^(localhost|.*\.localhost|127\.[\d.]+|\[::1\])$/;

/** Links for guests: make one, see it with its code, end others. */
export function showLinks(folder, does) {
  const { api } = does;
  const path = `/folders/${folder.id}/links`;
  return dialog(`${t("guests")}: ${folder.name}`, () => {
    const list = h("ul", { class: "rows" });
    const heading = h("h3", { hidden: true }, t("links_there"));
    const made = h("div", { role: "status" });
    const fill = async () => {
      const { links } = await api.get(path);
      heading.hidden = !links.length;
      list.replaceChildren(...links.map((one) => h("li", {},
        h("span", { class: "grow" }, h("strong", {}, one.name), h("small", {}, t("link_row", { time: time(one.until_s), n: one.used }))),
        button("close", t("end_link"), async () => { await api.send("DELETE", `${path}/${one.id}`); await fill(); }, { "aria-label": t("end_link_of", { name: one.name }) }))));
    };
    fill().catch((error) => { list.textContent = fault(error); });
    const name = field(t("link_name"), { value: folder.name, required: true, maxlength: 200, autocomplete: "off" });
    const until = field(t("link_until"), { type: "datetime-local", required: true, value: inputTime(Date.now() / 1000 + 7 * DAY_S) });
    const asked = form([name, until], t("make_link"), async () => {
      const answer = await api.send("POST", path, { name: name.input.value, until_s: secondsOf(until.input.value) });
      const copy = button("link", t("copy"), async () => {
        await navigator.clipboard.writeText(answer.address);
        copy.querySelector("span").textContent = t("copied");
      });
      made.replaceChildren(
        LOOPBACK.test(new URL(answer.address).hostname) ? h("p", { class: "error" }, t("only_here")) : "",
        h("p", {}, t("link_made", { time: time(answer.link.until_s) })),
        h("p", { class: "field" }, h("input", { readonly: true, value: answer.address, class: "address", "aria-label": t("guests"), onfocus: (event) => event.target.select() }),
          navigator.clipboard && copy),
        h("img", { class: "qr", alt: t("qr"), src: `data:image/svg+xml;charset=utf-8,${encodeURIComponent(answer.qr_svg)}` }),
      );
      await fill();
    });
    return [asked, made, heading, list];
  });
}

/* Everybody who has an account; nobody for a clerk, who does not manage people. */
async function allPeople(api) {
  try {
    return (await api.get("/people")).people;
  } catch (error) {
    if (error.status === 403 || error.status === 404) return [];
    throw error;
  }
}

const isLimited = ({ limits }) => Boolean(limits && (limits.pages || limits.long_side_px || limits.is_marked || !limits.may_download || !limits.may_print));
const isSame = (one, other) => one.kind === other.kind && one.subject === other.subject;

/* The common answers, with the grants that each is. */
const reads = (subject) => [{ kind: "role", subject, right: "read" }];
const PRESETS = { as_above: null, clerks_only: [], all_members: reads("member"), everybody: reads("citizen") };
const CHOSEN = "some_people";

/* Which answer grants are. */
function answerOf(grants) {
  if (grants === null) return "as_above";
  if (!grants.length) return "clerks_only";
  const [one] = grants;
  const isPlain = grants.length === 1 && one.right === "read" && !isLimited(one);
  return (isPlain && Object.keys(PRESETS).find((key) => PRESETS[key]?.length && isSame(PRESETS[key][0], one))) || CHOSEN;
}

/* A row of the list: somebody, with the right that is chosen for them. `row.grant()`: null if they have none. */
function rightRow(name, grant, isPresent) {
  const choice = h("select", { "aria-label": name }, ["none", "read", "tend"].map((right) => h("option", { value: right }, t(`right_${right}`))));
  choice.value = isPresent ? grant.right : "none";
  const row = h("li", {}, h("span", { class: "grow" }, h("strong", {}, name), isLimited(grant) && h("small", {}, t("with_limits"))), choice);
  return Object.assign(row, { about: grant, choice, grant: () => (choice.value === "none" ? null : { ...grant, right: choice.value }) });
}

/** Who may see a folder: four common answers, or rights of chosen people and groups. A grant keeps its limits, and what the list
    cannot name: people, if whoever asks may not read their names. */
export async function showAccess(folder, does) {
  const { api } = does;
  const path = `/folders/${folder.id}/access`;
  const [{ grants }, people] = await Promise.all([api.get(path), allPeople(api)]);
  const now = answerOf(grants);
  const set = grants || [];
  const personOf = (id) => people.find((one) => one.id === id);
  const kept = set.filter((one) => one.kind === "person" && !personOf(one.subject));
  const nameOf = ({ kind, subject }) => {
    if (kind === "group") return t("group_row", { name: subject });
    if (kind === "person") return personOf(subject).shown_name || personOf(subject).name;
    return { member: t("all_members"), citizen: t("everybody") }[subject] || t(subject).split(/[:（]/)[0];
  };
  const groups = [...new Set(people.flatMap((one) => one.groups))].sort();
  const more = [
    { kind: "role", subject: "member" }, ...groups.map((subject) => ({ kind: "group", subject })),
    ...people.filter((one) => one.role === "member" && !one.is_disabled).map((one) => ({ kind: "person", subject: one.id })),
  ].filter((one) => !set.some((other) => isSame(one, other)));
  return dialog(`${t("who_sees")}: ${folder.name}`, (close) => {
    const rows = [...set.filter((one) => !kept.includes(one)).map((one) => rightRow(nameOf(one), one, true)), ...more.map((one) => rightRow(nameOf(one), one, false))];
    const list = h("ul", { class: "rows" }, rows);
    const group = field(t("another_group"), { maxlength: 200, autocomplete: "off" });
    const addGroup = () => {
      const made = { kind: "group", subject: group.input.value.trim(), right: "read" };
      group.input.value = "";
      if (!made.subject) return;
      const known = rows.find((row) => isSame(row.about, made));
      if (known?.choice.value === "none") known.choice.value = "read";
      if (known) return;
      rows.push(rightRow(nameOf(made), made, true));
      list.append(rows[rows.length - 1]);
    };
    group.input.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.isComposing) return;
      event.preventDefault(); // else the form is sent
      addGroup();
    });
    group.append(button("plus", t("add"), addGroup));
    const chosen = h("div", { class: "inner" }, list, kept.length > 0 && h("p", {}, t("kept_people", { n: kept.length })), group);
    const replacing = h("p", { role: "status" });
    const choices = [...Object.keys(PRESETS), CHOSEN].map((key) => h("label", { class: "check" },
      h("input", { type: "radio", name: "access", value: key, checked: key === now, required: true }), t(key)));
    const answer = () => made.querySelector("[name=access]:checked").value;
    const fill = () => {
      chosen.hidden = answer() !== CHOSEN;
      replacing.textContent = now === CHOSEN && answer() !== CHOSEN ? t("replaces_chosen") : "";
    };
    const made = form([h("fieldset", { onchange: fill }, h("legend", {}, t("who_sees")), choices), replacing, chosen], t("save"), async () => {
      addGroup();
      const told = [...rows.map((row) => row.grant()).filter(Boolean), ...kept];
      await api.send("PUT", path, { grants: answer() === CHOSEN ? told : PRESETS[answer()] });
      await does.changed();
      close();
    });
    fill();
    return made;
  });
}
