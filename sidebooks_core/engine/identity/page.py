"""Digests what a page of a PDF draws. Worker side."""

from __future__ import annotations

from sidebooks_core.engine.identity.graph import CONTENT, DrawingGraph, NeedsWhole, Sheet
from sidebooks_core.engine.identity.objects import Objects, Value
from sidebooks_core.engine.mupdf import OpenPdf, RawObj, mupdf, pymupdf

_INHERITED = ("MediaBox", "CropBox", "Rotate", "Resources")
_ANNOTATION_NOISE = frozenset(
    b"/P /Parent /Kids /Popup /A /AA /PA /Dest /M /NM /CreationDate /StructParent /AF /AP /OC /IRT".split()
)
"""Entries that are not drawn (actions, dates, links to other objects), or are digested in another way."""
_NEVER_DRAWN = (b"/Popup", b"/Link")
"""Annotations that the engine never draws."""
_FORM_NOISE = frozenset((b"/Fields", b"/XFA", b"/CO"))
_FIELD_DEPTH = 32


class PdfPages:
    """Digests the pages of one PDF. Objects that pages share are digested once."""

    def __init__(self, document: pymupdf.Document) -> None:
        self._document = document
        self._objects = Objects(document)
        self._graph = DrawingGraph(self._objects)
        self._whole: DrawingGraph | None = None

    def drawing(self, index: int) -> bytes:
        """All that the page draws, as one canonical text of bounded length.

        Raises `IdentityLimit`, `RecursionError` or an engine error if that cannot be told.
        """
        if isinstance(self._document, OpenPdf) and self._document.before_page is not None:
            self._document.before_page(self._document, index)
        # The page must be loaded first: the engine then redraws the form fields of files that ask for it, in the document.
        page = mupdf.ll_pdf_load_page(self._objects.pdf, index)
        try:
            is_group = bool(mupdf.ll_pdf_page_has_transparency(page))
            page_object = mupdf.ll_pdf_lookup_page_obj(self._objects.pdf, index)
            try:
                return self._page(self._graph, page_object, is_group)
            except NeedsWhole:
                if self._whole is None:
                    self._whole = DrawingGraph(self._objects, whole=True)
                return self._page(self._whole, page_object, is_group)
        finally:
            mupdf.ll_fz_drop_page(page.super)

    def _page(self, graph: DrawingGraph, page_object: RawObj, is_group: bool) -> bytes:
        graph.start_page()
        self._objects.start_page()
        entries = self._objects.as_dict(self._objects.value_of(page_object))
        for name in _INHERITED:
            found = mupdf.ll_pdf_dict_gets_inheritable(page_object, name)
            entries[b"/" + name.encode()] = self._objects.value_of(found) if found else b"null"
        sheet = Sheet([b"whole" if graph.whole else b"named"])
        # If the resources allow for blending, used or not, the engine draws the page as a group.
        sheet.parts.append(b"group" if is_group else b"plain")
        for key in (b"/MediaBox", b"/CropBox", b"/Rotate", b"/UserUnit", b"/Group"):
            sheet.parts.append(key)
            sheet.add(graph.made(entries.get(key, b"null")))
        sheet.parts.append(b"intent")
        sheet.add(graph.made(self._output_profile()))
        self._add_annotations(graph, sheet, entries.get(b"/Annots"))
        data = self._objects.contents(page_object)
        if data is None:
            sheet.add(graph.made(entries[b"/Contents"]))
        graph.add_content(sheet, data, entries.get(b"/Resources"))
        sheet.check_names()
        return b" ".join(sheet.parts)

    def _output_profile(self) -> Value:
        """The profile through which the engine takes CMYK colours. Of several it takes the first."""
        intents = self._objects.as_list(self._objects.root().get(b"/OutputIntents"))
        return self._objects.as_dict(intents[0]).get(b"/DestOutputProfile", b"null") if intents else b"null"

    def _add_annotations(self, graph: DrawingGraph, sheet: Sheet, annotations: Value | None) -> None:
        needs_form = False
        has_field = False
        for annotation in self._objects.as_list(annotations):
            if isinstance(annotation, int) and self._objects.named(annotation, "Subtype") in _NEVER_DRAWN:
                continue
            entries = self._objects.as_dict(annotation)
            kind = self._objects.resolved(entries.get(b"/Subtype"))
            if not entries or kind in _NEVER_DRAWN:
                continue
            one = Sheet([b"annotation"])
            graph.add_group(one, entries.get(b"/OC"))
            if b"/IRT" in entries:
                one.parts.append(b"reply")
            has_appearance = self._add_appearance(graph, one, entries)
            graph.add_entries(one, entries, _ANNOTATION_NOISE)
            if kind == b"/Widget":
                has_field = True
                needs_form |= self._add_field(graph, one, entries)
            needs_form |= not has_appearance
            sheet.add(one.closed())
        if needs_form or has_field:
            root = self._objects.root()
            form = self._objects.as_dict(root.get(b"/AcroForm"))
            if needs_form or self._objects.resolved(form.get(b"/NeedAppearances")) == b"true":
                # The engine draws the annotation itself, from these and from its own entries.
                one = Sheet([b"form"])
                graph.add_entries(one, form, _FORM_NOISE)
                one.parts.append(b"language")
                one.add(graph.made(root.get(b"/Lang", b"null")))
                sheet.add(one.closed())

    def _add_appearance(self, graph: DrawingGraph, sheet: Sheet, entries: dict[bytes, Value]) -> bool:
        """Digest the normal appearance, in all its states. Returns whether there is one for the present state."""
        normal = self._objects.as_dict(entries.get(b"/AP")).get(b"/N")
        if isinstance(normal, int) and self._objects.is_stream(normal):
            sheet.parts.append(b"appearance")
            sheet.add(graph.closure(normal, CONTENT))
            return True
        states = self._objects.as_dict(normal)
        for state in sorted(states):
            stream = states[state]
            if isinstance(stream, int) and self._objects.is_stream(stream):
                sheet.parts += (b"state", state)
                sheet.add(graph.closure(stream, CONTENT))
        present = self._objects.resolved(entries.get(b"/AS"))
        return isinstance(present, bytes) and self._objects.is_stream(states.get(present))

    def _add_field(self, graph: DrawingGraph, sheet: Sheet, entries: dict[bytes, Value]) -> bool:
        """Digest the entries that a form field inherits. Returns whether the engine always draws the field itself."""
        is_signature = False
        for _ in range(_FIELD_DEPTH):
            is_signature |= self._objects.resolved(entries.get(b"/FT")) == b"/Sig"
            entries = self._objects.as_dict(entries.get(b"/Parent"))
            if not entries:
                break
            sheet.parts.append(b"parent")
            graph.add_entries(sheet, entries, _ANNOTATION_NOISE)
        return is_signature
