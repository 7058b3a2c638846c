/* How old what a server says is at most, though a network may have held it back for any time. Pure. As `sidebooks_core.meeting.pings`. */

/** Of one connection of a client. Its pongs are counted, and a ping says which of them the server had heard: it is newer than that. */
export class Pings {
  /** What arrived last was made no earlier than this, in milliseconds. */
  made_ms;
  #count = 0;
  /** By count, those that the server is not known to have heard, and the newest that it has. 0: the hello. @type {Map<number, number>} */
  #sent_ms;

  /** @param {number} now_ms when the client said hello */
  constructor(now_ms) {
    this.made_ms = now_ms;
    this.#sent_ms = new Map([[0, now_ms]]);
  }

  /** A ping has arrived. @param {number | null | undefined} heard of the protocol; none: the server does not say it @param {number} now_ms */
  pinged(heard, now_ms) {
    const sent_ms = heard === null || heard === undefined ? now_ms : this.#sent_ms.get(heard);
    if (sent_ms === undefined) return;
    this.made_ms = sent_ms;
    for (const count of this.#sent_ms.keys()) if (count < (heard ?? 0)) this.#sent_ms.delete(count);
  }

  /** The count of a pong that is sent now. @param {number} now_ms */
  pong(now_ms) {
    this.#count += 1;
    this.#sent_ms.set(this.#count, now_ms);
    return this.#count;
  }
}
