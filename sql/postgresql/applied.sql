-- Which changes in the log were made somewhere else first, and applied here by tidemark.
--
-- Capture takes those only where a pipeline passes them on (pass-on: true). It logs them as any other change; who applies
-- them says here, in the same transaction and before the rows, where they were made first. So origins cost capture nothing.

-- A row of the log has the origin of the row here with its xid and the greatest after_id below its id; where there is none,
-- it was made here. Goes once every pipeline has applied the transaction.
create table if not exists tidemark.applied (
    xid xid8 not null,
    after_id bigint not null,   -- the last id drawn when it was said
    -- The identity of the database where the changes behind that were made first and, behind a space, of the one that they came
    -- from, where that is another. Empty where they were decided here.
    origin text not null,
    primary key (xid, after_id)
);
revoke all on table tidemark.applied from public;

-- Says where the rows were made first that the transaction writes from now on.
create or replace function tidemark.mark_applied(origin text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
begin
    insert into tidemark.applied (xid, after_id, origin)
    values (pg_current_xact_id(), coalesce(pg_sequence_last_value('tidemark.data_changes_id_seq'), 0), mark_applied.origin)
    on conflict (xid, after_id) do update set origin = excluded.origin;
    perform set_config('tidemark.marked', '1', true);
end $$;

-- A worker that has not noticed yet that its rows are captured, or is of a version that knows of no origins: without one they
-- would be taken for changes that were made here, and go back to where they came from. It tries again, and notices.
create or replace function tidemark.refuse_unmarked(relation oid) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    raise exception using errcode = 'serialization_failure',
        message = format('tidemark: what is applied to %s is captured now, and its origin was not said', relation::regclass),
        hint = 'A worker tries again by itself. If it is of an older version, install this one there; by hand, begin with: select tidemark.mark_applied(''…'')';
end $$;

-- Forgets the origins of transactions that every pipeline has applied, and from which on nothing is kept on purpose.
create or replace function tidemark.prune_applied() returns void
language sql volatile security definer set search_path = pg_catalog, pg_temp
as $$
    with kept as materialized (
        select p.snapshot from tidemark.pipeline p where p.lost_at is null union all select r.snapshot from tidemark.retained r)
    delete from tidemark.applied a
    -- The first condition alone is the index's.
    where a.xid < (select pg_snapshot_xmax(k.snapshot) from kept k order by 1 limit 1)
      and not exists (select from kept k where k.snapshot is null or not pg_visible_in_snapshot(a.xid, k.snapshot))
$$;
