-- The change log, and how it is emptied.

-- cache 1: a session that keeps numbers in reserve would log a later image under a lower id.
-- How far it is, only pg_sequence_last_value() may be asked: its row, which SELECT reads, is for a moment 32 ids ahead when
-- nextval writes WAL.
create sequence if not exists tidemark.data_changes_id_seq as bigint cache 1 no cycle;

-- A ring of four segments of 262,144 ids, which the ids go round: what every pipeline has made durable goes by
-- TRUNCATE of a segment that nobody writes to any more, and leaves no dead rows. One row is one change. A statement
-- writes all its rows into the segment of its first id. Segments are children of the log, not partitions: capture writes
-- into them, and to find the partition would cost it a tenth.
-- No constraint: one that fails would fail the application's statement. The index is of the kind that costs writers
-- least; the worker keeps it summarized.
-- operation: I, U, D, T (truncate; the image names the partition if it was only one), X (shape of the table
-- changed since attach). With a key, I and U both mean "the row is now this". Without a key (key is null), I adds one
-- such row and D, which has an image then, takes one away. An image that is due and not there was too large.
-- before: the row as it was before its transaction; only with image both. A transaction logs it once for each row, with the
-- key that the row had. None at all says that the transaction found no such row; an empty one was too large. B (before)
-- has nothing else to say, and windows leave it out. With T, that the rows it took were logged.
do $$
declare segment int;
begin
    if pg_catalog.to_regclass('tidemark.data_changes') is not null then
        if not exists (select from pg_catalog.pg_class c where c.oid = pg_catalog.to_regclass('tidemark.data_changes_0') and not c.relispartition) then
            raise exception 'tidemark: an older version made this change log'
                using hint = 'Type tidemark teardown with the version that made it, then tidemark setup.';
        end if;
        return;
    end if;
    create table tidemark.data_changes (
        id bigint default pg_catalog.nextval('tidemark.data_changes_id_seq'),
        xid xid8,
        capture int,
        operation "char",
        key text,
        image text,
        changed_at timestamptz,
        before text,
        constraint only_in_segments check (false) no inherit
    );
    alter sequence tidemark.data_changes_id_seq owned by tidemark.data_changes.id;
    for segment in 0..3 loop
        execute format('create table tidemark.data_changes_%s () inherits (tidemark.data_changes)', segment);
        execute format('create index data_changes_%1$s_id on tidemark.data_changes_%1$s using brin (id) with (pages_per_range = 64)', segment);
    end loop;
end $$;
do $$ begin
    perform tidemark.add_columns('tidemark.data_changes', 'before text');    -- an older version's log
end $$;

-- Statements of a capture function that write to the log, for whichever segment the id in its variable drawn belongs to.
create or replace function tidemark.by_segment(statements text) returns text
language plpgsql immutable set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
    return (select format($sql$if drawn operator(pg_catalog.&) 262144::pg_catalog.int8 operator(pg_catalog.=) 0 then
            if drawn operator(pg_catalog.&) 524288::pg_catalog.int8 operator(pg_catalog.=) 0 then
            %s
            else
            %s
            end if;
            elsif drawn operator(pg_catalog.&) 524288::pg_catalog.int8 operator(pg_catalog.=) 0 then
            %s
            else
            %s
            end if;$sql$, written[1], written[3], written[2], written[4])
    from (select array_agg(replace(statements, 'insert into tidemark.data_changes ', format('insert into tidemark.data_changes_%s ', n)) order by n) as written
          from generate_series(0, 3) n) s);
end $$;

drop function if exists tidemark.log_mark(int, "char", text);     -- an older signature, which a call would be ambiguous with

-- A row of the log that is about a table, not about a row of it. It draws its xid before its id, as a statement does that has
-- changed a row: a tick in between would be taken for one that lies before both.
create or replace function tidemark.log_mark(capture int, operation "char", image text default null, before text default null) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    xid xid8 := pg_current_xact_id();
    id bigint := nextval('tidemark.data_changes_id_seq');
begin
    execute format('insert into tidemark.data_changes_%s (id, xid, capture, operation, image, changed_at, before)'
                   || ' values ($1, $2, $3, $4, $5, clock_timestamp(), $6)', (id >> 18) & 3)
    using id, xid, capture, operation, image, before;
