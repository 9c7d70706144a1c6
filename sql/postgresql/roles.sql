-- What a database is to a pipeline whose two databases can change their roles, and the guard that keeps others from
-- writing to the pipeline's tables.
--
-- What it does: creates tidemark.role, and the function of the guard's trigger. Each table that is guarded, and each of
--   its partitions, has a trigger tidemark_guard, which fires ALWAYS and refuses every statement that is not tidemark's.
--   show its statements with  select tidemark.guard_statements('{public.orders}', 'main');
--   see where it is up        select tgrelid::regclass from pg_trigger where tgname = 'tidemark_guard' and tgenabled = 'A';
--   write all the same        alter table only public.orders disable trigger tidemark_guard;  -- and enable always it again
-- Locks: this file locks no table of yours. Raising and lifting the guard takes SHARE ROW EXCLUSIVE: who only reads
--   goes on. Dropping it takes ACCESS EXCLUSIVE for a moment.
-- How to run: install.sql and target.sql do. By hand: psql -X -v ON_ERROR_STOP=1 -1 -f roles.sql DATABASE. Running it
--   again changes nothing but the functions.

create schema if not exists tidemark;
comment on schema tidemark is 'tidemark: made by tidemark setup, removed by tidemark teardown';

create table if not exists tidemark.role (
    pipeline       text primary key,
    role           text not null,       -- primary, replica, fenced
    epoch          bigint not null,     -- counts the changes of roles: of two primaries the lower one was overtaken
    cause          text not null,       -- setup, switchover, failover, failback
    since          timestamptz not null default pg_catalog.now(),
    start_source   text,                -- of a primary: the place in its own log before the first write that it let in
    start_snapshot text,
    start_witness  text,
    start_id       bigint
);
-- An older version's, as columns.sql would add it, without which this file can be run.
do $$
begin
    if not exists (select from pg_catalog.pg_attribute a where a.attrelid = 'tidemark.role'::regclass and a.attname = 'replayed_at') then
        -- when the changes that a lost source had not sent were written here
        alter table tidemark.role add column replayed_at timestamptz;
    end if;
end $$;

-- Refuses a statement. tidemark's own sessions pass: they say so, and may move cursors; a setting alone, which anybody
-- can make, is not enough. Runs as its owner, as who writes has no rights here.
create or replace function tidemark.refuse_write() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    guarded_for text := tg_argv[0];
    acting text := nullif(current_setting('role'), 'none');
    known tidemark.role;
begin
    if current_setting('tidemark.applying', true) = '1' and to_regclass('tidemark.cursor') is not null
        and (has_table_privilege(session_user, 'tidemark.cursor', 'UPDATE')
             or acting is not null and has_table_privilege(acting, 'tidemark.cursor', 'UPDATE')) then
        return case when tg_level = 'STATEMENT' then null when tg_op = 'DELETE' then old else new end;
    end if;
    select * into known from tidemark.role r where r.pipeline = guarded_for;
    raise exception using
        errcode = 'read_only_sql_transaction', schema = tg_table_schema, table = tg_table_name,
        message = format('tidemark: table %I.%I cannot be written: %s', tg_table_schema, tg_table_name,
            case known.role
                when 'replica' then format('this database is a replica of pipeline %s since %s', guarded_for, date_trunc('second', known.since))
                when 'fenced' then format('this database is fenced since %s by a %s of pipeline %s', date_trunc('second', known.since), known.cause, guarded_for)
                else format('it is guarded by pipeline %s', guarded_for) end),
        hint = case known.role
            when 'replica' then format('Write to the database that it follows: tidemark status --pipeline %1$s … names it.'
                || ' To make this one the primary, type: tidemark switchover --pipeline %1$s …, or tidemark failover --pipeline %1$s … if the primary is lost.', guarded_for)
            when 'fenced' then format('Write to the database that was promoted: tidemark status --pipeline %1$s … names it.'
                || ' A switchover that was interrupted goes on with: tidemark switchover --pipeline %1$s …, and is taken back with --undo.', guarded_for)
            else format('Type: tidemark status --pipeline %s …', guarded_for) end;
end $$;

-- Tables with their partitions, parents first, and how the guard of each is: up, down, or null for none. Without the locks
-- that pg_partition_tree() would wait for.
create or replace function tidemark.guards(roots regclass[])
returns table (root regclass, relation regclass, kind "char", has_parent boolean, guard text, row_guard text, pipeline text)
language sql stable set search_path = pg_catalog, pg_temp as $$
    with recursive tree(root, relid, depth) as (
        select r, r::oid, 0 from unnest(roots) r
        union all
        select tree.root, i.inhrelid, tree.depth + 1 from tree join pg_inherits i on i.inhparent = tree.relid
        join pg_class c on c.oid = i.inhrelid and c.relispartition)
    select t.root, t.relid::regclass, c.relkind, p.has_parent,
           case g.tgenabled when 'A' then 'up' when 'D' then 'down' else g.tgenabled::text end,
           case r.tgenabled when 'A' then 'up' when 'D' then 'down' else r.tgenabled::text end,
           -- The trigger's argument, which ends with a zero byte.
           convert_from(substring(g.tgargs for length(g.tgargs) - 1), getdatabaseencoding())
    from tree t join pg_class c on c.oid = t.relid
    cross join lateral (select not c.relispartition and exists (select from pg_inherits i where i.inhrelid = c.oid) as has_parent) p
    left join pg_trigger g on g.tgrelid = t.relid and g.tgname = 'tidemark_guard' and not g.tgisinternal
    left join pg_trigger r on r.tgrelid = t.relid and r.tgname = 'tidemark_guard_row' and not r.tgisinternal
    order by t.depth, t.relid
