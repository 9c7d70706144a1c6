-- A row as the log holds it: the text of its key and of its image.
-- In PL/pgSQL, which plans a statement once a session: a function in SQL that sets search_path is planned at each call, and
-- setup calls these some hundred times for a table, whose writers wait meanwhile.

-- No value of PostgreSQL can be larger than 1 GB. Capture logs a larger image as L, without it.
create or replace function tidemark.image_max_bytes() returns bigint
language sql immutable as 'select 1000000000::pg_catalog.int8';

-- A built-in scalar is written by row_to_json itself, from its output function.
create or replace function tidemark.is_plain(type oid) returns boolean
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
    return (select t.oid < 16384 and t.typtype = 'b' and t.typcategory <> 'A' and t.typname not in ('json', 'jsonb')
        from pg_catalog.pg_type t where t.oid = type);
end $$;

-- A column of a row's alias, or of NEW or OLD. Always in quotes: NEW.by, a word that only PL/pgSQL reserves, is an error.
create or replace function tidemark.field(source text, name text) returns text
language plpgsql immutable set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
    return source || '."' || replace(name, '"', '""') || '"';
end $$;

-- Anything else goes through its output function by format(): row_to_json would call a user's cast to json with
-- definer's rights, lose array bounds, and turn a json null into an SQL null.
create or replace function tidemark.column_expression(source text, name text, type oid) returns text
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
    return (select case when tidemark.is_plain(type) then f.field
            else format('case when %1$s is distinct from null then pg_catalog.format(''%%s'', %1$s) end', f.field) end
        from tidemark.field(source, name) f(field));
end $$;

-- One member of a JSON object, as row_to_json would write it, for a value that is never null. Expressions that capture
-- runs name the schema of everything, operators and types too: its fast way runs with the session's search_path.
create or replace function tidemark.json_member(name text, source text, type oid) returns text
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
    return (select format('%L operator(pg_catalog.||) ', to_json(name)::text || ':') || case
        when type in ('int2'::regtype, 'int4'::regtype, 'int8'::regtype) then format('%s::pg_catalog.text', source)
        when tidemark.is_plain(type) then format('pg_catalog.to_json(%s)::pg_catalog.text', source)
        else format('pg_catalog.to_json(pg_catalog.format(''%%s'', %s))::pg_catalog.text', source) end);
end $$;

-- The JSON of a key, of its members in order.
create or replace function tidemark.json_object(members text[]) returns text
language plpgsql immutable strict set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
    return (select format('''{'' operator(pg_catalog.||) %s operator(pg_catalog.||) ''}''',
                    array_to_string(members, ' operator(pg_catalog.||) '','' operator(pg_catalog.||) ')));
end $$;

-- A signature of an older version, which a call would be ambiguous with.
drop function if exists tidemark.type_settings(oid);

-- The settings that change the text of a type. JSON has a form of its own for dates, whatever DateStyle says; what goes
-- through the output function, as the values of arrays and domains do, has not.
create or replace function tidemark.type_settings(type oid, by_output_function boolean default false) returns text[]
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare t pg_catalog.pg_type;
begin
    select * into t from pg_catalog.pg_type p where p.oid = type;
    if t.typtype = 'd' then return tidemark.type_settings(t.typbasetype, true); end if;
    if t.typcategory = 'A' and t.typelem <> 0 then return tidemark.type_settings(t.typelem, true); end if;
    if t.typtype = 'e' then return '{}'; end if;
    if t.oid < 16384 and t.typtype = 'b' then
        return case
            when t.typname in ('float4', 'float8') or t.typcategory = 'G' then array['extra_float_digits = 1']
            when t.typname = 'interval' then array['"IntervalStyle" = ''postgres''']
            when t.typname in ('date', 'timestamp', 'timestamptz') then
                case when by_output_function then array['"DateStyle" = ''ISO, YMD'''] else '{}' end
                || case when t.typname = 'timestamptz' then array['"TimeZone" = ''UTC'''] else '{}' end
            when t.typname = 'bytea' then array['bytea_output = ''hex''']
            when t.typname = 'money' then array['lc_monetary = ''C''']
            -- The name of an object is written with its schema, or without.
            when t.typname like 'reg%' then array['search_path = pg_catalog, pg_temp']
            else '{}'::text[] end;
    end if;
    return array['extra_float_digits = 1', '"IntervalStyle" = ''postgres''', '"DateStyle" = ''ISO, YMD''',
                 '"TimeZone" = ''UTC''', 'bytea_output = ''hex''', 'lc_monetary = ''C''', 'search_path = pg_catalog, pg_temp'];
