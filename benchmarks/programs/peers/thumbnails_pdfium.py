"""Thumbnails of all pages of documents, with pypdfium2 and Pillow: python thumbnails_pdfium.py FOLDER FILE…"""

import sys
from pathlib import Path

import pypdfium2


def main(folder: Path, *files: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for path in files:
        try:
            document = pypdfium2.PdfDocument(path)
            for number, page in enumerate(document, 1):
                image = page.render(scale=256 / max(page.get_size()), rev_byteorder=True).to_pil()
                image.save(folder / f"{path.stem}-{number:04d}.webp", lossless=True, quality=0, method=1)
            document.close()
        except (pypdfium2.PdfiumError, OSError) as error:
            print(error, file=sys.stderr)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
