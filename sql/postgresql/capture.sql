-- The statements that put capture's triggers on a table, and the function behind them.

drop function if exists tidemark.truncate_statements(regclass, text, boolean);     -- an older signature

-- The DDL for the TRUNCATE triggers that are missing. They are not cloned to partitions.
create or replace function tidemark.truncate_statements(relation regclass, function_name text, replica_role boolean, images text)
returns setof text
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
    return query
    select u.s
    from tidemark.tree(relation) t join pg_catalog.pg_class c on c.oid = t.relid and c.relkind in ('r', 'p'),
         lateral (values ('tidemark_truncate', 'after'), ('tidemark_before', 'before')) v(name, moment),
         lateral (values
            (1, format('create trigger %s %s truncate on %s for each statement execute function %s()', v.name, v.moment, t.relid::regclass, function_name)),
            (2, case when replica_role then format('alter table %s enable always trigger %s', t.relid::regclass, v.name) end)) u(n, s)
    where u.s is not null and (v.moment = 'after' or images = 'both' and c.relkind = 'r')
      and not exists (select from pg_catalog.pg_trigger g where g.tgrelid = t.relid and g.tgname = v.name
                      and g.tgfoid = pg_catalog.to_regproc(function_name))
    order by t.relid::regclass, v.moment, u.n;
end $$;

-- An older signature, which a call would be ambiguous with.
drop function if exists tidemark.capture_statements(regclass, text, int), tidemark.capture_statements(regclass, text, int, boolean),
    tidemark.capture_statements(regclass, text, int, boolean, text);

-- The query that makes rows of the log of what a statement handed over.
create or replace function tidemark.logged_row(relation regclass, capture int, operation text, side text) returns text
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
    return (select format('select pg_catalog.pg_current_xact_id(), %s, %s::pg_catalog."char", %s, %s, tidemark_state.stamp from tidemark_%s t', capture,
        quote_literal(operation),
        coalesce(tidemark.row_key(relation, 't'), 'null'), coalesce(i.image, 'null'), side)
    from (select case when operation <> 'D' or tidemark.key_index(relation) is null then tidemark.row_image(relation) end as image) i);
end $$;

-- BEFORE each statement on a table with a key: counts how many are under way there in this transaction, twice, since the
-- lowest bit says that one of them has logged rows. Then another one's transition tables may be older than the table
-- (BREAKS B1, B2), and it has to look. The setting is the transaction's own, and goes with it, or with its savepoint.
-- As the session's role, and so without a name that could be somebody else's.
create or replace function tidemark.statement_begins() returns trigger
language plpgsql as $$
declare under_way text := pg_catalog.current_setting(TG_ARGV[0], true);
begin
    if under_way is null or under_way operator(pg_catalog.=) '' then
        under_way := pg_catalog.set_config(TG_ARGV[0], '2', true);
    else
        under_way := pg_catalog.set_config(TG_ARGV[0], (under_way::pg_catalog.int4 operator(pg_catalog.+) 2)::pg_catalog.text, true);
    end if;
    return null;
end $$;

-- Returns the DDL that attach() runs for one table. generation is the id of its row in tidemark.capture.
create or replace function tidemark.capture_statements(
    relation regclass, kind text default 'auto', generation int default null, replica_role boolean default false, images text default 'new',
    applied boolean default false)
