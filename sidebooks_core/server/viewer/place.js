/* Addresses: the part after "#", and the places that they name. Pure; whatever somebody typed or a mail program cut off, there is
   an answer. Nothing else writes or reads addresses. */

import { TOP } from "./client.js";

/**
 * @typedef {"shelf" | "folder" | "search" | "join" | "setup" | "meeting" | "code" | "paper" | "document" | "unknown"} Kind
 * @typedef {{kind: Kind, id: string, page: number | null, query: string, token: string, beside: Place | null}} Place
 *
 * What an address is made of.
 * @typedef {{
 *   kind: string, id?: string, page?: number | null, query?: string, token?: string, beside?: Named | null,
 * }} Named
 */

const BESIDE = "&beside=";

/** @param {Kind} kind @param {Partial<Place>} more @returns {Place} */
const place = (kind, more = {}) => ({ kind, id: "", page: null, query: "", token: "", beside: null, ...more });

/** A page is a whole number from 1 on; anything else names none. @param {string | undefined} text */
export function pageOf(text) {
  const page = /^\d+$/.test(text || "") ? Number(text) : 0;
  return page >= 1 && Number.isSafeInteger(page) ? page : null;
}

/**
 * How a paper or a document is called in addresses, and in what this device keeps of it.
 * @param {string} kind "paper"; anything else is a document
 * @param {string} id
 */
export const keyOf = (kind, id) => (kind === "paper" ? "paper=" : "") + encodeURIComponent(id);

/**
 * The address of what has a key. One with encoded signs has its slash: it is not taken for an address that was encoded on its way.
 * @param {string} key
 * @param {number | null} [page]
 */
export const addressOfKey = (key, page) => key + (page || key.includes("%") ? `/${page || ""}` : "");

/** The address of a place, without its "#". @param {Named} shown @returns {string} */
export function addressOf({ kind, id = "", page, query = "", token = "", beside }) {
  if (kind === "shelf" || (kind === "folder" && id === TOP)) return "";
  if (kind !== "paper" && kind !== "document") return `${kind}=${encodeURIComponent(id + query + token)}`;
  return addressOfKey(keyOf(kind, id), page) + (beside ? BESIDE + addressOf(beside) : "");
}

/** Take an address apart. hash: "#paper=ID/12", as `location.hash` has it. @param {string} hash @returns {Place} */
export function parsePlace(hash) {
  try {
    const given = hash.replace(/^#/, "");
    const text = /[/=]/.test(given) ? given : decodeURIComponent(given); // mail programs encode all of it
    if (!text) return place("shelf");
    const [, kind, value] = /^(folder|search|join|setup|meeting|code)=(.*)$/s.exec(text) || [];
    if (kind) return named(/** @type {Kind} */ (kind), decodeURIComponent(value));
    const [shown, beside] = text.split(BESIDE);
    const found = read(shown);
    const second = beside ? read(beside) : null;
    return { ...found, beside: second?.kind === "unknown" || found.kind === "unknown" ? null : second };
  } catch (error) {
    if (error instanceof URIError) return place("unknown");
    throw error;
  }
}

/** @param {Kind} kind @param {string} value */
function named(kind, value) {
  if (kind === "search") return place(kind, { query: value });
  if (kind === "code") return place(kind, { token: value });
  if (!value) return place("unknown");
  const [id, token = ""] = value.split("&");
  return kind === "folder" ? place(kind, { id: value }) : kind === "meeting" ? place(kind, { id, token }) : place(kind, { token: value });
}

/** "paper=ID/3" or "ID/3" @param {string} text */
function read(text) {
  const [, paper, id, , page] = /^(paper=)?([^/=&]+)(\/([^/]*))?$/.exec(text) || [];
  return id ? place(paper ? "paper" : "document", { id: decodeURIComponent(id), page: pageOf(page) }) : place("unknown");
}
