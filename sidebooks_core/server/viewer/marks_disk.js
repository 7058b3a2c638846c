/* The marks that this device keeps, in IndexedDB: those of each person apart. A database that fails is opened anew, since its handle
   may be dead for good; it is not asked again by the same handle. */

/** @import { MarkRecord, Stamp } from "./types" */

import { isUnsent, merged } from "./marks_merge.js";
import { attempt } from "./storage.js";

const VERSION = 1;
const OPEN_MS = 5000; // some databases never answer
const READ_MS = 30_000;
const WRITE_MS = 5000;
const MARK_MS = 2; // for each mark that is written, in addition
const [MARKS, PAPERS] = ["marks", "papers"];
const OF_DEVICE = ["", ""]; // a row of nobody and of no paper, so that the database needs no other version

/**
 * Whether a version that is kept here stays: another tab made it, and the server has not decided about it. Pure.
 * @param {MarkRecord | undefined} kept
 * @param {MarkRecord | null} next that would take its place; null: it would go
 * @param {Set<string>} over the stamps of Change, as text
 */
export function stays(kept, next, over) {
  if (!kept || !isUnsent(kept) || over.has(String(kept.mark.stamp))) return false;
  return !next || !isUnsent(next) || merged(kept.mark, next.mark) === kept.mark;
}

/** Two changes as one. Pure. @param {Change} before @param {Change} after @returns {Change} */
export function joined(before, after) {
  const records = new Map((before.records ?? []).map((one) => [one.id, one]));
  for (const id of after.gone ?? []) records.delete(id);
  for (const one of after.records ?? []) records.set(one.id, one);
  const gone = new Set([...before.gone ?? [], ...after.gone ?? []]);
  for (const one of after.records ?? []) gone.delete(one.id);
  return { records: [...records.values()], gone: [...gone], known: after.known ?? before.known,
    over: [...before.over ?? [], ...after.over ?? []] };
}

/**
 * What a promise gives. Rejects if that takes longer.
 * @template T
 * @param {Promise<T>} promise
 * @param {number} most_ms
 * @returns {Promise<T>}
 */
export function within(promise, most_ms) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  /** @type {Promise<never>} */
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new DOMException("the database does not answer", "TimeoutError")), most_ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** How far a person's marks of a paper are known. @typedef {{since: number, epoch: string}} Known */
/**
 * `gone`: ids that are kept no longer. `known`: as the server says it. `over`: stamps of versions that this tab knows: what it writes may
 * take their place.
 * @typedef {{records?: MarkRecord[], gone?: string[], known?: Known, over?: Stamp[]}} Change
 */

/**
 * What is done in a transaction, when that has ended.
 * @template T
 * @param {IDBTransaction} transaction
 * @param {(marks: IDBObjectStore, papers: IDBObjectStore) => (() => T)} does
 * @returns {Promise<T>}
 */
const ended = (transaction, does) => new Promise((resolve, reject) => {
  const result = does(transaction.objectStore(MARKS), transaction.objectStore(PAPERS));
  transaction.oncomplete = () => resolve(result());
  transaction.onabort = transaction.onerror = () => reject(transaction.error ?? new DOMException("it was given up", "AbortError"));
});

export class MarksDisk {
  /** @type {Promise<IDBDatabase> | null} */
  #opened = null;

  /** @param {string} name of the database @param {IDBFactory | undefined} factory */
  constructor(name, factory = globalThis.indexedDB) {
    this.name = name;
    this.factory = factory;
  }

