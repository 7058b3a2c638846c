/* Everybody who has an account, for whoever manages people. */

import { button, dialog, field, form, h } from "./elements.js";
import { fault, passwordFault, t } from "./words.js";

/**
 * @typedef {import("./api.js").Api} Api
 * @typedef {{
 *   id: string, name: string, shown_name: string, role: import("./api.js").Role, groups: string[], is_disabled: boolean,
 *   has_password: boolean, last_login_s: number | null,
 * }} PersonRow
 */

/** Everybody who has an account. @param {Api} api @returns {Promise<PersonRow[]>} */
export const peopleOf = async (api) => (await api.get("/people")).people;

/** Everybody who has an account. @param {Api} api @param {string[]} may of `me` */
export function showPeople(api, may) {
  return dialog(t("people"), () => {
    const list = h("ul", { class: "rows" });
    const told = h("p", { role: "status" });
    const fill = async () => {
      const people = await peopleOf(api);
      const groups = [...new Set(people.flatMap((one) => one.groups))].sort();
      list.replaceChildren(...people.map((one) => personRow(api, one, groups, fill, told)));
    };
    fill().catch((error) => { list.textContent = fault(error); });
    const audit = { href: `${api.base}/audit?as=csv`, download: "audit.csv", class: "button" };
    return [
      list, told, h("h3", {}, t("add_person")), personForm(api, fill, told),
      may.includes("read_audit") && h("p", {}, h("a", audit, t("audit"))),
    ];
  });
}

/** @param {Api} api @param {() => Promise<void>} changed @param {HTMLElement} told */
function personForm(api, changed, told) {
  const name = field(t("name"), { required: true, maxlength: 200, autocomplete: "off" });
  const role = field(t("role"), { options: ["member", "clerk", "admin"].map((one) => [one, t(one)]) });
  const password = field(t("first_password"), { required: true, autocomplete: "off", spellcheck: "false", autocapitalize: "off" });
  return form([name, role, password], t("add"), async () => {
    const given = { name: name.input.value.trim(), role: role.input.value, password: password.input.value };
    await api.send("POST", "/people", given);
    told.textContent = t("added_person", { name: given.name });
    name.input.value = password.input.value = "";
    await changed();
  }, (error) => (error.status === 409 ? t("name_taken") : passwordFault(error)));
}

/**
 * @param {Api} api
 * @param {PersonRow} one
 * @param {string[]} groups that there are
 * @param {() => Promise<void>} changed
 * @param {HTMLElement} told
 */
function personRow(api, one, groups, changed, told) {
  const called = one.shown_name || one.name;
  /** @param {() => Promise<unknown>} work */
  const does = (work) => () => work().then(changed).catch((error) => { told.textContent = fault(error); });
  const disable = does(() => api.send("PATCH", `/people/${one.id}`, { is_disabled: !one.is_disabled }));
  const more = h("details", {}, h("summary", { "aria-label": t("more_of", { name: called }) }, t("more")), h("div", { class: "buttons" },
    button("withdraw", one.is_disabled ? t("enable") : t("disable"), disable),
    button("out", t("end_logins"), does(async () => {
      await api.send("DELETE", `/people/${one.id}/sessions`);
      told.textContent = t("ended_logins", { name: called });
    })),
    button("people", t("groups"), async () => { if (await setGroups(api, one, called, groups)) await changed(); }),
    button("pen", t("set_password"), () => newPassword(api, one, called))));
  const inGroups = one.groups.length > 0 && ` – ${one.groups.join(t("comma"))}`;
  return h("li", {}, h("span", { class: "grow" }, h("strong", {}, called),
    h("small", {}, t(one.role).split(/[:（]/)[0], inGroups, one.is_disabled && ` – ${t("disabled")}`)), more);
}

/** @param {Api} api @param {PersonRow} one @param {string} called */
function newPassword(api, one, called) {
  return dialog(`${t("set_password")}: ${called}`, (close) => {
    const password = field(t("first_password"), { required: true, autocomplete: "off", spellcheck: "false", autocapitalize: "off" });
    return form([password], t("save"), async () => {
      await api.send("POST", `/people/${one.id}/password`, { password: password.input.value });
      close();
    }, passwordFault);
  });
}

/**
 * The groups that somebody is in: those that there are, to be checked, and another one.
 * @param {Api} api
 * @param {PersonRow} one
 * @param {string} called
 * @param {string[]} groups that there are
 */
function setGroups(api, one, called, groups) {
  return dialog(`${t("groups")}: ${called}`, (close) => {
    const boxes = groups.map((name) => ({ name, box: h("input", { type: "checkbox", checked: one.groups.includes(name) }) }));
    const other = field(t("new_group"), { maxlength: 200, autocomplete: "off" });
    const labels = boxes.map(({ name, box }) => h("label", { class: "check" }, box, name));
    return form([h("fieldset", {}, h("legend", {}, t("groups")), labels), other], t("save"), async () => {
      const chosen = boxes.filter(({ box }) => box.checked).map(({ name }) => name);
      const added = other.input.value.trim();
      await api.send("PATCH", `/people/${one.id}`, { groups: [...new Set([...chosen, ...(added ? [added] : [])])] });
      close(true);
    });
  });
}
