/* A meeting whose server, sockets and clock belong to the test. */

import { Meeting } from "./meeting.js";
import { pauseBefore, wayAfter } from "./live.js";
import { strict as assert } from "node:assert";

function makeClock() {
  let now_ms = 0;
  let made = 0;
  const waiting = new Map();
  return {
    now: () => now_ms,
    random: () => 0.5,
    after(ms, does) {
      made += 1;
      const mine = made;
      waiting.set(mine, { at_ms: now_ms + ms, does });
      return () => waiting.delete(mine);
    },
    get count() { return waiting.size; },
    pass(ms) {
      const until_ms = now_ms + ms;
      for (;;) {
        const next = [...waiting].filter(([, one]) => one.at_ms <= until_ms).sort(([, a], [, b]) => a.at_ms - b.at_ms)[0];
        if (!next) break;
        waiting.delete(next[0]);
        now_ms = Math.max(now_ms, next[1].at_ms);
        next[1].does();
      }
      now_ms = until_ms;
    },
  };
}

/** All that one client has to do with: `sockets` and `streams` are those that it opened, the last one last. */
function makeHouse(options = {}) {
  const clock = makeClock();
  const [sockets, streams, posted, told, answers] = [[], [], [], [], []];
  let woken = () => {};
  class WebSocket {
    constructor(address) {
      Object.assign(this, { address, readyState: 0, said: [] });
      sockets.push(this);
    }
    send(text) { this.said.push(JSON.parse(text)); }
    close() { this.readyState = 3; }
    open() { this.readyState = 1; this.onopen({}); }
    tell(message) { this.onmessage?.({ data: JSON.stringify(message) }); }
    fail() { this.readyState = 3; this.onclose?.({}); }
  }
  class EventSource {
    constructor(address) { Object.assign(this, { address, readyState: 0, kinds: {} }); streams.push(this); }
    addEventListener(kind, does) { this.kinds[kind] = does; }
    close() { this.readyState = 2; }
    open() { this.readyState = 1; this.onopen({}); }
    tell(message) { this.kinds.meeting({ data: JSON.stringify(message), lastEventId: "" }); }
  }
  const library = {
    base: "https://town.example/books", session: "s", EventSource,
    fetch: async (address, { body }) => { posted.push([address, JSON.parse(body)]); return new Response(JSON.stringify({ answers: answers.splice(0) })); },
  };
  const names = ["state", "details", "progress", "tally", "whisper", "connection", "behind", "sure", "farewell", "feed"];
  const listeners = Object.fromEntries(names.map((name) => [name, (...given) => told.push([name, ...given])]));
  const meeting = new Meeting(library, "m", { ...listeners, ...options.listeners }, {
    WebSocket, clock, watchWaking: (does) => { woken = does; return () => { woken = null; }; }, ...options,
  });
  const last = (all) => all[all.length - 1];
  return {
    meeting, clock, sockets, streams, posted, told, answers,
    wake: () => woken(),
    get isWatched() { return woken !== null; },
    get socket() { return last(sockets); },
    get stream() { return last(streams); },
    heard: (name) => told.filter(([one]) => one === name).map((one) => one.slice(1)),
    join(participant = "me") {
      this.socket.open();
      this.socket.tell({ kind: "welcome", protocol: 1, meeting: "m", participant, name: "議員", ping_s: 5 });
    },
  };
}

const stateOf = (told) => ({
  kind: "state", meeting: "m", epoch: 1, seq: 0, details: 1, paper: "p", revision: 1, page: 1, spread: null, view_pt: null,
  mode: "follow", called: 0, presenter: "chair", t: 0, ...told,
});
const detailsOf = (told) => ({
  kind: "details", meeting: "m", epoch: 1, seq: 1, name: "本会議", opened_s: 0, agenda: [], roles: { chair: "chair" },
  names: { chair: "議長" }, taking: "speaker", votes: [], ...told,
});
const pinged = (house, heard) => {
  house.socket.tell({ kind: "ping", epoch: 1, seq: 0, is_sure: true, heard });
  return house.socket.said.filter((one) => one.kind === "pong").pop().count;
};
const kinds = (socket) => socket.said.map((one) => one.kind);
const settled = async (promise) => {
  let found = "waits";
  promise.then(() => { found = "done"; }, (error) => { found = error.why || error.name; });
  await new Promise((done) => setTimeout(done, 0));
  return found;
};

// It says hello, and keeps the newest state

