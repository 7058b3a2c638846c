/* What somebody who tends a folder does with it and its papers. Each is a dialog. All windows learn of the result by the stream of
   changes. */

import { TOP } from "./client.js";
import { askFor, button, dialog, field, form, h, icon, passwordField, sure } from "./elements.js";
import { bytes, fault, t, time, windowText } from "./words.js";

const LEVELS = ["open", "online", "keep"];
const KINDS = ["folder", "meeting", "item"];
const REASONS = ["Withdrawn: ", "取り下げの理由："];

/**
 * @typedef {import("./api.js").Api} Api
 * @typedef {import("./api.js").PaperEntry} PaperEntry
 * @typedef {import("./api.js").PaperDetails} PaperDetails
 * @typedef {import("./api.js").FolderDetails} FolderDetails
 * @typedef {import("./elements.js").IconName} IconName
 *
 * @typedef {{api: Api, changed: () => Promise<unknown>}} Does
 * @typedef {(body: object) => Promise<boolean>} Change sends what is to change; true: it is done
 * @typedef {{person: string, name: string, first_s: number, last_s: number, count: number}} ReaderRow
 */

/** A time as an input of the kind "datetime-local" has it, and back. @param {number | null} seconds */
export function inputTime(seconds) {
  if (seconds === null) return "";
  const local = new Date(seconds * 1000 - new Date().getTimezoneOffset() * 60_000);
  return local.toISOString().slice(0, 16);
}
/** @param {string} value */
export const secondsOf = (value) => (value ? new Date(value).getTime() / 1000 : null);

/**
 * All that may be done with a paper.
 * @param {string} id
 * @param {Does & {replace: (paper: PaperEntry) => void, count: number}} does count: of the papers in its folder
 */
export async function showPaper(id, does) {
  const { api } = does;
  const paper = await api.paper(id);
  /** @param {string} operation */
  const may = (operation) => paper.may.includes(operation);
  const path = `/papers/${id}`;
  const isWithdrawn = paper.withdrawn_s !== null;
  /** @type {Change} */
  const change = async (body) => { await api.send("PATCH", path, body); await does.changed(); return true; };
  return dialog(paper.name, (close) => {
    const { error, act } = actions(close, fault);
    const restoring = async () => {
      if (!await sure(t("restore"), t("restore_sure", { name: paper.name }), t("restore"))) return false;
      await api.send("POST", `${path}/restore`);
      return change({ note: paper.note.split("\n").filter((line) => line !== reasonIn(paper.note)).join("\n") });
    };
    const timing = act("clock", "", () => setWindow(paper, change));
    timing.lastElementChild?.append(h("span", {}, t("window")), h("small", {}, windowText(paper.from_s, paper.until_s)));
    return [
      h("div", { class: "menu" },
        paper.state === "locked" && may("replace") && act("lock", t("give_password"), () => unlock(paper, does)),
        may("replace") && act("replace", t("replace"), () => { does.replace(paper); return true; }),
        may("change_paper") && act("pen", t("rename"), () => askFor(t("rename"), t("name"), paper.name, (name) => change({ name }))),
        may("change_paper") && paper.place > 0 && act("up", t("move_up"), () => change({ place: paper.place - 1 })),
        may("change_paper") && paper.place < does.count - 1 && act("down", t("move_down"), () => change({ place: paper.place + 1 })),
        may("change_paper") && act("into", t("move_to"), () => moveInto(api, paper.name, paper.folder, (folder) => change({ folder }))),
        may("change_paper") && act("info", t("about_paper"), () => setAbout(paper, change)),
        may("change_paper") && timing,
        may("read_readers") && act("people", t("readers"), () => showReaders(api, paper)),
        act("list", t("revisions"), () => showRevisions(api, paper)),
        may("read_original") && downloadOf(`${api.base}${path}/original`),
        may("withdraw") && !isWithdrawn && act("withdraw", t("withdraw"), () => withdraw(paper, does)),
        may("withdraw") && isWithdrawn && act("restore", t("restore"), restoring),
        may("purge") && act("bin", t("purge"), () => purge(paper, does), { class: "grave" }),
      ), error,
    ];
  });
}

