"""Thumbnails of all pages of documents, with PyMuPDF and Pillow: python thumbnails.py FOLDER FILE…"""

import sys
from pathlib import Path

import pymupdf
from PIL import Image


def main(folder: Path, *files: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for path in files:
        try:
            with pymupdf.open(path) as document:
                for number in range(len(document)):
                    page = document[number]
                    scale = 256 / max(page.rect.width, page.rect.height)
                    pixmap = page.get_pixmap(matrix=pymupdf.Matrix(scale, scale))
                    image = Image.frombytes("RGB", (pixmap.width, pixmap.height), pixmap.samples)
                    image.save(folder / f"{path.stem}-{number + 1:04d}.webp", lossless=True, quality=0, method=1)
        except (RuntimeError, OSError) as error:
            print(error, file=sys.stderr)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