{
  const house = makeHouse();
  const { meeting } = house;
  assert.match(house.socket.address, /^wss:\/\/town\.example\/books\/live\?session=s&since=$/);
  house.join();
  assert.deepEqual(house.socket.said[0], { kind: "hello", protocol: 1, meeting: "m", client: meeting.client, is_projector: false });
  house.socket.tell(stateOf({ seq: 4, page: 12 }));
  assert.deepEqual([meeting.shown.page, meeting.isFollowing, meeting.name], [12, true, "議員"]);
  assert.equal(house.socket.said[1].what, "details", "the number of the state is another one");
  house.socket.tell(detailsOf({}));
  house.socket.tell(stateOf({ seq: 3, page: 11 }));
  assert.equal(meeting.state.page, 12, "an older one came late");
  house.socket.tell({ kind: "of another version" });
  house.socket.tell({ kind: "event", event: "shelf", position: "7", data: { changes: [] } });
  house.socket.tell({ kind: "event", event: "alive" });
  assert.deepEqual(house.heard("feed"), [["shelf", { changes: [] }]]);
  assert.equal(house.heard("state").length, 1);
  assert.equal(meeting.role, "viewer");
  meeting.moved();
  assert.deepEqual([meeting.shown, house.heard("state").length], [null, 2]);
  meeting.returned();
  assert.equal(meeting.shown.page, 12);
  meeting.painted(meeting.state, true);
  assert.deepEqual(house.socket.said[2], { kind: "painted", epoch: 1, seq: 4, is_sharp: true });
  house.socket.fail();
  house.clock.pass(1000);
  assert.match(house.socket.address, /since=7$/, "what it knows of the shelf");
  meeting.close();
  assert.deepEqual([house.isWatched, house.clock.count, house.socket.readyState], [false, 0, 3], "nothing is left");
}

// Whoever is behind knows it, asks, and says so after ten seconds

{
  const house = makeHouse();
  house.join();
  house.socket.tell(stateOf({ seq: 1 }));
  house.socket.tell(detailsOf({}));
  house.socket.tell({ kind: "ping", epoch: 1, seq: 1, is_sure: true });
  assert.deepEqual(house.socket.said[2], { kind: "pong", epoch: 1, seq: 1, is_following: true, count: 1 });
  house.socket.tell({ kind: "ping", epoch: 1, seq: 7, is_sure: true });
  assert.deepEqual(kinds(house.socket).slice(3), ["pong", "ask"]);
  house.clock.pass(5000);
  house.socket.tell({ kind: "ping", epoch: 1, seq: 7, is_sure: false });
  assert.deepEqual(house.heard("behind"), []);
  house.clock.pass(5000);
  assert.deepEqual(house.heard("behind"), [[true]]);
  house.socket.tell(stateOf({ seq: 6 }));
  assert.equal(house.meeting.isBehind, true, "it is still older than what the server told of");
  house.socket.tell(stateOf({ seq: 7 }));
  assert.deepEqual(house.heard("behind"), [[true], [false]]);
  assert.deepEqual(house.heard("sure"), [[true], [true], [false]]);
  house.meeting.close();
}

// Commands are done once, whatever breaks; the loser is told who won

{
  const house = makeHouse();
  const { meeting } = house;
  house.join("chair");
  house.socket.tell(stateOf({ seq: 1 }));
  house.socket.tell(detailsOf({}));
  assert.equal(meeting.isPresenter, true);
  const shown = meeting.show({ paper: "p", revision: 1, page: 5, spread: null, view_pt: null });
  const opened = meeting.show({ paper: "q", revision: 2, page: 1, spread: null, view_pt: null });
  const [show, open] = house.socket.said.slice(2);
  assert.deepEqual([show.kind, open.kind, open.count - show.count, show.epoch], ["show", "open_paper", 1, 1]);
  house.socket.tell({ kind: "done", id: show.id, epoch: 1, seq: 2 });
  assert.equal(await settled(shown), "done");
  assert.equal(await settled(opened), "waits");
  house.socket.fail();
  assert.equal(house.sockets.length, 1, "not at once: others lost it, too");
  house.clock.pass(1000);
  house.join("chair");
  assert.deepEqual(house.socket.said[1], open, "the same command");
  house.socket.tell({ kind: "refused", id: open.id, why: "replayed", state: stateOf({ seq: 3, paper: "q", revision: 2 }), winner: "議長" });
  assert.equal(await settled(opened), "done", "it had been done");
  assert.equal(meeting.state.paper, "q");
  const taken = meeting.command("take");
  const { id } = house.socket.said[house.socket.said.length - 1];
  house.socket.tell({ kind: "refused", id, why: "overtaken", state: stateOf({ epoch: 2, presenter: "other" }), winner: "副議長" });
  await assert.rejects(taken, { why: "overtaken", winner: "副議長" });
  assert.deepEqual([meeting.isPresenter, meeting.state.epoch], [false, 2]);
  house.socket.tell(stateOf({ epoch: 3, presenter: "chair" }));
  const turned = [2, 3, 4].map((page) => meeting.show({ paper: "p", revision: 1, page, spread: null, view_pt: null }));
  const called = meeting.command("call_everybody");
  house.socket.fail(); // only now is it noticed
  house.clock.pass(2000);
  house.join("chair");
  const again = house.socket.said.slice(1).map(({ kind, page, count }) => [kind, page, count]);
  assert.deepEqual(again.map(([kind, page]) => [kind, page]), [["show", 4], ["call_everybody", undefined]], "not each page in between");
  assert.equal(again[1][2] - again[0][2], 1, "in the order in which they were given");
  assert.deepEqual(await Promise.all(turned.slice(0, 2).map(settled)), ["AbortError", "AbortError"]);
  for (const { id } of house.socket.said.slice(1)) house.socket.tell({ kind: "done", id, epoch: 3, seq: 1 });
  await Promise.all([turned[2], called]);
  const waiting = meeting.command("call_everybody");
  meeting.close();
  await assert.rejects(waiting, { name: "AbortError" });
}

