/* The list of uploads of a folder: those under way, and those that another visit left unfinished. */

import { button, h, reconcile } from "./elements.js";
import { Kept } from "./growing.js";
import { bytes, fault, t } from "./words.js";

/**
 * @typedef {import("./uploads.js").Upload} Upload
 * @typedef {import("./uploads.js").Unfinished} Unfinished
 */

/** Choose files in the dialog of the browser. @param {boolean} isMany @param {(files: File[]) => unknown} take called with them */
export function choose(isMany, take) {
  const chosen = () => { take([...input.files || []]); input.remove(); };
  const input = h("input", { type: "file", multiple: isMany, hidden: true, onchange: chosen });
  input.addEventListener("cancel", () => input.remove());
  document.body.append(input); // Safari forgets one that is nowhere
  input.click();
}

/**
 * @param {import("./uploads.js").Uploads} uploads
 * @param {() => string | undefined} folder gives the id of the folder that is shown
 * @param {(upload: Upload) => unknown} compare shows what changed
 */
export function uploadList(uploads, folder, compare) {
  const element = h("section", { class: "uploads", hidden: true, "aria-label": t("uploads") });
  const kept = new Kept();
  /** @type {WeakMap<Upload, ReturnType<typeof makeRow>>} */
  let rows = new WeakMap();

  /** @param {Upload} one */
  function makeRow(one) {
    const stopName = t("cancel_upload", { name: one.name });
    const stop = button("close", t("cancel"), () => uploads.cancel(one), { "aria-label": stopName, class: "stop" });
    const again = button("replace", t("again"), () => uploads.retry(one), { class: "again" });
    const map = button("compare", t("see_changes"), () => compare(one), { class: "map", hidden: true });
    const bar = h("progress", { max: 1, value: 0, "aria-label": one.name });
    const told = h("small", { role: "status" });
    const about = h("span", { class: "grow" }, h("strong", {}, one.name), bar, told);
    return { element: h("div", { class: "upload" }, about, map, again, stop), bar, told, map, again, stop };
  }

  /** @param {Upload} one */
  function textOf(one) {
    if (one.state === "sending") return t("sending", { done: bytes(one.sent), size: bytes(one.size) });
    if (one.state === "done") return one.told || t("done");
    if (one.state === "failed" && one.error) return one.error.isConflict ? t("replaced_meanwhile") : fault(one.error);
    return t(one.state);
  }

  /** @param {Upload} one */
  function filledRow(one) {
    const row = rows.get(one) || makeRow(one);
    rows.set(one, row);
    const { bar, told } = row;
    row.element.dataset.state = one.state;
    bar.hidden = one.isOver;
    bar.value = one.size ? one.sent / one.size : 0;
    const text = textOf(one);
    if (told.textContent !== text) told.textContent = text;
    row.map.hidden = !one.hasMap;
    row.stop.hidden = one.isOver;
    row.again.hidden = one.state !== "failed" || Boolean(one.error?.isConflict);
    return row.element;
  }

  /** @param {Unfinished} one */
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
    const isOver = uploads.all.some((one) => one.isOver);
    reconcile(element, [
      ...uploads.all.map(filledRow), ...left.map((one) => kept.get(`unfinished ${one.key}`, one, () => unfinishedRow(one))),
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
      rows = new WeakMap();
    },
  };
}
