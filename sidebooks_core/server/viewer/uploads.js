/* Uploads that go on after a cut, and after a reload: a client of tus 1.0 (https://tus.io/protocols/resumable-upload). */

import { keys, remove, write } from "./keeping.js";
import { read } from "./storage.js";

const CHUNK_BYTES = 8 * 1024 * 1024;
const WAITS_MS = [500, 1000, 2000, 4000, 8000, 15000];
const STALL_MS = 30_000; // if no byte goes out for so long, the connection is dead, even if the browser does not say so
const READING_MS = 600_000; // so long the server may take to open the file, once it has all bytes
const PASSING = [0, 408, 409, 423, 425, 429, 460, 500, 502, 503, 504];
const KEPT = "sidebooks upload ";

/** {file, target, sent, size, state, error, paper, revision}. States: waiting, sending, cut, finishing, done, failed, cancelled. */
class Upload {
  constructor(file, target) {
    Object.assign(this, { file, target, name: file.name, size: file.size, sent: 0, state: "waiting", error: null, paper: null, revision: null });
    const { folder, paper } = target;
    this.path = paper ? `/papers/${paper}/revisions` : `/folders/${folder}/papers`;
    this.key = `${KEPT}${this.path} ${file.size} ${file.lastModified} ${file.name}`;
  }

  get isOver() { return ["done", "failed", "cancelled"].includes(this.state); }
}

/** Uploads, one after the other, so that papers stand in the order of their files. */
export class Uploads {
  all = [];
  #isRunning = false;

  /** onchange: called with an upload that got on. */
  constructor(base, onchange) {
    this.base = base;
    this.onchange = onchange;
  }

  get isBusy() { return this.all.some((one) => !one.isOver); }

  /** target: {folder} for a new paper; {paper, before} for another revision of one, whose present one is `before`. */
  add(files, target) {
    const inOrder = [...files].sort((a, b) => a.name.localeCompare(b.name, "ja", { numeric: true }));
    const made = inOrder.map((file) => new Upload(file, target));
    this.all.push(...made);
    for (const one of made) this.onchange(one);
    this.#run();
    return made;
  }

  retry(upload) {
    this.#set(upload, "waiting");
    this.#run();
  }

  /** Give an upload up, here and on the server. */
  cancel(upload) {
    upload.isCancelled = true;
    upload.request?.abort();
    upload.wake?.();
    if (upload.state === "waiting") this.#set(upload, "cancelled");
  }

  clear() { this.all = this.all.filter((one) => !one.isOver); }

  /** What another visit left unfinished in a folder: [{name, key, id, path}…]. */
  unfinished(folder) {
    const active = new Set(this.all.filter((one) => one.state !== "cancelled").map((one) => one.key));
    const left = keys(KEPT).filter((key) => !active.has(key));
    return left.map((key) => ({ key, ...JSON.parse(read(key)) })).filter((one) => one.folder === folder);
  }

  async forget({ key, id }) {
    remove(key);
    await this.#send({}, "DELETE", `/uploads/${id}`, {}, null).catch(() => {}); // the server forgets it by itself in the end
  }

