"""Who comes in at a server: every case of what the command is told and of what is there."""

from __future__ import annotations

from itertools import product

import pytest

from sidebooks_core.errors import RequestError
from sidebooks_core.server.entry import Asked, Entry, entry_of

NAMES = ("is_this_machine_only", "has_shelf", "has_people", "wants_accounts", "wants_open", "has_other_ways")
ALL = [dict(zip(NAMES, values, strict=True)) for values in product((False, True), repeat=len(NAMES))]


@pytest.mark.parametrize("told", ALL, ids=lambda told: " ".join(name for name, value in told.items() if value) or "nothing")
def test_nobody_comes_in_from_elsewhere_unless_somebody_said_so(told: dict[str, bool]) -> None:
    logins = told["wants_accounts"] or told["has_other_ways"]
    is_contradiction = told["wants_open"] and (logins or told["has_people"])
    is_without_shelf = logins and not told["has_shelf"]
    is_unsaid = not told["is_this_machine_only"] and not (told["wants_open"] or logins or told["has_people"])
    if is_contradiction or is_without_shelf or is_unsaid:
        with pytest.raises(RequestError, match="--"):  # it says what to do
            entry_of(Asked(**told))
        return
    entry = entry_of(Asked(**told))
    if entry is Entry.HOUSE:
        assert told["is_this_machine_only"]
        assert not logins
    elif entry is Entry.READERS:
        assert told["wants_open"]
        assert not told["has_people"]
    else:
        assert logins or told["has_people"]
