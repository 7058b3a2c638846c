/* Documents that are served from folders of files. A document is called by its content: a file that has changed is another one.
   What this device keeps of the one before goes over to it, and old addresses lead on. */

/** @import { Library } from "./types" */
/** @import { DocumentSummary } from "./client.js" */

import { ofBook } from "./choices.js";
import { keepOfBook } from "./choosing.js";
import { keys, PLACE, remove, write } from "./keeping.js";
import { keyOf } from "./place.js";
import { opened, readJson, renameOpened } from "./shelf_memory.js";

/** @typedef {Pick<DocumentSummary, "id" | "name" | "folder">} Served */
/** By path: the documents that a file was, the present one last. @typedef {{[path: string]: string[]}} Files */

const FILES = "sidebooks files"; // of which something is kept
const MOST_FILES = 1000;
const MOST_FORMER = 5;

/** @type {import("./choices.js").BookMatter[]} */
const MATTERS = ["page", "offset", "direction", "bookmarks", "turns"];

/** @param {string} id */
const documentKey = (id) => keyOf("document", id);

/** What is kept of a document goes over to the one in its place. @param {string} from an id @param {string} to */
export function carryOver(from, to) {
  const [before, now] = [from, to].map(documentKey);
  for (const name of MATTERS) {
    const kept = ofBook(name, before);
    if (!kept || ofBook(name, now)) continue; // what was read or set in the new one since is the later
    keepOfBook(name, now, kept);
    remove(`sidebooks ${name} ${before}`);
  }
  renameOpened(before, now);
}

/** By path; of folders that are watched, two may have files of one path: nobody knows which is meant. @param {readonly Served[]} documents */
function byPath(documents) {
  /** @type {Map<string, string | null>} */
  const found = new Map();
  for (const { id, folder, name } of documents) {
    const path = `${folder}/${name}`;
    found.set(path, found.has(path) ? null : id);
  }
  return found;
}

/**
 * What files became: the files after a look at those that are served, and [from, to] of the documents that were replaced. Pure.
 * @param {Files} files
 * @param {readonly Served[]} documents
 * @param {(id: string) => boolean} isKept whether something is kept of a document
 * @returns {{files: Files, replaced: [string, string][]}}
 */
export function followed(files, documents, isKept) {
  const served = new Set(documents.map((one) => one.id));
  /** @type {[string, string][]} */
  const replaced = [];
  const now = { ...files };
  for (const [path, id] of byPath(documents)) {
    const former = files[path] || [];
    const last = former[former.length - 1];
    if (!id || last === id || (last ? served.has(last) : !isKept(id))) continue; // the one before may have another name now
    now[path] = [...former.filter((one) => one !== id), id].slice(-MOST_FORMER);
    if (last) replaced.push([last, id]);
  }
  return { files: Object.fromEntries(Object.entries(now).slice(-MOST_FILES)), replaced };
}

/** Look at the files that are served: what is kept goes over to those in the place of others. @param {readonly Served[]} documents */
export function follow(documents) {
  const before = readJson(FILES, /** @type {Files} */ ({}));
  const kept = new Set([...opened().map((one) => one.key), ...keys(PLACE).map((key) => key.slice(PLACE.length))]);
  const { files, replaced } = followed(before, documents, (id) => kept.has(documentKey(id)));
  for (const [from, to] of replaced) carryOver(from, to);
  const text = JSON.stringify(files);
  if (text !== JSON.stringify(before)) write(FILES, text);
}

/**
 * The document that a file is now which was another one; null if there is none.
 * @param {Library} library
 * @param {string} id
 */
export async function inPlaceOf(library, id) {
  const path = Object.entries(readJson(FILES, /** @type {Files} */ ({}))).find(([, ids]) => ids.includes(id))?.[0];
  if (path === undefined) return null;
  const documents = await library.documents();
  follow(documents);
  const now = byPath(documents).get(path);
  return now && now !== id ? now : null;
}
