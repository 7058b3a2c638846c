/* The shelf's and the accounts' part of the HTTP API. Errors carry `status`, and `retry_after_s` if the server says it. Shapes of
   answers that only one module reads are told there. */

import { problem, TOP } from "./client.js";

/**
 * @typedef {"admin" | "clerk" | "member" | "guest" | "citizen"} Role
 *
 * Who asks, and what they may do at the top of the shelf.
 * @typedef {{
 *   id: string, name: string, role: Role, groups: string[], may: string[], has_accounts: boolean, is_logged_in: boolean,
 *   has_shelf: boolean, login_address: string | null,
 * }} Me
 */

/**
 * @typedef {"folder" | "meeting" | "item"} FolderKind
 * @typedef {"ready" | "locked" | "damaged" | "unsupported" | "too large"} PaperState
 * @typedef {{id: string, name: string}} WayEntry
 * @typedef {{id: string, page_count: number, pages: string, manifest: string, preview: string}} DocumentAddresses
 *
 * @typedef {{
 *   id: string, folder: string, name: string, note: string, level: "open" | "online" | "keep", place: number,
 *   from_s: number | null, until_s: number | null, is_published: boolean, withdrawn_s: number | null, revision: number,
 *   registered_s: number, state: PaperState, reason: string, page_count: number, document: DocumentAddresses | null,
 *   address: string,
 * }} PaperEntry
 *
 * @typedef {{paper: string, revision: number, pages: number, identified: number, previews: number, indexed: number}} PaperProgress
 * @typedef {PaperEntry & {way: WayEntry[], progress: PaperProgress, may: string[], may_print: boolean}} PaperDetails
 *
 * `paper_count`, `folder_count`, `papers`: see `Api.folder`.
 * @typedef {{
 *   id: string, name: string, kind: FolderKind, note: string, place: number, address: string, paper_count: number | null,
 *   folder_count: number | null, papers: PaperEntry[] | null,
 * }} FolderEntry
 *
 * @typedef {{
 *   id: string, name: string, kind: FolderKind, note: string, way: WayEntry[], folders: FolderEntry[], papers: PaperEntry[],
 *   may: string[], address: string,
 * }} FolderDetails
 */

/**
 * @typedef {{
 *   paper: string, number: number, is_present: boolean, file_name: string, size_bytes: number, registered_s: number,
 *   registered_by: string, note: string, state: PaperState, reason: string, page_count: number,
 *   document: DocumentAddresses | null, original: string,
 * }} RevisionEntry
 *
 * Pages count from 1; null: there is none.
 * @typedef {{
 *   kind: "same" | "changed" | "moved" | "inserted" | "removed", old_page: number | null, new_page: number | null,
 * }} PageFate
 *
 * Where somebody left off in a paper. `at_s`: 0 if that is not known.
 * @typedef {{paper: string, revision: number, page: number, at_s: number}} LeftOff
 */

/**
 * A document of a served folder, and a file that is not served.
 * @typedef {import("./client.js").DocumentSummary} DocumentSummary
 * @typedef {{name: string, reason: string, is_locked: boolean}} NotServed
 */

export class Api {
  /** @param {import("./client.js").Library} library */
  constructor(library) {
    this.library = library;
    this.base = library.base;
  }

  /**
   * What the server says at a path.
   * @param {string} path
   * @param {AbortSignal} [signal]
   * @returns {Promise<any>} the caller says what it is
   */
  get(path, signal) { return this.library.json(path, signal); }

  /**
   * Send a request with a body of JSON; gives the answer's, or null.
   * @param {string} method
   * @param {string} path
   * @param {object} [body]
   * @returns {Promise<any>}
   */
  async send(method, path, body) {
    /** @type {Record<string, string>} */
    const headers = body === undefined ? {} : { "Content-Type": "application/json" };
    const answer = await fetch(this.base + path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
    if (!answer.ok) throw await problem(answer);
    return answer.status === 204 ? null : answer.json();
  }

  /** @returns {Promise<Me>} */
  me() { return this.get("/me"); }

  /**
   * A folder; TOP: the top of the shelf, as far as one may see it, even if it is only a folder or two.
   * @param {string} id
   * @param {number} [few] tell also how much inner folders hold, and the papers of those that hold at most so many
   * @returns {Promise<FolderDetails>}
   */
  folder(id, few) {
    const asked = few === undefined ? "" : `?few=${few}`;
    return this.get((id === TOP ? "/folders" : `/folders/${encodeURIComponent(id)}`) + asked);
  }

  /**
   * The documents that are no papers.
   * @returns {Promise<{documents: DocumentSummary[], not_served?: NotServed[]}>}
   */
  documents() { return this.get("/documents"); }

  /**
   * Where whoever asks left off, the latest first; empty for somebody whom nobody knows.
   * @returns {Promise<LeftOff[]>}
   */
  async reading() {
    try {
      return (await this.get("/reading")).papers;
    } catch (error) {
      if ([401, 403, 404].includes(statusOf(error))) return [];
      throw error;
    }
  }

  /** @param {string} id @returns {Promise<PaperDetails>} */
  paper(id) { return this.get(`/papers/${encodeURIComponent(id)}`); }

  /** Of a paper, the oldest first. @param {string} id @returns {Promise<RevisionEntry[]>} */
  async revisions(id) { return (await this.get(`/papers/${id}/revisions`)).revisions; }

  /**
   * What became of the pages between two revisions; null if it cannot be said.
   * @param {string} paper
   * @param {number} old
   * @param {number} now
   * @returns {Promise<PageFate[] | null>}
   */
  async difference(paper, old, now) {
    try {
      return (await this.get(`/papers/${paper}/diff/${old}-${now}`)).pages;
    } catch (error) {
      if (statusOf(error) === 409) return null; // one of them cannot be opened
      throw error;
    }
  }
}

/**
 * The status of HTTP that an error tells of; NaN if it is of something else.
 * @param {unknown} error
 */
export const statusOf = (error) => (error instanceof Error && "status" in error ? Number(error.status) : Number.NaN);
