"""Draws fonts that are not embedded with the machine's own fonts. Worker side. Installs the engine's hooks, once per process.

The engine writes into each font that a hook returns: widths, metrics, whether it is stretched. So each call makes a new font
object. Only the file is shared: it is mapped once and never copied (a collection has 20 to 100 MB).
"""

from __future__ import annotations

import mmap
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import ParamSpec

from msgspec import Struct, field

from sidebooks_core.engine.fonts import settling as font_settling
from sidebooks_core.engine.mupdf import EnginePage, mupdf, pymupdf
from sidebooks_core.fonts.choice import choose_cjk, choose_latin
from sidebooks_core.fonts.discovery import Face, FontSet
from sidebooks_core.fonts.names import read_name

P = ParamSpec("P")

_MOST_FONTS = 256
"""Replaced fonts that are loaded between two clearings of the engine's store."""

_ORDERING_OF = {
    mupdf.FZ_ADOBE_CNS: "cns1",
    mupdf.FZ_ADOBE_GB: "gb1",
    mupdf.FZ_ADOBE_JAPAN: "japan1",
    mupdf.FZ_ADOBE_KOREA: "korea1",
}
_ORDERING_OF_LANGUAGE = {
    mupdf.FZ_LANG_ja: "japan1",
    mupdf.FZ_LANG_ko: "korea1",
    mupdf.FZ_LANG_zh: "gb1",
    mupdf.FZ_LANG_zh_Hans: "gb1",
    mupdf.FZ_LANG_zh_Hant: "cns1",
}
_HANGUL, _HIRAGANA, _KATAKANA, _BOPOMOFO, _HAN = 24, 32, 33, 34, 35  # UCDN_SCRIPT_…, which the binding does not name


class Substitutes(Struct):
    """The state of the hooks: the set of fonts, the mapped files, and errors."""

    font_set: FontSet
    cjk_count: int = 0
    """Fonts of East Asian collections that were replaced since the start."""
    problems: list[str] = field(default_factory=list)
    """The first errors inside the hooks. The engine's own fonts were used in these cases."""
    _counted: int = 0
    _files: dict[str, tuple[mmap.mmap, mupdf.FzBuffer]] = field(default_factory=dict)
    _maps: dict[tuple[str, int, str], bytes | None] = field(default_factory=dict)
    _held: list[mupdf.pdf_font_desc] = field(default_factory=list)

    def note(self, error: Exception) -> None:
        if len(self.problems) < 20:
            self.problems.append(f"{type(error).__name__}: {error}")

    def for_name(self, name: str, bold: int, italic: int, _needs_exact_metrics: int) -> mupdf.FzFont | None:
        """Hook for fonts without a collection."""
        read = read_name(name)
        face = choose_latin(self.font_set, read, bool(bold))
        return self._open(face, bool(bold) or read.is_bold, bool(italic) or read.is_italic)

    def for_collection(self, name: str, ordering: int, serif: int) -> mupdf.FzFont | None:
        """Hook for the fonts of Adobe's East Asian collections."""
        read = read_name(name)
        face = choose_cjk(self.font_set, read, _ORDERING_OF.get(ordering, ""), bool(serif))
        font = self._open(face, read.is_bold, read.is_italic)
        self.cjk_count += font is not None
        return font

    def for_script(self, script: int, language: int, serif: int, _bold: int, _italic: int) -> mupdf.FzFont | None:
        """Hook for characters that no font of an EPUB, FB2, SVG or text has.

        The engine asks once for each process, script and `serif`, and draws all text with the answer. So the answer is never
        bold or italic: otherwise all books would look like the first characters of the first book.
        """
        if script in (_HIRAGANA, _KATAKANA):
            ordering = "japan1"
        elif script == _HAN:
            # Books rarely state the language of each element. If our font lacks a character, the engine goes on to ask for
            # Chinese.
            ordering = _ORDERING_OF_LANGUAGE.get(language, "japan1")
        elif script == _HANGUL:
            ordering = "korea1"
        elif script == _BOPOMOFO:
            ordering = "cns1"
        else:
            return None
        return self._open(self.font_set.face(ordering, serif=bool(serif), bold=False), bold=False, italic=False)

    def _open(self, face: Face | None, bold: bool, italic: bool) -> mupdf.FzFont | None:
        if face is None:
            return None
        # No name, since "DF…" would make the engine hint the font. No table of glyph boxes, which is too big for these fonts.
        font = mupdf.fz_new_font_from_buffer(None, self._buffer(face.path), face.index, 0)
        flags = mupdf.ll_fz_font_flags(font.m_internal)
        flags.fake_bold = int(bold and not face.is_bold)
        flags.fake_italic = int(italic)
        flags.is_serif = int(face.is_serif)
        return font

    def _buffer(self, path: str) -> mupdf.FzBuffer:
        if path not in self._files:
            with Path(path).open("rb") as file:
                mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
            # A private mapping that is never written to: all workers share one copy in memory. The engine knows only its
            # address, so it stays mapped as long as the hooks are installed: until the process ends.
            shared = mupdf.fz_new_buffer_from_shared_data(mupdf.python_mutable_buffer_data(mapped), len(mapped))
            self._files[path] = (mapped, shared)
        return self._files[path][1]

    def settle(self, page: EnginePage) -> bool:
        """See the function `settle`."""
        if not self.cjk_count or not isinstance(page, pymupdf.Page) or not page.parent.is_pdf:
            return False
        if self.cjk_count - self._counted > _MOST_FONTS:
            # The engine's store keeps each font that it loads, but does not count the 0.5 MB of a replaced font. A scan with
            # two fonts for the hidden text of each page would fill the memory.
            self._counted = self.cjk_count
            mupdf.fz_shrink_store(0)
        while self._held:
            font_settling.drop(self._held.pop())
        changed = False
        for loaded in font_settling.replaced_fonts(page):
            # A font that is held until the next page stays in the engine's store. Otherwise it could be loaded again,
            # uncorrected, before the page is drawn.
            self._held.append(loaded)
            path = self._path_of(loaded)
            if path is None:
                continue
            if not font_settling.has_own_widths(loaded):
                widths = font_settling.narrowed_widths(loaded, partial(self._own_widths, path, loaded))
                if widths is not None:
                    font_settling.give_widths(loaded, widths)
                    changed = True
            if font_settling.needs_vertical_forms(loaded):
                cid_to_gid = self._vertical_map(loaded, path)
                if cid_to_gid is not None:
                    font_settling.give_map(loaded, cid_to_gid)
                    changed = True
        return changed

    def _own_widths(self, path: str, loaded: mupdf.pdf_font_desc) -> Callable[[int], int]:
        # Of another object for the same face: the engine has put the document's widths into `loaded`.
        face = mupdf.fz_new_font_from_buffer(None, self._buffer(path), loaded.font.subfont, 0)
        return lambda glyph: round(1000 * mupdf.fz_advance_glyph(face, glyph, 0))

    def _path_of(self, loaded: mupdf.pdf_font_desc) -> str | None:
        """The path of our file with which a loaded font draws; None if it draws with another."""
        buffer = loaded.font.buffer
        address = int(buffer.this) if buffer else 0
        return next((path for path, (_, ours) in self._files.items() if int(ours.m_internal.this) == address), None)

    def _vertical_map(self, loaded: mupdf.pdf_font_desc, path: str) -> bytes | None:
        # A map from the document's own ToUnicode is valid for this font only.
        called = loaded.to_ttf_cmap.cmap_name if loaded.to_ttf_cmap else ""
        is_shared = called.startswith("Adobe-")
        key = (path, loaded.font.subfont, called)
        if is_shared and key in self._maps:
            return self._maps[key]
        cid_to_gid = font_settling.vertical_map(loaded, memoryview(self._files[path][0]))
        if is_shared:
            self._maps[key] = cid_to_gid
        return cid_to_gid


