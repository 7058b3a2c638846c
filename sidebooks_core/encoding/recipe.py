"""What is done to the pixels of an image that is made from another: a value, apart from the libraries that do it."""

from __future__ import annotations

from msgspec import Struct


class Recipe(Struct, frozen=True):
    """What to do, in this order."""

    width_px: int
    height_px: int
    """The size before turning."""
    is_mirrored: bool
    rotation: int
    """Degrees clockwise: 0, 90, 180 or 270."""
    quality: str
    """ "default", "color", "gray" or "bitonal"."""

    @property
    def name(self) -> str:
        """Equal for equal results."""
        return f"{self.width_px}x{self.height_px} {'!' * self.is_mirrored}{self.rotation} {self.quality}"
