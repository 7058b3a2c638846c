"""Settings of a service: frozen, validated at birth, passed in, never global."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sidebooks_core.encoding.formats import IMAGE_FORMATS, ImageFormat
from sidebooks_core.errors import RequestError

MIB = 1 << 20
GIB = 1 << 30

FACTS_PART = 16
MOST_FACTS_BYTES = 256 * MIB
"""Descriptions and content ids of some 50,000 papers of 40 pages."""


_LIMITS = ("document_pages", "page_words", "outline_items", "outline_depth", "image_pixels", "member_bytes")
_WHOLE_NUMBERS = (
    "memory_bytes",
    "preview_bytes",
    "disk_bytes",
    "workers",
    "worker_bytes",
    "display_list_bytes",
    "raster_pixels",
    "document_bytes",
    *_LIMITS,
    "queue_jobs",
    "quality",
)
_SECONDS = ("render_timeout_s", "open_timeout_s")


def default_cache_dir() -> Path:
    """Where this platform keeps what can be made again."""
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or str(Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = str(Path.home() / "Library" / "Caches")
    else:
        base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "sidebooks"


def default_data_dir() -> Path:
    """Where this platform keeps what cannot be made again."""
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or str(Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = str(Path.home() / "Library" / "Application Support")
    else:
        base = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(base) / "sidebooks"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Limits and choices of one service. Every field has a default; every limit binds."""

    cache_dir: Path | str | None = field(default_factory=default_cache_dir)
    """Folder of the disk cache, made with mode 0700 when missing and shared by any number of processes; None: memory only."""
    encryption_key: bytes | None = field(default=None, repr=False)
    """32 bytes that everything in `cache_dir` is encrypted with (AES-256-GCM; extra `encryption`); None: it is not. Whoever has
    another key finds nothing, and disturbs nothing."""
    memory_bytes: int = 256 * MIB
    """Bound of the records held in memory, previews included, in bytes."""
    preview_bytes: int = 64 * MIB
    """The part of `memory_bytes` that is kept for previews and that tiles cannot evict, in bytes."""
    disk_bytes: int = 4 * GIB
    """Bound of what lies in `cache_dir`, in bytes. A sixteenth of it, at most 256 MiB, is for facts (`facts_bytes`)."""
    workers: int = 2
    """Worker processes that draw. One more is kept warm: it replaces a worker that dies and serves visible requests while all
    the others are busy."""
    worker_bytes: int = 3 * GIB
    """Bound of one worker process's own data, in bytes (where the platform enforces one)."""
    display_list_bytes: int = 16 * MIB
    """Bound of the display lists that one worker keeps, in bytes. Those of the last two pages count, and are never dropped."""
    raster_pixels: int = 48 * MIB
    """Largest raster drawn at once, in pixels; a larger level is drawn in slabs."""
    document_bytes: int = 4 * GIB
    """Largest document that is opened, in bytes."""
    document_pages: int = 100_000
    """Most pages of a document that is opened."""
    page_words: int = 500_000
    """Most words of a page whose text is asked for."""
    outline_items: int = 100_000
    """Entries of an outline that are kept; a longer one is cut, and `inspect` says so."""
    outline_depth: int = 32
    """Levels of an outline; what nests deeper is shown at the last of them, and `inspect` says so."""
    image_pixels: int = 512 * MIB
    """Largest image that Pillow unpacks (WebP, AVIF, some TIFF and GIF), in pixels. The engine unpacks others within
    `worker_bytes`."""
    member_bytes: int = GIB
    """Largest member of an archive (EPUB, CBZ, XPS), unpacked, in bytes, of a document that is opened."""
    queue_jobs: int = 16_384
    """Most jobs that wait; a less urgent one makes room for a more urgent one."""
    render_timeout_s: float = 30.0
    """Time limit of one raster, in seconds; then its worker is killed and replaced."""
    open_timeout_s: float = 60.0
    """Time limit of opening a document, in seconds."""
    isolation: bool = True
    """Workers give up the network, other processes, and all files but fonts, Python and its packages (Linux)."""
    image_format: ImageFormat = "auto"
    """"auto" chooses per tile by what is in it; "compact" does too, and spends some 100 ms more on a page of coloured text,
    for lossless WebP of two fifths of the bytes, where readers have a slow or crowded network. Others are one for all."""
    quality: int = 85
    """Quality of lossy pictures, 1 to 100."""
    font_dirs: tuple[Path | str, ...] = ()
    """Folders searched for fonts before the system's own, for documents whose fonts are not embedded."""

    @property
    def facts_bytes(self) -> int:
        """Bound of what is known of documents and readers, in bytes: a part of `disk_bytes`, or without a folder of memory."""
        whole_bytes = self.disk_bytes if self.cache_dir is not None else self.memory_bytes - self.preview_bytes
        return min(whole_bytes // FACTS_PART, MOST_FACTS_BYTES)

    def __post_init__(self) -> None:
        if self.cache_dir is not None:
            _require(isinstance(self.cache_dir, str | os.PathLike), "cache_dir must be a path or None")
            object.__setattr__(self, "cache_dir", Path(self.cache_dir).expanduser())
        _require(
            isinstance(self.font_dirs, Sequence) and not isinstance(self.font_dirs, str | bytes),
            "font_dirs must be several paths, such as a tuple of them",
        )
        _require(all(isinstance(d, str | os.PathLike) for d in self.font_dirs), "font_dirs must be paths")
        object.__setattr__(self, "font_dirs", tuple(Path(d).expanduser() for d in self.font_dirs))
        for name in _WHOLE_NUMBERS:
            _require(type(getattr(self, name)) is int, f"{name} must be a whole number")
        for name in _SECONDS:
            _require(
                type(getattr(self, name)) in (int, float) and math.isfinite(getattr(self, name)), f"{name} must be a number"
            )
        if self.encryption_key is not None:
            _require(type(self.encryption_key) is bytes and len(self.encryption_key) == 32, "encryption_key must be 32 bytes")
        _require(type(self.isolation) is bool, "isolation must be True or False")
        for name in ("memory_bytes", "preview_bytes", "disk_bytes"):
            _require(getattr(self, name) >= 0, f"{name} must not be negative")
        _require(self.preview_bytes <= self.memory_bytes, "preview_bytes is a part of memory_bytes and cannot be more")
        _require(1 <= self.workers <= 256, "workers must be 1 to 256")
        _require(self.worker_bytes >= 256 * MIB, "worker_bytes must be at least 256 MiB: the engine alone takes about 100")
        _require(self.raster_pixels >= 1 << 22, "raster_pixels must be at least 4194304: one tile of 2048 x 2048")
        for name in ("display_list_bytes", "document_bytes", *_LIMITS, "queue_jobs"):
            _require(getattr(self, name) >= 1, f"{name} must be positive")
        for name in _SECONDS:
            _require(getattr(self, name) > 0, f"{name} must be positive")
        _require(self.image_format in IMAGE_FORMATS, f"image_format must be one of {', '.join(IMAGE_FORMATS)}")
        _require(1 <= self.quality <= 100, "quality must be 1 to 100")


def _require(holds: bool, message: str) -> None:
    if not holds:
        raise RequestError(f"settings: {message}")
