"""The tables of people, logins, links, grants and the audit, in plain SQL."""

from __future__ import annotations

from sidebooks_core.databases.database import Schema

ACCESS = Schema(
    application_id=0x53424131,
    has_triggers=True,
    migrations=(
        """
        CREATE TABLE about (
            id INTEGER PRIMARY KEY CHECK (id = 1),
            version INTEGER NOT NULL -- grows with each change of people, logins, links, grants and keys
        ) STRICT;
        INSERT INTO about VALUES (1, 1);

        CREATE TABLE person (
            id TEXT PRIMARY KEY,
            name TEXT NOT NULL UNIQUE, -- folded: see people.login_name
            shown_name TEXT NOT NULL,
            role TEXT NOT NULL,
            groups TEXT NOT NULL, -- JSON
            password TEXT, -- Argon2
            subject TEXT UNIQUE, -- issuer and subject, for who comes from an identity provider
            is_disabled INTEGER NOT NULL DEFAULT 0,
            made_s REAL NOT NULL, -- of the wall clock, UTC, as are all times
            last_login_s REAL
        ) STRICT;

        CREATE TABLE link (
            id TEXT PRIMARY KEY,
            token TEXT NOT NULL UNIQUE, -- SHA-256, hexadecimal
            name TEXT NOT NULL,
            folders TEXT NOT NULL, -- JSON
            made_s REAL NOT NULL,
            until_s REAL NOT NULL,
            uses_left INTEGER, -- NULL: any number
            used INTEGER NOT NULL DEFAULT 0,
            made_by TEXT NOT NULL
        ) STRICT;

        CREATE TABLE session (
            id TEXT PRIMARY KEY,
            token TEXT NOT NULL UNIQUE, -- SHA-256, hexadecimal
            person TEXT REFERENCES person (id),
            link TEXT REFERENCES link (id),
            guest_name TEXT NOT NULL,
            device TEXT NOT NULL,
            address TEXT NOT NULL,
            begun_s REAL NOT NULL,
            seen_s REAL NOT NULL,
            end_s REAL NOT NULL,
            CHECK ((person IS NULL) <> (link IS NULL))
        ) STRICT;
        CREATE INDEX session_by_person ON session (person, seen_s);
        CREATE INDEX session_by_link ON session (link);

        CREATE TABLE folder_grants (
            folder TEXT PRIMARY KEY,
            grants TEXT NOT NULL -- JSON; an empty list closes the folder
        ) STRICT;

        CREATE TABLE signing_key (
            id TEXT PRIMARY KEY,
            key BLOB NOT NULL,
            made_s REAL NOT NULL
        ) STRICT;

        CREATE TABLE setup (
            id INTEGER PRIMARY KEY CHECK (id = 1),
            token TEXT NOT NULL, -- SHA-256, hexadecimal
            made_s REAL NOT NULL
        ) STRICT;

        CREATE TABLE attempt (
            subject TEXT PRIMARY KEY, -- SHA-256 of what failed: a name, an address, or both
            failures INTEGER NOT NULL,
            last_s REAL NOT NULL
        ) STRICT, WITHOUT ROWID;

        CREATE TABLE audit (
            seq INTEGER PRIMARY KEY AUTOINCREMENT, -- from 1, without gaps
            at_s REAL NOT NULL,
            person TEXT NOT NULL,
            name TEXT NOT NULL,
            operation TEXT NOT NULL,
            paper TEXT NOT NULL,
            revision INTEGER,
            document TEXT NOT NULL,
            address TEXT NOT NULL,
            detail TEXT NOT NULL,
            hash TEXT NOT NULL -- see audit.row_hash
        ) STRICT;
        CREATE INDEX audit_by_paper ON audit (paper, operation, person) WHERE paper <> '';
        CREATE INDEX audit_by_person ON audit (person, seq);
        CREATE TRIGGER audit_stays BEFORE UPDATE ON audit BEGIN SELECT RAISE (ABORT, 'the audit is not changed'); END;
        CREATE TRIGGER audit_is_kept BEFORE DELETE ON audit BEGIN SELECT RAISE (ABORT, 'the audit is not shortened'); END;
        CREATE TRIGGER audit_is_added_to BEFORE INSERT ON audit WHEN EXISTS (SELECT 1 FROM audit WHERE seq = NEW.seq)
            BEGIN SELECT RAISE (ABORT, 'the audit is not overwritten'); END;

        CREATE TABLE taken_over ( -- the entries of another store, up to this one, are in the audit
            id INTEGER PRIMARY KEY CHECK (id = 1),
            epoch TEXT NOT NULL, -- another one: that store was restored from a backup
            seq INTEGER NOT NULL
        ) STRICT;
        INSERT INTO taken_over VALUES (1, '', 0);
        """,
        """
        CREATE TABLE signed_address (
            id TEXT PRIMARY KEY,
            signer TEXT NOT NULL, -- the id of whoever made it
            signer_name TEXT NOT NULL,
            session TEXT REFERENCES session (id) ON DELETE CASCADE, -- of a guest, with which it ends
            principal TEXT NOT NULL, -- JSON, for a signer who has no account here; else empty
            documents TEXT NOT NULL, -- JSON
            with_original INTEGER NOT NULL,
            made_s REAL NOT NULL,
            until_s REAL NOT NULL
        ) STRICT;
        CREATE INDEX signed_address_by_signer ON signed_address (signer, until_s);
        CREATE INDEX signed_address_by_session ON signed_address (session) WHERE session IS NOT NULL;
        CREATE INDEX signed_address_by_end ON signed_address (until_s);

        CREATE TABLE changed ( -- what each version changed, so that a process reads only that again
            version INTEGER NOT NULL, -- about.version after the change
            kind TEXT NOT NULL,
            id TEXT NOT NULL,
            PRIMARY KEY (version, kind, id)
        ) STRICT, WITHOUT ROWID;
        CREATE TRIGGER person_added AFTER INSERT ON person BEGIN
            INSERT OR IGNORE INTO changed SELECT version + 1, 'person', NEW.id FROM about;
        END;
        CREATE TRIGGER person_changed AFTER UPDATE OF shown_name, role, groups, is_disabled ON person BEGIN
            INSERT OR IGNORE INTO changed SELECT version + 1, 'person', NEW.id FROM about;
        END;
        CREATE TRIGGER session_added AFTER INSERT ON session BEGIN
            INSERT OR IGNORE INTO changed SELECT version + 1, 'session', NEW.id FROM about;
        END;
        CREATE TRIGGER session_ended AFTER DELETE ON session BEGIN
            INSERT OR IGNORE INTO changed SELECT version + 1, 'session', OLD.id FROM about;
        END;
        CREATE TRIGGER signed_address_added AFTER INSERT ON signed_address BEGIN
            INSERT OR IGNORE INTO changed SELECT version + 1, 'signed_address', NEW.id FROM about;
        END;
        CREATE TRIGGER signed_address_ended AFTER DELETE ON signed_address BEGIN
            INSERT OR IGNORE INTO changed SELECT version + 1, 'signed_address', OLD.id FROM about;
        END;
        CREATE TRIGGER folder_grants_added AFTER INSERT ON folder_grants BEGIN
            INSERT OR IGNORE INTO changed SELECT version + 1, 'folder_grants', NEW.folder FROM about;
        END;
        CREATE TRIGGER folder_grants_ended AFTER DELETE ON folder_grants BEGIN
            INSERT OR IGNORE INTO changed SELECT version + 1, 'folder_grants', OLD.folder FROM about;
        END;
        CREATE TRIGGER signing_key_added AFTER INSERT ON signing_key BEGIN
            INSERT OR IGNORE INTO changed SELECT version + 1, 'signing_key', NEW.id FROM about;
        END;
        CREATE TRIGGER signing_key_ended AFTER DELETE ON signing_key BEGIN
            INSERT OR IGNORE INTO changed SELECT version + 1, 'signing_key', OLD.id FROM about;
        END;

        DROP INDEX session_by_link;
        CREATE INDEX session_by_link ON session (link, end_s, seen_s); -- guests of a link are counted at each that comes

        CREATE TABLE known_place (
            subject TEXT PRIMARY KEY, -- SHA-256 of a name and a network or device from which it logged in
            last_s REAL NOT NULL
        ) STRICT, WITHOUT ROWID;
        """,
        """
        -- The link ends when the person of this id is disabled. Empty: it was made at the command line, or before this column
        -- was there; a name alone does not say whose it is.
        ALTER TABLE link ADD COLUMN maker TEXT NOT NULL DEFAULT '';
        CREATE INDEX link_by_maker ON link (maker);
        """,
        """
        -- The meeting whose code the link is: it ends with the meeting. Empty: it is an address.
        ALTER TABLE link ADD COLUMN meeting TEXT NOT NULL DEFAULT '';
        CREATE INDEX link_by_meeting ON link (meeting) WHERE meeting <> '';
        """,
        """
        CREATE TABLE guest_ids ( -- how the ids of the logins of guests begin: others are of another folder of data
            beginning TEXT NOT NULL
        ) STRICT;
        INSERT INTO guest_ids VALUES (lower(hex(randomblob(4))));
        DELETE FROM session WHERE link IS NOT NULL; -- their ids begin otherwise: the end of these guests would not be seen
        """,
    ),
)
