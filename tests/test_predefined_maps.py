"""The CMaps that the package carries: against Adobe's files where a machine has them, against Python's codecs everywhere."""

from __future__ import annotations

import importlib.util
import zipfile
from pathlib import Path

import numpy as np
import pytest

from sidebooks_core.documents.syntax import predefined_maps
from sidebooks_core.documents.syntax.predefined_maps import PredefinedMap, as_cmap, collection_of_encoding, predefined_map
from sidebooks_core.engine.mupdf import mupdf

ARCHIVE = Path(predefined_maps.__file__).with_name("character_maps.zip")
ADOBE = Path("/usr/share/poppler/cMap")
MAKER = Path(__file__).parents[1] / "docs" / "make_character_maps.py"


def members() -> list[str]:
    with zipfile.ZipFile(ARCHIVE) as archive:
        return [name for name in archive.namelist() if not name.startswith("LICENSE")]


def codes_of(one: PredefinedMap) -> dict[tuple[int, int], int]:
    """(bytes of a code, code) -> CID."""
    return {(size, low + step): cid + step for size, low, high, cid in one.rows.tolist() for step in range(high - low + 1)}


@pytest.mark.parametrize("name", members())
def test_the_engine_reads_each_map_as_it_is(name: str) -> None:
    one = predefined_map(name)
    assert one is not None
    assert one.is_vertical == (name.endswith("V") and not name.startswith("Adobe-"))
    buffer = mupdf.fz_open_buffer(mupdf.fz_new_buffer_from_copied_data(as_cmap(one)))
    cmap = mupdf.ll_pdf_load_cmap(buffer.m_internal)
    try:
        assert cmap.cmap_name == name
        assert bool(cmap.wmode) == one.is_vertical
        for (_, code), cid in list(codes_of(one).items())[:: max(1, len(one.rows) // 200)]:
            assert mupdf.ll_pdf_lookup_cmap(cmap, code) == cid
    finally:
        mupdf.ll_pdf_drop_cmap(cmap)


@pytest.mark.parametrize("family", ["UniJIS2004", "UniJIS", "UniGB", "UniCNS", "UniKS", "UniAKR", "UniHojo"])
@pytest.mark.parametrize(("encoding", "codec"), [("UTF8", "utf-8"), ("UTF16", "utf-16-be")])
def test_maps_of_one_family_say_the_same_of_each_character(family: str, encoding: str, codec: str) -> None:
    by_number, encoded = predefined_map(f"{family}-UTF32-H"), predefined_map(f"{family}-{encoding}-H")
    assert by_number is not None
    assert encoded is not None
    expected = {}
    for (_, number), cid in codes_of(by_number).items():
        code = chr(number).encode(codec)
        expected[len(code), int.from_bytes(code, "big")] = cid
    assert codes_of(encoded) == expected


def test_nobody_has_a_map_of_another_name() -> None:
    assert predefined_map("UniJIS2005-UTF16-H") is None
    assert predefined_map("LICENSE-Adobe.txt/..") is None
    assert predefined_map("") is None


@pytest.mark.parametrize(
    ("name", "collection"),
    [
        ("H", "Japan1"), ("V", "Japan1"), ("EUC-H", "Japan1"), ("90ms-RKSJ-V", "Japan1"), ("UniJISX0213-UTF32-H", "Japan1"),
        ("GBK-EUC-H", "GB1"), ("GB-EUC-V", "GB1"), ("UniGB-UTF8-H", "GB1"), ("ETen-B5-H", "CNS1"), ("HKscs-B5-H", "CNS1"),
        ("CNS-EUC-H", "CNS1"), ("UniCNS-UCS2-H", "CNS1"), ("KSCms-UHC-HW-H", "Korea1"), ("UniKS-UTF16-V", "Korea1"),
        ("UniAKR-UTF16-H", "KR"), ("UniHojo-UTF8-H", "Japan2"), ("Hojo-H", "Japan2"), ("Identity-H", ""), ("Own", ""),
    ],
)  # fmt: skip
def test_the_collection_of_an_encoding(name: str, collection: str) -> None:
    assert collection_of_encoding(name) == collection


def test_the_archive_is_what_the_script_makes_and_carries_the_licence(tmp_path: Path) -> None:
    with zipfile.ZipFile(ARCHIVE) as archive:
        assert b"Redistribution and use in source and binary forms" in archive.read("LICENSE-Adobe.txt")
    if not ADOBE.is_dir():
        pytest.skip("needs Debian's poppler-data")
    spec = importlib.util.spec_from_file_location("make_character_maps", MAKER)
    assert spec is not None
    assert spec.loader is not None
    maker = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(maker)
    for name in ("UniJIS2004-UTF16-H", "UniCNS-UTF8-V", "RKSJ-H", "78-V", "KSC-Johab-H"):
        [path] = ADOBE.glob(f"*/{name}")
        kept, made = predefined_map(name), maker.rows_of(path.read_bytes())
        assert kept is not None
        table = np.array(made, np.int64).reshape(-1, 4)
        assert codes_of(kept) == codes_of(PredefinedMap(name, False, "", (), table))
