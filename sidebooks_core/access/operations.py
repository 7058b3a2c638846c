"""The operations that a principal may be allowed: what a request, a command or an application does. Pure."""

from __future__ import annotations

from enum import StrEnum


class Operation(StrEnum):
    """What somebody does. Each row of the server's table of routes names one."""

    READ_VIEWER = "read_viewer"
    """Load the viewer's own files. They hold nothing of a document."""
    READ_STATUS = "read_status"
    """See whether the server can answer."""
    READ_API = "read_api"
    """Read the description of the API."""
    READ_METRICS = "read_metrics"
    LOG_IN = "log_in"
    """Log in or out, and use a link that was given to somebody."""
    READ_SELF = "read_self"
    """See one's own name, rights and logins, and end one's own logins."""

    FOLLOW_EVENTS = "follow_events"
    """Listen to what changes, as far as one may see it."""
    LIST_DOCUMENTS = "list_documents"
    """List what one may see: documents, folders, papers."""
    READ_FOLDER = "read_folder"
    """See a folder's name and place."""
    READ_DOCUMENT = "read_document"
    """Read names, outline, and sizes of pages, of a paper or a document."""
    READ_ORIGINAL = "read_original"
    """Download the file itself."""
    READ_IMAGE = "read_image"
    """See pages: images, tiles, previews."""
    READ_TEXT = "read_text"
    """Read the words and links of a page."""
    SEARCH = "search"
    SEND_HINT = "send_hint"
    """Tell where a reader is, so that the server draws ahead."""
    KEEP_POSITION = "keep_position"
    """Keep the page at which one is, and find it again."""
    KEEP_MARKS = "keep_marks"
    """Keep one's own marks of a paper, and see those of others that are shared with one."""
    EXPORT_MARKS = "export_marks"
    """Download the file with marks in it, or the marks for other programs."""
    MEET = "meet"
    """Be in a meeting of a folder, and do there what one's role in it allows."""

    GO_ON_UPLOADING = "go_on_uploading"
    """Send more of a file whose upload one began, and see how far it is."""
    REGISTER = "register"
    """Put a paper into a folder."""
    REPLACE = "replace"
    """Put a new revision in the place of the present one, or give a paper's password."""
    CHANGE_PAPER = "change_paper"
    """Change a paper's name, note, time, level, folder or place."""
    WITHDRAW = "withdraw"
    """Take a paper away from its readers, or put it back."""
    PURGE = "purge"
    """Remove a paper for good."""
    DESTROY_MARKS = "destroy_marks"
    """Remove all marks of the papers of a folder for good, whosever they are."""
    CHANGE_FOLDER = "change_folder"
    """Make, change or remove a folder."""
    READ_READERS = "read_readers"
    """See who has opened a paper."""
    OPEN_MEETING = "open_meeting"
    """Begin a meeting about the papers of a folder, and end one whose chair is gone."""

    SHARE = "share"
    """Make, see and end links for guests."""
    CHANGE_ACCESS = "change_access"
    """Say who may see a folder."""
    MANAGE_PEOPLE = "manage_people"
    """Add and disable accounts, set their passwords, end their logins."""
    READ_AUDIT = "read_audit"


OWN_FILES = frozenset({Operation.READ_VIEWER, Operation.READ_STATUS, Operation.READ_API})
"""What the server tells of itself. A signed address may be used for these, too."""
FOR_ANYBODY = OWN_FILES | {Operation.LOG_IN, Operation.READ_SELF}
"""These concern nobody's papers."""
GENERAL = frozenset({Operation.FOLLOW_EVENTS, Operation.LIST_DOCUMENTS, Operation.GO_ON_UPLOADING})
"""Their answers hold only what the principal may see, and only whoever began an upload sees it. So anybody may ask, except as
ASKING says."""
ASKING = frozenset({Operation.FOLLOW_EVENTS, Operation.SEARCH})
"""These keep a server busy, or a connection open. If no folder is open to everybody, citizens may not ask for them."""
READING = frozenset(
    {
        Operation.READ_FOLDER,
        Operation.READ_DOCUMENT,
        Operation.READ_ORIGINAL,
        Operation.READ_IMAGE,
        Operation.READ_TEXT,
        Operation.SEARCH,
        Operation.SEND_HINT,
        Operation.KEEP_POSITION,
        Operation.KEEP_MARKS,
        Operation.EXPORT_MARKS,
        Operation.MEET,
    }
)
"""What a reader does with papers and folders."""
WITH_FILE = frozenset({Operation.READ_ORIGINAL, Operation.EXPORT_MARKS})
"""Their answers hold the file, or what stands in it. So they are for those who may have the file itself."""
SIGNED = frozenset({Operation.READ_DOCUMENT, Operation.READ_ORIGINAL, Operation.READ_IMAGE, Operation.READ_TEXT})
"""What a signed address can be used for beside OWN_FILES, as far as its principal may: with its documents only."""
TENDING = frozenset(
    {
        Operation.REGISTER,
        Operation.REPLACE,
        Operation.CHANGE_PAPER,
        Operation.WITHDRAW,
        Operation.CHANGE_FOLDER,
        Operation.READ_READERS,
        Operation.SHARE,
        Operation.OPEN_MEETING,
    }
)
"""What whoever tends a folder does with it and its papers."""
CLERKS = TENDING | {Operation.PURGE, Operation.CHANGE_ACCESS, Operation.DESTROY_MARKS}
"""What clerks do beside reading."""
