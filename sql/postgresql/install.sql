-- tidemark: change capture for PostgreSQL 14 and later.
--
-- What it does: creates schema tidemark with the change log, its registry, and the functions that
--   put capture on a table:  select tidemark.attach('public.orders');
--   show it first with       select tidemark.capture_statements('public.orders');
--   what triggers missed     select * from tidemark.foreign_changes();
--   take it off with         select tidemark.detach('public.orders');
-- Locks: these files lock no table of yours. attach() takes SHARE ROW EXCLUSIVE on the table (and ACCESS
--   EXCLUSIVE where it replaces an older capture), detach() ACCESS EXCLUSIVE. Set lock_timeout, retry on
--   error, and attach one table a transaction.
-- How to run: psql -X -v ON_ERROR_STOP=1 -1 -f install.sql DATABASE. Running it again changes nothing but the
--   functions. Run it as the role that shall own capture: BYPASSRLS, with SELECT and TRIGGER on the tables,
--   CREATE on the database. A superuser works, but a role that is none is safer. Each new partition wants, in
--   the transaction of its CREATE TABLE … PARTITION OF:  select tidemark.attach('public.root');

create schema if not exists tidemark;
comment on schema tidemark is 'tidemark: made by tidemark setup, removed by tidemark teardown';
-- Without USAGE nobody can name the capture functions, and so nobody can forge rows of the log with them.
revoke all on schema tidemark from public;

\ir columns.sql
\ir registry.sql
\ir sites.sql
\ir waiting.sql
\ir log.sql
\ir limit.sql
\ir applied.sql
\ir image.sql
\ir shape.sql
\ir before-image.sql
\ir row-capture.sql
\ir capture-kind.sql
\ir capture.sql
\ir attach.sql
\ir roles.sql
\ir wait-for.sql

drop function tidemark.add_columns(regclass, text[]);
revoke all on all functions in schema tidemark from public;
revoke all on all tables in schema tidemark from public;
