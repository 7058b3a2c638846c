"""Which pages of a block have a gram, as compressed bytes. Pure, with numpy.

The pairs of (gram, page) of a block are divided into buckets by the highest bits of the gram, about `PAIRS_PER_BUCKET` in each.
A search reads the one bucket of a gram: some microseconds, however large the block is. Within a bucket, the pairs are in order,
and neighbours differ by little. So differences are kept, as planes of bytes, which can be compressed well.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from sidebooks_core.shelf.search.compression import compress, decompress
from sidebooks_core.shelf.search.grams import Grams

PAIRS_PER_BUCKET = 1024
"""About 1 kB: several fit into a page of SQLite's, and one is unpacked in some 10 µs."""
MOST_BITS = 14
"""Of the grams that tell the bucket."""
MOST_PAGES = 1 << 16
"""Of a block: a page is a number of 16 bits."""
_PAGE_BITS, _GRAM_BITS = np.uint64(16), 32
_COUNT_PLANES, _GRAM_PLANES, _PAGE_PLANES = 2, 4, 2

Pairs = NDArray[np.uint64]
"""Pairs of a gram and a page, ascending: the gram in the bits from 16 on, the page in the 16 below."""
Pages = NDArray[np.uint16]


class Bucket(Struct, frozen=True, array_like=True):
    """Some of the grams of a block."""

    number: int
    data: bytes


def pairs_of(grams: Sequence[Grams]) -> Pairs:
    """The pairs of pages. grams: of each page, each once. At most `MOST_PAGES` pages."""
    if not grams:
        return np.zeros(0, np.uint64)
    pairs = np.concatenate([(one.astype(np.uint64) << _PAGE_BITS) | np.uint64(page) for page, one in enumerate(grams)])
    pairs.sort()
    return pairs


def joined(parts: Sequence[tuple[Pairs, int]]) -> Pairs:
    """The pairs of several blocks as one block. parts: pairs with the number of pages of their block."""
    first, moved = 0, []
    for pairs, pages in parts:
        moved.append(pairs + np.uint64(first))
        first += pages
    whole = np.concatenate(moved) if moved else np.zeros(0, np.uint64)
    whole.sort()
    return whole


def without(pairs: Pairs, is_kept: NDArray[np.bool_]) -> Pairs:
    """The pairs of the pages that are kept, numbered anew. is_kept: for each page of the block."""
    pages = (pairs & np.uint64(MOST_PAGES - 1)).astype(np.intp)
    chosen = is_kept[pages]
    numbers = (np.cumsum(is_kept) - 1).astype(np.uint64)
    kept: Pairs = ((pairs[chosen] >> _PAGE_BITS) << _PAGE_BITS) | numbers[pages[chosen]]
    return kept


