-- Which process leads each pipeline of this target: of several services with one configuration, one.
--
-- What it does: creates tidemark.lease. It is no part of tidemark.cursor, whose row a window keeps locked until it is
--   applied: a leader has to be able to say that it is alive meanwhile.
--   see who leads        select pipeline, holder, expires_at > now() as is_alive from tidemark.lease;
--   give a pipeline free  update tidemark.lease set holder = null where pipeline = 'main';
-- Locks: none on any table of yours. Run again, it changes nothing.
-- How to run: target.sql does. By hand: psql -X -v ON_ERROR_STOP=1 -1 -f lease.sql DATABASE

create schema if not exists tidemark;
comment on schema tidemark is 'tidemark: made by tidemark setup, removed by tidemark teardown';

-- Times are this server's clock's, so that no two machines have to agree. Where that clock is set forward, a lease ends too
-- early: what an earlier leader writes fails since the cursor's epoch has risen. Where it is set back, whoever stands by takes a
-- lease that it has not seen renewed for as long as one lasts, by its own clock.
create table if not exists tidemark.lease (
    pipeline   text primary key,
    holder     text,                 -- host, process, and a part of its own; null where it was given back
    epoch      bigint not null,      -- raised whenever the holder changes
    expires_at timestamptz not null, -- from then on another may take it
    renewed_at timestamptz not null
) with (fillfactor = 50);            -- every renewal replaces the row on its page

revoke all on table tidemark.lease from public;
