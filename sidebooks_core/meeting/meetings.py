"""The meetings of one folder of data: what is kept of them, and the hub that they live in."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self

from sidebooks_core.errors import HubMissing, RequestError
from sidebooks_core.meeting.hub import Hub, LocalHub
from sidebooks_core.meeting.keeping import Keeping
from sidebooks_core.meeting.records import Records

NO_HUB = (
    "several server processes need a hub for meetings: start the server with --hub redis://HOST:PORT, or with --processes 1"
)


class Meetings:
    """Records and hub. Thread-safe. `close()` it, after the servers that use it."""

    def __init__(self, data_dir: Path | str | None, hub_url: str | None = None, *, is_alone: bool = True) -> None:
        """data_dir: that of the shelf. None: in memory, for tests.

        hub_url: of a Redis or Valkey by which several processes share the meetings. is_alone: no other process has meetings of
        the same folder; False without a `hub_url`: nobody can meet. If Redis does not answer yet, meetings wait for it.
        Raises StorageError; HubFailed if Redis refuses us; RequestError if the extra `hub` is not installed.
        """
        self.records = Records(None if data_dir is None else Path(data_dir))
        self.is_shared = hub_url is not None
        """Whether other processes may have clients of the same meetings."""
        self._hub: Hub | None = None
        self._keeping = Keeping(self.records)
        try:
            if hub_url is not None:
                self._hub = _redis_hub(hub_url, self._keeping)
            elif is_alone:
                self._hub = LocalHub(self._keeping)
        except BaseException:
            self.close()
            raise

    @property
    def hub(self) -> Hub:
        """Raises HubMissing."""
        self.require_hub()
        assert self._hub is not None
        return self._hub

    def require_hub(self) -> None:
        """Raises HubMissing."""
        if self._hub is None:
            raise HubMissing(NO_HUB)

    def wait_for_hub(self) -> bool:
        """Whether nobody can meet just now, since the hub does not answer. It never waits."""
        return self._hub is not None and not self._hub.is_sure()

    def close(self) -> None:
        """Write what waits, and let go of the data."""
        if self._hub is not None:
            self._hub.close()
        self._keeping.close()
        self.records.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.close()


def _redis_hub(url: str, keeping: Keeping) -> Hub:
    try:
        from sidebooks_core.meeting.redis_hub import RedisHub
    except ModuleNotFoundError as error:
        if error.name != "redis":
            raise
        raise RequestError("a hub over Redis needs redis: pip install 'sidebooks-core[hub]'") from None
    return RedisHub(url, keeping)
