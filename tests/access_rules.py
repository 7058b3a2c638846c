"""Who may do what, by names of operations: written by hand, so that an operation that moves in the code fails a test."""

from __future__ import annotations

OWN_FILES = frozenset({"read_viewer", "read_status", "read_api"})
FOR_ANYBODY = OWN_FILES | {"log_in", "read_self"}
GENERAL = frozenset({"follow_events", "list_documents", "go_on_uploading"})
ASKING = frozenset({"follow_events", "search"})
READING = frozenset(
    {
        "read_folder",
        "read_document",
        "read_original",
        "read_image",
        "read_text",
        "search",
        "send_hint",
        "keep_position",
        "keep_marks",
        "export_marks",
        "meet",
    }
)
WITH_FILE = frozenset({"read_original", "export_marks"})
SIGNED = frozenset({"read_document", "read_original", "read_image", "read_text"})
TENDING = frozenset(
    {"register", "replace", "change_paper", "withdraw", "change_folder", "read_readers", "share", "open_meeting"}
)
CLERKS = TENDING | {"purge", "change_access", "destroy_marks"}
OF_ADMINS = frozenset({"manage_people", "read_audit", "read_metrics"})
"""What admins alone do."""