end $$;

-- Capture's own ticks, one every 16,384 ids: they cut a backlog that grew while no worker ran.
create or replace function tidemark.write_tick(last bigint) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    insert into tidemark.tick (token, snapshot, xid, last_id, high_id, written_at)
    select gen_random_uuid(), pg_current_snapshot(), pg_current_xact_id(),
           -- Only in read committed is the snapshot as young as the id.
           case when current_setting('transaction_isolation') like 'read%' then last end,
           coalesce(pg_sequence_last_value('tidemark.data_changes_id_seq'), 0), clock_timestamp();
    perform tidemark.enforce_log_limit();
end $$;

-- Lets the log's index know of the rows that came since the last call. Without it the log is read whole.
create or replace function tidemark.summarize_log() returns void
language sql security definer set search_path = pg_catalog, pg_temp
as $$ select brin_summarize_new_values(format('tidemark.data_changes_%s_id', segment)::regclass) from generate_series(0, 3) segment $$;

-- Does a pipeline still need a row of a segment, from a page of it on, or is one kept on purpose? A pipeline that has
-- never confirmed needs everything, one that is lost nothing.
create or replace function tidemark.is_needed(segment regclass, from_page bigint default 0) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare answer boolean;
begin
    execute format('select exists (select from tidemark.pipeline p where p.snapshot is null and p.lost_at is null)'
                   || ' or exists (select from %s d cross join (select p.snapshot from tidemark.pipeline p where p.lost_at is null'
                   || ' union all select r.snapshot from tidemark.retained r) p where d.ctid >= %L and not pg_visible_in_snapshot(d.xid, p.snapshot))',
                   segment, format('(%s,0)', greatest(from_page, 0))) into answer;
    return answer;
end $$;

-- Empties a segment of the log whose every row all pipelines have made durable; true if it did. Nobody waits for it: it
-- takes its lock at once or not at all, which it does not get while a transaction that wrote there is open, or a dump
-- reads it; and it leaves the segments alone that writers are in, have just left, or are about to enter, while there
-- are writers.
create or replace function tidemark.empty_segment(number int) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    segment regclass := format('tidemark.data_changes_%s', number)::regclass;
    newest bigint := coalesce(pg_sequence_last_value('tidemark.data_changes_id_seq'), 0);
    pages bigint := pg_relation_size(segment) / current_setting('block_size')::int;
begin
    if pages = 0
            or (number in ((newest >> 18) & 3, ((newest >> 18) - 1) & 3)
                or number = ((newest >> 18) + 1) & 3 and newest & 262143 > 196608) and not tidemark.is_capture_stopped()
            -- First without the lock, and where the youngest rows are: that is the usual yes.
            or tidemark.is_needed(segment, pages - 1) then
        return false;
    end if;
    begin
        execute format('lock table %s in access exclusive mode nowait', segment);
    exception when lock_not_available then
        return false;
    end;
    if tidemark.is_needed(segment) then return false; end if;
    execute format('truncate %s', segment);
    return true;
end $$;

-- Where a backlog went round the ring, its last rows share their segments with new ones. Once they are applied this lets
-- the ids go on in the next segment, so that the shared ones can be emptied.
create or replace function tidemark.leave_shared_segment() returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    newest bigint := coalesce(pg_sequence_last_value('tidemark.data_changes_id_seq'), 0);
    segment regclass;
    is_shared boolean;
begin
    for turn in (newest >> 18) - 1 .. newest >> 18 loop
        segment := format('tidemark.data_changes_%s', turn & 3)::regclass;
        execute format('select exists (select from %s d where d.id <= %s)', segment, (turn - 3) << 18) into is_shared;
        if is_shared and not tidemark.is_needed(segment, pg_relation_size(segment) / current_setting('block_size')::int - 1) then
            -- Ids are drawn, not set: others draw them meanwhile.
            perform nextval('tidemark.data_changes_id_seq') from generate_series(newest, (newest >> 18) + 1 << 18);
            return true;
        end if;
    end loop;
    return false;
end $$;
