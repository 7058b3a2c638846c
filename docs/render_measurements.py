"""Writes docs/explanation/measurements.md from the data files in docs/explanation/measurements/.

python docs/render_measurements.py [--check]
python -m benchmarks NAME … | python docs/render_measurements.py --take FILE NUMBER

The second form puts a new run into a data file: it replaces the rows, the machine and the date of table NUMBER (from 1)
with those of the first table in the benchmark's output that has the same columns.

A data file is TOML, named after the decision that it belongs to: `title`, `decision` (a page beside measurements.md), and
one `[[table]]` for each table:

- `title`;
- `command`: what makes the table again. Without one, `how` says how the figures came about;
- `machine`, `date`;
- `columns`, and `rows` of as many texts; both may be missing if all is said in notes;
- `notes`: paragraphs in Markdown.
"""

from __future__ import annotations

import argparse
import datetime
import json
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from wrapping import WIDTH, wrapped

FOLDER = Path(__file__).parent / "explanation" / "measurements"
TARGET = FOLDER.with_suffix(".md")
BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
FIELDS = ("title", "command", "how", "machine", "date", "columns", "rows", "notes")
"""Of a table, in the order in which they are written."""
INTRODUCTION = """\
This page has the figures behind the decisions: each table with the command that makes it again, the machine, and the date."""
HOW = """\
`docs/render_measurements.py` writes the page from the data in `docs/explanation/measurements/`; its first lines say how a
new run replaces the data. Times are milliseconds unless a table says otherwise. Compare ratios: milliseconds are those of one
machine. "In turns" means that the things compared took turns in one run, so that other work on the machine met both. "The
corpus" is a folder of real documents, one folder for each kind, that `--documents` names."""


def rendered() -> str:
    """The page."""
    files = {path.name: tomllib.loads(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.toml"))}
    lines = ["# Measurements", *wrapped(INTRODUCTION), "", *wrapped(HOW), ""]
    for name, data in files.items():
        lines += wrapped(f"[{data['title']}](#{_anchor(data['title'])}) (`{name}`)", "- ", "  ")
    for name, data in files.items():
        lines += ["", f"## {data['title']}", *wrapped(f"Behind [{data['decision']}]({data['decision']}).")]
        for number, one in enumerate(data["table"], 1):
            lines += _table_lines(one, name, number)
    return "\n".join(lines) + "\n"


def _table_lines(one: dict[str, Any], name: str, number: int) -> Iterator[str]:
    where = f"{name}, table {number}"
    yield from ("", f"### {one['title']}")
    if "command" not in one and "how" not in one:
        raise ValueError(f"{where}: neither a command nor a word on how the figures came about")
    if "command" in one:
        yield from ("```sh", *_command_lines(one["command"]), "```")
    for benchmark in re.findall(r"benchmarks\.(\w+)", f"{one.get('command')} {one.get('how')}"):
        if not ((BENCHMARKS / f"{benchmark}.py").exists() or (BENCHMARKS / benchmark).is_dir()):
            raise ValueError(f"{where}: there is no benchmark {benchmark}")
    yield from wrapped(f"{one.get('how', '')} Measured on {one['date']}: {one['machine']} (`{name}`, table {number}).")
    if "rows" in one:
        columns = one["columns"]
        # The first column and others of words to the left, numbers to the right.
        sides = ["--:" if position and _is_number(cell) else "---" for position, cell in enumerate(one["rows"][0])]
        yield from ("", _row(columns), f"|{'|'.join(sides)}|")
        last = ""
        for row in one["rows"]:
            if len(row) != len(columns):
                raise ValueError(f"{where}: {row} has other columns than {columns}")
            yield _row(row if row[0] != last else ["", *row[1:]])
            last = row[0]
    if "notes" in one:
        yield ""
    for note in one.get("notes", []):
        yield from wrapped(note, "- ", "  ")


def _command_lines(command: str) -> Iterator[str]:
    *lines, last = wrapped(command, rest="    ", width=WIDTH - len(" \\"))
    yield from (f"{line} \\" for line in lines)
    yield last


def _is_number(cell: str) -> bool:
    return bool(re.match(r"[-+]?\d", cell))


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _anchor(title: str) -> str:
    return re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")


def take(name: str, number: int, output: str) -> None:
    """Replace the rows of a table by those that a benchmark printed. Raises ValueError if it printed no such table."""
    path = FOLDER / name
    data = tomllib.loads(path.read_text(encoding="utf-8"))
    one = data["table"][number - 1]
    if "command" not in one:
        raise ValueError(f"table {number} of {name} is not made by a command")
    one["rows"] = _printed_rows(output, one["columns"])
    one["machine"] = output.strip().splitlines()[0]
    one["date"] = datetime.date.today()
    path.write_text(written(data), encoding="utf-8")


def _printed_rows(output: str, columns: list[str]) -> list[list[str]]:
    table: list[list[str]] = []
    for line in [*output.splitlines(), ""]:
        if line.startswith("|"):
            table.append([cell.strip() for cell in line.strip().strip("|").split("|")])
        elif table:
            headers, _rule, *rows = table
            if set(columns) <= set(headers):
                places = [headers.index(column) for column in columns]
                return [[row[place] for place in places] for row in rows]
            table = []
    raise ValueError(f"no table with the columns {columns} was printed")


def written(data: dict[str, Any]) -> str:
    """The text of a data file. Texts of JSON are texts of TOML."""
    lines = [f"{key} = {_text(data[key])}" for key in ("title", "decision")]
    for one in data["table"]:
        lines += ["", "[[table]]"]
        for key in FIELDS:
            if key in ("rows", "notes") and key in one:
                lines += [f"{key} = [", *(f"  {_text(item)}," for item in one[key]), "]"]
            elif key in one:
                lines.append(f"{key} = {one[key] if key == 'date' else _text(one[key])}")
    return "\n".join(lines) + "\n"


def _text(value: str | list[str]) -> str:
    return json.dumps(value, ensure_ascii=False)


def main() -> None:
    """Write the page, see whether it is what it should be, or take the output of a benchmark."""
    parser = argparse.ArgumentParser(description="Writes docs/explanation/measurements.md from its data files.")
    parser.add_argument("--check", action="store_true", help="only see whether the page is what the data says")
    parser.add_argument("--take", nargs=2, metavar=("FILE", "NUMBER"), help="take a benchmark's output into a table")
    chosen = parser.parse_args()
    if chosen.take:
        take(chosen.take[0], int(chosen.take[1]), sys.stdin.read())
    if chosen.check:
        if TARGET.read_text(encoding="utf-8") != rendered():
            sys.exit(f"{TARGET} is not what the data says: run {sys.argv[0]}")
    else:
        TARGET.write_text(rendered(), encoding="utf-8")


if __name__ == "__main__":
    main()
