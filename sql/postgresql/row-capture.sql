-- What the trigger of row capture does for a table whose rows have no key, or one whose equality is that of its text.

drop function if exists tidemark.row_capture(regclass, int, text);     -- an older signature

-- NEW is logged while it stands, a key that has gone if no row of it stands (BREAKS B1–B4). A version is no longer the
-- standing one when its xmax is set by whoever made the next; one that is set may also be a lock, and then a look tells.
-- Everything is named with its schema, as the search_path is the session's: each setting of a function costs writers.
-- So does each expression: in the trigger of an INSERT, OLD is null, and so is what is compared with it.
create or replace function tidemark.row_capture(relation regclass, capture int, about_table text, keeps_before boolean default false) returns text
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    class pg_catalog.pg_class := (select c from pg_catalog.pg_class c where c.oid = relation);
    schema_name text := (select n.nspname from pg_catalog.pg_namespace n where n.oid = class.relnamespace);
    rows text := format('%s%I.%I', case when class.relkind = 'p' then '' else 'only ' end, schema_name, class.relname);
    has_key boolean := tidemark.key_index(relation) is not null;
    keeps boolean := keeps_before and has_key;      -- are rows logged as they were before, too?
    insertion text := format('insert into tidemark.data_changes (id, xid, capture, operation, key, image, changed_at%s)', case when keeps then ', before' else '' end);
    attached text;
    gone text;
    is_special text := $sql$TG_OP operator(pg_catalog.=) 'UPDATE'$sql$;     -- is there more to do than to log NEW?
    unchanged text := 'false';
    standing text := '';
    draw text := $sql$drawn := pg_catalog.nextval('tidemark.data_changes_id_seq');$sql$;
    tick text := $sql$if drawn operator(pg_catalog.&) 16383::pg_catalog.int8 operator(pg_catalog.=) 0 then perform tidemark.write_tick(drawn); end if;$sql$;
begin
    -- Under another name the table could not be named below.
    attached := case when class.relkind = 'p'
        then format('(TG_RELID operator(pg_catalog.=) %1$s::pg_catalog.oid or pg_catalog.pg_partition_root(TG_RELID) operator(pg_catalog.=) %1$s::pg_catalog.oid)'
            || ' and pg_catalog.to_regclass(%2$L) operator(pg_catalog.=) %1$s::pg_catalog.oid', relation::oid, format('%I.%I', schema_name, class.relname))
        else format('TG_TABLE_NAME operator(pg_catalog.=) %L and TG_TABLE_SCHEMA operator(pg_catalog.=) %L', class.relname, schema_name) end
        || ' and TG_OP operator(pg_catalog.<>) ''TRUNCATE''';
    if has_key then
        -- enable_seqscan: the plan is kept for the session; one made while the table was tiny would scan it whole for
        -- every row after it has grown. The setting is put back: it would last until the transaction ends.
        gone := format($sql$seqscan := pg_catalog.current_setting('enable_seqscan');
            perform pg_catalog.set_config('enable_seqscan', 'off', true);
            %s
            perform pg_catalog.set_config('enable_seqscan', seqscan, true);$sql$,
            tidemark.by_segment(case when keeps then format($sql$%s
                select drawn, pg_catalog.pg_current_xact_id(), %s, case when s.stands then 'B' else 'D' end::pg_catalog."char", %s, null, pg_catalog.statement_timestamp(), was
                from (select exists (select from %s t where %s
                    and (t.xmin operator(pg_catalog.=) pg_catalog.pg_current_xact_id()::pg_catalog.xid or tidemark.is_own(t.xmin)))) s(stands)
                where not s.stands or was is not null;$sql$,
                insertion, capture, tidemark.row_key(relation, 'OLD'), rows, tidemark.key_matches(relation, 'OLD'))
            else format($sql$%s
                select drawn, pg_catalog.pg_current_xact_id(), %s, 'D', %s, null, pg_catalog.statement_timestamp()
                where not exists (select from %s t where %s
                    and (t.xmin operator(pg_catalog.=) pg_catalog.pg_current_xact_id()::pg_catalog.xid or tidemark.is_own(t.xmin)));$sql$,
                insertion, capture, tidemark.row_key(relation, 'OLD'), rows, tidemark.key_matches(relation, 'OLD')) end))
            || case when keeps then E'\n            was := null;' else '' end;
        select format('not (%s) or NEW.xmax operator(pg_catalog.<>) ''0''::pg_catalog.xid',
                   string_agg(k.unchanged, ' and ' order by k.n)), string_agg(k.unchanged, ' and ' order by k.n)
        into is_special, unchanged
        from (select k.n, format('%s %s %s', tidemark.field('OLD', k.name), k.equals, tidemark.field('NEW', k.name)) as unchanged
              from tidemark.key_parts(relation) k) k;
        standing := format($sql$if NEW.xmax operator(pg_catalog.<>) '0'::pg_catalog.xid then
                perform from %s t where t.ctid operator(pg_catalog.=) NEW.ctid and t.tableoid operator(pg_catalog.=) TG_RELID and %s;
                if not found then%s return null; end if;
            end if;$sql$, rows, tidemark.key_matches(relation, 'NEW'),
            -- What the transaction has made of the row since is logged by another call.
            case when keeps then format(E'\n                    if was is not null then\n                    %s\n                    %s\n                    %s\n                    end if;\n                   ', draw,
                tidemark.by_segment(format($sql$%s values (drawn, pg_catalog.pg_current_xact_id(), %s, 'B', %s, null, pg_catalog.statement_timestamp(), was);$sql$,
                    insertion, capture, tidemark.row_key(relation, 'OLD'))), tick) else '' end);
    else
        -- Whole rows: multisets commute, and so what the trigger is handed is right whatever came between.
        gone := tidemark.by_segment(format($sql$%s
                values (drawn, pg_catalog.pg_current_xact_id(), %s, 'D', null, %s, pg_catalog.statement_timestamp());$sql$,
                insertion, capture, tidemark.row_image(relation, 'OLD')));
    end if;
    return format($sql$    if %1$s then if tidemark.is_current(%2$s::pg_catalog.oid, %3$L) and not tidemark.is_stopped(%4$s) or false and exists (select from %5$s) then
%14$s        if TG_OP operator(pg_catalog.=) 'DELETE' or %6$s then
            if TG_OP operator(pg_catalog.<>) 'INSERT' and not coalesce(%13$s, false) then
            %7$s
            %8$s
            %9$s
            end if;
            if TG_OP operator(pg_catalog.=) 'DELETE' then return null; end if;
            %10$s
        end if;
        %7$s
        %11$s
        %9$s
        return null;
    end if; end if;
%12$s    if tidemark.is_stopped(%4$s) then return null; end if;
    perform tidemark.log_mark(%4$s, 'X');
$sql$, attached, relation::oid, tidemark.made_for(relation), capture, rows, is_special, draw, gone, tick, standing,
        tidemark.by_segment(format($sql$%s
            values (drawn, pg_catalog.pg_current_xact_id(), %s, %s, %s, %s, pg_catalog.statement_timestamp()%s);$sql$,
            insertion, capture, case when has_key then 'TG_OP::pg_catalog."char"' else $sql$'I'$sql$ end,
            coalesce(tidemark.row_key(relation, 'NEW'), 'null'), tidemark.row_image(relation, 'NEW'), case when keeps then ', was' else '' end)),
        about_table, unchanged, case when keeps then tidemark.take_before(relation) else '' end);
end $$;
