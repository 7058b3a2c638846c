/* The one connection of a client that takes part in a meeting. It carries the meeting's messages, and what the stream of events
   carries. It is a WebSocket; where a proxy strips upgrades, it is a stream of events with requests beside it. It takes no part in
   the screen. It is there again by itself after an outage. */

/** How long a connection may take to come, in milliseconds. */
export const CONNECT_MS = 5000;
/** A device that was asleep has a connection that looks open and is dead: it is replaced if it does not answer in this time. */
export const ANSWER_MS = 2000;
/** Until a connection that came is in the meeting: of those who come at once, the server lets in one after the other. */
export const WELCOME_MS = 15_000;
/** How long a request that says something may take. */
export const SAID_MS = 10_000;
/** A clock that goes forward by more than this was asleep. */
export const JUMP_MS = 5000;
const TICK_MS = 1000;
const LONGEST_PAUSE_S = 30;
const MOST_FAILED = 2;
/** The kind of the events that are messages of a meeting. */
export const MEETING = "meeting";
/** Messages of a meeting with its position, or before the first one. Whatever else arrives, without them a client may be behind. */
const SIGNS_OF_LIFE = ["welcome", "ping", "state"];

/** @typedef {"socket" | "stream"} Way "stream": events, and requests beside them */

/**
 * The pause before the next attempt, in milliseconds: any part of a time that doubles, so that those who lost the server at once
 * do not come back at once.
 * @param {number} failures attempts in a row that failed, or ended
 * @param {number} random from 0 to 1
 */
export const pauseBefore = (failures, random) => random * Math.min(LONGEST_PAUSE_S, 2 ** failures) * 1000;

/** The way of the next attempt: the other one after two attempts in a row that failed. @param {Way} way @param {number} failed */
export const wayAfter = (way, failed) => (failed < MOST_FAILED ? way : way === "socket" ? "stream" : "socket");

/**
 * Time, as this module uses it. `now`: in milliseconds. `after`: calls back once, and gives what prevents that.
 * @typedef {{now(): number, after(ms: number, does: () => void): () => void, random(): number}} Clock
 */

/** @type {Clock} */
export const CLOCK = {
  now: () => Date.now(),
  after(ms, does) {
    const timer = setTimeout(does, ms);
    return () => clearTimeout(timer);
  },
  random: () => Math.random(),
};

/**
 * What a connection needs of a WebSocket.
 * @typedef {{
 *   readyState: number, send(text: string): void, close(): void, onopen: ((event: any) => void) | null,
 *   onmessage: ((event: any) => void) | null, onclose: ((event: any) => void) | null,
 * }} Socket
 */

/**
 * Where a connection runs. `addresses`: made anew for each attempt, since they say what the client knows already; null: there is no
 * such way. `post`: sends a message beside a stream of events, and
 * gives the answers. `watchWaking`: calls its argument when the device may have been
 * asleep, or is reachable again; gives what ends that.
 * @typedef {{
 *   WebSocket: (new (address: string) => Socket) | undefined,
 *   EventSource: (new (address: string) => import("./feed.js").EventStream) | undefined,
 *   addresses: {socket: () => string, stream: () => string},
 *   kinds: readonly string[],
 *   post: (text: string) => Promise<object[]>,
 *   watchWaking: (woken: () => void) => () => void,
 *   clock: Clock,
 * }} Place `kinds`: of the events that are listened to
 */

/**
 * Who is told. `opened`: messages can be sent. `closed`: there is no connection; it comes again. `heard`: an event with its kind and,
 * of the shelf, its position; those of the kind "meeting" are messages. `ask`: something is to be said that is answered at once. `refused`: the server
 * wants no stream; false: it is not asked again.
 * @typedef {{
 *   opened: (way: Way) => void, closed: () => void, heard: (kind: string, told: any, position: string) => void, ask: () => void,
 *   refused: () => boolean | void,
 * }} Told
 */

/**
 * `send`: `isInOrder`: after all others of that kind. `heard`: `isBeside`: it did not come by the connection itself, which may be dead.
 * @typedef {{send(text: string, isInOrder: boolean): void, close(): void}} Line
 * @typedef {{
 *   opened: () => void, ended: (isRefused?: boolean) => void,
 *   heard: (kind: string, told: any, position: string, isBeside?: boolean) => void,
 * }} LineTold
 */

