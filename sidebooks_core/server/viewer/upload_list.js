/* The list of uploads of a folder: those under way, and those that another visit left unfinished. */

import { button, h, reconcile } from "./elements.js";
import { Kept } from "./growing.js";
import { bytes, fault, t } from "./words.js";

/** Choose files in the dialog of the browser. take: called with them. */
export function choose(isMany, take) {
  const input = h("input", { type: "file", multiple: isMany, hidden: true, onchange: () => { take([...input.files]); input.remove(); } });
  input.addEventListener("cancel", () => input.remove());
  document.body.append(input); // Safari forgets one that is nowhere
  input.click();
}

/** uploads: an Uploads; folder: gives the id of the folder that is shown, or undefined; compare(upload): shows what changed.
    Returns {element, fill(), again()}. */
export function uploadList(uploads, folder, compare) {
  const element = h("section", { class: "uploads", hidden: true, "aria-label": t("uploads") });
  const kept = new Kept();

  function row(one) {
    const stopName = t("cancel_upload", { name: one.name });
    const stop = button("close", t("cancel"), () => uploads.cancel(one), { "aria-label": stopName, class: "stop" });
    const again = button("replace", t("again"), () => uploads.retry(one), { class: "again" });
    const map = button("compare", t("see_changes"), () => compare(one), { class: "map", hidden: true });
    const about = h("span", { class: "grow" },
      h("strong", {}, one.name), h("progress", { max: 1, value: 0, "aria-label": one.name }), h("small", { role: "status" }));
    return h("div", { class: "upload" }, about, map, again, stop);
  }

  function textOf(one) {
    if (one.state === "sending") return t("sending", { done: bytes(one.sent), size: bytes(one.size) });
    if (one.state === "done") return one.told || t("done");
    if (one.state === "failed" && one.error) return one.error.isConflict ? t("replaced_meanwhile") : fault(one.error);
    return t(one.state);
  }

  function fillRow(one) {
    const [bar, told] = [one.row.querySelector("progress"), one.row.querySelector("small")];
    one.row.dataset.state = one.state;
    bar.hidden = one.isOver;
    bar.value = one.size ? one.sent / one.size : 0;
    const text = textOf(one);
    if (told.textContent !== text) told.textContent = text;
    one.row.querySelector(".map").hidden = !one.hasMap;
    one.row.querySelector(".stop").hidden = one.isOver;
    one.row.querySelector(".again").hidden = one.state !== "failed" || one.error.isConflict;
  }

  function unfinishedRow(one) {
    const target = one.paper ? { paper: one.paper, before: one.before ?? null, shelf: one.folder } : { folder: one.folder };
    return h("div", { class: "upload" }, h("span", { class: "grow" }, t("unfinished", { name: one.name })),
      button("plus", t("choose_again"), () => choose(false, (files) => uploads.add(files, target))),
      button("close", t("forget"), () => uploads.forget(one).then(fill)));
  }

  function fill() {
    const id = folder();
    const left = id ? uploads.unfinished(id) : [];
    element.hidden = !uploads.all.length && !left.length;
    const rows = uploads.all.map((one) => {
      one.row ||= row(one);
      fillRow(one);
      return one.row;
    });
    const isOver = uploads.all.some((one) => one.isOver);
    reconcile(element, [
      ...rows, ...left.map((one) => kept.get(`unfinished ${one.key}`, one, () => unfinishedRow(one))),
      ...(isOver ? [kept.get("clear", 0, () => button("close", t("clear"), () => { uploads.clear(); fill(); }))] : []),
    ]);
  }

  return {
    element,
    fill,
    /** In another language. */
    again() {
      kept.clear();
      element.setAttribute("aria-label", t("uploads"));
      for (const one of uploads.all) one.row = null;
    },
  };
}
