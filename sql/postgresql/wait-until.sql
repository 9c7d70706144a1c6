-- Waiting at a target: a reader returns once the target has what somebody saw at the source.
--
--   at the source    select tidemark.position();
--   at the target    select tidemark.wait_until('main', '…what that said…');
-- Also on a standby of the target. Errors as those of wait_for: TM001, TM002, TM003.

-- While nothing is logged at the source the cursor stays where it is, and what ends there is noted beside it: nothing that
-- quiet_snapshot sees has been logged behind quiet_after, which is the cursor's snapshot for as long as this holds.
do $$ begin
    perform tidemark.add_columns('tidemark.cursor',
        'quiet_after text',
        'quiet_snapshot text');
end $$;

create or replace function tidemark.wait_until(pipeline text, place text, timeout interval default '10 s') returns void
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
    wanted alias for $1;
    deadline timestamptz := clock_timestamp() + coalesce(timeout, '10 s');
    installation text := substring(place from '^([0-9a-f-]{36}):');
    seen text := regexp_replace(place, '^[0-9a-f-]{36}:', '');
    cursor_row tidemark.cursor;
    is_there boolean;
    copying text;
    pause float8 := 0.001;
begin
    if current_setting('transaction_isolation') not in ('read committed', 'read uncommitted') then
        raise exception 'tidemark.wait_until sees nothing new in a transaction that is %: call it by itself, in one that is read committed',
            current_setting('transaction_isolation') using errcode = 'TM002';
    end if;
    if place is null or place !~ '^([0-9a-f-]{36}:[0-9]+:[0-9]+:[0-9,]*|[0-9]{1,18})$' then
        raise exception 'tidemark.wait_until was given “%”, which is no position', left(place, 100)
            using errcode = 'TM003', hint = 'At a PostgreSQL source it is what select tidemark.position() returns, of a SQLite source the highest id of data_changes.';
    end if;
    loop
        -- The locks are given back at once, as in wait_for.
        begin
            cursor_row := null;
            select * into cursor_row from tidemark.cursor c where c.pipeline = wanted;
            select string_agg(format('%I.%I', c.schema_name, c.table_name), ', ') into copying
            from tidemark.table_copy c where c.pipeline = wanted and c.state <> 'done' and c.existing <> 'keep';
            is_there := copying is null and case
                when cursor_row.snapshot is null or (cursor_row.snapshot ~ ':') <> (seen ~ ':') then false
                when seen !~ ':' then seen::bigint <= cursor_row.snapshot::bigint
                else tidemark.is_within(seen::pg_snapshot, cursor_row.snapshot::pg_snapshot)
                     or cursor_row.quiet_after = cursor_row.snapshot and tidemark.is_within(seen::pg_snapshot, cursor_row.quiet_snapshot::pg_snapshot) end;
            raise exception using errcode = 'TM000';
        exception when sqlstate 'TM000' then null;
        end;
        if cursor_row.pipeline is null then
            raise exception 'tidemark: this target knows no pipeline %', wanted
                using errcode = 'TM003', hint = 'Its pipelines are in tidemark.cursor; to make one, type: tidemark setup --pipeline NAME …';
        elsif cursor_row.closed_at is not null then
            raise exception 'tidemark: this target of pipeline % was promoted, and follows its old source no more', wanted
                using errcode = 'TM003', hint = format('Type: tidemark status --pipeline %s …, which names the primary.', wanted);
        elsif installation is distinct from nullif(split_part(cursor_row.source, '/', 3), '') then
            raise exception 'tidemark: the position is not one of the source that pipeline % follows', wanted
                using errcode = 'TM003', detail = format('It is one of %s, and the pipeline follows %s.', coalesce('installation ' || installation, 'a SQLite source'), cursor_row.source);
        end if;
        exit when is_there;
        if clock_timestamp() >= deadline then
            raise exception 'tidemark: after % the target of pipeline % does not have that position', timeout, wanted
                using errcode = 'TM001',
                detail = case
                    when cursor_row.failure is not null then format('Its worker stopped: %s', cursor_row.failure)
                    when cursor_row.hold is not null then format('It is held (%s) by %s since %s.', cursor_row.hold, cursor_row.held_by, cursor_row.held_at)
                    when copying is not null then format('These tables are still being copied: %s.', copying)
                    else format('It has everything up to change %s, applied at %s.', cursor_row.last_id, coalesce(cursor_row.applied_at::text, 'no time yet')) end,
                hint = format('Read at the source, or later. To see why, type: tidemark status --pipeline %s …', wanted);
        end if;
        perform pg_sleep(greatest(0.0005, least(pause, extract(epoch from deadline - clock_timestamp()))));
        pause := least(pause * 1.3, 0.02);
    end loop;
end $$;

revoke all on function tidemark.wait_until(text, text, interval) from public;
do $$ begin perform tidemark.renew_wait_grants(); end $$;