_installed: Substitutes | None = None


def install(font_set: FontSet) -> Substitutes:
    """Install the hooks. Call it once per process, before any document is opened: fonts that are loaded already do not change.

    Raises RuntimeError if another set is installed.
    """
    global _installed
    if _installed is not None:
        if _installed.font_set != font_set:
            raise RuntimeError("another set of fonts is installed in this process")
        return _installed
    substitutes = Substitutes(font_set)

    def guarded(hook: Callable[P, mupdf.FzFont | None]) -> Callable[P, mupdf.FzFont | None]:
        def call(*arguments: P.args, **keywords: P.kwargs) -> mupdf.FzFont | None:
            try:
                return hook(*arguments, **keywords)
            except Exception as error:  # noqa: BLE001 - an exception that enters the engine's C frames ends the process
                substitutes.note(error)
                return None

        return call

    mupdf.fz_install_load_system_font_funcs(
        f=guarded(substitutes.for_name),
        f_cjk=guarded(substitutes.for_collection),
        f_fallback=guarded(substitutes.for_script),
    )
    _installed = substitutes
    return substitutes


def open_replacement(name: str, ordering: str, serif: bool) -> mupdf.FzFont:
    """A new font object that replaces a font of this name and East Asian collection."""
    engine_ordering = next(number for number, one in _ORDERING_OF.items() if one == ordering)
    font = _installed.for_collection(name, engine_ordering, int(serif)) if _installed is not None else None
    return mupdf.fz_new_cjk_font(engine_ordering) if font is None else font


def settle(page: EnginePage) -> bool:
    """Correct the replaced fonts that a page has loaded. Returns True if the page's display list must be made again.

    Call it with each page after its display list is made. It costs nothing until a font is replaced.
    """
    if _installed is None:
        return False
    try:
        return _installed.settle(page)
    except (mupdf.FzErrorBase, ValueError) as error:
        # The page keeps the forms of characters that the engine chose.
        _installed.note(error)
        return False
