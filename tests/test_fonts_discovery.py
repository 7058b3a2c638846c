"""Which fonts are found and chosen, without the engine."""

from __future__ import annotations

import struct
import subprocess
import sys
from pathlib import Path

import pytest

from sidebooks_core.fonts import discovery as font_discovery
from sidebooks_core.fonts.choice import BUILT_IN, BUILT_IN_LATIN, replacement
from sidebooks_core.fonts.discovery import Face, FontSet, discover
from sidebooks_core.fonts.names import read_name
from sidebooks_core.fonts.tables import read_faces, vertical_glyphs

JIS = 1 << 17


def font_file(
    postscript: str, family: str, weight: int = 400, pages: int = JIS, tables: dict[bytes, bytes] | None = None
) -> bytes:
    """The least that is read of a font."""
    strings = [postscript.encode("utf-16-be"), family.encode("utf-16-be")]
    records = struct.pack(">6H", 3, 1, 0x409, 6, len(strings[0]), 0)
    records += struct.pack(">6H", 3, 1, 0x409, 1, len(strings[1]), len(strings[0]))
    name = struct.pack(">3H", 0, 2, 6 + len(records)) + records + b"".join(strings)
    os2 = struct.pack(">HhHH", 4, 500, weight, 5).ljust(78, b"\0") + struct.pack(">II", pages, 0)
    parts = {b"OS/2": os2, b"name": name, **(tables or {})}
    directory, body, start = b"", b"", 12 + 16 * len(parts)
    for tag, part in parts.items():
        directory += tag + struct.pack(">III", 0, start + len(body), len(part))
        body += part
    return b"OTTO" + struct.pack(">4H", len(parts), 0, 0, 0) + directory + body


@pytest.fixture
def bare_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(font_discovery, "system_font_dirs", lambda: ())
    monkeypatch.setattr(font_discovery, "EXTRA_PACKAGES", ())


@pytest.mark.usefixtures("bare_machine")
class TestDiscovery:
    def test_a_machine_without_fonts_has_an_empty_set_with_an_id(self) -> None:
        assert discover() == FontSet()
        assert len(discover().id) == 16

    def test_known_names_are_found_in_subfolders_whatever_their_case(self, tmp_path: Path) -> None:
        (tmp_path / "a").mkdir()
        (tmp_path / "a" / "IPAEXM.TTF").write_bytes(font_file("IPAexMincho", "IPAexMincho"))
        (tmp_path / "ipaexg.ttf").write_bytes(font_file("IPAexGothic", "IPAexGothic"))
        found = discover([tmp_path])
        assert [(f.ordering, f.is_serif, f.is_bold, f.family) for f in found.faces] == [
            ("japan1", False, False, "IPAexGothic"),
            ("japan1", True, False, "IPAexMincho"),
        ]

    def test_the_first_folder_wins(self, tmp_path: Path) -> None:
        for folder in ("first", "second"):
            (tmp_path / folder).mkdir()
            (tmp_path / folder / "ipaexm.ttf").write_bytes(font_file("IPAexMincho", folder))
        assert discover([tmp_path / "second", tmp_path / "first"]).faces[0].family == "second"

    def test_fonts_of_unknown_names_count_in_the_folders_given(self, tmp_path: Path) -> None:
        (tmp_path / "x.otf").write_bytes(font_file("OurHouse-Bold", "わが家の明朝", 700))
        face = discover([tmp_path]).face("japan1", serif=True, bold=False)
        assert face is not None
        assert (face.family, face.is_serif, face.is_bold) == ("わが家の明朝", True, True)

    def test_the_face_of_a_collection_is_found_by_its_name(self, tmp_path: Path) -> None:
        faces = [font_file("MS-PMincho", "MS PMincho"), font_file("MS-Mincho", "MS Mincho")]
        (tmp_path / "msmincho.ttc").write_bytes(collection(faces))
        chosen = discover([tmp_path]).face("japan1", serif=True, bold=False)
        assert chosen is not None
        assert (chosen.family, chosen.index) == ("MS Mincho", 1)

    def test_the_id_depends_on_the_content_and_not_on_the_place(self, tmp_path: Path) -> None:
        ids = []
        for folder, family in (("a", "one"), ("b/c", "one"), ("d", "two")):
            (tmp_path / folder).mkdir(parents=True)
            (tmp_path / folder / "ipaexm.ttf").write_bytes(font_file("IPAexMincho", family))
            ids.append(discover([tmp_path / folder]).id)
        assert ids[0] == ids[1] != ids[2]

    @pytest.mark.parametrize(
        "content", [b"", b"OTTO", b"ttcf\0\0\0\0\xff\xff\xff\xff", b"not a font at all", b"OTTO\xff\xff" + b"\xff" * 99]
    )
    def test_a_damaged_font_is_passed_over(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "ipaexm.ttf").write_bytes(content)
        (tmp_path / "ipam.ttf").write_bytes(font_file("IPAMincho", "IPAMincho"))
        assert [f.family for f in discover([tmp_path]).faces] == ["IPAMincho"]

    def test_a_folder_that_is_not_there_is_passed_over(self, tmp_path: Path) -> None:
        assert discover([tmp_path / "nowhere"]) == FontSet()


