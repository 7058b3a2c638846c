/* The texts of the viewer in the reader's language; and numbers, times and faults as people of there write them. The texts stand in
   words-en.js and words-ja.js. */

const LEAST_PASSWORD = 10; // as the server's rule

export const LANGUAGES = ["en", "ja"];

let language = "en";
let texts = {};

/** Load the texts of a language, and use it from now on. Another language than these is English. */
export async function speakIn(wanted) {
  const chosen = LANGUAGES.includes(wanted) ? wanted : "en";
  const { words } = await import(`./words-${chosen}.js`);
  [language, texts] = [chosen, words];
}

/** A text, with `{name}`s filled in. */
export function t(key, values = {}) {
  return texts[key].replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

export const hasText = (key) => key in texts;

const locale = () => ({ en: "en-GB", ja: "ja-JP" })[language];

/** A time in seconds since 1970, as people of here write it. */
export function time(seconds) {
  return new Intl.DateTimeFormat(locale(), { dateStyle: "medium", timeStyle: "short" }).format(seconds * 1000);
}

/** A number of bytes. */
export function bytes(count) {
  const isLarge = count >= 1e6;
  const number = new Intl.NumberFormat(locale(), { maximumFractionDigits: isLarge ? 1 : 0 }).format(count / (isLarge ? 1e6 : 1e3));
  return `${number} ${isLarge ? "MB" : "kB"}`;
}

export const pages = (n) => (n === 1 ? t("one_page") : t("pages", { n }));

/** What went wrong, in words of the reader's language if there are any. */
export function fault(error) {
  if (error.status === undefined) return error instanceof TypeError ? t("e_lost") : error.message;
  const known = error.status >= 502 && error.status <= 504 ? "e503" : `e${error.status}`;
  return hasText(known) ? t(known) : error.message;
}

/** What is wrong with a new password: the server refuses with 400. */
export const passwordFault = (error) => (error.status === 400 ? t("password_rule", { n: LEAST_PASSWORD }) : fault(error));

/** What the pages of a difference say: "3 pages changed, 1 inserted". */
export function summary(fates) {
  const count = (kind) => fates.filter((one) => one.kind === kind).length;
  const parts = [];
  const changed = count("changed");
  if (changed) parts.push(changed === 1 ? t("changed_one") : t("changed", { n: changed }));
  for (const kind of ["inserted", "removed", "moved"]) if (count(kind)) parts.push(t(kind, { n: count(kind) }));
  return parts.length ? parts.join(language === "ja" ? "、" : ", ") : t("nothing_changed");
}
