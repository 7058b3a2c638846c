"""What a worker does before its first job, while nobody waits."""

from __future__ import annotations

import numpy as np

from sidebooks_core.encoding.encode import encode
from sidebooks_core.engine.thin_lines import is_layout_known


def warm_up() -> None:
    """Encode a page of a screen's size, so that the process has its memory and the codecs are set up.

    Otherwise the first coloured page takes 30 ms longer, mostly because the kernel clears memory. Also check once how the
    engine stores paths.
    """
    is_layout_known()
    page = np.full((2048, 1536, 3), 255, np.uint8)
    specks = page[::7, ::5]
    # Noise without `numpy.random`, which would be loaded for this alone.
    noise = np.arange(specks.size, dtype=np.uint32) * np.uint32(2654435761) >> np.uint32(24)
    specks[:] = noise.astype(np.uint8).reshape(specks.shape)
    encode(page, "auto", 85)