def collection(faces: list[bytes]) -> bytes:
    head = 12 + 4 * len(faces)
    offsets, body = [], b""
    for face in faces:
        start = head + len(body)
        offsets.append(start)
        (count,) = struct.unpack_from(">H", face, 4)
        moved = bytearray(face)
        for i in range(count):
            (offset,) = struct.unpack_from(">I", face, 12 + 16 * i + 8)
            struct.pack_into(">I", moved, 12 + 16 * i + 8, offset + start)
        body += bytes(moved)
    return b"ttcf" + struct.pack(">II", 0x10000, len(faces)) + struct.pack(f">{len(faces)}I", *offsets) + body


def face(serif: bool, bold: bool, ordering: str = "japan1", family: str = "F") -> Face:
    return Face(ordering, serif, bold, family, "/f", 0, "d")


def test_style_matters_more_than_weight() -> None:
    some = FontSet((face(True, False), face(False, True)))
    assert some.face("japan1", serif=True, bold=True) == face(True, False)
    assert some.face("japan1", serif=False, bold=False) == face(False, True)
    assert some.face("gb1", serif=True, bold=False) is None


def test_a_set_survives_the_wire() -> None:
    some = FontSet((face(True, False), face(False, True)))
    assert FontSet.from_wire(some.to_wire()) == some
    assert FontSet.from_wire(some.to_wire()).id == some.id


@pytest.mark.parametrize(
    ("name", "is_serif", "is_bold", "is_japanese"),
    [
        ("Ryumin-Light", True, False, True),
        ("FutoMinA101-Bold", True, True, True),
        ("GothicBBB-Medium", False, False, True),
        ("HeiseiMin-W3", True, False, True),
        ("HeiseiKakuGo-W5", False, False, True),
        ("KozMinPr6N-Regular", True, False, True),
        ("KozGoPro-Bold", False, True, True),
        ("HiraMinProN-W6", True, True, True),
        ("ABCDEF+MSMincho,Bold", True, True, True),
        ("MS-PGothic", False, False, True),
        ("MS UI Gothic", False, False, True),
        ("Meiryo", False, False, True),
        ("BIZUDPMincho", True, False, True),
        ("ＭＳ 明朝", True, False, True),
        ("HG正楷書体-PRO", True, False, True),
        ("MSung-Light", True, False, False),
        ("AdobeMingStd-Light", True, False, False),
        ("SimHei", False, False, False),
        ("HYSMyeongJo-Medium", True, False, False),
        ("Century Gothic", False, False, False),
        ("Franklin Gothic Heavy", False, True, False),
        ("TimesNewRoman", None, False, False),
        ("Helvetica-Bold", None, True, False),
    ],
)
def test_names_are_read(name: str, is_serif: bool | None, is_bold: bool, is_japanese: bool) -> None:
    read = read_name(name)
    assert (read.is_serif, read.is_bold, read.is_japanese) == (is_serif, is_bold, is_japanese)


