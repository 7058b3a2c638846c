"""PDFs for the tests of `content_id`: every page draws with one object of each sort, all listed in one shared dictionary."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from hashlib import blake2b

import pymupdf

SLOTS = [
    *("page", "content", "image", "image_mask", "font", "descriptor", "font_file", "state", "space", "lookup"),
    *("pattern", "pattern_image", "shading", "function", "form", "inner_form", "inner_image", "type3", "glyph"),
    *("mask_state", "mask_form", "mask_image", "group", "annotation", "appearance", "drawn_annotation", "field"),
    "field_parent",
]
SHARED = 10
"""Numbers below are the document's: 1 catalog, 2 page tree, 3 resources, 4 form, 5 default colour space, 6 an unused image."""


def number(page: int, slot: str) -> int:
    """The object number of one page's own object of a sort."""
    return SHARED + page * len(SLOTS) + SLOTS.index(slot)


def stream(entries: str, data: bytes, *, deflate: bool = False) -> bytes:
    if deflate:
        data, entries = zlib.compress(data), entries + "/Filter/FlateDecode"
    return b"<<%s/Length %d>>stream\n%s\nendstream" % (entries.encode(), len(data), data)


def pdf(objects: Mapping[int, bytes], root: int = 1) -> bytes:
    """A PDF of these objects, in ascending order, with a cross-reference table."""
    out, offsets = bytearray(b"%PDF-1.7\n"), {}
    for key in sorted(objects):
        offsets[key] = len(out)
        out += b"%d 0 obj\n%s\nendobj\n" % (key, objects[key])
    start, size = len(out), max(objects) + 1
    out += b"xref\n0 %d\n0000000000 65535 f \n" % size
    for key in range(1, size):
        out += b"%010d 00000 %s \n" % (offsets.get(key, 0), b"n" if key in offsets else b"f")
    return bytes(out) + b"trailer<</Size %d/Root %d 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (size, root, start)


def one_page(content: bytes, resources: str = "", page: str = "", more: Mapping[int, bytes] | None = None) -> bytes:
    """A document of one page, 100 x 100 pt, whose objects 1 to 4 are catalog, tree, page and content."""
    return pdf(
        {
            1: b"<</Type/Catalog/Pages 2 0 R>>",
            2: b"<</Type/Pages/Kids[3 0 R]/Count 1/MediaBox[0 0 100 100]>>",
            3: f"<</Type/Page/Parent 2 0 R/Contents 4 0 R/Resources<<{resources}>>{page}>>".encode(),
            4: stream("", content),
            **(more or {}),
        }
    )


def image(shade: int, entries: str = "") -> bytes:
    pixels = bytes((shade * k) % 256 for k in range(1, 13))
    return stream(f"/Type/XObject/Subtype/Image/Width 2/Height 2/BitsPerComponent 8/ColorSpace/DeviceRGB{entries}", pixels)


def grey(shade: int) -> bytes:
    return stream(
        "/Type/XObject/Subtype/Image/Width 2/Height 2/BitsPerComponent 8/ColorSpace/DeviceGray",
        bytes((shade * k) % 256 for k in range(1, 5)),
    )


