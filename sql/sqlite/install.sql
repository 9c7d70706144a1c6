-- What tidemark keeps in a captured SQLite database. Run in one transaction; safe to run again.
-- No constraint besides the ids: the application's OR IGNORE spreads into triggers, and would drop rows silently.

-- The change log. The id is a plain INTEGER PRIMARY KEY; pruning always keeps the last row.
CREATE TABLE IF NOT EXISTS data_changes (
    id         INTEGER PRIMARY KEY,
    token      TEXT,     -- random; names this very row as a witness
    capture    INTEGER,  -- tidemark_capture.capture: the table and the generation of its triggers
    operation  TEXT,     -- I, U: image is the row as it stands; D: it is gone; B: see below
    key        TEXT,     -- JSON object of the key columns; NULL = the whole row is the key
    image      TEXT,     -- JSON object of all columns; for D only where there is no key
    changed_at TEXT
);

-- With B, a trigger says before a write what stands: image is the row with this key, NULL if there is none. Without a key,
-- image is a number, and no row has a greater one as its key. So the first B about a row after some place of the log
-- says what the row was there. Windows leave them out.

-- One row for each generation of a table's triggers. A log row names the generation that wrote it, so they stay.
CREATE TABLE IF NOT EXISTS tidemark_capture (
    capture      INTEGER PRIMARY KEY,
    table_name   TEXT,
    schema_text  TEXT,  -- what the triggers were made for; the worker stops where the table is another one
    trigger_text TEXT,  -- the triggers as SQLite keeps them
    installed_at TEXT,
    retired_at   TEXT,  -- NULL = its triggers are there
    gap          TEXT,  -- why rows may have passed unseen just before this generation
    stopped_at   TEXT,  -- its triggers were dropped then, as the log had reached its cap
    stopped_why  TEXT,
    images       TEXT   -- both: its triggers also log rows as they were before, as B
);

-- What the images and keys of a generation hold.
CREATE TABLE IF NOT EXISTS tidemark_column (
    capture      INTEGER,
    position     INTEGER,
    name         TEXT,
    type         TEXT,     -- as declared; may be empty
    is_generated INTEGER,
    key_position INTEGER   -- from 1; NULL = not in the key
);

-- Rows that a REPLACE could remove without firing a delete trigger. A note leaves when its row is gone.
CREATE TABLE IF NOT EXISTS tidemark_replaced (
    id      INTEGER PRIMARY KEY,
    capture INTEGER,
    slot    INTEGER,  -- which unique index
    v,                -- the first two values of that index, as the statement gives them
    w,
    key     TEXT,     -- the row that could be replaced; its rowid where the table has no key
    k1, k2, k3, k4,   -- the first key columns as they are, to look the row up
    image   TEXT      -- only where the table has no key
);
CREATE INDEX IF NOT EXISTS tidemark_replaced_slot ON tidemark_replaced (capture, slot, v, w);
CREATE INDEX IF NOT EXISTS tidemark_replaced_key ON tidemark_replaced (capture, key);

-- Ends of whole transactions at which a backlog may be cut. Written by tidemark only, never by a trigger: a trigger
-- cannot know where its transaction ends.
CREATE TABLE IF NOT EXISTS tidemark_tick (
    id         INTEGER PRIMARY KEY,
    last_id    INTEGER,  -- the last row of the log then
    token      TEXT,     -- and its token
    ticked_at  TEXT
);

-- Which rows of the log tidemark applied itself, where that is captured: those above after_id, up to through_id, were first
-- made in the database with that identity. Written in the transaction of the rows.
CREATE TABLE IF NOT EXISTS tidemark_applied (
    through_id INTEGER PRIMARY KEY,
    after_id   INTEGER,
    origin     TEXT
);

-- The pipelines that read this log, and how far each has confirmed: nothing above the lowest is pruned.
-- A row without a name is a setup under way.
CREATE TABLE IF NOT EXISTS tidemark_pipeline (
    name         TEXT,
    confirmed_id INTEGER,
    token        TEXT,
    confirmed_at TEXT,
    included     TEXT,     -- the patterns of the selection, one a line
    excluded     TEXT,
    kind         TEXT,
    requires_key INTEGER,
    captures_replica_role INTEGER,
    image        TEXT,     -- new, both
    captures_applied INTEGER,  -- what tidemark applies here itself is captured for it, too
    retain_seconds INTEGER,  -- what it has applied stays for at least so long
    retain_bytes   INTEGER,  -- or until about so much has come behind it
    lost_at        TEXT,     -- the log no longer holds what it has not applied
    lost_why       TEXT
);

-- How large the log may become, if anybody said so, and what the worker does then: warn, drop, stop.
CREATE TABLE IF NOT EXISTS tidemark_log_limit (
    max_bytes INTEGER,
    policy    TEXT,
    set_at    TEXT
);

-- Tables whose rows get numbers of one range only, so that no other database gives the same ones.
CREATE TABLE IF NOT EXISTS tidemark_sequence_site (
    pipeline   TEXT,
    table_name TEXT,
    sites      TEXT
);

-- The identity of this database.
CREATE TABLE IF NOT EXISTS tidemark_installation (
    id           INTEGER PRIMARY KEY,
    install_id   TEXT,
    version      INTEGER,
    installed_at TEXT
);
INSERT INTO tidemark_installation (id, install_id, version, installed_at)
SELECT 1, lower(hex(randomblob(16))), 1, strftime('%Y-%m-%dT%H:%M:%fZ', 'now')
WHERE NOT EXISTS (SELECT 1 FROM tidemark_installation);