// Attempts: a time limit, pauses that grow, another way after two that failed

{
  const house = makeHouse();
  house.clock.pass(4999);
  assert.equal(house.socket.readyState, 0);
  house.clock.pass(1);
  assert.equal(house.socket.readyState, 3, "it did not come");
  house.clock.pass(1000);
  assert.equal(house.sockets.length, 2);
  house.socket.fail();
  house.clock.pass(2000);
  assert.equal(house.streams.length, 1, "a proxy strips upgrades, perhaps");
  assert.match(house.stream.address, /^https:\/\/town\.example\/books\/events\?session=s&since=&meeting=m&client=/);
  house.stream.open();
  assert.deepEqual(house.heard("connection"), [[true, "stream"]]);
  assert.deepEqual(house.posted, [], "its address says hello");
  house.stream.tell({ kind: "welcome", protocol: 1, meeting: "m", participant: "me", name: "", ping_s: 5 });
  house.stream.tell(stateOf({ seq: 2, page: 9 }));
  assert.equal(house.meeting.shown.page, 9);
  const called = house.meeting.command("call_everybody");
  const [address, { id }] = house.posted[house.posted.length - 1];
  assert.match(address, /^https:\/\/town\.example\/books\/meetings\/m\/messages\?client=[a-z0-9]{12}$/);
  house.stream.tell({ kind: "done", id, epoch: 1, seq: 3 });
  await called;
  house.answers.push(stateOf({ seq: 3, page: 10 }));
  house.meeting.painted(house.meeting.state, true);
  while (house.meeting.shown.page !== 10) await new Promise((done) => setTimeout(done, 1)); // the answer to a request
  house.stream.readyState = 0;
  house.stream.onerror();
  house.clock.pass(1000);
  assert.deepEqual([house.sockets.length, house.streams.length], [2, 2], "the way that led there");
  for (let tries = 0; tries < 2; tries += 1) {
    house.stream.readyState = 2;
    house.stream.onerror();
    house.clock.pass(4000);
  }
  assert.deepEqual([house.sockets.length, house.streams.length], [3, 3], "the first way again");
  house.meeting.close();
}
assert.deepEqual([1, 2, 3, 4, 5, 9].map((one) => pauseBefore(one, 1)), [2000, 4000, 8000, 16_000, 30_000, 30_000]);
assert.equal(pauseBefore(5, 0), 0);
assert.deepEqual([wayAfter("socket", 1), wayAfter("socket", 2), wayAfter("stream", 2)], ["socket", "stream", "socket"]);

// A device that was asleep

{
  const house = makeHouse();
  house.join();
  house.socket.tell(stateOf({ seq: 1 }));
  const [before] = house.sockets;
  house.wake();
  assert.deepEqual(before.said[before.said.length - 1], { kind: "ask", what: "state" });
  house.clock.pass(1000);
  house.socket.tell(stateOf({ seq: 1 }));
  house.clock.pass(1999);
  assert.equal(house.sockets.length, 1, "it has answered");
  house.wake();
  house.clock.pass(2000);
  assert.deepEqual([house.sockets.length, before.readyState], [2, 3], "it was dead, though it looked open");
  house.join();
  house.socket.tell(stateOf({ seq: 1 }));
  house.clock.pass(10_000);
  assert.equal(house.sockets.length, 3, "nothing was heard for twice the time of a ping");
  house.socket.fail();
  house.wake();
  assert.equal(house.sockets.length, 4, "seen again: at once");
  house.wake();
  assert.equal(house.sockets.length, 4, "it is on its way");
  house.clock.pass(2001);
  house.wake();
  assert.equal(house.sockets.length, 5, "on its way for too long");
  house.clock.pass(7999);
  assert.deepEqual(house.heard("behind"), [[true]], "without a connection for ten seconds");
  house.meeting.close();
}

