"""Attendance and votes as tables for a spreadsheet."""

from __future__ import annotations

from collections.abc import Iterable

from sidebooks_core.meeting.attendance import Attendance
from sidebooks_core.meeting.votes import RULES, Vote, outcome
from sidebooks_core.spreadsheet import csv_of, time_cell


def attendance_sheet(rows: Iterable[Attendance]) -> bytes:
    """Who was there: name, member or guest, first and last time (UTC; empty while they are there), minutes, and how often."""
    cells = (
        [
            one.name,
            "guest" if one.is_guest else "member",
            time_cell(one.joined_s),
            None if one.left_s is None else time_cell(one.left_s),
            round(one.present_s / 60),
            one.times,
        ]
        for one in rows
    )
    return csv_of([["name", "as", "joined", "left", "minutes", "times"], *cells])


def votes_sheet(votes: Iterable[Vote]) -> bytes:
    """One row for each vote, with its rule, its counts and its result. What was broken off has no counts."""
    names = ["number", "title", "paper", "rule", "ballot", "stage", "result"]
    counts = ["yes", "no", "abstain", "of", "needed", "in_room", "quorum"]
    rows: list[list[object]] = [[*names, *counts, "casting vote", "corrects", "law"]]
    for one in votes:
        row: list[object] = [one.number, one.title, one.item, one.rule, one.ballot, one.stage]
        if one.stage in ("closed", "confirmed"):
            found = outcome(one)
            row += [found.result, *(getattr(found, name) for name in counts)]
        else:
            row += [None] * (1 + len(counts))
        rows.append([*row, one.casting, one.corrects, RULES[one.rule].where])
    return csv_of(rows)


def vote_sheet(vote: Vote) -> bytes:
    """One row for each voter of a vote, in the order of the roll: name, in the room or not, and the vote.

    Of a secret vote it says who has voted, and never how. Of a vote that is not confirmed it says nothing but the roll.
    """
    rows: list[list[object]] = [["name", "presence", "vote"]]
    for one in vote.roll.voters:
        is_present = one.id in vote.roll.present
        presence = ("left the room" if one.id in vote.left else "present") if is_present else "absent"
        is_told = vote.stage == "confirmed"
        told = vote.named.get(one.id) or ("has voted" if one.id in vote.counted else None)
        if one.id == vote.roll.chair:
            presence = "chair"
            told = told or vote.casting
        rows.append([one.name, presence, told if is_told else None])
    return csv_of(rows)
