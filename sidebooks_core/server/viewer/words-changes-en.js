/* The texts about what changed between two revisions in English. */

export const words = {
  what_changed: "What changed",
  map_old: "Before: page {n}",
  map_new: "Now: page {n}",
  fate_changed: "Page {new} has changed",
  fate_changed_from: "Page {new}, which was page {old}, has changed",
  fate_inserted: "Page {new} is new",
  fate_removed: "Page {old} was removed",
  fate_moved: "Page {old} is page {new} now",
  fate_same: "Pages {from} to {to}: as before",
  fate_same_one: "Page {from}: as before",
  fate_same_as: "Pages {from} to {to}: as pages {old} to {end} before",
  fate_same_one_as: "Page {from}: as page {old} before",
  no_map: "The two cannot be compared: one of them cannot be opened.",
};
