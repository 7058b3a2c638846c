"""The tables of the shelf, in plain SQL."""

from __future__ import annotations

from sidebooks_core.databases.database import Schema
from sidebooks_core.marks import schema as marks_schema

SHELF = Schema(
    application_id=0x53424B31,
    migrations=(
        """
        CREATE TABLE about (
            name TEXT PRIMARY KEY,
            value TEXT NOT NULL
        ) STRICT;
        INSERT INTO about VALUES ('epoch', lower(hex(randomblob(8)))); -- another one: the numbers of the feed began anew

        CREATE TABLE folder (
            id TEXT PRIMARY KEY,
            parent TEXT REFERENCES folder (id),
            name TEXT NOT NULL,
            kind TEXT NOT NULL,
            note TEXT NOT NULL,
            place INTEGER NOT NULL
        ) STRICT;
        CREATE INDEX folder_by_parent ON folder (parent, place);

        CREATE TABLE original (
            digest TEXT PRIMARY KEY, -- SHA-256 of the content, hexadecimal; also its path
            bytes INTEGER NOT NULL,
            is_doomed INTEGER NOT NULL DEFAULT 0 -- 1: no revision names it any more, and its file is to be removed
        ) STRICT;

        CREATE TABLE paper (
            id TEXT PRIMARY KEY,
            folder TEXT REFERENCES folder (id),
            name TEXT NOT NULL,
            note TEXT NOT NULL,
            level TEXT NOT NULL,
            place INTEGER NOT NULL,
            from_s REAL, -- of the wall clock, UTC, as are all times
            until_s REAL,
            revision INTEGER NOT NULL, -- the present one
            withdrawn_s REAL
        ) STRICT;
        CREATE INDEX paper_by_folder ON paper (folder, place);

        CREATE TABLE revision (
            paper TEXT NOT NULL REFERENCES paper (id),
            number INTEGER NOT NULL,
            original TEXT NOT NULL REFERENCES original (digest),
            shown TEXT NOT NULL REFERENCES original (digest),
            file_name TEXT NOT NULL,
            registered_s REAL NOT NULL,
            registered_by TEXT NOT NULL,
            note TEXT NOT NULL,
            password TEXT,
            state TEXT NOT NULL,
            reason TEXT NOT NULL,
            document TEXT,
            page_count INTEGER NOT NULL,
            is_prepared INTEGER NOT NULL,
            PRIMARY KEY (paper, number)
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX revision_by_original ON revision (original);
        CREATE INDEX revision_by_shown ON revision (shown);
        CREATE INDEX revision_by_document ON revision (document);
        CREATE INDEX revision_unprepared ON revision (paper, number) WHERE state = 'ready' AND is_prepared = 0;

        CREATE TABLE page (
            paper TEXT NOT NULL,
            revision INTEGER NOT NULL,
            page INTEGER NOT NULL, -- from 0
            content_id TEXT NOT NULL,
            PRIMARY KEY (paper, revision, page),
            FOREIGN KEY (paper, revision) REFERENCES revision (paper, number)
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX page_by_content ON page (content_id);

        CREATE TABLE page_text (
            id INTEGER PRIMARY KEY AUTOINCREMENT, -- newer texts have higher ones
            content_id TEXT NOT NULL UNIQUE,
            text BLOB NOT NULL -- see search/page_texts.py
        ) STRICT;
        CREATE VIRTUAL TABLE page_pairs USING fts5 (pairs, content = '', tokenize = 'ascii');
        INSERT INTO page_pairs (page_pairs, rank) VALUES ('secure-delete', 1);

        CREATE TABLE change (
            seq INTEGER PRIMARY KEY AUTOINCREMENT,
            at_s REAL NOT NULL,
            kind TEXT NOT NULL,
            folder TEXT,
            paper TEXT,
            revision INTEGER,
            who TEXT NOT NULL
        ) STRICT;
        """,
        """
        -- The index of the search is made of blocks of texts: see search/index.py. Texts are stored in another way. So all of
        -- them are read again, as preparing does.
        DROP TABLE page_pairs;
        DELETE FROM page_text;
        UPDATE revision SET is_prepared = 0 WHERE state = 'ready';
        CREATE TABLE gram_block (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            first INTEGER NOT NULL, -- the lowest id of its texts
            last INTEGER NOT NULL,
            count INTEGER NOT NULL,
            bits INTEGER NOT NULL,
            texts BLOB NOT NULL
        ) STRICT;
        CREATE INDEX gram_block_by_first ON gram_block (first);
        CREATE TABLE gram_bucket (
            place INTEGER PRIMARY KEY, -- the block, and the highest bits of the grams
            pairs BLOB NOT NULL
        ) STRICT;

        -- Runs of pages whose texts have ids that follow one another: see search/stretches.py.
        CREATE TABLE stretch (
            id INTEGER PRIMARY KEY AUTOINCREMENT, -- a higher one: this is news
            paper TEXT NOT NULL,
            revision INTEGER NOT NULL,
            page INTEGER NOT NULL, -- the first one
            text INTEGER NOT NULL, -- its text
            count INTEGER NOT NULL,
            FOREIGN KEY (paper, revision) REFERENCES revision (paper, number) ON DELETE CASCADE
        ) STRICT;
        CREATE INDEX stretch_by_revision ON stretch (paper, revision);
        """,
        """
        CREATE TABLE cache_folder ( -- may hold images and facts of papers
            id TEXT PRIMARY KEY, -- as in a file there
            path BLOB NOT NULL -- in the bytes of the file system
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE doomed_revision ( -- was purged: what a cache holds of it is to be removed
            cache TEXT NOT NULL, -- empty: any, once
            shown TEXT NOT NULL, -- the digest of the file that was shown
            document TEXT,
            password TEXT
        ) STRICT;
        CREATE TABLE doomed_text ( -- is gone, and the index of the search still has it
            id INTEGER PRIMARY KEY
        ) STRICT;
        CREATE TABLE doomed_page (
            cache TEXT NOT NULL,
            content_id TEXT NOT NULL,
            PRIMARY KEY (cache, content_id)
        ) STRICT, WITHOUT ROWID;

        CREATE TABLE position ( -- where a reader left off
            paper TEXT NOT NULL REFERENCES paper (id),
            reader TEXT NOT NULL,
            revision INTEGER NOT NULL, -- that was read
            page INTEGER NOT NULL, -- from 0
            PRIMARY KEY (paper, reader)
        ) STRICT, WITHOUT ROWID;

        CREATE TABLE watched_folder ( -- of the disk, with the folder of the shelf that mirrors it
            root BLOB NOT NULL, -- the path of the folder that is watched, in the bytes of the file system
            path BLOB NOT NULL, -- from there; empty: the root itself
            folder TEXT NOT NULL,
            identity TEXT NOT NULL, -- of a root: device and inode, when files were seen in it last
            PRIMARY KEY (root, path)
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE watched_file (
            root BLOB NOT NULL,
            path BLOB NOT NULL,
            paper TEXT NOT NULL REFERENCES paper (id),
            digest TEXT NOT NULL, -- SHA-256 of the content that was registered last, hexadecimal
            state TEXT NOT NULL, -- of the file, when it had that content
            is_gone INTEGER NOT NULL, -- 1: the file went away, and its paper was withdrawn for that
            PRIMARY KEY (root, path)
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX watched_file_by_paper ON watched_file (paper);
        CREATE INDEX watched_file_by_digest ON watched_file (root, digest);
        CREATE TABLE watched_purged ( -- a file whose paper was purged is not registered again
            name TEXT PRIMARY KEY -- a digest of its digest: nothing of it is said here
        ) STRICT, WITHOUT ROWID;

        ALTER TABLE revision ADD COLUMN upload TEXT; -- the id of the upload that it came of, if it did
        ALTER TABLE revision ADD COLUMN previews INTEGER NOT NULL DEFAULT 0; -- pages that have theirs: every process tells it
        ALTER TABLE revision ADD COLUMN failures INTEGER NOT NULL DEFAULT 0; -- how often preparing it has failed
        DROP INDEX revision_unprepared;
        CREATE INDEX revision_unprepared ON revision (registered_s)
            WHERE state = 'ready' AND is_prepared = 0 AND failures = 0;
        """,
        """
        ALTER TABLE paper ADD COLUMN turns_s REAL; -- when its time begins or ends next; NULL: both was told, or never happens
        UPDATE paper SET turns_s = CASE
            WHEN from_s > (julianday('now') - 2440587.5) * 86400.0 THEN from_s
            WHEN until_s > (julianday('now') - 2440587.5) * 86400.0 THEN until_s
        END;
        CREATE INDEX paper_by_turn ON paper (turns_s) WHERE turns_s IS NOT NULL;

        ALTER TABLE change ADD COLUMN was_in TEXT; -- see Change in model.py
        ALTER TABLE change ADD COLUMN was_published INTEGER NOT NULL DEFAULT 0;
        UPDATE about SET value = lower(hex(randomblob(8))) WHERE name = 'epoch'; -- older changes do not say it
        -- What an audit says of a change. It is written with the change, so neither is there without the other.
        ALTER TABLE change ADD COLUMN did TEXT NOT NULL DEFAULT ''; -- empty: nothing for an audit
        ALTER TABLE change ADD COLUMN who_id TEXT NOT NULL DEFAULT '';
        ALTER TABLE change ADD COLUMN address TEXT NOT NULL DEFAULT '';
        ALTER TABLE change ADD COLUMN detail TEXT NOT NULL DEFAULT '';
        -- The number of the last change when the epoch began.
        INSERT INTO about VALUES ('epoch_from', '0');
        """,
        """
        CREATE TABLE screen ( -- a size in which pages were asked for: see screens.py
            width_px INTEGER NOT NULL,
            height_px INTEGER NOT NULL,
            times INTEGER NOT NULL,
            PRIMARY KEY (width_px, height_px)
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE drawn_ahead ( -- a revision whose pages are in a cache in the size of a screen
            cache TEXT NOT NULL, -- the id of its folder
            paper TEXT NOT NULL,
            revision INTEGER NOT NULL,
            width_px INTEGER NOT NULL,
            height_px INTEGER NOT NULL,
            bytes INTEGER NOT NULL,
            PRIMARY KEY (paper, revision, width_px, height_px, cache),
            FOREIGN KEY (paper, revision) REFERENCES revision (paper, number) ON DELETE CASCADE
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX revision_by_time ON revision (registered_s);
        ALTER TABLE cache_folder ADD COLUMN seen TEXT NOT NULL DEFAULT ''; -- see CacheFolder in caches.py
        ALTER TABLE cache_folder ADD COLUMN entered_s REAL NOT NULL DEFAULT 0; -- when it was opened last, about
        CREATE INDEX revision_unindexed ON revision (paper, number, page_count) WHERE state = 'ready' AND is_prepared = 0;

        -- Which of from_s and until_s came last before what the feed has told last; NULL: neither. See turns.py.
        ALTER TABLE paper ADD COLUMN turned_s REAL;
        UPDATE paper SET turned_s = CASE
            WHEN turns_s IS NULL THEN coalesce(until_s, from_s)
            WHEN turns_s = until_s THEN from_s
        END;
        CREATE INDEX paper_by_last_turn ON paper (turned_s) WHERE turned_s IS NOT NULL;
        """,
        """
        ALTER TABLE position ADD COLUMN at_s REAL NOT NULL DEFAULT 0; -- when the reader was there; 0: before this was kept
        CREATE INDEX position_by_reader ON position (reader, at_s);
        """,
        marks_schema.TABLES,
    ),
)
