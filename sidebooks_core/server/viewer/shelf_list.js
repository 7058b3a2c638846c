/* Lists of the shelf as values: their order, what a filter leaves, what is new, how far somebody has read, what becomes a section.
   Pure. */

export const ORDERS = ["agenda", "name", "newest"];
export const FEW = 12; // papers of an inner folder that is shown as a section
const MOST_IN_SECTIONS = 48;
const MOST_SECTIONS = 10;

/** A text as filters compare it: without regard to width, case, hiragana or katakana, and spaces. */
export function folded(text) {
  return text.normalize("NFKC").toLowerCase().replace(/\s+/gu, "")
    .replace(/[\u30a1-\u30f6]/gu, (one) => String.fromCharCode(one.charCodeAt(0) - 0x60));
}

const collator = new Intl.Collator("ja", { numeric: true });

/** Items in the order of their names as people count: 第8 before 第18 before 第108, whatever the width of the digits. */
export function byName(items, nameOf = (one) => one.name) {
  const keyOf = (one) => nameOf(one).normalize("NFKC").replace(/\s+/gu, "");
  return items.map((one) => [keyOf(one), one]).sort((a, b) => collator.compare(a[0], b[0])).map(([, one]) => one);
}

/** Papers in an order that somebody chose. "agenda": as they stand. */
export function ordered(papers, order) {
  if (order === "name") return byName(papers);
  if (order === "newest") return [...papers].sort((a, b) => b.registered_s - a.registered_s);
  return papers;
}

/** Those whose name or note has all words of a query. */
export function matching(items, query) {
  const words = query.split(/\s+/u).map(folded).filter(Boolean);
  if (!words.length) return items;
  return items.filter((one) => {
    const text = folded(`${one.name} ${one.note || ""}`);
    return words.every((word) => text.includes(word));
  });
}

/** Whether a paper is "new" or "changed" since a visit; null: neither. since_s: when the visit before ended; null: there was none.
    left: {revision} where the reader left off; null: they have not read it. */
export function newsOf(paper, since_s, left) {
  if (since_s === null || paper.registered_s <= since_s || paper.withdrawn_s !== null) return null;
  if (left && left.revision >= paper.revision) return null;
  return paper.revision > 1 ? "changed" : "new";
}

/** How far somebody has read: {page, count, share}; null if nothing is known, or if it is only the first page. */
export function progressOf(page, count) {
  if (!page || !count || page < 2) return null;
  const at = Math.min(page, count);
  return { page: at, count, share: at / count };
}

/** Of those that were read, the latest first, those to go on with: not at the first page, and not at the last. */
export function toContinue(read, most) {
  return read.filter(({ page, count }) => page > 1 && (count === undefined || page < count)).slice(0, most);
}

/** A file's name without its ending. */
export const withoutEnding = (name) => name.replace(/\.(?=[a-z0-9]*[a-z])[a-z0-9]{2,5}$/iu, "") || name;

/** Inner folders as rows to open, and as sections with their papers: sections if they hold few, and do not hide the others. */
export function divided(folders) {
  const small = folders.filter((one) => one.papers?.length && !one.folder_count);
  const count = small.reduce((sum, one) => sum + one.papers.length, 0);
  const isCalm = small.length <= MOST_SECTIONS && count <= MOST_IN_SECTIONS;
  return { rows: isCalm ? folders.filter((one) => !small.includes(one)) : folders, sections: isCalm ? small : [] };
}

/** Documents by the folders that hold them: [{folder, documents}…], those in no folder first. */
export function byFolder(documents) {
  const found = new Map();
  for (const one of documents) {
    const folder = one.folder || "";
    if (!found.has(folder)) found.set(folder, []);
    found.get(folder).push(one);
  }
  const named = byName([...found.keys()].filter(Boolean), (one) => one);
  return (found.has("") ? ["", ...named] : named).map((folder) => ({ folder, documents: found.get(folder) }));
}

/** The fates of pages with those that stayed the same taken together: [{kind, old_page, new_page, count}…]. */
export function runs(fates) {
  const made = [];
  for (const one of fates) {
    const last = made[made.length - 1];
    const follows = last && last.kind === "same" && one.kind === "same"
      && one.old_page === last.old_page + last.count && one.new_page === last.new_page + last.count;
    if (follows) last.count += 1;
    else made.push({ ...one, count: 1 });
  }
  return made;
}