end $$;

-- The name of a type with its modifiers, qualified where it is not built in; of a domain, the type below it.
create or replace function tidemark.type_name(type oid, modifier int) returns text
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare t pg_catalog.pg_type;
begin
    select * into t from pg_catalog.pg_type p where p.oid = type;
    if t.typtype = 'd' then return tidemark.type_name(t.typbasetype, t.typtypmod); end if;
    return pg_catalog.format_type(type, modifier);
end $$;

-- The index that identifies a row, as REPLICA IDENTITY would accept it. The primary key first. On a partitioned
-- table only an index of the root itself: leaves with keys of their own can hold the same key twice.
create or replace function tidemark.key_index(relation regclass) returns oid
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
    return (select i.indexrelid from pg_catalog.pg_index i
        where i.indrelid = relation and i.indisunique and i.indisvalid and i.indislive and i.indimmediate
          and i.indpred is null and i.indexprs is null
          and not exists (select from pg_catalog.generate_series(0, i.indnkeyatts - 1) n
                          join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[n]
                          where not a.attnotnull or a.attgenerated = 'v')
        order by i.indisprimary desc, i.indnkeyatts, i.indexrelid limit 1);
end $$;

create or replace function tidemark.key_columns(relation regclass) returns text[]
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
    return (select pg_catalog.array_agg(a.attname::text order by n)
        from pg_catalog.pg_index i, pg_catalog.generate_series(0, i.indnkeyatts - 1) n, pg_catalog.pg_attribute a
        where i.indexrelid = tidemark.key_index(relation) and a.attrelid = i.indrelid and a.attnum = i.indkey[n]);
end $$;

-- Signatures of older versions, which a call would be ambiguous with.
drop function if exists tidemark.image_fits(regclass), tidemark.row_json(regclass), tidemark.row_image(regclass);

-- The condition under which the JSON of a row, alias t, or NEW or OLD, can be one value; null where it always can. What it
-- adds up is an upper bound: text may grow sixfold (control characters), bytea twofold in hex and is held twice. Beyond it
-- the row cannot be logged as one value, and the application's statement must not fail. Where no value has more than its
-- share, there is nothing to add up.
create or replace function tidemark.image_fits(relation regclass, source text default 't') returns text
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
    return (select format('((%s) is not false or %s operator(pg_catalog.<=) %s)',
        string_agg(format('%s operator(pg_catalog.<) %s', s.bytes, tidemark.image_max_bytes() / s.growth / s.columns), ' and ' order by s.attnum),
        string_agg(format('coalesce(%s operator(pg_catalog.*) %s::pg_catalog.int8, 0)', s.growth, s.bytes), ' operator(pg_catalog.+) ' order by s.attnum),
        tidemark.image_max_bytes())
    from (select a.attnum, case when a.atttypid in ('text'::regtype, 'varchar'::regtype, 'bpchar'::regtype) then 6 else 4 end as growth,
                 format(case when a.atttypid in ('text'::regtype, 'varchar'::regtype, 'bpchar'::regtype, 'bytea'::regtype)
                             then 'pg_catalog.octet_length(%s)' else 'pg_catalog.pg_column_size(%s)' end, tidemark.field(source, a.attname)) as bytes,
                 count(*) over () as columns
          from pg_catalog.pg_attribute a
          where a.attrelid = relation and a.attnum > 0 and not a.attisdropped and a.attgenerated <> 'v'
            and a.attlen = -1 and a.atttypid <> 'numeric'::regtype) s
    having count(*) > 0);
end $$;

-- The JSON of a row that fits. The columns of a partition, which a trigger is handed, may have another order.
create or replace function tidemark.row_json(relation regclass, source text default 't') returns text
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
    return (select case when bool_and(tidemark.is_plain(a.atttypid)) and not exists (select from pg_catalog.pg_attribute v
                         where v.attrelid = relation and v.attnum > 0 and v.attgenerated = 'v')
                     and (source = 't' or (select c.relkind from pg_catalog.pg_class c where c.oid = relation) <> 'p')
                then format('pg_catalog.row_to_json(%s.*)::pg_catalog.text', source)
                else format('(select pg_catalog.row_to_json(i.*)::pg_catalog.text from (select %s) i)',
                    string_agg(format('%s as %I', tidemark.column_expression(source, a.attname, a.atttypid), a.attname), ', ' order by a.attnum)) end
    from pg_catalog.pg_attribute a
    where a.attrelid = relation and a.attnum > 0 and not a.attisdropped and a.attgenerated <> 'v');
