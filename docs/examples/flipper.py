"""A desktop program that turns pages: python flipper.py FILE. Arrows turn, the wheel (of X11) zooms, links lead on."""

from __future__ import annotations

import sys
import tkinter as tk
from functools import partial

from PIL import ImageTk

import sidebooks_core as sb

SCREEN = (810, 1080)


class Flipper(tk.Canvas):
    def __init__(self, window: tk.Tk, reader: sb.Reader) -> None:
        super().__init__(window, width=SCREEN[0], height=SCREEN[1], background="grey")
        self.reader, self.shown = reader, list[ImageTk.PhotoImage]()
        self.pack()
        reader.on_refined = lambda _: self.after_idle(self.refine)  # from a thread
        for key, pages in (("<Right>", 1), ("<Left>", -1)):
            window.bind(key, partial(self.turn, pages))
        for button, factor in (("<Button-4>", 1.25), ("<Button-5>", 0.8)):
            self.bind(button, partial(self.magnify, factor))
        self.bind("<Button-1>", self.follow)
        self.paint(reader.view())

    def refine(self) -> None:
        self.paint(self.reader.view())

    def paint(self, view: sb.PageView) -> None:
        self.delete("all")
        self.shown.clear()  # Tk keeps no image by itself
        for image in view.images:
            x0, y0, x1, y1 = image.box_view
            self.shown.append(ImageTk.PhotoImage(image.tile.image().resize((x1 - x0, y1 - y0))))
            self.create_image(x0, y0, image=self.shown[-1], anchor="nw")  # pyright: ignore[reportUnknownMemberType]

    def turn(self, pages: int, _: object) -> None:
        self.paint(self.reader.turn(pages))

    def magnify(self, factor: float, pointer: tk.Event[tk.Canvas]) -> None:
        if (at := self.reader.view().to_page(pointer.x, pointer.y)) is not None:
            zoom = min(8.0, max(1.0, self.reader.view().zoom * factor))
            self.paint(self.reader.zoom(zoom, (at.x_pt, at.y_pt), at.page))

    def follow(self, pointer: tk.Event[tk.Canvas]) -> None:
        if (at := self.reader.view().to_page(pointer.x, pointer.y)) is not None:
            for link in self.reader.document.pages[at.page].links():
                if link.x0_pt <= at.x_pt <= link.x1_pt and link.y0_pt <= at.y_pt <= link.y1_pt and link.page is not None:
                    self.paint(self.reader.turn_to(link.page))


if __name__ == "__main__":
    window = tk.Tk()
    with sb.TileService() as service, service.reader(service.open(sys.argv[1]), SCREEN) as reader:
        Flipper(window, reader)
        window.mainloop()
