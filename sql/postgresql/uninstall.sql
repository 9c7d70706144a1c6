-- tidemark: remove capture from PostgreSQL completely.
--
-- What it does: takes the triggers off every captured table, then drops schema tidemark with the change log.
--   Changes that no pipeline has applied yet are lost; target databases are not touched.
-- Locks: ACCESS EXCLUSIVE on each captured table in turn, for the moment that dropping its triggers takes.
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
drop schema if exists tidemark cascade;
