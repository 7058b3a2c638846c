/* Everybody who has an account, for whoever manages people. */

import { button, dialog, field, form, h, passwordField } from "./elements.js";
import { fault, passwordFault, t } from "./words.js";

/** Everybody who has an account. may: of `me`. */
export function showPeople(api, may) {
  return dialog(t("people"), () => {
    const list = h("ul", { class: "rows" });
    const told = h("p", { role: "status" });
    const fill = async () => {
      const { people } = await api.get("/people");
      const groups = [...new Set(people.reduce((all, one) => all.concat(one.groups), []))].sort();
      list.replaceChildren(...people.map((one) => personRow(api, one, groups, fill, told)));
    };
    fill().catch((error) => { list.textContent = fault(error); });
    return [
      list, told, h("h3", {}, t("add_person")), personForm(api, fill, told),
      may.includes("read_audit") && h("p", {}, h("a", { href: `${api.base}/audit?as=csv`, download: "audit.csv", class: "button" }, t("audit"))),
    ];
  });
}

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

function personRow(api, one, groups, changed, told) {
  const called = one.shown_name || one.name;
  const does = (work) => () => work().then(changed).catch((error) => { told.textContent = fault(error); });
  const more = h("details", {}, h("summary", { "aria-label": t("more_of", { name: called }) }, t("more")), h("div", { class: "buttons" },
    button("withdraw", one.is_disabled ? t("enable") : t("disable"), does(() => api.send("PATCH", `/people/${one.id}`, { is_disabled: !one.is_disabled }))),
    button("out", t("end_logins"), does(async () => {
      await api.send("DELETE", `/people/${one.id}/sessions`);
      told.textContent = t("ended_logins", { name: called });
    })),
    button("people", t("groups"), () => setGroups(api, one, called, groups).then((isDone) => isDone && changed())),
    button("pen", t("set_password"), () => newPassword(api, one, called))));
  return h("li", {}, h("span", { class: "grow" }, h("strong", {}, called),
    h("small", {}, t(one.role).split(/[:（]/)[0], one.groups.length > 0 && ` – ${one.groups.join(t("comma"))}`, one.is_disabled && ` – ${t("disabled")}`)), more);
}

function newPassword(api, one, called) {
  return dialog(`${t("set_password")}: ${called}`, (close) => {
    const password = field(t("first_password"), { required: true, autocomplete: "off", spellcheck: "false", autocapitalize: "off" });
    return form([password], t("save"), async () => {
      await api.send("POST", `/people/${one.id}/password`, { password: password.input.value });
      close();
    }, passwordFault);
  });
}

/* The groups that somebody is in: those that there are, to be checked, and another one. */
function setGroups(api, one, called, groups) {
  return dialog(`${t("groups")}: ${called}`, (close) => {
    const boxes = groups.map((name) => h("label", { class: "check" }, h("input", { type: "checkbox", value: name, checked: one.groups.includes(name) }), name));
    const other = field(t("new_group"), { maxlength: 200, autocomplete: "off" });
    const box = h("fieldset", {}, h("legend", {}, t("groups")), boxes);
    return form([box, other], t("save"), async () => {
      const chosen = [...box.querySelectorAll("input:checked")].map((checked) => checked.value);
      const added = other.input.value.trim();
      await api.send("PATCH", `/people/${one.id}`, { groups: [...new Set([...chosen, ...(added ? [added] : [])])] });
      close(true);
    });
  });
}
