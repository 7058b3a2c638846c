"""Maps read as a whole answer as the engine does one by one."""

from __future__ import annotations

import mmap
import struct
from pathlib import Path

import numpy as np
import pytest
from test_fonts_discovery import font_file

from sidebooks_core.engine.fonts.character_maps import CIDS, characters_of
from sidebooks_core.engine.mupdf import mupdf
from sidebooks_core.fonts.discovery import Face, discover
from sidebooks_core.fonts.glyph_maps import glyphs_of

COLLECTIONS = ("Adobe-Japan1-UCS2", "Adobe-GB1-UCS2", "Adobe-CNS1-UCS2", "Adobe-Korea1-UCS2")


@pytest.mark.parametrize("name", [*COLLECTIONS, "UniJIS-UTF16-V"])
def test_characters_are_those_that_the_engine_looks_up(name: str) -> None:
    cmap = mupdf.ll_pdf_load_builtin_cmap(name)
    assert characters_of(cmap).tolist() == [mupdf.ll_pdf_lookup_cmap(cmap, cid) for cid in range(CIDS)]


@pytest.mark.parametrize("face", discover([]).faces, ids=lambda face: f"{Path(face.path).name}-{face.index}")
def test_glyphs_are_those_that_the_engine_looks_up(face: Face) -> None:
    with Path(face.path).open("rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    font = mupdf.fz_new_font_from_buffer(
        None, mupdf.fz_new_buffer_from_shared_data(mupdf.python_mutable_buffer_data(mapped), len(mapped)), face.index, 0
    )
    characters = np.concatenate((np.arange(0x11000), np.arange(0x20000, 0x20400), [-1, 0x10FFFF]))
    glyphs = glyphs_of(characters, memoryview(mapped), face.index)
    assert glyphs is not None
    assert glyphs.tolist() == [
        mupdf.ll_fz_encode_character(font.m_internal, character) if character >= 0 else 0 for character in characters.tolist()
    ]


def table(*groups: tuple[int, int, int]) -> bytes:
    """A font's character map of format 12."""
    rows = b"".join(struct.pack(">3I", *group) for group in groups)
    return struct.pack(">HHHHI", 0, 1, 3, 10, 12) + struct.pack(">HHIII", 12, 0, 16 + len(rows), 0, len(groups)) + rows


def of(characters: list[int], cmap: bytes) -> list[int] | None:
    glyphs = glyphs_of(np.array(characters), memoryview(font_file("A", "A", tables={b"cmap": cmap})), 0)
    return None if glyphs is None else glyphs.tolist()


def test_what_a_map_does_not_reach_has_no_glyph() -> None:
    assert of([-1, 0, 64, 65, 90, 91, 0x20000], table((65, 90, 7), (0x20000, 0x20001, 100))) == [0, 0, 0, 7, 32, 0, 100]
    assert of([65], table()) == [0]


def test_a_face_that_maps_no_more_than_the_basic_plane_is_left_to_the_engine() -> None:
    assert of([65], struct.pack(">HHHHI", 0, 1, 3, 1, 12) + struct.pack(">HHH", 4, 24, 0)) is None
    assert glyphs_of(np.array([65]), memoryview(font_file("A", "A")), 0) is None


def test_a_damaged_map_is_said_to_be_so() -> None:
    for size in (3, 10, 20, 30):
        with pytest.raises(ValueError, match=r"damaged|buffer"):
            of([65], table((65, 90, 7))[:size])
