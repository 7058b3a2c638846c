"""Dates as documents write them. Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

_PDF = re.compile(
    r"(?:D:)?(?P<year>\d{4})(?P<month>\d\d)?(?P<day>\d\d)?(?P<hour>\d\d)?(?P<minute>\d\d)?(?P<second>\d\d)?"
    r"(?:(?P<utc>Z)|(?P<sign>[-+])(?P<hours>\d\d)'?(?P<minutes>\d\d)?)?"
)
_ISO = re.compile(r"\d{4}-")
_PARTS = ("year", "month", "day", "hour", "minute", "second")
_FIRST = {"month": 1, "day": 1}


def written_date(text: str) -> datetime | None:
    """A date of a PDF, as D:20260331090000+09'00', or of ISO 8601, as 2026-03-31T09:00+09:00; the end may be left out.

    In UTC; without a zone if it states none. None for what is no date.
    """
    text = text.strip()
    try:
        found = _iso_date(text) if _ISO.match(text) else _pdf_date(text)
        return found if found is None or found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _iso_date(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}-01" if len(text) == len("2026-03") else text)


def _pdf_date(text: str) -> datetime | None:
    found = _PDF.match(text)
    if found is None:
        return None
    parts = [int(found[name] or _FIRST.get(name, 0)) for name in _PARTS]
    zone = UTC if found["utc"] else None
    if found["sign"]:
        ahead = timedelta(hours=int(found["hours"]), minutes=int(found["minutes"] or 0))
        zone = _zone(ahead if found["sign"] == "+" else -ahead)
    return datetime(*parts, tzinfo=zone)  # type: ignore[misc, arg-type]  # six numbers


def _zone(ahead: timedelta) -> timezone | None:
    """None for what is no zone: then the date states none."""
    return timezone(ahead) if abs(ahead) < timedelta(hours=24) else None