/** @param {string} href */
const downloadOf = (href) => h("a", { class: "button", href, download: true }, icon("download"), h("span", {}, t("download")));

/**
 * Buttons that do something and close their dialog if that gives true; and where they say what went wrong.
 * @param {() => void} close
 * @param {(problem: import("./requests.js").Problem) => string} explain
 */
function actions(close, explain) {
  const error = h("p", { class: "error", role: "alert" });
  /** @type {(image: IconName, text: string, work: () => unknown, given?: import("./elements.js").Given) => HTMLButtonElement} */
  const act = (image, text, work, given) => button(image, text, async () => {
    error.textContent = "";
    try {
      if (await work()) close();
    } catch (problem) { error.textContent = explain(/** @type {import("./requests.js").Problem} */ (problem)); }
  }, given);
  return { error, act };
}

/** Ask for the password of a locked paper. @param {PaperEntry} paper @param {Does} does */
export function unlock(paper, does) {
  return dialog(paper.name, (close) => {
    const password = passwordField(t("file_password"), "off");
    return form([password], t("unlock"), async () => {
      await does.api.send("POST", `/papers/${paper.id}/unlock`, { password: password.input.value });
      await does.changed();
      close(true);
    }, (error) => (error.status === 422 ? t("wrong_password") : fault(error)));
  });
}

/** The line of a note that says why a paper was withdrawn, in whatever language it was written. @param {string} note */
const reasonIn = (note) => note.split("\n").find((line) => REASONS.some((mark) => line.startsWith(mark)));

/** @param {PaperEntry} paper @param {Does} does */
function withdraw(paper, does) {
  return dialog(t("withdraw"), (close) => {
    const reason = field(t("withdraw_reason"), { maxlength: 500, autocomplete: "off" });
    const made = form([h("p", {}, t("withdraw_sure", { name: paper.name })), reason], t("withdraw"), async () => {
      const given = reason.input.value.trim();
      await does.api.send("POST", `/papers/${paper.id}/withdraw`);
      const note = [paper.note, t("withdrawn_because", { reason: given })].filter(Boolean).join("\n");
      if (given) await does.api.send("PATCH", `/papers/${paper.id}`, { note });
      await does.changed();
      close(true);
    });
    const go = submitOf(made);
    go.className = "grave";
    go.before(button(null, t("cancel"), () => close(false)));
    return made;
  });
}

/** @param {HTMLFormElement} made */
const submitOf = (made) => /** @type {HTMLButtonElement} */ (made.querySelector("[type=submit]"));

/** What stands beside a paper's name, and whether it may be taken away. @param {PaperEntry} paper @param {Change} change */
function setAbout(paper, change) {
  return dialog(t("about_paper"), (close) => {
    const note = field(t("note"), { value: paper.note, maxlength: 4000, rows: 3 });
    const level = field(t("level"), { options: LEVELS.map((one) => [one, t(`level_${one}`)]), value: paper.level });
    return form([note, level], t("save"), async () => {
      await change({ note: note.input.value.trim(), level: level.input.value });
      close(true);
    });
  });
}

/**
 * Choose a folder, and move something there.
 * @param {Api} api
 * @param {string} name
 * @param {string} from the folder that holds it
 * @param {(folder: string) => Promise<unknown>} move
 * @param {string} [without] a folder that cannot be chosen
 */
