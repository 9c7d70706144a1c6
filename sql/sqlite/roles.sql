-- What a database is to a pipeline whose two databases can change their roles. Run by setup behind install.sql and
-- target.sql; safe to run again.
--
-- Each table that only the pipeline may write has three triggers, tidemark_guard_TABLE_insert, _update and _delete, which
-- refuse every row that is not tidemark's: triggers do not fire on its own connections. To see them:
--   SELECT tbl_name, name, sql FROM sqlite_master WHERE type = 'trigger' AND name GLOB 'tidemark_guard_*';

CREATE TABLE IF NOT EXISTS tidemark_role (
    pipeline       TEXT PRIMARY KEY NOT NULL,
    role           TEXT NOT NULL,     -- primary, replica, fenced
    epoch          INTEGER NOT NULL,  -- counts the changes of roles: of two primaries the lower one was overtaken
    cause          TEXT NOT NULL,     -- setup, switchover, failover, failback
    since          TEXT NOT NULL,
    start_source   TEXT,              -- of a primary: the place in its own log before the first write that it let in
    start_snapshot TEXT,
    start_witness  TEXT,
    start_id       INTEGER,
    replayed_at    TEXT               -- when the changes that a lost source had not sent were written here
);
