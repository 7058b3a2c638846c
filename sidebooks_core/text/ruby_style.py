"""How ruby is set in documents that the engine lays out itself, and told apart afterwards. Pure.

The engine has no ruby: it sets the readings in the line, as large as the text, 議ぎ員いん. A style for the elements makes them
small and raises them, and by a size that nobody else asks for they are known again in the text of a page.
"""

from __future__ import annotations

from collections.abc import Iterable

SHARE = 0.5003
"""Of the size of the base."""
SIZE = f"{100 * SHARE:g}%"
"""The same for a style."""
CSS = (
    f"rt {{ font-size: {SIZE} !important; vertical-align: super; text-indent: 0 }}"
    " rt * { font-size: 1em !important }"  # what is in a reading is as large as the reading
    " rp { display: none }"
)
_SLACK = 1e-5
"""Of a share: sizes are floats of 32 bits."""


def ruby_sizes(sizes: Iterable[float]) -> frozenset[float]:
    """The sizes that are SHARE of another size of the same page: those of ruby."""
    different = set(sizes)
    return frozenset(size for size in different if any(abs(size / base - SHARE) < _SLACK for base in different if base > size))
