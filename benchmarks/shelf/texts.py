"""Text of pages without number, made of the lines of real documents.

Some pages of each document of the corpus are read once, as the shelf reads them: characters with their boxes. A page is made
of runs of 3 to 8 neighbouring lines of them, from documents of one language, until it is as long as a real page, taken by
chance. So words occur as often as they do in the documents: few very often, most seldom. Each page begins with a line of its
own: a year, a month, the numbers of a paper and of a page. Seven pages of ten are Japanese.

What this cannot say: each word that is not a number occurs in some document of the corpus, so the shelf has fewer different
words than a real one of its size has.
"""

from __future__ import annotations

import random
import re
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

import sidebooks_core as sb
from benchmarks import corpus
from sidebooks_core.documents.model import PackedStream, PackedText
from sidebooks_core.errors import SidebooksError

PAGES_OF_DOCUMENT = 40
JAPANESE_SHARE = 0.7
LEAST_CHARS = 200
"""Of a real page that is taken for a measure: pages of pictures have fewer."""
MOST_CHARS = 4000
_JAPANESE = re.compile("[\u3040-\u30ff\u4e00-\u9fff]")

Numbers = NDArray[np.int32]


class SourceLine(Struct, frozen=True):
    """A line of a real page, with its end."""

    text: str
    boxes: Numbers
    """Of shape (characters, 4), in the parts of a point of `text.packing`."""


class Language(Struct, frozen=True):
    """Lines of documents of a language."""

    documents: list[list[SourceLine]]
    lengths: list[int]
    """Characters of real pages."""


class Source(Struct, frozen=True):
    """What pages are made of."""

    japanese: Language
    other: Language


def read_source(root: Path | None, most_documents: int | None = None) -> Source:
    """Read documents of the corpus. Raises CorpusMissing."""
    found: dict[bool, tuple[list[list[SourceLine]], list[int]]] = {True: ([], []), False: ([], [])}
    chosen = corpus.documents(root, without={*corpus.TROUBLE, "vector", "geometry", "transparency"})
    chosen = [one for one in chosen if one.kind in ("japanese", "text", "book", "slides", "scan", root.name if root else "")]
    random.Random(len(chosen)).shuffle(chosen)
    with sb.TileService(sb.Settings(cache_dir=None, workers=2)) as service:
        for number, one in enumerate(chosen[:most_documents], 1):
            print(f"\rreading {number}/{len(chosen)} {one.path.name[:40]:40}", end="", file=sys.stderr, flush=True)
            try:
                document = service.open(one.path, one.password)
                pages = corpus.some_pages(document.page_count, PAGES_OF_DOCUMENT)
                texts = [service.parts.questions.text(document, page).result().written for page in pages]
            except SidebooksError as error:
                print(f"\nleft out: {one.path.name}: {error}", file=sys.stderr)
                continue
            whole = "".join(text.text for text in texts)
            documents, lengths = found[len(_JAPANESE.findall(whole)) > len(whole) / 4]
            documents.append([line for text in texts for line in _lines(text)])
            lengths += [min(len(text.text), MOST_CHARS) for text in texts if len(text.text) >= LEAST_CHARS]
    print(file=sys.stderr)
    japanese, other = (Language([one for one in found[key][0] if one], found[key][1]) for key in (True, False))
    if not (japanese.documents and japanese.lengths and other.documents and other.lengths):
        raise corpus.CorpusMissing("too little text: documents in Japanese and in another language are needed")
    return Source(japanese, other)


def page_text(source: Source, chance: random.Random, number: int) -> PackedText:
    """The text of a page. number: which one it is in the shelf."""
    language = source.japanese if chance.random() < JAPANESE_SHARE else source.other
    length = chance.choice(language.lengths)
    lines = [_first_line(chance, number)]
    chars = len(lines[0].text)
    while chars < length:
        document = chance.choice(language.documents)
        start = chance.randrange(len(document))
        for line in document[start : start + chance.randint(3, 8)]:
            lines.append(line)
            chars += len(line.text)
    return _joined(lines)


def _first_line(chance: random.Random, number: int) -> SourceLine:
    text = f"令和{chance.randint(1, 12)}年{chance.randint(1, 12)}月 第{number:06}号 {chance.randint(1, 300)}頁\n"
    left = np.arange(len(text), dtype=np.int32) * 160 + 1000
    top = np.full(len(text), 800, np.int32)
    return SourceLine(text, np.stack([left, top, left + 160, top + 200], axis=1).astype(np.int32))


def _joined(lines: Sequence[SourceLine]) -> PackedText:
    """Lines below one another."""
    numbers = np.repeat(np.arange(len(lines), dtype=np.int32), [len(line.text) for line in lines])
    boxes = np.concatenate([line.boxes for line in lines])
    tops = np.array([line.boxes[0, 1] for line in lines], np.int32)
    moved = (np.arange(len(lines), dtype=np.int32) * 256 + 800 - tops)[numbers]
    boxes = boxes + np.stack([np.zeros_like(moved), moved, np.zeros_like(moved), moved], axis=1)
    text = "".join(line.text for line in lines)
    return PackedText(PackedStream(text, boxes.astype("<i4").tobytes(), numbers.astype("<i4").tobytes()), None)


def _lines(stream: PackedStream) -> list[SourceLine]:
    boxes = np.frombuffer(stream.boxes, "<i4").reshape(-1, 4)
    found, begin = [], 0
    for line in stream.text.splitlines(keepends=True):
        found.append(SourceLine(line, boxes[begin : begin + len(line)].astype(np.int32)))
        begin += len(line)
    return [line for line in found if line.text.strip() and line.text.endswith("\n")]
