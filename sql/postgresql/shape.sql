-- What becomes of a captured table behind capture's back.

-- A table and its partitions, without the locks that pg_partition_tree() would take and wait for.
create or replace function tidemark.tree(root oid) returns table (relid oid)
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
    return query
    with recursive t(relid) as (
        select root
        union all
        select i.inhrelid from t join pg_catalog.pg_inherits i on i.inhparent = t.relid
        join pg_catalog.pg_class c on c.oid = i.inhrelid and c.relispartition)
    select t.relid from t;
end $$;

-- What capture was made for: the table's names, and its columns, dropped ones included. A changed one becomes a mark in
-- the log, not an error in the application, and not a silently missing column.
create or replace function tidemark.made_for(relation oid) returns text
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
    return (select md5(concat_ws(' ', n.nspname, c.relname, string_agg(concat_ws(' ', a.attname, a.atttypid), ',' order by a.attnum)))
    from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0
    where c.oid = relation group by n.nspname, c.relname);
end $$;

-- Is the table still as capture was made for?
-- IMMUTABLE is not true, and is what it is for: in a query that names the table the planner calls it once, and again
-- whenever the table was altered in any way, since that makes it throw its plan away. So it costs writers nothing.
create or replace function tidemark.is_current(relation oid, made_for text) returns boolean
language sql immutable set search_path = pg_catalog, pg_temp
as $$ select coalesce(tidemark.made_for(relation) = made_for, false) $$;

-- And can no foreign key change the key of its rows (BREAKS B3)? Called as is_current() is.
create or replace function tidemark.is_as_attached(relation oid, made_for text) returns boolean
language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
begin
    return tidemark.is_current(relation, made_for) and not exists (
        select from pg_catalog.pg_constraint f
        where f.conrelid = relation and f.contype = 'f' and (f.confupdtype in ('c', 'n', 'd') or f.confdeltype in ('n', 'd'))
          and f.conkey && (select array_agg(k) from pg_catalog.pg_index i, unnest(i.indkey::int2[]) k
                           where i.indexrelid = tidemark.key_index(relation)));
end $$;

-- Whether a row of a catalogue that the caller sees was written by the caller's own transaction, or a
-- subtransaction of it: visible and still in progress.
create or replace function tidemark.is_own(row_xmin xid) returns boolean
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
    return (select case when pg_catalog.pg_current_xact_id_if_assigned() is not null and pg_catalog.age(row_xmin) <= 0
            then pg_catalog.pg_xact_status((pg_catalog.pg_current_xact_id_if_assigned()::text::bigint - pg_catalog.age(row_xmin))::text::xid8) = 'in progress'
            else false end);
end $$;

-- The fingerprint of captured tables: everything that lets a change pass unseen by triggers leaves a mark in it.
--   table       its name and persistence (swapped by rename, UNLOGGED)
--   triggers    ours, on it and its partitions: oid, xmin and state (disabled and enabled again, dropped)
--   members     its place among parents, children, partitions (ATTACH, DETACH, DROP, CREATE … PARTITION OF)
--   columns     their names, numbers and types
--   key         whether an index still holds up the key that the log names rows by
--   attributes, storage   xmin of the columns; the files of the table. ALTER … TYPE … USING changes both. One of
--                         them alone is harmless: SET DEFAULT, column GRANT; VACUUM FULL, CLUSTER, TRUNCATE (logged).
-- One query over all tables, planned once a session (each window asks), no function that locks or opens a relation.
-- Without own_additions: as if the partitions that the running transaction has added were not there yet.
create or replace function tidemark.shapes(only_relation oid default null, own_additions boolean default true)
returns table (capture int, shape text)
language plpgsql stable set search_path = pg_catalog, pg_temp set jit = off set plan_cache_mode = force_generic_plan as $$
#variable_conflict use_column
begin
    return query
    select c.id, json_build_object(
               'table', format('%I.%I', n.nspname, k.relname), 'persistence', k.relpersistence,
               'triggers', tree.triggers, 'members', tree.members, 'columns', columns.print,
               'key', c.key_columns is null or exists (select from pg_catalog.pg_index i
                      where i.indrelid = c.relation and i.indisunique and i.indisvalid and i.indislive and i.indimmediate
                        and i.indpred is null and i.indexprs is null
                        and c.key_columns = (select array_agg(a.attname::text order by n)
                                             from generate_series(0, i.indnkeyatts - 1) n join pg_catalog.pg_attribute a
                                             on a.attrelid = i.indrelid and a.attnum = i.indkey[n] and a.attnotnull)),
               'attributes', columns.versions, 'storage', tree.storage)::text
    from tidemark.capture c
    join pg_catalog.pg_class k on k.oid = c.relation join pg_catalog.pg_namespace n on n.oid = k.relnamespace
    -- For each table by itself: how many there are the planner does not know, and joins of all of them by loops took 24 s
    -- for a thousand tables, where this takes a tenth of one.
    cross join lateral (
        with recursive tree(relid) as (
            select c.relation
            union all
            select i.inhrelid from tree t join pg_catalog.pg_inherits i on i.inhparent = t.relid
            join pg_catalog.pg_class p on p.oid = i.inhrelid and p.relispartition
            where own_additions or not tidemark.is_own(i.xmin))
        select (select md5(string_agg(concat_ws(' ', g.tgrelid, g.oid, g.xmin, g.tgenabled, g.tgfoid), ',' order by g.oid))
                from tree t cross join lateral (
                    select g.tgrelid, g.oid, g.xmin, g.tgenabled, g.tgfoid from pg_catalog.pg_trigger g where g.tgrelid = t.relid and g.tgname
                        in ('tidemark_begins', 'tidemark_insert', 'tidemark_update', 'tidemark_delete', 'tidemark_truncate', 'tidemark_before', 'tidemark_row')
                    offset 0) g) as triggers,
               (select md5(string_agg(concat_ws(' ', m.inhrelid, m.inhparent, m.xmin, m.inhdetachpending), ',' order by m.inhrelid, m.inhparent))
                from (select i.inhrelid, i.inhparent, i.xmin, i.inhdetachpending from tree t join pg_catalog.pg_inherits i on i.inhrelid = t.relid
                      union
                      select i.inhrelid, i.inhparent, i.xmin, i.inhdetachpending from tree t join pg_catalog.pg_inherits i on i.inhparent = t.relid) m
                where own_additions or not tidemark.is_own(m.xmin)) as members,
               (select md5(string_agg(p.relfilenode::text, ',' order by p.oid)) from tree t join pg_catalog.pg_class p on p.oid = t.relid) as storage) tree
    cross join lateral (
        select md5(string_agg(concat_ws(' ', a.attnum, a.attname, a.atttypid, a.atttypmod, a.attgenerated), ',' order by a.attnum)) as print,
               md5(string_agg(a.xmin::text, ',' order by a.attnum)) as versions
        from pg_catalog.pg_attribute a where a.attrelid = c.relation and a.attnum > 0) columns
    where c.retired_at is null and (only_relation is null or c.relation = only_relation);
