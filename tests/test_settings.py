"""Settings: every field has a default and its bounds, which are checked at birth."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import pytest

from sidebooks_core.encoding.formats import IMAGE_FORMATS
from sidebooks_core.errors import RequestError
from sidebooks_core.settings import MIB, Settings, default_cache_dir

ACCEPTED: dict[str, list[Any]] = {
    "cache_dir": [None, "cache", Path("cache")],
    "encryption_key": [None, bytes(32)],
    "memory_bytes": [64 * MIB, 1 << 40],
    "preview_bytes": [0, 256 * MIB],
    "disk_bytes": [0, 1 << 50],
    "workers": [1, 256],
    "worker_bytes": [256 * MIB, 1 << 40],
    "display_list_bytes": [1],
    "raster_pixels": [1 << 22, 1 << 30],
    "document_bytes": [1],
    "document_pages": [1],
    "page_words": [1],
    "outline_items": [1],
    "outline_depth": [1],
    "image_pixels": [1],
    "member_bytes": [1],
    "queue_jobs": [1],
    "render_timeout_s": [0.001, 1, 3600.0],
    "open_timeout_s": [0.001, 1, 3600.0],
    "isolation": [True, False],
    "image_format": list(IMAGE_FORMATS),
    "quality": [1, 100],
    "font_dirs": [(), ("fonts",), (Path("fonts"), "more")],
}
REFUSED: dict[str, list[Any]] = {
    "cache_dir": [3, True],
    "encryption_key": [b"", bytes(31), "x" * 32, bytearray(32)],
    "memory_bytes": [-1, 64 * MIB - 1],  # less than the previews' part of it
    "preview_bytes": [-1, 256 * MIB + 1],
    "disk_bytes": [-1],
    "workers": [0, -1, 257],
    "worker_bytes": [0, 256 * MIB - 1],
    "display_list_bytes": [0, -1],
    "raster_pixels": [0, (1 << 22) - 1, True, 5e6],
    "document_bytes": [0, -1],
    "document_pages": [0, -1],
    "page_words": [0, -1],
    "outline_items": [0, True],
    "outline_depth": [0, True],
    "image_pixels": [0, 1.5],
    "member_bytes": [0, -1],
    "queue_jobs": [0, -1, True, 10.5, "7"],
    "render_timeout_s": [0, -1.0, math.nan, math.inf, True, "30"],
    "open_timeout_s": [0, -1.0, math.nan],
    "isolation": [1, None, "no"],
    "image_format": ["gif", "", "PNG", None],
    "quality": [0, 101, -1, True, 80.0, "85"],
    "font_dirs": ["fonts", b"fonts", None, (3,)],
}
NAMES = [field.name for field in dataclasses.fields(Settings)]


def cases(table: dict[str, list[Any]]) -> list[tuple[str, Any]]:
    return [(name, value) for name, values in table.items() for value in values]


def test_every_field_is_tested_here() -> None:
    assert list(ACCEPTED) == list(REFUSED) == NAMES


@pytest.mark.parametrize(("name", "value"), cases(ACCEPTED))
def test_a_value_within_bounds_is_kept(name: str, value: Any) -> None:
    kept = getattr(Settings(**{name: value}), name)
    if name == "cache_dir" and value is not None:
        value = Path(value)
    elif name == "font_dirs":
        value = tuple(Path(folder) for folder in value)
    assert kept == value
    assert type(kept) is type(value) or isinstance(kept, Path)


@pytest.mark.parametrize(("name", "value"), cases(REFUSED))
def test_a_value_out_of_bounds_is_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(RequestError, match=rf"settings: .*\b{name}\b"):
        Settings(**{name: value})


def test_the_defaults_are_within_bounds() -> None:
    defaults = Settings()
    assert defaults == Settings(**{name: getattr(defaults, name) for name in NAMES})
    assert defaults.cache_dir == default_cache_dir()
    assert defaults.workers >= 1


def test_settings_are_frozen_and_take_names_only() -> None:
    settings = Settings()
    with pytest.raises(dataclasses.FrozenInstanceError):
        settings.workers = 3  # type: ignore[misc]  # what must not be possible
    with pytest.raises(TypeError):
        Settings("cache")  # type: ignore[call-arg]  # what must not be possible
    with pytest.raises(TypeError):
        Settings(threads=2)  # type: ignore[call-arg]  # what must not be possible
    assert dataclasses.replace(settings, workers=3).workers == 3
    with pytest.raises(RequestError):
        dataclasses.replace(settings, workers=0)


def test_home_is_written_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    settings = Settings(cache_dir="~/pages", font_dirs=("~/fonts",))
    assert settings.cache_dir == tmp_path / "pages"
    assert settings.font_dirs == (tmp_path / "fonts",)


@pytest.mark.parametrize(
    ("platform", "variable", "folder"),
    [("linux", "XDG_CACHE_HOME", "sidebooks"), ("win32", "LOCALAPPDATA", "sidebooks")],
)
def test_the_cache_is_where_the_platform_keeps_what_can_be_made_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, platform: str, variable: str, folder: str
) -> None:
    monkeypatch.setattr("sidebooks_core.settings.sys.platform", platform)
    monkeypatch.setenv(variable, str(tmp_path))
    assert default_cache_dir() == tmp_path / folder


@pytest.mark.parametrize(
    ("platform", "folders"),
    [("linux", (".cache",)), ("darwin", ("Library", "Caches")), ("win32", ("AppData", "Local"))],
)
def test_without_a_word_from_the_platform_the_cache_is_under_home(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, platform: str, folders: tuple[str, ...]
) -> None:
    monkeypatch.setattr("sidebooks_core.settings.sys.platform", platform)
    monkeypatch.setattr("sidebooks_core.settings.Path.home", lambda: tmp_path)
    for variable in ("XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(variable, raising=False)
    assert default_cache_dir() == tmp_path.joinpath(*folders, "sidebooks")
