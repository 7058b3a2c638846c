"""What the parts of the facade have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod

from sidebooks_core.assembly import Parts
from sidebooks_core.settings import Settings


class Core(ABC):
    """A service, as its parts see it."""

    settings: Settings
    parts: Parts

    @abstractmethod
    def require_open(self) -> None:
        """Raises ServiceClosed, also in a process that was forked from the one that made the service."""
