"""The mark of a reader (a watermark): its lines of text, their letters as a worker draws them, and their strokes at each size.

All of it is kept in memory only. Images are marked when they are sent. A marked image has no ETag, no cache keeps it, and no
store ever holds it.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Generic, TypeVar

from msgspec import Struct

from sidebooks_core.access.principals import Principal
from sidebooks_core.documents.model import Lettering
from sidebooks_core.errors import RenderFailed
from sidebooks_core.images.requests import TilePlace
from sidebooks_core.server import allowance
from sidebooks_core.server.http import HttpRequest
from sidebooks_core.server.joining import JoinedWork
from sidebooks_core.service import TileService

if TYPE_CHECKING:  # numpy and Pillow: only for a server that marks
    from sidebooks_core.encoding.encode import EncodedImage
    from sidebooks_core.encoding.marking import Strokes

LETTERS_PX = 72
"""The size at which a worker draws a name. It is made smaller for each image."""
LONGEST_LINE = 24
"""Characters of a name that are shown."""
CODE_CHARACTERS = 8
"""Characters of the login's id that are shown."""
HELD_BYTES = 48 << 20
"""The most bytes of letters and strokes in memory: of some hundred readers, at the sizes that their screens need."""


_Value = TypeVar("_Value")


class _Kept(Generic[_Value]):
    """Values by lines of text, within a budget of bytes; the least recently used is forgotten. Thread-safe."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[str, ...], tuple[_Value, int]] = OrderedDict()
        self.held_bytes = 0

    def get(self, name: tuple[str, ...]) -> _Value | None:
        with self._lock:
            found = self._kept.get(name)
            if found is None:
                return None
            self._kept.move_to_end(name)
            return found[0]

    def put(self, name: tuple[str, ...], value: _Value, size_bytes: int) -> None:
        with self._lock:
            replaced = self._kept.pop(name, None)
            self._kept[name] = value, size_bytes
            self.held_bytes += size_bytes - (0 if replaced is None else replaced[1])
            while self.held_bytes > self._most_bytes and len(self._kept) > 1:
                self.held_bytes -= self._kept.popitem(last=False)[1][1]


class Mark(Struct, frozen=True):
    """What stands on the images of one reader."""

    lines: tuple[str, ...]
    letters: Lettering


def lines_of(principal: Principal, address: str, now_s: float) -> tuple[str, ...]:
    """The lines of a mark: the name, and the day with the beginning of the login's id, which the audit has, too.

    A reader without a name is called by the role, and one without a login by the address of the machine. now_s:
    seconds since 1970 (UTC); the day is that of the server's time zone.
    """
    name = "".join(character for character in principal.name if character.isprintable()).strip()
    code = principal.session[:CODE_CHARACTERS] or address
    day = time.strftime("%Y-%m-%d", time.localtime(now_s))
    return (name or principal.role)[:LONGEST_LINE], f"{day} {code}"


class Marks:
    """Marks of readers. `of` belongs to the event loop; the other methods are thread-safe."""

    def __init__(self, service: TileService, clock: Callable[[], float] = time.time, held_bytes: int = HELD_BYTES) -> None:
        """clock: seconds since 1970 (UTC)."""
        self._questions = service.parts.questions
        self._clock = clock
        self._joined = JoinedWork()
        self._letters: _Kept[Lettering] = _Kept(held_bytes // 4)
        self._strokes: _Kept[Strokes] = _Kept(held_bytes - held_bytes // 4)

    @property
    def held_bytes(self) -> int:
        """Of all letters and strokes that are kept."""
        return self._letters.held_bytes + self._strokes.held_bytes

    async def of(self, request: HttpRequest) -> Mark | None:
        """The mark of a request's images; None: they carry none. Raises RenderFailed if it cannot be drawn, and what a worker's
        job raises.
        """
        if not request.limits.is_marked:
            return None
        lines = lines_of(request.principal, request.address, self._clock())
        letters = self._letters.get(lines)
        if letters is None:

            async def drawn() -> Lettering:
                return await asyncio.wrap_future(self._questions.lettering(lines, LETTERS_PX, request.client))

            letters = await self._joined.get(request, lines, drawn)
            if not any(letters.ink):
                raise RenderFailed("the mark of the reader cannot be drawn: it shows nothing")
            self._letters.put(lines, letters, len(letters.ink))
        return Mark(lines, letters)

    def image(self, mark: Mark, data: bytes, media_type: str, at: TilePlace, quality: int) -> EncodedImage:
        """An image with a mark. at: its place on its page. quality: of lossy formats, 1 to 100. It takes some milliseconds."""
        from sidebooks_core.encoding import marking

        spec = at.request.spec
        at_px = spec.x0_px + at.column * spec.tile_px, spec.y0_px + at.row * spec.tile_px
        return marking.marked(data, media_type, at_px, self._strokes_of(mark, at), quality)

    def bitonal_image(self, mark: Mark, data: bytes, media_type: str, at: TilePlace, quality: int) -> EncodedImage:
        """An image in black and white with a mark."""
        from sidebooks_core.encoding import marking

        return marking.marked_bitonal(data, media_type, self._strokes_of(mark, at), quality)

    def _strokes_of(self, mark: Mark, at: TilePlace) -> Strokes:
        """Raises RenderFailed if nothing would be seen."""
        from sidebooks_core.encoding import marking

        request = at.request
        letters_px = marking.letters_px(allowance.long_side_px(request.document, request.page, request.spec.scale))
        name = (*mark.lines, str(letters_px))
        found = self._strokes.get(name)
        if found is None:
            letters = mark.letters
            try:
                found = marking.strokes(letters.ink, (letters.width_px, letters.height_px), LETTERS_PX, letters_px)
            except ValueError as error:
                raise RenderFailed(f"the mark of the reader cannot be drawn: {error}") from error
            self._strokes.put(name, found, found.held_bytes)
        return found
