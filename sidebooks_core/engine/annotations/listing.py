"""Pages behind a document that have the words of its notes. A note that is part of a page shows a number only. Worker side."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from sidebooks_core.documents.annotations import Annotation
from sidebooks_core.engine.annotations.letters import Letters, Run
from sidebooks_core.engine.annotations.plane import written
from sidebooks_core.engine.mupdf import mupdf, parsed

_WIDTH_PT, _HEIGHT_PT, _MARGIN_PT = 595, 842, 56
"""A4."""
_SIZE_PT, _LEADING_PT = 10, 16
_LINES = (_HEIGHT_PT - 2 * _MARGIN_PT) // _LEADING_PT
_MOST_EM = (_WIDTH_PT - 2 * _MARGIN_PT) / _SIZE_PT
_PIECES = re.compile(r"[!-~]+|.", re.DOTALL)
"""Words of Latin letters stay together; other text is broken anywhere."""
_WITH_WORDS = ("note", "highlight", "underline", "strikeout")


def has_words(annotation: Annotation) -> bool:
    """Whether it says something that its picture does not show."""
    return annotation.kind in _WITH_WORDS and bool(annotation.text.strip())


def contents_of(numbered: Sequence[tuple[int, Annotation]], letters: Letters) -> list[str]:
    """The contents of the pages that tell what annotations say, by their numbers. Raises the engine's errors."""
    lines = [line for number, annotation in numbered for line in _lines(number, annotation, letters)]
    return [_content(lines[start : start + _LINES], letters) for start in range(0, len(lines), _LINES)]


def append(pdf: mupdf.PdfDocument, content: str, fonts: str) -> None:
    """Put a page behind the others. fonts: the entries of its resources. Raises the engine's errors."""
    buffer = mupdf.fz_new_buffer_from_copied_data(content.encode("ascii"))
    box = mupdf.FzRect(0, 0, _WIDTH_PT, _HEIGHT_PT)
    page = mupdf.pdf_add_page(pdf, box, 0, parsed(pdf, f"<</Font<<{fonts}>>>>"), buffer)
    mupdf.pdf_insert_page(pdf, mupdf.pdf_count_pages(pdf), page)


def shown(runs: Sequence[Run], size_pt: float) -> str:
    """Operators that show letters."""
    return " ".join(f"/L{run.font} {written(size_pt)} Tf <{run.codes.hex()}> Tj" for run in runs)


def _lines(number: int, annotation: Annotation, letters: Letters) -> Iterator[str]:
    yield f"[{number}]  p. {annotation.page + 1}" + (f"  {annotation.author}" if annotation.author else "")
    for paragraph in annotation.text.strip().split("\n"):
        yield from _broken(paragraph, letters)
    yield ""


def _broken(paragraph: str, letters: Letters) -> Iterator[str]:
    line, width = "", 0.0
    for piece in _PIECES.findall(paragraph.replace("\t", " ")):
        more = letters.width(piece)
        for part in [piece] if more <= _MOST_EM else piece:
            part_width = letters.width(part)
            if line and width + part_width > _MOST_EM:
                yield line
                line, width = "", 0.0
            line, width = line + part, width + part_width
    yield line


def _content(lines: Sequence[str], letters: Letters) -> str:
    first_pt = _HEIGHT_PT - _MARGIN_PT - _SIZE_PT
    rows = (
        f"1 0 0 1 {_MARGIN_PT} {first_pt - row * _LEADING_PT} Tm {shown(letters.runs(line), _SIZE_PT)}"
        for row, line in enumerate(lines)
        if line
    )
    return "0 g BT\n" + "\n".join(rows) + "\nET"
