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
    shape            TEXT,              -- what of the table the pipeline took when it was copied; NULL = all, under its own name
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

-- How far each table is that is read itself, and not its log. Saved in the transaction of the rows. Times are UTC.
CREATE TABLE IF NOT EXISTS tidemark_sync_unit (
    pipeline          TEXT NOT NULL,
    schema_name       TEXT NOT NULL,     -- of the source's table; empty where it has none
    table_name        TEXT NOT NULL,
    mode              TEXT NOT NULL,     -- full, skip-completed, incremental
    state             TEXT NOT NULL,     -- waiting, running, done, failed
    rows_done         INTEGER NOT NULL,  -- read by the pass that is under way, or by the last one
    rows_total        INTEGER NOT NULL,  -- an estimate; 0 = not known
    rows_written      INTEGER NOT NULL,  -- of those read, the ones that differed from what stood here
    rows_deleted      INTEGER NOT NULL,
    done_through      TEXT,              -- the key up to which the pass has come, as JSON
    mark              TEXT,              -- incremental: rows up to here need not be read again, as JSON
    next_mark         TEXT,              -- counts once all that was open at the source then has ended
    next_mark_horizon TEXT,
    started_at        TEXT,
    finished_at       TEXT,
    deletes_at        TEXT,              -- when keys were last compared
    failure           TEXT,              -- why the last pass failed, and what to type
    failures          INTEGER NOT NULL,  -- one after the other
    PRIMARY KEY (pipeline, schema_name, table_name)
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

-- What is kept of transactions that were set aside, and of the later changes of their rows, which wait for them. Settle it
-- with tidemark parked retry, or skip: by hand, a worker would not know of it.

-- One row per transaction that could not be applied, until it is settled.
CREATE TABLE IF NOT EXISTS tidemark_parked (
    id               INTEGER PRIMARY KEY,  -- above all that the audit knows: a number names one transaction only
    pipeline         TEXT NOT NULL,
    transaction_id   TEXT NOT NULL,     -- as the source numbers it; SQLite numbers none, and a change counts as one
    settled_with     INTEGER NOT NULL,  -- the lowest id of those whose rows cannot be told apart: they are settled together
    parked_at        TEXT NOT NULL,
    schema_name      TEXT,              -- where it failed, as far as that is known
    table_name       TEXT,
    key              TEXT,
    change_id        INTEGER,
    reason           TEXT NOT NULL      -- why, and what to type
);

-- Its changes, and those that wait for it. A row has changes of one parked transaction only, unless those are settled
-- together; so each of them can be applied, in the order of the ids, without the others.
CREATE TABLE IF NOT EXISTS tidemark_parked_change (
    pipeline         TEXT NOT NULL,
    change_id        INTEGER NOT NULL,
    parked           INTEGER NOT NULL,  -- tidemark_parked.id
    capture          INTEGER NOT NULL,  -- tidemark_parked_capture: what key and image hold
    operation        TEXT NOT NULL,     -- as in the source's change log
    key              TEXT,
    image            TEXT,
    is_waiting       INTEGER NOT NULL,  -- of a later transaction
    holds_table      INTEGER NOT NULL,  -- from it on, all changes of the table wait
    PRIMARY KEY (pipeline, change_id)
);
CREATE INDEX IF NOT EXISTS tidemark_parked_change_of ON tidemark_parked_change (parked, change_id);

-- The tables of parked changes as the source's capture knew them then, which it may have forgotten since.
CREATE TABLE IF NOT EXISTS tidemark_parked_capture (
    pipeline         TEXT NOT NULL,
    capture          INTEGER NOT NULL,
    schema_name      TEXT NOT NULL,     -- empty where the source has no schemas
    table_name       TEXT NOT NULL,
    encoding         TEXT NOT NULL,     -- how keys and images are written: text, or SQLite's storage classes
    target_schema    TEXT,
    target_name      TEXT,              -- what the pipeline calls the table here, where that differs
    PRIMARY KEY (pipeline, capture)
);
CREATE TABLE IF NOT EXISTS tidemark_parked_column (
    pipeline         TEXT NOT NULL,
    capture          INTEGER NOT NULL,
    position         INTEGER NOT NULL,
    name             TEXT NOT NULL,
    type             TEXT NOT NULL,     -- the source's name of it
    is_generated     INTEGER NOT NULL,
    key_position     INTEGER,           -- from 1; NULL = not in the key
    PRIMARY KEY (pipeline, capture, position)
);

-- What was done about parked transactions. Stays until the pipeline is torn down.
CREATE TABLE IF NOT EXISTS tidemark_parked_audit (
    id               INTEGER PRIMARY KEY,
    pipeline         TEXT NOT NULL,
    at               TEXT NOT NULL,
    by               TEXT NOT NULL,
    action           TEXT NOT NULL,     -- parked, retried, skipped
    parked           INTEGER NOT NULL,
    changes          INTEGER NOT NULL,
    last_id          INTEGER NOT NULL,  -- the highest change id among them
    detail           TEXT
);
CREATE TABLE IF NOT EXISTS tidemark_parked_audit_table (
    audit            INTEGER NOT NULL,
    pipeline         TEXT NOT NULL,
    schema_name      TEXT NOT NULL,
    table_name       TEXT NOT NULL,
    PRIMARY KEY (audit, schema_name, table_name)
);

-- Tables that others write here, too, by the pipelines that do. Each has triggers named tidemark_tombstone_*, which keep what
-- is deleted.
CREATE TABLE IF NOT EXISTS tidemark_shared_table (
    pipeline         TEXT NOT NULL,
    table_name       TEXT NOT NULL,
    PRIMARY KEY (pipeline, table_name)
);

-- Rows that were deleted, as long as an older change of one can still come. They count only where there is no such row.
-- No constraint: an application's OR IGNORE spreads into the triggers.
CREATE TABLE IF NOT EXISTS tidemark_tombstone (
    id               INTEGER PRIMARY KEY,
    schema_name      TEXT NOT NULL,     -- empty: SQLite has none
    table_name       TEXT NOT NULL,
    key              TEXT NOT NULL,     -- JSON of the key columns, in the order of their names
    image            TEXT NOT NULL,     -- JSON of the row as it was
    deleted_at       TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS tidemark_tombstone_of ON tidemark_tombstone (table_name, key);

-- What became of rows that were changed at both ends, neither change knowing of the other. Images are JSON.
CREATE TABLE IF NOT EXISTS tidemark_conflict (
    id               INTEGER PRIMARY KEY,
    pipeline         TEXT NOT NULL,
    at               TEXT NOT NULL,
    schema_name      TEXT NOT NULL,     -- empty: SQLite has none
    table_name       TEXT NOT NULL,     -- as it is called here
    key              TEXT NOT NULL,
    kind             TEXT NOT NULL,     -- insert-insert, update-update, update-delete, delete-update, unique
    origin           TEXT,              -- where the source's change was made first, if not in the source itself
    change_id        INTEGER NOT NULL,
    before           TEXT,              -- what it was made from
    source           TEXT,              -- what it made of that; NULL = it deleted the row
    target           TEXT,              -- what stood here
    outcome          TEXT,              -- what stands here now
    strategy         TEXT NOT NULL,
    result           TEXT NOT NULL,     -- source, target, merged; stopped: left to a person
    restored_at      TEXT,              -- one of the images was put back then
    restored_by      TEXT
);
CREATE INDEX IF NOT EXISTS tidemark_conflict_of ON tidemark_conflict (pipeline, table_name, id);
