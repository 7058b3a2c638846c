"""Keys: equal for equal inputs, different for any difference that shapes the bytes."""

from __future__ import annotations

import sys
from importlib import metadata
from pathlib import Path

import pytest
from msgspec.structs import replace

from sidebooks_core import keys
from sidebooks_core.keys import RenderProfile
from sidebooks_core.tiling.raster import RasterSpec
from sidebooks_core.workers import versions

SPEC = RasterSpec(scale=2.5, x0_px=0, y0_px=0, x1_px=1448, y1_px=2048, tile_px=2048)
PROFILE = RenderProfile(engine="mupdf-1.28.2-1", encoder="1", font_set="abc", image_format="auto", quality=85)


def test_a_key_is_stable_over_releases_of_this_library() -> None:
    """A changed key throws away everybody's cache: raise KEY_VERSION on purpose, never by accident."""
    assert keys.record_key("content", SPEC, PROFILE) == "a07d92eff4835f01f0be8e19d7afbb53"


@pytest.mark.parametrize(
    "change",
    [{"scale": 2.5000000001}, {"x0_px": 1}, {"y0_px": 1}, {"x1_px": 1449}, {"y1_px": 2049}, {"tile_px": 512}],
)
def test_every_part_of_the_raster_is_in_the_key(change: dict[str, float]) -> None:
    assert keys.record_key("content", replace(SPEC, **change), PROFILE) != keys.record_key("content", SPEC, PROFILE)


@pytest.mark.parametrize(
    "change", [{"engine": "x"}, {"encoder": "x"}, {"font_set": "x"}, {"image_format": "png"}, {"quality": 84}]
)
def test_every_part_of_the_profile_is_in_the_key(change: dict[str, str]) -> None:
    assert keys.record_key("content", SPEC, replace(PROFILE, **change)) != keys.record_key("content", SPEC, PROFILE)


@pytest.mark.parametrize("change", [{"scale": 3.0}, {"x0_px": 1}, {"tile_px": 512}])
def test_every_part_of_the_raster_is_in_the_etag(change: dict[str, float]) -> None:
    assert keys.image_tag("document", 0, replace(SPEC, **change), PROFILE) != keys.image_tag("document", 0, SPEC, PROFILE)


def test_an_etag_is_of_one_page_of_one_document() -> None:
    tags = {keys.image_tag(document, page, SPEC, PROFILE) for document in ("a", "b") for page in (0, 1)}
    assert len(tags) == 4
    assert keys.image_tag("a", 0, SPEC, PROFILE) in tags


def test_parts_cannot_run_into_one_another() -> None:
    assert keys.document_key("ab", "c") != keys.document_key("a", "bc")
    assert keys.document_key("a", "b") != keys.path_key("a")


@pytest.mark.parametrize("package", ["pymupdf", "pillow", "isal"])
def test_versions_are_those_that_are_installed(package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert versions.installed_version(package) == metadata.version(package)
    for number in ("1", "2"):  # left behind by an installation that failed: which of them counts is not for us to say
        (tmp_path / f"{package}-{number}.dist-info").mkdir()
        (tmp_path / f"{package}-{number}.dist-info" / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {package}\nVersion: 9\n"
        )
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    assert versions.installed_version(package) == metadata.version(package) == "9"
