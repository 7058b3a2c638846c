/* Tells a meeting what its presenter's screen shows: the newest place, at once after a turn, ten times a second while a page is moved. */

/** @import { Shown, State } from "./following.js" */
/** @import { Refusal } from "./meeting.js" */
/** @import { Participation } from "./participation.js" */

import { placeTold } from "./rectangles.js";
import { pause } from "./requests.js";

const MOVE_MS = 100; // movements on one page are told no more often

/** @type {(one: Shown | State | null, other: Shown | State | null) => boolean} */
const isSamePage = (one, other) => Boolean(one && other) && one?.paper === other?.paper && one?.revision === other?.revision
  && one?.page === other?.page && one?.spread === other?.spread;

/** @type {(one: Shown | State | null, other: Shown | State | null) => boolean} */
const isSame = (one, other) => isSamePage(one, other) && String(one?.view_pt) === String(other?.view_pt);

export class Presenting {
  /** What this client told last. @type {Shown | null} */
  told = null;
  #underWay = 0;
  #isMoving = false;
  #isAsked = false;
  #noPaper = "";
  /** @type {Shown | null} the place of which the server was told that it may be next */
  #meant = null;

  /** @param {Participation} part */
  constructor(part) {
    this.part = part;
    const { app: { reader }, signal } = part;
    reader.stage.addEventListener("pointerdown", (event) => this.#mean(event), { signal });
    for (const name of ["pointerdown", "focusin"]) {
      document.addEventListener(name, (event) => this.#meanCell(event.target), { signal, capture: true });
    }
  }

  /** Whether a state is what this client told, or will be told otherwise in a moment. @param {State | null} state */
  isOwn(state) {
    if (this.#underWay || this.#isMoving || !this.part.meeting.hasNewest) return true;
    return this.told !== null && isSame(this.told, state);
  }

  /** Whoever reads here presents from now on: all are led to what this screen shows. */
  begin() {
    const place = this.#place();
    this.told = null;
    if (place) this.#send(place);
  }

  /** Somebody made us the presenter: we begin where they were. */
  handedOver() {
    this.told = null;
    this.part.meeting.returned();
    this.part.tell("you_present");
  }

  /** This screen is led by what somebody else has told. */
  forget() { this.told = null; }

  /** The reader is about to show something else. */
  moved() {
    if (this.#isAsked) return;
    this.#isAsked = true;
    queueMicrotask(() => { // when it has moved
      this.#isAsked = false;
      this.tell();
    });
  }

  /** Tell where the reader is, unless the meeting is there. */
  tell() {
    const place = this.#place();
    if (!this.part.isPresenter) return;
    if (!place) { this.#tellNoPaper(); return; }
    const isSettled = !this.#underWay && !this.#isMoving; // else what is under way takes the meeting elsewhere
    if (isSettled && isSame(place, this.part.state)) this.told = place;
    else if (isSamePage(place, this.told)) this.#tellMovement();
    else this.#send(place);
  }

  #place() { return placeTold(this.part.app.reader); }

  /* A document that is none of the shelf's papers. */
  #tellNoPaper() {
    const { book } = this.part.app.reader.state;
    if (!book || book.id === this.#noPaper) return;
    this.#noPaper = book.id;
    this.part.tell("no_paper");
  }

  async #tellMovement() {
    if (this.#isMoving) return;
    this.#isMoving = true;
    try {
      for (let place = this.#place(); place && isSamePage(place, this.told) && !isSame(place, this.told); place = this.#place()) {
        const [sent] = await Promise.all([this.#send(place), pause(MOVE_MS, this.part.signal)]);
        if (!sent) return;
      }
    } catch (error) {
      if (/** @type {Error} */ (error).name !== "AbortError") throw error;
    } finally { this.#isMoving = false; }
  }

  /** Resolves to whether it was done. @param {Shown} place */
  async #send(place) {
    const { part } = this;
    this.told = place;
    this.#underWay += 1;
    try {
      await part.meeting.show(place).catch((error) => {
        if (error.why !== "another paper") throw error;
        return part.meeting.command("open_paper", place); // another device of the same presenter has opened one
      });
      return true;
    } catch (thrown) {
      const error = /** @type {Refusal} */ (thrown);
      if (error.name === "AbortError") return false; // a newer one was told
      if (this.told === place) this.told = null;
      if (error.why === "overtaken" && part.isPresenter) this.moved(); // the meeting was restored
      else part.refused(error);
      return false;
    } finally {
      this.#underWay -= 1;
      if (!this.#underWay) part.following.apply(); // another device may have told something else meanwhile
    }
  }

  // Where the presenter may go next: it can be drawn meanwhile

  /** @param {PointerEvent} event */
  #mean(event) {
    const { reader } = this.part.app;
    if (!this.part.isPresenter || !reader.state.book) return;
    const box = reader.stage.getBoundingClientRect();
    const share = (event.clientX - box.left) / box.width;
    if (share > 1 / 3 && share < 2 / 3) return;
    const page = reader.neighbour(reader.stepTo(share < 0.5 ? "left" : "right"));
    if (page !== null) this.intend(page);
  }

  /** A page of the grid of pages. @param {EventTarget | null} target */
  #meanCell(target) {
    const cell = target instanceof Element && /** @type {HTMLElement | null} */ (target.closest(".page-grid [data-page]"));
    if (cell) this.intend(Number(cell.dataset.page));
  }

  /** @param {number} page */
  intend(page) {
    const { part } = this;
    const place = this.#place();
    if (!place || !part.isPresenter) return;
    const meant = { ...place, page, spread: null, view_pt: null };
    if (isSame(meant, this.#meant)) return;
    this.#meant = meant;
    part.meeting.intent(meant);
  }
}
