"""Finds the fonts that replace fonts that documents do not embed. Runs in the host: without an engine, and without reading
every font.

Known file names are looked up in the given folders, in the package of the `fonts` extra, and in the system's font folders, in
this order. Only the chosen files are opened, to find the face in a collection and to take the digest.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from sidebooks_core.fonts.names import read_name
from sidebooks_core.fonts.tables import FaceNames, read_faces

# Part of the id of every set. Raise it if the same files are drawn in another way.
DRAWING_VERSION = 1

EXTRA_PACKAGES = ("pylopdf_fonts_jp",)
"""Packages that hold only fonts. They are found without being imported."""

ORDERINGS = ("japan1", "gb1", "cns1", "korea1")
"""Adobe's character collections: Japanese, simplified Chinese, traditional Chinese, Korean."""

_MOST_FILES = 20_000
_MOST_UNKNOWN = 64
_DIGEST_BYTES = 1 << 16


class Face(Struct, frozen=True):
    """One face of a font file, and its use."""

    ordering: str
    """One of ORDERINGS."""
    is_serif: bool
    """Mincho, Song, Ming, Batang: True; Gothic, Hei, Dotum: False."""
    is_bold: bool
    family: str
    path: str
    index: int
    """The face's place in its collection, from 0."""
    digest: str
    """Of the file's content; equal on all machines."""


FaceWire = tuple[str, bool, bool, str, str, int, str]
"""A face as it crosses the process border: its fields in order."""


class FontSet(Struct, frozen=True):
    """The faces that replace fonts, at most one for each ordering, style and weight. Equal on all machines with equal fonts."""

    faces: tuple[Face, ...] = ()

    @property
    def id(self) -> str:
        """Stable name of the set for cache keys: 16 hexadecimal digits. It depends on the fonts, not on their places."""
        parts = sorted((f.ordering, f.is_serif, f.is_bold, f.index, f.digest) for f in self.faces)
        return hashlib.sha256(repr((DRAWING_VERSION, parts)).encode()).hexdigest()[:16]

    def face(self, ordering: str, *, serif: bool, bold: bool) -> Face | None:
        """The best face; None if there is none for the ordering. Style counts before weight, since weight can be imitated.

        Another style of the same script is better than the engine's own font, whose forms are Chinese.
        """
        ranked = sorted(
            (f for f in self.faces if f.ordering == ordering), key=lambda f: (f.is_serif != serif, f.is_bold != bold)
        )
        return ranked[0] if ranked else None

    def to_wire(self) -> list[FaceWire]:
        return [(f.ordering, f.is_serif, f.is_bold, f.family, f.path, f.index, f.digest) for f in self.faces]

    @classmethod
    def from_wire(cls, wire: Sequence[FaceWire]) -> FontSet:
        return cls(tuple(Face(*row) for row in wire))