// What keeps a connection alive is the meeting, not what the shelf says

{
  const house = makeHouse();
  const shelf = { kind: "event", event: "shelf", position: "1", data: { changes: [] } };
  house.socket.open();
  for (let passed = 0; passed < 15; passed += 1) { house.socket.tell(shelf); house.clock.pass(999); }
  assert.equal(house.sockets.length, 1, "of many who come at once, each waits for its turn");
  house.clock.pass(15);
  assert.deepEqual([house.sockets[0].readyState, house.meeting.isOpen], [3, false], "it was never let in");
  house.clock.pass(2000);
  house.join();
  house.socket.tell(stateOf({ seq: 1 }));
  const [, joined] = house.sockets;
  for (const one of [shelf, { kind: "progress" }, { kind: "whisper" }, { kind: "event", event: "alive" }]) {
    house.clock.pass(2000);
    joined.tell(one);
  }
  house.clock.pass(1999);
  assert.equal(joined.readyState, 1);
  house.clock.pass(1);
  assert.deepEqual([joined.readyState, house.sockets.length], [3, 3], "at once");
  house.join();
  for (let passed = 0; passed < 5; passed += 1) {
    house.socket.tell({ kind: "ping", epoch: 1, seq: 1, is_sure: true });
    house.clock.pass(9999);
  }
  assert.equal(house.sockets.length, 3, "pings do");
  house.meeting.close();
  assert.equal(house.clock.count, 0);
}

// A proxy that lets the upgrade through, and nothing after it

{
  const house = makeHouse();
  for (const attempt of [1, 2]) {
    assert.equal(house.sockets.length, attempt);
    house.socket.open();
    house.clock.pass(15_000);
    house.clock.pass(4000);
  }
  assert.deepEqual([house.sockets.length, house.streams.length], [2, 1], "the other way");
  house.meeting.close();
}

// The answers to requests say nothing of the stream; commands are sent one after the other

{
  const house = makeHouse({ WebSocket: undefined });
  const { meeting } = house;
  assert.equal(meeting.way, "stream");
  house.stream.open();
  house.stream.tell({ kind: "welcome", protocol: 1, meeting: "m", participant: "chair", name: "", ping_s: 5 });
  house.stream.tell(stateOf({ seq: 1 }));
  house.stream.tell(detailsOf({}));
  const shown = [5, 6].map((page) => meeting.show({ paper: "p", revision: 1, page, spread: null, view_pt: null }));
  const said = () => house.posted.map(([, { kind, page }]) => `${kind} ${page}`).filter((one) => one.startsWith("show"));
  assert.deepEqual(said(), ["show 5"], "the next one when this one was answered");
  while (said().length < 2) await new Promise((done) => setTimeout(done, 1));
  assert.deepEqual(said(), ["show 5", "show 6"]);
  house.clock.pass(6000);
  house.answers.push(stateOf({ seq: 3, page: 6 }));
  house.wake();
  while (meeting.state.page !== 6) await new Promise((done) => setTimeout(done, 1));
  house.clock.pass(3999);
  assert.equal(house.streams.length, 1, "it was answered in two seconds");
  house.clock.pass(1);
  assert.equal(house.streams.length, 2, "the stream itself was silent for ten");
  meeting.close();
  await Promise.allSettled(shown);
}

// A command whose request has no answer holds up nothing for long: the line is made anew, and the command said again

{
  const house = makeHouse({ WebSocket: undefined });
  const { meeting, stream } = house;
  const said = [];
  meeting.library.fetch = (_, { body }) => { said.push(JSON.parse(body).kind); return new Promise(() => {}); };
  const alive = { kind: "ping", epoch: 1, seq: 1, is_sure: true };
  stream.open();
  stream.tell({ kind: "welcome", protocol: 1, meeting: "m", participant: "chair", name: "", ping_s: 5 });
  stream.tell(stateOf({ seq: 1 }));
  const given = [meeting.command("call_everybody"), meeting.command("take_back")];
  const commands = () => said.filter((one) => !["pong", "ask"].includes(one));
  for (let passed = 0; passed < 2; passed += 1) { house.clock.pass(4999); stream.tell(alive); }
  assert.deepEqual([commands(), house.streams.length], [["call_everybody"], 1]);
  house.clock.pass(2);
  assert.equal(stream.readyState, 2, "the stream lives, and the request does not");
  house.clock.pass(4000);
  assert.equal(house.streams.length, 2);
  house.stream.open();
  house.stream.tell({ kind: "welcome", protocol: 1, meeting: "m", participant: "chair", name: "", ping_s: 5 });
  assert.deepEqual(commands(), ["call_everybody", "call_everybody"]);
  meeting.close();
  await Promise.allSettled(given);
  assert.deepEqual(commands(), ["call_everybody", "call_everybody"], "what waited is not said after one has left");
}

