"""The rows of the table of routes: their fields, parameters and statuses."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from types import UnionType

from msgspec import Struct

from sidebooks_core.access.operations import ASKING, FOR_ANYBODY, GENERAL, Operation
from sidebooks_core.encoding.formats import BY_ENDING
from sidebooks_core.server.http import HttpRequest, HttpResponse
from sidebooks_core.server.live.sockets import Socket
from sidebooks_core.server.parts import ServerParts

Handler = Callable[[ServerParts, HttpRequest], Awaitable[HttpResponse]]
"""Makes the response of one route. Raises Refused, Gone, and the errors of the service."""
SocketHandler = Callable[[ServerParts, HttpRequest, Socket], Awaitable[None]]
"""Serves a WebSocket as long as it lasts. Raises SocketGone; and Refused and the errors of the service before it accepts it."""

_PARAMETER = re.compile(r"{([A-Za-z]+)}")


class Parameter(Struct, frozen=True):
    """A part of a path, or of a query."""

    meaning: str
    pattern: str
    """A regular expression of good values. Handlers check the value: a bad one gets 404, or 400 if the route declares that."""
    is_private: bool = False
    """It has what people search for: the log of requests leaves it out of paths, with all that follows."""


METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_ID = "[A-Za-z0-9_-]{1,64}"
_ENDINGS = "|".join(BY_ENDING)
PARAMETERS = {
    "document": Parameter("A document's id", "[A-Za-z0-9_-]{16,64}"),
    "image": Parameter("An image service: a document's id, `_p`, a page number from 1", "[A-Za-z0-9_-]{16,64}_p[1-9][0-9]*"),
    "page": Parameter("A page number, from 1", "[1-9][0-9]{0,6}"),
    "level": Parameter("A level of the page's pyramid, from 0, the coarsest", "[0-9]{1,2}"),
    "span": Parameter("First and last page, from 1, at most 64 pages", "[1-9][0-9]{0,6}-[1-9][0-9]{0,6}"),
    "pages": Parameter("First and last page, from 1", "[1-9][0-9]{0,6}-[1-9][0-9]{0,6}"),
    "size": Parameter("Such as 1620x2160; `.png`, `.jpg`, `.webp` or `.avif` may follow", rf"[0-9]+x[0-9]+(\.({_ENDINGS}))?"),
    "query": Parameter("What to look for", ".+", is_private=True),
    "q": Parameter("What to look for", ".*", is_private=True),
    "old_forms": Parameter("1: old and new forms of characters (國 and 国, 髙 and 高) are one", "0|1|false|true"),
    "whole_words": Parameter("1: a hit begins and ends where words do", "0|1|false|true"),
    "match_case": Parameter("1: capital and small letters differ", "0|1|false|true"),
    "start": Parameter("Search in steps: the page at which this one begins, `next` of the step before", "[1-9][0-9]{0,6}"),
    "session": Parameter("Names the reader whose pages are told of", ".{0,200}"),
    "file": Parameter("main.js, client.js or another of its files", "[a-z0-9._-]+"),
    "region": Parameter("full, square, x,y,w,h or pct:x,y,w,h", ".+"),
    "iiifSize": Parameter("max; w, ; ,h ; w,h ; !w,h or pct:n", ".+"),
    "rotation": Parameter("0, 90, 180 or 270; mirrored with ! before it", "!?(0|90|180|270|360)"),
    "quality": Parameter("default, color, gray or bitonal", "default|color|gray|bitonal"),
    "format": Parameter("jpg, png, webp or avif", _ENDINGS),
    "dziLevel": Parameter("0 is one pixel", "[0-9]{1,2}"),
    "revision": Parameter("The number of a revision, from 1", "[1-9][0-9]{0,6}"),
    "revisions": Parameter("Two revisions, the old one first, such as 1-2", "[1-9][0-9]{0,6}-[1-9][0-9]{0,6}"),
    "mark": Parameter("A mark's id, a UUID in small letters", "[0-9a-f-]{36}"),
    "whose": Parameter("mine, or all that one sees", "mine|all"),
    "flattened": Parameter("1: the marks become part of what the pages draw", "0|1|false|true"),
    "device": Parameter("A device, as stamps of its marks have it; the login stands for it unless told", "[0-9A-Za-z_-]{1,40}"),
    "upload": Parameter("An upload's id", "[A-Za-z0-9_-]{1,64}"),
    "from": Parameter("Papers whose time has not ended by then: seconds since 1970 (UTC)", "[0-9]{1,12}([.][0-9]+)?"),
    "before": Parameter("`next` of the step before", "[0-9]{1,19}"),
    "few": Parameter("Tell also how much inner folders hold, and the papers of those that hold at most so many", "[0-9]{1,3}"),
    "limit": Parameter("About how many pages or changes one answer has, at most", "[1-9][0-9]{0,3}"),
    "filename": Parameter("The name of the file that the body is", ".{1,200}"),
    "name": Parameter("What readers see as the name of the paper; the name of the file unless told", ".{1,200}"),
    "column": Parameter("From 0", "[0-9]{1,7}"),
    "row": Parameter("From 0", "[0-9]{1,7}"),
    "folder": Parameter("A folder's id; `top`: the top of the shelf", _ID),
    "paper": Parameter("A paper's id", _ID),
    "person": Parameter("A person's id", _ID),
    "login": Parameter("The id of a login", _ID),
    "link": Parameter("The id of a guest's link", _ID),
    "signed": Parameter("The id of a signed address", _ID),
    "meeting": Parameter("A meeting's id", "[A-Za-z0-9_-]{1,24}"),
    "client": Parameter("An id that the page makes when it is loaded", "[A-Za-z0-9_-]{1,24}"),
    "projector": Parameter("1: the screen shows the presenter's page and nothing else", "0|1"),
    "vote": Parameter("The number of a vote in its meeting, from 1", "[1-9][0-9]{0,6}"),
    "next": Parameter("`next` of the answer before, for the marks that follow", r"[0-9]{1,16}[.][0-9]{1,16}"),
    "since": Parameter(
        "A time of the audit, in seconds since 1970 (UTC), or what the client knows: `position` of the changes, or `seq` "
        "of the marks",
        r"([A-Za-z0-9]+\.)?[0-9]{1,18}(\.[0-9]{1,9})?",
    ),
    "view": Parameter("The screen of the reader, in pixels: new papers are drawn for it", r"[1-9][0-9]{0,4}x[1-9][0-9]{0,4}"),
    "until": Parameter(
        "Before this time, in seconds since 1970 (UTC); of a search: papers whose time has begun by then",
        r"[0-9]{1,12}(\.[0-9]{1,9})?",
    ),
    "state": Parameter("Of a login that was begun at the identity provider", ".*"),
    "code": Parameter("Of the identity provider", ".*"),
    "as": Parameter("csv: for a spreadsheet", "csv|json"),
}  # fmt: skip
"""All parameters of paths and queries, by name."""
MATCHING = ("old_forms", "whole_words", "match_case")
"""What counts as a match of a search."""

MEANINGS = {
    101: "The connection is a WebSocket from here on",
    200: "",
    201: "Made: see Location",
    202: "Taken note of",
    204: "Done",
    206: "The range that was asked for",
    303: "See the address in Location",
    304: "The client has it: see If-None-Match",
    400: "The request cannot be read, or is out of range",
    401: "Nobody known asks, and only known people may do that",
    403: "Refused to this client, or to pages of another origin",
    404: "There is nothing at this address",
    408: "The body took too long",
    409: "Something else is in the way, or was faster",
    410: "The original is gone or has changed",
    412: "The version of the protocol is not known here",
    413: "The body, or the file, is too long",
    415: "The body is not JSON, or compressed",
    416: "The range is outside the file",
    422: "The password does not fit",
    423: "Another request sends bytes of the same upload: try again soon",
    426: "Ask for a WebSocket",
    429: "Too many attempts: see Retry-After",
    460: "The bytes do not have the digest that was told: send them again",
    500: "The page cannot be drawn",
    501: "Images are not scaled up",
    503: "Too much waits, or the server ends: see Retry-After",
    504: "The page took too long",
    507: "The disk of the server is full",
}
"""Statuses that routes declare. Of 200 the route's summary tells more."""


