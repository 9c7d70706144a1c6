-- Rows as they were before a transaction, which the log holds where a pipeline was set up with image both.

-- Was a version of a row made by a subtransaction of the caller's? The xmin of a frozen row may be so old that it counts as
-- one to come, for which pg_xact_status() fails.
create or replace function tidemark.is_own_version(row_xmin xid) returns boolean
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    return tidemark.is_own(row_xmin);
exception when invalid_parameter_value then
    return false;
end $$;

-- The condition under which a version of a row is of another transaction than the caller's. A transaction replaces or
-- removes one such version of each row that it changes, and only one, whatever else it does to the row.
create or replace function tidemark.is_from_before(row_xmin text) returns text
language plpgsql immutable set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
    return (select format('%1$s operator(pg_catalog.<>) pg_catalog.pg_current_xact_id()::pg_catalog.xid and (pg_catalog.age(%1$s) operator(pg_catalog.>) 0 or not tidemark.is_own_version(%1$s))', row_xmin));
end $$;

-- Statements of a row trigger that set its variable was: to the image of OLD if that is from before, empty where it is too large.
create or replace function tidemark.take_before(relation regclass) returns text
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
    return (select format(E'        if TG_OP operator(pg_catalog.<>) ''INSERT'' then if %s then\n            was := coalesce(%s, '''');\n        end if; end if;\n',
                    tidemark.is_from_before('OLD.xmin'), tidemark.row_image(relation, 'OLD')));
end $$;

-- BEFORE TRUNCATE: logs the rows that are about to go. In repeatable read and serializable some of them may be invisible,
-- and then none are. The settings of the values' texts are those of the capture function that calls this.
create or replace function tidemark.log_truncated(capture int, root oid, made_for text, leaf oid) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    relation regclass := root;
    first bigint;
    written bigint;
    last bigint;
begin
    if current_setting('transaction_isolation') not like 'read%' then return; end if;
    if made_for is distinct from tidemark.made_for(root) then
        perform tidemark.log_mark(capture, 'X');
        return;
    end if;
    -- Before the first id, as log_mark() says.
    perform pg_current_xact_id();
    first := nextval('tidemark.data_changes_id_seq');
    execute format('insert into tidemark.data_changes_%s (xid, capture, operation, key, changed_at, before)'
        || ' select pg_current_xact_id(), %s, ''B'', %s, clock_timestamp(), coalesce(%s, '''')'
        || ' from (select %s from only %s l%s) t',
        (first >> 18) & 3, capture, coalesce(tidemark.row_key(relation, 't'), 'null'), tidemark.row_image(relation, 't'),
        (select string_agg(format('l.%I', a.attname), ', ' order by a.attnum) from pg_attribute a
         where a.attrelid = root and a.attnum > 0 and not a.attisdropped and a.attgenerated <> 'v'),
        leaf::regclass, case when tidemark.key_index(relation) is not null then ' where ' || tidemark.is_from_before('l.xmin') else '' end);
    get diagnostics written = row_count;
    last := currval('tidemark.data_changes_id_seq');
    if last % 16384 <= written then perform tidemark.write_tick(last); end if;
end $$;
