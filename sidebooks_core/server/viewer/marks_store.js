/* The marks of one paper, as one person sees them: in memory, on this device, and on the server. What somebody does holds at once, is on
   the device a moment later, and goes to the server when it can. Pages count from 1 here, but for anchors, which count from 0. */

/** @import { AddOptions, Mark, MarkBody, MarkChanges, MarkRecord, MarksApi, MarksPushed, PageFate } from "./types" */
/** @import { MarksClock } from "./marks_clock.js" */
/** @import { MarksDisk } from "./marks_disk.js" */
/** @import { MarksChange } from "./marks_places.js" */

import { compared, newMarkId, NO_STAMP } from "./marks_clock.js";
import { within } from "./marks_disk.js";
import { MarksHistory } from "./marks_history.js";
import { isUnsent } from "./marks_merge.js";
import { MarksPlaces } from "./marks_places.js";
import { MarksSync } from "./marks_sync.js";
import { askToKeep, MarksWriter } from "./marks_writer.js";

const OF_FILE = "file"; // as marks/model.py has it
const DISK_MS = 1000; // so long the server is not asked: what the device has need not come again

/**
 * What marks are of, and what they use. `paper`: its id, or another key if it is no paper. `revision`, `pageCount`: of what is open.
 * `person`: whose marks they are. `api`: null: they stay on the device. `fatesOf`: what became of the pages of an older revision;
 * null: it cannot be said. `left`: the server says that somebody else is logged in now. `isToSend`: they are here only to be sent.
 * @typedef {{
 *   paper: string, revision: number, pageCount: number, person: string, disk: MarksDisk, clock: MarksClock, api: MarksApi | null,
 *   fatesOf: (revision: number) => Promise<PageFate[] | null>, left?: () => void, isToSend?: boolean,
 * }} MarksGiven
 */

/** @param {MarksGiven} given */
export const createMarks = (given) => new PageMarks(given);

export class PageMarks {
  #places;
  #since = 0;
  #epoch = ""; // of the server's shelf, when it was read last; "": nobody knows
  /** @type {Set<(change: MarksChange) => void>} */
  #listeners = new Set();
  #history = new MarksHistory();
  /** Ids of those in which somebody is writing. @type {Set<string>} */
  #held = new Set();
  /** @type {MarksSync | null} */
  #sync = null;
  #isClosed = false;
  #hasHeard = false;
  #isRead = false; // what the device keeps is here: until then, nothing that the server says is written over it
  #begin = () => {};
  /** Resolves when the server is asked, if there is one. @type {Promise<void>} */
  #begun = new Promise((resolve) => { this.#begin = resolve; });

