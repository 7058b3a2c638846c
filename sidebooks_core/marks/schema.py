"""The tables of marks, in plain SQL. They are in the shelf's database, and use its tables about, paper, revision and page.

All rows of a paper go with it: a purge need not know of them.
"""

from __future__ import annotations

import hashlib

from sidebooks_core.databases.database import Reading, Writing
from sidebooks_core.errors import StorageDamaged

TABLES = """
    CREATE TABLE mark (
        id TEXT PRIMARY KEY,
        paper TEXT NOT NULL REFERENCES paper (id) ON DELETE CASCADE,
        owner TEXT NOT NULL,
        seq INTEGER NOT NULL, -- of its last change, over all papers
        at_ms INTEGER NOT NULL, -- the stamp of the version that holds, as it is believed
        counter INTEGER NOT NULL,
        device TEXT NOT NULL,
        visibility TEXT NOT NULL,
        meeting TEXT NOT NULL,
        shown TEXT NOT NULL, -- to whom it was ever shown, in JSON: see Shown in audiences.py. Empty: to its owner alone
        hidden_seq INTEGER NOT NULL, -- the number at which it ceased to be shown to anybody; 0: it has not, or never was
        revision INTEGER NOT NULL,
        page INTEGER NOT NULL,
        content_id TEXT NOT NULL, -- empty: it was not known yet
        quote TEXT NOT NULL,
        is_of_file INTEGER NOT NULL,
        has_text INTEGER NOT NULL,
        body BLOB -- JSON; NULL: deleted
    ) STRICT;
    CREATE INDEX mark_by_seq ON mark (seq);
    CREATE INDEX mark_by_paper ON mark (paper, seq);
    CREATE INDEX mark_by_owner ON mark (owner, paper, seq);
    CREATE INDEX mark_shown ON mark (paper, hidden_seq, seq) WHERE shown != '';
    CREATE INDEX mark_with_text ON mark (owner, paper) WHERE has_text = 1;
    CREATE INDEX mark_deleted ON mark (paper, seq) WHERE body IS NULL;

    CREATE TABLE mark_imported ( -- marks that were read from a file of their paper
        mark TEXT PRIMARY KEY REFERENCES mark (id) ON DELETE CASCADE
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE mark_lost_text ( -- of versions that did not hold
        mark TEXT NOT NULL REFERENCES mark (id) ON DELETE CASCADE,
        at_ms INTEGER NOT NULL,
        counter INTEGER NOT NULL,
        device TEXT NOT NULL,
        name BLOB NOT NULL, -- a digest of the text: versions whose stamps were wrong can have the same one
        text TEXT NOT NULL,
        lost_s REAL NOT NULL,
        PRIMARY KEY (mark, at_ms, counter, device, name)
    ) STRICT;
    CREATE INDEX mark_lost_text_by_time ON mark_lost_text (lost_s);

    CREATE TABLE mark_clamped ( -- a stamp that could not be right, and the one that holds instead
        mark TEXT NOT NULL REFERENCES mark (id) ON DELETE CASCADE,
        device TEXT NOT NULL,
        given_ms INTEGER NOT NULL,
        given_counter INTEGER NOT NULL,
        at_ms INTEGER NOT NULL,
        counter INTEGER NOT NULL,
        PRIMARY KEY (mark, device, given_ms, given_counter)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX mark_clamped_by_device ON mark_clamped (device, at_ms, counter);

    CREATE TABLE mark_device ( -- how far each device has read
        paper TEXT NOT NULL REFERENCES paper (id) ON DELETE CASCADE,
        reader TEXT NOT NULL,
        device TEXT NOT NULL,
        since INTEGER NOT NULL,
        whole INTEGER NOT NULL, -- the number of the last answer that had everything
        rights TEXT NOT NULL, -- what its reader could see then, in JSON: see _Rights in devices.py
        seen_s REAL NOT NULL,
        PRIMARY KEY (paper, reader, device)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX mark_device_by_reader ON mark_device (reader);

    CREATE TABLE mark_ended ( -- marks of which nothing else is left, so that no device brings them back
        paper TEXT NOT NULL REFERENCES paper (id) ON DELETE CASCADE,
        name BLOB NOT NULL, -- a digest of the id
        owner BLOB NOT NULL, -- a digest of id and owner
        was_imported INTEGER NOT NULL, -- 1: it was read from a file of the paper, and its owner deleted it
        PRIMARY KEY (paper, name)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE mark_audience ( -- those to whom marks of a page are shown, or were
        paper TEXT NOT NULL REFERENCES paper (id) ON DELETE CASCADE,
        visibility TEXT NOT NULL,
        meeting TEXT NOT NULL,
        page INTEGER NOT NULL,
        seq INTEGER NOT NULL, -- of the last change that they could see
        horizon INTEGER NOT NULL DEFAULT 0, -- who of them has read up to an older number begins anew
        PRIMARY KEY (paper, visibility, meeting, page)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX mark_audience_by_horizon ON mark_audience (horizon) WHERE horizon > 0;
    CREATE TABLE mark_horizon ( -- the owner of marks who has read up to an older number begins anew
        paper TEXT NOT NULL REFERENCES paper (id) ON DELETE CASCADE,
        owner TEXT NOT NULL,
        seq INTEGER NOT NULL,
        PRIMARY KEY (paper, owner)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX mark_horizon_by_seq ON mark_horizon (seq);
    CREATE TABLE mark_gap ( -- numbers that a backup never gave: who has one begins anew
        after INTEGER PRIMARY KEY,
        before INTEGER NOT NULL
    ) STRICT;

    CREATE TABLE mark_use ( -- what the marks of an owner on a paper take
        paper TEXT NOT NULL REFERENCES paper (id) ON DELETE CASCADE,
        owner TEXT NOT NULL,
        marks INTEGER NOT NULL,
        bytes INTEGER NOT NULL,
        shown_bytes INTEGER NOT NULL, -- of marks that were ever shown to others
        ended INTEGER NOT NULL DEFAULT 0, -- marks that were deleted and forgotten: their rows in mark_ended stay
        PRIMARY KEY (paper, owner)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX mark_use_by_owner ON mark_use (owner);
    CREATE TABLE mark_destruction ( -- who has destroyed the marks of a paper, and how many: the proof that it was done
        paper TEXT NOT NULL REFERENCES paper (id) ON DELETE CASCADE,
        at_s REAL NOT NULL,
        who TEXT NOT NULL,
        marks INTEGER NOT NULL,
        texts INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX mark_destruction_by_paper ON mark_destruction (paper, at_s);
    INSERT INTO about VALUES ('mark_seq', '0'); -- the number of the last change of a mark
    INSERT INTO about VALUES ('mark_key', lower(hex(randomblob(32)))); -- by which numbers are told
"""


