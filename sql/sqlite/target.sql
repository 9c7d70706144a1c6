-- What tidemark keeps in a target: the place of each pipeline, how far its tables are copied, and what was proven.
-- Safe to run again.

-- One row per pipeline. It moves in the transaction of the data, by compare-and-set.
CREATE TABLE IF NOT EXISTS tidemark_cursor (
    pipeline   TEXT PRIMARY KEY NOT NULL,
    source     TEXT NOT NULL,     -- which database the place is in
    snapshot   TEXT NOT NULL,     -- everything that it sees is applied
    witness    TEXT NOT NULL,     -- what the source committed after that snapshot
    last_id    INTEGER NOT NULL,  -- the highest change id applied, for people
    epoch      INTEGER NOT NULL,  -- raised by every worker that takes the pipeline over
    worker     TEXT,              -- which one did so last
    applied_at TEXT,
    failure    TEXT,              -- what stopped the worker for good, until the next one takes over
    revision   INTEGER NOT NULL DEFAULT 0,  -- raised when a copy changes what the stream leaves out
    hold       TEXT,              -- why no worker may move it: paused, or a change of roles
    held_by    TEXT,              -- who holds it, and may move it all the same
    held_at    TEXT,
    closed_at  TEXT,              -- this database was promoted then: nobody moves it any more
    source_at  TEXT,              -- the source's clock as the applied snapshot was taken
    seen_id    INTEGER,           -- the highest change id that the source had drawn at the last heartbeat
    seen_at    TEXT               -- and the source's clock then
);

-- How far the rows that a table held before the stream reached it are here. Times are UTC.
CREATE TABLE IF NOT EXISTS tidemark_table_copy (
    pipeline         TEXT NOT NULL,
    schema_name      TEXT NOT NULL,     -- of the source's table; empty where it has none
    table_name       TEXT NOT NULL,
    state            TEXT NOT NULL,     -- waiting, copying, done
    existing         TEXT NOT NULL,     -- rows that were here before: refuse, empty, merge; keep = no copy was wanted
    capture          INTEGER NOT NULL,  -- the generation of the source's capture that the rows are complete from; 0 = none
    copied_through   TEXT,              -- the key up to which it is copied, as JSON
    rows             INTEGER NOT NULL,
    bytes            INTEGER NOT NULL,
    expected_rows    INTEGER NOT NULL,  -- an estimate
    statements_after TEXT NOT NULL,     -- what waits for the end of the copy, as a JSON array
    statements_last  TEXT NOT NULL,     -- and for the end of all copies
    started_at       TEXT,
    finished_at      TEXT,
    PRIMARY KEY (pipeline, schema_name, table_name)
);

-- What the last comparison of each table with its source found, and beside it what one that goes on has found so far.
CREATE TABLE IF NOT EXISTS tidemark_table_proof (
    pipeline         TEXT NOT NULL,
    schema_name      TEXT NOT NULL,
    table_name       TEXT NOT NULL,
    snapshot         TEXT NOT NULL,     -- where both were compared
    last_id          INTEGER NOT NULL,  -- the highest change id applied there
    started_at       TEXT,
    is_finished      INTEGER NOT NULL,
    finished_at      TEXT,
    compared_through TEXT,              -- the key up to which it has come, as JSON
    rows             INTEGER NOT NULL,
    differences      INTEGER NOT NULL,
    repaired         INTEGER NOT NULL,
    positions        INTEGER NOT NULL,  -- at how many positions its parts were compared
    PRIMARY KEY (pipeline, schema_name, table_name, is_finished)
);

-- Every row that verify --repair changed.
CREATE TABLE IF NOT EXISTS tidemark_repair (
    id               INTEGER PRIMARY KEY,
    pipeline         TEXT NOT NULL,
    schema_name      TEXT NOT NULL,
    table_name       TEXT NOT NULL,
    key              TEXT NOT NULL,     -- JSON; of the whole row where the table has no key
    kind             TEXT NOT NULL,     -- missing: inserted; extra: deleted; different: overwritten
    columns          TEXT NOT NULL,     -- those that differed, as a JSON array
    rows             INTEGER NOT NULL,  -- more than one only where the table has no key
    snapshot         TEXT NOT NULL,     -- the row is now what the source had there
    repaired_at      TEXT NOT NULL
);
