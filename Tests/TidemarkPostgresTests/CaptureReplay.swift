/// Applies the change log of one table to an empty copy, in the order of its ids and with the
/// documented meaning of the operations, and compares the copy with the table.
enum CaptureReplay {
    /// `replay.difference(regclass)` is null if they are equal, else it shows both and the log.
    static let sql = #"""
        create schema replay;
        create function replay.difference(relation regclass) returns text language plpgsql
        set datestyle = 'ISO, YMD' set intervalstyle = 'postgres' set timezone = 'UTC' set extra_float_digits = 1
        set bytea_output = 'hex' set lc_monetary = 'C' set xmloption = 'content' set row_security = on as $$
        declare
            captures int[] := (select array_agg(c.id) from tidemark.capture c where c.relation = difference.relation::oid);
            key text[] := tidemark.key_columns(relation);
            insertion text; deletion text; whole text; source text;
            change record; part record; result text; barrier bigint := 0;
        begin
            drop table if exists pg_temp.replayed;
            execute format('create temp table replayed as select * from %s where false', relation);
            select format('insert into pg_temp.replayed select %s', string_agg(v, ', ' order by attnum)),
                   format('delete from pg_temp.replayed where ctid = (select row_here.ctid from pg_temp.replayed row_here where row_here::text = (select row_gone::text from (select %s) row_gone) limit 1)',
                          string_agg(v || ' as ' || quote_ident(attname), ', ' order by attnum)),
                   'delete from pg_temp.replayed where ' || coalesce(string_agg(format('format(''%%s'', %I) = format(''%%s'', %s)', attname, v), ' and ') filter (where attname = any (key)), 'false')
            into insertion, whole, deletion
            from (select a.attnum, a.attname, format('($1::json ->> %L)::%s', a.attname, format_type(a.atttypid, a.atttypmod)) as v
                  from pg_attribute a where a.attrelid = relation and a.attnum > 0 and not a.attisdropped) c;
            for change in select d.id, d.operation, d.key, d.image from tidemark.data_changes d where d.capture = any (captures) order by d.id loop
                if change.operation = 'T' then
                    if key is null then perform replay.rows(captures, barrier, change.id, insertion, whole); barrier := change.id; end if;
                    execute 'delete from pg_temp.replayed' || coalesce(' where ' || pg_get_partition_constraintdef(
                        (quote_ident(change.image::json ->> 'schema') || '.' || quote_ident(change.image::json ->> 'table'))::regclass), '');
                elsif change.operation not in ('I', 'U', 'D') then
                    return format('%s: operation %s', relation, change.operation);
                elsif key is not null then
                    execute deletion using change.key;
                    if change.operation <> 'D' then execute insertion using change.image; end if;
                end if;
            end loop;
            if key is null then perform replay.rows(captures, barrier, null, insertion, whole); end if;
            source := case when (select relkind from pg_class where oid = relation) = 'r' then 'only ' else '' end || relation;
            execute format('select string_agg(w || '' '' || r, chr(10)) from (
                (select ''only in the table:'' as w, row_there::text as r from (select * from %1$s) row_there
                 except all select ''only in the table:'', row_here::text from pg_temp.replayed row_here)
                union all (select ''only in the replay:'', row_here::text from pg_temp.replayed row_here
                 except all select ''only in the replay:'', row_there::text from (select * from %1$s) row_there)) x', source)
            into result;
            return left(result || chr(10) || (select string_agg(concat_ws(' ', d.operation, d.key, left(d.image, 300)), chr(10) order by d.id)
                                              from tidemark.data_changes d where d.capture = any (captures)), 4000);
        end $$;
        -- Rows without a key: all additions of the window first, then all removals.
        create function replay.rows(captures int[], after bigint, until bigint, insertion text, removal text) returns void language plpgsql as $$
        declare change record; touched int;
        begin
            for change in select d.operation, d.image from tidemark.data_changes d where d.capture = any (captures) and d.id > after
                          and (until is null or d.id < until) and d.operation in ('I', 'D') order by d.operation = 'D', d.id loop
                execute case when change.operation = 'I' then insertion else removal end using change.image;
                get diagnostics touched = row_count;
                if touched <> 1 then raise 'no such row: %', change.image; end if;
            end loop;
        end $$;
        """#
}