$$;

-- The statements that raise the guard of tables and their partitions; none where it is up.
-- A statement that writes to a parent table fires no statement trigger of a child that inherits from it: there the
-- guard looks at rows, too.
create or replace function tidemark.guard_statements(relations regclass[], pipeline text) returns setof text
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare item record;
begin
    for item in select * from tidemark.guards(relations) loop
        if item.guard = 'up' and item.pipeline <> guard_statements.pipeline then
            raise exception 'tidemark: table % is guarded by pipeline % already', item.relation, item.pipeline
                using hint = 'One pipeline only can keep others from writing to a table: leave the table out with --exclude, or take the other one down with tidemark teardown.';
        end if;
        if item.guard is distinct from 'up' then
            if item.pipeline is distinct from guard_statements.pipeline then
                return next format('create %strigger tidemark_guard before insert or update or delete%s on %s for each statement execute function tidemark.refuse_write(%L)',
                    case when item.guard is not null then 'or replace ' end, case when item.kind <> 'f' then ' or truncate' end,
                    item.relation, guard_statements.pipeline);
            end if;
            return next format('alter table only %s enable always trigger tidemark_guard', item.relation);
        end if;
        if item.has_parent and item.row_guard is distinct from 'up' then
            return next format('create or replace trigger tidemark_guard_row before insert or update or delete on %s for each row execute function tidemark.refuse_write(%L)',
                item.relation, guard_statements.pipeline);
            return next format('alter table only %s enable always trigger tidemark_guard_row', item.relation);
        end if;
    end loop;
end $$;

-- Keeps writers out of tables until the transaction ends, or gives up after so long altogether, so that those who wait
-- behind it do so for a moment only.
create or replace function tidemark.lock_against_writers(relations regclass[], wait_ms int) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    item regclass;
    deadline timestamptz := clock_timestamp() + wait_ms * interval '1 ms';
begin
    -- Autovacuum gives its lock up for who has waited for so long, and a deadlock is found here before the application
    -- finds it. Where the role may not set this, tries are shorter than what the server has.
    begin
        perform set_config('deadlock_timeout', '100ms', true);
    exception when insufficient_privilege then
        deadline := least(deadline, clock_timestamp() + current_setting('deadlock_timeout')::interval / 2);
    end;
    foreach item in array relations loop
        perform set_config('lock_timeout', greatest(1, ceil(extract(epoch from deadline - clock_timestamp()) * 1000))::int::text, true);
        execute format('lock table only %s in share row exclusive mode', item);
    end loop;
end $$;

-- Raises the guard of tables, all in the caller's transaction.
create or replace function tidemark.raise_guard(relations regclass[], pipeline text, wait_ms int) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare statement text;
begin
    perform tidemark.lock_against_writers(array(
        select g.relation from tidemark.guards(relations) g
        where g.kind <> 'f' and (g.guard is distinct from 'up' or g.has_parent and g.row_guard is distinct from 'up')), wait_ms);
    -- Asked only now: nobody adds a partition any more.
    foreach statement in array array(select tidemark.guard_statements(relations, raise_guard.pipeline)) loop
        execute statement;
    end loop;
end $$;

-- Lifts the guard of all tables of a pipeline, and leaves the triggers where they are: to drop them would make who reads
-- wait.
create or replace function tidemark.lift_guard(pipeline text, wait_ms int) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    item record;
    guarded regclass[] := array(select distinct t.tgrelid::regclass from pg_trigger t
        where t.tgname in ('tidemark_guard', 'tidemark_guard_row') and t.tgenabled <> 'D'
          and t.tgargs = convert_to(lift_guard.pipeline, getdatabaseencoding()) || '\x00'::bytea);
begin
    perform tidemark.lock_against_writers(array(select c.oid::regclass from pg_class c where c.oid = any (guarded::oid[]) and c.relkind <> 'f'), wait_ms);
    for item in select t.tgrelid::regclass as relation, t.tgname from pg_trigger t
        where t.tgrelid = any (guarded::oid[]) and t.tgname in ('tidemark_guard', 'tidemark_guard_row') loop
        execute format('alter table only %s disable trigger %I', item.relation, item.tgname);
    end loop;
end $$;

revoke all on table tidemark.role from public;
revoke all on function tidemark.refuse_write(), tidemark.guards(regclass[]), tidemark.guard_statements(regclass[], text),
    tidemark.lock_against_writers(regclass[], int), tidemark.raise_guard(regclass[], text, int), tidemark.lift_guard(text, int) from public;
