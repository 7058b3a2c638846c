"""The documentation site, built by Sphinx from the pages as they lie in the repository.

python -m sphinx -W --keep-going -q -c docs . build/site

The source folder is the repository, so that a link between pages leads to the same file here and on a code host.
"""

from __future__ import annotations

import inspect
import re
from typing import Any

from sphinx.application import Sphinx

from sidebooks_core import __version__

project = "sidebooks_core"
release = version = __version__
extensions = ["myst_parser", "sphinx.ext.autodoc"]
root_doc = "docs/README"
source_suffix = {".md": "markdown"}
include_patterns = ["*.md", "docs/*.md", "docs/*/**.md", "sidebooks_core/server/viewer/npm/README.md"]
exclude_patterns = ["build", ".*", "tests", "benchmarks", "typings", "docs/tutorial/samples"]

myst_heading_anchors = 4
default_role = "py:obj"
"""What stands in backquotes in a docstring: a link if it is a public name, else code."""
autodoc_default_options = {
    "members": True,
    "undoc-members": True,
    "inherited-members": "Struct,Enum,IntEnum,int,BaseException,Exception,OSError,Protocol,Generic,TypedDict",
}
autoclass_content = "both"
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
python_maximum_signature_line_length = 88
toc_object_entries_show_parents = "hide"

linkcheck_ignore = [r"https?://([^/]*\.)?(example|localhost|127\.0\.0\.1)\b"]
"""Addresses that stand for others."""
linkcheck_anchors = False
linkcheck_timeout = 20

html_theme = "furo"
html_title = f"sidebooks_core {__version__}"
html_copy_source = False
html_show_sphinx = False
html_show_copyright = False
html_extra_path = ["site"]


def with_fields(_app: Sphinx, _what: str, _name: str, of: Any, _options: Any, lines: list[str]) -> None:
    """Make a field of each sentence of a docstring that begins with the name of an argument and a colon."""
    try:
        names = list(inspect.signature(of).parameters) if callable(of) else []
    except (TypeError, ValueError):
        names = []
    starts = "|".join(map(re.escape, sorted(names, key=len, reverse=True)))
    text = "\n".join(lines)
    if starts:
        text = re.sub(rf"(?:^|(?<=[.;])\s+)(?=(?:{starts}): |Raises )", "\n\n", text, flags=re.M)
    fields, prose = [], []
    for paragraph in re.split(r"\n\s*\n", text):
        name, colon, told = paragraph.strip().partition(": ")
        if colon and name in names:
            fields.append(f":param {name}: {' '.join(told.split())}")
        else:
            prose += [paragraph, ""]
    lines[:] = "\n".join([*prose, *fields, ""]).splitlines()


def with_navigation(_app: Sphinx, name: str, source: list[str]) -> None:
    """Make a tree of pages of each list of links on the first page: one place says what there is, and in which order."""
    if name != root_doc:
        return
    for part in re.split(r"^## ", source[0], flags=re.M)[1:]:
        title, _, listed = part.partition("\n")
        if pages := re.findall(r"\]\(([^)#:]+)\.md\)", listed):
            source[0] += "\n".join(["\n```{toctree}", ":hidden:", f":caption: {title}", "", *pages, "```\n"])


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.connect("source-read", with_navigation)
    app.connect("autodoc-process-docstring", with_fields)