  /** @param {MarksGiven} given */
  constructor(given) {
    this.given = given;
    this.#places = new MarksPlaces(given, () => this.#tell({ added: [], removed: [], isPlaced: true }));
    this.writer = new MarksWriter(given, () => this.#tell({ added: [], removed: [], isPlaced: false }));
    /** Resolves when the marks that the device keeps are here. @type {Promise<void>} */
    this.ready = this.#start();
  }

  // What there is

  /** The marks that stand on a page, in the order in which they were made. @param {number} page */
  of(page) { return this.#places.of(page); }

  /** All marks, also those of pages that were removed; none of which it is not known yet where they stand. */
  all() { return this.#places.all(); }

  /** @param {string} id null: there is none, or not any more */
  get(id) { return this.#places.get(id); }

  /** How many the server has not taken, and why: see marks_sync.js; "local": they stay on the device. */
  get unsent() { return { count: this.#pending().length, state: this.#sync?.state ?? "local" }; }

  /** Whether this device keeps what is written. */
  get isKept() { return this.writer.isKept; }

  get canUndo() { return this.#history.canUndo; }
  get canRedo() { return this.#history.canRedo; }

  /**
   * Be told of changes. @param {(change: MarksChange) => void} listener
   * @returns {() => void} ends it
   */
  subscribe(listener) {
    this.#listeners.add(listener);
    return () => { this.#listeners.delete(listener); };
  }

  // What one does

  /** Make a mark on a page. @param {number} page @param {MarkBody} body @param {AddOptions} [options] @returns {Mark} */
  add(page, body, options = {}) {
    const mark = this.#made(page, body, options);
    if (options.isNoted !== false) this.#history.note({ kind: "add", marks: [mark] });
    this.#own([mark]);
    return mark;
  }

  /**
   * Give a mark another body, or show it to others. Throws if it is not one's own.
   * @param {string} id @param {MarkBody} body @param {AddOptions} [options]
   */
  change(id, body, options = {}) {
    const { mark } = this.#mine(id);
    if (options.isNoted === false) this.#history.keepText(id, body);
    else if (mark.body && !isSameBody(mark.body, body)) this.#history.note({ kind: "change", id, before: mark.body, after: body });
    this.#own([{ ...mark, ...shownTo({ ...mark, ...options }), body, stamp: this.#tick(mark.id) }]);
  }

  /** Show marks to others, all at once; it is no step. Throws if one is not one's own. @param {string[]} ids @param {AddOptions} options */
  show(ids, options) {
    const marks = ids.map((id) => this.#mine(id).mark);
    if (marks.length) this.#own(marks.map((one) => ({ ...one, ...shownTo({ ...one, ...options }), stamp: this.#tick(one.id) })));
  }

  /** Delete marks, as one step. Throws if one is not one's own. @param {string[]} ids */
  remove(ids) {
    const marks = ids.map((id) => this.#mine(id).mark);
    if (!marks.length) return;
    this.#history.note({ kind: "remove", marks });
    this.#delete(marks);
  }

  /** Take the last step back. Gives whether there was one. */
  undo() {
    const step = this.#history.undo();
    if (step) this.#step(step, true);
    return step !== null;
  }

  /** Do again what was taken back. Gives whether there was anything. */
  redo() {
    const step = this.#history.redo();
    if (step) this.#step(step, false);
    return step !== null;
  }

  /** Somebody writes in a mark: the server gets its text as a whole, when it is let go. @param {string} id */
  hold(id) { this.#held.add(id); }

  /** @param {string} id */
  letGo(id) { if (this.#held.delete(id)) this.#sync?.send(); }

  /** The server has something new. */
  read() { this.#sync?.read(); }

  /** Resolves when all is on this device, and when the server has it or is not reached. */
  async flush() {
    await this.#begun;
    this.#held.clear();
    await this.#sync?.now();
    await this.writer.written;
  }

  close() {
    this.#isClosed = true;
    this.#places.close();
    this.#sync?.close();
    this.#listeners.clear();
  }

  // How

  async #start() {
    const { disk, person, paper, api, clock } = this.given;
    const reading = disk.read(person, paper).then((kept) => this.#restore(kept), () => this.writer.lose());
    await within(reading, DISK_MS).catch(() => {}); // a database that hangs keeps nobody from the server
    if (api && !this.#isClosed) {
      this.#sync = new MarksSync(api, clock, {
        since: () => this.#since, pending: () => this.#pending().filter((one) => !this.#held.has(one.id)),
        told: () => this.#tell({ added: [], removed: [], isPlaced: false }),
        heard: (changes) => this.#heard(changes), took: (pushed, sent) => this.#took(pushed, sent),
        left: () => this.given.left?.(), leaving: () => this.#pending(),
        isToSend: () => this.given.isToSend === true && !this.#unsure().length, // a reading corrects those
      });
      this.#sync.now();
    }
    this.#begin();
    await reading;
  }

  /** What the device has kept is here. @param {{records: MarkRecord[], since: number, epoch: string}} kept */
  #restore({ records, since, epoch }) {
    const { api, clock } = this.given;
    if (this.#isClosed) return;
    for (const one of records) if (!one.isUnsure || !clock.isSure) clock.see(one.mark.stamp);
    const news = records.filter((one) => {
      if (!this.#places.records.has(one.id)) return !this.#hasHeard || isUnsent(one);
      return isUnsent(one) && !this.#isUnsent(one.id);
    });
    this.#isRead = true;
    if (this.#hasHeard) news.push(...this.#restoreLate(records, epoch));
    else [this.#since, this.#epoch] = [since, epoch];
    this.#apply(news.map((one) => ((one.refused || one.isLocal) && api
      ? { ...one, isPending: true, refused: undefined, isLocal: undefined } : one)), []);
    if (this.#unsure().length) this.#sync?.read();
    this.#sync?.send();
  }

  /* The server has told all that it has before the device did. What it lacks is not kept, unless a backup was restored meanwhile: then
     it gets that again. */
  /** @param {MarkRecord[]} records that are kept @param {string} epoch that is kept @returns {MarkRecord[]} what is sent again */
  #restoreLate(records, epoch) {
    const there = this.#places.records;
    const free = records.filter((one) => !isUnsent(one) && !this.#isUnsent(one.id));
    const again = epoch && epoch !== this.#epoch
      ? lacking(free, (id) => there.get(id)?.mark).map((one) => ({ ...one, isPending: true })) : [];
    const sent = new Set(again.map((one) => one.id));
    const gone = free.map((one) => one.id).filter((id) => !there.has(id) && !sent.has(id));
    const heard = [...there.values()].filter((one) => !isUnsent(one));
    this.writer.write({ records: [...heard, ...again], gone, known: { since: this.#since, epoch: this.#epoch } });
    return again;
  }

  /* Those whose stamps are of a clock that the server had not been asked about. */
  #unsure() { return [...this.#places.records.values()].filter((one) => one.isUnsure); }

  #pending() { return [...this.#places.records.values()].filter((one) => one.isPending).map((one) => one.mark); }

  /** @param {string} id */
  #isUnsent(id) {
    const record = this.#places.records.get(id);
    return record !== undefined && isUnsent(record);
  }

  /** @param {string} id */
  #mine(id) {
    const record = this.#places.records.get(this.#history.idOf(id));
    if (!record?.mark.body || !record.isMine) throw new Error(`mark ${id} is not there, or not one's own: it cannot be changed`);
    return record;
  }

  /** @param {number} page @param {MarkBody} body @param {AddOptions} options @returns {Mark} */
  #made(page, body, options) {
    const { clock, revision } = this.given;
    const stamp = clock.tick();
    const { id = newMarkId(stamp), quote = "" } = options;
    return { id, stamp, anchor: { revision, page: page - 1, content_id: "", quote }, body, ...shownTo(options) };
  }

  /** Versions that one made: they hold, and go to the device and the server. @param {Mark[]} marks */
  #own(marks) {
    const { api, clock, person, paper } = this.given;
    const records = marks.map((mark) => /** @type {MarkRecord} */ ({
      person, paper, id: mark.id, mark, isMine: true, isPending: api !== null,
      ...(!api ? { isLocal: true } : clock.isSure ? {} : { isUnsure: true }),
    }));
    const isOver = (/** @type {MarkRecord} */ { mark: { body } }) => !api && body === null; // nobody needs to be told
    const gone = records.filter(isOver).map((one) => one.id);
    const over = marks.map(({ id, stamp }) => this.#places.records.get(id)?.mark.stamp ?? stamp);
    this.writer.write({ records: records.filter((one) => !isOver(one)), gone, over });
    this.#apply(records, []);
    this.#sync?.send();
    askToKeep();
  }

  /** @param {Mark[]} marks */
  #delete(marks) { this.#own(marks.map((one) => ({ ...one, body: null, stamp: this.#tick(one.id) }))); }

  /* The stamp of a change. The version before may be of a clock that was ahead: while the server has not corrected it, this one is after
     it all the same. */
  /** @param {string} id */
  #tick(id) {
    const record = this.#places.records.get(id);
    return this.given.clock.tick(record && isUnsent(record) ? record.mark.stamp : NO_STAMP);
  }

  /** Marks that were deleted, made anew where they stood. @param {Mark[]} marks */
  #revive(marks) {
    this.#own(marks.map((one) => {
      const stamp = this.given.clock.tick();
      const made = { ...one, id: newMarkId(stamp), stamp, is_of_file: false };
      this.#history.replace(one.id, made.id);
      return made;
    }));
  }

  /** @param {import("./marks_history.js").Step} step @param {boolean} isBack */
  #step(step, isBack) {
    const held = (/** @type {string} */ id) => this.#places.records.get(this.#history.idOf(id))?.mark;
    if (step.kind === "change") {
      const mark = held(step.id);
      if (mark?.body) this.#own([{ ...mark, body: isBack ? step.before : step.after, stamp: this.#tick(mark.id) }]);
    } else if ((step.kind === "add") === isBack) {
      const there = /** @type {Mark[]} */ (step.marks.map((one) => held(one.id)).filter((one) => one?.body));
      step.marks = there; // what is made anew is seen by no more people than it was
      if (there.length) this.#delete(there);
    } else this.#revive(step.marks.filter((one) => !held(one.id)?.body));
  }

  /** What the server knows. @param {MarkChanges} changes */
  #heard({ seq, is_whole, marks, gone, epoch }) {
    const { clock, person, paper } = this.given;
    const there = new Map(marks.map((one) => [one.id, one]));
    const again = this.#epoch && epoch !== this.#epoch ? this.#sendAgain(there) : [];
    const lost = (is_whole ? [...this.#places.records.keys()].filter((id) => !there.has(id)) : gone).filter((id) => !this.#isUnsent(id));
    const unsure = this.#unsure()
      .map((one) => ({ ...one, mark: { ...one.mark, stamp: clock.corrected(one.mark.stamp) }, isUnsure: undefined }));
    const over = unsure.map((one) => /** @type {MarkRecord} */ (this.#places.records.get(one.id)).mark.stamp);
    for (const one of unsure) this.#places.records.set(one.id, one);
    const records = marks.map(({ mine = false, ...mark }) => {
      clock.see(mark.stamp);
      const known = this.#places.records.get(mark.id);
      if (known && isUnsent(known)) return known; // the server decides when it has it, and keeps the text that loses
      return /** @type {MarkRecord} */ ({ person, paper, id: mark.id, mark, isMine: mine, isPending: false });
    });
    const kept = records.filter((one) => one.mark.body);
    const ended = [...lost, ...records.filter((one) => !one.mark.body && !isUnsent(one)).map((one) => one.id)];
    const isAnew = this.#epoch !== "" && epoch !== this.#epoch && !is_whole; // marks of others may be those of before
    [this.#since, this.#epoch, this.#hasHeard] = [isAnew ? 0 : seq, epoch, true];
    const goes = new Set(ended);
    const changed = [...again, ...unsure].filter((one) => !goes.has(one.id));
    this.writer.write(this.#isRead ? { records: [...changed, ...kept], gone: ended, known: { since: this.#since, epoch }, over }
      : { records: changed, over });
    this.#apply(kept, ended);
    if (isAnew) this.#sync?.read();
  }

  /* A backup was restored on the server, which lacks what it took after that: it gets all again. What it has read from a file it can read
     once more. */
  /** @param {Map<string, Mark>} there what it has */
  #sendAgain(there) {
    const again = lacking([...this.#places.records.values()], (id) => there.get(id)).map((one) => ({ ...one, isPending: true }));
    for (const one of again) this.#places.records.set(one.id, one);
    return again;
  }

  /** What the server took. @param {MarksPushed} pushed @param {Mark[]} sent */
  #took({ marks, refused }, sent) {
    const { clock } = this.given;
    const reasons = new Map(refused.map((one) => [one.id, one.reason]));
    const held = new Map(marks.map(({ mine: _, ...mark }) => [mark.id, mark]));
    /** @type {MarkRecord[]} */
    const records = [];
    /** @type {string[]} */
    const gone = [];
    for (const one of sent) {
      const known = this.#places.records.get(one.id);
      const server = held.get(one.id);
      if (!known) continue;
      if (server) clock.see(server.stamp);
      const isSame = compared(known.mark.stamp, one.stamp) === 0;
      const reason = reasons.get(one.id);
      if (reason !== undefined && isSame && !one.body) gone.push(one.id); // the server has nothing that could be deleted
      else if (reason !== undefined) records.push({ ...known, isPending: !isSame, refused: isSame ? reason : undefined });
      else if (!(server ?? one).body) gone.push(one.id);
      else if (isSame) records.push({ ...known, mark: server ?? one, isPending: false });
    }
    const over = sent.flatMap((one) => [one.stamp, this.#places.records.get(one.id)?.mark.stamp ?? one.stamp]);
    this.writer.write({ records, gone, over });
    this.#apply(records, gone);
  }

  /** What holds from now on. @param {MarkRecord[]} records @param {string[]} gone */
  #apply(records, gone) { this.#tell(this.#places.apply(records, gone)); }

  /** @param {MarksChange} change */
  #tell(change) { for (const listener of this.#listeners) listener(change); }
}

/** @param {MarkBody} one @param {MarkBody} other */
const isSameBody = (one, other) => one === other || JSON.stringify(one) === JSON.stringify(other);

/**
 * Those of one's own that the server had taken, and that it has not, or in an older version. Pure.
 * @param {MarkRecord[]} records
 * @param {(id: string) => Mark | undefined} held what the server has
 */
const lacking = (records, held) => records.filter((one) => one.isMine && !isUnsent(one) && one.mark.stamp[2] !== OF_FILE
  && compared(held(one.id)?.stamp ?? NO_STAMP, one.mark.stamp) < 0);

/** Who sees a mark. @param {AddOptions} options @returns {Pick<Mark, "visibility" | "meeting">} */
const shownTo = ({ visibility = "private", meeting = "" }) => ({ visibility, meeting });