@pytest.mark.parametrize("text", ["ＭＳ 明朝", "ＭＳ Ｐ明朝", "ＭＳ ゴシック", "HG正楷書体-PRO"])
def test_garbled_names_are_read(text: str) -> None:
    shift_jis = text.encode("cp932")
    for garbled in (
        shift_jis,
        text.encode("euc-jp"),
        shift_jis.decode("utf-8", "surrogateescape"),
        shift_jis.decode("latin-1"),
        shift_jis.decode("mac-roman"),
        shift_jis.decode("latin-1").encode(),
    ):
        assert read_name(garbled).text == text
        assert read_name(garbled).is_serif == read_name(text).is_serif


def test_no_name_is_too_strange() -> None:
    for name in ("", b"", b"\xff\xfe\x00", "\udcff", "+", "ABCDEF+", b"\x80" * 500, "\x1b[31m"):
        read_name(name)


def test_what_replaces_a_font_is_said_in_words() -> None:
    some = FontSet((face(True, False, family="Noto Serif JP"), face(False, True, family="Noto Sans JP")))
    assert replacement(some, "Ryumin-Light", "Japan1") == "Noto Serif JP"
    assert replacement(some, "Unknown", "Adobe-Japan1", serif=True) == "Noto Serif JP"
    assert replacement(some, "MS-Mincho,Bold", "Japan1") == "Noto Serif JP, emboldened"
    assert replacement(some, "GothicBBB-Medium", "Japan1") == "Noto Sans JP Bold"
    assert replacement(some, "SimSun", "GB1") == BUILT_IN
    assert replacement(some, "MS-Mincho", None) == "Noto Serif JP"
    assert replacement(some, "Century Gothic", None) == BUILT_IN_LATIN
    assert replacement(FontSet(), "Ryumin-Light", "Japan1") == BUILT_IN


def test_vertical_glyphs_are_read() -> None:
    coverage = struct.pack(">HHHHH", 1, 3, 10, 11, 20)
    single = struct.pack(">HHH3H", 2, 12, 3, 110, 111, 120) + coverage
    # An extension subtable, as large fonts have, that points at the substitution behind it.
    lookup = struct.pack(">3HH", 7, 0, 1, 8) + struct.pack(">HHI", 1, 1, 8) + single
    lookups = struct.pack(">HH", 1, 4) + lookup
    features = struct.pack(">H4sH", 1, b"vert", 8) + struct.pack(">HHH", 0, 1, 0)
    table = struct.pack(">5H", 1, 0, 0, 10, 10 + len(features)) + features + lookups
    data = memoryview(font_file("A", "A", tables={b"GSUB": table}))
    assert vertical_glyphs(data, 0) == {10: 110, 11: 111, 20: 120}
    assert vertical_glyphs(memoryview(font_file("A", "A")), 0) == {}
    with pytest.raises(ValueError, match="damaged"):
        vertical_glyphs(memoryview(font_file("A", "A", tables={b"GSUB": table[:30]})), 0)


def test_faces_are_read(tmp_path: Path) -> None:
    path = tmp_path / "f.otf"
    path.write_bytes(font_file("A-Bold", "甲", 700, JIS | 1 << 18))
    (read,) = read_faces(path)
    assert (read.postscript, read.family, read.weight, read.orderings) == ("A-Bold", "甲", 700, ("japan1", "gb1"))


def test_discovery_loads_no_engine() -> None:
    code = (
        "import sys; from sidebooks_core.fonts.choice import replacement;"
        "from sidebooks_core.fonts.discovery import discover; discover();"
        "sys.exit('pymupdf' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
