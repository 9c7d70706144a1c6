-- Puts capture on a table, and takes it off.

-- Older signatures, which a call would be ambiguous with.
drop function if exists tidemark.attach(regclass, text), tidemark.attach(regclass, text, boolean), tidemark.attach(regclass, text, boolean, text);

-- Takes capture off a table. Its rows in the log stay.
create or replace function tidemark.detach(relation regclass) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare item record;
begin
    for item in
        select t.tgname, t.tgrelid::regclass as rel from pg_catalog.pg_trigger t
        join tidemark.capture c on t.tgfoid = pg_catalog.to_regproc(format('tidemark.%I', 'capture_' || c.id))
            or t.tgrelid = c.relation and t.tgfoid = pg_catalog.to_regproc('tidemark.statement_begins')
        where c.relation = detach.relation::oid and t.tgparentid = 0 group by 1, 2 order by 2, 1
    loop
        execute format('drop trigger %I on %s', item.tgname, item.rel);
    end loop;
    for item in select c.id from tidemark.capture c where c.relation = detach.relation::oid and c.retired_at is null loop
        execute format('drop function if exists tidemark.%I()', 'capture_' || item.id);
        update tidemark.capture c set retired_at = pg_catalog.clock_timestamp() where c.id = item.id;
    end loop;
end $$;

-- Puts capture on a table, or renews it if the table has changed since. Returns the generation. null for kind,
-- replica_role, images and applied: as it is captured now, else auto, false, new and false.
-- A table that has changed behind capture's back gets a new generation with the reason as its gap: rows may have
-- passed unseen between the two. No gap where only this very transaction added partitions, and they are empty yet.
create or replace function tidemark.attach(
    relation regclass, kind text default null, replica_role boolean default null, images text default null, applied boolean default null) returns int
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    target regclass := relation;
    current tidemark.capture;
    actual_kind text := kind;
    always boolean := replica_role;
    kept text := images;
    passed boolean := applied;
    print text;
    unseen text;
    generation int;
    statement text;
    filled boolean;
begin
    if exists (select from pg_catalog.pg_class c where c.oid = relation and c.relispartition) then
        target := pg_catalog.pg_partition_root(relation);
    end if;
    if not exists (select from pg_catalog.pg_roles r where r.rolname = current_user and (r.rolsuper or r.rolbypassrls)) then
        raise exception 'tidemark: role % may not read past row-level security, capture would log rows as deleted', current_user
            using hint = format('ALTER ROLE %I BYPASSRLS', current_user);
    end if;
    if not pg_catalog.has_table_privilege(target, 'SELECT') then
        raise exception 'tidemark: role % may not read %', current_user, target
            using hint = format('GRANT SELECT, TRIGGER ON %s TO %I', target, current_user);
    end if;
    -- Before the shape is read, so that it cannot change until the triggers stand.
    execute format('lock table %s%s in share row exclusive mode',
        case when (select c.relkind from pg_catalog.pg_class c where c.oid = target) = 'p' then '' else 'only ' end, target);
    perform tidemark.refuse_owner_that_waits(target, g.role) from tidemark.wait_grant g;
    select * into current from tidemark.capture c where c.relation = target::oid and c.retired_at is null;
    always := coalesce(always, current.replica_role, false);
    kept := coalesce(kept, current.images, 'new');
    passed := coalesce(passed, current.applied, false);
    actual_kind := tidemark.capture_kind(target,
        coalesce(actual_kind, case when tidemark.is_related(target) or kept = 'both' then 'auto' else current.kind end, 'auto'), kept);
    select md5(string_agg(s, E';\n')) into print from tidemark.capture_statements(target, actual_kind, 0, always, kept, passed) s
    where s not like 'drop trigger %' and s not like '%trigger tidemark_truncate %' and s not like '%trigger tidemark_before %';
    if current.id is not null then
        if current.stopped_at is not null then perform tidemark.refuse_at_limit(target); end if;
        select f.reason into unseen from tidemark.foreign_changes(target) f;
        if unseen is not null and not exists (select from tidemark.foreign_changes(target, false)) then
            for statement in
                select format('select exists (select from only %s)', t.relid::regclass)
                from tidemark.tree(target) t join pg_catalog.pg_inherits i on i.inhrelid = t.relid
                join pg_catalog.pg_class c on c.oid = t.relid and c.relkind <> 'p'
                where tidemark.is_own(i.xmin)
            loop
                execute statement into filled;
                exit when filled;
            end loop;
            if not coalesce(filled, false) then unseen := null; end if;
        end if;
        -- Where only columns were added, dropped or renamed, the old triggers have marked every row written since
        -- (X), and nothing passed unseen. Not so where a new column came with a value for the rows that stand.
        if unseen is not null and current.stopped_at is null and (select bool_and(o.value is not distinct from n.value)
                from pg_catalog.json_each_text(current.shape::json) o
                join pg_catalog.json_each_text(tidemark.shape(target)::json) n using (key)
                where o.key in ('table', 'persistence', 'triggers', 'members', 'storage'))
            and not exists (select from pg_catalog.pg_attribute a where a.attrelid = target and a.attnum > 0
                            and a.atthasmissing and a.attname <> all (current.columns)) then
            unseen := null;
        end if;
        if unseen is null and current.fingerprint = print then
            for statement in
                select * from tidemark.truncate_statements(target, format('tidemark.%I', 'capture_' || current.id), always or passed, kept)
            loop
                execute statement;
            end loop;
            update tidemark.capture c set shape = tidemark.shape(target) where c.id = current.id;
            return current.id;
        end if;
        perform tidemark.detach(target);
    else
        select 'another table had its name before' into unseen
        from tidemark.capture c join pg_catalog.pg_class k on k.oid = target
        where c.retired_at is null and c.table_name = k.relname and c.schema_name = (select n.nspname from pg_catalog.pg_namespace n where n.oid = k.relnamespace);
    end if;
    insert into tidemark.capture (relation, schema_name, table_name, kind, key_columns, columns, column_types, generated,
                                  replica_role, fingerprint, gap, images, applied)
    select c.oid, n.nspname, c.relname, actual_kind, tidemark.key_columns(target), a.names, a.types, a.generated, always, print, unseen, kept, passed
    from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace,
         lateral (select array_agg(a.attname::text order by a.attnum) as names,
                         array_agg(tidemark.type_name(a.atttypid, a.atttypmod) order by a.attnum) as types,
                         array_agg(a.attgenerated <> '' order by a.attnum) as generated
                  from pg_catalog.pg_attribute a
                  where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated <> 'v') a
    where c.oid = target
    returning id into generation;
    for statement in select * from tidemark.capture_statements(target, actual_kind, generation, always, kept, passed) loop
        execute statement;
    end loop;
    update tidemark.capture c set shape = tidemark.shape(target) where c.id = generation;
    return generation;
end $$;
