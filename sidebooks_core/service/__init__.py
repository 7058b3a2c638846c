"""The facade: documents are opened, and their tiles, text and readers had from here."""

from sidebooks_core.service.tile_service import Sizes, TileService

__all__ = ["Sizes", "TileService"]