returns setof text
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    class pg_catalog.pg_class;
    schema_name text;
    actual_kind text := tidemark.capture_kind(relation, kind, images);
    keeps_before boolean := images = 'both';
    always boolean := replica_role or applied;     -- do the triggers fire for writers in the replica role, too?
    capture int := coalesce(generation, (select max(c.id) from tidemark.capture c) + 1, 1);
    key_index oid := tidemark.key_index(relation);
    partitioned boolean;
    qualified text;
    function_name text;
    columns text[];
    key record;
    settings text;
    guard text;
    image text;          -- image of alias t; NULL if too large
    new_source text; old_source text;
    branch text := '';
    handed_on text := '';
    gone text;
    counter text := format('tidemark.t%s', relation::oid);
    is_safe boolean := coalesce((select bool_and(k.safe) from tidemark.key_parts(relation) k), true);
    is_by_row boolean;   -- is what a row's trigger is handed logged, where it still stands?
    is_quick boolean;    -- may what transition tables hand over be logged as it is, where no statement is nested?
    body text;
    event text; created text;
    insert_head text := 'insert into tidemark.data_changes (xid, capture, operation, key, image, changed_at)';
    standing text; candidates text; logged text; part text;
    found_trigger record;
    -- A trigger that somebody put on a table of his own must not write here.
    about_table text := format(
        E'    if TG_RELID operator(pg_catalog.<>) %1$s::pg_catalog.oid and pg_catalog.pg_partition_root(TG_RELID) is distinct from %1$s::pg_catalog.oid::pg_catalog.regclass then return null; end if;\n'
        || E'    if TG_OP operator(pg_catalog.=) ''TRUNCATE'' then\n        if tidemark.is_stopped(%2$s) then return null; end if;\n%3$s'
        || E'        perform tidemark.log_mark(%2$s, ''T'', case when TG_RELID operator(pg_catalog.<>) %1$s::pg_catalog.oid then pg_catalog.json_build_object(''schema'', TG_TABLE_SCHEMA, ''table'', TG_TABLE_NAME)::pg_catalog.text end%4$s);\n'
        || E'        return null;\n    end if;\n', relation::oid, capture,
        case when keeps_before then format(E'        if TG_WHEN operator(pg_catalog.=) ''BEFORE'' then\n            perform tidemark.log_truncated(%s, %s, %L, TG_RELID);\n            return null;\n        end if;\n',
            capture, relation::oid, tidemark.made_for(relation)) end,
        case when keeps_before then ', case when pg_catalog.current_setting(''transaction_isolation'') operator(pg_catalog.~~) ''read%'' then ''logged'' end' end);
