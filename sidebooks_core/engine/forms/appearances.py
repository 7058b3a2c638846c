"""Replaces the text in the engine's appearances of form fields and notes that bring no appearance. Worker side.

The engine draws the border, the ground and Latin text well. It draws characters beyond the basic plane as other characters,
symbols not at all or cut off, two scripts in fonts of its own, and passwords in clear. Its appearances lie in a table of
objects beside the document's own (a "local xref") while the page is open. Ours lie there too. So the document itself, and the
identity of its pages, do not change.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from contextlib import contextmanager

from msgspec import Struct

from sidebooks_core.engine.forms import fonts as form_fonts
from sidebooks_core.engine.forms.layout import CENTRE, Box, Setting, set_text, shown
from sidebooks_core.engine.mupdf import ENGINE_ERRORS, EnginePage, as_pdf, as_pdf_page, mupdf, owned, parsed, pymupdf
from sidebooks_core.engine.pdf.resources import new_stream

COMPLAINT = re.compile(r"^cannot encode character|^\.\.\. repeated")
"""The engine's messages about text that is replaced here."""
_MULTILINE, _PASSWORD, _COMB = 1 << 12, 1 << 13, 1 << 24
_COMBO, _PUSH_BUTTON = 1 << 17, 1 << 16
"""Bits of a field's flags (ISO 32000-1, tables 226 to 230)."""
_MOST_CHARACTERS = 20_000
"""Most characters of one field that are set. The rest is left out, with a message."""
_FONT = re.compile(r"/(\S+)\s+([-+]?[\d.]+)\s+Tf")
_COLOUR = re.compile(r"((?:[-+]?[\d.]+\s+){1,4})(g|rg|k)(?=\s|$)")
_COMPONENTS = {"g": 1, "rg": 3, "k": 4}
_CLIP = b"W\nn\n"
_CLIP_SIZE = re.compile(rb"([-\d.]+) ([-\d.]+) re\nW\nn\n")
"""Width and height of a note's box inside its border. A note with a callout line has a larger box around it (BBox)."""
_COMB_LINES = re.compile(rb"(?:[^\n]* m [^\n]* l s\n)*")
_TRANSFORM = re.compile(rb"q\n[^\n]* cm\n")
_SPACE, _LINE_END, _TAG = re.compile(r"\s+"), re.compile(r"</p\s*>|<br\s*/?>"), re.compile("<[^<>]*>")
_STYLE_SIZE = re.compile(r"font(?:-size)?\s*:[^;:\"']{0,100}?([\d.]{1,8})\s?pt")
_STYLE_COLOUR = re.compile(r"(?<![\w-])color\s*:\s*#([0-9a-fA-F]{6})")
_PASSWORD_SIGN = "•"
_RICH_CHARACTERS, _STYLE_CHARACTERS = 200_000, 1000
"""Most characters of rich text and of a default appearance that are read."""


class _Written(Struct, frozen=True):
    """An appearance with its new content."""

    annotation: mupdf.PdfAnnot
    stream: mupdf.PdfObj
    data: bytes


class _Content(Struct, frozen=True):
    """The text that a field or note shows, and how it is set."""

    text: str
    is_multiline: bool = False
    cells: int = 0
    quadding: int | None = None
    extra_padding: float = 0.0


def complete(page: EnginePage) -> bool:
    """Replace the text that the engine sets wrongly. Returns whether the engine made any appearance of this page. Raises the
    engine's errors.
    """
    if not isinstance(page, pymupdf.Page) or not page.parent.is_pdf:
        return False
    document = as_pdf(page.parent)
    if not document.m_internal.local_xref:
        return False
    fonts = form_fonts.FormFonts()
    written: list[_Written] = []
    for annotation in _annotations(as_pdf_page(page)):
        with _beside_the_document(annotation):
            appearance = mupdf.ll_pdf_annot_ap(annotation.m_internal)
            if not appearance or not mupdf.ll_pdf_is_local_object(document.m_internal, appearance):
                continue
            try:
                content = _content(annotation)
                if content is not None:
                    stream = owned(appearance)
                    written.append(_Written(annotation, stream, _rewritten(document, annotation, stream, content, fonts)))
            except ENGINE_ERRORS as error:
                mupdf.fz_warn(f"a form field or note is shown as the engine sets it ({type(error).__name__})")
    if written:
        with _beside_the_document(written[0].annotation):
            listed = _listed_fonts(document, fonts.used())
            for one in written:
                _put(document, one, listed)
    return True