end $$;

-- The expression for a row's image: what capture logs, and what copy and verify read. NULL where it is too large.
create or replace function tidemark.row_image(relation regclass, source text default 't') returns text
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
    return (select coalesce('case when ' || tidemark.image_fits(relation, source) || ' then ' || tidemark.row_json(relation, source) || ' end',
                      tidemark.row_json(relation, source)));
end $$;

-- The expression for the JSON of a row's key; null without a key.
create or replace function tidemark.row_key(relation regclass, source text) returns text
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
    return (select tidemark.json_object(array_agg(tidemark.json_member(a.attname, tidemark.field(source, a.attname), a.atttypid) order by n))
        from pg_catalog.pg_index i, pg_catalog.generate_series(0, i.indnkeyatts - 1) n, pg_catalog.pg_attribute a
        where i.indexrelid = tidemark.key_index(relation) and a.attrelid = i.indrelid and a.attnum = i.indkey[n]);
end $$;

-- The columns of a key with what compares them: by the operator, as an index can serve no function. But an implicit cast of
-- the user's makes the operator of a polymorphic class (enum, record) ambiguous, and then the function behind it must do.
-- safe: equality of values is equality of their texts, so that values may be compared instead, and hashed.
create or replace function tidemark.key_parts(relation regclass)
returns table (n int, name text, type oid, equals text, function text, collation text, safe boolean)
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
    return query
    select n, a.attname::text, a.atttypid, format('operator(%I.%s)', opn.nspname, op.oprname),
           case when oc.opcintype in ('anyenum'::regtype, 'anyarray'::regtype, 'anyrange'::regtype, 'anymultirange'::regtype, 'record'::regtype)
                  and exists (select from pg_catalog.pg_cast x where x.castsource = a.atttypid and x.castcontext = 'i')
                then (select format('%I.%I', pn.nspname, pp.proname) from pg_catalog.pg_proc pp
                      join pg_catalog.pg_namespace pn on pn.oid = pp.pronamespace where pp.oid = op.oprcode) end,
           case when i.indcollation[n] not in (0, a.attcollation)
                then (select format(' collate %I.%I', cn.nspname, co.collname) from pg_catalog.pg_collation co
                      join pg_catalog.pg_namespace cn on cn.oid = co.collnamespace where co.oid = i.indcollation[n]) else '' end,
           op.oprcanhash and (
               a.atttypid in ('int2'::regtype, 'int4'::regtype, 'int8'::regtype, 'oid'::regtype, 'uuid'::regtype, 'bool'::regtype,
                              'date'::regtype, 'timestamp'::regtype, 'timestamptz'::regtype, 'bytea'::regtype)
               or a.atttypid in ('text'::regtype, 'varchar'::regtype)
                  and (select bool_and(co.collisdeterministic) from pg_catalog.pg_collation co where co.oid in (a.attcollation, i.indcollation[n])))
    from pg_catalog.pg_index i, generate_series(0, i.indnkeyatts - 1) n
    join pg_catalog.pg_attribute a on true, pg_catalog.pg_opclass oc, pg_catalog.pg_amop ao, pg_catalog.pg_operator op, pg_catalog.pg_namespace opn
    where i.indexrelid = tidemark.key_index(relation) and a.attrelid = i.indrelid and a.attnum = i.indkey[n]
      and oc.oid = i.indclass[n] and ao.amopfamily = oc.opcfamily and ao.amopstrategy = 3
      and ao.amoplefttype = oc.opcintype and ao.amoprighttype = oc.opcintype
      and op.oid = ao.amopopr and opn.oid = op.oprnamespace;
end $$;

-- The condition under which a row of the table, alias t, has the key of another one: of a row (NEW, OLD), or of the
-- candidates' k0, k1 … where the other one is called c.
create or replace function tidemark.key_matches(relation regclass, other text) returns text
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
    return (select string_agg(case when k.function is not null then format('%s(%s%s, %s)', k.function, tidemark.field('t', k.name), k.collation, o.field)
                           else format('%s%s %s %s', tidemark.field('t', k.name), k.collation, k.equals, o.field) end, ' and ' order by k.n)
    from tidemark.key_parts(relation) k, lateral (select case when other = 'c' then format('c.k%s', k.n) else tidemark.field(other, k.name) end) o(field));
end $$;
