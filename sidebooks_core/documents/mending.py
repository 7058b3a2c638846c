"""What the engine would draw wrong is put right in the open document, before any page is read. Worker side.

Nothing is written to the file. All that follows, the identity of pages included, reads the document as it is mended.
"""

from __future__ import annotations

from typing import Any

from sidebooks_core.documents import layers
from sidebooks_core.documents.engine import ENGINE_ERRORS, mupdf


def mend(handle: Any, data: bytes | memoryview) -> None:
    """Mend a PDF that has just been opened and unlocked. data: the file."""
    try:
        layers.settle(handle, data)
    except ENGINE_ERRORS as error:
        mupdf.fz_warn(f"layers cannot be judged ({error})")