begin
    select * into class from pg_catalog.pg_class c where c.oid = relation;
    if not found or class.relkind not in ('r', 'p') then
        raise exception 'tidemark: % is not a table', relation;
    end if;
    if class.relpersistence = 't' or class.relispartition then
        raise exception 'tidemark: % is a temporary table or a partition', relation
            using hint = 'Attach the root of a partitioned table.';
    end if;
    select n.nspname into schema_name from pg_catalog.pg_namespace n where n.oid = class.relnamespace;
    partitioned := class.relkind = 'p';
    qualified := format('%I.%I', schema_name, class.relname);
    function_name := format('tidemark.%I', 'capture_' || capture);

    -- Alias t is the row in the table or the transition table; in row capture without a key, NEW and OLD.
    image := tidemark.row_image(relation);
    select array_agg(a.attname::text order by a.attnum) into columns
    from pg_catalog.pg_attribute a
    where a.attrelid = relation and a.attnum > 0 and not a.attisdropped and a.attgenerated <> 'v';
    if columns is null then
        raise exception 'tidemark: % has no columns', relation;
    end if;

    select coalesce(string_agg(distinct 'set ' || s, E'\n' order by 'set ' || s), '') into settings
    from pg_catalog.pg_attribute a, unnest(tidemark.type_settings(a.atttypid)) s
    where a.attrelid = relation and a.attnum > 0 and not a.attisdropped;

    -- The shape that this function was made for, dropped columns included. A changed one must become a mark in the
    -- log, not an error in the application, and not a silently missing column.
    select format('exists (select from pg_catalog.pg_attribute a where a.attrelid = %s::pg_catalog.oid and a.attnum > 0 and not (%s))',
                  relation::oid, string_agg(format('(a.attname = %L and a.atttypid = %s::pg_catalog.oid)', a.attname, a.atttypid), ' or ' order by a.attnum))
    into guard
    from pg_catalog.pg_attribute a where a.attrelid = relation and a.attnum > 0;
    -- The name, too. A trigger knows that of its own table; of the root, a partition's trigger must look.
    guard := guard || case when partitioned then format(E'\n       or not exists (select from pg_catalog.pg_class r join pg_catalog.pg_namespace n on n.oid = r.relnamespace'
                          || ' where r.oid = %s::pg_catalog.oid and r.relname = %L and n.nspname = %L)', relation::oid, class.relname, schema_name)
        else format(' or TG_TABLE_NAME <> %L or TG_TABLE_SCHEMA <> %L', class.relname, schema_name) end;

    if key_index is not null then
        select tidemark.key_matches(relation, 'c') as match,
               -- the JSON of the key: from the table's columns, and from the candidates' k0, k1 …
               tidemark.row_key(relation, 't') as text,
               tidemark.json_object(array_agg(tidemark.json_member(k.name, format('c.k%s', k.n), k.type) order by k.n)) as candidate_text,
               string_agg(format('%s as k%s', tidemark.field('t', k.name), k.n), ', ' order by k.n) as keys,
               string_agg(format('n.k%s %s o.k%s', k.n, k.equals, k.n), ' and ' order by k.n) as same,
               string_agg(format('%s %s %s', tidemark.field('n', k.name), k.equals, tidemark.field('t', k.name)), ' and ' order by k.n) as kept
        into key
        from tidemark.key_parts(relation) k;
        -- A key that the statement touched can only stand as a row of our own transaction. In repeatable read and
        -- serializable an old snapshot may show another one besides, which somebody else has deleted since.
        standing := format('from %s t where %s and (tidemark_state.fresh or t.xmin = pg_catalog.pg_current_xact_id()::xid or tidemark.is_own(t.xmin)) limit 1',
            case when partitioned then '' else 'only ' end || qualified, key.match);
    end if;

    is_quick := actual_kind = 'statement' and is_safe;
    is_by_row := actual_kind = 'row' and is_safe;
    -- What an event hands over: a transition table, or one row.
    new_source := 'tidemark_new t';
    old_source := 'tidemark_old t';
    if actual_kind = 'row' then
        select format('(select %s) t', string_agg(format('%s as %I', tidemark.field('NEW', n), n), ', ')),
               format('(select %s) t', string_agg(format('%s as %I', tidemark.field('OLD', n), n), ', '))
        into new_source, old_source from unnest(columns) n;
    end if;

    foreach event in array case when is_by_row then '{}' else array['INSERT', 'UPDATE', 'DELETE'] end loop
        if is_quick then
            handed_on := handed_on || format(E'    %s TG_OP operator(pg_catalog.=) %L then\n', case when event = 'INSERT' then 'if' else 'elsif' end, event)
                || format(E'        select tidemark.is_as_attached(%s::pg_catalog.oid, %L) and not tidemark.is_stopped(%s) into as_attached from tidemark_%s limit 1;\n',
                          relation::oid, tidemark.made_for(relation), capture, case event when 'DELETE' then 'old' else 'new' end)
                || E'        if as_attached is null then touched := 0;\n'
                || format(E'        elsif as_attached and TG_TABLE_SCHEMA operator(pg_catalog.=) %L%s then\n            stamp := pg_catalog.clock_timestamp();\n', schema_name,
                          case when key_index is not null then ' and (under_way operator(pg_catalog.=) ''2'' or under_way operator(pg_catalog.=) ''4'')' end)
                || format(E'            %s\n            %s;\n            get diagnostics touched = row_count;\n', insert_head,
                    concat_ws(E'\n            union all ',
                        case when event <> 'INSERT' and key_index is null then tidemark.logged_row(relation, capture, 'D', 'old') end,
                        case when event <> 'DELETE' then tidemark.logged_row(relation, capture, case when key_index is not null and event = 'UPDATE' then 'U' else 'I' end, 'new') end,
                        case when event = 'DELETE' and key_index is not null then tidemark.logged_row(relation, capture, 'D', 'old') end));
            if event = 'UPDATE' and key_index is not null then
                -- Keys that changed. Of two rows the plan does not matter; of many it does, and it has to be made for them.
                gone := format(E'%s\n                %s t where not exists (select from tidemark_new n where %s)', insert_head,
                    replace(tidemark.logged_row(relation, capture, 'D', 'old'), ' from tidemark_old t', ' from tidemark_old'), key.kept);
                handed_on := handed_on
                    || format(E'            if touched operator(pg_catalog.=) 1 then\n                select %s into same_key from tidemark_new n, tidemark_old t limit 1;\n            end if;\n', key.kept)
                    || format(E'            if touched operator(pg_catalog.>) 100 then\n                execute %L using stamp;\n            elsif touched operator(pg_catalog.>) 1 or not same_key then\n                %s;\n            end if;\n',
                        replace(gone, 'tidemark_state.stamp', '$1'), gone);
            end if;
            handed_on := handed_on || E'        end if;\n';
        end if;
        branch := branch || format(E'    %s TG_OP = %L then\n', case when event = 'INSERT' then 'if' else 'elsif' end, event);
        if key_index is null then
            -- Whole rows: multisets commute, and so what the trigger is handed is right whatever came between.
            body := concat_ws(' union all ',
                case when event <> 'INSERT' then format('select ''D'' as o, %s as image from %s', image, old_source) end,
                case when event <> 'DELETE' then format('select ''I'' as o, %s as image from %s', image, new_source) end);
            branch := branch || format(E'        %s\n        select pg_catalog.pg_current_xact_id(), %s, x.o::"char", null, x.image, pg_catalog.clock_timestamp()\n        from (%s) x;\n'
                || E'        get diagnostics touched = row_count;\n', insert_head, capture, body);
        elsif is_safe then
            -- The touched keys, NEW and OLD, each with the row as it stands now, or as a delete.
            logged := format(E'%s\n            select pg_catalog.pg_current_xact_id(), %s, (case when s.gone then ''D'' else ''%s'' end)::"char", s.key, s.image, pg_catalog.clock_timestamp()\n            from ',
                insert_head, capture, case event when 'INSERT' then 'I' else 'U' end);
            foreach part in array array['limit 100', 'offset 100'] loop
                candidates := case
                    when event <> 'UPDATE' then format('select %s from tidemark_%s t %s', key.keys, case event when 'INSERT' then 'new' else 'old' end, part)
                    -- A key that is listed twice is only logged twice, with one image.
                    else format('select * from (select %1$s from tidemark_new t %3$s) n union all select * from (select %1$s from tidemark_old t %3$s) o '
                        || 'where not exists (select from (select %1$s from tidemark_new t %4$s) n where %2$s)',
                        key.keys, key.same, part, nullif(part, 'offset 100')) end;
                branch := branch || case when part <> 'offset 100' then
                    format(E'        %s(select s.found is null as gone, %s as key, s.image from (%s) c\n              left join lateral (select true as found, %s as image %s) s on true) s;\n'
                        || E'        get diagnostics touched = row_count;\n', logged, key.candidate_text, candidates, image, standing)
                -- The rest of a statement that touches many rows is planned each time, by their number and the size of the
                -- table; a kept plan would be right for one size only. offset 0: an image is computed once. Reading the
                -- table whole is for read committed: in serializable it would make unrelated transactions fail. The hash
                -- tables may take 32 MB, or what the session allows itself if that is more, until the function ends.
                else format(E'        if touched >= 100 then\n'
                        || E'            perform pg_catalog.set_config(''enable_seqscan'', case when fresh then ''on'' else ''off'' end, true), pg_catalog.set_config(''jit'', ''off'', true),\n'
                        || E'                pg_catalog.set_config(''work_mem'', greatest(pg_catalog.pg_size_bytes(pg_catalog.current_setting(''work_mem'')) / 1024, 32768)::text, true);\n'
                        || E'            execute case when fresh then %L\n            else %L end;\n'
                        || E'            get diagnostics last = row_count;\n            touched := touched + last;\n        end if;\n',
                        format('%s(select t.ctid is null as gone, %s as key, case when t.ctid is not null then %s end as image from (%s) c left join only %s t on %s offset 0) s',
                            logged, key.candidate_text, image, candidates, qualified, key.match),
                        format('%s(select s.found is null as gone, %s as key, s.image from (%s) c left join lateral (select true as found, %s as image %s) s on true) s',
                            logged, key.candidate_text, candidates, image, replace(standing, 'tidemark_state.fresh or ', ''))) end;
            end loop;
        else
            if keeps_before and event <> 'INSERT' then
                branch := branch || format(E'        if %s then\n            %s\n            values (pg_catalog.pg_current_xact_id(), %s, ''B'', %s, null, pg_catalog.clock_timestamp(), coalesce(%s, ''''));\n            last := 1;\n        end if;\n',
                    tidemark.is_from_before('OLD.xmin'), replace(insert_head, 'changed_at)', 'changed_at, before)'), capture,
                    tidemark.row_key(relation, 'OLD'), tidemark.row_image(relation, 'OLD'));
            end if;
            -- A key whose text changed while it stayed equal (1.0, 1.00) is a delete, then an upsert: deletes first.
            branch := branch || format(E'        %s\n        select pg_catalog.pg_current_xact_id(), %s, l.o::"char", l.key, l.image, pg_catalog.clock_timestamp()\n'
                || E'        from (select distinct on (x.key) x.* from (%s) x) c left join lateral (select %s as key, %s as image %s) s on true\n'
                || E'        cross join lateral (select ''D'' as o, c.key as key, null as image where s.key is null or s.key collate "C" <> c.key collate "C"\n'
                || E'            union all select ''%s'', s.key, s.image where s.key is not null) l\n        order by l.o <> ''D'';\n'
                || E'        get diagnostics touched = row_count;\n',
                insert_head, capture,
                concat_ws(' union all ',
                    case when event <> 'INSERT' then format('select %s, (%s) collate "C" as key from %s', key.keys, key.text, old_source) end,
                    case when event <> 'DELETE' then format('select %s, (%s) collate "C" as key from %s', key.keys, key.text, new_source) end),
                key.text, image, standing, case event when 'INSERT' then 'I' else 'U' end)
                || case when keeps_before then E'        touched := touched + coalesce(last, 0);\n' else '' end;
        end if;
    end loop;
    if not is_by_row then branch := branch || E'    end if;\n'; end if;
    if is_quick then handed_on := handed_on || E'    end if;\n'; end if;

    body := E'#variable_conflict use_column\n<<tidemark_state>>\n'
        || case when is_by_row then E'declare drawn pg_catalog.int8; seqscan pg_catalog.text;' || case when keeps_before then ' was pg_catalog.text;' else '' end || E'\nbegin\n'
           else E'declare drawn pg_catalog.int8; touched pg_catalog.int8; last pg_catalog.int8; fresh boolean; stamp pg_catalog.timestamptz; as_attached boolean; same_key boolean;\n    under_way pg_catalog.text; session_settings pg_catalog.text[];\nbegin\n' end
        -- Loop guard. Triggers that fire always would log what tidemark itself applies here. An ordinary role may not
        -- set the replica role, so that an application cannot switch capture off by the first setting alone.
        -- Where that is passed on, the replica role of others is still kept out.
        || case when applied then format(E'    if pg_catalog.current_setting(''session_replication_role'') operator(pg_catalog.=) ''replica'' then\n'
                || E'        if coalesce(pg_catalog.current_setting(''tidemark.applying'', true), '''') operator(pg_catalog.<>) ''1'' then %s\n'
                || E'        elsif coalesce(pg_catalog.current_setting(''tidemark.marked'', true), '''') operator(pg_catalog.<>) ''1'' then perform tidemark.refuse_unmarked(TG_RELID);\n'
                || E'        end if;\n    end if;\n', case when replica_role then 'null;' else 'return null;' end)
           when replica_role then E'    if pg_catalog.current_setting(''tidemark.applying'', true) operator(pg_catalog.=) ''1'' and pg_catalog.current_setting(''session_replication_role'') operator(pg_catalog.=) ''replica'' then return null; end if;\n' else '' end
        || case when is_by_row then tidemark.row_capture(relation, capture, about_table, keeps_before) else about_table ||
        case when is_quick and key_index is not null then format(E'    under_way := pg_catalog.current_setting(%L, true);\n', counter) else '' end
        || E'    drawn := pg_catalog.nextval(''tidemark.data_changes_id_seq'');\n'
        || case when is_quick then '    ' || tidemark.by_segment(handed_on) || E'\n' else '' end
        -- From here on by the table itself. The settings are put back: they would last until the transaction ends.
        || case when is_quick then
            format(E'    if touched is null then\n    session_settings := array[%s];\n    perform %s;\n',
                (select string_agg(format('pg_catalog.current_setting(%L)', n), ', ') from unnest(array['search_path', 'enable_seqscan', 'work_mem', 'jit']) n),
                'pg_catalog.set_config(''search_path'', ''pg_catalog, pg_temp'', true)' || case when key_index is null then '' else ', pg_catalog.set_config(''enable_seqscan'', ''off'', true)' end)
           else '' end
        || format(E'    if tidemark.is_stopped(%2$s) then\n        touched := 0;\n    elsif %1$s then\n        perform tidemark.log_mark(%2$s, ''X'');\n', guard, capture)
        || E'    else\n    fresh := pg_catalog.current_setting(''transaction_isolation'') like ''read%'';\n    ' || tidemark.by_segment(branch) || E'\n    end if;\n'
        || case when is_quick then
            format(E'    perform %s;\n    end if;\n',
                (select string_agg(format('pg_catalog.set_config(%L, session_settings[%s], true)', n, i), ', ' order by i desc)
                 from unnest(array['search_path', 'enable_seqscan', 'work_mem', 'jit']) with ordinality u(n, i)))
           else '' end
        || case when is_quick and key_index is not null then
            format(E'    if under_way operator(pg_catalog.=) ''2'' then\n        under_way := pg_catalog.set_config(%1$L, '''', true);\n'
                || E'    elsif under_way operator(pg_catalog.<>) '''' then\n        last := under_way::pg_catalog.int8 operator(pg_catalog.-) 2;\n'
                || E'        if touched operator(pg_catalog.>) 0 and last operator(pg_catalog.%%) 2 operator(pg_catalog.=) 0 then last := last operator(pg_catalog.+) 1; end if;\n'
                || E'        under_way := pg_catalog.set_config(%1$L, case when last operator(pg_catalog.<) 2 then '''' else last::pg_catalog.text end, true);\n    end if;\n', counter) else '' end
        || E'    if touched operator(pg_catalog.>) 0 then\n        last := pg_catalog.currval(''tidemark.data_changes_id_seq'');\n'
        || E'        if last operator(pg_catalog.%) 16384 operator(pg_catalog.<=) touched then\n'
        || E'            perform tidemark.write_tick(last);\n'
        || E'        end if;\n    end if;\n' end
        || E'    return null;\nend ';

    -- Older triggers of ours, only where they are: DROP TRIGGER locks harder than CREATE TRIGGER.
    for found_trigger in
        select t.tgname, t.tgrelid::regclass as rel from pg_catalog.pg_trigger t
        where t.tgrelid in (select relation union select p.relid from pg_catalog.pg_partition_tree(relation) p)
          and t.tgparentid = 0 and t.tgname in ('tidemark_begins', 'tidemark_insert', 'tidemark_update', 'tidemark_delete', 'tidemark_truncate', 'tidemark_before', 'tidemark_row')
          and t.tgfoid in (select p.oid from pg_catalog.pg_proc p where p.pronamespace = 'tidemark'::regnamespace)
        order by 2, 1
    loop
        return next format('drop trigger %I on %s', found_trigger.tgname, found_trigger.rel);
    end loop;
    -- enable_seqscan: the plan is kept for the session; one made while the table was tiny would scan it whole for
    -- every row after it has grown.
    -- Each setting costs writers a tenth of the trigger: the quick way does without.
    return next format(E'create or replace function %s() returns trigger\nlanguage plpgsql security definer\n%s%s\nas %L', function_name,
        case when is_quick or is_by_row then '' else case when settings like '%search\_path%' then '' else E'set search_path = pg_catalog, pg_temp\n' end || case when key_index is not null then 'set enable_seqscan = off ' else '' end end,
        settings, body);
    return next format('revoke all on function %s() from public', function_name);
    for event, created in
        select * from (values
            ('tidemark_begins', 'before insert or update or delete on %s for each statement'),
            ('tidemark_insert', 'after insert on %s referencing new table as tidemark_new for each statement'),
            ('tidemark_update', 'after update on %s referencing old table as tidemark_old new table as tidemark_new for each statement'),
            ('tidemark_delete', 'after delete on %s referencing old table as tidemark_old for each statement'),
            ('tidemark_row', 'after insert or update or delete on %s for each row')) v(name, definition)
        where (v.name = 'tidemark_row') = (actual_kind = 'row') and (v.name <> 'tidemark_begins' or is_quick and key_index is not null)
    loop
        return next format('create trigger %s ' || created || ' execute function %s', event, qualified,
            case event when 'tidemark_begins' then format('tidemark.statement_begins(%L)', counter) else function_name || '()' end);
        if always then return next format('alter table %s enable always trigger %s', qualified, event); end if;
    end loop;
    return query select * from tidemark.truncate_statements(relation, function_name, always, images);
    if partitioned then
        -- Row triggers are cloned with the rights of whoever creates or attaches a partition. Without USAGE on the
        -- schema the grant is good for nothing else.
        return next format('grant execute on function %s() to %I', function_name, pg_catalog.pg_get_userbyid(class.relowner));
    end if;
end $$;
