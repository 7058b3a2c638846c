"""Writes docs/reference/python.md from the docstrings of the public names.

python docs/render_python.py [--check]
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
from collections.abc import Collection, Iterator
from enum import Enum
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from wrapping import WIDTH, paragraphs, wrapped

import sidebooks_core as sb
from sidebooks_core import aio, marks
from sidebooks_core.documents import model
from sidebooks_core.encoding import formats
from sidebooks_core.images import prerendering
from sidebooks_core.library import remembered
from sidebooks_core.marks import answers, placing
from sidebooks_core.marks import model as marks_model
from sidebooks_core.tiling import viewport

Function = ast.FunctionDef | ast.AsyncFunctionDef
TARGET = Path(__file__).parent / "reference" / "python.md"
INTRODUCTION = """\
# The Python API, name by name
This page lists every public name of `sidebooks_core` with what its docstring says.
`docs/render_python.py` writes it from the docstrings, and a test compares.

- Page numbers start at 0.
- `_pt` are points of a page as it is shown: 1/72 inch, origin top left.
- `_px` are pixels of a raster, `_view` are pixels of the reader's screen.
- `_s` are seconds.

Values are frozen [msgspec structs](https://jcristharif.com/msgspec/structs.html). `Settings` is a
frozen dataclass:

```python
import dataclasses
import json

import msgspec
import sidebooks_core as sb

settings = dataclasses.replace(sb.Settings(cache_dir=None), workers=1)
with sb.TileService(settings) as service:
    print(json.dumps(msgspec.to_builtins(service.statistics())))
```"""
PARTS = {
    "The service": (
        "TileService",
        "Settings",
        "Priority",
        "Submitting",
        "Opening",
        "PageSize",
        "Sizes",
        "Prerendering",
        "PrerenderReport",
        "PageImages",
        "TileStore",
        "Statistics",
        "Latency",
    ),
    "Documents": ("Document", "PageInfo", "OutlineItem", "Link", "Attachment", "Word", "SearchHit"),
    "Inspection": ("DocumentInspection", "PageInspection", "FontUse", "ImageUse"),
    "Levels and tiles": ("Pyramid", "Level", "Raster", "SizePx", "RectPx", "Tile"),
    "Readers": ("Reader", "ReaderLoop", "SpreadRule", "PageView", "PagePoint", "Placement", "PageBox", "PlacedImage"),
}
"""All but the errors, which are drawn as a tree."""
ALIASES = {
    "Direction": model,
    "Fit": viewport,
    "Given": remembered,
    "ImageFormat": formats,
    "ProgressCallback": prerendering,
}
"""Names of types, and the modules that say what they are."""
MARKS = "[Keep marks on papers](../how-to/marks.md) shows how they are used. `Shelf.marks` gives `PaperMarks`."
ALIASES_OF_MARKS = {
    "Body": marks_model,
    "Colour": marks_model,
    "Coordinate": marks_model,
    "DeviceId": marks_model,
    "MarkId": marks_model,
    "PlaceKind": placing,
    "Quad": marks_model,
    "RefusalReason": answers,
    "Share": marks_model,
    "Visibility": marks_model,
    "WidthPt": marks_model,
}
ASYNCIO = """
```python
import asyncio

from sidebooks_core.aio import AsyncTileService


async def main() -> None:
    async with AsyncTileService() as service:
        document = await service.open("docs/tutorial/samples/jlreq-ja.pdf")
        image = await service.page_image(document, 0, fit_px=(1620, 2160))
        print(image)


asyncio.run(main())
```""".splitlines()


def rendered() -> str:
    """The page."""
    lines = [INTRODUCTION]
    for part, names in PARTS.items():
        lines += ["", f"## {part}"]
        for name in names:
            lines += _class_lines(name)
    lines += ["", "## Types in signatures", ""]
    for name, module in ALIASES.items():
        lines += _alias_lines(name, module)
    lines += ["", "## With asyncio: `sidebooks_core.aio`", *_prose(aio.__doc__ or ""), *ASYNCIO]
    lines += _class_lines("AsyncTileService", aio)
    lines += ["", "## Marks: `sidebooks_core.marks`", *wrapped(MARKS)]
    classes = [one for one in marks.__all__ if inspect.isclass(getattr(marks, one))]
    for name in sorted(classes, key=lambda one: (one not in ("PaperMarks", "MarkStore"), one)):
        lines += _class_lines(name, marks)
    lines.append("")
    for name, module in ALIASES_OF_MARKS.items():
        lines += _alias_lines(name, module)
    lines += [
        "",
        "## Errors",
        "Each carries `message`, and `document_id` and `page` if there is one.",
        "",
        *_error_lines(sb.SidebooksError, 0),
    ]
    return "\n".join(lines) + "\n"


def _alias_lines(name: str, module: ModuleType) -> Iterator[str]:
    body = _tree(module.__file__ or "").body
    for one, after in zip(body, [*body[1:], None], strict=True):
        if isinstance(one, ast.Assign) and ast.unparse(one.targets[0]) == name:
            told = _text(after)
            shown = f"`{name}` = `{ast.unparse(one.value)}`"
            yield from wrapped(f"{shown}: {told}" if told else shown, "- ", "  ")


def _class_lines(name: str, module: ModuleType = sb) -> Iterator[str]:
    cls = getattr(module, name)
    node = _node(cls)
    yield from ("", f"### `{name}`", *_prose(_told(node)))
    fields = [line for one in reversed(_ours(cls)) for line in _field_lines(one)]
    if fields:
        yield from ("", *fields)
    methods: dict[str, Function] = {}
    for base in reversed(_ours(cls)):  # what a class overrides stands where its base has it
        own = [one for one in _node(base).body if isinstance(one, Function) and not _is_overload(one)]
        methods |= {one.name: one for one in own if _told(one) or one.name not in methods}
    for one in methods.values():
        yield from _method_lines(name, one)


def _is_overload(node: Function) -> bool:
    return any(ast.unparse(decorator) == "overload" for decorator in node.decorator_list)


def _method_lines(class_name: str, node: Function) -> Iterator[str]:
    is_constructor = node.name == "__init__"
    if node.name.startswith("_") and not (is_constructor and _told(node)):
        return
    del node.args.args[:1]  # self, or the class
    result = f" -> {ast.unparse(node.returns)}" if node.returns and not is_constructor else ""
    if any(ast.unparse(decorator) == "property" for decorator in node.decorator_list):
        shown = [f"{node.name}: {result.removeprefix(' -> ')}"]
    else:
        shown = _signature(class_name if is_constructor else node.name, list(_arguments(node.args)), result)
        if isinstance(node, ast.AsyncFunctionDef):
            is_iterator = result.startswith(" -> AsyncGenerator")
            shown[0] = f"{'async for … in' if is_iterator else 'await'} {shown[0]}"
    yield from ("", "```py", *shown, "```", *_prose(_told(node), [one.arg for one in _all_arguments(node.args)]))


def _signature(name: str, arguments: list[str], result: str) -> list[str]:
    """On one line if that is short enough, else an argument a line."""
    line = f"{name}({', '.join(arguments)}){result}"
    return [line] if len(line) <= WIDTH else [f"{name}(", *(f"    {one}," for one in arguments), f"){result}"]


def _arguments(arguments: ast.arguments) -> Iterator[str]:
    positional = [*arguments.posonlyargs, *arguments.args]
    missing = len(positional) - len(arguments.defaults)
    for one, default in zip(positional, [*[None] * missing, *arguments.defaults], strict=True):
        yield _argument(one, default)
    if arguments.kwonlyargs:
        yield "*"
    for one, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        yield _argument(one, default)
    if arguments.kwarg:
        yield f"**{_argument(arguments.kwarg, None)}"


def _argument(one: ast.arg, default: ast.expr | None) -> str:
    return ast.unparse(one) + (f" = {ast.unparse(default)}" if default else "")


def _all_arguments(arguments: ast.arguments) -> list[ast.arg]:
    return [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]


def _prose(text: str, arguments: Collection[str] = ()) -> Iterator[str]:
    """Paragraphs of a docstring. What it says of an argument ("name: …") becomes an item of a list."""
    is_list = False
    for paragraph in paragraphs(_apart(text, arguments)):
        name, colon, told = paragraph.partition(": ")
        was_list, is_list = is_list, bool(colon) and name in arguments
        if not (was_list and is_list):
            yield ""
        yield from wrapped(f"`{name}`: {told}", "- ", "  ") if is_list else wrapped(paragraph)


def _apart(text: str, arguments: Collection[str]) -> str:
    """The text with a paragraph of its own for each argument, and for the exceptions."""
    names = "|".join(map(re.escape, sorted(arguments, key=len, reverse=True)))
    starts = rf"(?:{names}): |Raises " if names else "Raises "
    return re.sub(rf"(?<![\w`])(?:(?<=[.;])\s+|^)(?={starts})", "\n\n", text, flags=re.M)


def _field_lines(cls: type[Any]) -> Iterator[str]:
    node = _node(cls)
    made = next((one for one in node.body if isinstance(one, Function) and one.name == "__init__"), node)
    body = [*node.body, *(made.body if made is not node else [])]
    for one, after in zip(body, [*body[1:], None], strict=True):
        if isinstance(one, ast.AnnAssign):
            shown = ast.unparse(one).split(" = field(")[0].removeprefix("self.")
        elif isinstance(one, ast.Assign) and issubclass(cls, Enum):
            shown = ast.unparse(one)
        else:
            continue
        if not shown.startswith("_") and "ClassVar" not in shown:
            told = _text(after)
            yield from wrapped(f"`{shown}`: {told}" if told else f"`{shown}`", "- ", "  ")


def _error_lines(cls: type[Exception], depth: int) -> Iterator[str]:
    indent = "  " * depth
    yield from wrapped(f"`{cls.__name__}`{_also(cls)}: {_told(_node(cls))}", f"{indent}- ", f"{indent}  ")
    for one in cls.__subclasses__():
        if one.__name__ in sb.__all__:
            yield from _error_lines(one, depth + 1)


def _also(cls: type[Exception]) -> str:
    built_in = [base.__name__ for base in cls.__bases__ if base.__module__ == "builtins" and base is not Exception]
    return f" (also a `{built_in[0]}`)" if built_in else ""


def _ours(cls: type[Any]) -> list[type[Any]]:
    return [one for one in cls.__mro__ if one.__module__.startswith("sidebooks_core")]


def _text(node: ast.stmt | None) -> str:
    """The docstring of a field: the string that stands behind it."""
    match node:
        case ast.Expr(value=ast.Constant(value=str(text))):
            return inspect.cleandoc(text)
    return ""


def _told(node: ast.ClassDef | Function) -> str:
    return ast.get_docstring(node) or ""


def _node(cls: type[Any]) -> ast.ClassDef:
    tree = _tree(sys.modules[cls.__module__].__file__ or "")
    return next(one for one in tree.body if isinstance(one, ast.ClassDef) and one.name == cls.__name__)


@cache
def _tree(path: str) -> ast.Module:
    return ast.parse(Path(path).read_text(encoding="utf-8"))


def main() -> None:
    """Write the page, or see whether it is what it should be."""
    if "--check" in sys.argv[1:]:
        if TARGET.read_text(encoding="utf-8") != rendered():
            sys.exit(f"{TARGET} is not what the docstrings say: run {sys.argv[0]}")
    else:
        TARGET.write_text(rendered(), encoding="utf-8")


if __name__ == "__main__":
    main()
