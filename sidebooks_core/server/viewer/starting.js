/* Begins a meeting: about the papers of a folder, or about one paper. */

/** @import { Library } from "./types" */

import { Api } from "./api.js";
import { dialog, field, form, h } from "./elements.js";
import { addressOf } from "./place.js";
import { speakAlsoOf } from "./matters.js";
import { t } from "./words.js";

/**
 * Ask for a name, and begin. Whoever begins is the chair, and presents.
 * @param {Library} library
 * @param {"folders" | "papers"} kind
 * @param {{id: string, name: string, is_published?: boolean, way?: {name: string}[]}} about
 */
export async function beginMeeting(library, kind, about) {
  await speakAlsoOf("meeting");
  const api = new Api(library);
  const isDraft = about.is_published === false; // all who may read the folder would read its name
  const named = isDraft ? about.way?.[about.way.length - 1]?.name ?? "" : about.name;
  await dialog(t("begin_meeting"), (close) => {
    const name = field(t("meeting_name"), { value: named, required: true, maxlength: 200, autocomplete: "off" });
    const told = h("p", {}, t(kind === "folders" ? "begin_about_folder" : "begin_about_paper"));
    return form([told, isDraft && h("p", {}, t("begin_about_draft")), name], t("begin"), async () => {
      /** @type {{id: string}} */
      const made = await api.send("POST", `/${kind}/${about.id}/meetings`, { name: name.input.value.trim() });
      close(true);
      location.hash = addressOf({ kind: "meeting", id: made.id });
    });
  });
}
