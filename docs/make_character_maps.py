"""Makes sidebooks_core/documents/syntax/character_maps.zip: Adobe's predefined CMaps that the engine lacks.

    python docs/make_character_maps.py /usr/share/poppler/cMap sidebooks_core/documents/syntax/character_maps.zip

The folder holds the CMaps as files in one folder for each collection, as Debian's `poppler-data` and Adobe's `cmap-resources`
have them. `predefined_maps.py` reads the archive. Maps of UTF-8 and UTF-16 are left out: those of UTF-32 say the same.
"""

from __future__ import annotations

import re
import sys
import zipfile
from pathlib import Path

import numpy as np

from sidebooks_core.engine.mupdf import mupdf

_NOTICE = "LICENSE-Adobe.txt"
_BLOCK = re.compile(rb"begin(codespacerange|cidrange|cidchar)\b(.*?)\bend\1", re.DOTALL)
_CODE = re.compile(rb"<([0-9A-Fa-f]+)>")
_TO_UNICODE = re.compile(r"UCS2C?$|^UCS2-|^Adobe-.*(-H-(CID|Host|Mac)|-PS-|-B5|-UHC|-EUC|-RKSJ)")
"""Maps to or from Unicode, and of CIDs to other codes: no `Encoding` names them."""
_SAID_BY_UTF32 = re.compile("^Uni(?!JISPro).*-UTF(8|16)-[HV]$")


def main(folder: Path, target: Path) -> None:
    found = [path for collection in sorted(folder.iterdir()) if collection.is_dir() for path in sorted(collection.iterdir())]
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        archive.writestr(_member(_NOTICE), _notice(found[0].read_bytes()))
        for path in found:
            if _TO_UNICODE.search(path.name) or _SAID_BY_UTF32.search(path.name) or mupdf.ll_pdf_load_builtin_cmap(path.name):
                continue
            archive.writestr(_member(path.name), packed(path.read_bytes()))


def _member(name: str) -> zipfile.ZipInfo:
    """Without the time, so that the same maps are the same bytes."""
    member = zipfile.ZipInfo(name)
    member.compress_type = zipfile.ZIP_DEFLATED
    return member


def _notice(text: bytes) -> bytes:
    """The licence that stands in each of the files."""
    lines = text.split(b"\n")
    start = next(i for i, line in enumerate(lines) if line.startswith(b"%%Copyright"))
    return b"".join(
        line.removeprefix(b"%%Copyright:").strip() + b"\n" for line in lines[start:] if line.startswith(b"%%Copyright")
    )


def packed(text: bytes) -> bytes:
    """A CMap's one line of text (writing mode, the map that it adds to, codespace ranges), and its table of ranges."""
    mode = re.search(rb"/WMode\s+(\d)", text)
    used = re.search(rb"/(\S+)\s+usecmap", text)
    spaces = [space for kind, body in _BLOCK.findall(text) if kind == b"codespacerange" for space in _CODE.findall(body)]
    table = np.array(sorted(rows_of(text)), np.int64).reshape(-1, 4)
    sizes, low, high, cid = table.T
    last_high = np.concatenate(([0], high[:-1]))
    next_cid = np.concatenate(([0], (cid + high - low + 1)[:-1]))
    columns = np.stack((sizes, low - last_high, high - low, cid - next_cid)).astype("<i4")
    planes = columns.view(np.uint8).reshape(4, -1, 4).transpose(0, 2, 1)
    head = b"%s %s %s\n" % (mode[1] if mode else b"0", used[1] if used else b"-", b",".join(spaces))
    return head + planes.tobytes()


def rows_of(text: bytes) -> list[tuple[int, int, int, int]]:
    """Bytes of a code, first code, last code, first CID, for each of a CMap's ranges."""
    rows: list[tuple[int, int, int, int]] = []
    for kind, body in _BLOCK.findall(text):
        if kind == b"cidrange":
            for low, high, cid in re.findall(rb"<([0-9A-Fa-f]+)>\s*<([0-9A-Fa-f]+)>\s*(\d+)", body):
                rows.append((len(low) // 2, int(low, 16), int(high, 16), int(cid)))
        elif kind == b"cidchar":
            for code, cid in re.findall(rb"<([0-9A-Fa-f]+)>\s*(\d+)", body):
                rows.append((len(code) // 2, int(code, 16), int(code, 16), int(cid)))
    return rows


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
