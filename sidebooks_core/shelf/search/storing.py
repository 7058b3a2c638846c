"""The text of a page as bytes in a row: 3 to 6 kB, of which two thirds are boxes. Pure, with numpy.

The characters and the numbers (boxes, lines) are compressed apart: a page that turns out not to match costs only its
characters. These are stored as they are and as they are searched, since folding takes longer than all the rest; the second one
makes a row 10 % longer. Whoever changes the folding adds a migration that has the texts made again.

Neighbouring boxes differ by little, and have the same size. So what is kept of a box is how far its corner is from that of the
one before, and how its width and height differ from those before, all in planes of bytes, of which most are zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import overload

import msgspec
import numpy as np
from numpy.typing import NDArray

from sidebooks_core.documents.model import PackedStream, PackedText
from sidebooks_core.errors import StorageDamaged
from sidebooks_core.shelf.search.compression import compress, decompress
from sidebooks_core.text.folding import fold
from sidebooks_core.text.packing import PARTS_PER_PT
from sidebooks_core.text.pages import PageText, Stream
from sidebooks_core.text.runs import Box

Numbers = NDArray[np.int32]

_LENGTH_BYTES = 4
_BOX, _LINE = 4, 1
"""Numbers for each character."""


def streams_of(text: PackedText) -> list[PackedStream]:
    """As it is written, and as it is read aloud, if that differs."""
    return [stream for stream in (text.written, text.read) if stream is not None]


def folded_of(text: PackedText) -> list[str]:
    """The streams of a text as they are searched."""
    return [fold(stream.text) for stream in streams_of(text)]


def packed(text: PackedText, folded: Sequence[str] | None = None) -> bytes:
    """A text as it is stored. folded: from `folded_of`, if it is there already."""
    streams = streams_of(text)
    known = folded_of(text) if folded is None else folded
    chars = compress(msgspec.msgpack.encode([(one.text, other) for one, other in zip(streams, known, strict=True)]))
    numbers = b"".join(_planes(_sized(_columns(one.boxes, _BOX))) + _planes(_columns(one.lines, _LINE)) for one in streams)
    return len(chars).to_bytes(_LENGTH_BYTES, "little") + chars + compress(numbers)


def unpacked(stored: bytes) -> PackedText:
    """A text again. Raises StorageDamaged."""
    chars, numbers = _parts(stored)
    streams = [
        PackedStream(text, numbers.boxes(place).tobytes(), numbers.lines(place).tobytes())
        for place, (text, _) in enumerate(chars)
    ]
    return PackedText(streams[0], streams[1] if len(streams) > 1 else None)


def folded_texts(stored: bytes) -> list[str]:
    """The streams of a text as they are searched. Raises StorageDamaged."""
    return [folded for _, folded in _parts(stored)[0]]


def readable(stored: bytes) -> PageText:
    """A text to be searched. Its boxes and lines are unpacked when they are asked for. Raises StorageDamaged, then, too."""
    chars, numbers = _parts(stored)
    streams = [
        Stream(text, _Boxes(numbers, place), _Lines(numbers, place), folded) for place, (text, folded) in enumerate(chars)
    ]
    return PageText(streams[0], streams[1] if len(streams) > 1 else None)


class _Packed:
    """The numbers of the streams of a text."""

    def __init__(self, data: bytes, lengths: Sequence[int]) -> None:
        self._data = data
        self._lengths = lengths

    @cached_property
    def _plain(self) -> bytes:
        try:
            plain = decompress(self._data)
        except ValueError as fault:
            raise _damaged(fault) from fault
        if len(plain) != 4 * (_BOX + _LINE) * sum(self._lengths):
            raise _damaged("it has not one box and one line for each character")
        return plain

    def length(self, stream: int) -> int:
        return self._lengths[stream]

    def boxes(self, stream: int) -> Numbers:
        """Of shape (characters, 4)."""
        x0, y0, width, height = (self._column(stream, column) for column in range(_BOX))
        return np.stack([x0, y0, x0 + width, y0 + height], axis=1)

    def lines(self, stream: int) -> Numbers:
        return self._column(stream, _BOX)

    def _column(self, stream: int, column: int) -> Numbers:
        length = self._lengths[stream]
        return _summed(self._plain, 4 * ((_BOX + _LINE) * sum(self._lengths[:stream]) + column * length), length)


class _Boxes(Sequence[Box]):
    """The boxes of characters, in points."""

    def __init__(self, numbers: _Packed, stream: int) -> None:
        self._numbers = numbers
        self._stream = stream

    @cached_property
    def _boxes(self) -> NDArray[np.float64]:
        boxes: NDArray[np.float64] = self._numbers.boxes(self._stream) / PARTS_PER_PT
        return boxes

    def __len__(self) -> int:
        return self._numbers.length(self._stream)

    @overload
    def __getitem__(self, place: int) -> Box: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Box]: ...
    def __getitem__(self, place: int | slice) -> Box | Sequence[Box]:
        if isinstance(place, slice):
            return [self[one] for one in range(*place.indices(len(self)))]
        x0_pt, y0_pt, x1_pt, y1_pt = self._boxes[place].tolist()
        return x0_pt, y0_pt, x1_pt, y1_pt


class _Lines(Sequence[int]):
    """The lines of characters."""

    def __init__(self, numbers: _Packed, stream: int) -> None:
        self._numbers = numbers
        self._stream = stream

    @cached_property
    def _lines(self) -> Numbers:
        return self._numbers.lines(self._stream)

    def __len__(self) -> int:
        return self._numbers.length(self._stream)

    @overload
    def __getitem__(self, place: int) -> int: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[int]: ...
    def __getitem__(self, place: int | slice) -> int | Sequence[int]:
        found: int | list[int] = self._lines[place].tolist()
        return found


def _parts(stored: bytes) -> tuple[list[tuple[str, str]], _Packed]:
    """The streams, one or two: their characters, and these as they are searched; and their numbers. Raises StorageDamaged."""
    begin = _LENGTH_BYTES + int.from_bytes(stored[:_LENGTH_BYTES], "little")
    try:
        chars = msgspec.msgpack.decode(decompress(stored[_LENGTH_BYTES:begin]), type=list[tuple[str, str]])
    except (msgspec.MsgspecError, ValueError) as fault:
        raise _damaged(fault) from fault
    if len(chars) not in (1, 2):
        raise _damaged("it has not one or two streams")
    return chars, _Packed(stored[begin:], [len(text) for text, _ in chars])


def _columns(numbers: bytes, columns: int) -> Numbers:
    return np.frombuffer(numbers, "<i4").reshape(-1, columns)


def _sized(boxes: Numbers) -> Numbers:
    """Boxes with width and height in place of the far corner. All numbers are modulo 2 ** 32."""
    return np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)


def _planes(numbers: Numbers) -> bytes:
    """The differences of neighbours, small ones of both signs as small numbers, the bytes of each weight together."""
    differences = np.diff(numbers, axis=0, prepend=np.zeros((1, numbers.shape[1]), np.int32))
    unsigned = ((differences << 1) ^ (differences >> 31)).astype("<u4")
    return unsigned.view(np.uint8).reshape(len(numbers), 4 * numbers.shape[1]).T.tobytes()


def _summed(plain: bytes, begin: int, count: int) -> Numbers:
    """A column of numbers from their planes."""
    planes = np.frombuffer(plain, np.uint8, 4 * count, begin).reshape(4, count)
    unsigned = planes[0].astype(np.uint32)
    for place in range(1, 4):
        if planes[place].any():
            unsigned |= planes[place].astype(np.uint32) << np.uint32(8 * place)
    differences = ((unsigned >> np.uint32(1)) ^ -(unsigned & np.uint32(1))).view(np.int32)
    return np.cumsum(differences, dtype=np.int32)


def _damaged(fault: object) -> StorageDamaged:
    return StorageDamaged(f"the text of a page is damaged ({fault}): restore a backup")
