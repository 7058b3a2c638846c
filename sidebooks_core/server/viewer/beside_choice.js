/* Which paper shall lie beside the one that is read: those of its folder, or the documents that are served. */

import { TOP } from "./client.js";
import { h, icon } from "./elements.js";
import { fault, t } from "./words.js";

export const title = "two_papers";

/** Fill the panel. */
export async function fill(app, body) {
  const { library, extras } = app;
  const { book } = app.reader.state;
  const told = h("p", { role: "status" }, t("choose_beside"));
  const list = h("ul", { class: "lines" });
  body.append(told, list);
  const choose = (place) => {
    extras.panels.close();
    extras.openBeside(place).catch((error) => extras.fail(error));
  };
  const line = (image, text, act) => h("li", {}, h("button", { type: "button", class: "line", onclick: act }, icon(image), h("span", { class: "grow" }, text)));
  const show = async (folder) => {
    try {
      const found = await library.json(folder === TOP ? "/folders" : `/folders/${folder}`);
      const up = found.way.length || folder !== TOP ? [line("up", t("folder_above"), () => show(found.way.length ? found.way[found.way.length - 1].id : TOP))] : [];
      list.replaceChildren(...up, ...found.folders.map((one) => line("folder", one.name, () => show(one.id))),
        ...found.papers.filter((one) => one.document && one.id !== book.paper?.id).map((one) => line("paper", one.name, () => choose({ kind: "paper", id: one.id, page: null }))));
      if (!list.children.length) told.textContent = t("nothing_beside");
    } catch (error) { told.textContent = fault(error); }
  };
  if (book.paper) await show(book.paper.folder);
  else {
    const documents = await library.documents().catch((error) => { told.textContent = fault(error); return []; });
    list.replaceChildren(...documents.filter((one) => one.id !== book.id).map((one) => line("paper", one.name, () => choose({ kind: "document", id: one.id, page: null }))));
    if (!list.children.length) told.textContent = t("nothing_beside");
  }
  return null;
}
