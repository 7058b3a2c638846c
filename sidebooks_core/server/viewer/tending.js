/* What somebody who tends a folder does with it and its papers. Each is a dialog. All windows learn of the result by the stream of
   changes. */

import { TOP } from "./client.js";
import { askFor, button, dialog, field, form, h, icon, passwordField, sure } from "./elements.js";
import { bytes, fault, t, time, windowText } from "./words.js";

const LEVELS = ["open", "online", "keep"];
const KINDS = ["folder", "meeting", "item"];
const REASONS = ["Withdrawn: ", "取り下げの理由："];

/** A time as an input of the kind "datetime-local" has it, and back. */
export const inputTime = (seconds) => (seconds === null ? "" : new Date(seconds * 1000 - new Date().getTimezoneOffset() * 60_000).toISOString().slice(0, 16));
export const secondsOf = (value) => (value ? new Date(value).getTime() / 1000 : null);

/** All that may be done with a paper. `does`: {api, replace(paper), changed(), count}. */
export async function showPaper(id, does) {
  const { api } = does;
  const paper = await api.paper(id);
  const may = (operation) => paper.may.includes(operation);
  const path = `/papers/${id}`;
  const isWithdrawn = paper.withdrawn_s !== null;
  const change = async (body) => { await api.send("PATCH", path, body); await does.changed(); return true; };
  return dialog(paper.name, (close) => {
    const error = h("p", { class: "error", role: "alert" });
    const act = (image, text, work, given) => button(image, text, async () => {
      error.textContent = "";
      try { if (await work()) close(); } catch (problem) { error.textContent = fault(problem); }
    }, given);
    const restoring = async () => {
      if (!await sure(t("restore"), t("restore_sure", { name: paper.name }), t("restore"))) return false;
      await api.send("POST", `${path}/restore`);
      return change({ note: paper.note.split("\n").filter((line) => line !== reasonIn(paper.note)).join("\n") });
    };
    return [
      h("div", { class: "menu" },
        paper.state === "locked" && may("replace") && act("lock", t("give_password"), () => unlock(paper, does)),
        may("replace") && act("replace", t("replace"), () => { does.replace(paper); return true; }),
        may("change_paper") && act("pen", t("rename"), () => askFor(t("rename"), t("name"), paper.name, (name) => change({ name }))),
        may("change_paper") && paper.place > 0 && act("up", t("move_up"), () => change({ place: paper.place - 1 })),
        may("change_paper") && paper.place < does.count - 1 && act("down", t("move_down"), () => change({ place: paper.place + 1 })),
        may("change_paper") && act("into", t("move_to"), () => moveInto(api, paper.name, paper.folder, (folder) => change({ folder }))),
        may("change_paper") && act("info", t("about_paper"), () => setAbout(paper, change)),
        may("change_paper") && act("clock", [h("span", {}, t("window")), h("small", {}, windowText(paper.from_s, paper.until_s))], () => setWindow(paper, change)),
        may("read_readers") && act("people", t("readers"), () => showReaders(api, paper)),
        act("list", t("revisions"), () => showRevisions(api, paper)),
        may("read_original") && h("a", { class: "button", href: `${api.base}${path}/original`, download: true }, icon("download"), h("span", {}, t("download"))),
        may("withdraw") && !isWithdrawn && act("withdraw", t("withdraw"), () => withdraw(paper, does)),
        may("withdraw") && isWithdrawn && act("restore", t("restore"), restoring),
        may("purge") && act("bin", t("purge"), () => purge(paper, does), { class: "grave" }),
      ), error,
    ];
  });
}

/** Ask for the password of a locked paper. */
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

/* The line of a note that says why a paper was withdrawn, in whatever language it was written. */
const reasonIn = (note) => note.split("\n").find((line) => REASONS.some((mark) => line.startsWith(mark)));

function withdraw(paper, does) {
  return dialog(t("withdraw"), (close) => {
    const reason = field(t("withdraw_reason"), { maxlength: 500, autocomplete: "off" });
    const made = form([h("p", {}, t("withdraw_sure", { name: paper.name })), reason], t("withdraw"), async () => {
      const given = reason.input.value.trim();
      await does.api.send("POST", `/papers/${paper.id}/withdraw`);
      if (given) await does.api.send("PATCH", `/papers/${paper.id}`, { note: [paper.note, t("withdrawn_because", { reason: given })].filter(Boolean).join("\n") });
      await does.changed();
      close(true);
    });
    made.querySelector("[type=submit]").className = "grave";
    made.querySelector(".buttons").prepend(button(null, t("cancel"), () => close(false)));
    return made;
  });
}

/* What stands beside a paper's name, and whether it may be taken away. */
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