@contextmanager
def _beside_the_document(annotation: mupdf.PdfAnnot) -> Iterator[None]:
    """Objects that are read and written in the block are those of the local table, if they are in it."""
    mupdf.ll_pdf_annot_push_local_xref(annotation.m_internal)
    try:
        yield
    finally:
        mupdf.ll_pdf_annot_pop_local_xref(annotation.m_internal)


def _annotations(page: mupdf.PdfPage) -> Iterator[mupdf.PdfAnnot]:
    for first, following in (
        (mupdf.pdf_first_annot, mupdf.pdf_next_annot),
        (mupdf.pdf_first_widget, mupdf.pdf_next_widget),
    ):
        annotation = first(page)
        while annotation.m_internal:
            yield annotation
            annotation = following(annotation)


def _content(annotation: mupdf.PdfAnnot) -> _Content | None:
    """The text that must be replaced; None if the engine sets it right."""
    entries = mupdf.pdf_annot_obj(annotation)
    kind = mupdf.pdf_to_name(mupdf.pdf_dict_gets(entries, "Subtype"))
    if kind == "FreeText":
        text = shown(mupdf.pdf_to_text_string(mupdf.pdf_dict_gets(entries, "Contents")) or _plain(_rich_text(entries, "RC")))
        return None if _is_latin(text) else _Content(text, is_multiline=True)
    if kind != "Widget":
        return None
    field_type = mupdf.pdf_to_name(_inherited(entries, "FT"))
    flags = mupdf.pdf_to_int(_inherited(entries, "Ff"))
    value = shown(mupdf.pdf_field_value(entries))
    if field_type == "Tx":
        return _text_field(entries, flags, value)
    if field_type == "Ch":
        options = _options(_inherited(entries, "Opt"))
        if flags & _COMBO:
            chosen = shown(mupdf.pdf_array_get_text_string(_inherited(entries, "V"), 0)) or value  # for a list: the first one
            text = shown(dict(options).get(chosen, chosen))
            return None if _is_latin(text) and text == value else _Content(text)
        first = max(0, mupdf.pdf_to_int(_inherited(entries, "TI")))
        text = "\n".join(shown(label).replace("\n", " ") for _, label in options[first:])
        return None if _is_latin(text) else _Content(text, is_multiline=True)
    if field_type == "Btn" and flags & _PUSH_BUTTON:
        caption = shown(mupdf.pdf_to_text_string(mupdf.pdf_dict_gets(mupdf.pdf_dict_gets(entries, "MK"), "CA")))
        return None if _is_latin(caption) else _Content(caption, quadding=CENTRE, extra_padding=6.0)
    return None


def _text_field(entries: mupdf.PdfObj, flags: int, value: str) -> _Content | None:
    is_multiline = bool(flags & _MULTILINE)
    if flags & _PASSWORD:
        return _Content(_PASSWORD_SIGN * len(value)) if value else None
    value = value or shown(_plain(_rich_text(entries, "RV")))
    # The engine sets rich text in a single line too low.
    is_misplaced = not is_multiline and any(_inherited(entries, key).m_internal for key in ("RV", "DS"))
    if not value or (_is_latin(value) and not is_misplaced):
        return None
    cells = mupdf.pdf_to_int(_inherited(entries, "MaxLen")) if flags & _COMB and not is_multiline else 0
    return _Content(value, is_multiline, max(0, cells))


def _rich_text(entries: mupdf.PdfObj, key: str) -> str:
    """Text with tags, from a string or a stream."""
    value = _inherited(entries, key)
    if mupdf.pdf_is_stream(value):
        data = mupdf.fz_buffer_extract_copy(mupdf.pdf_load_stream(value))
        encoding = "utf-16" if data[:2] in (b"\xfe\xff", b"\xff\xfe") else "utf-8"
        return data[: 2 * _RICH_CHARACTERS].decode(encoding, "replace")
    return mupdf.pdf_to_text_string(value)[:_RICH_CHARACTERS]


def _plain(rich: str) -> str:
    """The text without tags. The end of a paragraph and a break are ends of lines."""
    lines = _LINE_END.sub("\n", _SPACE.sub(" ", rich)).strip()
    return html.unescape(_TAG.sub("", lines)).strip()


