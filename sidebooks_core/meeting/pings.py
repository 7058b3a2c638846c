"""How old what a server says is at most, though a network may have held it back for any time. Pure."""

from __future__ import annotations


class Pings:
    """Of one connection of a client. Its pongs are counted, and a ping says which of them the server had heard: so it is newer
    than that one. Times are seconds of a clock that is never set back."""

    def __init__(self, now_s: float) -> None:
        """now_s: when the client said hello."""
        self.made_s = now_s
        """What arrived last was made no earlier than this."""
        self._sent_s = {0: now_s}
        """By count, those that the server is not known to have heard, and the newest that it has. 0: the hello."""
        self._count = 0

    def pinged(self, heard: int | None, now_s: float) -> None:
        """A ping has arrived. heard: see `Ping.heard`."""
        if heard is None:  # of a server that does not say it: nobody knows, so it counts as new
            self.made_s = now_s
        elif heard in self._sent_s:
            self.made_s = self._sent_s[heard]
            self._sent_s = {count: sent_s for count, sent_s in self._sent_s.items() if count >= heard}

    def pong(self, now_s: float) -> int:
        """The count of a pong that is sent now."""
        self._count += 1
        self._sent_s[self._count] = now_s
        return self._count
