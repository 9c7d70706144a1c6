-- How a table is captured, where nobody says: by what it sees.

-- Every UPDATE and DELETE scans its table, and other statements do, too: so this is less than the rows of such a statement.
create or replace function tidemark.rows_by_scan(relation regclass) returns float8
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
    return (select case when s.n_tup_upd + s.n_tup_del >= 1000
                then (s.n_tup_upd + s.n_tup_del) / greatest(s.seq_scan + coalesce(s.idx_scan, 0), 1)::float8 end
    from pg_stat_user_tables s where s.relid = rows_by_scan.relation);
end $$;

-- How much of what a table sees comes in statements of many rows, from 0 to 1: by the newest part of the log, where a
-- statement's rows have one time; before there is any, by rows changed for each scan. null where too little is known.
-- To row capture, the statements of a loop in a function have one time, too. Statement capture tells them apart: a table
-- that it was tried on and did not suit is known not to see large ones.
create or replace function tidemark.bulk_share(relation regclass) returns float8
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
    return (select case when sum(s.rows) >= 1000 then coalesce(sum(s.rows) filter (where s.rows >= 20) / sum(s.rows), 0)
                when count(*) = 0 and tidemark.rows_by_scan(relation) >= 20 then 1 end::float8
    from (select count(*) as rows
          from tidemark.data_changes d
          where d.capture = any (array(select c.id from tidemark.capture c where c.relation = bulk_share.relation))
            and d.id > (select pg_sequence_last_value('tidemark.data_changes_id_seq') - 131072)
          group by d.xid, d.changed_at) s);
end $$;

-- Is a table part of an inheritance or partition tree?
create or replace function tidemark.is_related(relation regclass) returns boolean
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
    return (select exists (select from pg_inherits i where i.inhrelid = relation or i.inhparent = relation)
          or exists (select from pg_class c where c.oid = relation and c.relkind = 'p'));
end $$;

drop function if exists tidemark.capture_kind(regclass, text);     -- an older signature

-- Row capture is the cheaper one for statements of a few rows, statement capture for those of many: 6 against 12
-- microseconds for a statement of one row, 6 against 3 for each row of a large one. So a table changes its kind only where
-- one sort clearly prevails. Statement triggers do not fire for changes that come through a parent.
create or replace function tidemark.capture_kind(relation regclass, kind text, images text default 'new') returns text
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    related boolean := tidemark.is_related(relation);
    share float8;
    present text;
    was_tried boolean;
begin
    if kind not in ('auto', 'statement', 'row') or kind is null then
        raise exception 'tidemark: unknown kind of capture %', pg_catalog.quote_nullable(kind) using hint = 'Use auto, statement or row.';
    end if;
    if kind = 'statement' and related then
        raise exception 'tidemark: % is part of an inheritance or partition tree and needs row capture', relation
            using hint = 'Use kind auto.';
    end if;
    if images not in ('new', 'both') or images is null then
        raise exception 'tidemark: unknown image %', pg_catalog.quote_nullable(images) using hint = 'Use new or both.';
    end if;
    if kind = 'statement' and images = 'both' then
        raise exception 'tidemark: % is to be captured by statement and with image both', relation
            using hint = 'Only row capture sees a row as it was before: use kind auto or row with it.';
    end if;
    if images = 'both' then return 'row'; end if;
    if kind <> 'auto' or related then
        return case when related then 'row' else kind end;
    end if;
    share := tidemark.bulk_share(relation);
    select coalesce(max(c.kind) filter (where c.retired_at is null), 'row'), coalesce(bool_or(c.kind = 'statement' and c.retired_at is not null), false)
    into present, was_tried from tidemark.capture c where c.relation = capture_kind.relation::oid;
    return case when share > 0.8 and not was_tried then 'statement' when share < 0.4 then 'row' else present end;
end $$;
