"""The one maker of cache keys and ETags.

A key names pixels by what they are made from: the page's content, the raster asked for, and everything that shapes the
bytes (engine, encoder, fonts, format). Equal keys mean equal pixels, on any machine; so a cache may be shared, kept over
restarts, and an ETag answered without a render.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache

from msgspec import Struct

from sidebooks_core.tiling.raster import RasterSpec

KEY_VERSION = 1


class RenderProfile(Struct, frozen=True, kw_only=True):
    """Everything but the page and the raster that shapes the bytes."""

    engine: str
    encoder: str
    font_set: str
    image_format: str
    quality: int


@lru_cache(maxsize=8192)
def record_key(content_id: str, spec: RasterSpec, profile: RenderProfile) -> str:
    """Key of the record that holds a raster's tiles: 32 hexadecimal digits."""
    return _digest("tiles", content_id, *_raster_parts(spec), *_profile_parts(profile))


def scoped_id(content_id: str, trust_domain: str) -> str:
    """An id that no other trust domain has: a worker that was taken over must not make records that another domain reads."""
    return _digest("domain", trust_domain, content_id) if trust_domain else content_id


def document_key(document_id: str, engine: str) -> str:
    """Key of what is known of a document: its pages, sizes, outline."""
    return _digest("document", document_id, engine)


def content_ids_key(document_id: str, engine: str) -> str:
    """Key of what is known of the content ids of a document's pages."""
    return _digest("content ids", document_id, engine)


def position_key(document_id: str, reader: str) -> str:
    """Key of the page of a document that a reader, by name, read last."""
    return _digest("position", document_id, reader)


def path_key(path: str) -> str:
    """Key of the digest of an unchanged file."""
    return _digest("path", path)


@lru_cache(maxsize=8192)
def image_tag(document_id: str, page: int, spec: RasterSpec, profile: RenderProfile) -> str:
    """The ETags of a raster's tiles begin with this: 32 hexadecimal digits, known before anything of the page is."""
    return _digest("image", document_id, str(page), *_raster_parts(spec), *_profile_parts(profile))


def derived_key(tag: str, trust_domain: str, recipe: str) -> str:
    """Key of what is made from a raster's image: turned, mirrored, in grey, at another shape. tag: see `image_tag`."""
    return _digest("derived", trust_domain, tag, recipe)


def etag(tag: str, column: int, row: int) -> str:
    """ETag of one tile of a raster, quotes not included. tag: see `image_tag`."""
    return f"{tag}-{column}-{row}"


def _raster_parts(spec: RasterSpec) -> tuple[str, str]:
    return spec.scale.hex(), f"{spec.x0_px},{spec.y0_px},{spec.x1_px},{spec.y1_px},{spec.tile_px}"


def _profile_parts(profile: RenderProfile) -> tuple[str, ...]:
    return profile.engine, profile.encoder, profile.font_set, profile.image_format, str(profile.quality)


def _digest(*parts: str) -> str:
    digest = hashlib.blake2b(digest_size=16, person=b"sidebooks-key-%02d" % KEY_VERSION)
    for part in parts:
        encoded = part.encode("utf-8", "surrogatepass")
        digest.update(len(encoded).to_bytes(8, "little"))
        digest.update(encoded)
    return digest.hexdigest()
