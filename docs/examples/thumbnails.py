"""Thumbnails of all pages of documents: python thumbnails.py FOLDER FILE…"""

import sys
from pathlib import Path

import sidebooks_core as sb


def main(folder: Path, *files: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with sb.TileService() as service:
        for path in files:
            try:
                document = service.open(path)
                for number, tile in enumerate(service.images(document, fit_px=(256, 256), image_format="webp"), 1):
                    tile.save(folder / f"{path.stem}-{number:04d}{tile.extension}")
            except (sb.SidebooksError, OSError) as error:
                print(error, file=sys.stderr)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