def _options(listed: mupdf.PdfObj) -> list[tuple[str, str]]:
    """Value and label of each choice."""
    found = []
    for index in range(mupdf.pdf_array_len(listed)):
        one = mupdf.pdf_array_get(listed, index)
        if mupdf.pdf_is_array(one):
            found.append((shown(mupdf.pdf_array_get_text_string(one, 0)), mupdf.pdf_array_get_text_string(one, 1)))
        else:
            label = mupdf.pdf_to_text_string(one)
            found.append((shown(label), label))
    return found


def _is_latin(text: str) -> bool:
    """Whether the engine's Latin fonts, which are encoded as in Windows, have all characters."""
    try:
        text.encode("cp1252")
    except UnicodeEncodeError:
        return False
    return True


def _rewritten(
    document: mupdf.PdfDocument,
    annotation: mupdf.PdfAnnot,
    stream: mupdf.PdfObj,
    content: _Content,
    page_fonts: form_fonts.FormFonts,
) -> bytes:
    """The engine's appearance with other text in place of its own."""
    entries = mupdf.pdf_annot_obj(annotation)
    written = mupdf.fz_buffer_extract_copy(mupdf.pdf_load_stream(stream))
    before, closing, is_moved = _frame(written)
    border = mupdf.pdf_annot_border_width(annotation)
    clip = _CLIP_SIZE.search(written) if is_moved else None
    if clip is not None:
        width, height = (float(side) + 2 * border for side in clip.groups())
        if mupdf.pdf_to_int(mupdf.pdf_dict_gets(entries, "Rotate")) % 180:
            width, height = height, width
    else:
        bounds = mupdf.pdf_dict_get_rect(stream, mupdf.pdf_new_name("BBox"))
        width, height = bounds.x1 - bounds.x0, bounds.y1 - bounds.y0
    font_name, size, colour = _default_appearance(document, entries)
    text = content.text[:_MOST_CHARACTERS]
    if len(text) < len(content.text):
        mupdf.fz_warn("a form field holds too much text: its end is not shown")
    fonts = page_fonts.of_style(form_fonts.style_of(font_name, _language(document, entries)))
    padding = 0.0 if content.cells else content.extra_padding + (border if content.extra_padding else 2 * border)
    quadding = mupdf.pdf_annot_quadding(annotation) if content.quadding is None else content.quadding
    box = Box(width, height, padding, size, quadding, content.is_multiline, content.cells)
    setting = set_text(text, box, fonts.width_of)
    if fonts.lacking:
        numbers = ", ".join(f"U+{ord(one):04X}" for one in sorted(set(fonts.lacking))[:8])
        mupdf.fz_warn(f"missing glyph: no font here has {numbers}, of a form field or note")
    return before + _shown_text(setting, fonts, colour) + closing


def _frame(written: bytes) -> tuple[bytes, bytes, bool]:
    """The content before the engine's text and after it, and whether the text has a space of its own, as in a note."""
    clip = written.find(_CLIP)
    if clip < 0:  # a button
        return written[: written.index(b"BT\n")], b"Q\n", False
    start = clip + len(_CLIP)
    if written.startswith(b"/Tx BMC"):
        lines = _COMB_LINES.match(written, start)
        return written[: lines.end() if lines else start], b"Q\nEMC\n", False
    moved = _TRANSFORM.match(written, start)
    return written[: moved.end() if moved else start], b"Q\n" if moved else b"", moved is not None


