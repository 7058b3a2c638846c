"""One cache directory for several versions, font sets, users and keys. None takes another's records."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from msgspec.structs import replace

import sidebooks_core as sb
from sidebooks_core.fonts import discovery as font_discovery
from sidebooks_core.workers import versions

WIDTH_PX = 300


def draw(cache_dir: Path, sample: Path, **settings: object) -> tuple[int, int]:
    """Draw a page in a new service: (renders, hits on disk)."""
    with sb.TileService(sb.Settings(cache_dir=cache_dir, **settings)) as service:  # type: ignore[arg-type]
        service.page_image(service.open(sample), 1, width_px=WIDTH_PX)
        found = service.statistics()
        return found.renders, found.disk_hits


def test_the_same_library_finds_its_records_again(tmp_path: Path, sample: Path) -> None:
    assert draw(tmp_path, sample)[0] == 1
    assert draw(tmp_path, sample) == (0, 1)


@pytest.mark.parametrize(("name", "value"), [("DRAWING_VERSION", 999), ("ENCODER_VERSION", "other")])
def test_two_versions_do_not_mix(
    tmp_path: Path, sample: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: object
) -> None:
    assert draw(tmp_path, sample)[0] == 1
    with monkeypatch.context() as other:
        other.setattr(versions, name, value)
        assert draw(tmp_path, sample)[0] == 1, "another version draws its own"
        assert draw(tmp_path, sample) == (0, 1)
    assert draw(tmp_path, sample) == (0, 1), "and this one still has its record"


def test_two_font_sets_do_not_mix(tmp_path: Path, sample: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = font_discovery.discover()
    if not found.faces:
        pytest.skip("needs Japanese fonts: of the system, or of the extra `fonts`")
    assert draw(tmp_path, sample)[0] == 1
    with monkeypatch.context() as fewer:
        fewer.setattr("sidebooks_core.assembly.discover", lambda folders: replace(found, faces=found.faces[1:]))
        assert draw(tmp_path, sample)[0] == 1, "other fonts, other pages"
        assert draw(tmp_path, sample) == (0, 1)
    assert draw(tmp_path, sample) == (0, 1)


def test_two_keys_do_not_mix(tmp_path: Path, sample: Path) -> None:
    pytest.importorskip("cryptography", reason="needs the extra encryption")
    keys = (None, bytes(32), bytes(range(32)))
    assert [draw(tmp_path, sample, encryption_key=key)[0] for key in keys] == [1, 1, 1]
    assert [draw(tmp_path, sample, encryption_key=key) for key in keys] == [(0, 1)] * 3


OTHER_USER = """
import logging, os, sys
os.setgid(65534)
os.setuid(65534)
warnings = []
handler = logging.Handler()
handler.emit = lambda one: warnings.append(one.getMessage())
logging.getLogger("sidebooks_core.stores").addHandler(handler)
store = DiskStore(sys.argv[1], 1 << 26)
assert store.get("key") is None
store.put("key", Record(b"theirs", "tag", 0.0))
assert store.get("key") is None
store.close()
print(len(warnings))
"""


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can become another user")
def test_another_user_can_neither_read_nor_write(tmp_path: Path, sample: Path) -> None:
    cache_dir = tmp_path / "cache"
    assert draw(cache_dir, sample)[0] == 1
    for path in (cache_dir, *cache_dir.rglob("*")):
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode == (0o700 if path.is_dir() else 0o600), f"{path}: {mode:o}"
    script = (
        "from sidebooks_core.stores.disk import DiskStore\nfrom sidebooks_core.stores.record import Record\n"
        "import sidebooks_core.stores.envelope, diskcache, msgpack\n" + OTHER_USER
    )
    ended = subprocess.run(
        [sys.executable, "-c", script, str(cache_dir)], capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.strip() == "1", "one warning"
    assert draw(cache_dir, sample) == (0, 1), "the owner's records are as they were"
