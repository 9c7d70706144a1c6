-- What the log keeps on purpose, how large it may become, and what is done then.

do $$ begin
    perform tidemark.add_columns('tidemark.pipeline',
        'retain_seconds bigint',     -- what it has applied stays for at least so long
        'retain_bytes bigint',       -- or until at least so much has come behind it
        'lost_at timestamptz',       -- the log no longer holds what it has not applied
        'lost_why text');
end $$;
do $$ begin
    perform tidemark.add_columns('tidemark.capture',
        'stopped_at timestamptz',    -- nothing is logged from here on
        'stopped_xid xid8',          -- the transaction that stopped it: what does not see it is whole
        'stopped_why text');
end $$;

-- At most one row. policy: warn, drop (the slowest pipeline has to copy again), stop (capture logs nothing more).
create table if not exists tidemark.log_limit (
    max_bytes bigint not null,
    policy text not null,
    set_at timestamptz not null default pg_catalog.clock_timestamp()
);
-- At most one row: what this snapshot, of this tick, does not see is kept on purpose. It only goes forwards.
create table if not exists tidemark.retained (
    tick bigint not null,
    snapshot pg_snapshot not null
);

create or replace function tidemark.log_bytes() returns bigint
language sql volatile set search_path = pg_catalog, pg_temp
as $$ select sum(pg_total_relation_size(format('tidemark.data_changes_%s', n)::regclass))::bigint from generate_series(0, 3) n $$;

-- Some rows of the log, from pages at equal distances, each with the bytes that it stands for.
create or replace function tidemark.log_sample() returns table (id bigint, xid xid8, bytes bigint)
language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
declare
    segment regclass;
    pages bigint;
    parts bigint;
begin
    for number in 0..3 loop
        segment := format('tidemark.data_changes_%s', number)::regclass;
        pages := pg_relation_size(segment) / current_setting('block_size')::int;
        parts := least(pages, 16);
        for part in 0..parts - 1 loop
            return query execute format('select d.id, d.xid, %s::bigint from %s d where d.ctid >= %L and d.ctid < %L limit 1',
                pg_total_relation_size(segment) / parts, segment,
                format('(%s,0)', pages * part / parts), format('(%s,0)', pages * (part + 1) / parts));
        end loop;
    end loop;
end $$;

-- Sets what the log keeps on purpose. Not a row that is younger than the longest time, and not the youngest rows of the
-- largest size: it ends at a tick of the worker's, which is older than they are. From four fifths of the cap on nothing
-- is kept on purpose, unless the cap only warns.
create or replace function tidemark.retain() returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    seconds bigint; bytes bigint;
    behind bigint;      -- the id that so many bytes lie behind
    kept tidemark.retained;
    next tidemark.retained;
begin
    select max(p.retain_seconds), max(p.retain_bytes) into seconds, bytes from tidemark.pipeline p where p.lost_at is null;
    if seconds is null and bytes is null
            or exists (select from tidemark.log_limit l where l.policy <> 'warn' and tidemark.log_bytes() >= l.max_bytes / 5 * 4) then
        delete from tidemark.retained;
        return;
    end if;
    select * into kept from tidemark.retained;
    if not found then
        -- Whatever was removed until now, the oldest tick that is left sees it.
        insert into tidemark.retained select t.id, t.snapshot from tidemark.tick t order by t.id limit 1 returning * into kept;
    end if;
    if bytes is not null then
        select max(s.id) into behind
        from (select s.id, sum(s.bytes) over (order by s.id desc) - s.bytes as younger from tidemark.log_sample() s) s where s.younger >= bytes;
    end if;
    select t.id, t.snapshot into next from tidemark.tick t
    where t.id > kept.tick and t.low_id is not null
      and (seconds is null or t.written_at < clock_timestamp() - make_interval(secs => seconds))
      and (bytes is null or t.high_id < behind)
    order by t.id desc limit 1;
    if found then update tidemark.retained set tick = next.tick, snapshot = next.snapshot; end if;
end $$;

-- Was capture of a table stopped? IMMUTABLE is not true, and is what it is for: the planner asks once, and again when
-- stop_capture() has made it throw its plans away. So it costs writers nothing.
create or replace function tidemark.is_stopped(generation int) returns boolean
language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
begin
    return exists (select from tidemark.capture c where c.id = generation and c.stopped_at is not null);
end $$;

-- Stops capture of all tables. ALTER FUNCTION, though it alters nothing, makes every session plan anew what calls the
-- function; it locks nothing that writers take. A plan that a session makes just then in a transaction with an older
-- snapshot logs on: what it logs is no harm, and its next tick comes here again.
create or replace function tidemark.stop_capture(why text) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform from tidemark.capture c where c.retired_at is null and c.stopped_at is null for update nowait;
    update tidemark.capture c set stopped_at = clock_timestamp(), stopped_xid = pg_current_xact_id(), stopped_why = why
    where c.retired_at is null and c.stopped_at is null;
    alter function tidemark.is_stopped(int) cost 100;
