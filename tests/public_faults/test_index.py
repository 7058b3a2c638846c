"""Each small file of `shared/faults` has its right value. What that is stands in `checks_*.py`, one module for each area."""

from __future__ import annotations

import csv
import importlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sidebooks_core import Settings, TileService

HERE = Path(__file__).parent
FAULTS = HERE.parents[2] / "shared" / "faults"
LEAST_SHARE = 0.95
"""Of the files, those that must have their right value."""
NOT_MENDED: dict[str, str] = {}
"""Files whose right value is not reached, each with its reason."""

Check = Callable[[TileService, Path], None]
CHECKS: dict[str, Check] = {}
for _path in sorted(HERE.glob("checks_*.py")):
    CHECKS.update(importlib.import_module(_path.stem).CHECKS)


def names() -> list[str]:
    if not (FAULTS / "INDEX.tsv").exists():
        return []
    with (FAULTS / "INDEX.tsv").open(encoding="utf-8", newline="") as table:
        return [row[0] for row in csv.reader(table, delimiter="\t", quoting=csv.QUOTE_NONE)][1:]


@pytest.fixture(scope="module")
def quick_service() -> Iterator[TileService]:
    with TileService(Settings(cache_dir=None)) as running:
        yield running


@pytest.mark.parametrize("name", names())
def test_the_file_has_its_right_value(name: str, quick_service: TileService) -> None:
    if name in NOT_MENDED:
        pytest.xfail(NOT_MENDED[name])
    CHECKS[name](quick_service, FAULTS / name)


def test_enough_files_have_their_right_value(corpus: Path) -> None:
    """Needs `shared`, as the corpus does."""
    listed = names()
    assert listed
    assert set(NOT_MENDED) <= set(listed)
    assert 1 - len(NOT_MENDED) / len(listed) >= LEAST_SHARE
