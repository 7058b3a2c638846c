/* The screens on which people log in: with a name and a password, by a guests' link, or by the first administrator's link. After
   each the page loads anew, so that no screen stays that was made for somebody else. */

import { field, form, h, button, passwordField } from "./elements.js";
import { follow } from "./leaving.js";
import { keepWay } from "./shelf_memory.js";
import { fault, passwordFault, t } from "./words.js";

/**
 * @typedef {import("./api.js").Api} Api
 */

/**
 * Show one. Returns when it is shown.
 * @param {HTMLElement} host
 * @param {Api} api
 * @param {string} way "login", "join" or "setup"
 * @param {string | undefined} told the token of a link, or why one has to log in
 * @param {() => import("./elements.js").Children} tools
 */
export async function showEntry(host, api, way, told, tools) {
  const box = h("section", { class: "entry" });
  host.replaceChildren(h("div", { class: "bar" }, h("span", { class: "grow" }, "sidebooks"), tools()), box);
  if (way === "join") await fillJoin(box, api, told || "");
  else if (way === "setup") fillSetUp(box, api, told || "");
  else await fillLogIn(box, api, told);
  if (!box.isConnected) return; // another screen is there by now
  document.title = box.querySelector("h1")?.textContent || "";
  box.querySelector("input")?.focus();
}

/** @param {{id: string}} me who it is now */
function enter(me) {
  follow(me.id);
  if (/^#(join|setup)=/.test(location.hash)) history.replaceState(null, "", location.pathname);
  location.reload();
}

/** @param {string} text */
function nameField(text) {
  const given = { autocomplete: "username", name: "username", required: true, maxlength: 200 };
  return field(text, { ...given, autocapitalize: "off", spellcheck: "false" });
}

/** @param {HTMLElement} box @param {Api} api @param {string | undefined} why */
async function fillLogIn(box, api, why) {
  const elsewhere = (await api.me()).login_address;
  const name = nameField(t("name"));
  const password = passwordField(t("password"), "current-password");
  const send = async () => {
    enter(await api.send("POST", "/login", { name: name.input.value, password: password.input.value }));
  };
  box.append(h("h1", {}, t("log_in")), why ? h("p", { role: "alert" }, why) : "", form([name, password], t("log_in"), send, (error) => {
    password.input.select();
    return [400, 401, 403].includes(error.status) ? t("wrong") : fault(error);
  }));
  box.append(h("p", {}, h("a", { href: "#code=" }, t("join_by_code"))));
  const goThere = () => {
    follow("");
    keepWay(location.hash);
    location.href = elsewhere || "";
  };
  if (elsewhere) box.append(h("p", { class: "buttons" }, button(null, t("log_in_elsewhere"), goThere)));
}

/** @param {HTMLElement} box @param {Api} api @param {string} token */
async function fillJoin(box, api, token) {
  const me = await api.me();
  const name = field(t("your_name"), { autocomplete: "name", maxlength: 200, name: "name" });
  const send = async () => {
    enter(await api.send("POST", "/join", { token, name: name.input.value.trim() }));
  };
  const asked = form([name], t("join"), send, (error) => ([400, 403, 404].includes(error.status) ? t("link_ended") : fault(error)));
  box.append(h("h1", {}, t("joining")));
  if (!me.is_logged_in) { box.append(asked); return; }
  const called = me.name || t("guest");
  const join = () => { ways.replaceWith(asked); name.input.focus(); };
  const ways = h("p", { class: "buttons" },
    button(null, t("go_on_as", { name: called }), () => enter(me), { class: "main" }), button(null, t("join_anyway"), join));
  box.append(h("p", {}, t("already", { name: called })), ways);
}

/** @param {HTMLElement} box @param {Api} api @param {string} token */
function fillSetUp(box, api, token) {
  const name = nameField(t("name"));
  const password = passwordField(t("password"), "new-password");
  const again = field(t("password_again"), { type: "password", autocomplete: "new-password", required: true });
  const send = async () => {
    if (password.input.value !== again.input.value) throw new Error(t("not_the_same"));
    enter(await api.send("POST", "/setup", { token, name: name.input.value, password: password.input.value }));
  };
  box.append(h("h1", {}, t("set_up")), h("p", {}, t("set_up_text")), form([name, password, again], t("set_up_do"), send, (error) => (
    [403, 404].includes(error.status) ? t("link_ended") : passwordFault(error))));
}
