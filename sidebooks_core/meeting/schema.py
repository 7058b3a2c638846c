"""The tables of meetings, in plain SQL."""

from __future__ import annotations

from sidebooks_core.databases.database import Schema

MEETINGS = Schema(
    application_id=0x53424D31,
    has_triggers=True,
    migrations=(
        """
        CREATE TABLE meeting (
            id TEXT PRIMARY KEY,
            folder TEXT, -- of the shelf; NULL: of none
            name TEXT NOT NULL,
            code TEXT UNIQUE, -- SHA-256, hexadecimal; NULL: nobody joins by a code
            opened_by TEXT NOT NULL, -- the id of a principal
            opened_s REAL NOT NULL, -- of the wall clock, UTC, as are all times
            ended_s REAL,
            epoch INTEGER NOT NULL, -- no greater one was ever told to anybody
            state_epoch INTEGER NOT NULL, -- of the state that is kept
            state_seq INTEGER NOT NULL,
            state TEXT NOT NULL, -- JSON
            details TEXT NOT NULL -- JSON; its votes are those of the table
        ) STRICT;
        CREATE INDEX meeting_by_folder ON meeting (folder, opened_s);
        CREATE INDEX meeting_under_way ON meeting (opened_s) WHERE ended_s IS NULL;

        CREATE TABLE vote (
            meeting TEXT NOT NULL REFERENCES meeting (id),
            number INTEGER NOT NULL,
            stage TEXT NOT NULL,
            vote TEXT NOT NULL, -- JSON. Of a secret one, only counts and who has voted. Nothing is cast in one that is open
            PRIMARY KEY (meeting, number)
        ) STRICT, WITHOUT ROWID;
        CREATE TRIGGER vote_stays BEFORE UPDATE ON vote WHEN OLD.stage = 'confirmed'
            BEGIN SELECT RAISE (ABORT, 'a confirmed vote is not changed'); END;
        CREATE TRIGGER vote_is_kept BEFORE DELETE ON vote WHEN OLD.stage = 'confirmed'
            BEGIN SELECT RAISE (ABORT, 'a confirmed vote is not removed'); END;

        CREATE TABLE stay (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            meeting TEXT NOT NULL REFERENCES meeting (id),
            participant TEXT NOT NULL,
            name TEXT NOT NULL,
            is_guest INTEGER NOT NULL,
            joined_s REAL NOT NULL,
            seen_s REAL NOT NULL, -- when a server saw them there last, about
            left_s REAL -- NULL: they are there, or their server was killed
        ) STRICT;
        CREATE INDEX stay_by_meeting ON stay (meeting, joined_s);
        """,
    ),
)
