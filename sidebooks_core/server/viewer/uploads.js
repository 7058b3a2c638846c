/* Uploads that go on after a cut, and after a reload: a client of tus 1.0 (https://tus.io/protocols/resumable-upload). */

import { keys, remove, write } from "./keeping.js";
import { read } from "./storage.js";

const CHUNK_BYTES = 8 * 1024 * 1024;
const WAITS_MS = [500, 1000, 2000, 4000, 8000, 15000];
const STALL_MS = 30_000; // if no byte goes out for so long, the connection is dead, even if the browser does not say so
const READING_MS = 600_000; // so long the server may take to open the file, once it has all bytes
const PASSING = [0, 408, 409, 423, 425, 429, 460, 500, 502, 503, 504];
const KEPT = "sidebooks upload ";

/**
 * Where a file goes: into a folder; or it becomes a paper's next revision, unless another one than `before` is its present one by
 * then. `shelf`: the folder that holds this paper.
 * @typedef {{folder?: string, paper?: string, before?: number | null, shelf?: string}} Target
 * @typedef {"waiting" | "sending" | "cut" | "finishing" | "done" | "failed" | "cancelled"} UploadStateName
 *
 * `isConflict`: somebody else has replaced the paper.
 * @typedef {import("./requests.js").Problem & {isConflict: boolean}} UploadProblem
 *
 * What is kept of an upload for another visit.
 * @typedef {{id: string, name: string, folder: string, paper?: string, before?: number | null}} KeptUpload
 * @typedef {KeptUpload & {key: string}} Unfinished
 */

export class Upload {
  sent = 0;
  isCancelled = false;
  /** @type {UploadStateName} */
  state = "waiting";
  /** @type {UploadProblem | null} */
  error = null;
  /** On the server. @type {string | null} */
  id = null;
  /** @type {string | null} */
  paper = null;
  /** @type {number | null} */
  revision = null;
  /** @type {XMLHttpRequest | null} */
  request = null;
  /** Ends a pause. @type {(() => void) | null} */
  wake = null;
  /** What became of it, for its row. */
  told = "";
  hasMap = false;

  /**
   * @param {File} file
   * @param {Target} target
   */
  constructor(file, target) {
    this.file = file;
    this.target = target;
    this.name = file.name;
    this.size = file.size;
    const { folder, paper } = target;
    this.path = paper ? `/papers/${paper}/revisions` : `/folders/${folder}/papers`;
    this.key = `${KEPT}${this.path} ${file.size} ${file.lastModified} ${file.name}`;
  }

  get isOver() { return ["done", "failed", "cancelled"].includes(this.state); }
}

/** Uploads, one after the other, so that papers stand in the order of their files. */
export class Uploads {
  /** @type {Upload[]} */
  all = [];
  #isRunning = false;

  /**
   * @param {string} base
   * @param {(upload: Upload) => void} onchange called with an upload that got on
   */
  constructor(base, onchange) {
    this.base = base;
    this.onchange = onchange;
  }

  get isBusy() { return this.all.some((one) => !one.isOver); }

  /** @param {readonly File[]} files @param {Target} target */
  add(files, target) {
    const inOrder = [...files].sort((a, b) => a.name.localeCompare(b.name, "ja", { numeric: true }));
    const made = inOrder.map((file) => new Upload(file, target));
    this.all.push(...made);
    for (const one of made) this.onchange(one);
    this.#run();
    return made;
  }

  /** @param {Upload} upload */
  retry(upload) {
    this.#set(upload, "waiting");
    this.#run();
  }

  /** Give an upload up, here and on the server. @param {Upload} upload */
  cancel(upload) {
    upload.isCancelled = true;
    upload.request?.abort();
    upload.wake?.();
    if (upload.state === "waiting") this.#set(upload, "cancelled");
  }

  clear() { this.all = this.all.filter((one) => !one.isOver); }

  /** What another visit left unfinished in a folder. @param {string} folder @returns {Unfinished[]} */
  unfinished(folder) {
    const active = new Set(this.all.filter((one) => one.state !== "cancelled").map((one) => one.key));
    const left = keys(KEPT).filter((key) => !active.has(key));
    return left.map((key) => ({ key, ...JSON.parse(read(key) || "{}") })).filter((one) => one.folder === folder);
  }

  /** @param {{key: string, id: string}} left */
  async forget({ key, id }) {
    remove(key);
    await this.#send(null, "DELETE", `/uploads/${id}`, {}, null).catch(() => {}); // the server forgets it by itself in the end
  }

