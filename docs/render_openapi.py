"""Writes docs/reference/openapi.md from the description that the server gives of itself.

python docs/render_openapi.py [--check]
"""

from __future__ import annotations

import sys
from pathlib import Path

from wrapping import wrapped

from sidebooks_core import __version__
from sidebooks_core.server.openapi import description
from sidebooks_core.server.routes import ROUTES

TARGET = Path(__file__).parent / "reference" / "openapi.md"


INTRODUCTION = """\
This page lists every address of the server with its parts and its answers.
`docs/render_openapi.py` writes it from the description that the server serves at `/openapi.json` (OpenAPI 3.1).
[The HTTP API](http.md) says what each address is for, and what the operation of an address means."""


def rendered() -> str:
    """The page."""
    told = description(ROUTES, "", __version__)
    lines = ["# The HTTP API, address by address", *wrapped(INTRODUCTION)]
    for path, methods in told["paths"].items():
        for method, operation in methods.items():
            lines += ["", f"## `{method.upper()} {path}`", *wrapped(operation["summary"] + ".")]
            lines.append(f"Operation: `{operation['tags'][0]}`.")
            parameters = operation.get("parameters", [])
            if parameters:
                lines.append("")
                for one in parameters:
                    lines += wrapped(f"`{one['name']}`: {one['description']}. Pattern `{one['schema']['pattern']}`", "- ", "  ")
            if "requestBody" in operation:
                body = "The body is a hint in JSON: `session`, `page`, `view_px`, and `spread` if two pages are shown."
                lines += ["", *wrapped(body)]
            lines += ["", "| status | content | meaning |", "|---|---|---|"]
            for status, answer in operation["responses"].items():
                # The summary stands above; a table cannot be broken into lines.
                meaning = "as above" if answer["description"] == operation["summary"] else answer["description"]
                lines.append(f"| {status} | {', '.join(answer.get('content', {})) or '-'} | {meaning} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Write the page, or see whether it is what it should be."""
    if "--check" in sys.argv[1:]:
        if TARGET.read_text(encoding="utf-8") != rendered():
            sys.exit(f"{TARGET} is not what the server says of itself: run {sys.argv[0]}")
    else:
        TARGET.write_text(rendered(), encoding="utf-8")


if __name__ == "__main__":
    main()