  async #run() {
    if (this.#isRunning) return;
    this.#isRunning = true;
    try {
      for (let next; (next = this.all.find((one) => one.state === "waiting"));) await this.#upload(next);
    } finally { this.#isRunning = false; }
  }

  async #upload(upload) {
    for (let cuts = 0; ;) {
      const before = upload.sent;
      try {
        await this.#begin(upload);
        while (!(await this.#piece(upload)));
        remove(upload.key);
        this.#set(upload, "done");
        return;
      } catch (error) {
        if (upload.isCancelled) break;
        if (error.status === undefined) throw error;
        upload.error = error;
        const isHere = error.status !== 0 || await upload.file.slice(0, 1).arrayBuffer().then(() => true, () => false);
        if (error.isConflict) await this.#drop(upload); // what was sent cannot become that paper's next revision any more
        if (!isHere || error.isConflict || !PASSING.includes(error.status)) { // the file was changed or removed on this machine, or the server does not want it
          this.#set(upload, "failed");
          return;
        }
        cuts = upload.sent > before ? 0 : cuts + 1;
        this.#set(upload, "cut");
        await this.#pause(upload, Math.max(WAITS_MS[Math.min(cuts, WAITS_MS.length - 1)], 1000 * (error.retry_after_s || 0)));
        if (upload.isCancelled) break;
      }
    }
    await this.#drop(upload);
    this.#set(upload, "cancelled");
  }

  async #drop(upload) {
    const kept = read(upload.key);
    if (kept) await this.forget({ key: upload.key, id: JSON.parse(kept).id });
  }

  /* Find how far an upload is, or begin it. */
  async #begin(upload) {
    this.#set(upload, "sending");
    const kept = JSON.parse(read(upload.key) || "null");
    if (kept) {
      const known = await this.#send(upload, "HEAD", `/uploads/${kept.id}`, {}, null).catch((error) => {
        if (error.status !== 404 && error.status !== 410) throw error; // it was forgotten, or belongs to somebody else
        remove(upload.key);
      });
      if (known) { this.#reached(upload, known); upload.id = kept.id; return; }
    }
    const { paper, before } = upload.target;
    const told = [`filename ${base64(upload.name)}`, ...(paper && before ? [`after ${base64(String(before))}`] : [])]; // the server refuses if another revision is the present one by now
    const answer = await this.#send(upload, "POST", upload.path, { "Upload-Length": upload.size, "Upload-Metadata": told.join(",") }, null);
    upload.id = answer.getResponseHeader("Location").split("/").pop();
    upload.sent = 0;
    const { folder, shelf = folder } = upload.target;
    write(upload.key, JSON.stringify({ id: upload.id, name: upload.name, folder: shelf, paper, before }));
  }

  /* Send a piece; true if it was the last, and the paper is there. */
  async #piece(upload) {
    if (upload.paper) return true;
    const start = upload.sent;
    const piece = upload.file.slice(start, start + CHUNK_BYTES);
    const headers = { "Upload-Offset": start, "Content-Type": "application/offset+octet-stream" };
    const answer = await this.#send(upload, "PATCH", `/uploads/${upload.id}`, headers, piece, (sent) => {
      upload.sent = start + sent;
      this.#set(upload, upload.sent >= upload.size ? "finishing" : "sending");
    });
    this.#reached(upload, answer);
    return upload.paper !== null;
  }

  #reached(upload, answer) {
    upload.sent = Number(answer.getResponseHeader("Upload-Offset"));
    upload.paper = answer.getResponseHeader("Sidebooks-Paper");
    upload.revision = Number(answer.getResponseHeader("Sidebooks-Revision")) || null;
    this.onchange(upload);
  }

  #set(upload, state) {
    upload.state = state;
    this.onchange(upload);
  }

  /* fetch does not tell how much it has sent. */
  #send(upload, method, path, headers, body, onprogress) {
    return new Promise((done, failed) => {
      const request = new XMLHttpRequest();
      upload.request = request;
      let stall = 0;
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

  #pause(upload, ms) {
    return new Promise((resolve) => {
      const done = () => { removeEventListener("online", done); clearTimeout(timer); resolve(); };
      const timer = setTimeout(done, ms);
      upload.wake = done;
      addEventListener("online", done);
    });
  }
}

const base64 = (text) => btoa(String.fromCharCode(...new TextEncoder().encode(text)));

/* isConflict: somebody else has replaced the paper. A 409 with Upload-Offset says only that the offset was wrong, since a piece was cut. */
function fault(request) {
  const isConflict = request.status === 409 && request.getResponseHeader("Upload-Offset") === null;
  let detail = "";
  try { detail = JSON.parse(request.responseText).detail; } catch { detail = `${request.status} ${request.statusText}`; } // not JSON: a proxy's page
  const retry_after_s = request.status ? Number(request.getResponseHeader("Retry-After")) : 0;
  return Object.assign(new Error(detail), { status: request.status, retry_after_s, isConflict });
}
