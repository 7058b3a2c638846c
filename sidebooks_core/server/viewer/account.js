/* One's own account: password, devices, logging out. */

import { button, dialog, form, h, passwordField } from "./elements.js";
import { fault, passwordFault, t, time } from "./words.js";

/**
 * @typedef {import("./api.js").Api} Api
 * @typedef {{id: string, device: string, address: string, begun_s: number, seen_s: number, is_this: boolean}} LoginRow
 */

/** One's own account: password, devices, logging out. @param {Api} api @param {import("./api.js").Me} me */
export function showAccount(api, me) {
  return dialog(me.name || t("guest"), () => {
    const list = h("ul", { class: "rows" });
    const isGuest = me.role === "guest";
    const fill = async () => {
      /** @type {{sessions: LoginRow[]}} */
      const { sessions } = await api.get("/me/sessions");
      list.replaceChildren(...sessions.map((one) => loginRow(api, one, fill)));
    };
    if (!isGuest) fill().catch((error) => { list.textContent = fault(error); });
    const out = async () => {
      await (await import("./leaving.js")).leave(api, me);
      history.replaceState(null, "", location.pathname);
      location.reload();
    };
    const error = h("p", { class: "error", role: "alert" });
    const leave = () => out().catch((problem) => { error.textContent = fault(problem); });
    return [
      h("p", { class: "buttons" }, button("out", t("log_out"), leave, { class: "main" })), error,
      !isGuest && h("h3", {}, t("my_logins")), !isGuest && list,
      !isGuest && h("details", {}, h("summary", {}, t("change_password")), passwordForm(api, me)),
    ];
  });
}

/** @param {Api} api @param {LoginRow} one @param {() => Promise<void>} changed */
function loginRow(api, one, changed) {
  const device = deviceOf(one.device) || one.address;
  const seen = one.is_this ? t("this_device") : t("since", { time: time(one.seen_s) });
  const end = async () => { await api.send("DELETE", `/me/sessions/${one.id}`); await changed(); };
  return h("li", {}, h("span", { class: "grow" }, h("strong", {}, device), h("small", {}, seen)),
    !one.is_this && button("close", t("end_login"), end, { "aria-label": t("end_login_of", { name: device }) }));
}

/** "Chrome, Android" of what a browser calls itself. @param {string} agent */
function deviceOf(agent) {
  /** @param {string[][]} pairs */
  const first = (pairs) => pairs.find(([mark]) => agent.includes(mark))?.[1];
  const browser = first([["Edg/", "Edge"], ["Firefox/", "Firefox"], ["Chrome/", "Chrome"], ["Safari/", "Safari"]]);
  const system = first([["iPad", "iPad"], ["iPhone", "iPhone"], ["Android", "Android"], ["Windows", "Windows"], ["Macintosh", "Mac"],
    ["Linux", "Linux"]]);
  return [system, browser].filter(Boolean).join(", ") || agent.slice(0, 40);
}

/** @param {Api} api @param {import("./api.js").Me} me */
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