// What makes no sense to the server is refused, and not sent again

{
  const house = makeHouse({ WebSocket: undefined });
  house.meeting.library.fetch = async (...given) => { house.posted.push(given); return new Response("{}", { status: 400 }); };
  house.stream.open();
  house.stream.tell({ kind: "welcome", protocol: 1, meeting: "m", participant: "chair", name: "", ping_s: 5 });
  await assert.rejects(house.meeting.command("open_vote", { title: "" }), { why: "protocol" });
  assert.deepEqual([house.posted.length, house.streams.length], [1, 1]);
  house.meeting.close();
}

// Ends

{
  const house = makeHouse();
  house.join();
  house.socket.tell({ kind: "farewell", why: "restart", return_s: 8 });
  assert.equal(house.socket.readyState, 3);
  house.clock.pass(3999);
  assert.equal(house.sockets.length, 1);
  house.clock.pass(1);
  assert.equal(house.sockets.length, 2, "after a random part of the time");
  house.join();
  house.socket.tell({ kind: "farewell", why: "revoked", return_s: null });
  house.clock.pass(100_000);
  assert.equal(house.sockets.length, 2);
  assert.deepEqual(house.heard("farewell"), [[{ kind: "farewell", why: "revoked", return_s: null }]]);
  house.wake();
  assert.equal(house.sockets.length, 2, "it is over, until somebody says otherwise");
  house.meeting.comeAgain();
  house.clock.pass(0);
  house.join();
  house.socket.tell(stateOf({ seq: 1 }));
  assert.equal(house.meeting.state.seq, 1);
  house.meeting.close();
  assert.equal(house.clock.count, 0);
}

// Pointers: the newest of a fifteenth of a second, and their end at once

{
  const house = makeHouse();
  house.join("chair");
  const pointer = (x) => house.meeting.whisper({ paper: "p", page: 1, tool: "pointer", points_pt: [[x, 0]] });
  for (let x = 0; x < 60; x += 1) { pointer(x); house.clock.pass(1000 / 60); }
  const sent = house.socket.said.filter((one) => one.kind === "whisper");
  assert.equal(sent.length <= 16 && sent.length >= 14, true, String(sent.length));
  assert.deepEqual(sent.map((one) => one.count), sent.map((_, index) => index + 1));
  house.clock.pass(100);
  const last = house.socket.said[house.socket.said.length - 1];
  assert.deepEqual(last.points_pt, [[59, 0]], "where it stopped");
  const before_ms = house.clock.now();
  house.clock.now = () => before_ms - 3_600_000;
  pointer(60);
  house.clock.pass(100);
  assert.deepEqual(house.socket.said[house.socket.said.length - 1].points_pt, [[60, 0]], "also if the clock was set back");
  pointer(61);
  house.meeting.whisper({ paper: "p", page: 1, tool: "away" });
  assert.equal(house.socket.said[house.socket.said.length - 1].tool, "away");
  house.meeting.close();
  assert.equal(house.clock.count, 0);
}

{ // a network that holds back what the server says is noticed: a ping says which pong the server had heard
  const house = makeHouse();
  house.join();
  house.socket.tell(stateOf({ seq: 0 }));
  assert.equal(pinged(house, 0), 1);
  house.clock.pass(5000);
  assert.equal(pinged(house, 1), 2);
  for (let late = 0; late < 2; late += 1) { house.clock.pass(5000); pinged(house, 1); }
  assert.deepEqual(house.heard("sure").pop(), [true], "15 s old at most: within three pings");
  house.clock.pass(5000);
  const newest = pinged(house, 1);
  assert.deepEqual(house.heard("sure").pop(), [false], "20 s old, perhaps");
  pinged(house, newest);
  assert.deepEqual(house.heard("sure").pop(), [true]);
  house.socket.tell({ kind: "ping", epoch: 1, seq: 0, is_sure: true });
  assert.deepEqual(house.heard("sure").pop(), [true], "a server that does not say it is taken at its word");
  house.meeting.close();
}
