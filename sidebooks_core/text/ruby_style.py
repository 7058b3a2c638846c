"""The style of ruby in documents that the engine lays out, and how ruby is recognised afterwards. Pure.

The engine has no ruby: it sets readings in the line, as large as the text, 議ぎ員いん. A style sheet makes them small and
raises them. Its size is one that nothing else has, so ruby is recognised by its size in the text of a page.
"""

from __future__ import annotations

from collections.abc import Iterable

SHARE = 0.5003
"""Size of ruby, of the size of its base."""
SIZE = f"{100 * SHARE:g}%"
"""The same for a style sheet."""
CSS = (
    f"rt {{ font-size: {SIZE} !important; vertical-align: super; text-indent: 0 }}"
    " rt * { font-size: 1em !important }"  # elements inside a reading are as large as the reading
    " rp { display: none }"
)
_SLACK = 1e-5
"""Tolerance of a share: sizes are floats of 32 bits."""


def ruby_sizes(sizes: Iterable[float]) -> frozenset[float]:
    """The sizes of ruby: those that are SHARE of another size on the same page."""
    different = set(sizes)
    return frozenset(size for size in different if any(abs(size / base - SHARE) < _SLACK for base in different if base > size))
