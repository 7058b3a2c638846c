"""Chooses the face that draws a font that is not embedded. Pure. Drawing and inspection share it."""

from __future__ import annotations

from sidebooks_core.fonts.discovery import ORDERINGS, Face, FontSet
from sidebooks_core.fonts.names import FontName, read_name

BUILT_IN = "built-in Droid Sans Fallback (Chinese forms)"
BUILT_IN_LATIN = "built-in base-14 look-alike"


def choose_cjk(font_set: FontSet, name: FontName, ordering: str, serif: bool) -> Face | None:
    """The face for a font of an East Asian collection. The name outweighs the descriptor's serif flag, which many producers
    leave out or set wrongly.
    """
    is_serif = serif if name.is_serif is None else name.is_serif
    return font_set.face(ordering, serif=is_serif, bold=name.is_bold)


def choose_latin(font_set: FontSet, name: FontName, bold: bool) -> Face | None:
    """The face for a font without a collection, if its name is Japanese (a form filled in with MS-Mincho, a style sheet's
    "Hiragino Mincho"); else None. The engine has good replacements for other fonts; "Century Gothic" is no Japanese font.
    """
    if not name.is_japanese:
        return None
    return font_set.face("japan1", serif=bool(name.is_serif), bold=bold or name.is_bold)


def replacement(font_set: FontSet, name: str, ordering: str | None, serif: bool = False, bold: bool = False) -> str:
    """The font that replaces the font `name` if that is not embedded, in words for a person.

    ordering: "Japan1", "GB1", "CNS1", "Korea1" (in any case, with or without "Adobe-"), or None for a font without a
    collection. serif, bold: as the font's descriptor has them.
    """
    read = read_name(name)
    collection = (ordering or "").lower().removeprefix("adobe-")
    if collection == "cns":
        collection = "cns1"
    if collection in ORDERINGS:
        face = choose_cjk(font_set, read, collection, serif)
        return BUILT_IN if face is None else _described(face, read.is_bold)
    face = choose_latin(font_set, read, bold)
    return BUILT_IN_LATIN if face is None else _described(face, bold or read.is_bold)


def _described(face: Face, bold: bool) -> str:
    if face.is_bold:
        return f"{face.family} Bold" if "bold" not in face.family.lower() else face.family
    return f"{face.family}, emboldened" if bold else face.family
