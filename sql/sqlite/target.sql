-- What tidemark keeps in a target: the place of each pipeline. Safe to run again.

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
    failure    TEXT               -- what stopped the worker for good, until the next one takes over
);
