"""A desktop program that turns pages, with PyMuPDF: arrows turn. Each page is drawn when it is turned to."""

import sys
import tkinter as tk
from functools import partial

import pymupdf
from PIL import Image, ImageTk

SCREEN = (810, 1080)


class Flipper(tk.Canvas):
    def __init__(self, window: tk.Tk, document: pymupdf.Document) -> None:
        super().__init__(window, width=SCREEN[0], height=SCREEN[1], background="grey")
        self.document, self.page = document, 0
        self.shown: list[ImageTk.PhotoImage] = []
        self.pack()
        for key, pages in (("<Right>", 1), ("<Left>", -1)):
            window.bind(key, partial(self.turn, pages))
        self.paint()

    def paint(self) -> None:
        page = self.document[self.page]
        scale = min(SCREEN[0] / page.rect.width, SCREEN[1] / page.rect.height)
        pixmap = page.get_pixmap(matrix=pymupdf.Matrix(scale, scale))
        image = Image.frombytes("RGB", (pixmap.width, pixmap.height), pixmap.samples)
        self.delete("all")
        self.shown[:] = [ImageTk.PhotoImage(image)]  # Tk keeps no image by itself
        x, y = (SCREEN[0] - pixmap.width) // 2, (SCREEN[1] - pixmap.height) // 2
        self.create_image(x, y, image=self.shown[0], anchor="nw")

    def turn(self, pages: int, _: object) -> None:
        self.page = min(max(0, self.page + pages), len(self.document) - 1)
        self.paint()


if __name__ == "__main__":
    window = tk.Tk()
    Flipper(window, pymupdf.open(sys.argv[1]))
    window.mainloop()
