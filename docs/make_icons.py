"""Draws the icon of the viewer: `icon.svg` for tabs, PNG for home screens. Run it when the drawing changes.

    python docs/make_icons.py

The PNG have no round corners, and their drawing stays in the middle: each system cuts its own shape.
"""

from __future__ import annotations

import io
from pathlib import Path

import resvg_py
from PIL import Image

VIEWER = Path(__file__).parents[1] / "sidebooks_core" / "server" / "viewer"
SIDES_PX = (180, 192, 512)
GREEN, PAPER, SHADE, INK = "#0b5d43", "#fffdf8", "#dfe9e4", "#0b5d43"
BOOK = (
    # An open book: two pages that meet in the middle, with lines on the left one and a mark on the right one.
    f'<path fill="{PAPER}" d="M256 168c-34-26-82-34-136-34v220c54 0 102 8 136 34z"/>'
    f'<path fill="{SHADE}" d="M256 168c34-26 82-34 136-34v220c-54 0-102 8-136 34z"/>'
    f'<path fill="none" stroke="{INK}" stroke-width="14" stroke-linecap="round" '
    f'd="M152 194c24 1 46 6 68 15M152 242c24 1 46 6 68 15M152 290c24 1 46 6 68 15"/>'
    f'<path fill="#f2b632" d="M316 140c14-3 28-5 42-6v92l-21-18-21 24z"/>'
)


def drawing(radius: int) -> str:
    """The icon. radius: of its corners, of 512."""
    ground = f'<rect width="512" height="512" rx="{radius}" fill="{GREEN}"/>'
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 512 512">{ground}{BOOK}</svg>\n'


def main() -> None:
    (VIEWER / "icon.svg").write_text(drawing(96), encoding="utf-8")
    for side in SIDES_PX:
        image = Image.open(io.BytesIO(bytes(resvg_py.svg_to_bytes(svg_string=drawing(0), width=side, height=side))))
        image.convert("RGB").quantize(64).save(VIEWER / f"icon-{side}.png", optimize=True)


if __name__ == "__main__":
    main()
