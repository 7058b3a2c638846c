"""Dates as a PDF writes them (ISO 32000-2, 7.9.4)."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

_DATE = re.compile(r"^(?:D:)?(\d{4})(\d\d)?(\d\d)?(\d\d)?(\d\d)?(\d\d)?(?:([-+Z])(?:(\d\d)'?(?:(\d\d)'?)?)?)?", re.ASCII)
_MOST_MS = (1 << 48) - 1


def to_pdf_date(at_ms: int) -> str:
    """A time as a PDF writes it, to the second. at_ms: since 1970 (UTC). What is after the year 9999 becomes its end."""
    last = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=min(at_ms // 1000, (last.timestamp() // 1)))
    return f"D:{at.year:04}{at:%m%d%H%M%S}Z"


def from_pdf_date(written: str) -> int:
    """Milliseconds since 1970 (UTC). A date without a zone is taken for UTC. 0 for what is no date, or is before 1970."""
    found = _DATE.match(written.strip())
    if found is None:
        return 0
    year, month, day, hour, minute, second, sign, zone_hours, zone_minutes = found.groups()
    ahead = timedelta(hours=int(zone_hours or 0), minutes=int(zone_minutes or 0))
    try:
        zone = timezone(-ahead if sign == "-" else ahead)
        at = datetime(
            int(year), int(month or 1), int(day or 1), int(hour or 0), int(minute or 0), int(second or 0), tzinfo=zone
        )
    except ValueError:
        return 0
    return min(_MOST_MS, max(0, round(at.timestamp() * 1000)))