def book(pages: int) -> bytes:
    """All pages differ, and each draws with every sort of object."""
    font_file = bytes(pymupdf.Font("helv").buffer)
    every = {slot: " ".join(f"{number(p, slot)} 0 R" for p in range(pages)) for slot in SLOTS}
    layers = f"<</OCGs[{every['group']}]/D<</ON[]/OFF[]>>>>"
    tree = f"/Count {pages}/MediaBox[0 0 100 100]/Resources 3 0 R/Kids[{every['page']}]"
    objects = {
        1: f"<</Type/Catalog/Pages 2 0 R/AcroForm 4 0 R/OCProperties{layers}>>".encode(),
        2: f"<</Type/Pages{tree}>>".encode(),
        4: f"<</DA(/Helv 8 Tf 0 g)/DR<<>>/Fields[{every['field_parent']}]>>".encode(),
        5: b"[/CalRGB<</WhitePoint[0.9505 1 1.089]/Gamma[1.8 1.8 1.8]>>]",
        6: image(77),
    }
    listed: dict[str, list[str]] = {
        "ColorSpace": ["/DefaultRGB 5 0 R"],
        "XObject": ["/Unused 6 0 R"],
    }
    for p in range(pages):
        n = {slot: f"{number(p, slot)} 0 R" for slot in SLOTS}
        for category, name, slot in (
            ("XObject", "Im", "image"), ("XObject", "Fm", "form"), ("Font", "F", "font"), ("Font", "T", "type3"),
            ("ExtGState", "GS", "state"), ("ExtGState", "M", "mask_state"), ("ColorSpace", "CS", "space"),
            ("Pattern", "P", "pattern"), ("Shading", "Sh", "shading"), ("Properties", "MC", "group"),
        ):  # fmt: skip
            listed.setdefault(category, []).append(f"/{name}{p} {n[slot]}")
        content = f"""q /GS{p} gs /CS{p} cs 1 sc 10 10 20 20 re B Q
            q 20 0 0 20 40 10 cm /Im{p} Do Q
            BT /F{p} 12 Tf 10 80 Td (Abg{p}) Tj ET
            q /Pattern cs /P{p} scn 70 10 20 20 re f Q
            q 10 40 20 20 re W n /Sh{p} sh Q
            q 1 0 0 1 40 40 cm /Fm{p} Do Q
            BT /T{p} 12 Tf 70 45 Td (a) Tj ET
            q /M{p} gs 1 0 0 rg 10 65 20 10 re f Q
            /OC /MC{p} BDC 0 0 1 rg 40 65 20 10 re f EMC"""
        shade = 37 + 2 * p
        own = {
            "page": f"<</Type/Page/Parent 2 0 R/Contents {n['content']}"
            f"/Annots[{n['annotation']} {n['drawn_annotation']} {n['field']}]>>".encode(),
            "content": stream("", content.encode()),
            "image": image(shade, f"/SMask {n['image_mask']}"),
            "image_mask": grey(shade + 1),
            "font": f"<</Type/Font/Subtype/Type1/BaseFont/ABCDEF+Own/FontDescriptor {n['descriptor']}"
            f"/FirstChar 65/LastChar 66/Widths[700 700]/Encoding/WinAnsiEncoding>>".encode(),
            "descriptor": f"<</Type/FontDescriptor/FontName/ABCDEF+Own/Flags 32/FontFile3 {n['font_file']}>>".encode(),
            "font_file": stream("/Subtype/Type1C", font_file, deflate=True),
            "state": b"<</LW 3/LC 0/CA 1/ca 0.7>>",
            "space": f"[/Indexed/DeviceRGB 1 {n['lookup']}]".encode(),
            "lookup": stream("", bytes([0, 0, 0, shade % 256, 90, 200])),
            "pattern": stream(
                f"/PatternType 1/PaintType 1/TilingType 1/BBox[0 0 5 5]/XStep 5/YStep 5"
                f"/Resources<</XObject<</A {n['pattern_image']}>>>>",
                b"4 0 0 4 0 0 cm /A Do",
            ),
            "pattern_image": image(shade + 2),
            "shading": f"<</ShadingType 2/ColorSpace/DeviceRGB/Coords[10 0 30 0]/Extend[true true]"
            f"/Function {n['function']}>>".encode(),
            "function": b"<</FunctionType 2/Domain[0 1]/C0[1 0 0]/C1[0 0 1]/N 1>>",
            "form": stream(
                f"/Type/XObject/Subtype/Form/BBox[0 0 20 20]/Resources<</XObject<</Inner {n['inner_form']}>>>>",
                b"1 0 0 1 2 2 cm /Inner Do",
            ),
            "inner_form": stream(
                f"/Type/XObject/Subtype/Form/BBox[0 0 20 20]/Resources<</XObject<</Deep {n['inner_image']}>>>>",
                b"15 0 0 15 0 0 cm /Deep Do",
            ),
            "inner_image": image(shade + 3),
            "type3": f"<</Type/Font/Subtype/Type3/FontBBox[0 0 1000 1000]/FontMatrix[0.001 0 0 0.001 0 0]/FirstChar 97"
            f"/LastChar 97/Widths[1000]/Encoding<</Differences[97/a]>>/CharProcs<</a {n['glyph']}>>/Resources<<>>>>".encode(),
            "glyph": stream("", b"1000 0 0 0 1000 1000 d1 0 0 700 700 re f"),
            "mask_state": f"<</SMask<</S/Luminosity/G {n['mask_form']}>>>>".encode(),
            "mask_form": stream(
                f"/Type/XObject/Subtype/Form/BBox[0 0 100 100]/Group<</S/Transparency/CS/DeviceGray>>"
                f"/Resources<</XObject<</X {n['mask_image']}>>>>",
                b"100 0 0 100 0 0 cm /X Do",
            ),
            "mask_image": grey(shade + 4),
            "group": f"<</Type/OCG/Name(Layer {p})>>".encode(),
            "annotation": f"<</Type/Annot/Subtype/Stamp/Rect[70 60 90 75]/F 4/AP<</N {n['appearance']}>>/M(D:2020)>>".encode(),
            "appearance": stream("/Type/XObject/Subtype/Form/BBox[0 0 20 15]", b"0 1 0 rg 2 2 10 10 re f"),
            "drawn_annotation": b"<</Type/Annot/Subtype/Square/Rect[62 80 75 95]/C[1 0 0]/F 4/BS<</W 2>>>>",
            "field": f"<</Type/Annot/Subtype/Widget/Rect[78 80 98 95]/F 4/Parent {n['field_parent']}>>".encode(),
            "field_parent": f"<</FT/Tx/T(field{p})/V(one)/Kids[{n['field']}]>>".encode(),
        }
        objects |= {number(p, slot): own[slot] for slot in SLOTS}
    categories = (f"/{key}<<{''.join(entries)}>>" for key, entries in listed.items())
    objects[3] = f"<<{''.join(categories)}>>".encode()
    return pdf(objects)


def drawn(document: pymupdf.Document, index: int, scale: float = 1.0) -> bytes:
    """A digest of a page's pixels and size, annotations and fields included, as the library draws it.

    The engine's store is emptied first: with two documents open, it takes a colour space or shading that is written in
    line in one for that of the other, if they refer to the same object numbers.
    """
    pymupdf.TOOLS.store_shrink(100)
    display_list = document[index].get_displaylist(annots=1)
    pixmap = display_list.get_pixmap(matrix=pymupdf.Matrix(scale, scale), alpha=0)
    size = f"{pixmap.width} {pixmap.height} {tuple(display_list.rect)}"
    return blake2b(size.encode() + pixmap.samples, digest_size=16).digest()
