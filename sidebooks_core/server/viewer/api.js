/* The shelf's and the accounts' part of the HTTP API. Errors carry `status`, and `retry_after_s` if the server says it. */

import { problem, TOP } from "./client.js";

export class Api {
  constructor(library) {
    this.library = library;
    this.base = library.base;
  }

  get(path) { return this.library.json(path); }

  /** Send a request with a body of JSON; returns the answer's, or null. */
  async send(method, path, body) {
    const headers = body === undefined ? {} : { "Content-Type": "application/json" };
    const answer = await fetch(this.base + path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
    if (!answer.ok) throw await problem(answer);
    return answer.status === 204 ? null : answer.json();
  }

  me() { return this.get("/me"); }

  /** A folder; TOP: the top of the shelf, as far as one may see it, even if it is only a folder or two. few: tell also how much
      inner folders hold, and the papers of those that hold at most so many. */
  folder(id, few) {
    const asked = few === undefined ? "" : `?few=${few}`;
    return this.get((id === TOP ? "/folders" : `/folders/${id}`) + asked);
  }

  /** Where whoever asks left off: [{paper, revision, page, at_s}…], the latest first; empty for somebody whom nobody knows. */
  async reading() {
    try {
      return (await this.get("/reading")).papers;
    } catch (error) {
      if ([401, 403, 404].includes(error.status)) return [];
      throw error;
    }
  }

  paper(id) { return this.get(`/papers/${id}`); }

  /** What became of the pages between two revisions; null if it cannot be said. */
  async difference(paper, old, now) {
    try {
      return (await this.get(`/papers/${paper}/diff/${old}-${now}`)).pages;
    } catch (error) {
      if (error.status === 409) return null; // one of them cannot be opened
      throw error;
    }
  }
}