export class Live {
  /** @type {Way} */
  #way = "socket";
  #failed = 0; // attempts in a row, of this way, that did not lead into the meeting
  #failures = 0; // attempts in a row, of any way, that came to nothing or ended
  /** @type {Line | null} */
  #line = null;
  #isOpen = false;
  #isIn = false; // the server has said welcome
  #begun_ms = 0;
  #isOver = false;
  #isHeld = false;
  /** What prevents the next attempt, the end of this one, and the end of a connection that is silent. @type {(() => void)[]} */
  #timers = [];
  #silence = () => {};
  /** What prevents the end of a connection that was asked whether it is alive. */
  #answered = () => {};

  /** The longest time between two signs of life of a meeting, in milliseconds. @type {number} */
  quiet_ms = Infinity;

  /** @param {Place} place @param {Told} told */
  constructor(place, told) {
    this.place = place;
    this.told = told;
    if (!place.WebSocket) this.#way = "stream";
    this.#unwatch = place.watchWaking(() => this.wake());
    this.#connect();
  }

  /** @type {() => void} */
  #unwatch;

  get isOpen() { return this.#isOpen; }

  /** How it goes now. */
  get way() { return this.#way; }

  /** Send a message. Returns whether there was a connection to send it by. @param {object} message */
  send(message) {
    if (!this.#isOpen || !this.#line) return false;
    this.#line.send(JSON.stringify(message), "id" in message); // a command
    return true;
  }

  /** The device may have been asleep: a connection shows that it is alive, or another one is made at once. */
  wake() {
    if (this.#isOver || this.#isHeld) return;
    if (this.#isOpen) {
      this.#answered();
      this.#answered = this.place.clock.after(ANSWER_MS, () => this.#connect());
      this.told.ask();
    } else if (!this.#line || this.place.clock.now() - this.#begun_ms > ANSWER_MS) this.#connect();
  }

  /**
   * The server goes away for a while: come back after a time, in milliseconds. Infinity: not before somebody says so by another rest.
   * @param {number} ms
   */
  rest(ms) {
    this.#isHeld = ms === Infinity;
    this.#drop();
    if (!this.#isHeld) this.#later(ms);
  }

  close() {
    this.#isOver = true;
    this.#unwatch();
    this.#drop();
  }

  #drop() {
    for (const prevent of this.#timers.splice(0)) prevent();
    this.#silence();
    this.#answered();
    this.#isIn = false;
    const line = this.#line;
    this.#line = null;
    line?.close();
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.told.closed();
  }

  /** @param {number} ms */
  #later(ms) {
    if (!this.#isOver) this.#timers.push(this.place.clock.after(ms, () => this.#connect()));
  }

  #connect() {
    this.#drop();
    const { clock } = this.place;
    this.#begun_ms = clock.now();
    /** @type {Line | null} */
    let mine = null;
    const isMine = () => mine !== null && mine === this.#line;
    /** @type {LineTold} */
    const told = {
      opened: () => { if (isMine()) this.#opened(); },
      ended: (isRefused) => { if (isMine()) this.#ended(isRefused); },
      heard: (kind, said, position, isBeside = false) => {
        if (!isMine()) return;
        this.told.heard(kind, said, position);
        if (isMine() && kind === MEETING) this.#noteLife(said.kind, isBeside);
      },
    };
    mine = this.#line = this.#way === "socket" ? socketLine(this.place, told) : streamLine(this.place, told);
    this.#timers.push(clock.after(CONNECT_MS, () => { if (!this.#isOpen) this.#ended(); }));
  }

  #opened() {
    for (const prevent of this.#timers.splice(0)) prevent();
    this.#isOpen = true;
    this.#listenFor(WELCOME_MS, () => this.#ended()); // a proxy may let it through, and nothing after it
    this.told.opened(this.#way);
  }

  /** @param {string} kind of a message of the meeting @param {boolean} isBeside */
  #noteLife(kind, isBeside) {
    this.#answered();
    if (isBeside || !SIGNS_OF_LIFE.includes(kind)) return;
    if (kind === "welcome") {
      this.#isIn = true;
      this.#failed = this.#failures = 0;
    }
    if (this.#isIn) this.#listenFor(this.quiet_ms, () => this.#connect());
  }

  /** @param {boolean} [isRefused] */
  #ended(isRefused = false) {
    this.#failures += 1;
    this.#failed = this.#isIn ? 0 : this.#failed + 1;
    const next = this.place.WebSocket && this.place.EventSource ? wayAfter(this.#way, this.#failed) : this.#way;
    this.#drop();
    if (next !== this.#way) this.#failed = 0;
    this.#way = next;
    if (isRefused && this.told.refused() === false) return;
    this.#later(pauseBefore(this.#failures, this.place.clock.random()));
  }

  /* A sign of life is to be heard within this time. */
  /** @param {number} ms @param {() => void} otherwise */
  #listenFor(ms, otherwise) {
    this.#silence();
    this.#silence = ms === Infinity ? () => {} : this.place.clock.after(ms, otherwise);
  }
}

/** @param {Place} place @param {LineTold} told @returns {Line} */
function socketLine({ WebSocket, addresses }, told) {
  if (!WebSocket) throw new TypeError("there is no WebSocket here");
  /** @type {Socket} */
  let socket;
  try {
    socket = new WebSocket(addresses.socket());
  } catch { // a policy of the page forbids it: some browsers say so at once
    Promise.resolve().then(() => told.ended());
    return { send() {}, close() {} };
  }
  socket.onopen = () => told.opened();
  socket.onclose = () => told.ended();
  socket.onmessage = ({ data }) => {
    const said = JSON.parse(data);
    if (said.kind === "event") told.heard(said.event, said.data, said.position || "");
    else told.heard(MEETING, said, "");
  };
  return {
    send(text) { if (socket.readyState === 1) socket.send(text); },
    close() {
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.close();
    },
  };
}

/** @param {Place} place @param {LineTold} told @returns {Line} */
function streamLine({ EventSource, addresses, kinds, post, clock }, told) {
  if (!EventSource) throw new TypeError("there is no EventSource here");
  const source = new EventSource(addresses.stream());
  source.onopen = () => told.opened();
  source.onerror = () => told.ended(source.readyState === 2);
  for (const kind of kinds) source.addEventListener(kind, ({ data, lastEventId }) => told.heard(kind, JSON.parse(data), lastEventId || ""));
  /** @type {string[]} that wait for the one before them, the first of which is on its way */
  const inOrder = [];
  /** @param {string} text */
  const said = (text) => post(text).then((answers) => { for (const one of answers) told.heard(MEETING, one, "", true); });
  const sayNext = () => {
    if (!inOrder.length) return;
    const answered = clock.after(SAID_MS, () => told.ended()); // what has no answer would hold up all that comes after it
    said(inOrder[0]).then(() => { answered(); inOrder.shift(); sayNext(); }, () => { answered(); told.ended(); });
  };
  return {
    send(text, isInOrder) {
      if (!isInOrder) { said(text).catch(() => told.ended()); return; }
      inOrder.push(text);
      if (inOrder.length === 1) sayNext(); // two requests at once may arrive in another order
    },
    close() {
      inOrder.length = 0; // what had no answer is said again by the next line
      source.onopen = source.onerror = null;
      source.close();
    },
  };
}

/**
 * Be told when this page is seen again, comes back from the browser's memory or has a network again, and when its clock jumped: it
 * was asleep. Nobody else says so on tablets.
 * @param {() => void} woken
 * @returns {() => void}
 */
export function watchWaking(woken) {
  const { document } = globalThis;
  if (!document) return () => {};
  const isSeen = () => document.visibilityState === "visible";
  const seen = () => { if (isSeen()) woken(); };
  let before_ms = Date.now();
  const ticking = setInterval(() => {
    const now_ms = Date.now();
    if (now_ms - before_ms > TICK_MS + JUMP_MS && isSeen()) woken();
    before_ms = now_ms;
  }, TICK_MS);
  document.addEventListener("visibilitychange", seen);
  for (const name of ["pageshow", "online"]) addEventListener(name, woken);
  return () => {
    clearInterval(ticking);
    document.removeEventListener("visibilitychange", seen);
    for (const name of ["pageshow", "online"]) removeEventListener(name, woken);
  };
}

/** Where a WebSocket of a server is. @param {string} base of the library */
export function socketAddress(base) {
  const { href } = new URL(`${base}/live`, globalThis.location?.href);
  return href.replace(/^http/, "ws");
}