# Best first within a folder: (ordering, serif, bold, file, PostScript name of the face). The order in a collection differs
# between editions, so the face is found by its name. Variable fonts are left out: the engine draws their thinnest instance.
_KNOWN: tuple[tuple[str, bool, bool, str, str], ...] = (
    # Windows: the fonts that most documents name, so their widths fit. MS Mincho and MS Gothic have no bold.
    ("japan1", True, False, "msmincho.ttc", "MS-Mincho"),
    ("japan1", True, False, "BIZ-UDMinchoM.ttc", "BIZ-UDMincho-Medium"),
    ("japan1", True, False, "yumin.ttf", "YuMincho-Regular"),
    ("japan1", True, True, "yumindb.ttf", "YuMincho-Demibold"),
    ("japan1", False, False, "msgothic.ttc", "MS-Gothic"),
    ("japan1", False, False, "BIZ-UDGothicR.ttc", "BIZ-UDGothic"),
    ("japan1", False, True, "BIZ-UDGothicB.ttc", "BIZ-UDGothic-Bold"),
    ("japan1", False, False, "YuGothR.ttc", "YuGothic-Regular"),
    ("japan1", False, True, "YuGothB.ttc", "YuGothic-Bold"),
    ("japan1", False, False, "meiryo.ttc", "Meiryo"),
    ("japan1", False, True, "meiryob.ttc", "Meiryo-Bold"),
    ("gb1", True, False, "simsun.ttc", "SimSun"),
    ("gb1", False, False, "msyh.ttc", "MicrosoftYaHei"),
    ("gb1", False, True, "msyhbd.ttc", "MicrosoftYaHei-Bold"),
    ("gb1", False, False, "simhei.ttf", "SimHei"),
    ("cns1", True, False, "mingliu.ttc", "MingLiU"),
    ("cns1", False, False, "msjh.ttc", "MicrosoftJhengHeiRegular"),
    ("cns1", False, True, "msjhbd.ttc", "MicrosoftJhengHeiBold"),
    ("korea1", True, False, "batang.ttc", "Batang"),
    ("korea1", False, False, "malgun.ttf", "MalgunGothic"),
    ("korea1", False, True, "malgunbd.ttf", "MalgunGothicBold"),
    # macOS
    ("japan1", True, False, "ヒラギノ明朝 ProN.ttc", "HiraMinProN-W3"),
    ("japan1", True, True, "ヒラギノ明朝 ProN.ttc", "HiraMinProN-W6"),
    ("japan1", True, False, "ヒラギノ明朝 ProN W3.otf", "HiraMinProN-W3"),
    ("japan1", True, True, "ヒラギノ明朝 ProN W6.otf", "HiraMinProN-W6"),
    ("japan1", False, False, "ヒラギノ角ゴシック W3.ttc", "HiraKakuProN-W3"),
    ("japan1", False, True, "ヒラギノ角ゴシック W6.ttc", "HiraKakuProN-W6"),
    ("japan1", False, False, "ヒラギノ角ゴ ProN W3.otf", "HiraKakuProN-W3"),
    ("japan1", False, True, "ヒラギノ角ゴ ProN W6.otf", "HiraKakuProN-W6"),
    ("gb1", True, False, "Songti.ttc", "STSongti-SC-Regular"),
    ("gb1", True, True, "Songti.ttc", "STSongti-SC-Bold"),
    ("cns1", True, False, "Songti.ttc", "STSongti-TC-Regular"),
    ("gb1", False, False, "STHeiti Light.ttc", "STHeitiSC-Light"),
    ("gb1", False, True, "STHeiti Medium.ttc", "STHeitiSC-Medium"),
    ("cns1", False, False, "STHeiti Light.ttc", "STHeitiTC-Light"),
    ("cns1", False, True, "STHeiti Medium.ttc", "STHeitiTC-Medium"),
    ("korea1", True, False, "AppleMyungjo.ttf", "AppleMyungjo"),
    ("korea1", False, False, "AppleSDGothicNeo.ttc", "AppleSDGothicNeo-Regular"),
    ("korea1", False, True, "AppleSDGothicNeo.ttc", "AppleSDGothicNeo-Bold"),
    # Free fonts, on every system
    *(
        (ordering, serif, bold, f"Noto{style}CJK-{weight}.ttc", f"Noto{style}CJK{language}-{weight}")
        for ordering, language in (("japan1", "jp"), ("gb1", "sc"), ("cns1", "tc"), ("korea1", "kr"))
        for serif, style in ((True, "Serif"), (False, "Sans"))
        for bold, weight in ((False, "Regular"), (True, "Bold"))
    ),
    *(
        (ordering, serif, bold, pattern.format(style=style, language=language, weight=weight), "")
        for pattern in ("Noto{style}{language}-{weight}.otf", "SourceHan{style}{language}-{weight}.otf")
        for ordering, language in (("japan1", "JP"), ("gb1", "SC"), ("cns1", "TC"), ("korea1", "KR"))
        for serif, style in ((True, "Serif"), (False, "Sans"))
        for bold, weight in ((False, "Regular"), (True, "Bold"))
    ),
    ("japan1", True, False, "HaranoAjiMincho-Regular.otf", ""),
    ("japan1", True, True, "HaranoAjiMincho-Bold.otf", ""),
    ("japan1", False, False, "HaranoAjiGothic-Regular.otf", ""),
    ("japan1", False, True, "HaranoAjiGothic-Bold.otf", ""),
    ("japan1", True, False, "BIZUDMincho-Regular.ttf", ""),
    ("japan1", False, False, "BIZUDGothic-Regular.ttf", ""),
    ("japan1", False, True, "BIZUDGothic-Bold.ttf", ""),
    ("japan1", True, False, "ipaexm.ttf", ""),
    ("japan1", False, False, "ipaexg.ttf", ""),
    ("japan1", True, False, "ipam.ttf", ""),
    ("japan1", False, False, "ipag.ttf", ""),
    ("japan1", True, False, "ShipporiMincho-Regular.ttf", ""),
    ("japan1", True, True, "ShipporiMincho-Bold.ttf", ""),
    ("japan1", True, False, "TakaoMincho.ttf", ""),
    ("japan1", False, False, "TakaoGothic.ttf", ""),
    ("japan1", False, False, "VL-Gothic-Regular.ttf", ""),
)