function moveInto(api, name, from, move, without) {
  return dialog(`${t("move_to")}: ${name}`, (close) => {
    const list = h("ul", { class: "rows" });
    const way = h("p", { class: "lead" });
    const error = h("p", { class: "error", role: "alert" });
    const go = button("into", t("move_here"), null, { class: "main" });
    let here = from;
    go.disabled = true; // until it is known where one is
    /** @param {string} id @returns {Promise<void>} */
    const open = async (id) => {
      const folder = await api.folder(id);
      here = folder.id;
      way.textContent = [t("shelf"), ...folder.way.map((one) => one.name), folder.name].filter(Boolean).join(" › ");
      go.disabled = here === from;
      const above = folder.id === TOP ? null : folderAbove(folder);
      const inner = folder.folders.filter((one) => one.id !== without);
      const rows = inner.map((one) => row(one.id, one.name, "folder", t("move_into", { name: one.name })));
      if (above) rows.unshift(row(above, folder.way.length ? folder.way[folder.way.length - 1].name : t("shelf"), "up", null));
      list.replaceChildren(...rows);
    };
    /** @type {(target: string, text: string, sign: IconName, label: string | null) => HTMLElement} */
    const row = (target, text, sign, label) => (
      h("li", {}, button(sign, text, () => open(target).catch(told), { class: "grow start", "aria-label": label })));
    /** @param {Error} problem */
    const told = (problem) => { error.textContent = fault(problem); };
    go.addEventListener("click", async () => {
      try {
        await move(here);
        close(true);
      } catch (problem) { told(/** @type {Error} */ (problem)); }
    });
    const others = async () => open(folderAbove(await api.folder(from))); // beside the one that holds it
    const start = without || from === TOP ? open(from) : others();
    start.catch(told);
    return [way, list, error, h("p", { class: "buttons" }, button(null, t("cancel"), () => close(false)), go)];
  });
}

/** @param {FolderDetails} folder */
const folderAbove = (folder) => (folder.way.length ? folder.way[folder.way.length - 1].id : TOP);

/** @param {PaperEntry} paper @param {Change} change */
function setWindow(paper, change) {
  return dialog(t("window"), (close) => {
    const from = field(t("from"), { type: "datetime-local", value: inputTime(paper.from_s) });
    const until = field(t("until"), { type: "datetime-local", value: inputTime(paper.until_s) });
    return form([from, until], t("save"), async () => {
      await change({ from_s: secondsOf(from.input.value), until_s: secondsOf(until.input.value) });
      close(true);
    }, (error) => (error.status === 400 ? error.message : fault(error)));
  });
}

/** @param {Api} api @param {PaperEntry} paper */
async function showReaders(api, paper) {
  /** @type {{readers: ReaderRow[]}} */
  const { readers } = await api.get(`/papers/${paper.id}/readers`);
  const rows = readers.map((one) => h("li", {}, h("strong", { class: "grow" }, one.name || t("guest")),
    h("small", {}, t("reader_row", { n: one.count, time: time(one.last_s) }))));
  await dialog(`${t("readers")}: ${paper.name}`, () => (readers.length
    ? [h("p", { class: "lead" }, t("readers_count", { n: readers.length })), h("ul", { class: "rows" }, rows)]
    : h("p", {}, t("no_readers"))));
  return false;
}

/** @param {Api} api @param {PaperDetails} paper */
async function showRevisions(api, paper) {
  const revisions = await api.revisions(paper.id);
  const isShown = new Set(revisions.filter((one) => one.document).map((one) => one.number));
  const rows = revisions.reverse().map((one) => {
    const before = one.number - 1;
    const compare = async () => (await import("./change_map.js")).showChanges(api, paper, before, one.number);
    return h("li", {},
      h("span", { class: "grow" }, h("strong", {}, t("revision_row", { n: one.number, time: time(one.registered_s) })),
        h("small", {}, [one.file_name, bytes(one.size_bytes), one.registered_by].filter(Boolean).join(" – "))),
      isShown.has(one.number) && isShown.has(before) && button("compare", t("see_changes"), compare),
      paper.may.includes("read_original") && downloadOf(new URL(one.original).pathname));
  });
  await dialog(`${t("revisions")}: ${paper.name}`, () => h("ul", { class: "rows" }, rows));
  return false;
}

/** @param {PaperEntry} paper @param {Does} does */
const purge = (paper, does) => sureByName(t("purge"), t("purge_sure", { name: paper.name }), t("purge_name"), paper.name, async () => {
  await does.api.send("DELETE", `/papers/${paper.id}`);
  await does.changed();
});

