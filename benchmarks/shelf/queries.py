"""What is sought in a shelf: texts of one to six characters, chosen by a rule from the texts of pages.

Some pages are taken by chance. For each script (Japanese, Latin, digits) and each length, the runs of characters of that
script on them are counted by pages. Of these are taken: "frequent", by chance from the hundredth that stands on the most pages;
"median", from the tenth around the median, by pages that each run stands on; "rare", from those on one page alone; and
"absent", the first half of a frequent run with the second half of another one, which together stand on none of the pages. An
absent run may stand on a page that was not taken.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterable, Sequence

from msgspec import Struct

SCRIPTS = {"Japanese": "[\u3041-\u3096\u30a1-\u30fa\u4e00-\u9fff]+", "Latin": "[a-z]+", "digits": "[0-9]+"}
LENGTHS = range(1, 7)
KINDS = ("frequent", "median", "rare", "absent")
_TRIES = 200


class Query(Struct, frozen=True):
    """A text that is sought."""

    text: str
    script: str
    kind: str


def queries(texts: Iterable[str], each: int, chance: random.Random) -> list[Query]:
    """Up to `each` queries for each script, length and kind. texts: of pages, in lower case."""
    pages = list(texts)
    found: list[Query] = []
    for script, pattern in SCRIPTS.items():
        runs = [re.findall(pattern, page) for page in pages]
        for length in LENGTHS:
            counts = Counter(one for page in runs for one in _parts(page, length))
            if counts:
                found += [Query(text, script, kind) for kind in KINDS for text in _chosen(counts, kind, each, chance)]
    return found


def _parts(runs: Sequence[str], length: int) -> set[str]:
    return {run[start : start + length] for run in runs for start in range(len(run) - length + 1)}


def _chosen(counts: Counter[str], kind: str, each: int, chance: random.Random) -> list[str]:
    ordered = [text for text, _ in counts.most_common()]
    frequent = ordered[: max(each, len(ordered) // 100)]
    if kind == "frequent":
        return chance.sample(frequent, min(each, len(frequent)))
    if kind == "median":
        middle = _middle(counts)
        return chance.sample(middle, min(each, len(middle)))
    if kind == "rare":
        once = [text for text in ordered if counts[text] == 1]
        return chance.sample(once, min(each, len(once)))
    absent: dict[str, None] = {}
    for _ in range(_TRIES):
        first, second = chance.choice(frequent), chance.choice(frequent)
        text = first[: len(first) // 2] + second[len(second) // 2 :]
        if text not in counts and len(absent) < each:
            absent[text] = None
    return list(absent)


def _middle(counts: Counter[str]) -> list[str]:
    """The tenth of the runs around that one before and after which runs stand on equally many pages together."""
    ordered, half, seen = counts.most_common(), counts.total() / 2, 0
    for place, (_, count) in enumerate(ordered):
        seen += count
        if seen >= half:
            reach = max(1, len(ordered) // 20)
            return [text for text, _ in ordered[max(0, place - reach) : place + reach]]
    return []
