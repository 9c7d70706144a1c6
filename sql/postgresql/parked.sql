-- What a target keeps of transactions that were set aside, and of the later changes of their rows, which wait for them.
--
-- Locks: none on any table of yours. Run again, it changes nothing. target.sql includes it.
-- Settle it with tidemark parked retry, or skip: by hand, a worker would not know of it.

-- One row per transaction that could not be applied, until it is settled.
create table if not exists tidemark.parked (
    id           bigint generated always as identity primary key,
    pipeline     text not null,
    transaction  text not null,       -- as the source numbers it
    settled_with bigint not null,     -- the lowest id of those whose rows cannot be told apart: they are settled together
    parked_at    timestamptz not null default pg_catalog.clock_timestamp(),
    schema_name  text,                -- where it failed, as far as that is known
    table_name   text,
    key          text,
    change_id    bigint,
    reason       text not null        -- why, and what to type
);

-- Its changes, and those that wait for it. A row has changes of one parked transaction only, unless those are settled
-- together; so each of them can be applied, in the order of the ids, without the others.
create table if not exists tidemark.parked_change (
    pipeline     text not null,
    change_id    bigint not null,
    parked       bigint not null,     -- tidemark.parked.id
    capture      int not null,        -- tidemark.parked_capture: what key and image hold
    operation    text not null,       -- as in the source's change log
    key          json,
    image        json,
    is_waiting   boolean not null,    -- of a later transaction
    holds_table  boolean not null,    -- from it on, all changes of the table wait
    primary key (pipeline, change_id)
);
do $$ begin
    perform tidemark.add_columns('tidemark.parked_change',
        'origin text');    -- where it was made first, if not in the source
end $$;
do $$ begin
    if to_regclass('tidemark.parked_change_of') is null then
        create index parked_change_of on tidemark.parked_change (parked, change_id);
    end if;
end $$;

-- The tables of parked changes as the source's capture knew them then, which it may have forgotten since.
create table if not exists tidemark.parked_capture (
    pipeline     text not null,
    capture      int not null,
    schema_name  text not null,       -- empty where the source has no schemas
    table_name   text not null,
    encoding     text not null,       -- how keys and images are written: text, or SQLite's storage classes
    primary key (pipeline, capture)
);
do $$ begin
    perform tidemark.add_columns('tidemark.parked_capture',
        'target_schema text',  -- what the target calls the table, where that differs
        'target_name text');
end $$;
create table if not exists tidemark.parked_column (
    pipeline     text not null,
    capture      int not null,
    position     int not null,
    name         text not null,
    type         text not null,       -- the source's name of it
    is_generated boolean not null,
    key_position int,                 -- from 1; null = not in the key
    primary key (pipeline, capture, position)
);

-- What was done about parked transactions. Stays until the pipeline is torn down.
create table if not exists tidemark.parked_audit (
    id           bigint generated always as identity primary key,
    pipeline     text not null,
    at           timestamptz not null default pg_catalog.clock_timestamp(),
    by           text not null,
    action       text not null,       -- parked, retried, skipped
    parked       bigint not null,
    changes      bigint not null,
    last_id      bigint not null,     -- the highest change id among them
    detail       text
);
create table if not exists tidemark.parked_audit_table (
    audit        bigint not null,
    pipeline     text not null,
    schema_name  text not null,
    table_name   text not null,
    primary key (audit, schema_name, table_name)
);
