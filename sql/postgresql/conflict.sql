-- What a target keeps for tables that others write to as well: its deleted rows, and the conflicts that were settled.
--
-- Locks: none on any table of yours. Run again, it changes nothing. target.sql includes it.

-- The tables whose deleted rows are kept, by the pipelines whose rules need them. Each has a function of its own and two triggers.
create table if not exists tidemark.shared_table (
    pipeline     text not null,
    schema_name  text not null,
    table_name   text not null,
    primary key (pipeline, schema_name, table_name)
);

-- The rows that were deleted, as they were last. One counts only while the table has no row with its key.
create table if not exists tidemark.tombstone (
    schema_name  text not null,
    table_name   text not null,
    key          text not null,       -- JSON, with the columns in the order of their names
    image        text not null,
    deleted_at   timestamptz not null,
    primary key (schema_name, table_name, key)
);
do $$ begin
    if to_regclass('tidemark.tombstone_age') is null then
        create index tombstone_age on tidemark.tombstone (deleted_at);
    end if;
end $$;

-- Each row that both ends had changed, with what became of it. Images are JSON; null where there was no row.
create table if not exists tidemark.conflict (
    id           bigint generated always as identity primary key,
    pipeline     text not null,
    at           timestamptz not null default pg_catalog.clock_timestamp(),
    schema_name  text not null,
    table_name   text not null,
    key          text not null,
    kind         text not null,       -- insert-insert, update-update, update-delete, delete-update, unique
    origin       text,                -- the database where the source's change was first made, if not the source
    change_id    bigint not null,
    before       text,                -- what the source's change was made from
    source       text,                -- what it made of it
    target       text,                -- what stood here
    outcome      text,                -- what stands here now
    strategy     text not null,
    result       text not null,       -- source, target, merged; stopped: left to a person
    restored_at  timestamptz,         -- when one of the images was put back, and by whom
    restored_by  text
);
do $$ begin
    if to_regclass('tidemark.conflict_of') is null then
        create index conflict_of on tidemark.conflict (pipeline, schema_name, table_name, id);
    end if;
end $$;

-- Two JSON values that were made of one: members of objects each by itself, a changed one before the other. Of two changed ones
-- an object's members again, a value before none, else the greater text.
create or replace function tidemark.merge_json(before jsonb, source jsonb, target jsonb) returns jsonb
language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
begin
    if source is not distinct from before then return target; end if;
    if target is not distinct from before or source is not distinct from target then return source; end if;
    if source is null or target is null then return coalesce(source, target); end if;
    if jsonb_typeof(source) = 'object' and jsonb_typeof(target) = 'object' then
        return (select coalesce(jsonb_object_agg(m.name, m.value) filter (where m.value is not null), '{}')
                from (select n.name, tidemark.merge_json(
                          case when jsonb_typeof(before) = 'object' then before -> n.name end, source -> n.name, target -> n.name) as value
                      from (select jsonb_object_keys(source) union select jsonb_object_keys(target)) n(name)) m);
    end if;
    return case when source::text collate "C" > target::text collate "C" then source else target end;
end $$;

-- Logs a row as deleted here, as it was, where the database captures its table. The rows of a window are not captured, and other
-- ends have to know of those that the target has removed by itself.
create or replace function tidemark.log_removal(relation oid, image json) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    capture int;
    columns text[];
    key text;
    id bigint;
begin
    if to_regclass('tidemark.data_changes') is null then return; end if;
    execute 'select c.id, c.key_columns from tidemark.capture c where c.relation = $1 and c.retired_at is null' into capture, columns using relation;
    if capture is null then return; end if;
    select '{' || string_agg(to_json(k.name)::text || ':' || (image -> k.name)::text, ',' order by k.place) || '}' into key
    from unnest(columns) with ordinality k(name, place);
    id := nextval('tidemark.data_changes_id_seq');
    execute format('insert into tidemark.data_changes_%s (id, xid, capture, operation, key, changed_at, before)'
                   ' values ($1, pg_current_xact_id(), $2, ''D'', $3, clock_timestamp(), $4)', (id >> 18) & 3)
    using id, capture, key, image::text;
end $$;

revoke all on function tidemark.merge_json(jsonb, jsonb, jsonb), tidemark.log_removal(oid, json) from public;
revoke all on table tidemark.shared_table, tidemark.tombstone, tidemark.conflict from public;