def discover(font_dirs: Sequence[Path] = ()) -> FontSet:
    """Choose the faces for this machine. Takes a few milliseconds. A font that cannot be read is passed over.

    In `font_dirs` fonts of unknown names count, too: their use is read from the files.
    """
    chosen: dict[tuple[str, bool, bool], Face] = {}
    digests: dict[Path, str | None] = {}
    for folders, names_unknown in ((font_dirs, True), (_extra_dirs(), False), (system_font_dirs(), False)):
        files = _font_files(folders)
        for candidate in (*_known_faces(files), *(_unknown_faces(files) if names_unknown else ())):
            ordering, serif, bold, path, face = candidate
            role = (ordering, serif, bold)
            if role in chosen:
                continue
            if path not in digests:
                digests[path] = _digest(path)
            digest = digests[path]
            if digest is not None:
                chosen[role] = Face(*role, _spoken_family(face), str(path), face.index, digest)
    return FontSet(tuple(chosen[role] for role in sorted(chosen)))


def system_font_dirs() -> tuple[Path, ...]:
    """The font folders of this platform, the user's own folder first."""
    home = Path.home()
    if sys.platform == "win32":
        local = Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
        return (local / "Microsoft" / "Windows" / "Fonts", Path(os.environ.get("WINDIR") or r"C:\Windows") / "Fonts")
    if sys.platform == "darwin":
        return (home / "Library" / "Fonts", Path("/Library/Fonts"), Path("/System/Library/Fonts"))
    data_home = Path(os.environ.get("XDG_DATA_HOME") or home / ".local" / "share")
    data_dirs = (os.environ.get("XDG_DATA_DIRS") or "/usr/local/share:/usr/share").split(":")
    return (data_home / "fonts", home / ".fonts", *(Path(d) / "fonts" for d in data_dirs if d))


def _extra_dirs() -> tuple[Path, ...]:
    found = (importlib.util.find_spec(name) for name in EXTRA_PACKAGES)
    return tuple(Path(spec.origin).parent for spec in found if spec is not None and spec.origin is not None)


def _font_files(folders: Sequence[Path]) -> dict[str, Path]:
    """The paths of all font files in and below the folders, by folded file name. The first file of a name counts."""
    files: dict[str, Path] = {}
    for folder in folders:
        seen = 0
        for parent, subfolders, names in os.walk(folder):
            subfolders.sort()
            for name in sorted(names):
                if name.lower().endswith((".ttf", ".otf", ".ttc", ".otc")):
                    files.setdefault(_folded(name), Path(parent, name))
            seen += len(names)
            if seen > _MOST_FILES:
                break
    return files


def _folded(name: str) -> str:
    # macOS returns decomposed names.
    return unicodedata.normalize("NFC", name).casefold()


_Candidate = tuple[str, bool, bool, Path, FaceNames]


def _known_faces(files: Mapping[str, Path]) -> Iterator[_Candidate]:
    for ordering, serif, bold, name, postscript in _KNOWN:
        path = files.get(_folded(name))
        if path is None:
            continue
        face = next((f for f in _faces(path) if not postscript or f.postscript == postscript), None)
        if face is not None:
            yield ordering, serif, bold, path, face


def _unknown_faces(files: Mapping[str, Path]) -> Iterator[_Candidate]:
    known = {_folded(name) for _, _, _, name, _ in _KNOWN}
    for path in [path for name, path in files.items() if name not in known][:_MOST_UNKNOWN]:
        for face in _faces(path):
            name = read_name(f"{face.family} {face.postscript}")
            for ordering in face.orderings:
                yield ordering, bool(name.is_serif), name.is_bold or face.weight >= 600, path, face


def _faces(path: Path) -> tuple[FaceNames, ...]:
    try:
        return read_faces(path)
    except (OSError, ValueError):
        # A font that cannot be read is passed over, and the next one is tried.
        return ()


def _digest(path: Path) -> str | None:
    """Digest of the file's size, head and tail. The head holds the checksums of the tables, and so of all content."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(0)
            head = file.read(_DIGEST_BYTES)
            file.seek(max(0, size - _DIGEST_BYTES))
            return hashlib.sha256(repr(size).encode() + head + file.read(_DIGEST_BYTES)).hexdigest()[:16]
    except OSError:
        return None


def _spoken_family(face: FaceNames) -> str:
    return face.family or face.postscript