def _default_appearance(document: mupdf.PdfDocument, entries: mupdf.PdfObj) -> tuple[str, float, str]:
    """The name of the font, its size, and the operator that sets its colour."""
    form = mupdf.pdf_dict_gets(mupdf.pdf_dict_gets(mupdf.pdf_trailer(document), "Root"), "AcroForm")
    text = mupdf.pdf_to_text_string(_inherited(entries, "DA")) or mupdf.pdf_to_text_string(mupdf.pdf_dict_gets(form, "DA"))
    text = text[:_STYLE_CHARACTERS]
    fonts = _FONT.findall(text)
    name, size = fonts[-1] if fonts else ("Helv", "12")
    resource = mupdf.pdf_dict_gets(mupdf.pdf_dict_gets(mupdf.pdf_dict_gets(form, "DR"), "Font"), name)
    base = mupdf.pdf_to_name(mupdf.pdf_dict_gets(resource, "BaseFont"))
    colour = "0 g"
    for numbers, operator in _COLOUR.findall(text):
        if len(numbers.split()) == _COMPONENTS[operator]:
            colour = f"{numbers.strip()} {operator}"
    rich = "".join(_rich_text(entries, key) for key in ("DS", "RC", "RV"))
    sizes, colours = _STYLE_SIZE.findall(rich), _STYLE_COLOUR.findall(rich)
    if colours:
        red, green, blue = (int(colours[-1][start : start + 2], 16) / 255 for start in (0, 2, 4))
        colour = f"{red:.3f} {green:.3f} {blue:.3f} rg"
    return base or name, _number(sizes[-1] if sizes else size), colour


def _number(text: str) -> float:
    try:
        return min(1000.0, max(0.0, float(text)))
    except ValueError:
        return 0.0


def _language(document: mupdf.PdfDocument, entries: mupdf.PdfObj) -> str:
    """The document's language. The engine takes Chinese if the document states none."""
    catalog = mupdf.pdf_dict_gets(mupdf.pdf_trailer(document), "Root")
    own = mupdf.pdf_to_text_string(_inherited(entries, "Lang"))
    return own or mupdf.pdf_to_text_string(mupdf.pdf_dict_gets(catalog, "Lang"))


def _shown_text(setting: Setting, fonts: form_fonts.StyledFonts, colour: str) -> bytes:
    parts = [f"BT\n{colour}\n"]
    set_font = ""
    for glyph in setting.glyphs:
        font = fonts.font_of(glyph.character)
        if font.resource != set_font:
            parts.append(f"/{font.resource} {setting.size:.3f} Tf\n")
            set_font = font.resource
        parts.append(f"1 0 0 1 {glyph.x:.3f} {glyph.y:.3f} Tm <{font.code(glyph.character):04x}> Tj\n")
    return "".join((*parts, "ET\n")).encode()


def _put(document: mupdf.PdfDocument, one: _Written, fonts: mupdf.PdfObj) -> None:
    resources = mupdf.pdf_dict_gets(one.stream, "Resources")
    if not mupdf.pdf_is_dict(resources):
        resources = mupdf.pdf_new_dict(document, 1)
        mupdf.pdf_dict_puts(one.stream, "Resources", resources)
    mupdf.pdf_dict_puts(resources, "Font", fonts)
    mupdf.pdf_update_stream(document, one.stream, mupdf.fz_new_buffer_from_copied_data(one.data), 0)


def _listed_fonts(document: mupdf.PdfDocument, fonts: list[form_fonts.FormFont]) -> mupdf.PdfObj:
    """The fonts in the form of a dictionary of resources."""
    listed = mupdf.pdf_new_dict(document, len(fonts))
    for one in fonts:
        descendant = _parsed(document, form_fonts.descendant_entries(one))
        mupdf.pdf_dict_puts(descendant, "CIDToGIDMap", _stream(document, form_fonts.glyph_map(one)))
        descendants = mupdf.pdf_new_array(document, 1)
        mupdf.pdf_array_push(descendants, mupdf.pdf_add_object(document, descendant))
        font = _parsed(document, f"/Type/Font/Subtype/Type0/BaseFont/{one.name}")
        mupdf.pdf_dict_puts(font, "Encoding", _stream(document, form_fonts.CODES))
        mupdf.pdf_dict_puts(font, "DescendantFonts", descendants)
        mupdf.pdf_dict_puts(font, "ToUnicode", _stream(document, form_fonts.to_unicode(one)))
        mupdf.pdf_dict_puts(listed, one.resource, mupdf.pdf_add_object(document, font))
    return listed


def _stream(document: mupdf.PdfDocument, data: bytes) -> mupdf.PdfObj:
    return new_stream(document, data, mupdf.PdfObj())


def _parsed(document: mupdf.PdfDocument, entries: str) -> mupdf.PdfObj:
    return parsed(document, f"<<{entries}>>")


def _inherited(entries: mupdf.PdfObj, key: str) -> mupdf.PdfObj:
    return mupdf.pdf_dict_get_inheritable(entries, mupdf.pdf_new_name(key))
