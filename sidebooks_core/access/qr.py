"""Pictures of addresses, for a camera."""

from __future__ import annotations

import io

from sidebooks_core.errors import RequestError


def svg_of(address: str) -> bytes:
    """An SVG picture of an address, dark on white, with a quiet border. It scales to the place that it is given.

    Raises RequestError for an address that is too long for a picture that cameras read, and without segno.
    """
    try:
        import segno
    except ImportError as missing:
        raise RequestError("pictures of links need segno: pip install 'sidebooks-core[server]'") from missing
    if len(address) > 500:
        raise RequestError("the address is too long for a picture: 500 characters at most")
    picture = io.BytesIO()
    code = segno.make(address, error="m", micro=False)
    code.save(
        picture, kind="svg", scale=1, border=4, light="white", omitsize=True, xmldecl=False, svgclass=None, lineclass=None
    )
    return picture.getvalue()
