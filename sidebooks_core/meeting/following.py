"""What a follower does with the states that arrive, in whatever order and however often. Pure.

The viewer does the same in JavaScript (`following.js`); tests/meeting_following.json has cases for both.
"""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from sidebooks_core.errors import RequestError
from sidebooks_core.meeting.commands import OpenPaper, Show
from sidebooks_core.meeting.state import Details, Position, RectPt, State

LARGEST_SCALE = 16.0
"""Screen pixels per point, at most: a rectangle of a few points would be enlarged without bound."""


class Follower(Struct, frozen=True, kw_only=True):
    """One client of a meeting."""

    state: State | None = None
    """The newest that has arrived."""
    is_following: bool = False
    """It shows the presenter's page. Else it was left, or is not known yet."""
    details: Position = (0, 0)
    """(epoch, number) of the details that it has."""


class Fit(Struct, frozen=True):
    """Where a page lies on a screen."""

    scale: float
    """Screen pixels per point."""
    x_view: float
    """Of the page's left edge, in screen pixels from that of the screen."""
    y_view: float
    """Of its top edge."""


def received(follower: Follower, state: State) -> Follower:
    """A state has arrived. One that is not newer changes nothing."""
    had = follower.state
    if had is not None and (state.meeting != had.meeting or state.position <= had.position):
        return follower
    return replace(follower, state=state, is_following=_follows(follower, state))


def _follows(follower: Follower, state: State) -> bool:
    had = follower.state
    if state.mode == "locked":
        return True
    if had is not None and state.called > had.called:
        return True
    return follower.is_following if had is not None and state.mode in (had.mode, "ended") else state.mode == "follow"


def moved(follower: Follower) -> Follower:
    """The reader turned, zoomed or moved a page by themselves: they leave the presenter's page, unless that is locked."""
    is_locked = follower.state is not None and follower.state.mode == "locked"
    return follower if is_locked else replace(follower, is_following=False)


def returned(follower: Follower) -> Follower:
    """The reader wants the presenter's page."""
    return replace(follower, is_following=follower.state is not None)


def has_details(follower: Follower, details: Details) -> Follower:
    """Details have arrived. Older ones than are there change nothing."""
    return replace(follower, details=max(follower.details, (details.epoch, details.seq)))


def shows(follower: Follower) -> State | None:
    """Whose page and rectangle are on the screen; None: the reader's own."""
    state = follower.state
    return state if follower.is_following and state is not None and state.paper else None


def repeats(told: Show | OpenPaper | None, had: State | None, state: State, participant: str) -> bool:
    """Whether a client that presents says again where it is: the meeting was restored from a state before what it told last.

    told: its last command of these; had: the state before this one.
    """
    is_mine = had is not None and had.presenter == state.presenter == participant
    if not is_mine or told is None or had is None or state.epoch <= had.epoch:
        return False
    return (told.paper, told.revision, told.page, told.spread) != (state.paper, state.revision, state.page, state.spread)


def is_behind(follower: Follower, position: Position) -> bool:
    """Whether there is a newer state than the follower has: then it asks for it. position: of a ping."""
    return follower.state is None or follower.state.position < position


def needs_details(follower: Follower) -> bool:
    """Whether the details are others than the follower has: then it asks for them."""
    state = follower.state
    return state is not None and follower.details < (state.epoch, state.details)


def fitted(rect: RectPt, width_view: float, height_view: float) -> Fit:
    """A rectangle of a page as large as a screen shows all of it, in its middle. Raises RequestError for an empty one.

    rect: (x0, y0, x1, y1) in points. Screens of another shape than the presenter's show more of the page, never less.
    """
    x0, y0, x1, y1 = rect
    if not (x1 > x0 and y1 > y0 and width_view > 0 and height_view > 0):
        raise RequestError(f"the rectangle {rect} cannot be shown on {width_view} x {height_view} pixels")
    scale = min(width_view / (x1 - x0), height_view / (y1 - y0), LARGEST_SCALE)
    return Fit(scale, width_view / 2 - scale * (x0 + x1) / 2, height_view / 2 - scale * (y0 + y1) / 2)


def seen(fit: Fit, width_view: float, height_view: float) -> RectPt:
    """The rectangle of a page that a screen shows, in points: what a presenter tells."""
    x0, y0 = -fit.x_view / fit.scale, -fit.y_view / fit.scale
    return x0, y0, x0 + width_view / fit.scale, y0 + height_view / fit.scale