def last_seq(reading: Reading) -> int:
    """The number of the last change of a mark; 0 if there was none."""
    return reading.number("SELECT CAST(value AS INTEGER) FROM about WHERE name = 'mark_seq'")


def number_key(reading: Reading) -> bytes:
    """By which numbers are told to readers. Raises StorageDamaged if there is none."""
    found = reading.one(str, "SELECT value FROM about WHERE name = 'mark_key'")
    if found is None:
        raise StorageDamaged("the database lacks the key of the numbers of marks")
    return bytes.fromhex(found)


def set_last_seq(writing: Writing, seq: int) -> None:
    writing.run("UPDATE about SET value = ? WHERE name = 'mark_seq'", str(seq))


def next_seq(writing: Writing) -> int:
    """A number for what is changed now."""
    seq = last_seq(writing) + 1
    set_last_seq(writing, seq)
    return seq


def begin_numbers_anew(writing: Writing, now_ms: int) -> None:
    """For a copy, which may be opened long after: it gives numbers that the original does not.

    now_ms: since 1970. No shelf has a change in each millisecond, so it is above all numbers of the original.
    """
    last = last_seq(writing)
    first = max(last + 1, now_ms)
    writing.run("INSERT INTO mark_gap (after, before) VALUES (?, ?)", last, first)
    set_last_seq(writing, first)


def is_in_gap(reading: Reading, seq: int) -> bool:
    """Whether a number was never given here."""
    return reading.one(int, "SELECT 1 FROM mark_gap WHERE after < ?1 AND ?1 < before", seq) is not None


def digest_of(text: str) -> bytes:
    """16 bytes that stand for the text of a version, or for the id of a mark of which nothing else is left."""
    return hashlib.sha256(text.encode()).digest()[:16]
