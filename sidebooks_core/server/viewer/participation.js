/* The meeting that this tab takes part in. It ties the client of the protocol to the reader and to what is on the screen. */

/** @import { App, PaperDetails } from "./types" */
/** @import { Progress, Refusal, Tally } from "./meeting.js" */
/** @import { State } from "./following.js" */
/** @import { Listeners } from "./feed.js" */

import { Ahead } from "./ahead.js";
import { keepMeeting } from "./arriving.js";
import { keepAwake } from "./awake.js";
import { repeats } from "./following.js";
import { Following } from "./follow.js";
import { isKnown } from "./left_off.js";
import { Meeting } from "./meeting.js";
import { LiveStrokes } from "./live_strokes.js";
import { Pointers } from "./pointers.js";
import { Presenting } from "./present.js";
import { isOfNetwork, pause } from "./requests.js";
import { read } from "./storage.js";
import { hasText } from "./words.js";

const VIEW = "sidebooks view"; // as changes.js keeps it
const AGAIN_MS = 3000; // after an outage
const LOST_MS = 2000; // most connections are there again by then

/**
 * A meeting, as the server lists it. `may`: operations. `address`: of the page on which one joins; `qr`: of its picture. `folder`:
 * "top" for the top of the shelf.
 * @typedef {{
 *   id: string, name: string, folder: string, opened_s: number, ended_s: number | null, has_code: boolean, address: string,
 *   may: string[],
 * }} MeetingEntry
 * @typedef {MeetingEntry & {participant: string, presenter: string, here: number, qr: string}} MeetingDetails `participant`: who
 *   whoever asks is in it; "" if the server does not know them
 */

/** Tells by events: "changed" (of what the screen says about it), "told" (a sentence for whoever reads), "ballot" (whoever reads asks
    for that of a vote), "over". */
export class Participation extends EventTarget {
  /** @type {Progress | null} */
  progress = null;
  /** @type {Tally | null} */
  tally = null;
  isSure = true;
  /** What the server says of the meeting beside its protocol. @type {MeetingDetails | null} */
  about = null;
  /** Why the presenter's paper is not on the screen; "": it is. */
  problem = "";
  /** Why the meeting is over for this client; "": it goes on. @type {string} */
  over = "";
  #hasLeft = false;
  #ending = new AbortController();
  /** Who is told of the events of the shelf. @type {Listeners | null} */
  #feed = null;
  /** Events that came before there was anybody to tell. @type {Map<string, unknown>} */
  #early = new Map();
  #isIn = false;
  /** @type {Set<(error?: Error) => void>} */
  #waiting = new Set();
  /** There is no connection, and has not been for a moment. */
  isLost = false;
  #losing = 0;