class Route(Struct, frozen=True, kw_only=True):
    """An address and its handler. Raises ValueError for fields that make no sense."""

    path: str
    """As OpenAPI writes it: parts in braces stand for whatever has no slash."""
    handler: Handler
    operation: Operation
    """The operation that `allowed` is asked about."""
    summary: str
    media_type: str
    """The media type of the response, if there is no error."""
    method: str = "GET"
    """GET includes HEAD."""
    successes: tuple[int, ...] = (200,)
    """Statuses without an error. The usual one comes first."""
    errors: tuple[int, ...] = (404,)
    """Statuses of errors. 401 and 403 are not listed: every route answers them to clients without access."""
    query: tuple[str, ...] = ()
    """Parameters of the query, none of them required."""
    body: type[Struct] | UnionType | None = None
    """Of the request, in JSON."""
    answer: type[Struct] | None = None
    """Of the response, if it is JSON of our own."""
    also_at: tuple[str, ...] = ()
    """Other ways to write the path."""
    socket: SocketHandler | None = None
    """Takes the WebSockets at the address; `handler` answers requests that ask for none. None: it takes no WebSockets."""
    opens: bool = False
    """Whoever gets it has opened the paper, and the audit says so."""
    clears_cache: bool = False
    """If there is nothing at the address, or nothing any more, browsers are told to drop what they keep of this server."""
    options: tuple[tuple[bytes, bytes], ...] = ()
    """Further headers of the answer to OPTIONS."""

    def __post_init__(self) -> None:
        if not all(path.startswith("/") for path in (self.path, *self.also_at)):
            raise ValueError(f"the path {self.path!r} does not begin with a slash")
        if self.method not in METHODS:
            raise ValueError(f"the method {self.method!r} is none of {', '.join(METHODS)}")
        unknown = [name for name in (*_PARAMETER.findall(self.path), *self.query) if name not in PARAMETERS]
        unknown += [str(status) for status in self.statuses if status not in MEANINGS]
        if unknown:
            raise ValueError(f"{self.path}: {', '.join(unknown)} must be told of in PARAMETERS or MEANINGS")

    @property
    def methods(self) -> tuple[str, ...]:
        """The methods that it takes."""
        return ("GET", "HEAD") if self.method == "GET" else (self.method,)

    @property
    def statuses(self) -> tuple[int, ...]:
        """All statuses that the route may answer. Any request may also get 400 (host, path), 405, 414, 421, and 500 (our
        fault).
        """
        is_for_all = self.operation in FOR_ANYBODY | GENERAL and self.operation not in ASKING
        unknown = () if is_for_all else (401,)
        return tuple(sorted({*self.successes, *unknown, 403, *self.errors}))

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the parts of its path, in order."""
        return tuple(_PARAMETER.findall(self.path))

    @property
    def before_private(self) -> tuple[tuple[str, ...], ...]:
        """Of each way to write the path that has a private parameter: its parts before that. `{}` stands for any part."""
        found = []
        for path in (self.path, *self.also_at):
            names = [_PARAMETER.findall(part) for part in path.split("/")[1:]]
            places = [at for at, inside in enumerate(names) if any(PARAMETERS[name].is_private for name in inside)]
            if places:
                parts = path.split("/")[1 : places[0] + 1]
                found.append(tuple("{}" if inside else part for part, inside in zip(parts, names, strict=False)))
        return tuple(found)

    @property
    def changes_something(self) -> bool:
        """Whether it changes something. Then pages of other origins may not call it; hints excepted, if they may read."""
        return self.method != "GET"
