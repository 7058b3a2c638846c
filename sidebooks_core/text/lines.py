"""Makes the lines of a page from the characters that an engine found: lines and columns, each text once, ruby beside its base.
Pure.

Engines give pieces of lines in the order of drawing. Text that is drawn again in its place is dropped, characters that stand
below one another are joined to columns, and ruby is taken out of the lines that it interrupts.
"""

from __future__ import annotations

from collections.abc import Iterable

from sidebooks_core.text.columns import columns
from sidebooks_core.text.doubles import undoubled
from sidebooks_core.text.ruby import with_ruby
from sidebooks_core.text.runs import CJK, Line, Run, as_lines


def lines_of(runs: Iterable[Run]) -> tuple[Line, ...]:
    """The lines of a page, in the order of the runs."""
    kept = undoubled(list(runs))
    if not any(run.ruby or CJK.search("".join(run.chars)) for run in kept):
        return as_lines(kept)
    return with_ruby(columns(kept))