/* Choose a folder, and move something there. from: the folder that holds it; without: a folder that cannot be chosen. */
function moveInto(api, name, from, move, without) {
  return dialog(`${t("move_to")}: ${name}`, (close) => {
    const list = h("ul", { class: "rows" });
    const way = h("p", { class: "lead" });
    const error = h("p", { class: "error", role: "alert" });
    const go = button("into", t("move_here"), null, { class: "main" });
    let here = null;
    const open = async (id) => {
      const folder = await api.folder(id);
      here = folder.id;
      way.textContent = [t("shelf"), ...folder.way.map((one) => one.name), folder.name].filter(Boolean).join(" › ");
      go.disabled = here === from;
      const above = folder.id === TOP ? null : folderAbove(folder);
      const rows = folder.folders.filter((one) => one.id !== without).map((one) => [one.id, one.name, "folder", t("move_into", { name: one.name })]);
      if (above) rows.unshift([above, folder.way.length ? folder.way[folder.way.length - 1].name : t("shelf"), "up", null]);
      list.replaceChildren(...rows.map(([target, text, sign, label]) => h("li", {}, button(sign, text, () => open(target).catch(told), { class: "grow start", "aria-label": label }))));
    };
    const told = (problem) => { error.textContent = fault(problem); };
    go.addEventListener("click", async () => {
      try {
        await move(here);
        close(true);
      } catch (problem) { told(problem); }
    });
    const start = without || from === TOP ? open(from) : api.folder(from).then((folder) => open(folderAbove(folder))); // where other folders are
    start.catch(told);
    return [way, list, error, h("p", { class: "buttons" }, button(null, t("cancel"), () => close(false)), go)];
  });
}

const folderAbove = (folder) => (folder.way.length ? folder.way[folder.way.length - 1].id : TOP);

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

async function showReaders(api, paper) {
  const { readers } = await api.get(`/papers/${paper.id}/readers`);
  await dialog(`${t("readers")}: ${paper.name}`, () => (readers.length
    ? [h("p", { class: "lead" }, t("readers_count", { n: readers.length })), h("ul", { class: "rows" }, readers.map((one) => h("li", {}, h("strong", { class: "grow" }, one.name || t("guest")),
      h("small", {}, t("reader_row", { n: one.count, time: time(one.last_s) })))))]
    : h("p", {}, t("no_readers"))));
  return false;
}

async function showRevisions(api, paper) {
  const { revisions } = await api.get(`/papers/${paper.id}/revisions`);
  await dialog(`${t("revisions")}: ${paper.name}`, () => h("ul", { class: "rows" }, revisions.reverse().map((one) => h("li", {},
    h("span", { class: "grow" }, h("strong", {}, t("revision_row", { n: one.number, time: time(one.registered_s) })),
      h("small", {}, [one.file_name, bytes(one.size_bytes), one.registered_by].filter(Boolean).join(" – "))),
    one.document && one.number > 1 && revisions.find((other) => other.number === one.number - 1)?.document
      && button("compare", t("see_changes"), async () => (await import("./change_map.js")).showChanges(api, paper, one.number - 1, one.number)),
    paper.may.includes("read_original") && h("a", { class: "button", href: new URL(one.original).pathname, download: true }, icon("download"), h("span", {}, t("download"))),
  ))));
  return false;
}

function purge(paper, does) {
  return dialog(t("purge"), (close) => {
    const name = field(t("purge_name"), { required: true, autocomplete: "off" });
    const made = form([h("p", {}, t("purge_sure", { name: paper.name })), name], t("purge"), async () => {
      await does.api.send("DELETE", `/papers/${paper.id}`);
      await does.changed();
      close(true);
    });
    const go = made.querySelector("[type=submit]");
    go.className = "grave";
    go.disabled = true;
    const isSame = () => name.input.value.trim().normalize("NFKC") === paper.name.trim().normalize("NFKC");
    name.input.addEventListener("input", () => { go.disabled = !isSame(); });
    return made;
  }).then((isDone) => isDone === true);
}

/** Make a folder in another one. */
export function makeFolder(parent, does) {
  return askFor(t("make_folder"), t("folder_name"), "", async (name) => {
    await does.api.send("POST", `/folders/${parent}`, { name });
    await does.changed();
  });
}

/** All that may be done with a folder itself. `does`: {api, changed(), left(parent)}. */
export function showFolder(folder, does) {
  const { api } = does;
  const path = `/folders/${folder.id}`;
  const change = async (body) => { await api.send("PATCH", path, body); await does.changed(); return true; };
  return dialog(folder.name, (close) => {
    const error = h("p", { class: "error", role: "alert" });
    const act = (image, text, work, given) => button(image, text, async () => {
      error.textContent = "";
      try { if (await work()) close(); } catch (problem) { error.textContent = problem.status === 409 ? t("not_empty") : fault(problem); }
    }, given);
    const move = async (step) => {
      const above = await api.folder(folderAbove(folder));
      const place = above.folders.find((one) => one.id === folder.id).place + step;
      return change({ place: Math.max(0, Math.min(above.folders.length - 1, place)) });
    };
    return [
      h("div", { class: "menu" },
        act("pen", t("rename"), () => askFor(t("rename"), t("folder_name"), folder.name, (name) => change({ name }))),
        act("info", t("about_folder"), () => setKind(folder, change)),
        act("into", t("move_to"), () => moveInto(api, folder.name, folderAbove(folder), (parent) => change({ parent }), folder.id)),
        act("up", t("move_up"), () => move(-1)), act("down", t("move_down"), () => move(1)),
        act("bin", t("remove_folder"), async () => {
          if (!await sure(t("remove_folder"), t("remove_folder_sure", { name: folder.name }), t("remove_folder"), true)) return false;
          await api.send("DELETE", path);
          does.left(folderAbove(folder));
          return true;
        }, { class: "grave" })), error,
    ];
  });
}

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
