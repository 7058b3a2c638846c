/* Requests that are tried again, and given up when nobody waits for them. */

const MOST_TRIES = 8; // of a server that is busy
const NETWORK_PAUSES_MS = [400, 1200];
const LONGEST_PAUSE_S = 10;

/**
 * What an answer without success tells. `status`: of HTTP. `retry_after_s`: 0 if it is not said.
 * @typedef {Error & {status: number, retry_after_s: number}} Problem
 */

/**
 * The error that an answer tells of.
 * @param {Response} answer
 * @returns {Promise<Problem>}
 */
export async function problem(answer) {
  const told = await answer.json().catch(() => ({})); // a proxy's error page is not JSON
  const retry_after_s = Number(answer.headers.get("Retry-After")) || 0;
  return Object.assign(new Error(told.detail || `${answer.status} ${answer.statusText}`), { status: answer.status, retry_after_s });
}

/**
 * Whether an error says that the server was not reached, or the line was cut. `fetch` throws a TypeError then.
 * @param {unknown} error
 */
export const isOfNetwork = (error) => error instanceof TypeError;

/**
 * Do something that asks the server. If the server is not reached, it is done again, twice, within about two seconds.
 * @template T
 * @param {(tries: number) => Promise<T>} does
 * @param {AbortSignal} [signal]
 * @returns {Promise<T>}
 */
export async function overNetwork(does, signal) {
  for (let tries = 1; ; tries += 1) {
    if (signal?.aborted) throw reasonOf(signal);
    try {
      return await does(tries);
    } catch (error) {
      if (signal?.aborted) throw reasonOf(signal);
      const pause_ms = NETWORK_PAUSES_MS[tries - 1];
      if (!isOfNetwork(error) || pause_ms === undefined) throw error;
      await pause(pause_ms * (0.75 + Math.random() / 2), signal); // a hundred tablets lose it at once
    }
  }
}

/**
 * The answer of a server that may be busy: 503 says when to ask again. Throws a Problem if it says anything else but yes.
 * @param {() => Promise<Response>} ask
 * @param {AbortSignal} [signal]
 */
export async function granted(ask, signal) {
  for (let tries = 1; ; tries += 1) {
    const answer = await ask();
    if (answer.ok) return answer;
    if (answer.status !== 503 || tries === MOST_TRIES) throw await problem(answer);
    await pause(1000 * Math.min(LONGEST_PAUSE_S, Number(answer.headers.get("Retry-After")) || 2), signal);
  }
}

/**
 * Resolves after a time. Rejects when the signal says so.
 * @param {number} ms
 * @param {AbortSignal} [signal]
 * @returns {Promise<void>}
 */
export function pause(ms, signal) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  /** @type {Promise<void>} */
  const over = new Promise((resolve) => { timer = setTimeout(resolve, ms); });
  return unlessAborted(over, signal).finally(() => clearTimeout(timer));
}

/**
 * What a promise gives. Rejects as soon as the signal says so; what the promise stands for goes on.
 * @template T
 * @param {Promise<T>} promise
 * @param {AbortSignal} [signal]
 * @returns {Promise<T>}
 */
export function unlessAborted(promise, signal) {
  if (!signal) return promise;
  return new Promise((resolve, reject) => {
    const stop = () => reject(reasonOf(signal));
    const forget = () => signal.removeEventListener("abort", stop);
    promise.then(resolve, reject).then(forget);
    if (signal.aborted) stop();
    else signal.addEventListener("abort", stop, { once: true });
  });
}

/**
 * A signal that follows another one. `end` must be called: the other may live long.
 * @param {AbortSignal} long the signal of a book
 * @param {AbortSignal} [other]
 * @returns {{signal: AbortSignal, end: () => void}}
 */
export function either(long, other) {
  if (!other) return { signal: long, end: () => {} };
  const control = new AbortController();
  const stop = () => control.abort();
  for (const one of [long, other]) {
    if (one.aborted) stop();
    one.addEventListener("abort", stop);
  }
  return { signal: control.signal, end: () => { for (const one of [long, other]) one.removeEventListener("abort", stop); } };
}

/**
 * Why something was given up: an AbortError unless who gave it up says more. Safari before 15.4 knows no `reason`.
 * @param {AbortSignal} signal
 * @returns {any}
 */
export const reasonOf = (signal) => signal.reason ?? new DOMException("this is not wanted any more", "AbortError");

/**
 * Why a page cannot be shown. `status`: of HTTP; 0: the server was not reached, or the image is none. As text: its message.
 * @typedef {{status: number, message: string, isNetwork: boolean, isWithheld: boolean, toString(): string}} Failure
 */

/**
 * @param {any} error
 * @returns {Failure}
 */
export const failureOf = (error) => failure(error.status || 0, error.message, isOfNetwork(error));

/** @type {(status: number, message: string, isNetwork: boolean, isWithheld?: boolean) => Failure} */
const failure = (status, message, isNetwork, isWithheld = false) => ({
  status, message, isNetwork, isWithheld, toString: () => message,
});

/** Of a page that the reader may not see. */
export const WITHHELD = failure(403, "this page is not shown to you", false, true);

/**
 * Whether an error only says that nobody wants it any more.
 * @param {any} error
 * @param {...(AbortSignal | undefined)} signals
 */
export const isGivenUp = (error, ...signals) => error?.name === "AbortError" || signals.some((one) => one?.aborted);

/**
 * `priority` is not known to all browsers, nor to the types of `fetch`.
 * @param {RequestInit} options
 * @param {"high" | "low"} priority
 * @returns {RequestInit}
 */
export const withPriority = (options, priority) => /** @type {RequestInit} */ ({ ...options, priority });