  /** @returns {Promise<IDBDatabase>} */
  #open() {
    this.#opened ??= new Promise((resolve, reject) => {
      if (!this.factory) { reject(new DOMException("there is no IndexedDB here", "NotSupportedError")); return; }
      const asked = this.factory.open(this.name, VERSION);
      asked.onupgradeneeded = () => {
        asked.result.createObjectStore(MARKS, { keyPath: ["person", "paper", "id"] });
        asked.result.createObjectStore(PAPERS, { keyPath: ["person", "paper"] });
      };
      asked.onblocked = () => reject(new DOMException("another tab has an older one open", "InvalidStateError"));
      asked.onerror = () => reject(asked.error);
      asked.onsuccess = () => {
        const forget = () => { this.#opened = null; };
        asked.result.onclose = forget;
        asked.result.onversionchange = () => { asked.result.close(); forget(); };
        resolve(asked.result);
      };
    });
    return this.#opened;
  }

  /**
   * Do something in one transaction. If the database fails, it is opened anew, once. One that does not answer has failed.
   * @template T
   * @param {IDBTransactionMode} mode
   * @param {(marks: IDBObjectStore, papers: IDBObjectStore) => (() => T)} does gives what tells the result when all is done
   * @param {number} most_ms
   * @returns {Promise<T>}
   */
  async #run(mode, does, most_ms = READ_MS) {
    for (let tries = 1; ; tries += 1) {
      const mine = this.#open();
      /** @type {IDBTransaction | undefined} */
      let transaction;
      try {
        const database = await within(mine, OPEN_MS);
        transaction = database.transaction([MARKS, PAPERS], mode, { durability: "strict" });
        return await within(ended(transaction, does), most_ms);
      } catch (error) {
        const isLate = /** @type {Error} */ (error).name === "TimeoutError";
        if (isLate && transaction) attempt(() => transaction?.abort(), undefined); // it may have ended after all
        if (this.#opened === mine) {
          this.#opened = null;
          mine.then((database) => database.close(), () => {}); // it did not open
        }
        if (tries > 1 || isLate || !this.factory) throw error;
      }
    }
  }

  /**
   * A person's marks of a paper, as they are kept here.
   * @param {string} person
   * @param {string} paper
   * @returns {Promise<{records: MarkRecord[]} & Known>}
   */
  read(person, paper) {
    return this.#run("readonly", (marks, papers) => {
      const records = marks.getAll(allOf(person, paper));
      const known = papers.get([person, paper]);
      return () => ({ records: records.result, since: known.result?.since ?? 0, epoch: known.result?.epoch ?? "" });
    });
  }

  /**
   * Keep a change, as a whole, but for what another tab has made meanwhile.
   * @param {string} person
   * @param {string} paper
   * @param {Change} change
   */
  write(person, paper, { records = [], gone = [], known, over = [] }) {
    return this.#run("readwrite", (marks, papers) => {
      const stamps = new Set(over.map(String));
      const changes = new Map(/** @type {[string, MarkRecord | null][]} */ (gone.map((id) => [id, null])));
      for (const one of records) changes.set(one.id, one);
      for (const [id, next] of changes) {
        const key = [person, paper, id];
        /** @type {IDBRequest<MarkRecord | undefined>} */
        const asked = marks.get(key);
        asked.onsuccess = () => {
          if (stays(asked.result, next, stamps)) return;
          if (next) marks.put(next);
          else marks.delete(key);
        };
      }
      if (known) papers.put({ person, paper, ...known });
      return () => {};
    }, WRITE_MS + MARK_MS * (records.length + gone.length));
  }

  /**
   * The name of this device that is kept here. Another one takes its place if somebody knows one already.
   * @param {string} known "": nobody does
   * @param {string} made for a device that has none
   * @returns {Promise<string>}
   */
  async device(known, made) {
    const kept = await this.#run("readonly", (_, papers) => {
      const row = papers.get(OF_DEVICE);
      return () => row.result?.device ?? "";
    });
    if (kept && (!known || kept === known)) return kept;
    return this.#run("readwrite", (_, papers) => {
      const row = papers.get(OF_DEVICE);
      let held = known;
      row.onsuccess = () => { // another tab of a first start may have been here meanwhile
        held ||= row.result?.device || made;
        papers.put({ person: OF_DEVICE[0], paper: OF_DEVICE[1], since: 0, device: held });
      };
      return () => held;
    }, WRITE_MS);
  }

  /** The papers with marks of a person that the server has not taken. @param {string} person @returns {Promise<string[]>} */
  unsent(person) {
    return this.#run("readonly", (marks) => {
      /** @type {IDBRequest<MarkRecord[]>} */
      const all = marks.getAll(IDBKeyRange.bound([person], [person, []]));
      return () => [...new Set(all.result.filter((one) => isUnsent(one) && !one.isLocal).map((one) => one.paper))];
    });
  }

  /** Whether there is anything that the server has not taken, of anybody who uses this device. @returns {Promise<boolean>} */
  hasUnsent() {
    return this.#run("readonly", (marks) => {
      let found = false;
      const asked = marks.openCursor();
      asked.onsuccess = () => {
        const cursor = asked.result;
        found = Boolean(cursor?.value.isPending);
        if (cursor && !found) cursor.continue();
      };
      return () => found;
    });
  }

  /**
   * Somebody leaves a device that others use: what the server has goes; the rest stays, for them alone.
   * @param {string} person
   * @param {boolean} isAll nothing stays
   */
  forget(person, isAll = false) {
    return this.#run("readwrite", (marks, papers) => {
      const range = IDBKeyRange.bound([person], [person, []]);
      const asked = marks.openCursor(range);
      asked.onsuccess = () => {
        const cursor = asked.result;
        if (!cursor) return;
        if (isAll || !isUnsent(cursor.value)) cursor.delete();
        cursor.continue();
      };
      papers.delete(range);
      return () => {};
    });
  }

  /** Close it. It is opened again if it is used. */
  close() {
    this.#opened?.then((database) => database.close(), () => {}); // it did not open
    this.#opened = null;
  }
}

/** @type {(person: string, paper: string) => IDBKeyRange} */
const allOf = (person, paper) => IDBKeyRange.bound([person, paper], [person, paper, []]);