end $$;

-- Is capture stopped, so that nobody writes to the log?
create or replace function tidemark.is_capture_stopped() returns boolean
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$ select coalesce(bool_and(c.stopped_at is not null), false) from tidemark.capture c where c.retired_at is null $$;

-- What there is to say of a table whose capture is stopped.
create or replace function tidemark.stop_reason(generation int) returns text
language sql stable set search_path = pg_catalog, pg_temp
as $$
    select format('capture was stopped at %s, as %s; make room or raise max-log-size, then type: tidemark setup, then tidemark verify --repair',
                  to_char(c.stopped_at at time zone 'utc', 'YYYY-MM-DD HH24:MI:SS"Z"'), c.stopped_why)
    from tidemark.capture c where c.id = generation
$$;

-- The pipeline for which most of the log is kept, if that is more than so many bytes. One that has never confirmed
-- needs all of it, and may only have begun: it comes last. Not the one that is said to be alive.
create or replace function tidemark.slowest_pipeline(above bigint, alive text) returns text
language sql volatile set search_path = pg_catalog, pg_temp
as $$
    select p.name
    from tidemark.pipeline p, lateral (
        select sum(s.bytes) as needed from tidemark.log_sample() s
        where p.snapshot is null or not pg_visible_in_snapshot(s.xid, p.snapshot)) s
    where p.lost_at is null and p.name is distinct from alive and s.needed > above
    order by p.snapshot is null, s.needed desc, p.last_id, p.confirmed_at, p.name limit 1
$$;

-- Does what the policy says where the log has reached its cap. Capture calls it with every tick, and the worker when it
-- has removed what it could, for a pipeline that is alive then, however far behind. Nobody's statement fails by it, or waits: what it cannot have at once it leaves to the next call.
create or replace function tidemark.enforce_log_limit(alive text default null) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    cap tidemark.log_limit;
    bytes bigint;
    slowest text;
    sizes text;
begin
    select * into cap from tidemark.log_limit;
    if not found then return; end if;
    begin
        -- A segment that is being emptied is locked. The error gives the locks back, which would last as long as the
        -- application's transaction.
        for number in 0..3 loop
            execute format('lock table tidemark.data_changes_%s in access share mode nowait', number);
        end loop;
        bytes := tidemark.log_bytes();
        -- Of a pipeline that is only as far behind as any is, nothing would be gained.
        if bytes >= cap.max_bytes and cap.policy = 'drop' then slowest := tidemark.slowest_pipeline(cap.max_bytes / 2, alive); end if;
        raise exception using errcode = 'TM000';
    exception when sqlstate 'TM000' then null;
    end;
    if bytes < cap.max_bytes then return; end if;
    sizes := format('the change log holds %s, and max-log-size is %s', pg_size_pretty(bytes), pg_size_pretty(cap.max_bytes));
    if cap.policy = 'warn' then
        raise log 'tidemark: %; nothing is removed', sizes;
        return;
    end if;
    -- One session at a time, or they would wait for each other's changes.
    if not pg_try_advisory_xact_lock(hashtextextended('tidemark.enforce_log_limit', 0)) then return; end if;
    if slowest is not null then
        perform from tidemark.pipeline p where p.name = slowest and p.lost_at is null for update nowait;
        if not found then return; end if;
        update tidemark.pipeline p set lost_at = clock_timestamp(), lost_why = format('%s: it was kept for this pipeline, which %s', sizes,
            coalesce('had confirmed change ' || p.last_id || ' at ' || to_char(p.confirmed_at at time zone 'utc', 'YYYY-MM-DD HH24:MI:SS"Z"'),
                     'had never confirmed anything'))
        where p.name = slowest;
        raise log 'tidemark: %; pipeline % has to copy again', sizes, slowest;
    elsif cap.policy = 'stop' or not exists (select from tidemark.pipeline p where p.lost_at is null) then
        perform tidemark.stop_capture(sizes);
        raise log 'tidemark: %; capture is stopped', sizes;
    else
        raise log 'tidemark: %; no pipeline is so far behind that removing what it needs would help', sizes;
    end if;
exception when others then
    raise log 'tidemark: max-log-size was not enforced, the next tick tries again: %', sqlerrm;
end $$;

-- Would capture of a table that was stopped only stop again?
create or replace function tidemark.refuse_at_limit(relation regclass) returns void
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare cap tidemark.log_limit;
begin
    select * into cap from tidemark.log_limit l where l.policy <> 'warn' and tidemark.log_bytes() >= l.max_bytes;
    if found then
        raise exception 'tidemark: capture of % was stopped, and the change log still holds %, where max-log-size is %',
                relation, pg_size_pretty(tidemark.log_bytes()), pg_size_pretty(cap.max_bytes)
            using hint = 'Raise it: tidemark setup --max-log-size SIZE …; or make room: let tidemark run … apply what was logged before.';
    end if;
end $$;
