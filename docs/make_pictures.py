"""Makes all pictures of the documentation anew: the one script for it.

python docs/make_pictures.py [viewer] [shelf] [tasks] [fonts]

Needs Chromium, a Japanese font of the machine such as Debian's fonts-noto-cjk, and for `fonts` the extra of that name. Look at
what changed before you keep it: `git diff --stat`.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

DOCS = Path(__file__).parent
IMAGES = DOCS / "explanation" / "images"


def made_by() -> dict[str, set[Path]]:
    """The files of the pictures, by the part of this script that makes them."""
    import make_shelf_pictures
    import make_viewer_pictures
    from render_tasks import PARTS, PICTURES, tasks

    viewer = make_viewer_pictures.IMAGES
    return {
        "viewer": {viewer / f"{name}.png" for name in make_viewer_pictures.PICTURES},
        "shelf": {viewer / f"{name}.png" for name in make_shelf_pictures.PICTURES},
        "tasks": {PICTURES / f"{one['name'].replace('_', '-')}.png" for file, *_ in PARTS for one in tasks(file)},
        "fonts": {IMAGES / "fonts-before-after.png"},
    }


COMMANDS: dict[str, tuple[str, ...]] = {
    "viewer": (str(DOCS / "make_viewer_pictures.py"),),
    "shelf": (str(DOCS / "make_shelf_pictures.py"),),
    "tasks": ("-m", "pytest", "-q", str(DOCS.parent / "tests" / "test_viewer_tasks.py")),
    "fonts": (str(IMAGES / "make_fonts.py"),),
}


def main() -> None:
    """Make all of them, or some parts."""
    parser = argparse.ArgumentParser(description="Makes the pictures of the documentation anew.")
    parser.add_argument("part", nargs="*", help=f"one of {', '.join(COMMANDS)}; default: all")
    parts = parser.parse_args().part or list(COMMANDS)
    if unknown := set(parts) - set(COMMANDS):
        parser.error(f"no part: {', '.join(sorted(unknown))}")
    environment = {**os.environ, "SIDEBOOKS_TASK_PICTURES": str(IMAGES / "tasks")}
    for part in parts:
        subprocess.run([sys.executable, *COMMANDS[part]], env=environment, check=True)


if __name__ == "__main__":
    main()
