/* A client of a meeting: it keeps the present state, knows when it is behind, and gives commands. It takes no part in the screen, so
   it runs in a page, in a worker or in node. docs/reference/meeting.md has the protocol. */

import { Commands, newId } from "./commands.js";
import * as following from "./following.js";
import { CLOCK, Live, MEETING, socketAddress, watchWaking } from "./live.js";
import { Pings } from "./pings.js";
import { problem } from "./requests.js";

export { fitted, seen } from "./following.js";

/** Of a vote, an item of the agenda or a person. A client that says more is sent away. */
export const LONGEST_NAME = 200;
const PROTOCOL = 1;
const BEHIND_MS = 10_000; // a client that is behind for so long says so
const WHISPER_MS = 1000 / 15; // of a pointer, no more than so many
const PLACES = ["show", "open_paper"]; // of these commands only the newest is wanted
const FEED = ["documents", "page", "shelf", "progress", "meetings", "marks"];

/**
 * @typedef {import("./following.js").State} State
 * @typedef {import("./following.js").Shown} Shown
 * @typedef {import("./following.js").RectPt} RectPt
 * @typedef {"chair" | "speaker" | "viewer"} Role
 * @typedef {"yes" | "no" | "abstain"} Choice
 *
 * A paper of the agenda, or a heading without one. `revision`: 0 is the present one.
 * @typedef {{name: string, paper: string, revision: number}} AgendaItem
 *
 * @typedef {{
 *   result: "carried" | "rejected" | "tie" | "no quorum", yes: number, no: number, abstain: number, of: number, needed: number,
 *   in_room: number, quorum: number,
 * }} Outcome
 * @typedef {{
 *   number: number, title: string, item: string, rule: string, ballot: "named" | "secret",
 *   stage: "open" | "closed" | "confirmed" | "broken off", voters: number, in_room: number, outcome: Outcome | null,
 *   corrects: number | null, chair: string, chair_name: string,
 * }} ShownVote `chair`: the participant who presides; a meeting may have more chairs
 *
 * What changes seldom. `roles`: by participant; who is not named is a viewer. `names`: of those with a role, and of the presenter.
 * @typedef {{
 *   meeting: string, epoch: number, seq: number, name: string, opened_s: number, agenda: AgendaItem[],
 *   roles: {[participant: string]: Role}, names: {[participant: string]: string}, taking: Role, votes: ShownVote[],
 * }} Details
 *
 * How many are there. @typedef {{
 *   epoch: number, seq: number, here: number, following: number, painted: number, behind: number,
 * }} Progress
 * @typedef {{vote: number, voted: number, in_room: number}} Tally
 *
 * A pointer.
 * @typedef {{
 *   by: string, count: number, paper: string, page: number, tool: "pointer" | "away", points_pt: [x: number, y: number][],
 * }} Whisper
 *
 * A piece of a stroke while it is drawn. `mark`: that it becomes. `first`: how many samples came before these.
 * @typedef {{
 *   by: string, mark: string, paper: string, revision: number, page: number, colour: string, width_pt: number, opacity: number,
 *   first: number, samples_pt: [x_pt: number, y_pt: number, pressure: number][], end: "" | "kept" | "gone",
 * }} Stroke
 *
 * @typedef {{
 *   why: "ended" | "revoked" | "protocol" | "no such meeting" | "restart" | "full" | "slow", return_s: number | null,
 * }} Farewell
 *
 * `why`: as the protocol words it. `winner`: who presents.
 * @typedef {Error & {why: string, state: State, winner: string}} Refusal
 */

/**
 * Who is told of what; all may be left out.
 *
 * `state`: the newest, also after one's own `moved` and `returned`. `details`: the present ones. `connection`: whether there is
 * one, and which way. `behind`: true if the client has been without the present state for ten seconds; false when it has it.
 * `sure`: false if the server cannot tell at present whether it has the newest state, or a network holds back what it says. `farewell`: the server ended the connection
 * for good. `refused`: it wants no connection; false: it is not asked again. `feed`: an event of the stream of events.
 * @typedef {{
 *   state?: (state: State | null) => void,
 *   details?: (details: Details) => void,
 *   progress?: (progress: Progress) => void,
 *   tally?: (tally: Tally) => void,
 *   whisper?: (whisper: Whisper) => void,
 *   stroke?: (stroke: Stroke) => void,
 *   connection?: (isOpen: boolean, way: import("./live.js").Way) => void,
 *   behind?: (isBehind: boolean) => void,
 *   sure?: (isSure: boolean) => void,
 *   farewell?: (farewell: Farewell) => void,
 *   refused?: () => boolean | void,
 *   feed?: (kind: string, told: any) => void,
 *   view?: () => string | null | undefined,
 * }} MeetingListeners
 */