def bits_for(pairs: int) -> int:
    """How many of the highest bits of a gram tell its bucket, in a block of so many pairs."""
    return min(MOST_BITS, (pairs // PAIRS_PER_BUCKET).bit_length())


def bucket_of(gram: int, bits: int) -> int:
    """The bucket that has a gram."""
    return gram >> (_GRAM_BITS - bits)


def packed(pairs: Pairs, bits: int) -> list[Bucket]:
    """The buckets of pairs that are in order; none for grams that do not occur."""
    if not len(pairs):
        return []
    grams, pages = pairs >> _PAGE_BITS, (pairs & np.uint64(MOST_PAGES - 1)).astype("<u2")
    is_first = np.ones(len(grams), bool)
    is_first[1:] = grams[1:] != grams[:-1]
    starts = np.flatnonzero(is_first)
    distinct = grams[starts]
    counts = np.diff(starts, append=len(grams)) - 1
    differences = np.diff(pages, prepend=np.zeros(1, "<u2"))  # modulo 2 ** 16: right within a gram, where pages ascend
    differences[starts] = pages[starts]
    buckets = distinct >> np.uint64(_GRAM_BITS - bits)
    edges = np.flatnonzero(np.diff(buckets, prepend=buckets[0] + np.uint64(1)))
    steps = np.diff(distinct, prepend=np.zeros(1, np.uint64))
    steps[edges] = distinct[edges] - (buckets[edges] << np.uint64(_GRAM_BITS - bits))
    gram_planes = _planes(steps.astype("<u4"), _GRAM_PLANES)
    count_planes = _planes(counts.astype("<u2"), _COUNT_PLANES)
    page_planes = _planes(differences.astype("<u2"), _PAGE_PLANES)
    gram_edges = [*edges.tolist(), len(distinct)]
    page_edges = [*starts[edges].tolist(), len(pairs)]
    found = []
    for place, number in enumerate(buckets[edges].tolist()):
        first, stop = gram_edges[place], gram_edges[place + 1]
        parts = [(stop - first).to_bytes(4, "little"), *(plane[first:stop] for plane in (*gram_planes, *count_planes))]
        parts += [plane[page_edges[place] : page_edges[place + 1]] for plane in page_planes]
        found.append(Bucket(number, compress(b"".join(parts))))
    return found


def pages_of(data: bytes, gram: int, bits: int) -> Pages:
    """The pages of a block that have a gram, ascending. data: the gram's bucket. Raises ValueError for damaged data."""
    plain = decompress(data)
    grams = int.from_bytes(plain[:4], "little")
    steps = _numbers(plain, 4, grams, _GRAM_PLANES)
    wanted = gram - (bucket_of(gram, bits) << (_GRAM_BITS - bits))
    distinct = np.cumsum(steps, dtype=np.uint64)
    at = int(np.searchsorted(distinct, np.uint64(wanted)))
    if at == grams or distinct[at] != wanted:
        return np.zeros(0, np.uint16)
    counts = _numbers(plain, 4 + _GRAM_PLANES * grams, grams, _COUNT_PLANES).astype(np.intp) + 1
    begin = 4 + (_GRAM_PLANES + _COUNT_PLANES) * grams
    pairs = (len(plain) - begin) // _PAGE_PLANES
    first = int(counts[:at].sum())
    stop = first + int(counts[at])
    if len(plain) != begin + _PAGE_PLANES * pairs or stop > pairs:
        raise ValueError("a bucket of the index is damaged")
    low = np.frombuffer(plain, np.uint8, stop - first, begin + first).astype(np.uint16)
    high = np.frombuffer(plain, np.uint8, stop - first, begin + pairs + first).astype(np.uint16)
    pages: Pages = np.cumsum(low | (high << np.uint16(8)), dtype=np.uint16)
    return pages


def unpacked(buckets: Iterable[Bucket], bits: int) -> Pairs:
    """All pairs of a block, in order. buckets: in order. Raises ValueError for damaged data."""
    pairs = []
    for bucket in buckets:
        plain = decompress(bucket.data)
        grams = int.from_bytes(plain[:4], "little")
        steps = _numbers(plain, 4, grams, _GRAM_PLANES)
        counts = _numbers(plain, 4 + _GRAM_PLANES * grams, grams, _COUNT_PLANES).astype(np.intp) + 1
        differences = _numbers(plain, 4 + (_GRAM_PLANES + _COUNT_PLANES) * grams, int(counts.sum()), _PAGE_PLANES)
        distinct = np.cumsum(steps, dtype=np.uint64) + np.uint64(bucket.number << (_GRAM_BITS - bits))
        running = np.cumsum(differences, dtype=np.int64)
        starts = np.cumsum(counts) - counts
        running -= np.repeat(running[starts] - differences[starts], counts)
        pairs.append((np.repeat(distinct, counts) << _PAGE_BITS) | running.astype(np.uint64))
    return np.concatenate(pairs) if pairs else np.zeros(0, np.uint64)


def _planes(numbers: NDArray[np.generic], planes: int) -> list[bytes]:
    """The lowest bytes of some numbers, then the next ones, and so on."""
    by_byte = numbers.view(np.uint8).reshape(len(numbers), planes)
    return [by_byte[:, place].tobytes() for place in range(planes)]


def _numbers(plain: bytes, begin: int, count: int, planes: int) -> NDArray[np.uint32]:
    """Numbers again from their planes of bytes. Raises ValueError if there are too few bytes."""
    by_byte = np.frombuffer(plain, np.uint8, count * planes, begin).reshape(planes, count)
    numbers: NDArray[np.uint32] = by_byte[0].astype(np.uint32)
    for place in range(1, planes):
        numbers |= by_byte[place].astype(np.uint32) << np.uint32(8 * place)
    return numbers
