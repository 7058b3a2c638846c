/* Lists of the shelf as values: their order, what a filter leaves, what is new, how far somebody has read, what becomes a section.
   Pure. */

/**
 * @typedef {import("./api.js").PaperEntry} PaperEntry
 * @typedef {import("./api.js").FolderEntry} FolderEntry
 * @typedef {import("./api.js").PageFate} PageFate
 *
 * @typedef {{page: number, count: number, share: number}} Progress how far somebody has read
 * @typedef {"new" | "changed" | null} News
 */

export const ORDERS = ["agenda", "name", "newest"];
export const FEW = 12; // papers of an inner folder that is shown as a section
const MOST_IN_SECTIONS = 48;
const MOST_SECTIONS = 10;

/** A text as filters compare it: without regard to width, case, hiragana or katakana, and spaces. @param {string} text */
export function folded(text) {
  return text.normalize("NFKC").toLowerCase().replace(/\s+/gu, "")
    .replace(/[\u30a1-\u30f6]/gu, (one) => String.fromCharCode(one.charCodeAt(0) - 0x60));
}

const collator = new Intl.Collator("ja", { numeric: true });

/**
 * Items in the order of their names as people count: 第8 before 第18 before 第108, whatever the width of the digits.
 * @template T
 * @param {readonly T[]} items
 * @param {(one: T) => string} nameOf
 * @returns {T[]}
 */
export function byName(items, nameOf) {
  const keyed = items.map((one) => ({ key: nameOf(one).normalize("NFKC").replace(/\s+/gu, ""), one }));
  return keyed.sort((a, b) => collator.compare(a.key, b.key)).map(({ one }) => one);
}

/**
 * Papers in an order that somebody chose. "agenda": as they stand.
 * @template {{name: string, registered_s: number}} T
 * @param {readonly T[]} papers
 * @param {string} order
 */
export function ordered(papers, order) {
  if (order === "name") return byName(papers, (one) => one.name);
  if (order === "newest") return [...papers].sort((a, b) => b.registered_s - a.registered_s);
  return papers;
}

/**
 * Those whose name or note has all words of a query.
 * @template {{name: string, note?: string}} T
 * @param {readonly T[]} items
 * @param {string} query
 */
export function matching(items, query) {
  const words = query.split(/\s+/u).map(folded).filter(Boolean);
  if (!words.length) return items;
  return items.filter((one) => {
    const text = folded(`${one.name} ${one.note || ""}`);
    return words.every((word) => text.includes(word));
  });
}

/**
 * Whether a paper is "new" or "changed" since a visit; null: neither.
 * @param {{registered_s: number, withdrawn_s: number | null, revision: number}} paper
 * @param {number | null} since_s when the visit before ended; null: there was none
 * @param {{revision: number} | null | undefined} left where the reader left off; none: they have not read it
 * @returns {News}
 */
export function newsOf(paper, since_s, left) {
  if (since_s === null || paper.registered_s <= since_s || paper.withdrawn_s !== null) return null;
  if (left && left.revision >= paper.revision) return null;
  return paper.revision > 1 ? "changed" : "new";
}

/**
 * How far somebody has read; null if nothing is known, or if it is only the first page.
 * @param {number | null | undefined} page
 * @param {number | undefined} count
 * @returns {Progress | null}
 */
export function progressOf(page, count) {
  if (!page || !count || page < 2) return null;
  const at = Math.min(page, count);
  return { page: at, count, share: at / count };
}

/**
 * Of those that were read, the latest first, those to go on with: not at the first page, and not at the last.
 * @template {{page: number, count?: number}} T
 * @param {readonly T[]} read
 * @param {number} most
 */
export function toContinue(read, most) {
  return read.filter(({ page, count }) => page > 1 && (count === undefined || page < count)).slice(0, most);
}

/** A file's name without its ending. @param {string} name */
export const withoutEnding = (name) => name.replace(/\.(?=[a-z0-9]*[a-z])[a-z0-9]{2,5}$/iu, "") || name;

/** @typedef {FolderEntry & {papers: PaperEntry[]}} Section */

/** @param {FolderEntry} one @returns {one is Section} */
const isSmall = (one) => Boolean(one.papers?.length && !one.folder_count);

/**
 * Inner folders as rows to open, and as sections with their papers: sections if they hold few, and do not hide the others.
 * @param {readonly FolderEntry[]} folders
 * @returns {{rows: readonly FolderEntry[], sections: Section[]}}
 */
export function divided(folders) {
  const small = folders.filter(isSmall);
  const count = small.reduce((sum, one) => sum + one.papers.length, 0);
  const isCalm = small.length <= MOST_SECTIONS && count <= MOST_IN_SECTIONS;
  return { rows: isCalm ? folders.filter((one) => !isSmall(one)) : folders, sections: isCalm ? small : [] };
}

/**
 * Documents by the folders that hold them: those in no folder first.
 * @template {{folder?: string}} T
 * @param {readonly T[]} documents
 */
export function byFolder(documents) {
  /** @type {Map<string, T[]>} */
  const found = new Map();
  for (const one of documents) {
    const folder = one.folder || "";
    found.set(folder, found.get(folder) || []);
    found.get(folder)?.push(one);
  }
  const named = byName([...found.keys()].filter(Boolean), (one) => one);
  return (found.has("") ? ["", ...named] : named).map((folder) => ({ folder, documents: found.get(folder) || [] }));
}

/**
 * The fates of pages with those that stayed the same taken together.
 * @param {readonly PageFate[]} fates
 */
export function runs(fates) {
  /** @type {(PageFate & {count: number})[]} */
  const made = [];
  for (const one of fates) {
    const last = made[made.length - 1];
    const follows = last && last.kind === "same" && one.kind === "same"
      && one.old_page === (last.old_page || 0) + last.count && one.new_page === (last.new_page || 0) + last.count;
    if (follows) last.count += 1;
    else made.push({ ...one, count: 1 });
  }
  return made;
}
