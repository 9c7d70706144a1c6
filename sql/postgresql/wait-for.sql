-- Waiting at the source: a writer that has committed returns once that is durable in a target.
--
--   begin; insert into orders …; commit;
--   select tidemark.wait_for('main');                          -- 10 s at most
--   select tidemark.wait_for(array['main', 'reports'], '2 s');
-- Errors: TM001 it was not there in time; TM002 called where it cannot be answered; TM003 nothing to wait for.
-- Writes nothing. Between two looks it holds no lock.

-- What waiting goes by. incomplete: generations of tables whose rows the target does not have yet, as they are being
-- copied; 0 where no worker of a version that says so has been there.
do $$ begin
    perform tidemark.add_columns('tidemark.pipeline',
        'wait text',             -- asynchronous, synchronous or hybrid, as its worker said last
        'wait_tables text[]',    -- hybrid: the tables that are waited for
        'incomplete int[] not null default ''{0}''');
end $$;

-- As the worker matches patterns: schema.table, of which * stands for any run of characters; the first dot separates.
create or replace function tidemark.matches(pattern text, schema_name text, table_name text) returns boolean
language sql immutable set search_path = pg_catalog, pg_temp
as $$
    select case when strpos(pattern, '.') = 0 then table_name like parts.whole
                else schema_name like left(parts.whole, strpos(parts.whole, '.') - 1) and table_name like substr(parts.whole, strpos(parts.whole, '.') + 1) end
    from (select replace(replace(replace(replace(pattern, '\', '\\'), '%', '\%'), '_', '\_'), '*', '%') as whole) parts
$$;

-- The generations of the tables that matter to who waits for the pipeline; null for all that there are.
create or replace function tidemark.awaited_captures(target text) returns int[]
language sql stable set search_path = pg_catalog, pg_temp
as $$
    select case when p.wait is distinct from 'hybrid' and coalesce(p.include, '{}') = '{}' and coalesce(p.exclude, '{}') = '{}' then null
        else array(
            select c.id from tidemark.capture c
            where (coalesce(p.include, '{}') = '{}' or exists (select from unnest(p.include) i where tidemark.matches(i, c.schema_name, c.table_name)))
              and not exists (select from unnest(p.exclude) e where tidemark.matches(e, c.schema_name, c.table_name))
              and (p.wait is distinct from 'hybrid' or exists (select from unnest(p.wait_tables) w where tidemark.matches(w, c.schema_name, c.table_name)))) end
    from tidemark.pipeline p where p.name = target
$$;

-- The segments that hold these ids, or some of another round.
create or replace function tidemark.segments_of(above bigint, through bigint) returns setof bigint
language sql immutable set search_path = pg_catalog, pg_temp
as $$ select distinct g & 3 from generate_series(greatest(above >> 18, (through >> 18) - 3), through >> 18) g $$;

-- Does the log hold a change of these generations that the later moment sees and the earlier one does not?
create or replace function tidemark.is_logged_between(earlier pg_snapshot, later pg_snapshot, captures int[]) returns boolean
language plpgsql stable set search_path = pg_catalog, pg_temp set enable_seqscan = off set jit = off as $$
declare
    oldest xid8 := coalesce((select x from pg_snapshot_xip(earlier) x where pg_visible_in_snapshot(x, later) order by x limit 1),
                            pg_snapshot_xmax(earlier));
    -- A transaction that began after such a tick has ids above that.
    low bigint := coalesce((select max(t.low_id) from tidemark.tick t where t.xid < oldest), 0);
    newest bigint := coalesce(pg_sequence_last_value('tidemark.data_changes_id_seq'), 0);
    segment bigint;
    answer boolean;
begin
    for segment in select * from tidemark.segments_of(low, newest) loop
        execute format('select exists (select from tidemark.data_changes_%s d where d.id > $1 and d.id <= $2 and d.operation <> ''B'''
                       || ' and ($5 is null or d.capture = any ($5)) and pg_visible_in_snapshot(d.xid, $3) and not pg_visible_in_snapshot(d.xid, $4))', segment)
        using low, newest, later, earlier, captures into answer;
        if answer then return true; end if;
    end loop;
    return false;
end $$;

-- The error of a call that can have no answer; null where it can.
create or replace function tidemark.wait_refusal(function_name text) returns text
language sql stable set search_path = pg_catalog, pg_temp
as $$
    select case
        when pg_is_in_recovery() then format('%s is called at the primary, and this server is a standby', function_name)
        when pg_current_xact_id_if_assigned() is not null then format('%s was called in a transaction that has written: call it after COMMIT', function_name)
    end
$$;

create or replace function tidemark.wait_for(targets text[], timeout interval default '10 s') returns void
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
    seen pg_snapshot := pg_current_snapshot();
    deadline timestamptz := clock_timestamp() + coalesce(timeout, '10 s');
    refusal text := tidemark.wait_refusal('tidemark.wait_for');
    target text;
    captures int[];
    pipeline tidemark.pipeline;
    looked pg_snapshot;         -- what the pipeline had confirmed at the last look into the log, which would find the same again
    is_there boolean;
    copying text;
    stopped text;
    pause float8;
begin
    if refusal is null and current_setting('transaction_isolation') not in ('read committed', 'read uncommitted') then
        refusal := format('tidemark.wait_for sees nothing new in a transaction that is %s: call it by itself, in one that is read committed',
                          current_setting('transaction_isolation'));
    end if;
    if refusal is not null then raise exception using errcode = 'TM002', message = refusal; end if;
    if coalesce(cardinality(targets), 0) = 0 then
        raise exception 'tidemark.wait_for was given no pipeline' using errcode = 'TM003';
    end if;
    foreach target in array targets loop
        pause := 0.001;
        looked := null;
        is_there := false;
        loop
            -- In a subtransaction that is rolled back, as that gives the locks back: pruning takes the log's segments, and
            -- setup the registry, without waiting for who waits here.
            begin
                pipeline := null;
                select * into pipeline from tidemark.pipeline p where p.name = target;
                if pipeline.name is not null and pipeline.lost_at is null then
                    if looked is null then captures := tidemark.awaited_captures(target); end if;
                    select string_agg(distinct format('%I.%I', c.schema_name, c.table_name), ', ') into copying
                    from tidemark.capture c where c.id = any (pipeline.incomplete) and (captures is null or c.id = any (captures));
                    select min(c.stopped_why) into stopped from tidemark.capture c
                    where c.retired_at is null and c.stopped_at is not null and (captures is null or c.id = any (captures));
                    if pipeline.snapshot is not null and copying is null and not 0 = any (pipeline.incomplete) and stopped is null
                            and (looked is null or looked::text <> pipeline.snapshot::text) then
                        looked := pipeline.snapshot;
                        is_there := tidemark.is_within(seen, looked) or not tidemark.is_logged_between(looked, seen, captures)
                            -- What was not found may have been given up.
                            and exists (select from tidemark.pipeline p where p.name = target and p.lost_at is null);
                    end if;
                end if;
                raise exception using errcode = 'TM000';
            exception when sqlstate 'TM000' then null;
            end;
            exit when is_there;
            if pipeline.name is null then
                raise exception 'tidemark: this source knows no pipeline %', target
                    using errcode = 'TM003', hint = 'Its pipelines are in tidemark.pipeline; to make one, type: tidemark setup --pipeline NAME …';
            elsif pipeline.lost_at is not null then
                raise exception 'tidemark: pipeline % was given up, and will not have what was committed before this call', target
                    using errcode = 'TM003', detail = pipeline.lost_why, hint = format('Type: tidemark status --pipeline %s …', target);
            elsif stopped is not null then
                raise exception 'tidemark: capture is stopped, and pipeline % may never have what was committed before this call', target
                    using errcode = 'TM003', detail = stopped, hint = format('Type: tidemark status --pipeline %s …', target);
            elsif clock_timestamp() >= deadline then
                raise exception 'tidemark: after % pipeline % does not have what was committed before this call', timeout, target
                    using errcode = 'TM001',
                    detail = case
                        when copying is not null then format('These tables are still being copied: %s.', copying)
                        when pipeline.snapshot is null then 'It was set up, and has not confirmed anything yet.'
                        when 0 = any (pipeline.incomplete) then 'No worker of this version has said yet which tables its target has.'
                        else format('Its worker confirmed last %s s ago, at %s, with everything up to change %s; the last one drawn here is %s.',
                            round(extract(epoch from clock_timestamp() - pipeline.confirmed_at)::numeric, 1),
                            to_char(pipeline.confirmed_at at time zone 'utc', 'YYYY-MM-DD HH24:MI:SS"Z"'), pipeline.last_id,
                            coalesce(pg_sequence_last_value('tidemark.data_changes_id_seq'), 0)) end,
                    hint = format('What was committed stays committed. To see why, type: tidemark status --pipeline %s …', target);
            end if;
            perform pg_sleep(greatest(0.0005, least(pause, extract(epoch from deadline - clock_timestamp()))));
            pause := least(pause * 1.3, 0.02);
        end loop;
    end loop;
end $$;

create or replace function tidemark.wait_for(target text, timeout interval default '10 s') returns void
language sql volatile set search_path = pg_catalog, pg_temp
as $$ select tidemark.wait_for(array[target], timeout) $$;

-- What the caller sees, as a text for tidemark.wait_until() in a target, or for tidemark wait --position. Only what was
-- logged: a cursor stays where it is while nothing is. So it ends with the highest xid that was logged, and transactions
-- shortly before that have to be there only if they have logged something.
create or replace function tidemark.position() returns text
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off set jit = off as $$
declare
    seen pg_snapshot := pg_current_snapshot();
    refusal text := tidemark.wait_refusal('tidemark.position');
    installation uuid;
    tick tidemark.tick;
    newest bigint;
    segment bigint;
    found xid8;
    highest xid8;
    base bigint;        -- the tick's xid: what has logged above that is known
    top bigint;
    logged bigint[];
    absent bigint[];
begin
    if refusal is not null then raise exception using errcode = 'TM002', message = refusal; end if;
    begin
        select i.id into installation from tidemark.installation i;
        -- Who drew his xid after this tick has ids above its low_id: so the highest xid above them is the highest of all
        -- that were logged, if it is above the tick's.
        select * into tick from tidemark.tick t where t.low_id is not null order by t.id desc offset 1 limit 1;
        if tick.id is not null then
            highest := tick.xid;
            newest := coalesce(pg_sequence_last_value('tidemark.data_changes_id_seq'), 0);
            for segment in select * from tidemark.segments_of(tick.low_id, newest) loop
                execute format('select d.xid from tidemark.data_changes_%s d where d.id > $1 and d.id <= $2 and d.xid > $4'
                               || ' and pg_visible_in_snapshot(d.xid, $3) order by d.xid desc limit 1', segment)
                using tick.low_id, newest, seen, highest into found;
                highest := greatest(highest, found);
            end loop;
            base := tick.xid::text::bigint;
            top := highest::text::bigint;
            -- A text that still fits into a cookie.
            if top - base <= 200 then
                logged := array[base];
                for segment in select * from tidemark.segments_of(tick.low_id, newest) loop
                    execute format('select $5 || array(select distinct d.xid::text::bigint from tidemark.data_changes_%s d'
                                   || ' where d.id > $1 and d.id <= $2 and d.xid > $4 and pg_visible_in_snapshot(d.xid, $3))', segment)
                    using tick.low_id, newest, seen, tick.xid, logged into logged;
                end loop;
                absent := array(select x from generate_series(base + 1, top - 1) x where x <> all (logged));
            else
                base := top;
            end if;
        elsif not exists (select from tidemark.data_changes) and not exists (select from tidemark.pipeline p where p.lost_at is not null) then
            -- A log in which nothing was logged yet: what sees no transaction is anywhere.
            seen := '3:3:';
        end if;
        raise exception using errcode = 'TM000';
    exception when sqlstate 'TM000' then null;
    end;
    if top is null then return installation || ':' || seen::text; end if;
    absent := array(select x::text::bigint from pg_snapshot_xip(seen) x where x::text::bigint <= base and x::text::bigint < top order by 1) || absent;
    return format('%s:%s:%s:%s', installation, coalesce(absent[1], top + 1), top + 1, array_to_string(absent, ','));
end $$;

-- Once more, in an installation that an older version made.
do $$ begin perform tidemark.renew_wait_grants(); end $$;