  async #run() {
    if (this.#isRunning) return;
    this.#isRunning = true;
    try {
      for (let next; (next = this.all.find((one) => one.state === "waiting"));) await this.#upload(next);
    } finally { this.#isRunning = false; }
  }

  /** @param {Upload} upload */
  async #upload(upload) {
    for (let cuts = 0; ;) {
      const before = upload.sent;
      try {
        await this.#begin(upload);
        while (!(await this.#piece(upload)));
        remove(upload.key);
        this.#set(upload, "done");
        return;
      } catch (problem) {
        if (upload.isCancelled) break;
        const error = /** @type {UploadProblem} */ (problem);
        if (error.status === undefined) throw error;
        upload.error = error;
        const isHere = error.status !== 0 || await upload.file.slice(0, 1).arrayBuffer().then(() => true, () => false);
        if (error.isConflict) await this.#drop(upload); // what was sent cannot become that paper's next revision any more
        // The file was changed or removed on this machine, or the server does not want it.
        if (!isHere || error.isConflict || !PASSING.includes(error.status)) {
          this.#set(upload, "failed");
          return;
        }
        cuts = upload.sent > before ? 0 : cuts + 1;
        this.#set(upload, "cut");
        const wait_ms = WAITS_MS[Math.min(cuts, WAITS_MS.length - 1)];
        await this.#pause(upload, Math.max(wait_ms, 1000 * (error.retry_after_s || 0)));
        if (upload.isCancelled) break;
      }
    }
    await this.#drop(upload);
    this.#set(upload, "cancelled");
  }

  /** @param {Upload} upload */
  async #drop(upload) {
    const kept = read(upload.key);
    if (kept) await this.forget({ key: upload.key, id: JSON.parse(kept).id });
  }

  /** Find how far an upload is, or begin it. @param {Upload} upload */
  async #begin(upload) {
    this.#set(upload, "sending");
    /** @type {KeptUpload | null} */
    const kept = JSON.parse(read(upload.key) || "null");
    if (kept) {
      const known = await this.#send(upload, "HEAD", `/uploads/${kept.id}`, {}, null).catch((error) => {
        if (error.status !== 404 && error.status !== 410) throw error; // it was forgotten, or belongs to somebody else
        remove(upload.key);
      });
      if (known) { this.#reached(upload, known); upload.id = kept.id; return; }
    }
    const { paper, before } = upload.target;
    const told = [`filename ${base64(upload.name)}`];
    if (paper && before) told.push(`after ${base64(String(before))}`); // the server refuses if another one is the present one by now
    const headers = { "Upload-Length": String(upload.size), "Upload-Metadata": told.join(",") };
    const answer = await this.#send(upload, "POST", upload.path, headers, null);
    upload.id = (answer.getResponseHeader("Location") || "").split("/").pop() || null;
    upload.sent = 0;
    const { folder, shelf = folder } = upload.target;
    write(upload.key, JSON.stringify({ id: upload.id, name: upload.name, folder: shelf, paper, before }));
  }

  /** Send a piece; true if it was the last, and the paper is there. @param {Upload} upload */
  async #piece(upload) {
    if (upload.paper) return true;
    const start = upload.sent;
    const piece = upload.file.slice(start, start + CHUNK_BYTES);
    const headers = { "Upload-Offset": String(start), "Content-Type": "application/offset+octet-stream" };
    const answer = await this.#send(upload, "PATCH", `/uploads/${upload.id}`, headers, piece, (sent) => {
      upload.sent = start + sent;
      this.#set(upload, upload.sent >= upload.size ? "finishing" : "sending");
    });
    this.#reached(upload, answer);
    return upload.paper !== null;
  }

  /** @param {Upload} upload @param {XMLHttpRequest} answer */
  #reached(upload, answer) {
    upload.sent = Number(answer.getResponseHeader("Upload-Offset"));
    upload.paper = answer.getResponseHeader("Sidebooks-Paper");
    upload.revision = Number(answer.getResponseHeader("Sidebooks-Revision")) || null;
    this.onchange(upload);
  }

  /** @param {Upload} upload @param {UploadStateName} state */
  #set(upload, state) {
    upload.state = state;
    this.onchange(upload);
  }

  /**
   * fetch does not tell how much it has sent.
   * @param {Upload | null} upload that can be cancelled meanwhile
   * @param {string} method
   * @param {string} path
   * @param {Record<string, string>} headers
   * @param {Blob | null} body
   * @param {(sent: number) => void} [onprogress]
   * @returns {Promise<XMLHttpRequest>}
   */
  #send(upload, method, path, headers, body, onprogress) {
    return new Promise((done, failed) => {
      const request = new XMLHttpRequest();
      if (upload) upload.request = request;
      let stall = 0;
      /** @param {number} ms */
      const watch = (ms) => { clearTimeout(stall); stall = setTimeout(() => request.abort(), ms); };
      const fail = () => failed(fault(request));
      request.open(method, this.base + path);
      request.setRequestHeader("Tus-Resumable", "1.0.0");
      for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
      request.upload.onprogress = (event) => {
        watch(event.loaded < event.total ? STALL_MS : READING_MS);
        onprogress?.(event.loaded);
      };
      request.onloadend = () => clearTimeout(stall);
      request.onload = () => { if (request.status < 300) done(request); else fail(); };
      request.onerror = fail;
      request.onabort = fail;
      watch(body ? STALL_MS : READING_MS);
      request.send(body);
    });
  }

  /** @param {Upload} upload @param {number} ms @returns {Promise<void>} */
  #pause(upload, ms) {
    return new Promise((resolve) => {
      const done = () => { removeEventListener("online", done); clearTimeout(timer); resolve(); };
      const timer = setTimeout(done, ms);
      upload.wake = done;
      addEventListener("online", done);
    });
  }
}

/** @param {string} text */
const base64 = (text) => btoa(String.fromCharCode(...new TextEncoder().encode(text)));

/**
 * A 409 with Upload-Offset says only that the offset was wrong, since a piece was cut: it is no conflict.
 * @param {XMLHttpRequest} request
 * @returns {UploadProblem}
 */
function fault(request) {
  const isConflict = request.status === 409 && request.getResponseHeader("Upload-Offset") === null;
  let detail = "";
  try {
    detail = JSON.parse(request.responseText).detail;
  } catch { detail = `${request.status} ${request.statusText}`; } // not JSON: a proxy's page
  const retry_after_s = request.status ? Number(request.getResponseHeader("Retry-After")) : 0;
  return Object.assign(new Error(detail), { status: request.status, retry_after_s, isConflict });
}
