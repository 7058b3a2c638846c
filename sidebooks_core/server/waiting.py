"""Renders that requests wait for, and how many of them come before a client's next one. Belongs to the event loop."""

from __future__ import annotations

from collections import Counter


class Waiting:
    """Counts renders by the key of their record, and by the client that waits for them."""

    def __init__(self) -> None:
        self._waiting: dict[str, Counter[str]] = {}
        """By render: the number of tiles that each client waits for."""
        self._renders_of: Counter[str] = Counter()
        """By client: the number of renders that it waits for."""

    def __len__(self) -> int:
        return len(self._waiting)

    def __contains__(self, key: str) -> bool:
        return key in self._waiting

    def add(self, key: str, client: str) -> None:
        """A client waits for a tile of a render."""
        clients = self._waiting.setdefault(key, Counter())
        if not clients[client]:
            self._renders_of[client] += 1
        clients[client] += 1

    def remove(self, key: str, client: str) -> None:
        """The client has its tile, or waits no longer."""
        clients = self._waiting[key]
        clients[client] -= 1
        if clients[client]:
            return
        del clients[client]
        if not clients:
            del self._waiting[key]
        self._renders_of[client] -= 1
        if not self._renders_of[client]:
            del self._renders_of[client]

    def before(self, client: str) -> int:
        """The number of renders that come before a new one of this client. Clients take turns in the queue
        (`scheduling.queue`).
        """
        own = self._renders_of.get(client, 0)
        of_others = sum(min(count, own + 1) for other, count in self._renders_of.items() if other != client)
        return min(len(self._waiting), own + of_others)  # a render that several clients wait for is drawn once
