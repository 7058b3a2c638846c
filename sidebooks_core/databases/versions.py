"""The version of SQLite that databases need."""

from __future__ import annotations

from functools import lru_cache

import apsw

from sidebooks_core.errors import RequestError

OLDEST_SQLITE = (3, 51, 3)


def require_safe_sqlite(version: str) -> None:
    """Raises RequestError for a version of SQLite that can lose what several processes have written."""
    if tuple(int(part) for part in version.split(".")[:3]) < OLDEST_SQLITE:
        oldest = ".".join(map(str, OLDEST_SQLITE))
        raise RequestError(
            f"APSW uses SQLite {version}; versions before {oldest} can lose what several processes have written. "
            f"Install the package with its own SQLite: pip install 'apsw>={oldest}'"
        )


@lru_cache(maxsize=1)
def require_version() -> None:
    """The same of the SQLite that is there."""
    require_safe_sqlite(apsw.sqlite_lib_version())
