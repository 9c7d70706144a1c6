-- How far the tables are that a pipeline reads instead of their log.
--
-- Locks: none on any table of yours. Run again, it changes nothing. target.sql includes it.
--   see how far they are   select schema_name, table_name, state, rows_done, rows_total, failure from tidemark.sync_unit;

-- One row per table. It is saved in the transaction of the rows.
create table if not exists tidemark.sync_unit (
    pipeline          text not null,
    schema_name       text not null,      -- empty where the source has no schemas
    table_name        text not null,
    mode              text not null,      -- full, skip-completed, incremental
    state             text not null,      -- waiting, running, done, failed
    rows_done         bigint not null,    -- of the pass that is under way, or the last one: read,
    rows_total        bigint not null,    --   to be read, by the source's estimate,
    rows_written      bigint not null,    --   inserted and updated here,
    rows_deleted      bigint not null,    --   and deleted
    done_through      text,               -- the key up to which the pass has come, as JSON
    mark              text,               -- incremental: rows up to here need not be read again, as JSON
    next_mark         text,               -- counts once everything has ended that was open at the source when it was taken
    next_mark_horizon text,               -- what the source said to know that by
    started_at        timestamptz,
    finished_at       timestamptz,
    deletes_at        timestamptz,        -- when keys were last compared
    failure           text,               -- why the last pass failed, and what to type
    failures          int not null,       -- so many in a row
    primary key (pipeline, schema_name, table_name)
);
