"""What applications may rely on. A name that goes, or comes unnoticed, fails here."""

from __future__ import annotations

import subprocess
import sys

import sidebooks_core as sb

CONTRACT = {
    "TileService", "Settings", "Document", "PageInfo", "Pyramid", "Level", "Tile", "Statistics", "SidebooksError",
    "DocumentError", "UnsupportedDocument", "DamagedDocument", "PasswordRequired", "DocumentTooLarge", "PageError",
    "PageNotFound", "RenderFailed", "RenderTimeout", "RequestError", "ServiceClosed", "Reader", "PageView", "PlacedImage",
    "SpreadRule",
}  # fmt: skip
STATISTICS = {
    "renders", "memory_hits", "disk_hits", "misses", "joins", "drops", "prefetched_bytes", "prefetch_wasted_bytes",
    "memory_bytes", "disk_bytes",
}  # fmt: skip


def test_the_contract_is_there() -> None:
    assert set(sb.__all__) >= CONTRACT
    assert all(hasattr(sb, name) for name in sb.__all__)
    assert sorted(sb.__all__) == list(sb.__all__)


def test_statistics_have_what_was_promised() -> None:
    assert set(sb.Statistics.__struct_fields__) >= STATISTICS


def test_importing_loads_no_engine_and_starts_nothing() -> None:
    code = (
        "import sys, threading, sidebooks_core; "
        "heavy = {'pymupdf', 'numpy', 'PIL', 'diskcache', 'sqlite3', 'apsw'} & set(sys.modules); "
        "assert not heavy, heavy; assert threading.active_count() == 1"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
