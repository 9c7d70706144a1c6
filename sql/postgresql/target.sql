-- What tidemark keeps in a target: the place of each pipeline, how far its tables are copied, what was proven, what was
-- set aside, what the database is to each pipeline, and who leads it.
--
-- Locks: none on any table of yours. Run again, it changes nothing, and waits for nobody.
-- By hand: psql -v ON_ERROR_STOP=1 -f target.sql

create schema if not exists tidemark;
comment on schema tidemark is 'tidemark: made by tidemark setup, removed by tidemark teardown';

\ir columns.sql

-- One row per pipeline. It moves in the transaction of the data, by compare-and-set:
-- update … where snapshot, witness, epoch and revision are those that the worker knows.
create table if not exists tidemark.cursor (
    pipeline    text primary key,
    source      text not null,          -- server, database and installation that the place is in
    snapshot    text not null,          -- everything that this pg_snapshot sees is applied
    witness     text not null,          -- a tick that the source committed after that snapshot
    last_id     bigint not null,        -- the highest change id applied, for people
    epoch       bigint not null,        -- raised by every worker that takes the pipeline over
    worker      text,                   -- which one did so last
    applied_at  timestamptz,
    failure     text                    -- what stopped the worker for good, until the next one takes over
);
do $$ begin
    perform tidemark.add_columns('tidemark.cursor',
        'revision bigint not null default 0',  -- raised when a copy changes what the stream leaves out
        'hold text',             -- why no worker may move it: paused, or a change of roles
        'held_by text',          -- who holds it, and may move it all the same
        'held_at timestamptz',
        'closed_at timestamptz', -- this database was promoted then: nobody moves it any more
        'source_at timestamptz', -- the source's clock as the applied snapshot was taken
        'seen_id bigint',        -- the highest change id that the source had drawn at the last heartbeat
        'seen_at timestamptz');   -- and the source's clock then
end $$;

-- How far the rows that a table held before the stream reached it are here.
create table if not exists tidemark.table_copy (
    pipeline         text not null,
    schema_name      text not null,
    table_name       text not null,
    state            text not null,       -- waiting, copying, done
    existing         text not null,       -- rows that were here before: refuse, empty, merge; keep = no copy was wanted
    capture          int not null,        -- the generation of the source's capture that the rows are complete from; 0 = none
    copied_through   text,                -- the key up to which it is copied, as JSON
    rows             bigint not null,
    bytes            bigint not null,
    expected_rows    bigint not null,     -- an estimate
    statements_after json not null,       -- what waits for the end of the copy: indexes
    statements_last  json not null,       -- and for the end of all copies: foreign keys
    started_at       timestamptz,
    finished_at      timestamptz,
    primary key (pipeline, schema_name, table_name)
);
do $$ begin
    perform tidemark.add_columns('tidemark.table_copy',
        'shape text');  -- what of the table the pipeline took when it was copied; null = all, under its own name
end $$;

-- What the last comparison of each table with its source found, and beside it what one that goes on has found so far.
create table if not exists tidemark.table_proof (
    pipeline         text not null,
    schema_name      text not null,
    table_name       text not null,
    snapshot         text not null,       -- where both were compared
    last_id          bigint not null,     -- the highest change id applied there
    started_at       timestamptz,
    is_finished      boolean not null,
    finished_at      timestamptz,
    compared_through text,                -- the key up to which it has come, as JSON
    rows             bigint not null,
    differences      bigint not null,
    repaired         bigint not null,
    positions        bigint not null,     -- at how many positions its parts were compared
    primary key (pipeline, schema_name, table_name, is_finished)
);

-- Every row that verify --repair changed.
create table if not exists tidemark.repair (
    id               bigint generated always as identity primary key,
    pipeline         text not null,
    schema_name      text not null,
    table_name       text not null,
    key              text not null,       -- JSON; of the whole row where the table has no key
    kind             text not null,       -- missing: inserted; extra: deleted; different: overwritten
    columns          json not null,       -- those that differed
    rows             bigint not null,     -- more than one only where the table has no key
    snapshot         text not null,       -- the row is now what the source had there
    repaired_at      timestamptz not null default pg_catalog.clock_timestamp()
);

\ir parked.sql
\ir conflict.sql
\ir roles.sql
\ir lease.sql
\ir sync.sql
\ir waiting.sql
\ir wait-until.sql

drop function tidemark.add_columns(regclass, text[]);
