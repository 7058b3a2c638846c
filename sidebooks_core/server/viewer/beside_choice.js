/* Which paper shall lie beside the one that is read: those of its folder, or the documents that are served. */

/** @import { BesidePlace, FolderDetails, FullApp, IconName } from "./types" */

import { TOP } from "./client.js";
import { h, icon } from "./elements.js";
import { fault, t } from "./words.js";

export const title = "two_papers";

/** Fill the panel. @param {FullApp} app @param {HTMLElement} body */
export async function fill(app, body) {
  const { library, extras } = app;
  const { book } = app.reader;
  const told = h("p", { role: "status" }, t("choose_beside"));
  const list = h("ul", { class: "lines" });
  body.append(told, list);
  /** @param {BesidePlace} place */
  const choose = (place) => {
    extras.panels.close();
    extras.openBeside(place).catch((error) => extras.fail(error));
  };
  /** @type {(image: IconName, text: string, act: () => unknown) => HTMLElement} */
  const line = (image, text, act) => h("li", {},
    h("button", { type: "button", class: "line", onclick: act }, icon(image), h("span", { class: "grow" }, text)));
  /** @type {(kind: "paper" | "document", one: {id: string, name: string}) => HTMLElement} */
  const choiceOf = (kind, one) => line("paper", one.name, () => choose({ kind, id: one.id, page: null }));
  /** @param {string} folder @returns {Promise<void>} */
  const show = async (folder) => {
    try {
      /** @type {FolderDetails} */
      const found = await library.json(folder === TOP ? "/folders" : `/folders/${folder}`);
      const above = found.way.length ? found.way[found.way.length - 1].id : TOP;
      const up = found.way.length || folder !== TOP ? [line("up", t("folder_above"), () => show(above))] : [];
      const papers = found.papers.filter((one) => one.document && one.id !== book.paper?.id);
      list.replaceChildren(...up, ...found.folders.map((one) => line("folder", one.name, () => show(one.id))),
        ...papers.map((one) => choiceOf("paper", one)));
      if (!list.children.length) told.textContent = t("nothing_beside");
    } catch (error) { told.textContent = fault(/** @type {Error} */ (error)); }
  };
  if (book.paper) await show(book.paper.folder);
  else {
    try {
      const documents = (await library.documents()).filter((one) => one.id !== book.id);
      list.replaceChildren(...documents.map((one) => choiceOf("document", one)));
      if (!list.children.length) told.textContent = t("nothing_beside");
    } catch (error) { told.textContent = fault(/** @type {Error} */ (error)); }
  }
  return null;
}
