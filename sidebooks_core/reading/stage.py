"""The state that the turns of a reader share with its loop: the screen, and flags that tell the loop of changes.

`Stage.changed` is the one lock of a reader. It guards the stage, the screen's contents, the requests under way, the
previews and the movement. It is reentrant. Under it nothing waits for a disk, a worker or the application.
Three kinds of thread take it: those of the application, the loop's, and those of workers that bring an answer.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from sidebooks_core.reading.layout import Layout
from sidebooks_core.reading.screen import Screen
from sidebooks_core.reading.view import PageView


class Stage:
    """The state of a reader that more than one thread uses."""

    def __init__(self, layout: Layout, screen: Screen) -> None:
        self.changed = threading.Condition()
        """Notified after each change of the screen, of its records or errors, and of the previews."""
        self.layout = layout
        """Replaced under the lock if the screen's size changes."""
        self.screen = screen
        """Replaced under the lock. The loop compares it without the lock, to stop early if a turn came in between."""
        self.dirty = True
        """The loop must look again which rasters are wanted."""
        self.refined = False
        """A record of a page on the screen came since the loop looked last."""
        self.refused = False
        """The queue refused or dropped a request since the loop looked last."""
        self.on_refined: Callable[[PageView], object] | None = None
        """The application's callback for better pixels. The loop knows it, and not the reader, which may go unclosed."""
        self.closed = False
        """Never becomes False again, so it may be read without the lock."""
