"""Writes docs/reference/openapi.md from the description that the server gives of itself.

python docs/render_openapi.py [--check]
"""

from __future__ import annotations

import sys
from pathlib import Path

from sidebooks_core import __version__
from sidebooks_core.server.openapi import description

TARGET = Path(__file__).parent / "reference" / "openapi.md"


def rendered() -> str:
    """The page."""
    told = description("", __version__)
    lines = [
        "# The HTTP API, address by address",
        "Written by `docs/render_openapi.py` from what the server says at `/openapi.json` (OpenAPI 3.1); a test asks it all.",
        "What the addresses are for is told in [the HTTP API](http.md).",
    ]
    for path, methods in told["paths"].items():
        for method, operation in methods.items():
            lines += ["", f"## `{method.upper()} {path}`", operation["summary"] + "."]
            parameters = operation.get("parameters", [])
            if parameters:
                lines += ["", "| part | what | pattern |", "|---|---|---|"]
                for one in parameters:
                    pattern = one["schema"]["pattern"].replace("|", "\\|")
                    lines.append(f"| `{one['name']}` | {one['description']} | `{pattern}` |")
            if "requestBody" in operation:
                lines += ["", "The body is a hint in JSON: `session`, `page`, `view_px`, and if two pages are shown `spread`."]
            lines += ["", "| status | meaning | content |", "|---|---|---|"]
            for status, answer in operation["responses"].items():
                lines.append(f"| {status} | {answer['description']} | {', '.join(answer.get('content', {})) or '-'} |")
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
