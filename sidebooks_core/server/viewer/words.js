/* The texts of the viewer in the reader's language; and numbers, times and faults as people of there write them. The texts stand in
   words-en.js and words-ja.js. */

const LEAST_PASSWORD = 10; // as the server's rule

const LANGUAGES = ["en", "ja"];

/** The one to change to. @param {string} language */
export const otherThan = (language) => (language === "ja" ? "en" : "ja");

let language = "en";
/** @type {Record<string, string>} */
let texts = {};

/** What beside the texts of every screen is spoken of. @type {Set<string>} */
export const matters = new Set();

/**
 * Load the texts of a language, and use it from now on. Another language than these is English.
 * @param {string} wanted
 */
export async function speakIn(wanted) {
  const chosen = LANGUAGES.includes(wanted) ? wanted : "en";
  const files = ["words", ...[...matters].map((one) => `words-${one}`)];
  const all = await Promise.all(files.map((one) => import(`./${one}-${chosen}.js`)));
  [language, texts] = [chosen, Object.assign({}, ...all.map(({ words }) => words))];
}

/**
 * A text, with `{name}`s filled in.
 * @param {string} key
 * @param {Record<string, string | number>} values
 */
export function t(key, values = {}) {
  return texts[key].replace(/\{(\w+)\}/g, (_, name) => String(values[name]));
}

/** The language that is spoken. */
export const spoken = () => language;

/** @param {string} key */
export const hasText = (key) => key in texts;

const locale = () => (language === "ja" ? "ja-JP" : "en-GB");

/** A time in seconds since 1970, as people of here write it. @param {number} seconds */
export function time(seconds) {
  return new Intl.DateTimeFormat(locale(), { dateStyle: "medium", timeStyle: "short" }).format(seconds * 1000);
}

/** A time as people say it: the year only if it is another one than now. @param {number} seconds */
export function shortTime(seconds, now = new Date()) {
  const date = new Date(seconds * 1000);
  /** @type {Intl.DateTimeFormatOptions} */
  const year = date.getFullYear() === now.getFullYear() ? {} : { year: "numeric" };
  const day = new Intl.DateTimeFormat(locale(), { ...year, month: "long", day: "numeric" }).format(date);
  const clock = new Intl.DateTimeFormat(locale(), { hour: "numeric", minute: "2-digit", hourCycle: "h23" }).format(date);
  return `${day} ${clock}`;
}

/** When a paper is shown, in words. @param {number | null} from_s @param {number | null} until_s */
export function windowText(from_s, until_s) {
  const values = { from: from_s === null ? "" : shortTime(from_s), until: until_s === null ? "" : shortTime(until_s) };
  if (from_s === null) return until_s === null ? t("window_always") : t("window_until", values);
  return until_s === null ? t("window_from", values) : t("window_both", values);
}

/** A number of bytes. @param {number} count */
export function bytes(count) {
  const isLarge = count >= 1e6;
  const number = new Intl.NumberFormat(locale(), { maximumFractionDigits: isLarge ? 1 : 0 }).format(count / (isLarge ? 1e6 : 1e3));
  return `${number} ${isLarge ? "MB" : "kB"}`;
}

/** @param {number} n */
export const pages = (n) => (n === 1 ? t("one_page") : t("pages", { n }));

/** What went wrong, in words of the reader's language if there are any. @param {{message: string, status?: number}} error */
export function fault(error) {
  if (error.status === undefined) return error instanceof TypeError ? t("e_lost") : error.message;
  const known = error.status >= 502 && error.status <= 504 ? "e503" : `e${error.status}`;
  return hasText(known) ? t(known) : error.message;
}

/** What is wrong with a new password: the server refuses with 400. @param {Error & {status?: number}} error */
export const passwordFault = (error) => (error.status === 400 ? t("password_rule", { n: LEAST_PASSWORD }) : fault(error));

/** What the pages of a difference say: "3 pages changed, 1 inserted". @param {{kind: string}[]} fates */
export function summary(fates) {
  /** @param {string} kind */
  const count = (kind) => fates.filter((one) => one.kind === kind).length;
  const parts = [];
  const changed = count("changed");
  if (changed) parts.push(changed === 1 ? t("changed_one") : t("changed", { n: changed }));
  for (const kind of ["inserted", "removed", "moved"]) if (count(kind)) parts.push(t(kind, { n: count(kind) }));
  return parts.length ? parts.join(language === "ja" ? "、" : ", ") : t("nothing_changed");
}
