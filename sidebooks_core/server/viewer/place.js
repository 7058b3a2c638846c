/* What an address names: the part after "#". Pure; whatever somebody typed or a mail program cut off, it gives an answer. */

/**
 * @typedef {"shelf" | "folder" | "search" | "join" | "setup" | "paper" | "document" | "unknown"} Kind
 * @typedef {{kind: Kind, id: string, page: number | null, query: string, token: string, beside: Place | null}} Place
 */

const BESIDE = "&beside=";

/** @param {Kind} kind @param {Partial<Place>} more @returns {Place} */
const place = (kind, more = {}) => ({ kind, id: "", page: null, query: "", token: "", beside: null, ...more });

/** A page is a whole number from 1 on; anything else names none. @param {string | undefined} text */
export function pageOf(text) {
  const page = /^\d+$/.test(text || "") ? Number(text) : 0;
  return page >= 1 && Number.isSafeInteger(page) ? page : null;
}

/** Take an address apart. hash: "#paper=ID/12", as `location.hash` has it. @param {string} hash @returns {Place} */
export function parsePlace(hash) {
  const text = hash.replace(/^#/, "");
  if (!text) return place("shelf");
  try {
    const [, kind, value] = /^(folder|search|join|setup)=(.*)$/s.exec(text) || [];
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
  if (!value) return place("unknown");
  return kind === "folder" ? place(kind, { id: value }) : place(kind, { token: value });
}

/** "paper=ID/3" or "ID/3" @param {string} text */
function read(text) {
  const [, paper, id, , page] = /^(paper=)?([^/=&]+)(\/([^/]*))?$/.exec(decodeURIComponent(text)) || [];
  return id ? place(paper ? "paper" : "document", { id, page: pageOf(page) }) : place("unknown");
}