end $$;

-- The fingerprint of one captured table; null if it is not captured or gone. Compare with foreign_changes(), not
-- as text: a changed storage alone means nothing.
create or replace function tidemark.shape(relation oid) returns text
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
    return (select s.shape from tidemark.shapes(relation) s);
end $$;

-- The captured tables that were changed behind capture's back since attach(), each with what to type. It sees what
-- the snapshot of the calling statement sees: call it in the statement, or the REPEATABLE READ transaction, that
-- takes the snapshot of a window's end.
create or replace function tidemark.foreign_changes(only_relation oid default null, own_additions boolean default true)
returns table (capture int, schema_name text, table_name text, reason text)
language plpgsql stable set search_path = pg_catalog, pg_temp set jit = off set plan_cache_mode = force_generic_plan as $$
#variable_conflict use_column
begin
    return query
    select r.id, r.schema_name, r.table_name, r.reason
    from (select c.id, c.schema_name, c.table_name,
        case
        when s.shape is null and k.oid is null and pg_catalog.to_regclass(format('%I.%I', c.schema_name, c.table_name)) is null then
            'the table is gone; if that is meant, type: tidemark setup'
        when s.shape is null and k.oid is null then
            'the captured table is gone and another one has its name; type: tidemark setup, then tidemark copy --existing empty for it'
        when c.shape is null then 'its shape was never recorded; type: tidemark setup, then tidemark verify --repair'
        when c.shape = s.shape and c.stopped_at is null then null
        when o.o ->> 'table' <> d.d ->> 'table' then
            format('the captured table is called %s now%s; type: tidemark setup, then tidemark copy --existing empty for it', d.d ->> 'table',
                case when pg_catalog.to_regclass(o.o ->> 'table') is not null then ', and another one has its name' else '' end)
        when d.d ->> 'persistence' <> 'p' then
            'the table is UNLOGGED now and would be empty after a crash; type: alter table … set logged, then tidemark setup, then tidemark verify --repair'
        when o.o ->> 'columns' is distinct from d.d ->> 'columns' then
            'its columns have changed; type: tidemark setup, then tidemark copy --existing empty for it'
        when o.o ->> 'members' is distinct from d.d ->> 'members' then
            case when k.relkind = 'p' then format('partitions were created, attached, detached or dropped; type: tidemark setup, then tidemark verify --repair. '
                || 'Next time type, in the transaction of CREATE TABLE … PARTITION OF and directly after it: select tidemark.attach(%L)', d.d ->> 'table')
            else 'the table has a new parent or child, or lost one; type: tidemark setup, then tidemark verify --repair' end
        when o.o ->> 'triggers' is distinct from d.d ->> 'triggers' then
            'the triggers of capture were disabled, dropped or changed, if only for a moment; type: tidemark setup, then tidemark verify --repair'
        when o.o ->> 'attributes' is distinct from d.d ->> 'attributes' and o.o ->> 'storage' is distinct from d.d ->> 'storage' then
            'its columns were altered and its rows rewritten; type: tidemark setup, then tidemark copy --existing empty for it'
        when o.o ->> 'key' is distinct from d.d ->> 'key' then
            'no index holds up the key any more that changes are named by; type: tidemark setup, then tidemark verify --repair'
        -- After the others: what was captured until then counts, if nothing else is wrong.
        when c.stopped_at is not null then
            tidemark.stop_reason(c.id)
        end as reason
    from tidemark.capture c
    left join tidemark.shapes(only_relation, own_additions) s on s.capture = c.id
    left join pg_catalog.pg_class k on k.oid = c.relation
    cross join lateral (select c.shape::json as o) o cross join lateral (select s.shape::json as d) d
    where c.retired_at is null and (only_relation is null or c.relation = only_relation)) r
    where r.reason is not null
    order by r.id;
end $$;
