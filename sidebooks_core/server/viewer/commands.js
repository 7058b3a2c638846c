/* The commands of one client of a meeting: each is done once, whatever becomes of the connection. */

const ID_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789";
const ID_LENGTH = 12;

/** An id that nobody else makes. */
export function newId() {
  return Array.from({ length: ID_LENGTH }, () => ID_LETTERS[Math.floor(Math.random() * ID_LETTERS.length)]).join("");
}

/**
 * @typedef {{kind: string, id: string, [field: string]: unknown}} CommandMessage
 *
 * A command without an answer. `isSentAgain`: an earlier connection may have carried it.
 * @typedef {{message: CommandMessage, resolve: () => void, reject: (error: Error) => void, isSentAgain: boolean}} Pending
 */

export class Commands {
  #count = 0;
  /** In the order in which they were given. @type {Map<string, Pending>} */
  #pending = new Map();

  /** @param {string} client @param {(message: CommandMessage) => void} say */
  constructor(client, say) {
    this.client = client;
    this.say = say;
  }

  /**
   * Resolves when it is done. Rejects with a Refusal; with an AbortError when it is given up.
   * @param {string} kind
   * @param {number} epoch that the client knows
   * @param {object} fields
   * @returns {Promise<void>}
   */
  give(kind, epoch, fields) {
    this.#count += 1;
    const message = { kind, id: newId(), client: this.client, count: this.#count, epoch, ...fields };
    return new Promise((resolve, reject) => {
      this.#pending.set(message.id, { message, resolve, reject, isSentAgain: false });
      this.say(message);
    });
  }

  /**
   * There is another connection: whatever had no answer is said again, in the same order.
   * @param {readonly string[]} [replaced] kinds of which the newest takes the place of the others, which are given up
   */
  again(replaced = []) {
    const newest = [...this.#pending.values()].filter(({ message }) => replaced.includes(message.kind)).pop();
    if (newest) this.giveUp(replaced, newest.message.id);
    for (const one of this.#pending.values()) {
      one.isSentAgain = true;
      this.say(one.message);
    }
  }

  /**
   * The server has answered. What was done by an earlier connection is done.
   * @param {string} id
   * @param {{why: string}} [refused]
   */
  answered(id, refused) {
    const pending = this.#pending.get(id);
    if (!pending) return;
    this.#pending.delete(id);
    const isDone = !refused || (refused.why === "replayed" && pending.isSentAgain);
    if (isDone) pending.resolve();
    else pending.reject(Object.assign(new Error(`the command was refused: ${refused.why}`), refused));
  }

  /**
   * Commands of some kinds, or all, are not wanted any more.
   * @param {readonly string[]} [kinds]
   * @param {string} [but] the id of one that is
   */
  giveUp(kinds, but) {
    for (const [id, { message, reject }] of this.#pending) {
      if (id === but || (kinds && !kinds.includes(message.kind))) continue;
      this.#pending.delete(id);
      reject(new DOMException("the command is not wanted any more", "AbortError"));
    }
  }
}
