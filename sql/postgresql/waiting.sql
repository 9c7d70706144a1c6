-- What both sides of waiting share: who may call its functions, and how two places are compared.
--
-- The schema gives nobody USAGE: with it, who may execute a capture function could put it on a table of his own and forge
-- rows of the log. A role that is to wait gets USAGE, and EXECUTE on wait_for, position and wait_until only; whoever owns a
-- captured partitioned table has EXECUTE on its capture function, and so gets no USAGE.
--
--   let a role wait       select tidemark.grant_wait('main', 'app');
--   and no longer         select tidemark.revoke_wait('main', 'app');
-- Locks: none on any table of yours. Run again, it changes nothing but the functions.

-- Which role waits for which pipeline: what setup was told, so that a later one grants functions that are new.
create table if not exists tidemark.wait_grant (
    pipeline text not null,
    role oid not null,
    primary key (pipeline, role)
);
revoke all on table tidemark.wait_grant from public;

-- Does the later moment see all that the earlier one sees?
create or replace function tidemark.is_within(earlier pg_snapshot, later pg_snapshot) returns boolean
language sql immutable set search_path = pg_catalog, pg_temp
as $$
    select pg_snapshot_xmax(earlier) <= pg_snapshot_xmax(later)
       and not exists (select from pg_snapshot_xip(later) x where pg_visible_in_snapshot(x, earlier))
$$;

-- The part of a captured partitioned table's owner in waiting: none.
create or replace function tidemark.refuse_owner_that_waits(relation regclass, role oid) returns void
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare waiting name;
begin
    select r.rolname into waiting from pg_roles r join pg_class c on c.oid = relation
    where r.oid = role and not r.rolsuper and c.relkind = 'p' and pg_has_role(r.oid, c.relowner, 'MEMBER');
    if found then
        raise exception 'tidemark: role % cannot both wait for a pipeline and own captured partitioned table %', waiting, relation
            using detail = 'Its partitions need the right to execute the table''s capture function, and with the right to name functions of this schema it could forge rows of the change log.',
                  hint = 'Let another role own the table, or another one wait: tidemark setup --grant-wait ROLE …, and tidemark setup --revoke-wait ROLE … to take it back.';
    end if;
end $$;

-- Gives every role that is recorded what it needs, and nobody else anything. The row types of the tables, too, are
-- everybody's at first: a table of somebody's that has a column of such a type would keep setup and teardown from theirs.
create or replace function tidemark.renew_wait_grants() returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare item record;
begin
    for item in select distinct r.rolname from tidemark.wait_grant g join pg_roles r on r.oid = g.role loop
        execute format('grant usage on schema tidemark to %I', item.rolname);
    end loop;
    for item in select distinct r.rolname, p.oid::regprocedure as waiting
                from tidemark.wait_grant g join pg_roles r on r.oid = g.role
                cross join pg_proc p
                where p.pronamespace = 'tidemark'::regnamespace and p.proname in ('wait_for', 'position', 'wait_until') loop
        execute format('grant execute on function %s to %I', item.waiting, item.rolname);
    end loop;
    for item in select t.oid::regtype as type from pg_type t join pg_class c on c.oid = t.typrelid
                where t.typnamespace = 'tidemark'::regnamespace and c.relkind in ('r', 'p')
                  and exists (select from tidemark.wait_grant) and (t.typacl is null or exists (select from aclexplode(t.typacl) a where a.grantee = 0)) loop
        execute format('revoke all on type %s from public', item.type);
    end loop;
end $$;

create or replace function tidemark.grant_wait(pipeline text, role text) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    granted oid := (select r.oid from pg_roles r where r.rolname = role);
    executable regprocedure;
begin
    if granted is null then
        raise exception 'tidemark: there is no role %', role using hint = 'Create it, or correct the name: psql''s \du lists them.';
    end if;
    select p.oid into executable from pg_proc p join pg_roles r on r.oid = granted and not r.rolsuper
    where p.pronamespace = 'tidemark'::regnamespace and p.proname not in ('wait_for', 'position', 'wait_until')
      and has_function_privilege(granted, p.oid, 'EXECUTE') order by p.oid limit 1;
    if executable is not null then
        raise exception 'tidemark: role % cannot wait for a pipeline, as it has the right to execute %', role, executable
            using detail = 'So have the owners of captured partitioned tables. With the right to name functions of this schema they could forge rows of the change log.',
                  hint = 'Let another role wait, or another one own the tables.';
    end if;
    insert into tidemark.wait_grant values (pipeline, granted) on conflict do nothing;
    perform tidemark.renew_wait_grants();
end $$;

-- Without a role, of the pipeline altogether. A role that waits for another pipeline keeps its rights.
create or replace function tidemark.revoke_wait(pipeline text, role text default null) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_variable
declare
    item record;
    gone oid[];
begin
    with removed as (
        delete from tidemark.wait_grant g using pg_roles r
        where g.pipeline = pipeline and r.oid = g.role and (role is null or r.rolname = role) returning g.role)
    select array_agg(removed.role) into gone from removed;
    -- Of roles that were dropped there is nothing left to revoke.
    delete from tidemark.wait_grant g where g.pipeline = pipeline and not exists (select from pg_roles r where r.oid = g.role);
    for item in select r.rolname from pg_roles r where r.oid = any (gone) and not exists (select from tidemark.wait_grant g where g.role = r.oid) loop
        execute format('revoke all on all functions in schema tidemark from %I', item.rolname);
        execute format('revoke all on schema tidemark from %I', item.rolname);
    end loop;
end $$;

revoke all on function tidemark.is_within(pg_snapshot, pg_snapshot), tidemark.refuse_owner_that_waits(regclass, oid),
    tidemark.renew_wait_grants(), tidemark.grant_wait(text, text), tidemark.revoke_wait(text, text) from public;
