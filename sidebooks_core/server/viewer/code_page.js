/* The page on which somebody types the code of a meeting. After it the page loads anew, as after each login. */

/** @import { App } from "./types" */

import { Api } from "./api.js";
import { field, form, h, need } from "./elements.js";
import { follow } from "./leaving.js";
import { meetingStyle } from "./meeting_bar.js";
import { addressOf } from "./place.js";
import { speakAlsoOf } from "./matters.js";
import { fault, t } from "./words.js";

/**
 * A code as it is written: ABCD-EFGH. Full-width letters and small ones are as good. Pure.
 * @param {string} text
 */
export function codeMeant(text) {
  const signs = text.normalize("NFKC").toUpperCase().replace(/[^A-Z0-9]/g, "");
  return signs.length > 4 ? `${signs.slice(0, 4)}-${signs.slice(4)}` : signs;
}

/** @param {App} app @param {string} code that came with the address */
export async function showCode(app, code) {
  const { tools } = await app.afterwards();
  await Promise.all([speakAlsoOf("meeting"), meetingStyle()]);
  app.leaveReader();
  const { styled } = await import("./shelf.js");
  await styled;
  const api = new Api(app.library);
  const show = () => {
    const asked = field(t("code"), {
      value: codeMeant(code), required: true, maxlength: 40, autocomplete: "off", autocapitalize: "characters", spellcheck: "false",
      name: "code", class: "code",
    });
    const name = field(t("your_name"), { autocomplete: "name", required: true, maxlength: 200, name: "name" });
    const send = async () => {
      /** @type {{meeting: string, me: {id: string}}} */
      const joined = await api.send("POST", "/meetings/join", { code: codeMeant(asked.input.value), name: name.input.value.trim() });
      follow(joined.me.id);
      history.replaceState(null, "", `${location.pathname}#${addressOf({ kind: "meeting", id: joined.meeting })}`);
      location.reload();
    };
    const box = h("section", { class: "entry" }, h("h1", {}, t("join_meeting")), h("p", {}, t("join_meeting_text")),
      form([asked, name], t("join_in"), send, (error) => ([400, 401, 403, 404].includes(error.status) ? t("code_wrong") : fault(error))));
    need("shelf").replaceChildren(h("div", { class: "bar" }, h("span", { class: "grow" }, "sidebooks"), tools()), box);
    document.title = t("join_meeting");
    (code ? name : asked).input.focus();
  };
  app.entry = show;
  show();
}