/**
 * @typedef {{
 *   isProjector?: boolean, WebSocket?: import("./live.js").Place["WebSocket"], clock?: import("./live.js").Clock,
 *   watchWaking?: import("./live.js").Place["watchWaking"], since?: string,
 * }} MeetingOptions `since`: the position of the shelf that the client knows
 */

export class Meeting {
  #follower = following.NOBODY;
  /** The present details. @type {Details | null} */
  details = null;
  /** Whose client this is; "" before the server has said so. */
  participant = "";
  /** What they are called. */
  name = "";
  isBehind = false;
  /** @type {Live} */
  #live;
  /** Names this client among those of one participant. */
  client = newId();
  #whispers = 0;
  #whispered_ms = -Infinity;
  /** That waits to be sent. @type {{kind: string, [field: string]: unknown} | null} */
  #whisper = null;
  #notBehind = () => {};
  #noWhisper = () => {};
  #since = "";
  /** The newest position that the server told of. @type {import("./following.js").Position} */
  #newest = [0, 0];
  #pings = new Pings(0);
  #late_ms = Infinity; // what is older than this was held back by the network
  #commands = new Commands(this.client, (message) => this.#say(message));

  /**
   * Take part, until `close` is called.
   * @param {import("./client.js").Library} library
   * @param {string} id
   * @param {MeetingListeners} [listeners]
   * @param {MeetingOptions} [options]
   */
  constructor(library, id, listeners = {}, options = {}) {
    this.library = library;
    this.id = id;
    this.listeners = listeners;
    this.isProjector = Boolean(options.isProjector);
    this.clock = options.clock ?? CLOCK;
    this.#since = options.since ?? "";
    this.#expectNews();
    this.#live = new Live({
      WebSocket: options.WebSocket ?? /** @type {any} */ (globalThis).WebSocket,
      EventSource: library.EventSource ?? globalThis.EventSource,
      addresses: {
        socket: () => `${socketAddress(library.base)}?${this.#query()}`,
        stream: () => `${library.base}/events?${this.#query()}&${this.#queryOfStream()}`,
      },
      kinds: [...FEED, MEETING],
      post: (text) => this.#post(text),
      watchWaking: options.watchWaking ?? watchWaking,
      clock: this.clock,
    }, {
      opened: (way) => this.#opened(way),
      closed: () => this.#closed(),
      heard: (kind, said, position) => this.#heard(kind, said, position),
      ask: () => this.#say({ kind: "ask", what: "state" }),
      refused: () => this.listeners.refused?.(),
    });
  }

  /** Where the meeting is; null before that is known. */
  get state() { return this.#follower.state; }

  /** Whether this client shows the presenter's page. */
  get isFollowing() { return this.#follower.isFollowing; }

  /** The state that is to be on the screen; null: the reader's own page. */
  get shown() { return following.shows(this.#follower); }

  /** Whether the state is the newest that the server has told of. */
  get hasNewest() { return !following.isBehind(this.#follower, this.#newest); }

  get isPresenter() { return this.participant !== "" && this.state?.presenter === this.participant; }

  /** @returns {Role} */
  get role() { return this.details?.roles[this.participant] ?? "viewer"; }

  get isOpen() { return this.#live.isOpen; }

  get way() { return this.#live.way; }

  // What the reader does

  /** They turned, zoomed or moved a page by themselves: they leave the presenter's page, unless it is locked. */
  moved() { this.#follow(following.moved(this.#follower)); }

  /** They want the presenter's page again. */
  returned() { this.#follow(following.returned(this.#follower)); }

  /** The page of a state is on the screen. @param {State} state @param {boolean} isSharp */
  painted({ epoch, seq }, isSharp) { this.#say({ kind: "painted", epoch, seq, is_sharp: isSharp }); }

  /** The presenter is about to go there. @param {Pick<Shown, "paper" | "revision" | "page">} place */
  intent({ paper, revision, page }) { this.#say({ kind: "intent", paper, revision, page }); }

  /**
   * Show a pointer. It may get lost: of more than 15 in a second, the newest are sent.
   * @param {Pick<Whisper, "paper" | "page" | "tool"> & Partial<Whisper>} whisper
   */
  whisper({ paper, page, tool, points_pt = [] }) {
    const isWaiting = this.#whisper !== null;
    this.#whisper = { kind: "whisper", paper, page, tool, points_pt };
    const wait_ms = Math.min(WHISPER_MS, this.#whispered_ms + WHISPER_MS - this.clock.now()); // a clock may be set back
    if (tool === "away" || wait_ms <= 0) this.#sendWhisper();
    else if (!isWaiting) this.#noWhisper = this.clock.after(wait_ms, () => this.#sendWhisper());
  }

  /** Show a piece of a stroke. It may get lost. @param {Omit<Stroke, "by">} stroke */
  stroke(stroke) { this.#say({ kind: "stroke", ...stroke }); }

  #sendWhisper() {
    this.#noWhisper();
    if (!this.#whisper) return;
    this.#whispered_ms = this.clock.now();
    this.#whispers += 1;
    this.#say({ ...this.#whisper, count: this.#whispers });
    this.#whisper = null;
  }

  // Commands

  /**
   * Give a command, by its kind and its fields. Resolves when it is done. Rejects with a Refusal; with an AbortError when the
   * meeting is left. If the connection breaks, the same command is given again on the next one, and done once.
   * @param {string} kind
   * @param {object} [fields]
   * @returns {Promise<void>}
   */
  command(kind, fields = {}) { return this.#commands.give(kind, this.state?.epoch ?? 0, fields); }

  /**
   * Show a place of any paper. Of those without an answer only the newest is told on the next connection: an older one rejects with
   * an AbortError.
   * @param {Shown} place
   */
  show(place) {
    const { state } = this;
    if (!this.isOpen) this.#commands.giveUp(PLACES);
    const isSame = state?.paper === place.paper && state.revision === place.revision;
    return this.command(isSame ? "show" : "open_paper", place);
  }

  /** After a farewell for good: try it again, since whoever reads may take part all the same. */
  comeAgain() { this.#live.rest(0); }

  close() {
    this.#live.close();
    this.#notBehind();
    this.#noWhisper();
    this.#commands.giveUp();
  }

  // The connection

  #query() {
    const asked = new URLSearchParams({ session: this.library.session, since: this.#since });
    const view = this.listeners.view?.();
    if (view) asked.set("view", view);
    return asked;
  }

  /* A stream says hello by its address. */
  #queryOfStream() {
    return new URLSearchParams({ meeting: this.id, client: this.client, ...(this.isProjector ? { projector: "1" } : {}) });
  }

  /** @param {string} text */
  async #post(text) {
    const address = `${this.library.base}/meetings/${encodeURIComponent(this.id)}/messages?client=${this.client}`;
    const headers = { "Content-Type": "application/json" };
    const answer = await this.library.fetch(address, { method: "POST", headers, body: text, keepalive: true });
    if (answer.ok) return (await answer.json()).answers;
    const error = await problem(answer);
    if (![400, 413].includes(error.status)) throw error;
    this.#commands.answered(JSON.parse(text).id, { why: "protocol" }); // the same would be refused again
    return [];
  }

  /** @param {{kind: string, [field: string]: unknown}} message */
  #say(message) { return this.#live.send(message); }

  /** @param {import("./live.js").Way} way */
  #opened(way) {
    const hello = { kind: "hello", protocol: PROTOCOL, meeting: this.id, client: this.client, is_projector: this.isProjector };
    this.#pings = new Pings(this.clock.now());
    if (way === "socket") this.#say(hello);
    this.listeners.connection?.(true, way);
  }

  #closed() {
    this.#expectNews();
    this.listeners.connection?.(false, this.#live.way);
  }

  /** @param {string} kind @param {any} said @param {string} position of the shelf */
  #heard(kind, said, position) {
    if (kind === "shelf") this.#since = position || this.#since;
    if (FEED.includes(kind)) this.listeners.feed?.(kind, said);
    else if (kind === MEETING) this.#does[said.kind]?.(said); // what a newer server says beside may be left unheard
  }

  /** @type {{[kind: string]: ((message: any) => void) | undefined}} */
  #does = {
    welcome: ({ participant, name, ping_s }) => {
      Object.assign(this, { participant, name });
      this.#live.quiet_ms = 2000 * ping_s;
      this.#late_ms = 3000 * ping_s;
      this.#commands.again(PLACES);
    },
    state: (state) => this.#received(state),
    details: (details) => {
      if (details.meeting !== this.id) return;
      const follower = following.hasDetails(this.#follower, details);
      if (follower === this.#follower && this.details) return;
      this.#follower = follower;
      this.details = details;
      this.listeners.details?.(details);
    },
    ping: ({ epoch, seq, is_sure: isSure, heard }) => {
      const [{ state }, now_ms] = [this, this.clock.now()];
      this.#pings.pinged(heard, now_ms);
      const isLate = now_ms - this.#pings.made_ms > this.#late_ms;
      const count = this.#pings.pong(now_ms);
      this.#say({ kind: "pong", epoch: state?.epoch ?? 0, seq: state?.seq ?? 0, is_following: this.isFollowing, count });
      this.#note([epoch, seq]);
      if (!this.hasNewest) {
        this.#expectNews();
        this.#say({ kind: "ask", what: "state" });
      } else this.#lookUpToDate();
      if (following.needsDetails(this.#follower)) this.#say({ kind: "ask", what: "details" });
      this.listeners.sure?.(isSure && !isLate);
    },
    done: ({ id, epoch, seq }) => {
      this.#note([epoch, seq]);
      this.#commands.answered(id);
    },
    refused: (message) => {
      this.#received(message.state);
      this.#commands.answered(message.id, message);
    },
    progress: (progress) => this.listeners.progress?.(progress),
    tally: (tally) => this.listeners.tally?.(tally),
    whisper: (whisper) => this.listeners.whisper?.(whisper),
    stroke: (stroke) => this.listeners.stroke?.(stroke),
    farewell: (farewell) => {
      const { return_s } = farewell;
      if (return_s !== null) { this.#live.rest(1000 * return_s * this.clock.random()); return; }
      this.#live.rest(Infinity);
      this.#notBehind();
      this.listeners.farewell?.(farewell);
    },
  };

  /** The server told of a position. @param {import("./following.js").Position} position */
  #note(position) { if (following.compared(position, this.#newest) > 0) this.#newest = position; }

  /** @param {State} state */
  #received(state) {
    const had = this.#follower;
    const follower = following.received(had, state);
    if (follower !== had) this.#follow(follower);
    this.#lookUpToDate();
    if (follower === had) return;
    if (following.needsDetails(follower)) this.#say({ kind: "ask", what: "details" });
  }

  /** @param {import("./following.js").Follower} follower */
  #follow(follower) {
    if (follower === this.#follower) return;
    const wasFollowing = this.isFollowing;
    const had = this.state;
    this.#follower = follower;
    if (had !== follower.state || wasFollowing !== follower.isFollowing) this.listeners.state?.(follower.state);
  }

  /* A newer state is expected. If it does not come soon, whoever reads is told that they are behind. */
  #expectNews() {
    if (this.#isExpecting) return;
    this.#isExpecting = true;
    const prevent = this.clock.after(BEHIND_MS, () => {
      this.isBehind = true;
      this.listeners.behind?.(true);
    });
    this.#notBehind = () => { prevent(); this.#isExpecting = false; };
  }

  #isExpecting = false;

  #lookUpToDate() {
    if (!this.isOpen || !this.hasNewest) return;
    this.#notBehind();
    if (!this.isBehind) return;
    this.isBehind = false;
    this.listeners.behind?.(false);
  }
}
