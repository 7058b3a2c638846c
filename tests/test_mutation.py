"""The fuzzer's mutants: the same seed makes the same, and they are damaged."""

from __future__ import annotations

from pathlib import Path

from benchmarks.mutation import Original, make_mutant


def test_a_seed_makes_the_same_mutants_again(sample: Path) -> None:
    original = Original("sample.pdf", sample.read_bytes(), None)
    made = [make_mutant([original], 3, number) for number in range(40)]
    again = [make_mutant([original], 3, number) for number in range(40)]
    assert [one.data for one in made] == [one.data for one in again]
    assert len({one.data for one in made}) > 30
    assert sum(one.data != original.data for one in made) > 35
    assert len({one.recipe for one in made}) > 5, "damage of many kinds"
