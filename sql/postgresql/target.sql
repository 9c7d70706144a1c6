-- What tidemark keeps in a target: the place of each pipeline.
--
-- Locks: none on any table of yours. Run again, it changes nothing.
-- By hand: psql -v ON_ERROR_STOP=1 -f target.sql

create schema if not exists tidemark;
comment on schema tidemark is 'tidemark: made by tidemark setup, removed by tidemark teardown';

-- One row per pipeline. It moves in the transaction of the data, by compare-and-set:
-- update … where snapshot = the old one and witness = the old one and epoch = mine.
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
