"""The clock of a device that makes marks. Pure: the viewer has the same in JavaScript.

A device knows the server's time by what the server's clock was ahead of its own when they last met. It tells the server's time,
whatever its own clock says, as long as nobody sets that in between.
"""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from sidebooks_core.marks.clock import is_believed, ticked
from sidebooks_core.marks.model import DeviceId, Stamp


class DeviceClock(Struct, frozen=True):
    """What a device knows of the time. A new one follows from each method."""

    device: DeviceId
    ahead_ms: int = 0
    """What the server's clock was ahead of the device's when they last met; less than 0 if the device's is ahead."""
    last: Stamp = Stamp(0, 0, "")
    """The greatest stamp that the device has made or seen."""

    def met(self, server_ms: int, device_ms: int) -> DeviceClock:
        """The server has told its time. device_ms: what the device's own clock said then.

        Stamps that the server would not believe are forgotten; see `corrected`.
        """
        last = self.last if is_believed(self.last, server_ms) else Stamp(server_ms, 0, self.device)
        return DeviceClock(self.device, server_ms - device_ms, last)

    def saw(self, stamp: Stamp) -> DeviceClock:
        """A mark of another device has come: what this one makes from now on is later."""
        return self if stamp <= self.last else replace(self, last=stamp)

    def tick(self, device_ms: int) -> tuple[DeviceClock, Stamp]:
        """The stamp of what is done now."""
        stamp = ticked(self.last, max(0, device_ms + self.ahead_ms), self.device)
        return replace(self, last=stamp), stamp

    def corrected(self, stamp: Stamp, made_by: DeviceClock) -> Stamp:
        """A stamp of this device, as it would be by what it knows now. For what it has not pushed yet when it meets the server.

        made_by: the clock before they met. All such stamps are moved by as much, so they keep their order.
        """
        moved_ms = self.ahead_ms - made_by.ahead_ms
        return replace(stamp, at_ms=max(0, stamp.at_ms + moved_ms))
