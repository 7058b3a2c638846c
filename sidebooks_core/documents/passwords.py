"""The forms in which a password may have been digested when a PDF was locked. In any process."""

from __future__ import annotations

import stringprep
import unicodedata

from sidebooks_core.documents.syntax import pdf_text

_LATEST_LEGACY_REVISION = 4
"""Of the standard security handler: up to here a password is bytes in whatever encoding the writer used."""
_LEGACY_ENCODINGS = ("utf-8", "cp1252", "latin-1", "mac-roman", "cp932", "euc-jp")


def forms(password: str, revision: int) -> list[str]:
    """What to try, each once, the likeliest first.

    revision: of the PDF's security handler; 0 where there is none. Later ones prepare a password as SASLprep does, which many
    writers leave out. For earlier ones the engine makes PDFDocEncoding of what it is given: the bytes of other encodings
    are given as the characters that come to them.
    """
    found = [password, saslprep(password), unicodedata.normalize("NFKC", password), unicodedata.normalize("NFC", password)]
    if 0 < revision <= _LATEST_LEGACY_REVISION and not password.isascii():
        for encoding in _LEGACY_ENCODINGS:
            try:
                as_characters = pdf_text.doc_decoded(password.encode(encoding))
            except UnicodeEncodeError:
                continue
            if "\ufffd" not in as_characters:
                found.append(as_characters)
    return list(dict.fromkeys(filter(None, found)))


def saslprep(password: str) -> str:
    """The password as RFC 4013 prepares it: what shows nothing goes, other spaces become spaces, then NFKC.

    What the profile prohibits is left as it is: here it is only asked whether a password fits.
    """
    mapped = (" " if stringprep.in_table_c12(c) else c for c in password if not stringprep.in_table_b1(c))
    return unicodedata.normalize("NFKC", "".join(mapped))
