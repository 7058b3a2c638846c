"""The byte forms in which a password may have been digested when a PDF was locked. In any process."""

from __future__ import annotations

import stringprep
import unicodedata

from sidebooks_core.documents.syntax import pdf_text

_LATEST_LEGACY_REVISION = 4
"""Last revision of the standard security handler in which a password is bytes of any encoding."""
_LEGACY_ENCODINGS = ("utf-8", "cp1252", "latin-1", "mac-roman", "cp932", "euc-jp")


def forms(password: str, revision: int) -> list[str]:
    """Passwords to try, each once, the likeliest first.

    revision: of the PDF's security handler; 0 if there is none. Later revisions prepare a password by SASLprep, which many
    writers leave out. For earlier ones the engine turns text into PDFDocEncoding; bytes of other encodings are given as the
    characters that become those bytes.
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
    """The password as RFC 4013 prepares it: invisible characters go, other spaces become spaces, then NFKC.

    Prohibited characters are kept: the question here is only whether a password fits.
    """
    mapped = (" " if stringprep.in_table_c12(c) else c for c in password if not stringprep.in_table_b1(c))
    return unicodedata.normalize("NFKC", "".join(mapped))