  /** @param {App} app @param {string} id @param {boolean} isProjector */
  constructor(app, id, isProjector) {
    super();
    this.app = app;
    this.id = id;
    this.isProjector = isProjector;
    this.signal = this.#ending.signal;
    this.meeting = new Meeting(app.library, id, {
      state: () => this.#stateCame(),
      details: () => this.#detailsCame(),
      progress: (progress) => { this.progress = progress; this.change(); },
      tally: (tally) => { this.tally = tally; this.change(); },
      whisper: (whisper) => this.pointers.hear(whisper),
      stroke: (stroke) => this.strokes.hear(stroke),
      connection: (isOpen) => this.#connectionChanged(isOpen),
      behind: () => this.change(),
      sure: (isSure) => { if (isSure !== this.isSure) { this.isSure = isSure; this.change(); } },
      farewell: ({ why }) => { why === "revoked" ? this.#lookWhy() : this.#end(why); },
      refused: () => { this.#look(); },
      feed: (kind, told) => this.#hear(kind, told),
      view: () => read(VIEW),
    }, { isProjector });
    this.following = new Following(this);
    this.presenting = new Presenting(this);
    this.pointers = new Pointers(this);
    this.strokes = new LiveStrokes(this);
    this.ahead = new Ahead(this);
    this.letSleep = keepAwake();
    this.#look();
    /** The rest of the screen is there. @type {Promise<void>} */
    this.settled = this.#settleIn();
    this.settled.catch((error) => { if (error.name !== "AbortError") app.extras?.fail(error); });
  }

  /**
   * Resolves when the presenter's page is on the screen, or none is open. Rejects with a Problem if this meeting is none of ours, with
   * a TypeError if there is no connection.
   * @returns {Promise<void>}
   */
  arrived() {
    if (this.#isIn) return Promise.resolve();
    return new Promise((done, failed) => { this.#waiting.add((error) => (error ? failed(error) : done())); });
  }

  /** @param {Error} [error] */
  #entered(error) {
    this.#isIn ||= !error;
    for (const tell of this.#waiting) tell(error);
    this.#waiting.clear();
  }

  get state() { return this.meeting.state; }

  get details() { return this.meeting.details; }

  get isPresenter() { return this.meeting.isPresenter && !this.isProjector && !this.over; }

  get isChair() { return this.meeting.role === "chair"; }

  /** Whether all see what whoever reads here points at. */
  get mayPoint() { return this.isPresenter || (this.meeting.role !== "viewer" && !this.isProjector && !this.over); }

  /** Whether whoever reads here is kept on the presenter's page. */
  get isLocked() {
    if (this.over) return false;
    if (this.isProjector) return true;
    return this.state?.mode === "locked" && this.state.paper !== "" && !this.isPresenter;
  }

  /** The presenter's name; "" before it is known. */
  get presenterName() { return this.details?.names[this.state?.presenter ?? ""] ?? ""; }

  /** The state whose page is to be on the screen; null: the reader's own. */
  get shown() {
    const { state } = this;
    if (!state?.paper) return null;
    if (this.isPresenter) return this.presenting.isOwn(state) ? null : state;
    return this.isProjector ? state : this.meeting.shown;
  }

  /** Something that the screen says is different. */
  change() { this.dispatchEvent(new Event("changed")); }

  /** Say a sentence, by the name of its text. @param {string} key @param {Record<string, string | number>} [values] */
  tell(key, values = {}) { this.dispatchEvent(new CustomEvent("told", { detail: { key, values } })); }

  /**
   * A paper, as the server describes it now.
   * @param {string} id
   * @param {AbortSignal} [signal]
   * @returns {Promise<PaperDetails>}
   */
  paper(id, signal = this.signal) { return this.app.library.json(`/papers/${encodeURIComponent(id)}`, signal); }

  /** To the presenter's page. */
  comeBack() {
    this.problem = this.following.closed = "";
    this.meeting.returned();
    this.following.apply();
  }

  /**
   * Give a command. What the server refuses is told to whoever gave it. Resolves to whether it was done.
   * @param {string} kind
   * @param {object} [fields]
   */
  async command(kind, fields) {
    try {
      await this.meeting.command(kind, fields);
      return true;
    } catch (error) {
      this.refused(/** @type {Refusal} */ (error));
      return false;
    }
  }

  /** @param {Refusal} error */
  refused(error) {
    if (error.name === "AbortError") return;
    if (error.why === "overtaken") this.tell("overtaken", { name: error.winner });
    else if (error.why === "another vote") this.tell("m_other_vote");
    else if (error.why && error.why !== "restored") this.tell(hasText(`why_${error.why}`) ? `why_${error.why}` : "m_refused");
    else this.tell("e_lost");
  }

  /** Become the presenter: from now on all see what is on this screen. */
  async take() {
    this.#isTaking = true;
    this.#isTaking = await this.command(this.isChair ? "take_back" : "take") && !this.isPresenter; // till the state says so
  }

  #isTaking = false;

  leave() {
    if (this.#hasLeft) return;
    this.#hasLeft = true;
    this.meeting.close();
    this.#ending.abort();
    this.following.end();
    this.pointers.end();
    this.strokes.end();
    this.letSleep();
    clearTimeout(this.#losing);
    if (!this.isProjector) keepMeeting("");
    if (this.#isIn) this.#leaveAddress();
    if (this.app.meeting === this) this.app.meeting = null;
    this.#entered(new DOMException("the meeting was left", "AbortError"));
    this.#giveBackFeed();
    this.dispatchEvent(new Event("over"));
  }

  /* Whoever loads the page anew has left. */
  #leaveAddress() {
    const positions = this.app.extras?.positions;
    positions?.settle();
    if (this.app.places().kind !== "meeting") return;
    if (positions) positions.forget();
    else history.replaceState(null, "", location.pathname);
  }

  #stateCame() {
    const { state } = this;
    const had = this.#had;
    this.#had = state;
    if (state?.mode === "ended" && !this.over) { this.#end("ended"); return; }
    if (state && had && this.isPresenter && had.presenter !== state.presenter) this.#presentNow();
    if (state && this.isPresenter && repeats(this.presenting.told, had, state, this.meeting.participant)) this.presenting.tell();
    else this.following.apply().then(() => this.#entered(), (error) => this.#entered(error));
    this.ahead.look();
    this.change();
  }

  /** @type {State | null} */
  #had = null;

  #presentNow() {
    if (this.#isTaking) this.presenting.begin();
    else this.presenting.handedOver();
    this.#isTaking = false;
  }

  #detailsCame() {
    this.ahead.look();
    this.change();
  }

  /** @param {boolean} isOpen */
  #connectionChanged(isOpen) {
    clearTimeout(this.#losing);
    this.isLost = false;
    if (isOpen && !this.about) this.#look();
    if (isOpen) {
      this.following.renew();
      this.#feed?.lost?.(false); // what failed meanwhile is asked for again
    } else this.#losing = setTimeout(() => { this.isLost = true; this.change(); }, LOST_MS);
    this.change();
  }

  /** @param {string} why */
  #end(why) {
    this.over = why;
    const isUnknown = why === "revoked" || why === "closed";
    this.#entered(Object.assign(new Error("there is no such meeting"), { status: isUnknown ? 401 : 404 }));
    if (isUnknown) this.#feed?.refused?.();
    this.#giveBackFeed();
    this.meeting.close(); // what is turned from now on is nobody's business
    this.change();
    this.letSleep();
  }

  /* The events of the shelf come by their own stream again. */
  #giveBackFeed() {
    if (!this.#feed) return;
    this.#feed = null;
    this.app.extras?.changes.goOn();
  }

  /* Whether there is such a meeting for whoever asks: a browser does not say why a connection was refused. */
  async #look() {
    try {
      this.about = await this.app.library.json(`/meetings/${encodeURIComponent(this.id)}`, this.signal);
    } catch (thrown) {
      const error = /** @type {Error & {status?: number}} */ (thrown);
      if (!error.status || error.status >= 500) { // it is looked at again when there is a connection
        if (error.name !== "AbortError" && !this.meeting.isOpen) this.#entered(error);
        return;
      }
      this.#entered(error);
      this.#end(error.status !== 401 ? "no such meeting" : isKnown(this.app) ? "revoked" : "closed");
    }
  }

  /** An event of the shelf. @param {string} kind @param {any} told */
  #hear(kind, told) {
    if (!this.#feed) this.#early.set(kind, told);
    else if (kind === "documents") this.#feed.documents?.(told.documents);
    else if (kind === "page") this.#feed.page?.(told);
    else if (kind === "shelf") this.#feed.shelf?.(told);
    else if (kind === "progress") this.#feed.progress?.(told);
    else if (kind === "marks") this.#feed.marks?.(told);
    else this.#feed.meetings?.();
  }

  /* Rights have changed, or a login has ended. Whoever may take part still does. */
  async #lookWhy() {
    await this.#look();
    if (!this.over && !this.#hasLeft) this.meeting.comeAgain();
  }

  /* The rest of the screen comes: at once, or when there is a connection again. */
  async #settleIn() {
    while (!this.#hasLeft) {
      try {
        const [extras, { addMeetingBar }] = await Promise.all([this.app.afterwards(), import("./meeting_bar.js")]);
        if (this.#hasLeft) return;
        if (!this.over) this.#feed = extras.changes.handOver();
        for (const [kind, told] of this.#early) this.#hear(kind, told);
        this.#early.clear();
        for (const { drawing } of extras.markings) drawing.lookAround(); // somebody may be drawing already
        await addMeetingBar(this);
        return;
      } catch (error) {
        if (!isOfNetwork(error)) throw error;
        await pause(AGAIN_MS, this.signal);
      }
    }
  }
}