/**
 * Do what cannot be undone, once its name was typed. Resolves to whether it is done.
 * @param {string} title
 * @param {string} text
 * @param {string} label
 * @param {string} typed
 * @param {() => unknown} work
 */
function sureByName(title, text, label, typed, work) {
  return dialog(title, (close) => {
    const name = field(label, { required: true, autocomplete: "off" });
    const made = form([h("p", {}, text), name], title, async () => { await work(); close(true); });
    const go = submitOf(made);
    go.className = "grave";
    go.disabled = true;
    const isSame = () => name.input.value.trim().normalize("NFKC") === typed.trim().normalize("NFKC");
    name.input.addEventListener("input", () => { go.disabled = !isSame(); });
    return made;
  }).then((isDone) => isDone === true);
}

/** Of all papers in a folder, and of all people: after the minutes are confirmed. @param {FolderDetails} folder @param {Api} api */
async function destroyMarks(folder, api) {
  let count = 0;
  const isDone = await sureByName(t("destroy_marks"), t("destroy_marks_sure", { name: folder.name }), t("folder_name"), folder.name, async () => {
    count = (await api.send("DELETE", `/folders/${folder.id}/marks`)).marks;
  });
  if (isDone) await dialog(t("destroy_marks"), () => h("p", { role: "status" }, t("destroyed_marks", { n: count })));
  return isDone;
}

/** Make a folder in another one. @param {string} parent @param {Does} does */
export function makeFolder(parent, does) {
  return askFor(t("make_folder"), t("folder_name"), "", async (name) => {
    await does.api.send("POST", `/folders/${parent}`, { name });
    await does.changed();
  });
}

/**
 * All that may be done with a folder itself.
 * @param {FolderDetails} folder
 * @param {Does & {left: (parent: string) => void}} does left: it is not there any more
 */
export function showFolder(folder, does) {
  const { api } = does;
  const path = `/folders/${folder.id}`;
  /** @type {Change} */
  const change = async (body) => { await api.send("PATCH", path, body); await does.changed(); return true; };
  return dialog(folder.name, (close) => {
    const { error, act } = actions(close, (problem) => (problem.status === 409 ? t("not_empty") : fault(problem)));
    /** @param {number} step */
    const move = async (step) => {
      const above = await api.folder(folderAbove(folder));
      const here = above.folders.find((one) => one.id === folder.id);
      if (!here) return true; // somebody else has moved or removed it
      const place = here.place + step;
      return change({ place: Math.max(0, Math.min(above.folders.length - 1, place)) });
    };
    return [
      h("div", { class: "menu" },
        act("pen", t("rename"), () => askFor(t("rename"), t("folder_name"), folder.name, (name) => change({ name }))),
        act("info", t("about_folder"), () => setKind(folder, change)),
        act("into", t("move_to"), () => moveInto(api, folder.name, folderAbove(folder), (parent) => change({ parent }), folder.id)),
        act("up", t("move_up"), () => move(-1)), act("down", t("move_down"), () => move(1)),
        folder.may.includes("destroy_marks") && act("bin", t("destroy_marks"), () => destroyMarks(folder, api), { class: "grave" }),
        act("bin", t("remove_folder"), async () => {
          if (!await sure(t("remove_folder"), t("remove_folder_sure", { name: folder.name }), t("remove_folder"), true)) return false;
          await api.send("DELETE", path);
          does.left(folderAbove(folder));
          return true;
        }, { class: "grave" })), error,
    ];
  });
}

/** @param {FolderDetails} folder @param {Change} change */
function setKind(folder, change) {
  return dialog(t("about_folder"), (close) => {
    const kind = field(t("kind"), { options: KINDS.map((one) => [one, t(`kind_${one}`)]), value: folder.kind });
    const note = field(t("note"), { value: folder.note, maxlength: 4000, rows: 3 });
    return form([kind, note], t("save"), async () => {
      await change({ kind: kind.input.value, note: note.input.value.trim() });
      close(true);
    });
  });
}
