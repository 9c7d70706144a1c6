-- tidemark: remove capture from PostgreSQL completely.
--
-- What it does: takes the triggers off every captured table, then drops schema tidemark with the change log.
--   Changes that no pipeline has applied yet are lost; target databases are not touched. Guards go, too, unless the
--   database is a target as well.
-- Locks: ACCESS EXCLUSIVE on each captured or guarded table in turn, for the moment that dropping its triggers takes.
-- How to run: psql -X -v ON_ERROR_STOP=1 -f uninstall.sql DATABASE, as the role that ran install.sql, and not in a
--   transaction (no -1): each table has one of its own. With lock_timeout set, run it again after a timeout.

do $$
declare relation oid;
begin
    if pg_catalog.to_regnamespace('tidemark') is null then return; end if;
    for relation in select c.relation from tidemark.capture c where c.retired_at is null order by c.id loop
        perform tidemark.detach(relation::pg_catalog.regclass);
        commit;
    end loop;
end $$;
do $$
declare item record;
begin
    if to_regclass('tidemark.cursor') is not null then return; end if;
    for item in select t.tgrelid::regclass as relation, t.tgname from pg_catalog.pg_trigger t
                where t.tgfoid = to_regprocedure('tidemark.refuse_write()') order by 1, 2 loop
        execute format('drop trigger %I on %s', item.tgname, item.relation);
        commit;
    end loop;
    drop table if exists tidemark.role, tidemark.wait_grant;
end $$;
-- By name: the cursors of a database that is a target too stay, and so does what somebody else put there.
drop table if exists tidemark.data_changes_0, tidemark.data_changes_1, tidemark.data_changes_2, tidemark.data_changes_3,
    tidemark.data_changes, tidemark.capture, tidemark.tick, tidemark.pipeline, tidemark.log_limit, tidemark.retained, tidemark.applied,
    tidemark.sequence_site, tidemark.installation;
do $$
declare item regprocedure;
begin
    for item in select p.oid from pg_catalog.pg_proc p where p.pronamespace = pg_catalog.to_regnamespace('tidemark')
        and (to_regclass('tidemark.role') is null or p.proname not in
             ('refuse_write', 'guards', 'guard_statements', 'lock_against_writers', 'raise_guard', 'lift_guard', 'is_within', 'refuse_owner_that_waits',
              'renew_wait_grants', 'grant_wait', 'revoke_wait', 'wait_until', 'merge_json', 'log_removal')
              and p.proname not like 'tombstones\_%') loop
        execute format('drop function %s', item);
    end loop;
    if not exists (select from pg_catalog.pg_class c where c.relnamespace = pg_catalog.to_regnamespace('tidemark')) then
        drop schema if exists tidemark;
    end if;
end $$;
