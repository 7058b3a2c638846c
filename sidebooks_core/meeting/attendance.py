"""Who was in a meeting, from when until when. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

from msgspec import Struct
from msgspec.structs import replace

GAP_S = 120.0
"""Whoever is back within this time, in seconds, has not left: a tablet slept, or lost its network."""


class Stay(Struct, frozen=True, kw_only=True):
    """One time that somebody was there. Times are seconds since 1970 (UTC)."""

    participant: str
    name: str
    is_guest: bool
    joined_s: float
    left_s: float | None
    """None: they are there."""


class Attendance(Struct, frozen=True, kw_only=True):
    """All that a meeting knows of one participant's presence."""

    participant: str
    name: str
    """As they were called last."""
    is_guest: bool
    joined_s: float
    """When they came first."""
    left_s: float | None
    """When they left last. None: they are there."""
    present_s: float
    """How long they were there, in seconds."""
    times: int
    """How often they came."""


def merged(stays: Iterable[Stay], gap_s: float = GAP_S) -> list[Stay]:
    """The stays of each participant in order, with those as one that overlap or are no more than a gap apart."""
    made: list[Stay] = []
    for stay in sorted(stays, key=lambda one: (one.participant, one.joined_s)):
        last = made[-1] if made and made[-1].participant == stay.participant else None
        if last is None or (last.left_s is not None and stay.joined_s - last.left_s > gap_s):
            made.append(stay)
        else:
            left_s = None if last.left_s is None or stay.left_s is None else max(last.left_s, stay.left_s)
            made[-1] = replace(last, name=stay.name, left_s=left_s)
    return made


def attended(stays: Iterable[Stay], now_s: float) -> list[Attendance]:
    """One row for each participant, who came first first. now_s: seconds since 1970 (UTC), for those who are there."""
    rows: list[Attendance] = []
    for participant, group in groupby(merged(stays), key=lambda one: one.participant):
        own = list(group)
        rows.append(
            Attendance(
                participant=participant,
                name=own[-1].name,
                is_guest=own[-1].is_guest,
                joined_s=own[0].joined_s,
                left_s=own[-1].left_s,
                present_s=sum(max(0.0, (now_s if one.left_s is None else one.left_s) - one.joined_s) for one in own),
                times=len(own),
            )
        )
    return sorted(rows, key=lambda one: (one.joined_s, one.participant))
