"""What the desktop program does in a round, how long its steps take, and what is painted: ours, and its peer."""

from __future__ import annotations

import gc
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from PIL import Image

from benchmarks.programs.rounds import PATIENCE_S, Round, Setting, Trial, loaded

PACE_S = 0.15
"""The time from one turn of the desktop program to the next."""


@contextmanager
def flipper(setting: Setting) -> Iterator[Trial]:
    """Turns through the document and back, in a window on the display that DISPLAY names."""
    import tkinter

    program, window = loaded(setting.program), tkinter.Tk()

    def once(number: int) -> Round:
        os.environ["XDG_CACHE_HOME"] = str(setting.folder / str(number))
        found = Round()
        _in_main_loop(window, _turns(program, window, setting.document, found))
        gc.collect()  # here, and not in a thread of the next reader: Tcl ends a process whose objects another thread frees
        shutil.rmtree(setting.folder / str(number), ignore_errors=True)
        return found

    yield once
    window.destroy()


Steps = Iterator[Callable[[], bool]]
"""Goes on when what it yielded holds."""


def _in_main_loop(window: Any, steps: Steps) -> None:
    """Run steps in the main loop, since only there Tk takes what comes from a reader's thread. Raises what they raise."""
    failed: list[BaseException] = []
    awaited, deadline_s = next(steps), time.monotonic() + PATIENCE_S

    def go_on() -> None:
        nonlocal awaited, deadline_s
        try:
            while awaited():
                awaited, deadline_s = next(steps), time.monotonic() + PATIENCE_S
            if time.monotonic() > deadline_s:
                raise RuntimeError(f"no sharp page within {PATIENCE_S:.0f} s")
            window.after(1, go_on)
        except StopIteration:
            window.quit()
        except Exception as error:  # noqa: BLE001 - raised again outside; Tk would print it and go on
            failed.append(error)
            window.quit()

    window.after(0, go_on)
    window.mainloop()
    if failed:
        raise failed[0]


def _turns(program: Any, window: Any, document: Path, found: Round) -> Steps:
    yield lambda: True  # the rest is in the main loop
    with _canvas(program, window, document) as (canvas, pages, is_sharp):
        yield is_sharp
        for way, by in (("forwards", 1), ("back", -1)):
            for _ in range(pages - 1):
                begun_s = time.perf_counter()
                found.timed(f"a turn {way}, painted", partial(_turn, window, canvas, by))
                yield is_sharp
                found.ms.setdefault(f"a turn {way}, sharp", []).append((time.perf_counter() - begun_s) * 1000)
                found.see(f"after turn {len(found.images) + 1}", _painted(canvas, program.SCREEN))
                yield partial(_is_past, begun_s + PACE_S)
        if hasattr(canvas, "reader"):
            canvas.reader.on_refined = None
        yield partial(_is_past, time.perf_counter() + PACE_S)  # what is under way to the main loop gets there
        canvas.destroy()
    found.facts["pages"] = str(pages)


def _turn(window: Any, canvas: Any, by: int) -> None:
    canvas.turn(by, None)
    window.update_idletasks()


def _painted(canvas: Any, screen: tuple[int, int]) -> Image.Image:
    """What is on the canvas."""
    from PIL import ImageTk

    image = Image.new("RGB", screen, "grey")
    for item, photo in zip(canvas.find_all(), canvas.shown, strict=True):
        x, y = map(int, canvas.coords(item))
        image.paste(ImageTk.getimage(photo).convert("RGB"), (x, y))
    return image


def _is_past(at_s: float) -> bool:
    return time.perf_counter() >= at_s


@contextmanager
def _canvas(program: Any, window: Any, document: Path) -> Iterator[tuple[Any, int, Callable[[], bool]]]:
    """The canvas of the program, the number of pages, and whether what is painted is sharp. As the program itself begins."""
    if not hasattr(program, "sb"):
        opened = program.pymupdf.open(document)
        yield program.Flipper(window, opened), len(opened), lambda: True
        return
    with program.sb.TileService() as service, service.reader(service.open(document), program.SCREEN) as reader:
        canvas = program.Flipper(window, reader)
        paint, is_sharp = canvas.paint, False

        def noted(view: Any) -> None:
            nonlocal is_sharp
            paint(view)
            is_sharp = view.is_sharp

        canvas.paint = noted
        canvas.paint(reader.view())
        yield canvas, reader.document.page_count, lambda: is_sharp
