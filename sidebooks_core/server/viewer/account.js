/* One's own account, and everybody's for whoever manages people. */

import { button, dialog, field, form, h, passwordField } from "./elements.js";
import { fault, passwordFault, t, time } from "./words.js";

/** One's own account: password, devices, logging out. */
export function showAccount(api, me) {
  return dialog(me.name || t("guest"), () => {
    const list = h("ul", { class: "rows" });
    const isGuest = me.role === "guest";
    const fill = async () => list.replaceChildren(...(await api.get("/me/sessions")).sessions.map((one) => loginRow(api, one, fill)));
    if (!isGuest) fill().catch((error) => { list.textContent = fault(error); });
    const out = async () => {
      await api.send("POST", "/logout");
      history.replaceState(null, "", location.pathname);
      location.reload();
    };
    const error = h("p", { class: "error", role: "alert" });
    return [
      h("p", { class: "buttons" }, button("out", t("log_out"), () => out().catch((problem) => { error.textContent = fault(problem); }), { class: "main" })),
      error,
      !isGuest && h("h3", {}, t("my_logins")), !isGuest && list,
      !isGuest && h("details", {}, h("summary", {}, t("change_password")), passwordForm(api, me)),
    ];
  });
}

function loginRow(api, one, changed) {
  const device = deviceOf(one.device) || one.address;
  return h("li", {}, h("span", { class: "grow" }, h("strong", {}, device), h("small", {}, one.is_this ? t("this_device") : t("since", { time: time(one.seen_s) }))),
    !one.is_this && button("close", t("end_login"), async () => { await api.send("DELETE", `/me/sessions/${one.id}`); await changed(); },
      { "aria-label": t("end_login_of", { name: device }) }));
}

/* "Chrome, Android" of what a browser calls itself. */
function deviceOf(agent) {
  const first = (pairs) => pairs.find(([mark]) => agent.includes(mark))?.[1];
  const browser = first([["Edg/", "Edge"], ["Firefox/", "Firefox"], ["Chrome/", "Chrome"], ["Safari/", "Safari"]]);
  const system = first([["iPad", "iPad"], ["iPhone", "iPhone"], ["Android", "Android"], ["Windows", "Windows"], ["Macintosh", "Mac"], ["Linux", "Linux"]]);
  return [system, browser].filter(Boolean).join(", ") || agent.slice(0, 40);
}

function passwordForm(api, me) {
  const old = passwordField(t("old_password"), "current-password");
  const password = passwordField(t("new_password"), "new-password");
  const user = h("input", { type: "text", autocomplete: "username", value: me.name, hidden: true });
  const made = form([user, old, password], t("save"), async () => {
    await api.send("POST", "/me/password", { old: old.input.value, password: password.input.value });
    made.replaceWith(h("p", { role: "status" }, t("password_changed")));
  }, (error) => ([401, 403].includes(error.status) ? t("wrong") : passwordFault(error)));
  return made;
}

/** Everybody who has an account. may: of `me`. */
export function showPeople(api, may) {
  return dialog(t("people"), () => {
    const list = h("ul", { class: "rows" });
    const told = h("p", { role: "status" });
    const fill = async () => list.replaceChildren(...(await api.get("/people")).people.map((one) => personRow(api, one, fill, told)));
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

function personRow(api, one, changed, told) {
  const called = one.shown_name || one.name;
  const does = (work) => () => work().then(changed).catch((error) => { told.textContent = fault(error); });
  const more = h("details", {}, h("summary", { "aria-label": t("more_of", { name: called }) }, t("more")), h("div", { class: "buttons" },
    button("withdraw", one.is_disabled ? t("enable") : t("disable"), does(() => api.send("PATCH", `/people/${one.id}`, { is_disabled: !one.is_disabled }))),
    button("out", t("end_logins"), does(async () => {
      await api.send("DELETE", `/people/${one.id}/sessions`);
      told.textContent = t("ended_logins", { name: called });
    })),
    button("pen", t("set_password"), () => newPassword(api, one, called))));
  return h("li", {}, h("span", { class: "grow" }, h("strong", {}, called),
    h("small", {}, t(one.role).split(/[:（]/)[0], one.is_disabled && ` – ${t("disabled")}`)), more);
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
